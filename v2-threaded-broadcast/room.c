/* room.c - see room.h. */
#include "room.h"

#include "program.h"

#include <string.h>

/* The lock guards all but the bytes of the log. Who speaks has the turn too, also while he waits
 * for space: others, who need less, must not take it before him. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER, lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t change = PTHREAD_COND_INITIALIZER; /* a guest has heard more, or has left */
static struct guest *guests[MOST_DESCRIPTORS];           /* each has a connection */
static size_t count, talking;                            /* so many, and so many who talk */
static char ring[LOG_SIZE];
static uint64_t said; /* so long is the log */

void enter_room(struct guest *guest)
{
    (void)pthread_mutex_lock(&lock);
    *guest = (struct guest){.place = count, .heard = said, .last = UINT64_MAX};
    (void)pthread_cond_init(&guest->news, NULL);
    guests[count++] = guest;
    talking++;
    (void)pthread_mutex_unlock(&lock);
}

void leave_room(struct guest *guest)
{
    (void)pthread_mutex_lock(&lock);
    guests[guest->place] = guests[--count]; /* the last one fills the gap */
    guests[guest->place]->place = guest->place;
    (void)pthread_cond_destroy(&guest->news);
    (void)pthread_cond_broadcast(&change);
    (void)pthread_mutex_unlock(&lock);
}

void say_to_all(const char *message, size_t size)
{
    (void)pthread_mutex_lock(&turn);
    (void)pthread_mutex_lock(&lock);
    for (;;) {
        uint64_t slowest = said;
        for (size_t i = 0; i < count; i++)
            slowest = guests[i]->heard < slowest ? guests[i]->heard : slowest;
        if (said + size - slowest <= LOG_SIZE)
            break; /* all have heard what the message takes the place of */
        (void)pthread_cond_wait(&change, &lock);
    }
    size_t place = said % LOG_SIZE, left = LOG_SIZE - place;
    memcpy(ring + place, message, size < left ? size : left);
    if (size > left)
        memcpy(ring, message + left, size - left);
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
    guest->heard = heard;
    (void)pthread_cond_broadcast(&change);
    while (heard >= said && guest->last == UINT64_MAX && talking > 0)
        (void)pthread_cond_wait(&guest->news, &lock);
    uint64_t end = guest->last < said ? guest->last : said;
    (void)pthread_mutex_unlock(&lock);

    size_t size = heard < end ? (size_t)(end - heard) : 0, left = LOG_SIZE - heard % LOG_SIZE;
    *news = ring + heard % LOG_SIZE;
    return size < left ? size : left;
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
