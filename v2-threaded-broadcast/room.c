/* room.c - see room.h. */
#include "room.h"

#include "program.h"

#include <string.h>

/* The lock guards all but the bytes of the log, and is held for moments. Who speaks has the turn
 * too, also while he waits for room: others with less to say do not overtake him. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER, lock = PTHREAD_MUTEX_INITIALIZER;
static char ring[LOG_SIZE];
static uint64_t said;                          /* the log is so long */
static uint64_t slowest;                       /* all have heard it up to here, or farther */
static struct guest *guests[MOST_DESCRIPTORS]; /* each has one: its connection */
static size_t count, talking;                  /* so many guests, and so many of them who talk */
static pthread_cond_t change = PTHREAD_COND_INITIALIZER; /* the slowest has heard more, or left */

void enter_room(struct guest *guest)
{
    (void)pthread_cond_init(&guest->news, NULL);
    (void)pthread_mutex_lock(&lock);
    guest->place = count;
    guest->heard = said;
    guest->last = UINT64_MAX;
    guests[count++] = guest;
    talking++;
    (void)pthread_mutex_unlock(&lock);
}

static bool has_room(size_t size)
{
    if (said + size - slowest > LOG_SIZE) {
        slowest = said;
        for (size_t i = 0; i < count; i++)
            slowest = guests[i]->heard < slowest ? guests[i]->heard : slowest;
    }
    return said + size - slowest <= LOG_SIZE;
}

void say_to_all(const char *message, size_t size)
{
    (void)pthread_mutex_lock(&turn);
    (void)pthread_mutex_lock(&lock);
    while (!has_room(size))
        (void)pthread_cond_wait(&change, &lock);
    size_t place = said % LOG_SIZE, first = size < LOG_SIZE - place ? size : LOG_SIZE - place;
    memcpy(ring + place, message, first);
    memcpy(ring, message + first, size - first); /* what goes beyond the ring's end */
    said += size;
    for (size_t i = 0; i < count; i++)
        (void)pthread_cond_signal(&guests[i]->news);
    (void)pthread_mutex_unlock(&lock);
    (void)pthread_mutex_unlock(&turn);
}

void stop_talking(struct guest *guest, bool leaves)
{
    (void)pthread_mutex_lock(&lock);
    guest->last = leaves ? said : UINT64_MAX;
    (void)pthread_cond_signal(&guest->news);
    talking--;
    for (size_t i = 0; i < count && talking == 0; i++)
        (void)pthread_cond_signal(&guests[i]->news);
    (void)pthread_mutex_unlock(&lock);
}

size_t hear(struct guest *guest, uint64_t heard, const char **news)
{
    (void)pthread_mutex_lock(&lock);
    if (guest->heard == slowest)
        (void)pthread_cond_broadcast(&change);
    guest->heard = heard;
    while (heard >= said && guest->last == UINT64_MAX && talking > 0)
        (void)pthread_cond_wait(&guest->news, &lock);
    uint64_t end = guest->last < said ? guest->last : said;
    (void)pthread_mutex_unlock(&lock);

    size_t size = heard < end ? (size_t)(end - heard) : 0, place = heard % LOG_SIZE;
    *news = ring + place;
    return size < LOG_SIZE - place ? size : LOG_SIZE - place;
}

void leave_room(struct guest *guest)
{
    (void)pthread_mutex_lock(&lock);
    guests[guest->place] = guests[--count];
    guests[guest->place]->place = guest->place;
    (void)pthread_cond_broadcast(&change);
    (void)pthread_mutex_unlock(&lock);
    (void)pthread_cond_destroy(&guest->news);
}

void clear_room(void (*tell)(struct guest *guest))
{
    (void)pthread_mutex_lock(&lock);
    for (size_t i = 0; i < count; i++)
        tell(guests[i]);
    while (count > 0)
        (void)pthread_cond_wait(&change, &lock);
    (void)pthread_mutex_unlock(&lock);
}
