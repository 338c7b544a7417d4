/* SPDX-License-Identifier: MIT */
#include "keyed.h"
#include "durable.h"
#include "groups.h"
#include "lane.h"
#include <limits.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static a64 *ready_word(const struct segment *s, unsigned group, uint32_t lane) {
    return &s->ready_lanes[(size_t)group * s->layout.ready_words + lane / 64].bits;
}

enum keyed_entry keyed_judge(const struct segment *s, unsigned group, uint32_t lane, uint64_t h, uint64_t slot, uint64_t *d,
                             uint32_t *hold) {
    const struct cell *cell = segment_cell(s, slot_cell(slot));
    /* In this order: if a CAS of the delivery word succeeds, it did not move, so the cell's word could not move either. */
    *d = load_seq_cst(delivery_at(s, group, slot_cell(slot)), delivery);
    uint64_t w = load_acquire(&cell->word, cell_word);
    uint64_t generation = cell_generation(w);
    *hold = hold_make(generation, 0);
    if (!cell_pends(w, group) || slot_tag(slot) != slot_tag_of(generation) ||
        load_acquire(&cell->position, position) != position_word(generation, lane, h))
        return KEYED_PAST;
    if (!taken(*d, w))
        return KEYED_READY;
    *hold = delivery_hold(*d);
    switch (delivery_state(*d)) {
    case DELIVERY_LEASED: return MUTANT(keyed_passes_leased) ? KEYED_PAST : KEYED_HELD;
    case DELIVERY_DELAYED: return MUTANT(keyed_passes_delayed) ? KEYED_PAST : KEYED_HELD;
    case DELIVERY_RETURNED: return delivery_leaves(*d) && !MUTANT(keyed_takes_leaving) ? KEYED_PAST : KEYED_READY;
    default: return KEYED_PAST;
    }
}

bool keyed_holds(const struct segment *s, uint32_t lane, uint64_t h, uint64_t slot) {
    for (unsigned g = 0; g < s->parameters.max_groups; g++) {
        uint64_t d;
        uint32_t hold;
        enum keyed_entry entry = keyed_judge(s, g, lane, h, slot, &d, &hold);
        if (entry == KEYED_PAST)
            continue;
        if (groups_has(s, g))
            return true;
        /* A removed group's: marked as taken, so that whoever drops it needs no slot to know that it was committed. */
        uint64_t mark = delivery_of_hold(DELIVERY_RETURNED, NOBODY, NOBODY, NOBODY, hold);
        if (!MUTANT(keyed_no_mark) && entry == KEYED_READY && delivery_state(d) == DELIVERY_SETTLED &&
            !cas_seq_cst(delivery_at(s, g, slot_cell(slot)), &d, mark, delivery))
            return true; /* somebody is at it: look again later */
    }
    return false;
}

void keyed_ready(const struct segment *s, unsigned group, uint32_t lane) {
    a64 *word = ready_word(s, group, lane);
    uint64_t bit = UINT64_C(1) << (lane % 64);
    if (!(load_seq_cst(word, ready_lanes) & bit))
        (void)fetch_or_seq_cst(word, bit, ready_lanes);
}

void keyed_unready(const struct segment *s, unsigned group, uint32_t lane) {
    (void)fetch_and_seq_cst(ready_word(s, group, lane), ~(UINT64_C(1) << (lane % 64)), ready_lanes);
}

bool keyed_promising(const struct segment *s, unsigned group) {
    uint64_t any = 0;
    for (uint32_t i = 0; i < s->layout.ready_words; i++)
        any |= load_relaxed(ready_word(s, group, 64 * i), hint);
    return any != 0;
}

void keyed_mend(const struct segment *s) {
    for (uint32_t lane = 0; lane < s->parameters.lane_count; lane++) {
        struct index_ring ring = lane_ring(s, lane);
        for (unsigned g = 0; g < s->parameters.max_groups; g++)
            if (!ring_ends_at(&ring, load_acquire(&segment_lane_start(s, g, lane)->lane_head, hints)))
                keyed_ready(s, g, lane);
    }
}

void keyed_released(const struct segment *s, unsigned group, uint32_t c, uint64_t incarnation, uint64_t place) {
    uint32_t lane = position_lane(place);
    if (!lane_exists(s, lane))
        return;
    struct index_ring ring = lane_ring(s, lane);
    a64 *head = &segment_lane_start(s, group, lane)->lane_head;
    uint64_t at = load_acquire(head, hints), t = position_of(place, at);
    /*
     * Only from there: what is below the head is past, but what is between the head and us may not be. And only past our own entry: a committed message that
     * nobody has inserted yet names a position that may be another's by now.
     */
    if (at == t && (ring_holds(&ring, t, incarnation, c) || MUTANT(keyed_head_past_nothing)))
        (void)cas_acq_rel(head, &at, t + 1, hints);
    if (!ring_ends_at(&ring, t + 1)) {
        keyed_ready(s, group, lane);
        if (!MUTANT(keyed_wakes_no_receiver))
            group_wake(s, group, 1);
    }
    /* Only the oldest entry of a full lane keeps senders from it. */
    if (!ring_ends_at(&ring, t + ring_slots(&ring) - 1) && !MUTANT(keyed_wakes_no_sender)) {
        struct eventcount room = free_event(s);
        eventcount_wake(&room, INT_MAX);
    }
}

/* Does the group's word let the cell go: is it leaving, and does nobody look at the message? Of this life of the cell, such a word moves no more. */
static bool lets_go(const struct segment *s, unsigned group, uint32_t c, uint64_t w) {
    uint64_t d = load_acquire(delivery_at(s, group, c), delivery);
    bool unseen = (delivery_viewer1(d) == NOBODY && delivery_viewer2(d) == NOBODY) || MUTANT(leave_viewed);
    return taken(d, w) && (delivery_leaves(d) || MUTANT(leave_early)) && unseen;
}

void keyed_leave(const struct segment *s, unsigned group, uint32_t c) {
    a64 *word = &segment_cell(s, c)->word;
    uint64_t w = load_acquire(word, cell_word);
    if (!cell_pends(w, group))
        return;
    for (uint32_t pending = cell_pending(w); pending != 0; pending &= pending - 1) {
        unsigned g = (unsigned)__builtin_ctz(pending);
        if (g >= s->parameters.max_groups || !lets_go(s, g, c, w))
            return;
    }
    uint64_t anew = cell_word(CELL_COMMITTED, NOBODY, cell_pending(w), cell_generation(w) + 1);
    uint32_t lane = lane_of(s, c);
    if (!lane_exists(s, lane) || !cas_seq_cst(word, &w, anew, cell_word))
        return;
    durable_note(s, c);
    if (lane_insert(s, c) == REQUEUE_IN)
        lane_announce(s, lane, cell_pending(anew), true);
}

uint32_t keyed_lane(const struct segment *s, const void *key, size_t bytes) {
    return (uint32_t)(XXH3_64bits(key, bytes) % s->parameters.lane_count);
}
