/* SPDX-License-Identifier: MIT */
/* What follows from failures: when the message comes again, what its receiver is told, and when it has come often enough. */
#include "delivery.h"

#include "fixture.h"
#include "lookup.h"

#define HOUR (3600 * SECOND)

static rp_queue *q;
static rp_producer *p;
static rp_consumer *c;
static struct rp_message m;

static void open_queue(uint32_t max_deliveries, int64_t backoff_ns) {
    struct rp_queue_options o = test_options();
    o.max_deliveries = max_deliveries;
    o.backoff_ns = (uint64_t)backoff_ns;
    o.backoff_max_ns = (uint64_t)(4 * backoff_ns);
    o.backoff_factor = 3;
    o.jitter = 0.1;
    o.lease_ns = 0;
    q = make_queue(&o);
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_consumer_open(q, NULL, &c));
    succeeds(send_text(p, "work"));
}

static void close_queue(void) {
    rp_producer_close(p);
    rp_consumer_close(c);
    audit_is_clean(q);
    drop_queue(q);
}

static int nack(int64_t delay_ns, bool charge, const char *reason) {
    struct rp_nack_options o;
    rp_nack_options_init(&o, sizeof o);
    o.delay_ns = delay_ns;
    o.charge = charge;
    o.reason = reason;
    return rp_nack(c, &m, &o);
}

static struct found the_message(void) {
    struct found f;
    const struct known_group known = group_known(&q->segment, 0);
    assert_true(lookup_next(q, &known, RP_STATE_ALL, 0, &f));
    return f;
}

/* How long the message has to wait, and it does not: it is ready now. */
static int64_t wait_of_it(void) {
    struct found f = the_message();
    assert_int_equal(f.state, RP_STATE_DELAYED);
    a64 *time = time_at(&q->segment, 0, f.cell);
    uint64_t t = load_acquire(time, time);
    assert_true(stamp_is_of(t, delivery_hold(f.delivery)));
    store_release(time, stamp(delivery_hold(f.delivery), 0), time);
    succeeds(rp_queue_sweep(q));
    assert_int_equal(the_message().state, RP_STATE_READY);
    return (int64_t)(stamp_value(t) - segment_now_ms(&q->segment)) * MS;
}

/* Its lease is over. */
static void expire(void) {
    struct found f = the_message();
    store_release(time_at(&q->segment, 0, f.cell), stamp(delivery_hold(f.delivery), 0), time);
    assert_int_equal(rp_queue_sweep(q), 1);
}

static void about(int64_t wait_ns, int64_t expected_ns) {
    assert_in_range(wait_ns, expected_ns * 9 / 10 - SECOND * 60, expected_ns * 11 / 10 + SECOND);
}

static void nacks_and_expired_leases_back_off_alike(void **state) {
    (void)state;
    open_queue(0, HOUR);
    for (int i = 0; i < 6; i++) {
        const int64_t expected[] = {HOUR, 3 * HOUR, 4 * HOUR, 4 * HOUR, 4 * HOUR, 4 * HOUR};
        succeeds(rp_receive(c, &m, 0));
        assert_int_equal(m.deliveries, i + 1);
        if (i % 2 == 0) {
            succeeds(nack(-1, true, NULL));
        } else {
            expire();
            assert_int_equal(rp_ack(c, &m), RP_LEASE_LOST);
        }
        about(wait_of_it(), expected[i]);
    }
    close_queue();
}

static void a_wait_that_is_asked_for(void **state) {
    (void)state;
    open_queue(0, HOUR);
    succeeds(rp_receive(c, &m, 0));
    succeeds(nack(5 * HOUR, true, NULL)); /* no cap, no jitter */
    assert_in_range(wait_of_it(), 5 * HOUR - SECOND * 60, 5 * HOUR);
    succeeds(rp_receive(c, &m, 0));
    succeeds(nack(0, true, NULL)); /* charged, and ready at once */
    succeeds(rp_receive(c, &m, 0));
    assert_int_equal(m.deliveries, 3);
    succeeds(nack(1, false, NULL)); /* never early: rounded up */
    int64_t wait = wait_of_it();
    assert_true(wait > -60 * SECOND && wait <= MS);
    succeeds(rp_receive(c, &m, 0));
    assert_int_equal(nack(-2, true, NULL), -EINVAL);
    succeeds(nack(INT64_MAX, true, NULL));
    assert_int_equal(the_message().state, RP_STATE_DELAYED);
    close_queue();
}

/* Given back without a charge: no wait, no step towards the dead ring; handed out all the same. */
static void giving_back_is_no_failure(void **state) {
    (void)state;
    open_queue(2, HOUR);
    for (uint32_t i = 1; i <= 100; i++) {
        succeeds(rp_receive(c, &m, 0));
        assert_int_equal(m.deliveries, 1);
        assert_int_equal(m.acquisitions, i);
        succeeds(nack(-1, false, NULL));
    }
    succeeds(rp_receive(c, &m, 0));
    succeeds(nack(0, true, NULL));
    for (uint32_t i = 1; i <= 100; i++) {
        succeeds(rp_receive(c, &m, 0));
        assert_int_equal(m.deliveries, 2);
        assert_int_equal(m.acquisitions, 101 + i);
        succeeds(nack(0, false, NULL));
    }
    succeeds(rp_receive(c, &m, 0));
    succeeds(nack(0, true, NULL)); /* the second that counts */
    struct rp_dead_letter dead;
    succeeds(rp_dead_peek(q, NULL, 0, &dead, NULL, 0));
    assert_int_equal(dead.reason, RP_DEAD_MAX_DELIVERIES);
    assert_int_equal(dead.deliveries, 2);
    assert_int_equal(dead.acquisitions, 202);
    close_queue();
}

