/* SPDX-License-Identifier: MIT */
#include "error.h"

#include "check.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

static void our_codes_have_name_and_text(void **state) {
    (void)state;
#define CHECK(name, value, text)                     \
    assert_int_equal(name, value);                   \
    assert_string_equal(rp_error_name(name), #name); \
    assert_string_equal(rp_error_text(name), text);
    RP_ERROR_TABLE(CHECK)
#undef CHECK
}

static void other_results_are_explained_too(void **state) {
    (void)state;
    assert_string_equal(rp_error_name(0), "OK");
    assert_string_equal(rp_error_name(INT_MAX), "OK");
    assert_string_equal(rp_error_text(7), "success");
    assert_string_equal(rp_error_name(-ENOENT), "ENOENT");
    assert_string_equal(rp_error_text(-ENOENT), strerror(ENOENT));
    static const int unknown[] = {-4095, -5000, INT_MIN};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        assert_string_equal(rp_error_name(unknown[i]), "unknown");
        assert_non_null(rp_error_text(unknown[i]));
    }
}

static void *read_detail(void *copy) {
    strcpy(copy, rp_error_detail());
    return NULL;
}

static void detail_is_the_threads_own(void **state) {
    (void)state;
    char other[256] = "unset";
    pthread_t thread;
    assert_int_equal(fail(RP_FULL, "queue '%s': %d messages", "orders", 7), RP_FULL);
    assert_string_equal(rp_error_detail(), "queue 'orders': 7 messages");
    assert_int_equal(pthread_create(&thread, NULL, read_detail, other), 0);
    pthread_join(thread, NULL);
    assert_string_equal(other, "");
}

static void long_detail_is_cut(void **state) {
    (void)state;
    fail(-EINVAL, "%300s", "x");
    assert_int_equal(strlen(rp_error_detail()), 255);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_codes_have_name_and_text),
        cmocka_unit_test(other_results_are_explained_too),
        cmocka_unit_test(detail_is_the_threads_own),
        cmocka_unit_test(long_detail_is_cut),
    };
    return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
