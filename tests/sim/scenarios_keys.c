/* SPDX-License-Identifier: MIT */
/* Keyed lanes: who may take what while somebody holds the lane, and who lets the next one forward. */
#include "scenario.h"

enum { ANNA = 1, BERT = 4 }; /* of different lanes */

/* `messages` of one key, with two lanes. */
static void create(struct witness_expectations e, unsigned messages) {
    struct rp_queue_options o = scenario_options(4);
    o.lanes = 2;
    o.lane_capacity = 4;
    witness_create(&o, &e);
    struct desk d;
    witness_open(&d);
    for (unsigned i = 0; i < messages; i++)
        witness_send_in(&d, ANNA, 0);
    witness_close(&d);
}
static void setup_empty(void) { create((struct witness_expectations){0}, 0); }
static void setup_one(void) { create((struct witness_expectations){0}, 1); }
static void setup_two(void) { create((struct witness_expectations){0}, 2); }
static void setup_tight(void) { create((struct witness_expectations){.full_at = 2}, 2); }
static void setup_redrives(void) { create((struct witness_expectations){.redrives = true}, 2); }
static void setup_purges(void) { create((struct witness_expectations){.purges = true}, 2); }

static void body_send_receive(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_send_in(&d, ANNA, 0);
        witness_send_in(&d, ANNA, 0);
    } else {
        scenario_receive_and_ack(&d, 2);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program key_send_receive = {
    .name = "key-send-receive", .about = "two messages of one key against a receiver", PAIR(setup_empty, body_send_receive)};

static void body_receive_receive(unsigned me) {
    (void)me;
    struct desk d;
    witness_open(&d);
    sim_ready();
    scenario_receive_and_ack(&d, 2);
    sim_done();
    witness_close(&d);
}
static const struct sim_program key_receive_receive = {
    .name = "key-receive-receive", .about = "two receivers, two messages of one key", PAIR(setup_two, body_receive_receive)};

static void body_nack(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0)
        witness_receive(&d, 0);
    sim_ready();
    if (me == 0)
        witness_nack(&d, 0, 0, true);
    scenario_receive_and_ack(&d, me == 0 ? 1 : 2);
    sim_done();
    witness_close(&d);
}
static const struct sim_program key_nack = {
    .name = "key-nack", .about = "a failed message keeps its place", PAIR(setup_two, body_nack)};

static void body_backoff(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0)
        witness_receive(&d, 0);
    sim_ready();
    if (me == 0)
        witness_nack(&d, 0, 10 * (int64_t)MS, true);
    else
        scenario_receive_and_ack(&d, 2);
    sim_done();
    witness_close(&d);
}
static const struct sim_program key_backoff = {
    .name = "key-backoff", .about = "a failed message that waits holds its lane", PAIR(setup_two, body_backoff)};

static void body_lease(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0)
        witness_receive(&d, 0);
    sim_ready();
    if (me == 0) {
        witness_ack(&d, 0);
    } else {
        sim_advance_ns(PAST_LEASE_NS);
        witness_sweep(&d);
        scenario_receive_and_ack(&d, 2);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program key_lease = {
    .name = "key-lease", .about = "a lease that runs out against its ack; two messages of one key", PAIR(setup_two, body_lease)};

/* The lane is held; whoever lets go of it wakes the one who sleeps. */
static void body_sleep(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0)
        witness_receive(&d, 0);
    sim_ready();
    if (me == 0)
        witness_ack(&d, 0);
    else if (witness_receive(&d, (int64_t)(400 * MS)) == 0)
        witness_ack(&d, 0);
    sim_done();
    witness_close(&d);
}
static const struct sim_program key_sleep = {.name = "key-sleep",
                                             .about = "an ack lets the next message forward, to one who sleeps",
                                             PAIR(setup_two, body_sleep),
                                             .strict_wakes = true};

static void body_nack_sleep(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0)
        witness_receive(&d, 0);
    sim_ready();
    if (me == 0)
        witness_nack(&d, 0, 0, true);
    else if (witness_receive(&d, (int64_t)(400 * MS)) == 0)
        witness_ack(&d, 0);
    sim_done();
    witness_close(&d);
}
static const struct sim_program key_nack_sleep = {.name = "key-nack-sleep",
                                                  .about = "a message that comes back in its place, to one who sleeps",
                                                  PAIR(setup_one, body_nack_sleep),
                                                  .strict_wakes = true};

