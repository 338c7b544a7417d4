/* SPDX-License-Identifier: MIT */
#include "dedup.h"
#include "error.h"
#include "groups.h"
#include "keyed.h"
#include "lane.h"
#include "options.h"
#include "room.h"
#include "schedule.h"
#include "sweep.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SEND_ONCE = 1 << 7 /* beside the flags of a cell: the send has an id */ };
enum { IDS_PER_BLOCK = 256, LOANS_AT_FIRST = 8, GONE_CHECK_NS = TICK_MS * 1000000 };

static const struct rp_send_options plain_options = {
    .size = sizeof plain_options, .timeout_ns = RP_TIMEOUT_POLICY, .ttl_ns = RP_TTL_POLICY};

RP_API void rp_producer_options_init(struct rp_producer_options *o, size_t size) {
    const struct rp_producer_options defaults = {.size = sizeof defaults};
    options_fill(o, size, &defaults, sizeof defaults);
}

RP_API void rp_send_options_init(struct rp_send_options *o, size_t size) {
    const struct rp_send_options defaults = {.size = sizeof defaults, .timeout_ns = RP_TIMEOUT_POLICY, .ttl_ns = RP_TTL_POLICY};
    options_fill(o, size, &defaults, sizeof defaults);
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
    p->plain = !q->segment.parameters.keyed && q->segment.parameters.ttl_ns == 0;
    for (uint32_t i = 0; i < lane_count; i++) {
        lanes[i].ring = lane_ring(&q->segment, i);
        lanes[i].tail = lanes[i].tail_told = load_acquire(lanes[i].ring.tail, hints);
    }
    actor_open(&p->actor, q);
    pthread_mutex_lock(&q->lock);
    p->next = q->producers;
    q->producers = p;
    pthread_mutex_unlock(&q->lock);
    *out = p;
    return 0;
}

/* Laps wrap; a producer that was idle for long must not rely on them. */
static void refresh_tails(struct rp_producer *p) {
    for (uint32_t i = 0; i < p->actor.segment->parameters.lane_count; i++)
        head_refresh(&p->lanes[i].tail, p->lanes[i].ring.tail);
}

RP_API void rp_producer_close(rp_producer *p) {
    if (p == NULL)
        return;
    struct rp_queue *q = p->actor.queue;
    if (queue_check(q) == 0) {
        while (p->loan_count > 0 && !MUTANT(close_keeps_loans))
            pool_give_back(&p->actor.pool, p->loans[--p->loan_count]);
        refresh_tails(p);
        pthread_mutex_lock(&q->lock);
        struct rp_producer **link = &q->producers;
        while (*link != p)
            link = &(*link)->next;
        *link = p->next;
        pthread_mutex_unlock(&q->lock);
        actor_close(&p->actor);
    }
    free(p->loans);
    free(p->lanes);
    free(p);
}

/* ---- sending ---- */

static int producer_check(struct rp_producer *p, size_t bytes) {
    if (p == NULL)
        return fail(-EINVAL, "no producer");
    struct rp_queue *q = p->actor.queue;
    int result = queue_check(q);
    if (result < 0)
        return fail(result, "queue '%s' was opened by the parent process", q->name);
    if (bytes > p->actor.segment->parameters.message_bytes)
        return fail(RP_TOO_BIG, "queue '%s': message of %zu bytes, the limit is %u", q->name, bytes,
                    p->actor.segment->parameters.message_bytes);
    if (room_never(p->actor.segment, bytes))
        return fail(RP_TOO_BIG, "queue '%s': message of %zu bytes, and the whole queue holds at most %llu", q->name, bytes,
                    (unsigned long long)p->actor.segment->parameters.max_bytes);
    if (queue_is_gone(q))
        return fail(RP_GONE, "queue '%s' was removed", q->name);
    return 0;
}

/* A message's key and times. -> the cell's flags. */
static uint32_t describe_more(struct rp_producer *p, uint32_t c, const struct rp_send_options *o) {
    const struct segment *s = p->actor.segment;
    uint32_t flags = 0;
    if (o->key != NULL) { /* the queue is keyed */
        struct extra *extra = segment_extra(s, c);
        extra->key_bytes = (uint32_t)o->key_bytes;
        memcpy(extra->key, o->key, o->key_bytes);
        flags |= CELL_HAS_KEY;
    }
    if (o->dedup_id != NULL)
        flags |= SEND_ONCE;
    return schedule_asked(s, o) ? flags | schedule_describe(s, c, o) : flags;
}

