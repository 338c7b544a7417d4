/* SPDX-License-Identifier: MIT */
/* Pause, resume and drain against everything that they are meant to stop. */
#include "scenario.h"

#include <errno.h>
#include <ringpost/group.h>
#include <string.h>

enum { G1 = 1, G2 = 2 };

/* Who was stopped finds the queue as it was left: paused. */
static void still(void) {}
#define QUIETLY(make, does)                                                                     \
    .participants = 2, .setup = make, .body = does, .interim = still, .finish = witness_finish, \
    .budget = {.preemptions = 2, .kills = 1, .freezes = 1}

static void create(unsigned messages, bool redrives) {
    struct rp_queue_options o = scenario_options(2);
    o.max_participants = 3;
    witness_create(&o, &(struct witness_expectations){.pauses = true, .redrives = redrives});
    scenario_preload(messages);
}
static void setup_empty(void) { create(0, false); }
static void setup_one(void) { create(1, false); }
static void setup_dead(void) {
    create(1, true);
    struct desk d;
    witness_open(&d);
    witness_receive(&d, 0);
    witness_reject(&d, 0);
    witness_close(&d);
}

/* What the drainer may receive after it said "nothing left" proves it wrong. */
static void drain_and_look(struct desk *d) {
    if (witness_drain(d, 0) == 0)
        scenario_receive_and_ack(d, 1);
}

static void body_send(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0)
        drain_and_look(&d);
    else
        witness_send(&d, 0);
    sim_done();
    witness_close(&d);
}
static const struct sim_program drain_send = {
    .name = "drain-send", .about = "a sender takes a cell while another drains", QUIETLY(setup_empty, body_send)};

