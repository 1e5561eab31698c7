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
    "  -q          do not show what is echoed\n"
    "  -h, --help  show this\n";

/* As much as one recv() takes. A message may come in several pieces, or several messages in one:
 * TCP carries a stream of bytes and keeps no boundaries. */
enum { PIECE_SIZE = 64 * 1024 };

/* Waits for a client. Returns its connection, which the caller closes, and its name in `peer`; or
 * -1 if the listener is of no use any more, after one line on stderr. */
static int accept_connection(int listener, struct endpoint *peer)
{
    bool starved = false; /* out of descriptors or memory, and said so */

    for (;;) {
        struct sockaddr_storage address; /* large enough for IPv4 and IPv6 */
        socklen_t size = sizeof address;
        int connection = accept(listener, (struct sockaddr *)&address, &size);
        if (connection != -1) {
            name_endpoint(&address, size, peer);
            return connection;
        }
        /* The client may have left while it waited, or a signal may have come (EINTR): that is no
         * reason to give up. */
        if (!accept_can_go_on(errno, &starved))
            return -1;
    }
}

/* Receives some bytes. Returns how many, 0 when the peer has ended its half of the connection, or
 * -1 with the errno of recv(). */
static ssize_t receive(int connection, void *piece, size_t size)
{
    ssize_t received;

    do
        received = recv(connection, piece, size, 0);
    while (received == -1 && errno == EINTR); /* a signal came first: nothing is lost, ask again */
    return received;
}

/* Echoes until the client has ended its half of the connection, or is gone. */
static void serve_client(int connection, const struct endpoint *peer, bool quiet)
{
    static char piece[PIECE_SIZE];
    ssize_t received;

    /* 0 means that the client has ended its half (FIN), and everything that it sent was read. It
     * may still listen, so all that is owed is sent before close. And as no input is left
     * unread, close ends the connection in good order instead of resetting it.
     * -1 means that the client is gone, with a reset (ECONNRESET) for instance. */
    while ((received = receive(connection, piece, sizeof piece)) > 0) {
        size_t size = (size_t)received; /* never strlen(): a NUL is a byte like any other */
        /* send() may take only some of it (a short write); send_all() goes on with the rest. */
        if (send_all(connection, piece, size) == -1)
            return; /* EPIPE or ECONNRESET: there is nobody left to echo to */
        if (!quiet)
            say("Server echoes %s to %s", quote(piece, size).text, peer->address);
    }
}

int main(int argc, char *argv[])
{
    struct command_line line = {
        .usage = USAGE, .options = "q", .host = "127.0.0.1", .port = "65432"};
    struct endpoint self, peer;

    start_program(); /* SIGPIPE is ignored: a client that is gone must not end the server */
    if (!parse_server(&line, argc, argv))
        return line.status;

    int listener = listen_on(line.host, line.port, &self); /* socket, bind, listen */
    if (listener == -1)
        return EXIT_FAILURE;
    say("Server listens on %s", self.address);

    int connection = accept_connection(listener, &peer);
    if (connection == -1)
        return EXIT_FAILURE;
    say("Server accepts connection from %s", peer.address);

    serve_client(connection, &peer, line.quiet);

    (void)close(connection);
    say("Server closes connection to %s", peer.address);
    (void)close(listener);
    return EXIT_SUCCESS;
}
