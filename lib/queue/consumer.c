/* SPDX-License-Identifier: MIT */
#include "catch_up.h"
#include "claim.h"
#include "durable.h"
#include "error.h"
#include "expiry.h"
#include "groups.h"
#include "headers.h"
#include "lane.h"
#include "lease.h"
#include "lookup.h"
#include "notes.h"
#include "options.h"
#include "pause.h"
#include "placing.h"
#include "process.h"
#include "receive.h"
#include "schedule.h"
#include "seen.h"
#include "shards.h"
#include "spill.h"
#include "sweep.h"
#include "wait.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

RP_API void rp_consumer_options_init(struct rp_consumer_options *o, size_t size) {
    const struct rp_consumer_options defaults = {.size = sizeof defaults};
    options_fill(o, size, &defaults, sizeof defaults);
}

RP_API void rp_nack_options_init(struct rp_nack_options *o, size_t size) {
    const struct rp_nack_options defaults = {.size = sizeof defaults, .delay_ns = -1, .charge = 1};
    options_fill(o, size, &defaults, sizeof defaults);
}

static int prepare(struct rp_consumer *c, const struct rp_consumer_options *o, rp_queue *q) {
    const struct segment *s = &q->segment;
    c->view_room = 2 * s->layout.cell_count + 64;
    c->views = calloc(c->view_room, sizeof *c->views);
    c->prefetch = o->prefetch > 1 ? o->prefetch : 0;
    if (c->prefetch > 0)
        c->ahead = calloc(c->prefetch, sizeof *c->ahead);
    if (o->ack == RP_ACK_NONE)
        c->copy = malloc((size_t)segment_room(s) + KEY_BYTES);
    c->lane_count = s->parameters.lane_count;
    const bool past = durable(s) && past_groups(s) >> c->group & 1;
    c->plain = c->lane_count == 1 && !s->parameters.keyed && c->group == 0 && !spills(s) && !past;
    c->lanes = calloc(c->lane_count, sizeof *c->lanes);
    c->spill = spills(s) ? spill_reader_new(c->lane_count) : NULL;
    c->past = past ? past_new() : NULL;
    if (c->lanes == NULL || (spills(s) && c->spill == NULL) || (past && c->past == NULL) || c->views == NULL ||
        (c->prefetch > 0 && c->ahead == NULL) || (o->ack == RP_ACK_NONE && c->copy == NULL))
        return fail(-ENOMEM, "no memory for a consumer of queue '%s'", q->name);
    c->ack_mode = o->ack;
    c->serial = process_random(); /* a receipt of a consumer that was here before must not fit */
    c->ready = group_event(s, c->group);
    c->pause_mask = pause_mask(c->group);
    c->batch_wait_ns = o->batch_wait_ns;
    for (uint32_t i = 0; i < c->lane_count; i++) {
        struct receiver_lane *l = &c->lanes[i];
        l->start = segment_lane_start(s, c->group, i);
        l->number = i;
        l->lane = lane_ring(s, i);
        l->early = delivery_ring(s, (struct ring_name){c->group, i, RING_EARLY});
        l->returned = delivery_ring(s, (struct ring_name){c->group, i, RING_RETURNED});
        l->lane_head = l->lane_head_told = load_acquire(&l->start->lane_head, hints);
        l->early_head = load_acquire(&l->start->early_head, hints);
        l->returned_head = load_acquire(&l->start->returned_head, hints);
    }
    c->lease_ms = s->parameters.lease_ns == 0 ? TIME_NEVER : duration_ms(s->parameters.lease_ns);
    shards_consumer(c, q, o->shard);
    return 0;
}

static void release(struct rp_consumer *c) {
    doorbell_free(c);
    free(c->lanes);
    free(c->spill);
    past_free(c->past);
    free(c->views);
    free(c->ahead);
    free(c->copy);
    free(c);
}

RP_API int rp_consumer_open(rp_queue *q, const struct rp_consumer_options *given, rp_consumer **out) {
    struct rp_consumer_options o;
    rp_consumer_options_init(&o, sizeof o);
    int result = options_take(&o, sizeof o, given, "rp_consumer_options");
    if (result < 0)
        return result;
    struct known_group group;
    result = lookup_group(q, o.group, &group);
    if (result < 0 || (result = shards_check(q, o.shard)) < 0)
        return result;
    if (q->read_only)
        return fail(-EROFS, "queue '%s' was opened read-only", q->name);
    const uint64_t lease_ns = q->segment.parameters.lease_ns;
    bool waits_too_long = lease_ns != 0 && o.batch_wait_ns >= lease_ns;
    if (out == NULL || o.ack > RP_ACK_NONE || o.prefetch > q->segment.layout.cell_count || waits_too_long ||
        !wait_knows(o.wait_strategy))
        return fail(-EINVAL, "rp_consumer_open: %s",
                    out == NULL                    ? "no place for the result"
                    : o.ack > RP_ACK_NONE          ? "unknown ack mode"
                    : waits_too_long               ? "a batch that waits as long as a lease"
                    : !wait_knows(o.wait_strategy) ? "unknown wait strategy"
                                                   : "prefetch is more than the queue holds");
    struct rp_consumer *c = calloc(1, sizeof *c);
    if (c == NULL)
        return fail(-ENOMEM, "no memory for a consumer of queue '%s'", q->name);
    c->group = group.index;
    c->group_generation = group.generation;
    result = prepare(c, &o, q);
    if (result < 0) {
        release(c);
        return result;
    }
    placing_consumer(q);
    actor_open(&c->actor, q);
    c->actor.strategy = (uint8_t)o.wait_strategy;
    pthread_mutex_lock(&q->lock);
    c->next = q->consumers;
    q->consumers = c;
    pthread_mutex_unlock(&q->lock);
    *out = c;
    return 0;
}

