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
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static const char USAGE[] =
    "usage: client [-q] [HOST [PORT [NUM_CLIENTS [MESSAGE ...]]]]\n"
    "Sends each MESSAGE to an echo server, on all connections at once, and checks that the same\n"
    "comes back.\n"
    "  HOST, PORT   the server (127.0.0.1 65432)\n"
    "  NUM_CLIENTS  how many connections, 1 to 65535 (2)\n"
    "  MESSAGE      what to send (Message 1 from client. and Message 2 from client.)\n"
    "  -q           do not show what is sent and received\n"
    "  -h, --help   show this\n";

/* As much as one recv() takes. */
enum { PIECE_SIZE = 64 * 1024 };

struct connection {
    const struct addrinfo *address; /* the one that it is connected to, or tries */
    bool connected;
    int message;           /* which one is on its way */
    size_t sent, received; /* so much of it */
};

struct client {
    struct pollfd *polled; /* with the same index as connections; fd -1: not open */
    struct connection *connections;
    unsigned count;  /* NUM_CLIENTS */
    unsigned active; /* so many are not done yet */
    unsigned echoed; /* so many got all their messages back */
    char **messages;
    int message_count;
    bool quiet;
};

/* Closes connection i, and reports why if it has failed: `why` is NULL if not. */
static void close_connection(struct client *client, unsigned i, const char *why)
{
    if (why != NULL)
        complain("client: connection %u: %s", i + 1, why);
    if (client->polled[i].fd != -1)
        (void)close(client->polled[i].fd);
    client->polled[i].fd = -1; /* poll() skips it */
    client->active--;
    if (client->connections[i].connected)
        printf("Client closes connection %u\n", i + 1);
}

/* As close_connection(), after send() or recv() has failed with `error`. */
static void close_failed(struct client *client, unsigned i, int error)
{
    bool closed_by_server = error == EPIPE || error == ECONNRESET;

    close_connection(client, i, closed_by_server ? "connection closed by server" : strerror(error));
}

/* Starts to connect to the first address, of those not tried yet, that does not fail at once.
 * `error` is why the one before has failed. */
static void open_connection(struct client *client, unsigned i, int error)
{
    struct connection *connection = &client->connections[i];
    struct pollfd *polled = &client->polled[i];
    struct endpoint peer;

    for (; connection->address != NULL; connection->address = connection->address->ai_next) {
        const struct addrinfo *address = connection->address;
        *polled = (struct pollfd){.fd = open_socket(address), .events = POLLOUT};
        if (polled->fd != -1 && set_blocking(polled->fd, false) == 0) {
            name_endpoint(address->ai_addr, address->ai_addrlen, &peer);
            printf("Client starts connection %u to %s\n", i + 1, peer.address);
            if (try_to_connect(polled->fd, address) == 0 || errno == EINPROGRESS)
                return;
        }
        error = errno;
        if (polled->fd != -1)
            (void)close(polled->fd);
        polled->fd = -1;
    }
    close_connection(client, i, strerror(error));
}

/* Begins the next message of connection i. An empty one has come back before anything was sent:
 * waiting for its echo would be waiting for ever. Behind the last one, the connection is done. */
static void begin_message(struct client *client, unsigned i)
{
    struct connection *connection = &client->connections[i];

    for (; connection->message < client->message_count; connection->message++) {
        const char *message = client->messages[connection->message];
        struct quoted quoted = quote(message, strlen(message));
        if (!client->quiet)
            printf("Client sends %s on connection %u\n", quoted.text, i + 1);
        if (*message != '\0') {
            connection->sent = connection->received = 0;
            client->polled[i].events = POLLIN | POLLOUT;
            return;
        }
        if (!client->quiet)
            printf("Client receives %s on connection %u\n", quoted.text, i + 1);
    }
    client->echoed++;
    close_connection(client, i, NULL);
}

/* Goes on connecting, when poll() says that there is news of it. */
static void finish_connecting(struct client *client, unsigned i)
{
    struct connection *connection = &client->connections[i];

    if (try_to_connect(client->polled[i].fd, connection->address) == 0) {
        connection->connected = true;
        begin_message(client, i);
    } else if (errno != EINPROGRESS) {
        int error = errno;
        (void)close(client->polled[i].fd);
        client->polled[i].fd = -1;
        connection->address = connection->address->ai_next;
        open_connection(client, i, error);
    }
}

/* Sends as much of the message as the socket takes, receives what has come back of it, and begins
 * the next one when it is complete. */
