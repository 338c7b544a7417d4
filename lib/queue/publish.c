/* SPDX-License-Identifier: MIT */
#include "publish.h"
#include "error.h"

int publish(struct rp_producer *p, uint32_t lane, uint32_t c, uint32_t flags, bool wake) {
    return publish_here(p, lane, segment_cell(p->actor.segment, c), c, flags, wake);
}

COLD int publish_for_nobody(struct rp_producer *p, uint32_t c) {
    pool_give_back(&p->actor.pool, c);
    tally_add(&p->actor.tally, COUNT_UNROUTABLE, 1);
    return 0;
}

COLD int publish_without_place(const struct rp_producer *p, int result) {
    return result == RP_FULL ? result : fail(result, "queue '%.80s': %s", p->actor.queue->name, rp_error_detail());
}

/* What lies at the end of the lane is not known, or is not there any more. */
__attribute__((noinline)) int publish_search(struct rp_producer *p, uint32_t lane, uint32_t c, uint64_t generation) {
    struct sender_lane *l = &p->lanes[lane];
    uint64_t slot;
    int result = SLOT_LOST;
    while (result == SLOT_LOST) {
        if (ring_find(&l->ring, &l->tail, &slot, lane_never_live, NULL) != RING_FOUND)
            return fail(RP_CORRUPT, "queue '%s': lane %u is damaged near position %llu", p->actor.queue->name, lane,
                        (unsigned long long)l->tail);
        result = publish_fill(p, lane, segment_cell(p->actor.segment, c), c, generation, slot);
    }
    return result;
}
