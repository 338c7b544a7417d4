/* SPDX-License-Identifier: MIT */
/* Packing and unpacking at the edges of every field, and serial comparison over the wrap. */
#include "words.h"

#include "check.h"

#define EDGES(name, bits) \
    const uint64_t name[] = {0, 1, (UINT64_C(1) << ((bits)-1)) - 1, UINT64_C(1) << ((bits)-1), (UINT64_C(1) << (bits)) - 1}
#define EACH(value, edges)                                 \
    for (size_t i_##value = 0; i_##value < 5; i_##value++) \
        for (uint64_t value = edges[i_##value], once_##value = 1; once_##value; once_##value = 0)

static void cell_words(void **state) {
    (void)state;
    EDGES(owners, 10);
    EDGES(masks, 20);
    EDGES(generations, 30);
    for (int st = CELL_FREE; st <= CELL_JOURNALED; st++)
        EACH(owner, owners) EACH(mask, masks) EACH(generation, generations) {
            uint64_t w = cell_word((enum cell_state)st, (uint32_t)owner, (uint32_t)mask, generation);
            assert_int_equal(cell_state(w), st);
            assert_int_equal(cell_owner(w), owner);
            assert_int_equal(cell_pending(w), mask);
            assert_int_equal(cell_generation(w), generation);
            for (unsigned g = 0; g < MAX_GROUPS; g++) {
                assert_int_equal(cell_pends(w, g), cell_is_published(w) && (mask >> g & 1));
                assert_int_equal(cell_pending(cell_without_group(w, g)), mask & ~(UINT64_C(1) << g));
                assert_int_equal(cell_generation(cell_without_group(w, g)), generation);
            }
        }
    assert_int_equal(cell_generation(cell_word(CELL_FREE, 0, 0, GENERATION_MASK + 1)), 0); /* it wraps, and spills nowhere */
}

static void delivery_words(void **state) {
    (void)state;
    EDGES(seats, 10);
    EDGES(incarnations, 23);
    EDGES(seqs, 8);
    for (int st = DELIVERY_SETTLED; st <= DELIVERY_LIMBO; st++)
        EACH(owner, seats) EACH(viewer, seats) EACH(incarnation, incarnations) EACH(seq, seqs) {
            uint64_t d = delivery_word((enum delivery_state)st, (uint32_t)owner, (uint32_t)viewer, 1023 - (uint32_t)viewer,
                                       (uint32_t)incarnation, (uint32_t)seq);
            assert_int_equal(delivery_state(d), st);
            assert_int_equal(delivery_owner(d), owner);
            assert_int_equal(delivery_viewer1(d), viewer);
            assert_int_equal(delivery_viewer2(d), 1023 - viewer);
            assert_int_equal(delivery_incarnation(d), incarnation);
            assert_int_equal(delivery_seq(d), seq);
            uint32_t hold = delivery_hold(d);
            assert_int_equal(hold, hold_make(incarnation, (uint32_t)seq));
            assert_int_equal(hold_seq(hold), seq);
            assert_int_equal(hold_incarnation(hold), incarnation);
            assert_true(
                delivery_of_hold((enum delivery_state)st, (uint32_t)owner, (uint32_t)viewer, 1023 - (uint32_t)viewer, hold) == d);
        }
}

static void a_hold_and_what_follows_it(void **state) {
    (void)state;
    for (uint32_t seq = 0; seq < 256; seq += 2) {
        uint32_t hold = hold_make(0x7fffff, seq), delayed = hold_delayed(hold), returned = hold_returned(hold);
        assert_int_equal(hold_seq(delayed), seq + 1);
        assert_int_equal(hold_seq(returned), seq == 254 ? 128 : seq + 2); /* never 0 again: that is a message never given back */
        assert_int_equal(hold_returned(delayed), returned);               /* with or without a backoff between */
        assert_int_equal(hold_incarnation(returned), 0x7fffff);
        assert_int_equal(hold_seq(returned) % 2, 0);
    }
}

static void taken_compares_what_both_words_have(void **state) {
    (void)state;
    EDGES(generations, 30);
    EACH(generation, generations) {
        uint64_t w = cell_word(CELL_PUBLISHED, 1, 1, generation);
        assert_true(taken(delivery_of_hold(DELIVERY_LEASED, 1, NOBODY, NOBODY, hold_make(generation, 6)), w));
        assert_false(taken(delivery_of_hold(DELIVERY_SETTLED, 1, NOBODY, NOBODY, hold_make(generation - 1, 6)), w));
        assert_false(taken(delivery_of_hold(DELIVERY_SETTLED, 1, NOBODY, NOBODY, hold_make(generation + 1, 6)), w));
    }
}

static void slots_positions_and_stamps(void **state) {
    (void)state;
    EDGES(laps, 28);
    EDGES(tags, 14);
    EDGES(cells, 22);
    EDGES(positions, 42);
    EDGES(lanes, 10);
    EDGES(holds, 31);
    EDGES(values, 40);
    EACH(lap, laps) EACH(tag, tags) EACH(cell, cells) {
        uint64_t s = slot_word(lap, (uint32_t)tag, (uint32_t)cell);
        assert_int_equal(slot_lap(s), lap);
        assert_int_equal(slot_tag(s), tag);
        assert_int_equal(slot_cell(s), cell);
    }
    EACH(position, positions) EACH(hold, holds) {
        uint64_t lane = lanes[position % (sizeof lanes / sizeof lanes[0])];
        uint64_t p = position_word((uint32_t)hold, (uint32_t)lane, position);
        assert_true(position_is_of(p, hold));
        assert_false(position_is_of(p, hold + 1));
        assert_int_equal(position_lane(p), lane);
        assert_int_equal(position_of(p, position), position);
        assert_int_equal(position_of(p, position + (UINT64_C(1) << 41)), position); /* from afar, and over the wrap */
        assert_int_equal(position_of(p, position - 1000), position);
    }
    EACH(hold, holds) EACH(value, values) {
        uint64_t t = stamp((uint32_t)hold, value);
        assert_int_equal(stamp_value(t), value);
        assert_true(stamp_is_of(t, (uint32_t)hold));
        assert_false(stamp_is_of(t, hold_delayed((uint32_t)hold & ~1u) + ((uint32_t)hold & 1)));
        assert_false(stamp_is_of(t, (uint32_t)hold + 0x100));
    }
    const int64_t distances[] = {0, 1, -1, 1000, -1000, (INT64_C(1) << 39) - 1, -(INT64_C(1) << 39)};
    EACH(position, positions)
    for (size_t i = 0; i < sizeof distances / sizeof distances[0]; i++) /* positions beyond 40 bits */
        assert_int_equal(stamp_position(stamp(5, position + (uint64_t)distances[i]), position), position + (uint64_t)distances[i]);
    assert_true(TIME_NEVER < TIME_EXPIRED && TIME_EXPIRED == STAMP_VALUE_MASK);
    assert_true(MAX_CELLS < NO_CELL && MAX_PARTICIPANTS <= NOBODY);
}

static void laps_compare_over_the_wrap(void **state) {
    (void)state;
    const int32_t half = 1 << (LAP_BITS - 1);
    EDGES(laps, 28);
    EACH(lap, laps) {
        const int32_t steps[] = {0, 1, 2, 1000, half - 1, -1, -2, -1000, -half};
        for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
            assert_int_equal(lap_ahead((lap + (uint64_t)(int64_t)steps[i]) & LAP_MASK, lap), steps[i]);
    }
    assert_int_equal(lap_ahead(0, LAP_MASK), 1);
    assert_int_equal(lap_ahead(LAP_MASK, 0), -1);
}

static void who_views(void **state) {
    (void)state;
    uint64_t d = delivery_word(DELIVERY_LEASED, 1, 2, 3, 9, 4);
    assert_false(delivery_views(d, 1)); /* it owns it */
    assert_true(delivery_views(d, 2) && delivery_views(d, 3));
    d = delivery_word(DELIVERY_DEAD, 1, 2, 3, 9, 4);
    assert_true(delivery_views(d, 1) && delivery_views(d, 2) && delivery_views(d, 3));
    d = delivery_word(DELIVERY_LIMBO, 1, NOBODY, NOBODY, 9, 4);
    assert_true(delivery_views(d, 1));
    d = delivery_word(DELIVERY_SETTLED, 1, 2, 3, 9, 4);
    assert_false(delivery_views(d, 1) || delivery_views(d, 2) || delivery_views(d, 3));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cell_words),
        cmocka_unit_test(delivery_words),
        cmocka_unit_test(a_hold_and_what_follows_it),
        cmocka_unit_test(taken_compares_what_both_words_have),
        cmocka_unit_test(slots_positions_and_stamps),
        cmocka_unit_test(laps_compare_over_the_wrap),
        cmocka_unit_test(who_views),
    };
    return cmocka_run_group_tests_name("words", tests, NULL, NULL);
}
