/* server.c - v2-threaded-broadcast: a thread for each client, and with -b everybody hears
 * everybody.
 *
 *     ./server [-b] [-q] [[HOST] PORT]        ./server 1234 -b
 *
 * A thread may wait for its client, because the others go on: each one is straight-line code again,
 * as in v1.0. What threads cost is what they share: the room, in which the clients hear each other,
 * needs a lock.
 *
 * New since v1.1: threads instead of poll(), the welcome, and the broadcast.
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
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char USAGE[] =
    "usage: server [-b] [-q] [[HOST] PORT]\n"
    "Echoes what clients send, until SIGINT or SIGTERM stops it.\n"
    "  HOST, PORT  where to listen (127.0.0.1 65432); port 0: one that the system chooses\n"
    "  -b          echo to all clients, not only to the one that sent it\n"
    "  -q          do not show what is echoed\n"
    "  -h, --help  show this\n";

static const char WELCOME[] = "\n\nWelcome to my server\n\n\n";

/* As much as one recv() takes. A message may come in several pieces, or several messages in one:
 * TCP carries a stream of bytes and keeps no boundaries. With -b, a piece is what all others get.
 */
enum { PIECE_SIZE = 64 * 1024 };

/* Each thread keeps its piece on its stack; the same again is for what it calls. The default, 8
 * MiB on many systems, would be address space and page tables for nothing. */
enum { STACK_SIZE = 2 * PIECE_SIZE };

/* With -b: a client that takes nothing for so long is dropped; and when the server stops, it is
 * sent no more after so long, for the others have little time to be sent what has come. */
enum { STALL_MS = 1000 };

struct client {
    struct room *room;
    int connection;
    struct endpoint peer;
    pthread_t thread;

    /* Guarded by the room's lock. */
    size_t place;       /* in the room's table */
    size_t sent;        /* so much of the message that is being broadcast */
    long long progress; /* when it last took something of it, by now_ms() */
    bool dropped;
};

/* What the threads share. The lock guards all of it but the constants, and the order of messages:
 * with -b it is held during a whole broadcast. A thread then waits with the lock held, as long as
 * clients that are slow take something, and STALL_MS (in a stop, STOP_STALL_MS) for those that do
 * not. Without -b nobody waits for a client with the lock held. */
struct room {
    pthread_mutex_t lock;
    struct client **clients;
    struct pollfd *polled; /* scratch space for a broadcast that has to wait */
    size_t count, capacity;
    pthread_cond_t empty;   /* count has become 0 */
    size_t talking;         /* clients that may still send something */
    pthread_cond_t silence; /* talking has become 0 */
    pthread_t left_last;    /* the thread of the client that left last, to be joined, */
    bool has_left;          /* if there is one */

    /* Constants: they do not change once threads run. */
    pthread_attr_t thread_attributes;
    int stop_fd;
    bool broadcasts, quiet;
};

/* Waits for a client. Returns its connection, which the caller closes, and its name in `peer`; or
 * -1 if a stop is requested, or if the listener is of no use any more, after one line on stderr.
 * *starved: a shortage was reported, and clients may still wait because of it. */
static int accept_connection(int listener, struct endpoint *peer, bool *starved)
{
    while (wait_readable(listener)) {
        struct sockaddr_storage address; /* large enough for IPv4 and IPv6 */
        socklen_t size = sizeof address;
        int connection = accept(listener, (struct sockaddr *)&address, &size);
        if (connection != -1) {
            name_endpoint(&address, size, peer);
            return connection;
        }
        /* The client may have left while it waited, or a signal may have come (EINTR): that is no
         * reason to give up. */
        if (!wait_to_accept(listener, errno, starved))
            return -1;
    }
    return -1;
}

/* Makes room for one more entry in both tables. To double them makes growing cheap, however many
 * clients come. Returns 0, or -1 with errno. */
static int make_room(struct room *room)
{
    if (room->count < room->capacity)
        return 0;
    size_t capacity = room->capacity == 0 ? 64 : room->capacity * 2;
    /* polled has one more entry: the request to stop. */
    struct pollfd *polled = realloc(room->polled, (capacity + 1) * sizeof *polled);
    if (polled == NULL)
        return -1;
    room->polled = polled;
    struct client **clients = realloc(room->clients, capacity * sizeof *clients);
    if (clients == NULL)
        return -1;
    room->clients = clients;
    room->capacity = capacity;
    return 0;
}

