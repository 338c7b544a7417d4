/* SPDX-License-Identifier: MIT */
#include "pause.h"
#include "claim.h"
#include "error.h"
#include "lookup.h"
#include "sweep.h"
#include <errno.h>

static bool change(const struct segment *s, uint64_t *seen, uint64_t set, uint64_t clear) {
    uint64_t next = ((*seen | set) & ~clear) + PAUSED_CHANGE;
    return cas_seq_cst(&s->control->paused, seen, next, paused);
}

uint64_t pause_sends(const struct segment *s) {
    uint64_t w = pause_load(s);
    while (!(w & PAUSED_SEND))
        if (change(s, &w, PAUSED_SEND, 0))
            return pause_load(s);
    return w;
}

void pause_forget(const struct segment *s, unsigned group) {
    uint64_t w = pause_load(s), bit = UINT64_C(1) << group;
    if (MUTANT(pause_outlives_group) || (MUTANT(pause_forgot_silently) && !(w & bit)))
        return;
    while (!change(s, &w, 0, bit)) {
    }
}

int pause_meet(struct rp_consumer *c) {
    uint64_t now_ms = actor_now_ms(&c->actor);
    struct failure unseen = {.kind = RP_FAILURE_NONE, .delay_ms = 0};
    while (c->ahead_first < c->ahead_count && c->ack_mode != RP_ACK_NONE) { /* what was settled before nobody else gets: it stays */
        struct view *v = view_of(c, &c->ahead[c->ahead_first++]);
        if (v != NULL && view_end(c, v, &unseen) == RP_LEASE_LOST)
            tally_add(&c->actor.tally, COUNT_LEASE_LOST, 1);
    }
    if (now_ms >= c->actor.next_tick_ms)
        claim_refresh(c);
    housekeeping(&c->actor, now_ms);
    return claim_in_group(c) ? RP_PAUSED
                             : fail(RP_GONE, "queue '%s': the group of this consumer was removed", c->actor.queue->name);
}

static uint64_t bits_of(unsigned sides) {
    return (sides & RP_SIDE_SEND ? PAUSED_SEND : 0) | (sides & RP_SIDE_RECEIVE ? PAUSED_RECEIVE : 0);
}

static int check(const rp_queue *q, unsigned sides, const char *call) {
    int result = queue_check(q);
    if (result < 0)
        return fail(result, "%s: %s", call, result == RP_FORKED ? "the queue was opened by the parent process" : "no queue");
    if (sides == 0 || (sides & ~(unsigned)(RP_SIDE_SEND | RP_SIDE_RECEIVE)) != 0)
        return fail(-EINVAL, "%s: unknown sides %#x", call, sides);
    return q->read_only ? fail(-EROFS, "queue '%s' was opened read-only", q->name) : 0;
}

RP_API int rp_queue_pause(rp_queue *q, unsigned sides) {
    int result = check(q, sides, "rp_queue_pause");
    if (result < 0)
        return result;
    uint64_t wanted = bits_of(sides), w = pause_load(&q->segment);
    while ((w & wanted) != wanted && !change(&q->segment, &w, wanted, 0)) {
    }
    return 0;
}

static void wake(const struct segment *s, uint64_t resumed) {
    if (MUTANT(resume_wakes_nobody))
        return;
    if (resumed & PAUSED_SEND) {
        struct eventcount event = free_event(s);
        eventcount_wake(&event, INT32_MAX);
    }
    for (unsigned g = 0; g < s->parameters.max_groups; g++)
        if (resumed & pause_mask(g))
            group_wake(s, g, INT32_MAX);
}

RP_API int rp_queue_resume(rp_queue *q, unsigned sides) {
    int result = check(q, sides, "rp_queue_resume");
    if (result < 0)
        return result;
    uint64_t wanted = bits_of(sides), w = pause_load(&q->segment);
    while ((w & wanted) != 0 && !change(&q->segment, &w, 0, wanted)) {
    }
    wake(&q->segment, wanted); /* also what somebody else resumed, who may have died before he did this */
    return 0;
}

/* Sets or clears the bit of a group that is there at the moment of the CAS. -> its bit, or a negative result. */
static int64_t change_group(rp_queue *q, const char *group, bool pause) {
    int result = check(q, RP_SIDE_RECEIVE, pause ? "rp_group_pause" : "rp_group_resume");
    if (result < 0)
        return result;
    struct known_group g;
    bool early = MUTANT(pause_group_first);
    if (early && (result = lookup_group(q, group, &g)) < 0)
        return result;
    uint64_t w = pause_load(&q->segment);
    for (;;) {
        if (!early && (result = lookup_group(q, group, &g)) < 0)
            return result;
        uint64_t bit = UINT64_C(1) << g.index, seen = w;
        if (!(w & bit) != !pause) {
            if (change(&q->segment, &w, pause ? bit : 0, pause ? 0 : bit))
                return (int64_t)bit;
        } else if ((w = pause_load(&q->segment)) == seen || MUTANT(pause_group_believed)) {
            return (int64_t)bit; /* and the bit was this group's, not that of one before it in its place */
        }
    }
}

RP_API int rp_group_pause(rp_queue *q, const char *group) {
    int64_t bit = change_group(q, group, true);
    return bit < 0 ? (int)bit : 0;
}

RP_API int rp_group_resume(rp_queue *q, const char *group) {
    int64_t bit = change_group(q, group, false);
    if (bit < 0)
        return (int)bit;
    wake(&q->segment, (uint64_t)bit);
    return 0;
}

RP_API int rp_queue_paused(rp_queue *q) {
    int result = queue_check(q);
    if (result < 0)
        return fail(result, "rp_queue_paused");
    uint64_t w = pause_load(&q->segment);
    return (w & PAUSED_SEND ? RP_SIDE_SEND : 0) | (w & PAUSED_RECEIVE ? RP_SIDE_RECEIVE : 0);
}
