/* SPDX-License-Identifier: MIT */
/* Which nodes get shards, whose home is where, in which order others are asked, which cells are whose: on machines that hwloc makes up, and some that are written down here. */
#include "shard_map.h"

#include "check.h"
#include "machines.h"
#include <stdio.h>

enum { ALL = 1000 };

/* The shards as somebody on `here` goes through them, whose home is `home`. */
static void goes(const struct topology *t, uint64_t nodes, uint32_t count, unsigned here, uint32_t home, const char *expected) {
    uint8_t order[SHARDS_MOST];
    char text[SHARDS_MOST * 3 + 1] = "";
    shard_order(t, nodes, count, here, home, order);
    for (uint32_t i = 0; i < count; i++)
        sprintf(text + strlen(text), "%s%u", i > 0 ? " " : "", order[i]);
    assert_string_equal(text, expected);
}

/* One shard for each node: at home where they run. */
static void lives_at_home(const struct topology *t, uint64_t nodes) {
    const uint32_t count = (uint32_t)__builtin_popcountll(nodes);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t spread = 0; spread < 3; spread++)
            assert_int_equal(shard_home(t, nodes, count, shard_node(nodes, i), spread), i);
}

static void one_node_may_have_several(void **state) {
    (void)state;
    struct topology t = plain(1, GIB), none = plain(0, 0);
    assert_int_equal(shard_nodes(&t, ALL), 1);
    assert_int_equal(shard_nodes(&t, 4), 1);
    assert_int_equal(shard_nodes(&none, ALL), 0);
    for (uint32_t i = 0; i < 8; i++) {
        assert_int_equal(shard_node(1, i), 0);
        assert_int_equal(shard_node(0, i), NODES_MOST);
        assert_int_equal(shard_home(&t, 1, 4, 0, i), i % 4); /* by the seat */
        assert_int_equal(shard_home(&none, 0, 4, NODES_MOST, i), i % 4);
    }
    goes(&t, 1, 4, 0, 2, "2 3 0 1");
    goes(&none, 0, 4, NODES_MOST, 1, "1 2 3 0");
    goes(&none, 0, 2, NODES_MOST, 1, "1 0");
}

static void more_than_nodes_go_round(void **state) {
    (void)state;
    struct topology t = plain(2, GIB);
    assert_int_equal(shard_nodes(&t, 6), 3);
    for (uint32_t i = 0; i < 6; i++)
        assert_int_equal(shard_node(3, i), i % 2);
    assert_int_equal(shard_home(&t, 3, 6, 1, 0), 1);
    assert_int_equal(shard_home(&t, 3, 6, 1, 1), 3);
    assert_int_equal(shard_home(&t, 3, 6, 1, 2), 5);
    assert_int_equal(shard_home(&t, 3, 6, 1, 3), 1);
    goes(&t, 3, 6, 1, 3, "3 5 1 4 0 2"); /* its own node's first */
    goes(&t, 3, 6, 0, 0, "0 2 4 1 3 5");
}

static void as_far_as_the_firmware_says(void **state) {
    (void)state;
    struct topology t = plain(4, GIB); /* a ring of four: opposite ones are farthest */
    for (unsigned n = 0; n < 4; n++)
        t.distance[n][(n + 2) % 4] = 31;
    lives_at_home(&t, 15);
    goes(&t, 15, 4, 0, 0, "0 1 3 2");
    goes(&t, 15, 4, 3, 3, "3 0 2 1");
    goes(&t, 15, 4, NODES_MOST, 3, "3 0 2 1"); /* not known: as if there */
    assert_int_equal(shard_nodes(&t, 2), 1 | 4);
    goes(&t, 1 | 4, 2, 1, 0, "0 1");
    assert_int_equal(shard_home(&t, 1 | 4, 2, 1, 1), 1); /* both are next door */
    t.distance[1][2] = 15;                               /* that way only */
    assert_int_equal(shard_home(&t, 1 | 4, 2, 1, 0), 1);
    goes(&t, 15, 4, 1, 1, "1 2 0 3");
    goes(&t, 15, 4, 2, 2, "2 3 1 0");
    memset(t.distance, 0, sizeof t.distance); /* nobody knows */
    lives_at_home(&t, 15);
    goes(&t, 15, 4, 2, 2, "2 3 0 1");
}