/* Goes on sending the message to a client. Returns whether that is done: it has taken all of it, or
 * cannot be sent anything: its own thread finds the connection closed or, in a stop, goes on with
 * what it has said. */
static bool send_rest(struct client *client, const char *message, size_t size)
{
    ssize_t sent = send_records(client->connection, message + client->sent, size - client->sent);

    /* It must not miss a part and hear the rest. In a stop our half may have ended already, and the
     * client may still be taking what was sent before. */
    if (sent == -1)
        (void)shutdown(client->connection, stop_time_left() == -1 ? SHUT_RDWR : SHUT_WR);
    client->sent = sent == -1 ? size : client->sent + (size_t)sent;
    return client->sent == size;
}

/* Looks after a client that poll() found writable, or not. Returns how many milliseconds it has
 * left to take something; 0 if there is nothing to wait for: it has room again, is gone, or has
 * taken nothing for too long and is given up. Its thread finds the connection closed; in a stop,
 * only our half of it ends, and what the client has said is still heard. */
static int attend(struct client *client, bool writable, const char *message, size_t size)
{
    size_t sent = client->sent;

    if (writable && send_rest(client, message, size))
        return 0;
    if (client->sent > sent)
        client->progress = now_ms();
    bool stopping = stop_time_left() != -1;
    int left = (int)(client->progress + (stopping ? STOP_STALL_MS : STALL_MS) - now_ms());
    if (left > 0 && stop_time_left() != 0)
        return left;
    client->dropped = !stopping;
    (void)shutdown(client->connection, stopping ? SHUT_WR : SHUT_RDWR);
    return 0;
}

/* Waits until the clients that could not take the message at once have taken it. The time runs for
 * all of them together, also for those who have just taken it but have no room for another: ten
 * stalled clients hold up the rest no longer than one. */
static void wait_for_slow(struct room *room, const char *message, size_t size)
{
    size_t owing = 0;
    int timeout = 0; /* the first poll() only looks who has room */

    for (size_t i = 0; i < room->count; i++) {
        room->polled[i] = (struct pollfd){.fd = room->clients[i]->connection, .events = POLLOUT};
        room->clients[i]->progress = now_ms();
        owing += room->clients[i]->sent < size;
    }
    while (owing > 0) {
        bool stopping = stop_time_left() != -1;
        room->polled[room->count] =
            (struct pollfd){.fd = stopping ? -1 : room->stop_fd, .events = POLLIN};
        (void)poll(room->polled, room->count + 1, timeout); /* EINTR: the times tell what to do */
        int stop_left = stop_time_left(); /* after poll(): it has taken time, and seen a stop */
        timeout = stop_left == -1 ? STALL_MS : stop_left;
        for (size_t i = 0; i < room->count; i++) {
            if (room->polled[i].fd == -1)
                continue;
            bool owes = room->clients[i]->sent < size;
            int left = attend(room->clients[i], room->polled[i].revents != 0, message, size);
            if (left == 0) {
                room->polled[i].fd = -1; /* poll() skips it */
                owing -= owes;
            } else if (left < timeout) {
                timeout = left;
            }
        }
    }
}

/* Sends a message to all, as one critical section: the same messages, whole, in the same order. */
static void broadcast(struct room *room, const char *message, size_t size)
{
    bool all_done = true;

    (void)pthread_mutex_lock(&room->lock);
    for (size_t i = 0; i < room->count; i++) {
        room->clients[i]->sent = 0;
        all_done = send_rest(room->clients[i], message, size) && all_done;
    }
    if (!all_done)
        wait_for_slow(room, message, size);
    (void)pthread_mutex_unlock(&room->lock);
}

/* Receives some bytes. Returns how many; 0 when the client has ended its half of the connection, or
 * -1 when it is gone, or when a stop is requested and all that has come was received. */
static ssize_t receive(int connection, void *piece, size_t size)
{
    while (stop_time_left() != 0) {
        ssize_t received = recv(connection, piece, size, 0);
        if (received != -1)
            return received;
        /* Only a socket that does not block says EAGAIN: all of them with -b, because a broadcast
         * must not block; otherwise, those of a server that stops. */
        bool empty = errno == EAGAIN || errno == EWOULDBLOCK;
        if (empty ? !wait_readable(connection) : errno != EINTR)
            return -1;
    }
    return -1;
}

