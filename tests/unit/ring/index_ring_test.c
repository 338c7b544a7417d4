/* SPDX-License-Identifier: MIT */
/* The ring near the wrap of its laps, with hints that lag behind, entries that must not be overwritten, and laps that cannot be. */
#include "index_ring.h"

#include "check.h"

enum { SHIFT = 3, SLOTS = 1 << SHIFT, ROUNDS = 20000 };

static a64 slots[SLOTS], tail, head;
static const struct index_ring ring = {.slots = slots, .tail = &tail, .shift = SHIFT, .mask = (1 << SHIFT) - 1};
static bool live[4096]; /* by cell */

static bool is_live(const void *context, uint64_t old_position, uint64_t s) {
    (void)context;
    assert_true(slot_lap(s) == ring_lap(&ring, old_position)); /* it is the entry of that position */
    return live[slot_cell(s)];
}

/* An empty ring whose first position is the first of `lap`. */
static uint64_t start_at(uint64_t lap) {
    for (int i = 0; i < SLOTS; i++)
        store_relaxed(&slots[i], slot_word((lap - 1) & LAP_MASK, 0, NO_CELL), init);
    store_relaxed(&tail, lap << SHIFT, init);
    store_relaxed(&head, lap << SHIFT, init);
    return lap << SHIFT;
}

static enum ring_find push(uint64_t *t, uint32_t tag, uint32_t cell) {
    uint64_t s;
    enum ring_find found = ring_find(&ring, t, &s, is_live, NULL);
    if (found == RING_FOUND)
        assert_true(ring_fill(&ring, (*t)++, s, tag, cell));
    if (*t % 8 == 0) /* now and then, as senders do */
        hint_raise(&tail, *t);
    return found;
}

static const uint64_t first_laps[] = {1, 2, 1 << 27, LAP_MASK - 2, LAP_MASK - 1, LAP_MASK};

static void first_in_first_out_over_the_wrap(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof first_laps / sizeof first_laps[0]; i++) {
        uint64_t h = start_at(first_laps[i]), t = h, s, first = h;
        for (uint32_t n = 0; n < 5 * SLOTS; n++) {
            assert_int_equal(ring_look(&ring, &head, &h, &s), RING_END);
            assert_int_equal(push(&t, n & 0x3fff, n), RING_FOUND);
            assert_int_equal(ring_look(&ring, &head, &h, &s), RING_ENTRY);
            assert_int_equal(slot_cell(s), n);
            assert_int_equal(slot_tag(s), n);
            assert_true(ring_holds(&ring, h, n, n));
            assert_false(ring_holds(&ring, h, n + 1, n));
            h++;
        }
        assert_int_equal(t - first, 5 * SLOTS);
    }
}

static void an_entry_that_counts_is_not_overwritten(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof first_laps / sizeof first_laps[0]; i++) {
        uint64_t t = start_at(first_laps[i]), h = t, s;
        for (uint32_t n = 0; n < SLOTS; n++)
            assert_int_equal(push(&t, 0, n), RING_FOUND);
        live[0] = true;
        uint64_t before = t;
        assert_int_equal(push(&t, 0, 100), RING_LIVE);
        assert_int_equal(t, before);
        live[0] = false;
        assert_int_equal(push(&t, 0, 100), RING_FOUND);
        assert_int_equal(ring_look(&ring, &head, &h, &s), RING_PAST); /* a reader who slept: to the oldest that may count */
        assert_int_equal(h, t - SLOTS);
        assert_int_equal(ring_look(&ring, &head, &h, &s), RING_ENTRY);
        assert_int_equal(slot_cell(s), 1);
    }
}

static void hints_that_lag_behind(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof first_laps / sizeof first_laps[0]; i++)
        for (uint32_t filled = 0; filled < 4 * SLOTS; filled++)
            for (uint32_t lag = 0; lag <= filled; lag++) {
                uint64_t t = start_at(first_laps[i]), s;
                for (uint32_t n = 0; n < filled; n++)
                    assert_int_equal(push(&t, 0, n), RING_FOUND);
                uint64_t stale = t - lag, h = t - lag;
                assert_int_equal(ring_find(&ring, &stale, &s, is_live, NULL), RING_FOUND);
                assert_int_equal(stale, t);
                enum ring_look_at look = ring_look(&ring, &head, &h, &s);
                assert_int_equal(look, lag == 0 ? RING_END : lag <= SLOTS ? RING_ENTRY : RING_PAST);
                for (int looks = 0; look == RING_PAST; looks++) {
                    assert_true(looks < 2 * SLOTS); /* each gets nearer */
                    look = ring_look(&ring, &head, &h, &s);
                }
                assert_true(h <= t && t - h <= SLOTS);
            }
}

