/* SPDX-License-Identifier: MIT */
/* Messages as who feeds a group reads them, beside a queue that writes; and what files say of such groups. */
#include "durable_history.h"
#include "replay_fixture.h"

enum { A = 1 };

static struct journal x;
static struct durable_history *h;

static void begin_file(uint64_t first) {
    next_file(&x, first);
    struct record_groups g = {.next_id = 1, .next_sequence = first, .count = 1, .groups = {{.generation = 1, .name = "a"}}};
    add_groups(&x, &g);
}

static void messages(uint64_t from, uint64_t to) {
    for (; from <= to; from++)
        add_message(&x, from, A, "text");
    commit(&x);
}

/* All that is there now, as text, "4-6!" for what is missing. */
static void reads(const char *expected, int ends) {
    struct journal_record r;
    struct history_gap gap;
    char text[256] = "";
    int result;
    while ((result = history_next(h, &r, &gap)) == 0 || result == RP_LAPPED) {
        size_t length = strlen(text);
        if (result == 0)
            snprintf(text + length, sizeof text - length, "%llu ", (unsigned long long)r.sequence);
        else
            snprintf(text + length, sizeof text - length, "%llu-%llu! ", (unsigned long long)gap.from,
                     (unsigned long long)(gap.from + gap.count - 1));
    }
    assert_string_equal(text, expected);
    assert_int_equal(result, ends);
}

static void begin(uint64_t from) {
    journal_begin(&x);
    begin_file(1);
    messages(1, 3);
    succeeds(history_open(&h, x.scratch.path, x.dir.id, from, true));
}
static void end(void) {
    history_close(h);
    journal_end(&x);
}

static void follows(void **state) {
    (void)state;
    uint64_t file, unit, before;
    begin(2);
    reads("2 3 ", RP_EMPTY);
    reads("", RP_EMPTY);
    history_place(h, &file, &before);
    assert_int_equal(file, 1);
    messages(4, 5);
    reads("4 5 ", RP_EMPTY);
    history_place(h, &file, &unit);
    assert_true(file == 1 && unit > before);
    begin_file(6);
    reads("", RP_EMPTY); /* a file without a batch */
    messages(6, 6);
    reads("6 ", RP_EMPTY);
    history_place(h, &file, &unit);
    assert_int_equal(file, 2);
    end();
}

/* Its end comes later: so do those that were lost, in order, and before what is new. */
static void waits_for_the_snapshots_end(void **state) {
    (void)state;
    begin(1);
    reads("1 2 3 ", RP_EMPTY);
    begin_file(7); /* 4 to 6 were in the file before, behind its end */
    add_snapshot(&x, false);
    messages(6, 6);
    reads("", RP_EMPTY);
    messages(2, 2);
    messages(4, 4);
    reads("", RP_EMPTY);
    add_snapshot(&x, true);
    messages(7, 7);
    reads("4 6 7 ", RP_EMPTY);
    messages(8, 8);
    reads("8 ", RP_EMPTY);
    end();
}

/* Who begins it anew says them again. */
static void one_that_is_begun_anew(void **state) {
    (void)state;
    begin(1);
    reads("1 2 3 ", RP_EMPTY);
    begin_file(6);
    add_snapshot(&x, false);
    messages(5, 5);
    reads("", RP_EMPTY);
    add_snapshot(&x, false);
    messages(4, 5);
    add_snapshot(&x, true);
    commit(&x);
    reads("4 5 ", RP_EMPTY);
    end();
}

static void another_journal(void **state) {
    (void)state;
    unsigned char other[sizeof x.dir.id];
    struct durable_history *none = NULL;
    begin(1);
    memcpy(other, x.dir.id, sizeof other);
    other[3] ^= 1;
    assert_int_equal(history_open(&none, x.scratch.path, other, 1, true), -ESTALE);
    assert_non_null(strstr(rp_error_detail(), x.scratch.path));
    assert_int_equal(history_open(&none, "/nowhere/at/all", NULL, 1, true), -ENOENT);
    assert_null(none);
    end();
}

