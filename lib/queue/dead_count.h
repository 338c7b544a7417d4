/* SPDX-License-Identifier: MIT */
/*
 * How many letters a group's dead ring holds. The DEAD words themselves are the truth; the count never errs to the harmful side, whoever dies or stops where:
 *
 *     policy drop-oldest    never more than there are letters: raised after a word became DEAD, lowered before one ceases to be. Who lowers it from above dead_capacity
 *                           has the right to drop one letter; so not one too many goes.
 *     policy refuse         never fewer: raised, from below dead_capacity, before a word may become DEAD, lowered after one ceased to be. So not one too many comes.
 *
 * Who dies in between leaves it off by one for good, so the sweep, when its walk comes to another number, counts anew. It may set the count only if nobody is in the
 * middle of such a change: each process counts in its seat how many it is at. And each first moves the count, or its number of changes where the policy wants the count to be
 * moved last. So:
 *
 *     recount: the count; all seats (somebody is at it: not now; the dead are recovered first); the words; CAS of the count
 *     change:  seat + 1; the count, or its changes; CAS of the word; the count; seat - 1
 *
 * A change whose first step on the count came before the recount's first look was seen in its seat, or is over, and seen in the words; if it came later, but before the recount's CAS, that fails; after it,
 * the words were as yet unchanged. One that stays stopped in the middle keeps the count from being mended: the ring of deaths may then be longer by those who died there, or (refuse) shorter.
 *
 * Who opens a queue and finds no free seat recovers the dead before he has one. Nobody could see that he is at it, so he counts nothing: his letters are counted by a later walk, and a ring that
 * refuses lets none of his in.
 *
 * A place of a group that was removed begins anew: who changed the old one's count finds another epoch, and lets it be.
 */
#ifndef RP_QUEUE_DEAD_COUNT_H
#define RP_QUEUE_DEAD_COUNT_H

#include "handle.h"

/* A change under way. */
struct dead_change {
    a64 *seat;
    unsigned group;
    uint64_t epoch;
};

/* At least, or (refuse) at most, so many letters; 0 also where it is below. */
uint64_t dead_count(const struct segment *s, unsigned group);

/* A word is about to become DEAD. False: the ring is full, and refuses; there is no change then. */
bool dead_count_enter(const struct actor *a, unsigned group, struct dead_change *change);
/* It did, or (`done` false) not. */
void dead_count_entered(const struct segment *s, const struct dead_change *change, bool done);

/* A DEAD word is about to become another. */
void dead_count_leave(const struct actor *a, unsigned group, struct dead_change *change);
/* It did, or (`done` false) not: the change is over. */
void dead_count_left(const struct segment *s, const struct dead_change *change, bool done);

/* As dead_count_leave, if there are more letters than dead_capacity; each time that it says true one may go. Only in queues that drop. */
bool dead_count_evict(const struct actor *a, unsigned group, struct dead_change *change);

/* Counts the words, if that can be believed. */
void dead_count_anew(const struct segment *s, unsigned group);

/* A new group has come to this place. */
void dead_count_reset(const struct segment *s, unsigned group);

#endif