/* Gives everything back that is still held, uncharged and at once. */
static void let_go(struct rp_consumer *c) {
    uint32_t used = load_relaxed(&c->views_used, own);
    for (uint32_t i = 0; i < used; i++) {
        if (c->views[i].serial == 0)
            continue;
        struct failure f = {.kind = RP_FAILURE_NACK, .delay_ms = 0};
        if (view_end(c, &c->views[i], &f) == RP_FULL && c->views[i].seen != 0)
            seen_end(c, &c->views[i], false);
    }
}

RP_API void rp_consumer_close(rp_consumer *c) {
    if (c == NULL)
        return;
    struct rp_queue *q = c->actor.queue;
    if (queue_check(q) == 0) {
        if (!MUTANT(close_keeps_leases))
            let_go(c);
        claim_refresh(c);
        if (durable(c->actor.segment))
            (void)durable_drive(&c->actor); /* what it settled: nobody may come for long */
        doorbell_leave(c);
        pthread_mutex_lock(&q->lock);
        struct rp_consumer **link = &q->consumers;
        while (*link != c)
            link = &(*link)->next;
        *link = c->next;
        pthread_mutex_unlock(&q->lock);
        actor_close(&c->actor);
    }
    release(c);
}

/* ---- settling ---- */

static COLD int refuse_receipt(const struct rp_consumer *c) {
    int result = receive_check(c);
    return result < 0 ? result : fail(-EINVAL, "the message was settled before, or was received by another consumer");
}

static ALWAYS_INLINE int find_view(struct rp_consumer *c, const struct rp_message *m, struct view **v) {
    *v = likely(receive_usable(c) && m != NULL) ? view_of(c, m) : NULL;
    return likely(*v != NULL) ? 0 : refuse_receipt(c);
}

int receipt_check(struct rp_consumer *c, const struct rp_message *m, struct view **v) { return find_view(c, m, v); }

static ALWAYS_INLINE int settled(struct rp_consumer *c, int result, enum counter what) {
    if (result != RP_FULL)
        tally_add(&c->actor.tally, result == 0 ? what : COUNT_LEASE_LOST, 1);
    return result;
}

RP_API int rp_ack(rp_consumer *c, struct rp_message *m) {
    struct view *v;
    int result = find_view(c, m, &v);
    if (result < 0)
        return result;
    return settled(c, likely(c->plain) ? view_settle_here(c, 0, v) : view_settle(c, v), COUNT_ACKED);
}

static int check_reason(const char *reason) {
    if (reason != NULL && strnlen(reason, RP_REASON_MAX + 1) > RP_REASON_MAX)
        return fail(-EINVAL, "a reason has at most %d bytes", RP_REASON_MAX);
    return 0;
}

RP_API int rp_nack(rp_consumer *c, struct rp_message *m, const struct rp_nack_options *given) {
    struct rp_nack_options o;
    rp_nack_options_init(&o, sizeof o);
    struct view *v;
    int result = options_take(&o, sizeof o, given, "rp_nack_options");
    if (result < 0 || (result = check_reason(o.reason)) < 0 || (result = receipt_check(c, m, &v)) < 0)
        return result;
    if (o.delay_ns < -1 || o.charge > 1)
        return fail(-EINVAL, "rp_nack: delay_ns is %lld, charge is %u", (long long)o.delay_ns, o.charge);
    struct failure f = {.kind = RP_FAILURE_NACK, .charge = o.charge, .delay_ms = o.charge ? -1 : 0, .text = o.reason};
    if (o.delay_ns >= 0)
        f.delay_ms = (int64_t)duration_ms((uint64_t)o.delay_ns);
    return settled(c, view_end(c, v, &f), COUNT_NACKED);
}

RP_API int rp_reject(rp_consumer *c, struct rp_message *m, const char *reason) {
    struct view *v;
    int result = check_reason(reason);
    if (result < 0 || (result = receipt_check(c, m, &v)) < 0)
        return result;
    struct failure f = {.kind = RP_FAILURE_REJECT, .charge = true, .reason = RP_DEAD_REJECTED, .delay_ms = 0, .text = reason};
    result = settled(c, view_end(c, v, &f), COUNT_REJECTED);
    return result == RP_FULL ? fail(RP_FULL, "queue '%s': the dead ring holds its %u messages", c->actor.queue->name,
                                    c->actor.segment->parameters.dead_capacity)
                             : result;
}

RP_API int rp_extend(rp_consumer *c, struct rp_message *m, uint64_t lease_ns) {
    struct view *v;
    int result = receipt_check(c, m, &v);
    if (result < 0)
        return result;
    struct actor *a = &c->actor;
    uint64_t until = lease_until(segment_now_ms(a->segment), lease_ns == 0 ? TIME_NEVER : duration_ms(lease_ns));
    return lease_extend(a, c->group, load_relaxed(&v->cell, own) - 1, v->hold, until);
}
