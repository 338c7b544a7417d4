/* SPDX-License-Identifier: MIT */
/* Backoff: growth, cap, jitter. */
#include "policy.h"

#include "check.h"

#define MS UINT64_C(1000000)

static struct parameters defaults(void) {
    return (struct parameters){
        .backoff_ns = 100 * MS, .backoff_max_ns = 30000 * MS, .backoff_factor_permille = 2000, .jitter_permille = 0};
}

static void it_doubles_up_to_the_cap(void **state) {
    (void)state;
    struct parameters p = defaults();
    const uint64_t expected[] = {100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000};
    for (uint32_t i = 0; i < 11; i++)
        assert_int_equal(backoff_ms(&p, i + 1, 12345), expected[i]);
    assert_int_equal(backoff_ms(&p, UINT32_MAX, 0), 30000);
    assert_int_equal(backoff_ms(&p, 0, 0), 100);
}

static void other_factors(void **state) {
    (void)state;
    struct parameters p = defaults();
    p.backoff_factor_permille = 1000; /* a constant; must not count to four billion */
    assert_int_equal(backoff_ms(&p, UINT32_MAX, 0), 100);
    p.backoff_factor_permille = 100000;
    assert_int_equal(backoff_ms(&p, 2, 0), 10000);
    assert_int_equal(backoff_ms(&p, 3, 0), 30000);
    p.backoff_ns = 0;
    assert_int_equal(backoff_ms(&p, 7, UINT64_MAX), 0);
    assert_int_equal(backoff_ms(&p, UINT32_MAX, UINT64_MAX), 0);
    p.backoff_ns = p.backoff_max_ns = 366 * UINT64_C(24) * 3600 * 1000 * MS;
    assert_int_equal(backoff_ms(&p, 50, 0), UINT64_C(366) * 24 * 3600 * 1000);
    p.backoff_ns = p.backoff_max_ns = 1; /* less than what a word can say */
    assert_true(backoff_ms(&p, 1, 0) <= 1);
}

static void jitter_spreads_evenly_around_it(void **state) {
    (void)state;
    struct parameters p = defaults();
    uint64_t random = 88172645463325252, low = UINT64_MAX, high = 0, sum = 0;
    enum { ROUNDS = 20000 };
    p.jitter_permille = 200;
    assert_int_equal(backoff_ms(&p, 1, 0), 80);
    assert_in_range(backoff_ms(&p, 1, UINT64_MAX), 119, 120);
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t wait = backoff_ms(&p, 4, random_next(&random));
        low = wait < low ? wait : low;
        high = wait > high ? wait : high;
        sum += wait;
    }
    assert_in_range(low, 640, 645);
    assert_in_range(high, 955, 960);
    assert_in_range(sum / ROUNDS, 790, 810);
    p.jitter_permille = 1000;
    assert_int_equal(backoff_ms(&p, 1, 0), 0);
    assert_in_range(backoff_ms(&p, 1, UINT64_MAX), 199, 200);
}

static void durations_round_up(void **state) {
    (void)state;
    assert_int_equal(duration_ms(0), 0);
    assert_int_equal(duration_ms(1), 1);
    assert_int_equal(duration_ms(MS), 1);
    assert_int_equal(duration_ms(MS + 1), 2);
    assert_true(duration_ms(UINT64_MAX) < TIME_NEVER);
}

static void the_generator_never_stops(void **state) {
    (void)state;
    uint64_t x = 1;
    for (int i = 0; i < 100000; i++)
        assert_true(random_next(&x) != 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_doubles_up_to_the_cap),        cmocka_unit_test(other_factors),
        cmocka_unit_test(jitter_spreads_evenly_around_it), cmocka_unit_test(durations_round_up),
        cmocka_unit_test(the_generator_never_stops),
    };
    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
