/* SPDX-License-Identifier: MIT */
#include "lane.h"
#include "error.h"
#include "groups.h"
#include "keyed.h"

/* The end of the lane as its hint has it: what positions in words are near to. */
static uint64_t lane_near(const struct index_ring *lane) { return load_acquire(lane->tail, hints); }

static bool holds(const struct segment *s, uint32_t c, uint64_t p, uint64_t generation) {
    if (!position_is_of(p, generation) || !lane_exists(s, position_lane(p)))
        return false;
    struct index_ring lane = lane_ring(s, position_lane(p));
    return ring_holds(&lane, position_of(p, lane_near(&lane)), generation, c);
}

bool lane_holds(const struct segment *s, uint32_t c, uint64_t w) {
    return holds(s, c, load_acquire(&segment_cell(s, c)->position, position), cell_generation(w));
}

/*
 * Lane positions below are past for every group: taken, or never meant for it. A head beyond the lane's end, which is at `tail`, is damaged and says nothing.
 *
 * Which groups to ask? All positions below `tail` were filled before we got here, so their senders looked at the groups before we do now: what they
 * published for is active, or was removed. A removed group is draining, and asked, until all that was committed for it is dropped; but for
 * what a sender that is not back yet from its commit, or its recovery, will drop (fanout.h), whatever became of the slot. A group that is made after our
 * look gets nothing from below `tail`. So the answer stays true for ever (head_seen).
 */
static uint64_t lowest_head(const struct segment *s, uint32_t lane, uint64_t tail) {
    uint64_t groups = groups_load(s), lowest = tail;
    uint32_t asked = groups_active(s, groups) | (MUTANT(head_forgets_draining) ? 0 : groups_draining(s, groups));
    for (; asked != 0; asked &= asked - 1) {
        uint64_t head = load_acquire(&segment_lane_start(s, (unsigned)__builtin_ctz(asked), lane)->lane_head, hints);
        if ((int64_t)(head - tail) > 0)
            return 0;
        if ((int64_t)(head - lowest) < 0)
            lowest = head;
    }
    return lowest;
}

/*
 * The entry of the lap before may be one that some group has not taken: entries leave out of order. It is moved to that group's early ring, which is
 * served before the lane. An entry that another sender moved, but did not insert yet, is inserted before it is overwritten. For a group that was removed it
 * is only marked as taken, so that whoever drops it needs no slot to know that it was committed.
 * False: it cannot be moved now.
 */
static bool make_way(const struct segment *s, uint32_t lane, uint64_t old_position, uint64_t slot) {
    uint32_t c = slot_cell(slot);
    for (unsigned g = 0; g < s->parameters.max_groups; g++) {
        for (;;) {
            a64 *word = delivery_at(s, g, c);
            uint64_t d = load_acquire(word, delivery);
            uint64_t w = load_acquire(&segment_cell(s, c)->word, cell_word);
            uint64_t generation = cell_generation(w);
            if (!cell_pends(w, g) || slot_tag(slot) != slot_tag_of(generation) ||
                (!MUTANT(make_way_no_position) &&
                 load_acquire(&segment_cell(s, c)->position, position) != position_word(generation, lane, old_position)))
                break;
            uint32_t hold = hold_make(generation, 0);
            if (taken(d, w)) {
                if (groups_has(s, g) && delivery_state(d) == DELIVERY_RETURNED && delivery_hold(d) == hold &&
                    !MUTANT(make_way_no_help) && requeue(s, g, c) == REQUEUE_FULL)
                    return false;
                break;
            }
            (void)cas_acq_rel(word, &d, delivery_of_hold(DELIVERY_RETURNED, NOBODY, NOBODY, NOBODY, hold), delivery);
        }
    }
    return true;
}

bool lane_never_live(const void *context, uint64_t old_position, uint64_t slot) {
    (void)context, (void)old_position, (void)slot;
    return false;
}

int lane_clear_entry(const struct segment *s, uint32_t lane, uint64_t t, uint64_t slot, uint64_t *head_seen) {
    uint64_t old_position = t - s->layout.lane_slot_count;
    *head_seen = lowest_head(s, lane, t);
    if ((int64_t)(old_position - *head_seen) < 0 || MUTANT(lane_overwrite_live))
        return 0;
    if (!segment_has_cell(s, slot_cell(slot)))
        return fail(RP_CORRUPT, "lane %u position %llu names cell %u of %u", lane, (unsigned long long)old_position,
                    slot_cell(slot), s->layout.cell_count);
    bool clear = s->parameters.keyed ? !keyed_holds(s, lane, old_position, slot) : make_way(s, lane, old_position, slot);
    return clear ? 0 : RP_FULL;
}

/*
 * Is the cell COMMITTED, and one of its groups has not taken it? *w: its word. While the message is in no lane yet, another group may have it DEAD already (overflow.h). Once it
 * was in its lane, nobody overwrites its slot before all groups have taken it.
 */
static bool owes_place(const struct segment *s, uint32_t c, uint64_t *w) {
    a64 *word = &segment_cell(s, c)->word;
    for (;;) {
        /* Delivery words before the cell's, which must be the one whose groups they are. */
        uint64_t before = load_acquire(word, cell_word);
        bool untaken = false;
        for (uint32_t pending = cell_pending(before); pending != 0; pending &= pending - 1) {
            unsigned g = (unsigned)__builtin_ctz(pending);
            if (g < s->parameters.max_groups && !taken(load_acquire(delivery_at(s, g, c), delivery), before))
                untaken = true;
        }
        *w = load_acquire(word, cell_word);
        if (*w == before)
            return cell_state(*w) == CELL_COMMITTED && untaken;
    }
}

enum requeue lane_insert(const struct segment *s, uint32_t c) {
    a64 *position = &segment_cell(s, c)->position;
    uint32_t early = MUTANT(insert_lane_early) ? lane_of(s, c) : 0;
    for (;;) {
        /* The position first, then the words: an inserter that slept would else move the entry to where readers have passed. */
        uint64_t p = load_acquire(position, position), w;
        if (!owes_place(s, c, &w))
            return REQUEUE_NOT_DUE;
        if (MUTANT(insert_position_late))
            p = load_acquire(position, position);
        uint64_t generation = cell_generation(w);
        if (holds(s, c, p, generation))
            return REQUEUE_IN;
        /* The lane that this very position names, which the CAS below compares: the cell may carry another key's message by then. */
        uint32_t lane = MUTANT(insert_lane_early) ? early : position_lane(p);
        if (!lane_exists(s, lane))
            return REQUEUE_DAMAGED;
        struct index_ring ring = lane_ring(s, lane);
        uint64_t t = load_acquire(ring.tail, hints), slot, head_seen = 0;
        if (ring_find(&ring, &t, &slot, lane_never_live, NULL) != RING_FOUND)
            return REQUEUE_DAMAGED;
        /* Again, now that the free slot is known: who put it into place meanwhile would else see it moved behind younger ones. */
        if (!MUTANT(insert_place_first) && holds(s, c, p, generation))
            return REQUEUE_IN;
        int clear = lane_clear(s, lane, t, slot, &head_seen);
        if (clear < 0)
            return clear == RP_FULL ? REQUEUE_FULL : REQUEUE_DAMAGED;
        if (!cas_acq_rel(position, &p, position_word(generation, lane, t), position))
            continue;
        if (ring_fill(&ring, t, slot, generation, c)) {
            hint_raise(ring.tail, t + 1);
            return REQUEUE_IN;
        }
    }
}
