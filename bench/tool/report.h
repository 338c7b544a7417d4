/* SPDX-License-Identifier: MIT */
/* What a run found: for people, for programs, as a picture, and against an earlier run. */
#ifndef RP_BENCH_REPORT_H
#define RP_BENCH_REPORT_H

#include "plan.h"

#include <jansson.h>
#include <stdio.h>

enum { REPORT_TEXT_MAX = 96 };

/* "stream 2P2C, 64 B, batches of 16": equal for measures that are compared with each other. Returns `text`. */
const char *report_shape(char text[REPORT_TEXT_MAX], const struct measure *m);
/* "12.3 M/s" */
const char *report_rate(char text[REPORT_TEXT_MAX], double ns_each);

/*
 * series_summary; but times of TRIAL_RATE are those of all kept slices together, as a median over slices would hide the stalls that --rate is there to show. Ranges are over
 * slices all the same. False: no slice in this regime.
 */
bool report_summary(const struct plan *p, const struct measure *m, enum regime r, struct summary *out);

/*
 * The measures of one shape that have slices in regime `r`, those with the smallest ratio first; `m` gives the shape. -> how many; `out` and `sums` have room for
 * all of the plan's measures.
 */
size_t report_ranked(const struct plan *p, enum regime r, const struct measure *m, const struct measure **out,
                     struct summary *sums);
/* Is `m` the first of its shape? */
bool report_leads(const struct plan *p, const struct measure *m);

void report_table(FILE *out, const struct plan *p);

/* {"machine": {...}, "rounds": .., "slice_ns": .., "warm_up_ns": .., "results": [...], "preemptions_per_s": ..}; NULL: out of memory. */
json_t *report_json(const struct plan *p);

/* False, and a message, if the file could not be written. */
bool report_svg(const char *path, const struct plan *p);
/* Percentiles in ns of the measures whose round trips were timed: of one, into the file; of several, into files with the peer and the size before its ending. */
bool report_hgrm(const char *path, const struct plan *p);

/*
 * Compares each ratio with that of the same peer, shape and regime in `earlier`, which report_json made; prints a table and adds "against" to `into`; either may be NULL. A
 * ratio that is larger by more than `tolerance` (0.1: 10 %) is worse. -> how many are; -1 and a message: nothing can be compared.
 */
int report_against(const struct plan *p, const json_t *earlier, double tolerance, FILE *out, json_t *into);

#endif
