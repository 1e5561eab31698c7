/* server.c - v1.1-multiconn: an echo server for many clients at once, in one thread.
 *
 *     ./server [-q] [[HOST] PORT]        ./server 127.0.0.1 65432
 *
 * One thread can serve many clients if it never waits for one of them: no socket blocks, and poll()
 * tells which ones have something to do.
 *
 * New since v1.0: the server stays up, and each client has a struct client of its own. What a
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
 * TCP carries a stream of bytes and keeps no boundaries. Twice that of v1.0: ten clients that send
 * all the time were served 1.09 times as fast, and one piece serves them all. */
enum { PIECE_SIZE = 128 * 1024 };

/* Those who connect without end must not keep the others from being served. */
enum { ACCEPTS_A_TURN = 64 };

/* Out of descriptors, the server looks at the listener again when a connection closes, or after so
 * long: another program may have closed some. */
enum { STARVED_RETRY_MS = 1000 };

struct client {
    int connection;
    struct endpoint peer;
    bool ending;          /* we have sent our last byte and FIN, and wait for the peer's FIN */
    char *waiting;        /* what the peer has not taken yet, or NULL; freed with the client */
    size_t waiting_start; /* how much of it has gone */
    size_t waiting_end;
};

/* Entry 0 of the poll set is the listener, entry 1 the request to stop; all others belong to the
 * client with the same index. */
enum { LISTENER, STOP, FIRST_CLIENT };

struct server {
    int listener;
    struct pollfd *polled;
    struct client *clients;
    size_t count, capacity; /* entries in both tables */
    unsigned long accepted;
    bool starved;       /* out of descriptors or memory, and said so */
    long long retry_at; /* if starved: when to look at the listener again, by now_ms() */
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
    struct client *clients = realloc(server->clients, capacity * sizeof *clients);
    if (clients == NULL)
        return -1;
    server->clients = clients;
    server->capacity = capacity;
    return 0;
}

/* Adds an entry for a descriptor, for which there is room. Returns its client. */
static struct client *add_entry(struct server *server, int fd)
{
    struct client *client = &server->clients[server->count];

    *client = (struct client){.connection = fd};
    server->polled[server->count] = (struct pollfd){.fd = fd, .events = POLLIN};
    server->count++;
    return client;
}

static void close_connection(struct server *server, size_t i)
{
    struct client *client = &server->clients[i];

    (void)close(client->connection);
    say("Server closes connection to %s", client->peer.address);
    free(client->waiting);
    server->count--;
    server->clients[i] = server->clients[server->count]; /* the last one fills the gap */
    server->polled[i] = server->polled[server->count];
    server->polled[LISTENER].fd = server->listener; /* a descriptor is free again */
}

/* Accepts a client, if one waits. Returns 0, or -1 with errno, EAGAIN if none waits. */
static int accept_connection(struct server *server)
{
    struct sockaddr_storage address; /* large enough for IPv4 and IPv6 */
    socklen_t size = sizeof address;

    if (make_room(server) == -1) /* first: a client that was accepted must not be lost */
        return -1;
    int connection = accept(server->listener, (struct sockaddr *)&address, &size);
    if (connection == -1)
        return -1;
    if (set_blocking(connection, false) == -1) {
        (void)close(connection); /* it could make all others wait */
        return -1;
    }
    struct client *client = add_entry(server, connection);
    name_endpoint(&address, size, &client->peer);
    say("Server accepts connection from %s", client->peer.address);
    server->accepted++;
    return 0;
}

/* Accepts clients that wait, so many at most. Returns 0, or -1 if the listener is of no use any
 * more, after one line on stderr. */
static int accept_connections(struct server *server, int most)
{
    for (int i = 0; i < most; i++) {
        if (accept_connection(server) == 0)
            continue;
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
            /* The client still waits, so the listener stays readable: poll() would spin. */
            server->polled[LISTENER].fd = -1;
            server->retry_at = now_ms() + STARVED_RETRY_MS;
            return 0;
        }
    }
    return 0; /* if more wait, poll() tells */
}

/* Sends what waits. Returns whether the connection lives. */
static bool send_waiting(struct client *client)
{
    ssize_t sent = send_some(client->connection, client->waiting + client->waiting_start,
                             client->waiting_end - client->waiting_start);
    if (sent == -1)
        return false;
    client->waiting_start += (size_t)sent;
    if (client->waiting_start == client->waiting_end) {
        free(client->waiting);
        client->waiting = NULL;
    }
    return true;
}

/* Keeps what the peer has not taken. Returns whether there is memory for it. */
static bool keep_waiting(struct client *client, const char *data, size_t size)
{
    client->waiting = malloc(size);
    if (client->waiting == NULL) {
        complain("server: cannot keep %zu bytes for %s: %s", size, client->peer.address,
                 strerror(errno));
        return false;
    }
    memcpy(client->waiting, data, size);
    client->waiting_start = 0;
    client->waiting_end = size;
    return true;
}

