/* SPDX-License-Identifier: MIT */
/* Time to live: nobody receives what has expired; where it goes, when its time begins, and what it means for those who hold it. */
#include "delivery.h"
#include "expiry.h"

#include "fixture.h"

static struct rp_queue *q;
static rp_producer *p;
static rp_consumer *c;

static void open_queue(uint64_t ttl_ns, uint32_t expired, uint32_t capacity) {
    struct rp_queue_options o = test_options();
    o.ttl_ns = ttl_ns;
    o.expired = expired;
    o.capacity = capacity;
    o.max_participants = 2;
    o.lease_ns = 0;
    q = make_queue(&o);
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_consumer_open(q, NULL, &c));
}

static void close_queue(void) {
    rp_producer_close(p);
    rp_consumer_close(c);
    succeeds(rp_queue_sweep(q));
    audit_is_clean(q);
    drop_queue(q);
}

static void send_with(const char *text, int64_t ttl_ns, uint64_t delay_ns) {
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    o.ttl_ns = ttl_ns;
    o.delay_ns = delay_ns;
    succeeds(rp_send(p, text, strlen(text) + 1, &o));
}

/* Waits until so much time has passed: the thing that is waited for is time. */
static void pass(int64_t ns) {
    int64_t end = time_ns() + ns;
    assert_true(eventually(time_ns() > end));
}

/* The message that was received outlives its time now. */
static void make_old(const struct rp_message *m) {
    const struct segment *s = &q->segment;
    uint32_t i = 0;
    while (segment_cell(s, i)->payload != m->data)
        assert_in_range(++i, 0, s->layout.cell_count - 1);
    store_relaxed(&segment_extra(s, i)->expires_ns, 1, own);
}

static void receives_nothing(void) {
    struct rp_message m;
    assert_int_equal(rp_receive(c, &m, 0), RP_EMPTY);
}

static void the_expired_die(void **state) {
    (void)state;
    open_queue(2 * MS, RP_EXPIRED_DEAD, 16);
    succeeds(send_text(p, "late"));
    pass(3 * MS);
    receives_nothing();
    struct rp_dead_letter letter;
    char buffer[16];
    succeeds(rp_dead_peek(q, NULL, 0, &letter, buffer, sizeof buffer));
    assert_string_equal(buffer, "late");
    assert_int_equal(letter.reason, RP_DEAD_EXPIRED);
    assert_int_equal(letter.deliveries, 0);
    assert_int_equal(letter.acquisitions, 0);
    assert_int_equal(stats_of(q).expired, 1);
    assert_int_equal(stats_of(q).dead, 1);
    close_queue();
}

static void or_are_dropped_and_counted(void **state) {
    (void)state;
    open_queue(2 * MS, RP_EXPIRED_DROP, 16);
    for (int i = 0; i < 5; i++)
        succeeds(send_text(p, "late"));
    pass(3 * MS);
    receives_nothing();
    assert_int_equal(stats_of(q).expired, 5);
    assert_int_equal(stats_of(q).dead, 0);
    assert_int_equal(load_relaxed(&q->segment.groups[0].expired, stat), 5);
    close_queue();
}

/* The timers are gone and nobody has swept: the claimer asks the clock. */
static void nobody_receives_the_expired(void **state) {
    (void)state;
    open_queue(0, RP_EXPIRED_DEAD, 16);
    for (int i = 0; i < 3; i++)
        send_with("late", 2 * MS, 0);
    send_with("lives", -1, 0);
    pass(3 * MS);
    struct timer lost[16];
    uint32_t taken = timers_pop(&c->actor.timers, UINT64_MAX / 2, lost, 16);
    assert_int_equal(taken, 3);
    c->actor.next_tick_ms = UINT64_MAX;
    struct rp_message m;
    succeeds(rp_receive(c, &m, 0));
    assert_string_equal(m.data, "lives");
    assert_int_equal(stats_of(q).expired, 3);
    succeeds(rp_ack(c, &m));
    close_queue();
}

