/* SPDX-License-Identifier: MIT */
/* A dump that is not whole is refused, wherever it is damaged, and leaves nothing behind; so is one that does not fit, and one of another version. */
#include "dump_fixture.h"
#include "dump_format.h"
#include "dump_write.h"
#include <errno.h>

static bool is_there(const char *name) {
    rp_queue *q;
    if (rp_queue_open(name, NULL, &q) < 0)
        return false;
    rp_queue_close(q);
    return true;
}

/* Some of everything. */
static void make_dump(struct stored *x) {
    struct rp_queue_options o = test_options();
    o.lanes = 2;
    o.dedup_window_ns = (uint64_t)(300 * SECOND);
    rp_queue *q = make_queue(&o);
    struct rp_producer_options po;
    rp_producer_options_init(&po, sizeof po);
    po.id = "alice";
    po.id_bytes = 5;
    rp_producer *p;
    rp_consumer *c;
    succeeds(rp_group_create(q, "b", NULL));
    succeeds(rp_producer_open(q, &po, &p));
    succeeds(rp_consumer_open(q, NULL, &c));
    const struct rp_header header = {"a", "b"};
    struct rp_send_options s;
    rp_send_options_init(&s, sizeof s);
    s.key = "key";
    s.key_bytes = 3;
    s.headers = &header;
    s.header_count = 1;
    s.dedup_id = "one";
    s.dedup_id_bytes = 3;
    s.sequence = 1;
    succeeds(rp_send(p, "first", 6, &s));
    rp_send_options_init(&s, sizeof s);
    s.delay_ns = (uint64_t)(3600 * SECOND);
    s.ttl_ns = SECOND;
    succeeds(rp_send(p, "later", 6, &s));
    struct rp_message m;
    succeeds(rp_receive(c, &m, 0));
    succeeds(rp_reject(c, &m, "text"));
    rp_consumer_close(c);
    rp_producer_close(p);
    (void)dump_to(q, x);
    drop_queue(q);
}

/* -> the result of reading to the end */
static int read_through(struct stored *x) {
    rp_dump *d = NULL;
    struct rp_dump_item item;
    x->at = 0;
    int result = rp_dump_open(stored_read, x, &d);
    while (result == 0)
        result = rp_dump_next(d, &item);
    if (d != NULL && result != RP_EMPTY)
        assert_int_equal(rp_dump_next(d, &item), result); /* and there is nothing behind it */
    rp_dump_close(d);
    return result == RP_EMPTY ? 0 : result;
}

static void refused(struct stored *x, int as, const char *why) {
    rp_queue *q = NULL;
    int result = read_through(x);
    if (as == 0 ? result != RP_CORRUPT && result != RP_INCOMPATIBLE : result != as)
        fprintf(stderr, "reading: %s: %s\n", rp_error_name(result), rp_error_detail());
    assert_true(as == 0 ? result == RP_CORRUPT || result == RP_INCOMPATIBLE : result == as);
    if (why != NULL)
        assert_non_null(strstr(rp_error_detail(), why));
    assert_int_equal(try_restore(x, NULL, &q), result);
    assert_false(is_there(restored_name));
}

static void every_end_is_refused(void **state) {
    (void)state;
    struct stored x = {0};
    make_dump(&x);
    size_t whole = x.bytes;
    assert_int_equal(read_through(&x), 0);
    for (x.bytes = 0; x.bytes < whole; x.bytes++)
        refused(&x, RP_CORRUPT, NULL);
    x.bytes = 500;
    char at[32];
    snprintf(at, sizeof at, "ends at offset 500");
    refused(&x, RP_CORRUPT, at);
    x.bytes = whole;
    succeeds(stored_write(&x, "", 1));
    refused(&x, RP_CORRUPT, "follows");
    stored_free(&x);
}

static void every_bit_counts(void **state) {
    (void)state;
    struct stored x = {0};
    make_dump(&x);
    for (size_t i = 0; i < x.bytes; i++) {
        x.data[i] ^= (unsigned char)(1 << i % 8);
        refused(&x, 0, NULL);
        x.data[i] ^= (unsigned char)(1 << i % 8);
    }
    assert_int_equal(read_through(&x), 0);
    stored_free(&x);
}

/* In whatever pieces it comes. */
static void pieces_do_not_matter(void **state) {
    (void)state;
    struct stored x = {0};
    make_dump(&x);
    for (x.piece = 1; x.piece < 100; x.piece += 7)
        assert_int_equal(read_through(&x), 0);
    stored_free(&x);
}

static void reseal_head(struct stored *x) { dump_put64(x->data + 56, dump_check(x->data, 56, 0)); }

