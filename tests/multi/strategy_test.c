/* SPDX-License-Identifier: MIT */
/* Wait strategies: whichever it is, a wait ends when it should and keeps house; who spins never sleeps, who sleeps never spins. What each costs is bench_wait's. */
#include "fixture.h"
#include "handle.h"

#include <pthread.h>
#include <sys/resource.h>

static const uint32_t all[] = {RP_WAIT_ADAPTIVE, RP_WAIT_SPIN, RP_WAIT_SLEEP};
static uint32_t strategy;
static rp_queue *q;
static rp_producer *p;
static rp_consumer *c;

static rp_consumer *consumer(rp_queue *of, uint32_t how) {
    struct rp_consumer_options o;
    rp_consumer *made;
    rp_consumer_options_init(&o, sizeof o);
    assert_int_equal(o.wait_strategy, RP_WAIT_ADAPTIVE);
    o.wait_strategy = how;
    succeeds(rp_consumer_open(of, &o, &made));
    return made;
}

static rp_producer *producer(rp_queue *of, uint32_t how) {
    struct rp_producer_options o;
    rp_producer *made;
    rp_producer_options_init(&o, sizeof o);
    assert_int_equal(o.wait_strategy, RP_WAIT_ADAPTIVE);
    o.wait_strategy = how;
    succeeds(rp_producer_open(of, &o, &made));
    return made;
}

static void open_all(uint32_t how, const struct rp_queue_options *o) {
    strategy = how;
    q = make_queue(o);
    p = producer(q, how);
    c = consumer(q, how);
}

static void close_all(void) {
    rp_producer_close(p);
    rp_consumer_close(c);
    drop_queue(q);
}

/* How often receivers and blocked senders announced that they would sleep. */
static uint32_t tickets(void) {
    return (uint32_t)(load_relaxed(&q->segment.control->tickets[0], own) >> 32) +
           (uint32_t)(load_relaxed(&q->segment.control->free_tickets, own) >> 32);
}

static long sleeps_so_far(void) {
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nvcsw;
}

static uint32_t fill(void) {
    const struct rp_send_options now = {.size = sizeof now, .timeout_ns = 0};
    uint32_t n = 0;
    while (rp_send(p, "full", 5, &now) == 0)
        n++;
    return n;
}

static void how_it_waits(void **state) {
    (void)state;
    struct rp_message m;
    const struct rp_send_options patient = {.size = sizeof patient, .timeout_ns = 20 * MS};
    struct rp_queue_options o = test_options();
    for (size_t i = 0; i < 3; i++) {
        open_all(all[i], &o);
        fill();
        for (int sends = 0; sends <= 1; sends++) {
            uint32_t before = tickets();
            long slept = sleeps_so_far();
            struct actor *a = sends ? &p->actor : &c->actor;
            if (sends)
                fill();
            while (!sends && rp_receive(c, &m, 0) == 0)
                succeeds(rp_ack(c, &m));
            do { /* where others had the processor all that time, it ended without a sleep */
                int64_t start = time_ns();
                assert_int_equal(sends ? rp_send(p, "x", 1, &patient) : rp_receive(c, &m, 20 * MS), sends ? RP_FULL : RP_EMPTY);
                assert_true(time_ns() - start >= 20 * MS);
            } while (all[i] != RP_WAIT_SPIN && sleeps_so_far() == slept);
            if (all[i] == RP_WAIT_SPIN)
                assert_int_equal(tickets(), before); /* so that nobody makes a system call to wake it */
            else
                assert_true(tickets() != before);
            if (!a->alone)
                assert_int_equal(a->spin != 0,
                                 all[i] == RP_WAIT_ADAPTIVE); /* what spinning was good for: nothing else counts rounds */
        }
        close_all();
    }
}

static int works(struct peer *test, void *argument) {
    (void)argument;
    struct rp_message m;
    rp_queue *mine;
    peer_succeeds(rp_queue_open(queue_name, NULL, &mine));
    rp_consumer *from = consumer(mine, strategy);
    for (int i = 0; i < 200; i++) {
        peer_say(test, 'w');
        peer_succeeds(rp_receive(from, &m, -1));
        peer_check(m.bytes == sizeof i && memcmp(m.data, &i, sizeof i) == 0);
        peer_succeeds(rp_ack(from, &m));
    }
    return 0;
}

