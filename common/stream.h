/* stream.h - moving bytes: sending all of them, and closing without losing the last ones. */
#ifndef STREAM_H
#define STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Makes a socket block, or fail with EAGAIN instead (POSIX: fcntl(), O_NONBLOCK). Returns 0, or -1
 * with errno. */
int set_blocking(int socket, bool blocking);

/* Sends all of it, although send() may take less than it is given, or be interrupted. On a socket
 * that does not block, it waits for room. Returns 0; or -1 with the errno of send(), EPIPE and
 * ECONNRESET among them: the peer is gone; or with ETIMEDOUT: the program stops, and the peer takes
 * nothing (POSIX: send()). */
int send_all(int connection, const void *data, size_t size);

/* Sends as much as the peer takes now, on a socket that does not block. Returns how much, 0 if the
 * peer takes nothing; or -1 with the errno of send(): the peer is gone (POSIX: send()). */
ssize_t send_some(int connection, const void *data, size_t size);

/* What shows that a slow peer reads at all is room for more. poll() reports room when about a third
 * of the send buffer is free, and a system may free what was received only when all of a segment,
 * or of a few that it has merged, was read. So, to tell a slow peer from one that has stopped
 * reading, keep the send buffer small with the first of these, and send with the second. */

/* Makes a connection's send buffer small. The size is only a wish: where the system does not grant
 * it, progress shows later (POSIX: setsockopt(), SO_SNDBUF). */
void shrink_send_buffer(int connection);

/* Like send_some(), but in small records, which the system does not merge (POSIX: send(), MSG_EOR).
 */
ssize_t send_records(int connection, const void *data, size_t size);

/* Closes a connection whose peer may still be sending. close() with unread input resets the
 * connection, and a reset destroys what the peer has not read yet (RFC 1122, 4.2.2.13; RFC 9293,
 * 3.6.1). So: end our half, read and forget what comes until the peer ends its own, for `patience`
 * milliseconds at most, then close. */
void close_gently(int connection, int patience);

#endif
