/* connection.c - see connection.h. */
#include "connection.h"

#include "measurement.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* About so large is a ring: it fits the processor's cache, or the run would measure memory. */
enum { RING_SIZE = 256 * 1024, BUFFER_SIZE = 256 * 1024 };

enum { RETRY_MS = 2 };

_Noreturn void give_up(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)fputs("void: ", stdout);
    (void)vprintf(format, arguments);
    (void)putchar('\n');
    va_end(arguments);
    exit(EXIT_FAILURE);
}

void write_script(struct script *script, bool reversed)
{
    size_t messages = RING_SIZE / script->size;
    unsigned long random = 88172645;

    if (messages < 2)
        messages = 2;
    script->length = messages * script->size;
    script->said = malloc(script->length);
    script->expected = malloc(script->length);
    if (script->said == NULL || script->expected == NULL)
        give_up("there is no memory for messages of %zu bytes", script->size);
    for (size_t i = 0; i < script->length; i++) {
        random = (random * 1103515245 + 12345) & 0x7fffffff;
        script->said[i] = (char)(reversed ? 'a' + (random >> 16) % 26 : random >> 16);
    }
    for (size_t first = 0; first < script->length; first += script->size) {
        size_t last = first + script->size - 1;
        if (reversed)
            script->said[last] = '\n';
        for (size_t i = first; i < last; i++)
            /* The analyser gives up the loop above after a few rounds; it has filled all. */
            /* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign) */
            script->expected[i] = script->said[reversed ? first + last - 1 - i : i];
        script->expected[last] = script->said[last];
    }
}

void open_connection(struct connection *connection, const struct script *script, size_t number)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((in_port_t)script->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    long long deadline = now_ns() + PATIENCE_MS * 1000000LL;

    *connection = (struct connection){.welcome_left = script->welcome};
    connection->start = number * 7919 % (script->length / script->size) * script->size;
    for (;;) {
        connection->fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connection->fd == -1)
            give_up("connection %zu: %s", number, strerror(errno));
        if (connect(connection->fd, (struct sockaddr *)&address, sizeof address) == 0)
            break;
        if (errno != ECONNREFUSED || now_ns() > deadline) /* refused: the server is on its way */
            give_up("connection %zu: %s", number, strerror(errno));
        (void)close(connection->fd);
        (void)poll(NULL, 0, RETRY_MS);
    }
    (void)fcntl(connection->fd, F_SETFL, O_NONBLOCK);
}

void send_wanted(struct connection *connection, const struct script *script)
{
    while (connection->sent < connection->wanted) {
        size_t place = (size_t)((connection->start + connection->sent) % script->length);
        size_t size = script->length - place;
        if (size > connection->wanted - connection->sent)
            size = (size_t)(connection->wanted - connection->sent);
        ssize_t sent = send(connection->fd, script->said + place, size, 0);
        if (sent == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (sent == -1 && errno != EINTR)
            give_up("cannot send byte %llu: %s", connection->sent, strerror(errno));
        connection->sent += sent == -1 ? 0 : (size_t)sent;
    }
}

size_t take_welcome(struct connection *connection, size_t size)
{
    size_t taken = size < connection->welcome_left ? size : connection->welcome_left;

    connection->welcome_left -= taken;
    return taken;
}

size_t receive_some(struct connection *connection, char *buffer, size_t size)
{
    ssize_t received = recv(connection->fd, buffer, size, 0);

    if (received > 0)
        return (size_t)received;
    if (received == 0)
        give_up("the server closed a connection, %llu bytes are missing",
                connection->sent - connection->received);
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
        give_up("cannot receive byte %llu: %s", connection->received, strerror(errno));
    return 0;
}

/* Tells which byte is wrong. */
static _Noreturn void report_difference(const struct connection *connection, const char *came,
                                        const char *expected)
{
    size_t i = 0;

    while (came[i] == expected[i])
        i++;
    give_up("byte %llu of a connection came back as 0x%02x instead of 0x%02x",
            connection->received + i, (unsigned char)came[i], (unsigned char)expected[i]);
}

void receive_and_compare(struct connection *connection, const struct script *script)
{
    static char buffer[BUFFER_SIZE];
    size_t received = receive_some(connection, buffer, sizeof buffer);
    const char *rest = buffer + take_welcome(connection, received);
    const char *end = buffer + received;

    if ((size_t)(end - rest) > connection->sent - connection->received)
        give_up("the server sent a byte too many, behind byte %llu", connection->sent);
    while (rest < end) {
        size_t place = (size_t)((connection->start + connection->received) % script->length);
        size_t size = script->length - place;
        if (size > (size_t)(end - rest))
            size = (size_t)(end - rest);
        if (memcmp(rest, script->expected + place, size) != 0)
            report_difference(connection, rest, script->expected + place);
        rest += size;
        connection->received += size;
    }
}

void expect_silence(struct connection *connection)
{
    char byte;

    if (receive_some(connection, &byte, 1) != 0)
        give_up("the server sent a byte too many, behind byte %llu", connection->received);
}
