/* SPDX-License-Identifier: MIT */
/* What senders and settlers of a durable queue do. */
#include "catch_up.h"
#include "error.h"
#include "fanout.h"
#include "pause.h"
#include "send.h"
#include <string.h>

enum { NO_PLACE_YET = 2048 }; /* far from any generation that a position may be of, as in schedule.c */

/* ---- creating ---- */

void durable_begin(const struct segment *s, const char *path, const unsigned char id[16], uint64_t next, uint64_t number,
                   uint32_t unit, uint64_t oldest, uint64_t needed, bool snapshot) {
    struct control *k = s->control;
    uint64_t start = load_relaxed(&k->journal_tail, init);
    size_t bytes = strnlen(path, JOURNAL_NAME_BYTES - 1);
    memcpy(s->journal->path, path, bytes);
    s->journal->path[bytes] = 0;
    memcpy(s->journal->id, id, sizeof s->journal->id);
    k->journal_first = next - start;
    store_relaxed(&k->journal_file, number, init);
    store_relaxed(&k->journal_oldest, oldest, init);
    store_relaxed(&k->journal_needed, needed, init);
    store_relaxed(&k->journal_snapshot, snapshot, init);
    struct durable_point p = {.file = (uint32_t)bits(number, 0, POINT_FILE_BITS), .unit = unit, .position = (uint32_t)start};
    store_relaxed(&k->journal_point, point_word(p), init);
}

void durable_adopt(const struct segment *s, uint32_t c, uint64_t sequence) {
    uint64_t generation = cell_generation(load_relaxed(&segment_cell(s, c)->word, init));
    store_relaxed(&segment_extra(s, c)->journal, position_word(generation, 0, sequence - s->control->journal_first), init);
}

/* ---- entering ---- */

/* Does the entry that the word `p` names lie in the ring? */
static bool holds(const struct segment *s, uint32_t c, uint64_t p, uint64_t generation) {
    struct index_ring ring = durable_ring(s);
    return position_is_of(p, generation) && ring_holds(&ring, position_of(p, load_acquire(ring.tail, hints)), generation, c);
}

bool durable_entered(const struct segment *s, uint32_t c, uint64_t generation, uint64_t *position) {
    uint64_t p = load_acquire(&segment_extra(s, c)->journal, journal);
    *position = position_of(p, load_acquire(&s->control->journal_tail, hints));
    return MUTANT(durable_position_believed) ? position_is_of(p, generation) : holds(s, c, p, generation);
}

/* No position is filled again before its message was moved on: there are as many slots as cells. */
static bool never_live(const void *context, uint64_t old_position, uint64_t slot) {
    (void)context, (void)old_position, (void)slot;
    return false;
}

bool durable_enter(const struct segment *s, uint32_t c, uint64_t *position) {
    a64 *word = &segment_cell(s, c)->word, *journal = &segment_extra(s, c)->journal;
    struct index_ring ring = durable_ring(s);
    for (;;) {
        /* As lane_insert: the position first, then the word, so who slept in between does not move an entry that is past. */
        uint64_t p = load_acquire(journal, journal), w = load_acquire(word, cell_word), slot;
        uint64_t generation = cell_generation(w), t = load_acquire(ring.tail, hints);
        *position = position_of(p, t);
        if (cell_state(w) != CELL_JOURNALED)
            return false;
        if (holds(s, c, p, generation))
            return true;
        if (ring_find(&ring, &t, &slot, never_live, NULL) != RING_FOUND)
            return false; /* damage */
        if (!MUTANT(durable_place_first) && holds(s, c, p, generation))
            return true;
        *position = t;
        if (!cas_acq_rel(journal, &p, position_word(generation, 0, t), journal))
            continue;
        if (ring_fill(&ring, t, slot, generation, c)) {
            hint_raise(ring.tail, t + 1);
            return true;
        }
    }
}

