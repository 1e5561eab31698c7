/* load.c - puts a load on an echo server, measures what it does, and compares every byte.
 *
 *     load [-r] [-w BYTES] [-t MILLISECONDS] PORT LOAD CLIENTS SIZE [CROWD... | SENDERS]
 *
 * It waits until something listens on PORT of 127.0.0.1, and prints one line,
 * `RATE P50 P99 P99.9`: how many a second, and latencies in microseconds. If a byte is wrong,
 * missing or too many, the line is `void: ...` instead, and the exit status 1.
 */
#include "loads.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const char USAGE[] =
    "usage: load [-r] [-w BYTES] [-t MILLISECONDS] PORT LOAD CLIENTS SIZE [CROWD... | SENDERS]\n"
    "LOAD, by CLIENTS at once with messages of SIZE bytes:\n"
    "  ping-pong  each says a message when the answer to its last one has come; echoes/s\n"
    "  stream     each keeps 256 KiB on their way; MB/s\n"
    "  churn      each connects, says a message, leaves when it has the answer; connections/s\n"
    "  idle       ping-pong beside a CROWD of connections that each said one message; for each\n"
    "             CROWD it prints `crowd N` when so many are there, and reads a line\n"
    "  broadcast  each says a message when its last one has come back to it; deliveries/s\n"
    "  flood      SENDERS of them say one after another without waiting; deliveries/s\n"
    "  -r         the server answers lines with their reverse\n"
    "  -w BYTES   the server says so many bytes first\n"
    "  -t MILLISECONDS  how long to measure (1000)\n";

enum { STREAM_WINDOW = 256 * 1024 };

static _Noreturn void show_usage(void)
{
    (void)fputs(USAGE, stderr);
    exit(2);
}

/* Reads a number from 1 to `largest`, or shows the usage. */
static size_t read_number(const char *text, size_t largest)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end != '\0' || number < 1 || number > largest)
        show_usage();
    return number;
}

/* Allows as many open files as the system does. */
static void raise_file_limit(void)
{
    struct rlimit limit;

    (void)getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* if not, the connection that is too many says so */
}

/* Opens the crowds, one after another, and says so. The last one stays while others are busy. */
static void sit_beside(struct measurement *result, const struct script *script, size_t clients,
                       char *crowds[])
{
    struct connection *crowd = NULL;
    size_t size = 0;
    char line[8];

    for (; *crowds != NULL; crowds++) {
        size_t before = size;
        size = read_number(*crowds, 1000000);
        crowd = realloc(crowd, size * sizeof *crowd);
        if (crowd == NULL)
            give_up("there is no memory for %zu connections", size);
        gather(crowd, script, before, size);
        (void)printf("crowd %zu\n", size);
        (void)fflush(stdout);
        (void)fgets(line, sizeof line, stdin); /* at its end, nobody wants to look */
    }
    converse(result, script, clients, 1);
    for (size_t i = 0; i < size; i++)
        expect_silence(&crowd[i]);
    free(crowd);
}

int main(int argc, char *argv[])
{
    static struct measurement result = {.duration = 1000000000};
    struct script script = {.welcome = 0};
    bool reversed = false;
    int option;

    while ((option = getopt(argc, argv, "rw:t:")) != -1) {
        if (option == 'r')
            reversed = true;
        else if (option == 'w')
            script.welcome = read_number(optarg, 1000000);
        else if (option == 't')
            result.duration = (long long)read_number(optarg, 100000) * 1000000;
        else
            show_usage();
    }
    if (argc - optind < 4)
        show_usage();
    script.port = (int)read_number(argv[optind], 65535);
    const char *load = argv[optind + 1];
    size_t clients = read_number(argv[optind + 2], 65535);
    script.size = read_number(argv[optind + 3], STREAM_WINDOW);
    char **crowds = argv + optind + 4;

    (void)signal(SIGPIPE, SIG_IGN); /* send() fails with EPIPE */
    raise_file_limit();
    write_script(&script, reversed);
    if (strcmp(load, "ping-pong") == 0)
        converse(&result, &script, clients, 1);
    else if (strcmp(load, "stream") == 0)
        converse(&result, &script, clients, STREAM_WINDOW / script.size);
    else if (strcmp(load, "churn") == 0)
        come_and_go(&result, &script, clients);
    else if (strcmp(load, "idle") == 0)
        sit_beside(&result, &script, clients, crowds);
    else if (strcmp(load, "broadcast") == 0)
        broadcast(&result, &script, clients);
    else if (strcmp(load, "flood") == 0 && *crowds != NULL)
        flood(&result, &script, clients, read_number(*crowds, clients));
    else
        show_usage();
    double unit = strcmp(load, "stream") == 0 ? 1e6 / (double)script.size : 1;
    (void)printf("%.1f %.1f %.1f %.1f\n", rate(&result) / unit, percentile(&result, 0.5),
                 percentile(&result, 0.99), percentile(&result, 0.999));
    return EXIT_SUCCESS;
}
