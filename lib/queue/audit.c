/* SPDX-License-Identifier: MIT */
/* The invariants of docs/correctness.md, checked over the whole segment without touching it. */
#include "durable.h"
#include "audit.h"
#include "byte_room.h"
#include "delivery.h"
#include "error.h"
#include "groups.h"
#include "headers.h"
#include "lane.h"
#include "lookup.h"
#include "roster.h"
#include "spill.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

void audit_violation(struct check *k, const char *format, ...) {
    if (k->out->violations++ > 0)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(k->out->first, sizeof k->out->first, format, arguments);
    va_end(arguments);
}

bool audit_seat_is_attached(const struct check *k, uint32_t seat) {
    const struct segment *s = k->segment;
    return seat < s->parameters.max_participants && seat_state(load_acquire(&s->seats[seat].word, seat_word)) == SEAT_ATTACHED;
}

/* Somebody named in a word must be attached; if dead, that is repairable. */
static void check_name(struct check *k, uint32_t c, const char *what, uint32_t seat) {
    if (!audit_seat_is_attached(k, seat))
        audit_violation(k, "cell %u: %s names seat %u, which nobody has", c, what, seat);
    else if (!lookup_alive(k->queue, seat))
        k->out->repairable++;
}

/* No group has anything to do with it. */
static void check_untouched(struct check *k, uint32_t c, uint64_t w) {
    const struct segment *s = k->segment;
    for (unsigned g = 0; g < s->parameters.max_groups; g++) {
        uint64_t d = load_acquire(delivery_at(s, g, c), delivery);
        if (delivery_state(d) != DELIVERY_SETTLED && !delivery_leaves(d))
            audit_violation(k, "cell %u is %s, its delivery word of group %u is in state %d", c,
                            cell_state(w) == CELL_FREE     ? "free"
                            : cell_state(w) == CELL_OWNED  ? "owned"
                            : cell_state(w) == CELL_STAGED ? "staged"
                                                           : "delayed",
                            g, (int)delivery_state(d));
        /* An older or equal incarnation; one that runs ahead would make the next message look taken. */
        if (!(k->active >> g & 1))
            continue; /* as far behind as it likes: whoever makes a group there sets it right */
        uint32_t ahead = (delivery_incarnation(d) - (uint32_t)cell_generation(w)) & 0x7fffff;
        if (ahead != 0 && ahead < 0x400000)
            audit_violation(k, "cell %u: incarnation %u is ahead of generation %llu", c, delivery_incarnation(d),
                            (unsigned long long)cell_generation(w));
    }
}

static void check_free_cell(struct check *k, uint32_t c, uint64_t w) {
    const struct segment *s = k->segment;
    check_untouched(k, c, w);
    if (cell_state(w) == CELL_OWNED)
        check_name(k, c, "ownership", cell_owner(w));
    else if (c >= reserve_cells(&s->parameters, &s->layout) && c < cells_in_play(s) &&
             !(load_acquire(&s->bitmap[c / 64], free_bits) >> (c % 64) & 1))
        k->out->repairable++;
}

static void check_delayed(struct check *k, uint32_t c, uint64_t w) {
    const struct segment *s = k->segment;
    check_untouched(k, c, w);
    if ((cell_owner(w) != NOBODY && cell_owner(w) != LEAVING) || cell_pending(w) != 0)
        audit_violation(k, "cell %u waits for its time and has an owner or groups", c);
    struct timers timers;
    timers_open(&timers, &s->control->next_timer_ns, s->timers, s->layout.cell_count);
    if (cell_waits(w) && timers_of(&timers, c) == TIMER_NONE)
        k->out->repairable++;
}

static void check_staged(struct check *k, uint32_t c, uint64_t w) {
    check_untouched(k, c, w);
    check_name(k, c, "a refill", cell_owner(w));
    if (!(spills(k->segment) || durable(k->segment)) || __builtin_popcount(cell_pending(w)) != 1 ||
        cell_pending(w) >> k->segment->parameters.max_groups != 0)
        audit_violation(k, "cell %u is refilled for the groups %#x", c, cell_pending(w));
}

