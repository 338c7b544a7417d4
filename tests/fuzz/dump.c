/* SPDX-License-Identifier: MIT */
/*
 * fuzz_dump: a dump with bytes and numbers changed, records left out, doubled and exchanged, and cut; mostly with checksums that fit, so that what is behind them is reached. Reading ends, and touches nothing outside. What the
 * reader takes to the end is restored, or refused in an orderly way; a queue that comes of it has no fault, and gives all its messages.
 */
#include "dump_format.h"
#include "fuzz.h"
#include "scratch.h"
#include "world.h"

#include <errno.h>
#include <ringpost/ringpost.h>
#include <stdio.h>
#include <stdlib.h>

enum { RECORDS = 64, ROOM = 1 << 16, CHANGES = 6 };

static struct scratch scratch;
static char copy_path[96];
static unsigned char base[ROOM], dump[ROOM];
static size_t base_bytes, dump_bytes;
static struct { size_t at, bytes; /* of the frame; of the body */ } records[RECORDS];
static unsigned record_count;
static uint64_t refused_read, refused_restore, restored, received;

/* ---- the dump to begin with ---- */

static int keep(void *context, const void *data, size_t bytes) {
    (void)context;
    must(base_bytes + bytes <= sizeof base);
    memcpy(base + base_bytes, data, bytes);
    base_bytes += bytes;
    return 0;
}

static void send_some(rp_queue *q, rp_producer *p) {
    const struct rp_header header = {"kind", "fox"};
    rp_consumer *c;
    for (uint64_t i = 0; i < 6; i++) {
        struct rp_send_options o;
        rp_send_options_init(&o, sizeof o);
        o.key = i % 3 ? "k" : NULL;
        o.key_bytes = i % 3 ? 1 : 0;
        o.headers = &header;
        o.header_count = i % 2;
        o.dedup_id = &i;
        o.dedup_id_bytes = sizeof i;
        o.sequence = i + 1;
        o.delay_ns = i == 5 ? UINT64_C(3600000000000) : 0;
        o.ttl_ns = i == 4 ? INT64_C(3600000000000) : RP_TTL_POLICY;
        must(rp_send(p, "message", 7, &o) == 0);
    }
    must(rp_consumer_open(q, NULL, &c) == 0);
    struct rp_message m[3];
    for (int i = 0; i < 3; i++)
        if (rp_receive(c, &m[i], 0) == 0)
            must((i == 0 ? rp_reject(c, &m[i], "no") : i == 1 ? rp_nack(c, &m[i], NULL) : rp_ack(c, &m[i])) == 0);
    rp_consumer_close(c);
}

static void find_records(void) {
    for (size_t at = DUMP_HEAD_BYTES; at < base_bytes;) {
        must(record_count < RECORDS);
        size_t bytes = (size_t)dump_get64(base + at + 8);
        records[record_count].at = at;
        records[record_count++].bytes = bytes;
        at += DUMP_FRAME_BYTES + bytes + DUMP_CHECK_BYTES;
    }
}

static void make_base(void) {
    struct rp_queue_options o;
    struct rp_producer_options po;
    rp_queue *q;
    rp_producer *p;
    rp_queue_options_init(&o, sizeof o);
    o.capacity = 16;
    o.message_bytes = 64;
    o.lanes = 2;
    o.dedup_window_ns = UINT64_C(3600000000000);
    o.dedup_entries = 160;
    o.max_participants = 4;
    o.max_groups = 3;
    rp_producer_options_init(&po, sizeof po);
    po.id = "alice";
    po.id_bytes = 5;
    must(rp_queue_create(scratch.path, &o, &q) == 0 && rp_group_create(q, "second", NULL) == 0);
    must(rp_producer_open(q, &po, &p) == 0);
    send_some(q, p);
    must(rp_queue_dump(q, keep, NULL, NULL, NULL) == 0);
    rp_producer_close(p);
    must(rp_queue_close(q) == 0 && rp_queue_unlink(scratch.path) == 0);
    find_records();
}

