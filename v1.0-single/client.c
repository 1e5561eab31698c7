/* client.c - v1.0-single: sends one message to an echo server and checks what comes back.
 *
 *     ./client [-q] [HOST [PORT [MESSAGE]]]        ./client 127.0.0.1 65432 'Hello, world'
 *     ./client HOST PORT - < in > out              sends a file
 *
 * The life of every TCP client: socket, connect, send, recv, close.
 */
#include "cli.h"
#include "connect.h"
#include "endpoint.h"
#include "program.h"
#include "stream.h"
#include "text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char USAGE[] =
    "usage: client [-q] [HOST [PORT [MESSAGE]]]\n"
    "Sends MESSAGE to an echo server and checks that the same comes back.\n"
    "  HOST, PORT  the server (127.0.0.1 65432)\n"
    "  MESSAGE     what to send (Hello, world); -: send stdin, write the echo to stdout\n"
    "  -q          do not show what is sent and received\n"
    "  -h, --help  show this\n";

/* A long message goes out in pieces, and each piece comes back before the next one goes. With
 * everything sent first, the echo would fill the socket buffers of both sides, and both would be
 * stuck in send() for ever, with nobody left to recv(). A piece must be smaller than what the
 * smallest buffers hold together. */
enum { PIECE_SIZE = 4096 };

/* What has gone one way so far: its size, and as much of its beginning as is shown. */
struct traffic {
    char start[QUOTED_BYTES];
    size_t start_size;
    uintmax_t size;
};

static void count(struct traffic *traffic, const void *piece, size_t size)
{
    size_t room = sizeof traffic->start - traffic->start_size;
    size_t kept = size < room ? size : room;

    memcpy(traffic->start + traffic->start_size, piece, kept);
    traffic->start_size += kept;
    traffic->size += size;
}

/* Sends a piece of the message and receives its echo, which it also writes to `copy` if that is not
 * NULL. Returns 0, or -1 after one line on stderr. */
static int exchange(int connection, const char *piece, size_t size, struct traffic *received,
                    FILE *copy)
{
    char echo[PIECE_SIZE];
    size_t echoed = 0;

    if (send_all(connection, piece, size) == -1)
        return complain_about_server(errno);
    while (echoed < size) { /* the echo of one send() may take several recv() */
        ssize_t result = recv(connection, echo, sizeof echo, 0);
        if (result == -1 && errno == EINTR)
            continue; /* a signal came first: nothing is lost, ask again */
        if (result == -1)
            return complain_about_server(errno);
        if (result == 0)
            return complain_about_server(ECONNRESET); /* FIN, and something is still missing */

        size_t got = (size_t)result;
        count(received, echo, got);
        if (copy != NULL && (fwrite(echo, 1, got, copy) != got || fflush(copy) != 0)) {
            complain("client: cannot write to stdout: %s", strerror(errno));
            return -1;
        }
        /* Never strcmp(): it stops at the first NUL. */
        if (got > size - echoed || memcmp(echo, piece + echoed, got) != 0) {
            complain("client: the echo differs from what was sent");
            return -1;
        }
        echoed += got;
    }
    return 0;
}

static void show(FILE *transcript, const char *what, const struct traffic *traffic)
{
    (void)fprintf(transcript, "Client %s %s\n", what,
                  quote_start(traffic->start, traffic->start_size, traffic->size).text);
}

/* Sends MESSAGE and receives its echo. Returns 0, or -1 after one line on stderr. */
static int exchange_message(int connection, const char *message, bool quiet)
{
    struct traffic sent = {.size = 0}, received = {.size = 0};
    size_t size = strlen(message); /* an argument has no NUL inside; an empty one has no piece */
    int result = 0;

    count(&sent, message, size);
    if (!quiet)
        show(stdout, "sends", &sent);
    for (size_t done = 0; done < size && result == 0; done += PIECE_SIZE) {
        size_t rest = size - done;
        result = exchange(connection, message + done, rest < PIECE_SIZE ? rest : PIECE_SIZE,
                          &received, NULL);
    }
    if (!quiet && (result == 0 || received.size > 0))
        show(stdout, "receives", &received);
    return result;
}

/* Sends all of stdin and writes its echo to stdout. Returns 0, or -1 after one line on stderr. */
static int exchange_stdin(int connection, bool quiet)
{
    struct traffic sent = {.size = 0}, received = {.size = 0};
    char piece[PIECE_SIZE];
    ssize_t got;
    int result = 0;

    while (result == 0 && (got = read(STDIN_FILENO, piece, sizeof piece)) != 0) {
        if (got > 0) {
            count(&sent, piece, (size_t)got);
            result = exchange(connection, piece, (size_t)got, &received, stdout);
        } else if (errno != EINTR) {
            complain("client: cannot read stdin: %s", strerror(errno));
            result = -1;
        }
    }
    if (!quiet)
        show(stderr, "sends", &sent);
    if (!quiet && (result == 0 || received.size > 0))
        show(stderr, "receives", &received);
    return result;
}

int main(int argc, char *argv[])
{
    struct command_line line = {
        .usage = USAGE, .options = "q", .host = "127.0.0.1", .port = "65432", .operand_limit = 1};
    struct endpoint peer;

    start_program(); /* SIGPIPE is ignored: a server that is gone is an error to report */
    if (!parse_client(&line, argc, argv))
        return line.status;
    const char *message = line.operand_count > 0 ? line.operands[0] : "Hello, world";
    bool from_stdin = strcmp(message, "-") == 0;
    FILE *transcript = from_stdin ? stderr : stdout; /* stdout is for the echo alone */

    int connection = connect_to(line.host, line.port, &peer); /* socket, connect */
    if (connection == -1)
        return EXIT_FAILURE;
    (void)fprintf(transcript, "Client connects to %s\n", peer.address);

    int result = from_stdin ? exchange_stdin(connection, line.quiet)
                            : exchange_message(connection, message, line.quiet);

    (void)close(connection);
    (void)fprintf(transcript, "Client closes connection to %s\n", peer.address);
    return result == 0 ? finish_output() : EXIT_FAILURE;
}
