/* SPDX-License-Identifier: MIT */
#include "requeue.h"
#include "keyed.h"
#include "lane.h"

unsigned delivery_rings(const struct segment *s, unsigned group, struct ring_name names[RINGS_MAX]) {
    unsigned count = 0;
    for (uint32_t lane = 0; lane < segment_again_lanes(s); lane++) {
        names[count++] = (struct ring_name){group, lane, RING_EARLY};
        names[count++] = (struct ring_name){group, lane, RING_RETURNED};
    }
    names[count++] = (struct ring_name){group, 0, RING_DEATHS};
    return count;
}

struct index_ring delivery_ring(const struct segment *s, struct ring_name n) {
    const struct layout *l = &s->layout;
    a64 *slots = segment_group_rings(s, n.group);
    if (n.which == RING_DEATHS)
        return ring_make(slots + 2 * (size_t)segment_again_lanes(s) * l->slot_count, &s->groups[n.group].deaths_tail,
                         l->death_slot_shift);
    struct lane_start *start = segment_lane_start(s, n.group, n.lane);
    slots += 2 * (size_t)n.lane * l->slot_count;
    return n.which == RING_EARLY ? ring_make(slots, &start->early_tail, l->slot_shift)
                                 : ring_make(slots + l->slot_count, &start->returned_tail, l->slot_shift);
}

a64 *delivery_ring_head(const struct segment *s, struct ring_name n) {
    if (n.which == RING_DEATHS)
        return &s->groups[n.group].deaths_head;
    struct lane_start *start = segment_lane_start(s, n.group, n.lane);
    return n.which == RING_EARLY ? &start->early_head : &start->returned_head;
}

bool requeue_counts(const struct segment *s, struct ring_name n, uint64_t t, uint64_t slot, uint64_t *d) {
    uint32_t c = slot_cell(slot);
    if (!segment_has_cell(s, c))
        return false;
    *d = load_acquire(delivery_at(s, n.group, c), delivery);
    uint32_t hold = delivery_hold(*d);
    return delivery_ring_of(s, *d) == n.which && slot_tag(slot) == slot_tag_of(hold) &&
           load_acquire(&segment_delivery(s, n.group, c)->position, position) == entry_stamp(hold, t) &&
           (n.which == RING_DEATHS || s->parameters.lane_count == 1 || lane_of(s, c) == n.lane);
}

struct live_context {
    const struct segment *segment;
    struct ring_name ring;
};

/* An entry that readers have passed does not count, even if an entry of a later life, which is in no ring yet, would have the same tags. */
static bool entry_is_live(const void *context, uint64_t old_position, uint64_t slot) {
    const struct live_context *x = context;
    uint64_t head = load_acquire(delivery_ring_head(x->segment, x->ring), hints), d;
    return (MUTANT(requeue_blocked_by_passed) || (int64_t)(old_position - head) >= 0) &&
           requeue_counts(x->segment, x->ring, old_position, slot, &d);
}

/*
 * Is the entry where its position says, and still ahead of the readers? Cells come and go many times between two entries in these rings, so a
 * position and an entry may be left from an earlier life that had the same tags. Readers have passed those, and never pass one that counts.
 */
static bool in_place(const struct segment *s, struct ring_name n, const struct index_ring *ring, uint64_t p, uint32_t hold,
                     uint32_t c) {
    uint64_t head = load_acquire(delivery_ring_head(s, n), hints);
    uint64_t t = stamp_position(p, head);
    return entry_stamp_is_of(p, hold) && (MUTANT(requeue_believes_old_entry) || (int64_t)(t - head) >= 0) &&
           ring_holds(ring, t, hold, c);
}

/* The ring that the word `d` of cell c asks for. False: none, or the lane is damaged. */
static bool ring_asked_for(const struct segment *s, unsigned group, uint32_t c, uint64_t d, struct ring_name *n) {
    *n = (struct ring_name){group, 0, delivery_ring_of(s, d)};
    if (n->which != RING_NONE && n->which != RING_DEATHS && s->parameters.lane_count > 1)
        n->lane = lane_of(s, c);
    return n->which != RING_NONE && lane_exists(s, n->lane);
}

