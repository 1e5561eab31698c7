/* probe.c - does on a socket what a shell cannot, step by step.
 *
 *     probe connect HOST PORT [OPTION...] STEP...      one connection to a server
 *     probe crowd N HOST PORT [OPTION...] STEP...      N of them: each step is done on all in turn
 *     probe listen [OPTION...] STEP...                 a fake server: prints `listening PORT`, and
 *     probe listen-crowd N [OPTION...] STEP...         takes one connection, or N
 *     probe storm N SECONDS HOST PORT WELCOME [OPTION...]
 *                                 N who talk, come, leave, vanish and stall in a broadcast: those
 *                                 who are there all hear the same (see storm.h)
 *     probe reserve [on:ADDRESS]  holds a port where nobody listens: prints `reserved PORT`
 *     probe choke COMMAND...      runs COMMAND, which finds its stdout, a pipe, full; after a line
 *                                 on stdin the probe reads it, and copies it to its own stdout
 *     probe terminal COMMAND...   runs COMMAND, which finds its stdout a terminal, and copies what
 *                                 it prints to its own stdout; exits as COMMAND does
 *     probe keyboard COMMAND...   the same with stdin: what comes on the probe's own is typed there
 *     probe show FILE [OFFSET [SIZE]]   prints a file's bytes, escaped, on one line
 *     probe show-lines FILE             prints a file's lines, with harmful bytes as <HH>
 *     probe reverse FILE                what a reverse-echo server answers to these messages
 *     probe now                   prints milliseconds on a clock that nobody sets
 *
 * OPTION:  rcvbuf:N sndbuf:N (socket buffers)  retry (until a server listens)
 *          on:ADDRESS (listen there, not on 127.0.0.1)
 *          limit:SECONDS (the whole run; 60 where it is not given, times ECHO_SLOWNESS)
 *          silence:SECONDS (a client fails when nothing goes or comes for so long; 10, in the same
 * way)
 *
 * STEP, where TEXT takes \n \r \t \0 \\ \xHH:
 *   send:TEXT  urgent:C (a byte, with MSG_OOB)
 *   send-file:FILE      bytes:FILE (a byte a send)   split:N:FILE (two sends, cut at N)
 *   recv:N[:FILE] (exactly N)      recv-all[:FILE] (up to the end of the stream)
 *   expect:TEXT  expect-eof (and no byte before)  expect-reset  expect-end (either; drops bytes)
 *   expect-nothing[:MS] (no byte and no end within MS milliseconds; 200 where it is not given)
 *   ask:TEXT (send it, expect it)  ping:FILE (each byte: send it, expect it)
 *   exchange:IN:OUT (send IN, half-close, receive OUT to the end, both at once)
 *   roundtrip:IN:OUT[:N] (the same until as many bytes are back, or N, and stay connected)
 *   talk:FILE:OUT:N (send FILE a line at a time, each when the one before has come back among what
 *                    others say, until N bytes have come)
 *   hear:FILE (receive until the line in FILE has come whole, among what others say)
 *   meet:N:TEXT (N times: a new connection to the same server gets TEXT, and at once hears two
 *                lines that the old one sends then; other lines may come between)
 *   half-close  close  reset       who (prints `me ADDR`)       say:WORDS (prints them)
 *   wait:MS (do nothing)
 *   pause[:WORDS] (prints `paused` or WORDS, waits for a line on stdin, or its end)
 *   flood[:BYTES] (send, never read, until nothing goes for 1 s; prints `flooded N`)
 *   flood-file:FILE (the same with a file, again and again)
 *   slow-read:RATE:FILE[:BYTES] (RATE bytes a second, up to BYTES or the end; prints `read N`)
 *   echo[:N] (N bytes, or until the end of the stream)          corrupt:N (echo, byte N is wrong)
 *   reverse[:FILE] (answer messages as a reverse-echo server does; copy them to FILE)
 * With I/ in front, as in 2/reset, a step is done on connection I of a crowd alone, from 1 on.
 *
 * Exit status: 0 all went as the steps say; 1 it did not (one line on stderr); 2 wrong command
 * line; 3 out of time. It can never hang a suite.
 */
#include "base.h"
#include "reverse.h"
#include "steps.h"
#include "storm.h"
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct options {
    int receive_buffer, send_buffer; /* 0: as the system has them */
    bool retry;
    const char *on;   /* the address to listen on */
    unsigned limit;   /* seconds */
    unsigned silence; /* seconds in which nothing goes or comes */
};

