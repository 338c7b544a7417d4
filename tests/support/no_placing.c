/* SPDX-License-Identifier: MIT */
/* For worlds without pages: queue/placing.h without wishes. */
#include "placing.h"

int placing_create(const char *path, const struct rp_queue_options *o, const struct parameters *p, const struct layout *l,
                   struct shm_build *b, struct placement *where) {
    (void)p;
    *where = (struct placement){0, 0};
    return shm_create(path, l->bytes, o->mode, o->group, o->prefault, b);
}

int placing_made(const struct shm_build *b, const struct rp_queue_options *o, const struct layout *l,
                 const struct placement *where) {
    (void)b, (void)o, (void)l, (void)where;
    return 0;
}

void placing_attached(struct rp_queue *q) { (void)q; }

void placing_consumer(struct rp_queue *q) { (void)q; }

uint32_t placing_shards(uint32_t wanted, uint64_t *nodes) {
    *nodes = 0;
    return wanted == RP_NUMA_SHARDS_AUTO ? 0 : wanted;
}

unsigned placing_here(struct topology *t) {
    *t = (struct topology){.node = {{0}}};
    return NODES_MOST;
}