/* Echoes, to one or to all, until the client has ended its half of the connection, or is gone. */
static void serve_client(struct client *client)
{
    struct room *room = client->room;
    char piece[PIECE_SIZE]; /* each thread's own, on its stack */
    ssize_t received;

    while ((received = receive(client->connection, piece, sizeof piece)) > 0) {
        size_t size = (size_t)received; /* never strlen(): a NUL is a byte like any other */
        if (room->broadcasts)
            broadcast(room, piece, size);
        else if (send_all(client->connection, piece, size) == -1)
            return; /* EPIPE or ECONNRESET: there is nobody left to echo to */
        if (!room->quiet)
            say("[+] Message | IP %s Port %s | %s", client->peer.host, client->peer.port,
                quote(piece, size).text);
    }
}

/* Lets a client out: from here on, no other thread uses it. When the server stops, it stays until
 * nobody has anything left to say to it. A thread that ends must be joined, or its stack is leaked;
 * each one joins the one whose client left before. Returns whether there is one, and sets *to_join.
 */
static bool leave_room(struct client *client, pthread_t *to_join)
{
    struct room *room = client->room;

    (void)pthread_mutex_lock(&room->lock);
    if (--room->talking == 0)
        (void)pthread_cond_broadcast(&room->silence);
    while (room->broadcasts && stop_time_left() != -1 && room->talking > 0)
        (void)pthread_cond_wait(&room->silence, &room->lock);
    room->clients[client->place] = room->clients[--room->count]; /* the last one fills the gap */
    room->clients[client->place]->place = client->place;
    if (room->count == 0)
        (void)pthread_cond_signal(&room->empty);
    bool must_join = room->has_left;
    *to_join = room->left_last;
    room->left_last = client->thread;
    room->has_left = true;
    (void)pthread_mutex_unlock(&room->lock);
    return must_join;
}

/* What a thread does, from the first byte of its client to the last line. It owns the client. */
static void *run_thread(void *argument)
{
    struct client *client = argument;
    pthread_t to_join;
    sigset_t stop_signals;

    /* SIGINT and SIGTERM are for main(), which waits for them; a thread would only be disturbed. */
    (void)sigemptyset(&stop_signals);
    (void)sigaddset(&stop_signals, SIGINT);
    (void)sigaddset(&stop_signals, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &stop_signals, NULL);

    /* Nothing may come before the welcome: enter_room() holds the lock until it is sent. */
    (void)pthread_mutex_lock(&client->room->lock);
    (void)pthread_mutex_unlock(&client->room->lock);
    serve_client(client);
    bool must_join = leave_room(client, &to_join);
    /* Without a stop, FIN was read and no input is unread, or the client is gone. */
    if (stop_time_left() == -1)
        (void)close(client->connection);
    else
        close_gently(client->connection);
    say("[-] %s | IP %s Port %s", client->dropped ? "Slow client dropped" : "Connection closed",
        client->peer.host, client->peer.port);
    free(client);
    if (must_join)
        (void)pthread_join(to_join, NULL);
    return NULL;
}

/* Lets a client in: gives it a place, a thread, and the welcome, and from then on every message.
 * All under one lock, so that no message can come between. Returns 0; or an error number, ENOMEM or
 * EAGAIN, and nothing has changed. */
static int enter_room(struct room *room, int connection, const struct endpoint *peer)
{
    struct client *client = malloc(sizeof *client);
    int error = ENOMEM;

    (void)pthread_mutex_lock(&room->lock);
    if (client != NULL && make_room(room) == 0) {
        *client = (struct client){
            .room = room, .connection = connection, .peer = *peer, .place = room->count};
        room->clients[room->count] = client;
        error = pthread_create(&client->thread, &room->thread_attributes, run_thread, client);
    }
    if (error == 0) {
        room->count++;
        room->talking++;
        /* An empty send buffer has room for it. Without it, nothing else may come: recv() will tell
         * that the connection has ended. */
        if (send_all(connection, WELCOME, sizeof WELCOME - 1) == -1)
            (void)shutdown(connection, SHUT_RDWR);
    }
    (void)pthread_mutex_unlock(&room->lock);
    if (error != 0)
        free(client);
    return error;
}

