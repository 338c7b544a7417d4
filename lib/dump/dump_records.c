/* SPDX-License-Identifier: MIT */
/* What the bodies of a dump's records say, but for messages: each is written and read in the same order. */
#include "dump_format.h"
#include "groups.h"
#include <stddef.h>

/* ---- queue ---- */

/* Numbers in the options, in the order in which they are written. `wide`: 64 bits, else 32. */
static const struct option {
    size_t at;
    bool wide;
} options[] = {
#define NARROW(field) \
    { offsetof(struct rp_queue_options, field), false }
#define WIDE(field) \
    { offsetof(struct rp_queue_options, field), true }
    NARROW(capacity),       NARROW(message_bytes), NARROW(header_bytes),  WIDE(lease_ns),
    NARROW(max_deliveries), WIDE(backoff_ns),      WIDE(backoff_max_ns),  NARROW(dead_capacity),
    NARROW(dead_overflow),  NARROW(overflow),      NARROW(max_groups),    NARROW(max_participants),
    NARROW(mode),           NARROW(prefault),      NARROW(priorities),    WIDE(ageing_ns),
    NARROW(lanes),          NARROW(lane_capacity), WIDE(ttl_ns),          NARROW(expired),
    WIDE(max_bytes),        WIDE(dedup_window_ns), NARROW(dedup_entries), NARROW(max_producer_ids),
    NARROW(numa_shards),    NARROW(hugepages),     NARROW(lock_memory),
};
enum { OPTIONS = sizeof options / sizeof options[0] };

void dump_write_queue(struct dump_body *b, const struct dump_queue *q) {
    dump_body_begin(b);
    dump_body_number(b, q->head.created_ns);
    dump_body_number(b, q->head.paused);
    dump_body_number(b, strlen(q->head.name));
    for (unsigned i = 0; i < OPTIONS; i++) {
        const char *at = (const char *)&q->options + options[i].at;
        uint32_t narrow;
        uint64_t value;
        memcpy(&narrow, at, sizeof narrow);
        memcpy(&value, at, options[i].wide ? sizeof value : 0);
        dump_body_number(b, options[i].wide ? value : narrow);
    }
    dump_body_number(b, (uint64_t)(q->options.backoff_factor * 1000 + 0.5));
    dump_body_number(b, (uint64_t)(q->options.jitter * 1000 + 0.5));
    dump_body_bytes(b, q->head.name, strlen(q->head.name));
}

static void read_bytes(struct dump_scan *x, size_t bytes, void *out) {
    const void *from = dump_scan_bytes(x, bytes);
    if (x->wrong == NULL)
        memcpy(out, from, bytes);
}

/* Bytes that are to be text of at most `room` - 1, in a place that is all zeros. */
static void read_text(struct dump_scan *x, size_t bytes, char *out) {
    const char *text = dump_scan_bytes(x, bytes);
    if (x->wrong == NULL && memchr(text, 0, bytes) != NULL)
        x->wrong = "a name has a zero byte";
    if (x->wrong == NULL)
        memcpy(out, text, bytes);
}

bool dump_read_queue(struct dump_scan *x, struct dump_queue *q) {
    q->head.created_ns = dump_scan_number(x, UINT64_MAX, "");
    q->head.paused = (uint32_t)dump_scan_number(x, RP_SIDE_SEND | RP_SIDE_RECEIVE, "it pauses sides that there are not");
    size_t name = dump_scan_number(x, sizeof q->head.name - 1, "the queue's name is too long");
    for (unsigned i = 0; i < OPTIONS; i++) {
        char *at = (char *)&q->options + options[i].at;
        uint64_t value = dump_scan_number(x, options[i].wide ? UINT64_MAX : UINT32_MAX, "an option cannot be");
        uint32_t narrow = (uint32_t)value;
        if (options[i].wide)
            memcpy(at, &value, sizeof value);
        else
            memcpy(at, &narrow, sizeof narrow);
    }
    q->options.backoff_factor = (double)dump_scan_number(x, 100000, "the backoff factor cannot be") / 1000;
    q->options.jitter = (double)dump_scan_number(x, 1000, "the jitter cannot be") / 1000;
    dump_scan_numbers_end(x);
    read_text(x, name, q->head.name);
    return dump_scan_end(x);
}

/* ---- groups, producers, ids ---- */

void dump_write_group(struct dump_body *b, const struct rp_group_info *g) {
    dump_body_begin(b);
    dump_body_number(b, g->overflow);
    dump_body_number(b, g->created_ns);
    dump_body_number(b, g->dropped);
    dump_body_number(b, g->expired);
    dump_body_number(b, g->paused);
    dump_body_number(b, strlen(g->name));
    dump_body_bytes(b, g->name, strlen(g->name));
}

bool dump_read_group(struct dump_scan *x, struct rp_group_info *g) {
    g->overflow = (uint32_t)dump_scan_number(x, RP_GROUP_DEAD, "its overflow cannot be");
    g->created_ns = dump_scan_number(x, UINT64_MAX, "");
    g->dropped = dump_scan_number(x, UINT64_MAX, "");
    g->expired = dump_scan_number(x, UINT64_MAX, "");
    g->paused = (uint32_t)dump_scan_number(x, 1, "it is paused in a way that there is not");
    size_t name = dump_scan_number(x, sizeof g->name - 1, "its name is too long");
    dump_scan_numbers_end(x);
    read_text(x, name, g->name);
    if (x->wrong == NULL && !group_name_valid(g->name))
        x->wrong = "its name is none that a group can have";
    return dump_scan_end(x);
}

