/* SPDX-License-Identifier: MIT */
/* Small rings, which go round, whose laps are about to wrap and whose tags are one bit; and a hold number that wraps. */
#include "scenario.h"

/* Laps have 28 bits; the second one here is 0. */
#define LAST_LAP ((UINT64_C(1) << 28) - 1)

/* `messages` have come and gone. */
static void pass_through(unsigned messages) {
    struct desk d;
    witness_open(&d);
    for (unsigned i = 0; i < messages; i++) {
        witness_send(&d, 0);
        scenario_receive_and_ack(&d, 1);
    }
    witness_close(&d);
}

static void setup_tiny(void) {
    scenario_create(1, 0);
    pass_through(6);
}
static void setup_pair(void) {
    scenario_create(2, 0);
    pass_through(6);
}
static void setup_two(void) { scenario_create(2, 2); }
static void setup_full_lane(void) { scenario_create(2, 8); }

static void body_lane(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
        witness_send(&d, 0);
        witness_send(&d, 0);
    } else {
        scenario_receive_and_ack(&d, 3);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program wrap_lane = {.name = "wrap-lane",
                                             .about = "the lane goes round, its lap wraps",
                                             PAIR(setup_tiny, body_lane),
                                             .first_lap = LAST_LAP,
                                             .min_slots = 1,
                                             .lane_slots = 8,
                                             .tag_bits = 1,
                                             .share = 2};

static void body_senders(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    witness_send(&d, 0);
    witness_send(&d, 0);
    if (me == 0)
        scenario_receive_and_ack(&d, 1);
    sim_done();
    witness_close(&d);
}
static const struct sim_program wrap_senders = {.name = "wrap-senders",
                                                .about = "two senders where the lap of the lane wraps",
                                                PAIR(setup_pair, body_senders),
                                                .first_lap = LAST_LAP,
                                                .min_slots = 2,
                                                .lane_slots = 8,
                                                .tag_bits = 1,
                                                .share = 2};

static void body_early(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
        witness_send(&d, 0);
        witness_send(&d, 0);
    } else {
        scenario_receive_and_ack(&d, 2);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program wrap_early = {.name = "wrap-early",
                                              .about = "old entries in the way, and room for two of them in early",
                                              PAIR(setup_full_lane, body_early),
                                              .first_lap = LAST_LAP,
                                              .min_slots = 2,
                                              .lane_slots = 8,
                                              .tag_bits = 1,
                                              .share = 2};

static void body_early_three(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0)
        witness_send(&d, 0);
    else
        scenario_receive_and_ack(&d, 2);
    sim_done();
    witness_close(&d);
}
static const struct sim_program early_three = {.name = "early-three",
                                               .about = "an old entry in the way, two receivers",
                                               .participants = 3,
                                               .setup = setup_full_lane,
                                               .body = body_early_three,
                                               FINISH,
                                               .budget = {.preemptions = 2},
                                               .min_slots = 2,
                                               .lane_slots = 8,
                                               .tag_bits = 1,
                                               .share = 2};

static void body_returned(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    for (unsigned i = 0; i < 2; i++)
        if (witness_receive(&d, 0) == 0)
            witness_nack(&d, 0, 0, true);
    if (me == 1)
        scenario_receive_and_ack(&d, 1);
    sim_done();
    witness_close(&d);
}
static const struct sim_program wrap_returned = {
    .name = "wrap-returned",
    .about = "two give back and back again, in a ring of four slots",
    PAIR(setup_two, body_returned),
    .first_lap = LAST_LAP,
    .min_slots = 4, /* two messages, and what each participant may insert too late: with fewer it may be full for a tick */
    .lane_slots = 8,
    .tag_bits = 1,
    .share = 2};

/* The same, and the positions of a message's entries carry the same stamp whenever it is given back: only where readers are tells old from new. */
static const struct sim_program same_stamps = {.name = "same-stamps",
                                               .about = "entries that differ in nothing from those that readers have passed",
                                               PAIR(setup_two, body_returned),
                                               .min_slots = 4,
                                               .lane_slots = 8,
                                               .tag_bits = 1,
                                               .stamp_mask = 0x100};

/* Three are given back, and returned has two places. Whoever finds it empty looks for the third. */
static void setup_three(void) { scenario_create(2, 3); }
static void body_missed(unsigned me) {
    struct desk d;
    witness_open(&d);
    for (unsigned i = me; i < 2; i++)
        witness_receive(&d, 0);
    sim_ready();
    for (unsigned i = me; i < 2; i++)
        witness_nack(&d, 0, 0, false);
    scenario_receive_and_ack(&d, 2);
    sim_done();
    witness_close(&d);
}
static const struct sim_program missed_returned = {.name = "missed-returned",
                                                   .about = "three are given back where there are places for two",
                                                   .participants = 2,
                                                   .setup = setup_three,
                                                   .body = body_missed,
                                                   FINISH,
                                                   .budget = {.preemptions = 2, .kills = 1, .freezes = 1},
                                                   .min_slots = 2,
                                                   .lane_slots = 8};

/*
 * The slot that the next send overwrites holds an entry of a cell that was used again twice since: its tag is right, its position is not. The message that
 * is in the cell now is the youngest of three that wait.
 */
static void body_old_entry(unsigned me) {
    struct desk d;
    struct lent l[64];
    unsigned lent = 0;
    witness_open(&d);
    if (me == 0) {
        while (lent < 64 && witness_loan(&d, &l[lent]) == 0)
            lent++;
        for (unsigned i = 0; i < 3; i++)
            witness_abandon(&d, &l[--lent]);
        for (unsigned i = 0; i < 4; i++) {
            witness_send(&d, 0);
            scenario_receive_and_ack(&d, 1);
        }
        witness_send(&d, 0);
        witness_send(&d, 0);
        witness_send(&d, 0);
        for (unsigned i = 0; i < 2; i++) {
            witness_abandon(&d, &l[--lent]);
            if (i == 0)
                witness_send(&d, 0);
        }
    }
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
    } else {
        scenario_receive_and_ack(&d, 2);
    }
    sim_done();
    witness_close(&d);
}
static void setup_none(void) { scenario_create(1, 0); }
static const struct sim_program old_entry = {.name = "old-entry",
                                             .about = "a sender overwrites an entry whose tag is the same again, two lives later",
                                             PAIR(setup_none, body_old_entry),
                                             .lane_slots = 8,
                                             .tag_bits = 1};

