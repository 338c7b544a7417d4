/* SPDX-License-Identifier: MIT */
#include "shards.h"
#include "error.h"
#include "placing.h"
#include "pool_ranges.h"
#include <errno.h>
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

int shards_parameters(const struct rp_queue_options *o, struct parameters *p) {
    if (o->numa_shards <= 1) /* one lane is a queue like any other */
        return 0;
    if (o->lanes > 0 || o->priorities > 1)
        return fail(-EINVAL, "a queue has numa_shards or %s, not both", o->lanes > 0 ? "keyed lanes" : "priorities");
    if (o->numa == RP_NUMA_CONSUMER || o->numa == RP_NUMA_NODE)
        return fail(-EINVAL, "numa_shards spreads lanes and cells over nodes: not together with a node for all");
    if (o->numa_shards > SHARDS_MOST && o->numa_shards != RP_NUMA_SHARDS_AUTO)
        return fail(-EINVAL, "numa_shards is %u, allowed are 0 to %d, or one for each node", o->numa_shards, SHARDS_MOST);
    uint32_t count = placing_shards(o->numa_shards, &p->shard_nodes);
    if (count > 1)
        p->numa_shards = p->lane_count = count;
    else
        p->shard_nodes = 0;
    return 0;
}

int shards_check(const struct rp_queue *q, uint32_t shard) {
    const uint32_t count = q->segment.parameters.numa_shards;
    if (shard > (count > 0 ? count : 1)) /* a queue that has none, as on one node, is one shard */
        return fail(-EINVAL, "shard %u, queue '%s' has %u", shard, q->name, count);
    return 0;
}

/* -> home, and the order in which it goes through all. */
static uint32_t choose(const struct rp_queue *q, uint32_t shard, uint32_t spread, uint8_t order[SHARDS_MOST]) {
    const struct parameters *p = &q->segment.parameters;
    struct topology t;
    unsigned here = placing_here(&t);
    uint32_t home = shard > 0 ? shard - 1 : shard_home(&t, p->shard_nodes, p->numa_shards, here, spread);
    shard_order(&t, p->shard_nodes, p->numa_shards, shard > 0 ? NODES_MOST : here, home, order);
    return home;
}

int shards_producer(struct rp_producer *p, uint32_t shard, const struct producer_name *name) {
    uint8_t order[SHARDS_MOST];
    if (p->actor.segment->parameters.numa_shards == 0)
        return 0;
    const uint32_t spread = name != NULL ? (uint32_t)XXH3_64bits(name->words, sizeof name->words) : p->actor.queue->seat;
    p->home = choose(p->actor.queue, shard, spread, order);
    p->straight = p->plain && p->home == 0 && !MUTANT(shards_lane_moves);
    p->ranges = calloc(1, sizeof *p->ranges);
    if (p->ranges == NULL)
        return fail(-ENOMEM, "no memory for a producer of queue '%s'", p->actor.queue->name);
    pool_ranges_open(p->ranges, &p->actor.pool, order);
    return 0;
}

void shards_consumer(struct rp_consumer *c, const struct rp_queue *q, uint32_t shard) {
    if (q->segment.parameters.numa_shards == 0)
        return;
    (void)choose(q, shard, q->seat, c->shard_order);
    c->lane_turn = (uint32_t)c->serial; /* random: consumers that receive once and go reach other lanes, too */
}
