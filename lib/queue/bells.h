/* SPDX-License-Identifier: MIT */
/*
 * Bells in the segment: which consumers have a descriptor (event.h) and want to be rung. An entry is taken by one consumer, and `armed` while it may be asleep in somebody's event loop.
 *
 *     word    free(g) --consumer--> taken(seat, group, g+1) --consumer closes; recovery, when its process is dead--> free(g+1)
 *     armed   n, off --the consumer, before it draws a ticket and looks again--> n+1, on --who rang it: CAS of what he read--> n+1, off
 *
 * The generation is in the name of the bell's socket, so nobody rings, or removes, a successor's by mistake. A bell is one more kind of sleeper on the group's eventcount: who finds the tickets
 * unequal wakes those that sleep on the futex, and if those are fewer than he has messages for, rings all armed bells of the group. Only then he notes that
 * nobody with those tickets sleeps any more. Where nobody has a descriptor that costs one load, on the way to a system call.
 *
 * The bell is rung before `armed` is taken back: who dies in between leaves it to be rung once more; the CAS of one who slept there fails, because the consumer has armed anew.
 *
 *     dies before / after                          leaves
 *     consumer: taken / socket bound               an entry whose bell cannot be rung: nothing to hear it. Recovery frees it
 *     consumer: bound / armed; armed / asleep      a name that refuses connections: recovery removes it and frees the entry, `ringpost gc` and `rm` remove it if recovery cannot
 *     consumer that closes: name gone / free       an entry that cannot be rung; recovery frees it
 *     sender: message there / tickets looked at    as for a futex: a wake-up that nobody gets. Recovery of the dead sender rings all, a tick looks anyway
 *     sender: rang / armed taken back              it is rung once more
 *     sender: armed taken back / tickets drained   the next sender comes here for nothing
 *
 * Words of this table are hints for their group's wake-ups: damage costs ticks.
 */
#ifndef RP_QUEUE_BELLS_H
#define RP_QUEUE_BELLS_H

#include "bell.h"
#include "segment.h"

/* The slow half of group_wake: somebody has a ticket. */
void bells_wake(const struct segment *s, unsigned group, uint64_t tickets, int count);

/* Rings all bells of a seat, armed or not. Async-signal-safe. */
void bells_interrupt(const struct segment *s, uint32_t seat);

/* Frees what a dead one had taken. Under proof of his death. */
void bells_recover(const struct segment *s, uint32_t seat);

/* A consumer's own bell. */
struct bell_seat {
    uint32_t slot;
    uint64_t word;
};

/* Takes an entry and binds the bell to its name. 0, or an error with the detail set: -ENOSPC also when all entries are taken. */
int bells_take(const struct segment *s, uint32_t seat, unsigned group, struct bell *b, struct bell_seat *out);
/* Is the entry ours, and its name there? */
bool bells_hold(const struct segment *s, const struct bell_seat *mine);
/* Takes the name away and frees the entry. */
void bells_leave(const struct segment *s, const struct bell_seat *mine);

/* From here on whoever finds a ticket rings it. -> what tells this arming from others. */
uint64_t bells_arm(const struct segment *s, const struct bell_seat *mine);
/* Was it rung since, and not drained? */
static inline bool bells_rung(const struct segment *s, const struct bell_seat *mine, uint64_t armed) {
    return load_acquire(&s->bells[mine->slot].armed, bell) != armed;
}

#endif