/* Echoes what has come. Returns whether the connection lives. */
static bool echo(struct client *client, bool quiet)
{
    static char piece[PIECE_SIZE]; /* one for all: between two calls it holds nothing */
    ssize_t received = recv(client->connection, piece, sizeof piece, 0);

    if (received == -1) /* ECONNRESET for instance: the client is gone */
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    if (received == 0) /* FIN, and all that the client sent before is echoed: nothing waits */
        return false;

    size_t size = (size_t)received; /* never strlen(): a NUL is a byte like any other */
    ssize_t sent = send_some(client->connection, piece, size);
    if (sent == -1)
        return false; /* EPIPE or ECONNRESET: there is nobody left to echo to */
    if ((size_t)sent < size && !keep_waiting(client, piece + sent, size - (size_t)sent))
        return false;
    if (!quiet)
        say("Server echoes %s to %s", quote(piece, size).text, client->peer.address);
    return true;
}

/* Reads what comes after our FIN: close with unread input would reset the connection, and a reset
 * destroys what the peer has not read yet. Returns whether the peer is still there. */
static bool discard(struct client *client)
{
    char unwanted[4096];
    ssize_t received = recv(client->connection, unwanted, sizeof unwanted, 0);

    return received > 0 ||
           (received == -1 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR));
}

/* Does what poll() has found for client i. While something waits, nothing is read: a client
 * that does not take its echo cannot make the server keep more and more of it. */
static void serve_client(struct server *server, size_t i)
{
    struct client *client = &server->clients[i];
    bool alive;

    if (client->waiting != NULL)
        alive = send_waiting(client);
    else if (client->ending)
        alive = discard(client);
    else
        alive = echo(client, server->quiet);
    if (alive)
        server->polled[i].events = client->waiting != NULL ? POLLOUT : POLLIN;
    else
        close_connection(server, i);
}

/* Waits until there is something to do. Returns how many entries have it, 0 also after a pause if
 * poll() finds too little memory, or -1 after one line on stderr. */
static int wait_for_clients(struct server *server)
{
    int timeout = server->starved ? STARVED_RETRY_MS : -1;
    int ready = poll(server->polled, server->count, timeout);

    if (server->starved && now_ms() >= server->retry_at)
        server->polled[LISTENER].fd = server->listener;
    if (ready == -1 && (errno == EAGAIN || errno == ENOMEM)) {
        if (!server->starved)
            complain("server: cannot wait for clients: %s", strerror(errno));
        server->starved = true;
        pause_for_resources();
        return 0;
    }
    if (ready == -1 && errno != EINTR) {
        complain("server: cannot wait for clients: %s", strerror(errno));
        return -1;
    }
    return ready == -1 ? 0 : ready;
}

/* Serves clients until a stop is requested. Returns 0, or -1 after one line on stderr. */
static int serve(struct server *server)
{
    while (stop_time_left() == -1) {
        int ready = wait_for_clients(server);
        if (ready == -1)
            return -1;
        /* From the end, because closing a connection moves the last one into its place. */
        for (size_t i = server->count; ready > 0 && i-- > FIRST_CLIENT;) {
            if (server->polled[i].revents != 0) {
                ready--;
                serve_client(server, i);
            }
        }
        if (ready > 0 && server->polled[LISTENER].revents != 0 &&
            accept_connections(server, ACCEPTS_A_TURN) == -1)
            return -1;
    }
    return 0;
}

/* Stops: accepts only who waits already, echoes what has come, ends each connection, and waits a
 * moment for the peers to end theirs. */
static void stop(struct server *server)
{
    long long deadline = now_ms() + STOP_ECHO_MS + STOP_CLOSE_MS;
    long long left = STOP_ECHO_MS + STOP_CLOSE_MS;
    int timeout = 0; /* the first poll() only looks who has sent something */

    (void)accept_connections(server, SOMAXCONN);
    (void)close(server->listener);
    server->listener = server->polled[LISTENER].fd = server->polled[STOP].fd = -1;
    while (server->count > FIRST_CLIENT && left > 0) {
        int ready = poll(server->polled, server->count, timeout);
        bool echo_is_over = stop_time_left() == 0, served = false;
        for (size_t i = server->count; ready >= 0 && i-- > FIRST_CLIENT;) {
            struct client *client = &server->clients[i];
            bool idle = server->polled[i].revents == 0 && client->waiting == NULL;
            if ((idle || echo_is_over) && !client->ending) {
                client->ending = true;
                free(client->waiting); /* what it has not taken by now is not sent any more */
                client->waiting = NULL;
                server->polled[i].events = POLLIN;
                (void)shutdown(client->connection, SHUT_WR); /* poll() tells if the peer is gone */
            } else if (server->polled[i].revents != 0) {
                serve_client(server, i);
                served = true;
            }
        }
        left = deadline - now_ms();
        timeout = served ? 0 : echo_is_over ? (int)left : stop_time_left(); /* 0: has more come? */
    }
    while (server->count > FIRST_CLIENT)
        close_connection(server, server->count - 1);
    free(server->polled);
    free(server->clients);
}

int main(int argc, char *argv[])
{
    struct command_line line = {
        .usage = USAGE, .options = "q", .host = "127.0.0.1", .port = "65432"};
    static struct server server; /* static: after an early return its tables are no leak */
    struct endpoint self;

    start_program(); /* SIGPIPE is ignored: a client that is gone must not end the server */
    if (!parse_server(&line, argc, argv))
        return line.status;
    server.quiet = line.quiet;

    int stop_fd = stop_on_signals();
    if (stop_fd == -1)
        return EXIT_FAILURE;
    server.listener = listen_on(line.host, line.port, &self); /* socket, bind, listen */
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