static void exchange(struct client *client, unsigned i)
{
    static char echo[PIECE_SIZE]; /* one for all: between two calls it holds nothing */
    struct connection *connection = &client->connections[i];
    const char *message = client->messages[connection->message];
    size_t size = strlen(message);

    if (connection->sent < size) {
        ssize_t sent =
            send_some(client->polled[i].fd, message + connection->sent, size - connection->sent);
        if (sent == -1) {
            close_failed(client, i, errno);
            return;
        }
        connection->sent += (size_t)sent;
    }
    if (connection->sent == size)
        client->polled[i].events = POLLIN; /* it would be writable all the time */

    ssize_t result = recv(client->polled[i].fd, echo, sizeof echo, 0);
    if (result == -1 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (result <= 0) { /* 0: FIN, and something is still missing */
        close_failed(client, i, result == 0 ? ECONNRESET : errno);
        return;
    }
    size_t got = (size_t)result;
    /* Never strcmp(): it would stop at a NUL that a wrong server sends. */
    if (got > size - connection->received ||
        memcmp(echo, message + connection->received, got) != 0) {
        close_connection(client, i, "the echo differs from what was sent");
        return;
    }
    connection->received += got;
    if (connection->received == size) {
        if (!client->quiet)
            printf("Client receives %s on connection %u\n", quote(message, size).text, i + 1);
        connection->message++;
        begin_message(client, i);
    }
}

/* Does what poll() has found, until all connections are done. Returns 0, or -1 after one line on
 * stderr. */
static int exchange_all(struct client *client)
{
    while (client->active > 0) {
        int ready = poll(client->polled, client->count, -1);
        if (ready == -1 && errno != EINTR) {
            complain("client: cannot wait for the server: %s", strerror(errno));
            return -1;
        }
        for (unsigned i = 0; ready > 0 && i < client->count; i++) {
            if (client->polled[i].fd == -1 || client->polled[i].revents == 0)
                continue;
            ready--;
            if (client->connections[i].connected)
                exchange(client, i);
            else
                finish_connecting(client, i);
        }
    }
    return 0;
}

/* Opens all connections, and sees them through. Returns 0, or -1 after one line on stderr. */
static int run(struct client *client, const struct addrinfo *addresses)
{
    int result = -1;

    client->active = client->count;
    client->polled = calloc(client->count, sizeof *client->polled);
    client->connections = calloc(client->count, sizeof *client->connections);
    if (client->polled != NULL && client->connections != NULL) {
        for (unsigned i = 0; i < client->count; i++) {
            client->connections[i].address = addresses;
            open_connection(client, i, 0);
        }
        result = exchange_all(client);
    } else {
        complain("client: cannot hold %u connections: %s", client->count, strerror(errno));
    }
    free(client->polled);
    free(client->connections);
    return result;
}

/* Returns whether so many descriptors can be opened; if not, after one line on stderr. It is better
 * to know before the first connection than at the last. */
static bool enough_descriptors(unsigned wanted)
{
    struct rlimit limit;
    unsigned available = 0;

    if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
        return true; /* the system does not tell: socket() will */
    for (int fd = 0; (rlim_t)fd < limit.rlim_cur && available < wanted; fd++)
        available += fcntl(fd, F_GETFD) == -1;
    if (available < wanted)
        complain("client: cannot open %u connections: the limit on open files (ulimit -n) leaves "
                 "room for %u",
                 wanted, available);
    return available == wanted;
}

/* Reads NUM_CLIENTS and the messages, where they are given. Returns false as parse_client() does.
 */
static bool parse_operands(struct command_line *line, struct client *client)
{
    if (line->operand_count > 0 &&
        !parse_number(line, "NUM_CLIENTS", line->operands[0], 1, 65535, &client->count))
        return false;
    if (line->operand_count > 1) {
        client->messages = line->operands + 1;
        client->message_count = line->operand_count - 1;
    }
    client->quiet = line->quiet;
    return true;
}

int main(int argc, char *argv[])
{
    static char *default_messages[] = {"Message 1 from client.", "Message 2 from client."};
    struct command_line line = {.usage = USAGE,
                                .options = "q",
                                .host = "127.0.0.1",
                                .port = "65432",
                                .operand_limit = INT_MAX};
    struct client client = {.count = 2, .messages = default_messages, .message_count = 2};

    start_program(); /* SIGPIPE is ignored: a server that is gone is an error to report */
    if (!parse_client(&line, argc, argv) || !parse_operands(&line, &client))
        return line.status;
    struct addrinfo *addresses = find_addresses(line.host, line.port);
    if (addresses == NULL)
        return EXIT_FAILURE;
    /* Without enough of them none is opened, and the last line says so: on 0 of N. */
    int result = enough_descriptors(client.count) ? run(&client, addresses) : 0;
    freeaddrinfo(addresses);
    if (result == -1)
        return EXIT_FAILURE;

    printf("Client echoed on %u of %u connections\n", client.echoed, client.count);
    result = finish_output();
    return client.echoed == client.count ? result : EXIT_FAILURE;
}
