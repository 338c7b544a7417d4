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

/* Sets the end of a lease, unless somebody did. */
void lease_install(struct actor *a, unsigned group, uint32_t c, uint32_t hold, uint64_t until_ms);

void lease_forget_stale(struct actor *a, unsigned group, uint32_t c, uint64_t d, uint32_t hold);
/* The word is `d`, and the caller is about to lease it as `hold`: a time that bears its stamp already is of a message long ago. */
static inline void lease_forget(struct actor *a, unsigned group, uint32_t c, uint64_t d, uint32_t hold) {
    if (stamp_is_of(load_relaxed(time_at(a->segment, group, c), recheck), hold))
        lease_forget_stale(a, group, c, d, hold);
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
