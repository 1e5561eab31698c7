/* program.h - what every program does first, and how it says that something failed. */
#ifndef PROGRAM_H
#define PROGRAM_H

/* The highest limit on open files of a program, so that a table can have an entry for each. */
enum { MOST_DESCRIPTORS = 65536 };

/* Prepares the process for a life with sockets. Call it before anything else; it cannot fail.
 *  - SIGPIPE is ignored: a write to a peer or a reader that is gone fails with EPIPE instead of
 *    ending the process (POSIX: write(), [EPIPE]).
 *  - So is SIGXFSZ: a write beyond the limit on the size of files fails with EFBIG (POSIX: write(),
 *    [EFBIG]).
 *  - stdout is line-buffered, also into a file or a pipe (POSIX: setvbuf()).
 *  - Descriptors 0, 1 and 2 are in use, so that no socket gets their number and then what is
 *    printed (POSIX: open(), "the lowest file descriptor not currently open").
 *  - The soft limit on open files becomes the hard limit, MOST_DESCRIPTORS at most (POSIX:
 *    setrlimit()). */
void start_program(void);

/* Prints one line of a server on stdout: what printf() prints, and a newline. A server that waits
 * for a reader that sleeps does not serve; so if nobody takes the output for a second, it is lost
 * until somebody does again. It is also lost when the reader is gone. A terminal is opened anew, so
 * that it does not block; the shell's own is left as it is. A line of up to PIPE_BUF bytes goes out
 * in one write; without memory, one of more than 1,000 is cut. Safe in any thread (POSIX: poll(),
 * ttyname(), write(), flockfile()). */
void say(const char *format, ...);

/* Makes all lines from now on wait for their readers no longer than 400 ms together: for a program
 * that has to end soon. Safe in signal handlers and in any thread. */
void hurry_output(void);

/* Writes one line to stderr in the same way. Takes what printf() takes; the caller begins it with
 * the program's name, and leaves out the newline. Returns -1, for the caller to return. */
int complain(const char *format, ...);

/* Returns the exit status of a client that has done its work: EXIT_SUCCESS if all that it printed
 * was written, else EXIT_FAILURE after one line on stderr (POSIX: fflush()). */
int finish_output(void);

#endif
