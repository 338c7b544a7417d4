/* SPDX-License-Identifier: MIT */
/* rp_forward: each message comes out of the other queue exactly once. Whoever is left at the end forwards what the others did not. */
#include "witness_log.h"

#include "scenario.h"

#include <errno.h>

enum { MESSAGES_MAX = 8 };

/* The handles of who forwards. */
struct far {
    rp_queue *queue;
    rp_producer *producer;
};
static void far_open(struct far *f) {
    witness_must(rp_queue_open("far", NULL, &f->queue), "the other queue");
    witness_must(rp_producer_open(f->queue, NULL, &f->producer), "a producer of the other queue");
}
static void far_close(struct far *f) {
    rp_producer_close(f->producer);
    witness_must(rp_queue_close(f->queue), "the other queue");
}

static void setup(unsigned messages) {
    struct rp_queue_options o = scenario_options(4), far = o;
    rp_queue *q;
    witness_create(&o, NULL);
    far.dedup_window_ns = 3600 * 1000 * MS;
    witness_must(rp_queue_create("far", &far, &q), "the other queue");
    witness_must(rp_queue_close(q), "the other queue");
    scenario_preload(messages);
}
static void setup_one(void) { setup(1); }
static void setup_two(void) { setup(2); }

/* Forwards the next message. -> false: there is none, or another one is at it */
static bool forward(struct desk *d, struct far *f) {
    if (witness_receive(d, 0) != 0)
        return false;
    struct rp_message m = d->held[0];
    struct event *e = witness_begin(ACK, witness_tag_of(&m), "rp_forward");
    e->id = m.id;
    e->group = (uint8_t)d->group;
    e->acquisitions = m.acquisitions;
    int result = rp_forward(d->consumer, &m, f->producer, m.data, m.bytes, NULL);
    if (result == -EBUSY) {
        e->kind = SWEEP; /* nothing was settled */
        witness_end(e, 0, false);
        witness_nack(d, 0, 0, false);
        return false;
    }
    witness_end(e, result > 0 ? 0 : result, true);
    if (result != RP_LEASE_LOST)
        witness_must(result, "rp_forward");
    d->held_count = 0;
    return true;
}

static void body_forward(unsigned me) {
    struct desk d;
    struct far f;
    (void)me;
    witness_open(&d);
    far_open(&f);
    sim_ready();
    sim_linger();
    forward(&d, &f);
    sim_done();
    far_close(&f);
    witness_close(&d);
}

/* Who keeps house recovers the dead, of both queues, at every step. */
static void body_sweep(unsigned me) {
    struct desk d;
    struct far f;
    witness_open(&d);
    far_open(&f);
    sim_ready();
    if (me == 0) {
        forward(&d, &f);
    } else {
        witness_sweep(&d);
        sim_call("rp_queue_sweep");
        sim_return(rp_queue_sweep(f.queue) >= 0);
        forward(&d, &f);
    }
    sim_done();
    far_close(&f);
    witness_close(&d);
}

static void forward_all(struct desk *d, struct far *f) {
    for (int round = 0; round < 4; round++) {
        sim_advance_ns(PAST_LEASE_NS);
        witness_sweep(d);
        witness_must(rp_queue_sweep(f->queue), "rp_queue_sweep");
        while (forward(d, f))
            continue;
    }
}
static void interim(void) {
    struct desk d;
    struct far f;
    witness_open(&d);
    far_open(&f);
    forward_all(&d, &f);
    sim_done();
    far_close(&f);
    witness_close(&d);
}

static void judge_far(void) {
    unsigned copies[MESSAGES_MAX] = {0}, sent = 0;
    rp_queue *q;
    rp_consumer *c;
    struct rp_message m;
    struct rp_queue_stats s;
    struct rp_audit audit;
    witness_must(rp_queue_open("far", NULL, &q), "the other queue");
    witness_must(rp_consumer_open(q, NULL, &c), "a consumer of the other queue");
    witness_must(rp_queue_sweep(q), "rp_queue_sweep");
    while (rp_receive(c, &m, 0) == 0) {
        uint32_t tag = witness_tag(&m);
        if (tag >> 16 != SIM_CREATOR + 1 || (tag & 0xffff) >= MESSAGES_MAX)
            sim_fail("message %x is in the other queue", tag);
        copies[tag & 0xffff]++;
        witness_must(rp_ack(c, &m), "rp_ack");
    }
    rp_consumer_close(c);
    for (const struct event *e = witness.events; e < witness.events + witness.count; e++)
        if (e->kind == SEND && e->tag >> 16 == SIM_CREATOR + 1) {
            sent++;
            if (copies[e->tag & 0xffff] != 1)
                sim_fail("message %x came out %u times", e->tag, copies[e->tag & 0xffff]);
        }
    if (sent == 0)
        sim_fail("nothing was looked for");
    if (rp_queue_stats(q, &s) != 0 || s.free_cells != s.cells || rp_queue_audit(q, &audit) != 0 || audit.violations)
        sim_fail("the other queue keeps %llu of %u cells", (unsigned long long)(s.cells - s.free_cells), s.cells);
    witness_must(rp_queue_close(q), "rp_queue_close");
}
static void finish(void) {
    struct desk d;
    struct far f;
    witness_open(&d);
    far_open(&f);
    forward_all(&d, &f);
    far_close(&f);
    witness_close(&d);
    judge_far();
    witness_finish();
}

#define ONWARD(make, does) .participants = 2, .setup = make, .body = does, .interim = interim, .finish = finish
static const struct sim_program onward_both = {.name = "onward-both",
                                               .about = "two forward the same two messages to another queue",
                                               ONWARD(setup_two, body_forward),
                                               .budget = {.preemptions = 1, .kills = 1, .freezes = 1}};
static const struct sim_program onward_late = {.name = "onward-late",
                                               .about = "a lease ends while its message is forwarded, and another forwards it, too",
                                               ONWARD(setup_one, body_forward),
                                               .budget = {.preemptions = 1, .kills = 1, .freezes = 1, .jumps = 1},
                                               .jumps_ns = {PAST_LEASE_NS}};
static const struct sim_program onward_sweep = {.name = "onward-sweep",
                                                .about = "a message is forwarded while another recovers the dead in both queues",
                                                ONWARD(setup_one, body_sweep),
                                                .budget = {.preemptions = 1, .kills = 1, .freezes = 1}};

const struct sim_program *const scenarios_onward[] = {&onward_both, &onward_late, &onward_sweep, NULL};
