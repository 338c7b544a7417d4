/* SPDX-License-Identifier: MIT */
/*
 * Where rings and cells go, on machines that hwloc makes up: two nodes, eight, clusters within a package, nodes without processors. Without hwloc the same rules are only tried on
 * machines that are written down here.
 */
#include "placement.h"

#include "check.h"
#include "machines.h"
#include "topology.h"

#define MIB (UINT64_C(1) << 20)

static struct placement decide(const struct topology *t, enum placement_request request, uint32_t node, uint64_t near,
                               uint64_t bytes) {
    struct placement p = {99, 99};
    struct placement_question q = {request, node, near, bytes};
    assert_int_equal(placement_decide(t, &q, &p), 0);
    return p;
}

#define lie(p, where_rings, where_cells)             \
    do {                                             \
        struct placement lie_ = (p);                 \
        assert_int_equal(lie_.rings, (where_rings)); \
        assert_int_equal(lie_.cells, (where_cells)); \
    } while (0)

static void refuses(const struct topology *t, uint32_t node) {
    struct placement p = {99, 99};
    struct placement_question q = {PLACEMENT_NODE, node, 1, MIB};
    assert_int_equal(placement_decide(t, &q, &p), -1);
    lie(p, 0, 0);
}

static void with_one_node_there_is_nothing_to_decide(void **state) {
    (void)state;
    struct topology t = plain(1, GIB), none = plain(0, 0);
    for (enum placement_request r = PLACEMENT_AUTO; r <= PLACEMENT_CONSUMER; r++) {
        lie(decide(&t, r, 0, 1, 2 * GIB), 0, 0);
        lie(decide(&none, r, 0, 0, MIB), 0, 0);
    }
    lie(decide(&t, PLACEMENT_NODE, 0, 1, MIB), 0, 0);
    refuses(&t, 1);
    refuses(&none, 0);
    refuses(&t, NODES_MOST);
    refuses(&t, UINT32_MAX);
}

static void cells_take_the_next_node_when_they_do_not_fit(void **state) {
    (void)state;
    struct topology t = plain(4, GIB);
    t.distance[1][3] = t.distance[3][1] = 12; /* beside node 1 */
    lie(decide(&t, PLACEMENT_CONSUMER, 0, 2, GIB), 2, 2);
    lie(decide(&t, PLACEMENT_CONSUMER, 0, 2, GIB + 1), 2, 2 | 8);
    lie(decide(&t, PLACEMENT_CONSUMER, 0, 2, 2 * GIB + 1), 2, 1 | 2 | 8);
    lie(decide(&t, PLACEMENT_CONSUMER, 0, 2, 100 * GIB), 2, 15);
    lie(decide(&t, PLACEMENT_NODE, 1, 1, 100 * GIB), 2, 2); /* who names it means it */
}

static void distances_that_nobody_knows_are_all_the_same(void **state) {
    (void)state;
    struct topology t = plain(3, GIB);
    memset(t.distance, 0, sizeof t.distance);
    lie(decide(&t, PLACEMENT_CONSUMER, 0, 6, MIB), 2, 6);
    t.node[2].memory_bytes = 0;
    lie(decide(&t, PLACEMENT_CONSUMER, 0, 4, MIB), 1, 1);
}

static void the_last_of_64_nodes_is_one(void **state) {
    (void)state;
    const uint64_t last = UINT64_C(1) << 63;
    struct topology t = plain(64, GIB);
    lie(decide(&t, PLACEMENT_NODE, 63, 0, MIB), last, last);
    lie(decide(&t, PLACEMENT_CONSUMER, 0, last, MIB), last, last);
    lie(decide(&t, PLACEMENT_INTERLEAVE, 0, last, MIB), UINT64_MAX, UINT64_MAX);
}

#ifdef HAVE_HWLOC

static void two_nodes(void **state) {
    (void)state;
    struct topology t = made_up("pack:2 [numa(memory=8GB)] core:4 pu:2");
    lie(decide(&t, PLACEMENT_NODE, 0, 3, MIB), 1, 1);
    lie(decide(&t, PLACEMENT_NODE, 1, 1, MIB), 2, 2);
    refuses(&t, 2);
    lie(decide(&t, PLACEMENT_INTERLEAVE, 0, 1, MIB), 3, 3);
    lie(decide(&t, PLACEMENT_CONSUMER, 0, 1, MIB), 1, 1);
    lie(decide(&t, PLACEMENT_CONSUMER, 0, 2, MIB), 2, 2);
    lie(decide(&t, PLACEMENT_CONSUMER, 0, 3, MIB), 1, 3);
    lie(decide(&t, PLACEMENT_CONSUMER, 0, 0, MIB), 3, 3);
    lie(decide(&t, PLACEMENT_AUTO, 0, 2, MIB), 2, 2);
    lie(decide(&t, PLACEMENT_AUTO, 0, 3, MIB), 3, 3);
    lie(decide(&t, PLACEMENT_AUTO, 0, 0, MIB), 3, 3);
}