/* Serves a client that was accepted, as soon as there is a thread for it: until then it waits, and
 * so do those after it, while all who have a thread are served on. */
static void serve_when_possible(struct room *room, int connection, const struct endpoint *peer,
                                bool *starved)
{
    int error;

    while ((error = enter_room(room, connection, peer)) != 0) {
        if (!*starved)
            complain("server: cannot start a thread for %s: %s", peer->address, strerror(error));
        *starved = true;
        if (stop_time_left() != -1) {
            (void)close(connection);
            say("[-] Connection closed | IP %s Port %s", peer->host, peer->port);
            return;
        }
        pause_for_resources();
    }
}

static void wake(int signal_number)
{
    (void)signal_number; /* that it came is enough: recv() fails with EINTR */
}

/* Tells all threads that a stop is requested, and joins them. One may wait in recv(), or be about
 * to: from here on, its connection does not block; and if it waits already, the signal wakes it. */
static void stop_all(struct room *room)
{
    (void)pthread_mutex_lock(&room->lock);
    for (size_t i = 0; i < room->count; i++) {
        (void)set_blocking(room->clients[i]->connection, false);
        (void)pthread_kill(room->clients[i]->thread, SIGUSR1);
    }
    while (room->count > 0)
        (void)pthread_cond_wait(&room->empty, &room->lock);
    (void)pthread_mutex_unlock(&room->lock);
    if (room->has_left)
        (void)pthread_join(room->left_last, NULL); /* which has joined all others */
    free(room->clients);
    free(room->polled);
}

int main(int argc, char *argv[])
{
    struct command_line line = {
        .usage = USAGE, .options = "bq", .host = "127.0.0.1", .port = "65432"};
    struct room room = {.lock = PTHREAD_MUTEX_INITIALIZER,
                        .empty = PTHREAD_COND_INITIALIZER,
                        .silence = PTHREAD_COND_INITIALIZER};
    struct sigaction wake_up = {.sa_handler = wake}; /* without SA_RESTART */
    struct endpoint self, peer;
    bool starved = false; /* out of descriptors or memory, and said so */
    unsigned long accepted = 0;
    int connection;

    start_program(); /* SIGPIPE is ignored: a client that is gone must not end the server */
    if (!parse_server(&line, argc, argv))
        return line.status;
    room.broadcasts = line.broadcast;
    room.quiet = line.quiet;

    room.stop_fd = stop_on_signals();
    if (room.stop_fd == -1)
        return EXIT_FAILURE;
    (void)sigemptyset(&wake_up.sa_mask);
    (void)sigaction(SIGUSR1, &wake_up, NULL);
    (void)pthread_attr_init(&room.thread_attributes);
    (void)pthread_attr_setstacksize(&room.thread_attributes, STACK_SIZE);

    /* The contract's lines and blank lines; listen_on() does what the last two announce. */
    say("[+] Open port %s", line.port);
    say("[+] Broadcast option: %s\n", line.broadcast ? "True" : "False");
    say("[+] Created socket");
    say("[+] Binding socket to port: %s\n", line.port);
    int listener = listen_on(line.host, line.port, &self); /* socket, bind, listen */
    if (listener == -1)
        return EXIT_FAILURE;
    /* A client that poll() has seen may be gone before accept(), which would wait for another. */
    if (set_blocking(listener, false) == -1) {
        complain("server: cannot start: %s", strerror(errno));
        return EXIT_FAILURE;
    }
    say("[+] Listening | IP %s Port %s\n", self.host, self.port);

    while ((connection = accept_connection(listener, &peer, &starved)) != -1) {
        accepted++;
        say("[+] Connection established | IP %s Port %s\n", peer.host, peer.port);
        if (line.broadcast) {
            (void)set_blocking(connection, false); /* a broadcast must not wait for one client */
            shrink_send_buffer(connection);        /* what a slow client takes shows at once */
        }
        serve_when_possible(&room, connection, &peer, &starved);
    }

    (void)close(listener);
    stop_all(&room);
    if (stop_time_left() == -1)
        return EXIT_FAILURE;
    say("[+] Stopped after %lu connections", accepted);
    return EXIT_SUCCESS;
}
