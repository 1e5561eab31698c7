/* client.c - v1.1-multiconn: many connections to an echo server at once, in one thread.
 *
 *     ./client [-q] [HOST [PORT [NUM_CLIENTS [MESSAGE ...]]]]
 *     ./client 127.0.0.1 65432 2 'Message 1 from client.' 'Message 2 from client.'
 *
 * Each connection sends its messages one after another, each when the one before has come back.
 *
 * New since v1.0: no socket blocks, also not while it connects, and poll() tells which connections
 * can go on. Sending and receiving take turns as the socket allows, so a long message needs no
 * pieces.
 */
#include "cli.h"
#include "connect.h"
#include "endpoint.h"
#include "program.h"
#include "stream.h"
#include "text.h"

#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char USAGE[] =
    "usage: client [-q] [HOST [PORT [NUM_CLIENTS [MESSAGE ...]]]]\n"
    "Sends each MESSAGE to an echo server, on all connections at once, and checks that the same\n"
    "comes back.\n"
    "  HOST, PORT   the server (127.0.0.1 65432)\n"
    "  NUM_CLIENTS  how many connections, 1 to 65535 (2)\n"
    "  MESSAGE      what to send (Message 1 from client. and Message 2 from client.)\n"
    "  -q           do not show the messages\n"
    "  -h, --help   show this\n";

/* As much as one recv() takes. Nothing needs to be sent in pieces any more. */
enum { PIECE_SIZE = 64 * 1024 };

struct connection {
    unsigned number;
    int socket;                     /* -1: not open */
    const struct addrinfo *address; /* the one that it is connected to, or tries */
    bool connected;
    char **message; /* the one on its way, then those to come; *message is NULL: all are back */
    size_t size, sent, received; /* of it, in bytes */
};

/* Receives some of an echo that is to be `size` bytes of `message`. Returns how many bytes came; or
 * -1 with errno: ECONNRESET if the server has closed, EBADMSG if the echo differs. */
static ssize_t receive_echo(int connection, const char *message, size_t size)
{
    static char echo[PIECE_SIZE];
    ssize_t received = recv(connection, echo, sizeof echo, 0);

    if (received == -1 && is_only_for_now(errno))
        return 0; /* nothing has come yet (EAGAIN), or a signal came first: ask again */
    if (received == 0)
        errno = ECONNRESET; /* FIN, and something is still missing */
    if (received <= 0)
        return -1;

    size_t got = (size_t)received;
    if (got <= size && memcmp(echo, message, got) == 0) /* never strcmp(): it stops at a NUL */
        return received;
    errno = EBADMSG;
    return -1;
}

/* Closes a connection, and reports `error`, why it has failed; 0: it has not. */
static void close_connection(struct connection *connection, int error)
{
    if (error != 0)
        complain("client: connection %u: %s", connection->number, explain_failure(error));
    (void)close(connection->socket);
    connection->socket = -1;
    printf("Client closes connection %u\n", connection->number);
}

static void show(const char *what, const struct connection *connection)
{
    printf("Client %s %s on connection %u\n", what,
           quote(*connection->message, connection->size).text, connection->number);
}

/* Begins with the message that is next. An empty one has come back before anything was sent:
 * waiting for its echo would be waiting for ever. Behind the last one, the connection is done. */
static void begin_message(struct connection *connection, bool quiet)
{
    for (; *connection->message != NULL; connection->message++) {
        connection->sent = connection->received = 0;
        connection->size = strlen(*connection->message); /* an argument has no NUL inside */
        if (!quiet)
            show("sends", connection);
        if (connection->size > 0)
            return;
        if (!quiet)
            show("receives", connection);
    }
    close_connection(connection, 0);
}

/* Sends a piece of the message, as much as the socket takes, and receives some of its echo. */
static void exchange(struct connection *connection, bool quiet)
{
    const char *message = *connection->message;

    if (connection->sent < connection->size) {
        ssize_t sent = send(connection->socket, message + connection->sent,
                            connection->size - connection->sent, 0);
        if (sent == -1 && !is_only_for_now(errno)) {
            close_connection(connection, errno);
            return;
        }
        connection->sent += sent == -1 ? 0 : (size_t)sent;
    }
    ssize_t received = receive_echo(connection->socket, message + connection->received,
                                    connection->size - connection->received);
    if (received == -1) {
        close_connection(connection, errno);
        return;
    }
    connection->received += (size_t)received;
    if (connection->received == connection->size) {
        if (!quiet)
            show("receives", connection);
        connection->message++;
        begin_message(connection, quiet);
    }
}

