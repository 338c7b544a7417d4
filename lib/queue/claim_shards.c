/* SPDX-License-Identifier: MIT */
#include "claim.h"

/*
 * How often a consumer begins with another lane than its own: its home gets the other times first, and each of n lanes at least one ask in FAR_EVERY x (n - 1), whatever comes into
 * its home. So what lies in a far lane is received after that many receives for each message before it, also where nobody is at home there. Of consumers that receive once and go, each FAR_EVERY-th begins elsewhere.
 */
enum { FAR_EVERY = 16 };

int claim_shards(struct rp_consumer *c, uint64_t now_ms, struct view **v) {
    const uint32_t count = c->lane_count, turn = ++c->lane_turn / FAR_EVERY;
    const bool far = c->lane_turn % FAR_EVERY == 0 && !MUTANT(shards_never_far);
    const uint32_t first = far ? 1 + turn % (count - 1) : 0;
    int result = claim_in_lane(c, &c->lanes[c->shard_order[first]], now_ms, v);
    for (uint32_t i = 0; i < count && result == RP_EMPTY && !MUTANT(shards_home_only); i++)
        if (i != first)
            result = claim_in_lane(c, &c->lanes[c->shard_order[i]], now_ms, v);
    return result;
}
