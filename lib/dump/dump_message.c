/* SPDX-License-Identifier: MIT */
/* The record of a message. */
#include "dump_format.h"
#include <stdlib.h>

enum {
    FLAGS = RP_DUMP_WAITING | RP_DUMP_SCHEDULED | RP_DUMP_BY_WALL | RP_DUMP_EXPIRES | RP_DUMP_KEYED,
    REASONS = 127,
    HEADERS_MOST = 1 << 21,
    PAYLOAD_MOST = 1 << 30
};

/* In a dump: value bytes (2, little-endian), name bytes (1), 0, name, 0, value, 0. In memory the same with the machine's order. */
static uint16_t swapped(uint16_t value, bool to_dump) { return to_dump ? htole16(value) : le16toh(value); }

/* Copies the frames of headers from one order to the other. False: they are damaged. */
static bool copy_headers(unsigned char *to, const unsigned char *from, size_t bytes, bool to_dump) {
    if (bytes > 0)
        memcpy(to, from, bytes);
    for (size_t at = 0, frame; at < bytes; at += frame) {
        uint16_t value;
        if (bytes - at < 6)
            return false;
        memcpy(&value, from + at, sizeof value);
        size_t value_bytes = to_dump ? value : le16toh(value);
        frame = 6 + from[at + 2] + value_bytes;
        if (frame > bytes - at)
            return false;
        value = swapped(value, to_dump);
        memcpy(to + at, &value, sizeof value);
    }
    return true;
}

static size_t count_headers(const struct rp_headers *h, bool *whole) {
    struct rp_header one;
    size_t at = 0, count = 0;
    int result;
    while ((result = rp_headers_next(h, &at, &one)) == 1)
        count++;
    *whole = result == 0 && count <= RP_HEADERS_MAX;
    return count;
}

/* ---- writing ---- */

static void write_delivery(struct dump_body *b, const struct rp_dump_delivery *d) {
    const struct rp_dead_letter *l = &d->letter;
    const uint64_t numbers[] = {d->group,
                                d->state,
                                d->due_ns,
                                d->turn,
                                l->deliveries,
                                l->acquisitions,
                                l->first_failed_ns,
                                l->last_failed_ns,
                                l->reason,
                                l->last_failure,
                                l->pid,
                                strnlen(l->executable, sizeof l->executable),
                                strnlen(l->text, sizeof l->text)};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        dump_body_number(b, numbers[i]);
}

/* Waits for its first delivery: so do most, and one bit says it. */
static bool is_first(const struct rp_dump_delivery *d) {
    return d->state == RP_STATE_READY && d->turn == 0 && d->letter.deliveries == 0 && d->letter.acquisitions == 0;
}

bool dump_write_message(struct dump_body *b, const struct rp_dump_message *m) {
    uint64_t first = 0, others = 0;
    bool whole;
    for (size_t i = 0; i < m->delivery_count; i++) {
        first |= is_first(&m->deliveries[i]) ? UINT64_C(1) << m->deliveries[i].group : 0;
        others += !is_first(&m->deliveries[i]);
    }
    (void)count_headers(&m->headers, &whole);
    const uint64_t numbers[] = {m->id,    m->sent_ns,   m->due_ns,        m->expires_ns, m->flags, m->lane,
                                m->bytes, m->key_bytes, m->headers.bytes, first,         others};
    if (!whole)
        return false;
    dump_body_begin(b);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        dump_body_number(b, numbers[i]);
    for (size_t i = 0; i < m->delivery_count; i++)
        if (!is_first(&m->deliveries[i]))
            write_delivery(b, &m->deliveries[i]);
    for (size_t i = 0; i < m->delivery_count; i++) {
        const struct rp_dead_letter *l = &m->deliveries[i].letter;
        if (is_first(&m->deliveries[i]))
            continue;
        dump_body_bytes(b, l->executable, strnlen(l->executable, sizeof l->executable));
        dump_body_bytes(b, l->text, strnlen(l->text, sizeof l->text));
    }
    dump_body_bytes(b, m->key, m->key_bytes);
    dump_body_bytes(b, m->data, m->bytes);
    dump_body_bytes(b, m->headers.block, m->headers.bytes);
    unsigned char *headers = b->data + b->bytes - m->headers.bytes;
    return b->failed || copy_headers(headers, m->headers.block, m->headers.bytes, true);
}

/* ---- reading ---- */

struct lengths {
    size_t executable, text;
};