static void a_message_has_a_time_of_its_own(void **state) {
    (void)state;
    open_queue(2 * MS, RP_EXPIRED_DROP, 16);
    send_with("short", 0, 0); /* the queue's */
    send_with("for ever", -1, 0);
    send_with("long", 100 * SECOND, 0);
    pass(3 * MS);
    struct rp_message m;
    succeeds(rp_receive(c, &m, 0));
    assert_string_equal(m.data, "for ever");
    succeeds(rp_ack(c, &m));
    succeeds(rp_receive(c, &m, 0));
    assert_string_equal(m.data, "long");
    succeeds(rp_ack(c, &m));
    close_queue();
}

/* Claimed in time, but when the program asks for it, its time is over. */
static void what_is_claimed_ahead_expires_too(void **state) {
    (void)state;
    for (uint32_t policy = RP_EXPIRED_DEAD; policy <= RP_EXPIRED_DROP; policy++) {
        open_queue(0, policy, 16);
        rp_consumer_close(c);
        struct rp_consumer_options o;
        rp_consumer_options_init(&o, sizeof o);
        o.prefetch = 4;
        succeeds(rp_consumer_open(q, &o, &c));
        send_with("first", -1, 0);
        send_with("late", 20 * MS, 0);
        send_with("lives", -1, 0);
        struct rp_message first, m;
        succeeds(rp_receive(c, &first, 0));
        pass(21 * MS);
        succeeds(rp_receive(c, &m, 0));
        assert_string_equal(m.data, "lives");
        assert_int_equal(stats_of(q).expired, 1);
        assert_int_equal(stats_of(q).dead, policy == RP_EXPIRED_DEAD);
        struct rp_dead_letter letter;
        if (policy == RP_EXPIRED_DEAD) {
            succeeds(rp_dead_peek(q, NULL, 0, &letter, NULL, 0));
            assert_int_equal(letter.reason, RP_DEAD_EXPIRED);
            assert_int_equal(letter.last_failure, RP_FAILURE_NONE);
            assert_int_equal(letter.deliveries, 0);
        }
        succeeds(rp_ack(c, &first));
        succeeds(rp_ack(c, &m));
        close_queue();
    }
}

static void counted_from_when_it_is_ready(void **state) {
    (void)state;
    open_queue(0, RP_EXPIRED_DROP, 16);
    send_with("later", 10 * SECOND, 30 * MS);
    struct rp_message m;
    succeeds(rp_receive(c, &m, 20 * SECOND)); /* a ttl that began with the send would pass, too: see the next one */
    succeeds(rp_ack(c, &m));
    send_with("later", 5 * MS, (uint64_t)(3600 * SECOND));
    pass(6 * MS); /* longer than it lives */
    succeeds(rp_queue_sweep(q));
    receives_nothing();
    assert_int_equal(stats_of(q).delayed, 1);
    assert_int_equal(stats_of(q).expired, 0);
    assert_int_equal(rp_queue_purge(q, NULL, RP_STATE_DELAYED), 1);
    send_with("soon", 5 * MS, 5 * MS);
    assert_true(eventually(rp_queue_sweep(q) >= 0 && stats_of(q).expired == 1));
    receives_nothing();
    close_queue();
}

static void who_holds_it_keeps_it(void **state) {
    (void)state;
    for (uint32_t policy = RP_EXPIRED_DEAD; policy <= RP_EXPIRED_DROP; policy++) {
        open_queue(3600 * (uint64_t)SECOND, policy, 16);
        struct rp_message acked, failed;
        succeeds(send_text(p, "acked"));
        succeeds(rp_receive(c, &acked, 0));
        succeeds(send_text(p, "failed"));
        succeeds(rp_receive(c, &failed, 0));
        make_old(&acked);
        make_old(&failed);
        succeeds(rp_queue_sweep(q));
        assert_int_equal(stats_of(q).leased, 2);
        succeeds(rp_ack(c, &acked));
        succeeds(rp_nack(c, &failed, NULL)); /* not delivered again */
        receives_nothing();
        assert_int_equal(stats_of(q).expired, 1);
        assert_int_equal(stats_of(q).dead, policy == RP_EXPIRED_DEAD);
        struct rp_dead_letter letter;
        if (policy == RP_EXPIRED_DEAD) {
            succeeds(rp_dead_peek(q, NULL, 0, &letter, NULL, 0));
            assert_int_equal(letter.reason, RP_DEAD_EXPIRED);
            assert_int_equal(letter.deliveries, 1);
        }
        close_queue();
    }
}

