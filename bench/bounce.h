/* SPDX-License-Identifier: MIT */
/*
 * The limit: one cache line that two processes write in turns, with nothing in it but a counter. Every other time is given as a ratio to its median
 * round trip, because hosts move virtual processors about and absolute times do not travel.
 */
#ifndef RP_BENCH_BOUNCE_H
#define RP_BENCH_BOUNCE_H

#include "histogram.h"
#include "machine.h"

#include <stdalign.h>
#include <stdatomic.h>

struct bounce_line {
    alignas(LINE_PAIR) _Atomic uint64_t turn;
};

struct bounce_result {
    double p50_ns, p90_ns, p99_ns;
};

/* One side each; both with the same `rounds`, on a line whose turn was `base` (even) when both began. */
void bounce_serve(struct bounce_line *line, uint64_t base, uint64_t rounds);
void bounce_sample(struct bounce_line *line, uint64_t base, uint64_t rounds,
                   struct histogram *h); /* as bounce_measure, adds ticks to `h` */
struct bounce_result bounce_measure(struct bounce_line *line, uint64_t base, uint64_t rounds, const struct machine *m);

#endif
