/* SPDX-License-Identifier: MIT */
#include "clock.h"
#include "platform_sim.h"
#include "sim_journal.h"
#include "witness_log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- the log ---- */

struct witness_log witness;

void witness_learn(const struct event *e) {
    sim_learn(e->begin_ns);
    sim_learn(e->end_ns ^ e->until_ns << 1);
    sim_learn((uint64_t)e->kind << 32 | e->tag);
    sim_learn((uint64_t)e->group << 56 ^ (uint64_t)e->once << 48 ^ e->id << 16 ^ (uint64_t)(uint32_t)e->result << 8 ^
              e->acquisitions << 4 ^ e->deliveries ^ (uint64_t)e->past << 40);
}

struct event *witness_append(enum event_kind kind, uint32_t tag) {
    unsigned number = __atomic_fetch_add(&witness.count, 1, __ATOMIC_RELAXED); /* participants may be threads: tests/threads */
    if (number >= EVENTS)
        sim_fail("the witness has no more paper");
    struct event *e = &witness.events[number];
    *e = (struct event){.kind = kind,
                        .who = (uint8_t)sim_me(),
                        .tag = tag,
                        .begin = sim_calls(),
                        .end = UINT64_MAX,
                        .result = UNKNOWN,
                        .begin_ns = sim_now_ns()};
    return e;
}

struct event *witness_begin(enum event_kind kind, uint32_t tag, const char *name) {
    struct event *e = witness_append(kind, tag);
    witness_learn(e);
    if (sim_tracing() && (sim_exploring() || sim_me() < SIM_PARTICIPANTS))
        sim_note(tag ? "%s, message %x" : "%s", name, tag);
    witness.call_of[sim_me()] = name;
    sim_call(name);
    return e;
}

int witness_end(struct event *e, int result, bool success) {
    const char *name = rp_error_name(result);
    sim_return(success);
    e->result = result;
    e->end = sim_calls();
    e->end_ns = sim_now_ns();
    witness_learn(e);
    if (!sim_tracing())
        return result;
    if (sim_exploring() || sim_me() < SIM_PARTICIPANTS) {
        sim_note(result > 0 ? "  -> %s %d" : "  -> %s", name, result);
    } else if (e->kind != EMPTY || result < 0) { /* survivors make many calls: a line each will do */
        char what[16] = "", how_many[16] = "";
        if (e->tag)
            snprintf(what, sizeof what, " %x", e->tag);
        if (result > 0)
            snprintf(how_many, sizeof how_many, " %d", result);
        sim_note("%s%s -> %s%s", witness.call_of[sim_me()], what, name, how_many);
    }
    return result;
}

/* ---- payloads ---- */

static uint32_t new_tag(void) {
    unsigned me = sim_me();
    return (uint32_t)(me + 1) << 16 | __atomic_add_fetch(&witness.sent_by[me], 1, __ATOMIC_RELAXED);
}

static uint32_t payload_bytes(uint32_t tag) { return witness.message_bytes - (tag % 3 == 0 && witness.message_bytes > 8 ? 3 : 0); }

static void write_payload(uint32_t tag, unsigned char *data) {
    for (uint32_t i = 0; i < payload_bytes(tag); i++)
        data[i] = i < 4 ? (unsigned char)(tag >> 8 * i) : (unsigned char)(tag * 31 + i * 7);
}

/* In a queue with room for them each message has one header, which follows from the tag as well. */
static struct rp_header header_of(uint32_t tag, char text[16]) {
    snprintf(text, 16, "%x", tag);
    return (struct rp_header){"tag", text};
}

void witness_check_headers(const struct rp_message *m, uint32_t tag) {
    char expected[16];
    const char *value = rp_message_header(m, header_of(tag, expected).name);
    if (witness.headers != (value != NULL) || (value != NULL && strcmp(value, expected) != 0))
        sim_fail("message %x has the header '%s'", tag, value != NULL ? value : "(none)");
}

uint32_t witness_tag(const struct rp_message *m) {
    unsigned char expected[64];
    uint32_t tag = 0;
    const unsigned char *data = m->data;
    for (unsigned i = 0; i < 4 && i < m->bytes; i++)
        tag |= (uint32_t)data[i] << 8 * i;
    unsigned who = (tag >> 16) - 1;
    if (who >= SIM_FIBERS || (tag & 0xffff) == 0 || (tag & 0xffff) > __atomic_load_n(&witness.sent_by[who], __ATOMIC_RELAXED))
        sim_fail("received bytes that nobody sent: tag %x, %zu bytes, id %llu", tag, m->bytes, (unsigned long long)m->id);
    write_payload(tag, expected);
    if (m->bytes != payload_bytes(tag) || memcmp(expected, data, m->bytes) != 0)
        sim_fail("message %x was received with wrong bytes", tag);
    return tag;
}

