/* SPDX-License-Identifier: MIT */
#include "witness_log.h"
#include "platform_sim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- the log ---- */

struct witness_log witness;

static void learn_event(const struct event *e)
{
    sim_learn((uint64_t)e->kind << 32 | e->tag);
    sim_learn(e->id << 16 ^ (uint64_t)(uint32_t)e->result << 8 ^ e->acquisitions << 4 ^ e->deliveries);
}

static struct event *append(enum event_kind kind, uint32_t tag)
{
    if (witness.count == EVENTS)
        sim_fail("the witness has no more paper");
    struct event *e = &witness.events[witness.count++];
    *e = (struct event){.kind = kind, .who = (uint8_t)sim_me(), .tag = tag, .begin = sim_calls(), .end = UINT64_MAX, .result = UNKNOWN};
    return e;
}

/* A call begins. Its event stays UNKNOWN if the caller dies in it. */
static struct event *begin(enum event_kind kind, uint32_t tag, const char *name)
{
    struct event *e = append(kind, tag);
    learn_event(e);
    if (sim_tracing())
        sim_note(tag ? "%s, message %x" : "%s", name, tag);
    sim_call(name);
    return e;
}

static int end(struct event *e, int result, bool success)
{
    const char *name = rp_error_name(result);
    sim_return(success);
    e->result = result;
    e->end = sim_calls();
    learn_event(e);
    if (sim_tracing())
        sim_note(result > 0 ? "  -> %s %d" : "  -> %s", name, result);
    return result;
}

/* ---- payloads ---- */

static uint32_t new_tag(void)
{
    unsigned me = sim_me();
    return (uint32_t)(me + 1) << 16 | ++witness.sent_by[me];
}

static uint32_t payload_bytes(uint32_t tag) { return witness.message_bytes - (tag % 3 == 0 && witness.message_bytes > 8 ? 3 : 0); }

static void write_payload(uint32_t tag, unsigned char *data)
{
    for (uint32_t i = 0; i < payload_bytes(tag); i++)
        data[i] = i < 4 ? (unsigned char)(tag >> 8 * i) : (unsigned char)(tag * 31 + i * 7);
}

static uint32_t read_tag(const struct rp_message *m)
{
    unsigned char expected[64];
    uint32_t tag = 0;
    const unsigned char *data = m->data;
    for (unsigned i = 0; i < 4 && i < m->bytes; i++)
        tag |= (uint32_t)data[i] << 8 * i;
    unsigned who = (tag >> 16) - 1;
    if (who >= SIM_FIBERS || (tag & 0xffff) == 0 || (tag & 0xffff) > witness.sent_by[who])
        sim_fail("received bytes that nobody sent: tag %x, %zu bytes, id %llu", tag, m->bytes, (unsigned long long)m->id);
    write_payload(tag, expected);
    if (m->bytes != payload_bytes(tag) || memcmp(expected, data, m->bytes) != 0)
        sim_fail("message %x was received with wrong bytes", tag);
    return tag;
}

/* The bytes under a view never change, whatever became of the lease. */
static void check_view(const struct rp_message *m, uint32_t tag)
{
    unsigned char expected[64];
    write_payload(tag, expected);
    if (memcmp(expected, m->data, m->bytes) != 0)
        sim_fail("the bytes under a view of message %x were changed", tag);
}

static uint32_t tag_of(const struct rp_message *m)
{
    return (uint32_t)m->reserved[7];
}

/* ---- handles ---- */

static void must(int result, const char *what)
{
    if (result < 0)
        sim_fail("%s: %s: %s", what, rp_error_name(result), rp_error_detail());
}

void witness_options(struct rp_queue_options *o)
{
    rp_queue_options_init(o, sizeof *o);
    o->capacity = 2;
    o->message_bytes = 8;
    o->max_groups = 1;
    o->max_participants = 4;
    o->jitter = 0;
    o->prefault = 0;
}

void witness_create(const struct rp_queue_options *o, const struct witness_expectations *e)
{
    sim_keep_aside(&witness, offsetof(struct witness_log, events));
    witness = (struct witness_log){.capacity = o->capacity, .message_bytes = o->message_bytes, .participants = o->max_participants};
    if (e)
        witness.expect = *e;
    rp_queue *q;
    must(rp_queue_create("sim", o, &q), "rp_queue_create");
    must(rp_queue_close(q), "rp_queue_close");
}

int witness_attach(struct desk *d)
{
    memset(d, 0, sizeof *d);
    struct event *e = begin(ATTACH, 0, "rp_queue_open");
    int result = end(e, rp_queue_open("sim", NULL, &d->queue), true);
    if (result != RP_NO_SEAT)
        must(result, "rp_queue_open");
    return result;
}
void witness_producer(struct desk *d) { must(rp_producer_open(d->queue, NULL, &d->producer), "rp_producer_open"); }
void witness_consumer(struct desk *d) { must(rp_consumer_open(d->queue, NULL, &d->consumer), "rp_consumer_open"); }

