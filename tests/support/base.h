/* base.h - failing, waiting, and bytes: what all parts of the probe need. */
#ifndef BASE_H
#define BASE_H

#include "bytes.h"

#include <stddef.h>

/* The step that is being done, and which one that is, for messages: 0 before the first one. */
extern const char *current_step;
extern unsigned current_number;

/* Ends the process with status 1, after one line on stderr that names the current step. */
_Noreturn void fail(const char *format, ...);

/* Ends the process with status 3 when `seconds` have passed. */
void limit_time(unsigned seconds);

/* Lets `milliseconds` pass. */
void let_pass(long milliseconds);

/* Returns milliseconds on a clock that nobody sets. */
long long now_ms(void);

/* Reads stdin up to the end of a line, or of the input. */
void wait_for_line(void);

/* Returns what is in a file. */
struct bytes read_file(const char *path);

/* Returns the bytes that a text such as a\n\0\x1b stands for. */
struct bytes unescape(const char *text);

enum { SHOWN_BYTES = 60, SHOWN_SIZE = SHOWN_BYTES * 4 + 4 };

/* Puts bytes into `shown` as unescape() takes them, no more than the first SHOWN_BYTES. Returns
 * `shown`. */
char *escape(const unsigned char *data, size_t size, char shown[SHOWN_SIZE]);

/* Prints all of the bytes as unescape() takes them. */
void show_bytes(const unsigned char *data, size_t size);

#endif