/* Fills in what a receiver needs to know beside the payload. -> the cell's flags. */
static ALWAYS_INLINE uint32_t describe(struct rp_producer *p, uint32_t c, size_t bytes, const struct rp_send_options *o) {
    if (p->next_id == p->id_end) {
        p->next_id = fetch_add_relaxed(&p->actor.segment->control->next_id, IDS_PER_BLOCK, hint);
        p->id_end = p->next_id + IDS_PER_BLOCK;
    }
    struct cell *cell = segment_cell(p->actor.segment, c);
    cell->id = p->next_id++;
    cell->sent_wall_ns = clock_wall_coarse_ns();
    cell->bytes = (uint32_t)bytes;
    return p->plain && o == &plain_options ? 0 : describe_more(p, c, o);
}

/* Which lane a message goes to. */
static inline uint32_t choose_lane(struct rp_producer *p, const struct rp_send_options *o) {
    const struct parameters *q = &p->actor.segment->parameters;
    if (!q->keyed)
        return o->priority;
    return o->key != NULL ? keyed_lane(p->actor.segment, o->key, o->key_bytes) : p->lane_turn++ % q->lane_count;
}

/* Now and then: is the name still there, and are we? The coarse time of sending tells when. */
static void check_gone(struct rp_producer *p, uint64_t now_wall_ns) {
    if (now_wall_ns < p->next_check_wall_ns && now_wall_ns + 2 * GONE_CHECK_NS > p->next_check_wall_ns)
        return;
    p->next_check_wall_ns = now_wall_ns + GONE_CHECK_NS;
    refresh_tails(p);
    notice_removal(p->actor.queue);
}

/* Sends a cell that is complete but for its flags and its word. Where it has a time, or waits for one: */
static int commit_timed(struct rp_producer *p, uint32_t lane, uint32_t c, uint32_t flags, int64_t timeout_ns, bool wake) {
    const struct segment *s = p->actor.segment;
    if (flags & CELL_WAITS) {
        field_write(&segment_cell(s, c)->flags, flags);
        schedule_send(&p->actor, c, lane);
        return 0;
    }
    uint64_t expires = field_read(&segment_extra(s, c)->expires_ns);
    int result = room_publish(p, lane, c, flags, timeout_ns, wake);
    if (result == 0)
        schedule_timer(&p->actor, c, flags, expires, false);
    return result;
}

static int commit_once(struct rp_producer *p, uint32_t lane, uint32_t c, uint32_t flags, const struct rp_send_options *o,
                       int64_t timeout_ns, bool wake);

static ALWAYS_INLINE int commit(struct rp_producer *p, uint32_t lane, uint32_t c, uint32_t flags, const struct rp_send_options *o,
                                int64_t timeout_ns, bool wake) {
    if (flags & SEND_ONCE)
        return commit_once(p, lane, c, flags & ~(uint32_t)SEND_ONCE, o, timeout_ns, wake);
    return flags & (CELL_WAITS | CELL_EXPIRES) ? commit_timed(p, lane, c, flags, timeout_ns, wake)
                                               : room_publish(p, lane, c, flags, timeout_ns, wake);
}

/* With an id: the message is sent unless one with this id was. */
static int commit_once(struct rp_producer *p, uint32_t lane, uint32_t c, uint32_t flags, const struct rp_send_options *o,
                       int64_t timeout_ns, bool wake) {
    struct sought_id id;
    struct id_entry entry;
    uint64_t first;
    sought_id_make(&id, o->dedup_id, o->dedup_id_bytes);
    int result = dedup_begin(&p->actor, &id, c, room_patience(p, timeout_ns), &entry, &first);
    if (result == RP_DUPLICATE && o->id_out != NULL)
        *o->id_out = first;
    if (result < 0)
        return result;
    result = commit(p, lane, c, flags, o, timeout_ns, wake);
    dedup_end(&p->actor, &entry, result == 0);
    return result;
}

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

/* Was a message with this id sent? Before anybody makes room for another. */
static int ask_first(struct rp_producer *p, const struct rp_send_options *o, int64_t timeout_ns, uint64_t *id) {
    struct sought_id x;
    uint64_t first;
    if (o->dedup_id == NULL)
        return 0;
    sought_id_make(&x, o->dedup_id, o->dedup_id_bytes);
    int result = dedup_look(&p->actor, &x, room_patience(p, timeout_ns), &first);
    if (result == RP_DUPLICATE && id != NULL)
        *id = first;
    return result;
}

