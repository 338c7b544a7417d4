/* SPDX-License-Identifier: MIT */
/*
 * The rings of a group beside the lanes: deaths, and for each lane early and returned. All hold hints to delivery words: which ring an entry belongs to follows
 * from the word, and the lane from the cell's position. Keyed lanes have neither early nor returned: there a message keeps its place.
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

static inline enum delivery_ring delivery_ring_of(const struct segment *s, uint64_t d) {
    switch (delivery_state(d)) {
    case DELIVERY_RETURNED: return s->parameters.keyed ? RING_NONE : delivery_seq(d) == 0 ? RING_EARLY : RING_RETURNED;
    case DELIVERY_DEAD: return RING_DEATHS;
    default: return RING_NONE;
    }
}

/* One of a group's rings. */
struct ring_name {
    unsigned group;
    uint32_t lane; /* of deaths: 0 */
    enum delivery_ring which;
};

enum { RINGS_MAX = 2 * MAX_PRIORITIES + 1 };
/* All rings of a group. -> how many. */
unsigned delivery_rings(const struct segment *s, unsigned group, struct ring_name names[RINGS_MAX]);

struct index_ring delivery_ring(const struct segment *s, struct ring_name n);

/* The readers' shared head of that ring. */
a64 *delivery_ring_head(const struct segment *s, struct ring_name n);

/* Does this entry of a delivery ring at position t count? `d` receives the word. */
bool requeue_counts(const struct segment *s, struct ring_name n, uint64_t t, uint64_t slot, uint64_t *d);

/* What inserting an entry came to. */
enum requeue { REQUEUE_IN, REQUEUE_FULL, REQUEUE_NOT_DUE, REQUEUE_DAMAGED };

/* Is the entry that the word `d` asks for in its ring? True also of a word that asks for none. */
bool requeue_in_place(const struct segment *s, unsigned group, uint32_t c, uint64_t d);

/*
 * Puts the cell's entry into the ring its delivery word asks for, unless it is there. Anybody, any number at once. IN: the entry is in
 * place. FULL: not now; of returned, the next who finds it empty comes back, else the sweep. NOT_DUE: the word asks for no ring. Lock-free.
 */
enum requeue requeue(const struct segment *s, unsigned group, uint32_t c);

/*
 * Returned has room for the queue's capacity. A queue may hold a few more, and what left the ring out of order keeps its place in it until the readers come by; so it
 * can be full. Then whoever had an entry to insert says so, beside the ring's tail, before he wakes anybody; and who finds the ring empty walks the
 * cells and inserts what is missing. The note is taken back after the walk, and only if nobody was turned away since it was read: so who dies or stops in a walk
 * leaves it for the next, and while it stands nobody says EMPTY.
 * -> False: no note. True: there was one, look again.
 */
bool requeue_missed(const struct segment *s, unsigned group, uint32_t lane);

/*
 * The word has just become RETURNED, by a sequentially consistent CAS: puts its entry into its ring (or says that it is missing there) and wakes
 * a receiver.
 */
void ready_again(const struct segment *s, unsigned group, uint32_t c);

#endif
