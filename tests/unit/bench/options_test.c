/* SPDX-License-Identifier: MIT */
/* Values of the flags of `ringpost bench`. */
#include "options.h"

#include "check.h"

const struct peer_entry peer_entries[] = {{0}};

static uint64_t interval(const char *text) {
    uint64_t ns = 0;
    return options_parse_rate(text, &ns) ? ns : 0;
}

static void rates(void **state) {
    (void)state;
    assert_int_equal(interval("1/s"), 1000000000);
    assert_int_equal(interval("100000/s"), 10000);
    assert_int_equal(interval("100k/s"), 10000);
    assert_int_equal(interval("2M/s"), 500);
    assert_int_equal(interval("100M/s"), 10);
    static const char *const bad[] = {
        "", "0/s", "/s", "k/s", "10", "10/m", "10 /s", "-1/s", "1k", "1kk/s", "101M/s", "1e3/s", "99999999999999999999/s", "10/s "};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(interval(bad[i]), 0);
    }
}

static void lists_of_numbers(void **state) {
    (void)state;
    struct numbers n = {0};
    assert_true(options_parse_numbers("8", &n));
    assert_true(n.count == 1 && n.value[0] == 8);
    assert_true(options_parse_numbers("1,16,256", &n));
    assert_true(n.count == 3 && n.value[0] == 1 && n.value[1] == 16 && n.value[2] == 256);
    static const char *const bad[] = {
        "", ",", "1,", ",1", "1,,2", "0", "1,0", "-1", "1;2", "1, 2", "x", "1x", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(options_parse_numbers(bad[i], &n));
    }
    assert_true(options_parse_numbers("1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16", &n));
}

static void tolerances(void **state) {
    (void)state;
    double t = -1;
    assert_true(options_parse_tolerance("10%", &t) && t == 0.1);
    assert_true(options_parse_tolerance("2.5%", &t) && t == 0.025);
    assert_true(options_parse_tolerance("0", &t) && t == 0);
    static const char *const bad[] = {"", "%", "-1%", "10%%", "ten", "1e9", "nan%"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(options_parse_tolerance(bad[i], &t));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(rates), cmocka_unit_test(lists_of_numbers), cmocka_unit_test(tolerances)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
