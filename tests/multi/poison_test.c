/* SPDX-License-Identifier: MIT */
/* A flood of poison: every message dies, and so do those who send, reject, redrive and purge. The dead ring keeps to its size, and what is kept is kept. */
#include "fixture.h"

#include <stdatomic.h>

enum { CAPACITY = 64, DEAD_CAPACITY = 16, MESSAGES = 1 << 20, KILLS = 60, STEPS_PER_KILL = 300, CREW = 6 };

static struct shared {
    atomic_uint next, sent_count, steps;
    atomic_uchar sent[MESSAGES]; /* 1: its send has returned 0 */
} * shared;

static int send_poison(struct peer *test, void *argument) {
    (void)test;
    (void)argument;
    struct handles h = peer_open(0);
    for (;;) {
        uint32_t n = atomic_fetch_add(&shared->next, 1);
        peer_check(n < MESSAGES);
        int result;
        while ((result = rp_send(h.p, &n, sizeof n, NULL)) == RP_FULL)
            atomic_fetch_add(&shared->steps, 1), sched_yield();
        peer_succeeds(result);
        atomic_store(&shared->sent[n], 1);
        atomic_fetch_add(&shared->sent_count, 1);
        atomic_fetch_add(&shared->steps, 1);
    }
}

static int reject_all(struct peer *test, void *argument) {
    (void)test;
    (void)argument;
    struct handles h = peer_open(0);
    for (;;) {
        struct rp_message m;
        peer_succeeds(rp_receive(h.c, &m, -1));
        int result = rp_reject(h.c, &m, "poison");
        if (result == RP_FULL) /* it refuses: back with it */
            result = rp_nack(h.c, &m, NULL);
        peer_check(result == 0 || result == RP_LEASE_LOST);
        atomic_fetch_add(&shared->steps, 1);
    }
}

/* Redrives, and where letters may go purges, a few at a time. */
static int operate(struct peer *test, void *purges) {
    (void)test;
    struct handles h = peer_open(0);
    struct rp_redrive_options o;
    for (unsigned i = 0;; i++) {
        while (purges == NULL && i++ % 16 != 0) /* or the dead ring would never be full */
            sched_yield();
        rp_redrive_options_init(&o, sizeof o);
        o.limit = 1 + i % 5;
        peer_succeeds(purges != NULL && i % 2 ? rp_dead_purge(h.q, NULL, &o) : rp_dead_redrive(h.q, NULL, &o));
        atomic_fetch_add(&shared->steps, 1);
        sched_yield();
    }
}

static struct peer start(unsigned role, uint32_t policy) {
    static int (*const bodies[CREW])(struct peer *, void *) = {send_poison, send_poison, reject_all, reject_all, operate, operate};
    return peer_start(bodies[role], policy == RP_DEAD_DROP_OLDEST ? shared : NULL);
}

/* What is still there, and was sent. */
static unsigned present(rp_queue *q, unsigned states) {
    unsigned found = 0;
    struct rp_peeked peeked = {.id = 0};
    uint32_t n;
    while (rp_peek(q, NULL, states, peeked.id, &peeked, &n, sizeof n) == 0) {
        assert_int_equal(peeked.bytes, sizeof n);
        found += atomic_exchange(&shared->sent[n], 2) == 1;
        assert_int_equal(atomic_load(&shared->sent[n]), 2);
    }
    return found;
}

static void flood(uint32_t policy) {
    struct rp_queue_options o = test_options();
    o.capacity = CAPACITY;
    o.dead_capacity = DEAD_CAPACITY;
    o.dead_overflow = policy;
    shared = shared_memory(sizeof *shared);
    rp_queue *q = make_queue(&o);
    struct peer crew[CREW];
    for (unsigned role = 0; role < CREW; role++)
        crew[role] = start(role, policy);
    uint64_t random = 2463534242;
    for (unsigned kill = 0; kill < KILLS; kill++) {
        unsigned until_step = atomic_load(&shared->steps) + STEPS_PER_KILL;
        assert_true(until((int)(atomic_load(&shared->steps) - until_step) >= 0));
        random = random * 6364136223846793005 + 1442695040888963407;
        unsigned role = (unsigned)(random >> 33) % CREW;
        peer_kill(&crew[role]);
        crew[role] = start(role, policy);
    }
    for (unsigned role = 0; role < CREW; role++)
        peer_kill(&crew[role]);
    assert_true(eventually(rp_queue_sweep(q) == 0));
    struct rp_queue_stats s = stats_of(q);
    unsigned sent = atomic_load(&shared->sent_count), kept = present(q, RP_STATE_ALL), lost = sent - kept;
    uint64_t counted = s.dead_dropped + s.purged;
    print_message("%u sent, %u kept, %llu dropped or purged; %llu dead\n", sent, kept, (unsigned long long)counted,
                  (unsigned long long)s.dead);
    if (policy == RP_DEAD_REFUSE) {
        assert_int_equal(lost, 0);
        assert_true(s.dead <= DEAD_CAPACITY + CREW); /* who asked when there was room for one */
    } else {
        assert_true(s.dead <= DEAD_CAPACITY);
        assert_true(s.dead_dropped > 0);
        /* Who is killed takes a count along, or leaves a message whose send never returned. */
        assert_in_range(lost + KILLS + CREW, counted, counted + 2 * (KILLS + CREW));
    }
    struct rp_audit audit; /* more may be ready again than the ring has room for: that is for the next sweep */
    succeeds(rp_queue_audit(q, &audit));
    assert_int_equal(audit.violations, 0);
    succeeds(rp_queue_purge(q, NULL, RP_STATE_ALL));
    succeeds(rp_queue_sweep(q));
    audit_is_clean(q);
    s = stats_of(q);
    assert_int_equal(s.free_cells, s.cells);
    munmap(shared, sizeof *shared);
    drop_queue(q);
}

static void the_oldest_goes(void **state) {
    (void)state;
    flood(RP_DEAD_DROP_OLDEST);
}

static void nobody_comes_in(void **state) {
    (void)state;
    flood(RP_DEAD_REFUSE);
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(the_oldest_goes), TEST(nobody_comes_in)};
    return cmocka_run_group_tests_name("poison", tests, NULL, NULL);
}