static void hints_only_rise(void **state) {
    (void)state;
    a64 word;
    store_relaxed(&word, 10, init);
    hint_raise(&word, 9);
    assert_int_equal(load_relaxed(&word, hint), 10);
    hint_raise(&word, 11);
    assert_int_equal(load_relaxed(&word, hint), 11);
    store_relaxed(&word, UINT64_MAX, init);
    hint_raise(&word, 3); /* over the wrap */
    assert_int_equal(load_relaxed(&word, hint), 3);
}

static void somebody_was_faster(void **state) {
    (void)state;
    uint64_t t = start_at(LAP_MASK), s, other = t;
    assert_int_equal(ring_find(&ring, &t, &s, is_live, NULL), RING_FOUND);
    assert_int_equal(push(&other, 1, 1), RING_FOUND);
    assert_false(ring_fill(&ring, t, s, 2, 2));
    assert_int_equal(push(&t, 2, 2), RING_FOUND);
    assert_int_equal(t, other + 1);
}

static void laps_that_cannot_be(void **state) {
    (void)state;
    uint64_t t = start_at(100), s;
    store_relaxed(&slots[0], slot_word(98, 0, 1), init); /* two laps behind */
    assert_int_equal(ring_find(&ring, &t, &s, is_live, NULL), RING_DAMAGED);
    for (int i = 0; i < SLOTS; i++) /* always ahead */
        store_relaxed(&slots[i], slot_word((uint64_t)i * ((LAP_MASK + 1) / SLOTS), 0, 1), init);
    t = 0;
    assert_int_equal(ring_find(&ring, &t, &s, is_live, NULL), RING_DAMAGED);
    uint64_t h = start_at(100);
    store_relaxed(&slots[0], slot_word(100 + HINT_LAG_LAPS + 1, 0, 1), init); /* further ahead than any hint lags behind */
    assert_int_equal(ring_look(&ring, &head, &h, &s), RING_BROKEN);
    hint_raise(&tail, (100 + HINT_LAG_LAPS + 2) * SLOTS);
    assert_int_equal(ring_look(&ring, &head, &h, &s), RING_PAST); /* but a reader may be as far behind as the tail says */
    assert_int_equal(h, (100 + HINT_LAG_LAPS) * SLOTS + 1);
}

/* Random pushes and reads against a list. */
static void as_a_list_would(void **state) {
    (void)state;
    uint64_t t = start_at(LAP_MASK - 3), h = t, s, dice = 12345;
    uint32_t list[SLOTS], count = 0, next = 0;
    for (int n = 0; n < ROUNDS; n++) {
        dice = dice * 6364136223846793005u + 1442695040888963407u;
        if (dice >> 63) {
            enum ring_find found = push(&t, 0, next % 4096);
            assert_int_equal(found, count == SLOTS ? RING_LIVE : RING_FOUND);
            if (found == RING_FOUND) {
                live[next % 4096] = true;
                list[count++] = next++ % 4096;
            }
        } else {
            enum ring_look_at look = ring_look(&ring, &head, &h, &s);
            assert_int_equal(look, count == 0 ? RING_END : RING_ENTRY);
            if (look == RING_ENTRY) {
                assert_int_equal(slot_cell(s), list[0]);
                live[list[0]] = false;
                for (uint32_t i = 1; i < count; i++)
                    list[i - 1] = list[i];
                count--;
                h++;
            }
        }
    }
    assert_true(next > 5 * SLOTS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_in_first_out_over_the_wrap),
        cmocka_unit_test(an_entry_that_counts_is_not_overwritten),
        cmocka_unit_test(hints_that_lag_behind),
        cmocka_unit_test(hints_only_rise),
        cmocka_unit_test(somebody_was_faster),
        cmocka_unit_test(laps_that_cannot_be),
        cmocka_unit_test(as_a_list_would),
    };
    return cmocka_run_group_tests_name("index ring", tests, NULL, NULL);
}