static void eight_nodes(void **state) {
    (void)state;
    struct topology t = made_up("pack:8 [numa(memory=4GB)] core:4 pu:1");
    lie(decide(&t, PLACEMENT_INTERLEAVE, 0, 4, MIB), 0xff, 0xff);
    lie(decide(&t, PLACEMENT_AUTO, 0, 0x30, MIB), 0x10, 0x30); /* consumers on 4 and 5 */
    lie(decide(&t, PLACEMENT_AUTO, 0, 0xff, MIB), 0xff, 0xff);
    lie(decide(&t, PLACEMENT_CONSUMER, 0, 0x80, MIB), 0x80, 0x80);
    refuses(&t, 8);
    /* Three in a row of which the middle one is near to both: the rings go there, not to the lowest. */
    t.distance[1][2] = t.distance[2][1] = t.distance[2][3] = t.distance[3][2] = 16;
    lie(decide(&t, PLACEMENT_CONSUMER, 0, 0x0e, MIB), 0x04, 0x0e);
}

static void clusters_within_a_package(void **state) {
    (void)state;
    struct topology t = made_up("pack:2 group:4 [numa(memory=4GB)] core:2 pu:2");
    assert_int_equal(t.distance[0][3], 12);
    assert_int_equal(t.distance[3][4], 21);
    lie(decide(&t, PLACEMENT_CONSUMER, 0, 0x08, MIB), 0x08, 0x08);
    /* One consumer in the first package, two in the second: the rings go where the two are. */
    lie(decide(&t, PLACEMENT_CONSUMER, 0, 0x32, MIB), 0x10, 0x32);
    /* What does not fit into its cluster overflows into the neighbours, not over the bridge. */
    lie(decide(&t, PLACEMENT_CONSUMER, 0, 0x40, 11 * GIB), 0x40, 0x70);
    t.node[6].memory_bytes = 0; /* a cluster without modules */
    lie(decide(&t, PLACEMENT_CONSUMER, 0, 0x40, MIB), 0x10, 0x10);
    lie(decide(&t, PLACEMENT_INTERLEAVE, 0, 0, MIB), 0xbf, 0xbf);
}

static void nodes_without_processors(void **state) {
    (void)state;
    struct topology t = made_up("pack:2 [numa(memory=8GB)] [numa(memory=64GB)] core:4 pu:1"); /* one more behind each package */
    uint64_t with = 0, without = 0;
    for (unsigned n = 0; n < 4; n++)
        *(t.node[n].processors > 0 ? &with : &without) |= UINT64_C(1) << n;
    assert_int_equal(__builtin_popcountll(with), 2);
    assert_int_equal(__builtin_popcountll(without), 2);
    unsigned far = (unsigned)__builtin_ctzll(without);
    lie(decide(&t, PLACEMENT_INTERLEAVE, 0, 0, MIB), with, with);
    lie(decide(&t, PLACEMENT_AUTO, 0, with, MIB), with, with); /* free to run anywhere there is a processor */
    lie(decide(&t, PLACEMENT_NODE, far, 0, MIB), without & -without, without & -without);
    lie(decide(&t, PLACEMENT_CONSUMER, 0, without, MIB), with, with); /* nobody runs there */
    /* A machine-wide node beside one that has no memory of its own. */
    struct topology cxl = made_up("[numa(memory=256GB)] pack:2 [numa(memory=8GB)] core:2 pu:1");
    uint64_t wide = 0, local = 0;
    for (unsigned n = 0; n < 3; n++)
        *(cxl.node[n].processors > 0 ? &local : &wide) |= UINT64_C(1) << n;
    assert_int_equal(__builtin_popcountll(wide), 1);
    unsigned first = (unsigned)__builtin_ctzll(local), second = 63u - (unsigned)__builtin_clzll(local);
    cxl.node[first].memory_bytes = 0;
    lie(decide(&cxl, PLACEMENT_CONSUMER, 0, UINT64_C(1) << first, MIB), UINT64_C(1) << second, UINT64_C(1) << second);
    cxl.node[second].memory_bytes = 0;
    cxl.node[second].processors = 2;
    struct topology hbm = cxl;
    hbm.node[first].memory_bytes = 0; /* all memory is far: one node, nothing to decide */
    lie(decide(&hbm, PLACEMENT_CONSUMER, 0, UINT64_C(1) << first, MIB), 0, 0);
}

/* The kernel's files, as we read them, against hwloc's reading of this machine. */
static void this_machine_as_hwloc_sees_it(void **state) {
    (void)state;
    hwloc_topology_t h;
    struct topology here;
    assert_int_equal(hwloc_topology_init(&h), 0);
    assert_int_equal(hwloc_topology_load(h), 0);
    uint64_t near = topology_read(TOPOLOGY_ROOT, topology_allowed(), &here), nodes = 0;
    struct topology there = taken_from(h);
    hwloc_topology_destroy(h);
    for (unsigned n = 0; n < NODES_MOST; n++) {
        assert_int_equal(here.node[n].memory_bytes, there.node[n].memory_bytes);
        assert_int_equal(here.node[n].processors, there.node[n].processors);
        nodes |= (uint64_t)(here.node[n].processors > 0) << n;
    }
    assert_int_equal(near & ~nodes, 0);
    assert_true(near != 0 || nodes == 0);
}

#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_one_node_there_is_nothing_to_decide),
        cmocka_unit_test(cells_take_the_next_node_when_they_do_not_fit),
        cmocka_unit_test(distances_that_nobody_knows_are_all_the_same),
        cmocka_unit_test(the_last_of_64_nodes_is_one),
#ifdef HAVE_HWLOC
        cmocka_unit_test(two_nodes),
        cmocka_unit_test(eight_nodes),
        cmocka_unit_test(clusters_within_a_package),
        cmocka_unit_test(nodes_without_processors),
        cmocka_unit_test(this_machine_as_hwloc_sees_it),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
