/* SPDX-License-Identifier: MIT */
/* Where a handle of a queue with shards takes its cells: from its home's words first, then the nearest, and from all before it says that there is none. */
#include "pool_ranges.h"

#include "check.h"
#include "heap_segment.h"

enum { SHARDS = 4, CAPACITY = 4 * 64 * 4, SEATS = 2 };

static struct segment s;
static void *memory;
static struct pool pool, other;
static struct pool_ranges ranges;
static const uint8_t order[SHARDS_MOST] = {2, 0, 3, 1};

static void make(uint32_t capacity) {
    struct parameters p = small_parameters(capacity);
    p.lane_count = p.numa_shards = SHARDS;
    p.max_participants = SEATS;
    memory = heap_segment(&s, &p);
    pool_open(&pool, &s, 0);
    pool_open(&other, &s, 1);
    pool_ranges_open(&ranges, &pool, order);
}

static int teardown(void **state) {
    (void)state;
    free(memory);
    return 0;
}

static uint32_t shard_of(uint32_t cell) {
    uint32_t shard = 0;
    while (shard_cells(&s.parameters, &s.layout, shard).end <= cell)
        shard++;
    return shard;
}

static uint32_t take(void) {
    uint32_t cell;
    assert_true(pool_take(&pool, &cell));
    return cell;
}

static void home_first_then_by_distance(void **state) {
    (void)state;
    make(CAPACITY);
    for (uint32_t i = 0; i < SHARDS; i++)
        for (uint32_t k = 0; k < CAPACITY / SHARDS; k++)
            assert_int_equal(shard_of(take()), order[i]);
    uint32_t cell;
    assert_false(pool_take(&pool, &cell));
}

/* What was freed behind where it looks is found before it goes elsewhere. */
static void stays_while_there_is_something(void **state) {
    (void)state;
    make(CAPACITY);
    enum { EACH = CAPACITY / SHARDS };
    uint32_t cells[EACH];
    for (uint32_t i = 0; i < EACH; i++)
        cells[i] = take();
    for (uint32_t round = 0; round < 10; round++) {
        for (uint32_t i = 0; i < EACH * 3 / 4; i++)
            pool_give_back(&other, cells[i]);
        pool_flush(&other);
        for (uint32_t i = 0; i < EACH * 3 / 4; i++) {
            cells[i] = take();
            assert_int_equal(shard_of(cells[i]), order[0]);
        }
    }
}

static void comes_home_again(void **state) {
    (void)state;
    make(CAPACITY);
    for (uint32_t k = 0; k < CAPACITY / SHARDS + 1; k++)
        (void)take(); /* the last one is away */
    const struct cell_range home = shard_cells(&s.parameters, &s.layout, order[0]);
    for (uint32_t c = home.first; c < home.end; c++)
        pool_give_back(&other, c);
    pool_flush(&other);
    uint32_t away = 0;
    while (shard_of(take()) != order[0])
        away++;
    assert_in_range(away, 1, 8 * POOL_BATCH);
    for (uint32_t k = 1; k < CAPACITY / SHARDS; k++)
        assert_int_equal(shard_of(take()), order[0]);
}

/* From wherever the last search ended, one free cell is found. */
static void finds_the_last_one(void **state) {
    (void)state;
    make(CAPACITY);
    uint32_t cell;
    while (pool_take(&pool, &cell)) {
    }
    for (uint32_t i = 0; i < 5 * CAPACITY; i++) {
        uint32_t c = (i * 611 + 17) % CAPACITY; /* here and there */
        pool_give_back(&other, c);
        pool_flush(&other);
        assert_int_equal(take(), c);
    }
    /* With a glance at a time, too: it goes on where the last one ended. */
    for (uint32_t i = 0; i < 100; i++) {
        uint32_t c = (i * 611 + 17) % CAPACITY, looks = 0;
        assert_false(pool_take(&pool, &cell));
        pool.look_words = 3;
        pool_give_back(&other, c);
        pool_flush(&other);
        while (!pool_take(&pool, &cell))
            assert_in_range(++looks, 1, s.layout.bitmap_words);
        assert_int_equal(cell, c);
    }
}

/* A queue that is too small for words for everybody, and cells that come into play later. */
static void small_ones_share(void **state) {
    (void)state;
    const uint32_t capacities[] = {1, 20, 64, 65, 130, 200};
    for (unsigned i = 0; i < 6; i++) {
        make(capacities[i]);
        for (uint32_t c = 0; c < capacities[i]; c++)
            (void)take();
        uint32_t cell;
        assert_false(pool_take(&pool, &cell));
        (void)fetch_or_acq_rel(&s.bitmap[(s.layout.cell_count - 1) / 64], UINT64_C(1) << ((s.layout.cell_count - 1) % 64),
                               free_bits);
        assert_int_equal(take(), s.layout.cell_count - 1);
        if (i < 5)
            free(memory);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(home_first_then_by_distance, teardown),
        cmocka_unit_test_teardown(stays_while_there_is_something, teardown),
        cmocka_unit_test_teardown(comes_home_again, teardown),
        cmocka_unit_test_teardown(finds_the_last_one, teardown),
        cmocka_unit_test_teardown(small_ones_share, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
