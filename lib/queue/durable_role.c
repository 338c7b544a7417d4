/* SPDX-License-Identifier: MIT */
#include "durable_role.h"
#include "catch_up.h"
#include <limits.h>

enum {
    LEASE_MS = 500,
    UNSYNCED_LEASE_MS = 100, /* where a write goes to the kernel's memory */
    DOUBLINGS_MOST = 7       /* a disk may take a minute */
};

/* until, in ms:46 | times it was taken over:8 | seat + 1:10 */
static uint64_t role_word(uint64_t until_ms, unsigned doublings, uint32_t seat) {
    return until_ms << 18 | (uint64_t)doublings << 10 | (seat + 1);
}
static uint64_t role_until(uint64_t w) { return w >> 18; }
static unsigned role_doublings(uint64_t w) {
    unsigned n = (unsigned)bits(w, 10, 8);
    return n < DOUBLINGS_MOST ? n : DOUBLINGS_MOST;
}

static uint64_t lease_ms(const struct segment *s) { return s->parameters.sync == RP_SYNC_ALWAYS ? LEASE_MS : UNSYNCED_LEASE_MS; }

static uint64_t word_from_now(const struct writer *x) {
    const struct actor *a = x->actor;
    return role_word(segment_now_ms(a->segment) + (lease_ms(a->segment) << x->doublings), x->doublings, a->seat);
}

/*
 * Whose lease is over may be in the middle of a write. The point is sealed first, then the role is his who did: if he dies in between, the next one finds both as they were, or the seal done; never a free role, and bytes still
 * to come to where the next batch goes. Who is only slow loses the batch that he is at, and its messages are in the next one. The lease doubles, so a slow disk is not taken for a stopped writer again and again.
 */
static bool shut_out(const struct writer *x, uint64_t point) {
    a64 *word = &x->actor->segment->control->journal_point;
    /* Also if it was sealed when we looked: since then there may be a new file, and another who writes to it. */
    return cas_acq_rel(word, &point, point | UINT64_C(1) << 63, journaled);
}

bool role_take_writer(struct writer *x) {
    struct actor *a = x->actor;
    a64 *role = &a->segment->control->journal_role;
    uint64_t point = load_acquire(&a->segment->control->journal_point, journaled); /* before the role: it has not moved since */
    uint64_t w = load_seq_cst(role, journal_role), now = segment_now_ms(a->segment);
    if (w != 0) {
        bool over = role_until(w) <= now || role_until(w) - now > (uint64_t)LEASE_MS << DOUBLINGS_MOST;
        if (!over)
            return false;
        uint32_t victim = (uint32_t)bits(w, 0, 10) - 1;
        if (victim < a->segment->parameters.max_participants) /* before he can notice, who takes it back */
            store_seq_cst(&a->segment->seats[victim].robbed, 1, journal_role);
        if (!MUTANT(durable_no_seal) && !shut_out(x, point))
            return false;
        x->robbed = true;
        x->doublings = role_doublings(w) < DOUBLINGS_MOST ? role_doublings(w) + 1 : DOUBLINGS_MOST;
    }
    x->role = word_from_now(x);
    return cas_seq_cst(role, &w, x->role, journal_role);
}

bool role_renew(struct writer *x) {
    uint64_t w = x->role, anew = word_from_now(x);
    if (!cas_seq_cst(&x->actor->segment->control->journal_role, &w, anew, journal_role))
        return false;
    x->role = anew;
    return true;
}

void role_leave(struct writer *x) {
    uint64_t w = x->role;
    const struct actor *a = x->actor;
    if (a->seat < a->segment->parameters.max_participants)
        store_seq_cst(&a->segment->seats[a->seat].robbed, 0, journal_role); /* what we took we have marked again */
    (void)cas_seq_cst(&x->actor->segment->control->journal_role, &w, 0, journal_role);
}

bool role_marks_may_be_taken(const struct segment *s) {
    for (uint32_t i = 0; i < s->parameters.max_participants; i++)
        if (load_relaxed(&s->seats[i].robbed, recheck) != 0) /* whoever set it had, or took, the role before us */
            return !MUTANT(durable_marks_stolen);
    return false;
}

int durable_recover(struct actor *a, uint32_t dead) {
    const struct segment *s = a->segment;
    if (!durable(s))
        return 0;
    if (!MUTANT(durable_marks_die))
        batch_mark_all(s); /* what he was about to mark, or had taken to record */
    if (dead < s->parameters.max_participants)
        store_seq_cst(&s->seats[dead].robbed, 0, journal_role);
    if (catch_up_holds(s) && !MUTANT(past_dead_holds)) /* perhaps for him; another asks again */
        catch_up_hold(s, 0);
    a64 *role = &s->control->journal_role;
    uint64_t w = load_seq_cst(role, journal_role);
    if (MUTANT(durable_dead_keeps_role) || bits(w, 0, 10) != dead + 1 || !cas_seq_cst(role, &w, 0, journal_role))
        return 0;
    struct eventcount written = durable_event(s);
    eventcount_wake(&written, INT_MAX);
    return 1;
}
