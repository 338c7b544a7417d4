/* SPDX-License-Identifier: MIT */
/*
 * One thing that is measured in many short slices, each between two probes of the bare cache line. A slice whose probes disagree is dropped: the
 * host moved a processor meanwhile. What remains is told apart by how far the cores were from each other, and summed up by medians of ratios.
 */
#ifndef RP_BENCH_SERIES_H
#define RP_BENCH_SERIES_H

#include "machine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { SERIES_VALUES_MAX = 4 };

/*
 * The bare round trip alone decides: below 80 ns, below 200 ns, else far. What lies behind it cannot be told: two threads of a core are close, and so are two cores
 * under one cache of some processors.
 */
enum regime { REGIME_CLOSE, REGIME_NEAR, REGIME_FAR, REGIME_COUNT };

struct slice {
    uint32_t round;   /* slices of different series in the same round lie close together in time */
    double before_ns; /* median round trip of the bare line */
    double after_ns;
    double value[SERIES_VALUES_MAX];
};

struct series {
    const char *peer;               /* what is measured */
    const char *test;               /* in which way */
    const char *const *value_names; /* all in ns */
    int value_count;
    struct slice *slices;
    size_t count, room, dropped;
};

struct summary {
    size_t slices;
    double bare_ns;
    double value[SERIES_VALUES_MAX]; /* medians */
    double ratio[SERIES_VALUES_MAX]; /* medians of value / bare of the same slice */
    double ratio_low, ratio_high;    /* of the first value: where the middle 80 % of the slices lie */
};

/* False: dropped, because the probes differ by more than 20 %. */
bool series_add(struct series *s, const struct slice *slice);

enum regime slice_regime(const struct slice *s);
const char *regime_name(enum regime r);

/* False: no slice in this regime. */
bool series_summary(const struct series *s, enum regime r, struct summary *out);

/*
 * Median over the rounds in which both were measured in this regime of (first value of `base`) / (first value of `s`): how much faster s is.
 * 0: there is no such round.
 */
double series_speed_relative(const struct series *s, const struct series *base, enum regime r);

/* Median and other quantiles; sorts. 0 if count is 0. */
double quantile(double *values, size_t count, double share);

void json_machine(FILE *out, const struct machine *m);

#endif