void world_access(const volatile void *word, const char *what) { (void)word, (void)what; }

static void prepare(void) { must(scratch_create(&scratch) == 0); }
static void clean(void) { scratch_destroy(&scratch); }
static void start(void) {
    make_base();
    snprintf(copy_path, sizeof copy_path, "%s.copy", scratch.path);
}
static void stop(void) {}

/* ---- changes ---- */

/* Which records the dump is made of, in order. */
static unsigned order[2 * RECORDS], order_count;

static void change_order(struct reader *r, uint8_t how) {
    unsigned i = take8(r) % order_count, k = take8(r) % order_count;
    if (how & 1 && order_count < 2 * RECORDS) {
        memmove(order + i + 1, order + i, (order_count - i) * sizeof *order);
        order[i] = order[how & 2 ? k : i + 1];
        order_count++;
    } else if (how & 2) {
        unsigned was = order[i];
        order[i] = order[k];
        order[k] = was;
    } else if (order_count > 1) {
        memmove(order + i, order + i + 1, (order_count - i - 1) * sizeof *order);
        order_count--;
    }
}

/* A number of the body, by a little, to an end of what it can be, or to anything; or a byte behind them. */
static void change_body(struct reader *r, unsigned char *body, size_t bytes) {
    uint8_t how = take8(r);
    size_t at = take16(r) % bytes;
    if (how & 1) {
        body[at] ^= (unsigned char)(1u << (how >> 1 & 7));
        return;
    }
    at &= ~(size_t)7;
    if (at + 8 > bytes)
        return;
    uint64_t value = dump_get64(body + at);
    switch (how >> 1 & 3) {
    case 0: value += (uint64_t)(int64_t)(int8_t)take8(r); break;
    case 1: value = UINT64_C(1) << (take8(r) & 63); break;
    case 2: value = (UINT64_C(1) << (take8(r) & 63)) - 1; break;
    default: value = take64(r);
    }
    dump_put64(body + at, value);
}

static size_t end_at, end_bytes; /* the last record's body */
static struct rp_dump_summary counted;

/* The counts in the last record become those of what was read before it. */
static void mend_counts(void) {
    const uint64_t counts[] = {counted.groups, counted.producers, counted.messages, counted.payload_bytes, counted.ids,
                               counted.ready,  counted.leased,    counted.delayed,  counted.dead};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        dump_put64(dump + end_at + 24 + 8 * i, counts[i]);
    dump_put64(dump + end_at + end_bytes, dump_check(dump + end_at, end_bytes, dump_get64(base + 32) + end_at - DUMP_FRAME_BYTES));
}

struct change {
    unsigned record;
    struct reader at;
};

/* Head, records, and their checks. The last record's place and counts are put right, as one who forges would. */
static void build(struct reader *r) {
    struct change changes[CHANGES];
    unsigned change_count = take8(r) % CHANGES;
    uint64_t salt = dump_get64(base + 32);
    for (unsigned i = 0; i < change_count; i++) {
        changes[i].record = take8(r);
        changes[i].at = *r;
        (void)take64(r), (void)take16(r);
    }
    memcpy(dump, base, DUMP_HEAD_BYTES);
    dump_bytes = DUMP_HEAD_BYTES;
    for (unsigned i = 0; i < order_count; i++) {
        size_t from = records[order[i]].at, bytes = records[order[i]].bytes, all = DUMP_FRAME_BYTES + bytes + DUMP_CHECK_BYTES;
        if (dump_bytes + all > sizeof dump)
            return;
        unsigned char *frame = dump + dump_bytes, *body = frame + DUMP_FRAME_BYTES;
        memcpy(frame, base + from, all);
        if (dump_get64(frame) == RP_DUMP_END) {
            end_at = dump_bytes + DUMP_FRAME_BYTES;
            end_bytes = bytes;
            dump_put64(body + 16, dump_bytes); /* behind how many numbers there are, and the next id */
        }
        for (unsigned k = 0; k < change_count; k++)
            if (changes[k].record % order_count == i)
                change_body(&changes[k].at, body, bytes);
        dump_put64(frame + 16, dump_check(frame, 16, salt + dump_bytes));
        dump_put64(body + bytes, dump_check(body, bytes, salt + dump_bytes));
        dump_bytes += all;
    }
}

