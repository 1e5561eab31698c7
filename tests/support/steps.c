/* steps.c - see steps.h; probe.c lists the steps. */
#include "steps.h"

#include "base.h"
#include "reverse.h"
#include "talk.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum {
    PIECE_SIZE = 64 * 1024,
    SPLIT_PAUSE_MS = 20,     /* makes it likely, not certain, that two sends arrive as two pieces */
    QUIET_MS = 200,          /* what comes too early has come by then, most likely */
    FLOOD_PATIENCE_MS = 1000 /* a socket that takes nothing for so long is full */
};

static unsigned silence_limit; /* seconds; 0: none */
static char silence[32];

void limit_silence(int fd, unsigned seconds)
{
    struct timeval time = {.tv_sec = (time_t)seconds};

    silence_limit = seconds;
    (void)snprintf(silence, sizeof silence, "nothing for %u s", seconds);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
}

void limit_silence_like(int fd, int other)
{
    struct timeval time = {0};
    socklen_t size = sizeof time;

    if (getsockopt(other, SOL_SOCKET, SO_RCVTIMEO, &time, &size) == 0 && time.tv_sec > 0)
        limit_silence(fd, (unsigned)time.tv_sec);
}

static bool is_silence(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK;
}

const char *why_no_more(ssize_t result)
{
    if (result == 0)
        return "the end of the stream";
    return is_silence(errno) ? silence : "a reset";
}

char *next_part(char **rest)
{
    char *part = *rest, *colon = strchr(part, ':');

    *rest = colon != NULL ? colon + 1 : part + strlen(part);
    if (colon != NULL)
        *colon = '\0';
    return part;
}

FILE *open_output(const char *path)
{
    FILE *file = fopen(*path != '\0' ? path : "/dev/null", "wb");

    if (file == NULL)
        fail("cannot write %s: %s", path, strerror(errno));
    return file;
}

void send_bytes(int fd, const unsigned char *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t sent = send(fd, data + done, size - done, 0);
        if (sent == -1 && errno != EINTR)
            fail("the peer took %zu of %zu bytes%s%s", done, size,
                 is_silence(errno) ? ", and then " : ": ",
                 is_silence(errno) ? silence : strerror(errno));
        done += sent > 0 ? (size_t)sent : 0;
    }
}

enum end { COMPLETE, END_OF_STREAM, RESET, SILENCE };
static const char *const END_NAMES[] = {"more bytes", "the end of the stream", "a reset", silence};

/* Receives up to `size` bytes into `file` and, if it is not NULL, into `bytes`. Returns how it
 * ended, and how many came in `*received`. */
static enum end receive(int fd, size_t size, FILE *file, struct bytes *bytes, size_t *received)
{
    char piece[PIECE_SIZE];

    *received = 0;
    while (*received < size) {
        size_t want = size - *received < sizeof piece ? size - *received : sizeof piece;
        ssize_t got = recv(fd, piece, want, 0);
        if (got == 0)
            return END_OF_STREAM;
        if (got == -1 && errno == EINTR)
            continue;
        if (got == -1)
            return is_silence(errno) ? SILENCE : RESET;
        *received += (size_t)got;
        if (file != NULL) {
            (void)fwrite(piece, 1, (size_t)got, file);
            (void)fflush(file);
        }
        if (bytes != NULL)
            append(bytes, piece, (size_t)got);
    }
    return COMPLETE;
}

/* The steps. `fd` is the connection, `rest` what stands behind the step's name and its colon. */

static void step_send(int *fd, char *rest)
{
    struct bytes text = unescape(rest);

    send_bytes(*fd, text.data, text.size);
    free(text.data);
}

static void step_urgent(int *fd, char *rest)
{
    if (send(*fd, rest, 1, MSG_OOB) != 1)
        fail("cannot send an urgent byte: %s", strerror(errno));
}

static void step_send_file(int *fd, char *rest)
{
    struct bytes file = read_file(rest);

    send_bytes(*fd, file.data, file.size);
    free(file.data);
}

