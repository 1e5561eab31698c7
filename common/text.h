/* text.h - showing bytes that somebody else sent, so that none of them can drive a terminal. */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
    QUOTED_CHARACTERS = 64,               /* at most so many stand between the quotes */
    QUOTED_BYTES = QUOTED_CHARACTERS * 4, /* so many bytes decide what stands there */
    QUOTED_SIZE = QUOTED_BYTES + 40       /* the quotes, "...", the size in 20 digits, the NUL */
};

struct quoted {
    char text[QUOTED_SIZE];
};

/* Returns the message in double quotes with its size, as in `"Hello, world" (12 bytes)`. Inside the
 * quotes, `"`, `\`, newline, carriage return and tab are escaped as in C; printable ASCII and valid
 * UTF-8 (RFC 3629) from U+00A0 up stand as they are; every other byte is \xHH. What does not fit in
 * 64 characters is replaced by `...` behind the quotes. The result is a value that nobody needs to
 * free: `printf("%s\n", quote(message, size).text)`. */
struct quoted quote(const void *message, size_t size);

/* The same where only the first bytes are at hand: all of them, or at least QUOTED_BYTES. */
struct quoted quote_start(const void *start, size_t start_size, uintmax_t size);

/* Writes a message as text with the same escapes, but without quotes and never cut; quotes and
 * backslashes stand as they are. `text` is the caller's, and has room for 4 * size + 1 characters:
 * each byte may become \xHH, and a NUL ends them. Returns it. */
const char *escape(char *text, const void *message, size_t size);

/* Prints a piece of a byte stream for somebody at a terminal: newline and tab stand, other control
 * characters (C0, DEL, C1) and bytes that are not valid UTF-8 are \xHH, byte by byte. Returns how
 * many bytes it took: all, or up to 3 fewer where the piece ends within a character; the caller
 * puts those in front of the next piece. At the end of the stream (not `more`) it takes all. */
size_t print_stream(FILE *stream, const void *piece, size_t size, bool more);

/* Returns how many bytes the UTF-8 character at the start of `text` has: 1 to 4, 0 if there is none
 * that is valid (RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF), and
 * UTF8_UNFINISHED if the `size` bytes (at least 1) are only the beginning of one. */
enum { UTF8_UNFINISHED = 5 };
size_t utf8_length(const unsigned char *text, size_t size);

#endif
