/* SPDX-License-Identifier: MIT */
/* send --at TIME: what is read, checked against the C library's calendar, and what is refused. */
#include "when.h"

#include "check.h"
#include <time.h>

#define S UINT64_C(1000000000)

static uint64_t when(const char *text) {
    uint64_t ns;
    return when_parse(text, &ns) ? ns : UINT64_MAX;
}

static void what_is_read(void **state) {
    (void)state;
    assert_int_equal(when("1970-01-01T00:00:00Z"), 0);
    assert_int_equal(when("2026-11-22T09:30:00Z"), 1795339800 * S);
    assert_int_equal(when("2026-11-22t09:30:00z"), 1795339800 * S);
    assert_int_equal(when("2026-11-22 10:30:00+01:00"), 1795339800 * S);
    assert_int_equal(when("2026-11-22T04:00:00-05:30"), 1795339800 * S);
    assert_int_equal(when("2026-11-22T09:30:00.25Z"), 1795339800 * S + S / 4);
    assert_int_equal(when("2026-11-22T09:30:00.000000001Z"), 1795339800 * S + 1);
    assert_int_equal(when("1970-01-01T01:00:00+01:00"), 0);
    assert_int_equal(when("@0"), 0);
    assert_int_equal(when("@1795339800"), 1795339800 * S);
    assert_int_equal(when("@1795339800.5"), 1795339800 * S + S / 2);
    assert_int_equal(when("2500-12-31T23:59:59Z"), UINT64_C(16756761599) * S);
    assert_int_equal(when("@16756761599"), UINT64_C(16756761599) * S);
}

static void what_is_refused(void **state) {
    (void)state;
    const char *const bad[] = {"",
                               "@",
                               "@-1",
                               "@1.",
                               "@1x",
                               "@ 1",
                               "@16756761600",
                               "@99999999999999999999",
                               "now",
                               "1795339800",
                               "2026-11-22",
                               "2026-11-22T09:30",
                               "2026-11-22T09:30:00", /* whose time? */
                               "2026-11-22T09:30:00 Z",
                               "2026-11-22T09:30:00Zx",
                               "2026-11-22T09:30:00.Z",
                               "2026-11-22T09:30:00.0000000001Z",
                               "2026-11-22T09:30:00+0100",
                               "2026-11-22T09:30:00+24:00",
                               "2026-11-22T09:30:00+01:60",
                               "2026-1-22T09:30:00Z",
                               "2026-00-22T09:30:00Z",
                               "2026-13-22T09:30:00Z",
                               "2026-11-00T09:30:00Z",
                               "2026-11-31T09:30:00Z",
                               "2026-02-29T09:30:00Z",
                               "2100-02-29T09:30:00Z",
                               "2026-11-22T24:00:00Z",
                               "2026-11-22T09:60:00Z",
                               "2026-11-22T09:30:60Z",
                               "2501-01-01T00:00:00Z",
                               "1969-12-31T23:59:59Z",
                               "1970-01-01T00:59:59+01:00",
                               "0000-01-01T00:00:00Z"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (when(bad[i]) != UINT64_MAX)
            print_error("'%s' was read\n", bad[i]);
        assert_int_equal(when(bad[i]), UINT64_MAX);
    }
}

static void every_day_until_2500(void **state) {
    (void)state;
    for (uint64_t day = 0; day * 86400 <= UINT64_C(16756761599); day++) {
        char text[64];
        struct tm utc;
        time_t t = (time_t)(day * 86400 + day % 86400);
        gmtime_r(&t, &utc);
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
        assert_int_equal(when(text), (uint64_t)t * S);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(every_day_until_2500),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
