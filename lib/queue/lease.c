/* SPDX-License-Identifier: MIT */
#include "lease.h"
#include "dead.h"
#include "notes.h"

bool due_lower(const struct segment *s, uint64_t ms) {
    uint64_t known = load_seq_cst(&s->control->next_due_ms, next_due);
    while (ms < known)
        if (cas_seq_cst(&s->control->next_due_ms, &known, ms, next_due))
            return true;
    return false;
}

COLD void lease_announce_earlier(struct actor *a, unsigned group, uint64_t ms) {
    if (ms == TIME_NEVER || !due_lower(a->segment, ms) || ms > segment_now_ms(a->segment) + TICK_MS)
        return;
    group_wake(a->segment, group, 1);
}

/* The time, then the word: as long as that is `d`, nobody can have installed a time for this hold. */
COLD void lease_forget_stale(const struct segment *s, unsigned group, uint32_t c, uint64_t d, uint32_t hold) {
    const struct words at = words_at(s, group, c);
    uint64_t f = load_acquire(at.time, time);
    if (stamp_is_of(f, hold) && load_acquire(at.delivery, delivery) == d)
        (void)cas_acq_rel(at.time, &f, stamp(hold - 0x100, 0), time);
}

void lease_delay(struct actor *a, unsigned group, uint32_t c, uint32_t hold, uint64_t until_ms, bool over_sweepers) {
    if (lease_set(words_at(a->segment, group, c), DELIVERY_DELAYED, hold, until_ms, over_sweepers))
        lease_announce(a, group, until_ms);
}

/* The lease in `d` is over and its time says EXPIRED: takes the message back; its holder stays on record as a viewer. */
static enum fail_result take_back(struct actor *a, unsigned group, uint32_t c, uint64_t d) {
    struct failure f = {.kind = RP_FAILURE_LEASE, .charge = true, .delay_ms = -1, .holder = delivery_owner(d)};
    f.viewers = viewers_of(d, !MUTANT(expire_forgets_viewer));
    enum fail_result result = delivery_fail(a, group, c, d, &f);
    if (result == FAIL_DONE)
        tally_add(&a->tally, COUNT_EXPIRED, 1);
    return result;
}

int lease_extend(struct actor *a, unsigned group, uint32_t c, uint32_t hold, uint64_t until_ms) {
    a64 *time = time_at(a->segment, group, c), *word = delivery_at(a->segment, group, c);
    for (;;) {
        uint64_t f = load_acquire(time, time);
        uint64_t d = load_acquire(word, delivery);
        if (delivery_state(d) != DELIVERY_LEASED || delivery_owner(d) != a->seat || delivery_hold(d) != hold)
            return RP_LEASE_LOST;
        if (!stamp_is_of(f, hold))
            return RP_LEASE_LOST;                                        /* our own was installed before the message was shown */
        if (stamp_value(f) == TIME_EXPIRED && !MUTANT(extend_revives)) { /* finish it, so that "lost" is final */
            if (take_back(a, group, c, d) == FAIL_REFUSED)
                return RP_LEASE_LOST;
            continue;
        }
        if (cas_acq_rel(time, &f, stamp(hold, until_ms), time))
            break;
    }
    lease_announce(a, group, until_ms);
    return 0;
}

static int sweep_leased(struct actor *a, unsigned group, uint32_t c, uint64_t d, uint64_t now_ms, uint64_t *due_ms) {
    a64 *time = time_at(a->segment, group, c);
    uint64_t f = load_acquire(time, time);
    if (delivery_state(load_acquire(delivery_at(a->segment, group, c), delivery)) != DELIVERY_LEASED)
        return 0;
    uint32_t hold = delivery_hold(d);
    if (!MUTANT(lease_foreign_stamp) && !stamp_is_of(f, hold)) {
        uint64_t lease_ns = a->segment->parameters.lease_ns;
        /* Counted from now, not from when the sweep began: the claim may be younger. */
        uint64_t until = lease_until(segment_now_ms(a->segment), lease_ns == 0 ? TIME_NEVER : duration_ms(lease_ns));
        lease_install(a, group, words_at(a->segment, group, c), hold, until);
        *due_ms = until < *due_ms ? until : *due_ms;
        return 1;
    }
    uint64_t until = stamp_value(f);
    if (until == TIME_NEVER)
        return 0;
    if (until != TIME_EXPIRED) {
        if (now_ms < until && !MUTANT(expire_early)) {
            *due_ms = until < *due_ms ? until : *due_ms;
            return 0;
        }
        if (viewers_of(d, true).count > 2 && dead_refuses(a->segment, group))
            return 0; /* no place for another viewer, and the dead ring refuses: the holder keeps it */
        if (!MUTANT(expire_unmarked) && (load_acquire(delivery_at(a->segment, group, c), delivery) != d ||
                                         !cas_acq_rel(time, &f, stamp(hold, TIME_EXPIRED), time)))
            return 0;
    }
    return take_back(a, group, c, d) == FAIL_DONE;
}

static int sweep_delayed(struct actor *a, unsigned group, uint32_t c, uint64_t d, uint64_t now_ms, uint64_t *due_ms) {
    uint64_t f = load_acquire(time_at(a->segment, group, c), time);
    uint32_t hold = delivery_hold(d);
    if (!stamp_is_of(f, hold)) {
        struct counts counts = notes_counts(a->segment, group, c, hold);
        uint64_t until = segment_now_ms(a->segment) +
                         backoff_ms(&a->segment->parameters, counts.charged > 0 ? counts.charged : 1, random_next(&a->random));
        lease_delay(a, group, c, hold, until, false);
        *due_ms = until < *due_ms ? until : *due_ms;
        return 1;
    }
    if (now_ms < stamp_value(f)) {
        *due_ms = stamp_value(f) < *due_ms ? stamp_value(f) : *due_ms;
        return 0;
    }
    uint64_t next = delivery_of_hold(DELIVERY_RETURNED, NOBODY, delivery_viewer1(d), delivery_viewer2(d), hold_returned(hold));
    if (!cas_seq_cst(delivery_at(a->segment, group, c), &d, next, delivery))
        return 0;
    ready_again(a->segment, group, c);
    return 1;
}

int lease_sweep(struct actor *a, unsigned group, uint32_t c, uint64_t d, uint64_t now_ms, uint64_t *due_ms) {
    return delivery_state(d) == DELIVERY_LEASED ? sweep_leased(a, group, c, d, now_ms, due_ms)
                                                : sweep_delayed(a, group, c, d, now_ms, due_ms);
}
