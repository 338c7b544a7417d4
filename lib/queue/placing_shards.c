/* SPDX-License-Identifier: MIT */
/* The parts of a segment that belong to shards, and their nodes. */
#include "pages.h"
#include "placing.h"
#include "shard_map.h"
#include "topology.h"
#include <sys/syscall.h>
#include <unistd.h>

uint32_t placing_shards(uint32_t wanted, uint64_t *nodes) {
    struct topology t;
    (void)topology_read(TOPOLOGY_ROOT, topology_allowed(), &t);
    *nodes = shard_nodes(&t, wanted);
    return wanted == RP_NUMA_SHARDS_AUTO ? (uint32_t)__builtin_popcountll(*nodes) : wanted;
}

unsigned placing_here(struct topology *t) {
    unsigned node;
    *t = (struct topology){.node = {{0}}};
    if (!topology_has_nodes(TOPOLOGY_ROOT) || syscall(SYS_getcpu, NULL, &node, NULL) != 0)
        return NODES_MOST;
    (void)topology_read(TOPOLOGY_ROOT, topology_allowed(), t);
    return node < NODES_MOST ? node : NODES_MOST;
}

/* A border between two nodes, or a node and the rest: the page in which it is belongs to what comes before. */
static size_t page_after(uint64_t at, size_t page, size_t bytes) {
    size_t border = (size_t)((at + page - 1) / page * page);
    return border < bytes ? border : bytes;
}

/* A part of a shard, whole pages of it. */
typedef void shard_part(void *context, unsigned char *at, size_t bytes, unsigned node);

static void each_part(unsigned char *memory, size_t bytes, size_t page, const struct parameters *p, const struct layout *l,
                      shard_part *does, void *context) {
    const uint64_t lane_bytes = (uint64_t)l->lane_slot_count * 8, line = sizeof(struct delivery);
    for (uint32_t i = 0; i < p->numa_shards && p->shard_nodes != 0; i++) {
        const struct cell_range cells = shard_cells(p, l, i);
        const unsigned node = shard_node(p->shard_nodes, i);
        struct {
            uint64_t begin, end;
        } parts[2 + MAX_GROUPS] = {
            {l->lanes + i * lane_bytes, l->lanes + (i + 1) * lane_bytes},
            {l->cells + (uint64_t)cells.first * l->cell_stride, l->cells + (uint64_t)cells.end * l->cell_stride}};
        for (uint32_t g = 0; g < p->max_groups; g++) {
            const uint64_t lines = l->deliveries + (uint64_t)g * l->cell_count * line;
            parts[2 + g].begin = lines + cells.first * line;
            parts[2 + g].end = lines + cells.end * line;
        }
        for (uint32_t k = 0; k < 2 + p->max_groups; k++) {
            size_t begin = page_after(parts[k].begin, page, bytes), end = page_after(parts[k].end, page, bytes);
            if (begin < end)
                does(context, memory + begin, end - begin, node);
        }
    }
}

static void bind_part(void *context, unsigned char *at, size_t bytes, unsigned node) {
    (void)context;
    (void)pages_bind(at, bytes, UINT64_C(1) << node);
}

void placing_bind_shards(unsigned char *memory, size_t bytes, size_t page, const struct parameters *p, const struct layout *l) {
    each_part(memory, bytes, page, p, l, bind_part, NULL);
}

struct count {
    struct rp_placement *out;
    bool known;
};

static void count_part(void *context, unsigned char *at, size_t bytes, unsigned node) {
    struct count *c = context;
    uint64_t on[NODES_MOST] = {0};
    c->known = c->known && pages_where(at, bytes, c->out->page_bytes, on) == 0;
    c->out->shard_bytes += bytes;
    c->out->shard_bytes_home += on[node];
}

bool placing_look_shards(unsigned char *memory, size_t bytes, size_t page, const struct parameters *p, const struct layout *l,
                         struct rp_placement *out) {
    struct count count = {out, true};
    each_part(memory, bytes, page, p, l, count_part, &count);
    return count.known;
}
