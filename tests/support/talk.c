/* talk.c - see talk.h. */
#include "talk.h"

#include "base.h"
#include "steps.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Receives lines from a connection. */
struct reader {
    int fd;
    unsigned char piece[64 * 1024];
    size_t at, size; /* what of the piece is not yet taken */
    struct bytes line;
};

/* Receives up to and including the next newline into reader->line. Returns false if no more comes
 * before, and why_no_more in `*why`. */
static bool read_line(struct reader *reader, const char **why)
{
    unsigned char *newline = NULL;

    reader->line.size = 0;
    while (newline == NULL) {
        if (reader->at == reader->size) {
            ssize_t got = recv(reader->fd, reader->piece, sizeof reader->piece, 0);
            if (got <= 0) {
                *why = why_no_more(got);
                return false;
            }
            reader->at = 0;
            reader->size = (size_t)got;
        }
        unsigned char *start = reader->piece + reader->at;
        size_t rest = reader->size - reader->at;
        newline = memchr(start, '\n', rest);
        size_t length = newline != NULL ? (size_t)(newline + 1 - start) : rest;
        append(&reader->line, start, length);
        reader->at += length;
    }
    return true;
}

/* Whether the line that came last is that one. */
static bool is_line(const struct reader *reader, const void *line, size_t size)
{
    return reader->line.size == size && memcmp(reader->line.data, line, size) == 0;
}

/* The same if others have said something without a newline in front of it. */
static bool ends_with_line(const struct reader *reader, const void *line, size_t size)
{
    return reader->line.size >= size &&
           memcmp(reader->line.data + reader->line.size - size, line, size) == 0;
}

/* Sends the line at `*at` of `text`, if there is one more. Returns its size. */
static size_t say_line(int fd, const struct bytes *text, size_t at)
{
    const unsigned char *start = text->data + at;
    const unsigned char *newline = memchr(start, '\n', text->size - at);
    size_t size = newline != NULL ? (size_t)(newline + 1 - start) : text->size - at;

    send_bytes(fd, start, size);
    return size;
}

void step_talk(int *fd, char *rest)
{
    static struct reader reader;
    struct bytes text = read_file(next_part(&rest));
    FILE *out = open_output(next_part(&rest));
    size_t total = strtoul(rest, NULL, 10), heard = 0, said = 0;
    size_t size = say_line(*fd, &text, said);
    const char *why;

    reader.fd = *fd;
    while (heard < total) {
        if (!read_line(&reader, &why))
            fail("expected %zu bytes, got %zu in whole lines and then %s", total, heard, why);
        heard += reader.line.size;
        (void)fwrite(reader.line.data, 1, reader.line.size, out);
        if (size > 0 && ends_with_line(&reader, text.data + said, size)) {
            said += size;
            size = say_line(*fd, &text, said);
        }
    }
    (void)fclose(out);
    if (size > 0)
        fail("the line at byte %zu did not come back whole", said);
    free(text.data);
}

void step_hear(int *fd, char *rest)
{
    static struct reader reader;
    struct bytes text = read_file(rest);
    const char *why;

    reader.fd = *fd;
    do {
        if (!read_line(&reader, &why))
            fail("got %s, and the line did not come", why);
    } while (!ends_with_line(&reader, text.data, text.size));
    free(text.data);
}

/* Returns a new connection to the server at the other end of `fd`. */
static int connect_again(int fd)
{
    struct sockaddr_storage server;
    socklen_t size = sizeof server;
    int connection = -1;

    if (getpeername(fd, (struct sockaddr *)&server, &size) == 0)
        connection = socket(server.ss_family, SOCK_STREAM, 0);
    if (connection == -1 || connect(connection, (struct sockaddr *)&server, size) == -1)
        fail("cannot connect again: %s", strerror(errno));
    limit_silence_like(connection, fd);
    return connection;
}

/* Fails unless `expected` is what comes next. */
static void expect_next(struct reader *reader, const struct bytes *expected)
{
    struct bytes received = {0};
    char wanted[SHOWN_SIZE], got[SHOWN_SIZE];

    append(&received, "", 0);
    while (received.size < expected->size) {
        unsigned char piece[256];
        size_t want = expected->size - received.size;
        ssize_t size = recv(reader->fd, piece, want < sizeof piece ? want : sizeof piece, 0);
        if (size <= 0)
            fail("expected \"%s\" first, got \"%s\" and then %s",
                 escape(expected->data, expected->size, wanted),
                 escape(received.data, received.size, got), why_no_more(size));
        append(&received, piece, (size_t)size);
    }
    if (memcmp(received.data, expected->data, expected->size) != 0)
        fail("expected \"%s\" first, got \"%s\"", escape(expected->data, expected->size, wanted),
             escape(received.data, received.size, got));
    free(received.data);
}

/* Receives lines until `line` comes. Fails if `later`, which was sent behind it, comes before. */
static void hear(struct reader *reader, const char *who, const char *line, const char *later)
{
    const char *why;

    while (read_line(reader, &why)) {
        if (is_line(reader, line, strlen(line)))
            return;
        if (is_line(reader, later, strlen(later)))
            fail("%s missed \"%.*s\", and got the line behind it", who, (int)strlen(line) - 1,
                 line);
    }
    fail("%s got %s, and not \"%.*s\"", who, why, (int)strlen(line) - 1, line);
}

void step_meet(int *fd, char *rest)
{
    static struct reader old, newcomer;
    size_t count = strtoul(next_part(&rest), NULL, 10);
    struct bytes text = unescape(rest);

    old.fd = *fd;
    for (size_t i = 0; i < count; i++) {
        char first[80], second[80];
        (void)snprintf(first, sizeof first, "meet %ld %zu first\n", (long)getpid(), i);
        (void)snprintf(second, sizeof second, "meet %ld %zu second\n", (long)getpid(), i);
        newcomer.fd = connect_again(*fd);
        newcomer.at = newcomer.size = 0;
        expect_next(&newcomer, &text);
        send_bytes(*fd, (unsigned char *)first, strlen(first));
        hear(&old, "the one who sent it", first, second);
        send_bytes(*fd, (unsigned char *)second, strlen(second));
        hear(&old, "the one who sent it", second, "");
        hear(&newcomer, "the newcomer", first, second);
        hear(&newcomer, "the newcomer", second, "");
        (void)close(newcomer.fd);
    }
    free(text.data);
}
