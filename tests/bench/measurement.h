/* measurement.h - counts what happens in a span of time, and how long each took. */
#ifndef MEASUREMENT_H
#define MEASUREMENT_H

#include <stdbool.h>
#include <stddef.h>

/* Latencies of 2^E nanoseconds and more share a bucket with those that differ by less than one part
 * in 64: percentiles are exact to 2 %, and no latency is kept. */
enum { LATENCY_STEPS = 64, LATENCY_BUCKETS = 64 * 42 };

struct measurement {
    long long duration;   /* so long it shall last, in nanoseconds; all times are by now_ns() */
    long long warm_at;    /* it begins no sooner; 0: at once */
    long long begin, end; /* 0: not yet. The end is when the first thing happened after it. */
    unsigned long long count;
    unsigned long long latencies[LATENCY_BUCKETS];
};

/* Nanoseconds on a clock that only goes forward. */
long long now_ns(void);

/* The first fifth of the duration is not measured: threads start, buffers and windows grow. */
void warm_up(struct measurement *measurement);

/* The server is up: the measurement begins as soon as it is warm. */
void begin_if_warm(struct measurement *measurement, long long now);

/* So many things have happened, of which the last took so long; they count from its begin to its
 * end. */
void count(struct measurement *measurement, unsigned long long things, long long since,
           long long now);

/* How many a second. */
double rate(const struct measurement *measurement);

/* Returns the latency, in microseconds, below which this share (0 to 1) of all lies. */
double percentile(const struct measurement *measurement, double share);

#endif
