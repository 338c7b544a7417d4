/* SPDX-License-Identifier: MIT */
/* Spilling under real processes that are killed: nothing is lost, nothing comes twice that was acked, each group has each producer's messages in order. */
#include "fixture.h"
#include "handle.h"
#include "scratch.h"

#include <ringpost/group.h>
#include <stdatomic.h>

enum { PRODUCERS = 3, CONSUMERS = 2, GROUPS = 2, EACH = 20000, KILLS = 60 };

/* What the parties write down outside of the queue. */
struct ledger {
    _Atomic bool finished;
    _Atomic uint32_t sent[PRODUCERS];     /* confirmed */
    _Atomic uint32_t attempts[PRODUCERS]; /* begun */
    _Atomic uint32_t disorder;
    _Atomic uint8_t confirmed[PRODUCERS][EACH + 1];
    _Atomic uint8_t got[GROUPS][PRODUCERS][EACH + 1];
    _Atomic uint8_t acked[GROUPS][PRODUCERS][EACH + 1];
};
static struct ledger *ledger;
static struct scratch scratch;
static unsigned numbers[] = {0, 1, 2};

struct letter {
    uint32_t producer, number;
};

static int producer(struct peer *test, void *argument) {
    const unsigned me = *(const unsigned *)argument;
    struct handles h = peer_open(0);
    (void)test;
    for (;;) { /* one that took over from a dead one leaves out what that one may have sent */
        uint32_t n = atomic_fetch_add(&ledger->attempts[me], 1) + 1;
        if (n > EACH)
            return 0;
        struct letter l = {me, n};
        peer_succeeds(rp_send(h.p, &l, sizeof l, NULL));
        atomic_store(&ledger->confirmed[me][n], 1);
    }
}

static int consumer(struct peer *test, void *argument) {
    const unsigned group = *(const unsigned *)argument;
    rp_queue *q;
    rp_consumer *c;
    struct rp_consumer_options o;
    rp_consumer_options_init(&o, sizeof o);
    o.group = group == 0 ? "default" : "other";
    uint32_t last[PRODUCERS] = {0};
    (void)test;
    peer_succeeds(rp_queue_open(queue_name, NULL, &q));
    peer_succeeds(rp_consumer_open(q, &o, &c));
    for (;;) {
        struct rp_message m;
        bool finished = atomic_load(&ledger->finished);
        int result = rp_receive(c, &m, 20 * MS);
        if (result == RP_EMPTY && finished)
            return 0;
        if (result == RP_EMPTY)
            continue;
        peer_succeeds(result);
        struct letter l;
        memcpy(&l, m.data, sizeof l);
        if (m.acquisitions == 1 && l.number <= last[l.producer])
            atomic_fetch_add(&ledger->disorder, 1);
        if (m.acquisitions == 1)
            last[l.producer] = l.number;
        atomic_store(&ledger->got[group][l.producer][l.number], 1);
        result = rp_ack(c, &m);
        if (result == 0)
            atomic_fetch_add(&ledger->acked[group][l.producer][l.number], 1);
        else if (result != RP_LEASE_LOST)
            peer_succeeds(result);
    }
}

static uint64_t behind(rp_queue *q) {
    struct rp_spill_stats s;
    struct rp_group_info g;
    succeeds(rp_spill_stats(q, &s));
    uint64_t sum = s.messages;
    for (uint32_t i = 0; rp_group_next(q, i, &g) == 0; i = g.index + 1)
        sum += g.ready + g.leased + g.delayed;
    return sum;
}

