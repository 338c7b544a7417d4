/* SPDX-License-Identifier: MIT */
#include "byte_room.h"
#include "delivery.h"
#include "error.h"
#include "groups.h"
#include "lane.h"
#include "listing.h"
#include "notes.h"
#include "roster.h"
#include "shm.h"
#include "spill.h"
#include <errno.h>
#include <string.h>

static uint64_t wall_of_ms(const struct segment *s, uint64_t ms) {
    uint64_t now_ms = segment_now_ms(s), now_wall = clock_wall_ns();
    return ms >= now_ms ? now_wall + (ms - now_ms) * 1000000 : now_wall - (now_ms - ms) * 1000000;
}

static void count_counters(const struct segment *s, struct rp_queue_stats *out) {
    struct {
        enum counter which;
        uint64_t *to;
    } const map[] = {
        {COUNT_SENT, &out->sent},
        {COUNT_RECEIVED, &out->received},
        {COUNT_ACKED, &out->acked},
        {COUNT_NACKED, &out->nacked},
        {COUNT_REJECTED, &out->rejected},
        {COUNT_EXPIRED, &out->expired_leases},
        {COUNT_RECOVERED, &out->recovered},
        {COUNT_DIED, &out->died},
        {COUNT_DEAD_DROPPED, &out->dead_dropped},
        {COUNT_REDRIVEN, &out->redriven},
        {COUNT_PURGED, &out->purged},
        {COUNT_FULL, &out->full},
        {COUNT_LEASE_LOST, &out->lease_lost},
        {COUNT_DEATHS, &out->deaths},
        {COUNT_UNROUTABLE, &out->unroutable},
        {COUNT_EXPIRED_MESSAGES, &out->expired},
        {COUNT_DROPPED, &out->dropped},
        {COUNT_CANCELLED, &out->cancelled},
        {COUNT_SCHEDULED, &out->scheduled},
        {COUNT_DUPLICATE, &out->duplicates},
        {COUNT_FORGOTTEN, &out->forgotten_ids},
    };
    for (size_t i = 0; i < sizeof map / sizeof map[0]; i++)
        *map[i].to = counters_sum(s, map[i].which);
}

static void count_cells(rp_queue *q, struct rp_queue_stats *out) {
    const struct segment *s = &q->segment;
    out->cells = cells_in_play(s); /* read once: whoever joins meanwhile brings cells into play */
    struct known_group g = {0, 0};
    int group = groups_find(s, "default", &g.generation);
    g.index = (unsigned)group;
    for (uint32_t c = 0; c < out->cells; c++) {
        uint64_t w = load_acquire(&segment_cell(s, c)->word, cell_word);
        out->free_cells += cell_state(w) == CELL_FREE;
        out->owned_cells += cell_state(w) == CELL_OWNED;
        bool holds = cell_is_published(w) || cell_waits(w), unjournaled = cell_state(w) == CELL_JOURNALED;
        out->unjournaled += unjournaled;
        out->bytes += holds || unjournaled ? byte_room_in(s, c) : cell_state(w) == CELL_OWNED ? byte_room_of(s, c) : 0;
        struct found f;
        if (!holds || group < 0)
            continue;
        if (!lookup_cell(q, &g, c, RP_STATE_ALL, &f)) {
            out->lingering += delivery_state(load_acquire(delivery_at(s, g.index, c), delivery)) == DELIVERY_LIMBO;
            continue;
        }
        out->ready += f.state == RP_STATE_READY;
        out->leased += f.state == RP_STATE_LEASED;
        out->delayed += f.state == RP_STATE_DELAYED;
        if (f.state == RP_STATE_DEAD) {
            unsigned bit = notes_reason_bit(s, g.index, c, delivery_hold(f.delivery));
            out->dead++;
            out->dead_by_reason[bit < sizeof out->dead_by_reason / sizeof out->dead_by_reason[0] ? bit : 0]++;
        }
        if (f.state == RP_STATE_READY && (out->oldest_ready_ns == 0 || f.sent_wall_ns < out->oldest_ready_ns))
            out->oldest_ready_ns = f.sent_wall_ns;
    }
}

RP_API int rp_queue_stats(rp_queue *q, struct rp_queue_stats *out) {
    int result = queue_check(q);
    if (result < 0 || out == NULL)
        return fail(result < 0 ? result : -EINVAL, "rp_queue_stats");
    const struct segment *s = &q->segment;
    const struct layout *l = &s->layout;
    *out = (struct rp_queue_stats){
        .capacity = s->parameters.capacity,
        .message_bytes = s->parameters.message_bytes,
        .max_participants = s->parameters.max_participants,
        .segment_bytes = l->bytes,
        .created_ns = s->created_wall_ns,
    };
    count_counters(s, out);
    count_cells(q, out);
    for (uint32_t i = 0; i < s->parameters.max_participants; i++)
        if (seat_state(load_acquire(&s->seats[i].word, seat_word)) == SEAT_ATTACHED) {
            out->participants++;
            out->participants_dead += !lookup_alive(q, i);
        }
    uint64_t seats_share = (uint64_t)s->parameters.max_participants *
                           (sizeof(struct seat) + CELLS_PER_PARTICIPANT * ((uint64_t)l->cell_stride + sizeof(struct extra) +
                                                                           s->parameters.max_groups * sizeof(struct delivery)));
    uint64_t payload = (uint64_t)s->parameters.capacity * s->parameters.message_bytes;
    out->overhead_bytes_per_message =
        l->bytes > seats_share + payload ? (l->bytes - seats_share - payload) / s->parameters.capacity : 0;
    return 0;
}

