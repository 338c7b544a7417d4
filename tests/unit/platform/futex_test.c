/* SPDX-License-Identifier: MIT */
#include "futex.h"

#include "check.h"
#include "clock.h"
#include "peer.h"

#include <sys/mman.h>

static const uint64_t LONG_NS = UINT64_C(60) * 1000000000;

/* The same page twice, at two addresses: what two processes that map a segment have. */
struct shared {
    a32 *here, *there;
};

static int setup(void **state) {
    static struct shared shared;
    int fd = memfd_create("futex_test", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, 4096) != 0)
        return -1;
    shared.here = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    shared.there = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    *state = &shared;
    return shared.here == MAP_FAILED || shared.there == MAP_FAILED ? -1 : 0;
}

static int teardown(void **state) {
    struct shared *shared = *state;
    munmap(shared->here, 4096);
    munmap(shared->there, 4096);
    return 0;
}

static void does_not_sleep_on_another_value(void **state) {
    struct shared *shared = *state;
    store_relaxed(shared->here, 1, init);
    assert_int_equal(futex_wait(shared->here, 0, UINT64_MAX), 0);
}

static void sleeps_until_the_timeout(void **state) {
    struct shared *shared = *state;
    uint64_t start = clock_boot_ns();
    assert_int_equal(futex_wait(shared->here, 0, 2000000), 0);
    assert_true(clock_boot_ns() - start >= 2000000);
    assert_int_equal(futex_wait(shared->here, 0, 0), 0);
}

static int sleeper(struct peer *test, void *argument) {
    struct shared *shared = argument;
    (void)test;
    return -futex_wait(shared->there, 0, LONG_NS);
}

static void wakes_another_process(void **state) {
    struct shared *shared = *state;
    struct peer peer = peer_start(sleeper, shared);
    assert_true(until(futex_wake(shared->here, 1) == 1));
    assert_int_equal(peer_end(&peer), 0);
}

static void wakes_no_more_than_asked(void **state) {
    struct shared *shared = *state;
    struct peer first = peer_start(sleeper, shared), second = peer_start(sleeper, shared);
    int woken = 0;
    assert_true(until((woken += futex_wake(shared->here, 1)) == 2));
    assert_int_equal(peer_end(&first), 0);
    assert_int_equal(peer_end(&second), 0);
    assert_int_equal(futex_wake(shared->here, 1), 0);
}

static void ignore(int signal) { (void)signal; }

static int interrupted(struct peer *test, void *argument) {
    struct sigaction action = {.sa_handler = ignore};
    sigaction(SIGUSR1, &action, NULL);
    peer_say(test, 'h');
    return -sleeper(test, argument) == -EINTR ? 0 : 1;
}

static void a_signal_ends_the_sleep(void **state) {
    struct peer peer = peer_start(interrupted, *state);
    assert_int_equal(peer_hear(&peer), 'h');
    /* Again and again, as the first may come before the sleep. */
    assert_true(until(kill(peer.pid, SIGUSR1) == 0 && poll(&(struct pollfd){.fd = peer.in}, 1, 1) == 1));
    assert_int_equal(peer_end(&peer), 0);
}

static int budget(struct peer *test, void *argument) {
    (void)test, (void)argument;
    bool several = sysconf(_SC_NPROCESSORS_ONLN) > 1;
    peer_check((spin_budget_ns() > 0) == several);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    peer_check(sched_setaffinity(0, sizeof one, &one) == 0);
    peer_check((spin_budget_ns() > 0) == several); /* pinned here, waiting for somebody there */
    return 0;
}

static void nobody_spins_on_a_single_processor(void **state) {
    (void)state;
    assert_int_equal(peer_run(budget, NULL), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(does_not_sleep_on_another_value, setup, teardown),
        cmocka_unit_test_setup_teardown(sleeps_until_the_timeout, setup, teardown),
        cmocka_unit_test_setup_teardown(wakes_another_process, setup, teardown),
        cmocka_unit_test_setup_teardown(wakes_no_more_than_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(a_signal_ends_the_sleep, setup, teardown),
        cmocka_unit_test(nobody_spins_on_a_single_processor),
    };
    return cmocka_run_group_tests_name("futex", tests, NULL, NULL);
}
