/* SPDX-License-Identifier: MIT */
#include "clock.h"

#include "check.h"
#include "peer.h"

static const uint64_t SECOND_NS = 1000000000;

static void boot_time_runs_forward(void **state) {
    (void)state;
    uint64_t before = clock_boot_ns();
    assert_true(before > 0);
    assert_true(until(clock_boot_ns() > before));
}

static void wall_time_is_the_time(void **state) {
    (void)state;
    uint64_t now = (uint64_t)time(NULL) * SECOND_NS;
    assert_in_range(clock_wall_ns(), now - SECOND_NS, now + 60 * SECOND_NS);
    assert_in_range(clock_wall_coarse_ns(), now - SECOND_NS, now + 60 * SECOND_NS);
}

/* Never ahead of the fine clock, never backwards, and at a standstill only between two ticks. */
static void coarse_boot_time_follows_the_fine_one(void **state) {
    (void)state;
    struct coarse_clock clock = {0};
    uint64_t start = clock_boot_ns(), first = coarse_clock_boot_ns(&clock), last = first;
    assert_true(first >= start);
    for (int ticks = 0; ticks < 5;) {
        uint64_t coarse = coarse_clock_boot_ns(&clock);
        assert_true(coarse >= last);
        assert_true(coarse <= clock_boot_ns());
        ticks += coarse > last;
        last = coarse;
    }
}

/* As if the machine had been suspended: boot time has moved on by more than monotonic time. */
static void a_new_tick_is_translated_anew(void **state) {
    (void)state;
    struct coarse_clock clock = {.coarse_ns = 1, .boot_ns = 1};
    assert_true(coarse_clock_boot_ns(&clock) > 1);
    struct coarse_clock same = clock;
    assert_true(until(coarse_clock_boot_ns(&clock) != same.boot_ns));
    assert_true(clock.coarse_ns != same.coarse_ns);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(boot_time_runs_forward),
        cmocka_unit_test(wall_time_is_the_time),
        cmocka_unit_test(coarse_boot_time_follows_the_fine_one),
        cmocka_unit_test(a_new_tick_is_translated_anew),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
