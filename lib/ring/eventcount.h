/* SPDX-License-Identifier: MIT */
/*
 * An eventcount: sleeping until something happens, with nothing to pay for the one who makes it happen while nobody sleeps.
 *
 * Three counters: `epoch` is what sleepers sleep on and only wakers change; a waiter draws a ticket (`announced`) before its last look; wakers record
 * up to which ticket nobody sleeps any more (`drained`). A waker looks at one word, tickets = announced:32 | drained:32, and is done
 * when they are equal.
 *
 *     waiter: e = prepare (epoch, then ticket);  look again;  sleep(e)          waker: make it happen;  wake
 *
 * Either the waiter's last look sees what the waker did, or the waker sees the ticket: both sides are sequentially consistent. The epoch is read before the
 * ticket is drawn, so the waker's bump makes a sleep that has not begun return at once. A sleeper that was killed costs one
 * empty wake. A waiter that is killed after it was woken takes the wake with it, which no protocol in user space can
 * prevent: so every sleep is bounded by a tick. Modelled in tests/model/eventcount.pml; compare folly's EventCount, which pays a
 * read-modify-write per notification and counts dead waiters for ever.
 */
#ifndef RP_RING_EVENTCOUNT_H
#define RP_RING_EVENTCOUNT_H

#include "atomic.h"

struct eventcount {
    a32 *epoch;
    a64 *tickets;
};

/* Announces a waiter. The caller looks again for what it waits for, then sleeps with the value returned (or does not). */
uint32_t eventcount_prepare(const struct eventcount *e);

/* Sleeps unless a wake came since prepare. As futex_wait. */
int eventcount_sleep(const struct eventcount *e, uint32_t prepared, uint64_t timeout_ns);

/* The slow half of eventcount_wake. */
void eventcount_wake_sleepers(const struct eventcount *e, uint64_t tickets, int count);

/*
 * Its two steps, for who has others to wake in between. Wakes up to `count`: false: fewer slept. Then, with the tickets that were read before: nobody who has one of them sleeps any more.
 */
bool eventcount_rouse(const struct eventcount *e, int count);
void eventcount_drained(const struct eventcount *e, uint64_t tickets);

/* Does anybody wait, as far as these tickets tell? */
static inline bool eventcount_waited_for(uint64_t tickets) { return (uint32_t)(tickets >> 32) != (uint32_t)tickets; }

/* Wakes up to `count` sleepers. What they wait for must have been made to happen by a sequentially consistent operation. */
static inline void eventcount_wake(const struct eventcount *e, int count) {
    uint64_t tickets = load_seq_cst(e->tickets, tickets);
    if (eventcount_waited_for(tickets))
        eventcount_wake_sleepers(e, tickets, count);
}

#endif
