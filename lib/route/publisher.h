/* SPDX-License-Identifier: MIT */
/* A publisher: its producers, one for each queue that it has had a message for, and what it needs to look up the next. */
#ifndef RP_ROUTE_PUBLISHER_H
#define RP_ROUTE_PUBLISHER_H

#include "attached.h"

/* What a publisher has for a target, at the target's number. */
struct place {
    struct target *target; /* NULL: nothing; else a reference is held */
    struct attachment *attachment;
    rp_producer *producer;
    uint64_t publish; /* the publish that chose it last */
};

struct rp_publisher {
    struct rp_exchange *exchange;
    struct exchange_counters *counters;
    struct place *places;
    uint32_t place_room;
    uint32_t *chosen; /* numbers of the targets of this publish */
    uint32_t chosen_count;
    uint64_t publish; /* counts them, to choose each target once */
    uint64_t table_version;
    struct trie_scratch scratch;
    uint64_t next_check_ns;
};

/* Which queues get a message of this topic: p->chosen. 0, or an error. */
int publisher_choose(struct rp_publisher *p, const char *topic, size_t bytes, const struct rp_publish_options *o, bool *alternate);

/* The place of a target has a producer afterwards. Errors: those of rp_queue_open and rp_producer_open. */
int publisher_prepare(struct rp_publisher *p, struct place *place);
/* Its queue is not what the name leads to any more. */
void publisher_forget(struct rp_publisher *p, struct place *place);
/* Drops what is no longer bound; `all`: everything. */
void publisher_tidy(struct rp_publisher *p, bool all);

#endif