/* ---- use ---- */

static size_t read_at;
static size_t read_piece;

static int64_t read_dump(void *context, void *buffer, size_t bytes) {
    (void)context;
    bytes = bytes < dump_bytes - read_at ? bytes : dump_bytes - read_at;
    bytes = bytes < read_piece ? bytes : read_piece;
    memcpy(buffer, dump + read_at, bytes);
    read_at += bytes;
    return (int64_t)bytes;
}

static void look_at(const struct rp_dump_item *i) {
    uint64_t sum = 0;
    struct rp_header header;
    size_t at = 0;
    if (i->message == NULL)
        return;
    for (size_t k = 0; k < i->message->bytes; k++)
        sum += ((const unsigned char *)i->message->data)[k];
    for (size_t k = 0; k < i->message->key_bytes; k++)
        sum += ((const unsigned char *)i->message->key)[k];
    must(i->message->delivery_count <= DUMP_GROUPS_MAX);
    while (rp_headers_next(&i->message->headers, &at, &header) == 1)
        sum += strlen(header.name) + strlen(header.value);
    for (size_t k = 0; k < i->message->delivery_count; k++)
        sum += strlen(i->message->deliveries[k].letter.text) + strlen(i->message->deliveries[k].letter.executable);
    *(volatile uint64_t *)&sum;
}

/* 0, or as whom it is refused. */
static int read_through(void) {
    rp_dump *d = NULL;
    struct rp_dump_item item;
    read_at = 0;
    int result = rp_dump_open(read_dump, NULL, &d);
    for (unsigned n = 0; result == 0; n++) {
        must(n <= 2 * RECORDS);
        if ((result = rp_dump_next(d, &item)) == 0)
            look_at(&item);
    }
    must(result == RP_EMPTY || result == RP_CORRUPT || result == RP_INCOMPATIBLE);
    must(result == RP_EMPTY || rp_error_detail()[0] != 0);
    if (d != NULL)
        must(rp_dump_summary(d, &counted) == 0);
    rp_dump_close(d);
    return result == RP_EMPTY ? 0 : result;
}

static void receive_all(rp_queue *q, const char *group) {
    struct rp_consumer_options o;
    struct rp_message m;
    rp_consumer *c;
    rp_consumer_options_init(&o, sizeof o);
    o.group = group;
    if (rp_consumer_open(q, &o, &c) != 0)
        return;
    int result, n = 0;
    while ((result = rp_receive(c, &m, 0)) == 0) {
        must(rp_ack(c, &m) == 0 && ++n <= 2 * RECORDS);
        received++;
    }
    must(result == RP_EMPTY || result == RP_PAUSED || result == RP_CORRUPT);
    rp_consumer_close(c);
}

static void use(rp_queue *q) {
    struct rp_audit a;
    must(rp_queue_audit(q, &a) == 0);
    if (a.violations > 0)
        finding("a restored queue: %s", a.first);
    (void)rp_queue_sweep(q);
    receive_all(q, NULL);
    receive_all(q, "second");
    must(rp_dead_redrive(q, NULL, NULL) >= -4200);
    must(rp_queue_audit(q, &a) == 0);
    if (a.violations > 0)
        finding("a restored queue that was used: %s", a.first);
}

/* Queues that are as large as their options like are not made here. */
static bool is_small(const rp_dump *d) {
    struct rp_queue_options o;
    rp_queue_options_init(&o, sizeof o);
    must(rp_dump_queue_options(d, &o) == 0);
    return o.capacity <= 64 && o.message_bytes <= 4096 && o.header_bytes <= 4096 && o.max_participants <= 8 &&
           o.dedup_entries <= 1000 && o.max_producer_ids <= 100 && !o.hugepages && !o.lock_memory;
}

