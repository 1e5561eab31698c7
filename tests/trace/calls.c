/* calls.c - writes each call of a program down as strace would: a line in the file of its thread,
 *
 *     TIME NAME(ARGUMENTS) = RESULT <SECONDS>
 *
 * with as much of the arguments as calls.py reads. TRACE_LOG is how the files are called, in front
 * of the number of the thread. In here, (send)(...) is the system's own. */
#include "calls.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct thread {
    void *(*run)(void *);
    void *argument;
    int number;
};

static atomic_int threads; /* so many were created */
static _Thread_local FILE *file;
static _Thread_local double started;
static _Thread_local int error; /* of the call that is being written down */

static double now(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_REALTIME, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void open_file(int number)
{
    const char *log = getenv("TRACE_LOG");
    char name[4096];

    (void)snprintf(name, sizeof name, "%s.%d", log != NULL ? log : "calls", number);
    file = fopen(name, "w");
    if (file == NULL)
        abort();
}

/* In front of a call. */
static void begin(void)
{
    if (file == NULL)
        open_file(0); /* main(): all other threads come through run_thread() */
    started = now();
}

/* Behind a call: begins its line. */
static void write_name(const char *name)
{
    error = errno;
    (void)fprintf(file, "%.6f %s(", started, name);
}

static void write_fd(const char *name, int fd)
{
    write_name(name);
    (void)fprintf(file, "%d", fd);
}

static void write_data(const char *data, ssize_t size)
{
    (void)fputs(", \"", file);
    for (ssize_t i = 0; i < size; i++)
        (void)fprintf(file, "\\x%02x", (unsigned char)data[i]);
    (void)fputc('"', file);
}

static const char *name_error(void)
{
    return error == EAGAIN        ? "EAGAIN"
           : error == EINPROGRESS ? "EINPROGRESS"
           : error == EINTR       ? "EINTR"
           : error == ECONNRESET  ? "ECONNRESET"
                                  : strerror(error);
}

/* Ends the line of a call. */
static void write_result(long result)
{
    (void)fprintf(file, ") = %ld%s%s <%.6f>\n", result, result < 0 ? " " : "",
                  result < 0 ? name_error() : "", now() - started);
    (void)fflush(file);
    errno = error;
}

/* Writes the line of a call of which nothing more is told. Returns its result. */
static int write_call(const char *name, int fd, int result)
{
    write_fd(name, fd);
    write_result(result);
    return result;
}

int traced_socket(int domain, int type, int protocol)
{
    begin();
    int result = (socket)(domain, type, protocol);
    write_name("socket");
    (void)fprintf(file, "%s, %s", domain == AF_INET6 ? "AF_INET6" : "AF_INET",
                  type == SOCK_STREAM ? "SOCK_STREAM" : "SOCK_DGRAM");
    write_result(result);
    return result;
}

int traced_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    begin();
    int result = (setsockopt)(fd, level, name, value, size);
    write_fd("setsockopt", fd);
    if (level == SOL_SOCKET && name == SO_REUSEADDR)
        (void)fputs(", SOL_SOCKET, SO_REUSEADDR", file);
    else if (level == SOL_SOCKET && name == SO_SNDBUF)
        (void)fputs(", SOL_SOCKET, SO_SNDBUF", file);
    else if (level == SOL_SOCKET && name == SO_SNDTIMEO)
        (void)fputs(", SOL_SOCKET, SO_SNDTIMEO", file);
    else if (level == SOL_SOCKET && name == SO_OOBINLINE)
        (void)fputs(", SOL_SOCKET, SO_OOBINLINE", file);
    else if (level == IPPROTO_TCP && name == TCP_NODELAY)
        (void)fputs(", SOL_TCP, TCP_NODELAY", file);
    else
        (void)fprintf(file, ", %d, %d", level, name);
    write_result(result);
    return result;
}

int traced_bind(int fd, const struct sockaddr *address, socklen_t size)
{
    begin();
    return write_call("bind", fd, (bind)(fd, address, size));
}

int traced_listen(int fd, int backlog)
{
    begin();
    return write_call("listen", fd, (listen)(fd, backlog));
}

