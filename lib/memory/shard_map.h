/* SPDX-License-Identifier: MIT */
/*
 * Which shards of a queue belong to which NUMA nodes, and in which order somebody looks at them. Pure functions of a machine (placement.h): what decides is tried on machines that
 * nobody here has. A machine that is not known has one shard as near as the other.
 */
#ifndef RP_MEMORY_SHARD_MAP_H
#define RP_MEMORY_SHARD_MAP_H

#include "layout.h"
#include "placement.h"

enum { SHARDS_MOST = MAX_PRIORITIES }; /* as many as lanes that have rings of redeliveries */

/*
 * The nodes that get shards when `wanted` are asked for, as bits: of those that have memory and processors (if there are none, memory) as many, SHARDS_MOST at most; all, where there are not more. Fewer
 * than there are lie apart: the lowest node, then each time the one whose nearest of those chosen is farthest; of several the one that is farther from all of them, then the lowest. So two shards of a machine with two packages of two
 * nodes are one for each package.
 */
uint64_t shard_nodes(const struct topology *t, uint32_t wanted);

/* The node of a shard: they go round where shards are more than `nodes`. NODES_MOST: there are no nodes. */
unsigned shard_node(uint64_t nodes, uint32_t shard);

/*
 * The home of somebody who runs on node `here` (NODES_MOST: not known): of `count` shards one that belongs to the nearest node. Where that are several, `spread` tells them apart, so that
 * processes of one node do not all take the same.
 */
uint32_t shard_home(const struct topology *t, uint64_t nodes, uint32_t count, unsigned here, uint32_t spread);

/*
 * In which order somebody on node `here` goes through the shards: `home` first, then by distance; those equally far beginning with the one behind home, so that those who have
 * different homes do not all come to the same next one. Not known `here`: as if on home's node.
 */
void shard_order(const struct topology *t, uint64_t nodes, uint32_t count, unsigned here, uint32_t home,
                 uint8_t order[SHARDS_MOST]);

/* Cells from `first` to before `end`. */
struct cell_range {
    uint32_t first, end;
};

/*
 * The cells of a shard: its share of the capacity, in whole words of the free bitmap; cells beyond the capacity, which come into play as processes attach, belong to the last one. A small queue may
 * have none for some.
 */
struct cell_range shard_cells(const struct parameters *p, const struct layout *l, uint32_t shard);

#endif
