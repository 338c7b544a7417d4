/* SPDX-License-Identifier: MIT */
/*
 * Shards: a queue of several lanes, each with a range of the cells, that belong to NUMA nodes. A producer fills the lane of the node on which it was opened, with messages in cells
 * of that node as long as some are free. A consumer takes from its own node's lane, and when that is empty from the others, the nearest first.
 *
 * Who reads and writes which words? A queue with shards is made of the parts of one with priorities: a lane with its ends, and early and returned for each group and lane. Which lane a
 * message is in is said by its cell's position, as there; everything that moves messages (inserting, making way, recovery, sweeps, redriving, delayed sends, purging) goes by that, and does not know of shards. New is
 * only what is private:
 *
 *     p->home                a producer's lane: chosen when it opens, never changed
 *     c->shard_order         in which order a consumer asks the lanes: made when it opens
 *     c->lane_turn           counts its asks: every so often it begins with another lane than its own
 *     pool.ranges            in which order a producer asks the words of the free bitmap, which are hints
 *     parameters.shard_nodes in the header, which never changes; for those who choose, and for people
 *
 * So there is no new shared word, no new CAS, and no new step at which a crash could leave something: who dies anywhere leaves what he would have left in one lane. A shard has no owner. Whoever is
 * wrong about his home, or moved to another node, or chose by an order that nobody else has, is slower, and no more.
 *
 * EMPTY: the lanes are asked one after the other, as levels are. What lies in one from before the receive until after it is found. As with them there need not have been a moment at which all were empty;
 * a sender wakes receivers of the group, whatever their homes, so nobody sleeps over a message.
 */
#ifndef RP_QUEUE_SHARDS_H
#define RP_QUEUE_SHARDS_H

#include "handle.h"
#include "identity.h"

/* How many shards, and whose, these options ask for, into *p. 0; -EINVAL with the detail set: not together with other options. */
int shards_parameters(const struct rp_queue_options *o, struct parameters *p);

/* May a producer or consumer name this shard (1, ..., 1 also where there are none; 0: none)? 0 or -EINVAL with the detail set. */
int shards_check(const struct rp_queue *q, uint32_t shard);

/*
 * A producer or consumer was made, for a shard or (0) for where its thread runs. Nothing in a queue without shards. 0 or -ENOMEM with the detail set. A producer with a name (else NULL) has the same shard of its node's
 * in each of its lives, whatever its seat: what it sent before lies there.
 */
int shards_producer(struct rp_producer *p, uint32_t shard, const struct producer_name *name);
void shards_consumer(struct rp_consumer *c, const struct rp_queue *q, uint32_t shard);

#endif
