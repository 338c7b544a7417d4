/* SPDX-License-Identifier: MIT */
/* What was sent is read again: each once, in order, from files that are needed and such that are only kept. */
#include "replay_fixture.h"
#include <fcntl.h>
#include <ringpost/journal.h>

enum { A = 1 };

static rp_journal_reader *reader_from(const struct journal *x, uint64_t sequence) {
    rp_journal_reader *r = NULL;
    succeeds(rp_journal_reader_open(x->scratch.path, sequence, &r));
    return r;
}

/* Sequences as text, "4-6!" for those that are missing; then how it ends. */
static void reads_on(rp_journal_reader *r, const char *expected, int ends) {
    char text[1024] = "";
    struct rp_journal_message m;
    size_t length = 0;
    int result;
    while ((result = rp_journal_reader_next(r, &m)) == 0 || result == RP_LAPPED) {
        if (result == RP_LAPPED)
            length += (size_t)snprintf(text + length, sizeof text - length, "%llu-%llu! ", (unsigned long long)m.sequence,
                                       (unsigned long long)(m.sequence + m.missing - 1));
        else
            length += (size_t)snprintf(text + length, sizeof text - length, "%llu ", (unsigned long long)m.sequence);
        assert_true(length < sizeof text);
        if (result == 0) {
            assert_int_equal(m.id, m.sequence + 1);
            assert_int_equal(strtoull(m.data, NULL, 10), m.sequence);
            assert_int_equal(m.missing, 0);
        }
    }
    assert_string_equal(text, expected);
    assert_int_equal(result, ends);
    assert_int_equal(rp_journal_reader_next(r, &m), ends);
    rp_journal_reader_close(r);
}
static void reads(const struct journal *x, uint64_t from, const char *expected) {
    reads_on(reader_from(x, from), expected, RP_EMPTY);
}

static void messages(struct journal *x, uint64_t from, uint64_t to) {
    for (char text[24]; from <= to; from++) {
        snprintf(text, sizeof text, "%llu", (unsigned long long)from);
        add_message(x, from, A, text);
    }
}

static void begin_file(struct journal *x, uint64_t first) {
    next_file(x, first);
    struct record_groups g = {.next_id = 1, .next_sequence = first, .count = 1, .groups = {{.generation = 1, .name = "a"}}};
    add_groups(x, &g);
}

static void add_snapshot_end(struct journal *x, uint16_t ends) { (void)add(x, RECORD_SNAPSHOT, ends, 0, 0); }

static void drop(const struct journal *x, uint64_t number) { succeeds(journal_dir_drop(&x->dir, number)); }

static void settled_or_not(void **state) {
    (void)state;
    struct journal x;
    journal_begin(&x);
    reads(&x, 0, "");
    begin_file(&x, 1);
    commit(&x);
    reads(&x, 0, "");
    messages(&x, 1, 3);
    add_settled(&x, 1, A, A);
    commit(&x);
    rp_journal_reader *early = reader_from(&x, 0);
    struct rp_journal_message m;
    succeeds(rp_journal_reader_next(early, &m));
    begin_file(&x, 4);
    messages(&x, 4, 4);
    messages(&x, 6, 7);
    commit(&x);
    reads(&x, 0, "1 2 3 4 6 7 ");
    reads(&x, 3, "3 4 6 7 ");
    reads(&x, 5, "6 7 ");
    reads(&x, 8, "");
    reads_on(early, "2 3 4 6 7 ", RP_EMPTY); /* also what came since it was opened */
    journal_end(&x);
}

/* A snapshot says most things again; after a sync that failed also what no file has said, in no order. */
static void each_once_in_order(void **state) {
    (void)state;
    struct journal x;
    journal_begin(&x);
    begin_file(&x, 1);
    messages(&x, 1, 3);
    begin_file(&x, 7); /* 4 to 6 were in the file before, behind its end */
    add_snapshot_end(&x, 0);
    messages(&x, 6, 6); /* who writes this dies */
    add_snapshot_end(&x, 0);
    messages(&x, 5, 6);
    messages(&x, 2, 2);
    messages(&x, 4, 4);
    commit(&x);
    reads(&x, 0, "1 2 3 4 5 6 ");
    begin_file(&x, 7);
    messages(&x, 3, 3);
    add_snapshot_end(&x, 1);
    messages(&x, 7, 8);
    messages(&x, 7, 7);
    commit(&x);
    reads(&x, 0, "1 2 3 4 5 6 7 8 ");
    reads(&x, 5, "5 6 7 8 ");
    journal_end(&x);
}

