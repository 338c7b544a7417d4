/* SPDX-License-Identifier: MIT */
/* The pool: whether a cell is free is said by its word alone; bits and caches are hints. */
#include "pool.h"

#include "check.h"
#include "heap_segment.h"

enum { CAPACITY = 20 };

static struct segment s;
static void *memory;
static struct pool one, two;

static int setup(void **state) {
    (void)state;
    struct parameters p = small_parameters(CAPACITY);
    memory = heap_segment(&s, &p);
    pool_open(&one, &s, 0);
    pool_open(&two, &s, 1);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    free(memory);
    return 0;
}

static uint64_t word_of(uint32_t c) { return load_relaxed(&segment_cell(&s, c)->word, hint); }
static bool bit_of(uint32_t c) { return load_relaxed(&s.bitmap[c / 64], hint) >> (c % 64) & 1; }
static bool starved(void) { return load_relaxed(&s.control->starved, hint) != 0; }

static uint32_t take_all(struct pool *p, uint32_t seat, uint32_t *cells) {
    bool seen[CAPACITY] = {false};
    uint32_t n = 0;
    while (pool_take(p, &cells[n])) {
        assert_true(cells[n] < CAPACITY && !seen[cells[n]]);
        seen[cells[n]] = true;
        assert_int_equal(cell_state(word_of(cells[n])), CELL_OWNED);
        assert_int_equal(cell_owner(word_of(cells[n])), seat);
        n++;
    }
    return n;
}

static void every_cell_once(void **state) {
    (void)state;
    uint32_t cells[CAPACITY + 1], cell;
    assert_int_equal(take_all(&one, 0, cells), CAPACITY);
    assert_false(starved());
    assert_false(pool_search(&one, 5, &cell));
    assert_true(starved());
    assert_false(pool_take(&two, &cell));
    assert_false(pool_promising(&two));
    for (uint32_t i = 0; i < CAPACITY; i++)
        pool_give_back(&one, cells[i]);
    pool_flush(&one);
    for (uint32_t c = 0; c < CAPACITY; c++)
        assert_true(bit_of(c) && cell_state(word_of(c)) == CELL_FREE);
    assert_true(pool_promising(&two));
    assert_int_equal(take_all(&two, 1, cells), CAPACITY);
}

/* A process that stops with candidates in its cache keeps none of them from the others. */
static void candidates_are_still_free(void **state) {
    (void)state;
    uint32_t cells[CAPACITY + 1], cell, n = 0;
    assert_true(pool_take(&one, &cell));
    assert_true(one.candidate_count > 0);
    uint32_t hidden = one.candidate_count;
    n = take_all(&two, 1, cells);
    assert_int_equal(n, CAPACITY - 1 - hidden);
    while (pool_search(&two, 7, &cells[n]))
        n++;
    assert_int_equal(n, CAPACITY - 1);
    assert_false(pool_take(&one, &cell)); /* its candidates are gone, and it notices */
}

/* Bits come in batches, but at once while somebody starves. */
static void who_starves_is_told_at_once(void **state) {
    (void)state;
    uint32_t cells[CAPACITY + 1], cell;
    assert_int_equal(take_all(&one, 0, cells), CAPACITY);
    pool_give_back(&one, cells[0]);
    assert_int_equal(one.freed_count, 1);
    assert_false(bit_of(cells[0]));
    assert_true(pool_search(&two, 3, &cell)); /* the word tells before the bit does */
    assert_int_equal(cell, cells[0]);
    assert_false(pool_search(&two, 3, &cell));
    pool_give_back(&one, cells[1]);
    assert_int_equal(one.freed_count, 0);
    assert_true(bit_of(cells[1]));
    assert_true(pool_take(&two, &cell));
    assert_int_equal(cell, cells[1]);
}

/* Cells that came free while nobody starved are found, also in the millisecond in which there were none. */
static void a_barren_look_is_not_the_last(void **state) {
    (void)state;
    uint32_t cells[CAPACITY + 1], cell;
    assert_int_equal(take_all(&one, 0, cells), CAPACITY);
    assert_false(pool_search(&two, 9, &cell));
    for (uint32_t i = 0; i < POOL_BATCH; i++) /* with their bits: two starves */
        pool_give_back(&one, cells[i]);
    for (uint32_t i = 0; i < POOL_BATCH; i++) /* plenty: it does not any more */
        assert_true(pool_take(&two, &cell));
    assert_false(starved());
    for (uint32_t i = 0; i < 3; i++) /* their bits will come with others */
        pool_give_back(&one, cells[POOL_BATCH + i]);
    assert_false(pool_take(&two, &cell));
    for (uint32_t i = 0; i < 3; i++)
        assert_true(pool_search(&two, 9, &cell));
    assert_false(pool_search(&two, 9, &cell));
}

static void bits_may_lie(void **state) {
    (void)state;
    uint32_t cells[CAPACITY + 1];
    assert_int_equal(take_all(&one, 0, cells), CAPACITY);
    memset((void *)(uintptr_t)s.bitmap, 0xff,
           8 * (size_t)s.layout.bitmap_words); /* for cells in use, and for cells that do not exist */
    for (uint32_t c = CAPACITY; c < s.layout.cell_count; c++)
        store_relaxed(&segment_cell(&s, c)->word, cell_word(CELL_PUBLISHED, 0, 1, 1), init);
    uint32_t cell;
    assert_false(pool_take(&two, &cell));
    assert_false(pool_search(&two, 1, &cell));
    pool_give_back(&one, cells[3]);
    pool_give_back(&one, cells[3]); /* only what is owned can be given back */
    assert_true(pool_take(&two, &cell));
    assert_int_equal(cell, cells[3]);
    assert_false(pool_take(&two, &cell));
}

static void the_generation_stays(void **state) {
    (void)state;
    uint32_t cell;
    store_relaxed(&segment_cell(&s, 0)->word, cell_word(CELL_FREE, NOBODY, 0, 77), init);
    for (int i = 0; i < CAPACITY && pool_take(&one, &cell) && cell != 0; i++) {
    }
    assert_int_equal(cell, 0);
    assert_int_equal(cell_generation(word_of(0)), 77);
    pool_give_back(&one, 0);
    assert_int_equal(cell_generation(word_of(0)), 77);
}

#define TEST(body) cmocka_unit_test_setup_teardown(body, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(every_cell_once),
        TEST(candidates_are_still_free),
        TEST(who_starves_is_told_at_once),
        TEST(a_barren_look_is_not_the_last),
        TEST(bits_may_lie),
        TEST(the_generation_stays),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
