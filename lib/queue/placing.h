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
int placing_create(const char *path, const struct rp_queue_options *o, const struct parameters *p, const struct layout *l,
                   struct shm_build *b, struct placement *where);

/* The segment is initialised, and nobody sees it yet. Writes down what was decided. 0; -ENOTSUP: not all could be had, and it is to be strict. */
int placing_made(const struct shm_build *b, const struct rp_queue_options *o, const struct layout *l,
                 const struct placement *where);

/* This process has its seat. */
void placing_attached(struct rp_queue *q);

/* A consumer opens. */
void placing_consumer(struct rp_queue *q);

/* ---- shards: placing_shards.c ---- */

/* How many a queue is to have of which so many are asked for; *nodes: whose they are. */
uint32_t placing_shards(uint32_t wanted, uint64_t *nodes);

/* The node on which the calling thread runs, and the machine. NODES_MOST: it does not matter, or nobody says; *t is of no nodes then. */
unsigned placing_here(struct topology *t);

/* Pages come from their shard's node: lanes, cells and what belongs to those, as far as they are whole pages of `page` bytes. */
void placing_bind_shards(unsigned char *memory, size_t bytes, size_t page, const struct parameters *p, const struct layout *l);

/* Counts those pages, and those that are where they should be. False: the kernel does not say. */
bool placing_look_shards(unsigned char *memory, size_t bytes, size_t page, const struct parameters *p, const struct layout *l,
                         struct rp_placement *out);

#endif
