/* SPDX-License-Identifier: MIT */
/* Dropping one message to make room: what a dropper sees of it, whether it may go, and the steps that take it out (overflow.h says who may do them, and what a crash leaves). */
#ifndef RP_QUEUE_DROP_H
#define RP_QUEUE_DROP_H

#include "handle.h"

/*
 * A message as a dropper sees it: the delivery words first, then the cell's word. If the CAS of a delivery word succeeds, that one did not move, so the cell's
 * word was of the same message.
 */
struct sight {
    uint32_t cell;
    uint32_t lossy;
    uint32_t pending; /* groups that need it; 0: none, or the cell is not published */
    uint64_t word;
    uint64_t delivery[MAX_GROUPS]; /* of the lossy groups */
};

void drop_see(const struct segment *s, uint32_t lossy, uint32_t c, struct sight *x);

/* Would its memory come free? What nobody has taken must be committed. One that was received before counts only if `again`. */
bool drop_possible(const struct segment *s, const struct sight *x, bool again);

enum drop {
    DROP_NOT,  /* somebody else was at it */
    DROP_GONE, /* it left the queue, but its memory is not ours */
    DROP_ROOM  /* it left, and a cell is ours */
};

/* Ends the message for its lossy groups. ROOM: *cell is OWNED by us. */
enum drop drop(struct rp_producer *p, const struct sight *x, uint32_t *cell);

#endif
