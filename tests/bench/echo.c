/* echo.c - the loads in which each client hears itself; see loads.h. */
#include "loads.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

/* So many come at once: no more than a short backlog takes, or the system would let them wait for a
 * second; and more to a large crowd, or a server that looks at all of it would look too often. */
enum { COMING_AT_ONCE = 8, MOST_AT_ONCE = 64 };

struct table {
    struct connection *connections;
    struct pollfd *polled;
    size_t count;
    size_t busy; /* those that something is awaited of */
};

static struct table make_table(size_t count)
{
    struct table table = {.connections = calloc(count, sizeof *table.connections),
                          .polled = calloc(count, sizeof *table.polled),
                          .count = count};

    if (table.connections == NULL || table.polled == NULL)
        give_up("there is no memory for %zu connections", count);
    return table;
}

static void free_table(struct table *table)
{
    free(table->connections);
    free(table->polled);
}

/* Waits until a connection has something to do. */
static void wait_for_some(struct table *table)
{
    int ready = poll(table->polled, table->count, PATIENCE_MS);

    if (ready == 0)
        give_up("%zu of %zu connections wait for bytes that do not come", table->busy,
                table->count);
}

/* Does what poll() has found. Returns whether all that is wanted of this connection has come. */
static bool attend(struct connection *connection, struct pollfd *polled,
                   const struct script *script)
{
    if ((polled->revents & ~POLLOUT) != 0)
        receive_and_compare(connection, script);
    send_wanted(connection, script);
    polled->events = connection->sent < connection->wanted ? POLLIN | POLLOUT : POLLIN;
    return connection->received == connection->wanted;
}

/* Asks for so many messages behind those that have come. */
static void ask_for(struct connection *connection, struct pollfd *polled,
                    const struct script *script, size_t messages, long long now)
{
    connection->asked_at = now;
    connection->wanted = (connection->received / script->size + messages) * script->size;
    polled->revents = 0;
    (void)attend(connection, polled, script);
}

/* Lets a client come, who says one message. */
static void come(struct connection *connection, struct pollfd *polled, const struct script *script,
                 size_t number)
{
    long long now = now_ns();

    open_connection(connection, script, number);
    *polled = (struct pollfd){.fd = connection->fd};
    ask_for(connection, polled, script, 1, now);
}

void gather(struct connection *crowd, const struct script *script, size_t open, size_t count)
{
    struct pollfd polled[MOST_AT_ONCE];
    struct connection *coming[MOST_AT_ONCE];
    struct table table = {.polled = polled};
    size_t at_once = COMING_AT_ONCE + count / 100;

    while (table.count < at_once && table.count < MOST_AT_ONCE && open < count) {
        coming[table.count] = &crowd[open];
        come(&crowd[open], &polled[table.count++], script, open);
        open++;
    }
    for (table.busy = table.count; table.busy > 0;) {
        wait_for_some(&table);
        for (size_t i = 0; i < table.count; i++) {
            if (polled[i].revents == 0 || !attend(coming[i], &polled[i], script))
                continue;
            polled[i].fd = -1;
            if (open < count) {
                coming[i] = &crowd[open];
                come(&crowd[open], &polled[i], script, open);
                open++;
            } else {
                table.busy--;
            }
        }
    }
}

/* Measures what has come back on a connection, and lets it go on until the measurement ends.
 * Returns whether it is done. */
static bool go_on(struct measurement *result, struct connection *connection, struct pollfd *polled,
                  const struct script *script, size_t window)
{
    unsigned long long before = connection->received / script->size;
    bool complete = attend(connection, polled, script);
    unsigned long long arrived = connection->received / script->size - before;
    long long now = now_ns();

    if (arrived > 0)
        count(result, arrived, connection->asked_at, now);
    if (arrived > 0 && result->end == 0) {
        ask_for(connection, polled, script, window, now);
        return false;
    }
    return complete;
}

void converse(struct measurement *result, const struct script *script, size_t clients,
              size_t window)
{
    struct table table = make_table(clients);

    gather(table.connections, script, 0, clients);
    warm_up(result);
    for (size_t i = 0; i < clients; i++) {
        table.polled[i].fd = table.connections[i].fd;
        ask_for(&table.connections[i], &table.polled[i], script, window, now_ns());
    }
    for (table.busy = clients; table.busy > 0;) {
        wait_for_some(&table);
        for (size_t i = 0; i < clients; i++) {
            if (table.polled[i].revents != 0)
                table.busy -=
                    go_on(result, &table.connections[i], &table.polled[i], script, window);
        }
        begin_if_warm(result, now_ns());
    }
    for (size_t i = 0; i < clients; i++) {
        expect_silence(&table.connections[i]);
        (void)close(table.connections[i].fd);
    }
    free_table(&table);
}

void come_and_go(struct measurement *result, const struct script *script, size_t clients)
{
    struct table table = make_table(clients);
    size_t number = 0;

    while (number < clients) {
        come(&table.connections[number], &table.polled[number], script, number);
        number++;
    }
    for (table.busy = clients; table.busy > 0;) {
        wait_for_some(&table);
        for (size_t i = 0; i < clients; i++) {
            struct connection *connection = &table.connections[i];
            if (table.polled[i].revents == 0 || !attend(connection, &table.polled[i], script))
                continue;
            expect_silence(connection);
            (void)close(connection->fd);
            long long now = now_ns();
            count(result, 1, connection->asked_at, now);
            begin_if_warm(result, now); /* the server is up */
            table.polled[i] = (struct pollfd){.fd = -1};
            if (result->end == 0)
                come(connection, &table.polled[i], script, number++);
            else
                table.busy--;
        }
    }
    free_table(&table);
}
