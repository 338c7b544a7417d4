/* SPDX-License-Identifier: MIT */
/* The witness: calls that receive, settle and operate. */
#include "witness_log.h"

#include <errno.h>
#include <string.h>

/* ---- receiving ---- */

static void take_settled(struct event *received) {
    struct event *e = witness_append(ACK, received->tag);
    e->id = received->id;
    e->group = received->group;
    e->acquisitions = received->acquisitions;
    e->begin = received->begin;
    e->end = received->end;
    e->result = 0;
    witness_learn(e);
}

static void take(struct desk *d, const struct rp_message *m, struct event *e) {
    uint32_t tag = witness_tag(m);
    witness_check_headers(m, tag);
    e->kind = RECEIVED;
    e->tag = tag;
    e->id = m->id;
    e->acquisitions = m->acquisitions;
    e->deliveries = m->deliveries;
    e->until_ns = witness.lease_ns ? e->begin_ns + witness.lease_ns : UINT64_MAX;
    if (!d->at_most_once) {
        d->held[d->held_count] = *m;
        d->held[d->held_count++].reserved[3] = tag;
    }
    witness_learn(e);
    sim_note("  message %x, id %llu, acquisition %u, delivery %u", tag, (unsigned long long)m->id, m->acquisitions, m->deliveries);
    if (d->at_most_once)
        take_settled(e);
}

int witness_receive(struct desk *d, int64_t timeout_ns) {
    struct event *e = witness_begin(EMPTY, 0, "rp_receive");
    e->at_most_once = d->at_most_once;
    e->group = (uint8_t)d->group;
    struct rp_message m;
    uint64_t begin_ns = sim_now_ns();
    int result = rp_receive(d->consumer, &m, timeout_ns);
    witness_end(e, result, result == 0);
    if (timeout_ns == 0 && sim_now_ns() != begin_ns && !sim_frozen() && sim_me() >= SIM_PARTICIPANTS)
        sim_fail("a receive that polls waited");
    if (result == 0)
        take(d, &m, e);
    else if (result == RP_GONE && witness_group_may_be_gone(d->group))
        return result;
    else if (result != RP_EMPTY && result != RP_PAUSED)
        witness_must(result, "rp_receive");
    return result;
}

int witness_poll_receive(struct desk *d, uint64_t patience_ns) {
    struct event *e = witness_begin(EMPTY, 0, "poll and rp_receive");
    e->group = (uint8_t)d->group;
    struct rp_message m;
    uint64_t end_ns = sim_now_ns() + patience_ns;
    int fd = rp_consumer_fd(d->consumer), result;
    witness_must(fd, "rp_consumer_fd");
    do {
        sim_poll(fd);
        result = rp_receive(d->consumer, &m, 0);
    } while (result == RP_EMPTY && sim_now_ns() < end_ns);
    witness_end(e, result, result == 0);
    if (result == 0)
        take(d, &m, e);
    else if (result != RP_EMPTY)
        witness_must(result, "poll and rp_receive");
    return result;
}

int witness_wait_receive(struct desk *d, struct desk *other, uint64_t patience_ns) {
    struct event *e = witness_begin(EMPTY, 0, "rp_wait and rp_receive");
    struct rp_message m;
    rp_consumer *const two[] = {d->consumer, other->consumer};
    int ready = rp_wait(two, 2, (int64_t)patience_ns), result = ready;
    if (ready >= 0)
        result = rp_receive(two[ready], &m, 0);
    witness_end(e, result, result == 0);
    if (result == 0)
        take(ready == 0 ? d : other, &m, e);
    else if (result != RP_EMPTY)
        witness_must(result, "rp_wait and rp_receive");
    return result;
}

int witness_receive_batch(struct desk *d, unsigned max, int64_t timeout_ns) {
    struct rp_message m[8];
    struct event *e = witness_begin(EMPTY, 0, "rp_receive_batch");
    uint64_t begin_calls = e->begin;
    int result = rp_receive_batch(d->consumer, m, max, timeout_ns);
    witness_end(e, result < 0 ? result : 0, result > 0);
    if (result < 0 && result != RP_EMPTY)
        witness_must(result, "rp_receive_batch");
    for (int i = 0; i < result; i++) {
        if (i > 0) {
            uint64_t begin_ns = e->begin_ns;
            e = witness_append(EMPTY, 0);
            e->begin = begin_calls;
            e->begin_ns = begin_ns;
            e->end_ns = sim_now_ns();
            e->end = sim_calls();
            e->result = 0;
        }
        take(d, &m[i], e);
    }
    return result;
}

static struct rp_message take_out(struct desk *d, unsigned i) {
    struct rp_message m = d->held[i];
    memmove(&d->held[i], &d->held[i + 1], (--d->held_count - i) * sizeof m);
    return m;
}

static struct event *begin_settle(struct desk *d, unsigned i, enum event_kind kind, const char *name) {
    const struct rp_message *m = &d->held[i];
    witness_check_view(m, witness_tag_of(m));
    struct event *e = witness_begin(kind, witness_tag_of(m), name);
    e->id = m->id;
    e->group = (uint8_t)d->group;
    e->acquisitions = m->acquisitions;
    return e;
}

