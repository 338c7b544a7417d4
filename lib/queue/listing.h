/* SPDX-License-Identifier: MIT */
/*
 * Messages in order of their ids, which lie in cells in any order. Who asks for the one after the one he got last, as all do who list a queue, is served from a
 * list that was made once: a list of n takes n cells, not n times n. What came meanwhile is met when the list is used up or older than a tick.
 */
#ifndef RP_QUEUE_LISTING_H
#define RP_QUEUE_LISTING_H

#include "lookup.h"

struct listed {
    uint64_t id;
    uint32_t cell;
};

void listing_open(struct listing *l);
void listing_close(struct listing *l);

/* The message with the lowest id above `after_id`, with its words as they are now. Any thread. */
bool listing_next(rp_queue *q, const struct known_group *group, unsigned states, uint64_t after_id, struct found *out);

/* All above `after_id` in order of ids, malloc'ed; NULL: no memory. By the time one is looked at it may be another message in that cell. */
struct listed *listing_make(const rp_queue *q, const struct known_group *group, unsigned states, uint64_t after_id, size_t *count);

#endif
