/* SPDX-License-Identifier: MIT */
/* Leases that run out while their holder lives. */
#include "scenario.h"

static void setup_one(void) { scenario_create(2, 1); }

/* A holds the message; B sweeps, at a time that may be past the lease, and receives. */
static void body_expiry(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0)
        witness_receive(&d, 0);
    sim_ready();
    if (me == 0) {
        witness_ack(&d, 0);
    } else {
        witness_sweep(&d);
        scenario_receive_and_ack(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program ack_expiry = {.name = "ack-expiry",
                                              .about = "a late ack against the end of the lease",
                                              .participants = 2,
                                              .setup = setup_one,
                                              .body = body_expiry,
                                              FINISH,
                                              .budget = {.preemptions = 2, .kills = 1, .freezes = 1, .jumps = 1},
                                              .jumps_ns = {PAST_LEASE_NS}};

static void body_claim_expiry(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        sim_linger();
        scenario_receive_and_ack(&d, 1);
    } else {
        witness_sweep(&d);
        witness_sweep(&d);
        scenario_receive_and_ack(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program claim_expiry = {.name = "claim-expiry",
                                                .about = "sweeps against a claim whose lease may not be written yet",
                                                .participants = 2,
                                                .setup = setup_one,
                                                .body = body_claim_expiry,
                                                FINISH,
                                                .budget = {.preemptions = 2, .kills = 1, .freezes = 1, .jumps = 1},
                                                .jumps_ns = {PAST_LEASE_NS}};

static void body_extend(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0)
        witness_receive(&d, 0);
    sim_ready();
    if (me == 0) {
        witness_extend(&d, 0, 3 * LEASE_NS);
        witness_ack(&d, 0);
    } else {
        witness_sweep(&d);
        scenario_receive_and_ack(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program extend_expiry = {.name = "extend-expiry",
                                                 .about = "extend against the end of the lease",
                                                 .participants = 2,
                                                 .setup = setup_one,
                                                 .body = body_extend,
                                                 FINISH,
                                                 .budget = {.preemptions = 2, .kills = 1, .freezes = 1, .jumps = 1},
                                                 .jumps_ns = {PAST_LEASE_NS}};

static void body_nack_expiry(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0)
        witness_receive(&d, 0);
    sim_ready();
    if (me == 0) {
        witness_nack(&d, 0, -1, true);
    } else {
        witness_sweep(&d);
        scenario_receive_and_ack(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static void setup_backoff(void) {
    struct rp_queue_options o = scenario_options(2);
    o.backoff_ns = o.backoff_max_ns = 100 * MS;
    witness_create(&o, NULL);
    scenario_preload(1);
}
static const struct sim_program nack_expiry = {.name = "nack-expiry",
                                               .about = "nack with backoff against the end of the lease",
                                               .participants = 2,
                                               .setup = setup_backoff,
                                               .body = body_nack_expiry,
                                               FINISH,
                                               .budget = {.preemptions = 2, .kills = 1, .freezes = 1, .jumps = 2},
                                               .jumps_ns = {PAST_LEASE_NS}};

/* A looks at a message that B received after A's lease, and gave back: while A leaves, B receives it again. */
static void body_viewer_leaves(unsigned me) {
    struct desk d;
    witness_open(&d);
    witness_sweep(&d);
    witness_receive(&d, 0);
    if (me == 0)
        sim_advance_ns(PAST_LEASE_NS);
    else
        witness_nack(&d, 0, 0, true);
    sim_ready();
    if (me == 0)
        witness_ack(&d, 0);
    else
        scenario_receive_and_ack(&d, 1);
    sim_done();
    witness_close(&d);
}
static const struct sim_program viewer_leaves = {
    .name = "viewer-leaves", .about = "a viewer leaves while the message is received again", PAIR(setup_one, body_viewer_leaves)};

static void body_sweepers(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 2)
        witness_receive(&d, 0);
    sim_ready();
    if (me == 2) {
        witness_ack(&d, 0);
    } else {
        witness_sweep(&d);
        if (me == 0)
            scenario_receive_and_ack(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program sweepers_expiry = {.name = "sweepers-expiry",
                                                   .about = "two sweepers end the lease of a third who acks",
                                                   .participants = 3,
                                                   .setup = setup_one,
                                                   .body = body_sweepers,
                                                   FINISH,
                                                   .budget = {.preemptions = 2, .freezes = 1, .jumps = 1},
                                                   .freezable = 3,
                                                   .jumps_ns = {PAST_LEASE_NS},
                                                   .share = 2};

/* Three receive the message in turn, each when the lease of the one before has run out; the third expiry is final. */
static void body_three(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0)
        witness_receive(&d, 0);
    sim_ready();
    if (me != 0) {
        witness_sweep(&d);
        witness_receive(&d, 0);
    }
    if (me == 2)
        witness_sweep(&d);
    if (d.held_count)
        witness_ack(&d, 0);
    sim_done();
    witness_close(&d);
}
static const struct sim_program three_holders = {.name = "three-holders",
                                                 .about = "three holders whose leases run out in turn",
                                                 .participants = 3,
                                                 .setup = setup_one,
                                                 .body = body_three,
                                                 FINISH,
                                                 .budget = {.preemptions = 1, .kills = 0, .freezes = 0, .jumps = 3},
                                                 .jumps_ns = {PAST_LEASE_NS},
                                                 .share = 2};

/* A holds the same message for the second time, and first acks the first. */
static void body_own_past(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0) {
        witness_receive(&d, 0);
        sim_advance_ns(PAST_LEASE_NS);
        witness_sweep(&d);
        witness_receive(&d, 0);
    }
    sim_ready();
    if (me == 0) {
        witness_ack(&d, 0);
        witness_ack(&d, 0);
    } else {
        witness_sweep(&d);
        scenario_receive_and_ack(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program own_past = {.name = "own-past",
                                            .about =
                                                "an ack for a lease that is over, while the same process holds the message again",
                                            .participants = 2,
                                            .setup = setup_one,
                                            .body = body_own_past,
                                            FINISH,
                                            .budget = {.preemptions = 2, .kills = 1, .freezes = 1, .jumps = 1},
                                            .jumps_ns = {PAST_LEASE_NS}};

/* A claims, and before it has written down until when, its lease is made, is over, and B holds the message and wants longer. */
static void body_late_install(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_receive(&d, 0);
    } else {
        witness_sweep(&d);
        sim_linger();
        witness_sweep(&d);
        if (witness_receive(&d, 0) == 0) {
            witness_extend(&d, 0, 2 * LEASE_NS);
            witness_ack(&d, 0);
        }
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program late_install = {.name = "late-install",
                                                .about = "a claimer writes his lease when another holds the message",
                                                .participants = 2,
                                                .setup = setup_one,
                                                .body = body_late_install,
                                                FINISH,
                                                .budget = {.preemptions = 2, .freezes = 1, .jumps = 1},
                                                .jumps_ns = {PAST_LEASE_NS}};

/* A claims two messages ahead; the lease of the second runs out in its hands, and B gets it. */
static void setup_ahead(void) {
    struct rp_queue_options o = scenario_options(2);
    witness_create(&o, &(struct witness_expectations){.claims_ahead = true});
    scenario_preload(2);
}
static void body_ahead(unsigned me) {
    struct desk d;
    witness_attach(&d);
    witness_consumer_with(&d, me == 0 ? 2 : 0, RP_ACK_EXPLICIT);
    if (me == 0)
        witness_receive(&d, 0);
    sim_ready();
    if (me == 0) {
        witness_ack(&d, 0);
        sim_linger();
        scenario_receive_and_ack(&d, 1);
    } else {
        sim_linger();
        witness_sweep(&d);
        scenario_receive_and_ack(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program prefetch_expiry = {.name = "prefetch-expiry",
                                                   .about = "a message that was claimed ahead outlives its lease",
                                                   .participants = 2,
                                                   .setup = setup_ahead,
                                                   .body = body_ahead,
                                                   FINISH,
                                                   .budget = {.preemptions = 2, .kills = 1, .freezes = 1, .jumps = 1},
                                                   .jumps_ns = {PAST_LEASE_NS}};

/* A message waits for its time; both find that it has come. */
static void setup_waiting(void) {
    setup_backoff();
    struct desk d;
    witness_open(&d);
    witness_receive(&d, 0);
    witness_nack(&d, 0, -1, true);
    witness_close(&d);
}
static void body_due(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    sim_linger();
    witness_sweep(&d);
    if (me == 1)
        scenario_receive_and_ack(&d, 1);
    sim_done();
    witness_close(&d);
}
static const struct sim_program delayed_due = {.name = "delayed-due",
                                               .about = "two find that the time of a delayed message has come",
                                               .participants = 2,
                                               .setup = setup_waiting,
                                               .body = body_due,
                                               FINISH,
                                               .budget = {.preemptions = 2, .kills = 1, .freezes = 1, .jumps = 1},
                                               .jumps_ns = {300 * MS}};

static void setup_last_chance(void) {
    struct rp_queue_options o = scenario_options(2);
    o.max_deliveries = 1;
    witness_create(&o, &(struct witness_expectations){.evicts = 1});
    scenario_preload(1);
}
static void body_last_chance(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0)
        witness_receive(&d, 0);
    sim_ready();
    if (me == 0) {
        witness_ack(&d, 0);
    } else {
        witness_sweep(&d);
        witness_sweep(&d);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program last_chance = {.name = "last-chance",
                                               .about = "the last delivery expires into the dead ring, its holder acks",
                                               .participants = 2,
                                               .setup = setup_last_chance,
                                               .body = body_last_chance,
                                               FINISH,
                                               .budget = {.preemptions = 2, .kills = 1, .freezes = 1, .jumps = 1},
                                               .jumps_ns = {PAST_LEASE_NS}};

const struct sim_program *const scenarios_time[] = {&ack_expiry,
                                                    &claim_expiry,
                                                    &extend_expiry,
                                                    &nack_expiry,
                                                    &viewer_leaves,
                                                    &sweepers_expiry,
                                                    &three_holders,
                                                    &own_past,
                                                    &late_install,
                                                    &prefetch_expiry,
                                                    &delayed_due,
                                                    &last_chance,
                                                    NULL};