static void check_viewers(struct check *k, uint32_t c, uint64_t d) {
    enum delivery_state state = delivery_state(d);
    struct viewers v = viewers_of(d, state == DELIVERY_DEAD || state == DELIVERY_LIMBO);
    for (unsigned i = 0; i < v.count; i++)
        check_name(k, c, "a view", v.seats[i]);
    if (state == DELIVERY_LIMBO && v.count == 0)
        audit_violation(k, "cell %u is in limbo without a viewer", c);
}

static void check_delivery(struct check *k, unsigned g, uint32_t c, uint64_t w) {
    const struct segment *s = k->segment;
    uint64_t d = load_acquire(delivery_at(s, g, c), delivery);
    if (!(k->active >> g & 1) && !(taken(d, w) && delivery_state(d) == DELIVERY_LIMBO))
        k->out->repairable++; /* what a removed group left */
    if (!taken(d, w)) {
        if (delivery_state(d) != DELIVERY_SETTLED && !delivery_leaves(d))
            audit_violation(k, "cell %u: not taken by group %u, yet in state %d", c, g, (int)delivery_state(d));
        if (cell_state(w) == CELL_PUBLISHED && !lane_holds(s, c, w)) /* being sent, or its sender died */
            check_name(k, c, "an unfinished send", cell_owner(w));
        if (cell_state(w) == CELL_COMMITTED && !lane_holds(s, c, w))
            k->out->repairable++;
        return;
    }
    switch (delivery_state(d)) {
    case DELIVERY_LEASED:
        check_name(k, c, "a lease", delivery_owner(d));
        check_viewers(k, c, d);
        break;
    case DELIVERY_RETURNED:
    case DELIVERY_DEAD:
        if (!requeue_in_place(s, g, c, d))
            k->out->repairable++;
        check_viewers(k, c, d);
        break;
    case DELIVERY_DELAYED:
    case DELIVERY_LIMBO: check_viewers(k, c, d); break;
    case DELIVERY_SETTLED: /* somebody is about to clear the bit */ k->out->repairable++; break;
    default: audit_violation(k, "cell %u: group %u is in the unknown state %d", c, g, (int)delivery_state(d));
    }
}

static void check_cell(struct check *k, uint32_t c) {
    const struct segment *s = k->segment;
    uint64_t w = load_acquire(&segment_cell(s, c)->word, cell_word);
    if (cell_state(w) != CELL_FREE)
        k->bytes += byte_room_of(s, c);
    switch (cell_state(w)) {
    case CELL_FREE:
    case CELL_OWNED: check_free_cell(k, c, w); return;
    case CELL_DELAYED: check_delayed(k, c, w); return;
    case CELL_STAGED: check_staged(k, c, w); return;
    case CELL_JOURNALED:
        if (!durable(s) || cell_owner(w) != NOBODY)
            audit_violation(k, "cell %u waits for a journal, and %s", c, durable(s) ? "has an owner" : "the queue has none");
        return;
    case CELL_PUBLISHED:
    case CELL_COMMITTED: break;
    default: audit_violation(k, "cell %u is in the unknown state %d", c, (int)cell_state(w)); return;
    }
    if (cell_pending(w) == 0 || cell_pending(w) >> s->parameters.max_groups != 0)
        audit_violation(k, "cell %u is published for the groups %#x", c, cell_pending(w));
    for (unsigned g = 0; g < s->parameters.max_groups; g++)
        if (cell_pends(w, g))
            check_delivery(k, g, c, w);
    struct content parts;
    const struct cell *cell = segment_cell(s, c);
    if (!content_parts(s, cell, cell->bytes, field_read(&cell->flags), &parts))
        audit_violation(k, "cell %u: a message of %u bytes", c, cell->bytes);
}

/* All slots of a ring in one number: did anything move meanwhile? */
static uint64_t ring_picture(const struct index_ring *r) {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < ring_slots(r); i++)
        sum = sum * 31 + load_acquire(ring_slot(r, i), slot);
    return sum;
}

/* Laps in a ring differ by at most one, and fall at most once. A ring that moves while it is looked at says nothing. */
static void check_ring(struct check *k, const char *name, const struct index_ring *r) {
    struct rp_audit before_all = *k->out;
    uint64_t then = ring_picture(r);
    uint64_t first = slot_lap(load_acquire(ring_slot(r, 0), slot)), before = first;
    for (uint64_t i = 1; i < ring_slots(r); i++) {
        uint64_t lap = slot_lap(load_acquire(ring_slot(r, i), slot));
        int32_t step = lap_ahead(lap, before);
        if (step != 0 && !(step == -1 && before == first))
            audit_violation(k, "%s: slot %llu has lap %llu after %llu", name, (unsigned long long)i, (unsigned long long)lap,
                            (unsigned long long)before);
        before = lap;
    }
    if (ring_picture(r) != then)
        *k->out = before_all;
}

