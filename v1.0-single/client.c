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
    "  -q          do not show the messages\n"
    "  -h, --help  show this\n";

/* A long message goes out in pieces, and each piece comes back before the next one goes. With
 * everything sent first, the echo would fill the socket buffers of both sides, and both would be
 * stuck in send() for ever, with nobody left to recv(). A piece must be smaller than what the
 * smallest buffers hold together. */
enum { PIECE_SIZE = 4096 };

/* Receives some of an echo that is to be `size` bytes of `message`, and writes it to `copy` if that
 * is not NULL. Returns how many bytes came; or -1 with errno: ECONNRESET if the server has closed,
 * EBADMSG if the echo differs. */
static ssize_t receive_echo(int connection, const char *message, size_t size, FILE *copy)
{
    static char echo[PIECE_SIZE];
    ssize_t received = recv(connection, echo, sizeof echo, 0);

    if (received == -1 && errno == EINTR)
        return 0; /* a signal came first: nothing is lost, ask again */
    if (received == 0)
        errno = ECONNRESET; /* FIN, and something is still missing */
    if (received <= 0)
        return -1;

    size_t got = (size_t)received;
    if (copy != NULL)
        (void)fwrite(echo, 1, got, copy);               /* exchange_stdin() asks ferror() */
    if (got <= size && memcmp(echo, message, got) == 0) /* never strcmp(): it stops at a NUL */
        return received;
    errno = EBADMSG;
    return -1;
}

/* Sends a piece of the message and receives its echo. Returns 0, or -1 after one line on stderr. */
static int exchange(int connection, const char *piece, size_t size, FILE *copy)
{
    size_t echoed = 0;

    if (send_all(connection, piece, size) == -1)
        return complain_about_server(errno);
    while (echoed < size) { /* the echo of one send() may take several recv() */
        ssize_t received = receive_echo(connection, piece + echoed, size - echoed, copy);
        if (received == -1)
            return complain_about_server(errno);
        echoed += (size_t)received;
    }
    return 0;
}

/* Sends MESSAGE and receives its echo. Returns 0, or -1 after one line on stderr. */
static int exchange_message(int connection, const char *message, bool quiet)
{
    size_t size = strlen(message); /* an argument has no NUL inside; an empty one has no piece */
    struct quoted quoted = quote(message, size);

    if (!quiet)
        printf("Client sends %s\n", quoted.text);
    for (size_t done = 0; done < size; done += PIECE_SIZE) {
        size_t rest = size - done;
        if (exchange(connection, message + done, rest < PIECE_SIZE ? rest : PIECE_SIZE, NULL) == -1)
            return -1;
    }
    if (!quiet)
        printf("Client receives %s\n", quoted.text);
    return 0;
}

/* Sends all of stdin and writes its echo to stdout. Returns 0, or -1 after one line on stderr. */
static int exchange_stdin(int connection, bool quiet)
{
    char piece[PIECE_SIZE], start[QUOTED_BYTES];
    size_t start_size = 0;
    uintmax_t size = 0;
    ssize_t got;

    while ((got = read(STDIN_FILENO, piece, sizeof piece)) != 0) {
        if (got == -1 && errno == EINTR)
            continue;
        if (got == -1)
            return complain("client: cannot read stdin: %s", strerror(errno));
        for (ssize_t i = 0; i < got && start_size < sizeof start; i++)
            start[start_size++] = piece[i];
        size += (uintmax_t)got;
        if (exchange(connection, piece, (size_t)got, stdout) == -1)
            return -1;
        if (ferror(stdout) || fflush(stdout) == EOF)
            return complain("client: cannot write to stdout: %s", strerror(errno));
    }
    if (!quiet) {
        struct quoted quoted = quote_start(start, start_size, size);
        (void)fprintf(stderr, "Client sends %s\nClient receives %s\n", quoted.text, quoted.text);
    }
    return 0;
}

int main(int argc, char *argv[])
{
    struct command_line line = {
        .usage = USAGE, .options = "q", .host = "127.0.0.1", .port = "65432", .max_extra = 1};
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
