/* SPDX-License-Identifier: MIT */
#include "error.h"
#include "groups.h"
#include "identity.h"
#include "lane.h"
#include "options.h"
#include "send.h"
#include "shards.h"
#include "spill.h"
#include "wait.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOANS_AT_FIRST = 8,
    SENDS_PER_LOOK = 16 /* of a batch, at the clock */
};

RP_API void rp_producer_options_init(struct rp_producer_options *o, size_t size) {
    const struct rp_producer_options defaults = {.size = sizeof defaults};
    options_fill(o, size, &defaults, sizeof defaults);
}

static void free_handle(struct rp_producer *p) {
    free(p->loans);
    free(p->lanes);
    free(p->ranges);
    free(p->spill);
    free(p);
}

RP_API int rp_producer_open(rp_queue *q, const struct rp_producer_options *given, rp_producer **out) {
    struct rp_producer_options o;
    rp_producer_options_init(&o, sizeof o);
    int result = options_take(&o, sizeof o, given, "rp_producer_options");
    if (result < 0)
        return result;
    result = queue_check(q);
    if (result < 0 || out == NULL)
        return fail(result < 0 ? result : -EINVAL, "rp_producer_open");
    if (q->read_only)
        return fail(-EROFS, "queue '%s' was opened read-only", q->name);
    result = shards_check(q, o.shard);
    if (result < 0)
        return result;
    if (!wait_knows(o.wait_strategy))
        return fail(-EINVAL, "rp_producer_open: unknown wait strategy");
    if (spills(&q->segment) && (o.id != NULL || o.id_bytes != 0))
        return fail(-ENOTSUP, "queue '%s' spills what has no memory, and keeps no ids of producers", q->name);
    struct producer_name name;
    if (o.id != NULL || o.id_bytes != 0) {
        result = producer_name_make(&name, o.id, o.id_bytes);
        if (result < 0)
            return result;
    }
    struct rp_producer *p = calloc(1, sizeof *p);
    uint32_t *loans = calloc(LOANS_AT_FIRST, sizeof *loans), lane_count = q->segment.parameters.lane_count;
    struct sender_lane *lanes = calloc(lane_count, sizeof *lanes);
    if (p == NULL || loans == NULL || lanes == NULL) {
        free(p);
        free(loans);
        free(lanes);
        return fail(-ENOMEM, "no memory for a producer of queue '%s'", q->name);
    }
    p->loans = loans;
    p->loan_room = LOANS_AT_FIRST;
    p->lanes = lanes;
    const uint64_t limit = q->segment.parameters.message_bytes, whole = q->segment.parameters.max_bytes;
    p->most_bytes = whole > 0 && whole < limit ? whole : limit;
    p->straight = p->plain =
        !q->segment.parameters.keyed && q->segment.parameters.ttl_ns == 0 && !durable(&q->segment) && !spills(&q->segment);
    for (uint32_t i = 0; i < lane_count; i++) {
        lanes[i].ring = lane_ring(&q->segment, i);
        lanes[i].tail = lanes[i].tail_told = load_acquire(lanes[i].ring.tail, hints);
    }
    actor_open(&p->actor, q);
    p->actor.strategy = (uint8_t)o.wait_strategy;
    result = shards_producer(p, o.shard, o.id != NULL ? &name : NULL);
    if (result == 0)
        result = spill_sender_open(p);
    if (result == 0 && o.id != NULL)
        result = identity_open(&p->actor, &name, &p->identity, &p->sequence);
    if (result == 0 && o.id != NULL && durable(&q->segment)) /* of what another sent as this id he is told like of his own */
        durable_owe_all(p, load_acquire(&p->identity->message, identity));
    if (result < 0) {
        actor_close(&p->actor);
        free_handle(p);
        return result;
    }
    pthread_mutex_lock(&q->lock);
    p->next = q->producers;
    q->producers = p;
    pthread_mutex_unlock(&q->lock);
    *out = p;
    return 0;
}

RP_API void rp_producer_close(rp_producer *p) {
    if (p == NULL)
        return;
    struct rp_queue *q = p->actor.queue;
    if (queue_check(q) == 0) {
        while (p->loan_count > 0 && !MUTANT(close_keeps_loans))
            pool_give_back(&p->actor.pool, p->loans[--p->loan_count]);
        spill_sender_close(p);
        send_refresh(p);
        pthread_mutex_lock(&q->lock);
        struct rp_producer **link = &q->producers;
        while (*link != p)
            link = &(*link)->next;
        *link = p->next;
        pthread_mutex_unlock(&q->lock);
        if (p->identity != NULL)
            identity_close(p->identity);
        actor_close(&p->actor);
    }
    free_handle(p);
}

