/* SPDX-License-Identifier: MIT */
/*
 * On which NUMA nodes the two halves of a segment should lie: the rings, which is everything that is looked at all the time (control, seats, lanes, delivery words beside the
 * cells), and the cells, which are most of the bytes. A pure function of what the machine is and of what was asked for; tests/unit/platform/placement_test.c has the machines.
 *
 * Nodes are bits of a mask. One bit: that node, as long as it has memory. Several: pages in turns. None: wherever the kernel puts them.
 */
#ifndef RP_PLATFORM_PLACEMENT_H
#define RP_PLATFORM_PLACEMENT_H

#include <stdint.h>

enum { NODES_MOST = 64 };

/* A machine. Numbers of nodes may have gaps: what has neither memory nor processors is not there. */
struct topology {
    struct {
        uint64_t memory_bytes; /* 0: none that we may use */
        uint32_t processors;   /* 0: memory only (CXL, HBM in flat mode) */
    } node[NODES_MOST];
    uint8_t distance[NODES_MOST][NODES_MOST]; /* as the firmware says: 10 itself, more is farther; 0: not known */
};

enum { DISTANCE_SELF = 10, DISTANCE_UNKNOWN = 20 };

/* Of two nodes below NODES_MOST. */
static inline unsigned placement_distance(const struct topology *t, unsigned from, unsigned to) {
    unsigned d = t->distance[from][to];
    return d != 0 ? d : from == to ? DISTANCE_SELF : DISTANCE_UNKNOWN;
}

enum placement_request { /* the values of enum rp_numa */
                         PLACEMENT_AUTO,
                         PLACEMENT_INTERLEAVE,
                         PLACEMENT_CONSUMER,
                         PLACEMENT_NODE
};

struct placement_question {
    enum placement_request request;
    uint32_t node;  /* PLACEMENT_NODE: which */
    uint64_t near;  /* the nodes on whose processors those run that the segment is for; 0: not known */
    uint64_t bytes; /* of the segment */
};

struct placement {
    uint64_t rings, cells;
};

/*
 * A machine of one node with memory: nothing is asked for, whatever the request; but a node that is named must be there. Else
 *
 *     node:N       both there, a node without processors, too
 *     interleave   both in turns over all nodes that have processors
 *     consumer     one node: both there. Several: the rings on the one that has the least way to all of them, the cells in turns over them. Not known: as interleave
 *     auto         as consumer, if they are confined to some of the nodes; else as interleave
 *
 * Who runs where there is no memory counts as running on the nearest node that has some; of several equally near or central nodes the lowest wins. Nodes without processors
 * are far and slow, and used only by name, or where nothing else has memory. Cells that are larger than all memory of their nodes get the nearest next ones as well.
 *
 * 0, or -1: there is no memory on the node that was named; `out` is empty then.
 */
int placement_decide(const struct topology *t, const struct placement_question *q, struct placement *out);

#endif
