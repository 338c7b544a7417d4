/* SPDX-License-Identifier: MIT */
#include "receive.h"
#include "claim_lane.h"
#include "error.h"
#include "expiry.h"
#include "headers.h"
#include "lane.h"
#include "notes.h"
#include "pause.h"
#include "schedule.h"
#include "sweep.h"
#include "wait.h"
#include <errno.h>
#include <string.h>

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
        m->priority = segment_levels(s) > 1 ? lane_of(s, index) : 0;
    } else if (field_read(&cell->flags) & CELL_HAS_KEY) {
        const struct extra *extra = segment_extra(s, index);
        uint32_t bytes = *(const volatile uint16_t *)&extra->key_bytes;
        m->key = extra->key;
        m->key_bytes = bytes <= KEY_BYTES ? bytes : KEY_BYTES;
    }
}

/* A message with headers, or damaged. 0; RP_CORRUPT: it is out of the way. */
static __attribute__((noinline)) int show_headers(struct rp_consumer *c, struct view *v, const struct cell *cell, uint32_t bytes,
                                                  struct rp_message *m) {
    struct content parts;
    if (!content_parts(c->actor.segment, cell, bytes, field_read(&cell->flags), &parts))
        return bury_corrupt(c, v, load_relaxed(&v->cell, own) - 1, bytes);
    m->bytes = parts.payload;
    m->headers = (struct rp_headers){cell->payload + parts.headers_at, parts.headers};
    return 0;
}

/* At most once: settles a message that was copied. RP_EMPTY: its lease was lost before, somebody else has it by now. */
static __attribute__((noinline)) int settle_copy(struct rp_consumer *c, struct view *v, const struct cell *cell,
                                                 struct rp_message *m) {
    memcpy(c->copy, m->data, m->bytes);
    m->data = c->copy;
    if (m->headers.block != NULL && !MUTANT(headers_not_copied))
        m->headers.block = memcpy(c->copy + content_aligned(m->bytes), m->headers.block, m->headers.bytes);
    if (m->key != NULL)
        m->key = memcpy(c->copy + segment_room(c->actor.segment), m->key, m->key_bytes);
    memset(m->receipt, 0, sizeof m->receipt);
    if (view_settle(c, v) != 0) {
        tally_add(&c->actor.tally, COUNT_LEASE_LOST, 1);
        return RP_EMPTY;
    }
    if (MUTANT(copy_after_ack))
        memcpy(c->copy, cell->payload, m->bytes);
    tally_add(&c->actor.tally, COUNT_ACKED, 1);
    return 0;
}

/* Shows a claimed message. RP_EMPTY, RP_CORRUPT: as the two above. */
static ALWAYS_INLINE int show(struct rp_consumer *c, struct view *v, struct rp_message *m) {
    const struct segment *s = c->actor.segment;
    uint32_t index = load_relaxed(&v->cell, own) - 1;
    const struct cell *cell = segment_cell(s, index);
    uint32_t bytes = *(const volatile uint32_t *)&cell->bytes; /* read once, checked, then used */
    int result;
    m->data = cell->payload;
    m->bytes = bytes;
    m->id = cell->id;
    m->sent_ns = cell->sent_wall_ns;
    m->deliveries = m->acquisitions = 1;
    view_receipt(c, v, m);
    memset(&m->key, 0, sizeof *m - offsetof(struct rp_message, key)); /* key, priority, headers, and what is reserved */
    if ((bytes > s->parameters.message_bytes || field_read(&cell->flags) & CELL_HAS_HEADERS) &&
        (result = show_headers(c, v, cell, bytes, m)) < 0)
        return result;
    if (!c->plain)
        show_lane(s, index, cell, m);
    if (hold_seq(v->hold) != 0) {
        struct counts counts = notes_counts(s, c->group, index, v->hold);
        m->deliveries = counts.charged + 1;
        m->acquisitions = counts.handed_out + 1;
    }
    if (c->ack_mode == RP_ACK_NONE && (result = settle_copy(c, v, cell, m)) < 0)
        return result;
    tally_add(&c->actor.tally, COUNT_RECEIVED, 1);
    return 0;
}

