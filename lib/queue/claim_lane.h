/* SPDX-License-Identifier: MIT */
/* The way of a claim from a lane, in place where it is asked for: nearly always the message at the lane's head is there, and is ours for the taking. */
#ifndef RP_QUEUE_CLAIM_LANE_H
#define RP_QUEUE_CLAIM_LANE_H

#include "claim.h"
#include "expiry.h"
#include "groups.h"
#include "lane.h"
#include "lease.h"

enum { HINT_EVERY = 8, TURN_EVERY = 8, STREAM_AHEAD = 4 };

/* ---- beside the way: claim.c ---- */

bool claim_group_changed(struct rp_consumer *c, uint64_t groups);
/* What lies in early or returned. Results of this and the following: as claim_next; RP_EMPTY: nothing, go on. */
int claim_again(struct rp_consumer *c, struct receiver_lane *l, enum delivery_ring which, uint64_t now_ms, struct view **v);
/* Another took what lies at the lane's head. */
int claim_follow(struct rp_consumer *c, struct receiver_lane *l, uint64_t now_ms, struct view **v);
/* The lane, step by step, from wherever it stands. */
int claim_lane_on(struct rp_consumer *c, struct receiver_lane *l, uint64_t now_ms, struct view **v);
/* Before anybody believes that there is nothing: what returned had no place for. */
int claim_missed(struct rp_consumer *c, struct receiver_lane *l, uint64_t now_ms, struct view **v);
/* Several lanes, or not the first group. */
int claim_lanes(struct rp_consumer *c, uint64_t now_ms, struct view **v);
/* Nothing was claimed: `result`, with the detail set. */
int claim_nothing(struct rp_consumer *c, int result);

/* ---- the way; `group` is the consumer's, and known to the compiler where it is the first one's ---- */

/* Is the consumer's group still there? A load of a line that is at hand, unless the groups changed. */
static inline bool in_group(struct rp_consumer *c) {
    uint64_t groups = groups_load(c->actor.segment);
    return likely(groups == c->groups_seen) || claim_group_changed(c, groups);
}

static ALWAYS_INLINE enum attempt claim_here(struct rp_consumer *c, unsigned group, struct words at, uint32_t cell, uint64_t d,
                                             uint64_t claimed, uint64_t now_ms, struct view **out) {
    /*
     * The words were read before, and with them whatever their sender had seen: if the message is for another group that came to this place, we see that
     * group now. If the words move from here on, the CAS fails.
     */
    if (!MUTANT(claim_no_group_check) && !in_group(c))
        return CLAIM_GONE;
    struct actor *a = &c->actor;
    if (field_read(&at.cell->flags) & CELL_EXPIRES && !MUTANT(claim_expired) && expiry_over(a->segment, cell)) {
        (void)expiry_end(a, group, cell, d);
        return CLAIM_MISSED;
    }
    uint32_t hold = delivery_hold(claimed);
    struct view *v = view_enter(c, cell, hold);
    if (v == NULL)
        return CLAIM_NO_ROOM;
    lease_forget(a->segment, group, cell, at, d, hold);
    if (MUTANT(claim_without_cas))
        store_release(at.delivery, claimed, delivery);
    else if (!cas_acq_rel(at.delivery, &d, claimed, delivery)) {
        view_withdraw(c, v);
        return CLAIM_MISSED;
    }
    lease_install(a, group, at, hold, lease_until(now_ms + COARSE_CLOCK_MS, c->lease_ms));
    *out = v;
    return CLAIM_DONE;
}

/* Is the entry `slot` at lane position h still to be taken by the group? `d` is what to expect, `mine` what to make of it. */
static ALWAYS_INLINE bool lane_claimable(const struct rp_consumer *c, unsigned group, struct words at, uint32_t lane, uint64_t h,
                                         uint64_t slot, uint64_t *d, uint64_t *mine) {
    /* In this order: if the CAS of the delivery word succeeds, it did not move, so the cell's word could not move either. */
    *d = load_acquire(at.delivery, delivery);
    uint64_t w = load_acquire(&at.cell->word, cell_word);
    uint64_t generation = cell_generation(w);
    if (!cell_pends(w, group) || (!MUTANT(claim_no_generation) && !slot_is_of(slot, generation)) ||
        (!MUTANT(claim_no_position) && load_acquire(&at.cell->position, position) != position_word(generation, lane, h)))
        return false;
    uint32_t hold = hold_make(generation, 0);
    if (!taken(*d, w) || (MUTANT(claim_takes_leased) && delivery_state(*d) == DELIVERY_LEASED))
        *mine = delivery_of_hold(DELIVERY_LEASED, c->actor.seat, NOBODY, NOBODY, hold);
    else if (delivery_state(*d) == DELIVERY_RETURNED &&
             delivery_hold(*d) == hold) /* being moved to early: still ours to take, in order */
        *mine = delivery_of_hold(DELIVERY_LEASED, c->actor.seat, delivery_viewer1(*d), delivery_viewer2(*d), hold);
    else
        return false;
    return true;
}

