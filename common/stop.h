/* stop.h - stopping in good order when SIGINT or SIGTERM asks for it (from v1.1 on). */
#ifndef STOP_H
#define STOP_H

#include <stdbool.h>

enum {
    STOP_ECHO_MS = 500, /* what has arrived may be echoed for so long after the request, */
    STOP_STALL_MS = 100 /* and a client may take nothing for so long */
};

/* Makes SIGINT and SIGTERM a request to stop. A signal may come between any two instructions: a
 * program that looks at a flag and then blocks can miss it, and block for ever. So the handler
 * writes to a pipe, and what blocks waits for that pipe too. Returns a descriptor that is readable
 * from the first request on, for poll(); it stays open until the program ends. Returns -1 after one
 * line on stderr (POSIX: pipe(), sigaction(); XSH 2.4.3, the functions that a handler may call). */
int stop_on_signals(void);

/* Returns whether a stop is requested. Safe in any thread. */
bool stop_is_requested(void);

/* Returns how long what has arrived may still be echoed: -1 as long as no stop is requested, then
 * milliseconds from STOP_ECHO_MS down to 0. It is a timeout for poll(). Safe in any thread. */
int stop_time_left(void);

/* Makes one connection block until a stop is requested, and then no more: the handler itself sees
 * to it, so that a recv() or send() that waits there, or is about to, fails with EAGAIN. A program
 * that serves one client need not call poll() before each recv(). It forgets the connection that it
 * was called for before (POSIX: fcntl(); XSH 2.4.3). */
void block_until_stop(int connection);

/* Both wait, without stop_on_signals() for as long as it takes (POSIX: poll()). */

/* Waits until something can be read or accepted from fd, and returns true. Returns false when a
 * stop is requested and nothing is there to read, or the time for echoing is over. */
bool wait_readable(int fd);

/* Waits until something can be written to fd, and returns true. Returns false when a stop is
 * requested and the time for echoing is over. */
bool wait_writable(int fd);

#endif
