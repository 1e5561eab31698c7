/* program.c - see program.h. */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

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

void complain(const char *format, ...)
{
    char line[1001]; /* the terminating NUL makes room for the newline */
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);

    size_t size = length < 0 ? 0 : (size_t)length;
    if (size > sizeof line - 1)
        size = sizeof line - 1;
    line[size++] = '\n';
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