static int send_one(struct rp_producer *p, const void *data, size_t bytes, const struct rp_send_options *o, int64_t timeout_ns,
                    uint64_t *id, bool wake) {
    uint32_t c;
    int result = o == &plain_options ? 0 : ask_first(p, o, timeout_ns, id);
    if (result < 0 || (result = room_take(p, bytes, timeout_ns, &c)) < 0)
        return result;
    if (result < 0)
        if (result < 0)
            return result;
    struct cell *cell = segment_cell(p->actor.segment, c);
    if (!MUTANT(payload_late))
        copy_in(cell->payload, data, bytes);
    uint32_t lane = choose_lane(p, o);
    uint32_t flags = describe(p, c, bytes, o);
    if (id != NULL)
        *id = cell->id;
    check_gone(p, cell->sent_wall_ns);
    result = commit(p, lane, c, flags, o, timeout_ns, wake);
    if (MUTANT(payload_late))
        copy_in(cell->payload, data, bytes);
    if (result < 0)
        pool_give_back(&p->actor.pool, c);
    return result;
}

/* Does the queue have what the options ask for? */
static int check_options(const struct rp_producer *p, const struct rp_send_options *o) {
    const struct parameters *q = &p->actor.segment->parameters;
    const char *name = p->actor.queue->name;
    if (o->timeout_ns < -1 && o->timeout_ns != RP_TIMEOUT_POLICY)
        return fail(-EINVAL, "negative timeout");
    if (o->reserved != 0)
        return fail(-E2BIG, "rp_send_options: a reserved field is not 0");
    if (o->key != NULL && !q->keyed)
        return fail(-EINVAL, "queue '%s' has no keyed lanes", name);
    if (o->key_bytes > (o->key == NULL ? 0 : RP_KEY_MAX))
        return fail(-EINVAL, o->key == NULL ? "%zu bytes of no key" : "a key of %zu bytes, the limit is 128", o->key_bytes);
    if (o->priority >= (q->keyed ? 1 : q->lane_count))
        return fail(-EINVAL, "priority %u, queue '%s' has the levels 0 to %u", o->priority, name, q->keyed ? 0 : q->lane_count - 1);
    if (o->dedup_id != NULL && q->dedup_window_ns == 0)
        return fail(-EINVAL, "queue '%s' has no dedup window", name);
    if (o->dedup_id == NULL ? o->dedup_id_bytes > 0 : o->dedup_id_bytes < 1 || o->dedup_id_bytes > RP_DEDUP_ID_MAX)
        return fail(-EINVAL, o->dedup_id == NULL ? "%zu bytes of no dedup id" : "a dedup id of %zu bytes, allowed are 1 to 128",
                    o->dedup_id_bytes);
    return schedule_check(o);
}

/* *o: the caller's options, checked. `copy` is for a caller whose struct is shorter or longer than ours. */
static __attribute__((noinline)) int given_options(const struct rp_producer *p, const struct rp_send_options *given,
                                                   struct rp_send_options *copy, const struct rp_send_options **o) {
    *o = given;
    if (given->size != sizeof *given) {
        *o = copy;
        *copy = plain_options;
        int result = options_take(copy, sizeof *copy, given, "rp_send_options");
        if (result < 0)
            return result;
    }
    return check_options(p, *o);
}

static inline int send_options(const struct rp_producer *p, const struct rp_send_options *given, struct rp_send_options *copy,
                               const struct rp_send_options **o) {
    *o = &plain_options;
    return given == NULL ? 0 : given_options(p, given, copy, o);
}

RP_API int rp_send(rp_producer *p, const void *data, size_t bytes, const struct rp_send_options *given) {
    struct rp_send_options copy;
    const struct rp_send_options *o;
    int result = producer_check(p, bytes);
    if (result < 0 || (result = send_options(p, given, &copy, &o)) < 0)
        return result;
    if (data == NULL && bytes > 0)
        return fail(-EINVAL, "rp_send: %zu bytes of nothing", bytes);
    return send_one(p, data, bytes, o, o->timeout_ns, o->id_out, true);
}

static void wake_all_groups(struct rp_producer *p, size_t sent) {
    const struct segment *s = p->actor.segment;
    for (uint32_t rest = groups_active(s, groups_load(s)); rest != 0; rest &= rest - 1) {
        group_wake(s, (unsigned)__builtin_ctz(rest), (int)sent);
    }
}