/* Takes the options in front of the steps. Returns the first step. */
static char **take_options(struct options *options, char *arguments[])
{
    const char *slowness = getenv("ECHO_SLOWNESS");
    unsigned factor = slowness != NULL ? (unsigned)strtoul(slowness, NULL, 10) : 1;

    *options = (struct options){.on = "127.0.0.1", .limit = 60, .silence = 10};
    for (; *arguments != NULL; arguments++) {
        const char *colon = strchr(*arguments, ':');
        int number = colon != NULL ? (int)strtol(colon + 1, NULL, 10) : 0;
        if (strncmp(*arguments, "rcvbuf:", 7) == 0)
            options->receive_buffer = number;
        else if (strncmp(*arguments, "sndbuf:", 7) == 0)
            options->send_buffer = number;
        else if (strncmp(*arguments, "limit:", 6) == 0)
            options->limit = (unsigned)number;
        else if (strncmp(*arguments, "silence:", 8) == 0)
            options->silence = (unsigned)number;
        else if (strcmp(*arguments, "retry") == 0)
            options->retry = true;
        else if (strncmp(*arguments, "on:", 3) == 0)
            options->on = *arguments + 3;
        else
            break;
    }
    options->limit *= factor > 0 ? factor : 1;
    options->silence *= factor > 0 ? factor : 1;
    if (options->silence >= options->limit) /* the message on the silence says more */
        options->silence = options->limit - 1;
    limit_time(options->limit);
    return arguments;
}

static void set_options(int fd, const struct options *options)
{
    int on = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (options->receive_buffer > 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &options->receive_buffer, sizeof(int));
    if (options->send_buffer > 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &options->send_buffer, sizeof(int));
}

static struct addrinfo *find_address(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    struct addrinfo *address = NULL;
    int error = getaddrinfo(host, port, &hints, &address);

    if (error != 0)
        fail("%s %s: %s", host, port, gai_strerror(error));
    return address;
}

static int connect_to(const char *host, const char *port, const struct options *options)
{
    struct addrinfo *address = find_address(host, port);

    for (;;) {
        int fd = socket(address->ai_family, SOCK_STREAM, 0);
        if (fd == -1)
            fail("cannot make a socket: %s", strerror(errno));
        set_options(fd, options);
        if (connect(fd, address->ai_addr, address->ai_addrlen) == 0) {
            freeaddrinfo(address);
            return fd;
        }
        if (!options->retry || errno != ECONNREFUSED)
            fail("cannot connect to %s port %s: %s", host, port, strerror(errno));
        (void)close(fd);
        let_pass(10);
    }
}

/* Returns a socket bound to a port that the system chose, after printing `what` and the port. */
static int bind_somewhere(const char *what, bool listening, const struct options *options)
{
    struct addrinfo *address = find_address(options->on, "0");
    struct sockaddr_storage bound;
    socklen_t size = sizeof bound;
    char port[8];
    int fd = socket(address->ai_family, SOCK_STREAM, 0);

    if (fd != -1)
        set_options(fd, options);
    if (fd == -1 || bind(fd, address->ai_addr, address->ai_addrlen) == -1 ||
        (listening && listen(fd, SOMAXCONN) == -1) ||
        getsockname(fd, (struct sockaddr *)&bound, &size) == -1)
        fail("cannot bind: %s", strerror(errno));
    (void)getnameinfo((struct sockaddr *)&bound, size, NULL, 0, port, sizeof port, NI_NUMERICSERV);
    freeaddrinfo(address);
    printf("%s %s\n", what, port);
    return fd;
}

static int *make_crowd(size_t count)
{
    int *connections = calloc(count > 0 ? count : 1, sizeof *connections);

    if (connections == NULL)
        fail("out of memory");
    return connections;
}

static int run_clients(size_t count, char *arguments[])
{
    struct options options;
    int *connections = make_crowd(count);
    char **steps = take_options(&options, arguments + 2);

    for (size_t i = 0; i < count; i++) {
        connections[i] = connect_to(arguments[0], arguments[1], &options);
        limit_silence(connections[i], options.silence);
    }
    run_steps(connections, count, steps);
    free(connections);
    return 0;
}

static int run_server(size_t count, char *arguments[])
{
    struct options options;
    int *connections = make_crowd(count);
    char **steps = take_options(&options, arguments);
    int listener = bind_somewhere("listening", true, &options);

    for (size_t i = 0; i < count; i++) {
        connections[i] = accept(listener, NULL, NULL);
        if (connections[i] == -1)
            fail("cannot accept: %s", strerror(errno));
        set_options(connections[i], &options);
    }
    run_steps(connections, count, steps);
    free(connections);
    return 0;
}

