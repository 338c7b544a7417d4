/* SPDX-License-Identifier: MIT */
/* What rp_send, rp_send_batch and rp_commit share: what is checked, what is written beside the payload, and the commit. */
#ifndef RP_QUEUE_SEND_H
#define RP_QUEUE_SEND_H

#include "dedup.h"
#include "durable.h"
#include "headers.h"
#include "keyed.h"
#include "room.h"

/* What a send without options asks for. */
extern const struct rp_send_options send_plainly;

int send_refuse(const struct rp_producer *p, size_t bytes);
/* May this producer send so many bytes? 0, or a negative result with the detail set. */
static ALWAYS_INLINE int send_check(const struct rp_producer *p, size_t bytes) {
    return likely(p != NULL && *p->actor.queue->canary != 0 && bytes <= p->most_bytes && !queue_is_gone(p->actor.queue))
               ? 0
               : send_refuse(p, bytes);
}

/* *o: the caller's options, checked. `copy` is for a caller whose struct is shorter or longer than ours. */
int send_options_given(const struct rp_producer *p, const struct rp_send_options *given, struct rp_send_options *copy,
                       const struct rp_send_options **o);
static inline int send_options(const struct rp_producer *p, const struct rp_send_options *given, struct rp_send_options *copy,
                               const struct rp_send_options **o) {
    *o = &send_plainly;
    return given == NULL ? 0 : send_options_given(p, given, copy, o);
}
static inline bool send_has_id(const struct rp_send_options *o) { return o != &send_plainly && o->dedup_id != NULL; }

/* Has this producer sent so far already? RP_DUPLICATE, and *id is 0; 0: no, or it does not count. */
int send_asked_sequence(const struct rp_producer *p, uint64_t sequence, uint64_t *id);
static inline int send_ask(const struct rp_producer *p, const struct rp_send_options *o, uint64_t *id) {
    return o == &send_plainly || o->sequence == 0 ? 0 : send_asked_sequence(p, o->sequence, id);
}

/* *content: how many bytes payload and headers have together. -EINVAL, RP_TOO_BIG, RP_CORRUPT. */
int send_measure(const struct rp_producer *p, size_t payload, const struct rp_send_options *o, size_t *content);
static inline bool send_has_headers(const struct rp_send_options *o) {
    return o != &send_plainly && (o->header_count > 0 || o->carry != NULL);
}

/* A message's key, headers, times and sequence. -> the cell's flags, and: */
enum {
    SEND_DAMAGED = 1 << 8, /* the headers that it carries were changed since they were measured */
    SEND_NUMBERED = 1 << 9 /* the producer counts it, as p->numbered */
};
uint32_t send_describe_more(struct rp_producer *p, struct cell *cell, struct extra *extra, size_t payload, size_t content,
                            const struct rp_send_options *o);
int send_damaged(const struct rp_producer *p);

/* Laps wrap; a producer that was idle for long must not rely on them. */
void send_refresh(struct rp_producer *p);

/* Now and then: is the name still there, and are we? The coarse time of sending tells when. 0 or RP_GONE: who was idle must not send into what was removed meanwhile. */
int send_look_for_name(struct rp_producer *p, uint64_t now_wall_ns);
enum { GONE_CHECK_NS = TICK_MS * 1000000 };
static inline int send_check_gone(struct rp_producer *p, uint64_t now_wall_ns) {
    bool lately = now_wall_ns < p->next_check_wall_ns && now_wall_ns + 2 * GONE_CHECK_NS > p->next_check_wall_ns;
    return likely(lately) ? 0 : send_look_for_name(p, now_wall_ns);
}

/* The same in a durable queue. */
int send_durably(struct rp_producer *p, uint32_t lane, uint32_t c, uint32_t flags);

/* Commits a cell that has a time or a sequence, or refuses a damaged one. */
int send_special(struct rp_producer *p, uint32_t lane, uint32_t c, uint32_t flags, int64_t timeout_ns, bool wake);
/* Commits a cell. A failure leaves it OWNED. */
static ALWAYS_INLINE int send_commit(struct rp_producer *p, uint32_t lane, uint32_t c, uint32_t flags, int64_t timeout_ns,
                                     bool wake) {
    if (!likely(p->actor.segment->parameters.sync == 0))
        return send_durably(p, lane, c, flags);
    return flags & (CELL_WAITS | CELL_EXPIRES | SEND_NUMBERED | SEND_DAMAGED) ? send_special(p, lane, c, flags, timeout_ns, wake)
                                                                              : room_publish(p, lane, c, flags, timeout_ns, wake);
}
/* Asks whether it was sent: as dedup_ask. */
int send_ask_once(struct rp_producer *p, struct once *once, const struct rp_send_options *o, int64_t timeout_ns, uint64_t *id);
/* The same of one with an id, unless a message with this id was sent: *id is its id then. */
int send_once(struct rp_producer *p, uint32_t lane, uint32_t c, uint32_t flags, struct once *once, uint64_t *id, bool wake);

enum { SEND_IDS_PER_BLOCK = 256 };

/* Fills in what each receiver is told beside the payload. */
static ALWAYS_INLINE void send_label(struct rp_producer *p, struct cell *cell, size_t content, uint64_t now_wall_ns) {
    if (p->next_id == p->id_end) {
        p->next_id = fetch_add_relaxed(&p->actor.segment->control->next_id, SEND_IDS_PER_BLOCK, hint);
        p->id_end = p->next_id + SEND_IDS_PER_BLOCK;
    }
    cell->id = p->next_id++;
    cell->sent_wall_ns = now_wall_ns;
    cell->bytes = (uint32_t)content;
}

/* The same with what the options ask for. -> the cell's flags. */
static ALWAYS_INLINE uint32_t send_describe(struct rp_producer *p, struct cell *cell, struct extra *extra, size_t payload,
                                            size_t content, const struct rp_send_options *o) {
    send_label(p, cell, content, clock_wall_coarse_ns());
    return p->plain && o == &send_plainly ? 0 : send_describe_more(p, cell, extra, payload, content, o);
}

/* Which lane a message goes to that has neither key nor priority. */
static inline uint32_t send_home(struct rp_producer *p) {
    return MUTANT(shards_lane_moves) ? p->lane_turn++ % p->actor.segment->parameters.lane_count : p->home;
}

/* Which lane a message goes to. */
static inline uint32_t send_lane(struct rp_producer *p, const struct rp_send_options *o) {
    const struct parameters *q = &p->actor.segment->parameters;
    if (!q->keyed)
        return o->priority + send_home(p);
    return o->key != NULL ? keyed_lane(p->actor.segment, o->key, o->key_bytes) : p->lane_turn++ % q->lane_count;
}

/* Sends an owned cell whose payload is written. `once`: where it has an id, what was asked about that. A failure leaves the cell OWNED. */
static ALWAYS_INLINE int send_cell(struct rp_producer *p, uint32_t c, size_t payload, size_t content,
                                   const struct rp_send_options *o, struct once *once, int64_t timeout_ns, uint64_t *id,
                                   bool wake) {
    struct cell *cell = segment_cell(p->actor.segment, c);
    uint32_t lane = send_lane(p, o), flags = send_describe(p, cell, segment_extra(p->actor.segment, c), payload, content, o);
    if (id != NULL)
        *id = cell->id;
    int result = send_check_gone(p, cell->sent_wall_ns);
    if (result < 0)
        return result;
    if (once != NULL)
        return send_once(p, lane, c, flags, once, id, wake);
    return send_commit(p, lane, c, flags, timeout_ns, wake);
}

#endif
