/* SPDX-License-Identifier: MIT */
/* Damage: changes of a segment that know what lies where. */
#ifndef FUZZ_MUTATE_H
#define FUZZ_MUTATE_H

#include "fuzz.h"
#include "segment.h"

enum mutation {
    MUTATE_BIT,
    MUTATE_BYTE,
    MUTATE_WORD,
    MUTATE_CELL_FIELD,     /* one field of a cell word */
    MUTATE_DELIVERY_FIELD, /* one field of a delivery word */
    MUTATE_SLOT_FIELD,     /* one field of an entry of a ring */
    MUTATE_STAMP,          /* position, time, counts, notes: stamp and value */
    MUTATE_HINT,           /* heads, tails, counts, due times, roles */
    MUTATE_LENGTH,         /* payload bytes */
    MUTATE_SPLICE,         /* a word, or some, from one place to another */
    MUTATE_RUN,            /* random bytes */
    MUTATE_FORGE,          /* words that fit together: an entry that counts, of a cell it has no business with */
    MUTATE_SEAT,
    MUTATE_LAPS,   /* a whole ring: laps that go on for ever, or round and round */
    MUTATE_HEADER, /* a field of the header; signed again, or not */
    MUTATIONS
};

/* Damages `size` bytes at `bytes` as the input says. `s` is the view of them as they were when they were whole. -> was the header touched? */
bool mutate(struct reader *r, const struct segment *s, unsigned char *bytes, size_t size);

/* A value for this word that somebody might have put there. */
uint64_t mutate_value(struct reader *r, uint64_t now);

#endif
