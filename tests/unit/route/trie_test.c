/* SPDX-License-Identifier: MIT */
/* Compiled patterns against a matcher that is too simple to be wrong, on random patterns and topics; and patterns that would be slow if they were tried in turns. */
#include "trie.h"

#include "check.h"
#include "topic.h"

#include <errno.h>
#include <ringpost/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PATTERNS = 60, ROUNDS = 300, TOPICS = 200 };

static uint64_t seed = 88172645463325252;

static unsigned dice(unsigned sides) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed % sides);
}

/* ---- the simple one: does the pattern's rest match the topic's rest? ---- */

static bool word_is(const char *a, const char *b) {
    size_t x = strcspn(a, "."), y = strcspn(b, ".");
    return x == y && memcmp(a, b, x) == 0;
}

static const char *behind(const char *at) {
    at += strcspn(at, ".");
    return *at == 0 ? NULL : at + 1;
}

static bool naive(const char *pattern, const char *topic) {
    if (pattern == NULL)
        return topic == NULL;
    if (word_is(pattern, "#"))
        return naive(behind(pattern), topic) || (topic != NULL && naive(pattern, behind(topic)));
    if (topic == NULL)
        return false;
    return (word_is(pattern, "*") || word_is(pattern, topic)) && naive(behind(pattern), behind(topic));
}

/* ---- random words: few, so that they meet ---- */

static void random_text(char *out, bool pattern, unsigned words) {
    static const char *const some[] = {"a", "b", "ab", "c", "orders", "*", "#"};
    out[0] = 0;
    for (unsigned i = 0; i < words; i++) {
        if (i > 0)
            strcat(out, ".");
        strcat(out, some[dice(pattern ? 7 : 5)]);
    }
}

struct hits {
    unsigned count[PATTERNS];
};

static void hit(void *context, uint32_t value) {
    struct hits *h = context;
    h->count[value]++;
}

static void as_the_simple_one(void **state) {
    (void)state;
    unsigned matched = 0;
    struct trie_scratch scratch = {0};
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct trie t;
        char patterns[PATTERNS][128], topic[128];
        assert_int_equal(trie_init(&t, round), 0);
        for (unsigned i = 0; i < PATTERNS; i++) {
            size_t bytes;
            random_text(patterns[i], true, 1 + dice(6));
            assert_int_equal(pattern_check(patterns[i], &bytes), 0);
            assert_int_equal(trie_add(&t, patterns[i], bytes, i), 0);
        }
        assert_int_equal(trie_scratch_fit(&scratch, t.node_count), 0);
        for (unsigned k = 0; k < TOPICS; k++) {
            struct hits h = {{0}};
            random_text(topic, false, 1 + dice(7));
            trie_match(&t, &scratch, topic, strlen(topic), hit, &h);
            for (unsigned i = 0; i < PATTERNS; i++) {
                unsigned expected = naive(patterns[i], topic);
                if (h.count[i] != expected)
                    fprintf(stderr, "'%s' for '%s': %u times, expected %u\n", patterns[i], topic, h.count[i], expected);
                assert_int_equal(h.count[i], expected);
                matched += expected;
            }
        }
        trie_free(&t);
    }
    assert_true(matched > ROUNDS * TOPICS); /* it was worth it */
    trie_scratch_free(&scratch);
}

/* #.a.#.a.#... against aaaa...b: trying all ways to share out the words would take longer than anybody waits. */
static void no_pattern_is_slow(void **state) {
    (void)state;
    struct trie t;
    struct trie_scratch scratch = {0};
    struct hits h = {{0}};
    char pattern[256] = "", topic[256] = "";
    for (unsigned i = 0; i < 60; i++)
        strcat(pattern, i == 0 ? "#.a" : ".#.a");
    for (unsigned i = 0; i < 127; i++)
        strcat(topic, i == 0 ? "a" : ".a");
    assert_int_equal(trie_init(&t, 1), 0);
    assert_int_equal(trie_add(&t, pattern, strlen(pattern), 0), 0);
    strcat(pattern, ".b");
    assert_int_equal(trie_add(&t, pattern, strlen(pattern), 1), 0);
    assert_int_equal(trie_scratch_fit(&scratch, t.node_count), 0);
    clock_t start = clock();
    trie_match(&t, &scratch, topic, strlen(topic), hit, &h);
    print_message("%.0f us\n", (double)(clock() - start) * 1e6 / CLOCKS_PER_SEC);
    assert_int_equal(h.count[0], 1);
    assert_int_equal(h.count[1], 0);
    trie_free(&t);
    trie_scratch_free(&scratch);
}

/* The same result when the counter of steps begins anew. */
static void steps_wrap(void **state) {
    (void)state;
    struct trie t;
    struct trie_scratch scratch = {0};
    assert_int_equal(trie_init(&t, 1), 0);
    assert_int_equal(trie_add(&t, "a.#.b", 5, 0), 0);
    assert_int_equal(trie_scratch_fit(&scratch, t.node_count), 0);
    scratch.step = UINT32_MAX - 5;
    for (unsigned i = 0; i < 10; i++) {
        struct hits h = {{0}};
        trie_match(&t, &scratch, "a.x.y.b", 7, hit, &h);
        assert_int_equal(h.count[0], 1);
        trie_match(&t, &scratch, "a.x.y", 5, hit, &h);
        assert_int_equal(h.count[0], 1);
    }
    trie_free(&t);
    trie_scratch_free(&scratch);
}

static void the_grammar_has_limits(void **state) {
    (void)state;
    char text[300];
    size_t bytes;
    memset(text, 'a', sizeof text);
    text[255] = 0;
    assert_int_equal(topic_check(text, &bytes), 0);
    assert_int_equal(bytes, 255);
    text[255] = 'a';
    text[256] = 0;
    assert_int_equal(topic_check(text, &bytes), -EINVAL);
    assert_int_equal(topic_check("\xc3\xa4.\xf0\x9f\x98\x80", &bytes), 0); /* any bytes but those that mean something */
    assert_int_equal(pattern_check("*", &bytes), 0);
    assert_int_equal(pattern_check("#.*.#", &bytes), 0);
    const char *const no_topics[] = {"", "*", "a.#", "a*", "a..b", ".a", "a.", "a\tb", NULL};
    const char *const no_patterns[] = {"", "a*", "*a", "##", "a.**", "#a.b", "a..#", "#.", NULL};
    for (int i = 0; no_topics[i] != NULL; i++)
        assert_int_equal(topic_check(no_topics[i], &bytes), -EINVAL);
    for (int i = 0; no_patterns[i] != NULL; i++)
        assert_int_equal(pattern_check(no_patterns[i], &bytes), -EINVAL);
    assert_int_equal(topic_check(NULL, &bytes), -EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_the_simple_one),
        cmocka_unit_test(no_pattern_is_slow),
        cmocka_unit_test(steps_wrap),
        cmocka_unit_test(the_grammar_has_limits),
    };
    return cmocka_run_group_tests_name("trie", tests, NULL, NULL);
}
