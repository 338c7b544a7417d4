/* SPDX-License-Identifier: MIT */
#include "placement.h"
#include <stdbool.h>

static uint64_t bit(unsigned node) { return UINT64_C(1) << node; }
static bool single(uint64_t nodes) { return (nodes & (nodes - 1)) == 0; }

/* Of `candidates`, not none, the one with the least sum of ways to `nodes`. */
static unsigned central(const struct topology *t, uint64_t candidates, uint64_t nodes) {
    unsigned best = NODES_MOST, least = ~0u;
    for (unsigned n = 0; n < NODES_MOST; n++) {
        unsigned sum = 0;
        for (unsigned to = 0; to < NODES_MOST; to++)
            if (nodes & bit(to))
                sum += placement_distance(t, n, to);
        if (candidates & bit(n) && sum < least) {
            least = sum;
            best = n;
        }
    }
    return best;
}

static uint64_t memory_of(const struct topology *t, uint64_t nodes) {
    uint64_t bytes = 0;
    for (unsigned n = 0; n < NODES_MOST; n++)
        if (nodes & bit(n))
            bytes += t->node[n].memory_bytes;
    return bytes;
}

/* The nearest of `usable` join until the bytes fit. */
static uint64_t grown(const struct topology *t, uint64_t usable, uint64_t nodes, uint64_t bytes) {
    const uint64_t wanted = nodes;
    while (memory_of(t, nodes) < bytes && (usable & ~nodes) != 0)
        nodes |= bit(central(t, usable & ~nodes, wanted));
    return nodes;
}

int placement_decide(const struct topology *t, const struct placement_question *q, struct placement *out) {
    uint64_t memory = 0, processors = 0;
    *out = (struct placement){0, 0};
    for (unsigned n = 0; n < NODES_MOST; n++) {
        memory |= t->node[n].memory_bytes > 0 ? bit(n) : 0;
        processors |= t->node[n].processors > 0 ? bit(n) : 0;
    }
    if (q->request == PLACEMENT_NODE && (q->node >= NODES_MOST || !(memory & bit(q->node))))
        return -1;
    if (single(memory))
        return 0;
    if (q->request == PLACEMENT_NODE) {
        *out = (struct placement){bit(q->node), bit(q->node)};
        return 0;
    }
    const uint64_t usable = memory & processors ? memory & processors : memory;
    uint64_t near = q->near & processors;
    if (q->request == PLACEMENT_AUTO && near == processors)
        near = 0; /* free to run anywhere says nothing */
    uint64_t home = 0;
    for (unsigned n = 0; n < NODES_MOST; n++)
        if (near & bit(n))
            home |= usable & bit(n) ? bit(n) : bit(central(t, usable, bit(n)));
    if (q->request == PLACEMENT_INTERLEAVE || home == 0)
        out->rings = out->cells = usable;
    else
        *out = (struct placement){single(home) ? home : bit(central(t, home, near)), grown(t, usable, home, q->bytes)};
    return 0;
}