static void step_bytes(int *fd, char *rest)
{
    struct bytes file = read_file(rest);

    for (size_t i = 0; i < file.size; i++)
        send_bytes(*fd, file.data + i, 1);
    free(file.data);
}

static void step_split(int *fd, char *rest)
{
    size_t cut = strtoul(next_part(&rest), NULL, 10);
    struct bytes file = read_file(rest);

    cut = cut < file.size ? cut : file.size;
    send_bytes(*fd, file.data, cut);
    let_pass(SPLIT_PAUSE_MS);
    send_bytes(*fd, file.data + cut, file.size - cut);
    free(file.data);
}

static void step_recv(int *fd, char *rest)
{
    size_t size = strtoul(next_part(&rest), NULL, 10), received;
    FILE *file = open_output(rest);
    enum end end = receive(*fd, size, file, NULL, &received);

    (void)fclose(file);
    if (end != COMPLETE)
        fail("expected %zu bytes, got %zu and then %s", size, received, END_NAMES[end]);
}

static void step_recv_all(int *fd, char *rest)
{
    FILE *file = open_output(rest);
    size_t received;
    enum end end = receive(*fd, (size_t)-1, file, NULL, &received);

    (void)fclose(file);
    if (end != END_OF_STREAM)
        fail("expected the end of the stream, got %zu bytes and then %s", received, END_NAMES[end]);
}

static void step_expect(int *fd, char *rest)
{
    struct bytes text = unescape(rest), got = {0};
    char expected[SHOWN_SIZE], came[SHOWN_SIZE];
    size_t received, same = 0;

    append(&got, "", 0);
    enum end end = receive(*fd, text.size, NULL, &got, &received);
    while (same < got.size && got.data[same] == text.data[same])
        same++;
    if (end == COMPLETE && same < text.size)
        fail("expected \"%s\" (%zu bytes), got \"%s\" (%zu bytes); the first difference is byte "
             "%zu: \\x%02x, not \\x%02x",
             escape(text.data, text.size, expected), text.size, escape(got.data, got.size, came),
             got.size, same, got.data[same], text.data[same]);
    if (end != COMPLETE)
        fail("expected \"%s\" (%zu bytes), got \"%s\" (%zu bytes) and then %s",
             escape(text.data, text.size, expected), text.size, escape(got.data, got.size, came),
             got.size, END_NAMES[end]);
    free(text.data);
    free(got.data);
}

static void step_ask(int *fd, char *rest)
{
    step_send(fd, rest);
    step_expect(fd, rest);
}

static void step_ping(int *fd, char *rest)
{
    struct bytes file = read_file(rest);

    for (size_t i = 0; i < file.size; i++) {
        unsigned char byte = 0;
        send_bytes(*fd, file.data + i, 1);
        ssize_t got = recv(*fd, &byte, 1, 0);
        if (got != 1)
            fail("byte %zu (\\x%02x) did not come back: %s", i, file.data[i], why_no_more(got));
        if (byte != file.data[i])
            fail("byte %zu: sent \\x%02x, got \\x%02x", i, file.data[i], byte);
    }
    free(file.data);
}

/* Reads what comes until the connection ends. Returns how, and how many bytes came before. */
static enum end drain(int fd, size_t *received, char first[SHOWN_SIZE])
{
    struct bytes got = {0};

    append(&got, "", 0);
    enum end end = receive(fd, (size_t)-1, NULL, &got, received);
    (void)escape(got.data, got.size, first);
    free(got.data);
    return end;
}

static void expect_the_end(int fd, enum end wanted)
{
    char first[SHOWN_SIZE];
    size_t received;
    enum end end = drain(fd, &received, first);

    if (end != wanted || (received > 0 && wanted == END_OF_STREAM))
        fail("expected %s, got %zu bytes (\"%s\") and then %s", END_NAMES[wanted], received, first,
             END_NAMES[end]);
}

static void step_expect_eof(int *fd, char *rest)
{
    (void)rest;
    expect_the_end(*fd, END_OF_STREAM);
}

