/* SPDX-License-Identifier: MIT */
/* Each record is written and read in the same order. */
#include "durable_record.h"
#include <endian.h>
#include <string.h>

static unsigned char *put64(unsigned char *to, uint64_t v) {
    v = htole64(v);
    memcpy(to, &v, 8);
    return to + 8;
}
static unsigned char *put32(unsigned char *to, uint32_t v) {
    v = htole32(v);
    memcpy(to, &v, 4);
    return to + 4;
}
static const unsigned char *get64(const unsigned char *from, uint64_t *v) {
    memcpy(v, from, 8);
    *v = le64toh(*v);
    return from + 8;
}
static const unsigned char *get32(const unsigned char *from, uint32_t *v) {
    memcpy(v, from, 4);
    *v = le32toh(*v);
    return from + 4;
}

/* ---- groups ---- */

enum { GROUPS_BYTES = 24, GROUP_BYTES = 48 + GROUP_NAME_BYTES, PAST_BYTES = 24 };

static unsigned char *put_past(unsigned char *to, const struct record_group *g) {
    to = put64(to, g->past);
    to = put64(to, g->told);
    return put64(to, g->fed);
}

size_t record_groups_bytes(uint32_t count, uint16_t flags) {
    return GROUPS_BYTES + (size_t)count * (GROUP_BYTES + (flags & RECORD_GROUPS_PAST ? PAST_BYTES : 0));
}

void record_groups_write(unsigned char *to, uint16_t flags, const struct record_groups *g) {
    to = put64(to, g->next_id);
    to = put64(to, g->next_sequence);
    to = put32(to, g->paused);
    to = put32(to, g->count);
    for (uint32_t i = 0; i < g->count; i++) {
        const struct record_group *one = &g->groups[i];
        to = put32(to, one->index);
        to = put32(to, one->overflow);
        to = put64(to, one->generation);
        to = put64(to, one->created_ns);
        to = put64(to, one->dropped);
        to = put64(to, one->expired);
        to = put64(to, one->paused);
        memset(to, 0, GROUP_NAME_BYTES);
        memcpy(to, one->name, strnlen(one->name, GROUP_NAME_BYTES - 1));
        to += GROUP_NAME_BYTES;
        if (flags & RECORD_GROUPS_PAST)
            to = put_past(to, one);
    }
}

void record_groups_past(unsigned char *to, uint32_t i, const struct record_group *g) {
    (void)put_past(to + GROUPS_BYTES + (size_t)i * (GROUP_BYTES + PAST_BYTES) + GROUP_BYTES, g);
}

/* False: they cannot be. */
static bool read_past(const unsigned char **from, uint16_t flags, struct record_group *one) {
    uint64_t past = PAST_NONE;
    one->told = one->fed = 0;
    if (flags & RECORD_GROUPS_PAST) {
        *from = get64(*from, &past);
        *from = get64(*from, &one->told);
        *from = get64(*from, &one->fed);
    }
    one->past = past <= PAST_ENDED ? (uint32_t)past : PAST_NONE;
    return past <= PAST_ENDED && one->told <= one->fed && one->fed <= UINT64_MAX / 4;
}

bool record_groups_read(const unsigned char *from, size_t bytes, uint16_t flags, struct record_groups *g) {
    uint32_t seen = 0;
    if (bytes < GROUPS_BYTES)
        return false;
    from = get64(from, &g->next_id);
    from = get64(from, &g->next_sequence);
    from = get32(from, &g->paused);
    from = get32(from, &g->count);
    if (g->count > MAX_GROUPS || bytes != record_groups_bytes(g->count, flags) || g->paused > (RP_SIDE_SEND | RP_SIDE_RECEIVE))
        return false;
    for (uint32_t i = 0; i < g->count; i++) {
        struct record_group *one = &g->groups[i];
        uint64_t paused;
        from = get32(from, &one->index);
        from = get32(from, &one->overflow);
        from = get64(from, &one->generation);
        from = get64(from, &one->created_ns);
        from = get64(from, &one->dropped);
        from = get64(from, &one->expired);
        from = get64(from, &paused);
        memcpy(one->name, from, GROUP_NAME_BYTES);
        from += GROUP_NAME_BYTES;
        if (!read_past(&from, flags, one) || one->index >= MAX_GROUPS || seen >> one->index & 1 || one->overflow > RP_GROUP_DEAD ||
            paused > 1 || one->name[GROUP_NAME_BYTES - 1] != 0 || !group_name_valid(one->name))
            return false;
        one->paused = paused != 0;
        seen |= UINT32_C(1) << one->index;
    }
    return true;
}

