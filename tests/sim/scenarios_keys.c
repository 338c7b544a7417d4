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

static void receive_and_ack(struct desk *d, unsigned times) {
    for (unsigned i = 0; i < times; i++)
        if (witness_receive(d, 0) == 0)
            witness_ack(d, 0);
}

#define PROGRAM(variable, title, what, make, does)                 \
    static const struct sim_program variable = {.name = title,     \
                                                .about = what,     \
                                                .participants = 2, \
                                                .setup = make,     \
                                                .body = does,      \
                                                FINISH,            \
                                                .budget = {.preemptions = 2, .kills = 1, .freezes = 1}}

static void body_send_receive(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_send_in(&d, ANNA, 0);
        witness_send_in(&d, ANNA, 0);
    } else {
        receive_and_ack(&d, 2);
    }
    sim_done();
    witness_close(&d);
}
PROGRAM(key_send_receive, "key-send-receive", "two messages of one key against a receiver", setup_empty, body_send_receive);

static void body_receive_receive(unsigned me) {
    (void)me;
    struct desk d;
    witness_open(&d);
    sim_ready();
    receive_and_ack(&d, 2);
    sim_done();
    witness_close(&d);
}
PROGRAM(key_receive_receive, "key-receive-receive", "two receivers, two messages of one key", setup_two, body_receive_receive);

static void body_nack(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0)
        witness_receive(&d, 0);
    sim_ready();
    if (me == 0)
        witness_nack(&d, 0, 0, true);
    receive_and_ack(&d, me == 0 ? 1 : 2);
    sim_done();
    witness_close(&d);
}
PROGRAM(key_nack, "key-nack", "a failed message keeps its place", setup_two, body_nack);

static void body_backoff(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0)
        witness_receive(&d, 0);
    sim_ready();
    if (me == 0)
        witness_nack(&d, 0, 10 * (int64_t)MS, true);
    else
        receive_and_ack(&d, 2);
    sim_done();
    witness_close(&d);
}
PROGRAM(key_backoff, "key-backoff", "a failed message that waits holds its lane", setup_two, body_backoff);

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
        receive_and_ack(&d, 2);
    }
    sim_done();
    witness_close(&d);
}
PROGRAM(key_lease, "key-lease", "a lease that runs out against its ack; two messages of one key", setup_two, body_lease);

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
                                             .participants = 2,
                                             .setup = setup_two,
                                             .body = body_sleep,
                                             FINISH,
                                             .budget = {.preemptions = 2, .kills = 1, .freezes = 1},
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
                                                  .participants = 2,
                                                  .setup = setup_one,
                                                  .body = body_nack_sleep,
                                                  FINISH,
                                                  .budget = {.preemptions = 2, .kills = 1, .freezes = 1},
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
                                            .participants = 2,
                                            .setup = setup_tight,
                                            .body = body_full,
                                            FINISH,
                                            .budget = {.preemptions = 2, .kills = 1, .freezes = 1},
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
        receive_and_ack(&d, 2);
        witness_send_in(&d, ANNA, 0);
    }
    sim_done();
    witness_close(&d);
}
PROGRAM(key_reject, "key-reject", "a letter dies and is redriven to its lane's end, against a receiver and sender", setup_redrives,
        body_reject);

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
        receive_and_ack(&d, 1);
    } else {
        witness_sweep(&d);
        witness_send_in(&d, ANNA, 0);
        receive_and_ack(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
PROGRAM(key_redrive, "key-redrive", "a redrive against a sweep that goes on with it", setup_redrives, body_redrive);

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
PROGRAM(key_redrive_purge, "key-redrive-purge", "a redrive against a purge of what is ready", setup_redrive_purge,
        body_redrive_purge);

static void body_purge(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0)
        witness_purge(&d, RP_STATE_READY);
    else
        receive_and_ack(&d, 2);
    sim_done();
    witness_close(&d);
}
PROGRAM(key_purge, "key-purge", "a purge against a receiver", setup_purges, body_purge);

/* Two keys, each perhaps in a lane of its own: a receiver that finds one held takes the other. */
static void body_two_keys(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_send_in(&d, BERT, 0);
        receive_and_ack(&d, 1);
    } else {
        receive_and_ack(&d, 2);
    }
    sim_done();
    witness_close(&d);
}
PROGRAM(key_two_keys, "key-two-keys", "two keys, two receivers", setup_one, body_two_keys);

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
    receive_and_ack(&d, 1);
    sim_done();
    witness_close(&d);
}
PROGRAM(key_bit, "key-bit", "a bit is cleared while a message comes", setup_bit, body_bit);

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
PROGRAM(key_move, "key-move", "a message that two insert is received", setup_move, body_move);

const struct sim_program *const scenarios_keys[] = {&key_send_receive,  &key_receive_receive,
                                                    &key_nack,          &key_backoff,
                                                    &key_lease,         &key_sleep,
                                                    &key_nack_sleep,    &key_full,
                                                    &key_reject,        &key_redrive,
                                                    &key_redrive_purge, &key_purge,
                                                    &key_two_keys,      &key_bit,
                                                    &key_move,          NULL};
