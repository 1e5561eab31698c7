/* storm.c - see storm.h.
 *
 * A message is a line, `ID NUMBER SIZE filler`, which its sender has said alone: the next one goes
 * when it has come back. What all hear is one log: the first to hear something adds it, and all
 * others must hear the same. Some are witnesses, who hear all of it; where in the log a visitor
 * begins is known when its own first line has come back. A witness has the number of its place.
 */
#include "storm.h"

#include "base.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    WITNESSES = 8,
    MOST_GUESTS = 256,
    MOST_VISITS = 1000000,
    HEAD_SIZE = 24, /* ID, NUMBER and SIZE, of 7 digits and a blank each */
    LONGEST = 20000,
    STALL_MS = 1500,
    PAUSE_MS = 350,
    STALLERS = 4, /* so many each time; and so many witnesses pause */
    QUIET_MS = 15000,
    LOG_LIMIT = 256 * 1024 * 1024
};

/* ABSENT: it comes at `when`. TALKING: it reads from `when` on. STALLED: it reads nothing, and goes
 * at `when`. */
enum state { ABSENT, WELCOMED, TALKING, LEAVING, STALLED };

struct guest {
    enum state state;
    int fd;
    long long when;
    size_t id;
    size_t welcome; /* so much of it has come */
    size_t left;    /* so many messages it will still say */
    bool is_placed; /* where it begins in the log is known */
    size_t at;      /* it has heard the log up to here */
    struct bytes early;
};

static struct {
    struct bytes welcome;
    const struct addrinfo *address;
    struct guest guests[MOST_GUESTS];
    size_t count;
    unsigned char *log;
    size_t size, parsed;
    size_t visits;
    struct {
        size_t said, heard; /* messages; by itself, so far as they are in the log */
        size_t first, last; /* where its first message begins, and its last one ends */
    } * by;                 /* each visit */
    size_t to_stall;
    unsigned long random;
    bool is_over;
    size_t resets, stalls, leaves;
} storm;

static unsigned long random_below(unsigned long limit)
{
    storm.random = (storm.random * 1103515245 + 12345) & 0x7fffffff;
    return (storm.random >> 8) % limit;
}

static void say(struct guest *guest)
{
    char line[LONGEST + 1];
    size_t size = HEAD_SIZE + 1 + random_below(random_below(10) == 0 ? LONGEST - HEAD_SIZE : 400);

    (void)snprintf(line, sizeof line, "%07zu %07zu %07zu ", guest->id, storm.by[guest->id].said++,
                   size);
    memset(line + HEAD_SIZE, 'a' + (int)(guest->id % 26), size - HEAD_SIZE);
    line[size - 1] = '\n';
    if (send(guest->fd, line, size, 0) != (ssize_t)size)
        fail("client %zu cannot say a line of %zu bytes: %s", guest->id, size, strerror(errno));
}

static void come(struct guest *guest)
{
    free(guest->early.data);
    *guest = (struct guest){.state = WELCOMED, .id = storm.visits++, .left = random_below(20)};
    guest->fd = socket(storm.address->ai_family, SOCK_STREAM, 0);
    if (guest->fd == -1 || storm.visits == MOST_VISITS ||
        connect(guest->fd, storm.address->ai_addr, storm.address->ai_addrlen) == -1 ||
        fcntl(guest->fd, F_SETFL, O_NONBLOCK) == -1)
        fail("client %zu cannot come: %s", guest->id, strerror(errno));
}

static void go(struct guest *guest)
{
    (void)close(guest->fd);
    guest->state = ABSENT;
    guest->when = now_ms() + (long long)random_below(30);
}

