/* stop.c - see stop.h. */
#include "stop.h"

#include "clock.h"
#include "endpoint.h"
#include "program.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

/* What the handler needs to reach. The time is written once, before stop_requested is set, and
 * read only after it was seen. */
static int stop_pipe[2] = {-1, -1};
static atomic_int blocking_connection = -1;
static atomic_flag request_seen = ATOMIC_FLAG_INIT;
static long long stop_request_ms;
static atomic_bool stop_requested;

static void request_stop(int signal_number)
{
    int saved_errno = errno; /* the interrupted code may be about to read it */

    (void)signal_number;
    if (!atomic_flag_test_and_set(&request_seen)) {
        stop_request_ms = now_ms();
        atomic_store(&stop_requested, true);
        ssize_t written = write(stop_pipe[1], "", 1); /* never read: all who wait for it see it */
        (void)written;                                /* the pipe is empty: it cannot fail */
        hurry_output();
        if (blocking_connection != -1) /* a recv() fails with EINTR, and the next one sees it */
            (void)set_blocking(blocking_connection, false);
    }
    errno = saved_errno;
}

int stop_on_signals(void)
{
    struct sigaction action = {.sa_handler = request_stop}; /* without SA_RESTART: it interrupts */

    (void)sigemptyset(&action.sa_mask);
    if (pipe(stop_pipe) == 0 && sigaction(SIGINT, &action, NULL) == 0 &&
        sigaction(SIGTERM, &action, NULL) == 0)
        return stop_pipe[0];
    complain("server: cannot prepare to be stopped: %s", strerror(errno));
    return -1;
}

void block_until_stop(int connection)
{
    (void)set_blocking(connection, true); /* some systems hand on O_NONBLOCK from the listener */
    blocking_connection = connection;
    if (stop_is_requested()) /* the handler has run already */
        (void)set_blocking(connection, false);
}

bool stop_is_requested(void)
{
    return atomic_load(&stop_requested);
}

int stop_time_left(void)
{
    if (!stop_is_requested())
        return -1;
    long long left = stop_request_ms + STOP_ECHO_MS - now_ms();
    return left > 0 ? (int)left : 0;
}

/* Waits for POLLIN or POLLOUT on fd; see stop.h for the difference. */
static bool wait_for(int fd, short events)
{
    for (;;) {
        int left = stop_time_left();
        bool stopping = left != -1;
        int timeout = stopping && events == POLLIN ? 0 : left;
        struct pollfd ready[] = {
            {.fd = fd, .events = events},
            {.fd = stopping ? -1 : stop_pipe[0], .events = POLLIN}, /* poll() skips -1 */
        };

        if (left == 0)
            return false;
        if (poll(ready, 2, timeout) == -1)
            continue; /* EINTR: a signal came, perhaps the one that asks to stop */
        if (ready[0].revents != 0)
            return true; /* also for an error: the recv() or send() that follows tells which */
        if (stopping && events == POLLIN)
            return false;
    }
}

bool wait_readable(int fd)
{
    return wait_for(fd, POLLIN);
}

bool wait_writable(int fd)
{
    return wait_for(fd, POLLOUT);
}
