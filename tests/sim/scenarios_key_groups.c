/* SPDX-License-Identifier: MIT */
/* Keyed lanes in a queue with two groups: what one does with a lane is nothing to the other, but the slot and the memory they share. */
#include "scenario.h"

#include <ringpost/group.h>

enum { ANNA = 1, G1 = 1 };

/* `messages` of one key, for "default" and "g1". */
static void create(struct witness_expectations e, unsigned messages) {
    struct rp_queue_options o = scenario_options(4);
    o.lanes = 2;
    o.lane_capacity = 4;
    o.max_groups = 2;
    e.groups = true;
    witness_create(&o, &e);
    struct desk d;
    witness_open(&d);
    witness_group_create(&d, G1);
    for (unsigned i = 0; i < messages; i++)
        witness_send_in(&d, ANNA, 0);
    witness_close(&d);
}
static void setup_two(void) { create((struct witness_expectations){0}, 2); }
static void setup_redrives(void) { create((struct witness_expectations){.redrives = true}, 2); }

/* The first participant is of "g1", the second of "default". */
static void open_each(struct desk *d, unsigned me) {
    witness_open(d);
    if (me == 0)
        witness_group_consumer(d, G1);
}

static void body_both(unsigned me) {
    struct desk d;
    open_each(&d, me);
    sim_ready();
    scenario_receive_and_ack(&d, 2);
    sim_done();
    witness_close(&d);
}
static const struct sim_program both = {
    .name = "key-groups", .about = "two groups, one lane: each receives in order, whoever dies", PAIR(setup_two, body_both)};

/* Both hold the first message. One fails, and holds his lane on; the other goes on to the second. */
static void body_nack(unsigned me) {
    struct desk d;
    open_each(&d, me);
    witness_receive(&d, 0);
    sim_ready();
    if (me == 0) {
        witness_nack(&d, 0, 0, true);
        scenario_receive_and_ack(&d, 1);
    } else {
        witness_ack(&d, 0);
        scenario_receive_and_ack(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program nack = {
    .name = "key-groups-nack", .about = "a message fails in one group, the other goes on", PAIR(setup_two, body_nack)};

/* A letter leaves its place in one group while the other still needs it there. */
static void body_redrive(unsigned me) {
    struct desk d;
    open_each(&d, me);
    witness_receive(&d, 0);
    if (me == 1)
        witness_reject(&d, 0);
    sim_ready();
    if (me == 0) {
        witness_ack(&d, 0);
        scenario_receive_and_ack(&d, 1);
    } else {
        witness_redrive(&d);
        scenario_receive_and_ack(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program redrive = {.name = "key-groups-redrive",
                                           .about = "a letter is redriven in one group, the other holds it",
                                           PAIR(setup_redrives, body_redrive)};

/* It leaves in both at once: one new message for both, or one for each. */
static void body_leave(unsigned me) {
    struct desk d;
    open_each(&d, me);
    witness_receive(&d, 0);
    witness_reject(&d, 0);
    sim_ready();
    sim_call("rp_dead_redrive");
    sim_return(rp_dead_redrive(d.queue, me == 0 ? "g1" : NULL, NULL) >= 0);
    if (me == 0)
        scenario_receive_and_ack(&d, 1);
    sim_done();
    witness_close(&d);
}
static const struct sim_program leave = {
    .name = "key-groups-leave", .about = "a letter is redriven in both groups at once", PAIR(setup_redrives, body_leave)};

/* The lane of two is full. "default" is done with its first message, so "g1" alone keeps a sender from its slot. */
static void setup_full(void) {
    create((struct witness_expectations){0}, 2);
    struct desk d;
    witness_open(&d);
    scenario_receive_and_ack(&d, 1);
    witness_close(&d);
}
static void send_and_wait(struct desk *d) {
    uint64_t begin_ns = sim_now_ns();
    if (witness_send_in(d, ANNA, 400 * (int64_t)MS) == RP_FULL && sim_killed() == 0 && sim_frozen() == 0)
        sim_fail("a sender waited %.0f ms for a place that had become free", (double)(sim_now_ns() - begin_ns) / 1e6);
}
static void body_ack_full(unsigned me) {
    struct desk d;
    open_each(&d, me);
    if (me == 0)
        witness_receive(&d, 0);
    sim_ready();
    if (me == 0)
        witness_ack(&d, 0);
    else
        send_and_wait(&d);
    sim_done();
    witness_close(&d);
}
static const struct sim_program ack_full = {.name = "key-groups-full",
                                            .about = "a sender sleeps for a place that the last group gives free",
                                            PAIR(setup_full, body_ack_full),
                                            .lane_slots = 2,
                                            .strict_wakes = true};

/* And when that group is removed instead. */
static void body_remove_full(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0)
        witness_group_remove(&d, G1);
    else
        send_and_wait(&d);
    sim_done();
    witness_close(&d);
}
static const struct sim_program remove_full = {.name = "key-remove-full",
                                               .about = "a sender sleeps for a place that a removed group held",
                                               PAIR(setup_full, body_remove_full),
                                               .lane_slots = 2,
                                               .strict_wakes = true};

/* A consumer of the removed group holds the lane's first message; the next group on its place begins behind it. */
static void body_replace(unsigned me) {
    struct desk d;
    open_each(&d, me);
    if (me == 0)
        witness_receive(&d, 0);
    sim_ready();
    if (me == 0) {
        witness_nack(&d, 0, 0, true);
    } else {
        witness_group_remove(&d, G1);
        witness_group_create(&d, 2);
        witness_send_in(&d, ANNA, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program replace = {
    .name = "key-groups-replace", .about = "a group is replaced under the holder of a lane", PAIR(setup_two, body_replace)};

const struct sim_program *const scenarios_key_groups[] = {&both, &nack, &redrive, &leave, &ack_full, &remove_full, &replace, NULL};
