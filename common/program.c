/* program.c - see program.h. */
#include "program.h"

#include "clock.h"

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

enum {
    OUTPUT_PATIENCE_MS = 1000, /* how long a line waits for its reader */
    OUTPUT_HURRY_MS = 400,     /* and all lines together, in a hurry: a stop has 2 s */
    OUTPUT_GLANCE_MS = 100,    /* after so long, who waits looks whether there is a hurry by now */
    LINE_SIZE = 1001
};

/* A descriptor that the shell closed (`server >&-`) is filled with /dev/null, opened the wrong way
 * round: reading stdin or writing stdout still fails with EBADF, as it would have. */
static void fill_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) == -1 && errno == EBADF)
            (void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

static void set_open_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
        return; /* then the limit stays as it is */
    rlim_t old = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max < MOST_DESCRIPTORS ? limit.rlim_max : MOST_DESCRIPTORS;
    /* macOS names a hard limit that it does not grant: take the half until one is granted. */
    while (setrlimit(RLIMIT_NOFILE, &limit) == -1 && limit.rlim_cur / 2 > old)
        limit.rlim_cur /= 2;
}

void start_program(void)
{
    fill_standard_descriptors();
    (void)signal(SIGPIPE, SIG_IGN);
#ifdef SIGXFSZ /* not everywhere: XSI */
    (void)signal(SIGXFSZ, SIG_IGN);
#endif
    (void)setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    set_open_file_limit();
}

static atomic_int hurry_ms = OUTPUT_HURRY_MS; /* that are left of it */
static atomic_bool is_hurried;

void hurry_output(void)
{
    atomic_store(&is_hurried, true);
}

/* Whether stdout or stderr takes something. One that took nothing is not waited for again. */
static bool output_is_taken(int fd)
{
    static atomic_bool lost[STDERR_FILENO + 1];
    struct pollfd output = {.fd = fd, .events = POLLOUT};
    int ready, left, took, waited = 0;

    do { /* again, also after EINTR: the signal may be the one to stop */
        bool counts = atomic_load(&is_hurried);
        long long since = now_ms();
        left = lost[fd] ? 0 : counts ? atomic_load(&hurry_ms) : OUTPUT_PATIENCE_MS - waited;
        ready = poll(&output, 1, left < OUTPUT_GLANCE_MS ? left : OUTPUT_GLANCE_MS);
        took = (int)(now_ms() - since);
        waited += took;
        if (counts)
            atomic_store(&hurry_ms, left > took ? left - took : 0);
    } while (ready != 1 && left > took && (ready == 0 || errno == EINTR));
    lost[fd] = ready != 1;
    return ready == 1;
}

/* poll() finds room in a terminal that has none for a whole line: write() would wait there for a
 * reader. Opened anew, it does not block; the shell's own is left as it is. */
static void unblock_terminal(int fd)
{
    static bool is_done[STDERR_FILENO + 1];
    const char *name = is_done[fd] ? NULL : ttyname(fd);
    int terminal = name != NULL ? open(name, O_WRONLY | O_NOCTTY | O_NONBLOCK) : -1;

    is_done[fd] = true;
    if (terminal == -1)
        return; /* it is none, or somebody else's: it stays as it is */
    (void)dup2(terminal, fd);
    (void)close(terminal);
}

static void write_line(int fd, const char *line, size_t size)
{
    flockfile(stdout); /* another thread must not take the room that poll() has found */
    unblock_terminal(fd);
    while (size > 0 && output_is_taken(fd)) {
        /* A pipe that has room at all has room for PIPE_BUF bytes; more could block. */
        ssize_t written = write(fd, line, size < PIPE_BUF ? size : PIPE_BUF);
        if (written == -1 && errno != EINTR)
            break; /* EPIPE: nobody will ever read it; EAGAIN: nobody reads the terminal */
        line += written > 0 ? written : 0;
        size -= written > 0 ? (size_t)written : 0;
    }
    funlockfile(stdout);
}

static void print_line(int fd, const char *format, va_list arguments)
{
    char line[LINE_SIZE];
    va_list again;

    va_copy(again, arguments);
    int length = vsnprintf(line, sizeof line, format, arguments);
    size_t size = length < 0 ? 0 : (size_t)length;
    char *text = size < sizeof line ? line : malloc(size + 1);
    if (text == NULL) {
        text = line; /* no memory: what has room */
        size = sizeof line - 1;
    } else if (text != line) {
        (void)vsnprintf(text, size + 1, format, again);
    }
    va_end(again);
    text[size] = '\n'; /* in place of the NUL */
    write_line(fd, text, size + 1);
    if (text != line)
        free(text);
}

void say(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    print_line(STDOUT_FILENO, format, arguments);
    va_end(arguments);
}

int complain(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    print_line(STDERR_FILENO, format, arguments);
    va_end(arguments);
    return -1;
}

int finish_output(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_SUCCESS;
    complain("client: cannot write to stdout: %s", strerror(errno));
    return EXIT_FAILURE;
}
