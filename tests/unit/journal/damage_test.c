/* SPDX-License-Identifier: MIT */
/* What a reader, verify and repair say of files that are not as they were. */
#include "file.h"
#include "journal_fixture.h"
#include "journal_verify.h"

/* Three files of three batches. */
static void begin(struct journal_fixture *x) {
    fixture_open(x);
    for (int i = 0; i < 3; i++) {
        fixture_next_file(x, JOURNAL_WRITE);
        for (int k = 0; k < 3; k++)
            succeeds(fixture_write(x, 5));
    }
}

static int open_file(const struct journal_fixture *x, uint64_t number) {
    char name[JOURNAL_NAME_MAX];
    journal_file_name(number, name);
    int fd = file_open(x->d.fd, name, FILE_WRITE);
    assert_true(fd >= 0);
    return fd;
}

static void flip(const struct journal_fixture *x, uint64_t number, uint64_t at) {
    unsigned char byte;
    int fd = open_file(x, number);
    assert_int_equal(journal_read_all(fd, &byte, 1, at), 0);
    byte ^= 1;
    assert_int_equal(journal_write_all(fd, &byte, 1, at), 0);
    file_close(fd);
}

static int keep_report(void *context, const struct journal_file_report *file) {
    struct journal_file_report *reports = context;
    reports[file->number] = *file;
    return 0;
}

static void damage_in_the_middle_is_found_and_repaired(void **state) {
    (void)state;
    struct journal_fixture x;
    struct journal_stop stop;
    struct journal_file_report files[5] = {{0}};
    struct journal_repair_report repair;
    int asked;
    begin(&x);
    assert_int_equal(journal_verify(&x.d, keep_report, files, &asked), JOURNAL_END);
    assert_int_equal(files[2].records, 15);
    assert_int_equal(files[2].first_sequence, 16);
    assert_int_equal(files[2].last_sequence, 30);
    assert_int_equal(files[2].bytes, FIXTURE_FILE_BYTES);
    assert_true(files[2].sealed && !files[3].sealed);

    flip(&x, 2, JOURNAL_HEAD_BYTES + 200);
    assert_int_equal(fixture_read(&x, 0, 1, &stop), JOURNAL_DAMAGED);
    assert_int_equal(stop.sequence, 15);
    assert_int_equal(stop.file, 2);
    assert_int_equal(stop.at, JOURNAL_HEAD_BYTES);
    assert_non_null(strstr(rp_error_detail(), "after sequence 15: the checksum of the batch's records is wrong"));
    assert_int_equal(journal_verify(&x.d, keep_report, files, &asked), JOURNAL_DAMAGED);
    assert_int_equal(files[2].records, 0);
    assert_int_equal(files[2].lost_batches, 3);
    assert_int_equal(files[2].lost_records, 15);
    assert_int_equal(files[3].records, 15);
    assert_int_equal(files[3].outcome, JOURNAL_END);

    assert_int_equal(journal_repair(&x.d, true, &repair), JOURNAL_DAMAGED);
    assert_int_equal(repair.files_aside, 1);
    assert_int_equal(repair.lost_records, 30);
    assert_int_equal(fixture_read(&x, 0, 1, &stop), JOURNAL_DAMAGED);
    assert_int_equal(journal_repair(&x.d, false, &repair), JOURNAL_DAMAGED);
    assert_int_equal(fixture_read(&x, 0, 1, &stop), JOURNAL_END);
    assert_int_equal(stop.sequence, 15);
    assert_int_equal(stop.end_file, 3);
    assert_int_equal(journal_repair(&x.d, false, &repair), JOURNAL_END);
    assert_int_equal(faccessat(x.d.fd, "0000000000000002.damaged", F_OK, 0), 0);
    assert_int_equal(faccessat(x.d.fd, "0000000000000003.damaged", F_OK, 0), 0);
    fixture_close(&x);
}

static void a_file_that_is_missing_is_damage(void **state) {
    (void)state;
    struct journal_fixture x;
    struct journal_stop stop;
    begin(&x);
    assert_int_equal(file_remove(x.d.fd, "0000000000000002.journal"), 0);
    assert_int_equal(fixture_read(&x, 0, 1, &stop), JOURNAL_DAMAGED);
    assert_int_equal(stop.file, 2);
    assert_int_equal(stop.end_file, 1);
    assert_int_equal(stop.sequence, 15);
    assert_string_equal(stop.why, "the file is missing");
    struct journal_reader *r;
    assert_int_equal(journal_reader_open(&r, &x.d, 2), -ENOENT);
    fixture_close(&x);
}

/* Whatever of the end is not there: nothing says that it was. */
static void the_end_may_be_torn(void **state) {
    (void)state;
    struct journal_fixture x;
    struct journal_stop stop;
    begin(&x);
    uint64_t last = x.at.unit * JOURNAL_UNIT_BYTES - JOURNAL_UNIT_BYTES;
    flip(&x, 3, last);
    assert_int_equal(fixture_read(&x, 0, 1, &stop), JOURNAL_TORN);
    assert_int_equal(stop.sequence, 40);
    flip(&x, 3, last);
    succeeds(fixture_write(&x, 0)); /* this says it */
    flip(&x, 3, last);
    assert_int_equal(fixture_read(&x, 0, 1, &stop), JOURNAL_DAMAGED);
    assert_int_equal(stop.sequence, 40);
    fixture_close(&x);
}

