/* broadcast.c - the load in which all clients hear each other; see loads.h.
 *
 * A message begins with the number of its sender, in two bytes. As every client gets all messages
 * of a sender in order, it knows each byte that has to come.
 */
#include "loads.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEADER_SIZE = 2, LONGEST = 16 * 1024, BUFFER_SIZE = 64 * 1024 };

struct listener {
    struct connection connection;
    unsigned char header[HEADER_SIZE]; /* of the message that is coming */
    size_t offset;                     /* so much of it has come */
    size_t *heard;                     /* so many messages of each sender */
};

struct audience {
    const struct script *script;
    struct listener *listeners;
    struct pollfd *polled;
    size_t count, busy;
    size_t unmeasured; /* so many deliveries since the last that was a sender's own */
    size_t silent;     /* those that have not heard themselves yet */
    struct measurement *result;
};

/* Returns the bytes of a sender's message, behind its header. */
static const char *message_of(const struct script *script, size_t sender, size_t number)
{
    size_t messages = script->length / script->size;

    return script->said + (sender * 7919 + number) % messages * script->size;
}

/* Says its next message. */
static void speak(struct audience *audience, size_t sender, long long now)
{
    struct listener *listener = &audience->listeners[sender];
    size_t size = audience->script->size;
    char message[LONGEST];

    memcpy(message, message_of(audience->script, sender, listener->heard[sender]), size);
    message[0] = (char)(sender >> 8);
    message[1] = (char)sender;
    listener->connection.asked_at = now;
    if (send(listener->connection.fd, message, size, 0) != (ssize_t)size)
        give_up("client %zu cannot send a message: %s", sender, strerror(errno));
}

/* A message has come whole. Each delivery counts; the latency is that of the sender's own. */
static void hear(struct audience *audience, size_t self, size_t sender)
{
    struct listener *listener = &audience->listeners[self];
    long long now = now_ns();

    listener->offset = 0;
    audience->unmeasured++;
    if (listener->heard[sender]++ == 0 && sender == self)
        audience->silent--;
    if (sender != self)
        return;
    count(audience->result, audience->unmeasured, listener->connection.asked_at, now);
    audience->unmeasured = 0;
    if (audience->silent == 0)
        begin_if_warm(audience->result, now);
    if (audience->result->end == 0)
        speak(audience, self, now);
    else
        audience->busy--;
}

/* Takes a piece of a message, and compares it. Returns how long it is. */
static size_t take_piece(struct audience *audience, size_t self, const char *bytes, size_t size)
{
    struct listener *listener = &audience->listeners[self];

    if (listener->offset < HEADER_SIZE) {
        listener->header[listener->offset++] = (unsigned char)bytes[0];
        return 1;
    }
    size_t sender = (size_t)listener->header[0] << 8 | listener->header[1];
    if (sender >= audience->count)
        give_up("client %zu got a message of nobody (%zu)", self, sender);
    if (size > audience->script->size - listener->offset)
        size = audience->script->size - listener->offset;
    const char *message = message_of(audience->script, sender, listener->heard[sender]);
    if (memcmp(bytes, message + listener->offset, size) != 0)
        give_up("client %zu got message %zu of client %zu altered", self, listener->heard[sender],
                sender);
    listener->offset += size;
    if (listener->offset == audience->script->size)
        hear(audience, self, sender);
    return size;
}

static void receive(struct audience *audience, size_t self)
{
    static char buffer[BUFFER_SIZE];
    struct connection *connection = &audience->listeners[self].connection;
    size_t size = receive_some(connection, buffer, sizeof buffer);

    for (size_t i = take_welcome(connection, size); i < size;)
        i += take_piece(audience, self, buffer + i, size - i);
}

/* Waits for bytes, and takes what has come. */
static void listen_once(struct audience *audience)
{
    if (poll(audience->polled, audience->count, PATIENCE_MS) == 0)
        give_up("messages do not come: %zu of %zu clients wait for their own", audience->busy,
                audience->count);
    for (size_t i = 0; i < audience->count; i++) {
        if (audience->polled[i].revents != 0)
            receive(audience, i);
    }
}

/* Whether a client has not heard all that the senders have heard of themselves. */
static bool one_waits(const struct audience *audience)
{
    for (size_t i = 0; i < audience->count; i++) {
        for (size_t sender = 0; sender < audience->count; sender++) {
            if (audience->listeners[i].heard[sender] != audience->listeners[sender].heard[sender])
                return true;
        }
    }
    return false;
}

static void enter(struct audience *audience, size_t self)
{
    struct listener *listener = &audience->listeners[self];

    listener->heard = calloc(audience->count, sizeof *listener->heard);
    if (listener->heard == NULL)
        give_up("there is no memory for %zu clients", audience->count);
    open_connection(&listener->connection, audience->script, self);
    audience->polled[self] = (struct pollfd){.fd = listener->connection.fd, .events = POLLIN};
    while (listener->connection.welcome_left > 0) { /* from then on, it misses nothing */
        if (poll(&audience->polled[self], 1, PATIENCE_MS) == 0)
            give_up("client %zu gets no welcome", self);
        receive(audience, self);
    }
}

void broadcast(struct measurement *result, const struct script *script, size_t clients)
{
    struct audience audience = {.script = script,
                                .listeners = calloc(clients, sizeof *audience.listeners),
                                .polled = calloc(clients, sizeof *audience.polled),
                                .count = clients,
                                .busy = clients,
                                .silent = clients,
                                .result = result};

    if (audience.listeners == NULL || audience.polled == NULL || script->size > LONGEST ||
        script->size < HEADER_SIZE + 1)
        give_up("cannot broadcast messages of %zu bytes to %zu clients", script->size, clients);
    for (size_t i = 0; i < clients; i++)
        enter(&audience, i);
    warm_up(result);
    for (size_t i = 0; i < clients; i++)
        speak(&audience, i, now_ns());
    while (audience.busy > 0 || one_waits(&audience))
        listen_once(&audience);
    for (size_t i = 0; i < clients; i++) {
        expect_silence(&audience.listeners[i].connection);
        (void)close(audience.listeners[i].connection.fd);
        free(audience.listeners[i].heard);
    }
    free(audience.listeners);
    free(audience.polled);
}