static void what_failed_before_expires_too(void **state) {
    (void)state;
    open_queue(3600 * (uint64_t)SECOND, RP_EXPIRED_DEAD, 16);
    struct rp_message m;
    struct rp_nack_options o;
    rp_nack_options_init(&o, sizeof o);
    for (int i = 0; i < 2; i++) {
        succeeds(send_text(p, i ? "ready again" : "in backoff"));
        succeeds(rp_receive(c, &m, 0));
        o.delay_ns = i ? 0 : 100 * SECOND;
        struct rp_message old = m;
        succeeds(rp_nack(c, &m, &o));
        make_old(&old);
    }
    assert_true(eventually(rp_queue_sweep(q) >= 0 && stats_of(q).expired == 2));
    assert_int_equal(stats_of(q).dead, 2);
    receives_nothing();
    close_queue();
}

static void a_dead_ring_that_refuses(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.ttl_ns = 2 * MS;
    o.dead_capacity = 1;
    o.dead_overflow = RP_DEAD_REFUSE;
    q = make_queue(&o);
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_consumer_open(q, NULL, &c));
    for (int i = 0; i < 4; i++)
        succeeds(send_text(p, "late"));
    assert_true(eventually(rp_queue_sweep(q) >= 0 && stats_of(q).expired == 4));
    assert_int_equal(stats_of(q).dead, 1); /* and three were dropped */
    close_queue();
}

static void a_redriven_message_lives_on(void **state) {
    (void)state;
    open_queue(2 * MS, RP_EXPIRED_DEAD, 16);
    succeeds(send_text(p, "late"));
    assert_true(eventually(rp_queue_sweep(q) >= 0 && stats_of(q).dead == 1));
    assert_int_equal(rp_dead_redrive(q, NULL, NULL), 1);
    succeeds(rp_queue_sweep(q));
    struct rp_message m;
    succeeds(rp_receive(c, &m, 0));
    succeeds(rp_nack(c, &m, NULL));
    succeeds(rp_receive(c, &m, 0));
    succeeds(rp_ack(c, &m));
    close_queue();
}

/* One that is held lies at the head of the lane, as many as the queue holds have expired behind it: senders go on, for many laps. */
static void the_expired_block_nobody(void **state) {
    (void)state;
    for (uint32_t policy = RP_EXPIRED_DEAD; policy <= RP_EXPIRED_DROP; policy++) {
        open_queue(1 * MS, policy, 64);
        struct rp_message held, m;
        send_with("held", -1, 0);
        succeeds(rp_receive(c, &held, 0));
        int sent = 0;
        for (int lap = 0; lap < 20; lap++) {
            while (rp_send(p, "late", 5, NULL) == 0)
                sent++;
            pass(2 * MS);
        }
        assert_true(sent > 10 * 48); /* and those that lie dead fill a quarter at most */
        pass(2 * MS);
        assert_int_equal(rp_receive(c, &m, 0), RP_EMPTY);
        assert_true(eventually(rp_queue_sweep(q) >= 0 && stats_of(q).expired == (uint64_t)sent));
        succeeds(rp_ack(c, &held));
        close_queue();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_expired_die),
        TEST(or_are_dropped_and_counted),
        TEST(nobody_receives_the_expired),
        TEST(a_message_has_a_time_of_its_own),
        TEST(what_is_claimed_ahead_expires_too),
        TEST(counted_from_when_it_is_ready),
        TEST(who_holds_it_keeps_it),
        TEST(what_failed_before_expires_too),
        TEST(a_dead_ring_that_refuses),
        TEST(a_redriven_message_lives_on),
        TEST(the_expired_block_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