/* The words of a cell before and after: did anything move meanwhile? */
static uint64_t picture(const struct segment *s, uint32_t c) {
    uint64_t sum = load_acquire(&segment_cell(s, c)->word, cell_word);
    for (unsigned g = 0; g < s->parameters.max_groups; g++)
        sum = sum * 31 + load_acquire(delivery_at(s, g, c), delivery);
    return sum;
}

/* Each group's word and its bits in control.active say the same. */
static void check_groups(struct check *k) {
    const struct segment *s = k->segment;
    struct rp_audit before = *k->out;
    uint64_t groups = groups_load(s);
    if (groups != groups_word(groups_version(groups), groups_draining(s, groups), groups_active(s, groups)) ||
        (groups_draining(s, groups) & groups_active(s, groups)) != 0)
        audit_violation(k, "groups %#llx: impossible, or active and draining at once", (unsigned long long)groups);
    for (unsigned g = 0; g < s->parameters.max_groups; g++) {
        uint64_t word = load_acquire(&s->groups[g].word, active);
        bool active = groups_active(s, groups) >> g & 1, draining = groups_draining(s, groups) >> g & 1;
        uint32_t state = group_state(word), owner = group_owner(word);
        if (state > GROUP_USED || (state == GROUP_UNUSED && (active || draining)))
            audit_violation(k, "group %u is in state %u, and %s", g, state, active ? "active" : draining ? "draining" : "unused");
        else if (state == GROUP_CREATING && !audit_seat_is_attached(k, owner))
            audit_violation(k, "group %u is being made by seat %u, which nobody has", g, owner);
        else
            k->out->repairable +=
                draining || (state == GROUP_USED && !active) || (state == GROUP_CREATING && !lookup_alive(k->queue, owner));
        char name[GROUP_NAME_BYTES];
        group_name(s, g, name);
        if (active && !group_name_valid(name))
            audit_violation(k, "group %u has the impossible name '%s'", g, name);
    }
    if (groups_load(s) != groups)
        *k->out = before;
}

RP_API int rp_queue_audit(rp_queue *q, struct rp_audit *out) {
    int result = queue_check(q);
    if (result < 0 || out == NULL)
        return fail(result < 0 ? result : -EINVAL, "rp_queue_audit");
    *out = (struct rp_audit){0};
    struct check k = {
        .queue = q, .segment = &q->segment, .out = out, .active = groups_active(&q->segment, groups_load(&q->segment))};
    const struct segment *s = &q->segment;
    for (uint32_t c = 0; c < s->layout.cell_count; c++) {
        struct rp_audit before = *out;
        uint64_t then = picture(s, c);
        check_cell(&k, c);
        out->cells++;
        if (picture(s, c) != then) {
            uint64_t cells = out->cells, unsettled = out->unsettled + 1;
            *out = before;
            out->cells = cells;
            out->unsettled = unsettled;
        }
    }
    if (out->unsettled > 0)
        return 0; /* the rings are moving, too */
    out->repairable += s->parameters.max_bytes > 0 && byte_room_held(s) != (int64_t)k.bytes;
    check_groups(&k);
    if (s->layout.known_count > 0)
        audit_ids(&k);
    audit_identities(&k);
    if (spills(s))
        audit_spill(&k);
    for (uint32_t i = 0; i < s->parameters.lane_count; i++) {
        struct index_ring lane = lane_ring(s, i);
        check_ring(&k, "lane", &lane);
    }
    for (unsigned g = 0; g < s->parameters.max_groups; g++) {
        static const char *const texts[] = {"early", "returned", "deaths"};
        struct ring_name names[RINGS_MAX];
        for (unsigned n = delivery_rings(s, g, names); n > 0; n--) {
            struct index_ring ring = delivery_ring(s, names[n - 1]);
            check_ring(&k, texts[names[n - 1].which], &ring);
        }
    }
    return 0;
}
