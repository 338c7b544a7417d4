/* SPDX-License-Identifier: MIT */
/*
 * The words that tell the truth. Each is 64 bits, and each move of a message is one compare-and-swap of one of them.
 *
 *     cell word       state:4 | owner:10 | pending:20 | generation:30        where the memory is, and which groups still need the message
 *     delivery word   state:3 | owner:10 | viewer1:10 | viewer2:10 | incarnation:23 | seq:8     what one group has done with it
 *     slot            lap:28 | tag:14 | cell:22                              an entry of an index ring
 *     position        tag:12 | lane:10 | position:42                         where the cell's lane entry is, or is about to be
 *     stamp           incarnation:16 | seq:8 | value:40                      something said about one incarnation and seq; void for any other
 *
 * `generation` counts the publications of a cell, `seq` how often the message was given back. A group has *taken* a message when its delivery word's
 * incarnation is the low 23 bits of the cell's generation: so publishing initialises nothing.
 */
#ifndef RP_MEMORY_WORDS_H
#define RP_MEMORY_WORDS_H

#include "atomic.h"
#include <stdbool.h>
#include <stdint.h>

enum {
    NOBODY = 1023,  /* an owner or viewer that is none */
    LEAVING = 1022, /* owner of a RETURNED word in a keyed lane: it was redriven, and goes to the lane's end */
    MAX_GROUPS = 20,
    MAX_PARTICIPANTS = 1000,
    MAX_LANES = 1024,
    MAX_PRIORITIES = 16,
    NO_CELL = (1 << 22) - 1,
    MAX_CELLS = NO_CELL - 1
};

static inline uint64_t bits(uint64_t word, unsigned shift, unsigned width) {
    return (word >> shift) & ((UINT64_C(1) << width) - 1);
}

/* ---- cell word ---- */

enum cell_state {
    CELL_FREE,
    CELL_OWNED,     /* the owner writes it, or holds it on loan */
    CELL_PUBLISHED, /* complete; committed once it is in its lane */
    CELL_DELAYED,   /* committed, waits for its time */
    CELL_COMMITTED, /* committed, to be inserted in its lane by anybody */
    CELL_JOURNALED, /* sent, for the groups it names; waits for the journal: lib/queue/durable.h */
    CELL_STAGED     /* a refill, complete; committed once its group's cursor names it */
};

enum { GENERATION_BITS = 30 };
#define GENERATION_MASK ((UINT64_C(1) << GENERATION_BITS) - 1)

static inline uint64_t cell_word(enum cell_state state, uint32_t owner, uint32_t pending, uint64_t generation) {
    return (uint64_t)state << 60 | (uint64_t)owner << 50 | (uint64_t)pending << 30 | (generation & GENERATION_MASK);
}
static inline enum cell_state cell_state(uint64_t w) { return (enum cell_state)bits(w, 60, 4); }
static inline uint32_t cell_owner(uint64_t w) { return (uint32_t)bits(w, 50, 10); }
static inline uint32_t cell_pending(uint64_t w) { return (uint32_t)bits(w, 30, 20); }
static inline uint64_t cell_generation(uint64_t w) { return bits(w, 0, 30); }
static inline uint64_t cell_without_group(uint64_t w, unsigned group) { return w & ~(UINT64_C(1) << (30 + group)); }
static inline bool cell_is_published(uint64_t w) { return cell_state(w) == CELL_PUBLISHED || cell_state(w) == CELL_COMMITTED; }
/* Sent, and waits for its time; nobody took it back (lib/queue/durable.h). */
static inline bool cell_waits(uint64_t w) { return cell_state(w) == CELL_DELAYED && cell_owner(w) == NOBODY; }
static inline bool cell_pends(uint64_t w, unsigned group) { return cell_is_published(w) && (w >> (30 + group) & 1); }
/* For this group alone, and of this incarnation? */
static inline bool cell_pends_only(uint64_t w, unsigned group, uint32_t incarnation) {
    const uint64_t of = cell_word(CELL_FREE, 0, UINT32_C(0xfffff), 0x7fffff);
    return cell_is_published(w) && (w & of) == (UINT64_C(1) << (30 + group) | incarnation);
}

/* ---- delivery word ---- */