/* Checks the whole lines that are new in the log, and notes whose they are. */
static void parse(void)
{
    unsigned char *end;

    while ((end = memchr(storm.log + storm.parsed, '\n', storm.size - storm.parsed)) != NULL) {
        unsigned char *line = storm.log + storm.parsed;
        size_t size = (size_t)(end + 1 - line);
        char *rest = (char *)line; /* strtoul() stops at what is no digit */
        size_t id = strtoul(rest, &rest, 10), number = strtoul(rest, &rest, 10);
        size_t told = strtoul(rest, &rest, 10);
        bool is_whole = size > HEAD_SIZE && told == size && id < storm.visits;
        for (size_t i = HEAD_SIZE; is_whole && i + 1 < size; i++)
            is_whole = line[i] == 'a' + id % 26;
        if (!is_whole)
            fail("a message was torn at byte %zu: \"%.60s\"", storm.parsed, (const char *)line);
        if (number != storm.by[id].heard)
            fail("client %zu has said message %zu, and %zu came", id, storm.by[id].heard, number);
        if (storm.by[id].heard++ == 0)
            storm.by[id].first = storm.parsed;
        storm.parsed += size;
        storm.by[id].last = storm.parsed;
    }
}

/* Takes what a guest hears that has a place in the log. */
static void compare(struct guest *guest, const unsigned char *bytes, size_t size)
{
    size_t known = guest->at < storm.size ? storm.size - guest->at : 0;

    if (known > size)
        known = size;
    if (memcmp(storm.log + guest->at, bytes, known) != 0)
        fail("client %zu did not hear what the others heard, at byte %zu", guest->id, guest->at);
    if (storm.size + size - known > LOG_LIMIT)
        fail("too much is said");
    memcpy(storm.log + storm.size, bytes + known, size - known);
    storm.size += size - known;
    guest->at += size;
    parse();
}

/* Finds the place in the log where a guest begins, if its own first line has come, and is there. */
static void find_place(struct guest *guest)
{
    char head[HEAD_SIZE + 1];
    size_t at = 0;

    (void)snprintf(head, sizeof head, "%07zu %07u ", guest->id, 0U);
    while (at + 16 <= guest->early.size && memcmp(guest->early.data + at, head, 16) != 0) {
        unsigned char *end = memchr(guest->early.data + at, '\n', guest->early.size - at);
        if (end == NULL)
            return;
        at = (size_t)(end + 1 - guest->early.data);
    }
    if (at + 16 > guest->early.size || storm.by[guest->id].heard == 0)
        return;
    if (at > storm.by[guest->id].first)
        fail("client %zu heard more than was said", guest->id);
    guest->is_placed = true;
    guest->at = storm.by[guest->id].first - at;
    compare(guest, guest->early.data, guest->early.size);
}

/* It says no more, and hears the rest. */
static void leave(struct guest *guest)
{
    guest->state = LEAVING;
    (void)shutdown(guest->fd, SHUT_WR);
}

