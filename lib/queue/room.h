/* SPDX-License-Identifier: MIT */
/* A sender's room: a free cell, its share of max_bytes, a place in the lane. What to do when one of them is missing is the queue's policy and the caller's patience. */
#ifndef RP_QUEUE_ROOM_H
#define RP_QUEUE_ROOM_H

#include "pause.h"
#include "publish.h"

/* The slow halves of the two below. */
int room_seek(struct rp_producer *p, uint64_t bytes, int64_t timeout_ns, uint32_t *cell);
int room_seek_place(struct rp_producer *p, uint32_t lane, uint32_t c, uint32_t flags, int64_t timeout_ns, bool wake);

/* Takes a cell for a message: OWNED by us, and the send admitted (pause.h). False: that needs more than a look. */
static ALWAYS_INLINE bool room_at_hand(struct rp_producer *p, uint32_t *cell) {
    const struct segment *s = p->actor.segment;
    bool asked_early = MUTANT(pause_before_cell) && !pause_stops_sends(s);
    if (!likely(s->parameters.max_bytes == 0 && pool_take(&p->actor.pool, cell)))
        return false;
    if (likely(asked_early || !pause_stops_sends(s)))
        return true;
    pool_give_back(&p->actor.pool, *cell);
    return false;
}

/* The same for a message of `bytes`, which are counted. Waits or drops as allowed. RP_FULL, RP_PAUSED, -EINTR, RP_GONE, RP_CORRUPT. */
static inline int room_take(struct rp_producer *p, uint64_t bytes, int64_t timeout_ns, uint32_t *cell) {
    return room_at_hand(p, cell) ? 0 : room_seek(p, bytes, timeout_ns, cell);
}

/* Publishes; where the lane has no place, because entries left out of order, waits for one or drops as allowed. */
static inline int room_publish(struct rp_producer *p, uint32_t lane, uint32_t c, uint32_t flags, int64_t timeout_ns, bool wake) {
    int result = publish(p, lane, c, flags, wake);
    return result == RP_FULL ? room_seek_place(p, lane, c, flags, timeout_ns, wake) : result;
}

/* The message in an owned cell has `bytes` after all. RP_FULL: they are more, and do not fit. */
int room_change(struct rp_producer *p, uint32_t c, uint64_t bytes);

/* How long a send with this timeout waits: that may leave it to the policy. */
int64_t room_patience(const struct rp_producer *p, int64_t timeout_ns);

/* Can no such message ever fit? */
static inline bool room_never(const struct segment *s, uint64_t bytes) {
    return s->parameters.max_bytes > 0 && bytes > s->parameters.max_bytes;
}

#endif
