/* SPDX-License-Identifier: MIT */
#include "dump_cut.h"
#include "durable.h"
#include "error.h"
#include "fanout.h"
#include "lane.h"
#include "lookup.h"
#include "schedule.h"
#include "verdict.h"

/* Orders of places within a lane: in it; committed, and not in it yet; waiting, by time. */
#define PLACE_ENTERING ((UINT64_C(1) << 63) - 1)
#define PLACE_WAITING (UINT64_C(1) << 63)
#define PLACE_MIDDLE (UINT64_C(1) << (POSITION_BITS + 1)) /* of the lane's end, so that places before it are positive */

int dump_cut_lanes(struct dump_cut *k) {
    const struct segment *s = k->segment;
    for (uint32_t lane = 0; lane < s->parameters.lane_count; lane++) {
        struct index_ring ring = lane_ring(s, lane);
        uint64_t slot, *t = &k->lane_ends[lane];
        *t = load_acquire(ring.tail, hints);
        if (ring_find(&ring, t, &slot, lane_never_live, NULL) != RING_FOUND)
            return fail(RP_CORRUPT, "queue '%.80s': lane %u is damaged near position %llu", k->queue->name, lane,
                        (unsigned long long)*t);
    }
    return 0;
}

/* ---- whether there is a message ---- */

/* The word, the verdict, and the word once more: a publication that was refused may come again under the same generation for other groups, one that was committed does not. */
uint64_t dump_committed(const struct segment *s, uint32_t c) {
    const a64 *word = &segment_cell(s, c)->word;
    for (;;) {
        uint64_t w = load_acquire(word, cell_word);
        bool waits = cell_waits(w),
             there = waits || (cell_is_published(w) && (MUTANT(dump_uncommitted) || fanout_committed(s, c, w)));
        if (waits || load_acquire(word, cell_word) == w)
            return there ? w : 0;
    }
}

bool dump_still(const struct segment *s, uint32_t c, uint64_t w) {
    fence_acquire();
    uint64_t now = load_acquire(&segment_cell(s, c)->word, cell_word);
    return cell_state(w) == CELL_DELAYED ? now == w : cell_is_published(now) && cell_generation(now) == cell_generation(w);
}

bool dump_settled(const struct segment *s, uint64_t message) {
    uint32_t c;
    uint64_t w;
    if (!message_cell(s, message, &c, &w))
        return false;
    bool is_its = (cell_is_published(w) || cell_state(w) == CELL_JOURNALED) && message_is(message, w);
    return !message_is_to_come(message, w) && !is_its;
}

bool dump_waits(const struct segment *s, uint64_t message) {
    uint32_t c;
    uint64_t w;
    return message_cell(s, message, &c, &w) && durable_waits(s, c, w) && message_is(message, w);
}

/* Keyed: do only groups need it that wait until it can go to its lane's end, or in which it is dead? Then nothing of it is left in the lane. */
static bool leaves_lane(const struct segment *s, uint32_t c, uint64_t w) {
    bool any = false, all = s->parameters.keyed;
    for (uint32_t rest = cell_pending(w) & groups_possible(s); rest != 0 && all; rest &= rest - 1) {
        uint64_t d = load_acquire(delivery_at(s, (unsigned)__builtin_ctz(rest), c), delivery);
        any = any || delivery_leaves(d);
        all = taken(d, w) && (delivery_leaves(d) || delivery_state(d) == DELIVERY_DEAD);
    }
    return any && all;
}

/* Was it PUBLISHED, or is it as good as that: COMMITTED by way of the journal, and not in another way? */
static bool was_sent_now(const struct segment *s, uint32_t c, uint64_t w) {
    return cell_state(w) == CELL_PUBLISHED || (durable(s) && !s->parameters.keyed && cell_state(w) == CELL_COMMITTED &&
                                               !(field_read(&segment_cell(s, c)->flags) & CELL_WAITS));
}

/* False: it was sent after the moment. */
static bool find_place(const struct dump_cut *k, uint32_t c, uint64_t w, struct dump_place *out) {
    const struct segment *s = k->segment;
    uint64_t p = load_acquire(&segment_cell(s, c)->position, position);
    out->cell = c;
    out->lane = position_lane(p);
    out->place = PLACE_ENTERING;
    if (!lane_exists(s, out->lane))
        out->lane = 0; /* damage */
    if (cell_state(w) == CELL_DELAYED) {
        uint64_t due_ns = schedule_boot_ns(s, field_read(&segment_cell(s, c)->flags), field_read(&segment_extra(s, c)->due_ns));
        out->place = PLACE_WAITING | due_ns;
    } else if (position_is_of(p, cell_generation(w)) && !leaves_lane(s, c, w)) {
        uint64_t end = k->lane_ends[out->lane], t = position_of(p, end);
        if (was_sent_now(s, c, w) && (int64_t)(t - end) >= 0 && !MUTANT(dump_without_end))
            return false;
        out->place = t - end + PLACE_MIDDLE;
    } else if (durable(s) && was_sent_now(s, c, w)) {
        return false; /* it comes to its lane's end */
    }
    return true;
}

bool dump_place_of(const struct dump_cut *k, uint32_t c, struct dump_place *out) {
    const struct segment *s = k->segment;
    for (;;) {
        uint64_t w = dump_committed(s, c);
        if (w == 0)
            return false;
        bool in = find_place(k, c, w, out);
        out->id = lookup_id(s, c);
        if (dump_still(s, c, w))
            return in;
    }
}
