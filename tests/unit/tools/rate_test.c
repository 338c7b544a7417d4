/* SPDX-License-Identifier: MIT */
/* work --rate: never faster than told over any stretch of time, and not slower than it can be. */
#include "rate.h"

#include "check.h"
#include <stdlib.h>

#define S UINT64_C(1000000000)

static uint64_t interval(const char *text) {
    struct rate r = {0};
    return rate_parse(text, &r) ? r.interval_ns : 0;
}

static void what_is_read(void **state) {
    (void)state;
    assert_int_equal(interval("1/s"), S);
    assert_int_equal(interval("10/s"), S / 10);
    assert_int_equal(interval("3/s"), 333333334); /* rounded to the slow side */
    assert_int_equal(interval("30/m"), 2 * S);
    assert_int_equal(interval("1/h"), 3600 * S);
    assert_int_equal(interval("1000000/s"), 1000);
}

static void what_is_refused(void **state) {
    (void)state;
    const char *const bad[] = {"",
                               "10",
                               "/s",
                               "0/s",
                               "-1/s",
                               "+1/s",
                               "1/d",
                               "1/ss",
                               "1 /s",
                               "1/ s",
                               " 1/s",
                               "1/s ",
                               "1.5/s",
                               "1e3/s",
                               "s/1",
                               "1000001/s",
                               "99999999999999999999/s",
                               "0x1/s"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(interval(bad[i]), 0);
}

static void no_rate_never_waits(void **state) {
    (void)state;
    struct rate r = {0};
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(rate_wait_ns(&r, S), 0);
        r = rate_take(r, S);
    }
}

static void the_first_starts_at_once_the_next_in_time(void **state) {
    (void)state;
    struct rate r = {0};
    rate_parse("1/m", &r);
    assert_int_equal(rate_wait_ns(&r, 7 * S), 0);
    r = rate_take(r, 7 * S);
    assert_int_equal(rate_wait_ns(&r, 7 * S), 60 * S - RATE_SLACK_NS);
    assert_int_equal(rate_wait_ns(&r, 67 * S - RATE_SLACK_NS - 1), 1);
    assert_int_equal(rate_wait_ns(&r, 67 * S - RATE_SLACK_NS), 0);
}

static void idle_time_is_not_saved_up(void **state) {
    (void)state;
    struct rate r = {0};
    uint64_t now = S, started = 0;
    rate_parse("100/s", &r);
    r = rate_take(r, now);
    now += 3600 * S;
    while (rate_wait_ns(&r, now) == 0) {
        r = rate_take(r, now);
        started++;
    }
    assert_int_equal(started, 1 + RATE_SLACK_NS / (S / 100));
}

/* Starts as soon as it may, after pauses of any length: counts every window of starts against the bound. */
static void no_window_sees_too_many(void **state) {
    (void)state;
    enum { STARTS = 2000 };
    static uint64_t at[STARTS];
    uint64_t random = 88172645463325252, now = S;
    struct rate r = {0};
    rate_parse("50/s", &r);
    for (int i = 0; i < STARTS; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        if (random % 4 == 0)
            now += random % (S / 2);
        now += rate_wait_ns(&r, now);
        assert_int_equal(rate_wait_ns(&r, now), 0);
        at[i] = now;
        r = rate_take(r, now);
    }
    for (int i = 0; i < STARTS; i++)
        for (int j = i + 1; j < STARTS; j++)
            assert_true((uint64_t)(j - i) * r.interval_ns <= at[j] - at[i] + RATE_SLACK_NS);
}

/* Always something to do, each start a little late: the long run keeps the rate. */
static void lateness_is_made_up_for(void **state) {
    (void)state;
    uint64_t now = S, count = 0;
    struct rate r = {0};
    rate_parse("20/s", &r);
    while (now < 101 * S) {
        now += rate_wait_ns(&r, now) + S / 1000 * (count % 40);
        r = rate_take(r, now);
        count++;
    }
    assert_in_range(count, 1990, 2004);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(no_rate_never_waits),
        cmocka_unit_test(the_first_starts_at_once_the_next_in_time),
        cmocka_unit_test(idle_time_is_not_saved_up),
        cmocka_unit_test(no_window_sees_too_many),
        cmocka_unit_test(lateness_is_made_up_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
