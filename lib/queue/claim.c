/* SPDX-License-Identifier: MIT */
#include "claim.h"
#include "error.h"
#include "expiry.h"
#include "groups.h"
#include "keyed.h"
#include "lane.h"
#include "lease.h"
#include <errno.h>

enum {
    HINT_EVERY = 8,
    TURN_EVERY = 8,
    PASSED_AT_ONCE = 64,
    MISSED_ROUNDS = 16 /* each but the first means that others received a ringful meanwhile */
};

int claim_outcome(enum attempt attempt) {
    return attempt == CLAIM_DONE ? 0 : attempt == CLAIM_NO_ROOM ? -ENOBUFS : attempt == CLAIM_GONE ? RP_GONE : RP_EMPTY;
}

/* The groups have changed: is the consumer's still there? */
static COLD bool in_group_still(struct rp_consumer *c, uint64_t groups) {
    const struct segment *s = c->actor.segment;
    if (!(groups_active(s, groups) >> c->group & 1) ||
        group_generation(load_acquire(&s->groups[c->group].word, active)) != c->group_generation)
        return false;
    c->groups_seen = groups;
    return true;
}

/* Is the consumer's group still there? A load of a line that is at hand, unless the groups changed. */
static inline bool in_group(struct rp_consumer *c) {
    uint64_t groups = groups_load(c->actor.segment);
    return groups == c->groups_seen || in_group_still(c, groups);
}

bool claim_in_group(struct rp_consumer *c) { return in_group(c); }

static ALWAYS_INLINE enum attempt claim_here(struct rp_consumer *c, struct words at, uint32_t cell, uint64_t d, uint64_t claimed,
                                             uint64_t now_ms, struct view **out) {
    /*
     * The words were read before, and with them whatever their sender had seen: if the message is for another group that came to this place, we see that
     * group now. If the words move from here on, the CAS fails.
     */
    if (!MUTANT(claim_no_group_check) && !in_group(c))
        return CLAIM_GONE;
    struct actor *a = &c->actor;
    if (field_read(&at.cell->flags) & CELL_EXPIRES && !MUTANT(claim_expired) && expiry_over(a->segment, cell)) {
        (void)expiry_end(a, c->group, cell, d);
        return CLAIM_MISSED;
    }
    uint32_t hold = delivery_hold(claimed);
    struct view *v = view_enter(c, cell, hold);
    if (v == NULL)
        return CLAIM_NO_ROOM;
    lease_forget(at, d, hold);
    if (MUTANT(claim_without_cas))
        store_release(at.delivery, claimed, delivery);
    else if (!cas_acq_rel(at.delivery, &d, claimed, delivery)) {
        view_withdraw(c, v);
        return CLAIM_MISSED;
    }
    lease_install(a, c->group, at, hold, lease_until(now_ms + COARSE_CLOCK_MS, c->lease_ms));
    *out = v;
    return CLAIM_DONE;
}

enum attempt claim(struct rp_consumer *c, uint32_t cell, uint64_t d, uint64_t claimed, uint64_t now_ms, struct view **out) {
    const struct words at = words_at(c->actor.segment, c->group, cell);
    return claim_here(c, at, cell, d, claimed, now_ms, out);
}

int claim_broken(const struct rp_consumer *c, const char *ring, uint32_t lane, uint64_t position) {
    return fail(RP_CORRUPT, "queue '%s': %s %u is damaged near position %llu", c->actor.queue->name, ring, lane,
                (unsigned long long)position);
}

/* early or returned. */
static int claim_again(struct rp_consumer *c, struct receiver_lane *l, enum delivery_ring which, uint64_t now_ms, struct view **v) {
    const struct segment *s = c->actor.segment;
    const struct ring_name name = {c->group, l->number, which};
    bool early = which == RING_EARLY;
    uint64_t *h = early ? &l->early_head : &l->returned_head, first = *h, slot, d;
    a64 *shared_head = early ? &l->start->early_head : &l->start->returned_head;
    const struct index_ring ring = early ? l->early : l->returned;
    int result = RP_EMPTY;
    for (uint64_t steps = 16 * ring_slots(&ring) + 4096; result == RP_EMPTY; steps--) {
        enum ring_look_at look = ring_look(&ring, shared_head, h, &slot);
        if (look == RING_END)
            break;
        if (look == RING_BROKEN || steps == 0)
            return claim_broken(c, early ? "early" : "returned", l->number, *h);
        if (look == RING_PAST)
            continue;
        if (requeue_counts(s, name, *h, slot, &d)) {
            uint64_t mine =
                delivery_of_hold(DELIVERY_LEASED, c->actor.seat, delivery_viewer1(d), delivery_viewer2(d), delivery_hold(d));
            enum attempt attempt = claim(c, slot_cell(slot), d, mine, now_ms, v);
            if (attempt == CLAIM_MISSED && !MUTANT(claim_skip_on_failure))
                continue; /* a viewer may have left: look at this position again */
            result = claim_outcome(attempt);
            if (attempt == CLAIM_NO_ROOM || attempt == CLAIM_GONE)
                break;
        }
        ++*h;
    }
    if (*h != first)
        hint_raise(shared_head, *h);
    return result;
}

