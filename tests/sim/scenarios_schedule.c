/* SPDX-License-Identifier: MIT */
/* Messages that wait for their time, are taken back, or outlive it. */
#include "clock.h"
#include "scenario.h"
#include "witness_log.h"

enum { FIRST = (SIM_CREATOR + 1) << 16 | 1 }; /* the tag of the first message that setup sends */

static const struct witness_expectations waiting = {.waits = true};
static const struct witness_expectations cancelling = {.waits = true, .purges = true};

static void setup_with(uint64_t delay_ns, uint64_t ttl_ns, unsigned messages, const struct witness_expectations *e) {
    struct rp_queue_options o = scenario_options(2);
    witness_create(&o, e);
    struct desk d;
    witness_open(&d);
    for (unsigned i = 0; i < messages; i++)
        witness_send_timed(&d, delay_ns, ttl_ns);
    witness_close(&d);
}

#define JUMPS_OVER_THE_TIME .jumps_ns = {300 * MS}

/* ---- delay ---- */

static void setup_one(void) { setup_with(100 * MS, 0, 1, &waiting); }

static void body_two_find(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    sim_linger();
    scenario_receive_and_ack(&d, 1);
    if (me == 0)
        witness_sweep(&d);
    sim_done();
    witness_close(&d);
}
static const struct sim_program two_find = {.name = "delay-found-twice",
                                            .about = "two find that the time of a delayed message has come",
                                            .participants = 2,
                                            .setup = setup_one,
                                            .body = body_two_find,
                                            FINISH,
                                            .budget = {.preemptions = 1, .kills = 1, .freezes = 1, .jumps = 1},
                                            JUMPS_OVER_THE_TIME};

static void setup_none(void) { setup_with(0, 0, 0, &waiting); }

