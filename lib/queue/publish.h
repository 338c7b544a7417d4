/* SPDX-License-Identifier: MIT */
/* Publishing a message: the cell's word says PUBLISHED, its position says where, and one CAS of a lane slot commits it. */
#ifndef RP_QUEUE_PUBLISH_H
#define RP_QUEUE_PUBLISH_H

#include "fanout.h"
#include "lane.h"

/*
 * Publishes an owned cell, complete but for its flags, in a lane. 0: the message is committed, and (with `wake`) sleeping receivers were woken. RP_FULL, RP_CORRUPT
 * with the detail set: the cell is OWNED as before.
 * A crash leaves it OWNED or PUBLISHED and not in the lane (freed by recovery), or in the lane (delivered).
 */
int publish(struct rp_producer *p, uint32_t lane, uint32_t c, uint32_t flags, bool wake);

/* ---- the same in place, for the way of most messages ---- */

enum { TAIL_HINT_EVERY = 8, SLOT_LOST = 1 };

int publish_for_nobody(struct rp_producer *p, uint32_t c);
int publish_without_place(const struct rp_producer *p, int result);
int publish_search(struct rp_producer *p, uint32_t lane, uint32_t c, uint64_t generation);

static ALWAYS_INLINE void publish_filled(struct sender_lane *l, uint64_t t) {
    l->tail = t + 1;
    uint64_t next = load_acquire(ring_slot(&l->ring, t + 1), slot); /* in the line that we have just written, mostly */
    if (likely(lap_ahead(slot_lap(next), ring_lap(&l->ring, t + 1)) == -1)) {
        l->slot_seen = next;
        l->slot_seen_at = t + 1;
    }
    if (t + 1 - l->tail_told >= TAIL_HINT_EVERY) {
        hint_raise(l->ring.tail, t + 1);
        l->tail_told = t + 1;
    }
}

/* Fills the first unfilled position, l->tail, if `slot` still lies there. This commits the message. 0, SLOT_LOST, RP_FULL, RP_CORRUPT. */
static ALWAYS_INLINE int publish_fill(struct rp_producer *p, uint32_t lane, struct cell *cell, uint32_t c, uint64_t generation,
                                      uint64_t slot) {
    const struct segment *s = p->actor.segment;
    struct sender_lane *l = &p->lanes[lane];
    const uint64_t t = l->tail;
    int result = lane_clear(s, lane, t, slot, &l->head_seen);
    if (!likely(result == 0))
        return publish_without_place(p, result);
    /* Written ahead, so that survivors can ask "did it arrive?". Nobody else inserts a PUBLISHED cell, so a store will do. */
    if (!MUTANT(send_position_late))
        store_release(&cell->position, position_word(generation, lane, t), position);
    if (!likely(ring_fill(&l->ring, t, slot, generation, c)))
        return SLOT_LOST;
    if (MUTANT(send_position_late))
        store_release(&cell->position, position_word(generation, lane, t), position);
    publish_filled(l, t);
    return 0;
}

/*
 * Receivers that poll have taken the slot's line from us since our last send, so a load and then the CAS would move it twice; the CAS alone finds out whether what we saw
 * there then still does lie there.
 */
static ALWAYS_INLINE int publish_enter(struct rp_producer *p, uint32_t lane, struct cell *cell, uint32_t c, uint64_t generation) {
    struct sender_lane *l = &p->lanes[lane];
    const uint64_t slot = l->slot_seen;
    bool seen = l->slot_seen_at == l->tail && slot != 0;
    l->slot_seen = 0;
    int result = likely(seen) ? publish_fill(p, lane, cell, c, generation, slot) : SLOT_LOST;
    return likely(result != SLOT_LOST) ? result : publish_search(p, lane, c, generation);
}

static ALWAYS_INLINE int publish_here(struct rp_producer *p, uint32_t lane, struct cell *cell, uint32_t c, uint32_t flags,
                                      bool wake) {
    const struct segment *s = p->actor.segment;
    uint64_t generation = cell_generation(load_relaxed(&cell->word, own)) + !MUTANT(publish_keeps_generation);
    uint64_t groups = groups_load(s);
    uint32_t mask = groups_active(s, groups);
    if (!likely(mask != 0))
        return publish_for_nobody(p, c);
    field_write(&cell->flags, flags | groups_version(groups) << 8);
    uint64_t published = cell_word(CELL_PUBLISHED, p->actor.seat, mask, generation);
    store_release(&cell->word, published, cell_word);
    if (MUTANT(wake_before_fill))
        group_wake(s, 0, 1);
    int result = publish_enter(p, lane, cell, c, cell_generation(published));
    if (!likely(result == 0)) { /* nobody can have seen it: take it back, and the generation with it */
        (void)cas_acq_rel(&cell->word, &published, cell_word(CELL_OWNED, p->actor.seat, 0, generation - 1), cell_word);
        return result;
    }
    /* A group may have been removed before we committed, and its remover have missed the message. */
    if (!likely(load_seq_cst(&s->control->active, active) == groups) && !MUTANT(publish_no_second_look))
        fanout_drop_stale(&p->actor, c, generation, groups_version(groups));
    tally_add(&p->actor.tally, COUNT_SENT, 1);
    lane_announce(s, lane, mask, wake && !MUTANT(wake_before_fill));
    return 0;
}

#endif
