/* SPDX-License-Identifier: MIT */
/*
 * fuzz_replay: a journal's records in any order, with anything in them, as one who forges checksums could write them. They are refused in an orderly way, or come to a queue that has no fault and gives its messages; what is
 * live is never more than what was written.
 */
#include "bring_back.h"
#include "contents.h"
#include "fuzz.h"
#include "scratch.h"
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { PAYLOAD = 256, SEQUENCES = 12, PLACES = 4 };

static struct scratch scratch;
static uint64_t refused_read, refused_fill, brought_back, received;

void world_access(const volatile void *word, const char *what) { (void)word, (void)what; }

static void prepare(void) { must(scratch_create(&scratch) == 0); }
static void clean(void) { scratch_destroy(&scratch); }
static void nothing(void) {}

/* ---- records ---- */

static size_t make_groups(struct reader *r, unsigned char *to, uint16_t *flags) {
    struct record_groups g = {.next_id = take8(r), .next_sequence = take8(r)};
    uint8_t generations = take8(r), past = take8(r);
    for (uint32_t i = 0; i < 3; i++)
        if (generations >> 2 * i & 3) {
            struct record_group *one = &g.groups[g.count++];
            *one = (struct record_group){.index = i, .generation = generations >> 2 * i & 3, .name = {(char)('a' + i)}};
            if ((one->past = past >> 2 * i & 3) == PAST_NONE)
                continue;
            uint8_t fed = take8(r);
            one->fed = 1 + fed % (SEQUENCES + 1);
            one->told = fed < 8 ? one->fed + 1 : 1 + (uint64_t)(fed / 16) % one->fed;
        }
    *flags = past >> 6 ? RECORD_GROUPS_PAST : 0;
    record_groups_write(to, *flags, &g);
    return record_groups_bytes(g.count, *flags);
}

static size_t make_message(struct reader *r, unsigned char *to) {
    static const unsigned char headers[] = {1, 0, 1, 0, 'x', 0, 'v', 0};
    uint8_t how = take8(r);
    bool waits = (how & 3) == 3;
    struct record_message m = {.id = 1 + (how >> 4),
                               .flags = (waits ? RP_DUMP_WAITING | RP_DUMP_SCHEDULED : 0) | (how & 4 ? RP_DUMP_KEYED : 0) |
                                        (how & 8 ? RP_DUMP_EXPIRES : 0),
                               .groups = waits ? 0 : 1 + take8(r) % 7,
                               .due_ns = how & 16 ? UINT64_MAX - 1 : 1,
                               .expires_ns = how & 32 ? UINT64_MAX : 1,
                               .key = (const unsigned char *)"key",
                               .key_bytes = how & 4 ? how >> 6 : 0,
                               .data = (const unsigned char *)"text",
                               .bytes = 4,
                               .headers = headers,
                               .header_bytes = how & 64 ? sizeof headers : 0};
    record_message_write(to, &m);
    return record_message_bytes(&m);
}

static size_t make_settled(struct reader *r, unsigned char *to) {
    uint8_t how = take8(r);
    record_settled_write(to,
                         &(struct record_settled){1 + how % SEQUENCES, how & 128 ? RECORD_ALL_GROUPS : take8(r) & 7, take8(r) & 7});
    return RECORD_SETTLED_BYTES;
}

static size_t make_delivery(struct reader *r, unsigned char *to) {
    uint8_t how = take8(r);
    struct record_delivery d = {.delivery = {.group = how & 3,
                                             .state = 1u << (how >> 2 & 3),
                                             .due_ns = how & 16 ? UINT64_MAX : take8(r),
                                             .turn = how & 32 ? UINT64_MAX : take8(r)},
                                .of = how >> 5};
    d.delivery.letter.deliveries = take8(r);
    d.delivery.letter.reason = how & 64 ? 1u << (how & 3) : 0;
    memcpy(d.delivery.letter.text, "because", 7);
    record_delivery_write(to, &d);
    return record_delivery_bytes(&d);
}

static size_t make_id(struct reader *r, unsigned char *to, bool gone) {
    uint8_t how = take8(r);
    const struct record_id id = {.number = gone ? 0 : 1 + (how >> 4),
                                 .time_ns = how & 2   ? UINT64_MAX - take8(r)
                                            : how & 4 ? 1
                                                      : (UINT64_C(1) << 62) + take8(r),
                                 .id = (const unsigned char *)"abcdefgh" + (how & 3),
                                 .bytes = 1 + (how >> 2 & 3)};
    record_id_write(to, &id);
    return record_id_bytes(&id);
}

static size_t make_record(struct reader *r, const struct fold *f, struct journal_record *record, unsigned char *payload) {
    uint8_t how = take8(r);
    record->type = (uint16_t)(how % 8);
    record->sequence = 1 + (how >> 3) % SEQUENCES;
    record->flags = 0;
    switch (record->type) {
    case RECORD_GROUPS: return make_groups(r, payload, &record->flags);
    case RECORD_MESSAGE: return make_message(r, payload);
    case RECORD_SETTLED: return make_settled(r, payload);
    case RECORD_DELIVERY: return make_delivery(r, payload);
    case RECORD_SNAPSHOT: record->flags = f->into == &f->snapshot ? how >> 7 : how == 252; return 0;
    case RECORD_ID: return make_id(r, payload, false);
    case RECORD_PRODUCER: record->flags = how >> 7; return make_id(r, payload, record->flags);
    default:
        record->file++;
        record->type = RECORD_GROUPS;
        return make_groups(r, payload, &record->flags);
    }
}

