/* SPDX-License-Identifier: MIT */
/* The kernel's description of nodes, read from files that are made up. */
#include "topology.h"

#include "check.h"
#include "scratch.h"

#include <sched.h>

static struct scratch scratch;

static int setup(void **state) {
    (void)state;
    return scratch_create(&scratch);
}

static int teardown(void **state) {
    (void)state;
    char path[160];
    for (int n = 0; n < 80; n++) {
        static const char *const files[] = {"cpulist", "meminfo", "distance"};
        for (int i = 0; i < 3; i++) {
            snprintf(path, sizeof path, "%s/node%d/%s", scratch.directory, n, files[i]);
            unlink(path);
        }
    }
    scratch_destroy(&scratch);
    return 0;
}

static void put(const char *name, const char *text) {
    char path[160];
    snprintf(path, sizeof path, "%s/%s", scratch.directory, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void node(int n, const char *processors, unsigned mib, const char *distances) {
    char path[160], text[160];
    snprintf(path, sizeof path, "%s/node%d", scratch.directory, n);
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(path, sizeof path, "node%d/cpulist", n);
    put(path, processors);
    snprintf(text, sizeof text, "Node %d MemTotal:       %u kB\nNode %d MemFree:        4 kB\n", n, mib * 1024, n);
    snprintf(path, sizeof path, "node%d/meminfo", n);
    put(path, text);
    snprintf(path, sizeof path, "node%d/distance", n);
    put(path, distances);
}

static void nodes_with_a_gap(void **state) {
    (void)state;
    struct topology t;
    char ours[16];
    cpu_set_t set;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    int cpu = 0;
    while (!CPU_ISSET(cpu, &set))
        cpu++;
    snprintf(ours, sizeof ours, "%d\n", cpu);
    put("online", "0,2-3,70\n");
    node(0, "8000-8003,8010\n", 512, "10 21 30\n");
    node(2, ours, 1024, "21 10 300\n");
    node(3, "\n", 2048, "30 31 10\n");
    node(70, "1\n", 4096, "10\n");
    assert_int_equal(topology_has_nodes(scratch.directory), 1);
    assert_int_equal(topology_read(scratch.directory, ~UINT64_C(8), &t), 4); /* we run on node 2 and may have no memory on 3 */
    assert_int_equal(t.node[0].processors, 5);
    assert_int_equal(t.node[0].memory_bytes, UINT64_C(512) << 20);
    assert_int_equal(t.node[1].processors + t.node[1].memory_bytes, 0);
    assert_int_equal(t.node[2].processors, 1);
    assert_int_equal(t.node[2].memory_bytes, UINT64_C(1) << 30);
    assert_int_equal(t.node[3].processors + t.node[3].memory_bytes, 0);
    assert_int_equal(t.distance[0][2], 21);
    assert_int_equal(t.distance[0][3], 30);
    assert_int_equal(t.distance[2][0], 21);
    assert_int_equal(t.distance[2][3], 255);
    assert_int_equal(t.distance[3][2], 31);
}

static void without_files_there_are_no_nodes(void **state) {
    (void)state;
    struct topology t;
    assert_int_equal(topology_has_nodes(scratch.directory), 0);
    assert_int_equal(topology_read(scratch.directory, UINT64_MAX, &t), 0);
    put("online", "0-1\n"); /* and no more */
    assert_int_equal(topology_read(scratch.directory, UINT64_MAX, &t), 0);
    for (unsigned n = 0; n < NODES_MOST; n++)
        assert_int_equal(t.node[n].memory_bytes + t.node[n].processors + t.distance[n][n], 0);
    put("online", "nonsense\n");
    assert_int_equal(topology_has_nodes(scratch.directory), 0);
}

static void lists(void **state) {
    (void)state;
    assert_int_equal(topology_list("0-1,4,62-200\n"), UINT64_C(0xc000000000000013));
    assert_int_equal(topology_list("5"), 32);
    assert_int_equal(topology_list("5-"), 32);
    assert_int_equal(topology_list(""), 0);
    assert_int_equal(topology_list("-3"), 0);
    assert_int_equal(topology_list("3-1"), 0);
    assert_int_equal(topology_list("99999999999999999999"), 0);
    assert_true(topology_allowed() != 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nodes_with_a_gap, setup, teardown),
        cmocka_unit_test_setup_teardown(without_files_there_are_no_nodes, setup, teardown),
        cmocka_unit_test(lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
