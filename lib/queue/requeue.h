/* SPDX-License-Identifier: MIT */
/*
 * The three rings of a group beside the lane. All hold hints to delivery words: which ring an entry belongs to follows from the word.
 *
 *     early      RETURNED, seq 0: an untaken message that a sender moved out of its way; served before the lane, so order holds
 *     returned   RETURNED, later seqs: redeliveries
 *     deaths     DEAD, in order of death: so that the oldest can be found; lossy
 *
 * Whoever meets a word that is not where its position says may insert it, whomever it names (requeue).
 */
#ifndef RP_QUEUE_REQUEUE_H
#define RP_QUEUE_REQUEUE_H

#include "handle.h"

enum delivery_ring { RING_EARLY, RING_RETURNED, RING_DEATHS, RING_NONE };

static inline enum delivery_ring delivery_ring_of(uint64_t d) {
    switch (delivery_state(d)) {
    case DELIVERY_RETURNED: return delivery_seq(d) == 0 ? RING_EARLY : RING_RETURNED;
    case DELIVERY_DEAD: return RING_DEATHS;
    default: return RING_NONE;
    }
}

struct index_ring delivery_ring(const struct segment *s, unsigned group, enum delivery_ring which);

/* The readers' shared head of that ring. */
a64 *delivery_ring_head(const struct segment *s, unsigned group, enum delivery_ring which);

/* Does this entry of a delivery ring at position t count? `d` receives the word. */
bool requeue_counts(const struct segment *s, unsigned group, enum delivery_ring which, uint64_t t, uint64_t slot, uint64_t *d);

enum requeue { REQUEUE_IN, REQUEUE_FULL, REQUEUE_NOT_DUE, REQUEUE_DAMAGED };

/* Is the entry that the word `d` (RETURNED or DEAD) asks for in its ring? */
bool requeue_in_place(const struct segment *s, unsigned group, uint32_t c, uint64_t d);

/*
 * Puts the cell's entry into the ring its delivery word asks for, unless it is there. Anybody, any number at once. IN: the entry is in
 * place. FULL: not now; the sweep comes back. NOT_DUE: the word asks for no ring. Lock-free.
 */
enum requeue requeue(const struct segment *s, unsigned group, uint32_t c);

/* The word has just become RETURNED: puts its entry into its ring (when that is full, the sweep comes back) and wakes a receiver. */
void ready_again(const struct segment *s, unsigned group, uint32_t c);

#endif
