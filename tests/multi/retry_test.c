/* SPDX-License-Identifier: MIT */
/* Backoff after each way to fail, with real processes; the wait is so long that nobody has to wait for it. */
#include "fixture.h"

#define HOUR (3600 * SECOND)

static int hold(struct peer *test, void *argument) {
    struct rp_message m;
    struct handles h = peer_open(0);
    peer_succeeds(rp_receive(h.c, &m, -1));
    if (argument != NULL)
        peer_succeeds(rp_extend(h.c, &m, (uint64_t)MS));
    peer_say(test, 'h');
    return peer_hear(test);
}

static rp_queue *queue(uint32_t max_deliveries, rp_producer **p) {
    struct rp_queue_options o = test_options();
    o.backoff_ns = o.backoff_max_ns = (uint64_t)HOUR;
    o.jitter = 0.2;
    o.lease_ns = 0;
    o.max_deliveries = max_deliveries;
    rp_queue *q = make_queue(&o);
    succeeds(rp_producer_open(q, NULL, p));
    succeeds(send_text(*p, "work"));
    return q;
}

static void it_waits_an_hour(rp_queue *q) {
    struct rp_peeked peeked;
    struct timespec now;
    assert_true(
        eventually(rp_queue_sweep(q) >= 0 && rp_peek(q, NULL, RP_STATE_DELAYED, 0, &peeked, NULL, 0) == 0 && peeked.due_ns != 0));
    assert_int_equal(peeked.deliveries, 1);
    assert_int_equal(peeked.acquisitions, 1);
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t wait_ns = (int64_t)peeked.due_ns - (int64_t)(now.tv_sec * SECOND + now.tv_nsec);
    assert_in_range(wait_ns, HOUR * 8 / 10 - 60 * SECOND, HOUR * 12 / 10 + SECOND);
}

static void the_holder_dies(void **state) {
    (void)state;
    rp_producer *p;
    rp_queue *q = queue(0, &p);
    struct peer holder = peer_start(hold, NULL);
    assert_int_equal(peer_hear(&holder), 'h');
    peer_kill(&holder);
    it_waits_an_hour(q);
    rp_producer_close(p);
    audit_is_clean(q);
    drop_queue(q);
}

static void the_lease_runs_out(void **state) {
    (void)state;
    rp_producer *p;
    rp_queue *q = queue(0, &p);
    struct peer holder = peer_start(hold, "expires");
    assert_int_equal(peer_hear(&holder), 'h');
    it_waits_an_hour(q);
    peer_kill(&holder);
    succeeds(rp_queue_sweep(q));
    rp_producer_close(p);
    audit_is_clean(q);
    drop_queue(q);
}

/* Each dies of the message; so many may. */
static void it_kills_whoever_takes_it(void **state) {
    (void)state;
    enum { DEATHS = 3 };
    rp_producer *p;
    struct rp_queue_options o = test_options();
    o.max_deliveries = DEATHS;
    rp_queue *q = make_queue(&o);
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(send_text(p, "poison"));
    struct peer holder;
    for (int i = 0; i < DEATHS; i++) {
        assert_int_equal(stats_of(q).dead, 0);
        holder = peer_start(hold, NULL);
        assert_int_equal(peer_hear(&holder), 'h');
        peer_kill(&holder);
        assert_true(eventually(rp_queue_sweep(q) >= 0 && stats_of(q).leased == 0));
    }
    struct rp_dead_letter dead;
    succeeds(rp_dead_peek(q, NULL, 0, &dead, NULL, 0));
    assert_int_equal(dead.reason, RP_DEAD_MAX_DELIVERIES);
    assert_int_equal(dead.last_failure, RP_FAILURE_DEATH);
    assert_int_equal(dead.deliveries, DEATHS);
    assert_int_equal(dead.pid, holder.pid);
    rp_producer_close(p);
    audit_is_clean(q);
    drop_queue(q);
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(the_holder_dies), TEST(the_lease_runs_out), TEST(it_kills_whoever_takes_it)};
    return cmocka_run_group_tests_name("retry", tests, NULL, NULL);
}