static void files_that_are_gone(void **state) {
    (void)state;
    struct journal x;
    journal_begin(&x);
    for (uint64_t first = 1; first <= 10; first += 3) {
        begin_file(&x, first);
        messages(&x, first, first + 2);
        commit(&x);
    }
    x.needed = 4;
    begin_file(&x, 13);
    commit(&x);
    rp_journal_reader *r = reader_from(&x, 0), *other = reader_from(&x, 0);
    struct rp_journal_message m;
    succeeds(rp_journal_reader_next(r, &m));
    succeeds(rp_journal_reader_next(other, &m));
    drop(&x, 1);
    drop(&x, 2);
    reads_on(r, "2 3 4 5 6 7 8 9 10 11 12 ", RP_EMPTY); /* the next one was open, too */
    drop(&x, 3);
    reads_on(other, "2 3 4 5 6 7-9! 10 11 12 ", RP_EMPTY);
    reads(&x, 0, "10 11 12 "); /* what is not there from the begin is not missing */
    reads(&x, 8, "8-9! 10 11 12 ");
    reads(&x, 10, "10 11 12 ");
    rp_queue *q = bring_back_queue(&x); /* which has nothing to do with what is gone */
    has(q, "a", "10 11 12 ");
    drop_queue(q);
    journal_end(&x);
}

static void harm(const struct journal *x, uint64_t number, off_t at) {
    char name[128];
    snprintf(name, sizeof name, "%s/%016llx.journal", x->scratch.path, (unsigned long long)number);
    int fd = open(name, O_WRONLY);
    assert_true(fd >= 0 && pwrite(fd, "?", 1, at) == 1);
    close(fd);
}

static void damage(void **state) {
    (void)state;
    struct journal x;
    struct rp_journal_summary summary;
    journal_begin(&x);
    begin_file(&x, 1);
    messages(&x, 1, 2);
    commit(&x);
    messages(&x, 3, 4);
    commit(&x);
    x.needed = 1;
    begin_file(&x, 5);
    messages(&x, 5, 6);
    commit(&x);
    x.needed = 2;
    begin_file(&x, 7);
    messages(&x, 7, 8);
    commit(&x);
    harm(&x, 1, 4096 + 4 * 512 + 200);
    reads_on(reader_from(&x, 0), "1 2 3 4 5 6 7 8 ", RP_EMPTY); /* where nothing is */
    harm(&x, 1, 4096 + 512 + 200);
    rp_journal_reader *r = reader_from(&x, 0);
    reads_on(r, "1 2 ", RP_CORRUPT);
    assert_non_null(strstr(rp_error_detail(), "file 0000000000000001 is damaged at byte 4608, after sequence 2"));
    reads(&x, 5, "5 6 7 8 ");
    succeeds(rp_journal_verify(x.scratch.path, NULL, NULL, &summary));
    assert_int_equal(summary.state, RP_JOURNAL_DAMAGED);
    assert_int_equal(summary.kept_files, 1);
    assert_int_equal(summary.kept_bytes, JOURNAL_FILE);
    struct rp_journal_repair repair;
    succeeds(rp_journal_repair(x.scratch.path, 0, &repair));
    assert_int_equal(repair.state, RP_JOURNAL_WHOLE); /* for who starts */
    rp_queue *q = bring_back_queue(&x);
    has(q, "a", "5 6 7 8 ");
    drop_queue(q);
    journal_end(&x);
}

/* Records of what became of messages have other sequences, or none: the file that repair makes begins behind the messages. */
static void what_repair_says(void **state) {
    (void)state;
    struct journal x;
    struct journal_file made;
    struct rp_journal_repair repair;
    journal_begin(&x);
    begin_file(&x, 1);
    messages(&x, 1, 5);
    add_settled(&x, 1, 1, 0);
    commit(&x);
    const uint64_t behind = x.at.unit * JOURNAL_UNIT_BYTES;
    messages(&x, 6, 7);
    commit(&x);
    messages(&x, 8, 9);
    commit(&x);
    harm(&x, 1, (off_t)behind + 200);
    succeeds(rp_journal_repair(x.scratch.path, 0, &repair));
    assert_int_equal(repair.state, RP_JOURNAL_DAMAGED);
    assert_int_equal(repair.last_sequence, 5);
    succeeds(journal_file_open(&x.dir, 2, JOURNAL_READ, &made));
    assert_int_equal(made.first_sequence, 6);
    journal_file_close(&made);
    reads(&x, 3, "3 4 5 ");
    journal_end(&x);
}

/* There is no number behind it. */
static void the_last_number(void **state) {
    (void)state;
    struct journal x;
    struct rp_journal_message m;
    rp_journal_reader *r;
    journal_begin(&x);
    struct journal_file first, last;
    struct journal_file_options o = {.number = UINT64_MAX - 1, .first_sequence = 1, .bytes = JOURNAL_FILE};
    succeeds(journal_file_create(&x.dir, &o, JOURNAL_WRITE, &first));
    struct journal_point end = journal_file_begin(&first);
    journal_file_close(&first);
    o.number = UINT64_MAX;
    o.previous = &end;
    assert_int_equal(journal_file_create(&x.dir, &o, JOURNAL_WRITE, &last), RP_CORRUPT); /* it is there all the same */
    succeeds(rp_journal_reader_open(x.scratch.path, 0, &r));
    assert_int_equal(rp_journal_reader_next(r, &m), RP_CORRUPT);
    rp_journal_reader_close(r);
    journal_end(&x);
}

