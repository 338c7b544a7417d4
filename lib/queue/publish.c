/* SPDX-License-Identifier: MIT */
#include "publish.h"
#include "error.h"
#include "fanout.h"
#include "groups.h"
#include "lane.h"

enum { TAIL_HINT_EVERY = 8 };

/*
 * The first unfilled position, in l->tail, and what lies in its slot. Receivers that poll have taken the slot's line from us since our last send, so a load
 * and then the CAS would move it twice; the CAS alone finds out whether what lay there then still does.
 */
static bool find_end(struct sender_lane *l, uint64_t *slot) {
    bool seen = l->slot_seen_at == l->tail && l->slot_seen != 0;
    *slot = l->slot_seen;
    l->slot_seen = 0;
    return seen || ring_find(&l->ring, &l->tail, slot, lane_never_live, NULL) == RING_FOUND;
}

static void filled(struct sender_lane *l, uint64_t t) {
    l->tail = t + 1;
    uint64_t next = load_acquire(ring_slot(&l->ring, t + 1), slot); /* in the line that we have just written, mostly */
    if (lap_ahead(slot_lap(next), ring_lap(&l->ring, t + 1)) == -1) {
        l->slot_seen = next;
        l->slot_seen_at = t + 1;
    }
    if (l->tail - l->tail_told >= TAIL_HINT_EVERY) {
        hint_raise(l->ring.tail, l->tail);
        l->tail_told = l->tail;
    }
}

/* Puts the published cell into the lane. This commits the message. 0, RP_FULL, RP_CORRUPT. */
static int enter_lane(struct rp_producer *p, uint32_t lane, uint32_t c, uint64_t generation) {
    const struct segment *s = p->actor.segment;
    struct sender_lane *l = &p->lanes[lane];
    a64 *position = &segment_cell(s, c)->position;
    for (;;) {
        uint64_t slot;
        if (!find_end(l, &slot))
            return fail(RP_CORRUPT, "queue '%s': lane %u is damaged near position %llu", p->actor.queue->name, lane,
                        (unsigned long long)l->tail);
        uint64_t t = l->tail;
        int result = lane_clear(s, lane, t, slot, &l->head_seen);
        if (result < 0)
            return result == RP_FULL ? result : fail(result, "queue '%.80s': %s", p->actor.queue->name, rp_error_detail());
        /* Written ahead, so that survivors can ask "did it arrive?". Nobody else inserts a PUBLISHED cell, so a store will do. */
        if (!MUTANT(send_position_late))
            store_release(position, position_word(generation, lane, t), position);
        if (ring_fill(&l->ring, t, slot, generation, c)) {
            if (MUTANT(send_position_late))
                store_release(position, position_word(generation, lane, t), position);
            filled(l, t);
            return 0;
        }
    }
}

int publish(struct rp_producer *p, uint32_t lane, uint32_t c, uint32_t flags, bool wake) {
    const struct segment *s = p->actor.segment;
    a64 *word = &segment_cell(s, c)->word;
    uint64_t generation = cell_generation(load_relaxed(word, own)) + !MUTANT(publish_keeps_generation);
    uint64_t groups = groups_load(s);
    uint32_t mask = groups_active(s, groups);
    if (mask == 0) { /* for nobody */
        pool_give_back(&p->actor.pool, c);
        tally_add(&p->actor.tally, COUNT_UNROUTABLE, 1);
        return 0;
    }
    field_write(&segment_cell(s, c)->flags, flags | groups_version(groups) << 8);
    uint64_t published = cell_word(CELL_PUBLISHED, p->actor.seat, mask, generation);
    store_release(word, published, cell_word);
    if (MUTANT(wake_before_fill))
        group_wake(s, 0, 1);
    int result = enter_lane(p, lane, c, cell_generation(published));
    if (result < 0) { /* nobody can have seen it: take it back, and the generation with it */
        (void)cas_acq_rel(word, &published, cell_word(CELL_OWNED, p->actor.seat, 0, generation - 1), cell_word);
        return result;
    }
    /* A group may have been removed before we committed, and its remover have missed the message. */
    if (load_seq_cst(&s->control->active, active) != groups && !MUTANT(publish_no_second_look))
        fanout_drop_stale(&p->actor, c, generation, groups_version(groups));
    tally_add(&p->actor.tally, COUNT_SENT, 1);
    lane_announce(s, lane, mask, wake && !MUTANT(wake_before_fill));
    return 0;
}
