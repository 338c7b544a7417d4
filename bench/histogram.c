/* SPDX-License-Identifier: MIT */
#include "histogram.h"

#include <string.h>

_Static_assert((HISTOGRAM_VALUE_BITS - 1 - HISTOGRAM_STEP_BITS) * HISTOGRAM_STEPS + 2 * HISTOGRAM_STEPS - 1 ==
                   HISTOGRAM_BUCKETS - 1,
               "the largest value falls into the last bucket");

void histogram_clear(struct histogram *h) { memset(h, 0, sizeof *h); }

void histogram_merge(struct histogram *into, const struct histogram *from) {
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        into->buckets[i] += from->buckets[i];
    }
    into->count += from->count;
    into->largest = from->largest > into->largest ? from->largest : into->largest;
}

static uint32_t shift_of(uint32_t bucket) { return bucket < 2 * HISTOGRAM_STEPS ? 0 : bucket / HISTOGRAM_STEPS - 1; }

uint64_t histogram_bucket_low(uint32_t bucket) {
    uint32_t shift = shift_of(bucket);
    return (uint64_t)(bucket - shift * HISTOGRAM_STEPS) << shift;
}

uint64_t histogram_bucket_high(uint32_t bucket) { return histogram_bucket_low(bucket) + (1ull << shift_of(bucket)) - 1; }

static double bucket_value(uint32_t bucket) {
    return ((double)histogram_bucket_low(bucket) + (double)histogram_bucket_high(bucket)) / 2;
}

/* How many samples lie below x, given that `below` lie in buckets before `first`; later ones than `last` are above x for certain. */
static double count_below(const struct histogram *h, double x, double below, uint32_t first, uint32_t last, double grain) {
    for (uint32_t i = first; i <= last; i++) {
        double part = (x - bucket_value(i)) / grain + 0.5;
        below += (double)h->buckets[i] * (part < 0 ? 0 : part > 1 ? 1 : part);
    }
    return below;
}

double histogram_quantile(const struct histogram *h, double share, double grain) {
    double wanted = share * (double)h->count;
    uint64_t seen = 0;
    uint32_t at = 0;
    while (at < HISTOGRAM_BUCKETS - 1 && (double)(seen + h->buckets[at]) < wanted) {
        seen += h->buckets[at++];
    }
    if (h->count == 0) {
        return 0;
    }
    double low = bucket_value(at) - grain, high = bucket_value(at) + grain;
    double lowest = low - grain;
    uint32_t first = histogram_bucket(lowest > 0 ? (uint64_t)lowest : 0), last = histogram_bucket((uint64_t)(high + grain));
    double below = 0;
    for (uint32_t i = 0; i < first; i++) {
        below += (double)h->buckets[i];
    }
    for (int step = 0; step < 30; step++) {
        double middle = (low + high) / 2;
        if (count_below(h, middle, below, first, last, grain) < wanted) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return (low + high) / 2;
}