/* The last file says which ones must be there. */
static void a_file_that_is_needed_is_missing(void **state) {
    (void)state;
    struct journal x;
    rp_queue *q = NULL;
    journal_begin(&x);
    for (uint64_t first = 1; first <= 5; first += 2) {
        x.needed = first == 5 ? 2 : 1;
        begin_file(&x, first);
        messages(&x, first, first + 1);
        commit(&x);
    }
    drop(&x, 1);
    drop(&x, 2);
    struct rp_queue_options o = durable_options(&x);
    assert_int_equal(rp_queue_create(queue_name, &o, &q), RP_CORRUPT);
    assert_non_null(strstr(rp_error_detail(), "file 0000000000000002 is damaged"));
    journal_end(&x);
}

/* Somebody was stopped before he gave it its name, and it was made, filled and dropped by others meanwhile. */
static void a_file_that_came_too_late(void **state) {
    (void)state;
    struct journal x;
    struct rp_journal_summary summary;
    journal_begin(&x);
    for (uint64_t first = 1; first <= 7; first += 2) {
        x.needed = first == 7 ? 3 : 1;
        begin_file(&x, first);
        messages(&x, first, first + 1);
        commit(&x);
    }
    drop(&x, 1);
    drop(&x, 2);
    const struct journal_point end = {.unit = 12};
    struct journal_file late;
    struct journal_file_options o = {
        .number = 2, .first_sequence = 3, .bytes = JOURNAL_FILE, .previous = &end, .needed = 1, .now_ns = 1};
    succeeds(journal_file_create(&x.dir, &o, JOURNAL_WRITE, &late));
    journal_file_close(&late);
    reads(&x, 0, "5 6 7 8 ");
    drop(&x, 2);
    o.number = 1;
    succeeds(journal_file_create(&x.dir, &o, JOURNAL_WRITE, &late));
    journal_file_close(&late);
    reads(&x, 0, "5 6 7 8 ");
    succeeds(rp_journal_verify(x.scratch.path, NULL, NULL, &summary));
    assert_int_equal(summary.state, RP_JOURNAL_WHOLE);
    rp_queue *q = bring_back_queue(&x);
    has(q, "a", "5 6 7 8 ");
    drop_queue(q);
    journal_end(&x);
}

static void what_a_message_has(void **state) {
    (void)state;
    static const unsigned char headers[] = {1, 0, 1, 0, 'x', 0, 'v', 0};
    struct journal x;
    struct rp_journal_message m;
    journal_begin(&x);
    begin_file(&x, 1);
    add_full_message(&x, 1,
                     &(struct record_message){.id = 9,
                                              .sent_ns = 5,
                                              .due_ns = 7,
                                              .expires_ns = 8,
                                              .flags = RP_DUMP_KEYED | RP_DUMP_WAITING | RP_DUMP_SCHEDULED | RP_DUMP_EXPIRES,
                                              .key = (const unsigned char *)"key",
                                              .key_bytes = 3,
                                              .data = (const unsigned char *)"text",
                                              .bytes = 4,
                                              .headers = headers,
                                              .header_bytes = sizeof headers});
    commit(&x);
    rp_journal_reader *r = reader_from(&x, 0);
    succeeds(rp_journal_reader_next(r, &m));
    assert_true(m.sequence == 1 && m.id == 9 && m.sent_ns == 5 && m.due_ns == 7 && m.expires_ns == 8 && m.file == 1 && m.at > 4096);
    assert_true(m.bytes == 4 && memcmp(m.data, "text", 4) == 0 && m.key_bytes == 3 && memcmp(m.key, "key", 3) == 0);
    assert_string_equal(rp_headers_get(&m.headers, "x"), "v");
    reads_on(r, "", RP_EMPTY);
    assert_int_equal(rp_journal_reader_open("/nowhere/at/all", 0, &r), -ENOENT);
    assert_int_equal(rp_journal_reader_open(NULL, 0, &r), -EINVAL);
    rp_journal_reader_close(NULL);
    journal_end(&x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        REPLAY_TEST(settled_or_not),
        REPLAY_TEST(each_once_in_order),
        REPLAY_TEST(files_that_are_gone),
        REPLAY_TEST(damage),
        REPLAY_TEST(what_repair_says),
        REPLAY_TEST(the_last_number),
        REPLAY_TEST(a_file_that_is_needed_is_missing),
        REPLAY_TEST(a_file_that_came_too_late),
        REPLAY_TEST(what_a_message_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