/* ---- sending ---- */

/*
 * Word by word while it is short: a caller has often just written these bytes, and the wide loads of memcpy cannot be served from narrow stores that are
 * still on their way; they would wait until all are written.
 */
static inline void copy_in(unsigned char *to, const unsigned char *from, size_t bytes) {
    if (bytes > 256 || bytes % 8 != 0) {
        if (bytes > 0)
            memcpy(to, from, bytes);
        return;
    }
    for (size_t i = 0; i < bytes; i += 8) {
        uint64_t word;
        memcpy(&word, from + i, 8);
        __asm__("" : "+r"(word)); /* keeps the compiler from making it a wide copy again */
        memcpy(to + i, &word, 8);
    }
}

/* Asks first, before anybody makes room for a message that was sent. */
static __attribute__((noinline)) int send_with(struct rp_producer *p, const void *data, size_t bytes,
                                               const struct rp_send_options *o, int64_t timeout_ns, uint64_t *id, bool wake) {
    struct once asked, *once = NULL;
    size_t content = bytes;
    uint32_t c;
    int result = send_ask(p, o, id);
    if (result == 0 && send_has_headers(o))
        result = send_measure(p, bytes, o, &content);
    if (result == 0 && p->spill != NULL && !spill_waits(o)) {
        struct spilling x = {p, data, bytes, content, o, id, wake, .cell = NO_CELL};
        return spill_send(&x, timeout_ns);
    }
    if (result == 0 && send_has_id(o)) {
        once = &asked;
        result = send_ask_once(p, once, o, timeout_ns, id);
        timeout_ns = once_patience(once);
    }
    if (result < 0 || (result = room_take(p, content, timeout_ns, &c)) < 0)
        return result;
    copy_in(segment_cell(p->actor.segment, c)->payload, data, bytes);
    result = send_cell(p, c, bytes, content, o, once, timeout_ns, id, wake);
    if (result < 0)
        pool_give_back(&p->actor.pool, c);
    return result;
}

/*
 * A message that has nothing beside its payload, as most. *wall_ns: the time, if the caller has looked at the clock just now; else 0, and receives it. Who waited for room looks
 * again.
 */
static ALWAYS_INLINE int send_plain(struct rp_producer *p, uint32_t lane, const void *data, size_t bytes, int64_t timeout_ns,
                                    uint64_t *id, bool wake, uint64_t *wall_ns) {
    uint32_t c;
    int result = 0;
    if (!likely(room_at_hand(p, &c))) {
        if ((result = room_seek(p, bytes, timeout_ns, &c)) < 0)
            return result;
        *wall_ns = 0;
    }
    if (*wall_ns == 0)
        *wall_ns = clock_wall_coarse_ns();
    struct cell *cell = segment_cell(p->actor.segment, c);
    if (!MUTANT(payload_late))
        copy_in(cell->payload, data, bytes);
    send_label(p, cell, bytes, *wall_ns);
    if (id != NULL)
        *id = cell->id;
    result = send_check_gone(p, *wall_ns);
    if (likely(result == 0))
        result = publish_here(p, lane, cell, c, 0, wake);
    if (result == RP_FULL)
        result = room_seek_place(p, lane, c, 0, timeout_ns, wake);
    if (MUTANT(payload_late))
        copy_in(cell->payload, data, bytes);
    if (result < 0)
        pool_give_back(&p->actor.pool, c);
    return result;
}

/* Do options that were checked ask for nothing that is kept with the message? */
static bool leaves_plain(const struct rp_send_options *o) {
    return (o->delay_ns | o->at_ns | (uint64_t)o->ttl_ns | o->sequence | o->priority | o->header_count) == 0 && o->key == NULL &&
           o->dedup_id == NULL && o->carry == NULL;
}

