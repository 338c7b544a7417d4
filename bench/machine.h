/* SPDX-License-Identifier: MIT */
/*
 * The machine under measurement: which processors, pinned how, what time it is.
 */
#ifndef RP_BENCH_MACHINE_H
#define RP_BENCH_MACHINE_H

#include "histogram.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

enum { MACHINE_CPUS_MAX = 64, CACHE_LINE = 64, LINE_PAIR = 128 };

struct machine {
    char model[96];
    char kernel[96];
    int cpus[MACHINE_CPUS_MAX]; /* those we may use, in the order in which parties take them */
    int cpu_count;
    double ticks_per_ns;
    double tick_cost_ns; /* of one ticks_now() */
};

/* The counter behind ticks_now() is finer in its unit than in its step, which is 10 ns (100 MHz) on many processors. */
#define TICK_GRAIN_NS 10.0

/*
 * Fills `m`. `cpu_list` is "0,1" or NULL: the first two processors this process may run on. False: not two of them, or a list that makes
 * no sense; a line about it went to stderr.
 */
bool machine_read(struct machine *m, const char *cpu_list);

/* A quantile, in ns, of a histogram of ticks. */
double machine_quantile_ns(const struct machine *m, const struct histogram *ticks, double share);

/* Pins the calling process. False and a line on stderr if the kernel refuses. */
bool machine_pin(int cpu);

/* The frequency governor of the first processor, "unknown" where there is none to be seen. */
void machine_governor(const struct machine *m, char name[32]);
/* Does the processor say that it is a hypervisor's? */
bool machine_is_virtual(void);

uint64_t clock_ns(void); /* CLOCK_MONOTONIC */

/*
 * A cheap clock for single round trips. It may run ahead of the loads before it, by as much at the end of a round trip as at its beginning; rdtscp would wait for
 * them, and put twice its 10 ns into every round trip. Stamps of different processors are never compared.
 */
static inline uint64_t ticks_now(void) {
#if defined(__x86_64__)
    return __rdtsc();
#else
    return clock_ns();
#endif
}

static inline void cpu_pause(void) {
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

#endif
