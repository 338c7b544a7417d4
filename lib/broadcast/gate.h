/* SPDX-License-Identifier: MIT */
/*
 * The gate: writers do not overwrite what a reader with a seat has not read.
 *
 *     seat     state:8 | generation:56         FREE 0, ACTIVE 1, EVICTED 2
 *     position of each lane                    the next that this reader will read; only who has the seat's lock stores there
 *
 *     FREE(g), EVICTED(g) --its owner, under the lock--> ACTIVE(g + 1)          joins; an evicted one with its next read
 *     ACTIVE(g) --its owner: closes; a newcomer under the lock; a writer that found the lock free--> FREE(g)
 *     ACTIVE(g) --a writer that waited for it for gate_timeout_ns--> EVICTED(g)
 *
 * Where others might do the same each of these is a CAS; only the owner leaves FREE and EVICTED. A writer keeps a `limit`, and looks at no seat until it would write beyond: then the limit becomes the least position of the active ones, or of its own if there are none, and
 * the number of slots. So it looks once in a lap at least.
 *
 *     joiner: positions; ACTIVE; fence; looks where the lane ends; starts there        writer: publishes up to its position; fence; looks at the seats
 *
 * Either the writer sees the seat, or the joiner sees where the writer was; in both cases the limit is at most a lap beyond the joiner's start, and it is not overtaken from there on. (A joiner that starts
 * at an older message may be: until it has passed what was there when it joined.)
 *
 * Whoever dies with a seat leaves ACTIVE: the first writer that is held back by it finds its lock free, and frees it. Should a newcomer have taken lock and seat in between, the generation is another. A
 * writer that dies in the middle of this leaves one CAS that was made, or not. Eviction takes nothing from a reader that copies: what it copied is checked, as it always is.
 */
#ifndef RP_BROADCAST_GATE_H
#define RP_BROADCAST_GATE_H

#include "broadcast.h"

enum seat_state { SEAT_FREE, SEAT_ACTIVE, SEAT_EVICTED };
static inline uint64_t seat_make(enum seat_state state, uint64_t generation) {
    return (uint64_t)state << 56 | (generation & (UINT64_MAX >> 8));
}
static inline unsigned seat_state(uint64_t word) { return (unsigned)(word >> 56); }
static inline uint64_t seat_generation(uint64_t word) { return word & (UINT64_MAX >> 8); }

/* Waits until `count` slots from the writer's position on may be overwritten. 0, -EINTR or RP_GONE. */
int gate_wait(struct rp_writer *w, uint64_t count);

/* The reader's seat becomes ACTIVE with the positions of its cursors. Then, and not before, it may look where the lanes end. */
void gate_join(struct rp_reader *r);
/* Its cursor of this lane was set after that. */
void gate_move(struct rp_reader *r, uint32_t lane);
void gate_leave(struct rp_reader *r);

/* The reader went on in this lane: tells writers, and wakes those that wait where it is worth while. */
static ALWAYS_INLINE void gate_passed(struct rp_reader *r, uint32_t lane, uint64_t before);
void gate_wake(struct rp_reader *r, uint64_t tickets);

static ALWAYS_INLINE void gate_passed(struct rp_reader *r, uint32_t lane, uint64_t before) {
    uint64_t now = r->cursors[lane].position;
    store_release(&r->seat->position[lane], now, gate_position);
    if (((before ^ now) & ~(r->view.mask / 4)) == 0) /* still in the same quarter of the lane */
        return;
    fence_compiler();
    uint64_t tickets = load_relaxed(&r->view.control->room_tickets, hint);
    if (eventcount_waited_for(tickets))
        gate_wake(r, tickets);
}

#endif