static void step_expect_nothing(int *fd, char *rest)
{
    struct pollfd readable = {.fd = *fd, .events = POLLIN};
    char first[SHOWN_SIZE];
    unsigned char piece[SHOWN_BYTES];

    if (poll(&readable, 1, *rest != '\0' ? (int)strtol(rest, NULL, 10) : QUIET_MS) == 0)
        return;
    ssize_t got = recv(*fd, piece, sizeof piece, 0);
    fail("expected nothing, got %s\"%s\"", got == 0 ? "the end of the stream " : "",
         escape(piece, got > 0 ? (size_t)got : 0, first));
}

static void step_expect_reset(int *fd, char *rest)
{
    (void)rest;
    expect_the_end(*fd, RESET);
}

static void step_expect_end(int *fd, char *rest)
{
    char first[SHOWN_SIZE];
    size_t received;

    (void)rest;
    if (drain(*fd, &received, first) == SILENCE)
        fail("expected the end of the stream or a reset, got %zu bytes (\"%s\") and then %s",
             received, first, silence);
}

/* Sends as much of the rest as the peer takes now. Behind the last byte, half-closes if asked to.
 */
static void send_more(int fd, const struct bytes *in, size_t *sent, bool half_close)
{
    ssize_t took = send(fd, in->data + *sent, in->size - *sent, 0);

    *sent += took > 0 ? (size_t)took : 0;
    if (*sent == in->size && half_close)
        (void)shutdown(fd, SHUT_WR);
}

/* Sends IN while it receives into OUT, until as many bytes (or N, behind OUT) came back, or, if
 * `half_close`, until the end of the stream. */
