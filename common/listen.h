/* listen.h - listening, and what to do when accept() fails. */
#ifndef LISTEN_H
#define LISTEN_H

#include "endpoint.h"

#include <stdbool.h>

/* Returns a socket that listens on HOST and PORT, with the longest backlog that the system gives,
 * and its name in `bound` (port 0 becomes the port that the system chose). The caller closes it.
 * Returns -1 after one line on stderr (POSIX: getaddrinfo(), socket(), bind(), listen(),
 * getsockname()). */
int listen_on(const char *host, const char *port, struct endpoint *bound);

/* Whether a client waits to be accepted (POSIX: poll()). */
bool somebody_waits(int listener);

/* What to do after accept() has failed with `error`. Returns true if it is worth calling again: one
 * client, a signal, or a shortage of descriptors or memory was the reason, or nobody waits.
 * *starved, which the caller keeps from call to call, is set as long as a shortage lasts; its first
 * failure is reported in one line on stderr. It is over when nobody waits any more. Returns false,
 * after one line on stderr, if the listener is of no use any more (POSIX: accept(), ERRORS). */
bool accept_can_go_on(int listener, int error, bool *starved);

/* The same for a program that has nothing else to do meanwhile. It waits until a client comes, a
 * stop is requested, or, in a shortage, SHORTAGE_PAUSE_MS have passed. */
bool wait_to_accept(int listener, int error);

#endif
