/* SPDX-License-Identifier: MIT */
#include "claim.h"

/*
 * How often a consumer asks its own lane last: its home gets the other times first, and the far ones, beginning with each in turn, one ask in FAR_EVERY, whatever comes into its home. So of n lanes a far one
 * gets one receive in FAR_EVERY if the other far ones are empty, and one in FAR_EVERY x (n - 1) if none is, also where nobody is at home there. Of consumers that receive once and go, each FAR_EVERY-th
 * begins elsewhere.
 */
enum { FAR_EVERY = 16 };

int claim_shards(struct rp_consumer *c, uint64_t now_ms, struct view **v) {
    const uint32_t count = c->lane_count, far = count - 1, turn = ++c->lane_turn / FAR_EVERY;
    const bool away = c->lane_turn % FAR_EVERY == 0 && !MUTANT(shards_never_far);
    int result = RP_EMPTY;
    for (uint32_t i = 0; i < count && result == RP_EMPTY; i++) {
        uint32_t place = !away ? i : i < far ? 1 + (turn + i) % far : 0;
        if (MUTANT(shards_one_far) && away && i > 0) /* the one whose turn it is, and then home */
            place = i - 1;
        result = claim_in_lane(c, &c->lanes[c->shard_order[place]], now_ms, v);
        if (MUTANT(shards_home_only))
            break;
    }
    return result;
}
