/* SPDX-License-Identifier: MIT */
/* Leases move the message, never the memory. */
#include "fixture.h"

/* Receives one message, says what it is ('r' and its acquisitions), and acks ('a'), acks again ('b'), or goes ('g') as told: the answer is k, l, i or x. */
static int holder(struct peer *test, void *argument) {
    (void)argument;
    struct rp_message m;
    struct handles h = peer_open(0);
    peer_succeeds(rp_receive(h.c, &m, -1));
    peer_check(says(&m, "work"));
    peer_say(test, (char)('0' + m.acquisitions));
    for (char order; (order = peer_hear(test)) == 'a';) {
        peer_check(says(&m, "work"));
        int result = rp_ack(h.c, &m);
        peer_say(test, result == 0 ? 'k' : result == RP_LEASE_LOST ? 'l' : result == -EINVAL ? 'i' : 'x');
    }
    return 0;
}

static rp_queue *leasing_queue(rp_producer **p, rp_consumer **c) {
    struct rp_queue_options o = test_options();
    o.lease_ns = 30 * MS;
    rp_queue *q = make_queue(&o);
    succeeds(rp_producer_open(q, NULL, p));
    succeeds(rp_consumer_open(q, NULL, c));
    return q;
}

static char order(struct peer *p, char what) {
    peer_say(p, what);
    return peer_hear(p);
}

static void a_view_outlives_its_lease(void **state) {
    (void)state;
    rp_producer *p;
    rp_consumer *c;
    struct rp_message m;
    rp_queue *q = leasing_queue(&p, &c);
    succeeds(send_text(p, "work"));
    succeeds(rp_receive(c, &m, 0));
    uint64_t free_while_held = stats_of(q).free_cells;
    struct peer other = peer_start(holder, NULL); /* its waiting makes the lease run out */
    assert_int_equal(peer_hear(&other), '2');
    assert_int_equal(order(&other, 'a'), 'k');
    assert_int_equal(order(&other, 'a'), 'i');
    assert_int_equal(stats_of(q).lingering, 1);
    peer_say(&other, 'g');
    assert_int_equal(peer_end(&other), 0);
    succeeds(rp_queue_sweep(q));

    while (send_text(p, "flood") == 0) { /* all other memory is written anew */
    }
    assert_true(says(&m, "work"));
    assert_int_equal(stats_of(q).lingering, 1);
    assert_int_equal(rp_extend(c, &m, SECOND), RP_LEASE_LOST);
    assert_true(says(&m, "work"));
    assert_true(rp_queue_purge(q, NULL, RP_STATE_ALL) > 0);
    assert_true(stats_of(q).free_cells >= free_while_held);
    uint64_t before = stats_of(q).free_cells;
    assert_int_equal(rp_ack(c, &m), RP_LEASE_LOST);
    assert_int_equal(stats_of(q).free_cells, before + 1);
    assert_int_equal(stats_of(q).lingering, 0);
    assert_int_equal(rp_ack(c, &m), -EINVAL);
    rp_consumer_close(c);
    rp_producer_close(p);
    audit_is_clean(q);
    drop_queue(q);
}

/* Three living processes let the lease of one message run out, one after the other. */
static void a_message_that_three_hang_on_to_is_dead(void **state) {
    (void)state;
    rp_producer *p;
    rp_consumer *c;
    struct rp_message m;
    struct rp_dead_letter dead;
    struct peer holders[3];
    char text[16];
    rp_queue *q = leasing_queue(&p, &c);
    succeeds(send_text(p, "work"));
    for (unsigned i = 0; i < 3; i++) {
        holders[i] = peer_start(holder, NULL);
        assert_int_equal(peer_hear(&holders[i]), '1' + i);
    }
    assert_true(eventually(rp_queue_sweep(q) >= 0 && stats_of(q).dead == 1));
    succeeds(rp_dead_peek(q, NULL, 0, &dead, text, sizeof text));
    assert_string_equal(text, "work");
    assert_int_equal(dead.reason, RP_DEAD_HELD);
    assert_int_equal(dead.last_failure, RP_FAILURE_LEASE);
    assert_int_equal(dead.acquisitions, 3);
    assert_int_equal(dead.deliveries, 3);
    assert_int_equal(dead.pid, holders[2].pid);

    assert_true(rp_dead_redrive(q, NULL, NULL) == 0); /* the words have no place for a fourth */
    assert_int_equal(order(&holders[1], 'a'), 'l');
    assert_int_equal(rp_dead_redrive(q, NULL, NULL), 1);
    succeeds(rp_receive(c, &m, 0));
    assert_true(says(&m, "work"));
    assert_int_equal(m.acquisitions, 1);
    succeeds(rp_ack(c, &m));
    assert_int_equal(stats_of(q).lingering, 1);
    assert_int_equal(order(&holders[0], 'a'), 'l');
    assert_int_equal(stats_of(q).lingering, 1);
    peer_kill(&holders[2]); /* the dead read nothing */
    succeeds(rp_queue_sweep(q));
    assert_int_equal(stats_of(q).lingering, 0);
    peer_kill(&holders[0]);
    peer_kill(&holders[1]);
    succeeds(rp_queue_sweep(q));
    rp_consumer_close(c);
    rp_producer_close(p);
    assert_int_equal(stats_of(q).free_cells, stats_of(q).cells);
    audit_is_clean(q);
    drop_queue(q);
}

static void extend_holds_what_would_have_run_out(void **state) {
    (void)state;
    rp_producer *p;
    rp_consumer *c;
    struct rp_message m;
    rp_queue *q = leasing_queue(&p, &c);
    succeeds(send_text(p, "work"));
    succeeds(rp_receive(c, &m, 0));
    succeeds(rp_extend(c, &m, 0));      /* until death */
    int64_t end = time_ns() + 200 * MS; /* many leases long */
    while (time_ns() < end)
        succeeds(rp_queue_sweep(q));
    assert_int_equal(stats_of(q).leased, 1);
    succeeds(rp_extend(c, &m, 1 * MS));
    assert_true(eventually(rp_queue_sweep(q) >= 0 && stats_of(q).leased == 0));
    assert_int_equal(rp_extend(c, &m, SECOND), RP_LEASE_LOST);
    assert_int_equal(rp_nack(c, &m, NULL), RP_LEASE_LOST);
    assert_int_equal(stats_of(q).ready, 1);
    rp_consumer_close(c);
    rp_producer_close(p);
    drop_queue(q);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_view_outlives_its_lease),
        TEST(a_message_that_three_hang_on_to_is_dead),
        TEST(extend_holds_what_would_have_run_out),
    };
    return cmocka_run_group_tests_name("lease", tests, NULL, NULL);
}
