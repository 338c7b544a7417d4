/* SPDX-License-Identifier: MIT */
/* Who dies, who mends, who takes the seat. */
#include "scenario.h"

static void setup_empty(void) { scenario_create(2, 0); }
static void setup_one(void) { scenario_create(2, 1); }

static void body_sender(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
    } else {
        witness_sweep(&d);
        scenario_receive_and_ack(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program dead_sender = {
    .name = "dead-sender", .about = "a sender that dies anywhere, and its recoverer", PAIR(setup_empty, body_sender)};

static void body_holder(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        scenario_receive_and_ack(&d, 1);
    } else {
        witness_sweep(&d);
        scenario_receive_and_ack(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program dead_holder = {
    .name = "dead-holder", .about = "a receiver that dies anywhere, and its recoverer", PAIR(setup_one, body_holder)};

/* The creator leaves one message that it holds, one that is ready, one on loan, and dies. */
static void setup_left(void) {
    struct rp_queue_options o = scenario_options(4);
    witness_create(&o, NULL);
    struct desk d;
    struct lent l;
    witness_open(&d);
    witness_send(&d, 0);
    witness_send(&d, 0);
    witness_receive(&d, 0);
    witness_loan(&d, &l);
}
static void body_recover(unsigned me) {
    (void)me;
    struct desk d;
    witness_open(&d);
    sim_ready();
    witness_sweep(&d);
    scenario_receive_and_ack(&d, 1);
    sim_done();
    witness_close(&d);
}
static const struct sim_program recoverers = {
    .name = "recoverers", .about = "two recover the same dead, one of them may die too", PAIR(setup_left, body_recover)};

/* C dies in the middle of a send, A and B recover. */
static void body_recover_sender(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 2)
        witness_send(&d, 0);
    else
        witness_sweep(&d);
    sim_done();
    witness_close(&d);
}
static const struct sim_program recoverers_sender = {.name = "recoverers-sender",
                                                     .about = "two recover a sender that dies anywhere",
                                                     .participants = 3,
                                                     .setup = setup_empty,
                                                     .body = body_recover_sender,
                                                     FINISH,
                                                     .budget = {.preemptions = 2, .kills = 1},
                                                     .killable = 4,
                                                     .share = 2};

static void body_recover_holder(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 2)
        scenario_receive_and_ack(&d, 1);
    else
        witness_sweep(&d);
    sim_done();
    witness_close(&d);
}
static const struct sim_program recoverers_holder = {.name = "recoverers-holder",
                                                     .about = "two recover a receiver that dies anywhere",
                                                     .participants = 3,
                                                     .setup = setup_one,
                                                     .body = body_recover_holder,
                                                     FINISH,
                                                     .budget = {.preemptions = 2, .kills = 1},
                                                     .killable = 4,
                                                     .share = 2};

/*
 * A has a cell on loan, and looks at a message that C holds by now; A dies. B and C recover it, and what is freed C uses again at once: all other cells are on
 * loan.
 */
static void body_recover_reuse(unsigned me) {
    struct desk d;
    struct lent l;
    witness_open(&d);
    if (me == 0) {
        witness_receive(&d, 0);
        witness_loan(&d, &l);
        sim_advance_ns(PAST_LEASE_NS);
    } else if (me == 2) {
        witness_sweep(&d);
        witness_receive(&d, 0);
        while (witness_loan(&d, &l) == 0)
            ;
    }
    sim_ready();
    if (me != 0)
        witness_sweep(&d);
    if (me == 2) {
        witness_send(&d, 0);
        if (d.held_count)
            witness_ack(&d, 0);
        witness_send(&d, 0);
        scenario_receive_and_ack(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program recoverers_reuse = {.name = "recoverers-reuse",
                                                    .about = "two recover the same dead, one uses what was freed at once",
                                                    .participants = 3,
                                                    .setup = setup_one,
                                                    .body = body_recover_reuse,
                                                    FINISH,
                                                    .budget = {.preemptions = 2, .kills = 1},
                                                    .killable = 1,
                                                    .share = 2};

/* One seat is dirty; a newcomer takes a seat while another sweeps. */
static void setup_seats(uint32_t seats) {
    struct rp_queue_options o = scenario_options(1);
    o.max_participants = seats;
    witness_create(&o, NULL);
    struct desk d;
    witness_open(&d);
    witness_send(&d, 0);
    witness_receive(&d, 0);
}
static void setup_three_seats(void) { setup_seats(3); }
static void setup_two_seats(void) { setup_seats(2); }

static void body_attach_sweep(unsigned me) {
    struct desk d = {0};
    if (me == 1)
        witness_open(&d);
    sim_ready();
    if (me == 1) {
        witness_sweep(&d);
    } else if (witness_attach(&d) == 0) {
        witness_consumer(&d);
        scenario_receive_and_ack(&d, 1);
        witness_close(&d);
        d.queue = NULL;
    }
    sim_done();
    if (d.queue)
        witness_close(&d);
}
static const struct sim_program attach_sweep = {
    .name = "attach-sweep", .about = "a newcomer, a sweep, a dirty seat", PAIR(setup_three_seats, body_attach_sweep), .share = 2};

/* B and C recover the dead one, A takes his seat: nobody may clear away what is A's. */
static void body_attach_sweeps(unsigned me) {
    struct desk d = {0};
    if (me != 0)
        witness_open(&d);
    sim_ready();
    if (me != 0) {
        witness_sweep(&d);
    } else if (witness_attach(&d) == 0) {
        witness_consumer(&d);
        witness_receive(&d, 0);
        if (d.held_count && witness_ack(&d, 0) != 0)
            sim_fail("a newcomer lost a lease that had just begun");
        witness_close(&d);
        d.queue = NULL;
    }
    sim_done();
    if (d.queue)
        witness_close(&d);
}
static const struct sim_program attach_sweeps = {.name = "attach-sweeps",
                                                 .about = "a newcomer takes the seat that two recover",
                                                 .participants = 3,
                                                 .setup = setup_three_seats,
                                                 .body = body_attach_sweeps,
                                                 FINISH,
                                                 .budget = {.preemptions = 2},
                                                 .share = 2};

/* The sender is dead, his message is held, and its entry in the lane was overwritten: it is committed all the same. */
static void setup_overwritten(void) {
    struct rp_queue_options o = scenario_options(2);
    witness_create(&o, NULL);
    struct desk d;
    witness_open(&d);
    witness_send(&d, 0);
}
static void body_overwritten(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0) {
        witness_receive(&d, 0);
        for (unsigned i = 0; i < 8; i++) {
            witness_send(&d, 0);
            witness_receive(&d, 0);
            witness_ack(&d, 1);
        }
    }
    sim_ready();
    if (me == 0) {
        witness_ack(&d, 0);
    } else {
        witness_sweep(&d);
        witness_send(&d, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program overwritten = {.name = "overwritten",
                                               .about = "a dead sender's message is held, its slot has been used again",
                                               PAIR(setup_overwritten, body_overwritten),
                                               .lane_slots = 8};

/* Two newcomers want the first seat; one of them may die in it, with the message. */
static void setup_newcomers(void) {
    struct rp_queue_options o = scenario_options(1);
    o.max_participants = 2;
    witness_create(&o, &(struct witness_expectations){.settle_ns = MS}); /* what the dead held does not wait for its lease */
    scenario_preload(1);
}
static void body_attach_receive(unsigned me) {
    (void)me;
    struct desk d = {0};
    sim_ready();
    if (witness_attach(&d) == 0) {
        witness_consumer(&d);
        scenario_receive_and_ack(&d, 1);
        witness_close(&d);
    }
    sim_done();
}
static const struct sim_program attach_receive = {.name = "attach-receive",
                                                  .about = "two newcomers, one of them may die with the message",
                                                  .participants = 2,
                                                  .setup = setup_newcomers,
                                                  .body = body_attach_receive,
                                                  FINISH,
                                                  .budget = {.preemptions = 2, .kills = 1},
                                                  .share = 2};

/* While A holds a message of its queue, the name is given to another queue, in which nobody has a seat: that says nothing about A. */
static void setup_remade(void) {
    struct rp_queue_options o = scenario_options(1);
    witness_create(&o, NULL);
    scenario_preload(1);
    rp_queue *q;
    if (rp_queue_create("next", &o, &q) != 0 || rp_queue_close(q) != 0)
        sim_fail("the second queue: %s", rp_error_detail());
}
static void body_remade(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0)
        witness_receive(&d, 0);
    sim_ready();
    if (me == 0) {
        sim_linger();
        if (witness_ack(&d, 0) != 0)
            sim_fail("a message was taken from one who lives");
    } else if (me == 1) {
        sim_call("rp_queue_sweep");
        sim_return(rp_queue_sweep(d.queue) >= 0);
    } else {
        rp_queue_unlink("sim");
        sim_rename("next", "sim");
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program remade = {.name = "remade",
                                          .about = "the queue's name is removed, and given to another",
                                          .participants = 3,
                                          .setup = setup_remade,
                                          .body = body_remade,
                                          .budget = {.preemptions = 2},
                                          .renames = true};

static void body_attach_attach(unsigned me) {
    (void)me;
    struct desk d = {0};
    sim_ready();
    if (witness_attach(&d) == 0)
        witness_close(&d);
    sim_done();
}
static const struct sim_program attach_attach = {.name = "attach-attach",
                                                 .about = "two newcomers, two seats, one of them dirty",
                                                 .participants = 2,
                                                 .setup = setup_two_seats,
                                                 .body = body_attach_attach,
                                                 FINISH,
                                                 .budget = {.preemptions = 2, .kills = 1},
                                                 .share = 2};

const struct sim_program *const scenarios_death[] = {
    &dead_sender,  &dead_holder,   &recoverers,  &recoverers_sender, &recoverers_reuse, &recoverers_holder,
    &attach_sweep, &attach_sweeps, &overwritten, &attach_attach,     &attach_receive,   &remade,
    NULL};