/* A message's first line, to write to, and its second, to read: most are not longer. */
static inline void prefetch_cell(const struct segment *s, const struct cell *cell) {
    prefetch_write(cell);
    if (s->layout.cell_stride > LINE)
        prefetch_read((const unsigned char *)cell + LINE);
}

/* In a stream the cells of messages to come can travel while this one is worked on. */
static inline void prefetch_following(const struct segment *s, const struct index_ring *lane, uint64_t h) {
    uint64_t later = load_relaxed(ring_slot(lane, h + STREAM_AHEAD), hint);
    if (slot_lap(later) == ring_lap(lane, h + STREAM_AHEAD) && segment_has_cell(s, slot_cell(later)))
        prefetch_cell(s, segment_cell(s, slot_cell(later)));
}

/* The lane was received up to position h. */
static ALWAYS_INLINE void lane_passed(struct receiver_lane *l, uint64_t h) {
    l->lane_head = h;
    if (h - l->lane_head_told >= HINT_EVERY) {
        hint_raise(&l->start->lane_head, h);
        l->lane_head_told = h;
    }
}

/* One step of claim_lane: looks at the lane's head. *end: there is nothing more. RP_EMPTY without it: look again. */
static ALWAYS_INLINE int lane_step(struct rp_consumer *c, unsigned group, struct receiver_lane *l, uint64_t now_ms, struct view **v,
                                   bool *end) {
    const struct segment *s = c->actor.segment;
    uint64_t slot, d, mine;
    enum ring_look_at look = ring_look(&l->lane, &l->start->lane_head, &l->lane_head, &slot);
    const uint64_t h = l->lane_head;
    *end = look == RING_END;
    if (*end)
        return RP_EMPTY;
    if (look == RING_PAST) /* what lay here and was not taken is in early by now */
        return claim_again(c, l, RING_EARLY, now_ms, v);
    if (look == RING_BROKEN || !segment_has_cell(s, slot_cell(slot)))
        return claim_broken(c, "lane", l->number, h);
    const struct words at = words_at(s, group, slot_cell(slot));
    prefetch_cell(s, at.cell);
    prefetch_following(s, &l->lane, h);
    if (!lane_claimable(c, group, at, l->number, h, slot, &d, &mine))
        return claim_follow(c, l, now_ms, v);
    enum attempt attempt = claim_here(c, group, at, slot_cell(slot), d, mine, now_ms, v);
    if (attempt == CLAIM_MISSED && !MUTANT(claim_skip_on_failure))
        return RP_EMPTY; /* somebody was faster, or moved it: look at this position again */
    if (attempt != CLAIM_NO_ROOM && attempt != CLAIM_GONE)
        lane_passed(l, h + 1);
    return claim_outcome(attempt);
}

/* Nearly always the first step is the last one. */
static ALWAYS_INLINE int claim_lane(struct rp_consumer *c, unsigned group, struct receiver_lane *l, uint64_t now_ms,
                                    struct view **v) {
    bool end;
    int result = lane_step(c, group, l, now_ms, v, &end);
    return likely(result != RP_EMPTY) || end ? result : claim_lane_on(c, l, now_ms, v);
}

/* The two rings of redeliveries are empty nearly always. */
static inline int claim_early(struct rp_consumer *c, struct receiver_lane *l, uint64_t now_ms, struct view **v) {
    return ring_ends_at(&l->early, l->early_head) ? RP_EMPTY : claim_again(c, l, RING_EARLY, now_ms, v);
}

static inline int claim_returned(struct rp_consumer *c, struct receiver_lane *l, uint64_t now_ms, struct view **v) {
    return ring_ends_at(&l->returned, l->returned_head) ? RP_EMPTY : claim_again(c, l, RING_RETURNED, now_ms, v);
}

/* One lane, or one level: new messages and redeliveries take turns, so that neither starves the other. */
static ALWAYS_INLINE int claim_level(struct rp_consumer *c, unsigned group, struct receiver_lane *l, uint64_t now_ms,
                                     struct view **v) {
    int result = claim_early(c, l, now_ms, v);
    if (result != RP_EMPTY)
        return result;
    bool returned_first = ++l->turn % TURN_EVERY == 0;
    if (returned_first && (result = claim_returned(c, l, now_ms, v)) != RP_EMPTY)
        return result;
    result = claim_lane(c, group, l, now_ms, v);
    if (result == RP_EMPTY && !returned_first)
        result = claim_returned(c, l, now_ms, v);
    return result != RP_EMPTY ? result : claim_missed(c, l, now_ms, v);
}

/*
 * Claims the next message. 0: `*v` is the view of it, leased to this process until `now_ms` + the consumer's lease. RP_EMPTY: at some moment during
 * the call there was nothing in the rings. RP_GONE (the group was removed), RP_CORRUPT, -ENOBUFS with the detail set.
 */
static ALWAYS_INLINE int claim_next(struct rp_consumer *c, uint64_t now_ms, struct view **v) {
    int result = likely(c->plain) ? claim_level(c, 0, c->lanes, now_ms, v) : claim_lanes(c, now_ms, v);
    return likely(result == 0) ? 0 : claim_nothing(c, result);
}

#endif
