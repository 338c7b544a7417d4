/* SPDX-License-Identifier: MIT */
/*
 * Durable queues over restarts: all that a queue showed before, it shows after, and nothing else. The machine's restart is that nobody has the queue open and its memory is removed; what comes back
 * comes from the journal. Acks and failures are recorded by the next write, or by rp_flush.
 */
#include "durable_fixture.h"

static const uint32_t syncs[] = {RP_SYNC_ALWAYS, RP_SYNC_INTERVAL, RP_SYNC_NONE};
enum { SYNCS = 3 };

static void send_number(rp_producer *p, uint32_t number, const struct rp_send_options *o) {
    succeeds(rp_send(p, &number, sizeof number, o));
}

/* Receives what is ready, in order: `count` numbers from `first` on, every `step`th. */
static void receive_numbers(rp_queue *q, const char *group, uint32_t first, uint32_t step, uint32_t count) {
    rp_consumer *c = consumer_of(q, group);
    struct rp_message m;
    for (uint32_t i = 0; i < count; i++) {
        succeeds(rp_receive(c, &m, 10 * SECOND));
        uint32_t number;
        memcpy(&number, m.data, sizeof number);
        assert_int_equal(m.bytes, sizeof number);
        assert_int_equal(number, first + i * step);
        succeeds(rp_ack(c, &m));
    }
    assert_int_equal(rp_receive(c, &m, 0), RP_EMPTY);
    rp_consumer_close(c);
}

/* ---- what was sent ---- */

/* A message for each way to send, two for the batch. */
static void send_each_way(rp_queue *q, uint32_t first) {
    rp_producer *p = producer_of(q);
    struct rp_send_item items[2];
    struct rp_loan loan;
    uint32_t n = first, batched[] = {first + 1, first + 2};
    send_number(p, n, NULL);
    memset(items, 0, sizeof items);
    for (int i = 0; i < 2; i++) {
        items[i].data = &batched[i];
        items[i].bytes = sizeof batched[i];
    }
    assert_int_equal(rp_send_batch(p, items, 2), 2);
    n = first + 3;
    succeeds(rp_loan(p, sizeof n, &loan));
    memcpy(loan.data, &n, sizeof n);
    succeeds(rp_commit(p, &loan, NULL));
    n = first + 4;
    succeeds(rp_send_async(p, &n, sizeof n, NULL));
    succeeds(rp_flush(p));
    rp_producer_close(p);
}
enum { WAYS = 5 };

static void test_each_way_of_sending(void **state) {
    (void)state;
    for (int i = 0; i < SYNCS; i++) {
        make_journal_path();
        struct rp_queue_options o = durable_options(syncs[i]);
        rp_queue *q = make_queue(&o);
        send_each_way(q, 0);
        q = restart_and_compare(q, NULL);
        send_each_way(q, WAYS);
        q = restart_and_compare(q, &o);
        receive_numbers(q, NULL, 0, 1, 2 * WAYS);
        flush(q);
        q = restart(q);
        receive_numbers(q, NULL, 0, 1, 0);
        drop_queue(q);
        remove_journal();
    }
}

static void test_what_is_said_of_a_message(void **state) {
    (void)state;
    make_journal_path();
    struct rp_queue_options o = durable_options(RP_SYNC_NONE);
    struct rp_header headers[] = {{"content-type", "text/plain"}, {"x-empty", ""}};
    struct rp_send_options s;
    o.header_bytes = 128;
    o.priorities = 4;
    rp_queue *q = make_queue(&o);
    rp_producer *p = producer_of(q);
    for (uint32_t n = 0; n < 32; n++) {
        rp_send_options_init(&s, sizeof s);
        s.priority = n % 4;
        s.headers = n % 3 == 0 ? headers : NULL;
        s.header_count = n % 3 == 0 ? 2 : 0;
        s.delay_ns = n % 5 == 0 ? 3600 * (uint64_t)SECOND : 0;
        s.at_ns = n % 5 == 1 ? (uint64_t)(time(NULL) + 3600) * SECOND : 0;
        s.ttl_ns = n % 7 == 0 ? 7200 * SECOND : 0;
        send_number(p, n, &s);
    }
    succeeds(rp_flush(p));
    rp_producer_close(p);
    q = restart_and_compare(q, &o);
    q = restart_and_compare(q, NULL);
    drop_queue(q);
}

static void test_keys(void **state) {
    (void)state;
    make_journal_path();
    struct rp_queue_options o = durable_options(RP_SYNC_INTERVAL);
    struct rp_send_options s;
    o.lanes = 4;
    o.lane_capacity = 64;
    rp_queue *q = make_queue(&o);
    rp_producer *p = producer_of(q);
    rp_send_options_init(&s, sizeof s);
    for (uint32_t n = 0; n < 64; n++) {
        uint32_t key = n % 8;
        s.key = n % 9 == 0 ? NULL : &key;
        s.key_bytes = n % 9 == 0 ? 0 : sizeof key;
        send_number(p, n, &s);
    }
    succeeds(rp_flush(p));
    rp_producer_close(p);
    q = restart_and_compare(q, &o);
    q = restart_and_compare(q, NULL);
    uint32_t last[8] = {0}, number;
    rp_consumer *c = consumer_of(q, NULL);
    struct rp_message m;
    for (int i = 0; i < 64; i++) {
        succeeds(rp_receive(c, &m, 10 * SECOND));
        memcpy(&number, m.data, sizeof number);
        if (number % 9 != 0) {
            assert_true(number >= last[number % 8]);
            last[number % 8] = number;
        }
        succeeds(rp_ack(c, &m));
    }
    rp_consumer_close(c);
    drop_queue(q);
}

