/* SPDX-License-Identifier: MIT */
/* What a process keeps of an exchange, when the shared memory misbehaves. */
#include "attached.h"
#include "exchange_fixture.h"

/* The version was seen, and is a lower one when the bindings are compiled: a table of the version that was seen never comes. */
static void a_version_that_goes_back_is_damage(void **state) {
    (void)state;
    rp_exchange *x = make_exchange(NULL);
    rp_publisher *p;
    succeeds(rp_publisher_open(x, NULL, &p));
    uint64_t version = bindings_version(&x->bindings);
    assert_int_equal(exchange_refresh(x, version), 0);
    assert_int_equal(exchange_refresh(x, version + 5), RP_CORRUPT);
    assert_int_equal(publish_text(p, "t", "x", NULL), 0);
    assert_int_equal(rp_exchange_bind(x, "t", "test.none", NULL), 0);
    assert_int_equal(publish_text(p, "t", "x", NULL), -ENOENT);
    rp_publisher_close(p);
    succeeds(rp_exchange_close(x));
}

int main(void) {
    const struct CMUnitTest tests[] = {EXCHANGE_TEST(a_version_that_goes_back_is_damage)};
    return cmocka_run_group_tests_name("exchange", tests, NULL, NULL);
}
