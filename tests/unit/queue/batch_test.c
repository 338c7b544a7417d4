/* SPDX-License-Identifier: MIT */
/* Receiving up to so many messages, or until so much time has passed since the first. */
#include "clock.h"
#include "fixture.h"
#include <errno.h>

static rp_queue *q;
static rp_producer *p;

static rp_consumer *open_with(uint64_t batch_wait_ns, uint32_t ack, uint64_t lease_ns) {
    struct rp_queue_options o = test_options();
    struct rp_consumer_options patient;
    rp_consumer *c;
    o.lease_ns = lease_ns;
    o.capacity = 64;
    q = make_queue(&o);
    succeeds(rp_producer_open(q, NULL, &p));
    rp_consumer_options_init(&patient, sizeof patient);
    patient.batch_wait_ns = batch_wait_ns;
    patient.ack = ack;
    succeeds(rp_consumer_open(q, &patient, &c));
    return c;
}

static rp_consumer *open_all(uint64_t batch_wait_ns, uint32_t ack) { return open_with(batch_wait_ns, ack, 30 * SECOND); }

static void close_all(rp_consumer *c) {
    rp_producer_close(p);
    rp_consumer_close(c);
    audit_is_clean(q);
    drop_queue(q);
}

static void what_is_there(void **state) {
    (void)state;
    struct rp_message m[8];
    rp_consumer *c = open_all(0, RP_ACK_EXPLICIT);
    assert_int_equal(rp_receive_batch(c, m, 8, 0), RP_EMPTY);
    for (int i = 0; i < 3; i++)
        succeeds(send_text(p, "work"));
    int64_t start = time_ns();
    assert_int_equal(rp_receive_batch(c, m, 2, -1), 2);
    assert_int_equal(rp_receive_batch(c, m, 8, -1), 1);
    assert_true(time_ns() - start < 10 * SECOND);
    close_all(c);
}

/* More than share a look at the clock; some go the long way, one is empty. */
static void long_ones(void **state) {
    (void)state;
    enum { COUNT = 40 };
    struct rp_send_item items[COUNT] = {{.data = NULL}};
    struct rp_send_options lasting;
    struct rp_message m[COUNT + 1];
    unsigned char data[COUNT];
    rp_consumer *c = open_all(0, RP_ACK_EXPLICIT);
    rp_send_options_init(&lasting, sizeof lasting);
    lasting.ttl_ns = 3600 * SECOND;
    for (unsigned i = 0; i < COUNT; i++) {
        data[i] = (unsigned char)i;
        items[i] = (struct rp_send_item){.data = &data[i], .bytes = 1, .options = i % 3 == 0 ? &lasting : NULL, .result = 1};
    }
    items[20] = (struct rp_send_item){.data = NULL, .bytes = 0};
    uint64_t begin_ns = clock_wall_coarse_ns();
    assert_int_equal(rp_send_batch(p, items, COUNT), COUNT);
    assert_int_equal(rp_receive_batch(c, m, COUNT + 1, 0), COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        assert_int_equal(items[i].result, 0);
        assert_true(m[i].id == items[i].id && (i == 0 || m[i].id > m[i - 1].id));
        assert_true(m[i].sent_ns >= begin_ns && m[i].sent_ns <= clock_wall_coarse_ns());
        assert_int_equal(m[i].bytes, i == 20 ? 0 : 1);
        assert_true(i == 20 || *(const unsigned char *)m[i].data == i);
        succeeds(rp_ack(c, &m[i]));
        assert_int_equal(rp_ack(c, &m[i]), -EINVAL);
    }
    items[30].bytes = 1 << 20;
    assert_int_equal(rp_send_batch(p, items, COUNT), 30);
    assert_int_equal(rp_receive_batch(c, m, COUNT, 0), 30);
    close_all(c);
}

static void until_the_time_is_over(void **state) {
    (void)state;
    struct rp_message m[8];
    rp_consumer *c = open_all(40 * MS, RP_ACK_EXPLICIT);
    succeeds(send_text(p, "one"));
    succeeds(send_text(p, "two"));
    int64_t start = time_ns();
    assert_int_equal(rp_receive_batch(c, m, 8, 0), 2); /* the timeout is for the first */
    assert_true(time_ns() - start >= 40 * MS);
    assert_int_equal(rp_receive_batch(c, m, 8, 0), RP_EMPTY);
    close_all(c);
}

static int sender(struct peer *test, void *argument) {
    (void)argument;
    struct handles h = peer_open(0);
    peer_check(peer_hear(test) == 's');
    for (int i = 0; i < 7; i++) /* the last one must be received, or the others were */
        peer_succeeds(send_text(h.p, "more"));
    return 0;
}

static void receive_eight(uint64_t batch_wait_ns, uint64_t lease_ns) {
    struct rp_message m[8];
    rp_consumer *c = open_with(batch_wait_ns, RP_ACK_EXPLICIT, lease_ns);
    struct peer peer = peer_start(sender, NULL);
    succeeds(send_text(p, "one"));
    peer_say(&peer, 's');
    int64_t start = time_ns();
    assert_int_equal(rp_receive_batch(c, m, 8, -1), 8);
    assert_true(time_ns() - start < 20 * SECOND);
    assert_int_equal(peer_end(&peer), 0);
    close_all(c);
}

/* With a time that never comes: the last message ends the wait. */
static void until_there_are_enough(void **state) {
    (void)state;
    receive_eight(29 * SECOND, 30 * SECOND);
    receive_eight(UINT64_MAX, 0);
    receive_eight(INT64_MAX, 0);
}

static void an_interrupt_is_not_lost(void **state) {
    (void)state;
    struct rp_message m[8];
    rp_consumer *c = open_all(29 * SECOND, RP_ACK_EXPLICIT);
    succeeds(send_text(p, "one"));
    succeeds(rp_queue_interrupt(q));
    assert_int_equal(rp_receive_batch(c, m, 8, -1), 1);
    assert_int_equal(rp_receive_batch(c, m, 8, -1), -EINTR);
    close_all(c);
}

static void a_pause_ends_it(void **state) {
    (void)state;
    struct rp_message m[8];
    rp_consumer *c = open_all(29 * SECOND, RP_ACK_NONE);
    succeeds(send_text(p, "one"));
    assert_int_equal(rp_receive_batch(c, m, 8, -1), 1); /* at most once: one buffer, so it waits for no other */
    succeeds(rp_queue_pause(q, RP_SIDE_RECEIVE));
    assert_int_equal(rp_receive_batch(c, m, 8, 1), RP_PAUSED);
    close_all(c);
}

static void not_as_long_as_a_lease(void **state) {
    (void)state;
    rp_consumer *c = open_all(0, RP_ACK_EXPLICIT), *other;
    struct rp_consumer_options o;
    rp_consumer_options_init(&o, sizeof o);
    o.batch_wait_ns = 30 * (uint64_t)SECOND;
    assert_int_equal(rp_consumer_open(q, &o, &other), -EINVAL);
    o.batch_wait_ns--;
    succeeds(rp_consumer_open(q, &o, &other));
    rp_consumer_close(other);
    close_all(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_there),
        TEST(until_the_time_is_over),
        TEST(until_there_are_enough),
        TEST(an_interrupt_is_not_lost),
        TEST(a_pause_ends_it),
        TEST(not_as_long_as_a_lease),
        TEST(long_ones),
    };
    return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
