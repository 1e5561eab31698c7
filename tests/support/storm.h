/* storm.h - many who talk in a room, come, leave, vanish, and stop reading, all at once. */
#ifndef STORM_H
#define STORM_H

#include <netdb.h>
#include <stddef.h>

/* For so many seconds: `count` clients, of which some are there all the time. Each says lines, and
 * all must hear the same ones, whole and in the same order, from the welcome on. */
void run_storm(const struct addrinfo *address, size_t count, long seconds, const char *welcome);

#endif
