/* SPDX-License-Identifier: MIT */
/* Ids in a journal, and what the queue that comes of it says of them. */
#include "replay_fixture.h"

enum { A = 1 };
#define HOUR (3600 * (uint64_t)SECOND)

static void add_named(struct journal *x, uint16_t type, uint16_t flags, const char *id, uint64_t number, uint64_t time_ns) {
    const struct record_id r = {number, time_ns, (const unsigned char *)id, strlen(id)};
    record_id_write(add(x, type, flags, 0, record_id_bytes(&r)), &r);
}
static void add_id(struct journal *x, const char *id, uint64_t message, uint64_t until_ns) {
    add_named(x, RECORD_ID, 0, id, message, until_ns);
}
static void add_producer(struct journal *x, const char *id, uint64_t sequence, uint64_t made_ns) {
    add_named(x, RECORD_PRODUCER, 0, id, sequence, made_ns);
}
static void add_gone(struct journal *x, const char *id, uint64_t made_ns) { add_named(x, RECORD_PRODUCER, 1, id, 0, made_ns); }

static void begin(struct journal *x) {
    journal_begin(x);
    next_file(x, 1);
    add_places(x, 1);
}

static int try_with(struct journal *x, uint32_t producers, rp_queue **q) {
    struct rp_queue_options o = durable_options(x);
    o.dedup_window_ns = 24 * HOUR;
    o.max_producer_ids = producers;
    return try_bring_back(x, &o, q);
}
static rp_queue *come_back(struct journal *x) {
    rp_queue *q = NULL;
    succeeds(try_with(x, 2, &q));
    audit_is_clean(q);
    return q;
}

/* The message that was sent under the id; 0: none was, but now one is. */
static uint64_t first_of(rp_queue *q, const char *id) {
    struct rp_send_options o;
    rp_producer *p;
    uint64_t message;
    rp_send_options_init(&o, sizeof o);
    o.dedup_id = id;
    o.dedup_id_bytes = strlen(id);
    o.id_out = &message;
    succeeds(rp_producer_open(q, NULL, &p));
    int result = rp_send(p, "x", 2, &o);
    rp_producer_close(p);
    assert_true(result == 0 || result == RP_DUPLICATE);
    return result == 0 ? 0 : message;
}

static void ids_come_back(void **state) {
    (void)state;
    struct journal x;
    const uint64_t now = wall_ns();
    begin(&x);
    add_message(&x, 1, A, "1");
    add_id(&x, "live", 2, now + HOUR);
    add_id(&x, "settled", 3, now + HOUR);
    add_id(&x, "over", 4, now - 1);
    add_id(&x, "again", 5, now + HOUR);
    add_id(&x, "again", 6, now + HOUR + 1);
    add_id(&x, "late", 8, now + HOUR + 1); /* an older record that is written again */
    add_id(&x, "late", 7, now + HOUR);
    rp_queue *q = come_back(&x);
    assert_int_equal(first_of(q, "live"), 2);
    assert_int_equal(first_of(q, "settled"), 3);
    assert_int_equal(first_of(q, "over"), 0);
    assert_int_equal(first_of(q, "again"), 6);
    assert_int_equal(first_of(q, "late"), 8);
    assert_int_equal(first_of(q, "none"), 0);
    drop_queue(q);
    journal_end(&x);
}

/* More than there is room for: the newest. And many of which little is left. */
static void the_newest_come_back(void **state) {
    (void)state;
    struct journal x;
    const uint64_t now = wall_ns();
    char id[24];
    begin(&x);
    for (uint64_t i = 1; i <= 3000; i++) {
        if (i % 500 == 0) {
            next_file(&x, 1);
            add_places(&x, 1);
        }
        snprintf(id, sizeof id, "%u", (unsigned)i);
        add_id(&x, id, i + 1, now + HOUR + i);
    }
    rp_queue *q = come_back(&x);
    for (uint64_t i = 3000; i > 2900; i--) {
        snprintf(id, sizeof id, "%u", (unsigned)i);
        assert_int_equal(first_of(q, id), i + 1);
    }
    assert_int_equal(first_of(q, "1"), 0);
    drop_queue(q);
    journal_end(&x);
}

static uint64_t sequence_of(rp_queue *q, const char *id) {
    struct rp_producer_id p;
    for (uint32_t i = 0; rp_producer_id_next(q, i, &p) == 0; i = p.index + 1)
        if (p.id_bytes == strlen(id) && memcmp(p.id, id, p.id_bytes) == 0)
            return p.sequence;
    return 0;
}

static void producers_come_back(void **state) {
    (void)state;
    struct journal x;
    begin(&x);
    add_producer(&x, "a", 5, 100);
    add_producer(&x, "a", 7, 100);
    add_producer(&x, "gone", 3, 100);
    add_gone(&x, "gone", 100);
    add_producer(&x, "anew", 9, 100);
    add_gone(&x, "anew", 100);
    add_producer(&x, "anew", 1, 200);
    add_gone(&x, "anew", 100); /* late: it is about the one before */
    add_gone(&x, "nobody", 1);
    rp_queue *q = come_back(&x);
    struct rp_producer_id p;
    assert_int_equal(sequence_of(q, "a"), 7);
    assert_int_equal(sequence_of(q, "anew"), 1);
    assert_int_equal(sequence_of(q, "gone"), 0);
    assert_int_equal(rp_producer_id_next(q, 2, &p), RP_EMPTY);
    drop_queue(q);
    assert_int_equal(try_with(&x, 1, &q), -ENOSPC);
    assert_non_null(strstr(rp_error_detail(), "max_producer_ids"));
    journal_end(&x);
}

