/* SPDX-License-Identifier: MIT */
/* Whoever is stopped, wherever, the others go on, and what was promised to fit fits. */
#include "fixture.h"

#include <stdatomic.h>

enum { PRODUCERS = 4, CONSUMERS = 4, PARTIES = PRODUCERS + CONSUMERS, ROUNDS = 60, STOPPED = 3, STEPS = 20 };

static _Atomic uint64_t *done; /* by each party */

static int party(struct peer *test, void *argument) {
    unsigned me = *(unsigned *)argument;
    struct handles h = peer_open(0);
    struct rp_send_options wait;
    rp_send_options_init(&wait, sizeof wait);
    wait.timeout_ns = 100 * MS;
    peer_say(test, 'r');
    for (;;) {
        struct rp_message m;
        int result = me < PRODUCERS ? rp_send(h.p, &me, sizeof me, &wait) : rp_receive(h.c, &m, 100 * MS);
        peer_check(result == 0 || result == RP_FULL || result == RP_EMPTY);
        if (me >= PRODUCERS && result == 0)
            peer_check((result = rp_ack(h.c, &m)) == 0 || result == RP_LEASE_LOST);
        if (result == 0)
            atomic_fetch_add(&done[me], 1);
    }
}

static uint64_t sum(unsigned from, unsigned to) {
    uint64_t n = 0;
    for (unsigned i = from; i < to; i++)
        n += atomic_load(&done[i]);
    return n;
}

static void three_of_eight_stopped_at_capacity_one(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    struct peer peers[PARTIES];
    uint64_t dice = (uint64_t)getpid() | 1;
    int64_t worst_ns = 0;
    o.capacity = 1;
    o.lease_ns = 50 * MS;
    rp_queue *q = make_queue(&o);
    done = shared_memory(sizeof *done * PARTIES);
    for (unsigned i = 0; i < PARTIES; i++) {
        peers[i] = peer_start(party, &i);
        assert_int_equal(peer_hear(&peers[i]), 'r');
    }
    for (int round = 0; round < ROUNDS; round++) {
        bool stopped[PARTIES] = {0};
        for (int n = 0; n < STOPPED;) {
            dice = dice * 6364136223846793005u + 1442695040888963407u;
            unsigned i = (dice >> 33) % PARTIES;
            if (stopped[i])
                continue;
            peer_stop(&peers[i]);
            stopped[i] = true;
            n++;
        }
        int64_t start = time_ns();
        uint64_t sent = sum(0, PRODUCERS), received = sum(PRODUCERS, PARTIES);
        assert_true(eventually(sum(0, PRODUCERS) >= sent + STEPS && sum(PRODUCERS, PARTIES) >= received + STEPS));
        int64_t took = time_ns() - start;
        worst_ns = took > worst_ns ? took : worst_ns;
        for (unsigned i = 0; i < PARTIES; i++)
            if (stopped[i])
                kill(peers[i].pid, SIGCONT);
    }
    print_message("%d messages with three of eight stopped: %.1f ms at worst\n", STEPS, (double)worst_ns / 1e6);
    for (unsigned i = 0; i < PARTIES; i++)
        peer_kill(&peers[i]);
    succeeds(rp_queue_sweep(q));
    audit_is_clean(q);
    drop_queue(q);
}

/* Prefetches a hundred, keeps them, and is stopped. */
static int hoarder(struct peer *test, void *argument) {
    (void)argument;
    struct rp_message m;
    struct handles h = peer_open(100);
    peer_succeeds(rp_receive(h.c, &m, 0));
    peer_say(test, 'h');
    peer_hear(test);
    return 0;
}

/* Sends until there is no more room. */
static uint32_t fill(rp_producer *p) {
    uint32_t n = 0;
    int result;
    while ((result = send_text(p, "more")) == 0)
        n++;
    assert_int_equal(result, RP_FULL);
    assert_true(strstr(rp_error_detail(), queue_name) != NULL);
    return n;
}

static uint32_t drain(rp_consumer *c) {
    struct rp_message m;
    uint32_t n = 0;
    while (rp_receive(c, &m, 0) == 0) {
        succeeds(rp_ack(c, &m));
        n++;
    }
    return n;
}

static void between(uint64_t n, uint64_t low, uint64_t high) {
    if (n < low || n > high)
        fprintf(stderr, "%llu is not between %llu and %llu\n", (unsigned long long)n, (unsigned long long)low,
                (unsigned long long)high);
    assert_true(n >= low && n <= high);
}

static void a_stopped_consumer_that_prefetched_a_hundred(void **state) {
    (void)state;
    enum { CAPACITY = 120, HELD = 100 };
    struct rp_queue_options o = test_options();
    rp_producer *p;
    rp_consumer *c;
    o.capacity = CAPACITY;
    o.lease_ns = 200 * MS;
    rp_queue *q = make_queue(&o);
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_consumer_open(q, NULL, &c));
    for (int i = 0; i < HELD; i++)
        succeeds(send_text(p, "held"));
    struct peer peer = peer_start(hoarder, NULL);
    assert_int_equal(peer_hear(&peer), 'h');
    assert_int_equal(stats_of(q).leased, HELD);
    peer_stop(&peer);

    between(HELD + fill(p), CAPACITY, stats_of(q).cells);
    for (int i = 0; i < 1000; i++) { /* what room is left goes round and round */
        struct rp_message m;
        if (rp_receive(c, &m, 0) == 0) {
            succeeds(rp_ack(c, &m));
            succeeds(send_text(p, "more"));
        }
    }
    drain(c);
    assert_true(eventually(drain(c) > 0 || stats_of(q).lingering == HELD)); /* their lease is over: somebody else does the work */
    assert_true(eventually(drain(c) + stats_of(q).leased + stats_of(q).delayed + stats_of(q).ready == 0));
    assert_int_equal(stats_of(q).lingering, HELD);
    between(HELD + fill(p), CAPACITY, stats_of(q).cells); /* views occupy capacity until they are let go */
    assert_true(drain(c) >= CAPACITY - HELD);

    peer_kill(&peer);
    succeeds(rp_queue_sweep(q));
    assert_int_equal(stats_of(q).lingering, 0);
    between(fill(p), CAPACITY, stats_of(q).cells);
    drain(c);
    rp_producer_close(p);
    rp_consumer_close(c);
    assert_int_equal(stats_of(q).free_cells, stats_of(q).cells);
    drop_queue(q);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(three_of_eight_stopped_at_capacity_one),
        TEST(a_stopped_consumer_that_prefetched_a_hundred),
    };
    return cmocka_run_group_tests_name("stopped", tests, NULL, NULL);
}
