/* SPDX-License-Identifier: MIT */
/*
 * The ids that deduplication knows, as they belong to a dump. An id of a send is in it if it was committed before the moment, or its message settled, or if its message is in the dump: then also one that is not decided yet, since its message
 * is the decision. One that was sent later, or was given back, is not: its message is not there, and must not be refused. Ids of consumers say that work is done, and are those of the end.
 */
#ifndef RP_DUMP_DUMP_IDS_H
#define RP_DUMP_DUMP_IDS_H

#include "dump_cut.h"

struct dump_ids {
    uint64_t *before; /* of each entry: its generation + 1 if it was sent before the moment, as far as its message tells */
    uint64_t *messages;
    size_t count, room;
    bool sorted;
};

/* Before the moment. 0 or -ENOMEM with the detail set. */
int dump_ids_before(struct dump_ids *x, const rp_queue *q);
/* A message is in the dump. 0 or -ENOMEM. */
int dump_ids_message(struct dump_ids *x, uint64_t id);
/* Is it? Asked when all are. */
bool dump_ids_has(struct dump_ids *x, uint64_t id);
/* When all are: calls `each` for each id, oldest first. 0, or what that returned. */
int dump_ids_after(struct dump_ids *x, const struct dump_cut *k, int (*each)(void *context, const struct rp_dump_id *id),
                   void *context);
void dump_ids_free(struct dump_ids *x);

#endif