static void restore(void) {
    rp_dump *d = NULL;
    rp_queue *q;
    read_at = 0;
    must(rp_dump_open(read_dump, NULL, &d) == 0);
    if (!is_small(d)) {
        rp_dump_close(d);
        return;
    }
    int result = rp_queue_restore(copy_path, d, NULL, &q);
    rp_dump_close(d);
    if (result == 0) {
        use(q);
        restored++;
        must(rp_queue_close(q) == 0 && rp_queue_unlink(copy_path) == 0);
        return;
    }
    refused_restore++;
    must(result == RP_CORRUPT || result == RP_INCOMPATIBLE || result == RP_FULL || result == RP_TOO_BIG || result == -EINVAL ||
         result == -ENOSPC || result == -EACCES || result == -ENOTSUP);
    must(access(copy_path, F_OK) != 0);
}

static void run(const uint8_t *data, size_t size) {
    struct reader r = {data, data + size};
    uint8_t how = take8(&r);
    order_count = record_count;
    for (unsigned i = 0; i < record_count; i++)
        order[i] = i;
    for (unsigned n = how & 3; n > 0; n--)
        change_order(&r, take8(&r));
    build(&r);
    read_piece = how & 4 ? 1 + (size_t)take8(&r) : sizeof dump;
    if ((how & 24) == 24 && dump_bytes > 0) /* raw damage, without checks that fit */
        dump[take16(&r) % dump_bytes] ^= (unsigned char)(1u << (how >> 5));
    if ((how & 224) == 224)
        dump_bytes = take16(&r) % (dump_bytes + 1);
    int result = read_through();
    if (result == RP_CORRUPT && strstr(rp_error_detail(), "what it counts") != NULL) {
        mend_counts();
        result = read_through();
    }
    if (result == 0)
        restore();
    else
        refused_read++;
}

/* An id longer than its record was copied before that was known. */
static const uint8_t found[] = {0x0e, 0x31, 0xa4, 0x63, 0x14, 0xf0, 0x1b, 0xca, 0xf8, 0x5d, 0x20, 0x1a, 0x36, 0xae,
                                0xa9, 0x72, 0x72, 0x40, 0x1b, 0x29, 0x7f, 0x0d, 0x7c, 0x4d, 0x9b, 0x91, 0x36, 0x0a,
                                0x1b, 0x3b, 0x83, 0x34, 0x21, 0x90, 0x64, 0x9d, 0xf2, 0x88, 0x3c, 0x83, 0xbf, 0xd3,
                                0x80, 0x4d, 0x8b, 0x14, 0x0d, 0xf1, 0x99, 0xcc, 0x63, 0x1a, 0x64, 0x3b, 0x5c, 0x2d,
                                0x93, 0xb7, 0x1f, 0xec, 0x21, 0x03, 0x93, 0x4c, 0x2d, 0x5f, 0x5b, 0x6b, 0x51};

static uint64_t special_count(void) { return 2; }
static size_t special(uint64_t n, uint8_t *data) {
    memset(data, 0, 4); /* unharmed: it must be restored */
    memcpy(data, found, n == 0 ? 0 : sizeof found);
    return n == 0 ? 4 : sizeof found;
}
static void summary(void) {
    printf("%llu refused by the reader, %llu by the restore; %llu restored, %llu messages received\n",
           (unsigned long long)refused_read, (unsigned long long)refused_restore, (unsigned long long)restored,
           (unsigned long long)received);
}

const struct fuzz_target fuzz_target = {.name = "dump",
                                        .prepare = prepare,
                                        .clean = clean,
                                        .start = start,
                                        .run = run,
                                        .stop = stop,
                                        .special_count = special_count,
                                        .special = special,
                                        .summary = summary};
