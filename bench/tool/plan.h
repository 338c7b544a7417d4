/* SPDX-License-Identifier: MIT */
/* What a run measures, and what came of it: in rounds, each measure once in each, so that what is compared is close together in time. */
#ifndef RP_BENCH_PLAN_H
#define RP_BENCH_PLAN_H

#include "../series.h"
#include "trial.h"

enum measure_value { VALUE_P50 = 0, VALUE_P90 = 1, VALUE_P99 = 2, VALUE_EACH = 0, VALUE_PUT = 0, VALUE_DELIVERED = 1 };

/* Of p50, p90 and p99. */
enum { TRIPS_QUANTILES = 3 };
extern const double plan_trip_shares[TRIPS_QUANTILES];

/* One peer in one shape. The bare cache line is one, too, and has no peer. */
struct measure {
    struct trial_job job;
    struct series series;                  /* of times; the first is the one that ratios and comparisons are about */
    struct histogram *ticks[REGIME_COUNT]; /* of all kept slices; NULL: none */
    char failed[CREW_REASON_MAX];          /* why it was given up; empty: it was not */
    uint64_t messages, again, unsent, preempted;
};

struct plan {
    const struct machine *machine;
    struct measure *measures; /* the first is the bare line */
    size_t count, room;
    uint32_t rounds;
    bool quiet; /* no word about how far it is */
};

void plan_begin(struct plan *p, const struct machine *m);
void plan_add(struct plan *p, const struct trial_job *job);
void plan_end(struct plan *p);

/* Starts what the peers need, measures, stops it. False: something failed; those measures say what. */
bool plan_run(struct plan *p);

/* "rtt", "rate", "stream", "fanout" */
const char *measure_test(const struct measure *m);
const char *measure_peer(const struct measure *m);

/* The regime in which most slices were measured. */
enum regime plan_regime(const struct plan *p);
/*
 * How often a second parties lost their processors to somebody else, where there were no more of them than processors and they did all work
 * themselves.
 */
double plan_preemptions(const struct plan *p);
size_t plan_dropped(const struct plan *p);

#endif
