/* SPDX-License-Identifier: MIT */
/* From the file back into memory: what a receiver does whose lane is empty. */
#include "claim.h"
#include "delivery.h"
#include "error.h"
#include "fanout.h"
#include "groups.h"
#include "headers.h"
#include "lane.h"
#include "reserve.h"
#include "schedule.h"
#include "spill.h"
#include <stdlib.h>

#ifdef RP_SIM
enum { AT_ONCE = 2 };
#else
enum { AT_ONCE = 32 };
#endif

struct spill_reader *spill_reader_new(uint32_t lanes) {
    struct spill_reader *r = calloc(lanes, sizeof *r);
    for (uint32_t i = 0; r != NULL && i < lanes; i++)
        r[i] = (struct spill_reader){UINT64_MAX, UINT64_MAX, UINT32_MAX};
    return r;
}

/* ---- the last step, by anybody ---- */

enum requeue spill_help(struct actor *a, unsigned group, uint32_t lane, uint64_t cursor) {
    const struct segment *s = a->segment;
    uint32_t c = cursor_cell(cursor);
    if (c == NO_CELL)
        return REQUEUE_IN;
    if (!segment_has_cell(s, c))
        return REQUEUE_DAMAGED;
    struct cell *cell = segment_cell(s, c);
    /* The word, then what the cell says of its place: if the CAS succeeds they belong together, and the cell is the one that this cursor names. */
    uint64_t w = load_acquire(&cell->word, cell_word);
    if (cell_state(w) == CELL_STAGED && cell_pending(w) == UINT32_C(1) << group &&
        (cursor_word(field_read(&segment_extra(s, c)->spilled_at) + 1, c) == cursor || MUTANT(spill_help_any)) &&
        lane_of(s, c) == lane) {
        uint32_t flags = field_read(&cell->flags);
        uint64_t expires = flags & CELL_EXPIRES ? field_read(&segment_extra(s, c)->expires_ns) : 0;
        uint64_t next = cell_word(CELL_COMMITTED, NOBODY, cell_pending(w), cell_generation(w) + 1);
        if (cas_seq_cst(&cell->word, &w, next, cell_word) && flags & CELL_EXPIRES)
            schedule_timer(a, c, flags, expires, false);
    }
    if (MUTANT(spill_help_no_insert))
        return REQUEUE_IN;
    enum requeue inserted = lane_insert(s, c);
    return inserted == REQUEUE_NOT_DUE ? REQUEUE_IN : inserted;
}

/* ---- the copy ---- */

/* Another may write to a frame while it is read, if our cursor has moved on; then what was read is thrown away. So these reads are told to no checker; the writes are. */
#define UNCHECKED __attribute__((no_sanitize("thread"))) static inline
UNCHECKED uint64_t glance(const void *word) { return *(const volatile uint64_t *)word; }
UNCHECKED uint32_t glance_half(const void *word) { return *(const volatile uint32_t *)word; }

static void copy_words(void *to, const void *from, size_t bytes) {
    for (size_t i = 0; i < bytes; i += 8)
        *(uint64_t *)(void *)((unsigned char *)to + i) = glance((const unsigned char *)from + i);
}

/* The message's key and times, `bytes` of them. False: they cannot be. */
static bool copy_extra(const struct extra *from, struct extra *to, uint32_t bytes, uint32_t flags) {
    field_write(&to->due_ns, glance(&from->due_ns));
    field_write(&to->expires_ns, glance(&from->expires_ns));
    to->key_bytes = flags & CELL_HAS_KEY ? glance_half(&from->key_bytes) : 0;
    if (to->key_bytes > bytes - sizeof *from)
        return false;
    copy_words(to->key, from->key, to->key_bytes);
    return true;
}

/* The frame at `place` into a cell of ours. False: there is no such frame. */
static bool copy_frame(const struct segment *s, uint64_t place, uint32_t lane, uint64_t position, uint32_t c) {
    const uint64_t offset = place * LINE, first = spill_index_bytes(&s->layout), room = extent_room(s);
    if (offset < first || offset >= s->layout.spill_area_bytes || (offset - first) % s->layout.spill_extent_bytes >= room)
        return false;
    const uint64_t left = room - (offset - first) % s->layout.spill_extent_bytes;
    const struct frame *frame = (const struct frame *)(const void *)(s->spill_area + offset);
    const uint32_t bytes = glance_half(&frame->bytes), extra = glance_half(&frame->extra_bytes),
                   flags = glance_half(&frame->flags) & 0xff;
    const uint64_t content = offsetof(struct frame, payload) + content_aligned(bytes);
    bool needs_extra = flags & (CELL_HAS_KEY | CELL_EXPIRES);
    if (glance(&frame->position) != position || glance_half(&frame->lane) != lane || bytes > segment_room(s) ||
        extra > s->layout.extra_stride || content + extra > left || (needs_extra && extra < sizeof(struct extra)))
        return false;
    struct cell *cell = segment_cell(s, c);
    cell->id = glance(&frame->id);
    cell->sent_wall_ns = glance(&frame->sent_wall_ns);
    cell->bytes = bytes;
    field_write(&cell->flags, flags);
    copy_words(cell->payload, frame->payload, bytes);
    return !needs_extra || copy_extra((const struct extra *)(const void *)((const unsigned char *)frame + content),
                                      segment_extra(s, c), extra, flags);
}

/* ---- one message ---- */

struct refill {
    struct rp_consumer *consumer;
    uint32_t lane;
    uint32_t cell; /* ours; NO_CELL: none */
    int count;
    bool helped; /* what the cursor names came into its lane, perhaps after that was found empty */
};

