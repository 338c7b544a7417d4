/* SPDX-License-Identifier: MIT */
/* work -j MIN..MAX: up when messages wait, down when slots stay free, and neither in a hurry. */
#include "scale.h"

#include "check.h"

#define MS UINT64_C(1000000)
#define UP SCALE_UP_AFTER_NS
#define DOWN SCALE_DOWN_AFTER_NS

static const uint64_t start = 5000 * MS;

static void one_slot_each_time_it_was_pressed_long_enough(void **state) {
    (void)state;
    struct scale s = scale_next(scale_begin(1, 4), start, true, 1);
    assert_int_equal(s.slots, 1);
    assert_int_equal(scale_due_ns(&s), start + UP);
    s = scale_next(s, start + UP - 1, true, 1);
    assert_int_equal(s.slots, 1);
    s = scale_next(s, start + UP, true, 1);
    assert_int_equal(s.slots, 2);
    s = scale_next(s, start + 2 * UP - 1, true, 2); /* the next one has to be earned anew */
    assert_int_equal(s.slots, 2);
    s = scale_next(s, start + 2 * UP, true, 2);
    assert_int_equal(s.slots, 3);
}

static void a_long_absence_counts_once(void **state) {
    (void)state;
    struct scale s = scale_next(scale_begin(1, 100), start, true, 1);
    s = scale_next(s, start + 3600 * 1000 * MS, true, 1);
    assert_int_equal(s.slots, 2);
}

static void a_new_slot_must_be_in_use_before_the_next_comes(void **state) {
    (void)state;
    struct scale s = scale_next(scale_begin(1, 4), start, true, 1);
    s = scale_next(s, start + UP, true, 1);
    assert_int_equal(s.slots, 2);
    for (uint64_t t = UP; t < 9 * UP; t += UP / 4) {
        s = scale_next(s, start + t, true, 1); /* say the command takes long to start */
        assert_int_equal(s.slots, 2);
    }
}

static void short_bursts_change_nothing(void **state) {
    (void)state;
    struct scale s = scale_begin(1, 8);
    uint64_t now = start;
    for (int burst = 0; burst < 100; burst++) {
        s = scale_next(s, now, true, 1);
        s = scale_next(s, now + UP - 1, true, 1);
        s = scale_next(s, now + UP, false, 1); /* the queue was empty for a moment */
        assert_int_equal(s.slots, 1);
        now += UP + 1;
    }
}

static void it_ends_at_most(void **state) {
    (void)state;
    struct scale s = scale_begin(1, 3);
    for (uint64_t t = 0; t < 100; t++) {
        s = scale_next(s, start + t * UP, true, s.slots);
        assert_in_range(s.slots, 1, 3);
    }
    assert_int_equal(s.slots, 3);
    assert_false(scale_can_grow(&s));
    assert_int_equal(scale_due_ns(&s), 0); /* nothing to wake up for */
}

static void down_to_what_was_used_at_the_peak(void **state) {
    (void)state;
    struct scale s = scale_begin(1, 8);
    uint64_t now = start;
    s.slots = 8;
    /* five at the peak, two in between */
    for (int i = 0; i < 1000; i++, now += 20 * MS)
        s = scale_next(s, now, false, i % 10 == 0 ? 5 : 2);
    assert_int_equal(s.slots, 5);
}

static void down_one_by_one_to_the_least(void **state) {
    (void)state;
    struct scale s = scale_begin(2, 5);
    s.slots = 5;
    s = scale_next(s, start, false, 0);
    assert_int_equal(scale_due_ns(&s), start + DOWN);
    s = scale_next(s, start + DOWN - 1, false, 0);
    assert_int_equal(s.slots, 5);
    s = scale_next(s, start + DOWN, false, 0);
    assert_int_equal(s.slots, 4);
    s = scale_next(s, start + 2 * DOWN, false, 0);
    assert_int_equal(s.slots, 3);
    for (int i = 3; i < 10; i++)
        s = scale_next(s, start + (uint64_t)i * DOWN, false, 0);
    assert_int_equal(s.slots, 2);
    assert_int_equal(scale_due_ns(&s), 0);
}

static void a_slot_in_use_is_never_taken_away(void **state) {
    (void)state;
    uint64_t random = 88172645463325252, now = start, running = 0;
    struct scale s = scale_begin(0, 6);
    for (int i = 0; i < 200000; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        now += random % (DOWN / 3);
        if (random >> 60 < 6 && scale_has_room(&s, running))
            running++;
        else if (random >> 60 > 9 && running > 0)
            running--;
        s = scale_next(s, now, (random & 64) != 0, running);
        assert_in_range(s.slots, running, 6);
    }
}

static void from_nothing_the_first_message_opens_a_slot(void **state) {
    (void)state;
    struct scale s = scale_begin(0, 3);
    assert_int_equal(s.slots, 0);
    assert_true(scale_has_room(&s, 0));
    s = scale_next(s, start, false, 1);
    assert_int_equal(s.slots, 1);
    assert_false(scale_has_room(&s, 1));
    s = scale_next(s, start + 1, false, 0);
    s = scale_next(s, start + 1 + DOWN, false, 0);
    assert_int_equal(s.slots, 0);
}

static void a_fixed_number_stays(void **state) {
    (void)state;
    struct scale s = scale_begin(4, 4);
    for (uint64_t t = 0; t < 100; t++) {
        s = scale_next(s, start + t * DOWN, t % 3 == 0, t % 5);
        assert_int_equal(s.slots, 4);
        assert_int_equal(scale_due_ns(&s), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_slot_each_time_it_was_pressed_long_enough),
        cmocka_unit_test(a_long_absence_counts_once),
        cmocka_unit_test(a_new_slot_must_be_in_use_before_the_next_comes),
        cmocka_unit_test(short_bursts_change_nothing),
        cmocka_unit_test(it_ends_at_most),
        cmocka_unit_test(down_to_what_was_used_at_the_peak),
        cmocka_unit_test(down_one_by_one_to_the_least),
        cmocka_unit_test(a_slot_in_use_is_never_taken_away),
        cmocka_unit_test(from_nothing_the_first_message_opens_a_slot),
        cmocka_unit_test(a_fixed_number_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