static void each_wakes(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    for (size_t s = 0; s < 3; s++) {
        open_all(all[s], &o);
        struct peer peer = peer_start(works, NULL);
        for (int i = 0; i < 200; i++) {
            assert_int_equal(peer_hear(&peer), 'w');
            succeeds(rp_send(p, &i, sizeof i, NULL));
        }
        assert_int_equal(peer_end(&peer), 0);
        close_all();
    }
}

/* The only one who is there waits, and yet leases end, backoffs end, the dead are recovered. */
static int dies_with_one(struct peer *test, void *argument) {
    (void)argument;
    struct handles h = peer_open(0);
    struct rp_message m;
    peer_succeeds(rp_receive(h.c, &m, -1));
    peer_say(test, 'h');
    peer_hear(test);
    return 0;
}

static void each_keeps_house(void **state) {
    (void)state;
    struct rp_message m;
    struct rp_nack_options later;
    rp_nack_options_init(&later, sizeof later);
    later.delay_ns = 7 * MS;
    struct rp_queue_options o = test_options();
    o.lease_ns = 20 * MS;
    for (size_t s = 0; s < 3; s++) {
        open_all(all[s], &o);
        rp_consumer *late = consumer(q, RP_WAIT_SLEEP);
        succeeds(send_text(p, "kept"));
        succeeds(rp_receive(late, &m, 0));
        succeeds(rp_receive(c, &m, -1)); /* the lease ends */
        assert_true(says(&m, "kept"));
        succeeds(rp_nack(c, &m, &later));
        succeeds(rp_receive(c, &m, -1)); /* the backoff ends */
        succeeds(rp_ack(c, &m));
        const struct rp_send_options soon = {.size = sizeof soon, .timeout_ns = 0, .delay_ns = 5 * MS};
        succeeds(rp_send(p, "due", 4, &soon));
        succeeds(rp_receive(c, &m, -1)); /* its time comes */
        succeeds(rp_ack(c, &m));
        rp_consumer_close(late);
        close_all();
        o.lease_ns = 0;
        open_all(all[s], &o);
        struct peer peer = peer_start(dies_with_one, NULL);
        succeeds(send_text(p, "his"));
        assert_int_equal(peer_hear(&peer), 'h');
        peer_kill(&peer);
        succeeds(rp_receive(c, &m, -1)); /* the dead are recovered */
        assert_true(says(&m, "his"));
        succeeds(rp_ack(c, &m));
        close_all();
        o.lease_ns = 20 * MS;
    }
}

/* Nobody but a sender that waits for room is there, so the ticks are its own. */
static void a_blocked_sender_ticks(void **state) {
    (void)state;
    const struct rp_send_options patient = {.size = sizeof patient, .timeout_ns = 3 * TICK_MS * MS};
    struct rp_queue_options o = test_options();
    for (size_t s = 0; s < 3; s++) {
        open_all(all[s], &o);
        fill();
        uint64_t before_ms = segment_now_ms(&q->segment);
        assert_int_equal(rp_send(p, "x", 1, &patient), RP_FULL);
        assert_true(p->actor.next_tick_ms > before_ms + 2 * TICK_MS);
        close_all();
    }
}

/* A sender that waits for room is the only one who is there, but for a consumer that does nothing any more: its messages expire for it. */
static void a_blocked_sender_keeps_house(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    const struct rp_send_options for_ever = {.size = sizeof for_ever, .timeout_ns = -1};
    o.ttl_ns = 50 * MS;
    o.expired = RP_EXPIRED_DROP;
    for (size_t s = 0; s < 3; s++) {
        open_all(all[s], &o);
        fill();
        succeeds(rp_send(p, "room", 5, &for_ever));
        close_all();
    }
}

static void *wait_for_ever(void *argument) {
    struct rp_message m;
    rp_consumer *both[2] = {c, c};
    int *result = argument;
    *result = *result == 1 ? rp_receive(c, &m, -1) : rp_wait(both, 2, -1);
    return NULL;
}

