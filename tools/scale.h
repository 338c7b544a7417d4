/* SPDX-License-Identifier: MIT */
/*
 * How many commands `work -j MIN..MAX` may run at once. A pure function of what was, the time and what is seen now, so that it can be tested without
 * waiting; who calls it acts on `slots`.
 *
 * Up by one when messages have waited for a slot throughout SCALE_UP_AFTER_NS: a burst that is over sooner changes nothing, and each further
 * slot has to be earned with the one before it in use. Down by one when a slot was free throughout SCALE_DOWN_AFTER_NS: slots
 * follow the peaks of the last moments, not their mean.
 */
#ifndef RINGPOST_TOOLS_SCALE_H
#define RINGPOST_TOOLS_SCALE_H

#include <stdbool.h>
#include <stdint.h>

#define SCALE_UP_AFTER_NS UINT64_C(100000000)
#define SCALE_DOWN_AFTER_NS UINT64_C(1000000000)

struct scale {
    uint64_t least; /* may be 0: the first message opens a slot for itself */
    uint64_t most;
    uint64_t slots;      /* so many commands may run */
    uint64_t pressed_ns; /* since when messages have waited for a slot; 0: none does */
    uint64_t idle_ns;    /* since when a slot has been free that could go; 0: none is */
};

struct scale scale_begin(uint64_t least, uint64_t most);
/* `backlog`: a message is ready that only another slot could take. `now_ns` is monotonic and never 0. */
struct scale scale_next(struct scale s, uint64_t now_ns, bool backlog, uint64_t running);
/* When scale_next may say something new though nothing else happens; 0: never. */
uint64_t scale_due_ns(const struct scale *s);
bool scale_has_room(const struct scale *s, uint64_t running); /* may another command start? */
bool scale_can_grow(const struct scale *s);

#endif
