/* SPDX-License-Identifier: MIT */
#include "catch_up_cell.h"
#include "byte_room.h"
#include "headers.h"
#include "keyed.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool past_message_counts(const struct record_message *m, uint64_t now_wall_ns) {
    bool over = m->flags & RP_DUMP_EXPIRES && m->expires_ns != UINT64_MAX && m->expires_ns <= now_wall_ns;
    return !over && !(m->flags & (RP_DUMP_SCHEDULED | RP_DUMP_WAITING));
}

static bool turn_headers(const struct record_message *m, struct past_headers *h) {
    if (m->header_bytes > h->room) {
        unsigned char *more = realloc(h->bytes, m->header_bytes);
        if (more == NULL)
            return false;
        h->bytes = more;
        h->room = m->header_bytes;
    }
    memcpy(h->bytes, m->headers, m->header_bytes);
    record_headers_read(h->bytes, m->header_bytes);
    return true;
}

static uint32_t find_lane(const struct segment *s, const struct record_message *m) {
    const struct parameters *p = &s->parameters;
    if (p->keyed && m->flags & RP_DUMP_KEYED)
        return keyed_lane(s, m->key, m->key_bytes);
    return m->lane < p->lane_count ? m->lane : p->keyed || p->numa_shards > 0 ? m->lane % p->lane_count : p->lane_count - 1;
}

int past_fill(const struct segment *s, const char *queue, uint32_t c, const struct record_message *m, struct past_headers *h,
              uint32_t *lane) {
    struct cell *cell = segment_cell(s, c);
    struct extra *extra = segment_extra(s, c);
    size_t content = m->bytes;
    uint32_t flags = groups_version(groups_load(s)) << 8;
    if (m->bytes > s->parameters.message_bytes)
        return RP_TOO_BIG;
    if (m->header_bytes > 0 && !turn_headers(m, h))
        return -ENOMEM;
    const struct rp_headers carry = {h->bytes, m->header_bytes};
    const struct rp_send_options o = {.size = sizeof o, .carry = m->header_bytes > 0 ? &carry : NULL};
    int result = m->header_bytes > 0 ? headers_measure(s, queue, m->bytes, &o, &content) : 0;
    if (result < 0)
        return result;
    if (s->parameters.max_bytes > 0 && !byte_room_change(s, c, byte_room_of(s, c), content)) /* it may hold what was tried before */
        return content > s->parameters.max_bytes ? RP_TOO_BIG : RP_FULL;
    memcpy(cell->payload, m->data, m->bytes);
    if (content != m->bytes && !headers_write(cell->payload, m->bytes, content, &o))
        return RP_CORRUPT;
    flags |= content != m->bytes ? CELL_HAS_HEADERS : 0;
    if (s->parameters.keyed && m->flags & RP_DUMP_KEYED) {
        extra->key_bytes = (uint16_t)m->key_bytes;
        memcpy(extra->key, m->key, m->key_bytes);
        flags |= CELL_HAS_KEY;
    }
    if (m->flags & RP_DUMP_EXPIRES) {
        const uint64_t ahead = m->flags & RP_DUMP_BY_WALL ? 0 : load_relaxed(&s->control->wall_ahead_ns, hint);
        const bool before = (int64_t)ahead >= 0 && m->expires_ns < ahead; /* clocks were set */
        field_write(&extra->expires_ns, m->expires_ns == UINT64_MAX ? UINT64_MAX : before ? 0 : m->expires_ns - ahead);
        flags |= CELL_EXPIRES | (m->flags & RP_DUMP_BY_WALL ? CELL_BY_WALL : 0);
    }
    cell->id = m->id;
    cell->sent_wall_ns = m->sent_ns;
    cell->bytes = (uint32_t)content;
    field_write(&cell->flags, flags);
    *lane = find_lane(s, m);
    return 0;
}
