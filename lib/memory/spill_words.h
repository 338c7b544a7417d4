/* SPDX-License-Identifier: MIT */
/*
 * Spilled messages: what of them lies in the segment, and what in the spill file. docs/spill-format.md has the protocol.
 *
 *     extent word     state:2 | owner:10 | generation:52     a part of the file; its owner writes frames into it
 *     cursor word     cell:22 | position:42                  how far a group has come in a lane's spill, and into which cell the last message went
 *     index slot      as of any ring, with the frame's place in its 36 bits of tag and cell
 *
 * The file's area is the index, a ring of slots for each lane, and then the extents: frames from the beginning, a head at the end. All places are counted in lines.
 */
#ifndef RP_MEMORY_SPILL_WORDS_H
#define RP_MEMORY_SPILL_WORDS_H

#include "segment.h"

enum {
    SPILL_PATH_BYTES = 1024,
    SPILL_BYTES_PER_SLOT = 128, /* the index has a slot for so many bytes of the bound */
    SPILL_CHUNK_BYTES = 64 << 10
};
#define SPILL_BYTES_MAX (UINT64_C(1) << 40)

struct spill {
    a64 extent_hint;  /* where the last free one was found */
    a64 sweep_cursor; /* extents: where the next tick goes on */
    uint64_t reserved[6];
    char path[SPILL_PATH_BYTES]; /* of the file; written before anybody sees the segment */
};

struct spill_cursor {
    a64 word;
    uint64_t reserved[7];
};

/* At the end of an extent. Written by its owner alone. */
struct extent_head {
    a64 busy;   /* 1: its owner is between asking whether sending is paused and the end of that send */
    a64 last[]; /* [lane]: the index position after the last of its frames, or more */
};

/* A message in an extent: its cell's fields from `id` on, in the same places, and the extra line behind the payload if it needs one. */
struct frame {
    uint64_t position;
    uint32_t lane;
    uint32_t extra_bytes;
    uint64_t reserved[2];
    uint64_t id;
    uint64_t sent_wall_ns;
    uint32_t bytes;
    a32 flags;
    unsigned char payload[];
};
_Static_assert(offsetof(struct frame, id) == offsetof(struct cell, id) &&
                   offsetof(struct frame, payload) == offsetof(struct cell, payload) &&
                   offsetof(struct frame, flags) == offsetof(struct cell, flags),
               "a frame is copied into a cell");
_Static_assert(sizeof(struct spill) % LINE == 0 && sizeof(struct spill_cursor) == LINE, "whole lines");

/* ---- extents ---- */

enum extent_state {
    EXTENT_HOLE,  /* not on disk */
    EXTENT_READY, /* on disk, and nothing in it counts */
    EXTENT_OWNED, /* the owner writes into it, or is about to make it READY or a HOLE */
    EXTENT_SEALED /* nobody writes any more */
};
static inline uint64_t extent_word(enum extent_state state, uint32_t owner, uint64_t generation) {
    return (uint64_t)state << 62 | (uint64_t)owner << 52 | (generation & ((UINT64_C(1) << 52) - 1));
}
static inline enum extent_state extent_state(uint64_t w) { return (enum extent_state)(w >> 62); }
static inline uint32_t extent_owner(uint64_t w) { return (uint32_t)bits(w, 52, 10); }
static inline uint64_t extent_generation(uint64_t w) { return bits(w, 0, 52); }

static inline uint64_t spill_index_bytes(const struct layout *l) {
    return l->spill_area_bytes - l->spill_extent_count * l->spill_extent_bytes;
}
static inline uint64_t extent_offset(const struct layout *l, uint32_t e) {
    return spill_index_bytes(l) + e * l->spill_extent_bytes;
}
static inline uint32_t extent_head_bytes(const struct parameters *p) {
    return (uint32_t)(sizeof(struct extent_head) + UINT64_C(8) * p->lane_count + LINE - 1) & ~(uint32_t)(LINE - 1);
}
static inline uint64_t extent_room(const struct segment *s) {
    return s->layout.spill_extent_bytes - extent_head_bytes(&s->parameters);
}
static inline struct extent_head *extent_head(const struct segment *s, uint32_t e) {
    return (struct extent_head *)(void *)(s->spill_area + extent_offset(&s->layout, e) + extent_room(s));
}

/* ---- cursors ---- */

static inline uint64_t cursor_word(uint64_t position, uint32_t cell) {
    return (uint64_t)cell << POSITION_BITS | (position & ((UINT64_C(1) << POSITION_BITS) - 1));
}
static inline uint32_t cursor_cell(uint64_t w) { return (uint32_t)(w >> POSITION_BITS); }
/* Where it is; `near` is a position not 2^41 away. */
static inline uint64_t cursor_position(uint64_t w, uint64_t near) { return position_of(w, near); }
static inline a64 *spill_cursor_at(const struct segment *s, unsigned group, uint32_t lane) {
    return &s->spill_cursors[(size_t)group * s->parameters.lane_count + lane].word;
}

#endif
