/* SPDX-License-Identifier: MIT */
/* A message into a cell, its lane, and its groups' words. */
#include "dump_rebuild.h"
#include "error.h"
#include "headers.h"
#include "keyed.h"
#include "lane.h"
#include "lease.h"
#include "notes.h"
#include "schedule.h"
#include <errno.h>
#include <stdlib.h>

enum {
    BEFORE = 0,
    GENERATION = REBUILD_GENERATION,
    NO_PLACE_YET = 2048
}; /* the last: far from any generation that a position may be of (schedule.h) */

/* A cell that is free, of the lane's shard as long as there are some. */
static int take_cell(struct rebuild *r, uint32_t lane, uint32_t *c) {
    const struct segment *s = &r->segment;
    const struct parameters *p = &s->parameters;
    if (p->numa_shards > 0) {
        struct cell_range range = shard_cells(p, &s->layout, lane);
        uint32_t end = range.end < p->capacity ? range.end : p->capacity;
        if (r->shard_cursors[lane] < end) {
            *c = r->shard_cursors[lane]++;
            r->cells = *c < r->cells ? r->cells : *c + 1;
            return 0;
        }
    }
    while (r->cursor < s->layout.cell_count && cell_state(load_relaxed(&segment_cell(s, r->cursor)->word, init)) != CELL_FREE)
        r->cursor++;
    while (r->cursor == s->layout.cell_count && r->reserved < reserve_cells(p, &s->layout)) { /* some may have been in these */
        *c = r->reserved++;
        if (cell_state(load_relaxed(&segment_cell(s, *c)->word, init)) == CELL_FREE)
            return 0;
    }
    if (r->cursor == s->layout.cell_count)
        return fail(RP_FULL, "queue '%.80s' is full with capacity %u: the %s has more messages", r->name, p->capacity, r->source);
    *c = r->cursor++;
    r->cells = *c < r->cells ? r->cells : *c + 1;
    return 0;
}

static int find_lane(struct rebuild *r, const struct rp_dump_message *m, uint32_t *lane) {
    const struct parameters *p = &r->segment.parameters;
    const unsigned long long id = m->id;
    bool leveled = r->from->priorities > 1;
    *lane = 0;
    if (m->flags & RP_DUMP_KEYED && !p->keyed)
        return fail(-EINVAL, "queue '%.80s' is to have no keyed lanes, and message %llu of the %s has a key", r->name, id,
                    r->source);
    if (leveled && m->lane >= segment_levels(&r->segment))
        return fail(-EINVAL, "message %llu of the %s has priority %u, queue '%.80s' is to have %u levels", id, r->source, m->lane,
                    r->name, segment_levels(&r->segment));
    if (m->flags & RP_DUMP_KEYED)
        *lane = keyed_lane(&r->segment, m->key, m->key_bytes);
    else if (p->keyed)
        *lane = r->from->lanes == p->lane_count && m->lane < p->lane_count ? m->lane : r->lane_turn++ % p->lane_count;
    else if (p->numa_shards > 0 || leveled)
        *lane = m->lane % p->lane_count;
    return 0;
}

static int measure(struct rebuild *r, const struct rp_dump_message *m, const struct rp_send_options *o, size_t *content) {
    const struct parameters *p = &r->segment.parameters;
    if (m->bytes > p->message_bytes)
        return fail(RP_TOO_BIG, "message %llu of the %s has %zu bytes, queue '%.80s' is to allow %u", (unsigned long long)m->id,
                    r->source, m->bytes, r->name, p->message_bytes);
    int result = headers_measure(&r->segment, r->name, m->bytes, o, content);
    if (result == 0 && p->max_bytes > 0 && r->bytes + *content > p->max_bytes)
        return fail(RP_FULL, "queue '%.80s' is full with %llu bytes: the %s has more", r->name, (unsigned long long)p->max_bytes,
                    r->source);
    return result;
}