/* The cell that the sender gave back to the pool, or was seen free, is another message's soon. */
static void body_sends(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        drain_and_look(&d);
    } else {
        witness_send(&d, 0);
        scenario_receive_and_ack(&d, 1);
        witness_send(&d, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program drain_sends = {
    .name = "drain-sends", .about = "memory is used again while another drains", QUIETLY(setup_empty, body_sends)};

static void body_loan(unsigned me) {
    struct desk d;
    struct lent l;
    witness_open(&d);
    sim_ready();
    if (me == 0)
        drain_and_look(&d);
    else if (witness_loan(&d, &l) == 0)
        witness_commit(&d, &l);
    sim_done();
    witness_close(&d);
}
static const struct sim_program drain_loan = {
    .name = "drain-loan", .about = "a loan is taken and committed while another drains", QUIETLY(setup_empty, body_loan)};

/* A message that goes from hand to hand is somewhere at every moment. */
static void body_redelivery(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        drain_and_look(&d);
    } else if (witness_receive(&d, 0) == 0) {
        witness_nack(&d, 0, 0, true);
        scenario_receive_and_ack(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program drain_redelivery = {.name = "drain-redelivery",
                                                    .about = "a message is given back and received again while another drains",
                                                    QUIETLY(setup_one, body_redelivery)};

/* The drainer waits for the last ack, or for what recovery makes of its death. */
static void body_wait(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0)
        witness_drain(&d, 500 * (int64_t)MS);
    else
        scenario_receive_and_ack(&d, 1);
    sim_done();
    witness_close(&d);
}
static const struct sim_program drain_wait = {
    .name = "drain-wait", .about = "a drainer waits for the last ack", QUIETLY(setup_one, body_wait)};

static void body_redrive(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0)
        drain_and_look(&d);
    else
        witness_redrive(&d);
    sim_done();
    witness_close(&d);
}
static const struct sim_program drain_redrive = {
    .name = "drain-redrive", .about = "a letter is redriven while another drains", QUIETLY(setup_dead, body_redrive)};

/*
 * The drainer waits for the message that B holds. B resumes, sends into memory that the drainer has seen free, pauses again, and only then acks: so when the drainer says that
 * nothing is left, the new message must be gone, too.
 */
static void body_resume(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1) {
        witness_receive(&d, 0);
        witness_send(&d, 0); /* its memory comes last in turn; the next is below that of the first message */
        witness_receive(&d, 0);
        witness_ack(&d, 1);
    }
    sim_ready();
    if (me == 0) {
        if (witness_drain(&d, 200 * (int64_t)MS) == 0)
            scenario_receive_and_ack(&d, 1);
    } else {
        witness_resume(&d, RP_SIDE_SEND);
        witness_send(&d, 0);
        witness_pause(&d, RP_SIDE_SEND);
        witness_ack(&d, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program drain_resume = {
    .name = "drain-resume", .about = "somebody resumes, sends and pauses while another drains", QUIETLY(setup_one, body_resume)};

static void body_two(unsigned me) {
    struct desk d;
    (void)me;
    witness_open(&d);
    sim_ready();
    drain_and_look(&d);
    witness_resume(&d, RP_SIDE_SEND);
    witness_send(&d, 0);
    sim_done();
    witness_close(&d);
}
static const struct sim_program drain_drain = {
    .name = "drain-drain", .about = "two drain, resume and send", QUIETLY(setup_empty, body_two)};

static void setup_paused(unsigned messages, unsigned sides) {
    create(messages, false);
    struct desk d;
    witness_open(&d);
    witness_pause(&d, sides);
    witness_close(&d);
}
static void setup_send_paused(void) { setup_paused(0, RP_SIDE_SEND); }
static void setup_receive_paused(void) { setup_paused(1, RP_SIDE_RECEIVE); }

static void body_resume_send(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0)
        witness_resume(&d, RP_SIDE_SEND);
    else
        witness_send(&d, 500 * (int64_t)MS);
    sim_done();
    witness_close(&d);
}
static const struct sim_program resume_send = {.name = "resume-send",
                                               .about = "a sender sleeps until sending is resumed",
                                               QUIETLY(setup_send_paused, body_resume_send),
                                               .strict_wakes = true};

static void body_resume_receive(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0)
        witness_resume(&d, RP_SIDE_RECEIVE);
    else if (witness_receive(&d, 500 * (int64_t)MS) == 0)
        witness_ack(&d, 0);
    sim_done();
    witness_close(&d);
}
static const struct sim_program resume_receive = {.name = "resume-receive",
                                                  .about = "a receiver sleeps until receiving is resumed",
                                                  QUIETLY(setup_receive_paused, body_resume_receive),
                                                  .strict_wakes = true};

static void body_pause(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_pause(&d, RP_SIDE_SEND | RP_SIDE_RECEIVE);
        witness_send(&d, 0);
        witness_receive(&d, 0);
        witness_resume(&d, RP_SIDE_SEND);
    } else {
        witness_send(&d, 0);
        scenario_receive_and_ack(&d, 2);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program pause_both = {
    .name = "pause-both", .about = "both sides are paused while another sends and receives", QUIETLY(setup_one, body_pause)};

/* The pause is meant for "g1"; "g2", on the same place, must never have it. */
static void setup_group(void) {
    struct rp_queue_options o = scenario_options(2);
    o.max_groups = 2;
    o.max_participants = 3;
    witness_create(&o, &(struct witness_expectations){.pauses = true, .groups = true});
    struct desk d;
    witness_open(&d);
    witness_group_create(&d, G1);
    witness_close(&d);
}
static void body_group(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_group_pause(&d, G1);
    } else {
        witness_group_remove(&d, G1);
        witness_group_create(&d, G2);
    }
    sim_done();
    witness_close(&d);
}
static void finish_group(void) {
    struct desk d;
    struct rp_group_info info;
    witness_attach(&d);
    for (uint32_t i = 0; rp_group_next(d.queue, i, &info) == 0; i = info.index + 1)
        if (info.paused && strcmp(info.name, "g2") == 0)
            sim_fail("a pause of g1 became one of g2");
    witness_close(&d);
    witness_finish();
}
static const struct sim_program pause_replace = {.name = "pause-replace",
                                                 .about = "a group is paused while it is replaced",
                                                 .participants = 2,
                                                 .setup = setup_group,
                                                 .body = body_group,
                                                 .interim = still,
                                                 .finish = finish_group,
                                                 .budget = {.preemptions = 2, .kills = 1, .freezes = 1}};

/* "g2" comes to the place of "g1", which is paused, while another pauses "g2": if he is told that it is, it is. */
static int told;
static void setup_paused_group(void) {
    setup_group();
    struct desk d;
    witness_open(&d);
    witness_group_pause(&d, G1);
    witness_close(&d);
    told = -ENOENT;
    sim_keep(&told, sizeof told);
}
static void body_next_group(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        __atomic_store_n(&told, witness_group_pause(&d, G2), __ATOMIC_SEQ_CST);
    } else {
        witness_group_remove(&d, G1);
        witness_group_create(&d, G2);
    }
    sim_done();
    witness_close(&d);
}
static void finish_next_group(void) {
    struct desk d;
    struct rp_group_info info;
    witness_attach(&d);
    for (uint32_t i = 0; rp_group_next(d.queue, i, &info) == 0; i = info.index + 1)
        if (strcmp(info.name, "g2") == 0 && !info.paused && told == 0)
            sim_fail("g2 was said to be paused, and is not");
    witness_close(&d);
    witness_finish();
}
static const struct sim_program pause_next = {.name = "pause-next",
                                              .about = "a group is paused while it comes to the place of one that is",
                                              .participants = 2,
                                              .setup = setup_paused_group,
                                              .body = body_next_group,
                                              .interim = still,
                                              .finish = finish_next_group,
                                              .budget = {.preemptions = 2, .kills = 1, .freezes = 1}};

const struct sim_program *const scenarios_flow[] = {
    &drain_send,  &drain_sends, &drain_loan,     &drain_redelivery, &drain_wait,    &drain_redrive, &drain_resume,
    &drain_drain, &resume_send, &resume_receive, &pause_both,       &pause_replace, &pause_next,    NULL};