/* Is the entry `slot` at lane position h still to be taken by the group? `d` is what to expect, `mine` what to make of it. */
static ALWAYS_INLINE bool lane_claimable(const struct rp_consumer *c, struct words at, uint32_t lane, uint64_t h, uint64_t slot,
                                         uint64_t *d, uint64_t *mine) {
    /* In this order: if the CAS of the delivery word succeeds, it did not move, so the cell's word could not move either. */
    *d = load_acquire(at.delivery, delivery);
    uint64_t w = load_acquire(&at.cell->word, cell_word);
    uint64_t generation = cell_generation(w);
    if (!cell_pends(w, c->group) || (!MUTANT(claim_no_generation) && slot_tag(slot) != slot_tag_of(generation)) ||
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

enum { STREAM_AHEAD = 4 };

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

/* Another took what lies at the lane's head: where are they by now? */
static COLD int lane_follow(struct rp_consumer *c, struct receiver_lane *l, uint64_t now_ms, struct view **v) {
    uint64_t h = l->lane_head + 1, hint_head = load_acquire(&l->start->lane_head, hints);
    bool behind = (int64_t)(hint_head - h) > 0 && hint_head - h <= ring_slots(&l->lane);
    lane_passed(l, behind ? hint_head : h);
    /* Something older may have been moved to early before they passed. */
    return behind ? claim_again(c, l, RING_EARLY, now_ms, v) : RP_EMPTY;
}

/* One step of claim_lane: looks at the lane's head. *end: there is nothing more. RP_EMPTY without it: look again. */
static ALWAYS_INLINE int lane_step(struct rp_consumer *c, struct receiver_lane *l, uint64_t now_ms, struct view **v, bool *end) {
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
    const struct words at = words_at(s, c->group, slot_cell(slot));
    prefetch_cell(s, at.cell);
    prefetch_following(s, &l->lane, h);
    if (!lane_claimable(c, at, l->number, h, slot, &d, &mine))
        return lane_follow(c, l, now_ms, v);
    enum attempt attempt = claim_here(c, at, slot_cell(slot), d, mine, now_ms, v);
    if (attempt == CLAIM_MISSED && !MUTANT(claim_skip_on_failure))
        return RP_EMPTY; /* somebody was faster, or moved it: look at this position again */
    if (attempt != CLAIM_NO_ROOM && attempt != CLAIM_GONE)
        lane_passed(l, h + 1);
    return claim_outcome(attempt);
}

static COLD int claim_lane_on(struct rp_consumer *c, struct receiver_lane *l, uint64_t now_ms, struct view **v) {
    bool end;
    for (uint64_t steps = 16 * ring_slots(&l->lane) + 4096; steps > 0; steps--) {
        int result = lane_step(c, l, now_ms, v, &end);
        if (result != RP_EMPTY || end)
            return result;
    }
    return claim_broken(c, "lane", l->number, l->lane_head);
}

/* Nearly always the first step is the last one. */
static ALWAYS_INLINE int claim_lane(struct rp_consumer *c, struct receiver_lane *l, uint64_t now_ms, struct view **v) {
    bool end;
    int result = lane_step(c, l, now_ms, v, &end);
    return likely(result != RP_EMPTY) || end ? result : claim_lane_on(c, l, now_ms, v);
}

bool claim_promising(const struct rp_consumer *c) {
    if (c->actor.segment->parameters.keyed)
        return keyed_promising(c->actor.segment, c->group);
    for (const struct receiver_lane *l = c->lanes; l < c->lanes + c->lane_count; l++)
        if (!ring_ends_at(&l->lane, l->lane_head) || !ring_ends_at(&l->returned, l->returned_head) ||
            !ring_ends_at(&l->early, l->early_head))
            return true;
    return false;
}

/* The two rings of redeliveries are empty nearly always. */
static inline int claim_early(struct rp_consumer *c, struct receiver_lane *l, uint64_t now_ms, struct view **v) {
    return ring_ends_at(&l->early, l->early_head) ? RP_EMPTY : claim_again(c, l, RING_EARLY, now_ms, v);
}

static inline int claim_returned(struct rp_consumer *c, struct receiver_lane *l, uint64_t now_ms, struct view **v) {
    return ring_ends_at(&l->returned, l->returned_head) ? RP_EMPTY : claim_again(c, l, RING_RETURNED, now_ms, v);
}

/* Before anybody believes that there is nothing: what returned had no place for. */
static int claim_missed(struct rp_consumer *c, struct receiver_lane *l, uint64_t now_ms, struct view **v) {
    int result = RP_EMPTY;
    for (int rounds = MISSED_ROUNDS; result == RP_EMPTY && rounds > 0; rounds--) {
        if (!requeue_missed(c->actor.segment, c->group, l->number))
            break;
        result = claim_returned(c, l, now_ms, v);
    }
    return result;
}

void claim_refresh(struct rp_consumer *c) {
    for (struct receiver_lane *l = c->lanes; l < c->lanes + c->lane_count; l++) {
        head_refresh(&l->lane_head, &l->start->lane_head);
        head_refresh(&l->early_head, &l->start->early_head);
        head_refresh(&l->returned_head, &l->start->returned_head);
        l->lane_head_told = l->lane_head;
    }
}

/* One lane, or one level: new messages and redeliveries take turns, so that neither starves the other. */
static ALWAYS_INLINE int claim_level(struct rp_consumer *c, struct receiver_lane *l, uint64_t now_ms, struct view **v) {
    int result = claim_early(c, l, now_ms, v);
    if (result != RP_EMPTY)
        return result;
    bool returned_first = ++l->turn % TURN_EVERY == 0;
    if (returned_first && (result = claim_returned(c, l, now_ms, v)) != RP_EMPTY)
        return result;
    result = claim_lane(c, l, now_ms, v);
    if (result == RP_EMPTY && !returned_first)
        result = claim_returned(c, l, now_ms, v);
    return result != RP_EMPTY ? result : claim_missed(c, l, now_ms, v);
}

/*
 * Has the message that comes next in the ring (NONE: the lane) waited longer than the queue's ageing allows? Entries that count no more are passed, as a claim would: their cells
 * carry younger messages. A guess: the message may be taken by now.
 */
__attribute__((no_sanitize("thread"))) static bool aged(struct rp_consumer *c, struct receiver_lane *l, enum delivery_ring which) {
    const struct segment *s = c->actor.segment;
    const struct ring_name name = {c->group, l->number, which};
    struct words at;
    const struct index_ring *ring = which == RING_NONE ? &l->lane : which == RING_EARLY ? &l->early : &l->returned;
    uint64_t *h = which == RING_NONE ? &l->lane_head : which == RING_EARLY ? &l->early_head : &l->returned_head, d, mine;
    for (unsigned passed = 0; passed < PASSED_AT_ONCE; passed++, ++*h) {
        uint64_t slot = load_acquire(ring_slot(ring, *h), slot);
        if (slot_lap(slot) != ring_lap(ring, *h) || !segment_has_cell(s, slot_cell(slot)))
            return false;
        at = words_at(s, c->group, slot_cell(slot));
        if (which == RING_NONE ? !lane_claimable(c, at, l->number, *h, slot, &d, &mine) : !requeue_counts(s, name, *h, slot, &d))
            continue;
        uint64_t sent = *(const volatile uint64_t *)&segment_cell(s, slot_cell(slot))->sent_wall_ns, now = clock_wall_coarse_ns();
        return now > sent && now - sent > s->parameters.ageing_ns;
    }
    return false;
}

/* Every so often the lowest level comes first, if its oldest message has waited for long. */
static bool claim_aged(struct rp_consumer *c) {
    struct receiver_lane *l = &c->lanes[0];
    bool turn = ++c->lane_turn % TURN_EVERY == 0;
    return turn && (aged(c, l, RING_NONE) || aged(c, l, RING_EARLY) || aged(c, l, RING_RETURNED));
}

/* Of several lanes. */
static __attribute__((noinline)) int claim_lanes(struct rp_consumer *c, uint64_t now_ms, struct view **v) {
    if (c->actor.segment->parameters.keyed)
        return claim_keyed(c, now_ms, v);
    bool lowest_first = c->actor.segment->parameters.ageing_ns > 0 && c->lane_count > 1 && claim_aged(c);
    int result = RP_EMPTY;
    for (uint32_t level = c->lane_count + lowest_first; level-- > 0 && result == RP_EMPTY;) /* else the highest first */
        result = claim_level(c, &c->lanes[level < c->lane_count ? level : 0], now_ms, v);
    return result;
}

/* Nothing was claimed. */
static COLD int claimed_nothing(struct rp_consumer *c, int result) {
    if (result == RP_GONE || (result == RP_EMPTY && !in_group(c)))
        return fail(RP_GONE, "queue '%s': the group of this consumer was removed", c->actor.queue->name);
    if (result == -ENOBUFS)
        return fail(-ENOBUFS, "this consumer keeps %u views that it never settled", c->view_room);
    return result;
}

int claim_next(struct rp_consumer *c, uint64_t now_ms, struct view **v) {
    int result = likely(c->plain) ? claim_level(c, c->lanes, now_ms, v) : claim_lanes(c, now_ms, v);
    return likely(result == 0) ? 0 : claimed_nothing(c, result);
}