/* A looks at an entry whose cell B sends twice more meanwhile, so that its tag is the same again; all other cells are on loan. */
static void setup_one(void) { scenario_create(1, 1); }
static void body_stale(unsigned me) {
    struct desk d;
    struct lent l;
    witness_open(&d);
    if (me == 1)
        while (witness_loan(&d, &l) == 0)
            ;
    sim_ready();
    scenario_receive_and_ack(&d, 1);
    witness_send(&d, 0);
    if (me == 1) {
        scenario_receive_and_ack(&d, 1);
        witness_send(&d, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program stale_claim = {.name = "stale-claim",
                                               .about = "an entry whose tag is the same again, two lives later",
                                               PAIR(setup_one, body_stale),
                                               .tag_bits = 1};

/* 127 failures, two steps of the eight-bit number each: the next one wraps. */
static void setup_patient(void) {
    struct rp_queue_options o = scenario_options(2);
    o.max_deliveries = 0;
    witness_create(&o, NULL);
    scenario_preload(1);
}
static void body_patient(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0)
        for (unsigned i = 0; i < 126; i++) {
            witness_receive(&d, 0);
            witness_nack(&d, 0, 0, true);
        }
    sim_ready();
    for (unsigned i = 0; i < 2; i++)
        if (witness_receive(&d, 0) == 0)
            witness_nack(&d, 0, 0, true);
    sim_done();
    witness_close(&d);
}
static const struct sim_program many_failures = {.name = "many-failures",
                                                 .about = "a message that failed 126 times, and again",
                                                 .participants = 2,
                                                 .setup = setup_patient,
                                                 .body = body_patient,
                                                 FINISH,
                                                 .budget = {.preemptions = 1, .kills = 1, .freezes = 1}};

const struct sim_program *const scenarios_wrap[] = {&wrap_lane,   &wrap_senders,    &wrap_early, &early_three, &wrap_returned,
                                                    &same_stamps, &missed_returned, &old_entry,  &stale_claim, &many_failures,
                                                    NULL};
