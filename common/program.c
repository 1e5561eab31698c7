/* program.c - see program.h. */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { OUTPUT_PATIENCE_MS = 1000, LINE_SIZE = 1001 };

/* A descriptor that the shell closed (`server >&-`) is filled with /dev/null, opened the wrong way
 * round: reading stdin or writing stdout still fails with EBADF, as it would have. */
static void fill_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) == -1 && errno == EBADF)
            (void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

static void raise_open_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* if the system refuses, the old limit stands */
    }
}

void start_program(void)
{
    fill_standard_descriptors();
    (void)signal(SIGPIPE, SIG_IGN);
    (void)setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    raise_open_file_limit();
}

/* Returns whether stdout takes something. If it did not last time, it gets no time to think again.
 */
static bool output_is_taken(void)
{
    static atomic_bool lost;
    struct pollfd output = {.fd = STDOUT_FILENO, .events = POLLOUT};
    int patience = lost ? 0 : OUTPUT_PATIENCE_MS;
    int ready;

    while ((ready = poll(&output, 1, patience)) == -1 && errno == EINTR)
        patience = 0; /* it may be the signal to stop: just look once more */
    lost = ready != 1;
    return !lost;
}

static void write_output(const char *line, size_t size)
{
    flockfile(stdout); /* another thread must not take the room that poll() has found */
    while (size > 0 && output_is_taken()) {
        /* A pipe that has room at all has room for PIPE_BUF bytes; more could block. */
        ssize_t written = write(STDOUT_FILENO, line, size < PIPE_BUF ? size : PIPE_BUF);
        if (written == -1 && errno != EINTR)
            break; /* EPIPE: nobody will ever read it */
        line += written > 0 ? written : 0;
        size -= written > 0 ? (size_t)written : 0;
    }
    funlockfile(stdout);
}

void say(const char *format, ...)
{
    char line[LINE_SIZE];
    char *text = line;
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (length < 0)
        return; /* an argument cannot be shown: there is no line */

    size_t size = (size_t)length;
    if (size >= sizeof line && (text = malloc(size + 1)) != NULL) {
        va_start(arguments, format);
        (void)vsnprintf(text, size + 1, format, arguments);
        va_end(arguments);
    } else if (size >= sizeof line) {
        text = line; /* no memory: what has room */
        size = sizeof line - 1;
    }
    text[size] = '\n'; /* in place of the NUL */
    write_output(text, size + 1);
    if (text != line)
        free(text);
}

void complain(const char *format, ...)
{
    char line[LINE_SIZE];
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);

    size_t size = length < 0 ? 0 : (size_t)length;
    if (size > sizeof line - 1)
        size = sizeof line - 1;
    line[size++] = '\n'; /* in place of the NUL */
    while (write(STDERR_FILENO, line, size) == -1 && errno == EINTR)
        ;
}

int finish_output(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_SUCCESS;
    complain("client: cannot write to stdout: %s", strerror(errno));
    return EXIT_FAILURE;
}
