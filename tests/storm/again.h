/* SPDX-License-Identifier: MIT */
/*
 * Senders that want each letter to be there once, whoever is killed: each has an id, or a sequence of a producer that outlives its process. What a sender is sending just now is noted in the
 * books; who comes in its place sends that again.
 */
#ifndef STORM_AGAIN_H
#define STORM_AGAIN_H

#include "storm.h"

/* Ids that the queue keeps; so many numbers may be drawn while somebody's letter is under way, killed or not. */
enum { KEPT_IDS = 1 << 13, AHEAD_MAX = KEPT_IDS / 2 };

static inline bool sends_again(const struct variant *v) { return v->ids || v->numbered; }

/* The letter's id or sequence; *number is pointed to. */
void again_mark(const struct variant *v, const uint64_t *number, struct rp_send_options *o);

/* Opened under this worker's own name, if producers have one. As rp_producer_open. */
int again_open(struct worker *w, rp_queue *q, rp_producer **out);

/* Waits while a letter that somebody has under way might be forgotten before it is sent again. */
void again_hold_back(struct worker *w, uint64_t number);

/* The i-th letter of a call is about to be sent. */
void again_note(struct worker *w, unsigned i, const struct letter *l);
/* What became of it is in the books. */
void again_forget(struct worker *w, unsigned i);

/* It was sent a moment ago: so now it must be a duplicate. */
void again_at_once(struct worker *w, rp_producer *p, const struct letter *l);

/* Was it, or a predecessor, sending something that it did not live to enter in the books? */
bool again_is_due(const struct worker *w);
/* Sends all that this worker's predecessor was sending. False: the storm ended before. */
bool again_all(struct worker *w, rp_producer *p);

#endif
