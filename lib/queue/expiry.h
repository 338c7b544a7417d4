/* SPDX-License-Identifier: MIT */
/*
 * Time to live. A message with one has CELL_EXPIRES among its flags, and the time in its extra line, counted from when it became ready. What nobody holds when the time is
 * over goes to the dead ring, or is dropped, for each group by one CAS of its delivery word: at its timer, in a sweep, and at the latest by the claimer who
 * meets it, who looks at the clock right before it would claim. Who holds it keeps it; if it fails, it dies of expiry instead of being delivered again.
 */
#ifndef RP_QUEUE_EXPIRY_H
#define RP_QUEUE_EXPIRY_H

#include "handle.h"

/* Is the message's time over? A message that has none: false. What is read belongs to the message only if a word is compared and swapped afterwards. */
bool expiry_over(const struct segment *s, uint32_t c);

/* Its time is over: ends the delivery whose word is `d`, if nobody holds it. False: the word is not `d` any more, or is of a message being sent. */
bool expiry_end(struct actor *a, unsigned group, uint32_t c, uint64_t d);

/* The published cell's word was `w`: ends what is over, or sets the timer. -> things done. */
int expiry_look(struct actor *a, uint32_t c, uint64_t w);

/* The cell's message is to be delivered anew after all: it does not expire any more. Before the CAS that makes it so. */
void expiry_lift(const struct segment *s, uint32_t c);

/* Counts one that expired for the group. */
void expiry_count(struct actor *a, unsigned group);

#endif