static void newer_ones_are_told_apart(void **state) {
    (void)state;
    struct stored x = {0};
    make_dump(&x);
    x.data[8] = 2;
    reseal_head(&x);
    refused(&x, RP_INCOMPATIBLE, "version 2");
    x.data[8] = 1;
    x.data[16] = 4;
    reseal_head(&x);
    refused(&x, RP_INCOMPATIBLE, "0x4");
    x.data[16] = 0;
    reseal_head(&x);
    assert_int_equal(read_through(&x), 0);
    x.data[0] = 'x';
    refused(&x, RP_CORRUPT, "not a dump");
    stored_free(&x);
}

/* ---- records that are right by themselves ---- */

static void begin(struct dump_writer *w, struct stored *x, const struct rp_queue_options *o) {
    struct dump_queue q = {.head.name = "forged", .options = *o};
    x->bytes = 0;
    succeeds(dump_writer_open(w, stored_write, x, 77, 1));
    dump_write_queue(&w->body, &q);
    succeeds(dump_writer_record(w, DUMP_QUEUE));
}

static void group(struct dump_writer *w, const char *name) {
    struct rp_group_info g = {0};
    snprintf(g.name, sizeof g.name, "%s", name);
    dump_write_group(&w->body, &g);
    succeeds(dump_writer_record(w, RP_DUMP_GROUP));
}

static void message(struct dump_writer *w, uint64_t id, uint32_t lane, uint32_t group_number, size_t bytes) {
    static const char data[128];
    struct rp_dump_delivery d = {.group = group_number, .state = RP_STATE_READY};
    struct rp_dump_message m = {.id = id, .lane = lane, .data = data, .bytes = bytes, .deliveries = &d, .delivery_count = 1};
    assert_true(dump_write_message(&w->body, &m));
    succeeds(dump_writer_record(w, RP_DUMP_MESSAGE));
}

static void end(struct dump_writer *w, uint64_t groups, uint64_t messages, uint64_t payload, uint64_t next_id) {
    struct rp_queue_stats none = {0};
    struct dump_end e = {.next_id = next_id,
                         .summary = {.groups = groups, .messages = messages, .payload_bytes = payload, .ready = messages}};
    dump_write_counters(&w->body, &none);
    succeeds(dump_writer_record(w, RP_DUMP_COUNTERS));
    e.summary.bytes = w->offset;
    dump_write_end(&w->body, &e);
    succeeds(dump_writer_record(w, RP_DUMP_END));
    succeeds(dump_writer_flush(w));
    dump_writer_close(w);
}

static void what_does_not_fit_together_is_refused(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    struct dump_writer w;
    struct stored x = {0};
    rp_queue *q;
    snprintf(queue_name, sizeof queue_name, "test.dump-damage.%d", (int)getpid());
    begin(&w, &x, &o);
    group(&w, "g");
    message(&w, 5, 0, 0, 10);
    end(&w, 1, 1, 10, 6);
    assert_int_equal(read_through(&x), 0);
    succeeds(try_restore(&x, NULL, &q));
    audit_is_clean(q);
    drop_restored(q);

    begin(&w, &x, &o);
    group(&w, "g");
    message(&w, 5, 0, 1, 10);
    end(&w, 1, 1, 10, 6);
    refused(&x, RP_CORRUPT, "group that is not in the dump");

    begin(&w, &x, &o);
    group(&w, "g");
    message(&w, 5, 0, 0, 10);
    end(&w, 1, 2, 10, 6);
    refused(&x, RP_CORRUPT, "counts");

    begin(&w, &x, &o);
    group(&w, "g");
    message(&w, 5, 0, 0, 10);
    end(&w, 1, 1, 10, 5);
    refused(&x, RP_CORRUPT, "next id");

    begin(&w, &x, &o);
    message(&w, 5, 0, 0, 10);
    group(&w, "g");
    end(&w, 1, 1, 10, 6);
    refused(&x, RP_CORRUPT, NULL);

    begin(&w, &x, &o);
    group(&w, "g");
    message(&w, 5, 1, 0, 10);
    message(&w, 6, 0, 0, 10);
    end(&w, 1, 2, 20, 7);
    refused(&x, RP_CORRUPT, "out of order");
    begin(&w, &x, &o);
    group(&w, "not a name");
    end(&w, 1, 0, 0, 6);
    refused(&x, RP_CORRUPT, "that a group can have");

    /* These are whole, and the queue cannot be. */
    begin(&w, &x, &o);
    group(&w, "g");
    group(&w, "g");
    end(&w, 2, 0, 0, 6);
    assert_int_equal(read_through(&x), 0);
    assert_int_equal(try_restore(&x, NULL, &q), RP_CORRUPT);
    o.capacity = 0;
    begin(&w, &x, &o);
    end(&w, 0, 0, 0, 6);
    assert_int_equal(try_restore(&x, NULL, &q), -EINVAL);
    assert_false(is_there(restored_name));
    stored_free(&x);
}

