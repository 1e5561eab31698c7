/* steps.h - the steps that the probe does on a connection; probe.c lists them. */
#ifndef STEPS_H
#define STEPS_H

#include <stddef.h>

/* Does the steps in order, each on all `count` connections in turn. Ends the process after one line
 * on stderr when something else happens than a step expects (status 1), or a step is unknown (2).
 */
void run_steps(int connections[], size_t count, char *steps[]);

#endif