static void at_most_sixteen(void **state) {
    (void)state;
    struct topology t = plain(64, GIB);
    assert_int_equal(__builtin_popcountll(shard_nodes(&t, ALL)), SHARDS_MOST);
    t.distance[60][3] = 15;
    assert_int_equal(shard_nodes(&t, ALL), 0xffff);
    assert_int_equal(shard_home(&t, 0xffff, 16, 60, 7), 3); /* a node without a shard: the nearest that has one */
    goes(&t, 0xffff, 16, 60, 3, "3 4 5 6 7 8 9 10 11 12 13 14 15 0 1 2");
    assert_int_equal(shard_node(UINT64_C(1) << 63 | 1, 1), 63);
}

/* Whatever the machine: home first, each once, never a nearer one after a farther one. */
static void any_machine(void **state) {
    (void)state;
    uint64_t x = 88172645463325252u;
    for (unsigned round = 0; round < 20000; round++) {
        struct topology t = plain(1 + round % 20, GIB);
        for (unsigned a = 0; a < 20; a++)
            for (unsigned b = 0; b < 20; b++) {
                x ^= x << 13, x ^= x >> 7, x ^= x << 17;
                t.distance[a][b] = (uint8_t)(a == b ? 10 : 10 + x % 5 * 10);
                t.node[a].processors = a < 1 + round % 20 && x % 7 != 0 ? 2 : 0;
            }
        const uint32_t count = 2 + (uint32_t)(x >> 20) % 15;
        const uint64_t nodes = shard_nodes(&t, count);
        const unsigned here = (unsigned)(x >> 40) % 21 == 20 ? NODES_MOST : (unsigned)(x >> 40) % 20;
        assert_true(nodes != 0 && (uint32_t)__builtin_popcountll(nodes) <= count);
        uint32_t home = shard_home(&t, nodes, count, here, round), seen = 0;
        uint8_t order[SHARDS_MOST];
        shard_order(&t, nodes, count, here, home, order);
        assert_int_equal(order[0], home);
        for (uint32_t i = 0; i < count; i++) {
            assert_true(order[i] < count && !(seen >> order[i] & 1));
            seen |= 1u << order[i];
            if (here < NODES_MOST && i > 0)
                assert_true(placement_distance(&t, here, shard_node(nodes, order[i])) >=
                            placement_distance(&t, here, shard_node(nodes, order[i - 1])));
        }
    }
}

static void cells_are_cut_into_words(void **state) {
    (void)state;
    const uint32_t capacities[] = {1, 63, 64, 65, 100, 1000, 4096, 65536, 999999, 4000000}, seats[] = {1, 7, 64, 1000};
    for (unsigned c = 0; c < 10; c++)
        for (unsigned i = 0; i < 4; i++)
            for (uint32_t shards = 2; shards <= SHARDS_MOST; shards++) {
                const struct parameters p = {.capacity = capacities[c], .max_participants = seats[i], .numa_shards = shards};
                const struct layout l = {.cell_count = p.capacity + CELLS_PER_PARTICIPANT * p.max_participants};
                uint32_t end = 0;
                for (uint32_t k = 0; k < shards; k++) {
                    struct cell_range r = shard_cells(&p, &l, k);
                    assert_int_equal(r.first, end);
                    assert_true(r.end >= r.first && (r.first % 64 == 0 || r.first == l.cell_count));
                    if (k + 1 < shards) /* a fair share, but for a word */
                        assert_true(r.end - r.first <= p.capacity / shards + 65);
                    end = r.end;
                }
                assert_int_equal(end, l.cell_count);
            }
}

#ifdef HAVE_HWLOC

