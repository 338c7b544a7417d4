/* SPDX-License-Identifier: MIT */
/* Receiving, as the calls that do it share it. */
#ifndef RP_QUEUE_RECEIVE_H
#define RP_QUEUE_RECEIVE_H

#include "handle.h"

/* The next message: from those claimed ahead, or claimed now. RP_EMPTY, RP_PAUSED, RP_GONE, RP_CORRUPT, -ENOBUFS. */
int receive_next(struct rp_consumer *c, struct rp_message *m);

/* The same, waiting for it. RP_PAUSED: it was so when the timeout was over. -EINTR besides. */
int receive_wait(struct rp_consumer *c, struct rp_message *m, int64_t timeout_ns);

#endif
