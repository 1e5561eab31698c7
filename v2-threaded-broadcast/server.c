/* server.c - v2-threaded-broadcast: a thread for each client, and with -b everybody hears
 * everybody.
 *
 *     ./server [-b] [-q] [[HOST] PORT]        ./server 1234 -b
 *
 * A thread may wait for its client, because the others go on: it goes round for one, as v1.0 did.
 * What threads cost is what they share: the room, in which the clients hear each other.
 *
 * New since v1.0: a thread for each client, the welcome, and a stop. With -b, a second thread for
 * each client sends what all have said.
 */
#include "cli.h"
#include "endpoint.h"
#include "listen.h"
#include "program.h"
#include "room.h"
#include "stop.h"
#include "stream.h"
#include "text.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static const char USAGE[] =
    "usage: server [-b] [-q] [[HOST] PORT]\n"
    "Echoes what clients send, until SIGINT or SIGTERM stops it.\n"
    "  HOST, PORT  where to listen (127.0.0.1 65432); port 0: one that the system chooses\n"
    "  -b          echo to all clients, not only to the one that sent it\n"
    "  -q          do not show the messages\n"
    "  -h, --help  show this\n";

static const char WELCOME[] = "\n\nWelcome to my server\n\n\n";

/* As much as one recv() takes. A message may come in several pieces, or several messages in one:
 * TCP carries a stream of bytes and keeps no boundaries. With -b, a piece is heard whole. */
enum { PIECE_SIZE = 64 * 1024 };

/* For a thread's piece, and as much again. The default, often 8 MiB, is page tables for nothing. */
enum { STACK_SIZE = 2 * PIECE_SIZE };

/* With -b, a client that takes nothing for STALL_MS is dropped. A send() waits no longer than a
 * MOMENT, and is called again: it wakes up only when about a third of its buffer is free. Without
 * a limit, that buffer grows to megabytes. */
enum { STALL_MS = 1000, MOMENT_MS = 50, SEND_BUFFER = 256 * 1024 };
static const struct timeval MOMENT = {.tv_usec = MOMENT_MS * 1000L};

struct client {
    struct guest guest; /* in the room; the first member, so that it has our address */
    int connection;
    struct endpoint peer; /* its address and port, as messages show them */
    const struct command_line *line;
    pthread_t talker;  /* the thread that receives from it */
    atomic_bool talks; /* whether it has one, and `talker` is set */
    pthread_t hearer;  /* with -b, the one that sends to it, */
    bool hears;        /* if it could be started */
    bool dropped;
};

/* Accepts a client, and says so. Returns false, with the errno of accept(), if that fails. */
static bool accept_client(int listener, struct client *client)
{
    struct sockaddr_storage address; /* large enough for IPv4 and IPv6 */
    socklen_t size = sizeof address;

    client->connection = accept(listener, (struct sockaddr *)&address, &size);
    if (client->connection == -1)
        return false;
    (void)set_blocking(client->connection, true); /* some systems hand on what the listener does */
    name_endpoint(&address, size, &client->peer);
    say("[+] Connection established | IP %s Port %s\n", client->peer.host, client->peer.port);
    return true;
}

/* Echoes the next piece. Returns false when that was all, or the client is gone. */
static bool serve_client(struct client *client, bool quiet)
{
    char piece[PIECE_SIZE]; /* each thread's own, on its stack */
    ssize_t received = recv(client->connection, piece, sizeof piece, 0);

    if (received == -1 && errno == EINTR)
        return true; /* a signal came first: nothing is lost, ask again */
    if (received == -1)
        return false; /* the client is gone (ECONNRESET), or in a stop silent (EAGAIN) */
    if (received == 0)
        return false; /* it has ended its half of the connection (FIN), and all it sent is echoed */

    size_t size = (size_t)received; /* never strlen(): a NUL is a byte like any other */
    if (client->line->broadcast)
        say_to_all(&client->guest, piece, size);
    /* send() may take only some of it (a short write); send_all() goes on with the rest. */
    else if (send_all(client->connection, piece, size) == -1)
        return false; /* EPIPE or ECONNRESET: nobody is left to take it */
    if (!quiet)
        say("[+] Message | IP %s Port %s | %s", client->peer.host, client->peer.port,
            quote(piece, size).text);
    return true;
}

static void close_client(struct client *client)
{
    stop_talking(&client->guest, client->hears && client->talks && stop_is_requested());
    if (client->hears)
        (void)pthread_join(client->hearer, NULL);             /* it has sent what was said */
    (void)hear(&client->guest, NEVER, &(const char *){NULL}); /* nobody waits for it */
    if (!client->talks || stop_is_requested()) /* it may still send; else its end was read */
        end_gently(&(struct pollfd){.fd = client->connection}, 1);
    say("[-] %s | IP %s Port %s", client->dropped ? "Slow client dropped" : "Connection closed",
        client->peer.host, client->peer.port);
    leave_room(&client->guest);
    (void)close(client->connection); /* behind leave_room(): stop_client() uses it until then */
    free(client);
}