/* A time that comes while there is no queue, one that comes afterwards, and the end of a life. */
static void test_times_go_on(void **state) {
    (void)state;
    make_journal_path();
    struct rp_queue_options o = durable_options(RP_SYNC_ALWAYS);
    struct rp_send_options s;
    rp_queue *q = make_queue(&o);
    rp_producer *p = producer_of(q);
    rp_send_options_init(&s, sizeof s);
    s.delay_ns = MS;
    send_number(p, 1, &s);
    s.delay_ns = 300 * MS;
    send_number(p, 2, &s);
    s.delay_ns = 0;
    s.ttl_ns = MS;
    send_number(p, 3, &s);
    rp_producer_close(p);
    drop_queue(q);
    q = come_back();
    receive_numbers(q, NULL, 1, 1, 2);
    assert_true(eventually((rp_queue_sweep(q), stats_of(q).dead) == 1));
    drop_queue(q);
}

/* ---- what became of it ---- */

/* A settlement of each kind, of ten messages: what is left are 3 (failed once), 4 (dead), 5 (redriven), 8 (waits), 9. */
static void settle_each_way(rp_queue *q) {
    rp_producer *p = producer_of(q);
    struct rp_send_options s;
    struct rp_nack_options n;
    struct rp_message m[8];
    uint64_t id;
    rp_send_options_init(&s, sizeof s);
    for (uint32_t i = 0; i < 8; i++)
        send_number(p, i, NULL);
    rp_consumer *c = consumer_of(q, NULL);
    rp_nack_options_init(&n, sizeof n);
    n.reason = "not today";
    for (uint32_t i = 0; i < 8; i++)
        succeeds(rp_receive(c, &m[i], 10 * SECOND));
    for (uint32_t i = 0; i < 8; i++) {
        n.delay_ns = i == 3 ? 0 : 3600 * SECOND;
        succeeds(i < 3              ? rp_ack(c, &m[i])
                 : i == 4 || i == 5 ? rp_reject(c, &m[i], i == 4 ? "no" : "perhaps")
                                    : rp_nack(c, &m[i], &n));
    }
    rp_consumer_close(c);
    struct rp_redrive_options r;
    rp_redrive_options_init(&r, sizeof r);
    r.text = "perhaps";
    assert_int_equal(rp_dead_redrive(q, NULL, &r), 1);
    assert_int_equal(rp_queue_purge(q, NULL, RP_STATE_DELAYED), 2);
    s.delay_ns = 3600 * (uint64_t)SECOND;
    s.id_out = &id;
    send_number(p, 8, &s);
    send_number(p, 10, &s);
    succeeds(rp_queue_cancel(q, id));
    send_number(p, 9, NULL);
    send_number(p, 11, (s.delay_ns = 0, &s));
    succeeds(rp_queue_cancel(q, id));
    succeeds(rp_flush(p));
    rp_producer_close(p);
}

static void test_each_way_of_settling(void **state) {
    (void)state;
    for (int i = 0; i < SYNCS; i++) {
        make_journal_path();
        struct rp_queue_options o = durable_options(syncs[i]);
        rp_queue *q = make_queue(&o);
        settle_each_way(q);
        q = restart_and_compare(q, NULL);
        q = restart_and_compare(q, &o);
        struct rp_queue_stats n = stats_of(q);
        assert_int_equal(n.ready, 3);
        assert_int_equal(n.delayed, 1);
        assert_int_equal(n.dead, 1);
        struct rp_dead_letter letter;
        succeeds(rp_dead_peek(q, NULL, 0, &letter, NULL, 0));
        assert_string_equal(letter.text, "no");
        drop_queue(q);
        remove_journal();
    }
}

/* Acks alone, with nothing sent after them, by one who then is killed: whoever closes records, too. */
static int settle_and_flush(struct peer *test, void *argument) {
    struct handles h = peer_open(0);
    struct rp_message m;
    (void)argument;
    for (int k = 0; k < WAYS; k++) {
        peer_succeeds(rp_receive(h.c, &m, 10 * SECOND));
        peer_succeeds(rp_ack(h.c, &m));
    }
    peer_succeeds(rp_flush(h.p));
    peer_say(test, 'f');
    return peer_hear(test);
}

static void test_a_flush_records_acks(void **state) {
    (void)state;
    for (int i = 0; i < SYNCS; i++) {
        make_journal_path();
        struct rp_queue_options o = durable_options(syncs[i]);
        rp_queue *q = make_queue(&o);
        send_each_way(q, 0);
        struct peer p = peer_start(settle_and_flush, NULL);
        assert_int_equal(peer_hear(&p), 'f');
        succeeds(rp_queue_unlink(queue_name));
        peer_kill(&p);
        succeeds(rp_queue_close(q));
        q = come_back();
        receive_numbers(q, NULL, 0, 1, 0);
        drop_queue(q);
        remove_journal();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DURABLE_TEST(test_each_way_of_sending),
        DURABLE_TEST(test_what_is_said_of_a_message),
        DURABLE_TEST(test_keys),
        DURABLE_TEST(test_times_go_on),
        DURABLE_TEST(test_each_way_of_settling),
        DURABLE_TEST(test_a_flush_records_acks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
