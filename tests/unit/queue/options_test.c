/* SPDX-License-Identifier: MIT */
/* Option structs of programs that are older or newer than the library. */
#include "options.h"

#include "check.h"

#include <errno.h>
#include <ringpost/error.h>
#include <string.h>

struct known {
    size_t size;
    uint64_t first;
    uint64_t second;
};
struct older {
    size_t size;
    uint64_t first;
};
struct newer {
    struct known known;
    uint64_t third;
};

static const struct known defaults = {.size = sizeof defaults, .first = 1, .second = 2};

static int take(struct known *into, const void *given) {
    *into = defaults;
    return options_take(into, sizeof *into, given, "rp_test_options");
}

static void filled_for_any_size(void **state) {
    (void)state;
    struct known k;
    struct {
        struct older o;
        uint64_t guard;
    } older = {.guard = 77};
    struct newer n;
    options_fill(&k, sizeof k, &defaults, sizeof defaults);
    assert_memory_equal(&k, &defaults, sizeof k);
    options_fill(&older.o, sizeof older.o, &defaults, sizeof defaults);
    assert_int_equal(older.o.size, sizeof older.o);
    assert_int_equal(older.o.first, 1);
    assert_int_equal(older.guard, 77);
    memset(&n, 0xff, sizeof n);
    options_fill(&n, sizeof n, &defaults, sizeof defaults);
    assert_int_equal(n.known.size, sizeof n);
    assert_int_equal(n.known.second, 2);
    assert_int_equal(n.third, 0);
    options_fill(NULL, sizeof n, &defaults, sizeof defaults);
    memset(&k, 0xee, sizeof k);
    struct known untouched = k;
    options_fill(&k, 3, &defaults, sizeof defaults);
    assert_memory_equal(&k, &untouched, sizeof k);
}

static void taken_from_any_size(void **state) {
    (void)state;
    struct known k;
    struct older o = {.size = sizeof o, .first = 10};
    struct newer n = {.known = {.size = sizeof n, .first = 11, .second = 0}};
    assert_int_equal(take(&k, NULL), 0);
    assert_memory_equal(&k, &defaults, sizeof k);
    assert_int_equal(take(&k, &o), 0);
    assert_int_equal(k.size, sizeof k);
    assert_int_equal(k.first, 10);
    assert_int_equal(k.second, 2); /* it did not know it: the default */
    assert_int_equal(take(&k, &n), 0);
    assert_int_equal(k.first, 11);
    assert_int_equal(k.second, 0); /* what it says is what it means */
}

static void what_is_not_known_is_refused(void **state) {
    (void)state;
    struct known k, bad = defaults;
    struct newer n = {.known = {.size = sizeof n}, .third = UINT64_C(1) << 56};
    assert_int_equal(take(&k, &n), -E2BIG);
    assert_non_null(strstr(rp_error_detail(), "rp_test_options"));
    const size_t sizes[] = {0, 1, 7, 65537, SIZE_MAX};
    for (size_t i = 0; i < 5; i++) {
        bad.size = sizes[i];
        assert_int_equal(take(&k, &bad), -EINVAL);
        assert_non_null(strstr(rp_error_detail(), "rp_test_options"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filled_for_any_size),
        cmocka_unit_test(taken_from_any_size),
        cmocka_unit_test(what_is_not_known_is_refused),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
