/* stop.h - stopping in good order when SIGINT or SIGTERM asks for it (from v1.1 on). */
#ifndef STOP_H
#define STOP_H

#include <stdbool.h>

enum {
    STOP_ECHO_MS = 500,  /* after the request: the time for echoing what has arrived */
    STOP_CLOSE_MS = 500, /* and after that, the time for peers to take it and to close their end */
};

/* Makes SIGINT and SIGTERM a request to stop. A signal may come between any two instructions: a
 * program that looks at a flag and then blocks can miss it, and block for ever. So the handler
 * writes to a pipe, and what blocks waits for that pipe too. Returns a descriptor that is readable
 * from the first request on, for poll(); it stays open until the program ends. Returns -1 after one
 * line on stderr. (POSIX: pipe(), sigaction(); XSH 2.4.3, the functions that a handler may call.)
 */
int stop_on_signals(void);

/* Returns how many milliseconds ago a stop was requested, or -1 if it was not. Safe in any thread.
 */
int ms_since_stop_request(void);

/* Returns how long what has arrived may still be echoed: -1 as long as no stop is requested, then
 * milliseconds from STOP_ECHO_MS down to 0. It is a timeout for poll(). Safe in any thread. */
int stop_time_left(void);

/* Names a connection that a request to stop makes non-blocking, at once and from within the
 * handler: a recv() or send() that waits there, or is about to, fails with EAGAIN. So a program
 * that serves one client need not call poll() before each recv(). -1: none (POSIX: fcntl();
 * XSH 2.4.3). */
void stop_unblocks(int fd);

/* Both wait, without stop_on_signals() for as long as it takes (POSIX: poll()). */

/* Waits until something can be read or accepted from fd, and returns true. Returns false when a
 * stop is requested and nothing is there to read, or the time for echoing is over. */
bool wait_readable(int fd);

/* Waits until something can be written to fd, and returns true. Returns false when a stop is
 * requested and the time for echoing is over. */
bool wait_writable(int fd);

#endif
