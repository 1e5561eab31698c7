/* steps.h - the steps that the probe does on a connection; probe.c lists them. */
#ifndef STEPS_H
#define STEPS_H

#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

/* Does the steps in order, each on all `count` connections in turn. Ends the process after one line
 * on stderr when something else happens than a step expects (status 1), or a step is unknown (2).
 */
void run_steps(int connections[], size_t count, char *steps[]);

/* Lets sends and receives on a connection fail when nothing goes or comes for `seconds`: a peer
 * that has lost bytes keeps the other one waiting. For ever, where this was not called. */
void limit_silence(int fd, unsigned seconds);

/* The same with the seconds of another connection. */
void limit_silence_like(int fd, int other);

/* What steps are made of: */

/* Returns the part of `*rest` up to the next colon, and moves `*rest` behind it. */
char *next_part(char **rest);

/* Returns a file to write to; none is kept of an empty name. */
FILE *open_output(const char *path);

/* Why recv() gave nothing, in words: its result was 0, or -1 with this errno. */
const char *why_no_more(ssize_t result);

/* Sends all of some bytes. Fails if the peer does not take them. */
void send_bytes(int fd, const unsigned char *data, size_t size);

#endif