static void two_nodes(void **state) {
    (void)state;
    struct topology t = made_up("pack:2 [numa(memory=8GB)] core:4 pu:2");
    assert_int_equal(shard_nodes(&t, ALL), 3);
    assert_int_equal(shard_nodes(&t, 2), 3);
    assert_int_equal(shard_nodes(&t, 1), 1);
    lives_at_home(&t, 3);
    goes(&t, 3, 2, 0, 0, "0 1");
    goes(&t, 3, 2, 1, 1, "1 0");
}

static void eight_nodes(void **state) {
    (void)state;
    struct topology t = made_up("pack:8 [numa(memory=4GB)] core:4 pu:1");
    assert_int_equal(shard_nodes(&t, ALL), 0xff);
    lives_at_home(&t, 0xff);
    goes(&t, 0xff, 8, 3, 3, "3 4 5 6 7 0 1 2"); /* equally far: not all to the lowest */
    goes(&t, 0xff, 8, 7, 7, "7 0 1 2 3 4 5 6");
    t.distance[3][1] = 16;
    goes(&t, 0xff, 8, 3, 3, "3 1 4 5 6 7 0 2");
}

static void clusters_within_a_package(void **state) {
    (void)state;
    struct topology t = made_up("pack:2 group:4 [numa(memory=4GB)] core:2 pu:2");
    lives_at_home(&t, 0xff);
    goes(&t, 0xff, 8, 5, 5, "5 6 7 4 0 1 2 3"); /* over the bridge last */
    goes(&t, 0xff, 8, 0, 0, "0 1 2 3 4 5 6 7");
    assert_int_equal(shard_nodes(&t, 2), 0x11); /* one for each package */
    assert_int_equal(shard_nodes(&t, 4), 0x33);
    assert_int_equal(shard_home(&t, 0x11, 2, 6, 0), 1);
    goes(&t, 0x11, 2, 6, 1, "1 0");
    t.node[6].memory_bytes = 0; /* a cluster without modules */
    assert_int_equal(shard_nodes(&t, ALL), 0xbf);
    for (uint32_t seat = 0; seat < 6; seat++)
        assert_int_equal(shard_home(&t, 0xbf, 7, 6, seat), 4 + seat % 3); /* those of nodes 4, 5, 7 */
}

static void nodes_without_processors(void **state) {
    (void)state;
    struct topology t = made_up("pack:2 [numa(memory=8GB)] [numa(memory=64GB)] core:4 pu:1"); /* one more behind each package */
    uint64_t with = 0;
    for (unsigned n = 0; n < 4; n++)
        with |= (uint64_t)(t.node[n].processors > 0) << n;
    assert_int_equal(__builtin_popcountll(with), 2);
    assert_int_equal(shard_nodes(&t, ALL), with);
    assert_int_equal(shard_nodes(&t, 4), with); /* four shards, of two nodes */
    lives_at_home(&t, with);
    struct topology cxl = made_up("[numa(memory=256GB)] pack:2 [numa(memory=8GB)] core:2 pu:1");
    uint64_t local = 0;
    for (unsigned n = 0; n < 3; n++)
        local |= (uint64_t)(cxl.node[n].processors > 0) << n;
    assert_int_equal(shard_nodes(&cxl, ALL), local);
    for (unsigned n = 0; n < 3; n++)
        if (local >> n & 1)
            cxl.node[n].memory_bytes = 0; /* all memory is far */
    assert_int_equal(shard_nodes(&cxl, ALL), 7 & ~local);
}

#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_node_may_have_several),
        cmocka_unit_test(more_than_nodes_go_round),
        cmocka_unit_test(as_far_as_the_firmware_says),
        cmocka_unit_test(at_most_sixteen),
        cmocka_unit_test(any_machine),
        cmocka_unit_test(cells_are_cut_into_words),
#ifdef HAVE_HWLOC
        cmocka_unit_test(two_nodes),
        cmocka_unit_test(eight_nodes),
        cmocka_unit_test(clusters_within_a_package),
        cmocka_unit_test(nodes_without_processors),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
