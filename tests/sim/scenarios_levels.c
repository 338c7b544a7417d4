/* SPDX-License-Identifier: MIT */
/* Priorities. */
#include "scenario.h"

#include "handle.h"

enum { LOW = 0, HIGH = 1 };

static void create(unsigned low, unsigned high) {
    struct rp_queue_options o = scenario_options(4);
    o.priorities = 2;
    witness_create(&o, NULL);
    struct desk d;
    witness_open(&d);
    for (unsigned i = 0; i < low; i++)
        witness_send_in(&d, LOW, 0);
    for (unsigned i = 0; i < high; i++)
        witness_send_in(&d, HIGH, 0);
    witness_close(&d);
}
static void setup_low(void) { create(1, 0); }
static void setup_both(void) { create(1, 1); }

static void body_send_receive(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_send_in(&d, HIGH, 0);
        witness_send_in(&d, LOW, 0);
    } else {
        scenario_receive_and_ack(&d, 3);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program level_send_receive = {
    .name = "level-send-receive", .about = "two levels against a receiver", PAIR(setup_low, body_send_receive)};

static void body_nack(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0)
        witness_receive(&d, 0);
    sim_ready();
    if (me == 0)
        witness_nack(&d, 0, 0, true);
    scenario_receive_and_ack(&d, 2);
    sim_done();
    witness_close(&d);
}
static const struct sim_program level_nack = {
    .name = "level-nack", .about = "a redelivery stays in its level", PAIR(setup_both, body_nack)};

/* Lanes of two slots: a message of each level is in the way of the next but one. */
static void body_way(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_send_in(&d, LOW, 0);
        witness_send_in(&d, LOW, 0);
    } else {
        scenario_receive_and_ack(&d, 3);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program level_way = {.name = "level-way",
                                             .about = "an old message is moved to the early ring of its level",
                                             PAIR(setup_both, body_way),
                                             .lane_slots = 2};

/* An old message of the lowest level, and as many of the highest as receives may come before it. */
enum { THE_OLD_ONE = (SIM_CREATOR + 1) << 16 | 1, TURNS = 8 };

static void setup_aged(void) {
    struct rp_queue_options o = scenario_options(TURNS + 4);
    o.priorities = 2;
    o.ageing_ns = 1000 * MS;
    witness_create(&o, &(struct witness_expectations){.ages = true});
    struct desk d;
    witness_open(&d);
    witness_send_in(&d, LOW, 0);
    for (unsigned i = 0; i < TURNS; i++)
        witness_send_in(&d, HIGH, 0);
    const struct segment *s = &d.queue->segment;
    for (uint32_t c = 0; c < cells_in_play(s); c++)
        segment_cell(s, c)->sent_wall_ns = 1; /* long ago, whatever the clock says */
    witness_close(&d);
}
static void body_aged(unsigned me) {
    struct desk d;
    bool met = false;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_send_in(&d, HIGH, 0);
        witness_send_in(&d, LOW, 0);
    } else {
        for (unsigned i = 0; i < TURNS; i++) {
            if (witness_receive(&d, 0) != 0)
                continue;
            met = met || d.held[0].reserved[3] == THE_OLD_ONE;
            witness_ack(&d, 0);
        }
        if (!met && !sim_frozen())
            sim_fail("the old message was not among %d", (int)TURNS);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program level_aged = {.name = "level-aged",
                                              .about = "an old message of the lowest level has its turn",
                                              .participants = 2,
                                              .setup = setup_aged,
                                              .body = body_aged,
                                              FINISH,
                                              .budget = {.preemptions = 1, .kills = 1, .freezes = 1}};

/* Two come to it in their turn; who does not get it takes the next of the others, and one of them fails. */
static void body_aged_both(unsigned me) {
    struct desk d;
    witness_open(&d);
    scenario_receive_and_ack(&d, me == 0 ? 2 : 6);
    sim_ready();
    if (me == 1 && witness_receive(&d, 0) == 0)
        witness_nack(&d, 0, 0, true);
    scenario_receive_and_ack(&d, 1);
    sim_done();
    witness_close(&d);
}
static const struct sim_program level_aged_both = {
    .name = "level-aged-both", .about = "two want the old message of the lowest level", PAIR(setup_aged, body_aged_both)};

const struct sim_program *const scenarios_levels[] = {&level_send_receive, &level_nack,      &level_way,
                                                      &level_aged,         &level_aged_both, NULL};