static void duplex(int fd, char *rest, bool half_close)
{
    struct bytes in = read_file(next_part(&rest));
    FILE *out = open_output(next_part(&rest));
    size_t sent = 0, received = 0;
    char piece[PIECE_SIZE];
    int flags = fcntl(fd, F_GETFL);

    (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    if (in.size == 0 && half_close)
        (void)shutdown(fd, SHUT_WR);
    size_t expected = *rest != '\0' ? strtoul(rest, NULL, 10) : in.size;
    while (half_close || sent < in.size || received < expected) {
        struct pollfd ready = {.fd = fd, .events = sent < in.size ? POLLIN | POLLOUT : POLLIN};
        int patience = silence_limit > 0 ? (int)silence_limit * 1000 : -1;
        if (poll(&ready, 1, patience) == 0)
            fail("after %zu of %zu bytes sent and %zu received: %s", sent, in.size, received,
                 silence);
        if (sent < in.size && (ready.revents & POLLOUT))
            send_more(fd, &in, &sent, half_close);
        ssize_t got = recv(fd, piece, sizeof piece, 0);
        if (got == 0 && half_close && sent == in.size)
            break;
        if (got == 0 || (got == -1 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
            fail("after %zu of %zu bytes sent and %zu received: %s", sent, in.size, received,
                 got == 0 ? "the peer ended the stream" : strerror(errno));
        if (got > 0)
            received += fwrite(piece, 1, (size_t)got, out);
    }
    (void)fcntl(fd, F_SETFL, flags);
    (void)fclose(out);
    free(in.data);
}

static void step_exchange(int *fd, char *rest)
{
    duplex(*fd, rest, true);
}

static void step_roundtrip(int *fd, char *rest)
{
    duplex(*fd, rest, false);
}

static void step_half_close(int *fd, char *rest)
{
    (void)rest;
    if (shutdown(*fd, SHUT_WR) == -1)
        fail("cannot half-close: %s", strerror(errno));
}

static void step_close(int *fd, char *rest)
{
    (void)rest;
    (void)close(*fd);
    *fd = -1;
}

static void step_reset(int *fd, char *rest)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    (void)setsockopt(*fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    step_close(fd, rest);
}

/* Sends `data` again and again, `limit` bytes in all at most, until nothing goes any more. */
static void flood(int fd, const struct bytes *data, size_t limit)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    int flags = fcntl(fd, F_GETFL);
    size_t taken = 0;

    (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    while (taken < limit && poll(&room, 1, FLOOD_PATIENCE_MS) == 1) {
        size_t offset = taken % data->size, size = data->size - offset;
        size = size < limit - taken ? size : limit - taken;
        ssize_t sent = send(fd, data->data + offset, size, 0);
        if (sent == -1 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
            break;
        taken += sent > 0 ? (size_t)sent : 0;
    }
    (void)fcntl(fd, F_SETFL, flags);
    printf("flooded %zu\n", taken);
}

static void step_flood(int *fd, char *rest)
{
    static unsigned char piece[PIECE_SIZE];
    struct bytes data = {.data = piece, .size = sizeof piece};

    memset(piece, 'f', sizeof piece);
    flood(*fd, &data, *rest != '\0' ? strtoul(rest, NULL, 10) : (size_t)-1);
}

static void step_flood_file(int *fd, char *rest)
{
    struct bytes file = read_file(rest);

    flood(*fd, &file, (size_t)-1);
    free(file.data);
}

static void step_slow_read(int *fd, char *rest)
{
    enum { PAUSE_MS = 50 };
    long long start = now_ms(); /* pauses may last longer than they should: the clock tells */
    size_t rate = strtoul(next_part(&rest), NULL, 10);
    FILE *file = open_output(next_part(&rest));
    size_t limit = *rest != '\0' ? strtoul(rest, NULL, 10) : (size_t)-1, total = 0, received;
    enum end end = COMPLETE;

    while (end == COMPLETE && total < limit) {
        let_pass(PAUSE_MS);
        size_t due = rate * (size_t)(now_ms() - start) / 1000;
        size_t size = due > total ? due - total : 1;
        end = receive(*fd, limit - total < size ? limit - total : size, file, NULL, &received);
        total += received;
    }
    (void)fclose(file);
    printf("read %zu\n", total);
    if (end == RESET || end == SILENCE)
        fail("%s after %zu bytes", END_NAMES[end], total);
}

/* Echoes up to `limit` bytes, or up to the end of the stream, with the byte at `wrong` changed. */
static void echo(int fd, size_t limit, size_t wrong)
{
    unsigned char piece[PIECE_SIZE];

    for (size_t done = 0; done < limit;) {
        size_t size = limit - done < sizeof piece ? limit - done : sizeof piece;
        ssize_t got = recv(fd, piece, size, 0);
        if (got <= 0)
            break;
        if (wrong >= done && wrong < done + (size_t)got)
            piece[wrong - done] ^= 1;
        send_bytes(fd, piece, (size_t)got);
        done += (size_t)got;
    }
}

static void step_echo(int *fd, char *rest)
{
    echo(*fd, *rest != '\0' ? strtoul(rest, NULL, 10) : (size_t)-1, (size_t)-1);
}

static void step_corrupt(int *fd, char *rest)
{
    echo(*fd, (size_t)-1, strtoul(rest, NULL, 10));
}

/* Answers messages up to `end`, or up to the end of the stream. What comes is in FILE too. */
static void step_reverse(int *fd, char *rest)
{
    FILE *file = open_output(rest);
    struct bytes input = {0};
    struct answered done = {0};
    ssize_t got = 1;

    while (got > 0 && !done.end) {
        char piece[PIECE_SIZE];
        struct bytes answers = {0};
        got = recv(*fd, piece, sizeof piece, 0);
        append(&input, piece, got > 0 ? (size_t)got : 0);
        (void)fwrite(piece, 1, got > 0 ? (size_t)got : 0, file);
        (void)fflush(file);
        done = answer_messages(input.data, input.size, got == 0, &answers);
        send_bytes(*fd, answers.data, answers.size);
        input.size -= done.taken;
        memmove(input.data, input.data + done.taken, input.size);
        free(answers.data);
    }
    (void)fclose(file);
    free(input.data);
}

static void step_who(int *fd, char *rest)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    char host[64], port[8];

    (void)rest;
    (void)getsockname(*fd, (struct sockaddr *)&address, &size);
    (void)getnameinfo((struct sockaddr *)&address, size, host, sizeof host, port, sizeof port,
                      NI_NUMERICHOST | NI_NUMERICSERV);
    printf(address.ss_family == AF_INET6 ? "me [%s]:%s\n" : "me %s:%s\n", host, port);
}

static void step_say(int *fd, char *rest)
{
    (void)fd;
    printf("%s\n", rest);
}

static void step_wait(int *fd, char *rest)
{
    (void)fd;
    let_pass(strtol(rest, NULL, 10));
}

static void step_pause(int *fd, char *rest)
{
    step_say(fd, *rest != '\0' ? rest : "paused");
    wait_for_line();
}

static const struct step {
    const char *name;
    void (*run)(int *fd, char *rest);
    bool once; /* not on each connection, but once for all of them */
} STEPS[] = {
    {"send", step_send, false},
    {"urgent", step_urgent, false},
    {"send-file", step_send_file, false},
    {"bytes", step_bytes, false},
    {"split", step_split, false},
    {"recv", step_recv, false},
    {"recv-all", step_recv_all, false},
    {"expect", step_expect, false},
    {"expect-eof", step_expect_eof, false},
    {"expect-nothing", step_expect_nothing, false},
    {"expect-reset", step_expect_reset, false},
    {"expect-end", step_expect_end, false},
    {"ask", step_ask, false},
    {"ping", step_ping, false},
    {"exchange", step_exchange, false},
    {"roundtrip", step_roundtrip, false},
    {"half-close", step_half_close, false},
    {"close", step_close, false},
    {"reset", step_reset, false},
    {"flood", step_flood, false},
    {"flood-file", step_flood_file, false},
    {"reverse", step_reverse, false},
    {"slow-read", step_slow_read, false},
    {"echo", step_echo, false},
    {"corrupt", step_corrupt, false},
    {"who", step_who, false},
    {"say", step_say, true},
    {"pause", step_pause, true},
    {"wait", step_wait, true},
    {"talk", step_talk, false},
    {"hear", step_hear, false},
    {"meet", step_meet, false},
};

/* Takes the number of a connection, counted from 1, and its slash off the front of a step. Returns
 * the number, or 0 where there is none: the step is for all connections. */
static size_t take_number(const char **text)
{
    size_t digits = strspn(*text, "0123456789"), number = 0;

    if (digits > 0 && (*text)[digits] == '/') {
        number = strtoul(*text, NULL, 10);
        *text += digits + 1;
    }
    return number;
}

/* Returns the step of that name (up to its colon), or ends the process with status 2. */
static const struct step *find_step(const char *text)
{
    size_t length = strcspn(text, ":");

    for (size_t i = 0; i < sizeof STEPS / sizeof *STEPS; i++)
        if (strlen(STEPS[i].name) == length && strncmp(STEPS[i].name, text, length) == 0)
            return &STEPS[i];
    (void)fprintf(stderr, "probe: unknown step: %s\n", text);
    exit(2);
}

static void run_step(const struct step *step, const char *text, int *connection)
{
    size_t name_length = strcspn(text, ":");
    char *rest = strdup(text + name_length + (text[name_length] == ':'));

    if (rest == NULL)
        fail("out of memory");
    step->run(connection, rest);
    free(rest);
}

void run_steps(int connections[], size_t count, char *steps[])
{
    for (char **next = steps; *next != NULL; next++) { /* a mistake shows before anything is done */
        const char *text = *next;
        if (take_number(&text) > count) {
            (void)fprintf(stderr, "probe: no such connection: %s\n", *next);
            exit(2);
        }
        (void)find_step(text);
    }
    for (char **next = steps; *next != NULL; next++) {
        const char *text = *next;
        size_t only = take_number(&text);
        const struct step *step = find_step(text);
        current_step = *next;
        current_number++;
        if (only > 0) {
            run_step(step, text, &connections[only - 1]);
            continue;
        }
        for (size_t i = 0; i < (step->once ? 1 : count); i++)
            run_step(step, text, &connections[i]);
    }
}