/* ---- messages ---- */

enum {
    FLAGS = RP_DUMP_WAITING | RP_DUMP_SCHEDULED | RP_DUMP_BY_WALL | RP_DUMP_EXPIRES | RP_DUMP_KEYED,
    STATES = RP_STATE_READY | RP_STATE_LEASED | RP_STATE_DELAYED | RP_STATE_DEAD,
    REASONS = 127
};

/* Value bytes (2), name bytes (1), 0, name, 0, value, 0: the length turned over, if the machine is not little-endian. Damaged frames stay as they are from there on; who reads them looks. */
static void turn_headers(unsigned char *frames, size_t bytes, bool to_record) {
    for (size_t at = 0; bytes - at >= 6;) {
        uint16_t value, turned;
        memcpy(&value, frames + at, sizeof value);
        turned = htole16(value);
        size_t frame = 6 + (size_t)frames[at + 2] + (to_record ? value : turned);
        if (frame > bytes - at)
            return;
        memcpy(frames + at, &turned, sizeof turned);
        at += frame;
    }
}

void record_headers_read(unsigned char *frames, size_t bytes) { turn_headers(frames, bytes, false); }

void record_message_write(unsigned char *to, const struct record_message *m) {
    to = put64(to, m->id);
    to = put64(to, m->sent_ns);
    to = put64(to, m->due_ns);
    to = put64(to, m->expires_ns);
    to = put32(to, m->flags | m->lane << 16);
    to = put32(to, m->groups);
    to = put32(to, m->key_bytes);
    to = put32(to, m->bytes);
    to = put32(to, m->header_bytes);
    to = put32(to, 0);
    if (m->key_bytes > 0)
        memcpy(to, m->key, m->key_bytes);
    to += m->key_bytes;
    if (m->bytes > 0)
        memcpy(to, m->data, m->bytes);
    to += m->bytes;
    if (m->header_bytes > 0)
        memcpy(to, m->headers, m->header_bytes);
    turn_headers(to, m->header_bytes, true);
}

bool record_message_read(const unsigned char *from, size_t bytes, struct record_message *m) {
    uint32_t flags, zero;
    if (bytes < RECORD_MESSAGE_BYTES)
        return false;
    bytes -= RECORD_MESSAGE_BYTES;
    from = get64(from, &m->id);
    from = get64(from, &m->sent_ns);
    from = get64(from, &m->due_ns);
    from = get64(from, &m->expires_ns);
    from = get32(from, &flags);
    from = get32(from, &m->groups);
    from = get32(from, &m->key_bytes);
    from = get32(from, &m->bytes);
    from = get32(from, &m->header_bytes);
    from = get32(from, &zero);
    m->flags = flags & 0xffff;
    m->lane = flags >> 16;
    m->key = from;
    m->data = from + m->key_bytes;
    m->headers = m->data + m->bytes;
    bool waits = m->flags & RP_DUMP_WAITING;
    return (m->flags & ~(uint32_t)FLAGS) == 0 && m->lane < MAX_LANES && m->groups <= RECORD_ALL_GROUPS && zero == 0 && m->id != 0 &&
           m->key_bytes <= RP_KEY_MAX && (m->key_bytes == 0 || m->flags & RP_DUMP_KEYED) && (!waits || m->groups == 0) &&
           (!waits || m->flags & RP_DUMP_SCHEDULED) && (uint64_t)m->key_bytes + m->bytes + m->header_bytes == bytes;
}

/* ---- settled ---- */

void record_settled_write(unsigned char *to, const struct record_settled *r) {
    to = put64(to, r->sequence);
    to = put32(to, r->groups);
    (void)put32(to, r->of);
}

