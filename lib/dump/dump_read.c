/* SPDX-License-Identifier: MIT */
/* Reading a dump: frames, checks, order, counts. */
#include "dump_read.h"
#include "error.h"
#include "options.h"
#include <errno.h>
#include <stdlib.h>

enum { CHUNK = 1 << 20 }; /* memory is taken as bytes come, so a length alone takes none */

/* ---- bytes ---- */

static int broken(struct rp_dump *d, int result) {
    d->result = result;
    return result;
}

/* Reads until `to` is full, or at the end. -> how many bytes, or a negative result. */
static int64_t read_most(struct rp_dump *d, unsigned char *to, size_t bytes) {
    size_t got = 0;
    while (got < bytes) {
        int64_t n = d->read(d->context, to + got, bytes - got);
        if (n < 0)
            return fail((int)n, "reading the dump at offset %llu", (unsigned long long)(d->offset + got));
        if ((uint64_t)n > bytes - got)
            return fail(-EINVAL, "the function that reads a dump returned %lld, %zu were asked for", (long long)n, bytes - got);
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return (int64_t)got;
}

static int read_all(struct rp_dump *d, unsigned char *to, size_t bytes, const char *what) {
    int64_t got = read_most(d, to, bytes);
    if (got < 0)
        return (int)got;
    if ((size_t)got < bytes)
        return fail(RP_CORRUPT, "the dump ends at offset %llu, in the %s at offset %llu",
                    (unsigned long long)(d->offset + (uint64_t)got), what, (unsigned long long)d->record_at);
    d->offset += bytes;
    return 0;
}

/* The body of a record into d->body. */
static int read_body(struct rp_dump *d, uint64_t bytes, const char *what) {
    d->body_bytes = 0;
    while (d->body_bytes < bytes) {
        size_t some = bytes - d->body_bytes < CHUNK ? (size_t)(bytes - d->body_bytes) : CHUNK;
        if (d->room - d->body_bytes < some) {
            size_t room = d->room == 0 ? 4096 : 2 * d->room;
            while (room - d->body_bytes < some)
                room *= 2;
            unsigned char *more = realloc(d->body, room);
            if (more == NULL)
                return fail(-ENOMEM, "no memory for a record of %llu bytes of a dump", (unsigned long long)bytes);
            d->body = more;
            d->room = room;
        }
        int result = read_all(d, d->body + d->body_bytes, some, what);
        if (result < 0)
            return result;
        d->body_bytes += some;
    }
    return 0;
}

static int read_head(struct rp_dump *d) {
    unsigned char head[DUMP_HEAD_BYTES];
    int64_t got = read_most(d, head, sizeof head);
    if (got < 0)
        return (int)got;
    if (got < 8 || memcmp(head, DUMP_MAGIC, 8) != 0)
        return fail(RP_CORRUPT, got == 0 ? "the dump is empty" : "not a dump of a ringpost queue: it does not begin like one");
    if ((size_t)got < sizeof head)
        return fail(RP_CORRUPT, "the dump ends at offset %lld, in its head", (long long)got);
    if (dump_get64(head + 56) != dump_check(head, 56, 0))
        return fail(RP_CORRUPT, "the dump's head is damaged: wrong checksum at offset 56");
    if (dump_get64(head + 8) != DUMP_VERSION)
        return fail(RP_INCOMPATIBLE, "a dump of version %llu, this library knows %d", (unsigned long long)dump_get64(head + 8),
                    (int)DUMP_VERSION);
    if (dump_get64(head + 16) != 0)
        return fail(RP_INCOMPATIBLE, "the dump uses features %#llx, which this library does not know",
                    (unsigned long long)dump_get64(head + 16));
    d->salt = dump_get64(head + 32);
    d->queue.head.version = DUMP_VERSION;
    d->queue.head.dumped_ns = dump_get64(head + 40);
    d->offset = sizeof head;
    return 0;
}

/* The largest body that a record of this kind can have. */
static uint64_t body_most(const struct rp_dump *d, uint64_t kind) {
    const struct rp_queue_options *o = &d->queue.options;
    return DUMP_SMALL_BYTES + (kind == RP_DUMP_MESSAGE ? (uint64_t)o->message_bytes + o->header_bytes : 0);
}

/* The next record, *kind and d->body. */
static int read_record(struct rp_dump *d, uint64_t *kind) {
    unsigned char frame[DUMP_FRAME_BYTES], check[DUMP_CHECK_BYTES];
    uint64_t at = d->record_at = d->offset, seed = d->salt + at;
    int result = read_all(d, frame, sizeof frame, "record");
    if (result < 0)
        return result;
    *kind = dump_get64(frame);
    uint64_t bytes = dump_get64(frame + 8);
    if (dump_get64(frame + 16) != dump_check(frame, 16, seed))
        return fail(RP_CORRUPT, "the dump is damaged: the frame of the record at offset %llu has a wrong checksum",
                    (unsigned long long)at);
    if (*kind < DUMP_QUEUE || *kind > RP_DUMP_END)
        return fail(RP_INCOMPATIBLE, "the dump has a record of kind %llu at offset %llu, which this library does not know",
                    (unsigned long long)*kind, (unsigned long long)at);
    if (bytes > body_most(d, *kind))
        return fail(RP_CORRUPT, "the dump is damaged: a record of %llu bytes at offset %llu", (unsigned long long)bytes,
                    (unsigned long long)at);
    result = read_body(d, bytes, dump_kind_name(*kind));
    if (result == 0)
        result = read_all(d, check, sizeof check, dump_kind_name(*kind));
    if (result == 0 && dump_get64(check) != dump_check(d->body, d->body_bytes, seed))
        return fail(RP_CORRUPT, "the dump is damaged: the %s at offset %llu has a wrong checksum", dump_kind_name(*kind),
                    (unsigned long long)at);
    return result;
}

static int explain(const struct rp_dump *d, uint64_t kind, const char *wrong, bool newer) {
    return fail(newer ? RP_INCOMPATIBLE : RP_CORRUPT, "the dump's %s at offset %llu: %s", dump_kind_name(kind),
                (unsigned long long)d->record_at, wrong);
}

/* ---- records ---- */

static int open_dump(struct rp_dump *d) {
    struct dump_scan x;
    uint64_t kind;
    int result = read_head(d);
    if (result < 0 || (result = read_record(d, &kind)) < 0)
        return result;
    if (kind != DUMP_QUEUE)
        return explain(d, kind, "the first record must be the queue's", false);
    d->kind = kind;
    rp_queue_options_init(&d->queue.options, sizeof d->queue.options);
    if (!dump_scan_begin(&x, d->body, d->body_bytes) || !dump_read_queue(&x, &d->queue))
        return explain(d, kind, x.wrong, x.newer);
    return 0;
}

RP_API int rp_dump_open(rp_dump_read read, void *context, rp_dump **out) {
    if (read == NULL || out == NULL)
        return fail(-EINVAL, "rp_dump_open: nothing to read, or no place for the result");
    struct rp_dump *d = calloc(1, sizeof *d);
    if (d == NULL)
        return fail(-ENOMEM, "no memory to read a dump");
    d->read = read;
    d->context = context;
    int result = open_dump(d);
    if (result < 0)
        rp_dump_close(d);
    else
        *out = d;
    return result;
}

RP_API void rp_dump_close(rp_dump *d) {
    if (d == NULL)
        return;
    free(d->body);
    free(d->headers.block);
    free(d);
}

RP_API int rp_dump_head(const rp_dump *d, struct rp_dump_head *out) {
    if (d == NULL || out == NULL)
        return fail(-EINVAL, "rp_dump_head");
    *out = d->queue.head;
    return 0;
}

RP_API int rp_dump_queue_options(const rp_dump *d, struct rp_queue_options *out) {
    if (d == NULL || out == NULL)
        return fail(-EINVAL, "rp_dump_queue_options");
    return options_give(out, &d->queue.options, sizeof d->queue.options, "rp_queue_options");
}

RP_API int rp_dump_summary(const rp_dump *d, struct rp_dump_summary *out) {
    if (d == NULL || out == NULL)
        return fail(-EINVAL, "rp_dump_summary");
    *out = d->summary;
    out->bytes = d->offset;
    return 0;
}

static const char *count_message(struct rp_dump *d) {
    const struct rp_dump_message *m = &d->message;
    struct rp_dump_summary *n = &d->summary;
    n->messages++;
    n->payload_bytes += m->bytes;
    n->delayed += (m->flags & RP_DUMP_WAITING) != 0;
    for (size_t i = 0; i < m->delivery_count; i++) {
        uint32_t state = m->deliveries[i].state;
        if (m->deliveries[i].group >= n->groups)
            return "it is for a group that is not in the dump";
        n->ready += state == RP_STATE_READY;
        n->leased += state == RP_STATE_LEASED;
        n->delayed += state == RP_STATE_DELAYED;
        n->dead += state == RP_STATE_DEAD;
    }
    d->highest_id = m->id > d->highest_id ? m->id : d->highest_id;
    return m->lane < d->lane ? "it is out of order" : (d->lane = m->lane, NULL);
}

static const char *check_end(struct rp_dump *d) {
    struct rp_dump_summary *said = &d->end.summary;
    d->summary.bytes = d->record_at;
    d->summary.damaged = said->damaged;
    if (memcmp(said, &d->summary, sizeof *said) != 0)
        return "what it counts is not what is there";
    return d->end.next_id > d->highest_id ? NULL : "its next id is that of a message";
}

/* Takes d->body apart. NULL: all is well. */
static const char *take(struct rp_dump *d, uint64_t kind, struct rp_dump_item *out, bool *newer) {
    struct dump_scan x;
    const char *wrong = NULL;
    bool whole = dump_scan_begin(&x, d->body, d->body_bytes);
    if (whole && kind == RP_DUMP_GROUP) {
        d->group = (struct rp_group_info){.index = (uint32_t)d->summary.groups};
        whole = dump_read_group(&x, &d->group);
        out->group = &d->group;
        wrong = ++d->summary.groups > DUMP_GROUPS_MAX ? "there are too many" : NULL;
    } else if (whole && kind == RP_DUMP_PRODUCER) {
        d->producer = (struct rp_producer_id){.index = (uint32_t)d->summary.producers};
        whole = dump_read_producer(&x, &d->producer);
        out->producer = &d->producer;
        wrong = ++d->summary.producers > DUMP_PRODUCERS_MAX ? "there are too many" : NULL;
    } else if (whole && kind == RP_DUMP_MESSAGE) {
        whole = dump_read_message(&x, &d->message, d->deliveries, &d->headers);
        out->message = &d->message;
        wrong = whole ? count_message(d) : NULL;
    } else if (whole && kind == RP_DUMP_ID) {
        d->id = (struct rp_dump_id){0};
        whole = dump_read_id(&x, &d->id);
        out->id = &d->id;
        wrong = d->id.kind != 0 && d->id.group >= d->summary.groups ? "it is of a group that is not in the dump" : NULL;
        d->summary.ids++;
    } else if (whole && kind == RP_DUMP_COUNTERS) {
        whole = dump_read_counters(&x, &d->counters);
        out->counters = &d->counters;
    } else if (whole) {
        whole = dump_read_end(&x, &d->end);
        out->summary = &d->summary;
        wrong = whole ? check_end(d) : NULL;
    }
    *newer = x.newer;
    return whole ? wrong : x.wrong;
}

/* Groups, producers, messages, ids: any number of each; counters and end: one. */
static bool in_order(uint64_t before, uint64_t kind) {
    bool many = kind >= RP_DUMP_GROUP && kind <= RP_DUMP_ID;
    return kind > before || (many && kind == before);
}

RP_API int rp_dump_next(rp_dump *d, struct rp_dump_item *out) {
    if (d == NULL || out == NULL)
        return fail(-EINVAL, "rp_dump_next");
    if (d->result < 0)
        return d->result; /* there is nothing behind what could not be read */
    if (d->kind == RP_DUMP_END)
        return RP_EMPTY;
    uint64_t kind;
    bool newer = false;
    *out = (struct rp_dump_item){0};
    int result = read_record(d, &kind);
    if (result < 0)
        return broken(d, result);
    if (!in_order(d->kind, kind) || (kind == RP_DUMP_END && d->kind != RP_DUMP_COUNTERS))
        return broken(d, explain(d, kind, "it is out of order", false));
    d->kind = kind;
    out->kind = (uint32_t)kind;
    out->offset = d->record_at;
    const char *wrong = take(d, kind, out, &newer);
    if (wrong != NULL)
        return broken(d, explain(d, kind, wrong, newer));
    unsigned char more;
    int64_t n = kind == RP_DUMP_END ? read_most(d, &more, 1) : 0;
    if (n != 0)
        return broken(d, n < 0
                             ? (int)n
                             : fail(RP_CORRUPT, "something follows the dump's end, at offset %llu", (unsigned long long)d->offset));
    d->summary.bytes = d->offset;
    return 0;
}
