/* SPDX-License-Identifier: MIT */
#include "shard_map.h"

static uint64_t bit(unsigned node) { return UINT64_C(1) << node; }

static unsigned farness(const struct topology *t, unsigned from, unsigned to) {
    return from < NODES_MOST && to < NODES_MOST ? placement_distance(t, from, to) : 0;
}

/* Of `candidates`, not none, the one whose nearest of `chosen` is farthest, and of several the one with the longest ways to all. */
static unsigned apart(const struct topology *t, uint64_t candidates, uint64_t chosen) {
    unsigned best = NODES_MOST;
    uint32_t most = 0;
    for (unsigned n = 0; n < NODES_MOST; n++) {
        uint32_t nearest = UINT16_MAX, all = 0;
        for (unsigned to = 0; to < NODES_MOST; to++) {
            uint32_t far = placement_distance(t, n, to);
            if (chosen & bit(to)) {
                nearest = far < nearest ? far : nearest;
                all += far;
            }
        }
        if (candidates & bit(n) && (best == NODES_MOST || (nearest << 16 | all) > most)) {
            most = nearest << 16 | all; /* 16 distances below 256 */
            best = n;
        }
    }
    return best;
}

uint64_t shard_nodes(const struct topology *t, uint32_t wanted) {
    uint64_t memory = 0, processors = 0, chosen = 0;
    for (unsigned n = 0; n < NODES_MOST; n++) {
        memory |= t->node[n].memory_bytes > 0 ? bit(n) : 0;
        processors |= t->node[n].processors > 0 ? bit(n) : 0;
    }
    const uint64_t usable = memory & processors ? memory & processors : memory;
    for (uint32_t i = 0; i < wanted && i < SHARDS_MOST && usable != chosen; i++)
        chosen |= bit(chosen == 0 ? (unsigned)__builtin_ctzll(usable) : apart(t, usable & ~chosen, chosen));
    return chosen;
}

unsigned shard_node(uint64_t nodes, uint32_t shard) {
    if (nodes == 0)
        return NODES_MOST;
    for (uint32_t skip = shard % (uint32_t)__builtin_popcountll(nodes); skip > 0; skip--)
        nodes &= nodes - 1;
    return (unsigned)__builtin_ctzll(nodes);
}

uint32_t shard_home(const struct topology *t, uint64_t nodes, uint32_t count, unsigned here, uint32_t spread) {
    uint32_t nearest[SHARDS_MOST], found = 0;
    unsigned least = ~0u;
    for (uint32_t i = 0; i < count && i < SHARDS_MOST; i++) {
        unsigned far = farness(t, here, shard_node(nodes, i));
        if (far < least) {
            least = far;
            found = 0;
        }
        if (far == least)
            nearest[found++] = i;
    }
    return found > 0 ? nearest[spread % found] : 0;
}

void shard_order(const struct topology *t, uint64_t nodes, uint32_t count, unsigned here, uint32_t home,
                 uint8_t order[SHARDS_MOST]) {
    unsigned way[SHARDS_MOST], from = here < NODES_MOST ? here : shard_node(nodes, home);
    order[0] = (uint8_t)home;
    /* Inserted: those equally far stay as they come, going round from home. */
    for (uint32_t i = 1; i < count && i < SHARDS_MOST; i++) {
        uint32_t shard = (home + i) % count, at = i;
        unsigned far = farness(t, from, shard_node(nodes, shard));
        for (; at > 1 && way[at - 1] > far; at--) {
            order[at] = order[at - 1];
            way[at] = way[at - 1];
        }
        order[at] = (uint8_t)shard;
        way[at] = far;
    }
}

struct cell_range shard_cells(const struct parameters *p, const struct layout *l, uint32_t shard) {
    uint32_t border[2];
    for (uint32_t i = 0; i < 2; i++) {
        uint64_t cells = ((uint64_t)p->capacity * (shard + i) / p->numa_shards + 63) / 64 * 64;
        border[i] = shard + i == p->numa_shards || cells > l->cell_count ? l->cell_count : (uint32_t)cells;
    }
    return (struct cell_range){border[0], border[1]};
}
