/* SPDX-License-Identifier: MIT */
#include "publish.h"
#include "delivery.h"
#include "error.h"

enum { TAIL_HINT_EVERY = 8 };

/*
 * Lane positions below are taken in every group that has messages here. A head beyond the lane's end, which is at `tail`, is damaged and says nothing.
 */
static uint64_t lowest_head(const struct segment *s, uint64_t tail) {
    uint64_t active = load_relaxed(&s->control->active, init), lowest = tail;
    for (unsigned g = 0; g < s->parameters.max_groups; g++) {
        if (!(active >> g & 1))
            continue;
        uint64_t head = load_acquire(&s->groups[g].lane_head, hints);
        if ((int64_t)(head - tail) > 0)
            return 0;
        if ((int64_t)(head - lowest) < 0)
            lowest = head;
    }
    return lowest;
}

/*
 * The entry of the lap before may be one that some group has not taken: entries leave out of order. It is moved to that group's early ring, which is
 * served before the lane. An entry that another sender moved, but did not insert yet, is inserted before it is overwritten.
 * False: it cannot be moved now.
 */
static bool make_way(struct rp_producer *p, uint64_t old_position, uint64_t slot) {
    const struct segment *s = p->actor.segment;
    uint32_t c = slot_cell(slot);
    for (unsigned g = 0; g < s->parameters.max_groups; g++) {
        for (;;) {
            a64 *word = delivery_at(s, g, c);
            uint64_t d = load_acquire(word, delivery);
            uint64_t w = load_acquire(&segment_cell(s, c)->word, cell_word);
            uint64_t generation = cell_generation(w);
            if (!cell_pends(w, g) || slot_tag(slot) != slot_tag_of(generation) ||
                (!MUTANT(make_way_no_position) &&
                 load_acquire(&segment_cell(s, c)->position, position) != position_word(generation, old_position)))
                break;
            uint32_t hold = hold_make(generation, 0);
            if (taken(d, w)) {
                if (delivery_state(d) == DELIVERY_RETURNED && delivery_hold(d) == hold && !MUTANT(make_way_no_help) &&
                    requeue(s, g, c) == REQUEUE_FULL)
                    return false;
                break;
            }
            (void)cas_acq_rel(word, &d, delivery_of_hold(DELIVERY_RETURNED, NOBODY, NOBODY, NOBODY, hold), delivery);
        }
    }
    return true;
}

static bool never_live(const void *context, uint64_t old_position, uint64_t slot) {
    (void)context, (void)old_position, (void)slot;
    return false; /* make_way decides */
}

/*
 * The first unfilled position, in p->lane_tail, and what lies in its slot. Receivers that poll have taken the slot's line from us since our last send, so a load
 * and then the CAS would move it twice; the CAS alone finds out whether what lay there then still does.
 */
static bool find_end(struct rp_producer *p, uint64_t *slot) {
    bool seen = p->slot_seen_at == p->lane_tail && p->slot_seen != 0;
    *slot = p->slot_seen;
    p->slot_seen = 0;
    return seen || ring_find(&p->lane, &p->lane_tail, slot, never_live, NULL) == RING_FOUND;
}

static void filled(struct rp_producer *p, uint64_t t) {
    p->lane_tail = t + 1;
    uint64_t next = load_acquire(ring_slot(&p->lane, t + 1), slot); /* in the line that we have just written, mostly */
    if (lap_ahead(slot_lap(next), ring_lap(&p->lane, t + 1)) == -1) {
        p->slot_seen = next;
        p->slot_seen_at = t + 1;
    }
    if (p->lane_tail - p->lane_tail_told >= TAIL_HINT_EVERY) {
        hint_raise(p->lane.tail, p->lane_tail);
        p->lane_tail_told = p->lane_tail;
    }
}

/* Is position t's slot free to be filled, with `slot` in it? 0; RP_FULL; RP_CORRUPT. */
static int clear_way(struct rp_producer *p, uint64_t t, uint64_t slot) {
    const struct segment *s = p->actor.segment;
    uint64_t old_position = t - ring_slots(&p->lane);
    if (slot_cell(slot) == NO_CELL || (int64_t)(old_position - p->head_seen) < 0)
        return 0;
    p->head_seen = lowest_head(s, t);
    if ((int64_t)(old_position - p->head_seen) < 0 || MUTANT(lane_overwrite_live))
        return 0;
    if (!segment_has_cell(s, slot_cell(slot)))
        return fail(RP_CORRUPT, "queue '%s': lane position %llu names cell %u", p->actor.queue->name,
                    (unsigned long long)old_position, slot_cell(slot));
    return make_way(p, old_position, slot) ? 0 : RP_FULL;
}

/* Puts the published cell into the lane. This commits the message. 0, RP_FULL, RP_CORRUPT. */
static int enter_lane(struct rp_producer *p, uint32_t c, uint64_t generation) {
    a64 *position = &segment_cell(p->actor.segment, c)->position;
    for (;;) {
        uint64_t slot;
        if (!find_end(p, &slot))
            return fail(RP_CORRUPT, "queue '%s': the lane is damaged near position %llu", p->actor.queue->name,
                        (unsigned long long)p->lane_tail);
        uint64_t t = p->lane_tail;
        int result = clear_way(p, t, slot);
        if (result < 0)
            return result;
        /* Written ahead, so that survivors can ask "did it arrive?". Nobody else inserts a PUBLISHED cell, so a store will do. */
        if (!MUTANT(send_position_late))
            store_release(position, position_word(generation, t), position);
        if (ring_fill(&p->lane, t, slot, generation, c)) {
            if (MUTANT(send_position_late))
                store_release(position, position_word(generation, t), position);
            filled(p, t);
            return 0;
        }
    }
}

int publish(struct rp_producer *p, uint32_t c, bool wake) {
    const struct segment *s = p->actor.segment;
    a64 *word = &segment_cell(s, c)->word;
    uint64_t generation = cell_generation(load_relaxed(word, own)) + !MUTANT(publish_keeps_generation);
    uint32_t mask = (uint32_t)(load_relaxed(&s->control->active, init) & ((1u << s->parameters.max_groups) - 1));
    uint64_t published = cell_word(CELL_PUBLISHED, p->actor.seat, mask, generation);
    store_release(word, published, cell_word);
    if (MUTANT(wake_before_fill))
        group_wake(s, 0, 1);
    int result = enter_lane(p, c, cell_generation(published));
    if (result < 0) { /* nobody can have seen it: take it back, and the generation with it */
        (void)cas_acq_rel(word, &published, cell_word(CELL_OWNED, p->actor.seat, 0, generation - 1), cell_word);
        return result;
    }
    tally_add(&p->actor.tally, COUNT_SENT, 1);
    for (uint32_t pending = wake && !MUTANT(wake_before_fill) ? mask : 0; pending != 0; pending &= pending - 1) {
        group_wake(s, (unsigned)__builtin_ctz(pending), 1);
    }
    return 0;
}