static void says_what_went(void **state) {
    (void)state;
    begin(1);
    for (uint64_t first = 4; first < 13; first += 3) {
        begin_file(first);
        messages(first, first + 2);
    }
    x.needed = 4;
    begin_file(13);
    messages(13, 13);
    struct journal_record r;
    struct history_gap gap;
    succeeds(history_next(h, &r, &gap));
    for (uint64_t number = 1; number < 4; number++)
        succeeds(journal_dir_drop(&x.dir, number));
    reads("2 3 4 5 6 7-9! 10 11 12 13 ", RP_EMPTY);
    end();
}

/* ---- what files say ---- */

static void said_as_written(void **state) {
    (void)state;
    unsigned char bytes[2048];
    struct record_groups got,
        g = {.next_id = 3,
             .next_sequence = 9,
             .count = 2,
             .groups = {{.index = 1, .generation = 4, .past = PAST_BEHIND, .told = 5, .fed = 8, .name = "behind"},
                        {.index = 0, .generation = 1, .name = "plain"}}};
    const size_t plain = record_groups_bytes(2, 0), past = record_groups_bytes(2, RECORD_GROUPS_PAST);
    assert_int_equal(past, plain + 2 * 24);
    record_groups_write(bytes, RECORD_GROUPS_PAST, &g);
    assert_true(record_groups_read(bytes, past, RECORD_GROUPS_PAST, &got));
    assert_int_equal(got.groups[0].past, PAST_BEHIND);
    assert_int_equal(got.groups[0].told, 5);
    assert_int_equal(got.groups[0].fed, 8);
    assert_string_equal(got.groups[1].name, "plain");
    assert_int_equal(got.groups[1].past, PAST_NONE);
    record_groups_past(bytes, 0, &(struct record_group){.past = PAST_ENDED, .told = 6, .fed = 9});
    record_groups_past(bytes, 1, &(struct record_group){.past = PAST_BEHIND, .told = 1, .fed = 1});
    assert_true(record_groups_read(bytes, past, RECORD_GROUPS_PAST, &got));
    assert_int_equal(got.groups[0].past, PAST_ENDED);
    assert_int_equal(got.groups[0].told, 6);
    assert_int_equal(got.groups[0].fed, 9);
    assert_string_equal(got.groups[0].name, "behind");
    assert_int_equal(got.groups[1].past, PAST_BEHIND);
    assert_false(record_groups_read(bytes, past, 0, &got));
    assert_false(record_groups_read(bytes, plain, RECORD_GROUPS_PAST, &got));
    record_groups_past(bytes, 1, &(struct record_group){.past = PAST_ENDED + 1, .told = 1, .fed = 1});
    assert_false(record_groups_read(bytes, past, RECORD_GROUPS_PAST, &got));
    record_groups_past(bytes, 1, &(struct record_group){.past = PAST_ENDED, .told = 2, .fed = 1});
    assert_false(record_groups_read(bytes, past, RECORD_GROUPS_PAST, &got));
    record_groups_past(bytes, 1, &(struct record_group){.past = PAST_ENDED, .told = 2, .fed = UINT64_MAX / 2});
    assert_false(record_groups_read(bytes, past, RECORD_GROUPS_PAST, &got));
    record_groups_write(bytes, 0, &g);
    assert_true(record_groups_read(bytes, plain, 0, &got));
    assert_int_equal(got.groups[0].past, PAST_NONE);
    assert_int_equal(got.groups[0].fed, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {REPLAY_TEST(follows),
                                       REPLAY_TEST(waits_for_the_snapshots_end),
                                       REPLAY_TEST(one_that_is_begun_anew),
                                       REPLAY_TEST(another_journal),
                                       REPLAY_TEST(says_what_went),
                                       REPLAY_TEST(said_as_written)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
