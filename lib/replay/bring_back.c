/* SPDX-License-Identifier: MIT */
#include "bring_back.h"
#include "error.h"

/* Senders take ids in blocks; those of the last ones may never have come to the journal, but may have been told to somebody. */
enum { IDS_BEHIND = 1 << 20 };

static int put_groups(struct rebuild *r, const struct fold *f) {
    int result = 0;
    for (uint32_t i = 0; i < r->segment.parameters.max_groups; i++)
        rebuild_no_group(r, i, f->generations[i]);
    for (uint32_t i = 0; i < f->groups.count && result == 0; i++) {
        const struct record_group *from = &f->groups.groups[i];
        struct rp_group_info to = {
            .index = from->index,
            .overflow = from->overflow,
            .created_ns = from->created_ns,
            .dropped = from->dropped,
            .expired = from->expired,
            .paused = from->paused,
        };
        memcpy(to.name, from->name, sizeof from->name);
        result = rebuild_group(r, &to, from->generation);
    }
    return result;
}

static size_t deliveries_of(const struct live_message *m, struct rp_dump_delivery *out) {
    uint32_t first = m->pending;
    size_t count = 0;
    for (const struct live_delivery *d = m->deliveries; d != NULL; d = d->next) {
        struct record_delivery one;
        if (!(m->pending >> d->group & 1) || !record_delivery_read(d->record, d->bytes, &one))
            continue;
        out[count++] = one.delivery;
        first &= ~(UINT32_C(1) << d->group);
    }
    for (; first != 0; first &= first - 1)
        out[count++] = (struct rp_dump_delivery){.group = (uint32_t)__builtin_ctz(first), .state = RP_STATE_READY};
    return count;
}

/* As it was fed to whom it is for (lib/queue/catch_up_cell.c): the queue's lanes may be others than when it was sent. */
static void fit(const struct rebuild *r, struct rp_dump_message *m) {
    const uint32_t levels = segment_levels(&r->segment);
    if (!r->segment.parameters.keyed) {
        m->flags &= ~(uint32_t)RP_DUMP_KEYED;
        m->key_bytes = 0;
        m->lane = r->from->priorities > 1 && m->lane >= levels ? levels - 1 : m->lane;
    }
}

static int put_message(struct rebuild *r, struct live_message *from) {
    struct rp_dump_delivery deliveries[MAX_GROUPS];
    struct record_message m;
    struct rebuilt where;
    if (!record_message_read(from->record, from->bytes, &m))
        return fail(RP_CORRUPT, "message %llu of the journal cannot be", (unsigned long long)from->sequence);
    record_headers_read(from->record + (m.headers - from->record), m.header_bytes);
    struct rp_dump_message to = {
        .id = m.id,
        .sent_ns = m.sent_ns,
        .due_ns = m.due_ns,
        .expires_ns = m.expires_ns,
        .flags = from->pending == 0 ? m.flags : m.flags & ~(uint32_t)RP_DUMP_WAITING,
        .lane = m.lane,
        .data = m.data,
        .bytes = m.bytes,
        .key = m.key,
        .key_bytes = m.key_bytes,
        .headers = {.block = m.headers, .bytes = m.header_bytes},
        .deliveries = deliveries,
        .delivery_count = deliveries_of(from, deliveries),
    };
    if (from->past)
        fit(r, &to);
    int result = rebuild_message(r, &to, &where);
    from->cell = where.cell;
    if (result == RP_TOO_BIG && from->past) { /* who was fed it passed it */
        from->cell = NO_CELL;
        return 0;
    }
    return result;
}

static int put_id(struct rebuild *r, const struct named_id *from) {
    struct rp_dump_id to = {.id_bytes = from->bytes, .message_id = from->number, .until_ns = from->time_ns};
    memcpy(to.id, from->id, from->bytes);
    return rebuild_id(r, &to);
}

static int put_producer(struct rebuild *r, const struct named_id *from) {
    struct rp_producer_id to = {.id_bytes = from->bytes, .sequence = from->number, .made_ns = from->time_ns};
    memcpy(to.id, from->id, from->bytes);
    return rebuild_producer(r, &to);
}

int bring_back(struct rebuild *r, struct fold *f, struct live_message **all, void *memory, uint64_t bytes, uint64_t created_ns) {
    int result = rebuild_begin(r, memory, bytes, created_ns, f->groups.paused);
    if (result == 0)
        result = put_groups(r, f);
    for (size_t i = 0; i < f->told.live.count && result == 0; i++)
        result = put_message(r, all[i]);
    for (size_t i = 0, n = named_sort(&f->told.ids); i < n && result == 0; i++)
        result = put_id(r, &f->told.ids.all[i]);
    for (size_t i = 0, n = named_sort(&f->told.producers); i < n && result == 0; i++)
        result = put_producer(r, &f->told.producers.all[i]);
    if (result == 0)
        rebuild_end(r, f->next_id + IDS_BEHIND);
    return result;
}
