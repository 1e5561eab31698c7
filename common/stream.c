/* stream.c - see stream.h. */
#include "stream.h"

#include "clock.h"
#include "endpoint.h"
#include "program.h"
#include "stop.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { END_MS = 500 };

void pause_for_shortage(void)
{
    (void)poll(NULL, 0, SHORTAGE_PAUSE_MS);
}

bool is_only_for_now(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

int wait_for_events(const char *what, struct pollfd *polled, size_t count, int timeout)
{
    static atomic_bool starved;
    long long deadline = now_ms() + timeout;
    int ready;

    /* Again after EINTR: a request to stop makes its own descriptor readable. */
    while ((ready = poll(polled, (nfds_t)count, timeout)) == -1 && errno == EINTR) {
        long long left = deadline - now_ms();
        if (timeout > 0)
            timeout = left > 0 ? (int)left : 0;
    }
    if (ready != -1) {
        starved = false;
        return ready;
    }
    if (!starved)
        complain("%s: %s", what, strerror(errno));
    starved = true;
    pause_for_shortage();
    for (size_t i = 0; i < count; i++)
        polled[i].revents = 0; /* what stands there is of the call before */
    return 0;
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

/* Reads and forgets what has come. Returns whether the peer may send more. */
static bool discard(int connection)
{
    char unwanted[4096];
    ssize_t received = recv(connection, unwanted, sizeof unwanted, 0);

    return received > 0 || (received == -1 && is_only_for_now(errno));
}

void end_gently(struct pollfd *connections, size_t count)
{
    long long deadline = now_ms() + END_MS;
    size_t open = 0;

    for (size_t i = 0; i < count; i++) {
        /* ENOTCONN: the peer has reset the connection, and there is nothing left to lose. */
        bool has_ended = set_blocking(connections[i].fd, false) == -1 ||
                         shutdown(connections[i].fd, SHUT_WR) == -1;
        connections[i].events = POLLIN;
        if (has_ended)
            connections[i].fd = -1; /* poll() skips it */
        open += !has_ended;
    }
    for (long long left = END_MS; open > 0 && left > 0; left = deadline - now_ms()) {
        int ready = wait_for_events("server: cannot wait for clients to leave", connections, count,
                                    (int)left);
        for (size_t i = 0; ready > 0 && i < count; i++) {
            if (connections[i].fd != -1 && connections[i].revents != 0 &&
                !discard(connections[i].fd)) {
                connections[i].fd = -1;
                open--;
            }
        }
    }
}
