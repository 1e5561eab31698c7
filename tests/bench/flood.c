/* flood.c - the load of those who do not wait for their own words; see loads.h.
 *
 * A byte tells who has sent it and where it belongs in what he says. What the first client hears is
 * compared with that; what all others hear, with what the first one has heard.
 */
#include "loads.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* So far apart may those be who hear the same. What comes next of a sender is asked for this many
 * bytes at once; most of it comes in large pieces. */
enum { LOG_SIZE = 64 * 1024 * 1024, BUFFER_SIZE = 256 * 1024, STRIDE = 64 };

enum { MOST_SENDERS = 10, PERIOD = 25 }; /* a byte has room for both */

struct flood {
    const struct script *script;
    struct connection *connections; /* `received` is the place in the log, behind the welcome */
    struct pollfd *polled;
    size_t count, senders;
    char *log;                                              /* what was heard, as a ring */
    unsigned long long first;                               /* the end of it */
    unsigned long long heard[MOST_SENDERS];                 /* of each sender, in the log */
    char said[MOST_SENDERS][BUFFER_SIZE + PERIOD + STRIDE]; /* what each says, over and over */
    size_t unmeasured; /* bytes that are no whole message yet */
    struct measurement *result;
};

/* Compares bytes that nobody has heard before with what the senders say. */
static void compare_with_said(struct flood *flood, const char *bytes, size_t size)
{
    while (size > 0) {
        size_t sender = (unsigned char)bytes[0] / PERIOD;
        if (sender >= flood->senders)
            give_up("a client got a byte of nobody");
        const char *said = flood->said[sender] + flood->heard[sender] % PERIOD;
        size_t length = 0;
        while (length + STRIDE <= size && length + STRIDE <= BUFFER_SIZE &&
               memcmp(bytes + length, said + length, STRIDE) == 0)
            length += STRIDE;
        while (length < size && length < BUFFER_SIZE && bytes[length] == said[length])
            length++;
        if (length == 0)
            give_up("a client got byte %llu of client %zu altered", flood->heard[sender], sender);
        flood->heard[sender] += length;
        bytes += length;
        size -= length;
    }
}

/* Takes what a client has heard. */
static void hear(struct flood *flood, size_t self, const char *bytes, size_t size)
{
    struct connection *connection = &flood->connections[self];

    while (size > 0) {
        size_t place = connection->received % LOG_SIZE;
        size_t length = size < LOG_SIZE - place ? size : LOG_SIZE - place;
        if (connection->received == flood->first) {
            compare_with_said(flood, bytes, length);
            memcpy(flood->log + place, bytes, length);
            flood->first += length;
        } else {
            if (length > flood->first - connection->received)
                length = (size_t)(flood->first - connection->received);
            if (flood->first - connection->received > LOG_SIZE)
                give_up("client %zu is too far behind the others", self);
            if (memcmp(flood->log + place, bytes, length) != 0)
                give_up("client %zu did not hear what others heard, at byte %llu", self,
                        connection->received);
        }
        connection->received += length;
        bytes += length;
        size -= length;
    }
}

static void receive(struct flood *flood, size_t self)
{
    static char buffer[BUFFER_SIZE];
    struct connection *connection = &flood->connections[self];
    size_t size = receive_some(connection, buffer, sizeof buffer);
    size_t welcome = take_welcome(connection, size);
    long long now = now_ns();

    hear(flood, self, buffer + welcome, size - welcome);
    flood->unmeasured += size - welcome;
    count(flood->result, flood->unmeasured / flood->script->size, now, now);
    flood->unmeasured %= flood->script->size;
    if (size > welcome)
        begin_if_warm(flood->result, now);
}

/* Sends as much as the system takes, in messages of the script's size. */
static void speak(struct flood *flood, size_t self)
{
    struct connection *connection = &flood->connections[self];

    for (;;) {
        size_t size = flood->script->size - (size_t)(connection->sent % flood->script->size);
        ssize_t sent = send(connection->fd, flood->said[self] + connection->sent % PERIOD, size, 0);
        if (sent == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (sent == -1 && errno != EINTR)
            give_up("client %zu cannot send: %s", self, strerror(errno));
        connection->sent += sent == -1 ? 0 : (size_t)sent;
    }
}

/* Whether somebody has not heard all that was said. */
static bool one_waits(const struct flood *flood)
{
    unsigned long long said = 0;

    for (size_t i = 0; i < flood->senders; i++)
        said += flood->connections[i].sent;
    for (size_t i = 0; i < flood->count; i++)
        if (flood->connections[i].received != said)
            return true;
    return false;
}

/* Waits, and lets all who can hear and speak. */
static void take_turns(struct flood *flood)
{
    if (poll(flood->polled, flood->count, PATIENCE_MS) == 0)
        give_up("messages do not come: a client has not heard all");
    for (size_t i = 0; i < flood->count; i++) {
        if ((flood->polled[i].revents & ~POLLOUT) != 0)
            receive(flood, i);
        if (flood->result->end != 0)
            flood->polled[i].events = POLLIN;
        else if ((flood->polled[i].revents & POLLOUT) != 0)
            speak(flood, i);
    }
}

void flood(struct measurement *result, const struct script *script, size_t clients, size_t senders)
{
    static struct flood flood;

    flood.script = script;
    flood.connections = calloc(clients, sizeof *flood.connections);
    flood.polled = calloc(clients, sizeof *flood.polled);
    flood.log = malloc(LOG_SIZE);
    flood.senders = senders;
    flood.result = result;
    if (flood.connections == NULL || flood.polled == NULL || flood.log == NULL ||
        script->size > BUFFER_SIZE || senders > MOST_SENDERS || senders > clients)
        give_up("cannot flood %zu clients from %zu of them, with messages of %zu bytes", clients,
                senders, script->size);
    for (size_t sender = 0; sender < senders; sender++)
        for (size_t i = 0; i < sizeof flood.said[sender]; i++)
            flood.said[sender][i] = (char)(sender * PERIOD + i % PERIOD);
    for (size_t i = 0; i < clients; i++) {
        open_connection(&flood.connections[i], script, i);
        flood.polled[flood.count++] =
            (struct pollfd){.fd = flood.connections[i].fd, .events = POLLIN};
        while (flood.connections[i].welcome_left > 0) /* from then on, it misses nothing */
            take_turns(&flood);
    }
    for (size_t i = 0; i < senders; i++)
        flood.polled[i].events = POLLIN | POLLOUT;
    warm_up(result);
    while (result->end == 0 || one_waits(&flood))
        take_turns(&flood);
    for (size_t i = 0; i < clients; i++) {
        expect_silence(&flood.connections[i]);
        (void)close(flood.connections[i].fd);
    }
    free(flood.connections);
    free(flood.polled);
    free(flood.log);
}
