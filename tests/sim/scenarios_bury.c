/* SPDX-License-Identifier: MIT */
/* Messages that go to the dead ring while nobody holds them. Expiry and overflow decide which; here it is the first that can be. */
#include "scenario.h"
#include "witness_log.h"

#include "delivery.h"

static void setup(void) {
    struct rp_queue_options o = scenario_options(2);
    o.dead_capacity = 2;
    witness_create(&o, &(struct witness_expectations){.redrives = true});
    scenario_preload(1);
}

static void bury_one(struct desk *d) {
    const struct segment *s = &d->queue->segment;
    struct actor a;
    actor_open(&a, d->queue);
    bool done = false;
    for (uint32_t c = 0; c < cells_in_play(s) && !done; c++)
        done = delivery_bury(&a, 0, c, load_acquire(delivery_at(s, 0, c), delivery), RP_DEAD_EXPIRED) == FAIL_DONE;
    actor_close(&a);
}

/* The same, but for good, as cancel and expiry do. */
static void drop_one(struct desk *d) {
    const struct segment *s = &d->queue->segment;
    struct event *e = witness_begin(PURGE, 0, "delivery_drop_unheld");
    struct actor a;
    actor_open(&a, d->queue);
    bool done = false;
    for (uint32_t c = 0; c < cells_in_play(s) && !done; c++)
        done = delivery_drop_unheld(&a, 0, c, load_acquire(delivery_at(s, 0, c), delivery));
    actor_close(&a);
    witness_end(e, done, true);
}

static void body_claim(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        bury_one(&d);
        witness_send(&d, 0);
    } else {
        if (witness_receive(&d, 0) == 0)
            witness_nack(&d, 0, 0, true);
        scenario_receive_and_ack(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program claim = {
    .name = "bury-claim", .about = "burial against receive, nack and ack", PAIR(setup, body_claim)};

static void body_redrive(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        bury_one(&d);
    } else {
        witness_redrive(&d);
        bury_one(&d);
        witness_redrive(&d);
        scenario_receive_and_ack(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program redrive = {
    .name = "bury-redrive", .about = "two burials against redrive", PAIR(setup, body_redrive)};

static void setup_purged(void) {
    struct rp_queue_options o = scenario_options(2);
    o.dead_capacity = 2;
    witness_create(&o, &(struct witness_expectations){.redrives = true, .purges = true});
    scenario_preload(1);
}

/* All cells but one are on loan; B takes the message from that one and sends another in it, A ends it, C may get the cell. */
static void among_senders(unsigned me, void (*end_one)(struct desk *d)) {
    struct desk d;
    struct lent other;
    witness_open(&d);
    if (me == 2)
        while (witness_loan(&d, &other) == 0)
            ;
    sim_ready();
    if (me == 0) {
        end_one(&d);
    } else if (me == 1) {
        scenario_receive_and_ack(&d, 1);
        witness_send(&d, 0);
    } else {
        witness_send(&d, 0);
    }
    sim_done();
    witness_close(&d);
}
static void bury_and_purge(struct desk *d) {
    bury_one(d);
    witness_dead_purge(d);
}
static void body_send(unsigned me) { among_senders(me, bury_and_purge); }
static const struct sim_program send = {.name = "bury-send",
                                        .about = "burial while a message is being sent",
                                        .participants = 3,
                                        .setup = setup_purged,
                                        .body = body_send,
                                        FINISH,
                                        .budget = {.preemptions = 2, .kills = 1},
                                        .share = 2};

static void body_drop(unsigned me) { among_senders(me, drop_one); }
static const struct sim_program drop_send = {.name = "drop-send",
                                             .about = "a message that nobody holds is dropped while one is being sent",
                                             .participants = 3,
                                             .setup = setup_purged,
                                             .body = body_drop,
                                             FINISH,
                                             .budget = {.preemptions = 2, .kills = 1},
                                             .share = 2};

/* A still looks at a message whose lease is over; B buries it and drops it, and wants the memory for another one. */
static void body_viewed(unsigned me) {
    struct desk d;
    struct lent l;
    witness_open(&d);
    if (me == 0) {
        witness_receive(&d, 0);
    } else {
        sim_advance_ns(PAST_LEASE_NS);
        witness_sweep(&d);
        while (witness_loan(&d, &l) == 0)
            ;
    }
    sim_ready();
    if (me == 0) {
        witness_ack(&d, 0);
    } else {
        bury_one(&d);
        witness_dead_purge(&d);
        witness_send(&d, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program viewed = {
    .name = "bury-viewed", .about = "burial of a message that somebody looks at", PAIR(setup_purged, body_viewed)};

const struct sim_program *const scenarios_bury[] = {&claim, &redrive, &send, &drop_send, &viewed, NULL};
