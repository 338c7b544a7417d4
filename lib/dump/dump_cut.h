/* SPDX-License-Identifier: MIT */
/*
 * The moment of a dump, and a look at one cell.
 *
 * A message never moves from cell to cell: whatever becomes of it (claimed, given back, out of its lane into early or returned, dead, redriven, due), from its commit to its last settlement its words are those of one
 * cell. So who has looked at each cell once has met each message that was there from before the first look until after the last, and none twice. What moves are the words of a cell; a look at it counts
 * only if they say the same before and after: the cell's word the same publication, each group's delivery word the very same.
 *
 * What is sent beside the walk is met or not, wherever its cell lies. So that no message is in the dump whose elder in the lane is not, the ends of the lanes are found first, and what has its place behind them is left out.
 * The place is written before the slot is filled, and stays while the message does; slots are filled without gaps. Left out is only what is PUBLISHED: COMMITTED is what was delayed, or redriven in a keyed queue, and comes
 * to its lane's end long after it was sent. DELAYED and COMMITTED are in the dump whenever they are met.
 *
 * A letter that is redriven in a keyed queue becomes, in its cell, the next publication: the walk knows it by its id.
 *
 * Everything is loads: nobody waits for it, and it is done on memory that cannot be written to.
 */
#ifndef RP_DUMP_DUMP_CUT_H
#define RP_DUMP_DUMP_CUT_H

#include "dump_format.h"
#include "handle.h"

struct dump_cut {
    const rp_queue *queue;
    const struct segment *segment;
    uint64_t wall_ahead_ns;                /* of the segment's boot time: one number for all, so equal times stay equal */
    struct known_group groups[MAX_GROUPS]; /* those that there were, in the order of the dump */
    unsigned group_count;
    uint64_t *lane_ends; /* positions from here on were filled after the moment */
};

/* The lanes' ends, into room for each lane. RP_CORRUPT with the detail set. */
int dump_cut_lanes(struct dump_cut *k);

/*
 * The word of the message in the cell, which is committed; 0: there is none. What is said by it, and read of the message after it, holds if dump_still says so afterwards: that the cell waits in that very word, or is published
 * under its generation.
 */
uint64_t dump_committed(const struct segment *s, uint32_t c);
bool dump_still(const struct segment *s, uint32_t c, uint64_t w);

/*
 * Has a message that its sender wrote down (message_word in queue/verdict.h) been committed, and settled since? So it is if the cell is beyond its publication: a send that fails is written down as failed before its
 * cell is given back. Holds if what the sender wrote down, and that he is under way, are the same afterwards.
 */
bool dump_settled(const struct segment *s, uint64_t message);
/* Is it not in its lane yet, as it waits for the journal? Then it is not in the dump; but in keyed lanes it may be. */
bool dump_waits(const struct segment *s, uint64_t message);

/* What was found in a cell, and what it is known by. Ordered by lane, then place. */
struct dump_place {
    uint64_t place;
    uint64_t id;
    uint32_t lane;
    uint32_t cell;
};

/* False: no message that the dump is to have is in the cell. */
bool dump_place_of(const struct dump_cut *k, uint32_t c, struct dump_place *out);

enum dump_found { DUMP_NOTHING, DUMP_MESSAGE, DUMP_DAMAGED };

/* Where its parts are copied to. */
struct dump_copy {
    unsigned char *content; /* room for payload and headers */
    unsigned char key[KEY_BYTES];
    struct rp_dump_delivery deliveries[MAX_GROUPS];
};

/* NOTHING: the message of this id is not there any more, or no group of the dump needs it. DAMAGED: its lengths cannot be. */
enum dump_found dump_look(const struct dump_cut *k, uint32_t c, uint64_t id, struct dump_copy *copy, struct rp_dump_message *out);

#endif