void dump_write_producer(struct dump_body *b, const struct rp_producer_id *p) {
    dump_body_begin(b);
    dump_body_number(b, p->sequence);
    dump_body_number(b, p->made_ns);
    dump_body_number(b, p->id_bytes);
    dump_body_bytes(b, p->id, p->id_bytes);
}

bool dump_read_producer(struct dump_scan *x, struct rp_producer_id *p) {
    p->sequence = dump_scan_number(x, UINT64_MAX, "");
    p->made_ns = dump_scan_number(x, UINT64_MAX, "");
    p->id_bytes = (uint32_t)dump_scan_number(x, RP_PRODUCER_ID_MAX, "its id is too long");
    dump_scan_numbers_end(x);
    read_bytes(x, p->id_bytes, p->id);
    if (x->wrong == NULL && p->id_bytes == 0)
        x->wrong = "it has no id";
    return dump_scan_end(x);
}

void dump_write_id(struct dump_body *b, const struct rp_dump_id *i) {
    dump_body_begin(b);
    dump_body_number(b, i->kind);
    dump_body_number(b, i->group);
    dump_body_number(b, i->message_id);
    dump_body_number(b, i->until_ns);
    dump_body_number(b, i->id_bytes);
    dump_body_bytes(b, i->id, i->id_bytes);
}

bool dump_read_id(struct dump_scan *x, struct rp_dump_id *i) {
    i->kind = (uint32_t)dump_scan_number(x, 2, "its kind is unknown");
    i->group = (uint32_t)dump_scan_number(x, DUMP_GROUPS_MAX - 1, "its group cannot be");
    i->message_id = dump_scan_number(x, UINT64_MAX, "");
    i->until_ns = dump_scan_number(x, UINT64_MAX, "");
    /* those of consumers have 8 bytes for the group beside */
    i->id_bytes = dump_scan_number(x, i->kind == 0 ? RP_DEDUP_ID_MAX : RP_DEDUP_ID_MAX - 8, "it is too long");
    dump_scan_numbers_end(x);
    read_bytes(x, i->id_bytes, i->id);
    if (x->wrong == NULL && (i->id_bytes == 0 || (i->kind == 1 && i->id_bytes != 8)))
        x->wrong = "it is empty, or not a message's";
    return dump_scan_end(x);
}

/* ---- counters, the end ---- */

static const size_t counters[] = {
#define COUNTER(field) offsetof(struct rp_queue_stats, field)
    COUNTER(sent),       COUNTER(received),   COUNTER(acked),         COUNTER(nacked),   COUNTER(rejected), COUNTER(expired_leases),
    COUNTER(recovered),  COUNTER(died),       COUNTER(dead_dropped),  COUNTER(redriven), COUNTER(purged),   COUNTER(full),
    COUNTER(lease_lost), COUNTER(deaths),     COUNTER(unroutable),    COUNTER(expired),  COUNTER(dropped),  COUNTER(cancelled),
    COUNTER(scheduled),  COUNTER(duplicates), COUNTER(forgotten_ids),
};
enum { COUNTERS = sizeof counters / sizeof counters[0] };

void dump_write_counters(struct dump_body *b, const struct rp_queue_stats *c) {
    dump_body_begin(b);
    for (unsigned i = 0; i < COUNTERS; i++) {
        uint64_t value;
        memcpy(&value, (const char *)c + counters[i], sizeof value);
        dump_body_number(b, value);
    }
}

bool dump_read_counters(struct dump_scan *x, struct rp_queue_stats *c) {
    for (unsigned i = 0; i < COUNTERS; i++) {
        uint64_t value = dump_scan_number(x, UINT64_MAX, "");
        memcpy((char *)c + counters[i], &value, sizeof value);
    }
    dump_scan_numbers_end(x);
    return dump_scan_end(x);
}

static const size_t end_counts[] = {
#define COUNT(field) offsetof(struct rp_dump_summary, field)
    COUNT(bytes), COUNT(groups), COUNT(producers), COUNT(messages), COUNT(payload_bytes), COUNT(ids),
    COUNT(ready), COUNT(leased), COUNT(delayed),   COUNT(dead),     COUNT(damaged),
};
enum { END_COUNTS = sizeof end_counts / sizeof end_counts[0] };

void dump_write_end(struct dump_body *b, const struct dump_end *e) {
    dump_body_begin(b);
    dump_body_number(b, e->next_id);
    for (unsigned i = 0; i < END_COUNTS; i++) {
        uint64_t value;
        memcpy(&value, (const char *)&e->summary + end_counts[i], sizeof value);
        dump_body_number(b, value);
    }
}

bool dump_read_end(struct dump_scan *x, struct dump_end *e) {
    e->next_id = dump_scan_number(x, UINT64_MAX / 4, "the next id cannot be");
    for (unsigned i = 0; i < END_COUNTS; i++) {
        uint64_t value = dump_scan_number(x, UINT64_MAX, "");
        memcpy((char *)&e->summary + end_counts[i], &value, sizeof value);
    }
    dump_scan_numbers_end(x);
    return dump_scan_end(x);
}
