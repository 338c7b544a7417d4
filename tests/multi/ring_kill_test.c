/* SPDX-License-Identifier: MIT */
/*
 * A small storm over broadcast rings: for some seconds writers are killed and replaced at any instant, readers are stopped for a while, and some are killed as well. Those readers that live from the
 * beginning to the end judge: every message is whole, in each lane the writers come one after the other and the messages of each in ascending order, and what was read and lost is all that was written.
 */
#include "ring_crew.h"

enum { STEADY = 3, STORM_S = 2, KILLED_AT_LEAST = 20, WRITTEN_AT_LEAST = 1000 };

static int write_on(struct peer *test, void *argument) {
    (void)test;
    return crew_write(argument, UINT64_MAX);
}

static uint32_t dice(uint32_t sides) {
    static uint64_t x = 88172645463325252u;
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    return (uint32_t)(x % sides);
}

static void storm(uint32_t slots, uint32_t overflow, uint32_t message_bytes) {
    struct rp_ring_options o = ring_options(slots, overflow);
    o.max_writers = CREW_LANES;
    o.max_readers = CREW_READERS;
    o.slot_bytes = 64;
    o.message_bytes = message_bytes;
    o.gate_timeout_ns = 5 * MS;
    rp_ring *ring = make_ring(&o);
    struct crew *crew = crew_make();
    struct crew_reader parts[STEADY + 1];
    struct peer readers[STEADY + 1], writers[CREW_LANES];
    for (uint32_t i = 0; i <= STEADY; i++) {
        parts[i] = (struct crew_reader){.crew = crew, .report = i, .from = RP_FROM_OLDEST, .read_only = i == 0};
        readers[i] = peer_start(crew_read, &parts[i]);
        assert_int_equal(peer_hear(&readers[i]), 'r');
    }
    for (unsigned i = 0; i < CREW_LANES; i++)
        writers[i] = peer_start(write_on, crew);
    uint64_t killed = 0;
    struct rp_ring_info info = {0};
    for (time_t end = time(NULL) + STORM_S; time(NULL) < end || killed <= KILLED_AT_LEAST || info.written <= WRITTEN_AT_LEAST;) {
        unsigned i = dice(CREW_LANES), k = dice(STEADY);
        nanosleep(&(struct timespec){.tv_nsec = dice(4000000)}, NULL);
        peer_kill(&writers[i]);
        writers[i] = peer_start(write_on, crew);
        killed++;
        succeeds(rp_ring_info(ring, &info));
        if (dice(4) == 0) { /* a steady one is overtaken, or evicted */
            peer_stop(&readers[k]);
            nanosleep(&(struct timespec){.tv_nsec = dice(12000000)}, NULL);
            kill(readers[k].pid, SIGCONT);
        }
        if (dice(4) == 0) { /* the last one may die */
            peer_kill(&readers[STEADY]);
            memset((void *)&crew->reports[STEADY], 0, sizeof crew->reports[STEADY]);
            parts[STEADY].from = dice(2);
            readers[STEADY] = peer_start(crew_read, &parts[STEADY]);
            assert_int_equal(peer_hear(&readers[STEADY]), 'r');
        }
    }
    crew->stop = 1;
    for (unsigned i = 0; i < CREW_LANES; i++)
        assert_int_equal(peer_end(&writers[i]), 0);
    crew->settled = 1;
    for (unsigned i = 0; i <= STEADY; i++)
        assert_int_equal(peer_end(&readers[i]), 0);
    crew_check_sums(ring, crew, STEADY);
    assert_int_equal(info.lanes, CREW_LANES);
    succeeds(rp_ring_close(ring));
    munmap(crew, sizeof *crew);
}

static void small_messages(void **state) {
    (void)state;
    storm(64, RP_RING_OVERWRITE, 48);
}
static void large_messages(void **state) {
    (void)state;
    storm(512, RP_RING_OVERWRITE, CREW_BYTES); /* so many that a batch is not noted before its end */
}
static void at_the_gate(void **state) {
    (void)state;
    storm(64, RP_RING_GATE, 200);
}

int main(void) {
    const struct CMUnitTest tests[] = {RING_TEST(small_messages), RING_TEST(large_messages), RING_TEST(at_the_gate)};
    return cmocka_run_group_tests_name("ring_kill", tests, NULL, NULL);
}