enum delivery_state {
    DELIVERY_SETTLED,  /* acked, dropped, or never delivered */
    DELIVERY_LEASED,   /* the owner holds it */
    DELIVERY_RETURNED, /* ready again; in early (seq 0) or returned, or to be inserted there by anybody */
    DELIVERY_DELAYED,  /* ready again at the time beside the word */
    DELIVERY_DEAD,     /* in the dead ring; owner and viewers are up to three viewers */
    DELIVERY_LIMBO     /* settled but for its viewers: owner, viewer1, viewer2 */
};

static inline uint64_t delivery_word(enum delivery_state state, uint32_t owner, uint32_t viewer1, uint32_t viewer2,
                                     uint32_t incarnation, uint32_t seq) {
    return (uint64_t)state << 61 | (uint64_t)owner << 51 | (uint64_t)viewer1 << 41 | (uint64_t)viewer2 << 31 |
           (uint64_t)(incarnation & 0x7fffff) << 8 | (seq & 0xff);
}
static inline enum delivery_state delivery_state(uint64_t d) { return (enum delivery_state)bits(d, 61, 3); }
static inline uint32_t delivery_owner(uint64_t d) { return (uint32_t)bits(d, 51, 10); }
static inline uint32_t delivery_viewer1(uint64_t d) { return (uint32_t)bits(d, 41, 10); }
static inline uint32_t delivery_viewer2(uint64_t d) { return (uint32_t)bits(d, 31, 10); }
static inline uint32_t delivery_incarnation(uint64_t d) { return (uint32_t)bits(d, 8, 23); }
static inline uint32_t delivery_seq(uint64_t d) { return (uint32_t)bits(d, 0, 8); }

/*
 * Incarnation and seq together: which holding of the message this is. A receipt is this number. Seq is even, but odd while the word is DELAYED, so
 * that a lease and the backoff after it never share a stamp: LEASED(2k) -> DELAYED(2k+1) -> RETURNED(2k+2), or LEASED(2k) -> RETURNED(2k+2).
 */
static inline uint32_t delivery_hold(uint64_t d) { return (uint32_t)bits(d, 0, 31); }
static inline uint32_t hold_make(uint64_t generation, uint32_t seq) {
    return (uint32_t)((generation & 0x7fffff) << 8) | (seq & 0xff);
}
static inline uint32_t hold_plus(uint32_t hold, uint32_t n) {
    uint32_t seq = (hold & 0xff) + n; /* beyond 255 it goes on at 128: 0 means that the message was never given back */
    return (hold & ~UINT32_C(0xff)) | (seq > 0xff ? seq - 0x80 : seq);
}
static inline uint32_t hold_seq(uint32_t hold) { return hold & 0xff; }
static inline uint32_t hold_incarnation(uint32_t hold) { return hold >> 8; }
static inline uint32_t hold_delayed(uint32_t hold) { /* of an even one */
    return MUTANT(delayed_keeps_hold) ? hold : hold_plus(hold, 1);
}
static inline uint32_t hold_returned(uint32_t hold) { /* of either */
    return MUTANT(returned_keeps_hold) ? hold : hold_plus(hold, 2) & ~UINT32_C(1);
}
static inline uint64_t delivery_of_hold(enum delivery_state state, uint32_t owner, uint32_t v1, uint32_t v2, uint32_t hold) {
    return delivery_word(state, owner, v1, v2, 0, 0) | (hold & 0x7fffffff);
}

static inline bool taken(uint64_t d, uint64_t w) { return delivery_incarnation(d) == (cell_generation(w) & 0x7fffff); }

/* Do owner and viewers of a DEAD or LIMBO word, or the viewers of any other, name `seat`? */
static inline bool delivery_views(uint64_t d, uint32_t seat) {
    enum delivery_state s = delivery_state(d);
    return s != DELIVERY_SETTLED && (delivery_viewer1(d) == seat || delivery_viewer2(d) == seat ||
                                     ((s == DELIVERY_DEAD || s == DELIVERY_LIMBO) && delivery_owner(d) == seat));
}

static inline bool delivery_leaves(uint64_t d) { return delivery_state(d) == DELIVERY_RETURNED && delivery_owner(d) == LEAVING; }

