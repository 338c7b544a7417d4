/* SPDX-License-Identifier: MIT */
/* Timers against a plain array of times: nothing is forgotten, nothing comes early or twice; also a million at once, and trees of damaged words. */
#include "timers.h"

#include "check.h"
#include <stdlib.h>

enum { ROUNDS = 400, POP_ROOM = 100 };

static uint64_t random_state = 0x9e3779b97f4a7c15;
static uint64_t next_random(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    return random_state ^= random_state << 17;
}

struct tree {
    struct timers timers;
    a64 root;
    a64 *words;
    uint64_t *model; /* by cell; TIMER_NONE */
    uint32_t count;
};

static struct tree make(uint32_t count) {
    struct tree t = {.count = count};
    t.words = calloc(timer_words(count), sizeof *t.words);
    t.model = malloc(count * sizeof *t.model);
    assert_non_null(t.words);
    assert_non_null(t.model);
    for (uint32_t c = 0; c < count; c++)
        t.model[c] = TIMER_NONE;
    return t;
}

/* The root lies in the struct, which must not move any more. */
static void open_tree(struct tree *t) {
    timers_open(&t->timers, &t->root, t->words, t->count);
    timers_initialise(&t->timers);
}

static void destroy(struct tree *t) {
    free(t->words);
    free(t->model);
}

/* A time as it is kept: rounded up. */
static uint64_t kept(uint64_t ns) { return (ns + 255) & ~UINT64_C(255); }

static void set(struct tree *t, uint32_t c, uint64_t ns) {
    uint64_t first = timers_next(&t->timers);
    assert_int_equal(timers_set(&t->timers, c, ns), kept(ns) < first);
    t->model[c] = kept(ns) < t->model[c] ? kept(ns) : t->model[c];
    assert_int_equal(timers_of(&t->timers, c), t->model[c]);
}

/* Everything that is due comes, once, and nothing else. -> how many. */
static uint32_t pop_all(struct tree *t, uint64_t now) {
    struct timer out[POP_ROOM];
    uint32_t all = 0, n;
    while ((n = timers_pop(&t->timers, now, out, POP_ROOM)) > 0) {
        for (uint32_t i = 0; i < n; i++) {
            assert_true(out[i].cell < t->count);
            assert_true(out[i].due_ns <= now);
            assert_int_equal(out[i].due_ns, t->model[out[i].cell]);
            t->model[out[i].cell] = TIMER_NONE;
        }
        all += n;
    }
    return all;
}

static uint64_t earliest(const struct tree *t) {
    uint64_t least = TIMER_NONE;
    for (uint32_t c = 0; c < t->count; c++)
        least = t->model[c] < least ? t->model[c] : least;
    return least;
}

static const uint32_t counts[] = {1, 2, 63, 64, 65, 1000, 4096, 4097, 70000};

static void a_plain_array_says_the_same(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct tree t = make(counts[i]);
        open_tree(&t);
        assert_int_equal(timers_next(&t.timers), TIMER_NONE);
        uint64_t now = 1000000;
        for (int round = 0; round < ROUNDS; round++) {
            uint64_t span = UINT64_C(1) << next_random() % 45; /* from nanoseconds to hours */
            for (uint64_t n = next_random() % 40; n > 0; n--)
                set(&t, (uint32_t)(next_random() % t.count), now + next_random() % span);
            assert_int_equal(timers_next(&t.timers), earliest(&t));
            now += next_random() % span;
            pop_all(&t, now);
            uint64_t next = earliest(&t);
            assert_true(next > (now | 255) || next == TIMER_NONE);
            assert_int_equal(timers_next(&t.timers), next); /* raised to what is left */
        }
        destroy(&t);
    }
}

static void the_least_and_the_greatest_time(void **state) {
    (void)state;
    struct tree t = make(100);
    open_tree(&t);
    set(&t, 7, 0);
    assert_int_equal(timers_next(&t.timers), 0);
    struct timer out;
    assert_int_equal(timers_pop(&t.timers, 0, &out, 1), 1);
    assert_int_equal(out.cell, 7);
    for (uint64_t far = UINT64_MAX; far >= UINT64_MAX - 0x1ff; far -= 0xff) {
        (void)timers_set(&t.timers, 8, far);
        assert_int_equal(timers_pop(&t.timers, UINT64_MAX, &out, 1), timers_of(&t.timers, 8) != TIMER_NONE);
    }
    assert_int_equal(timers_next(&t.timers), TIMER_NONE);
    destroy(&t);
}

static void no_more_than_there_is_room_for(void **state) {
    (void)state;
    struct tree t = make(5000);
    open_tree(&t);
    for (uint32_t c = 0; c < t.count; c++)
        set(&t, c, 1000 + c);
    struct timer out[7];
    for (int i = 0; i < 10; i++) {
        assert_int_equal(timers_pop(&t.timers, UINT64_MAX / 2, out, 7), 7);
        for (int k = 0; k < 7; k++)
            t.model[out[k].cell] = TIMER_NONE;
    }
    assert_int_equal(timers_next(&t.timers), earliest(&t));
    assert_int_equal(timers_pop(&t.timers, UINT64_MAX / 2, out, 0), 0);
    assert_int_equal(pop_all(&t, UINT64_MAX / 2), t.count - 70);
    destroy(&t);
}

static void a_million(void **state) {
    (void)state;
    struct tree t = make(1000000);
    open_tree(&t);
    for (uint32_t c = 0; c < t.count; c++)
        set(&t, c, 1000000 + next_random() % 1000000000);
    uint32_t popped = 0;
    for (uint64_t now = 0; now <= 1001000256; now += 10000000)
        popped += pop_all(&t, now);
    popped += pop_all(&t, 1001000256);
    assert_int_equal(popped, t.count);
    assert_int_equal(timers_next(&t.timers), TIMER_NONE);
    destroy(&t);
}

/* Whatever lies there: calls end, name cells that exist, and after some of them times can be relied on again. */
static void damaged_words(void **state) {
    (void)state;
    struct tree t = make(9000);
    open_tree(&t);
    struct timer out[POP_ROOM];
    for (int round = 0; round < 200; round++) {
        uint64_t words = timer_words(t.count);
        for (int n = 0; n < 500; n++)
            store_relaxed(&t.words[next_random() % words], next_random() % 3 ? next_random() : next_random() % 1000, init);
        store_relaxed(&t.root, next_random() % 2 ? next_random() : next_random() % 1000, init);
        uint32_t n = timers_pop(&t.timers, UINT64_C(1) << next_random() % 64, out, POP_ROOM);
        assert_true(n <= POP_ROOM);
        for (uint32_t i = 0; i < n; i++)
            assert_true(out[i].cell < t.count);
    }
    (void)timers_set(&t.timers, 0, 0);
    for (int i = 0; i < 1000; i++)
        (void)timers_pop(&t.timers, UINT64_MAX / 2, out, POP_ROOM);
    (void)timers_set(&t.timers, 4242, 77);
    bool found = false;
    for (uint32_t n; (n = timers_pop(&t.timers, 1000, out, POP_ROOM)) > 0;)
        for (uint32_t i = 0; i < n; i++)
            found = found || (out[i].cell == 4242 && out[i].due_ns == kept(77));
    assert_true(found);
    destroy(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_array_says_the_same),
        cmocka_unit_test(the_least_and_the_greatest_time),
        cmocka_unit_test(no_more_than_there_is_room_for),
        cmocka_unit_test(a_million),
        cmocka_unit_test(damaged_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
