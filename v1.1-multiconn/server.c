/* server.c - v1.1-multiconn: an echo server for many clients at once, in one thread.
 *
 *     ./server [-q] [[HOST] PORT]        ./server 127.0.0.1 65432
 *
 * One thread can serve many clients if it never waits for one of them: no socket blocks, and poll()
 * tells which ones have something to do.
 *
 * New since v1.0: the server stays up, and each client has a struct connection of its own. What a
 * client does not take at once waits there, and until it has gone, nothing more is read from it.
 */
#include "cli.h"
#include "clock.h"
#include "endpoint.h"
#include "listen.h"
#include "program.h"
#include "stop.h"
#include "stream.h"
#include "text.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char USAGE[] =
    "usage: server [-q] [[HOST] PORT]\n"
    "Echoes what clients send, until SIGINT or SIGTERM stops it.\n"
    "  HOST, PORT  where to listen (127.0.0.1 65432); port 0: one that the system chooses\n"
    "  -q          do not show what is echoed\n"
    "  -h, --help  show this\n";

/* As much as one recv() takes. A message may come in several pieces, or several messages in one:
 * TCP carries a stream of bytes and keeps no boundaries. */
enum { PIECE_SIZE = 64 * 1024 };

/* Out of descriptors, and no connection of our own closes: somebody else's may. */
enum { STARVED_RETRY_MS = 1000 };

struct connection {
    int fd;
    bool ending;          /* we have sent our last byte and FIN, and wait for the peer's FIN */
    char *waiting;        /* what the peer has not taken yet, or NULL: the connection's own */
    size_t waiting_start; /* so much of it has gone */
    size_t waiting_end;
    struct endpoint peer;
};

/* Entry 0 of the poll set is the listener, entry 1 the request to stop; all others belong to the
 * connection with the same index. */
enum { LISTENER, STOP, FIRST_CONNECTION };

struct server {
    int listener;
    struct pollfd *polled;
    struct connection *connections;
    size_t count, capacity; /* entries in both tables */
    unsigned long accepted;
    bool starved; /* out of descriptors or memory, and said so */
    bool quiet;
};

/* Makes room for one more entry in both tables. To double them makes growing cheap, however many
 * clients come. Returns 0, or -1 with errno. */
static int make_room(struct server *server)
{
    if (server->count < server->capacity)
        return 0;
    size_t capacity = server->capacity == 0 ? 64 : server->capacity * 2;
    struct pollfd *polled = realloc(server->polled, capacity * sizeof *polled);
    if (polled == NULL)
        return -1;
    server->polled = polled;
    struct connection *connections = realloc(server->connections, capacity * sizeof *connections);
    if (connections == NULL)
        return -1;
    server->connections = connections;
    server->capacity = capacity;
    return 0;
}

/* Adds an entry for a descriptor, for which there is room. Returns its connection. */
static struct connection *add_entry(struct server *server, int fd)
{
    struct connection *connection = &server->connections[server->count];

    *connection = (struct connection){.fd = fd};
    server->polled[server->count] = (struct pollfd){.fd = fd, .events = POLLIN};
    server->count++;
    return connection;
}

static void close_connection(struct server *server, size_t i)
{
    struct connection *connection = &server->connections[i];

    (void)close(connection->fd);
    say("Server closes connection to %s", connection->peer.address);
    free(connection->waiting);
    server->count--;
    server->connections[i] = server->connections[server->count]; /* the last one fills the gap */
    server->polled[i] = server->polled[server->count];
    server->polled[LISTENER].fd = server->listener; /* a descriptor is free again */
}

/* Accepts all clients that wait. Returns 0, or -1 if the listener is of no use any more, after one
 * line on stderr. */
static int accept_connections(struct server *server)
{
    for (;;) {
        struct sockaddr_storage address; /* large enough for IPv4 and IPv6 */
        socklen_t size = sizeof address;
        int fd = -1;
        if (make_room(server) == 0) /* first: a client that was accepted must not be lost */
            fd = accept(server->listener, (struct sockaddr *)&address, &size);
        if (fd != -1 && set_blocking(fd, false) == 0) {
            struct connection *connection = add_entry(server, fd);
            name_endpoint(&address, size, &connection->peer);
            say("Server accepts connection from %s", connection->peer.address);
            server->accepted++;
            continue;
        }
        int error = errno;
        if (error == EAGAIN || error == EWOULDBLOCK || !client_waits(server->listener)) {
            server->starved = false;
            return 0;
        }
        /* The client may have left while it waited, or a signal may have come (EINTR): that is no
         * reason to give up. */
        if (!accept_failed_for_now(error, &server->starved))
            return -1;
        if (server->starved) {
            /* The client still waits, so that the listener stays readable: poll() would spin. */
            server->polled[LISTENER].fd = -1;
            return 0;
        }
    }
}

/* Sends what waits. Returns whether the connection lives. */
static bool send_waiting(struct connection *connection)
{
    ssize_t sent = send_some(connection->fd, connection->waiting + connection->waiting_start,
                             connection->waiting_end - connection->waiting_start);
    if (sent == -1)
        return false;
    connection->waiting_start += (size_t)sent;
    if (connection->waiting_start == connection->waiting_end) {
        free(connection->waiting);
        connection->waiting = NULL;
    }
    return true;
}