void record_settled_read(const unsigned char *from, struct record_settled *r) {
    from = get64(from, &r->sequence);
    from = get32(from, &r->groups);
    (void)get32(from, &r->of);
}

/* ---- deliveries ---- */

enum { EXECUTABLE_BYTES = 16 };
_Static_assert(RECORD_DELIVERY_BYTES == 80 + EXECUTABLE_BYTES, "delivery");
_Static_assert(sizeof(((struct rp_dead_letter *)0)->executable) >= EXECUTABLE_BYTES, "the name of an executable");

size_t record_delivery_bytes(const struct record_delivery *d) {
    return RECORD_DELIVERY_BYTES + strnlen(d->delivery.letter.text, RP_REASON_MAX);
}

void record_delivery_write(unsigned char *to, const struct record_delivery *d) {
    const struct rp_dead_letter *l = &d->delivery.letter;
    size_t text = strnlen(l->text, RP_REASON_MAX);
    to = put32(to, d->delivery.group);
    to = put32(to, d->delivery.state);
    to = put32(to, d->of);
    to = put32(to, (uint32_t)text);
    to = put64(to, d->delivery.due_ns);
    to = put64(to, d->delivery.turn);
    to = put32(to, l->deliveries);
    to = put32(to, l->acquisitions);
    to = put64(to, l->first_failed_ns);
    to = put64(to, l->last_failed_ns);
    to = put32(to, l->reason);
    to = put32(to, l->last_failure);
    to = put32(to, l->pid);
    to = put32(to, 0);
    to = put64(to, 0);
    memset(to, 0, EXECUTABLE_BYTES);
    memcpy(to, l->executable, strnlen(l->executable, EXECUTABLE_BYTES));
    memcpy(to + EXECUTABLE_BYTES, l->text, text);
}

bool record_delivery_read(const unsigned char *from, size_t bytes, struct record_delivery *d) {
    struct rp_dead_letter *l = &d->delivery.letter;
    uint32_t text, zero;
    uint64_t zeros;
    *d = (struct record_delivery){0};
    if (bytes < RECORD_DELIVERY_BYTES)
        return false;
    from = get32(from, &d->delivery.group);
    from = get32(from, &d->delivery.state);
    from = get32(from, &d->of);
    from = get32(from, &text);
    from = get64(from, &d->delivery.due_ns);
    from = get64(from, &d->delivery.turn);
    from = get32(from, &l->deliveries);
    from = get32(from, &l->acquisitions);
    from = get64(from, &l->first_failed_ns);
    from = get64(from, &l->last_failed_ns);
    from = get32(from, &l->reason);
    from = get32(from, &l->last_failure);
    from = get32(from, &l->pid);
    from = get32(from, &zero);
    from = get64(from, &zeros);
    uint32_t state = d->delivery.state;
    if (d->delivery.group >= MAX_GROUPS || state == 0 || (state & (state - 1)) != 0 || (state & ~(uint32_t)STATES) != 0 ||
        d->of > RECORD_ALL_GROUPS || text > RP_REASON_MAX || bytes != RECORD_DELIVERY_BYTES + text || l->reason > REASONS ||
        (l->reason & (l->reason - 1)) != 0 || l->last_failure > RP_FAILURE_DEATH || zero != 0 || zeros != 0)
        return false;
    memcpy(l->executable, from, EXECUTABLE_BYTES);
    memcpy(l->text, from + EXECUTABLE_BYTES, text);
    return true;
}

/* ---- ids ---- */

void record_id_write(unsigned char *to, const struct record_id *r) {
    to = put64(to, r->number);
    to = put64(to, r->time_ns);
    memcpy(to, r->id, r->bytes);
}

void record_id_number(unsigned char *to, uint64_t number) { (void)put64(to, number); }

bool record_id_read(const unsigned char *from, size_t bytes, size_t most, struct record_id *r) {
    if (bytes <= RECORD_ID_BYTES || bytes - RECORD_ID_BYTES > most)
        return false;
    from = get64(from, &r->number);
    from = get64(from, &r->time_ns);
    r->id = from;
    r->bytes = bytes - RECORD_ID_BYTES;
    return true;
}
