/* SPDX-License-Identifier: MIT */
/* Taking a lane and giving it back. */
#include "broadcast.h"
#include "clock.h"
#include "error.h"
#include "options.h"
#include "process.h"
#include <errno.h>
#include <stdlib.h>

RP_API void rp_writer_options_init(struct rp_writer_options *o, size_t size) {
    const struct rp_writer_options defaults = {.size = sizeof defaults};
    options_fill(o, size, &defaults, sizeof defaults);
}

static int damaged(const struct rp_writer *w, uint64_t position) {
    return fail(RP_CORRUPT, "lane %u is damaged at slot %llu", w->index, (unsigned long long)(position & (w->view.p.slots - 1)));
}

/*
 * Where the complete messages of the lane end: there the next one goes. What a dead writer began lies there, and is overwritten. Only who has the lane's lock stores there, so what is read stays.
 * What the dead completed and did not note is noted now: so `newest` lags by what one writer did not note, however many die one after the other.
 */
static int find_end(struct rp_writer *w) {
    const struct ring_view *v = &w->view;
    uint64_t newest = load_acquire(&w->lane->newest, newest);
    w->number = newest == 0 ? 0 : load_relaxed(&w->lane->number, hint);
    w->position = newest == 0 ? v->p.slots : newest;
    if (newest > STAMP_POSITION - v->p.slots || (newest > 0 && newest < v->p.slots))
        return damaged(w, newest);
    uint64_t last = newest;
    for (uint32_t i = 0; i <= v->p.slots; i++) {
        const struct slot *s = slot_at(v, w->slots, w->position);
        uint64_t stamp = load_acquire(&s->stamp, stamp), info = load_relaxed(&s->info, recheck);
        if (stamp != w->position || (MUTANT(ring_successor_hint_only) && w->position != newest)) {
            if (w->position == newest || stamp_position(stamp) > w->position)
                return damaged(w, w->position);
            if (last != newest && !MUTANT(ring_successor_notes_nothing))
                note_newest(w, last, w->number - 1);
            return 0;
        }
        if (info_bytes(info) > v->p.message_bytes)
            return damaged(w, w->position);
        last = w->position;
        w->number = info_sequence(info, w->number) + 1;
        w->position += slots_for(v, info_bytes(info));
    }
    return damaged(w, w->position);
}

static void describe(struct ring_lane *lane) {
    union {
        char text[16];
        uint64_t words[2];
    } name;
    process_name(name.text);
    store_relaxed(&lane->name[0], name.words[0], own);
    store_relaxed(&lane->name[1], name.words[1], own);
    store_relaxed(&lane->pid, process_pid(), own);
    store_relaxed(&lane->opened_wall_ns, clock_wall_ns(), own);
    store_relaxed(&lane->opened, load_relaxed(&lane->opened, own) + 1, own);
}

/* Readers look at lanes below this number only. Before the first message. */
static void show_lane(struct rp_writer *w) {
    a64 *used = &w->view.control->lanes_used;
    uint64_t now = load_acquire(used, lanes_used);
    if (MUTANT(ring_lanes_stored))
        store_release(used, (uint64_t)w->index + 1, lanes_used);
    while (now <= w->index && !cas_acq_rel(used, &now, (uint64_t)w->index + 1, lanes_used)) {
    }
}

/* The first lane that is nobody's and not damaged. */
static int take_lane(struct rp_writer *w) {
    const struct rp_ring *ring = w->ring;
    uint32_t lanes = ring->view.p.max_writers, first = 0, damaged_lanes = 0;
    w->limit = w->view.p.overflow == RP_RING_GATE ? 0 : UINT64_MAX;
    for (;; first = w->index + 1) {
        int result = hold_take(ring, first, lanes - first, &w->hold, &w->index);
        if (result == RP_NO_SEAT && damaged_lanes > 0)
            return fail(RP_CORRUPT, "ring '%.80s': %u lanes are damaged, all others have writers", ring->name, damaged_lanes);
        if (result == RP_NO_SEAT)
            return fail(RP_NO_SEAT, "ring '%.80s': all %u lanes have writers", ring->name, lanes);
        if (result < 0)
            return result;
        w->index += first;
        w->lane = &w->view.lanes[w->index];
        w->slots = ring_slots(&w->view, w->index);
        if ((result = find_end(w)) != RP_CORRUPT)
            return result;
        hold_release(&w->hold);
        damaged_lanes++;
    }
}

RP_API int rp_writer_open(rp_ring *ring, const struct rp_writer_options *given, rp_writer **out) {
    struct rp_writer_options o;
    rp_writer_options_init(&o, sizeof o);
    int result = ring_check(ring);
    if (result < 0 || (result = options_take(&o, sizeof o, given, "rp_writer_options")) < 0)
        return result;
    if (out == NULL)
        return fail(-EINVAL, "rp_writer_open: no place for the result");
    if (ring->read_only)
        return fail(-EROFS, "ring '%.80s' was opened read-only", ring->name);
    struct rp_writer *w = calloc(1, sizeof *w);
    if (w == NULL)
        return fail(-ENOMEM, "no memory for a writer of ring '%.80s'", ring->name);
    w->ring = ring;
    w->canary = ring->canary;
    w->view = ring->view;
    w->interrupts_seen = load_relaxed(&ring->interrupts, own);
    result = take_lane(w);
    if (result < 0) {
        hold_release(&w->hold);
        free(w);
        return result;
    }
    describe(w->lane);
    hold_register(ring);
    show_lane(w);
    (void)fetch_add_relaxed(&ring->handles, 1, own);
    *out = w;
    return 0;
}

RP_API void rp_writer_close(rp_writer *w) {
    if (w == NULL || ring_is_inherited(w->canary))
        return;
    (void)fetch_add_relaxed(&w->ring->handles, UINT32_MAX, own);
    hold_release(&w->hold);
    free(w);
}

RP_API uint32_t rp_writer_lane(const rp_writer *w) { return w == NULL ? UINT32_MAX : w->index; }
