/* SPDX-License-Identifier: MIT */
/*
 * A message goes on to another queue: sent there under an id that only this message has, then acked here.
 *
 *     the lease is looked at  -- lost: nothing is sent
 *     the id is PENDING, the lease is looked at again  -- lost: ABORTED, nothing is sent
 *     send under the id       dies: sent or not, as a whole; whoever receives the message next asks for the same id
 *     ack                     dies: acked or not; if not, the next one's send is a duplicate, and he acks
 *
 * There is no step of its own here: the id makes the send happen once, and the ack comes after it. The id must be known for as long as anybody may ask again
 * (repeat_ns), which is why the target's window is checked against the source. The second look keeps one who slept, or waited for room, through the window from sending anew:
 * whoever finds the lease still his after his id is linked is the first, and the others meet the id; had somebody been before him, his link would have come after that one's.
 */
#include "durable.h"
#include "error.h"
#include "options.h"
#include "seen.h"
#include "view.h"
#include <errno.h>
#include <ringpost/forward.h>
#include <string.h>

/* What the id is made of; compared as bytes. */
struct forward_id {
    char what[8];
    uint64_t queue[2];
    uint64_t group; /* generation:56 | number:8 */
    uint64_t message;
    uint64_t output;
};
_Static_assert(sizeof(struct forward_id) == RP_FORWARD_ID_BYTES, "no padding");

static void make_id(const struct rp_consumer *c, const struct view *v, uint32_t output, void *id) {
    const struct segment *s = c->actor.segment;
    struct forward_id x = {.what = "forward", .group = c->group_generation << 8 | c->group, .output = output};
    /* A durable queue that comes back is another segment, with the same groups and messages. */
    memcpy(x.queue, durable(s) ? (const void *)s->journal->id : s->identity, sizeof x.queue);
    x.message = segment_cell(s, load_relaxed(&v->cell, own) - 1)->id;
    memcpy(id, &x, sizeof x);
}

enum { COARSE_MS = 100 /* more than the coarse clock is behind */ };

/* By how much the lease that runs is longer than the queue's. */
static uint64_t extended_ns(struct rp_consumer *c, const struct view *v) {
    const struct segment *s = c->actor.segment;
    uint64_t f = load_acquire(time_at(s, c->group, load_relaxed(&v->cell, own) - 1), time), until_ms = stamp_value(f);
    uint64_t usual_ms = actor_now_ms(&c->actor) + duration_ms(s->parameters.lease_ns) + COARSE_MS;
    return stamp_is_of(f, v->hold) && until_ms < TIME_NEVER && until_ms > usual_ms ? (until_ms - usual_ms) * 1000000 : 0;
}

static int check_window(const struct rp_consumer *c, const rp_producer *to, uint64_t more_ns) {
    uint64_t window_ns = to->actor.segment->parameters.dedup_window_ns, again_ns = repeat_ns(&c->actor.segment->parameters);
    again_ns = again_ns < UINT64_MAX - more_ns ? again_ns + more_ns : UINT64_MAX;
    if (window_ns > again_ns)
        return 0;
    return fail(-EINVAL, "queue '%s' keeps ids for %.3f s, and queue '%s' may deliver a message again after %.3f s",
                to->actor.queue->name, (double)window_ns / 1e9, c->actor.queue->name, (double)again_ns / 1e9);
}

static int check_pair(const rp_consumer *c, const rp_producer *to) {
    if (c == NULL || to == NULL)
        return fail(-EINVAL, c == NULL ? "no consumer" : "no producer to forward to");
    if (c->ack_mode == RP_ACK_NONE)
        return fail(-EINVAL, "the consumer has acked its messages when it receives them, and what is forwarded must not be before");
    int result = queue_check(c->actor.queue);
    if (result == 0)
        result = queue_check(to->actor.queue);
    return result < 0 ? fail(result, "a queue was opened by the parent process") : 0;
}

RP_API int rp_forward_check(rp_consumer *c, rp_producer *to) {
    int result = check_pair(c, to);
    return result < 0 ? result : check_window(c, to, 0);
}

RP_API int rp_forward_id(rp_consumer *c, const struct rp_message *m, uint32_t output, void *id) {
    struct view *v;
    int result = receipt_check(c, m, &v);
    if (result < 0 || id == NULL)
        return result < 0 ? result : fail(-EINVAL, "rp_forward_id: no place for the id");
    make_id(c, v, output, id);
    return 0;
}

static bool still_leased(const struct leave_to_send *l) { return view_leased(l->consumer, l->view); }

/* The output is in the target, or an error. RP_LEASE_LOST: it is not, and will not be. -> 1: it was before. */
static int send_once(struct rp_consumer *c, const struct view *v, rp_producer *to, const void *data, size_t bytes,
                     struct rp_send_options *o) {
    unsigned char id[RP_FORWARD_ID_BYTES];
    make_id(c, v, 0, id);
    o->dedup_id = MUTANT(forward_without_id) ? NULL : id;
    o->dedup_id_bytes = MUTANT(forward_without_id) ? 0 : sizeof id;
    const struct leave_to_send leave = {still_leased, c, v};
    to->leave = &leave;
    int result = rp_send(to, data, bytes, o);
    to->leave = NULL;
    return result == RP_DUPLICATE || (result == -EBUSY && MUTANT(forward_acks_busy)) ? 1 : result;
}

/* Nothing was sent. -> RP_LEASE_LOST, for good. */
static int lost(struct rp_consumer *c, struct rp_message *m, struct view *v) {
    if (v->seen != 0) /* an ack would say that it was done */
        seen_end(c, v, false);
    return rp_ack(c, m);
}

RP_API int rp_forward(rp_consumer *c, struct rp_message *m, rp_producer *to, const void *data, size_t bytes,
                      const struct rp_send_options *given) {
    struct rp_send_options o;
    struct view *v;
    rp_send_options_init(&o, sizeof o);
    int result = check_pair(c, to);
    if (result < 0 || (result = options_take(&o, sizeof o, given, "rp_send_options")) < 0 ||
        (result = receipt_check(c, m, &v)) < 0 || (result = check_window(c, to, extended_ns(c, v))) < 0)
        return result;
    if (o.dedup_id != NULL || o.dedup_id_bytes > 0)
        return fail(-EINVAL, "rp_forward gives the output an id of its own");
    if (o.sequence != 0)
        return fail(-EINVAL, "rp_forward: an output has an id, not a sequence");
    if (!view_leased(c, v))
        return lost(c, m, v);
    if (MUTANT(forward_acks_first)) {
        unsigned char kept[RP_FORWARD_ID_BYTES];
        make_id(c, v, 0, kept);
        o.dedup_id = kept;
        o.dedup_id_bytes = sizeof kept;
        result = rp_ack(c, m);
        return result < 0 ? result : rp_send(to, data, bytes, &o);
    }
    int sent = send_once(c, v, to, data, bytes, &o);
    if (sent < 0)
        return sent == RP_LEASE_LOST ? lost(c, m, v) : sent;
    result = rp_ack(c, m);
    return result < 0 ? result : sent;
}