static void storm(unsigned kills) {
    struct rp_queue_options o = test_options();
    o.overflow = RP_OVERFLOW_SPILL;
    o.spill_dir = scratch.directory;
    o.spill_max_bytes = 64 << 20;
    o.max_groups = GROUPS;
    rp_queue *q = make_queue(&o);
    succeeds(rp_group_create(q, "other", NULL));
    ledger = shared_memory(sizeof *ledger);
    struct peer peers[PRODUCERS + CONSUMERS * GROUPS];
    enum { PEERS = sizeof peers / sizeof peers[0] };
    for (unsigned i = 0; i < PEERS; i++)
        peers[i] = i < PRODUCERS ? peer_start(producer, &numbers[i]) : peer_start(consumer, &numbers[i % GROUPS]);
    srand(2026);
    for (unsigned i = 0; i < kills; i++) {
        uint32_t before = atomic_load(&ledger->attempts[0]) + atomic_load(&ledger->attempts[1]), more = (uint32_t)rand() % 400;
        unsigned victim = (unsigned)rand() % PEERS;
        (void)until(atomic_load(&ledger->attempts[0]) + atomic_load(&ledger->attempts[1]) >= before + more ||
                    atomic_load(&ledger->attempts[0]) > EACH);
        peer_kill(&peers[victim]);
        peers[victim] =
            victim < PRODUCERS ? peer_start(producer, &numbers[victim]) : peer_start(consumer, &numbers[victim % GROUPS]);
    }
    for (unsigned i = 0; i < PRODUCERS; i++)
        assert_int_equal(peer_end(&peers[i]), 0);
    assert_true(eventually(rp_queue_sweep(q) >= 0 && behind(q) == 0));
    atomic_store(&ledger->finished, true);
    for (unsigned i = PRODUCERS; i < PEERS; i++)
        assert_int_equal(peer_end(&peers[i]), 0);
    succeeds(rp_queue_sweep(q));
    succeeds(rp_queue_sweep(q));
    for (unsigned g = 0; g < GROUPS; g++)
        for (unsigned i = 0; i < PRODUCERS; i++)
            for (uint32_t n = 1; n <= EACH; n++) {
                if (atomic_load(&ledger->confirmed[i][n]))
                    assert_int_equal(atomic_load(&ledger->got[g][i][n]), 1);
                assert_true(atomic_load(&ledger->acked[g][i][n]) <= 1);
            }
    struct rp_spill_stats s;
    succeeds(rp_spill_stats(q, &s));
    print_message("%llu spilled, %llu refilled, %u kills, %llu bytes left on disk\n", (unsigned long long)s.spilled,
                  (unsigned long long)s.refilled, kills, (unsigned long long)s.disk_bytes);
    assert_int_equal(s.extents_free, s.extents);
    assert_true(s.spilled > 0);
    if (kills == 0) /* a receiver that starts knows nothing of what others had before */
        assert_int_equal(s.refilled, GROUPS * s.spilled);
    assert_int_equal(stats_of(q).free_cells, stats_of(q).cells);
    audit_is_clean(q);
    munmap(ledger, sizeof *ledger);
    drop_queue(q);
    assert_int_equal(scratch_count(&scratch, 0), 0);
}

static void in_traffic(void **state) {
    (void)state;
    storm(0);
}
static void with_deaths(void **state) {
    (void)state;
    storm(KILLS);
}

/* One of each group: its order is that of each producer, whatever was spilled. */
static void order(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.overflow = RP_OVERFLOW_SPILL;
    o.spill_dir = scratch.directory;
    o.spill_max_bytes = 64 << 20;
    o.max_groups = GROUPS;
    rp_queue *q = make_queue(&o);
    succeeds(rp_group_create(q, "other", NULL));
    ledger = shared_memory(sizeof *ledger);
    struct peer producers[PRODUCERS], consumers[GROUPS];
    for (unsigned i = 0; i < GROUPS; i++)
        consumers[i] = peer_start(consumer, &numbers[i]);
    for (unsigned i = 0; i < PRODUCERS; i++)
        producers[i] = peer_start(producer, &numbers[i]);
    for (unsigned i = 0; i < PRODUCERS; i++)
        assert_int_equal(peer_end(&producers[i]), 0);
    assert_true(eventually(behind(q) == 0));
    atomic_store(&ledger->finished, true);
    for (unsigned i = 0; i < GROUPS; i++)
        assert_int_equal(peer_end(&consumers[i]), 0);
    assert_int_equal(atomic_load(&ledger->disorder), 0);
    for (unsigned g = 0; g < GROUPS; g++)
        for (unsigned i = 0; i < PRODUCERS; i++)
            for (uint32_t n = 1; n <= EACH; n++)
                assert_int_equal(atomic_load(&ledger->acked[g][i][n]), 1);
    munmap(ledger, sizeof *ledger);
    drop_queue(q);
}

/* A sender that is stopped in the middle of anything keeps nobody from spilling or refilling. */
static void stopped(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.overflow = RP_OVERFLOW_SPILL;
    o.spill_dir = scratch.directory;
    o.spill_max_bytes = 64 << 20;
    rp_queue *q = make_queue(&o);
    rp_producer *p;
    rp_consumer *c;
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_consumer_open(q, NULL, &c));
    ledger = shared_memory(sizeof *ledger);
    struct peer victim = peer_start(producer, &numbers[0]);
    for (unsigned i = 0; i < 50; i++) {
        uint32_t before = atomic_load(&ledger->attempts[0]);
        (void)until(atomic_load(&ledger->attempts[0]) > before + 20 || before >= EACH);
        peer_stop(&victim);
        struct letter l = {1, i}, got;
        struct rp_message m;
        succeeds(rp_send(p, &l, sizeof l, NULL));
        do {
            succeeds(rp_receive(c, &m, 0));
            memcpy(&got, m.data, sizeof got);
            succeeds(rp_ack(c, &m));
        } while (got.producer != 1);
        assert_int_equal(got.number, i);
        kill(victim.pid, SIGCONT);
    }
    peer_kill(&victim);
    rp_producer_close(p);
    rp_consumer_close(c);
    munmap(ledger, sizeof *ledger);
    drop_queue(q);
}

static int make_scratch(void **state) {
    (void)state;
    return scratch_create(&scratch);
}
static int drop_scratch(void **state) {
    (void)state;
    scratch_destroy(&scratch);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(in_traffic), TEST(with_deaths), TEST(order), TEST(stopped)};
    return cmocka_run_group_tests_name("spill", tests, make_scratch, drop_scratch);
}
