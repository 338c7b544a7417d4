/* SPDX-License-Identifier: MIT */
/*
 * A process's view of a segment: where its parts are. Parameters and layout are copied at attach and never read from shared memory again, so
 * nobody can move a bound under our feet. Whatever is read from the segment later is checked against them before it is used as an index.
 */
#ifndef RP_MEMORY_SEGMENT_H
#define RP_MEMORY_SEGMENT_H

#include "layout.h"

struct segment {
    unsigned char *base;
    struct parameters parameters;
    struct layout layout;
    uint64_t epoch_boot_ns;
    uint64_t created_wall_ns;
    struct control *control;
    struct group *groups;
    struct seat *seats;
    a64 *bitmap;
    a64 *lane;
    a64 *group_rings;
    struct delivery *deliveries;
    struct failure_text *texts;
    unsigned char *cells;
};

/* Fills fresh zeroed memory of layout->bytes; nobody sees it yet. The first group is `group`. */
void segment_initialise(void *memory, const struct parameters *p, const struct layout *l, const char *group);

/*
 * The attach handshake over the first page: magic, byte order, version, features, checksum, and every offset, which must be the one that the
 * parameters yield, within a file of `bytes`. 0; RP_CORRUPT, RP_INCOMPATIBLE with the detail set. Binds the view to `memory`.
 */
int segment_bind(struct segment *s, void *memory, uint64_t bytes, bool read_only);

static inline bool segment_has_cell(const struct segment *s, uint32_t c) { return c < s->layout.cell_count; }

static inline struct cell *segment_cell(const struct segment *s, uint32_t c) {
    return (struct cell *)(void *)(s->cells + (size_t)c * s->layout.cell_stride);
}

static inline struct delivery *segment_delivery(const struct segment *s, unsigned group, uint32_t c) {
    return &s->deliveries[(size_t)group * s->layout.cell_count + c];
}

/* The delivery word and the time beside it: in the cell's own first line for group 0. */
static inline a64 *delivery_at(const struct segment *s, unsigned group, uint32_t c) {
    return group == 0 ? &segment_cell(s, c)->delivery : &segment_delivery(s, group, c)->word;
}
static inline a64 *time_at(const struct segment *s, unsigned group, uint32_t c) {
    return group == 0 ? &segment_cell(s, c)->time : &segment_delivery(s, group, c)->time;
}

/* How many cells may be used: the first capacity + 8 x seats. Checked. */
static inline uint32_t cells_in_play(const struct segment *s) {
    uint64_t n = load_relaxed(&s->control->cells_in_play, hint);
    return n <= s->layout.cell_count ? (uint32_t)n : s->layout.cell_count;
}

/* Which group has this name: its index, or -1. */
int segment_group(const struct segment *s, const char *name);

#endif