/* 1: in rp_receive, 2: in rp_wait. */
static void each_is_ended(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    for (size_t s = 0; s < 3; s++)
        for (int call = 1; call <= 2; call++) {
            pthread_t thread;
            int result = call;
            open_all(all[s], &o);
            assert_int_equal(pthread_create(&thread, NULL, wait_for_ever, &result), 0);
            succeeds(rp_queue_interrupt(q));
            pthread_join(thread, NULL);
            assert_int_equal(result, -EINTR);
            result = call;
            assert_int_equal(pthread_create(&thread, NULL, wait_for_ever, &result), 0);
            succeeds(rp_queue_unlink(queue_name));
            pthread_join(thread, NULL);
            assert_true(call == 1 ? result == RP_GONE : result >= 0); /* rp_wait: a receive would say something */
            close_all();
        }
}

static void one_that_spins_spins_for_all(void **state) {
    (void)state;
    struct rp_message m;
    struct rp_queue_options o = test_options();
    open_all(RP_WAIT_SLEEP, &o);
    rp_consumer *spins = consumer(q, RP_WAIT_SPIN), *both[2] = {c, spins};
    uint32_t before = tickets();
    assert_int_equal(rp_wait(both, 2, 20 * MS), RP_EMPTY);
    assert_int_equal(tickets(), before);
    while (tickets() == before) /* where others had the processor all that time, it ended without a sleep */
        assert_int_equal(rp_wait(both, 1, 20 * MS), RP_EMPTY);
    const struct rp_send_options soon = {.size = sizeof soon, .timeout_ns = 0, .delay_ns = 5 * MS};
    succeeds(rp_send(p, "due", 4, &soon));
    int ready = rp_wait(both, 2, -1);
    assert_true(ready == 0 || ready == 1);
    succeeds(rp_receive(both[ready], &m, 0));
    succeeds(rp_ack(both[ready], &m));
    rp_consumer_close(spins);
    close_all();
}

static void unknown_ones_are_refused(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    struct rp_consumer_options co;
    struct rp_producer_options po;
    rp_consumer *no_c;
    rp_producer *no_p;
    open_all(RP_WAIT_ADAPTIVE, &o);
    rp_consumer_options_init(&co, sizeof co);
    rp_producer_options_init(&po, sizeof po);
    co.wait_strategy = po.wait_strategy = 3;
    assert_int_equal(rp_consumer_open(q, &co, &no_c), -EINVAL);
    assert_int_equal(rp_producer_open(q, &po, &no_p), -EINVAL);
    co.wait_strategy = po.wait_strategy = 0;
    close_all();
}

/* Cells that it freed and keeps for itself must not be missed by others as long as it waits. */
static void one_that_spins_in_rp_wait_gives_up_what_it_freed(void **state) {
    (void)state;
    struct rp_message m;
    struct rp_queue_options o = test_options();
    open_all(RP_WAIT_SPIN, &o);
    succeeds(rp_send(p, "one", 3, NULL));
    succeeds(rp_receive(c, &m, 0));
    succeeds(rp_ack(c, &m));
    assert_int_equal(c->actor.pool.freed_count, 1);
    assert_int_equal(rp_wait(&c, 1, 2 * MS), RP_EMPTY);
    assert_int_equal(c->actor.pool.freed_count, 0);
    close_all();
}

/* The same in a receive, which need not wait for what is there. */
static void one_that_spins_gives_up_what_it_freed(void **state) {
    (void)state;
    struct rp_message m;
    struct rp_queue_options o = test_options();
    open_all(RP_WAIT_SPIN, &o);
    succeeds(rp_send(p, "one", 3, NULL));
    succeeds(rp_send(p, "two", 3, NULL));
    succeeds(rp_receive(c, &m, 0));
    succeeds(rp_ack(c, &m));
    succeeds(rp_receive(c, &m, -1)); /* it need not wait */
    assert_int_equal(c->actor.pool.freed_count, 1);
    succeeds(rp_ack(c, &m));
    assert_int_equal(c->actor.pool.freed_count, 2);
    assert_int_equal(rp_receive(c, &m, 2 * MS), RP_EMPTY);
    assert_int_equal(c->actor.pool.freed_count, 0);
    close_all();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(how_it_waits),
        TEST(each_wakes),
        TEST(each_keeps_house),
        TEST(a_blocked_sender_keeps_house),
        TEST(a_blocked_sender_ticks),
        TEST(each_is_ended),
        TEST(one_that_spins_spins_for_all),
        TEST(unknown_ones_are_refused),
        TEST(one_that_spins_in_rp_wait_gives_up_what_it_freed),
        TEST(one_that_spins_gives_up_what_it_freed),
    };
    return cmocka_run_group_tests_name("strategy", tests, NULL, NULL);
}
