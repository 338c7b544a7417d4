/* SPDX-License-Identifier: MIT */
/*
 * When must somebody look at a cell? A tree of minima with 64 children to a node, over one word per cell. A word says: look at or before this
 * time. All of it is a hint: a cell that is looked at too early is only looked at again, and what a dying setter did not write the sweep does.
 *
 *     word      time:56, in units of 256 ns, rounded up | changes:7 | raising:1
 *
 * Words of cells are lowered by setters and emptied by poppers, each by CAS. A node is never above what lies below it:
 *
 *     set     lower the cell's word, then each node above it, up to the root: mostly loads, for a node that is low enough needs nothing
 *     raise   mark the node as being raised; look at all its children; CAS it from that very mark to the least of them
 *
 * A setter that meets the mark on a node that is low enough for it takes the mark away, so the raise fails, and the node stays as low as it was. Otherwise it
 * has written below before the raiser began to look. So nothing that was set is ever hidden, and a raiser that dies or stops hides nothing either: its node
 * stays due, and the next one does the work. The count of changes keeps a raiser that slept from taking another's mark for its own.
 *
 * The root lies apart, in a line that every call reads: `now >= root` is all that those pay who have no timers.
 */
#ifndef RP_RING_TIMERS_H
#define RP_RING_TIMERS_H

#include "layout.h"

#define TIMER_NONE UINT64_MAX

struct timers {
    a64 *levels[TIMER_LEVELS]; /* 0: cells */
    uint32_t counts[TIMER_LEVELS];
    unsigned depth; /* levels below the root */
    a64 *root;
};

/* `words` has room for timer_words(count) words. */
void timers_open(struct timers *t, a64 *root, a64 *words, uint32_t count);

/* Fresh memory that nobody else sees yet: no timers. */
void timers_initialise(const struct timers *t);

/*
 * Somebody must look at cell `c` at or before `due_ns`. What was done before is seen by whoever takes the timer out, if both are sequentially
 * consistent. True: nothing was due so early, sleepers may sleep too long. Lock-free.
 */
bool timers_set(const struct timers *t, uint32_t c, uint64_t due_ns);

/* When the cell is to be looked at; TIMER_NONE: never. */
uint64_t timers_of(const struct timers *t, uint32_t c);

/* No timer is due before. */
static inline uint64_t timers_next(const struct timers *t) {
    uint64_t root = load_seq_cst(t->root, timers);
    return root >= TIMER_WORD_NONE ? TIMER_NONE : root & ~UINT64_C(0xff);
}

struct timer {
    uint64_t due_ns;
    uint32_t cell;
};

/* Takes out at most `room` timers that are due at `now_ns`, in no order. -> how many. Steps are bounded, whatever lies there. Lock-free. */
uint32_t timers_pop(const struct timers *t, uint64_t now_ns, struct timer *out, uint32_t room);

#endif
