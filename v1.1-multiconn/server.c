/* server.c - v1.1-multiconn: an echo server for many clients at once, in one thread.
 *
 *     ./server [-q] [[HOST] PORT]        ./server 127.0.0.1 65432
 *
 * One thread can serve many clients if it never waits for one of them: no socket blocks, and poll()
 * tells which ones have something to do.
 *
 * New since v1.0: the server stays up until a signal stops it. What a client does not take at once
 * is kept, and while some is kept, nothing more is read from that client.
 */
#include "cli.h"
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
    "  -q          do not show the messages\n"
    "  -h, --help  show this\n";

/* As much as one recv() takes. A message may come in several pieces, or several messages in one:
 * TCP carries a stream of bytes and keeps no boundaries. */
enum { PIECE_SIZE = 64 * 1024 };

/* Those who connect without end must not keep the others from being served. */
enum { ACCEPTS_A_TURN = 64 };

struct client {
    int connection;
    struct endpoint peer; /* its address and port, as messages show them */
    char *waiting;        /* what it has not taken yet, or NULL; freed with the client */
    size_t waiting_size;
};

/* Entry 0 of both tables is the listener, entry 1 the request to stop; the others are clients.
 * There is one for each descriptor that the program may open: what is never touched takes no
 * memory. */
enum { LISTENER, STOP, FIRST_CLIENT };

struct server {
    struct pollfd polled[MOST_DESCRIPTORS];
    struct client clients[MOST_DESCRIPTORS];
    size_t count; /* entries in both */
    size_t owed;  /* so many clients have something waiting */
    unsigned long accepted;
    bool starved; /* out of descriptors or memory, and said so */
    bool failed;  /* the listener is broken, and said so */
};

/* Accepts a client, and says so. Returns false, with the errno of accept(), if that fails. */
static bool accept_client(int listener, struct client *client)
{
    struct sockaddr_storage address; /* large enough for IPv4 and IPv6 */
    socklen_t size = sizeof address;

    client->connection = accept(listener, (struct sockaddr *)&address, &size);
    if (client->connection == -1)
        return false;
    (void)set_blocking(client->connection, false); /* cannot fail: the socket is open */
    client->waiting = NULL;
    name_endpoint(&address, size, &client->peer);
    say("Server accepts connection from %s", client->peer.address);
    return true;
}

/* Sends what the client takes now, of a new piece or of what waits, and keeps the rest. Returns
 * false if the client is gone, or there is no memory for the rest. */
static bool send_or_keep(struct client *client, const char *data, size_t size)
{
    ssize_t sent = send(client->connection, data, size, 0);

    if (sent == -1 && !is_only_for_now(errno))
        return false;
    size_t taken = sent == -1 ? 0 : (size_t)sent;
    if (taken == size) {
        free(client->waiting);
        client->waiting = NULL;
        return true;
    }
    if (client->waiting == NULL)
        client->waiting = malloc(size - taken);
    if (client->waiting == NULL) {
        complain("server: cannot keep bytes for %s: %s", client->peer.address, strerror(errno));
        return false;
    }
    client->waiting_size = size - taken;
    memmove(client->waiting, data + taken, client->waiting_size); /* data may be what waits */
    return true;
}

/* Echoes the next piece. Returns false when that was all, or the client is gone. */
static bool serve_client(struct client *client, bool quiet)
{
    static char piece[PIECE_SIZE]; /* one for all: between two turns it holds nothing */

    /* What waits goes first, and until it is gone nothing more is read: a client that does not take
     * its echo cannot make the server keep more and more of it. */
    if (client->waiting != NULL)
        return send_or_keep(client, client->waiting, client->waiting_size);
    ssize_t received = recv(client->connection, piece, sizeof piece, 0);

    if (received == -1 && is_only_for_now(errno))
        return true; /* nothing has come yet (EAGAIN), or a signal came first: ask again */
    if (received == -1)
        return false; /* the client is gone, with a reset (ECONNRESET) for instance */
    if (received == 0)
        return false; /* it has ended its half of the connection (FIN), and all it sent is echoed */

    size_t size = (size_t)received; /* never strlen(): a NUL is a byte like any other */
    /* send() may take only some of it (a short write); what is left goes out in another turn. */
    if (!send_or_keep(client, piece, size))
        return false; /* EPIPE or ECONNRESET: nobody is left to take it */
    if (!quiet)
        say("Server echoes %s to %s", quote(piece, size).text, client->peer.address);
    return true;
}

