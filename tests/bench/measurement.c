/* measurement.c - see measurement.h. */
#include "measurement.h"

#include <time.h>

enum { WARM_UP_SHARE = 5 };

long long now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

void warm_up(struct measurement *measurement)
{
    measurement->warm_at = now_ns() + measurement->duration / WARM_UP_SHARE;
}

void begin_if_warm(struct measurement *measurement, long long now)
{
    if (measurement->begin == 0 && now >= measurement->warm_at)
        measurement->begin = now;
}

static void count_latency(struct measurement *measurement, long long nanoseconds)
{
    size_t exponent = 0;

    while (nanoseconds >> exponent >= 2LL * LATENCY_STEPS)
        exponent++;
    size_t bucket = exponent * LATENCY_STEPS + (size_t)(nanoseconds >> exponent);
    measurement->latencies[bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1]++;
}

void count(struct measurement *measurement, unsigned long long things, long long since,
           long long now)
{
    if (measurement->begin == 0 || measurement->end != 0)
        return;
    measurement->count += things;
    count_latency(measurement, now - since);
    if (now >= measurement->begin + measurement->duration)
        measurement->end = now;
}

double rate(const struct measurement *measurement)
{
    return (double)measurement->count * 1e9 / (double)(measurement->end - measurement->begin);
}

double percentile(const struct measurement *measurement, double share)
{
    unsigned long long total = 0, seen = 0;
    size_t bucket = 0;

    for (size_t i = 0; i < LATENCY_BUCKETS; i++)
        total += measurement->latencies[i];
    while (bucket < LATENCY_BUCKETS - 1 &&
           (double)(seen += measurement->latencies[bucket]) < share * (double)total)
        bucket++;
    size_t exponent = bucket < 2UL * LATENCY_STEPS ? 0 : bucket / LATENCY_STEPS - 1;
    return (double)((unsigned long long)(bucket - exponent * LATENCY_STEPS) << exponent) / 1000;
}
