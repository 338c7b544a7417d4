/* SPDX-License-Identifier: MIT */
#include "catch_up.h"
#include "claim_lane.h"
#include "error.h"
#include "keyed.h"
#include "spill.h"

enum {
    PASSED_AT_ONCE = 64,
    MISSED_ROUNDS = 16 /* each but the first means that others received a ringful meanwhile */
};

/* The groups have changed: is the consumer's still there? */
COLD bool claim_group_changed(struct rp_consumer *c, uint64_t groups) {
    const struct segment *s = c->actor.segment;
    if (!(groups_active(s, groups) >> c->group & 1) ||
        group_generation(load_acquire(&s->groups[c->group].word, active)) != c->group_generation)
        return false;
    c->groups_seen = groups;
    return true;
}

bool claim_in_group(struct rp_consumer *c) { return in_group(c); }

enum attempt claim(struct rp_consumer *c, uint32_t cell, uint64_t d, uint64_t claimed, uint64_t now_ms, struct view **out) {
    const struct words at = words_at(c->actor.segment, c->group, cell);
    return claim_here(c, c->group, at, cell, d, claimed, now_ms, out);
}

int claim_broken(const struct rp_consumer *c, const char *ring, uint32_t lane, uint64_t position) {
    return fail(RP_CORRUPT, "queue '%s': %s %u is damaged near position %llu", c->actor.queue->name, ring, lane,
                (unsigned long long)position);
}

/* early or returned. */
int claim_again(struct rp_consumer *c, struct receiver_lane *l, enum delivery_ring which, uint64_t now_ms, struct view **v) {
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

/* Another took what lies at the lane's head: where are they by now? */
COLD int claim_follow(struct rp_consumer *c, struct receiver_lane *l, uint64_t now_ms, struct view **v) {
    uint64_t h = l->lane_head + 1, hint_head = load_acquire(&l->start->lane_head, hints);
    bool behind = (int64_t)(hint_head - h) > 0 && hint_head - h <= ring_slots(&l->lane);
    lane_passed(l, behind ? hint_head : h);
    /* Something older may have been moved to early before they passed. */
    return behind ? claim_again(c, l, RING_EARLY, now_ms, v) : RP_EMPTY;
}

__attribute__((noinline)) int claim_lane_on(struct rp_consumer *c, struct receiver_lane *l, uint64_t now_ms, struct view **v) {
    bool end;
    for (uint64_t steps = 16 * ring_slots(&l->lane) + 4096; steps > 0; steps--) {
        int result = lane_step(c, c->group, l, now_ms, v, &end);
        if (result != RP_EMPTY || end)
            return result;
    }
    return claim_broken(c, "lane", l->number, l->lane_head);
}

bool claim_promising(const struct rp_consumer *c) {
    if ((c->spill != NULL && spill_promising(c)) || (c->past != NULL && catch_up_promising(c)))
        return true;
    if (c->actor.segment->parameters.keyed)
        return keyed_promising(c->actor.segment, c->group);
    for (const struct receiver_lane *l = c->lanes; l < c->lanes + c->lane_count; l++)
        if (!ring_ends_at(&l->lane, l->lane_head) || !ring_ends_at(&l->returned, l->returned_head) ||
            !ring_ends_at(&l->early, l->early_head))
            return true;
    return false;
}

int claim_missed(struct rp_consumer *c, struct receiver_lane *l, uint64_t now_ms, struct view **v) {
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

int claim_in_lane(struct rp_consumer *c, struct receiver_lane *l, uint64_t now_ms, struct view **v) {
    return claim_level(c, c->group, l, now_ms, v);
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
        if (which == RING_NONE ? !lane_claimable(c, c->group, at, l->number, *h, slot, &d, &mine)
                               : !requeue_counts(s, name, *h, slot, &d))
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

/* One level; when it is empty, what is spilled of it comes into memory. */
static int claim_filled(struct rp_consumer *c, struct receiver_lane *l, uint64_t now_ms, struct view **v) {
    int result = claim_level(c, c->group, l, now_ms, v);
    while (result == RP_EMPTY && c->spill != NULL && (result = spill_refill(c, l->number)) == 0)
        result = claim_level(c, c->group, l, now_ms, v);
    return result;
}

static int claim_any(struct rp_consumer *c, uint64_t now_ms, struct view **v) {
    if (c->actor.segment->parameters.numa_shards > 0)
        return claim_shards(c, now_ms, v);
    if (c->actor.segment->parameters.keyed)
        return claim_keyed(c, now_ms, v);
    bool lowest_first = c->actor.segment->parameters.ageing_ns > 0 && c->lane_count > 1 && claim_aged(c);
    int result = RP_EMPTY;
    for (uint32_t level = c->lane_count + lowest_first; level-- > 0 && result == RP_EMPTY;) /* else the highest first */
        result = claim_filled(c, &c->lanes[level < c->lane_count ? level : 0], now_ms, v);
    return result;
}

/* When all are empty, what the group has not had of the past comes into memory. */
__attribute__((noinline)) int claim_lanes(struct rp_consumer *c, uint64_t now_ms, struct view **v) {
    int result = claim_any(c, now_ms, v);
    while (result == RP_EMPTY && c->past != NULL && (result = catch_up(c)) == 0)
        result = claim_any(c, now_ms, v);
    return result;
}

COLD int claim_nothing(struct rp_consumer *c, int result) {
    if (result == RP_GONE || (result == RP_EMPTY && !in_group(c)))
        return fail(RP_GONE, "queue '%s': the group of this consumer was removed", c->actor.queue->name);
    if (result == -ENOBUFS)
        return fail(-ENOBUFS, "this consumer keeps %u views that it never settled", c->view_room);
    return result;
}