/* Its payload is there: the cell is STAGED, the cursor moves, the cell is COMMITTED. False: another was faster. */
static bool move(struct refill *r, uint64_t cursor, uint64_t n) {
    struct rp_consumer *c = r->consumer;
    struct actor *a = &c->actor;
    const struct segment *s = a->segment;
    struct cell *cell = segment_cell(s, r->cell);
    uint64_t generation = cell_generation(load_relaxed(&cell->word, own));
    const uint32_t group_bit = UINT32_C(1) << c->group;
    field_write(&segment_extra(s, r->cell)->spilled_at, n);
    store_release(&cell->position, position_word(generation + 1 + 2048, r->lane, 0), position);
    uint64_t staged = cell_word(MUTANT(spill_stage_owned) ? CELL_OWNED : CELL_STAGED, a->seat, group_bit, generation);
    store_seq_cst(&cell->word, staged, cell_word);
    a64 *word = spill_cursor_at(s, c->group, r->lane);
    uint64_t next = cursor_word(n + 1, r->cell), expected = cursor;
    if (!cas_seq_cst(word, &expected, next, cursor)) {
        if (!cas_seq_cst(&cell->word, &staged, cell_word(CELL_OWNED, a->seat, 0, generation), cell_word))
            r->cell = NO_CELL; /* its group is gone, and who cleared its place took the cell */
        return false;
    }
    r->cell = NO_CELL;
    r->count++;
    tally_add(&a->tally, COUNT_REFILLED, 1);
    if (spill_help(a, c->group, r->lane, next) == REQUEUE_IN)
        c->spill[r->lane].helped = next;
    lane_announce(s, r->lane, group_bit, true);
    return true;
}

static int broken(const struct refill *r, uint64_t n) {
    if (!claim_in_group(r->consumer))
        return RP_GONE;
    return fail(RP_CORRUPT, "queue '%s': the spill of lane %u is damaged at position %llu", r->consumer->actor.queue->name, r->lane,
                (unsigned long long)n);
}

enum step { STEP_DONE, STEP_AGAIN, STEP_END, STEP_NO_ROOM, STEP_BROKEN };

static enum step step(struct refill *r, uint64_t *n) {
    struct rp_consumer *c = r->consumer;
    struct actor *a = &c->actor;
    const struct segment *s = a->segment;
    struct spill_reader *reader = &c->spill[r->lane];
    const struct index_ring ring = spill_ring(s, r->lane);
    a64 *word = spill_cursor_at(s, c->group, r->lane);
    uint64_t cursor = load_acquire(word, cursor);
    *n = cursor_position(cursor, load_acquire(ring.tail, hints));
    if (cursor != reader->helped && !MUTANT(spill_no_help)) {
        enum requeue helped = spill_help(a, c->group, r->lane, cursor);
        if (helped != REQUEUE_IN)
            return helped == REQUEUE_FULL ? STEP_NO_ROOM : STEP_BROKEN;
        reader->helped = cursor;
        r->helped = true;
    }
    uint64_t slot = load_seq_cst(ring_slot(&ring, *n), slot);
    int32_t ahead = lap_ahead(slot_lap(slot), ring_lap(&ring, *n));
    if (ahead < 0)
        return STEP_END;
    if (r->cell == NO_CELL) {
        if (!reserve_take(a, c->group, &r->cell)) {
            r->cell = NO_CELL;
            return STEP_NO_ROOM;
        }
        /* Asked again now that the cell is ours: else it may be the very one into which this message went meanwhile, and was acked. */
        if (load_acquire(word, cursor) != cursor && !MUTANT(spill_cell_late))
            return STEP_AGAIN;
    }
    if (ahead > 0 || !copy_frame(s, spill_place(slot), r->lane, *n, r->cell))
        return load_acquire(word, cursor) == cursor ? STEP_BROKEN : STEP_AGAIN;
    if (!move(r, cursor, *n))
        return STEP_AGAIN;
    uint32_t extent = (uint32_t)((spill_place(slot) * LINE - spill_index_bytes(&s->layout)) / s->layout.spill_extent_bytes);
    if (extent != reader->extent) {
        hint_raise(ring.tail, *n + 1);
        if (reader->extent != UINT32_MAX)
            (void)spill_extent_free(a, reader->extent);
        reader->extent = extent;
    }
    return STEP_DONE;
}

int spill_refill(struct rp_consumer *c, uint32_t lane) {
    struct refill r = {.consumer = c, .lane = lane, .cell = NO_CELL};
    struct spill_reader *reader = &c->spill[lane];
    enum step last = STEP_DONE;
    uint64_t n = 0, before = reader->seen;
    while (r.count < AT_ONCE && (last == STEP_DONE || last == STEP_AGAIN))
        last = step(&r, &n);
    if (r.cell != NO_CELL)
        pool_give_back(&c->actor.pool, r.cell);
    if (last == STEP_END && reader->extent != UINT32_MAX)
        (void)spill_extent_free(&c->actor, reader->extent);
    reader->seen = load_acquire(spill_cursor_at(c->actor.segment, c->group, lane), cursor);
    if (last == STEP_BROKEN)
        return broken(&r, n);
    /* Was anything moved since before the lane was found empty? Then it may be there. */
    bool moved = r.helped || reader->seen != before;
    return r.count > 0 || (moved && !MUTANT(spill_empty_one_look)) ? 0 : RP_EMPTY;
}

bool spill_promising(const struct rp_consumer *c) {
    const struct segment *s = c->actor.segment;
    for (uint32_t lane = 0; lane < c->lane_count; lane++) {
        const struct index_ring ring = spill_ring(s, lane);
        uint64_t cursor = load_acquire(spill_cursor_at(s, c->group, lane), cursor);
        if (cursor != c->spill[lane].seen || !ring_ends_at(&ring, cursor_position(cursor, load_acquire(ring.tail, hints))))
            return true;
    }
    return false;
}
