/* SPDX-License-Identifier: MIT */
/* Receiving, as the calls that do it share it. */
#ifndef RP_QUEUE_RECEIVE_H
#define RP_QUEUE_RECEIVE_H

#include "handle.h"

/* May a call use it? If not, receive_check says why. */
static ALWAYS_INLINE bool receive_usable(const struct rp_consumer *c) { return c != NULL && *c->actor.queue->canary != 0; }

/* 0; -EINVAL, RP_FORKED with the detail set. */
int receive_check(const struct rp_consumer *c);

/* The next message: from those claimed ahead, or claimed now. RP_EMPTY, RP_PAUSED, RP_GONE, RP_CORRUPT, -ENOBUFS. */
int receive_next(struct rp_consumer *c, struct rp_message *m);

/* Up to `max` of those that are there now. -> how many. *result: why not more, as receive_next. */
size_t receive_more(struct rp_consumer *c, struct rp_message *m, size_t max, int *result);

/* The next message, waiting for it. RP_PAUSED: it was so when the timeout was over. -EINTR besides. */
int receive_wait(struct rp_consumer *c, struct rp_message *m, int64_t timeout_ns);

/* Is there nothing to receive now, which may change? */
static inline bool receive_nothing(int result) { return result == RP_EMPTY || result == RP_PAUSED; }

/* Sees to it that a message is claimed ahead, which the next receive returns. Results as receive_next. */
int receive_ahead(struct rp_consumer *c);

/* ---- consumers with a descriptor (event.c) ---- */

/*
 * Nothing was found. Arms the descriptor: drains it, sets the bell's flag, draws a ticket, looks again (for `m`; NULL: for a message ahead), sets the timer for the next thing that is due, at most a
 * tick. RP_EMPTY: it is not readable until there is a reason to look. Anything else: what looking found, or -EINTR, RP_GONE; it stays readable, as it is at all times but after RP_EMPTY.
 */
int doorbell_arm(struct rp_consumer *c, struct rp_message *m);

/* The end of a receive of a consumer that has one: -> its result. */
int doorbell_receive(struct rp_consumer *c, struct rp_message *m, int result);

/* Gives the bell back to the queue; and frees what is this process's own. */
void doorbell_leave(struct rp_consumer *c);
void doorbell_free(struct rp_consumer *c);

#endif
