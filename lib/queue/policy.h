/* SPDX-License-Identifier: MIT */
/* Pure decisions: what follows from a failure. No shared memory, no clock, no side effects. */
#ifndef RP_QUEUE_POLICY_H
#define RP_QUEUE_POLICY_H

#include "layout.h"

/* The wait before the delivery after failure number `failures` (>= 1): base * factor^(failures-1), capped, then spread by the jitter; `random` is uniform. */
static inline uint64_t backoff_ms(const struct parameters *p, uint32_t failures, uint64_t random) {
    double wait = (double)p->backoff_ns, cap = (double)p->backoff_max_ns, factor = p->backoff_factor_permille / 1000.0;
    /* A wait that does not grow is done at once, for `failures` may be a million where a count was damaged. */
    for (uint32_t i = 1; i < failures && wait < cap && wait * factor > wait; i++)
        wait *= factor;
    if (wait > cap)
        wait = cap;
    double spread = p->jitter_permille / 1000.0, share = (double)(random >> 11) / (double)(UINT64_C(1) << 53);
    wait *= 1.0 - spread + 2.0 * spread * share;
    return (uint64_t)(wait / 1e6 + 0.5);
}

/*
 * How long after an attempt the queue may hand the message to somebody for the last time, if it is received as soon as it is ready: each of its deliveries may fail after a
 * whole lease, be found so late, and wait for the longest backoff. Without a limit to deliveries there is no such time: one of them then.
 */
enum { FOUND_LATE_NS = 2000000000 };
static inline uint64_t repeat_ns(const struct parameters *p) {
    uint64_t spread = p->backoff_max_ns / 1000 * p->jitter_permille, rounds = p->max_deliveries > 2 ? p->max_deliveries - 1 : 1,
             all;
    return __builtin_mul_overflow(p->lease_ns + p->backoff_max_ns + spread + FOUND_LATE_NS, rounds, &all) ? UINT64_MAX : all;
}

/* Milliseconds of a duration, rounded up, never so large that it reads as one of the marks. */
static inline uint64_t duration_ms(uint64_t ns) {
    uint64_t ms = ns / 1000000 + (ns % 1000000 != 0);
    return ms < TIME_NEVER / 2 ? ms : TIME_NEVER / 2;
}

/* The next number of a xorshift generator; the state must not be 0. */
static inline uint64_t random_next(uint64_t *state) {
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

#endif
