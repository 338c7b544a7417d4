/* SPDX-License-Identifier: MIT */
/* Taking one message for a group: from early, the lane or returned, by one CAS of its delivery word. */
#ifndef RP_QUEUE_CLAIM_H
#define RP_QUEUE_CLAIM_H

#include "view.h"
#include <errno.h>

/* Compares this consumer's heads with the shared ones: once a tick, and at the end. */
void claim_refresh(struct rp_consumer *c);

/* Is there an entry where the rings were last found to end? A hint; a few loads of lines that are here already. */
bool claim_promising(const struct rp_consumer *c);

/* Is the consumer's group still there? */
bool claim_in_group(struct rp_consumer *c);

/* ---- for claim.c and claim_keyed.c ---- */

enum attempt { CLAIM_DONE, CLAIM_MISSED, CLAIM_NO_ROOM, CLAIM_GONE };

/* What a receive makes of an attempt that is not tried again: 0, RP_EMPTY (go on), -ENOBUFS, RP_GONE. */
static inline int claim_outcome(enum attempt attempt) {
    return likely(attempt == CLAIM_DONE) ? 0 : attempt == CLAIM_NO_ROOM ? -ENOBUFS : attempt == CLAIM_GONE ? RP_GONE : RP_EMPTY;
}

/* The CAS that makes a message ours: the linearization point of its delivery. `d` is what the word must be, `claimed` what it becomes. */
enum attempt claim(struct rp_consumer *c, uint32_t cell, uint64_t d, uint64_t claimed, uint64_t now_ms, struct view **out);

/* claim_next of a keyed queue. */
int claim_keyed(struct rp_consumer *c, uint64_t now_ms, struct view **v);

/* claim_next of a queue with shards. */
int claim_shards(struct rp_consumer *c, uint64_t now_ms, struct view **v);

/* The next message of one lane and of its rings of redeliveries, as claim_next. */
int claim_in_lane(struct rp_consumer *c, struct receiver_lane *l, uint64_t now_ms, struct view **v);

/* RP_CORRUPT, with the detail set. */
int claim_broken(const struct rp_consumer *c, const char *ring, uint32_t lane, uint64_t position);

#endif
