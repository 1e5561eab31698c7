/* room.h - the room: what is said in it is a log, which all who are in it hear.
 *
 * The log is a ring: byte n stands at n % LOG_SIZE until all have heard it. Nobody writes where
 * somebody may still read; so nobody needs the lock to read.
 */
#ifndef ROOM_H
#define ROOM_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOG_SIZE = 1024 * 1024 };              /* who speaks waits for one who is so far behind */
static const uint64_t NEVER = UINT64_MAX / 2; /* no log is so long; half: a sum must not overflow */

/* Somebody in the room. The room's lock guards all of it. */
struct guest {
    size_t place;         /* in the table of guests */
    uint64_t heard, last; /* it has heard the log up to here; and hears it up to there */
    pthread_cond_t news;  /* more was said, or nothing more will be */
    const char *message;  /* what it waits to say, or NULL, */
    size_t size;          /* so many bytes; */
    pthread_cond_t turn;  /* and it was said */
};

/* Lets a guest in, who talks, and hears all that is said from now on; and out. */
void enter_room(struct guest *guest);
void leave_room(struct guest *guest);

/* Says a message, whole, as soon as there is space for it. */
void say_to_all(struct guest *guest, const char *message, size_t size);

/* The guest says no more. If it stays, it waits until nobody talks, and hears all; if not, it hears
 * what was said so far. */
void stop_talking(struct guest *guest, bool stays);

/* The guest has heard the log up to `heard`; NEVER: it hears no more, and nobody waits for it. Else
 * waits for more. Returns how much stands at *text; 0 if nothing more will come. */
size_t hear(struct guest *guest, uint64_t heard, const char **text);

/* Tells each guest to go, and waits until all have left. */
void clear_room(void (*tell)(struct guest *guest));

#endif
