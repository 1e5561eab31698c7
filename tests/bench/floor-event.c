/* floor-event.c - the least that an echo server with the system's best event call can do: epoll on
 * Linux, kqueue on BSD and macOS.
 *
 *     floor-event PORT
 *
 * A yardstick, not an example: it checks nothing, and one client that does not read stops it.
 */
#ifdef __linux__
#include <sys/epoll.h>
#else
#include <sys/types.h>

#include <sys/event.h>
#endif

#include "floor.h"

#include <fcntl.h>
#include <unistd.h>

enum { AT_ONCE = 512 };

#ifdef __linux__

static int open_events(void)
{
    return epoll_create1(0);
}

static void add(int events, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    (void)epoll_ctl(events, EPOLL_CTL_ADD, fd, &event);
}

/* Fills the table with the descriptors that can be read. Returns how many there are. */
static int wait_for_some(int events, int *ready)
{
    static struct epoll_event found[AT_ONCE];
    int count = epoll_wait(events, found, AT_ONCE, -1);

    for (int i = 0; i < count; i++)
        ready[i] = found[i].data.fd;
    return count;
}

#else

static int open_events(void)
{
    return kqueue();
}

static void add(int events, int fd)
{
    struct kevent event;

    EV_SET(&event, fd, EVFILT_READ, EV_ADD, 0, 0, NULL);
    (void)kevent(events, &event, 1, NULL, 0, NULL);
}

/* Fills the table with the descriptors that can be read. Returns how many there are. */
static int wait_for_some(int events, int *ready)
{
    static struct kevent found[AT_ONCE];
    int count = kevent(events, NULL, 0, found, AT_ONCE, NULL);

    for (int i = 0; i < count; i++)
        ready[i] = (int)found[i].ident;
    return count;
}

#endif

int main(int argc, char *argv[])
{
    static char piece[2 * PIECE_SIZE]; /* as in v1.1 */
    int listener = listen_at(argv[argc - 1]);
    int events = open_events();
    int ready[AT_ONCE], connection;

    (void)fcntl(listener, F_SETFL, O_NONBLOCK);
    add(events, listener);
    for (;;) {
        int count = wait_for_some(events, ready);
        for (int i = 0; i < count; i++) {
            while (ready[i] == listener && (connection = accept(listener, NULL, NULL)) != -1)
                add(events, connection);
            if (ready[i] == listener)
                continue;
            ssize_t size = recv(ready[i], piece, sizeof piece, 0);
            if (size <= 0 || send(ready[i], piece, (size_t)size, 0) == -1)
                (void)close(ready[i]);
        }
    }
}
