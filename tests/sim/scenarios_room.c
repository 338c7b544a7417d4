/* SPDX-License-Identifier: MIT */
/* Little room: sleepers and their wake-ups, a full lane, old entries in the way. */
#include "scenario.h"

static void setup_blocking(void) {
    struct rp_queue_options o = scenario_options(1);
    o.overflow = RP_OVERFLOW_BLOCK;
    witness_create(&o, NULL);
}
static void fill(struct desk *d) {
    while (witness_send(d, 0) == 0)
        ;
}

static void body_blocked(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1)
        fill(&d);
    sim_ready();
    if (me == 0) {
        witness_send(&d, 500 * (int64_t)MS);
    } else {
        scenario_receive_and_ack(&d, 1);
        scenario_receive_and_ack(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program blocked_send = {.name = "blocked-send",
                                                .about = "a sender that sleeps until there is room",
                                                PAIR(setup_blocking, body_blocked),
                                                .strict_wakes = true};

static void setup_empty(void) { scenario_create(2, 0); }

static void body_sleeping(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
    } else if (witness_receive(&d, 500 * (int64_t)MS) == 0) {
        witness_ack(&d, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program sleeping_receive = {.name = "sleeping-receive",
                                                    .about = "a receiver that sleeps until there is a message",
                                                    PAIR(setup_empty, body_sleeping),
                                                    .strict_wakes = true};

static void body_sleepers(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
        witness_send(&d, 0);
    } else if (witness_receive(&d, 500 * (int64_t)MS) == 0) {
        witness_ack(&d, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program sleeping_receivers = {.name = "sleeping-receivers",
                                                      .about = "two sleep, two messages come",
                                                      .participants = 3,
                                                      .setup = setup_empty,
                                                      .body = body_sleepers,
                                                      FINISH,
                                                      .budget = {.preemptions = 2},
                                                      .strict_wakes = true,
                                                      .share = 2};

static void body_nack_wakes(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0)
        witness_receive(&d, 0);
    sim_ready();
    if (me == 0)
        witness_nack(&d, 0, 0, true);
    else if (witness_receive(&d, 500 * (int64_t)MS) == 0)
        witness_ack(&d, 0);
    sim_done();
    witness_close(&d);
}
static void setup_one(void) { scenario_create(2, 1); }
static const struct sim_program nack_wakes = {.name = "nack-wakes",
                                              .about = "a sleeper gets what another gives back",
                                              PAIR(setup_one, body_nack_wakes),
                                              .strict_wakes = true};

/* The lane's eight slots are full of messages that nobody has taken; the next sends move the oldest out of the way. */
static void setup_full_lane(void) { scenario_create(12, 8); }
static void body_in_the_way(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
    } else {
        scenario_receive_and_ack(&d, 1);
        scenario_receive_and_ack(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program in_the_way = {.name = "in-the-way",
                                              .about = "a sender moves an untaken entry, a receiver comes",
                                              PAIR(setup_full_lane, body_in_the_way),
                                              .lane_slots = 8,
                                              .share = 2};

static void body_both_in_the_way(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    witness_send(&d, 0);
    if (me == 1)
        scenario_receive_and_ack(&d, 1);
    sim_done();
    witness_close(&d);
}
static const struct sim_program both_in_the_way = {.name = "both-in-the-way",
                                                   .about = "two senders meet the same old entry",
                                                   PAIR(setup_full_lane, body_both_in_the_way),
                                                   .lane_slots = 8,
                                                   .share = 2};

/* A moves the oldest, or helps; B moves the two oldest. */
static void body_movers(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    witness_send(&d, 0);
    if (me == 1)
        witness_send(&d, 0);
    sim_done();
    witness_close(&d);
}
static const struct sim_program movers = {
    .name = "movers", .about = "two senders move two old entries", PAIR(setup_full_lane, body_movers), .lane_slots = 8};

/*
 * A moves an old entry, and sleeps on the way. Meanwhile B does it for him, receives it, and uses its cell again for a message that grows old, too, and is
 * moved in its turn: what A knows fits the cell, but not the message. Other cells are on loan, so that there is no choice.
 */
static void body_mover_sleeps(unsigned me) {
    struct desk d;
    struct lent l[64];
    unsigned lent = 0;
    witness_open(&d);
    if (me == 0) {
        witness_loan(&d, &l[0]);
    } else {
        while (lent < 64 && witness_loan(&d, &l[lent]) == 0)
            lent++;
        witness_abandon(&d, &l[--lent]);
    }
    sim_ready();
    if (me == 0) {
        witness_commit(&d, &l[0]);
    } else {
        witness_send(&d, 0);
        scenario_receive_and_ack(&d, 1);
        scenario_receive_and_ack(&d, 1);
        witness_send(&d, 0);
        for (unsigned i = 0; i < 7; i++)
            scenario_receive_and_ack(&d, 1);
        for (unsigned i = 0; i < 8; i++)
            witness_send(&d, 0);
        scenario_receive_and_ack(&d, 1);
        scenario_receive_and_ack(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program mover_sleeps = {.name = "mover-sleeps",
                                                .about = "a mover goes on when the cell is old and moved again",
                                                .participants = 2,
                                                .setup = setup_full_lane,
                                                .body = body_mover_sleeps,
                                                FINISH,
                                                .budget = {.preemptions = 2},
                                                .lane_slots = 8,
                                                .share = 2};

static void setup_purged_lane(void) {
    struct rp_queue_options o = scenario_options(12);
    witness_create(&o, &(struct witness_expectations){.purges = true});
    scenario_preload(8);
}
static void body_purge_wrap(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_purge(&d, RP_STATE_READY);
    } else {
        witness_send(&d, 0);
        witness_send(&d, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program purge_wrap = {.name = "purge-wrap",
                                              .about = "purge of a full lane against sends that reuse its slots",
                                              PAIR(setup_purged_lane, body_purge_wrap),
                                              .lane_slots = 8,
                                              .share = 2};

/* Many producers that send one message each and go: nobody moves the hints for long, and the lane goes round under an idle receiver. */
static void body_short_lived(unsigned me) {
    struct desk d;
    witness_attach(&d);
    witness_consumer(&d);
    if (me == 1)
        for (unsigned i = 0; i < 80; i++) {
            witness_producer(&d);
            witness_send(&d, 0);
            rp_producer_close(d.producer);
            d.producer = NULL;
            if (i % 8 == 7)
                witness_purge(&d, RP_STATE_READY);
        }
    witness_producer(&d);
    sim_ready();
    if (me == 1)
        witness_send(&d, 0);
    else
        scenario_receive_and_ack(&d, 1);
    sim_done();
    witness_close(&d);
}
static void setup_short_lived(void) {
    struct rp_queue_options o = scenario_options(1);
    o.max_participants = 3;
    witness_create(&o, &(struct witness_expectations){.purges = true});
}
static const struct sim_program short_lived = {.name = "short-lived",
                                               .about = "the lane went round under an idle receiver, nobody moved the hints",
                                               .participants = 2,
                                               .setup = setup_short_lived,
                                               .body = body_short_lived,
                                               FINISH,
                                               .budget = {.preemptions = 2, .kills = 1}};

const struct sim_program *const scenarios_room[] = {
    &blocked_send, &sleeping_receive, &sleeping_receivers, &nack_wakes,  &in_the_way, &both_in_the_way,
    &movers,       &mover_sleeps,     &purge_wrap,         &short_lived, NULL};
