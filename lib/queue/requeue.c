/* SPDX-License-Identifier: MIT */
#include "requeue.h"

struct index_ring delivery_ring(const struct segment *s, unsigned group, enum delivery_ring which) {
    const struct layout *l = &s->layout;
    a64 *slots = s->group_rings + (size_t)group * (2 * (size_t)l->slot_count + l->death_slot_count);
    struct group *g = &s->groups[group];
    switch (which) {
    case RING_EARLY: return (struct index_ring){slots, &g->early_tail, l->slot_shift};
    case RING_RETURNED: return (struct index_ring){slots + l->slot_count, &g->returned_tail, l->slot_shift};
    default: return (struct index_ring){slots + 2 * (size_t)l->slot_count, &g->deaths_tail, l->death_slot_shift};
    }
}

bool requeue_counts(const struct segment *s, unsigned group, enum delivery_ring which, uint64_t t, uint64_t slot, uint64_t *d) {
    uint32_t c = slot_cell(slot);
    if (!segment_has_cell(s, c))
        return false;
    *d = load_acquire(delivery_at(s, group, c), delivery);
    uint32_t hold = delivery_hold(*d);
    return delivery_ring_of(*d) == which && slot_tag(slot) == slot_tag_of(hold) &&
           load_acquire(&segment_delivery(s, group, c)->position, position) == entry_stamp(hold, t);
}

a64 *delivery_ring_head(const struct segment *s, unsigned group, enum delivery_ring which) {
    struct group *g = &s->groups[group];
    return which == RING_EARLY ? &g->early_head : which == RING_RETURNED ? &g->returned_head : &g->deaths_head;
}

struct live_context {
    const struct segment *segment;
    unsigned group;
    enum delivery_ring ring;
};

/* An entry that readers have passed does not count, even if an entry of a later life, which is in no ring yet, would have the same tags. */
static bool entry_is_live(const void *context, uint64_t old_position, uint64_t slot) {
    const struct live_context *x = context;
    uint64_t head = load_acquire(delivery_ring_head(x->segment, x->group, x->ring), hints), d;
    return (MUTANT(requeue_blocked_by_passed) || (int64_t)(old_position - head) >= 0) &&
           requeue_counts(x->segment, x->group, x->ring, old_position, slot, &d);
}

/*
 * Is the entry where its position says, and still ahead of the readers? Cells come and go many times between two entries in these rings, so a
 * position and an entry may be left from an earlier life that had the same tags. Readers have passed those, and never pass one that counts.
 */
static bool in_place(const struct segment *s, unsigned group, enum delivery_ring which, const struct index_ring *ring, uint64_t p,
                     uint32_t hold, uint32_t c) {
    uint64_t head = load_acquire(delivery_ring_head(s, group, which), hints);
    uint64_t t = stamp_position(p, head);
    return entry_stamp_is_of(p, hold) && (MUTANT(requeue_believes_old_entry) || (int64_t)(t - head) >= 0) &&
           ring_holds(ring, t, hold, c);
}

bool requeue_in_place(const struct segment *s, unsigned group, uint32_t c, uint64_t d) {
    enum delivery_ring which = delivery_ring_of(d);
    struct index_ring ring = delivery_ring(s, group, which);
    uint64_t p = load_acquire(&segment_delivery(s, group, c)->position, position);
    return in_place(s, group, which, &ring, p, delivery_hold(d), c);
}

enum requeue requeue(const struct segment *s, unsigned group, uint32_t c) {
    a64 *word = delivery_at(s, group, c), *position = &segment_delivery(s, group, c)->position;
    for (;;) {
        /* The position first, then the word: an inserter that slept would else move the entry to where readers have passed. */
        uint64_t p = load_acquire(position, position);
        uint64_t d = load_acquire(word, delivery);
        if (MUTANT(requeue_word_first))
            p = load_acquire(position, position);
        enum delivery_ring which = delivery_ring_of(d);
        if (which == RING_NONE)
            return REQUEUE_NOT_DUE;
        uint32_t hold = delivery_hold(d);
        struct index_ring ring = delivery_ring(s, group, which);
        if (in_place(s, group, which, &ring, p, hold, c))
            return REQUEUE_IN;
        uint64_t t = load_acquire(ring.tail, hints), slot;
        struct live_context context = {s, group, which};
        enum ring_find found = ring_find(&ring, &t, &slot, entry_is_live, &context);
        /* Again, now that the free slot is known: who put it into place meanwhile would else see it moved behind younger ones. */
        if (!MUTANT(requeue_place_first) && in_place(s, group, which, &ring, p, hold, c))
            return REQUEUE_IN;
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
    (void)requeue(s, group, c);
    group_wake(s, group, 1);
}
