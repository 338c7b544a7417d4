/* SPDX-License-Identifier: MIT */
/*
 * Ids of work, the consumer's side of the table of ids: an entry that a consumer took has no message, and belongs to one of its views.
 *
 *     TAKEN --rp_seen--> PENDING, linked; then the lease is looked at: lost, ABORTED
 *     PENDING --ack, before the CAS that settles the message--> COMMITTED, kept for a window from now
 *     PENDING --nack, reject, close, after theirs--> ABORTED         dies: recovery makes it ABORTED, before it gives the message back
 *
 * Whoever finds the lease still his after his id is linked has the work to himself: a later receiver of the message meets the id, PENDING or COMMITTED. An owner
 * who lost his lease and lives keeps the id until he settles: that nobody else does the same work meanwhile is what it is for. Killed between COMMITTED and the ack, he
 * leaves a message whose next receiver is told that it was done.
 */
#ifndef RP_QUEUE_SEEN_H
#define RP_QUEUE_SEEN_H

#include "handle.h"

/* The view of a message with an id ends: what it was to do was done, or not. */
void seen_end(struct rp_consumer *c, struct view *v, bool done);

#endif
