/* room.c - see room.h. */
#include "room.h"

#include "program.h"

#include <string.h>

/* The lock guards all but the bytes of the log. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t change = PTHREAD_COND_INITIALIZER; /* heard more, left, or nobody talks */
static struct guest *guests[MOST_DESCRIPTORS];           /* each has a connection */
static size_t count, talking;                            /* so many, and so many who talk */
static char ring[LOG_SIZE];
static uint64_t said; /* so long is the log */

/* Who wants to speak queues, in a ring too. Only the first one may: others, who need less space,
 * must not take it before him again and again. */
static struct guest *queue[MOST_DESCRIPTORS];
static uint64_t first, end;

void enter_room(struct guest *guest)
{
    (void)pthread_mutex_lock(&lock);
    *guest = (struct guest){.place = count, .heard = said, .last = NEVER};
    (void)pthread_cond_init(&guest->news, NULL);
    (void)pthread_cond_init(&guest->turn, NULL);
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
    (void)pthread_cond_destroy(&guest->turn);
    (void)pthread_cond_broadcast(&change);
    (void)pthread_mutex_unlock(&lock);
}

void say_to_all(struct guest *guest, const char *message, size_t size)
{
    (void)pthread_mutex_lock(&lock);
    queue[end++ % MOST_DESCRIPTORS] = guest;
    while (queue[first % MOST_DESCRIPTORS] != guest)
        (void)pthread_cond_wait(&guest->turn, &lock);
    for (size_t i = count; i-- > 0;) /* downwards: who fills a gap below was looked at already */
        while (i < count && guests[i]->heard + LOG_SIZE < said + size)
            (void)pthread_cond_wait(&change, &lock);
    size_t place = said % LOG_SIZE, left = LOG_SIZE - place;
    memcpy(ring + place, message, size < left ? size : left);
    if (size > left)
        memcpy(ring, message + left, size - left);
    said += size;
    for (size_t i = 0; i < count; i++)
        (void)pthread_cond_signal(&guests[i]->news);
    if (++first < end)
        (void)pthread_cond_signal(&queue[first % MOST_DESCRIPTORS]->turn);
    (void)pthread_mutex_unlock(&lock);
}

void stop_talking(struct guest *guest, bool leaves)
{
    (void)pthread_mutex_lock(&lock);
    if (--talking == 0)
        (void)pthread_cond_broadcast(&change);
    while (!leaves && talking > 0)
        (void)pthread_cond_wait(&change, &lock);
    guest->last = said;
    (void)pthread_cond_signal(&guest->news);
    (void)pthread_mutex_unlock(&lock);
}

size_t hear(struct guest *guest, uint64_t heard, const char **news)
{
    (void)pthread_mutex_lock(&lock);
    guest->heard = heard;
    (void)pthread_cond_broadcast(&change);
    while (heard == said && guest->last == NEVER)
        (void)pthread_cond_wait(&guest->news, &lock);
    uint64_t until = guest->last < said ? guest->last : said;
    (void)pthread_mutex_unlock(&lock);

    size_t size = heard < until ? (size_t)(until - heard) : 0, left = LOG_SIZE - heard % LOG_SIZE;
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