void witness_check_view(const struct rp_message *m, uint32_t tag) {
    unsigned char expected[64];
    write_payload(tag, expected);
    if (memcmp(expected, m->data, m->bytes) != 0)
        sim_fail("the bytes under a view of message %x were changed", tag);
    witness_check_headers(m, tag);
}

uint32_t witness_tag_of(const struct rp_message *m) { return (uint32_t)m->reserved[3]; }

/* ---- handles ---- */

void witness_must(int result, const char *what) {
    if (result < 0)
        sim_fail("%s: %s: %s", what, rp_error_name(result), rp_error_detail());
}

void witness_options(struct rp_queue_options *o) {
    rp_queue_options_init(o, sizeof *o);
    o->capacity = 2;
    o->message_bytes = 8;
    o->max_groups = 1;
    o->max_participants = 4;
    o->max_producer_ids = 0;
    o->jitter = 0;
    o->prefault = 0;
}

extern uint32_t sim_known_ids; /* also where atomic.h does not say so: tests/threads */

void witness_create(const struct rp_queue_options *o, const struct witness_expectations *e) {
    sim_keep_aside(&witness, offsetof(struct witness_log, events));
    sim_keep_log(witness.events, sizeof witness.events[0], &witness.count);
    witness = (struct witness_log){.capacity = o->max_bytes ? (uint32_t)(o->max_bytes / o->message_bytes) : o->capacity,
                                   .message_bytes = o->message_bytes,
                                   .participants = o->max_participants,
                                   .lease_ns = o->lease_ns,
                                   .keyed = o->lanes > 0,
                                   .headers = o->header_bytes > 0,
                                   .levels = o->priorities > 1,
                                   .shards = o->numa_shards,
                                   .window_ns = o->dedup_window_ns,
                                   .forgets = sim_known_ids != 0};
    if (e)
        witness.expect = *e;
    rp_queue *q;
    struct rp_queue_options journaled = *o;
    if (sim_durable && o->journal == NULL)
        journaled.journal = "/sim";
    journaled.journal_file_bytes = 8192;
    if (journaled.journal != NULL)
        sim_journal_begin();
    else
        sim_journal.there = sim_journal.on = false;
    witness_must(rp_queue_create("sim", &journaled, &q), "rp_queue_create");
    witness_must(rp_queue_close(q), "rp_queue_close");
}

int witness_attach(struct desk *d) {
    memset(d, 0, sizeof *d);
    struct event *e = witness_begin(ATTACH, 0, "rp_queue_open");
    int result = witness_end(e, rp_queue_open("sim", NULL, &d->queue), true);
    if (result != RP_NO_SEAT)
        witness_must(result, "rp_queue_open");
    return result;
}
/* In a queue without shards it has none; in one with them, whoever says nothing has the same each time. */
static uint8_t shard_of(struct desk *d) {
    if (witness.shards > 0 && d->shard == 0)
        d->shard = (uint8_t)(1 + sim_me() % witness.shards);
    return d->shard;
}
void witness_producer(struct desk *d) {
    struct rp_producer_options o;
    rp_producer_options_init(&o, sizeof o);
    o.shard = shard_of(d);
    witness_must(rp_producer_open(d->queue, &o, &d->producer), "rp_producer_open");
}
int witness_producer_id(struct desk *d) {
    struct rp_producer_options o;
    rp_producer *p;
    rp_producer_options_init(&o, sizeof o);
    o.id = "a";
    o.id_bytes = 1;
    sim_call("rp_producer_open");
    int result = rp_producer_open(d->queue, &o, &p);
    sim_return(result == 0);
    sim_note("rp_producer_open -> %s", rp_error_name(result));
    if (result == RP_IN_USE)
        return result;
    witness_must(result, "rp_producer_open");
    rp_producer_close(d->producer);
    d->producer = p;
    return 0;
}

uint64_t witness_sequence(struct desk *d) {
    uint64_t last;
    sim_call("rp_producer_sequence");
    witness_must(rp_producer_sequence(d->producer, &last), "rp_producer_sequence");
    sim_return(true);
    sim_note("rp_producer_sequence -> %u", (unsigned)last);
    if (sim_journal.on && sim_journal_syncs && sim_journal_sequence() < last)
        sim_fail("a producer is told that it has come to %u, and the journal says %u", (unsigned)last,
                 (unsigned)sim_journal_sequence());
    return last;
}