static uint64_t time_of(const struct rebuild *r, const struct rp_dump_message *m, uint64_t t) {
    return m->flags & RP_DUMP_BY_WALL || t == UINT64_MAX ? t : rebuild_boot_ns(r, t);
}

/* Payload, headers, key, times, label. False: the headers are not what was measured. */
static bool write_content(struct rebuild *r, uint32_t c, const struct rp_dump_message *m, size_t content,
                          const struct rp_send_options *o) {
    const struct segment *s = &r->segment;
    struct cell *cell = segment_cell(s, c);
    struct extra *extra = segment_extra(s, c);
    uint32_t flags = groups_version(groups_load(s)) << 8;
    memcpy(cell->payload, m->data, m->bytes);
    if (content != m->bytes && !headers_write(cell->payload, m->bytes, content, o))
        return false;
    flags |= content != m->bytes ? CELL_HAS_HEADERS : 0;
    if (m->flags & RP_DUMP_KEYED) {
        extra->key_bytes = (uint16_t)m->key_bytes;
        memcpy(extra->key, m->key, m->key_bytes);
        flags |= CELL_HAS_KEY;
    }
    flags |= m->flags & RP_DUMP_SCHEDULED ? CELL_WAITS : 0;
    flags |= m->flags & RP_DUMP_BY_WALL ? CELL_BY_WALL : 0;
    flags |= m->flags & RP_DUMP_EXPIRES ? CELL_EXPIRES : 0;
    store_relaxed(&extra->due_ns, time_of(r, m, m->due_ns), init);
    store_relaxed(&extra->expires_ns, time_of(r, m, m->expires_ns), init);
    cell->id = m->id;
    cell->sent_wall_ns = m->sent_ns;
    cell->bytes = (uint32_t)content;
    store_relaxed(&cell->flags, flags, init);
    r->bytes += content;
    return true;
}

static void set_timer(struct rebuild *r, uint32_t c, uint64_t t) {
    const struct segment *s = &r->segment;
    (void)timers_set(&r->timers, c, schedule_boot_ns(s, load_relaxed(&segment_cell(s, c)->flags, init), t));
}

static void put_waiting(struct rebuild *r, uint32_t c, uint32_t lane) {
    const struct segment *s = &r->segment;
    struct cell *cell = segment_cell(s, c);
    store_relaxed(&cell->position, position_word(GENERATION + NO_PLACE_YET, lane, 0), init);
    store_relaxed(&cell->word, cell_word(CELL_DELAYED, NOBODY, 0, BEFORE), init);
    store_relaxed(&s->ids[cell->id & (s->layout.id_count - 1)], c + 1, init);
    set_timer(r, c, load_relaxed(&segment_extra(s, c)->due_ns, init));
}

/* ---- groups ---- */

/* One that was redriven has a turn, though its counts began anew. */
static bool is_untaken(const struct rp_dump_delivery *d) {
    return d->state == RP_STATE_READY && d->turn == 0 && d->letter.deliveries == 0 && d->letter.acquisitions == 0;
}

static int enter(struct rebuild *r, struct rebuild_entry entry) {
    if (r->entry_count == r->entry_room) {
        size_t room = r->entry_room == 0 ? 256 : 2 * r->entry_room;
        struct rebuild_entry *more = realloc(r->entries, room * sizeof *more);
        if (more == NULL)
            return fail(-ENOMEM, "queue '%.80s': no memory to restore it", r->name);
        r->entries = more;
        r->entry_room = room;
    }
    entry.number = r->entry_count;
    r->entries[r->entry_count++] = entry;
    return 0;
}