/* Keeps what the peer has not taken. Returns whether there is memory for it. */
static bool keep_waiting(struct connection *connection, const char *data, size_t size)
{
    connection->waiting = malloc(size);
    if (connection->waiting == NULL) {
        complain("server: cannot keep %zu bytes for %s: %s", size, connection->peer.address,
                 strerror(errno));
        return false;
    }
    memcpy(connection->waiting, data, size);
    connection->waiting_start = 0;
    connection->waiting_end = size;
    return true;
}

/* Echoes what has come. Returns whether the connection lives. */
static bool echo(struct connection *connection, bool quiet)
{
    static char piece[PIECE_SIZE]; /* one for all: between two calls it holds nothing */
    ssize_t received = recv(connection->fd, piece, sizeof piece, 0);

    if (received == -1) /* ECONNRESET for instance: the client is gone */
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    if (received == 0) /* FIN, and all that the client sent before is echoed: nothing waits */
        return false;

    size_t size = (size_t)received; /* never strlen(): a NUL is a byte like any other */
    ssize_t sent = send_some(connection->fd, piece, size);
    if (sent == -1)
        return false; /* EPIPE or ECONNRESET: there is nobody left to echo to */
    if ((size_t)sent < size && !keep_waiting(connection, piece + sent, size - (size_t)sent))
        return false;
    if (!quiet)
        say("Server echoes %s to %s", quote(piece, size).text, connection->peer.address);
    return true;
}

/* Reads what comes behind our FIN: close with unread input would reset the connection, and a reset
 * destroys what the peer has not read yet. Returns whether the peer is still there. */
static bool discard(struct connection *connection)
{
    char unwanted[4096];
    ssize_t received = recv(connection->fd, unwanted, sizeof unwanted, 0);

    return received > 0 ||
           (received == -1 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR));
}

/* Does what poll() has found for connection i. While something waits, nothing is read: a client
 * that does not take its echo cannot make the server keep more and more of it. */
static void serve_connection(struct server *server, size_t i)
{
    struct connection *connection = &server->connections[i];
    bool alive;

    if (connection->waiting != NULL)
        alive = send_waiting(connection);
    else if (connection->ending)
        alive = discard(connection);
    else
        alive = echo(connection, server->quiet);
    if (alive)
        server->polled[i].events = connection->waiting != NULL ? POLLOUT : POLLIN;
    else
        close_connection(server, i);
}

/* Serves clients until a stop is requested. Returns 0, or -1 after one line on stderr. */
static int serve(struct server *server)
{
    while (stop_time_left() == -1) {
        int ready = poll(server->polled, server->count, server->starved ? STARVED_RETRY_MS : -1);
        if (ready == -1 && errno != EINTR) {
            complain("server: cannot wait for clients: %s", strerror(errno));
            return -1;
        }
        if (ready == 0)
            server->polled[LISTENER].fd = server->listener;
        /* From the end, because closing a connection moves the last one into its place. */
        for (size_t i = server->count; ready > 0 && i-- > FIRST_CONNECTION;) {
            if (server->polled[i].revents != 0) {
                ready--;
                serve_connection(server, i);
            }
        }
        if (ready > 0 && server->polled[LISTENER].revents != 0 && accept_connections(server) == -1)
            return -1;
    }
    return 0;
}

/* Stops: accepts nobody, echoes what has already come, ends each connection, and waits a moment for
 * the peers to end theirs. */
static void stop(struct server *server)
{
    long long deadline = now_ms() + STOP_ECHO_MS + STOP_CLOSE_MS;
    long long left = STOP_ECHO_MS + STOP_CLOSE_MS;
    int timeout = 0; /* the first poll() only looks who has sent something */

    (void)close(server->listener);
    server->listener = server->polled[LISTENER].fd = server->polled[STOP].fd = -1;
    while (server->count > FIRST_CONNECTION && left > 0) {
        int ready = poll(server->polled, server->count, timeout);
        bool echo_is_over = stop_time_left() == 0;
        for (size_t i = server->count; ready >= 0 && i-- > FIRST_CONNECTION;) {
            struct connection *connection = &server->connections[i];
            bool idle = server->polled[i].revents == 0 || echo_is_over;
            if (idle && connection->waiting == NULL && !connection->ending) {
                connection->ending = true;
                (void)shutdown(connection->fd, SHUT_WR); /* poll() tells if the peer is gone */
            } else if (server->polled[i].revents != 0) {
                serve_connection(server, i);
            }
        }
        left = deadline - now_ms();
        timeout = echo_is_over ? (int)left : stop_time_left();
    }
    while (server->count > FIRST_CONNECTION)
        close_connection(server, server->count - 1);
    free(server->polled);
    free(server->connections);
}

int main(int argc, char *argv[])
{
    struct command_line line = {
        .usage = USAGE, .options = "q", .host = "127.0.0.1", .port = "65432"};
    struct server server = {.count = 0};
    struct endpoint self;

    start_program();
    if (!parse_server(&line, argc, argv))
        return line.status;
    server.quiet = line.quiet;

    int stop_fd = stop_on_signals();
    server.listener = stop_fd == -1 ? -1 : listen_on(line.host, line.port, &self);
    if (server.listener == -1)
        return EXIT_FAILURE;
    if (set_blocking(server.listener, false) == -1 || make_room(&server) == -1) {
        complain("server: cannot start: %s", strerror(errno));
        return EXIT_FAILURE;
    }
    (void)add_entry(&server, server.listener);
    (void)add_entry(&server, stop_fd);
    say("Server listens on %s", self.address);

    if (serve(&server) == -1)
        return EXIT_FAILURE;

    stop(&server);
    say("Server stops after %lu connections", server.accepted);
    return EXIT_SUCCESS;
}