static void a_newer_version_is_not_damage(void **state) {
    (void)state;
    struct journal_fixture x;
    struct journal_reader *r;
    struct journal_record m;
    unsigned char head[JOURNAL_HEAD_BYTES];
    begin(&x);
    int fd = open_file(&x, 3), result;
    assert_int_equal(journal_read_all(fd, head, sizeof head, 0), 0);
    put32(head + HEAD_VERSION, JOURNAL_VERSION + 1);
    put64(head + FILE_CHECK, journal_check(head, FILE_CHECK, 0));
    assert_int_equal(journal_write_all(fd, head, sizeof head, 0), 0);
    file_close(fd);
    succeeds(journal_reader_open(&r, &x.d, 0));
    while ((result = journal_reader_next(r, &m)) == JOURNAL_RECORD)
        ;
    assert_int_equal(result, RP_INCOMPATIBLE);
    journal_reader_close(r);
    fixture_close(&x);
}

static void no_batch_goes_where_none_can_be(void **state) {
    (void)state;
    struct journal_fixture x;
    struct journal_batch b;
    begin(&x);
    const uint64_t places[] = {0, JOURNAL_HEAD_UNITS - 1, FIXTURE_FILE_BYTES / JOURNAL_UNIT_BYTES, UINT64_MAX, UINT64_MAX / 2 + 9};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        struct journal_point at = x.at;
        at.unit = places[i];
        journal_batch_begin(&b, x.buffer, FIXTURE_ROOM);
        assert_non_null(journal_batch_add(&b, 0, 0, 0, 10));
        int result = journal_file_write(&x.f, &at, &b);
        assert_true(result == -EINVAL || result == RP_FULL);
        assert_int_equal(at.unit, places[i]);
    }
    assert_int_equal(journal_file_room(&x.f, &x.at), FIXTURE_FILE_BYTES - x.at.unit * JOURNAL_UNIT_BYTES);
    journal_batch_begin(&b, x.buffer, JOURNAL_BLOCK_BYTES);
    assert_null(journal_batch_add(&b, 0, 0, 0, JOURNAL_BLOCK_BYTES - JOURNAL_BATCH_HEAD_BYTES - JOURNAL_RECORD_HEAD_BYTES + 1));
    assert_non_null(journal_batch_add(&b, 0, 0, 0, JOURNAL_BLOCK_BYTES - JOURNAL_BATCH_HEAD_BYTES - JOURNAL_RECORD_HEAD_BYTES));
    assert_null(journal_batch_add(&b, 0, 0, 0, 0));
    assert_null(journal_batch_add(&b, 0, 0, 0, SIZE_MAX));
    struct journal_stop stop;
    assert_int_equal(fixture_read(&x, 0, 1, &stop), JOURNAL_END);
    struct journal_file_options o = {.number = 0, .first_sequence = 1, .bytes = FIXTURE_FILE_BYTES, .previous = NULL};
    struct journal_file f;
    assert_int_equal(journal_file_create(&x.d, &o, JOURNAL_WRITE, &f), -EINVAL);
    o.number = 3;
    assert_int_equal(journal_file_create(&x.d, &o, JOURNAL_WRITE, &f), -EEXIST);
    o.bytes = JOURNAL_BLOCK_BYTES;
    assert_int_equal(journal_file_create(&x.d, &o, JOURNAL_WRITE, &f), -EINVAL);
    fixture_close(&x);
}

/* Larger than what a reader has in memory at a time. */
static void a_record_may_be_large(void **state) {
    (void)state;
    enum { LARGE = 5 << 20, ROOM = 6 << 20 };
    struct journal_fixture x;
    struct journal_batch b;
    struct journal_reader *r;
    struct journal_record m;
    fixture_open(&x);
    struct journal_file_options o = {.number = 1, .first_sequence = 1, .bytes = 16 << 20, .previous = NULL};
    succeeds(journal_file_create(&x.d, &o, JOURNAL_DIRECT, &x.f));
    x.at = journal_file_begin(&x.f);
    unsigned char *buffer = aligned_alloc(JOURNAL_BLOCK_BYTES, ROOM);
    assert_non_null(buffer);
    for (uint64_t i = 1; i <= 3; i++) {
        journal_batch_begin(&b, buffer, ROOM);
        memset(journal_batch_add(&b, 1, 1, i, i == 2 ? LARGE : 10), (int)i, i == 2 ? LARGE : 10);
        succeeds(journal_file_write(&x.f, &x.at, &b));
    }
    free(buffer);
    succeeds(journal_reader_open(&r, &x.d, 1));
    for (uint64_t i = 1; i <= 3; i++) {
        assert_int_equal(journal_reader_next(r, &m), JOURNAL_RECORD);
        assert_int_equal(m.sequence, i);
        assert_int_equal(m.bytes, i == 2 ? LARGE : 10);
        assert_int_equal(((const unsigned char *)m.payload)[m.bytes - 1], i);
    }
    assert_int_equal(journal_reader_next(r, &m), JOURNAL_END);
    journal_reader_close(r);
    fixture_close(&x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damage_in_the_middle_is_found_and_repaired),
        cmocka_unit_test(a_file_that_is_missing_is_damage),
        cmocka_unit_test(the_end_may_be_torn),
        cmocka_unit_test(a_newer_version_is_not_damage),
        cmocka_unit_test(no_batch_goes_where_none_can_be),
        cmocka_unit_test(a_record_may_be_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
