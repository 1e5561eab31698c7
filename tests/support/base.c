/* base.c - see base.h. */
#include "base.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PIECE_SIZE = 64 * 1024 };

const char *current_step = "start";
unsigned current_number;

_Noreturn void fail(const char *format, ...)
{
    va_list arguments;

    (void)fflush(stdout);
    if (current_number > 0)
        (void)fprintf(stderr, "probe: step %u, %s: ", current_number, current_step);
    else
        (void)fprintf(stderr, "probe: %s: ", current_step);
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
    exit(1);
}

static void end_in_time(int signal_number)
{
    static const char message[] = "probe: the time is up in step ";

    (void)signal_number;
    (void)!write(STDERR_FILENO, message, sizeof message - 1);
    (void)!write(STDERR_FILENO, current_step, strlen(current_step));
    (void)!write(STDERR_FILENO, "\n", 1);
    _exit(3);
}

void limit_time(unsigned seconds)
{
    (void)signal(SIGALRM, end_in_time);
    (void)alarm(seconds);
}

void let_pass(long milliseconds)
{
    struct timespec time = {.tv_sec = milliseconds / 1000,
                            .tv_nsec = milliseconds % 1000 * 1000000};

    (void)nanosleep(&time, NULL);
}

long long now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void wait_for_line(void)
{
    char byte = 0;

    while (read(STDIN_FILENO, &byte, 1) == 1 && byte != '\n')
        ;
}

void append(struct bytes *bytes, const void *data, size_t size)
{
    bytes->data = realloc(bytes->data, bytes->size + size + 1);
    if (bytes->data == NULL)
        fail("out of memory");
    memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
}

struct bytes read_file(const char *path)
{
    struct bytes bytes = {0};
    char piece[PIECE_SIZE];
    size_t got;
    FILE *file = fopen(path, "rb");

    if (file == NULL)
        fail("cannot read %s: %s", path, strerror(errno));
    append(&bytes, "", 0);
    while ((got = fread(piece, 1, sizeof piece, file)) > 0)
        append(&bytes, piece, got);
    (void)fclose(file);
    return bytes;
}

char *escape(const unsigned char *data, size_t size, char shown[SHOWN_SIZE])
{
    size_t end = 0;

    shown[0] = '\0';
    for (size_t i = 0; i < size && i < SHOWN_BYTES; i++) {
        static const char LETTERS[] = "\n\r\t\\", NAMES[] = "nrt\\";
        const char *letter = data[i] == 0 ? NULL : strchr(LETTERS, data[i]);
        if (letter != NULL)
            end += (size_t)sprintf(shown + end, "\\%c", NAMES[letter - LETTERS]);
        else if (data[i] >= 0x20 && data[i] < 0x7f)
            end += (size_t)sprintf(shown + end, "%c", data[i]);
        else
            end += (size_t)sprintf(shown + end, "\\x%02x", data[i]);
    }
    if (size > SHOWN_BYTES)
        (void)sprintf(shown + end, "...");
    return shown;
}

void show_bytes(const unsigned char *data, size_t size)
{
    char shown[SHOWN_SIZE];

    while (size > 0) {
        size_t part = size < SHOWN_BYTES ? size : SHOWN_BYTES;
        (void)fputs(escape(data, part, shown), stdout);
        data += part;
        size -= part;
    }
}

struct bytes unescape(const char *text)
{
    struct bytes bytes = {0};

    append(&bytes, "", 0);
    while (*text != '\0') {
        char byte = *text++;
        if (byte == '\\' && *text == 'x') {
            char hex[3] = {text[1], '\0', '\0'};
            if (text[1] != '\0')
                hex[1] = text[2];
            byte = (char)strtoul(hex, NULL, 16);
            text += 1 + strlen(hex);
        } else if (byte == '\\' && *text != '\0') {
            const char *names = "nrt0", *letters = "\n\r\t", *name = strchr(names, *text);
            byte = *text++;
            if (name != NULL)
                byte = letters[name - names];
        }
        append(&bytes, &byte, 1);
    }
    return bytes;
}