/* A client's second thread, with -b: sends what is said in the room. */
static void *hear_all(void *argument)
{
    struct client *client = argument;
    uint64_t heard = client->guest.heard; /* only this thread writes it */
    int stalled = 0;                      /* for so many milliseconds */
    const char *text;
    size_t size;

    while ((size = hear(&client->guest, heard, &text)) > 0) {
        ssize_t sent = send(client->connection, text, size, 0);
        bool gone = sent == -1 && !is_only_for_now(errno); /* EPIPE or ECONNRESET */
        bool stopping = stop_is_requested();
        heard += sent == -1 ? 0 : (uint64_t)sent;
        stalled = sent == -1 ? stalled + MOMENT_MS : 0;
        if (!gone && stalled < (stopping ? STOP_STALL_MS : STALL_MS) && stop_time_left() != 0)
            continue;
        heard = NEVER;
        client->dropped = !gone && !stopping;
        if (!stopping)
            (void)shutdown(client->connection, SHUT_RDWR); /* its talker finds that out */
    }
    return NULL;
}

/* A client's thread: goes round for it, as v1.0 did. */
static void *talk(void *argument)
{
    struct client *client = argument;

    client->talker = pthread_self();
    (void)pthread_detach(client->talker); /* nobody joins it: it closes the client itself */
    atomic_store(&client->talks, true);
    while (stop_time_left() != 0 && serve_client(client, client->line->quiet))
        continue; /* one piece a turn */
    close_client(client);
    return NULL;
}

/* Lets a client in, and gives it its threads. If there is none for it, it is closed. */
static void start_client(struct client *client, int listener, const pthread_attr_t *attributes)
{
    static bool starved; /* and said so */
    const int buffer = SEND_BUFFER;
    pthread_t thread;
    int error = 0;

    enter_room(&client->guest); /* before the welcome: it misses nothing behind that */
    if (send_all(client->connection, WELCOME, sizeof WELCOME - 1) == -1)
        (void)shutdown(client->connection, SHUT_RDWR); /* without it, nothing else may come */
    if (client->line->broadcast) {
        (void)setsockopt(client->connection, SOL_SOCKET, SO_SNDTIMEO, &MOMENT, sizeof MOMENT);
        (void)setsockopt(client->connection, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
        error = pthread_create(&client->hearer, attributes, hear_all, client);
        client->hears = error == 0;
    }
    if (error == 0)
        error = pthread_create(&thread, attributes, talk, client);
    if (error == 0) {
        starved = starved && somebody_waits(listener);
        return;
    }
    if (!starved)
        complain("server: cannot start a thread for %s: %s", client->peer.address, strerror(error));
    starved = true;
    close_client(client);
    pause_for_shortage();
}

/* Lets recv() and send() wait no longer than a MOMENT, and then fail (EAGAIN): what has come by
 * then is answered. A call that waits already is interrupted (EINTR), and made again. */
static void stop_client(struct guest *guest)
{
    struct client *client = (struct client *)guest;

    (void)setsockopt(client->connection, SOL_SOCKET, SO_RCVTIMEO, &MOMENT, sizeof MOMENT);
    (void)setsockopt(client->connection, SOL_SOCKET, SO_SNDTIMEO, &MOMENT, sizeof MOMENT);
    if (atomic_load(&client->talks))
        (void)pthread_kill(client->talker, SIGTERM);
}

int main(int argc, char *argv[])
{
    struct command_line line = {
        .usage = USAGE, .options = "bq", .host = "127.0.0.1", .port = "65432"};
    struct endpoint self;
    struct client *client = NULL; /* the next one */
    pthread_attr_t attributes;
    unsigned long accepted = 0;

    start_program(); /* SIGPIPE is ignored: a client that is gone must not end the server */
    if (!parse_server(&line, argc, argv))
        return line.status;
    if (stop_on_signals() == -1)
        return EXIT_FAILURE;
    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setstacksize(&attributes, STACK_SIZE);

    /* The contract's lines and blank lines; listen_on() does what the last two announce. */
    say("[+] Open port %s", line.port);
    say("[+] Broadcast option: %s\n", line.broadcast ? "True" : "False");
    say("[+] Created socket\n[+] Binding socket to port: %s\n", line.port);
    int listener = listen_on(line.host, line.port, &self); /* socket, bind, listen */
    if (listener == -1)
        return EXIT_FAILURE;
    (void)set_blocking(listener, false); /* accept() must not wait: it would not see a stop */
    say("[+] Listening | IP %s Port %s\n", self.host, self.port);

    while (!stop_is_requested()) {
        if (client == NULL)
            client = calloc(1, sizeof *client); /* if there is no memory, it waits in the backlog */
        if (client != NULL && accept_client(listener, client)) {
            client->line = &line;
            start_client(client, listener, &attributes);
            client = NULL;
            accepted++;
        } else if (!wait_to_accept(listener, errno)) {
            break;
        }
    }
    free(client);
    (void)close(listener);
    bool failed = !stop_is_requested(); /* stop_client() requests one, too */
    clear_room(stop_client);
    if (failed)
        return EXIT_FAILURE;
    say("[+] Stopped after %lu connections", accepted);
    return EXIT_SUCCESS;
}
