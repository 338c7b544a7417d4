/* SPDX-License-Identifier: MIT */
/*
 * From the journal ring into lanes. Any number do this at once; each goes through the ring in order, and past a message only when it is in its lane, or waits for its time. So messages come into a lane in the order of
 * the ring, whoever dies or stops: what he leaves behind JOURNALED or COMMITTED, the next one brings to its place before he goes on.
 */
#include "catch_up.h"
#include "fanout.h"
#include "lane.h"
#include "schedule.h"

/* Of one that is below the point. False: its lane is full (keyed), or cannot be. */
static bool enter_lane(struct actor *a, uint32_t c, uint64_t w) {
    const struct segment *s = a->segment;
    uint32_t lane = lane_of(s, c);
    enum requeue in = lane_exists(s, lane) ? lane_insert(s, c) : REQUEUE_DAMAGED;
    if (in == REQUEUE_IN)
        lane_announce(s, lane, cell_pending(w), true);
    return in != REQUEUE_FULL;
}

/* Whoever turned the word does this; who dies before is followed by sweeps. */
static void turned(struct actor *a, uint32_t c, uint64_t w) {
    const struct segment *s = a->segment;
    uint32_t flags = field_read(&segment_cell(s, c)->flags);
    if (cell_state(w) == CELL_DELAYED) {
        uint64_t id = segment_cell(s, c)->id;
        field_write(&s->ids[id & (s->layout.id_count - 1)], c + 1);
        schedule_timer(a, c, flags, field_read(&segment_extra(s, c)->due_ns), true);
        return;
    }
    if (flags & CELL_EXPIRES)
        schedule_timer(a, c, flags, field_read(&segment_extra(s, c)->expires_ns), false);
    /* Groups may have been removed, and others made in their places, since its sender looked. */
    if (groups_version(groups_load(s)) != flags >> 8)
        fanout_drop_stale(a, c, cell_generation(w), flags >> 8);
}

/* The entry at position t, which is `slot`. False: it must wait. */
static bool move(struct actor *a, uint64_t t, uint64_t slot) {
    const struct segment *s = a->segment;
    const uint32_t c = slot_cell(slot);
    if (!segment_has_cell(s, c))
        return true;
    a64 *word = &segment_cell(s, c)->word;
    for (;;) {
        uint64_t w = load_acquire(word, cell_word), generation = cell_generation(w);
        bool of_entry =
            slot_is_of(slot, generation) && load_acquire(&segment_extra(s, c)->journal, journal) == position_word(generation, 0, t);
        if (!of_entry || (cell_state(w) != CELL_JOURNALED && cell_state(w) != CELL_COMMITTED))
            return true;
        if (cell_state(w) == CELL_COMMITTED)
            return MUTANT(durable_moves_on) || enter_lane(a, c, w);
        uint32_t groups = cell_pending(w) == 0 ? 0 : catch_up_mask(s, cell_pending(w), t);
        if (groups == 0 && cell_pending(w) != 0) { /* it is in the journal, from where those get it who are behind */
            if (schedule_end_unpublished(a, c, w, generation + 1))
                return true;
            continue;
        }
        uint64_t anew = cell_word(groups == 0 ? CELL_DELAYED : CELL_COMMITTED, NOBODY, groups, generation);
        if (cas_seq_cst(word, &w, anew, cell_word))
            turned(a, c, anew);
    }
}

bool durable_waits(const struct segment *s, uint32_t c, uint64_t w) {
    if (!durable(s) || cell_state(w) != CELL_COMMITTED)
        return cell_state(w) == CELL_JOURNALED;
    /* Asked as of one whose sender may have died before it was in its lane. */
    return !fanout_committed(s, c, cell_word(CELL_PUBLISHED, NOBODY, cell_pending(w), cell_generation(w)));
}

void durable_move(struct actor *a) {
    const struct segment *s = a->segment;
    struct index_ring ring = durable_ring(s);
    a64 *moved = &s->control->journal_moved;
    uint64_t t = load_acquire(moved, hints), point = load_acquire(&s->control->journal_point, journaled);
    const uint64_t end = point_position(point, t);
    for (; (int64_t)(end - t) > 0; t++) {
        uint64_t slot = load_acquire(ring_slot(&ring, t), slot);
        if (slot_lap(slot) != ring_lap(&ring, t)) { /* filled again: others came further */
            uint64_t further = load_acquire(moved, hints);
            if ((int64_t)(further - t) <= 0)
                return; /* damage */
            t = further - 1;
            continue;
        }
        if (!move(a, t, slot) && !MUTANT(durable_moves_past))
            break;
        if ((t + 1) % 16 == 0)
            hint_raise(moved, t + 1);
    }
    hint_raise(moved, t);
}
