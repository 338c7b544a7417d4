/* SPDX-License-Identifier: MIT */
#include "claim.h"
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
    c->plain = c->lane_count == 1 && !s->parameters.keyed;
    c->lanes = calloc(c->lane_count, sizeof *c->lanes);
    if (c->lanes == NULL || c->views == NULL || (c->prefetch > 0 && c->ahead == NULL) || (o->ack == RP_ACK_NONE && c->copy == NULL))
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
    return 0;
}

static void release(struct rp_consumer *c) {
    doorbell_free(c);
    free(c->lanes);
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
    if (o.reserved != 0)
        return fail(-E2BIG, "rp_consumer_options: a reserved field is not 0");
    struct known_group group;
    result = lookup_group(q, o.group, &group);
    if (result < 0)
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

/* ---- receiving ---- */

/* A message whose length cannot be right: out of the way with it. */
static int bury_corrupt(struct rp_consumer *c, struct view *v, uint32_t index, uint32_t bytes) {
    struct failure f = {
        .kind = RP_FAILURE_REJECT, .charge = true, .reason = RP_DEAD_CORRUPT, .delay_ms = 0, .text = "impossible length"};
    if (view_end(c, v, &f) == RP_FULL) { /* the dead ring refuses */
        f = (struct failure){.kind = RP_FAILURE_NACK,
                             .delay_ms = (int64_t)duration_ms(c->actor.segment->parameters.backoff_max_ns)};
        (void)view_end(c, v, &f);
    }
    return fail(RP_CORRUPT, "queue '%s': cell %u says its message has %u bytes, or its headers do not fit, the limit is %u",
                c->actor.queue->name, index, bytes, c->actor.segment->parameters.message_bytes);
}

/* The key or the priority of a claimed message. */
static void show_lane(const struct segment *s, uint32_t index, const struct cell *cell, struct rp_message *m) {
    if (!s->parameters.keyed) {
        m->priority = lane_of(s, index);
    } else if (field_read(&cell->flags) & CELL_HAS_KEY) {
        const struct extra *extra = segment_extra(s, index);
        uint32_t bytes = *(const volatile uint32_t *)&extra->key_bytes;
        m->key = extra->key;
        m->key_bytes = bytes <= KEY_BYTES ? bytes : KEY_BYTES;
    }
}

/* Shows a claimed message. RP_EMPTY (at most once): its lease was lost before it could be settled, somebody else has it by now. */
static int show(struct rp_consumer *c, struct view *v, struct rp_message *m) {
    const struct segment *s = c->actor.segment;
    uint32_t index = load_relaxed(&v->cell, own) - 1;
    const struct cell *cell = segment_cell(s, index);
    uint32_t bytes = *(const volatile uint32_t *)&cell->bytes;                /* read once, checked, then used */
    memset(&m->headers, 0, sizeof *m - offsetof(struct rp_message, headers)); /* and what is reserved */
    if (bytes > s->parameters.message_bytes || field_read(&cell->flags) & CELL_HAS_HEADERS) {
        struct content parts;
        if (!content_parts(s, cell, bytes, field_read(&cell->flags), &parts))
            return bury_corrupt(c, v, index, bytes);
        bytes = parts.payload;
        m->headers = (struct rp_headers){cell->payload + parts.headers_at, parts.headers};
    }
    m->data = cell->payload;
    m->bytes = bytes;
    m->id = cell->id;
    m->sent_ns = cell->sent_wall_ns;
    m->deliveries = m->acquisitions = 1;
    m->key = NULL;
    m->key_bytes = m->priority = 0;
    if (!c->plain)
        show_lane(s, index, cell, m);
    if (hold_seq(v->hold) != 0) {
        struct counts counts = notes_counts(s, c->group, index, v->hold);
        m->deliveries = counts.charged + 1;
        m->acquisitions = counts.handed_out + 1;
    }
    view_receipt(c, v, m);
    if (c->ack_mode == RP_ACK_NONE) {
        memcpy(c->copy, m->data, m->bytes);
        m->data = c->copy;
        if (m->headers.block != NULL && !MUTANT(headers_not_copied))
            m->headers.block = memcpy(c->copy + content_aligned(m->bytes), m->headers.block, m->headers.bytes);
        if (m->key != NULL)
            m->key = memcpy(c->copy + segment_room(s), m->key, m->key_bytes);
        memset(m->receipt, 0, sizeof m->receipt);
        if (view_end(c, v, NULL) != 0) {
            tally_add(&c->actor.tally, COUNT_LEASE_LOST, 1);
            return RP_EMPTY;
        }
        if (MUTANT(copy_after_ack))
            memcpy(c->copy, cell->payload, m->bytes);
        tally_add(&c->actor.tally, COUNT_ACKED, 1);
    }
    tally_add(&c->actor.tally, COUNT_RECEIVED, 1);
    return 0;
}

static inline void keep_house(struct actor *a, uint64_t now_ms) {
    if (now_ms >= a->next_tick_ms || now_ms >= load_relaxed(&a->segment->control->next_due_ms, hint) ||
        schedule_near(a->segment, now_ms))
        housekeeping(a, now_ms);
}

static int take(struct rp_consumer *c, struct rp_message *m) {
    uint64_t now_ms = actor_now_ms(&c->actor);
    if (now_ms >= c->actor.next_tick_ms)
        claim_refresh(c);
    keep_house(&c->actor, now_ms);
    for (;;) {
        struct view *v;
        int result = claim_next(c, now_ms, &v);
        if (result != 0 || (result = show(c, v, m)) != RP_EMPTY)
            return result;
    }
}

int receive_next(struct rp_consumer *c, struct rp_message *m) {
    if (pause_stops_receives(c->actor.segment, c->pause_mask))
        return pause_meet(c);
    for (;;) {
        while (c->ahead_first < c->ahead_count) {
            *m = c->ahead[c->ahead_first++];
            struct view *v = view_of(c, m);
            if (v == NULL)
                return 0; /* at most once: already settled and copied; only one is ever ahead */
            bool leased = MUTANT(ahead_unchecked) || view_leased(c, v);
            if (leased && !expiry_over(c->actor.segment, load_relaxed(&v->cell, own) - 1))
                return 0;
            /* It outlived its time in our queue; or the lease ran out there, and it is delivered to somebody again. */
            struct failure unseen = {.kind = RP_FAILURE_NONE, .delay_ms = 0};
            if (view_end(c, v, leased ? &unseen : NULL) == RP_LEASE_LOST)
                tally_add(&c->actor.tally, COUNT_LEASE_LOST, 1);
        }
        if (c->prefetch == 0 || c->ack_mode == RP_ACK_NONE)
            return take(c, m);
        c->ahead_first = c->ahead_count = 0;
        int result;
        while (c->ahead_count < c->prefetch && (result = take(c, &c->ahead[c->ahead_count])) == 0)
            c->ahead_count++;
        if (c->ahead_count == 0)
            return result;
    }
}

struct receive {
    struct rp_consumer *consumer;
    struct rp_message *message;
    bool paused; /* the last look found that */
};

static int look(void *context) {
    struct receive *r = context;
    int result = receive_next(r->consumer, r->message);
    r->paused = result == RP_PAUSED;
    return r->paused ? RP_EMPTY : result;
}

/* Did anything come to one of the rings since they were found empty, or was the pause ended? */
static bool promising(void *context) {
    const struct receive *r = context;
    return r->paused ? !pause_stops_receives(r->consumer->actor.segment, r->consumer->pause_mask) : claim_promising(r->consumer);
}

int receive_wait(struct rp_consumer *c, struct rp_message *m, int64_t timeout_ns) {
    struct receive r = {.consumer = c, .message = m};
    struct wait w = {&c->actor, c->ready, promising, look, &r, RP_EMPTY, timeout_ns};
    int result = wait_for(&w);
    return result == RP_EMPTY && r.paused ? RP_PAUSED : result;
}

static ALWAYS_INLINE int usable(const struct rp_consumer *c) {
    if (c == NULL)
        return fail(-EINVAL, "no consumer");
    int result = queue_check(c->actor.queue);
    if (result < 0)
        return fail(result, "queue '%s' was opened by the parent process", c->actor.queue->name);
    return 0;
}

int receive_check(const struct rp_consumer *c) { return usable(c); }

RP_API int rp_receive(rp_consumer *c, struct rp_message *m, int64_t timeout_ns) {
    int result = usable(c);
    if (result < 0)
        return result;
    if (m == NULL || timeout_ns < -1)
        return fail(-EINVAL, "rp_receive: %s", m == NULL ? "no place for the message" : "negative timeout");
    if (queue_is_gone(c->actor.queue))
        return fail(RP_GONE, "queue '%s' was removed", c->actor.queue->name);
    result = receive_next(c, m);
    if ((result == RP_EMPTY || result == RP_PAUSED) && timeout_ns != 0)
        result = receive_wait(c, m, timeout_ns);
    return c->doorbell == NULL ? result : doorbell_receive(c, m, result);
}

/* ---- settling ---- */

static ALWAYS_INLINE int find_view(struct rp_consumer *c, const struct rp_message *m, struct view **v) {
    int result = usable(c);
    if (result < 0)
        return result;
    *v = m == NULL ? NULL : view_of(c, m);
    if (*v == NULL)
        return fail(-EINVAL, "the message was settled before, or was received by another consumer");
    return 0;
}

int receipt_check(struct rp_consumer *c, const struct rp_message *m, struct view **v) { return find_view(c, m, v); }

static int settled(struct rp_consumer *c, int result, enum counter what) {
    if (result != RP_FULL)
        tally_add(&c->actor.tally, result == 0 ? what : COUNT_LEASE_LOST, 1);
    return result;
}

RP_API int rp_ack(rp_consumer *c, struct rp_message *m) {
    struct view *v;
    int result = find_view(c, m, &v);
    return result < 0 ? result : settled(c, view_end(c, v, NULL), COUNT_ACKED);
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