/* A word that was taken, and all that is beside it. */
static int put_taken(struct rebuild *r, uint32_t c, const struct rp_dump_delivery *d) {
    const struct segment *s = &r->segment;
    bool waits = d->state == RP_STATE_DELAYED && d->due_ns != 0, dead = d->state == RP_STATE_DEAD;
    uint32_t hold = hold_make(GENERATION, waits ? 1 : 2);
    enum delivery_state state = waits ? DELIVERY_DELAYED : dead ? DELIVERY_DEAD : DELIVERY_RETURNED;
    struct rp_dead_letter letter = d->letter;
    letter.acquisitions += d->state == RP_STATE_LEASED;
    store_relaxed(delivery_at(s, d->group, c), delivery_of_hold(state, NOBODY, NOBODY, NOBODY, hold), init);
    notes_restore(s, d->group, c, hold, &letter);
    if (waits) {
        uint64_t ms = (rebuild_boot_ns(r, d->due_ns) + 999999) / 1000000;
        store_relaxed(time_at(s, d->group, c), stamp(hold, ms < TIME_NEVER ? ms : TIME_NEVER - 1), init);
        (void)due_lower(s, ms);
        return 0;
    }
    if (s->parameters.keyed && !dead)
        return 0;
    return enter(r, (struct rebuild_entry){.turn = d->turn, .cell = c, .group = d->group});
}

/* Into its lane. One that no group has taken may wait for a place in a keyed lane that is full, as a letter that was redriven does: sweeps come back to it. */
static int put_in_lane(const struct rebuild *r, uint32_t c, uint32_t lane, const struct rp_dump_message *m) {
    const struct segment *s = &r->segment;
    bool may_wait = s->parameters.keyed, in_lane = false;
    for (size_t i = 0; i < m->delivery_count; i++) {
        const struct rp_dump_delivery *d = &m->deliveries[i];
        bool stays = is_untaken(d) ||
                     (s->parameters.keyed && d->state != RP_STATE_DEAD); /* keyed: it keeps its place until it is settled or dead */
        in_lane = in_lane || stays;
        may_wait = may_wait && (is_untaken(d) || !stays);
    }
    enum requeue in = in_lane ? lane_insert(s, c) : REQUEUE_IN;
    if (in == REQUEUE_IN || (in == REQUEUE_FULL && may_wait))
        return 0;
    return fail(in == REQUEUE_FULL ? RP_FULL : RP_CORRUPT,
                "queue '%.80s': lane %u is full, and message %llu of the %s is to be in it", r->name, lane,
                (unsigned long long)m->id, r->source);
}

static int put_published(struct rebuild *r, uint32_t c, uint32_t lane, const struct rp_dump_message *m) {
    const struct segment *s = &r->segment;
    struct cell *cell = segment_cell(s, c);
    uint32_t mask = 0;
    for (size_t i = 0; i < m->delivery_count; i++)
        mask |= UINT32_C(1) << m->deliveries[i].group;
    store_relaxed(&cell->position, position_word(GENERATION + NO_PLACE_YET, lane, 0), init);
    store_relaxed(&cell->word, cell_word(CELL_COMMITTED, NOBODY, mask, GENERATION), init);
    int result = put_in_lane(r, c, lane, m);
    for (size_t i = 0; i < m->delivery_count && result == 0; i++)
        if (!is_untaken(&m->deliveries[i]))
            result = put_taken(r, c, &m->deliveries[i]);
    if (m->flags & RP_DUMP_EXPIRES)
        set_timer(r, c, load_relaxed(&segment_extra(s, c)->expires_ns, init));
    return result;
}

int rebuild_message(struct rebuild *r, const struct rp_dump_message *m, struct rebuilt *out) {
    const struct rp_send_options o = {.size = sizeof o, .carry = m->headers.bytes > 0 ? &m->headers : NULL};
    size_t content;
    *out = (struct rebuilt){0};
    int result = find_lane(r, m, &out->lane);
    if (result < 0 || (result = measure(r, m, &o, &content)) < 0 || (result = take_cell(r, out->lane, &out->cell)) < 0)
        return result;
    if (!write_content(r, out->cell, m, content, &o))
        return fail(RP_CORRUPT, "the headers of message %llu of the %s are damaged", (unsigned long long)m->id, r->source);
    if (m->flags & RP_DUMP_WAITING) {
        put_waiting(r, out->cell, out->lane);
        return 0;
    }
    return put_published(r, out->cell, out->lane, m);
}
