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

/* The counts for a word of this hold. Without a note each time given back counts as one failure. */
struct counts notes_counts(const struct segment *s, unsigned group, uint32_t c, uint32_t hold);
void notes_counts_write(const struct segment *s, unsigned group, uint32_t c, uint32_t hold, struct counts counts);

/* `failed` is the hold that ended, `next` the one of the word that followed. */
void notes_failure_write(const struct segment *s, unsigned group, uint32_t c, uint32_t failed, uint32_t next, uint64_t now_ms,
                         enum rp_failure kind, enum rp_dead_reason reason, uint32_t holder_seat);
void notes_text_write(const struct segment *s, unsigned group, uint32_t c, uint32_t hold, const char *text);

/* Fills in what is known about the dead word of `hold`; the rest stays zero. */
void notes_read(const struct segment *s, unsigned group, uint32_t c, uint32_t hold, struct rp_dead_letter *out);

#endif
