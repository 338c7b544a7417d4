/* SPDX-License-Identifier: MIT */
/* The dead ring. */
#include "scenario.h"

static void create(uint32_t dead_capacity, uint32_t overflow, struct witness_expectations e, unsigned messages) {
    struct rp_queue_options o = scenario_options(4);
    o.dead_capacity = dead_capacity;
    o.dead_overflow = overflow;
    witness_create(&o, &e);
    scenario_preload(messages);
}
static void setup_redrives(void) { create(2, RP_DEAD_DROP_OLDEST, (struct witness_expectations){.redrives = true}, 1); }
static void setup_purges(void) {
    create(2, RP_DEAD_DROP_OLDEST, (struct witness_expectations){.redrives = true, .purges = true}, 2);
}
static void setup_evicts(void) { create(1, RP_DEAD_DROP_OLDEST, (struct witness_expectations){.evicts = 1}, 2); }
static void setup_refuses(void) { create(1, RP_DEAD_REFUSE, (struct witness_expectations){.refuses = 1}, 2); }

static void body_reject_redrive(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0)
        witness_receive(&d, 0);
    sim_ready();
    if (me == 0) {
        witness_reject(&d, 0);
    } else {
        witness_redrive(&d);
        scenario_receive_and_ack(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program reject_redrive = {
    .name = "reject-redrive", .about = "reject against redrive and receive", PAIR(setup_redrives, body_reject_redrive)};

static void body_redrive_purge(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0) {
        witness_receive(&d, 0);
        witness_receive(&d, 0);
        witness_reject(&d, 0);
        witness_reject(&d, 0);
    }
    sim_ready();
    if (me == 0)
        witness_redrive(&d);
    else
        witness_dead_purge(&d);
    sim_done();
    witness_close(&d);
}
static const struct sim_program redrive_purge = {
    .name = "redrive-purge", .about = "redrive against dead purge", PAIR(setup_purges, body_redrive_purge)};

/* A message failed for good; redriven, it has never failed, even if who redrives it is killed at once. */
static void setup_failed(void) {
    create(2, RP_DEAD_DROP_OLDEST, (struct witness_expectations){.redrives = true}, 1);
    struct desk d;
    witness_open(&d);
    witness_receive(&d, 0);
    witness_nack(&d, 0, 0, true);
    witness_receive(&d, 0);
    witness_reject(&d, 0);
    witness_close(&d);
}
static void receive_fresh(struct desk *d) {
    if (witness_receive(d, 0) != 0)
        return;
    if (d->held[0].deliveries > 1 + (sim_killed() != 0)) /* who was killed may have had it */
        sim_fail("a redriven message is said to be delivered for the %uth time", d->held[0].deliveries);
    witness_ack(d, 0);
}
static void body_fresh(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_redrive(&d);
        receive_fresh(&d);
    } else {
        witness_sweep(&d);
        receive_fresh(&d);
        witness_send(&d, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program redrive_fresh = {
    .name = "redrive-fresh", .about = "redrive against a sweep; counts begin anew", PAIR(setup_failed, body_fresh)};

/* A buries it, and may be stopped before it wrote so; B redrives it. */
static void setup_failed_once(void) {
    create(2, RP_DEAD_DROP_OLDEST, (struct witness_expectations){.redrives = true}, 1);
    struct desk d;
    witness_open(&d);
    witness_receive(&d, 0);
    witness_nack(&d, 0, 0, true);
    witness_close(&d);
}
static void body_late(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0)
        witness_receive(&d, 0);
    sim_ready();
    if (me == 0) {
        witness_reject(&d, 0);
    } else if (witness_redrive(&d) == 1) {
        receive_fresh(&d);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program redrive_late = {
    .name = "redrive-late", .about = "redrive before the death was written down", PAIR(setup_failed_once, body_late)};

static void body_reject_reject(unsigned me) {
    (void)me;
    struct desk d;
    witness_open(&d);
    witness_receive(&d, 0);
    sim_ready();
    witness_reject(&d, 0);
    sim_done();
    witness_close(&d);
}
static const struct sim_program evict = {
    .name = "evict", .about = "two deaths, room for one: the oldest goes", PAIR(setup_evicts, body_reject_reject)};
static const struct sim_program refuse = {
    .name = "refuse", .about = "two deaths, room for one: one is refused", PAIR(setup_refuses, body_reject_reject)};

/* A's letter may be there, and not yet counted, when B counts. */
static void body_reject_sweep(unsigned me) {
    struct desk d;
    witness_open(&d);
    witness_receive(&d, 0);
    sim_ready();
    if (me == 1)
        witness_sweep(&d);
    witness_reject(&d, 0);
    sim_done();
    witness_close(&d);
}
static const struct sim_program evict_sweep = {.name = "evict-sweep",
                                               .about = "two deaths, room for one, and a sweep that counts",
                                               .participants = 2,
                                               .setup = setup_evicts,
                                               .body = body_reject_sweep,
                                               FINISH,
                                               .budget = {.preemptions = 2, .kills = 1, .freezes = 1}};
static const struct sim_program refuse_sweep = {.name = "refuse-sweep",
                                                .about = "two deaths, one is refused, and a sweep that counts",
                                                .participants = 2,
                                                .setup = setup_refuses,
                                                .body = body_reject_sweep,
                                                FINISH,
                                                .budget = {.preemptions = 2, .kills = 1, .freezes = 1}};

/* Two letters. A takes the first away and redrives what is then the first; B the other way round, and lets it die again. */
static void setup_parts(void) {
    create(4, RP_DEAD_DROP_OLDEST, (struct witness_expectations){.redrives = true, .purges = true}, 2);
    struct desk d;
    witness_open(&d);
    witness_receive(&d, 0);
    witness_receive(&d, 0);
    witness_reject(&d, 1);
    witness_reject(&d, 0);
    witness_close(&d);
}
static void body_parts(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_dead_purge_first(&d);
        witness_redrive_first(&d);
    } else {
        witness_redrive_first(&d);
        if (witness_receive(&d, 0) == 0)
            witness_reject(&d, 0);
        witness_dead_purge_first(&d);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program dead_parts = {.name = "dead-parts",
                                              .about = "redrive and purge of one letter at a time, both ways round",
                                              .participants = 2,
                                              .setup = setup_parts,
                                              .body = body_parts,
                                              FINISH,
                                              .budget = {.preemptions = 1, .kills = 1, .freezes = 1}};

const struct sim_program *const scenarios_dead[] = {&reject_redrive, &redrive_purge, &redrive_fresh, &redrive_late, &evict,
                                                    &refuse,         &evict_sweep,   &refuse_sweep,  &dead_parts,   NULL};