static int end_settle(struct event *e, int result, const char *name) {
    witness_end(e, result, true);
    if (result < 0 && result != RP_LEASE_LOST && result != RP_FULL)
        witness_must(result, name);
    return result;
}

int witness_ack(struct desk *d, unsigned i) {
    struct event *e = begin_settle(d, i, ACK, "rp_ack");
    struct rp_message m = take_out(d, i);
    return end_settle(e, rp_ack(d->consumer, &m), "rp_ack");
}

int witness_nack(struct desk *d, unsigned i, int64_t delay_ns, bool charge) {
    struct event *e = begin_settle(d, i, NACK, "rp_nack");
    e->at_once = delay_ns == 0;
    struct rp_message m = take_out(d, i);
    struct rp_nack_options o;
    rp_nack_options_init(&o, sizeof o);
    o.delay_ns = delay_ns;
    o.charge = charge;
    o.reason = "nacked";
    return end_settle(e, rp_nack(d->consumer, &m, &o), "rp_nack");
}

int witness_reject(struct desk *d, unsigned i) {
    struct event *e = begin_settle(d, i, REJECT, "rp_reject");
    struct rp_message m = take_out(d, i);
    int result = end_settle(e, rp_reject(d->consumer, &m, "rejected"), "rp_reject");
    if (result == RP_FULL)
        d->held[d->held_count++] = m;
    return result;
}

int witness_extend(struct desk *d, unsigned i, uint64_t lease_ns) {
    struct event *e = begin_settle(d, i, EXTEND, "rp_extend");
    int result = end_settle(e, rp_extend(d->consumer, &d->held[i], lease_ns), "rp_extend");
    e->until_ns = e->begin_ns + lease_ns;
    witness_learn(e);
    return result;
}

void witness_died(unsigned group, const void *data, size_t bytes) {
    struct rp_message m = {.data = data, .bytes = bytes};
    struct event *e = witness_append(DIED, witness_tag(&m));
    e->group = (uint8_t)group;
    e->end = sim_calls();
}

/* ---- operating ---- */

static int counted(struct event *e, int result, const char *name) {
    witness_end(e, result, true);
    witness_must(result, name);
    return result;
}
int witness_sweep(struct desk *d) {
    struct event *e = witness_begin(SWEEP, 0, "rp_queue_sweep");
    return counted(e, rp_queue_sweep(d->queue), "rp_queue_sweep");
}
int witness_purge(struct desk *d, unsigned states) {
    struct event *e = witness_begin(PURGE, 0, "rp_queue_purge");
    return counted(e, rp_queue_purge(d->queue, NULL, states), "rp_queue_purge");
}
/* Others may be writing down what they do meanwhile, as threads: it is none of this message's. */
__attribute__((no_sanitize("thread"))) static uint64_t id_of(uint32_t tag) {
    uint64_t id = 0;
    for (const struct event *e = witness.events; e < witness.events + witness.count; e++)
        if (e->kind == SEND && e->tag == tag)
            id = e->id;
    return id;
}
int witness_cancel(struct desk *d, uint32_t tag) {
    uint64_t id = id_of(tag);
    struct event *e = witness_begin(PURGE, tag, "rp_queue_cancel");
    int result = rp_queue_cancel(d->queue, id);
    witness_end(e, result == 0 ? 1 : 0, true);
    if (result != -ENOENT && result != RP_IN_USE)
        witness_must(result, "rp_queue_cancel");
    return result;
}
int witness_keep(struct desk *d, int64_t timeout_ns) {
    struct event *e = witness_begin(SWEEP, 0, "rp_queue_keep");
    return counted(e, rp_queue_keep(d->queue, timeout_ns), "rp_queue_keep");
}
int witness_redrive(struct desk *d) {
    struct event *e = witness_begin(REDRIVE, 0, "rp_dead_redrive");
    int result = rp_dead_redrive(d->queue, NULL, NULL);
    if (result == RP_PAUSED && witness.expect.pauses)
        return witness_end(e, result, true);
    return counted(e, result, "rp_dead_redrive");
}
static struct rp_redrive_options first(void) {
    struct rp_redrive_options o;
    rp_redrive_options_init(&o, sizeof o);
    o.limit = 1;
    return o;
}
int witness_redrive_first(struct desk *d) {
    struct event *e = witness_begin(REDRIVE, 0, "rp_dead_redrive");
    struct rp_redrive_options o = first();
    return counted(e, rp_dead_redrive(d->queue, NULL, &o), "rp_dead_redrive");
}
int witness_dead_purge_first(struct desk *d) {
    struct event *e = witness_begin(PURGE, 0, "rp_dead_purge");
    struct rp_redrive_options o = first();
    return counted(e, rp_dead_purge(d->queue, NULL, &o), "rp_dead_purge");
}
int witness_dead_purge(struct desk *d) {
    struct event *e = witness_begin(PURGE, 0, "rp_dead_purge");
    return counted(e, rp_dead_purge(d->queue, NULL, NULL), "rp_dead_purge");
}