int durable_refuse(const struct actor *a) {
    const struct segment *s = a->segment;
    uint64_t failed = load_relaxed(&s->control->journal_failed, hint);
    uint32_t own = load_relaxed(&a->queue->store_failed, hint);
    if (own == (uint32_t)-RP_GONE)
        return fail(RP_GONE, "queue '%s' was removed", a->queue->name);
    if (own != 0)
        return fail(RP_NOT_DURABLE, "queue '%s': this process cannot open journal '%s': %s", a->queue->name, s->journal->path,
                    rp_error_text(-(int)own));
    return fail(RP_NOT_DURABLE, "queue '%s': journal '%s' cannot be written: %s; it is tried again", a->queue->name,
                s->journal->path, rp_error_text(-(int)bits(failed, 48, 16)));
}

static bool works(struct rp_producer *p) {
    if (!p->durable_ready && !(p->durable_ready = durable_open(&p->actor)))
        return false;
    return load_relaxed(&p->actor.segment->control->journal_failed, hint) == 0 || durable_drive(&p->actor) != DRIVE_FAILED;
}

int durable_send(struct rp_producer *p, uint32_t lane, uint32_t c, uint32_t flags) {
    const struct segment *s = p->actor.segment;
    struct cell *cell = segment_cell(s, c);
    if (!works(p))
        return durable_refuse(&p->actor);
    uint64_t generation = cell_generation(load_relaxed(&cell->word, own)) + 1, groups = groups_load(s);
    uint32_t mask = flags & CELL_WAITS ? 0 : groups_active(s, groups);
    if (mask == 0 && !(flags & CELL_WAITS))
        return publish_for_nobody(p, c);
    field_write(&cell->flags, flags | groups_version(groups) << 8);
    /* The lane stands there until it is entered; no entry in it is taken for this one's. */
    store_release(&cell->position, position_word(generation + NO_PLACE_YET, lane, 0), position);
    store_seq_cst(&cell->word, cell_word(CELL_JOURNALED, NOBODY, mask, generation), cell_word);
    uint64_t position;
    if (durable_enter(s, c, &position)) { /* else others did, and it is in the journal already */
        p->durable_tail = position + 1;
        p->durable_owes = true;
    }
    tally_add(&p->actor.tally, COUNT_SENT, 1);
    if (flags & CELL_WAITS)
        tally_add(&p->actor.tally, COUNT_SCHEDULED, 1);
    return 0;
}

/* ---- marking ---- */

void durable_mark(const struct segment *s, uint32_t c) {
    a64 *word = &s->journal_dirty[c / 64];
    uint64_t bit = UINT64_C(1) << (c % 64);
    if (MUTANT(durable_mark_lost))
        return;
    (void)fetch_or_seq_cst(word, bit,
                           dirty); /* always: if the writer took the bit before, he looks at the words before our change of them */
    if (load_seq_cst(&s->control->journal_marked, dirty) != 0)
        return; /* whoever takes that back looks at the bits afterwards, and finds ours */
    store_seq_cst(&s->control->journal_marked, 1, dirty);
    struct eventcount room = free_event(s);
    eventcount_wake(&room, 1); /* who waits for memory gets it by recording what was settled */
}

uint64_t durable_groups_key(const struct segment *s) {
    uint64_t active = groups_load(s), paused = pause_load(s);
    return (active ^ paused * UINT64_C(0x9e3779b97f4a7c15) ^ catch_up_untold(s) * UINT64_C(0xc2b2ae3d27d4eb4f)) | 1;
}

bool durable_urgent(const struct segment *s) {
    const struct control *k = s->control;
    struct index_ring ring = durable_ring(s);
    uint64_t point = load_acquire(&k->journal_point, journaled), moved = load_acquire(&k->journal_moved, hints);
    return !ring_ends_at(&ring, point_position(point, moved)) || snapshot_is_wanted(s) ||
           load_seq_cst(&s->control->journal_leaving, dirty) != 0 || !durable_said_groups(s);
}

bool durable_unwritten(const struct segment *s) {
    return load_seq_cst(&s->control->journal_marked, dirty) != 0 || durable_urgent(s);
}
