/* steps.h - the steps that the probe does on a connection; probe.c lists them. */
#ifndef STEPS_H
#define STEPS_H

#include <stddef.h>
#include <stdio.h>

/* Does the steps in order, each on all `count` connections in turn. Ends the process after one line
 * on stderr when something else happens than a step expects (status 1), or a step is unknown (2).
 */
void run_steps(int connections[], size_t count, char *steps[]);

/* What steps are made of: */

/* Returns the part of `*rest` up to the next colon, and moves `*rest` behind it. */
char *next_part(char **rest);

/* Returns a file to write to; none is kept of an empty name. */
FILE *open_output(const char *path);

/* Sends all of some bytes. Fails if the peer does not take them. */
void send_bytes(int fd, const unsigned char *data, size_t size);

#endif