static void fewer_places_are_refused(void **state) {
    (void)state;
    struct rp_queue_options o = test_options(), less;
    o.priorities = 2;
    o.capacity = 100;
    rp_queue *q = make_queue(&o), *r;
    rp_producer *p;
    struct rp_producer_options po;
    rp_producer_options_init(&po, sizeof po);
    po.id = "x";
    po.id_bytes = 1;
    succeeds(rp_group_create(q, "b", NULL));
    succeeds(rp_producer_open(q, &po, &p));
    struct rp_send_options s;
    rp_send_options_init(&s, sizeof s);
    s.priority = 1;
    for (int i = 0; i < 100; i++)
        succeeds(rp_send(p, "twenty bytes or more", 21, &s));
    struct stored x = {0};
    (void)dump_to(q, &x);
    less = o;
    less.capacity = 50;
    less.max_participants = 1;
    assert_int_equal(try_restore(&x, &less, &r), RP_FULL);
    assert_non_null(strstr(rp_error_detail(), "capacity 50"));
    less = o;
    less.message_bytes = 20;
    assert_int_equal(try_restore(&x, &less, &r), RP_TOO_BIG);
    less = o;
    less.max_bytes = 1000;
    assert_int_equal(try_restore(&x, &less, &r), RP_FULL);
    less = o;
    less.max_groups = 1;
    assert_int_equal(try_restore(&x, &less, &r), -ENOSPC);
    less = o;
    less.max_producer_ids = 0;
    assert_int_equal(try_restore(&x, &less, &r), -ENOSPC);
    less = o;
    less.priorities = 1;
    assert_int_equal(try_restore(&x, &less, &r), -EINVAL);
    assert_false(is_there(restored_name));
    /* More is fine. */
    less = o;
    less.capacity = 1000;
    less.priorities = 3;
    succeeds(try_restore(&x, &less, &r));
    audit_is_clean(r);
    assert_int_equal(stats_of(r).ready, 100);
    drop_restored(r);
    /* A name that is taken stays what it is. */
    rp_queue *first = restore_from(&x);
    assert_int_equal(try_restore(&x, NULL, &r), -EEXIST);
    assert_int_equal(stats_of(first).ready, 100);
    drop_restored(first);
    stored_free(&x);
    rp_producer_close(p);
    drop_queue(q);
}

static int refuse_to_write(void *context, const void *data, size_t bytes) {
    (void)data, (void)bytes;
    return (*(int *)context)-- > 0 ? 0 : -ENOSPC;
}
static int64_t refuse_to_read(void *context, void *buffer, size_t bytes) {
    struct stored *x = context;
    return x->at >= 1000 ? -EIO : stored_read(x, buffer, bytes < 100 ? bytes : 100);
}

static void errors_of_the_caller_come_back(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.message_bytes = 200000;
    rp_queue *q = make_queue(&o), *r;
    rp_producer *p;
    succeeds(rp_producer_open(q, NULL, &p));
    void *large = calloc(1, 200000);
    for (int i = 0; i < 4; i++)
        succeeds(rp_send(p, large, 200000, NULL));
    for (int writes = 0; writes < 3; writes++) {
        int left = writes;
        assert_int_equal(rp_queue_dump(q, refuse_to_write, &left, NULL, NULL), -ENOSPC);
    }
    struct stored x = {0};
    (void)dump_to(q, &x);
    rp_dump *d = NULL;
    x.at = 0;
    succeeds(rp_dump_open(refuse_to_read, &x, &d));
    snprintf(restored_name, sizeof restored_name, "%.60s.restored", queue_name);
    assert_int_equal(rp_queue_restore(restored_name, d, NULL, &r), -EIO);
    assert_int_equal(rp_queue_restore(restored_name, d, NULL, &r), -EINVAL); /* it was read */
    assert_false(is_there(restored_name));
    rp_dump_close(d);
    assert_int_equal(rp_queue_dump(q, NULL, NULL, NULL, NULL), -EINVAL);
    stored_free(&x);
    free(large);
    rp_producer_close(p);
    drop_queue(q);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DUMP_TEST(every_end_is_refused),
        DUMP_TEST(every_bit_counts),
        DUMP_TEST(pieces_do_not_matter),
        DUMP_TEST(newer_ones_are_told_apart),
        DUMP_TEST(what_does_not_fit_together_is_refused),
        DUMP_TEST(fewer_places_are_refused),
        DUMP_TEST(errors_of_the_caller_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
