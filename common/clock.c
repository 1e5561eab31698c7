/* clock.c - see clock.h. */
#include "clock.h"

#include <time.h>

long long now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail with a clock that POSIX requires */
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
