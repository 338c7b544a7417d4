/* SPDX-License-Identifier: MIT */
/*
 * Waiting: look, spin, yield, sleep. The wait ends when `look` returns anything but `not_yet`. Spinning pays only while the other side runs on another
 * processor, so its length adapts to whether it paid before; with more runnable parties than processors it soon is nothing, and
 * the processor goes to somebody who can make progress. Who asked to (enum rp_wait_strategy) sleeps at once, or never: who spins draws no ticket, so that nobody makes a system call to wake him.
 */
#ifndef RP_QUEUE_WAIT_H
#define RP_QUEUE_WAIT_H

#include "handle.h"

struct wait {
    struct actor *actor;
    struct eventcount event;
    bool (*promising)(void *context); /* a few loads that tell whether looking is worth while */
    int (*look)(void *context);
    void *context;
    int not_yet;
    int64_t timeout_ns;
};

/* -> what look returned, or `not_yet` after the timeout, -EINTR, RP_GONE. Sleeps are bounded by a tick, the next due time and the next timer. */
int wait_for(struct wait *w);

/* Is there such a strategy? */
static inline bool wait_knows(uint32_t strategy) { return strategy <= RP_WAIT_SLEEP; }

/* ---- for other ways of waiting ---- */

/* Was there an rp_queue_interrupt that this actor has not been told of? It has, now. */
bool wait_interrupted(struct actor *a);

/* How long to sleep: until the tick, the next due time, the next timer, or the deadline, which is to come. After eventcount_prepare: who makes an earlier time then wakes us. */
uint64_t wait_nap_ns(struct actor *a, uint64_t now_ns, uint64_t deadline_ns);

/* When a timeout that began at `now_ns` is over; UINT64_MAX: never. */
uint64_t wait_deadline_ns(uint64_t now_ns, int64_t timeout_ns);

#endif
