/* SPDX-License-Identifier: MIT */
/*
 * An index ring: entries {lap, tag, cell} in slots that nobody ever owns. Position t lies in slot t mod N and has lap t div N.
 *
 * - A slot is filled by one CAS from the entry of the lap before; so positions fill without gaps, and a reader that meets a slot of an older lap
 *   knows that it is at the end: EMPTY is exact.
 * - Entries are hints. Whether one counts is said by the words of its cell, and by the cell's position, which must name this very slot: tags
 *   are 14 bits and repeat. What "counts" means differs from ring to ring, so callers pass a predicate.
 * - An entry is overwritten only when it no longer counts. Nobody waits for anybody: a process that stops anywhere leaves either the old
 *   entry or the new one.
 * - head and tail are hints too: they lag behind, and never pass the truth.
 *
 * Only laps are compared, by serial difference, so they may wrap; in one ring laps differ by at most one.
 */
#ifndef RP_RING_INDEX_RING_H
#define RP_RING_INDEX_RING_H

#include "atomic.h"
#include "words.h"

struct index_ring {
    a64 *slots;
    a64 *tail; /* hint: positions below are filled */
    uint32_t shift;
    uint32_t mask; /* of the slot in a position */
};

static inline struct index_ring ring_make(a64 *slots, a64 *tail, uint32_t shift) {
    return (struct index_ring){slots, tail, shift, (UINT32_C(1) << shift) - 1};
}
static inline uint64_t ring_slots(const struct index_ring *r) { return (uint64_t)r->mask + 1; }
static inline a64 *ring_slot(const struct index_ring *r, uint64_t t) { return &r->slots[t & r->mask]; }
static inline uint64_t ring_lap(const struct index_ring *r, uint64_t t) { return (t >> r->shift) & LAP_MASK; }

/* Does the slot of position t hold this entry? */
static inline bool ring_holds(const struct index_ring *r, uint64_t t, uint64_t tag, uint32_t cell) {
    return load_acquire(ring_slot(r, t), slot) == slot_word(ring_lap(r, t), tag, cell);
}

/* How many laps a hint may lag behind when those who should have raised it died; more than ever, and still no danger of a wrap. */
enum { HINT_LAG_LAPS = 64 };

/*
 * Moves a hint forward. It may only be told positions that were seen to be past. Whoever reads it sees what made them so: a sender overwrites
 * what lies below the heads, and a recoverer that finds it overwritten must find it taken.
 */
static inline void hint_raise(a64 *hint_word, uint64_t to) {
    uint64_t now = load_relaxed(hint_word, recheck);
    if (MUTANT(hint_ahead))
        to++;
    while ((int64_t)(to - now) > 0 && !cas_acq_rel(hint_word, &now, to, hints)) {
    }
}

enum ring_find {
    RING_FOUND,   /* position *t is the first unfilled one, its slot holds *s, which does not count */
    RING_LIVE,    /* it is, but its slot holds an entry that still counts: full */
    RING_DAMAGED, /* laps that cannot be, or no end in sight: the segment is corrupt */
};

/* Does entry `s`, found in the slot of position `t` - N, still count? */
typedef bool ring_live(const void *context, uint64_t old_position, uint64_t s);

/*
 * Finds the end of the ring from *t on (a position that is not past it). Steps are bounded: each either proves another's progress or moves
 * forward within one lap.
 */
static ALWAYS_INLINE enum ring_find ring_find(const struct index_ring *r, uint64_t *t, uint64_t *s, ring_live *live,
                                              const void *context) {
    for (uint64_t steps = 16 * ring_slots(r) + 4096; steps > 0; steps--) {
        *s = load_acquire(ring_slot(r, *t), slot);
        int32_t ahead = lap_ahead(slot_lap(*s), ring_lap(r, *t));
        if (ahead == 0) { /* filled */
            *t += 1;
            continue;
        }
        if (ahead != -1 && !MUTANT(ring_lap_off_by_one)) { /* we are behind; laps wrap, so the 64-bit hint is asked first */
            uint64_t tail = load_acquire(r->tail, hints);
            if ((int64_t)(tail - *t) > 0)
                *t = tail;
            else if (ahead > 0 && ahead <= HINT_LAG_LAPS)
                *t += (uint64_t)ahead * ring_slots(r) + 1; /* this slot was filled again, so all positions up to there are */
            else
                return RING_DAMAGED;
            continue;
        }
        if (slot_cell(*s) != NO_CELL && !MUTANT(ring_overwrite_live) && live(context, *t - ring_slots(r), *s)) {
            uint64_t tail = load_acquire(r->tail, hints);
            if ((int64_t)(tail - *t) <= 0)
                return RING_LIVE;
            *t = tail;
            continue;
        }
        return RING_FOUND;
    }
    return RING_DAMAGED;
}

/* Has nothing ever been put at position t? */
static inline bool ring_ends_at(const struct index_ring *r, uint64_t t) {
    return lap_ahead(slot_lap(load_seq_cst(ring_slot(r, t), slot)), ring_lap(r, t)) < 0;
}

/* Fills position t. True: the entry is in. This is the linearization point of whatever the entry means. */
static inline bool ring_fill(const struct index_ring *r, uint64_t t, uint64_t s, uint64_t tag, uint32_t cell) {
    return cas_seq_cst(ring_slot(r, t), &s, slot_word(ring_lap(r, t), tag, cell), slot);
}

/* What a reader finds at position *h. */
enum ring_look_at {
    RING_ENTRY, /* *s is the entry of position *h */
    RING_END,   /* nothing was ever put here: the ring ends */
    RING_PAST,  /* overwritten: *h was moved to the oldest position that may still count */
    RING_BROKEN /* a lap that cannot be */
};

/* The slot of position *h was filled again `ahead` laps later. */
static inline __attribute__((cold)) enum ring_look_at ring_look_past(const struct index_ring *r, const a64 *head, uint64_t *h,
                                                                     int32_t ahead) {
    /* What may still count lies within the last lap before that. */
    uint64_t oldest = *h + (uint64_t)(ahead - 1) * ring_slots(r) + (MUTANT(ring_past_too_far) ? 2 : 1),
             tail = load_acquire(r->tail, hints);
    uint64_t shared = load_acquire(head, hints);
    /* A reader may be any number of laps behind, as in a queue that spills: the tail bears that out. */
    if ((int64_t)(oldest - tail) > (ahead > HINT_LAG_LAPS ? 0 : 4 * (int64_t)ring_slots(r))) {
        if ((int64_t)(shared - *h) <= 0 || (int64_t)(shared - tail) > (int64_t)ring_slots(r))
            return RING_BROKEN;
        oldest = shared;
    }
    *h = oldest;
    return RING_PAST;
}

/* `head` is the readers' shared hint. */
static ALWAYS_INLINE enum ring_look_at ring_look(const struct index_ring *r, const a64 *head, uint64_t *h, uint64_t *s) {
    *s = load_seq_cst(ring_slot(r, *h), slot);
    int32_t ahead = lap_ahead(slot_lap(*s), ring_lap(r, *h));
    return likely(ahead == 0) ? RING_ENTRY : ahead < 0 ? RING_END : ring_look_past(r, head, h, ahead);
}

/* A private head that was not used for long: laps wrap, the shared 64-bit hint does not. */
static inline void head_refresh(uint64_t *h, a64 *shared) {
    uint64_t known = load_acquire(shared, hints);
    if ((int64_t)(known - *h) > 0)
        *h = known;
    else if (known != *h)
        hint_raise(shared, *h);
}

#endif
