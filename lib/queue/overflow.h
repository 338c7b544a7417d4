/* SPDX-License-Identifier: MIT */
/*
 * Dropping the oldest: what a sender does when there is no memory, for groups that would rather lose messages than hold others up.
 *
 * A group loses messages when its own policy says so (drop-oldest, or dead: they go to its dead ring), or when it follows the queue's and that is drop-oldest. A message is
 * dropped only if that frees its memory: when every group that still needs it is such a group, and nobody holds it or looks at it. What others need, what is leased, dead or
 * viewed stays. First go those that were never received, oldest first; then redeliveries that wait, oldest first; then whatever else nobody holds (backoffs).
 *
 * Each message goes group by group, by one CAS of the group's delivery word (to SETTLED, or DEAD) and one of the cell's word, which makes the cell the dropper's own as it clears the last
 * bit: PUBLISHED -> OWNED. Anybody may drop, claim or settle the same words at the same time; one CAS wins. Who loses it, when another group's word was settled already, has
 * dropped a message of that group for nothing, and counted it. A dropper that dies or stops leaves a SETTLED word whose bit is set, which any sweep clears, or a cell that
 * he owns, which recovery frees. At most one message per death is dropped and not counted.
 *
 * So that dropping costs the same however large the queue is, each sender remembers where it dropped last (drop_at). It goes back to the oldest when it finds nothing
 * more, and once per tick: messages that could not be dropped when it came by may be idle now.
 */
#ifndef RP_QUEUE_OVERFLOW_H
#define RP_QUEUE_OVERFLOW_H

#include "handle.h"

/* The groups that lose messages when memory is short, as bits. What is done with them is void as soon as groups come or go. */
uint32_t overflow_groups(struct rp_producer *p);

/*
 * Drops for `lossy` groups until a cell is free: *cell is OWNED by us. RP_FULL: nothing can be dropped now. RP_CORRUPT with the detail set.
 * Lock-free; a few steps in a queue that stays full, at most a walk of all cells once per millisecond.
 */
int overflow_make_room(struct rp_producer *p, uint32_t lossy, uint32_t *cell);

/*
 * Would dropping free so many bytes? What was found last holds for the millisecond, so that asking again and again costs little. What goes to a dead ring
 * counts as freed, though only an older letter may make way for it.
 */
bool overflow_could_free(struct rp_producer *p, uint32_t lossy, uint64_t bytes);

/*
 * A lane has no place for another message, because a lossy group's early ring is full, or (keyed) because the oldest of the lane still has its slot: drops what is in the way.
 * True: it went.
 */
bool overflow_make_way(struct rp_producer *p, uint32_t lossy, uint32_t lane);

#endif
