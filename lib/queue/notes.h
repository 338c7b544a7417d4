/* SPDX-License-Identifier: MIT */
/*
 * What is written beside a delivery word when it fails: counts, times, who, why. Everything carries the stamp of the hold it is about and is void for any
 * other, so a note that comes too late, or not at all because its writer died, is missing and never wrong.
 */
#ifndef RP_QUEUE_NOTES_H
#define RP_QUEUE_NOTES_H

#include "segment.h"
#include <ringpost/dead.h>

struct counts {
    uint32_t charged;    /* failed deliveries charged */
    uint32_t handed_out; /* hand-outs before the current hold */
};

/*
 * The counts for a word of this hold. They are written after the CAS that gave the message back, by whoever did that, and are exact but for one case: who is killed, or
 * overtaken while it is stopped, between the two has failed, whatever it was about to write. So without a note each time given back counts as one
 * charged failure, from the last note on, and a message that kills its receivers always comes to its end.
 */
struct counts notes_counts(const struct segment *s, unsigned group, uint32_t c, uint32_t hold);
void notes_counts_write(const struct segment *s, unsigned group, uint32_t c, uint32_t hold, struct counts counts);
/* A DEAD word of `hold` is about to be redriven: the counts of what follows begin anew. Before the CAS, so that no death comes between the two. */
void notes_counts_anew(const struct segment *s, unsigned group, uint32_t c, uint32_t hold);

/*
 * The last failure is written under the hold of the word that followed it: DELAYED, RETURNED or DEAD; once a DELAYED message is ready, that is the hold before. `failed` is
 * the hold that ended, `next` the one that followed; `reason` is of enum rp_dead_reason.
 */
void notes_failure_write(const struct segment *s, unsigned group, uint32_t c, uint32_t failed, uint32_t next, uint64_t now_ms,
                         enum rp_failure kind, uint32_t reason, uint32_t holder_seat);
/* Hold `from` became `to` without a failure, so the last one stays what it was. `reason` 0: given back; else it died of that now. */
void notes_carry(const struct segment *s, unsigned group, uint32_t c, uint32_t from, uint32_t to, uint64_t now_ms, uint32_t reason);
/* Why the message of a DEAD word died: the number of the bit of enum rp_dead_reason, 0 when it is not known. */
unsigned notes_reason_bit(const struct segment *s, unsigned group, uint32_t c, uint32_t hold);
/* For the sweep: a DEAD word of `hold` whose death nobody lived to write down died now, of something unknown. True: it was so. */
bool notes_death_found(const struct segment *s, unsigned group, uint32_t c, uint32_t hold, uint64_t now_ms);
void notes_text_write(const struct segment *s, unsigned group, uint32_t c, uint32_t hold, const char *text);

/* Fills in what is known of the word of `hold` and its last failure; the rest stays zero. */
void notes_read(const struct segment *s, unsigned group, uint32_t c, uint32_t hold, struct rp_dead_letter *out);

/* Writes all that a letter says beside a word of `hold`, in memory that nobody else sees yet. */
void notes_restore(const struct segment *s, unsigned group, uint32_t c, uint32_t hold, const struct rp_dead_letter *letter);

#endif
