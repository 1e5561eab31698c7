/* stream.c - see stream.h. */
#include "stream.h"

#include "clock.h"
#include "stop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SMALL_SEND_BUFFER = 16 * 1024, RECORD_SIZE = 2 * 1024 };

int set_blocking(int socket, bool blocking)
{
    int flags = fcntl(socket, F_GETFL);

    if (flags == -1)
        return -1;
    flags = blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
    return fcntl(socket, F_SETFL, flags) == -1 ? -1 : 0;
}

int send_all(int connection, const void *data, size_t size)
{
    const char *rest = data;

    while (size > 0) {
        ssize_t sent = send(connection, rest, size, 0);
        if (sent >= 0) { /* a short write: go on behind what was taken */
            rest += sent;
            size -= (size_t)sent;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (!wait_writable(connection)) {
                errno = ETIMEDOUT; /* the program stops, and the peer does not read */
                return -1;
            }
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return 0;
}

ssize_t send_some(int connection, const void *data, size_t size)
{
    ssize_t sent = send(connection, data, size, 0);

    if (sent == -1 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return 0;
    return sent;
}

void shrink_send_buffer(int connection)
{
    int size = SMALL_SEND_BUFFER;

    (void)setsockopt(connection, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

ssize_t send_records(int connection, const void *data, size_t size)
{
    const char *record = data;
    size_t rest = size;

    while (rest > 0) {
        size_t length = rest < RECORD_SIZE ? rest : RECORD_SIZE;
        ssize_t sent = send(connection, record, length, MSG_EOR);
        if (sent == -1 && errno == EINVAL) /* streams know no records here: then without */
            sent = send(connection, record, length, 0);
        if (sent == -1 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
            break;
        if (sent == -1)
            return -1;
        record += sent;
        rest -= (size_t)sent;
    }
    return (ssize_t)(size - rest);
}

void close_gently(int connection, int patience)
{
    long long deadline = now_ms() + patience;
    long long left = patience;

    /* ENOTCONN: the peer has reset the connection, and there is nothing left to lose. */
    if (set_blocking(connection, false) == 0 && shutdown(connection, SHUT_WR) == 0) {
        while (left > 0) {
            char unwanted[4096];
            ssize_t received = recv(connection, unwanted, sizeof unwanted, 0);
            if (received == 0 ||
                (received == -1 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
                break;
            struct pollfd readable = {.fd = connection, .events = POLLIN};
            if (received == -1)
                (void)poll(&readable, 1, (int)left);
            left = deadline - now_ms();
        }
    }
    /* EINTR leaves it open whether the descriptor is closed (POSIX: close()). Closing it again
     * could close one that another thread was just given; a server that leaks one in such a case
     * lives. */
    (void)close(connection);
}
