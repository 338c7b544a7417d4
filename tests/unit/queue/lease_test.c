/* SPDX-License-Identifier: MIT */
/*
 * The time word of a lease says by 16 bits of the incarnation whose lease it is. Where a group loses most messages before it receives one, the word of 65,536 messages ago
 * is the one that lies there when the next is claimed.
 */
#include "fixture.h"

enum { MESSAGES = 1 << 16 };

static rp_queue *q;
static rp_producer *p;
static rp_consumer *c;

/* A queue in which one cell is left, and a message that was received from it, with this lease, and acked. */
static const void *open_queue(uint64_t queue_lease_ns, uint64_t lease_ns) {
    struct rp_queue_options o = test_options();
    o.capacity = o.max_participants = 1;
    o.lease_ns = queue_lease_ns;
    q = make_queue(&o);
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_consumer_open(q, NULL, &c));
    struct rp_message m;
    succeeds(send_text(p, "the first"));
    succeeds(rp_receive(c, &m, 0));
    succeeds(rp_extend(c, &m, lease_ns));
    const void *cell = m.data;
    succeeds(rp_ack(c, &m));
    struct rp_loan loans[16];
    unsigned lent = 0;
    while (lent < 16 && rp_loan(p, 8, &loans[lent]) == 0)
        lent++;
    for (unsigned i = 0; i < lent; i++)
        if (loans[i].data == cell)
            succeeds(rp_abandon(p, &loans[i]));
    return cell;
}

/* The message whose generation has the same last 16 bits. */
static void receive_the_last(const void *cell, struct rp_message *m) {
    for (int i = 1; i < MESSAGES; i++) {
        succeeds(send_text(p, "lost"));
        assert_int_equal(rp_queue_purge(q, NULL, RP_STATE_READY), 1);
    }
    succeeds(send_text(p, "the last"));
    succeeds(rp_receive(c, m, 0));
    assert_true(says(m, "the last"));
    assert_ptr_equal(m->data, cell);
}

static void close_queue(void) {
    rp_producer_close(p);
    rp_consumer_close(c);
    succeeds(rp_queue_sweep(q));
    audit_is_clean(q);
    drop_queue(q);
}

static void a_lease_that_is_over(void **state) {
    (void)state;
    const void *cell = open_queue((uint64_t)(3600 * SECOND), 1);
    struct rp_message m;
    receive_the_last(cell, &m);
    int64_t end = time_ns() + 5 * MS;
    assert_true(eventually(time_ns() > end));
    succeeds(rp_queue_sweep(q));
    assert_int_equal(rp_ack(c, &m), 0);
    assert_int_equal(stats_of(q).expired_leases, 0);
    close_queue();
}

static void a_lease_without_end(void **state) {
    (void)state;
    const void *cell = open_queue(1 * MS, 0);
    struct rp_message m, again;
    receive_the_last(cell, &m);
    assert_true(eventually(rp_queue_sweep(q) >= 0 && rp_receive(c, &again, 0) == 0));
    assert_true(says(&again, "the last"));
    assert_int_equal(again.deliveries, 2);
    (void)rp_ack(c, &m);
    (void)rp_ack(c, &again); /* in time or not */
    succeeds(rp_queue_purge(q, NULL, RP_STATE_ALL));
    close_queue();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_lease_that_is_over),
        TEST(a_lease_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