/* ---- slot ---- */

enum { LAP_BITS = 28 };
#define LAP_MASK ((UINT64_C(1) << LAP_BITS) - 1)

/* As much of a generation or hold as an entry carries. */
#ifdef RP_SIM
#define TAG_MASK sim_tag_mask /* so few bits that they repeat */
#else
#define TAG_MASK UINT32_C(0x3fff)
#endif
static inline uint32_t slot_tag_of(uint64_t full) { return (uint32_t)full & TAG_MASK; }

static inline uint64_t slot_word(uint64_t lap, uint64_t full_tag, uint32_t cell) {
    return (lap & LAP_MASK) << 36 | (uint64_t)slot_tag_of(full_tag) << 22 | cell;
}
static inline uint64_t slot_lap(uint64_t s) { return bits(s, 36, LAP_BITS); }
static inline uint32_t slot_tag(uint64_t s) { return (uint32_t)bits(s, 22, 14); }
/* Does it carry what it can of this generation? */
static inline bool slot_is_of(uint64_t s, uint64_t generation) { return ((s >> 22 ^ generation) & TAG_MASK) == 0; }
static inline uint32_t slot_cell(uint64_t s) { return (uint32_t)bits(s, 0, 22); }

/* How far lap `a` is ahead of lap `b`, over the wrap: negative when behind. */
static inline int32_t lap_ahead(uint64_t a, uint64_t b) {
    if (MUTANT(lap_plain_difference))
        return (int32_t)(a - b);
    return (int32_t)((uint32_t)(a - b) << (32 - LAP_BITS)) >> (32 - LAP_BITS);
}

/* ---- position ---- */

enum { POSITION_BITS = 42 };

/* In a lane. */
static inline uint64_t position_word(uint64_t generation, uint32_t lane, uint64_t position) {
    return (generation & 0xfff) << 52 | (uint64_t)lane << POSITION_BITS | (position & ((UINT64_C(1) << POSITION_BITS) - 1));
}
static inline bool position_is_of(uint64_t p, uint64_t generation) { return bits(p, 52, 12) == (generation & 0xfff); }
static inline uint32_t position_lane(uint64_t p) { return (uint32_t)bits(p, POSITION_BITS, 10); }
/* The position in such a word; `near` is one not 2^41 away. */
static inline uint64_t position_of(uint64_t p, uint64_t near) {
    return near + (uint64_t)((int64_t)((p - near) << (64 - POSITION_BITS)) >> (64 - POSITION_BITS));
}

/* ---- stamp ---- */

#define STAMP_VALUE_MASK ((UINT64_C(1) << 40) - 1)
#define TIME_EXPIRED STAMP_VALUE_MASK     /* beside a LEASED word: the lease is over, anybody may take the message back */
#define TIME_NEVER (STAMP_VALUE_MASK - 1) /* a lease that only death ends */

static inline uint32_t stamp_tag(uint32_t hold) { return hold & 0xffffff; }
static inline uint64_t stamp(uint32_t hold, uint64_t value) { return (uint64_t)stamp_tag(hold) << 40 | (value & STAMP_VALUE_MASK); }
static inline bool stamp_is_of(uint64_t word, uint32_t hold) { return (uint32_t)(word >> 40) == stamp_tag(hold); }
static inline uint64_t stamp_value(uint64_t word) { return word & STAMP_VALUE_MASK; }

#ifdef RP_SIM
#define ENTRY_STAMP_MASK sim_stamp_mask
#else
#define ENTRY_STAMP_MASK UINT32_C(0xffffff)
#endif
/* A position in early, returned or deaths is stamped with the hold of its entry. */
static inline uint64_t entry_stamp(uint32_t hold, uint64_t position) { return stamp(hold & ENTRY_STAMP_MASK, position); }
static inline bool entry_stamp_is_of(uint64_t word, uint32_t hold) { return stamp_is_of(word, hold & ENTRY_STAMP_MASK); }
/* The position in such a word; `near` is one not 2^39 away. */
static inline uint64_t stamp_position(uint64_t word, uint64_t near) {
    return near + (uint64_t)((int64_t)((word - near) << 24) >> 24);
}

#endif
