/* SPDX-License-Identifier: MIT */
/*
 * The time word beside a delivery word: until when a lease or a backoff lasts. It carries the stamp of its hold and is void beside any other; its
 * stamps only rise. Nobody ever stores into it: read the time, then the word, then CAS the time. (Modelled in tests/model/lease.pml.)
 *
 *     install   by the claimer, or by any sweeper that meets a word whose time is void: {hold, now + lease or backoff}
 *     extend    {hold, t} -> {hold, t2}
 *     expire    {hold, t} -> {hold, EXPIRED}, then the word LEASED -> DELAYED, RETURNED or DEAD; the second step by anybody
 *     forget    {hold, t} -> {the message before, 0}, while the word is not LEASED yet: by who is about to claim it. The stamp has 16 bits of the incarnation, and
 *               a group that did not receive the last 65,535 messages of the cell finds there the time of the one before them
 */
#ifndef RP_QUEUE_LEASE_H
#define RP_QUEUE_LEASE_H

#include "delivery.h"

/*
 * Sets the time beside a word that is in `state` as `hold`, unless somebody did; with `over_own`, also over another time of this hold. True: this call did.
 */
static ALWAYS_INLINE bool lease_set(struct words at, enum delivery_state state, uint32_t hold, uint64_t until_ms, bool over_own) {
    for (;;) {
        uint64_t early = MUTANT(time_after_word) ? load_acquire(at.delivery, delivery) : 0;
        uint64_t f = load_acquire(at.time, time);
        if (stamp_is_of(f, hold) && (!over_own || stamp_value(f) == until_ms))
            return false;
        uint64_t d = MUTANT(time_after_word) ? early : load_acquire(at.delivery, delivery);
        if (delivery_state(d) != state || delivery_hold(d) != hold)
            return false;
        if (likely(cas_acq_rel(at.time, &f, stamp(hold, until_ms), time)))
            return true;
    }
}

void lease_announce_earlier(struct actor *a, unsigned group, uint64_t ms);
/* Makes known that something is due at `ms`; a sleeper's timeout may now be too long, unless it ends before anyway: nobody sleeps for more than a tick. */
static ALWAYS_INLINE void lease_announce(struct actor *a, unsigned group, uint64_t ms) {
    if (ms < load_seq_cst(&a->segment->control->next_due_ms, next_due))
        lease_announce_earlier(a, group, ms);
}

/* Sets the end of a lease, unless somebody did. */
static ALWAYS_INLINE void lease_install(struct actor *a, unsigned group, struct words at, uint32_t hold, uint64_t until_ms) {
    if (likely(lease_set(at, DELIVERY_LEASED, hold, until_ms, false)))
        lease_announce(a, group, until_ms);
}

void lease_forget_stale(const struct segment *s, unsigned group, uint32_t c, uint64_t d, uint32_t hold);
/* The delivery word is `d`, and the caller is about to lease it as `hold`: a time that bears its stamp already is of a message long ago. */
static ALWAYS_INLINE void lease_forget(const struct segment *s, unsigned group, uint32_t c, struct words at, uint64_t d,
                                       uint32_t hold) {
    if (stamp_is_of(load_relaxed(at.time, recheck), hold))
        lease_forget_stale(s, group, c, d, hold);
}

/* Sets the end of a backoff. A sweeper keeps what is there; the one who failed the delivery knows better than a sweeper that was faster. */
void lease_delay(struct actor *a, unsigned group, uint32_t c, uint32_t hold, uint64_t until_ms, bool over_sweepers);

/* 0, or RP_LEASE_LOST. */
int lease_extend(struct actor *a, unsigned group, uint32_t c, uint32_t hold, uint64_t until_ms);

/* What a sweep does with a LEASED or DELAYED word: installs a missing time, ends what is over, lowers *due_ms to what is not. -> things done. */
int lease_sweep(struct actor *a, unsigned group, uint32_t c, uint64_t d, uint64_t now_ms, uint64_t *due_ms);

/* The end of a lease that begins now: never early, although `now_ms` was rounded down. */
static inline uint64_t lease_until(uint64_t now_ms, uint64_t lease_ms) {
    return lease_ms >= TIME_NEVER ? TIME_NEVER : now_ms + lease_ms + 1;
}

/* Lowers the time at which something is known to be due. True: it was later before. */
bool due_lower(const struct segment *s, uint64_t ms);

#endif
