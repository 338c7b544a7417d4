/* SPDX-License-Identifier: MIT */
/* Notes beside a word: those of another hold are as if they were not there. */
#include "notes.h"

#include "check.h"
#include "heap_segment.h"

enum { CELL = 3, GROUP = 0, INCARNATION = 0x12345 };

static struct segment s;
static void *memory;

static int setup(void **state) {
    (void)state;
    struct parameters p = small_parameters(16);
    memory = heap_segment(&s, &p);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    free(memory);
    return 0;
}

/* The word is in this hold. */
static uint32_t be(enum delivery_state state, uint32_t seq) {
    uint32_t hold = hold_make(INCARNATION, seq);
    store_relaxed(delivery_at(&s, GROUP, CELL), delivery_of_hold(state, 0, NOBODY, NOBODY, hold), init);
    return hold;
}

static void expect_counts(uint32_t hold, uint32_t charged, uint32_t handed_out) {
    struct counts c = notes_counts(&s, GROUP, CELL, hold);
    assert_int_equal(c.charged, charged);
    assert_int_equal(c.handed_out, handed_out);
}

static void without_a_note_every_return_was_a_failure(void **state) {
    (void)state;
    expect_counts(hold_make(INCARNATION, 0), 0, 0);
    expect_counts(hold_make(INCARNATION, 1), 1, 1); /* delayed after the first */
    expect_counts(hold_make(INCARNATION, 2), 1, 1);
    expect_counts(hold_make(INCARNATION, 7), 4, 4);
    expect_counts(hold_make(INCARNATION, 8), 4, 4);
}

static void a_note_and_what_came_after_it(void **state) {
    (void)state;
    notes_counts_write(&s, GROUP, CELL, be(DELIVERY_DELAYED, 5), (struct counts){2, 3}); /* one of three was not charged */
    expect_counts(hold_make(INCARNATION, 5), 2, 3);
    expect_counts(hold_make(INCARNATION, 6), 2, 3);
    expect_counts(hold_make(INCARNATION, 8), 3, 4);     /* somebody died before he could write */
    expect_counts(hold_make(INCARNATION, 10), 4, 5);    /* and another */
    expect_counts(hold_make(INCARNATION + 1, 6), 3, 3); /* the next message in this memory */
}

static void counts_that_began_anew_are_not_those_of_a_hold_before(void **state) {
    (void)state;
    notes_counts_write(&s, GROUP, CELL, be(DELIVERY_RETURNED, 8), (struct counts){0, 0}); /* redriven */
    expect_counts(hold_make(INCARNATION, 4), 2, 2);                                       /* a receiver that slept meanwhile */
    expect_counts(hold_make(INCARNATION, 8), 0, 0);
    expect_counts(hold_make(INCARNATION, 10), 1, 1);
}

static void counts_go_on_when_seq_wraps(void **state) {
    (void)state;
    struct counts counts = {0, 0};
    uint32_t hold = hold_make(INCARNATION, 0);
    for (uint32_t failures = 1; failures <= 1000; failures++) {
        hold = be(DELIVERY_RETURNED, hold_seq(hold_returned(hold)));
        counts.charged++;
        counts.handed_out++;
        notes_counts_write(&s, GROUP, CELL, hold, counts);
        uint32_t next = hold;
        for (uint32_t silent = 0; silent < 20; silent++) { /* nobody lived to write */
            expect_counts(next, failures + silent, failures + silent);
            expect_counts(hold_delayed(next), failures + silent + 1, failures + silent + 1);
            next = hold_returned(next);
        }
    }
    notes_counts_write(&s, GROUP, CELL, be(DELIVERY_RETURNED, hold_seq(hold)), (struct counts){UINT32_MAX, UINT32_MAX});
    expect_counts(hold, (1 << 20) - 1, (1 << 20) - 1);
}

/* Redrive writes ahead of its CAS. Who buried the letter may write later than that, and a redrive that was killed leaves the letter where it is. */
static void counts_begin_anew_before_the_redrive(void **state) {
    (void)state;
    uint32_t dead = be(DELIVERY_DEAD, 10);
    notes_counts_anew(&s, GROUP, CELL, dead);
    notes_counts_write(&s, GROUP, CELL, dead, (struct counts){5, 5});
    expect_counts(dead, 5, 5); /* the letter's own, as far as its seq tells */
    expect_counts(be(DELIVERY_RETURNED, 12), 0, 0);
    expect_counts(be(DELIVERY_RETURNED, 14), 1, 1);
    notes_counts_anew(&s, GROUP, CELL, dead); /* one who slept, and is too late */
    expect_counts(hold_make(INCARNATION, 14), 1, 1);
    for (uint32_t seq = 16; seq <= 254; seq += 2) /* over the wrap */
        notes_counts_write(&s, GROUP, CELL, be(DELIVERY_DEAD, seq), (struct counts){5, 5});
    notes_counts_anew(&s, GROUP, CELL, hold_make(INCARNATION, 254));
    notes_counts_write(&s, GROUP, CELL, hold_make(INCARNATION, 254), (struct counts){5, 5});
    expect_counts(be(DELIVERY_RETURNED, 128), 0, 0);
}

