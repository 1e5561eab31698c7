/* listen.h - listening, and what to do when accept() fails. */
#ifndef LISTEN_H
#define LISTEN_H

#include "endpoint.h"

#include <stdbool.h>

/* Returns a socket that listens on HOST and PORT, with the longest backlog that the system gives,
 * and its name in `bound` (port 0 becomes the port that the system chose). The caller closes it.
 * Returns -1 after one line on stderr (POSIX: socket(), bind(), listen()). */
int listen_on(const char *host, const char *port, struct endpoint *bound);

/* What to do after accept() has failed with `error`. Returns true to call it again: one client, a
 * signal, or a shortage of descriptors or memory was the reason. A shortage sets *starved, after
 * one line on stderr if it was not set; while it is set, each call pauses for 100 ms, in which some
 * may become free. The caller clears it when the shortage is over. Returns false, after one line on
 * stderr, if the listener is of no use any more (POSIX: accept(), ERRORS). */
bool accept_can_go_on(int error, bool *starved);

/* The same without the pause, for a server that has other clients to serve meanwhile. */
bool accept_failed_for_now(int error, bool *starved);

/* Lets 100 ms pass in which descriptors, memory or threads may become free, without using the
 * processor. A signal ends them early (POSIX: poll()). */
void pause_for_resources(void);

/* Returns whether a client waits to be accepted (POSIX: poll()). */
bool client_waits(int listener);

#endif
