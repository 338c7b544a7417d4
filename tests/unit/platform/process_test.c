/* SPDX-License-Identifier: MIT */
#include "process.h"

#include "check.h"
#include "peer.h"

#include <string.h>

static void name_is_the_executables(void **state) {
    (void)state;
    char name[16], path[4096] = "", *base;
    memset(name, 'x', sizeof name);
    process_name(name);
    assert_true(readlink("/proc/self/exe", path, sizeof path - 1) > 0);
    base = strrchr(path, '/') + 1;
    assert_int_equal(name[15], 0);
    assert_int_equal(strncmp(name, base, 15), 0);
}

static void short_name_is_filled_with_zeros(void **state) {
    (void)state;
    char name[16], zeros[16] = "";
    memset(name, 'x', sizeof name);
    process_name(name);
    size_t bytes = strlen(name);
    assert_memory_equal(name + bytes, zeros, sizeof name - bytes);
}

static void boot_and_time_namespace_are_stable(void **state) {
    (void)state;
    assert_true(process_boot_id() != 0);
    assert_true(process_boot_id() == process_boot_id());
    assert_true(process_time_namespace() == process_time_namespace());
    assert_int_equal(process_pid(), getpid());
}

static void random_words_differ(void **state) {
    (void)state;
    uint64_t seen[64], ones = 0;
    for (size_t i = 0; i < 64; i++) {
        seen[i] = process_random();
        ones += (uint64_t)__builtin_popcountll(seen[i]);
        for (size_t j = 0; j < i; j++)
            assert_true(seen[i] != seen[j]);
    }
    assert_in_range(ones, 64 * 32 - 320, 64 * 32 + 320); /* ten standard deviations */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(name_is_the_executables),
        cmocka_unit_test(short_name_is_filled_with_zeros),
        cmocka_unit_test(boot_and_time_namespace_are_stable),
        cmocka_unit_test(random_words_differ),
    };
    return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