static COLD void keep_house(struct rp_consumer *c, uint64_t now_ms) {
    if (now_ms >= c->actor.next_tick_ms)
        claim_refresh(c);
    housekeeping(&c->actor, now_ms);
}

/* What time it is; and keeps house, if it is time for that. */
static ALWAYS_INLINE uint64_t look_at_clock(struct rp_consumer *c) {
    struct actor *a = &c->actor;
    uint64_t now_ms = actor_now_ms(a);
    if (now_ms >= a->next_tick_ms || now_ms >= load_relaxed(&a->segment->control->next_due_ms, hint) ||
        schedule_near(a->segment, now_ms))
        keep_house(c, now_ms);
    return now_ms;
}

static ALWAYS_INLINE int take_at(struct rp_consumer *c, struct rp_message *m, uint64_t now_ms) {
    for (;;) {
        struct view *v;
        int result = claim_next(c, now_ms, &v);
        if (result != 0 || (result = show(c, v, m)) != RP_EMPTY)
            return result;
    }
}

static __attribute__((noinline)) int take(struct rp_consumer *c, struct rp_message *m) { return take_at(c, m, look_at_clock(c)); }

/* From what was claimed ahead; claims more when there is nothing left. */
static __attribute__((noinline)) int take_ahead(struct rp_consumer *c, struct rp_message *m) {
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

static inline bool nothing_ahead(const struct rp_consumer *c) { return c->prefetch == 0 && c->ahead_first == c->ahead_count; }

int receive_next(struct rp_consumer *c, struct rp_message *m) {
    if (pause_stops_receives(c->actor.segment, c->pause_mask))
        return pause_meet(c);
    return nothing_ahead(c) ? take(c, m) : take_ahead(c, m);
}

enum { RECEIVES_PER_LOOK = 16 }; /* of a batch, at the clock */

size_t receive_more(struct rp_consumer *c, struct rp_message *m, size_t max, int *result) {
    uint64_t now_ms = 0;
    size_t count = 0;
    for (; count < max; count++) {
        if (count % RECEIVES_PER_LOOK == 0)
            now_ms = look_at_clock(c);
        bool direct = !pause_stops_receives(c->actor.segment, c->pause_mask) && nothing_ahead(c);
        *result = likely(direct) ? take_at(c, &m[count], now_ms) : receive_next(c, &m[count]);
        if (*result != 0)
            break;
    }
    return count;
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

int receive_check(const struct rp_consumer *c) {
    if (c == NULL)
        return fail(-EINVAL, "no consumer");
    int result = queue_check(c->actor.queue);
    return result < 0 ? fail(result, "queue '%s' was opened by the parent process", c->actor.queue->name) : 0;
}

static COLD int refuse(const struct rp_consumer *c, const struct rp_message *m, int64_t timeout_ns) {
    int result = receive_check(c);
    if (result < 0)
        return result;
    if (m == NULL || timeout_ns < -1)
        return fail(-EINVAL, "rp_receive: %s", m == NULL ? "no place for the message" : "negative timeout");
    return fail(RP_GONE, "queue '%s' was removed", c->actor.queue->name);
}

RP_API int rp_receive(rp_consumer *c, struct rp_message *m, int64_t timeout_ns) {
    if (!likely(receive_usable(c) && m != NULL && timeout_ns >= -1 && !queue_is_gone(c->actor.queue)))
        return refuse(c, m, timeout_ns);
    bool direct = !pause_stops_receives(c->actor.segment, c->pause_mask) && nothing_ahead(c);
    int result = likely(direct) ? take_at(c, m, look_at_clock(c)) : receive_next(c, m);
    if ((result == RP_EMPTY || result == RP_PAUSED) && timeout_ns != 0)
        result = receive_wait(c, m, timeout_ns);
    return likely(c->doorbell == NULL) ? result : doorbell_receive(c, m, result);
}
