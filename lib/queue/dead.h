/* SPDX-License-Identifier: MIT */
/*
 * The dead ring of a group is the set of cells whose delivery word is DEAD; the count and the ring of deaths are hints that keep it within
 * dead_capacity. When it is full the oldest goes, or (policy refuse) nobody comes in.
 */
#ifndef RP_QUEUE_DEAD_H
#define RP_QUEUE_DEAD_H

#include "handle.h"

/* Does the policy refuse another death now? */
static inline bool dead_refuses(const struct segment *s, unsigned group) {
    return s->parameters.dead_overflow == RP_DEAD_REFUSE &&
           load_relaxed(&s->groups[group].dead_count, hint) >= s->parameters.dead_capacity;
}

/* The cell's word has just become DEAD: enters it in the ring of deaths, and drops the oldest when there are too many. */
void dead_added(struct actor *a, unsigned group, uint32_t c);

/* A word has just stopped being DEAD. */
void dead_removed(const struct segment *s, unsigned group);

/* Drops oldest deaths until the count is within capacity again, or none is found. -> how many. */
int dead_evict(struct actor *a, unsigned group);

#endif