void witness_consumer_with(struct desk *d, uint32_t prefetch, uint32_t ack) {
    struct rp_consumer_options o;
    rp_consumer_options_init(&o, sizeof o);
    o.prefetch = prefetch;
    o.ack = ack;
    o.shard = shard_of(d);
    d->at_most_once = ack == RP_ACK_NONE;
    witness_must(rp_consumer_open(d->queue, &o, &d->consumer), "rp_consumer_open");
}
void witness_consumer(struct desk *d) { witness_consumer_with(d, 0, RP_ACK_EXPLICIT); }

void witness_open(struct desk *d) {
    witness_must(witness_attach(d), "attach");
    witness_producer(d);
    witness_consumer(d);
}

void witness_open_at(struct desk *d, uint8_t shard) {
    witness_must(witness_attach(d), "attach");
    d->shard = shard;
    witness_producer(d);
    witness_consumer(d);
}

void witness_close_consumer(struct desk *d) {
    for (unsigned i = 0; i < d->held_count; i++)
        witness_check_view(&d->held[i], witness_tag_of(&d->held[i]));
    struct event *e = witness_begin(CLOSE_CONSUMER, 0, "rp_consumer_close");
    rp_consumer_close(d->consumer);
    witness_end(e, 0, true);
    d->consumer = NULL;
    for (unsigned i = 0; i < d->held_count; i++) {
        struct event *ended = witness_append(VIEW_END, witness_tag_of(&d->held[i]));
        ended->group = (uint8_t)d->group;
        ended->end = sim_calls();
    }
    d->held_count = 0;
}

void witness_close(struct desk *d) {
    if (d->consumer)
        witness_close_consumer(d);
    struct event *e = witness_begin(DETACH, 0, "rp_queue_close");
    rp_producer_close(d->producer);
    witness_end(e, rp_queue_close(d->queue), true);
    witness_must(e->result, "rp_queue_close");
}

/* ---- sending ---- */

bool sim_durable, sim_journal_syncs = true;

/* The machine may fail as soon as a send has returned. */
static void check_in_journal(uint32_t tag) {
    if (sim_journal_of(tag) == JOURNAL_LIVE)
        return;
    for (const struct event *e = witness.events; e < witness.events + witness.count; e++)
        if ((e->tag == tag && e->kind == ACK) || e->kind == PURGE || e->kind == GROUP_REMOVE)
            return;
    if (!witness.expect.drops && witness.expect.expires == 0 && witness.expect.evicts == 0)
        sim_fail("the send of message %x returned, and it is not in the journal", tag);
}

/* Nor is anybody told of what is not there. */
static void check_duplicate_in_journal(const struct event *e) {
    bool kept = !witness.forgets && witness.window_ns > UINT64_C(1000000000000);
    if (e->once != 0 && kept && sim_journal_id(e->once) != e->id)
        sim_fail("id %u is said to be that of message %u, for the journal it is that of %u", (unsigned)e->once, (unsigned)e->id,
                 (unsigned)sim_journal_id(e->once));
    if (e->number > sim_journal_sequence())
        sim_fail("sequence %u is said to be sent, the journal knows them up to %u", (unsigned)e->number,
                 (unsigned)sim_journal_sequence());
}

static int send_new(struct desk *d, uint8_t lane, int64_t timeout_ns, uint64_t delay_ns, uint64_t at_ns, uint64_t ttl_ns,
                    uint8_t once) {
    uint32_t tag = new_tag();
    unsigned char data[64];
    write_payload(tag, data);
    struct event *e = witness_begin(SEND, tag, "rp_send");
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    o.timeout_ns = timeout_ns;
    o.id_out = &e->id;
    e->lane = lane > 0 ? lane : d->shard;
    e->once = once;
    e->number = o.sequence = d->number;
    witness_once(&o, &e->once);
    if (witness.keyed) {
        o.key = &lane;
        o.key_bytes = 1;
    } else {
        o.priority = lane;
    }
    o.delay_ns = e->delay_ns = delay_ns;
    o.at_ns = at_ns;
    if (at_ns > clock_wall_ns())
        e->delay_ns = at_ns - clock_wall_ns();
    o.ttl_ns = (int64_t)ttl_ns;
    e->ttl_ns = ttl_ns;
    char text[16];
    struct rp_header header = header_of(tag, text);
    o.headers = &header;
    o.header_count = witness.headers;
    uint64_t begin_ns = sim_now_ns();
    int result = witness_end(e, rp_send(d->producer, data, payload_bytes(tag), &o), true);
    if (timeout_ns >= 0 && sim_now_ns() > begin_ns + (uint64_t)timeout_ns + 1000000 && !sim_frozen() && !sim_killed())
        sim_note("  took %.3f ms", (double)(sim_now_ns() - begin_ns) / 1e6);
    if (result == 0 && sim_journal.on && sim_journal_syncs)
        check_in_journal(tag);
    if (result == RP_DUPLICATE && sim_journal.on && sim_journal_syncs)
        check_duplicate_in_journal(e);
    if (result == RP_NOT_DURABLE) { /* it waits in memory, and may come when the journal works again */
        e->result = UNKNOWN;
        return result;
    }
    if (result < 0 && result != RP_FULL && result != RP_PAUSED && !(once && (result == RP_DUPLICATE || result == -EBUSY)) &&
        !(e->number && result == RP_DUPLICATE))
        witness_must(result, "rp_send");
    return result;
}

