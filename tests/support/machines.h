/* SPDX-License-Identifier: MIT */
/* Machines that we do not have: some written down here, others made up by hwloc, where it is there. */
#ifndef SUPPORT_MACHINES_H
#define SUPPORT_MACHINES_H

#include "check.h"
#include "placement.h"

#include <stdbool.h>
#include <string.h>
#ifdef HAVE_HWLOC
#include <hwloc.h>
#endif

#define GIB (UINT64_C(1) << 30)

/* `count` nodes with processors, all equally far. */
static inline struct topology plain(unsigned count, uint64_t memory) {
    struct topology t;
    memset(&t, 0, sizeof t);
    for (unsigned n = 0; n < count; n++) {
        t.node[n].memory_bytes = memory;
        t.node[n].processors = 4;
        for (unsigned to = 0; to < count; to++)
            t.distance[n][to] = n == to ? 10 : 21;
    }
    return t;
}

#ifdef HAVE_HWLOC

static inline hwloc_obj_t parent_of(hwloc_obj_t node) {
    while (hwloc_obj_type_is_memory(node->type))
        node = node->parent;
    return node;
}

/* As firmware would say: 10 itself, 12 in the same package, 21 beyond; what has no processors is 7 further. */
static inline unsigned ways(hwloc_topology_t h, const struct topology *t, hwloc_obj_t a, hwloc_obj_t b) {
    if (a == b)
        return 10;
    unsigned far = (t->node[a->os_index].processors == 0 ? 7u : 0) + (t->node[b->os_index].processors == 0 ? 7u : 0);
    hwloc_obj_t common = hwloc_get_common_ancestor_obj(h, parent_of(a), parent_of(b));
    return far + (common->type == HWLOC_OBJ_MACHINE ? 21 : 12);
}

/* What the kernel would say of hwloc's machine: a processor belongs to the smallest node around it, the lowest of several; a node to which none belongs has only memory. */
static inline struct topology taken_from(hwloc_topology_t h) {
    struct topology t;
    int count = hwloc_get_nbobjs_by_type(h, HWLOC_OBJ_NUMANODE);
    memset(&t, 0, sizeof t);
    for (int i = 0; i < count; i++) {
        hwloc_obj_t node = hwloc_get_obj_by_type(h, HWLOC_OBJ_NUMANODE, (unsigned)i);
        assert_true(node->os_index < NODES_MOST);
        t.node[node->os_index].memory_bytes = node->attr->numanode.local_memory;
    }
    for (hwloc_obj_t pu = NULL; (pu = hwloc_get_next_obj_by_type(h, HWLOC_OBJ_PU, pu)) != NULL;) {
        hwloc_obj_t best = NULL;
        for (int i = 0; i < count; i++) {
            hwloc_obj_t node = hwloc_get_obj_by_type(h, HWLOC_OBJ_NUMANODE, (unsigned)i);
            bool around = hwloc_bitmap_isset(node->cpuset, pu->os_index);
            if (around && (best == NULL || hwloc_bitmap_weight(node->cpuset) < hwloc_bitmap_weight(best->cpuset) ||
                           (hwloc_bitmap_isequal(node->cpuset, best->cpuset) && node->os_index < best->os_index)))
                best = node;
        }
        assert_non_null(best);
        t.node[best->os_index].processors++;
    }
    for (int i = 0; i < count; i++)
        for (int k = 0; k < count; k++) {
            hwloc_obj_t a = hwloc_get_obj_by_type(h, HWLOC_OBJ_NUMANODE, (unsigned)i),
                        b = hwloc_get_obj_by_type(h, HWLOC_OBJ_NUMANODE, (unsigned)k);
            t.distance[a->os_index][b->os_index] = (uint8_t)ways(h, &t, a, b);
        }
    return t;
}

static inline struct topology made_up(const char *description) {
    hwloc_topology_t h;
    assert_int_equal(hwloc_topology_init(&h), 0);
    assert_int_equal(hwloc_topology_set_synthetic(h, description), 0);
    assert_int_equal(hwloc_topology_load(h), 0);
    struct topology t = taken_from(h);
    hwloc_topology_destroy(h);
    return t;
}

#endif
#endif
