/* SPDX-License-Identifier: MIT */
/*
 * The ids of producers, with their sequences as they belong to a dump: that of a producer is the last of its messages that were committed before the moment. It is read before and after the lanes' ends; where it is the same, at most
 * one send was under way, which is told by the place itself (queue/identity.h) after the ends were found: its message is in the dump, or it was not sent. So the messages are written first.
 */
#ifndef RP_DUMP_DUMP_PRODUCERS_H
#define RP_DUMP_DUMP_PRODUCERS_H

#include "dump_cut.h"

struct dump_producer {
    struct rp_producer_id id;
    uint64_t next;       /* the sequence of the send under way, */
    uint64_t message_id; /* and its message; 0: none is */
};

struct dump_producers {
    struct dump_producer *all;
    size_t count;
};

/* Room for all. 0 or -ENOMEM with the detail set. */
int dump_producers_open(struct dump_producers *x, const rp_queue *q);
void dump_producers_free(struct dump_producers *x);

/* Reads all of them. */
void dump_producers_read(struct dump_producers *x, const struct segment *s);
/* Do both say the same of what is committed? */
bool dump_producers_same(const struct dump_producers *a, const struct dump_producers *b);

#endif