static int run_a_storm(char *arguments[])
{
    struct options options;
    struct addrinfo *address = find_address(arguments[2], arguments[3]);

    (void)take_options(&options, arguments + 5);
    run_storm(address, strtoul(arguments[0], NULL, 10), strtol(arguments[1], NULL, 10),
              arguments[4]);
    freeaddrinfo(address);
    return 0;
}

static int reserve(char *arguments[])
{
    struct options options;

    (void)take_options(&options, arguments);
    (void)bind_somewhere("reserved", false, &options);
    wait_for_line();
    return 0;
}

/* The child reads what the pipe takes, without the filler in front; the parent becomes COMMAND. */
static int choke(char *command[])
{
    int ends[2];
    size_t filler = 0;

    if (pipe(ends) == -1 || fcntl(ends[1], F_SETFL, O_NONBLOCK) == -1)
        fail("cannot make a pipe: %s", strerror(errno));
    while (write(ends[1], "#", 1) == 1)
        filler++;
    (void)fcntl(ends[1], F_SETFL, 0);
    if (fork() == 0) {
        char byte;
        (void)close(ends[1]);
        limit_time(60);
        wait_for_line();
        while (read(ends[0], &byte, 1) == 1)
            if (filler == 0)
                (void)!write(STDOUT_FILENO, &byte, 1);
            else
                filler--;
        _exit(0);
    }
    (void)dup2(ends[1], STDOUT_FILENO);
    (void)close(ends[0]);
    (void)close(ends[1]);
    (void)execvp(command[0], command);
    fail("cannot run %s: %s", command[0], strerror(errno));
}

static int show(int count, char *arguments[])
{
    struct bytes file = read_file(arguments[0]);
    size_t offset = count > 1 ? strtoul(arguments[1], NULL, 10) : 0;
    size_t size = count > 2 ? strtoul(arguments[2], NULL, 10) : file.size;

    offset = offset < file.size ? offset : file.size;
    size = size < file.size - offset ? size : file.size - offset;
    show_bytes(file.data + offset, size);
    (void)putchar('\n');
    free(file.data);
    return 0;
}

static int show_lines(const char *path)
{
    struct bytes file = read_file(path);

    for (size_t i = 0; i < file.size; i++) {
        bool harmless = file.data[i] == '\n' || (file.data[i] >= 0x20 && file.data[i] < 0x7f);
        printf(harmless ? "%c" : "<%02x>", file.data[i]);
    }
    free(file.data);
    return 0;
}

static int show_answers(const char *path)
{
    struct bytes file = read_file(path), answers = {0};

    (void)answer_messages(file.data, file.size, true, &answers);
    (void)fwrite(answers.data, 1, answers.size, stdout);
    free(answers.data);
    free(file.data);
    return 0;
}

static int tell_time(void)
{
    printf("%lld\n", now_ms());
    return 0;
}

static void raise_open_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char *argv[])
{
    const char *role = argc > 1 ? argv[1] : "";

    if (strcmp(role, "choke") == 0 && argc > 2)
        return choke(argv + 2); /* COMMAND gets the limits and signals that we got */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    raise_open_file_limit();
    if (strcmp(role, "connect") == 0 && argc > 3)
        return run_clients(1, argv + 2);
    if (strcmp(role, "crowd") == 0 && argc > 4)
        return run_clients(strtoul(argv[2], NULL, 10), argv + 3);
    if (strcmp(role, "storm") == 0 && argc > 6)
        return run_a_storm(argv + 2);
    if (strcmp(role, "listen") == 0)
        return run_server(1, argv + 2);
    if (strcmp(role, "listen-crowd") == 0 && argc > 2)
        return run_server(strtoul(argv[2], NULL, 10), argv + 3);
    if (strcmp(role, "terminal") == 0 && argc > 2)
        return run_in_terminal(argv + 2, false);
    if (strcmp(role, "keyboard") == 0 && argc > 2)
        return run_in_terminal(argv + 2, true);
    if (strcmp(role, "reserve") == 0)
        return reserve(argv + 2);
    if (strcmp(role, "show") == 0 && argc > 2)
        return show(argc - 2, argv + 2);
    if (strcmp(role, "show-lines") == 0 && argc > 2)
        return show_lines(argv[2]);
    if (strcmp(role, "reverse") == 0 && argc > 2)
        return show_answers(argv[2]);
    if (strcmp(role, "now") == 0)
        return tell_time();
    (void)fputs("probe: wrong command line; the top of probe.c says what it takes\n", stderr);
    return 2;
}