void witness_open(struct desk *d)
{
    must(witness_attach(d), "attach");
    witness_producer(d);
    witness_consumer(d);
}

void witness_close_consumer(struct desk *d)
{
    for (unsigned i = 0; i < d->held_count; i++)
        check_view(&d->held[i], tag_of(&d->held[i]));
    struct event *e = begin(CLOSE_CONSUMER, 0, "rp_consumer_close");
    rp_consumer_close(d->consumer);
    end(e, 0, true);
    d->consumer = NULL;
    for (unsigned i = 0; i < d->held_count; i++)
        append(VIEW_END, tag_of(&d->held[i]))->end = sim_calls();
    d->held_count = 0;
}

void witness_close(struct desk *d)
{
    if (d->consumer)
        witness_close_consumer(d);
    struct event *e = begin(DETACH, 0, "rp_queue_close");
    rp_producer_close(d->producer);
    end(e, rp_queue_close(d->queue), true);
    must(e->result, "rp_queue_close");
}

/* ---- sending ---- */

int witness_send(struct desk *d, int64_t timeout_ns)
{
    uint32_t tag = new_tag();
    unsigned char data[64];
    write_payload(tag, data);
    struct event *e = begin(SEND, tag, "rp_send");
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    o.timeout_ns = timeout_ns;
    o.id_out = &e->id;
    uint64_t begin_ns = sim_now_ns();
    int result = end(e, rp_send(d->producer, data, payload_bytes(tag), &o), true);
    if (timeout_ns >= 0 && sim_now_ns() > begin_ns + (uint64_t)timeout_ns + 1000000 && !sim_frozen() && !sim_killed())
        sim_note("  took %.3f ms", (double)(sim_now_ns() - begin_ns) / 1e6);
    if (result < 0 && result != RP_FULL)
        must(result, "rp_send");
    return result;
}

int witness_send_batch(struct desk *d, unsigned count)
{
    unsigned char data[8][64];
    struct rp_send_item items[8];
    struct event *events[8];
    memset(items, 0, sizeof items);
    for (unsigned i = 0; i < count; i++) {
        uint32_t tag = new_tag();
        write_payload(tag, data[i]);
        items[i].data = data[i];
        items[i].bytes = payload_bytes(tag);
        if (i + 1 < count) {
            events[i] = append(SEND, tag);
            learn_event(events[i]);
        } else
            events[i] = begin(SEND, tag, "rp_send_batch");
    }
    int result = rp_send_batch(d->producer, items, count);
    if (result < 0 && result != RP_FULL)
        must(result, "rp_send_batch");
    int sent = result < 0 ? 0 : result;
    sim_return(true);
    for (unsigned i = 0; i < count; i++) {
        events[i]->end = sim_calls();
        events[i]->id = items[i].id;
        events[i]->result = (int)i < sent ? 0 : RP_FULL;
        learn_event(events[i]);
    }
    sim_note("  -> %d", result);
    return result;
}

int witness_loan(struct desk *d, struct lent *l)
{
    uint32_t tag = new_tag();
    struct event *e = begin(LOAN, tag, "rp_loan");
    int result = end(e, rp_loan(d->producer, payload_bytes(tag), &l->loan), true);
    if (result == 0) {
        write_payload(tag, l->loan.data);
        l->tag = tag;
    } else if (result != RP_FULL)
        must(result, "rp_loan");
    return result;
}

int witness_commit(struct desk *d, struct lent *l)
{
    struct event *e = begin(SEND, l->tag, "rp_commit");
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    o.id_out = &e->id;
    int result = end(e, rp_commit(d->producer, &l->loan, &o), true);
    if (result < 0 && result != RP_FULL)
        must(result, "rp_commit");
    return result;
}

int witness_abandon(struct desk *d, struct lent *l)
{
    struct event *e = begin(ABANDON, l->tag, "rp_abandon");
    int result = end(e, rp_abandon(d->producer, &l->loan), true);
    must(result, "rp_abandon");
    return result;
}

/* ---- receiving ---- */

static void take(struct desk *d, const struct rp_message *m, struct event *e)
{
    uint32_t tag = read_tag(m);
    e->kind = RECEIVED;
    e->tag = tag;
    e->id = m->id;
    e->acquisitions = m->acquisitions;
    e->deliveries = m->deliveries;
    d->held[d->held_count] = *m;
    d->held[d->held_count++].reserved[7] = tag;
    learn_event(e);
    sim_note("  message %x, id %llu, acquisition %u, delivery %u", tag, (unsigned long long)m->id, m->acquisitions, m->deliveries);
}