int traced_accept(int fd, struct sockaddr *address, socklen_t *size)
{
    begin();
    return write_call("accept", fd, (accept)(fd, address, size));
}

int traced_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    begin();
    return write_call("connect", fd, (connect)(fd, address, size));
}

/* Writes the descriptors of a poll set, or only those that are ready. */
static void write_polled(const struct pollfd *polled, nfds_t count, bool only_ready)
{
    (void)fputc('[', file);
    for (nfds_t i = 0; i < count; i++)
        if (polled[i].fd >= 0 && (!only_ready || polled[i].revents != 0))
            (void)fprintf(file, "{fd=%d}", polled[i].fd);
    (void)fputc(']', file);
}

int traced_poll(struct pollfd *polled, nfds_t count, int timeout)
{
    begin();
    int result = (poll)(polled, count, timeout);
    write_name("poll");
    write_polled(polled, count, false);
    if (result > 0) {
        (void)fprintf(file, ") = %d (", result);
        write_polled(polled, count, true);
        (void)fprintf(file, ") <%.6f>\n", now() - started);
        (void)fflush(file);
        errno = error;
    } else {
        write_result(result);
    }
    return result;
}

ssize_t traced_recv(int fd, void *data, size_t size, int flags)
{
    begin();
    ssize_t result = (recv)(fd, data, size, flags);
    write_fd("recv", fd);
    write_data(data, result);
    write_result(result);
    return result;
}

ssize_t traced_send(int fd, const void *data, size_t size, int flags)
{
    begin();
    ssize_t result = (send)(fd, data, size, flags);
    write_fd("send", fd);
    write_data(data, result);
    write_result(result);
    return result;
}

ssize_t traced_read(int fd, void *data, size_t size)
{
    begin();
    ssize_t result = (read)(fd, data, size);
    write_fd("read", fd);
    write_data(data, result);
    write_result(result);
    return result;
}

/* What stdio reads cannot be seen. A line, or the end, stands for the read() that has brought it.
 */
int traced_getchar(void)
{
    static char line[65536]; /* one thread reads lines: the client of v3 has no other */
    static ssize_t size;

    if (size == 0)
        begin();
    int byte = (getchar)();
    if (byte != EOF && size < (ssize_t)sizeof line)
        line[size++] = (char)byte;
    if (byte == '\n' || byte == EOF) {
        write_fd("read", STDIN_FILENO);
        write_data(line, size);
        write_result(size);
        size = 0;
    }
    return byte;
}

int traced_shutdown(int fd, int how)
{
    begin();
    int result = (shutdown)(fd, how);
    write_fd("shutdown", fd);
    (void)fputs(how == SHUT_WR ? ", SHUT_WR" : how == SHUT_RD ? ", SHUT_RD" : ", SHUT_RDWR", file);
    write_result(result);
    return result;
}

int traced_close(int fd)
{
    begin();
    return write_call("close", fd, (close)(fd));
}

int traced_fcntl(int fd, int command, int flags)
{
    begin();
    int result = (fcntl)(fd, command, flags);
    write_fd("fcntl", fd);
    if (command == F_SETFL)
        (void)fprintf(file, ", F_SETFL, %s", (flags & O_NONBLOCK) != 0 ? "O_NONBLOCK" : "0");
    else
        (void)fprintf(file, ", %d", command);
    write_result(result);
    return result;
}

static void *run_thread(void *argument)
{
    struct thread *thread = argument;
    void *(*run)(void *) = thread->run;
    void *run_argument = thread->argument;

    open_file(thread->number);
    free(thread);
    return run(run_argument);
}

int traced_pthread_create(pthread_t *created, const pthread_attr_t *attributes,
                          void *(*run)(void *), void *argument)
{
    struct thread *thread = malloc(sizeof *thread);

    if (thread == NULL)
        return ENOMEM;
    begin();
    *thread = (struct thread){run, argument, atomic_fetch_add(&threads, 1) + 1};
    int number = thread->number;
    int result = (pthread_create)(created, attributes, run_thread, thread);
    if (result != 0)
        free(thread);
    write_name("clone");
    write_result(result == 0 ? number : -1);
    return result;
}
