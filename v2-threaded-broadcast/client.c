/* client.c - v2-threaded-broadcast: sends what is typed and shows what comes, both at any time.
 *
 *     ./client [HOST [PORT]]        ./client 127.0.0.1 1234
 *
 * Somebody who types must see what others say meanwhile. One thread waits for stdin, the other for
 * the server.
 *
 * New since v1.0: two threads, one for each direction. The bytes of others reach a terminal, so
 * they are made harmless on the way.
 */
#include "cli.h"
#include "connect.h"
#include "endpoint.h"
#include "program.h"
#include "stream.h"
#include "text.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char USAGE[] =
    "usage: client [HOST [PORT]]\n"
    "Sends the lines of stdin to a server, and shows all that comes from it.\n"
    "  HOST, PORT  the server (127.0.0.1 65432)\n"
    "  -h, --help  show this\n";

/* As much as one read() or recv() takes, and the longest line that goes out whole. */
enum { PIECE_SIZE = 64 * 1024 };

struct client {
    int connection;
    atomic_int input; /* -1 while there may be more; 0 at its end; or why send() failed, by errno */
};

/* Returns the size of the whole lines at the beginning of a text. */
static size_t whole_lines(const char *text, size_t size)
{
    while (size > 0 && text[size - 1] != '\n')
        size--;
    return size;
}

/* What the second thread does: sends stdin, whole lines at a time, so that others rarely see one
 * torn, and ends our half of the connection behind the last byte. It reads with read(): exit()
 * waits for a thread that holds the lock of stdin in getc(). Returns NULL, or not if that fails. */
static void *send_input(void *argument)
{
    struct client *client = argument;
    char lines[PIECE_SIZE];
    size_t size = 0;
    ssize_t got = 0;
    int error = 0;

    while (error == 0 && (got = read(STDIN_FILENO, lines + size, sizeof lines - size)) != 0) {
        if (got == -1 && errno == EINTR)
            continue;
        if (got == -1) {
            complain("client: cannot read stdin: %s", strerror(errno));
            break;
        }
        size += (size_t)got;
        size_t whole = whole_lines(lines, size);
        if (whole == 0 && size == sizeof lines)
            whole = size; /* a longer line goes in parts */
        error = send_all(client->connection, lines, whole) == -1 ? errno : 0;
        size -= whole;
        memmove(lines, lines + whole, size);
    }
    if (error == 0 && send_all(client->connection, lines, size) == -1)
        error = errno;
    atomic_store(&client->input, error);
    /* The server sees FIN, and we still hear it; or it is gone, and the other thread finds out. */
    (void)shutdown(client->connection, error == 0 ? SHUT_WR : SHUT_RDWR);
    return got == -1 ? client : NULL;
}

/* Shows a piece of what has come. Returns how many bytes at its end are only the beginning of a
 * character: they belong in front of the next piece. */
static size_t show(const char *piece, size_t size, bool more)
{
    if (isatty(STDOUT_FILENO))
        return size - print_stream(stdout, piece, size, more);
    (void)fwrite(piece, 1, size, stdout);
    return 0;
}

/* Shows what comes until the server closes the connection. Returns 0, or -1 after one line on
 * stderr. */
static int receive_output(struct client *client)
{
    char piece[PIECE_SIZE];
    size_t kept = 0;
    ssize_t received;

    while ((received = recv(client->connection, piece + kept, sizeof piece - kept, 0)) != 0) {
        if (received == -1 && errno == EINTR)
            continue;
        if (received == -1)
            break;
        size_t size = kept + (size_t)received;
        kept = show(piece, size, true);
        if (ferror(stdout) || fflush(stdout) == EOF)
            return complain("client: cannot write to stdout: %s", strerror(errno));
        memmove(piece, piece + size - kept, kept);
    }
    int error = received == -1 ? errno : ECONNRESET; /* FIN, and we have not ended our half */
    int input = atomic_load(&client->input);
    (void)show(piece, kept, false);
    (void)fflush(stdout); /* it stands in front of what we complain about */
    if (received == 0 && input == 0)
        return 0;
    return complain_about_server(input > 0 ? input : error);
}

int main(int argc, char *argv[])
{
    struct command_line line = {
        .usage = USAGE, .options = "", .host = "127.0.0.1", .port = "65432"};
    static struct client client = {.input = -1}; /* the other thread may outlive main() */
    struct endpoint peer;
    pthread_t sender;
    void *failed;

    start_program(); /* SIGPIPE is ignored: a server that is gone is an error to report */
    if (!parse_client(&line, argc, argv))
        return line.status;

    client.connection = connect_to(line.host, line.port, &peer); /* socket, connect */
    if (client.connection == -1)
        return EXIT_FAILURE;
    int error = pthread_create(&sender, NULL, send_input, &client);
    if (error != 0) {
        complain("client: cannot start a thread: %s", strerror(error));
        return EXIT_FAILURE;
    }
    if (receive_output(&client) == -1) {
        (void)pthread_detach(sender); /* not joined: it may wait for stdin, and ends with us */
        return EXIT_FAILURE;
    }
    (void)pthread_join(sender, &failed);
    (void)close(client.connection);
    return failed != NULL ? EXIT_FAILURE : finish_output();
}
