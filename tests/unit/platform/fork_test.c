/* SPDX-License-Identifier: MIT */
#include "fork.h"

#include "atomic.h"
#include "check.h"
#include "peer.h"

#include <pthread.h>

static int canary_is_dead(struct peer *test, void *argument) {
    const volatile uint32_t *canary = argument;
    (void)test;
    return *canary == 0 ? 0 : 1;
}

static int canary_is_dead_for_good(struct peer *test, void *argument) {
    return canary_is_dead(test, argument) || peer_run(canary_is_dead, argument);
}

static void canary_lives_in_its_process_only(void **state) {
    (void)state;
    const volatile uint32_t *canary = fork_canary_create();
    assert_non_null(canary);
    assert_int_equal(*canary, 1);
    assert_int_equal(peer_run(canary_is_dead_for_good, (void *)canary), 0);
    assert_int_equal(*canary, 1);
    fork_canary_destroy(canary);
    fork_canary_destroy(NULL);
}

static a32 held, about_to_fork;

static int take_and_release(struct peer *test, void *argument) {
    (void)test, (void)argument;
    uint32_t held_at_fork = load_relaxed(&held, own);
    fork_lock(); /* free in the child */
    fork_unlock();
    return (int)held_at_fork;
}

static void *fork_now(void *status) {
    store_release(&about_to_fork, 1, about_to_fork);
    *(int *)status = peer_run(take_and_release, NULL);
    return NULL;
}

/* The child, a copy of the memory at the moment of the fork, never sees the other thread between lock and unlock. */
static void a_fork_waits_for_the_lock(void **state) {
    (void)state;
    for (int i = 0; i < 50; i++) {
        int status = -1;
        pthread_t thread;
        store_relaxed(&about_to_fork, 0, init);
        fork_lock();
        store_relaxed(&held, 1, own);
        assert_int_equal(pthread_create(&thread, NULL, fork_now, &status), 0);
        assert_true(until(load_acquire(&about_to_fork, about_to_fork)));
        for (int turns = 0; turns < 100; turns++) /* time to fork too early */
            sched_yield();
        store_relaxed(&held, 0, own);
        fork_unlock();
        pthread_join(thread, NULL);
        assert_int_equal(status, 0);
    }
    fork_lock(); /* free in the parent */
    fork_unlock();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canary_lives_in_its_process_only),
        cmocka_unit_test(a_fork_waits_for_the_lock),
    };
    return cmocka_run_group_tests_name("fork", tests, NULL, NULL);
}