static void after_so_many_failures(void **state) {
    (void)state;
    for (uint32_t most = 1; most <= 9; most += 4) {
        open_queue(most, 0);
        for (uint32_t i = 1; i <= most; i++) {
            assert_int_equal(stats_of(q).dead, 0);
            succeeds(rp_receive(c, &m, 0));
            assert_int_equal(m.deliveries, i);
            succeeds(nack(-1, true, "no"));
        }
        assert_int_equal(stats_of(q).dead, 1);
        assert_int_equal(rp_receive(c, &m, 0), RP_EMPTY);
        assert_int_equal(rp_dead_redrive(q, NULL, NULL), 1); /* and as often again */
        for (uint32_t i = 1; i <= most; i++) {
            succeeds(rp_receive(c, &m, 0));
            assert_int_equal(m.deliveries, i);
            assert_int_equal(m.acquisitions, i);
            succeeds(nack(-1, true, "no"));
        }
        assert_int_equal(stats_of(q).dead, 1);
        close_queue();
    }
    open_queue(0, 0); /* no limit: and the counts are right beyond what seq can count */
    for (uint32_t i = 1; i <= 1000; i++) {
        succeeds(rp_receive(c, &m, 0));
        assert_int_equal(m.deliveries, i);
        assert_int_equal(m.acquisitions, i);
        succeeds(nack(0, true, NULL));
    }
    close_queue();
}

static void expect_failure(enum rp_failure kind, const char *text) {
    struct rp_last_failure f;
    succeeds(rp_receive(c, &m, 0));
    int result = rp_message_failure(c, &m, &f);
    assert_int_equal(result, kind == RP_FAILURE_NONE ? RP_EMPTY : 0);
    assert_int_equal(f.kind, kind);
    assert_string_equal(f.text, text);
    assert_int_equal(f.pid, kind == RP_FAILURE_NONE ? 0 : getpid());
    assert_true((f.failed_ns != 0) == (kind != RP_FAILURE_NONE));
}

static void what_the_next_receiver_is_told(void **state) {
    (void)state;
    open_queue(0, HOUR);
    expect_failure(RP_FAILURE_NONE, "");
    succeeds(nack(0, true, "no such mailbox"));
    expect_failure(RP_FAILURE_NACK, "no such mailbox");
    succeeds(nack(0, false, NULL)); /* no harm done: the failure stays the last one */
    expect_failure(RP_FAILURE_NACK, "no such mailbox");
    succeeds(nack(-1, true, "still not")); /* over a wait: the hold changes twice */
    (void)wait_of_it();
    expect_failure(RP_FAILURE_NACK, "still not");
    expire();
    (void)wait_of_it();
    struct rp_message lost = m;
    expect_failure(RP_FAILURE_LEASE, "");
    assert_int_equal(rp_ack(c, &lost), RP_LEASE_LOST);
    struct rp_last_failure f;
    assert_int_equal(rp_message_failure(c, &lost, &f), -EINVAL); /* settled */
    assert_int_equal(rp_message_failure(c, &m, NULL), -EINVAL);
    assert_int_equal(rp_message_failure(NULL, &m, &f), -EINVAL);
    for (int i = 0; i < 300; i++) { /* over the wrap of seq, both ways round it */
        char text[32];
        snprintf(text, sizeof text, "failure %d", i);
        succeeds(nack(i % 3 == 0 ? HOUR : 0, true, text));
        if (i % 3 == 0)
            (void)wait_of_it();
        expect_failure(RP_FAILURE_NACK, text);
    }
    succeeds(rp_reject(c, &m, "hopeless"));
    assert_int_equal(rp_dead_redrive(q, NULL, NULL), 1);
    expect_failure(RP_FAILURE_NONE, ""); /* as if it had never failed */
    succeeds(rp_ack(c, &m));
    close_queue();
}

/* A length that cannot be right: out of the way with it, and not by anybody's verdict. */
static void a_corrupt_message(void **state) {
    (void)state;
    open_queue(0, 0);
    struct found f = the_message();
    uint32_t *bytes = &segment_cell(&q->segment, f.cell)->bytes, right = *bytes;
    *bytes = UINT32_MAX;
    assert_int_equal(rp_receive(c, &m, 0), RP_CORRUPT);
    *bytes = right; /* or nobody could look at it */
    struct rp_dead_letter dead;
    succeeds(rp_dead_peek(q, NULL, 0, &dead, NULL, 0));
    assert_int_equal(dead.reason, RP_DEAD_CORRUPT);
    close_queue();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(nacks_and_expired_leases_back_off_alike),
        TEST(a_wait_that_is_asked_for),
        TEST(giving_back_is_no_failure),
        TEST(after_so_many_failures),
        TEST(what_the_next_receiver_is_told),
        TEST(a_corrupt_message),
    };
    return cmocka_run_group_tests_name("retry", tests, NULL, NULL);
}
