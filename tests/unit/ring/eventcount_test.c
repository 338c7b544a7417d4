/* SPDX-License-Identifier: MIT */
/* Who announced himself is woken; who did not costs nothing; who died costs one empty wake. */
#include "eventcount.h"

#include "check.h"
#include "peer.h"

#include <sys/mman.h>

struct shared {
    a32 epoch;
    a64 tickets;
};
static struct shared *shared;
static struct eventcount event;

static int setup(void **state) {
    (void)state;
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    event = (struct eventcount){.epoch = &shared->epoch, .tickets = &shared->tickets};
    return shared == MAP_FAILED ? -1 : 0;
}

static int teardown(void **state) {
    (void)state;
    return munmap(shared, 4096);
}

static uint32_t waiting(void) {
    uint64_t t = load_seq_cst(&shared->tickets, tickets);
    return (uint32_t)(t >> 32) - (uint32_t)t;
}

static uint32_t epoch(void) { return load_relaxed(&shared->epoch, hint); }

static void nobody_waits(void **state) {
    (void)state;
    eventcount_wake(&event, 1);
    eventcount_wake(&event, INT32_MAX);
    assert_int_equal(epoch(), 0);
    assert_int_equal(waiting(), 0);
}

static void a_wake_between_prepare_and_sleep(void **state) {
    (void)state;
    uint32_t prepared = eventcount_prepare(&event);
    assert_int_equal(waiting(), 1);
    eventcount_wake(&event, 1);
    assert_int_equal(eventcount_sleep(&event, prepared, UINT64_C(60000000000)), 0); /* at once: the test would time out */
    assert_int_equal(waiting(), 0); /* nobody slept: all tickets up to now are drained */
    uint32_t before = epoch();
    eventcount_wake(&event, 1);
    assert_int_equal(epoch(), before);
}

static int sleeper(struct peer *test, void *argument) {
    (void)argument;
    peer_say(test, 'r');
    for (;;) {
        uint32_t prepared = eventcount_prepare(&event);
        peer_say(test, 'p');
        peer_check(eventcount_sleep(&event, prepared, UINT64_C(60000000000)) == 0);
        peer_say(test, 'w');
        peer_hear(test);
    }
}

static void sleepers_are_woken(void **state) {
    (void)state;
    enum { SLEEPERS = 3 };
    struct peer peers[SLEEPERS];
    for (int i = 0; i < SLEEPERS; i++) {
        peers[i] = peer_start(sleeper, NULL);
        assert_int_equal(peer_hear(&peers[i]), 'r');
        assert_int_equal(peer_hear(&peers[i]), 'p');
    }
    for (int round = 0; round < 100; round++) {
        eventcount_wake(&event, INT32_MAX);
        for (int i = 0; i < SLEEPERS; i++)
            assert_int_equal(peer_hear(&peers[i]), 'w');
        for (int i = 0; i < SLEEPERS; i++) {
            peer_say(&peers[i], 'g');
            assert_int_equal(peer_hear(&peers[i]), 'p');
        }
    }
    for (int i = 0; i < SLEEPERS; i++)
        peer_kill(&peers[i]);
    eventcount_wake(&event, 1); /* for the dead: empty, once */
    assert_int_equal(waiting(), 0);
    uint32_t before = epoch();
    eventcount_wake(&event, 1);
    assert_int_equal(epoch(), before);
}

static void tickets_wrap(void **state) {
    (void)state;
    store_seq_cst(&shared->tickets, UINT64_MAX, tickets); /* announced and drained at their last */
    store_relaxed(&shared->epoch, UINT32_MAX, init);
    assert_int_equal(waiting(), 0);
    uint32_t prepared = eventcount_prepare(&event);
    assert_int_equal(waiting(), 1);
    eventcount_wake(&event, 1);
    assert_int_equal(epoch(), 0);
    assert_int_equal(eventcount_sleep(&event, prepared, UINT64_C(60000000000)), 0);
    assert_int_equal(waiting(), 0);
}

#define TEST(body) cmocka_unit_test_setup_teardown(body, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(nobody_waits),
        TEST(a_wake_between_prepare_and_sleep),
        TEST(sleepers_are_woken),
        TEST(tickets_wrap),
    };
    return cmocka_run_group_tests_name("eventcount", tests, NULL, NULL);
}