RP_API int rp_send_batch(rp_producer *p, struct rp_send_item *items, size_t count) {
    if (items == NULL || count == 0 || count > INT32_MAX)
        return fail(-EINVAL, "rp_send_batch: %zu items", count);
    size_t sent = 0, told = 0;
    int result = 0;
    for (; sent < count; sent++) {
        struct rp_send_item *item = &items[sent];
        struct rp_send_options copy;
        const struct rp_send_options *o;
        if ((result = producer_check(p, item->bytes)) < 0 || (result = send_options(p, item->options, &copy, &o)) < 0)
            break;
        if (item->data == NULL && item->bytes > 0) {
            result = fail(-EINVAL, "rp_send_batch: item %zu has no data", sent);
            break;
        }
        if (sent > told && !pool_ready(&p->actor.pool)) { /* we may have to wait for those that sleep */
            wake_all_groups(p, sent - told);
            told = sent;
        }
        result = send_one(p, item->data, item->bytes, o, RP_TIMEOUT_POLICY, &item->id, false);
        if (result < 0 && result != RP_DUPLICATE)
            break;
    }
    if (sent == 0)
        return result;
    wake_all_groups(p, sent - told);
    return (int)sent;
}

/* ---- loans ---- */

static int keep_loan(struct rp_producer *p, uint32_t c) {
    if (p->loan_count == p->loan_room) {
        uint32_t *more = realloc(p->loans, 2 * (size_t)p->loan_room * sizeof *more);
        if (more == NULL)
            return fail(-ENOMEM, "no memory to remember another loan");
        p->loans = more;
        p->loan_room *= 2;
    }
    p->loans[p->loan_count++] = c;
    return 0;
}

RP_API int rp_loan(rp_producer *p, size_t bytes, struct rp_loan *out) {
    int result = producer_check(p, bytes);
    if (result < 0)
        return result;
    if (out == NULL)
        return fail(-EINVAL, "rp_loan: no place for the result");
    uint32_t c;
    result = room_take(p, bytes, RP_TIMEOUT_POLICY, &c);
    if (result < 0)
        return result;
    result = keep_loan(p, c);
    if (result < 0) {
        pool_give_back(&p->actor.pool, c);
        return result;
    }
    *out = (struct rp_loan){.data = segment_cell(p->actor.segment, c)->payload, .bytes = bytes};
    out->reserved[0] = (uint64_t)(uintptr_t)p;
    out->reserved[1] = c;
    return 0;
}

/* The index of an open loan, or a negative result. */
static int64_t loan_of(struct rp_producer *p, const struct rp_loan *l) {
    int result = producer_check(p, l == NULL ? 0 : l->bytes);
    if (result < 0)
        return result;
    if (l != NULL && l->reserved[0] == (uint64_t)(uintptr_t)p)
        for (uint32_t i = 0; i < p->loan_count; i++)
            if (p->loans[i] == l->reserved[1])
                return i;
    return fail(-EINVAL, "the loan is not open, or another producer's");
}

static void end_loan(struct rp_producer *p, int64_t index, struct rp_loan *l) {
    p->loans[index] = p->loans[--p->loan_count];
    memset(l, 0, sizeof *l);
}

RP_API int rp_commit(rp_producer *p, struct rp_loan *l, const struct rp_send_options *given) {
    struct rp_send_options copy;
    const struct rp_send_options *o;
    int64_t index = loan_of(p, l);
    if (index < 0)
        return (int)index;
    int result = send_options(p, given, &copy, &o);
    if (result < 0)
        return result;
    uint32_t c = p->loans[index];
    result = room_change(p, c, l->bytes);
    if (result < 0)
        return result;
    uint32_t lane = choose_lane(p, o);
    const struct cell *cell = segment_cell(p->actor.segment, c);
    uint32_t flags = describe(p, c, l->bytes, o);
    if (o->id_out != NULL)
        *o->id_out = cell->id;
    check_gone(p, cell->sent_wall_ns);
    result = commit(p, lane, c, flags, o, o->timeout_ns, true);
    if (result == 0)
        end_loan(p, index, l);
    return result;
}

RP_API int rp_abandon(rp_producer *p, struct rp_loan *l) {
    int64_t index = loan_of(p, l);
    if (index < 0)
        return (int)index;
    pool_give_back(&p->actor.pool, p->loans[index]);
    end_loan(p, index, l);
    return 0;
}