static void read_delivery(struct dump_scan *x, struct rp_dump_delivery *d, struct lengths *bytes) {
    *d = (struct rp_dump_delivery){0};
    struct rp_dead_letter *l = &d->letter;
    d->group = (uint32_t)dump_scan_number(x, DUMP_GROUPS_MAX - 1, "a delivery's group cannot be");
    d->state = (uint32_t)dump_scan_number(x, RP_STATE_DEAD, "a delivery's state is unknown");
    d->due_ns = dump_scan_number(x, UINT64_MAX, "");
    d->turn = dump_scan_number(x, UINT64_MAX, "");
    l->deliveries = (uint32_t)dump_scan_number(x, UINT32_MAX, "a count cannot be");
    l->acquisitions = (uint32_t)dump_scan_number(x, UINT32_MAX, "a count cannot be");
    l->first_failed_ns = dump_scan_number(x, UINT64_MAX, "");
    l->last_failed_ns = dump_scan_number(x, UINT64_MAX, "");
    l->reason = (uint32_t)dump_scan_number(x, REASONS, "a reason is unknown");
    l->last_failure = (uint32_t)dump_scan_number(x, RP_FAILURE_DEATH, "a failure is unknown");
    l->pid = (uint32_t)dump_scan_number(x, UINT32_MAX, "a pid cannot be");
    bytes->executable = dump_scan_number(x, 16, "a program's name is too long");
    bytes->text = dump_scan_number(x, RP_REASON_MAX, "a reason's text is too long");
    if (x->wrong == NULL && (d->state == 0 || (d->state & (d->state - 1)) != 0 || (l->reason & (l->reason - 1)) != 0))
        x->wrong = "a delivery is in several states, or dead for several reasons";
}

static void read_texts(struct dump_scan *x, struct rp_dump_delivery *d, const struct lengths *bytes) {
    const void *executable = dump_scan_bytes(x, bytes->executable), *text = dump_scan_bytes(x, bytes->text);
    if (x->wrong != NULL)
        return;
    memcpy(d->letter.executable, executable, bytes->executable);
    memcpy(d->letter.text, text, bytes->text);
}

static void read_headers(struct dump_scan *x, size_t bytes, struct rp_dump_message *m, struct dump_headers *headers) {
    const void *from = dump_scan_bytes(x, bytes);
    bool whole;
    if (x->wrong != NULL || bytes == 0)
        return;
    if (headers->room < bytes) {
        unsigned char *more = realloc(headers->block, bytes);
        if (more == NULL) {
            x->wrong = "no memory for its headers";
            return;
        }
        headers->block = more;
        headers->room = bytes;
    }
    m->headers = (struct rp_headers){headers->block, bytes};
    if (!copy_headers(headers->block, from, bytes, false) || (count_headers(&m->headers, &whole), !whole))
        x->wrong = "its headers are damaged";
}

bool dump_read_message(struct dump_scan *x, struct rp_dump_message *m, struct rp_dump_delivery *deliveries,
                       struct dump_headers *headers) {
    struct lengths lengths[DUMP_GROUPS_MAX];
    *m = (struct rp_dump_message){.deliveries = deliveries};
    m->id = dump_scan_number(x, UINT64_MAX / 4, "its id cannot be");
    m->sent_ns = dump_scan_number(x, UINT64_MAX, "");
    m->due_ns = dump_scan_number(x, UINT64_MAX - 1, "it is never due");
    m->expires_ns = dump_scan_number(x, UINT64_MAX, "");
    m->flags = (uint32_t)dump_scan_number(x, FLAGS, "it has unknown flags");
    m->lane = (uint32_t)dump_scan_number(x, 1023, "its lane cannot be");
    m->bytes = dump_scan_number(x, PAYLOAD_MOST, "its payload is too long");
    m->key_bytes = dump_scan_number(x, RP_KEY_MAX, "its key is too long");
    size_t header_bytes = dump_scan_number(x, HEADERS_MOST, "its headers are too long");
    uint32_t seen = (uint32_t)dump_scan_number(x, (UINT32_C(1) << DUMP_GROUPS_MAX) - 1, "it is for groups that there cannot be");
    size_t others = dump_scan_number(x, DUMP_GROUPS_MAX, "it has more deliveries than there can be groups");
    for (uint32_t rest = seen; rest != 0; rest &= rest - 1)
        deliveries[m->delivery_count++] =
            (struct rp_dump_delivery){.group = (uint32_t)__builtin_ctz(rest), .state = RP_STATE_READY};
    for (size_t i = 0; i < others && x->wrong == NULL; i++) {
        struct rp_dump_delivery one;
        read_delivery(x, &one, &lengths[i]);
        if (x->wrong == NULL && seen >> one.group & 1)
            x->wrong = "it has two deliveries in one group";
        if (x->wrong == NULL) /* so they are no more than there can be groups */
            deliveries[m->delivery_count++] = one;
        seen |= UINT32_C(1) << one.group;
    }
    dump_scan_numbers_end(x);
    for (size_t i = 0; i < others && x->wrong == NULL; i++)
        read_texts(x, &deliveries[m->delivery_count - others + i], &lengths[i]);
    m->key = dump_scan_bytes(x, m->key_bytes);
    m->data = dump_scan_bytes(x, m->bytes);
    read_headers(x, header_bytes, m, headers);
    if (!(m->flags & RP_DUMP_KEYED)) {
        m->key = NULL;
        x->wrong = x->wrong == NULL && m->key_bytes > 0 ? "it has no key, and a key's bytes" : x->wrong;
    }
    bool waits = m->flags & RP_DUMP_WAITING;
    if (x->wrong == NULL && (m->id == 0 || waits != (m->delivery_count == 0) || (waits && !(m->flags & RP_DUMP_SCHEDULED))))
        x->wrong = m->id == 0 ? "it has no id" : "it is of no group, and does not wait for its time";
    return dump_scan_end(x);
}