/* A lane of two slots is full; the ack makes a place for him who sleeps for it. */
static void body_full(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0)
        witness_receive(&d, 0);
    sim_ready();
    if (me == 0)
        witness_ack(&d, 0);
    else
        witness_send_in(&d, ANNA, (int64_t)(400 * MS));
    sim_done();
    witness_close(&d);
}
static const struct sim_program key_full = {.name = "key-full",
                                            .about = "a sender sleeps for a place in its lane",
                                            PAIR(setup_tight, body_full),
                                            .lane_slots = 2,
                                            .strict_wakes = true};

static void body_reject(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0)
        witness_receive(&d, 0);
    sim_ready();
    if (me == 0) {
        witness_reject(&d, 0);
        witness_redrive(&d);
    } else {
        scenario_receive_and_ack(&d, 2);
        witness_send_in(&d, ANNA, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program key_reject = {.name = "key-reject",
                                              .about =
                                                  "a letter dies and is redriven to its lane's end, against a receiver and sender",
                                              PAIR(setup_redrives, body_reject)};

static void body_redrive(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0) {
        witness_receive(&d, 0);
        witness_reject(&d, 0);
    }
    sim_ready();
    if (me == 0) {
        witness_redrive(&d);
        scenario_receive_and_ack(&d, 1);
    } else {
        witness_sweep(&d);
        witness_send_in(&d, ANNA, 0);
        scenario_receive_and_ack(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program key_redrive = {
    .name = "key-redrive", .about = "a redrive against a sweep that goes on with it", PAIR(setup_redrives, body_redrive)};

static void body_redrive_purge(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0) {
        witness_receive(&d, 0);
        witness_reject(&d, 0);
    }
    sim_ready();
    if (me == 0)
        witness_redrive(&d);
    else
        witness_purge(&d, RP_STATE_READY);
    sim_done();
    witness_close(&d);
}
static void setup_redrive_purge(void) { create((struct witness_expectations){.redrives = true, .purges = true}, 1); }
static const struct sim_program key_redrive_purge = {.name = "key-redrive-purge",
                                                     .about = "a redrive against a purge of what is ready",
                                                     PAIR(setup_redrive_purge, body_redrive_purge)};

static void body_purge(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0)
        witness_purge(&d, RP_STATE_READY);
    else
        scenario_receive_and_ack(&d, 2);
    sim_done();
    witness_close(&d);
}
static const struct sim_program key_purge = {
    .name = "key-purge", .about = "a purge against a receiver", PAIR(setup_purges, body_purge)};

/* Two keys, each perhaps in a lane of its own: a receiver that finds one held takes the other. */
static void body_two_keys(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_send_in(&d, BERT, 0);
        scenario_receive_and_ack(&d, 1);
    } else {
        scenario_receive_and_ack(&d, 2);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program key_two_keys = {
    .name = "key-two-keys", .about = "two keys, two receivers", PAIR(setup_one, body_two_keys)};

/*
 * The lane's bit is set, and there is nothing: a sweep saw the message that was let go of since. A receiver that found the lane empty clears the bit;
 * meanwhile somebody sends, and looks himself.
 */
static void setup_bit(void) {
    create((struct witness_expectations){0}, 1);
    struct desk d;
    witness_open(&d);
    witness_receive(&d, 0);
    witness_sweep(&d);
    witness_ack(&d, 0);
    witness_close(&d);
}
static void body_bit(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0)
        witness_send_in(&d, ANNA, 0);
    scenario_receive_and_ack(&d, 1);
    sim_done();
    witness_close(&d);
}
static const struct sim_program key_bit = {
    .name = "key-bit", .about = "a bit is cleared while a message comes", PAIR(setup_bit, body_bit)};

/* Two insert one message; it must not be moved once it was received. */
static void body_move(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0) {
        witness_receive(&d, 0);
        witness_reject(&d, 0);
    }
    sim_ready();
    if (me == 0) {
        witness_redrive(&d);
    } else {
        witness_sweep(&d);
        witness_send_in(&d, ANNA, 0);
        witness_receive(&d, 0);
        witness_receive(&d, 0);
        while (d.held_count > 0)
            witness_ack(&d, 0);
    }
    sim_done();
    witness_close(&d);
}
static void setup_move(void) { create((struct witness_expectations){.redrives = true}, 1); }
static const struct sim_program key_move = {
    .name = "key-move", .about = "a message that two insert is received", PAIR(setup_move, body_move)};

const struct sim_program *const scenarios_keys[] = {&key_send_receive,  &key_receive_receive,
                                                    &key_nack,          &key_backoff,
                                                    &key_lease,         &key_sleep,
                                                    &key_nack_sleep,    &key_full,
                                                    &key_reject,        &key_redrive,
                                                    &key_redrive_purge, &key_purge,
                                                    &key_two_keys,      &key_bit,
                                                    &key_move,          NULL};
