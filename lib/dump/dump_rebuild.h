/* SPDX-License-Identifier: MIT */
/*
 * Putting what a dump says into the memory of a new queue. Nobody else sees it, and nothing of it is shared before the queue gets its name; so there are no steps here in which a crash could leave something. The
 * words are made as their first moves would have left them:
 *
 *     a message           COMMITTED(groups, generation 1) of nobody, in its lane where a group has not taken it; DELAYED(generation 0) while it waits for its time
 *     of a group          untaken; RETURNED(1, 2); DELAYED(1, 1), with its time; DEAD(1, 2): as if it had failed once, with the counts beside, which say what is true
 *     rings               returned and deaths are filled at the end, in the order that they had
 *     an id, a producer   COMMITTED, KEPT
 *
 * Times in a segment are counted from its epoch. That is put so far back that the queue is as old as the one that was dumped, so the times of failures before the restore can be said.
 */
#ifndef RP_DUMP_DUMP_REBUILD_H
#define RP_DUMP_DUMP_REBUILD_H

#include "dump_read.h"
#include "handle.h"
#include "shard_map.h"

/* A delivery that is to enter a ring. */
struct rebuild_entry {
    uint64_t turn;
    uint64_t number; /* of the message: where turns are equal */
    uint32_t cell;
    uint32_t group;
};

struct rebuild {
    const char *name;   /* of the queue, and */
    const char *source; /* "dump" or "journal": for messages */
    const struct rp_queue_options *from;
    struct segment segment;
    struct timers timers;
    uint64_t now_ns; /* boot time since the epoch */
    uint32_t mask;   /* of its groups */
    uint64_t paused;
    uint32_t cursor;                     /* cells below are used, or of a shard */
    uint32_t shard_cursors[SHARDS_MOST]; /* the same from the beginning of each range */
    uint32_t reserved;                   /* those of the reserve below are used, too, when no others are left */
    uint32_t cells;                      /* all that were used are below */
    uint32_t producers;
    uint32_t lane_turn;
    uint64_t bytes; /* of all messages */
    struct rebuild_entry *entries;
    size_t entry_count, entry_room;
};

/* Memory that segment_initialise has filled becomes a queue created at `created_ns`, without groups. */
int rebuild_begin(struct rebuild *r, void *memory, uint64_t bytes, uint64_t created_ns, uint32_t paused);

enum { REBUILD_GENERATION = 1 }; /* of what has none of its own */

/* Where a message was put. */
struct rebuilt {
    uint32_t cell, lane;
};

/* One thing each: 0, or a negative result with the detail set. A group keeps its index. */
int rebuild_group(struct rebuild *r, const struct rp_group_info *g, uint64_t generation);
int rebuild_producer(struct rebuild *r, const struct rp_producer_id *p);
int rebuild_message(struct rebuild *r, const struct rp_dump_message *m, struct rebuilt *out);
int rebuild_id(struct rebuild *r, const struct rp_dump_id *id);

/* The next group of a place where there is none now gets a higher generation. */
void rebuild_no_group(struct rebuild *r, uint32_t index, uint64_t generation);

/* All is there. */
void rebuild_end(struct rebuild *r, uint64_t next_id);
void rebuild_free(struct rebuild *r);

/* A time of the wall clock, by the segment's boot clock. */
static inline uint64_t rebuild_boot_ns(const struct rebuild *r, uint64_t wall_ns) {
    return wall_ns > r->segment.created_wall_ns ? wall_ns - r->segment.created_wall_ns : 0;
}

#endif