static uint64_t due_ns(const struct segment *s, unsigned group, const struct found *f) {
    if (cell_state(f->word) == CELL_DELAYED) { /* not yet of any group */
        uint64_t due_ns = field_read(&segment_extra(s, f->cell)->due_ns);
        bool by_wall = field_read(&segment_cell(s, f->cell)->flags) & CELL_BY_WALL;
        return by_wall ? due_ns : due_ns + clock_wall_ns() - segment_now_ns(s);
    }
    uint64_t time = load_acquire(time_at(s, group, f->cell), time);
    bool timed = f->state == RP_STATE_LEASED || f->state == RP_STATE_DELAYED;
    if (!timed || !stamp_is_of(time, delivery_hold(f->delivery)) || stamp_value(time) >= TIME_NEVER)
        return 0;
    return wall_of_ms(s, stamp_value(time));
}

RP_API int rp_peek(rp_queue *q, const char *group, unsigned states, uint64_t after_id, struct rp_peeked *out, void *buffer,
                   size_t capacity) {
    struct known_group g;
    int result = lookup_group(q, group, &g);
    if (result < 0)
        return result;
    if (out == NULL || (buffer == NULL && capacity > 0) || states == 0 || (states & ~(unsigned)RP_STATE_ALL) != 0)
        return fail(-EINVAL, "rp_peek: no place for the result, or unknown states %#x", states);
    const struct segment *s = &q->segment;
    struct found f;
    while (listing_next(q, &g, states, after_id, &f)) {
        struct counts counts = {0, 0};
        if (cell_is_published(f.word) && taken(f.delivery, f.word))
            counts = notes_counts(s, g.index, f.cell, delivery_hold(f.delivery));
        *out = (struct rp_peeked){
            .id = f.id,
            .bytes = f.bytes,
            .sent_ns = f.sent_wall_ns,
            .due_ns = due_ns(s, g.index, &f),
            .state = f.state,
            .deliveries = counts.charged,
            .acquisitions = counts.handed_out + (f.state == RP_STATE_LEASED),
        };
        uint32_t owner = delivery_owner(f.delivery);
        if (f.state == RP_STATE_LEASED && owner < s->parameters.max_participants)
            out->pid = (uint32_t)load_relaxed(&s->seats[owner].pid, recheck);
        out->key_bytes = (uint32_t)lookup_key(q, &f, out->key);
        uint32_t lane = lane_of(s, f.cell);
        out->priority = segment_levels(s) > 1 && lane_exists(s, lane) ? lane : 0;
        out->headers = lookup_headers(q, &f, buffer, capacity);
        if (lookup_copy(q, g.index, &f, buffer, capacity))
            return 0;
    }
    return RP_EMPTY;
}

static void count_holdings(const struct segment *s, uint32_t seat, struct rp_participant *out) {
    for (uint32_t c = 0; c < s->layout.cell_count; c++) {
        uint64_t w = load_acquire(&segment_cell(s, c)->word, cell_word);
        for (unsigned g = 0; g < s->parameters.max_groups; g++) {
            uint64_t d = load_acquire(delivery_at(s, g, c), delivery);
            if (!cell_pends(w, g) || !taken(d, w))
                continue;
            out->held += delivery_state(d) == DELIVERY_LEASED && delivery_owner(d) == seat;
            out->lingering += delivery_views(d, seat);
        }
    }
}

RP_API int rp_participant_next(rp_queue *q, uint32_t seat, struct rp_participant *out) {
    int result = queue_check(q);
    if (result < 0 || out == NULL)
        return fail(result < 0 ? result : -EINVAL, "rp_participant_next");
    const struct segment *s = &q->segment;
    for (; seat < s->parameters.max_participants; seat++) {
        const struct seat *entry = &s->seats[seat];
        uint64_t w = load_acquire(&entry->word, seat_word);
        if (seat_state(w) != SEAT_ATTACHED)
            continue;
        *out = (struct rp_participant){
            .seat = seat,
            .pid = (uint32_t)load_relaxed(&entry->pid, recheck),
            .alive = lookup_alive(q, seat),
            .generation = (uint32_t)seat_generation(w),
            .attached_ns = load_relaxed(&entry->attached_wall_ns, recheck),
            .locked_bytes = load_relaxed(&entry->locked_bytes, stat),
        };
        uint64_t name[2] = {load_relaxed(&entry->name[0], recheck), load_relaxed(&entry->name[1], recheck)};
        memcpy(out->executable, name, 15);
        count_holdings(s, seat, out);
        return 0;
    }
    return RP_EMPTY;
}

RP_API int rp_collect(const char *directory) {
    int segments = shm_collect(directory), spilled = segments < 0 || directory == NULL ? 0 : spill_file_collect(directory);
    return spilled < 0 ? spilled : segments + spilled;
}
