/* SPDX-License-Identifier: MIT */
/* Larger programs, which no search can exhaust: four to six who do a bit of everything, on random schedules with deaths, stops and jumps of time. */
#include "scenario.h"

static void settle_somehow(struct desk *d, unsigned i) {
    switch (sim_random() % 8) {
    case 0: witness_nack(d, i, 0, true); break;
    case 1: witness_nack(d, i, -1, true); break;
    case 2: witness_nack(d, i, (int64_t)(50 * MS), false); break;
    case 3: witness_reject(d, i); break;
    case 4:
        witness_extend(d, i, 2 * LEASE_NS);
        witness_ack(d, i);
        break;
    default: witness_ack(d, i); break;
    }
}

static void send_some(struct desk *d, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        struct lent l;
        if (sim_random() % 4 != 0)
            witness_send(d, 0);
        else if (witness_loan(d, &l) == 0 && (sim_random() % 4 == 0 || witness_commit(d, &l) != 0))
            witness_abandon(d, &l);
    }
}

static struct rp_queue_options options(uint32_t capacity) {
    struct rp_queue_options o = scenario_options(capacity);
    o.max_participants = 6; /* all, and who comes meanwhile or at the end */
    return o;
}

/* Now and then keeps what it got for a while. */
static void receive_some(struct desk *d, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        witness_receive(d, 0);
        sim_linger();
        if (d->held_count > 2 || (d->held_count > 0 && sim_random() % 3 != 0))
            settle_somehow(d, (unsigned)(sim_random() % d->held_count));
    }
    while (d->held_count > 0)
        settle_somehow(d, 0);
}

static void setup_crowd(void) {
    struct rp_queue_options o = options(3);
    o.backoff_ns = o.backoff_max_ns = 100 * MS;
    o.max_deliveries = 3;
    o.dead_overflow = RP_DEAD_REFUSE;
    o.dead_capacity = 2;
    witness_create(&o, NULL);
    scenario_preload(1);
}
static void body_crowd(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    switch (me) {
    case 0:
    case 1: send_some(&d, 4); break;
    case 2:
    case 3: receive_some(&d, 4); break;
    default:
        for (unsigned i = 0; i < 3; i++) {
            witness_sweep(&d);
            sim_linger();
        }
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program crowd = {.name = "crowd",
                                         .about = "two send, two receive and settle somehow, one sweeps",
                                         .participants = 5,
                                         .setup = setup_crowd,
                                         .body = body_crowd,
                                         FINISH,
                                         .budget = {.preemptions = -1, .kills = 2, .freezes = 1, .jumps = 3},
                                         .jumps_ns = {PAST_LEASE_NS, 150 * MS},
                                         .large = true};

/* All four send and receive by turns, over rings so small that they go round. */
static void setup_tight(void) {
    struct rp_queue_options o = options(1);
    o.backoff_ns = o.backoff_max_ns = 100 * MS;
    o.max_deliveries = 0;
    o.dead_overflow = RP_DEAD_REFUSE;
    witness_create(&o, &(struct witness_expectations){.redrives = true});
}
static void body_tight(unsigned me) {
    (void)me;
    struct desk d;
    witness_open(&d);
    sim_ready();
    for (unsigned i = 0; i < 4; i++) {
        send_some(&d, 1);
        receive_some(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program crowd_tight = {.name = "crowd-tight",
                                               .about = "four send and receive by turns, tags of one bit, laps about to wrap",
                                               .participants = 4,
                                               .setup = setup_tight,
                                               .body = body_tight,
                                               FINISH,
                                               .budget = {.preemptions = -1, .kills = 2, .freezes = 1, .jumps = 2},
                                               .jumps_ns = {PAST_LEASE_NS, 150 * MS},
                                               .first_lap = (UINT64_C(1) << 28) - 1,
                                               .tag_bits = 1,
                                               .large = true};

/* Four come, do something and go, twice; there are three seats. */
static void setup_seats(void) {
    struct rp_queue_options o = scenario_options(2);
    o.max_participants = 3;
    o.dead_overflow = RP_DEAD_REFUSE;
    witness_create(&o, NULL);
    scenario_preload(2);
}
static void body_seats(unsigned me) {
    struct desk d = {0};
    sim_ready();
    for (unsigned i = 0; i < 2; i++)
        if (witness_attach(&d) == 0) {
            witness_producer(&d);
            witness_consumer(&d);
            if ((me + i) % 2 == 0)
                send_some(&d, 1);
            else
                receive_some(&d, 1);
            witness_close(&d);
            d = (struct desk){0};
        }
    sim_done();
}
static const struct sim_program crowd_seats = {.name = "crowd-seats",
                                               .about = "four come and go, twice; there are three seats",
                                               .participants = 4,
                                               .setup = setup_seats,
                                               .body = body_seats,
                                               FINISH,
                                               .budget = {.preemptions = -1, .kills = 2, .freezes = 1, .jumps = 1},
                                               .jumps_ns = {PAST_LEASE_NS},
                                               .large = true};

/* Much fails for good, and is redriven and purged. */
static void setup_graves(void) {
    struct rp_queue_options o = options(3);
    o.dead_capacity = 3;
    o.dead_overflow = RP_DEAD_REFUSE;
    witness_create(&o, &(struct witness_expectations){.redrives = true, .purges = true});
    scenario_preload(3);
}
static void body_graves(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    switch (me) {
    case 0:
    case 1:
        for (unsigned i = 0; i < 3; i++)
            if (witness_receive(&d, 0) == 0)
                witness_reject(&d, 0);
        break;
    case 2:
        witness_redrive(&d);
        witness_dead_purge(&d);
        witness_redrive(&d);
        break;
    default:
        receive_some(&d, 2);
        send_some(&d, 2);
        witness_purge(&d, RP_STATE_ALL);
    }
    while (d.held_count > 0)
        witness_ack(&d, 0);
    sim_done();
    witness_close(&d);
}
static const struct sim_program crowd_graves = {.name = "crowd-graves",
                                                .about = "rejects, redrives and purges",
                                                .participants = 4,
                                                .setup = setup_graves,
                                                .body = body_graves,
                                                FINISH,
                                                .budget = {.preemptions = -1, .kills = 2, .freezes = 1, .jumps = 1},
                                                .jumps_ns = {PAST_LEASE_NS},
                                                .large = true};

/* Sleepers on both sides: two wait for messages, two for room. */
static void setup_sleepers(void) {
    struct rp_queue_options o = options(1);
    o.overflow = RP_OVERFLOW_BLOCK;
    o.dead_overflow = RP_DEAD_REFUSE;
    witness_create(&o, NULL);
}
static void body_sleepers(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    for (unsigned i = 0; i < 3; i++)
        if (me < 2)
            witness_send(&d, 300 * (int64_t)MS);
        else if (witness_receive(&d, 300 * (int64_t)MS) == 0)
            settle_somehow(&d, 0);
    while (d.held_count > 0)
        witness_ack(&d, 0);
    sim_done();
    witness_close(&d);
}
static const struct sim_program crowd_sleepers = {.name = "crowd-sleepers",
                                                  .about = "two sleep for room, two for messages",
                                                  .participants = 4,
                                                  .setup = setup_sleepers,
                                                  .body = body_sleepers,
                                                  FINISH,
                                                  .budget = {.preemptions = -1, .kills = 2, .freezes = 1},
                                                  .large = true};

const struct sim_program *const scenarios_crowd[] = {&crowd, &crowd_tight, &crowd_seats, &crowd_graves, &crowd_sleepers, NULL};
