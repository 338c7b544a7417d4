/* SPDX-License-Identifier: MIT */
/*
 * A log-linear histogram: exact below 256, then 128 steps per doubling, so that a percentile is off by less than 1 %. Recording touches one counter.
 */
#ifndef RP_BENCH_HISTOGRAM_H
#define RP_BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_STEP_BITS = 7,
    HISTOGRAM_STEPS = 1 << HISTOGRAM_STEP_BITS,
    HISTOGRAM_VALUE_BITS = 40, /* larger values are counted as the largest */
    HISTOGRAM_BUCKETS = (HISTOGRAM_VALUE_BITS - HISTOGRAM_STEP_BITS + 1) * HISTOGRAM_STEPS
};

struct histogram {
    uint64_t count;
    uint64_t largest;
    uint64_t buckets[HISTOGRAM_BUCKETS]; /* a long run has more than 2^32 in one */
};

void histogram_clear(struct histogram *h);

void histogram_merge(struct histogram *into, const struct histogram *from);

/* The smallest and the largest value of a bucket; the last one has all that is larger, too. */
uint64_t histogram_bucket_low(uint32_t bucket);
uint64_t histogram_bucket_high(uint32_t bucket);

/*
 * The value below which `share` (0 .. 1) of the samples lie. Each sample counts as spread evenly over `grain` around its value: a clock that steps by
 * `grain` then still yields a median that is finer than its step. 0 when empty.
 */
double histogram_quantile(const struct histogram *h, double share, double grain);

static inline uint32_t histogram_bucket(uint64_t value) {
    if (value < 2 * HISTOGRAM_STEPS) {
        return (uint32_t)value;
    }
    if (value >> HISTOGRAM_VALUE_BITS != 0) {
        return HISTOGRAM_BUCKETS - 1;
    }
    uint32_t shift = 63u - (uint32_t)__builtin_clzll(value) - HISTOGRAM_STEP_BITS;
    return shift * HISTOGRAM_STEPS + (uint32_t)(value >> shift);
}

static inline void histogram_add(struct histogram *h, uint64_t value) {
    h->buckets[histogram_bucket(value)]++;
    h->count++;
    if (value > h->largest) {
        h->largest = value;
    }
}

#endif