/* Opens a socket that does not block, to connect it. Returns 0, or -1 with errno. */
static int start_connection(struct connection *connection)
{
    const struct addrinfo *address = connection->address;
    struct endpoint peer;

    connection->socket = open_socket(address);
    if (connection->socket == -1 || set_blocking(connection->socket, false) == -1)
        return -1;
    name_endpoint(address->ai_addr, address->ai_addrlen, &peer);
    printf("Client starts connection %u to %s\n", connection->number, peer.address);
    return 0;
}

/* Connects, at first and when poll() has news of it: to one address after another, until one
 * answers. */
static void go_on_connecting(struct connection *connection, bool quiet)
{
    int error = 0;

    for (; connection->address != NULL; connection->address = connection->address->ai_next) {
        if (connection->socket != -1 || start_connection(connection) == 0) {
            if (try_to_connect(connection->socket, connection->address) == 0) {
                connection->connected = true;
                begin_message(connection, quiet);
                return;
            }
            if (errno == EINPROGRESS)
                return;
        }
        error = errno;
        if (connection->socket != -1)
            (void)close(connection->socket);
        connection->socket = -1;
    }
    complain("client: connection %u: %s", connection->number, strerror(error));
}

/* Waits until some connections can go on, and lets them. Returns false when all are closed. */
static bool take_turns(struct connection *connections, unsigned count, bool quiet)
{
    static struct pollfd polled[MOST_DESCRIPTORS]; /* only of those that are open, in their order */
    size_t open = 0, i = 0;

    for (struct connection *next = connections; next < connections + count; next++) {
        bool is_sent = next->connected && next->sent == next->size;
        short events = is_sent ? POLLIN : POLLIN | POLLOUT; /* all sent: always writable */
        if (next->socket != -1)
            polled[open++] = (struct pollfd){.fd = next->socket, .events = events};
    }
    if (open > 0)
        (void)wait_for_events("client: cannot wait for the server", polled, open, -1);
    for (struct connection *next = connections; next < connections + count; next++) {
        if (next->socket == -1 || polled[i++].revents == 0) /* a closed one has no entry */
            continue;
        if (next->connected)
            exchange(next, quiet);
        else
            go_on_connecting(next, quiet);
    }
    return open > 0;
}

int main(int argc, char *argv[])
{
    static char *default_messages[] = {"Message 1 from client.", "Message 2 from client.", NULL};
    static struct connection connections[65535];
    struct command_line line = {
        .usage = USAGE, .options = "q", .host = "127.0.0.1", .port = "65432", .max_extra = INT_MAX};
    unsigned count = 2, echoed = 0;

    start_program(); /* SIGPIPE is ignored: a server that is gone is an error to report */
    if (!parse_client(&line, argc, argv) ||
        (line.operand_count > 0 &&
         !parse_number(&line, "NUM_CLIENTS", line.operands[0], 1, 65535, &count)))
        return line.status;
    char **messages = line.operand_count > 1 ? line.operands + 1 : default_messages;

    struct addrinfo *addresses = look_up("client: cannot connect to", line.host, line.port);
    if (addresses == NULL)
        return EXIT_FAILURE;
    for (unsigned i = 0; i < count; i++) {
        connections[i] = (struct connection){
            .number = i + 1, .socket = -1, .address = addresses, .message = messages};
        go_on_connecting(&connections[i], line.quiet);
    }
    while (take_turns(connections, count, line.quiet))
        continue;
    for (unsigned i = 0; i < count; i++)
        echoed += *connections[i].message == NULL;
    freeaddrinfo(addresses);

    printf("Client echoed on %u of %u connections\n", echoed, count);
    return echoed == count ? finish_output() : EXIT_FAILURE;
}
