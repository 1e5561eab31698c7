/* clock.h - a clock that nobody sets. */
#ifndef CLOCK_H
#define CLOCK_H

/* Returns milliseconds since some moment in the past. They never jump, unlike the time of day
 * (POSIX: clock_gettime(), CLOCK_MONOTONIC). Safe in signal handlers. */
long long now_ms(void);

#endif