static void body_send(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_send_timed(&d, 100 * MS, 0);
    } else {
        sim_linger();
        witness_sweep(&d);
        scenario_receive_and_ack(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program send = {.name = "delay-send",
                                        .about = "a delayed send against one who keeps house and receives",
                                        .participants = 2,
                                        .setup = setup_none,
                                        .body = body_send,
                                        FINISH,
                                        .budget = {.preemptions = 1, .kills = 1, .freezes = 1, .jumps = 1},
                                        JUMPS_OVER_THE_TIME};

/* A receiver sleeps; the time lies within its tick, so it must be told. */
static void body_sleeper(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_send_timed(&d, 20 * MS, 0);
    } else if (witness_receive(&d, 500 * (int64_t)MS) == 0) {
        witness_ack(&d, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program sleeper = {.name = "delay-sleeper",
                                           .about = "a receiver sleeps until the time of a message that is sent meanwhile",
                                           PAIR(setup_none, body_sleeper)};

/* The same, and another keeps house; who of the two looks after the timer is open. */
static void setup_soon(void) { setup_with(20 * MS, 0, 1, &waiting); }
static void body_keeper(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0)
        witness_keep(&d, 60 * (int64_t)MS);
    else if (witness_receive(&d, 500 * (int64_t)MS) == 0)
        witness_ack(&d, 0);
    sim_done();
    witness_close(&d);
}
static const struct sim_program keeper = {.name = "delay-keeper",
                                          .about = "a keeper and a receiver sleep until a message is due",
                                          .participants = 2,
                                          .setup = setup_soon,
                                          .body = body_keeper,
                                          FINISH,
                                          .budget = {.preemptions = 1, .kills = 1, .freezes = 1}};

/* Two of one time on the wall clock, whose sender is interrupted at any of his looks at a clock. */
static void body_at(unsigned me) {
    struct desk d;
    witness_open(&d);
    uint64_t at_ns = clock_wall_ns() + 100 * MS;
    sim_ready();
    if (me == 0) {
        witness_send_at(&d, at_ns);
        witness_send_at(&d, at_ns);
    } else if (witness_receive(&d, 500 * (int64_t)MS) == 0) {
        bool second = witness_receive(&d, 500 * (int64_t)MS) == 0;
        if (second && !sim_killed() && !sim_frozen() && d.held[0].id > d.held[1].id)
            sim_fail("messages %x and %x of one time came in the wrong order", witness_tag_of(&d.held[0]),
                     witness_tag_of(&d.held[1]));
        while (d.held_count > 0)
            witness_ack(&d, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program at_order = {.name = "at-order",
                                            .about = "two messages of one time on the wall clock, and a sender who is interrupted",
                                            .participants = 2,
                                            .setup = setup_none,
                                            .body = body_at,
                                            FINISH,
                                            .budget = {.preemptions = 1, .kills = 1, .jumps = 1},
                                            .jumps_ns = {5 * MS}};

/* What was sent before and after goes its way meanwhile; the lane has hardly more slots than there are messages. */
static void body_among(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    sim_linger();
    if (me == 0) {
        witness_send(&d, 0);
        witness_send(&d, 0);
    } else {
        scenario_receive_and_ack(&d, 1);
        scenario_receive_and_ack(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program among = {.name = "delay-among",
                                         .about = "a delayed message enters the lane among others",
                                         .participants = 2,
                                         .setup = setup_one,
                                         .body = body_among,
                                         FINISH,
                                         .budget = {.preemptions = 1, .kills = 1, .freezes = 1, .jumps = 1},
                                         JUMPS_OVER_THE_TIME,
                                         .min_slots = 2,
                                         .lane_slots = 2,
                                         .first_lap = (1 << 28) - 2};

/* ---- cancel ---- */

static void setup_to_cancel(void) { setup_with(100 * MS, 0, 1, &cancelling); }

static void body_cancel(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_cancel(&d, FIRST);
    } else {
        sim_linger();
        scenario_receive_and_ack(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program cancel_due = {.name = "cancel-due",
                                              .about = "a message is cancelled whose time comes",
                                              .participants = 2,
                                              .setup = setup_to_cancel,
                                              .body = body_cancel,
                                              FINISH,
                                              .budget = {.preemptions = 2, .kills = 1, .freezes = 1, .jumps = 1},
                                              JUMPS_OVER_THE_TIME};

static void fill(struct desk *d) {
    while (witness_send(d, 0) == 0)
        ;
}

static void fill_waiting(struct desk *d) {
    while (witness_send_timed(d, 1000 * MS, 0) == 0)
        ;
}

/* Both cancel it; the cell is at once another delayed message's. */
static void body_cancel_reuse(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1)
        fill_waiting(&d);
    sim_ready();
    int result = witness_cancel(&d, FIRST);
    if (me == 1 && result == 0) {
        witness_send_timed(&d, 1000 * MS, 0); /* the timer of the one before is still there */
        sim_linger();
        scenario_receive_and_ack(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program cancel_reuse = {.name = "cancel-reuse",
                                                .about = "two cancel a message, and its cell is another one's at once",
                                                .participants = 2,
                                                .setup = setup_to_cancel,
                                                .body = body_cancel_reuse,
                                                FINISH,
                                                .budget = {.preemptions = 2, .kills = 1, .freezes = 1, .jumps = 1},
                                                JUMPS_OVER_THE_TIME};

static void setup_ready(void) { setup_with(0, 0, 1, &cancelling); }

/* The message is ready; another receives it, and its cell is used again. */
static void body_cancel_ready(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1)
        fill(&d);
    sim_ready();
    if (me == 0) {
        witness_cancel(&d, FIRST);
    } else {
        scenario_receive_and_ack(&d, 1);
        witness_send(&d, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program cancel_ready = {.name = "cancel-ready",
                                                .about = "a ready message is cancelled, received, and its cell used again",
                                                PAIR(setup_ready, body_cancel_ready)};

/* ---- time to live ---- */

static void setup_mortal(void) { setup_with(0, 100 * MS, 1, &waiting); }

/* Both have just kept house, so nobody walks the cells; one takes the timer out, the other comes to the message first. */
static void body_expiry_claim(unsigned me) {
    struct desk d;
    witness_open(&d);
    witness_receive(&d, 0);
    if (me == 1)
        witness_send_timed(&d, 0, 20 * MS);
    sim_ready();
    sim_linger();
    scenario_receive_and_ack(&d, 1);
    sim_done();
    witness_close(&d);
}
static const struct sim_program expiry_claim = {.name = "expiry-claim",
                                                .about = "a message's time ends while it is received",
                                                .participants = 2,
                                                .setup = setup_none,
                                                .body = body_expiry_claim,
                                                FINISH,
                                                .budget = {.preemptions = 2, .kills = 1, .freezes = 1, .jumps = 1},
                                                .jumps_ns = {30 * MS}};

static void body_expiry_held(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0)
        witness_receive(&d, 0);
    sim_ready();
    sim_linger();
    if (me == 0) {
        witness_nack(&d, 0, 0, true);
        scenario_receive_and_ack(&d, 1);
    } else {
        witness_sweep(&d);
        scenario_receive_and_ack(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program expiry_held = {.name = "expiry-held",
                                               .about = "a message's time ends while somebody holds it, and fails",
                                               .participants = 2,
                                               .setup = setup_mortal,
                                               .body = body_expiry_held,
                                               FINISH,
                                               .budget = {.preemptions = 1, .kills = 1, .freezes = 1, .jumps = 1},
                                               JUMPS_OVER_THE_TIME};

/* A sweeper finds the time over and sleeps; the message is buried and dropped, and its cell holds one that lives for ever. */
static void setup_mortal_alone(void) {
    struct rp_queue_options o = scenario_options(2);
    o.expired = RP_EXPIRED_DROP;
    witness_create(&o, &(struct witness_expectations){.waits = true, .purges = true, .expires = 1});
    struct desk d;
    witness_open(&d);
    witness_send_timed(&d, 0, 100 * MS);
    witness_close(&d);
}
static void body_expiry_reuse(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1) {
        fill(&d);
        sim_advance_ns(200 * MS);
    }
    sim_ready();
    witness_sweep(&d);
    if (me == 1)
        witness_send(&d, 0);
    sim_done();
    witness_close(&d);
}
static const struct sim_program expiry_reuse = {.name = "expiry-reuse",
                                                .about = "a message expires, and its cell is another one's at once",
                                                PAIR(setup_mortal_alone, body_expiry_reuse)};

/*
 * A message with little time is refused, because its lane is full, just when a sweeper finds its time over; its cell then carries one that lives for ever, with the same
 * generation, for what was refused was never published.
 */
static void setup_full_key(struct witness_expectations e) {
    struct rp_queue_options o = scenario_options(2);
    o.expired = RP_EXPIRED_DROP;
    o.lanes = 1;
    o.lane_capacity = 2;
    witness_create(&o, &e);
    scenario_preload(2);
}
static void setup_expiry_refused(void) { setup_full_key((struct witness_expectations){.waits = true, .full_at = 2}); }
static void body_expiry_refused(unsigned me) {
    struct desk d;
    struct lent l[64];
    unsigned lent = 0;
    witness_open(&d);
    if (me == 1) {
        witness_receive(&d, 0);
        while (lent < 64 && witness_loan(&d, &l[lent]) == 0)
            lent++;
        witness_abandon(&d, &l[--lent]);
    }
    sim_ready();
    if (me == 1) {
        witness_send_timed(&d, 0, 100 * MS);
        witness_ack(&d, 0);
        witness_send(&d, 0);
    } else {
        witness_sweep(&d);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program expiry_refused = {.name = "expiry-refused",
                                                  .about = "a message is refused when its time is over, its cell is another one's",
                                                  .participants = 2,
                                                  .setup = setup_expiry_refused,
                                                  .body = body_expiry_refused,
                                                  FINISH,
                                                  .budget = {.preemptions = 2, .kills = 1, .freezes = 1, .jumps = 1},
                                                  JUMPS_OVER_THE_TIME,
                                                  .min_slots = 2,
                                                  .lane_slots = 2};

/* The same with a cancel of the message that is refused; its id is known before. */
static void setup_cancel_refused(void) {
    setup_full_key((struct witness_expectations){.waits = true, .purges = true, .full_at = 2});
}
enum { REFUSED = 2 << 16 | 16 }; /* the last that is lent */
static void body_cancel_refused(unsigned me) {
    struct desk d;
    struct lent l[64];
    unsigned lent = 0;
    witness_open(&d);
    if (me == 1) {
        witness_receive(&d, 0);
        while (lent < 64 && witness_loan(&d, &l[lent]) == 0)
            lent++;
        if (l[--lent].tag != REFUSED)
            sim_fail("message %x is another one than the scenario thinks", l[lent].tag);
    }
    sim_ready();
    if (me == 1) {
        if (witness_commit(&d, &l[lent]) == RP_FULL)
            witness_abandon(&d, &l[lent]);
        witness_ack(&d, 0);
        witness_send(&d, 0);
    } else {
        witness_cancel(&d, REFUSED);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program cancel_refused = {.name = "cancel-refused",
                                                  .about = "a message is refused when it is cancelled, its cell is another one's",
                                                  .participants = 2,
                                                  .setup = setup_cancel_refused,
                                                  .body = body_cancel_refused,
                                                  FINISH,
                                                  .budget = {.preemptions = 2, .kills = 1, .freezes = 1},
                                                  .min_slots = 2,
                                                  .lane_slots = 2};

/* Two redrive what expired; for one of them it lives for ever from then on. Before the other one says so the memory is a mortal message's again. */
static void setup_expired(void) {
    setup_with(0, 100 * MS, 1, &(struct witness_expectations){.waits = true, .redrives = true});
    struct desk d;
    witness_open(&d);
    sim_advance_ns(200 * MS);
    witness_sweep(&d);
    struct rp_dead_letter letter;
    unsigned char data[64];
    witness_must(rp_dead_peek(d.queue, NULL, 0, &letter, data, sizeof data), "rp_dead_peek");
    witness_died(0, data, letter.bytes);
    witness_close(&d);
}
static void body_lift(unsigned me) {
    struct desk d;
    struct lent any;
    witness_open(&d);
    if (me == 1)
        while (witness_loan(&d, &any) == 0)
            ;
    sim_ready();
    witness_redrive(&d);
    if (me == 1) {
        scenario_receive_and_ack(&d, 1);
        witness_send_timed(&d, 0, 100 * MS);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program expiry_lift = {.name = "expiry-lift",
                                               .about = "two redrive an expired letter, and its memory is used again",
                                               .participants = 2,
                                               .setup = setup_expired,
                                               .body = body_lift,
                                               FINISH,
                                               .budget = {.preemptions = 2, .kills = 1}};

const struct sim_program *const scenarios_schedule[] = {
    &two_find,     &send,         &sleeper,     &keeper,       &at_order,       &among,          &cancel_due,  &cancel_reuse,
    &cancel_ready, &expiry_claim, &expiry_held, &expiry_reuse, &expiry_refused, &cancel_refused, &expiry_lift, NULL};
