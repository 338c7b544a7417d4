/* SPDX-License-Identifier: MIT */
#include "hgrm.h"

#include <math.h>
#include <stdbool.h>

enum { LINES_PER_HALVING = 5 };

struct spread {
    double mean, deviation;
};

static struct spread spread_of(const struct histogram *h) {
    double sum = 0, squares = 0, count = h->count > 0 ? (double)h->count : 1;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        sum += (double)h->buckets[i] * ((double)histogram_bucket_low(i) + (double)histogram_bucket_high(i)) / 2;
    }
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        double off = ((double)histogram_bucket_low(i) + (double)histogram_bucket_high(i)) / 2 - sum / count;
        squares += (double)h->buckets[i] * off * off;
    }
    return (struct spread){.mean = sum / count, .deviation = sqrt(squares / count)};
}

/* The step from one percentile to the next: so many to each halving of the distance to 100. */
static double step_at(double percentile) {
    double halvings = floor(log2(100 / (100 - percentile))) + 1;
    return 100 / (LINES_PER_HALVING * exp2(halvings));
}

void hgrm_print(FILE *out, const struct histogram *h, double values_per_unit) {
    fprintf(out, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    uint64_t seen = 0;
    double wanted = 0; /* percentile that the next line is for */
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS && seen < h->count; i++) {
        seen += h->buckets[i];
        if (h->buckets[i] == 0) {
            continue;
        }
        double reached = 100 * (double)seen / (double)h->count;
        uint64_t high = histogram_bucket_high(i) < h->largest ? histogram_bucket_high(i) : h->largest;
        for (bool more = true; more && reached >= wanted; more = seen < h->count) {
            fprintf(out, "%12.3f %14.12f %10llu %14.2f\n", (double)high / values_per_unit, wanted / 100, (unsigned long long)seen,
                    1 / (1 - wanted / 100));
            wanted += step_at(wanted);
        }
    }
    fprintf(out, "%12.3f %14.12f %10llu\n", (double)h->largest / values_per_unit, 1.0, (unsigned long long)h->count);
    struct spread s = spread_of(h);
    fprintf(out, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", s.mean / values_per_unit, s.deviation / values_per_unit);
    fprintf(out, "#[Max     = %12.3f, Total count    = %12llu]\n", (double)h->largest / values_per_unit,
            (unsigned long long)h->count);
    fprintf(out, "#[Buckets = %12d, SubBuckets     = %12d]\n", HISTOGRAM_VALUE_BITS - HISTOGRAM_STEP_BITS, 2 * HISTOGRAM_STEPS);
}
