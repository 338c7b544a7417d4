/* SPDX-License-Identifier: MIT */
/* Keyed lanes: what becomes of a redriven letter between the CAS that makes it a new message and the slot at its lane's end. */
#include "scenario.h"

enum { ANNA = 1, BERT = 4, LENT_MAX = 32 }; /* of different lanes */

static void create(uint32_t lane_capacity) {
    struct rp_queue_options o = scenario_options(4);
    o.lanes = 2;
    o.lane_capacity = lane_capacity;
    witness_create(&o, &(struct witness_expectations){.redrives = true, .full_at = 2});
}

/* Receives one and rejects it. */
static void reject_one(struct desk *d) {
    if (witness_receive(d, 0) == 0)
        witness_reject(d, 0);
}

static void ack_one(struct desk *d) {
    if (witness_receive(d, 0) == 0)
        witness_ack(d, 0);
}

/*
 * The lane of two was full when a letter came back to it; now it has a place, and whoever sweeps inserts the letter. So both may be in the middle of
 * that with two switches.
 */
static void setup_waiting(void) {
    create(4);
    struct desk d;
    witness_open(&d);
    witness_send_in(&d, ANNA, 0);
    reject_one(&d);
    for (int i = 0; i < 4; i++)
        witness_send_in(&d, ANNA, 0);
    witness_redrive(&d);
    for (int i = 0; i < 4; i++)
        ack_one(&d);
    witness_close(&d);
}

/* One of them stops; the other one receives the letter, and another message follows it. Who comes back must not move what is held. */
static void body_move(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    witness_sweep(&d);
    if (me == 1) {
        witness_receive(&d, 0);
        witness_send_in(&d, ANNA, 0);
    } else {
        witness_receive(&d, 0);
    }
    sim_done();
    while (d.held_count > 0)
        witness_ack(&d, 0);
    witness_close(&d);
}
static const struct sim_program key_moved = {.name = "key-moved",
                                             .about = "two insert a letter that waited for a place; it is received meanwhile",
                                             PAIR(setup_waiting, body_move),
                                             .lane_slots = 4};

/* All memory but what is there is lent, so that a cell that becomes free is used again at once. */
struct lender {
    struct lent lent[LENT_MAX];
    unsigned count;
};
static void borrow_all(struct desk *d, struct lender *l) {
    l->count = 0;
    while (l->count < LENT_MAX && witness_loan(d, &l->lent[l->count]) == 0)
        l->count++;
}
static void give_back(struct desk *d, struct lender *l, unsigned count) {
    for (; count > 0 && l->count > 0; count--)
        witness_abandon(d, &l->lent[--l->count]);
}

/* One inserter stops; the other one receives the letter, and its memory carries a message of another life. */
static void body_reuse(unsigned me) {
    struct desk d;
    struct lender l = {.count = 0};
    witness_open(&d);
    if (me == 1)
        borrow_all(&d, &l);
    sim_ready();
    witness_sweep(&d);
    if (me == 1) {
        ack_one(&d);
        witness_send_in(&d, ANNA, 0);
    }
    sim_done();
    give_back(&d, &l, LENT_MAX);
    witness_close(&d);
}
static const struct sim_program key_reuse = {.name = "key-reuse",
                                             .about = "an inserter comes back when the letter's memory carries another message",
                                             PAIR(setup_waiting, body_reuse),
                                             .lane_slots = 4};

/* The same, and that message has another key and is redriven, too: it must not come into the first one's lane. */
static void setup_dead(void) {
    create(4);
    struct desk d;
    witness_open(&d);
    witness_send_in(&d, ANNA, 0);
    reject_one(&d);
    witness_close(&d);
}
static void body_lanes(unsigned me) {
    struct desk d;
    struct lender l = {.count = 0};
    witness_open(&d);
    if (me == 1)
        borrow_all(&d, &l);
    sim_ready();
    if (me == 0) {
        witness_redrive(&d);
        witness_receive(&d, 0);
        witness_receive(&d, 0);
    } else {
        witness_sweep(&d);
        ack_one(&d);
        witness_send_in(&d, BERT, 0);
        reject_one(&d);
        give_back(&d, &l, 1);
        witness_send_in(&d, BERT, 0);
        witness_redrive(&d);
    }
    sim_done();
    while (d.held_count > 0)
        witness_ack(&d, 0);
    give_back(&d, &l, LENT_MAX);
    witness_close(&d);
}
static const struct sim_program key_lanes = {.name = "key-lanes",
                                             .about = "an inserter comes back when the letter's memory is redriven in another lane",
                                             .participants = 2,
                                             .setup = setup_dead,
                                             .body = body_lanes,
                                             FINISH,
                                             .budget = {.preemptions = 2},
                                             .lane_slots = 4};

/* The lease ran out, and with it the last delivery; the one who held it still looks at the bytes when the letter is redriven, acked, and gone. */
static void setup_mortal(void) {
    struct rp_queue_options o = scenario_options(4);
    o.lanes = 2;
    o.lane_capacity = 4;
    o.max_deliveries = 1;
    witness_create(&o, &(struct witness_expectations){.redrives = true});
    struct desk d;
    witness_open(&d);
    witness_send_in(&d, ANNA, 0);
    witness_close(&d);
}
static void body_viewed(unsigned me) {
    struct desk d;
    struct lender l = {.count = 0};
    witness_open(&d);
    if (me == 0) {
        witness_receive(&d, 0);
    } else {
        borrow_all(&d, &l);
        sim_advance_ns(PAST_LEASE_NS);
    }
    sim_ready();
    if (me == 0) {
        witness_ack(&d, 0);
    } else {
        witness_sweep(&d);
        witness_redrive(&d);
        ack_one(&d);
        witness_send_in(&d, ANNA, 0);
    }
    sim_done();
    give_back(&d, &l, LENT_MAX);
    witness_close(&d);
}
static const struct sim_program key_viewed = {
    .name = "key-leave-viewed", .about = "a letter is redriven while somebody looks at it", PAIR(setup_mortal, body_viewed)};

const struct sim_program *const scenarios_leave[] = {&key_moved, &key_reuse, &key_lanes, &key_viewed, NULL};