static void a_note_that_comes_too_late(void **state) {
    (void)state;
    uint32_t early = be(DELIVERY_RETURNED, 2);
    notes_counts_write(&s, GROUP, CELL, be(DELIVERY_RETURNED, 4), (struct counts){0, 2});
    notes_counts_write(&s, GROUP, CELL, early, (struct counts){9, 9}); /* the word has moved on */
    expect_counts(hold_make(INCARNATION, 4), 0, 2);
}

static void a_death_record(void **state) {
    (void)state;
    struct rp_dead_letter dead = {0};
    uint32_t failed = be(DELIVERY_LEASED, 0);
    store_relaxed(&s.seats[1].pid, 4711, init);
    memcpy((void *)(uintptr_t)s.seats[1].name, "send-email", 11);
    uint32_t hold = be(DELIVERY_DEAD, 2);
    notes_counts_write(&s, GROUP, CELL, hold, (struct counts){1, 1});
    notes_failure_write(&s, GROUP, CELL, failed, hold, 5000, RP_FAILURE_NACK, RP_DEAD_MAX_DELIVERIES, 1);
    notes_text_write(&s, GROUP, CELL, hold, "no such mailbox");
    notes_read(&s, GROUP, CELL, hold, &dead);
    assert_int_equal(dead.deliveries, 1);
    assert_int_equal(dead.acquisitions, 1);
    assert_int_equal(dead.reason, RP_DEAD_MAX_DELIVERIES);
    assert_int_equal(dead.last_failure, RP_FAILURE_NACK);
    assert_int_equal(dead.pid, 4711);
    assert_string_equal(dead.executable, "send-email");
    assert_string_equal(dead.text, "no such mailbox");
    assert_int_equal(dead.last_failed_ns, s.created_wall_ns + 5000 * UINT64_C(1000000));
    assert_int_equal(dead.first_failed_ns, dead.last_failed_ns);

    struct rp_dead_letter other = {0}; /* another incarnation: nothing of that is about it */
    notes_read(&s, GROUP, CELL, hold_make(INCARNATION + 1, 2), &other);
    assert_int_equal(other.reason, RP_DEAD_UNKNOWN);
    assert_int_equal(other.pid, 0);
    assert_int_equal(other.first_failed_ns, 0);
    assert_string_equal(other.text, "");
    assert_string_equal(other.executable, "");
}

static void a_text_that_is_damaged(void **state) {
    (void)state;
    struct rp_dead_letter dead = {0};
    char longest[TEXT_BYTES];
    uint32_t hold = be(DELIVERY_DEAD, 2);
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    notes_failure_write(&s, GROUP, CELL, hold_make(INCARNATION, 0), hold, 5000, RP_FAILURE_NACK, RP_DEAD_MAX_DELIVERIES, 1);
    notes_text_write(&s, GROUP, CELL, hold, longest);
    notes_read(&s, GROUP, CELL, hold, &dead);
    assert_string_equal(dead.text, longest);
    for (size_t i = 0; i < sizeof(struct failure_text); i++) {
        unsigned char *byte = (unsigned char *)&s.texts[CELL & (s.layout.text_count - 1)] + i;
        *byte ^= 4;
        memset(&dead, 0, sizeof dead);
        notes_read(&s, GROUP, CELL, hold, &dead);
        assert_string_equal(dead.text, "");
        *byte ^= 4;
    }
}

#define TEST(body) cmocka_unit_test_setup_teardown(body, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(without_a_note_every_return_was_a_failure),
        TEST(a_note_and_what_came_after_it),
        TEST(counts_that_began_anew_are_not_those_of_a_hold_before),
        TEST(counts_go_on_when_seq_wraps),
        TEST(counts_begin_anew_before_the_redrive),
        TEST(a_note_that_comes_too_late),
        TEST(a_death_record),
        TEST(a_text_that_is_damaged),
    };
    return cmocka_run_group_tests_name("notes", tests, NULL, NULL);
}
