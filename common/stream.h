/* stream.h - moving bytes: waiting for them, sending all, and closing without losing the last. */
#ifndef STREAM_H
#define STREAM_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { SHORTAGE_PAUSE_MS = 100 };

/* Lets so long pass, in which descriptors, memory or threads may become free, without using the
 * processor. A signal ends it early (POSIX: poll()). */
void pause_for_shortage(void);

/* Returns whether a recv() or send() that failed with `error` need only be called again: nothing
 * has come or goes out yet (EAGAIN, and EWOULDBLOCK where that is another number), or a signal came
 * first (EINTR). Nothing is lost (POSIX: recv(), send()). */
bool is_only_for_now(int error);

/* Waits until something happens to one of `count` descriptors, for `timeout` milliseconds at most,
 * -1: without end. Returns how many have news, with their revents; 0 when the time is up. Where the
 * system has no memory for poll(), or refuses so many (EINVAL), it writes one line on stderr that
 * begins with `what`, as in "server: cannot wait", and then waits only SHORTAGE_PAUSE_MS, until it
 * can again. A signal does not end it. Safe in any thread (POSIX: poll()). */
int wait_for_events(const char *what, struct pollfd *polled, size_t count, int timeout);

/* Sends all of it, although send() may take less than it is given, or be interrupted. Where send()
 * would not wait (EAGAIN), as in a stop, it waits for room itself: its caller has no place for a
 * rest. Returns 0; or -1 with the errno of send(), EPIPE and ECONNRESET among them: the peer is
 * gone; or with ETIMEDOUT: the program stops, and the peer takes nothing (POSIX: send()). */
int send_all(int connection, const void *data, size_t size);

/* Ends connections whose peers may still be sending. close() with unread input resets a connection,
 * and a reset destroys what the peer has not read yet (RFC 1122, 4.2.2.13; RFC 9293, 3.6.1). So:
 * ends our half of each, then reads and forgets what comes until the peers have ended theirs, for
 * half a second at most. From then on they do not block. The caller closes them; it gives their
 * descriptors as `fd`, and finds -1 there for those that are done. Safe in any thread (POSIX:
 * shutdown()). */
void end_gently(struct pollfd *connections, size_t count);

#endif
