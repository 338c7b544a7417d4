/* SPDX-License-Identifier: MIT */
/* Counters that people read: each process writes its own, readers add them up. They decide nothing. */
#ifndef RP_MEMORY_COUNTERS_H
#define RP_MEMORY_COUNTERS_H

#include "segment.h"

enum counter {
    COUNT_SENT,
    COUNT_RECEIVED,
    COUNT_ACKED,
    COUNT_NACKED,
    COUNT_REJECTED,
    COUNT_EXPIRED,
    COUNT_RECOVERED,
    COUNT_DIED,
    COUNT_DEAD_DROPPED,
    COUNT_REDRIVEN,
    COUNT_PURGED,
    COUNT_FULL,
    COUNT_LEASE_LOST,
    COUNT_DEATHS,
    COUNT_UNROUTABLE,
    COUNT_EXPIRED_MESSAGES,
    COUNT_DROPPED,
    COUNT_CANCELLED,
    COUNT_SCHEDULED,
    COUNT_DUPLICATE,
    COUNT_FORGOTTEN,
    COUNT_SPILLED,
    COUNT_REFILLED,
    COUNT_SPILL_FULL, /* no extent or no slot within the bound */
    COUNT_DISK_FULL
};

/* Where a handle counts. The first handles of a process have a line to themselves; later ones share the last. */
struct tally {
    a64 *line;
    bool owned;
};

static inline void tally_add(const struct tally *t, enum counter which, uint64_t n) {
    if (t->owned)
        counter_add_owned(&t->line[which], n);
    else
        counter_add_shared(&t->line[which], n);
}

/* The sum over all seats and what was folded. */
static inline uint64_t counters_sum(const struct segment *s, enum counter which) {
    uint64_t sum = counter_read(&s->control->totals[which]);
    for (uint32_t i = 0; i < s->parameters.max_participants; i++)
        for (unsigned line = 0; line < COUNTER_LINES; line++)
            sum += counter_read(&s->seats[i].counters[line][which]);
    return sum;
}

/* Moves a seat's counters to the totals, each once, however many do it. */
static inline void counters_fold(const struct segment *s, uint32_t seat) {
    for (unsigned line = 0; line < COUNTER_LINES; line++)
        for (unsigned which = 0; which < COUNTERS_PER_LINE; which++) {
            a64 *counter = &s->seats[seat].counters[line][which];
            if (counter_read(counter) != 0)
                counter_add_shared(&s->control->totals[which], counter_take(counter));
        }
}

#endif