int witness_receive(struct desk *d, int64_t timeout_ns)
{
    struct event *e = begin(EMPTY, 0, "rp_receive");
    struct rp_message m;
    uint64_t begin_ns = sim_now_ns();
    int result = rp_receive(d->consumer, &m, timeout_ns);
    e->polled = timeout_ns == 0;
    end(e, result, result == 0);
    if (timeout_ns == 0 && sim_now_ns() != begin_ns && !sim_frozen() && sim_me() >= SIM_PARTICIPANTS)
        sim_fail("a receive that polls waited");
    if (result == 0)
        take(d, &m, e);
    else if (result != RP_EMPTY)
        must(result, "rp_receive");
    return result;
}

int witness_receive_batch(struct desk *d, unsigned max, int64_t timeout_ns)
{
    struct rp_message m[8];
    struct event *e = begin(EMPTY, 0, "rp_receive_batch");
    e->polled = timeout_ns == 0;
    uint64_t begin_calls = e->begin;
    int result = rp_receive_batch(d->consumer, m, max, timeout_ns);
    end(e, result < 0 ? result : 0, result > 0);
    if (result < 0 && result != RP_EMPTY)
        must(result, "rp_receive_batch");
    for (int i = 0; i < result; i++) {
        if (i > 0) {
            e = append(EMPTY, 0);
            e->begin = begin_calls;
            e->end = sim_calls();
            e->result = 0;
        }
        take(d, &m[i], e);
    }
    return result;
}

static struct rp_message take_out(struct desk *d, unsigned i)
{
    struct rp_message m = d->held[i];
    memmove(&d->held[i], &d->held[i + 1], (--d->held_count - i) * sizeof m);
    return m;
}

static struct event *begin_settle(struct desk *d, unsigned i, enum event_kind kind, const char *name)
{
    const struct rp_message *m = &d->held[i];
    check_view(m, tag_of(m));
    struct event *e = begin(kind, tag_of(m), name);
    e->id = m->id;
    e->acquisitions = m->acquisitions;
    return e;
}

static int end_settle(struct event *e, int result, const char *name)
{
    end(e, result, true);
    if (result < 0 && result != RP_LEASE_LOST && result != RP_FULL)
        must(result, name);
    return result;
}

int witness_ack(struct desk *d, unsigned i)
{
    struct event *e = begin_settle(d, i, ACK, "rp_ack");
    struct rp_message m = take_out(d, i);
    return end_settle(e, rp_ack(d->consumer, &m), "rp_ack");
}

int witness_nack(struct desk *d, unsigned i, int64_t delay_ns, bool charge)
{
    struct event *e = begin_settle(d, i, NACK, "rp_nack");
    struct rp_message m = take_out(d, i);
    struct rp_nack_options o;
    rp_nack_options_init(&o, sizeof o);
    o.delay_ns = delay_ns;
    o.charge = charge;
    o.reason = "nacked";
    return end_settle(e, rp_nack(d->consumer, &m, &o), "rp_nack");
}

int witness_reject(struct desk *d, unsigned i)
{
    struct event *e = begin_settle(d, i, REJECT, "rp_reject");
    struct rp_message m = take_out(d, i);
    int result = end_settle(e, rp_reject(d->consumer, &m, "rejected"), "rp_reject");
    if (result == RP_FULL)
        d->held[d->held_count++] = m;
    return result;
}

int witness_extend(struct desk *d, unsigned i, uint64_t lease_ns)
{
    struct event *e = begin_settle(d, i, EXTEND, "rp_extend");
    int result = end_settle(e, rp_extend(d->consumer, &d->held[i], lease_ns), "rp_extend");
    e->until_ns = sim_now_ns() + lease_ns;
    return result;
}

void witness_died(const void *data, size_t bytes)
{
    struct rp_message m = {.data = data, .bytes = bytes};
    append(DIED, read_tag(&m))->end = sim_calls();
}

/* ---- operating ---- */

static int counted(struct event *e, int result, const char *name)
{
    end(e, result, true);
    must(result, name);
    return result;
}
int witness_sweep(struct desk *d)
{
    struct event *e = begin(SWEEP, 0, "rp_queue_sweep");
    return counted(e, rp_queue_sweep(d->queue), "rp_queue_sweep");
}
int witness_purge(struct desk *d, unsigned states)
{
    struct event *e = begin(PURGE, 0, "rp_queue_purge");
    return counted(e, rp_queue_purge(d->queue, NULL, states), "rp_queue_purge");
}
int witness_redrive(struct desk *d)
{
    struct event *e = begin(REDRIVE, 0, "rp_dead_redrive");
    return counted(e, rp_dead_redrive(d->queue, NULL, NULL), "rp_dead_redrive");
}
int witness_dead_purge(struct desk *d)
{
    struct event *e = begin(PURGE, 0, "rp_dead_purge");
    return counted(e, rp_dead_purge(d->queue, NULL, NULL), "rp_dead_purge");
}
