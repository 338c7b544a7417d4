/* SPDX-License-Identifier: MIT */
/* For worlds without pages: queue/placing.h without wishes. */
#include "placing.h"

int placing_create(const char *path, const struct rp_queue_options *o, const struct layout *l, struct shm_build *b,
                   struct placement *where) {
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
