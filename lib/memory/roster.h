/* SPDX-License-Identifier: MIT */
/*
 * The roster: who takes part. A seat's truth is its kernel lock (liveness.h); its word says whether what its last owner left has been cleared away:
 *
 *     CLEAN(g) --newcomer, under the exclusive lock--> ATTACHED(g+1) --owner, all given back--> CLEAN(g+1)
 *                                                        | owner dies: the lock goes
 *                                                        +-- recoverers, each under a shared lock, after a full scan: CAS --> CLEAN(g+1)
 *
 * A newcomer reads CLEAN again under its exclusive lock, which it cannot get while a recoverer is at work; so no recoverer ever
 * clears away what belongs to a new owner.
 */
#ifndef RP_MEMORY_ROSTER_H
#define RP_MEMORY_ROSTER_H

#include "liveness.h"
#include "segment.h"

static inline enum seat_state seat_state(uint64_t w) { return (enum seat_state)(w >> 56); }
static inline uint64_t seat_generation(uint64_t w) { return w & UINT32_MAX; }
static inline uint64_t seat_word(enum seat_state state, uint64_t generation) {
    return (uint64_t)state << 56 | (generation & UINT32_MAX);
}

/* Takes the first clean seat. 0, or RP_NO_SEAT: all are taken, or dead and not yet recovered. */
int roster_take(const struct segment *s, struct attach *a, uint32_t *seat);

/* Gives the own seat back: nothing in the segment may need its owner any more. The lock goes with the mapping. */
void roster_leave(const struct segment *s, uint32_t seat);

/* After a full recovery scan, under a shared lock: marks the seat clean. True for the one recoverer whose CAS it was. */
bool roster_bury(const struct segment *s, uint32_t seat, uint64_t word);

#endif
