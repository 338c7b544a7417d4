/* SPDX-License-Identifier: MIT */
#include "send.h"
#include "error.h"
#include "identity.h"
#include "options.h"
#include "schedule.h"
#include "sweep.h"
#include <errno.h>
#include <string.h>

const struct rp_send_options send_plainly = {.size = sizeof send_plainly, .timeout_ns = RP_TIMEOUT_POLICY, .ttl_ns = RP_TTL_POLICY};

RP_API void rp_send_options_init(struct rp_send_options *o, size_t size) {
    options_fill(o, size, &send_plainly, sizeof send_plainly);
}

COLD int send_refuse(const struct rp_producer *p, size_t bytes) {
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
    return fail(RP_GONE, "queue '%s' was removed", q->name);
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
    const uint32_t levels = segment_levels(p->actor.segment);
    if (o->priority >= levels)
        return fail(-EINVAL, "priority %u, queue '%s' has the levels 0 to %u", o->priority, name, levels - 1);
    if (o->sequence != 0 && p->identity == NULL)
        return fail(-EINVAL, "a sequence is for producers that were opened with an id");
    if (o->dedup_id != NULL && q->dedup_window_ns == 0)
        return fail(-EINVAL, "queue '%s' has no dedup window", name);
    if (o->dedup_id == NULL ? o->dedup_id_bytes > 0 : o->dedup_id_bytes < 1 || o->dedup_id_bytes > RP_DEDUP_ID_MAX)
        return fail(-EINVAL, o->dedup_id == NULL ? "%zu bytes of no dedup id" : "a dedup id of %zu bytes, allowed are 1 to 128",
                    o->dedup_id_bytes);
    return schedule_check(o);
}

int send_options_given(const struct rp_producer *p, const struct rp_send_options *given, struct rp_send_options *copy,
                       const struct rp_send_options **o) {
    *o = given;
    if (given->size != sizeof *given) {
        *o = copy;
        *copy = send_plainly;
        int result = options_take(copy, sizeof *copy, given, "rp_send_options");
        if (result < 0)
            return result;
    }
    return check_options(p, *o);
}

int send_measure(const struct rp_producer *p, size_t payload, const struct rp_send_options *o, size_t *content) {
    const struct segment *s = p->actor.segment;
    int result = headers_measure(s, p->actor.queue->name, payload, o, content);
    if (result == 0 && room_never(s, *content))
        return fail(RP_TOO_BIG, "queue '%s': %zu bytes with headers, and the whole queue holds at most %llu", p->actor.queue->name,
                    *content, (unsigned long long)s->parameters.max_bytes);
    return result;
}

int send_damaged(const struct rp_producer *p) {
    return fail(RP_CORRUPT, "queue '%s': the headers to carry were changed while they were copied", p->actor.queue->name);
}

int send_asked_sequence(const struct rp_producer *p, uint64_t sequence, uint64_t *id) {
    if (sequence > p->sequence)
        return 0;
    if (id != NULL)
        *id = 0; /* not known any more */
    tally_add(&p->actor.tally, COUNT_DUPLICATE, 1);
    return fail(RP_DUPLICATE, "queue '%s': sequence %llu was sent, the producer's last is %llu", p->actor.queue->name,
                (unsigned long long)sequence, (unsigned long long)p->sequence);
}

uint32_t send_describe_more(struct rp_producer *p, struct cell *cell, struct extra *extra, size_t payload, size_t content,
                            const struct rp_send_options *o) {
    const struct segment *s = p->actor.segment;
    uint32_t flags = 0;
    if (o->key != NULL) { /* the queue is keyed */
        extra->key_bytes = (uint16_t)o->key_bytes;
        memcpy(extra->key, o->key, o->key_bytes);
        flags |= CELL_HAS_KEY;
    }
    if (content != payload)
        flags |= headers_write(cell->payload, payload, content, o) ? CELL_HAS_HEADERS : SEND_DAMAGED;
    if (o->sequence != 0) {
        p->numbered = o->sequence;
        flags |= SEND_NUMBERED;
    }
    return schedule_asked(s, o) ? flags | schedule_describe(s, extra, o) : flags;
}

void send_refresh(struct rp_producer *p) {
    for (uint32_t i = 0; i < p->actor.segment->parameters.lane_count; i++)
        head_refresh(&p->lanes[i].tail, p->lanes[i].ring.tail);
}

COLD int send_look_for_name(struct rp_producer *p, uint64_t now_wall_ns) {
    p->next_check_wall_ns = now_wall_ns + GONE_CHECK_NS;
    send_refresh(p);
    notice_removal(p->actor.queue);
    return queue_is_gone(p->actor.queue) ? fail(RP_GONE, "queue '%s' was removed", p->actor.queue->name) : 0;
}

int send_special(struct rp_producer *p, uint32_t lane, uint32_t c, uint32_t flags, int64_t timeout_ns, bool wake) {
    const struct segment *s = p->actor.segment;
    if (flags & SEND_DAMAGED)
        return send_damaged(p);
    if (flags & SEND_NUMBERED) {
        identity_begin(p, c);
        int result = send_commit(p, lane, c, flags & ~(uint32_t)SEND_NUMBERED, timeout_ns, wake);
        identity_end(p, result == 0);
        return result;
    }
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

int send_durably(struct rp_producer *p, uint32_t lane, uint32_t c, uint32_t flags) {
    if (flags & SEND_DAMAGED)
        return send_damaged(p);
    if (!(flags & SEND_NUMBERED))
        return durable_send(p, lane, c, flags);
    const struct segment *s = p->actor.segment;
    struct extra *extra = segment_extra(s, c);
    extra->producer = (uint16_t)(p->identity - s->identities);
    extra->sequence = p->numbered;
    extra->sequence_before = p->sequence;
    identity_begin(p, c);
    int result = durable_send(p, lane, c, (flags & ~(uint32_t)SEND_NUMBERED) | CELL_NUMBERED);
    identity_end(p, result == 0);
    return result;
}

/* It was sent, but perhaps not yet to the disk. */
static int found(struct rp_producer *p, const struct once *once, int result) {
    if (result == RP_DUPLICATE && durable(p->actor.segment))
        durable_owe(p, id_message(once->entry.message));
    return result;
}

int send_ask_once(struct rp_producer *p, struct once *once, const struct rp_send_options *o, int64_t timeout_ns, uint64_t *id) {
    return found(p, once, dedup_ask(once, &p->actor, o->dedup_id, o->dedup_id_bytes, room_patience(p, timeout_ns), id));
}

int send_once(struct rp_producer *p, uint32_t lane, uint32_t c, uint32_t flags, struct once *once, uint64_t *id, bool wake) {
    int result = flags & SEND_DAMAGED ? send_damaged(p) : dedup_begin(once, c, id);
    if (result < 0)
        return found(p, once, result);
    if (durable(p->actor.segment)) {
        segment_extra(p->actor.segment, c)->known = once->entry.index;
        flags |= CELL_HAS_ID;
    }
    if (p->leave != NULL && !p->leave->given(p->leave)) {
        dedup_end(once, false);
        return RP_LEASE_LOST;
    }
    if (MUTANT(dedup_commits_early))
        dedup_end(once, true);
    result = send_commit(p, lane, c, flags, once_patience(once), wake);
    if (MUTANT(dedup_decides_late) && result < 0)
        pool_give_back(&p->actor.pool, c);
    dedup_end(once, result == 0);
    return result;
}
