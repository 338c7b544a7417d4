/* SPDX-License-Identifier: MIT */
/*
 * Where a handle of a queue with shards looks for free cells: in the words of the bitmap that belong to its home, then in the others', nearest first. Nothing here is shared: it is an order in
 * which hints are asked. Who finds the home's words empty stays for some refills where it found something, so that a long search is not made for every few cells, and then asks at home again.
 */
#ifndef RP_RING_POOL_RANGES_H
#define RP_RING_POOL_RANGES_H

#include "pool.h"
#include "shard_map.h"

struct pool_ranges {
    uint32_t count;
    uint32_t at;   /* the range that is looked at */
    uint32_t left; /* words of it until the next one's turn */
    uint32_t away; /* refills since it was the home's turn */
    struct {
        uint32_t first, end, cursor; /* words */
    } range[SHARDS_MOST];            /* none is empty; together all */
};

/* Those of the shards in `order`. */
void pool_ranges_open(struct pool_ranges *r, struct pool *p, const uint8_t order[SHARDS_MOST]);

/* A refill begins: sets p->cursor to where it looks first. */
void pool_ranges_begin(struct pool *p);

/* There was nothing at p->cursor. -> where to look next; as many steps as there are words lead to all of them. */
uint32_t pool_ranges_next(struct pool *p);

#endif