/* It has heard all that it has said itself: it says more, or ends. */
static void go_on(struct guest *guest)
{
    static const struct linger reset = {.l_onoff = 1};
    bool is_witness = guest->id < WITNESSES;

    if (!storm.is_over && (is_witness || guest->left > 0)) {
        guest->left -= !is_witness;
        say(guest);
    } else if (is_witness) {
        return; /* it hears the others to their end */
    } else if (storm.is_over || random_below(3) > 0) {
        storm.leaves++;
        leave(guest);
    } else if (storm.to_stall > 0) {
        storm.to_stall--;
        storm.stalls++;
        guest->state = STALLED;
        guest->when = now_ms() + STALL_MS;
    } else {
        storm.resets++;
        if (random_below(2) == 0)
            (void)setsockopt(guest->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        say(guest); /* nobody knows whether that is heard */
        go(guest);
    }
}

static void hear(struct guest *guest)
{
    unsigned char piece[64 * 1024];
    ssize_t got = recv(guest->fd, piece, sizeof piece, 0);
    size_t size = got > 0 ? (size_t)got : 0, taken = 0;

    if (got == -1 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (got == 0 && guest->state == LEAVING) {
        if (guest->at > 0 && storm.log[guest->at - 1] != '\n')
            fail("client %zu heard a part of a message at the end", guest->id);
        go(guest);
        return;
    }
    if (got <= 0)
        fail("client %zu got %s", guest->id, got == 0 ? "the end of the stream" : "a reset");
    for (; taken < size && guest->state == WELCOMED; taken++) {
        if (piece[taken] != storm.welcome.data[guest->welcome])
            fail("client %zu got no welcome", guest->id);
        if (++guest->welcome == storm.welcome.size)
            guest->state = TALKING;
    }
    if (guest->state == WELCOMED)
        return;
    if (guest->is_placed)
        compare(guest, piece + taken, size - taken);
    else
        append(&guest->early, piece + taken, size - taken);
}

/* Lets a guest talk, when it has its welcome, or has heard all that it has said. A witness begins
 * when all of them are there. */
static void talk(struct guest *guest)
{
    size_t said = storm.by[guest->id].said;

    if (!guest->is_placed && said > 0)
        find_place(guest);
    if (said == 0 && guest->id >= WITNESSES)
        say(guest);
    else if (said > 0 && guest->is_placed && storm.by[guest->id].heard == said &&
             guest->at >= storm.by[guest->id].last)
        go_on(guest);
}

/* Waits for what comes, and lets all do something. Returns how many are there. */
static size_t take_turns(void)
{
    struct pollfd polled[MOST_GUESTS];
    size_t present = 0;

    for (size_t i = 0; i < storm.count; i++) {
        struct guest *guest = &storm.guests[i];
        if (guest->state == STALLED && (storm.is_over || now_ms() >= guest->when))
            go(guest);
        if (guest->state == ABSENT && !storm.is_over && now_ms() >= guest->when)
            come(guest);
        bool reads = guest->state == TALKING ? now_ms() >= guest->when
                                             : guest->state == WELCOMED || guest->state == LEAVING;
        polled[i] = (struct pollfd){.fd = reads ? guest->fd : -1, .events = POLLIN};
        present += guest->state != ABSENT;
    }
    long long began = now_ms();
    int ready = poll(polled, storm.count, 20);
    static long long last_heard;
    if (ready > 0 || last_heard == 0)
        last_heard = began;
    if (present > 0 && began - last_heard > QUIET_MS)
        fail("nothing comes any more");
    for (size_t i = 0; i < storm.count; i++)
        if (polled[i].revents != 0)
            hear(&storm.guests[i]);
    for (size_t i = 0; i < storm.count; i++)
        if (storm.guests[i].state == TALKING)
            talk(&storm.guests[i]);
    return present;
}

/* Whether the witnesses have heard all that there is, and all of their own. */
static bool all_is_heard(void)
{
    for (size_t i = 0; i < WITNESSES; i++)
        if (storm.guests[i].at != storm.size || storm.by[i].heard != storm.by[i].said)
            return false;
    return storm.parsed == storm.size;
}

void run_storm(const struct addrinfo *address, size_t count, long seconds, const char *welcome)
{
    long long end = now_ms() + seconds * 1000, next_stall = now_ms() + seconds * 1000 / 4;

    storm.address = address;
    storm.welcome = unescape(welcome);
    storm.random = (unsigned long)getpid();
    storm.log = malloc(LOG_LIMIT);
    storm.by = calloc(MOST_VISITS, sizeof *storm.by);
    if (storm.log == NULL || storm.by == NULL || count <= WITNESSES || count > MOST_GUESTS)
        fail("no memory, or too many clients, or too few");
    for (storm.count = 0; storm.count < WITNESSES; storm.count++) {
        struct guest *guest = &storm.guests[storm.count];
        come(guest);
        guest->is_placed = true;
        while (guest->state == WELCOMED)
            hear(guest);
    }
    for (size_t i = 0; i < WITNESSES; i++)
        say(&storm.guests[i]);
    storm.count = count;
    while (now_ms() < end) {
        (void)take_turns();
        if (now_ms() >= next_stall) {
            storm.to_stall = STALLERS;
            for (size_t i = 0; i < STALLERS; i++)
                storm.guests[i].when = now_ms() + PAUSE_MS;
            next_stall += seconds * 1000 / 4;
        }
    }
    storm.is_over = true;
    while (take_turns() > WITNESSES || !all_is_heard())
        continue;
    for (size_t i = 0; i < WITNESSES; i++)
        leave(&storm.guests[i]);
    while (take_turns() > 0)
        continue;
    if (!all_is_heard())
        fail("more was heard than was said");
    printf("%zu visits: %zu left, %zu were gone, %zu stalled; %zu bytes\n", storm.visits,
           storm.leaves, storm.resets, storm.stalls, storm.size);
}
