/* SPDX-License-Identifier: MIT */
/*
 * The dead ring of a group is the set of cells whose delivery word is DEAD. The count (dead_count.h) keeps it within dead_capacity; the ring of deaths says which is the oldest. When
 * it is full the oldest goes, or (policy refuse) nobody comes in.
 */
#ifndef RP_QUEUE_DEAD_H
#define RP_QUEUE_DEAD_H

#include "dead_count.h"
#include "delivery.h"

/* Does the policy refuse another death now? */
static inline bool dead_refuses(const struct segment *s, unsigned group) {
    return s->parameters.dead_overflow == RP_DEAD_REFUSE && dead_count(s, group) >= s->parameters.dead_capacity;
}

/* The cell's word has just become DEAD: enters it in the ring of deaths, ends the change, and drops the oldest when there are too many. */
void dead_added(struct actor *a, unsigned group, uint32_t c, const struct dead_change *change);

/* Drops the letter `d`. False: the word is not `d` any more. */
bool dead_drop(struct actor *a, unsigned group, uint32_t c, uint64_t d);

/* The same of any word of a message that was taken, a letter's or another. */
static inline bool taken_drop(struct actor *a, unsigned group, uint32_t c, uint64_t d) {
    return delivery_state(d) == DELIVERY_DEAD ? dead_drop(a, group, c, d) : delivery_drop(a, group, c, d);
}

/* Drops oldest deaths until the count is within capacity again, or none is found. -> how many. */
int dead_evict(struct actor *a, unsigned group);

#endif