/* With options, which may be of another size than ours; or of nothing. */
static __attribute__((noinline)) int send_given(struct rp_producer *p, const void *data, size_t bytes,
                                                const struct rp_send_options *given) {
    struct rp_send_options copy;
    const struct rp_send_options *o;
    int result = send_options(p, given, &copy, &o);
    if (result < 0)
        return result;
    if (data == NULL && bytes > 0)
        return fail(-EINVAL, "rp_send: %zu bytes of nothing", bytes);
    uint64_t wall_ns = 0;
    return p->plain && leaves_plain(o) ? send_plain(p, send_home(p), data, bytes, o->timeout_ns, o->id_out, true, &wall_ns)
                                       : send_with(p, data, bytes, o, o->timeout_ns, o->id_out, true);
}

/* Nothing but a payload, which may be sent, into lane 0? */
static ALWAYS_INLINE bool is_plain(const struct rp_producer *p, const void *data, size_t bytes,
                                   const struct rp_send_options *given) {
    return likely(p->straight && given == NULL && bytes <= p->most_bytes && (data != NULL || bytes == 0));
}

RP_API int rp_send(rp_producer *p, const void *data, size_t bytes, const struct rp_send_options *given) {
    int result = send_check(p, bytes);
    if (result < 0)
        return result;
    uint64_t wall_ns = 0;
    return is_plain(p, data, bytes, given) ? send_plain(p, 0, data, bytes, RP_TIMEOUT_POLICY, NULL, true, &wall_ns)
                                           : durable_answer(p, send_given(p, data, bytes, given));
}

RP_API int rp_send_async(rp_producer *p, const void *data, size_t bytes, const struct rp_send_options *given) {
    int result = send_check(p, bytes);
    return result < 0 ? result : durable(p->actor.segment) ? send_given(p, data, bytes, given) : rp_send(p, data, bytes, given);
}

RP_API int rp_flush(rp_producer *p) {
    int result = send_check(p, 0);
    return result < 0 || !durable(p->actor.segment) ? result : durable_flush(p);
}

static void wake_all_groups(struct rp_producer *p, size_t sent) {
    const struct segment *s = p->actor.segment;
    for (uint32_t rest = groups_active(s, groups_load(s)); rest != 0; rest &= rest - 1) {
        group_wake(s, (unsigned)__builtin_ctz(rest), (int)sent);
    }
}

/* One of a batch that has options, goes into another lane than the first, or may not be sent. */
static __attribute__((noinline)) int send_item(struct rp_producer *p, struct rp_send_item *item, size_t number, uint64_t *wall_ns) {
    struct rp_send_options copy;
    const struct rp_send_options *o;
    if (p->plain && item->options == NULL && item->bytes <= p->most_bytes && (item->data != NULL || item->bytes == 0))
        return send_plain(p, send_home(p), item->data, item->bytes, RP_TIMEOUT_POLICY, &item->id, false, wall_ns);
    int result = send_check(p, item->bytes);
    if (result < 0 || (result = send_options(p, item->options, &copy, &o)) < 0)
        return result;
    if (item->data == NULL && item->bytes > 0)
        return fail(-EINVAL, "rp_send_batch: item %zu has no data", number);
    return send_with(p, item->data, item->bytes, o, RP_TIMEOUT_POLICY, &item->id, false);
}

RP_API int rp_send_batch(rp_producer *p, struct rp_send_item *items, size_t count) {
    if (items == NULL || count == 0 || count > INT32_MAX)
        return fail(-EINVAL, "rp_send_batch: %zu items", count);
    size_t sent = 0, told = 0;
    uint64_t wall_ns = 0;
    int result = 0;
    for (; sent < count; sent++) {
        struct rp_send_item *item = &items[sent];
        if (sent % SENDS_PER_LOOK == 0) {
            wall_ns = 0;
            if ((result = send_check(p, 0)) < 0)
                break;
        }
        if (sent > told && !pool_ready(&p->actor.pool)) { /* we may have to wait for those that sleep */
            wake_all_groups(p, sent - told);
            told = sent;
        }
        result = is_plain(p, item->data, item->bytes, item->options)
                     ? send_plain(p, 0, item->data, item->bytes, RP_TIMEOUT_POLICY, &item->id, false, &wall_ns)
                     : send_item(p, item, sent, &wall_ns);
        if (result < 0 && result != RP_DUPLICATE)
            break;
        item->result = result;
    }
    if (sent == 0)
        return result;
    wake_all_groups(p, sent - told);
    result = durable_answer(p, 0);
    return result < 0 ? result : (int)sent;
}