static void close_client(struct client *client)
{
    (void)close(client->connection); /* unread input would make it a reset (RST): there is none */
    say("Server closes connection to %s", client->peer.address);
    free(client->waiting);
}

/* Accepts those who wait, up to ACCEPTS_A_TURN of them. */
static void accept_clients(struct server *server)
{
    int listener = server->polled[LISTENER].fd;

    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        struct client *client = &server->clients[server->count];
        if (!accept_client(listener, client)) {
            server->failed = !accept_can_go_on(listener, errno, &server->starved);
            return;
        }
        server->polled[server->count++] =
            (struct pollfd){.fd = client->connection, .events = POLLIN};
        server->accepted++;
    }
}

/* Waits until somebody has something to do, for `timeout` milliseconds at most (-1: without end),
 * and gives all who have a turn. Returns whether there was anybody, or something waits. */
static bool take_turns(struct server *server, int timeout, bool quiet)
{
    /* Out of descriptors, poll() would tell of those who wait again and again. */
    server->polled[LISTENER].events = server->starved ? 0 : POLLIN;
    int ready = wait_for_events("server: cannot wait for clients", server->polled, server->count,
                                server->starved ? SHORTAGE_PAUSE_MS : timeout);
    /* From the end, because the last one moves into the place of one that is closed; and only until
     * those who are ready were served, for the others may be thousands. */
    for (size_t i = server->count, left = (size_t)ready; left > 0 && i-- > FIRST_CLIENT;) {
        struct client *client = &server->clients[i];
        if (server->polled[i].revents == 0)
            continue;
        left--;
        server->owed -= client->waiting != NULL;
        if (serve_client(client, quiet)) {
            server->owed += client->waiting != NULL;
            server->polled[i].events = client->waiting != NULL ? POLLOUT : POLLIN;
            continue;
        }
        close_client(client);
        *client = server->clients[--server->count];
        server->polled[i] = server->polled[server->count];
    }
    if (server->starved || server->polled[LISTENER].revents != 0)
        accept_clients(server);
    return ready > 0 || server->owed > 0;
}

int main(int argc, char *argv[])
{
    struct command_line line = {
        .usage = USAGE, .options = "q", .host = "127.0.0.1", .port = "65432"};
    struct endpoint self;
    static struct server server;

    start_program(); /* SIGPIPE is ignored: a client that is gone must not end the server */
    if (!parse_server(&line, argc, argv))
        return line.status;
    server.polled[STOP] = (struct pollfd){.fd = stop_on_signals(), .events = POLLIN};
    if (server.polled[STOP].fd == -1)
        return EXIT_FAILURE;

    int listener = listen_on(line.host, line.port, &self); /* socket, bind, listen */
    if (listener == -1)
        return EXIT_FAILURE;
    (void)set_blocking(listener, false); /* accept() must not wait: it would not see a stop */
    server.polled[LISTENER].fd = listener;
    server.count = FIRST_CLIENT;
    say("Server listens on %s", self.address);

    while (!stop_is_requested() && !server.failed)
        (void)take_turns(&server, -1, line.quiet);
    (void)close(listener);
    server.polled[LISTENER].fd = server.polled[STOP].fd = -1; /* poll() skips -1 */
    server.starved = false;
    while (stop_time_left() > 0 && take_turns(&server, STOP_STALL_MS, line.quiet))
        continue; /* until all that has come is echoed */
    end_gently(server.polled + FIRST_CLIENT, server.count - FIRST_CLIENT);
    for (size_t i = FIRST_CLIENT; i < server.count; i++)
        close_client(&server.clients[i]);
    say("Server stops after %lu connections", server.accepted);
    return server.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
