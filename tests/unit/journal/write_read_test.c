/* SPDX-License-Identifier: MIT */
/* What was written is read, over files, in every mode. */
#include "journal_fixture.h"

static void an_empty_journal_has_an_end(void **state) {
    (void)state;
    struct journal_fixture x;
    struct journal_stop stop;
    fixture_open(&x);
    assert_int_equal(fixture_read(&x, 0, 1, &stop), JOURNAL_END);
    assert_int_equal(stop.end_file, 0);
    fixture_next_file(&x, JOURNAL_WRITE);
    assert_int_equal(fixture_read(&x, 0, 1, &stop), JOURNAL_END);
    assert_int_equal(stop.end_file, 1);
    assert_int_equal(stop.end.unit, JOURNAL_HEAD_UNITS);
    assert_memory_equal(&stop.end, &x.at, sizeof x.at);
    fixture_close(&x);
}

static void write_read(enum journal_mode mode) {
    struct journal_fixture x;
    struct journal_stop stop;
    fixture_open(&x);
    fixture_next_file(&x, mode);
    for (int i = 0; i < 200; i++) {
        if (fixture_write(&x, i % 9) == RP_FULL) {
            fixture_next_file(&x, mode);
            succeeds(fixture_write(&x, i % 9));
        }
        if (i == 60)
            succeeds(journal_file_prepare(&x.d, FIXTURE_FILE_BYTES, JOURNAL_WRITE));
        if (i == 150) /* before it is full */
            fixture_next_file(&x, mode);
    }
    assert_true(x.f.number > 3);
    assert_int_equal(fixture_read(&x, 0, 1, &stop), JOURNAL_END);
    assert_int_equal(stop.sequence, x.sequence);
    assert_int_equal(stop.records, x.sequence);
    assert_int_equal(stop.end_file, x.f.number);
    assert_int_equal(stop.end.unit, x.at.unit);
    assert_int_equal(stop.end.chain, x.at.chain);
    assert_int_equal(stop.end.ordinal, x.at.ordinal);

    struct journal_file third;
    succeeds(journal_file_open(&x.d, 3, JOURNAL_READ, &third));
    journal_file_close(&third);
    assert_int_equal(fixture_read(&x, 3, third.first_sequence, &stop), JOURNAL_END);
    succeeds(journal_dir_drop(&x.d, 1));
    succeeds(journal_dir_drop(&x.d, 2));
    assert_int_equal(journal_dir_drop(&x.d, 2), -ENOENT);
    assert_int_equal(fixture_read(&x, 0, third.first_sequence, &stop), JOURNAL_END);
    assert_int_equal(journal_dir_collect(&x.d), 0);
    fixture_close(&x);
}

static void buffered(void **state) {
    (void)state;
    write_read(JOURNAL_WRITE);
}
static void direct(void **state) {
    (void)state;
    write_read(JOURNAL_DIRECT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_journal_has_an_end),
        cmocka_unit_test(buffered),
        cmocka_unit_test(direct),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
