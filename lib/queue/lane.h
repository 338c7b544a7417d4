/* SPDX-License-Identifier: MIT */
/*
 * Lanes: the rings in which messages wait for their first delivery. A plain queue has one; one with priorities has one for each level; a
 * keyed one has as many as it was made with, and messages of one key share a lane (keyed.h has its rules).
 *
 * A message is in a lane when a slot holds its entry and the cell's position names that very slot. While its word is PUBLISHED only the sender inserts it,
 * and that commits it. A COMMITTED one is a message already, and anybody inserts it who meets it elsewhere.
 */
#ifndef RP_QUEUE_LANE_H
#define RP_QUEUE_LANE_H

#include "keyed.h"
#include "requeue.h"

static inline bool lane_exists(const struct segment *s, uint32_t lane) { return lane < s->parameters.lane_count; }

static inline struct index_ring lane_ring(const struct segment *s, uint32_t lane) {
    return ring_make(s->lanes + (size_t)lane * s->layout.lane_slot_count, &s->lane_ends[lane].tail, s->layout.lane_slot_shift);
}

/* The lane that the cell's position names; it may be damaged. */
static inline uint32_t lane_of(const struct segment *s, uint32_t c) {
    return position_lane(load_acquire(&segment_cell(s, c)->position, position));
}

/* Is the published cell's entry in its lane? `w` was read before. */
bool lane_holds(const struct segment *s, uint32_t c, uint64_t w);

/*
 * Is the published cell's message committed, as far as its words tell if no group has taken it? `w` was read before. Until then its sender may take it back, and with it the
 * generation, so that another message comes under the very words that were read: what is read of a message before this is asked may be of one that was refused.
 */
static inline bool lane_committed(const struct segment *s, uint32_t c, uint64_t w) {
    return cell_state(w) == CELL_COMMITTED || lane_holds(s, c, w);
}

int lane_clear_entry(const struct segment *s, uint32_t lane, uint64_t t, uint64_t slot, uint64_t *head_seen);

/*
 * May position t be filled, in whose slot lies `slot`? Else what is in the way is moved to its groups' early rings, or (keyed) stays. `*head_seen`: positions below
 * are taken in every group, as far as the caller knows. 0; RP_FULL; RP_CORRUPT with the detail set.
 */
static inline int lane_clear(const struct segment *s, uint32_t lane, uint64_t t, uint64_t slot, uint64_t *head_seen) {
    bool passed = (int64_t)(t - s->layout.lane_slot_count - *head_seen) < 0;
    return slot_cell(slot) == NO_CELL || passed ? 0 : lane_clear_entry(s, lane, t, slot, head_seen);
}

/* A predicate for ring_find where lane_clear is asked afterwards. */
bool lane_never_live(const void *context, uint64_t old_position, uint64_t slot);

/*
 * Puts a COMMITTED cell into the lane that its position names, unless it is there, or all its groups have taken it. Anybody, any number at once. IN: it is there. NOT_DUE: the cell asks
 * for no place. FULL: not now; the sweep comes back. Lock-free.
 */
enum requeue lane_insert(const struct segment *s, uint32_t c);

/* A message has just come into the lane, by a sequentially consistent CAS: tells a receiver of each group of `pending`; without `wake` none that sleeps. */
static inline void lane_announce(const struct segment *s, uint32_t lane, uint32_t pending, bool wake) {
    for (; pending != 0 && (wake || s->parameters.keyed); pending &= pending - 1) {
        unsigned g = (unsigned)__builtin_ctz(pending);
        if (s->parameters.keyed)
            keyed_ready(s, g, lane);
        if (wake)
            group_wake(s, g, 1);
    }
}

#endif
