/* SPDX-License-Identifier: MIT */
/* A look at the message in a cell: its parts, and where it stands in each group. */
#include "delivery.h"
#include "dump_cut.h"
#include "fanout.h"
#include "headers.h"
#include "lookup.h"
#include "notes.h"

static uint64_t to_wall(const struct dump_cut *k, uint32_t flags, uint64_t t) {
    return flags & CELL_BY_WALL || t == UINT64_MAX ? t : t + k->wall_ahead_ns;
}

/* The plain fields and the content, which may be written anew meanwhile. False: the lengths cannot be, if it is still there. */
__attribute__((no_sanitize("thread"))) static bool read_fields(const struct dump_cut *k, uint32_t c, uint64_t w,
                                                               struct dump_copy *copy, struct rp_dump_message *out) {
    const struct segment *s = k->segment;
    const struct cell *cell = segment_cell(s, c);
    const struct extra *extra = segment_extra(s, c);
    uint32_t flags = field_read(&cell->flags), bytes = *(const volatile uint32_t *)&cell->bytes;
    struct content parts;
    *out = (struct rp_dump_message){.data = copy->content, .deliveries = copy->deliveries};
    out->id = *(const volatile uint64_t *)&cell->id;
    out->sent_ns = *(const volatile uint64_t *)&cell->sent_wall_ns;
    if (!content_parts(s, cell, bytes, flags, &parts))
        return false;
    out->bytes = parts.payload;
    content_copy(copy->content, cell->payload, parts.headers_at > 0 ? parts.headers_at + (size_t)parts.headers : parts.payload);
    if (parts.headers_at > 0)
        out->headers = (struct rp_headers){copy->content + parts.headers_at, parts.headers};
    if (s->parameters.keyed && flags & CELL_HAS_KEY) {
        out->key_bytes = lookup_key(k->queue, &(struct found){.cell = c}, copy->key);
        out->key = copy->key;
        out->flags |= RP_DUMP_KEYED;
    }
    if (flags & CELL_WAITS) {
        out->flags |= RP_DUMP_SCHEDULED | (cell_state(w) == CELL_DELAYED ? RP_DUMP_WAITING : 0);
        out->due_ns = to_wall(k, flags, field_read(&extra->due_ns));
    }
    if (flags & CELL_EXPIRES) {
        out->flags |= RP_DUMP_EXPIRES;
        out->expires_ns = to_wall(k, flags, field_read(&extra->expires_ns));
    }
    if (flags & CELL_BY_WALL)
        out->flags |= RP_DUMP_BY_WALL;
    return true;
}

/* ---- where it stands ---- */

/* Its number among the redeliveries, or the dead: the position in their ring. One that is in no ring yet comes last. */
static uint64_t turn_of(const struct segment *s, unsigned group, uint32_t c, uint64_t d) {
    enum delivery_ring which = delivery_ring_of(s, d);
    if (which != RING_RETURNED && which != RING_DEATHS)
        return 0;
    uint32_t lane = which == RING_DEATHS ? 0 : position_lane(load_acquire(&segment_cell(s, c)->position, position));
    if (lane >= s->parameters.lane_count)
        return UINT64_MAX;
    struct index_ring ring = delivery_ring(s, (struct ring_name){group, lane, which});
    uint64_t p = load_acquire(&segment_delivery(s, group, c)->position, position);
    return entry_stamp_is_of(p, delivery_hold(d)) ? stamp_position(p, load_acquire(ring.tail, hints)) : UINT64_MAX;
}

/* Of a word that the group has taken. False: it is settled, but perhaps for viewers. */
static bool read_taken(const struct dump_cut *k, unsigned group, uint32_t c, uint64_t d, struct rp_dump_delivery *out) {
    static const uint32_t states[] = {[DELIVERY_LEASED] = RP_STATE_LEASED,
                                      [DELIVERY_RETURNED] = RP_STATE_READY,
                                      [DELIVERY_DELAYED] = RP_STATE_DELAYED,
                                      [DELIVERY_DEAD] = RP_STATE_DEAD};
    const struct segment *s = k->segment;
    if (delivery_state(d) < DELIVERY_LEASED || delivery_state(d) > DELIVERY_DEAD)
        return false;
    out->state = states[delivery_state(d)];
    out->turn = turn_of(s, group, c, d);
    if (delivery_leaves(d)) /* on its way to its lane's end, as a new message */
        return true;
    if (out->state == RP_STATE_DELAYED) {
        uint64_t time = load_acquire(time_at(s, group, c), time);
        if (stamp_is_of(time, delivery_hold(d)) && stamp_value(time) < TIME_NEVER)
            out->due_ns = stamp_value(time) * 1000000 + k->wall_ahead_ns;
    }
    notes_read(s, group, c, delivery_hold(d), &out->letter);
    if (out->state != RP_STATE_DEAD)
        out->letter.reason = 0;
    return true;
}

enum stand { STAND_NOT, STAND_IS, STAND_MOVED };

/* `w` is the message's word; groups may have left it since. */
static enum stand look_delivery(const struct dump_cut *k, unsigned number, uint32_t c, uint64_t w, struct rp_dump_delivery *out) {
    const struct segment *s = k->segment;
    const struct known_group *g = &k->groups[number];
    const a64 *word = delivery_at(s, g->index, c);
    for (;;) {
        /* The delivery word, then the cell's: as who claims it reads them. */
        uint64_t d = load_acquire(word, delivery), now = load_acquire(&segment_cell(s, c)->word, cell_word);
        if (!cell_is_published(now) || cell_generation(now) != cell_generation(w))
            return STAND_MOVED;
        *out = (struct rp_dump_delivery){.group = number, .state = RP_STATE_READY};
        if (!cell_pends(now, g->index) || !group_is_still(s, g))
            return STAND_NOT;
        if (!taken(d, now)) /* of a group that was made on the place of the one it was sent to, it is none */
            return cell_state(now) == CELL_COMMITTED || groups_same(s, groups_load(s), g->index, fanout_version(s, c)) ? STAND_IS
                                                                                                                       : STAND_NOT;
        bool needed = read_taken(k, g->index, c, d, out);
        fence_acquire();
        if (load_acquire(word, delivery) == d)
            return needed ? STAND_IS : STAND_NOT;
    }
}

enum dump_found dump_look(const struct dump_cut *k, uint32_t c, uint64_t id, struct dump_copy *copy, struct rp_dump_message *out) {
    const struct segment *s = k->segment;
    for (;;) {
        uint64_t w = dump_committed(s, c);
        if (w == 0)
            return DUMP_NOTHING;
        bool whole = read_fields(k, c, w, copy, out), moved = false;
        for (unsigned i = 0; whole && i < k->group_count && !moved && cell_state(w) != CELL_DELAYED; i++) {
            enum stand stand = look_delivery(k, i, c, w, &copy->deliveries[out->delivery_count]);
            out->delivery_count += stand == STAND_IS;
            moved = stand == STAND_MOVED;
        }
        if (moved || !dump_still(s, c, w)) {
            if (MUTANT(dump_gives_up))
                return DUMP_NOTHING;
            continue;
        }
        if (out->id != id || (whole && cell_state(w) != CELL_DELAYED && out->delivery_count == 0))
            return DUMP_NOTHING;
        return whole ? DUMP_MESSAGE : DUMP_DAMAGED;
    }
}