/* With its end it takes the place of all before; without, it says nothing, and is the first that the new life tells. */
static void snapshots_have_ends(void **state) {
    (void)state;
    for (int ends = 0; ends < 2; ends++) {
        struct journal x;
        const uint64_t later = wall_ns() + HOUR;
        begin(&x);
        add_message(&x, 1, A, "1");
        add_message(&x, 2, A, "2");
        add_id(&x, "before", 2, later);
        add_producer(&x, "a", 2, 100);
        add_snapshot(&x, false);
        add_message(&x, 2, A, "2");
        commit(&x);
        add_snapshot(&x, false); /* anew */
        add_message(&x, 2, A, "2");
        add_places(&x, 1);
        add_id(&x, "in it", 3, later);
        add_producer(&x, "b", 3, 100);
        if (ends)
            add_snapshot(&x, true);
        rp_queue *q = come_back(&x);
        assert_int_equal(load_relaxed(&q->segment.control->journal_snapshot, recheck), !ends);
        has(q, "a", ends ? "2 " : "1 2 ");
        assert_int_equal(sequence_of(q, "a"), ends ? 0 : 2);
        assert_int_equal(sequence_of(q, "b"), ends ? 3 : 0);
        assert_int_equal(first_of(q, "before"), ends ? 0 : 2);
        assert_int_equal(first_of(q, "in it"), ends ? 3 : 0);
        drop_queue(q);
        journal_end(&x);
    }
}

/* The file with its begin is gone, since nothing in it is needed. */
static void an_end_alone_says_nothing(void **state) {
    (void)state;
    struct journal x;
    begin(&x);
    add_message(&x, 1, A, "1");
    add_snapshot(&x, false);
    add_message(&x, 1, A, "1");
    next_file(&x, 3);
    add_places(&x, 1);
    add_message(&x, 2, A, "2");
    add_snapshot(&x, true);
    add_message(&x, 3, A, "3");
    commit(&x);
    succeeds(journal_dir_drop(&x.dir, 1));
    rp_queue *q = come_back(&x);
    has(q, "a", "2 3 ");
    drop_queue(q);
    journal_end(&x);
}

static void is_damaged(struct journal *x, int result, const char *why) {
    rp_queue *q;
    assert_int_equal(try_with(x, 2, &q), result);
    assert_non_null(strstr(rp_error_detail(), why));
    journal_end(x);
}

static void damage(void **state) {
    (void)state;
    struct journal x;
    char long_id[130];
    const uint64_t later = wall_ns() + HOUR;
    memset(long_id, 'x', sizeof long_id);
    long_id[129] = 0;
#define DAMAGED(result, why, ...) (begin(&x), __VA_ARGS__, is_damaged(&x, result, why))
    DAMAGED(RP_CORRUPT, "no message can", add_id(&x, "", 1, later));
    DAMAGED(RP_CORRUPT, "no message can", add_id(&x, long_id, 1, later));
    DAMAGED(RP_CORRUPT, "no message can", add_id(&x, "zero", 0, later));
    DAMAGED(RP_CORRUPT, "no message can", add_id(&x, "high", UINT64_MAX / 2, later));
    DAMAGED(RP_CORRUPT, "no message can", memset(add(&x, RECORD_ID, 0, 0, 15), 1, 15));
    DAMAGED(RP_INCOMPATIBLE, "type 6", add_named(&x, RECORD_ID, 1, "flags", 1, later));
    long_id[65] = 0;
    DAMAGED(RP_CORRUPT, "no producer", add_producer(&x, long_id, 1, 1));
    DAMAGED(RP_CORRUPT, "no producer", add_producer(&x, "", 1, 1));
    DAMAGED(RP_CORRUPT, "no producer", add_producer(&x, "zero", 0, 1));
    DAMAGED(RP_CORRUPT, "no producer", add_named(&x, RECORD_PRODUCER, 1, "gone at", 1, 1));
    DAMAGED(RP_INCOMPATIBLE, "type 7", add_named(&x, RECORD_PRODUCER, 2, "flags", 1, 1));
    DAMAGED(RP_INCOMPATIBLE, "type 8", add_named(&x, 8, 0, "type", 1, 1));
    DAMAGED(RP_CORRUPT, "no payload", memset(add(&x, RECORD_SNAPSHOT, 0, 0, 8), 0, 8));
#undef DAMAGED
}

int main(void) {
    const struct CMUnitTest tests[] = {
        REPLAY_TEST(ids_come_back),       REPLAY_TEST(the_newest_come_back),      REPLAY_TEST(producers_come_back),
        REPLAY_TEST(snapshots_have_ends), REPLAY_TEST(an_end_alone_says_nothing),
        REPLAY_TEST(damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