/* One bit, one byte or one number more, or a length that is another. */
static size_t harm(struct reader *r, unsigned char *payload, size_t bytes) {
    uint8_t how = take8(r);
    size_t at = bytes > 0 ? take8(r) % bytes : 0;
    if (how & 1)
        return bytes > 0 && how & 2 ? bytes - 1 - at : bytes + 1;
    if (bytes > 0)
        payload[at] = how & 2 ? take8(r) : payload[at] ^ (unsigned char)(1u << (how >> 5));
    return bytes;
}

static int read_all(struct fold *f, struct reader *r) {
    static _Alignas(8) unsigned char payload[1 << 13];
    struct journal_record record = {.file = 1};
    int result = 0;
    uint64_t messages = 0;
    record.type = RECORD_GROUPS;
    for (bool first = true; result == 0 && (first || !reader_over(r)); first = false) {
        memset(payload, 0, PAYLOAD);
        size_t bytes = first ? make_groups(r, payload, &record.flags) : make_record(r, f, &record, payload);
        if (take8(r) % 32 == 31)
            bytes = harm(r, payload, bytes);
        unsigned char *copy = malloc(bytes + 1); /* of its very size: the sanitizer sees what is read behind it */
        must(copy != NULL);
        memcpy(copy, payload, bytes);
        record.payload = copy;
        record.bytes = bytes;
        messages += record.type == RECORD_MESSAGE;
        result = fold_record(f, &record);
        free(copy);
        must(f->into->live.count <= messages);
    }
    must(result == 0 || result == RP_CORRUPT || result == RP_INCOMPATIBLE);
    must(result == 0 || rp_error_detail()[0] != 0);
    return result;
}

/* ---- the queue ---- */

struct filling {
    struct queue_contents contents;
    struct fold *fold;
    struct rp_queue_options from;
};

static int fill(struct queue_contents *c, void *memory, uint64_t bytes) {
    struct filling *x = (struct filling *)c;
    struct rebuild r = {.name = "fuzz", .source = "journal", .from = &x->from};
    struct live_message **all = live_all(&x->fold->told.live);
    int result = bring_back(&r, x->fold, all, memory, bytes, 1);
    rebuild_free(&r);
    free(all);
    return result;
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
        must(rp_ack(c, &m) == 0 && ++n <= SEQUENCES);
        received++;
    }
    must(result == RP_EMPTY || result == RP_PAUSED);
    rp_consumer_close(c);
}

static void is_whole(rp_queue *q, const char *when) {
    struct rp_audit a;
    must(rp_queue_audit(q, &a) == 0);
    if (a.violations > 0)
        finding("a queue that came back, %s: %s", when, a.first);
}

static void use(rp_queue *q) {
    is_whole(q, "at once");
    (void)rp_queue_sweep(q);
    receive_all(q, "a");
    receive_all(q, "b");
    receive_all(q, "c");
    is_whole(q, "received from");
}

static void run(const uint8_t *data, size_t size) {
    struct reader r = {data, data + size};
    struct fold f = {.path = "fuzz", .next_sequence = 1, .next_id = 1};
    struct filling x = {.contents.fill = fill, .fold = &f};
    rp_queue *q = NULL;
    uint8_t how = take8(&r);
    rp_queue_options_init(&x.from, sizeof x.from);
    x.from.capacity = how & 1 ? SEQUENCES : 4;
    x.from.message_bytes = 64;
    x.from.max_groups = how & 2 ? 3 : 2;
    x.from.max_participants = 2;
    x.from.lanes = how & 4 ? 2 : 0;
    x.from.lane_capacity = how & 4 ? SEQUENCES : 0;
    x.from.dedup_window_ns = how & 8 ? 1000000000 : 0;
    x.from.max_producer_ids = how >> 6;
    f.into = &f.told;
    must(live_open(&f.told.live) == 0 && live_open(&f.snapshot.live) == 0 && live_open(&f.aside) == 0);
    int result = read_all(&f, &r);
    if (result < 0)
        refused_read++;
    else if ((result = queue_create(scratch.path, &x.from, &x.contents, &q)) == 0) {
        use(q);
        brought_back++;
        must(rp_queue_close(q) == 0 && rp_queue_unlink(scratch.path) == 0);
    } else {
        must(result == RP_CORRUPT || result == RP_FULL || result == RP_TOO_BIG || result == -EINVAL || result == -ENOSPC);
        refused_fill++;
    }
    fold_close(&f);
}

/* Groups, none in the past, a message of each of the first two, one of them settled. */
static const uint8_t plain[] = {3, 0, 0, 5, 0, 0, 2, 0, 2, 0, 10, 0, 2, 0, 3, 1, 1, 3, 0};

static uint64_t special_count(void) { return 1; }
static size_t special(uint64_t n, uint8_t *data) {
    (void)n;
    memcpy(data, plain, sizeof plain);
    return sizeof plain;
}
static void summary(void) {
    printf("%llu refused when read, %llu when filled in; %llu came back, %llu messages received\n",
           (unsigned long long)refused_read, (unsigned long long)refused_fill, (unsigned long long)brought_back,
           (unsigned long long)received);
}

const struct fuzz_target fuzz_target = {.name = "replay",
                                        .prepare = prepare,
                                        .clean = clean,
                                        .start = nothing,
                                        .run = run,
                                        .stop = nothing,
                                        .special_count = special_count,
                                        .special = special,
                                        .summary = summary};
