/* SPDX-License-Identifier: MIT */
/*
 * Putting a segment's pages where they should be: decided by platform/placement.h, done when it is created, and once more when the first consumer of a queue opens that is to lie
 * near its consumers. Nothing here is needed for a queue to work, and a crash leaves pages in other places, no more. The simulator has none of it (tests/support/no_placing.c).
 */
#ifndef RP_QUEUE_PLACING_H
#define RP_QUEUE_PLACING_H

#include "handle.h"
#include "placement.h"
#include "shm.h"

/* As shm_create, of layout->bytes, with the pages as asked for. `where` is what was decided. */
int placing_create(const char *path, const struct rp_queue_options *o, const struct layout *l, struct shm_build *b,
                   struct placement *where);

/* The segment is initialised, and nobody sees it yet. Writes down what was decided. 0; -ENOTSUP: not all could be had, and it is to be strict. */
int placing_made(const struct shm_build *b, const struct rp_queue_options *o, const struct layout *l,
                 const struct placement *where);

/* This process has its seat. */
void placing_attached(struct rp_queue *q);

/* A consumer opens. */
void placing_consumer(struct rp_queue *q);

#endif
