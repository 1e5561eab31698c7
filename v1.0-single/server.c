/* server.c - v1.0-single: an echo server for one client.
 *
 *     ./server [-q] [[HOST] PORT]        ./server 127.0.0.1 65432
 *
 * The life of every TCP server: socket, bind, listen, accept, recv, send, close. This one goes
 * through it once, for one client, and ends.
 */
#include "cli.h"
#include "endpoint.h"
#include "listen.h"
#include "program.h"
#include "stream.h"
#include "text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static const char USAGE[] =
    "usage: server [-q] [[HOST] PORT]\n"
    "Echoes what one client sends, and exits.\n"
    "  HOST, PORT  where to listen (127.0.0.1 65432); port 0: one that the system chooses\n"
    "  -q          do not show the messages\n"
    "  -h, --help  show this\n";

/* As much as one recv() takes. A message may come in several pieces, or several messages in one:
 * TCP carries a stream of bytes and keeps no boundaries. */
enum { PIECE_SIZE = 64 * 1024 };

struct client {
    int connection;
    struct endpoint peer; /* its address and port, as messages show them */
};

/* Accepts a client, and says so. Returns false, with the errno of accept(), if that fails. */
static bool accept_client(int listener, struct client *client)
{
    struct sockaddr_storage address; /* large enough for IPv4 and IPv6 */
    socklen_t size = sizeof address;

    client->connection = accept(listener, (struct sockaddr *)&address, &size);
    if (client->connection == -1)
        return false;
    name_endpoint(&address, size, &client->peer);
    say("Server accepts connection from %s", client->peer.address);
    return true;
}

/* Echoes the next piece. Returns false when that was all, or the client is gone. */
static bool serve_client(struct client *client, bool quiet)
{
    static char piece[PIECE_SIZE];
    ssize_t received = recv(client->connection, piece, sizeof piece, 0);

    if (received == -1 && errno == EINTR)
        return true; /* a signal came first: nothing is lost, ask again */
    if (received == -1)
        return false; /* the client is gone, with a reset (ECONNRESET) for instance */
    if (received == 0)
        return false; /* it has ended its half of the connection (FIN), and all it sent is echoed */

    size_t size = (size_t)received; /* never strlen(): a NUL is a byte like any other */
    /* send() may take only some of it (a short write); send_all() goes on with the rest. */
    if (send_all(client->connection, piece, size) == -1)
        return false; /* EPIPE or ECONNRESET: nobody is left to take it */
    if (!quiet)
        say("Server echoes %s to %s", quote(piece, size).text, client->peer.address);
    return true;
}

static void close_client(struct client *client)
{
    (void)close(client->connection); /* unread input would make it a reset (RST): there is none */
    say("Server closes connection to %s", client->peer.address);
}

int main(int argc, char *argv[])
{
    struct command_line line = {
        .usage = USAGE, .options = "q", .host = "127.0.0.1", .port = "65432"};
    struct endpoint self;
    struct client client;

    start_program(); /* SIGPIPE is ignored: a client that is gone must not end the server */
    if (!parse_server(&line, argc, argv))
        return line.status;

    int listener = listen_on(line.host, line.port, &self); /* socket, bind, listen */
    if (listener == -1)
        return EXIT_FAILURE;
    say("Server listens on %s", self.address);

    while (!accept_client(listener, &client)) /* it fails for one that has left (ECONNABORTED) */
        if (!wait_to_accept(listener, errno))
            return EXIT_FAILURE;
    while (serve_client(&client, line.quiet))
        continue; /* one piece a turn */
    close_client(&client);
    (void)close(listener);
    return EXIT_SUCCESS;
}