bool requeue_in_place(const struct segment *s, unsigned group, uint32_t c, uint64_t d) {
    struct ring_name n;
    if (!ring_asked_for(s, group, c, d, &n))
        return n.which == RING_NONE;
    struct index_ring ring = delivery_ring(s, n);
    uint64_t p = load_acquire(&segment_delivery(s, group, c)->position, position);
    return in_place(s, n, &ring, p, delivery_hold(d), c);
}

/* Sequentially consistent: who waits draws a ticket, then looks here; who gives back says so here, then looks at the tickets. */
static void say_missed(const struct segment *s, struct ring_name n) {
    a64 *missed = &segment_lane_start(s, n.group, n.lane)->missed;
    uint64_t v = load_acquire(missed, missed);
    while (!MUTANT(missed_not_said) && !cas_seq_cst(missed, &v, (v | 1) + 2, missed)) {
    }
}

bool requeue_missed(const struct segment *s, unsigned group, uint32_t lane) {
    a64 *missed = &segment_lane_start(s, group, lane)->missed;
    uint64_t v = load_seq_cst(missed, missed);
    if (!(v & 1))
        return false;
    if (MUTANT(missed_cleared_first))
        store_release(missed, v & ~UINT64_C(1), missed);
    enum requeue result = REQUEUE_NOT_DUE;
    for (uint32_t c = 0, count = cells_in_play(s); c < count && result != REQUEUE_FULL; c++)
        if (delivery_ring_of(s, load_acquire(delivery_at(s, group, c), delivery)) == RING_RETURNED &&
            (s->parameters.lane_count == 1 || lane_of(s, c) == lane))
            result = requeue(s, group, c); /* full again: that changed the word */
    (void)cas_acq_rel(missed, &v, v & ~UINT64_C(1), missed);
    return true;
}

enum requeue requeue(const struct segment *s, unsigned group, uint32_t c) {
    a64 *word = delivery_at(s, group, c), *position = &segment_delivery(s, group, c)->position;
    for (;;) {
        /* The position first, then the word: an inserter that slept would else move the entry to where readers have passed. */
        uint64_t p = load_acquire(position, position);
        uint64_t d = load_acquire(word, delivery);
        if (MUTANT(requeue_word_first))
            p = load_acquire(position, position);
        struct ring_name n;
        if (!ring_asked_for(s, group, c, d, &n))
            return n.which == RING_NONE ? REQUEUE_NOT_DUE : REQUEUE_DAMAGED;
        uint32_t hold = delivery_hold(d);
        struct index_ring ring = delivery_ring(s, n);
        if (in_place(s, n, &ring, p, hold, c))
            return REQUEUE_IN;
        uint64_t t = load_acquire(ring.tail, hints), slot;
        struct live_context context = {s, n};
        enum ring_find found = ring_find(&ring, &t, &slot, entry_is_live, &context);
        /* Again, now that the free slot is known: who put it into place meanwhile would else see it moved behind younger ones. */
        if (!MUTANT(requeue_place_first) && in_place(s, n, &ring, p, hold, c))
            return REQUEUE_IN;
        if (found == RING_LIVE && n.which == RING_RETURNED)
            say_missed(s, n);
        if (found != RING_FOUND)
            return found == RING_LIVE ? REQUEUE_FULL : REQUEUE_DAMAGED;
        if (MUTANT(requeue_position_stored))
            store_release(position, entry_stamp(hold, t), position);
        else if (!cas_acq_rel(position, &p, entry_stamp(hold, t), position))
            continue;
        if (ring_fill(&ring, t, slot, hold, c)) {
            hint_raise(ring.tail, t + 1);
            return REQUEUE_IN;
        }
    }
}

void ready_again(const struct segment *s, unsigned group, uint32_t c) {
    if (!s->parameters.keyed) {
        (void)requeue(s, group, c);
    } else {
        uint32_t lane = lane_of(s, c);
        if (lane_exists(s, lane))
            keyed_ready(s, group, lane);
    }
    group_wake(s, group, 1);
}
