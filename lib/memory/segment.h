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
    uint64_t identity[2];
    struct control *control;
    struct group *groups;
    struct seat *seats;
    a64 *bitmap;
    struct lane_end *lane_ends;
    struct lane_start *lane_starts;
    struct ready_lanes *ready_lanes;
    a64 *lanes;
    a64 *group_rings;
    struct delivery *deliveries;
    unsigned char *extras;
    a64 *timers;
    a32 *ids;
    struct failure_text *texts;
    a64 *known_heads;
    struct known_id *known_ids;
    struct identity *identities;
    unsigned char *cells;
    struct bell_entry *bells;
    struct journal_place *journal; /* NULL: not a durable queue */
    a64 *journal_slots;
    a64 *journal_dirty;
    struct spill *spill; /* NULL: it does not spill */
    struct lane_end *spill_ends;
    struct spill_cursor *spill_cursors;
    a64 *spill_extents;
    a64 *spill_chunks;
    unsigned char *spill_area; /* in the segment, or a mapping of the spill file */
    const char *path;          /* of the file and */
    uint64_t inode;            /* which it is: names of bells are made of them; NULL: not in a file */
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

/* The room of a cell for payload and headers together; a multiple of 8. */
static inline uint32_t segment_room(const struct segment *s) {
    return s->layout.cell_stride - (uint32_t)offsetof(struct cell, payload);
}

static inline struct delivery *segment_delivery(const struct segment *s, unsigned group, uint32_t c) {
    return &s->deliveries[(size_t)group * s->layout.cell_count + c];
}

static inline struct extra *segment_extra(const struct segment *s, uint32_t c) {
    return (struct extra *)(void *)(s->extras + (size_t)c * s->layout.extra_stride);
}

static inline struct lane_start *segment_lane_start(const struct segment *s, unsigned group, uint32_t lane) {
    return &s->lane_starts[(size_t)group * s->parameters.lane_count + lane];
}

/* How many lanes of a group have rings of redeliveries. */
static inline uint32_t segment_again_lanes(const struct segment *s) { return s->parameters.keyed ? 0 : s->parameters.lane_count; }

/* How many levels of priority there are. */
static inline uint32_t segment_levels(const struct segment *s) {
    return s->parameters.keyed || s->parameters.numa_shards > 0 ? 1 : s->parameters.lane_count;
}

/* The slots of a group's rings: early and returned of each lane, then deaths. */
static inline a64 *segment_group_rings(const struct segment *s, unsigned group) {
    const struct layout *l = &s->layout;
    return s->group_rings + (size_t)group * (2 * (size_t)segment_again_lanes(s) * l->slot_count + l->death_slot_count);
}

/* The delivery word and the time beside it: in the cell's own first line for group 0. */
static inline a64 *delivery_at(const struct segment *s, unsigned group, uint32_t c) {
    return group == 0 ? &segment_cell(s, c)->delivery : &segment_delivery(s, group, c)->word;
}
static inline a64 *time_at(const struct segment *s, unsigned group, uint32_t c) {
    return group == 0 ? &segment_cell(s, c)->time : &segment_delivery(s, group, c)->time;
}

/* The words that say everything about one cell and one group: found once, used by all steps of a call. */
struct words {
    struct cell *cell;
    a64 *delivery;
    a64 *time;
};
static inline struct words words_at(const struct segment *s, unsigned group, uint32_t c) {
    struct cell *cell = segment_cell(s, c);
    if (likely(group == 0))
        return (struct words){cell, &cell->delivery, &cell->time};
    struct delivery *d = segment_delivery(s, group, c);
    return (struct words){cell, &d->word, &d->time};
}

/* How many cells may be used: the first capacity + 8 x seats. Checked. */
static inline uint32_t cells_in_play(const struct segment *s) {
    uint64_t n = load_relaxed(&s->control->cells_in_play, hint);
    return n <= s->layout.cell_count ? (uint32_t)n : s->layout.cell_count;
}

#endif