int witness_send(struct desk *d, int64_t timeout_ns) { return send_new(d, 0, timeout_ns, 0, 0, 0, 0); }

int witness_send_async(struct desk *d) {
    uint32_t tag = new_tag();
    unsigned char data[64];
    write_payload(tag, data);
    struct event *e = witness_begin(SEND, tag, "rp_send_async");
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    o.id_out = &e->id;
    e->number = o.sequence = d->number;
    int result = witness_end(e, rp_send_async(d->producer, data, payload_bytes(tag), &o), true);
    if (result == 0)
        e->result = UNKNOWN;
    return result;
}

int witness_send_in(struct desk *d, uint8_t lane, int64_t timeout_ns) { return send_new(d, lane, timeout_ns, 0, 0, 0, 0); }

int witness_send_timed(struct desk *d, uint64_t delay_ns, uint64_t ttl_ns) { return send_new(d, 0, 0, delay_ns, 0, ttl_ns, 0); }

int witness_send_at(struct desk *d, uint64_t at_ns) { return send_new(d, 0, 0, 0, at_ns, 0, 0); }

int witness_send_once(struct desk *d, uint8_t once, int64_t timeout_ns, uint64_t delay_ns) {
    return send_new(d, 0, timeout_ns, delay_ns, 0, 0, once);
}

int witness_send_batch(struct desk *d, unsigned count) {
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
            events[i] = witness_append(SEND, tag);
            witness_learn(events[i]);
        } else
            events[i] = witness_begin(SEND, tag, "rp_send_batch");
    }
    int result = rp_send_batch(d->producer, items, count);
    if (result < 0 && result != RP_FULL && result != RP_PAUSED)
        witness_must(result, "rp_send_batch");
    int sent = result < 0 ? 0 : result;
    sim_return(true);
    for (unsigned i = 0; i < count; i++) {
        events[i]->end = sim_calls();
        events[i]->id = items[i].id;
        events[i]->result = (int)i < sent ? 0 : RP_FULL;
        witness_learn(events[i]);
    }
    sim_note("  -> %d", result);
    return result;
}

int witness_loan(struct desk *d, struct lent *l) {
    uint32_t tag = new_tag();
    struct event *e = witness_begin(LOAN, tag, "rp_loan");
    int result = witness_end(e, rp_loan(d->producer, payload_bytes(tag), &l->loan), true);
    if (result == 0) {
        write_payload(tag, l->loan.data);
        l->tag = tag;
    } else if (result != RP_FULL && result != RP_PAUSED)
        witness_must(result, "rp_loan");
    return result;
}

int witness_commit(struct desk *d, struct lent *l) { return witness_commit_once(d, l, 0); }

int witness_commit_once(struct desk *d, struct lent *l, uint8_t once) {
    struct event *e = witness_begin(SEND, l->tag, "rp_commit");
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    o.id_out = &e->id;
    e->once = once;
    witness_once(&o, &e->once);
    int result = witness_end(e, rp_commit(d->producer, &l->loan, &o), true);
    if (result < 0 && result != RP_FULL && !(once && (result == RP_DUPLICATE || result == -EBUSY)))
        witness_must(result, "rp_commit");
    return result;
}

int witness_abandon(struct desk *d, struct lent *l) {
    struct event *e = witness_begin(ABANDON, l->tag, "rp_abandon");
    int result = witness_end(e, rp_abandon(d->producer, &l->loan), true);
    witness_must(result, "rp_abandon");
    return result;
}
