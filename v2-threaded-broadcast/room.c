/* room.c - see room.h. */
#include "room.h"

#include "program.h"

#include <string.h>

/* The lock guards all but the bytes of the log. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t change = PTHREAD_COND_INITIALIZER; /* somebody has left, or nobody talks */
static struct guest *guests[MOST_DESCRIPTORS];           /* each has a connection */
static size_t count, talking;                            /* guests, and those who talk */
static char ring[LOG_SIZE];
static uint64_t said; /* so long is the log */

/* Who waits for space queues, in a ring too: others, who need less, must not take it before him
 * again and again. */
static struct guest *queue[MOST_DESCRIPTORS];
static uint64_t first, end; /* those in [first, end) wait */

/* Whether all have heard the bytes that so many more would overwrite. */
static bool is_space_for(size_t size)
{
    for (size_t i = 0; i < count; i++) {
        if (guests[i]->heard + LOG_SIZE < said + size)
            return false;
    }
    return true;
}

static void append(const char *message, size_t size)
{
    size_t at = said % LOG_SIZE, left = LOG_SIZE - at;

    memcpy(ring + at, message, size < left ? size : left);
    if (size > left)
        memcpy(ring, message + left, size - left);
    said += size;
}

/* Says what those in the queue wait to say, as far as there is space. Whoever makes space does it
 * for all of them: woken one after another, each for his own message, they would be a convoy. */
static void let_speak(void)
{
    uint64_t before = said;

    for (; first < end && is_space_for(queue[first % MOST_DESCRIPTORS]->size); first++) {
        struct guest *speaker = queue[first % MOST_DESCRIPTORS];
        append(speaker->message, speaker->size);
        speaker->message = NULL;
        (void)pthread_cond_signal(&speaker->turn);
    }
    for (size_t i = 0; i < count && said > before; i++)
        (void)pthread_cond_signal(&guests[i]->news);
}

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
    guest->message = message;
    guest->size = size;
    queue[end++ % MOST_DESCRIPTORS] = guest;
    let_speak();
    while (guest->message != NULL)
        (void)pthread_cond_wait(&guest->turn, &lock);
    (void)pthread_mutex_unlock(&lock);
}

void stop_talking(struct guest *guest, bool stays)
{
    (void)pthread_mutex_lock(&lock);
    if (--talking == 0)
        (void)pthread_cond_broadcast(&change);
    while (stays && talking > 0)
        (void)pthread_cond_wait(&change, &lock);
    guest->last = said;
    (void)pthread_cond_signal(&guest->news);
    (void)pthread_mutex_unlock(&lock);
}

size_t hear(struct guest *guest, uint64_t heard, const char **text)
{
    (void)pthread_mutex_lock(&lock);
    guest->heard = heard;
    let_speak();
    while (heard == said && guest->last == NEVER)
        (void)pthread_cond_wait(&guest->news, &lock);
    uint64_t until = guest->last < said ? guest->last : said;
    (void)pthread_mutex_unlock(&lock);

    size_t size = heard < until ? (size_t)(until - heard) : 0, left = LOG_SIZE - heard % LOG_SIZE;
    *text = ring + heard % LOG_SIZE;
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
