/* SPDX-License-Identifier: MIT */
/* A bound of bytes beside delays and drops; a dropper beside groups that change. */
#include "scenario.h"

#include <ringpost/group.h>

enum { FIRST = (SIM_CREATOR + 1) << 16 | 1, BOUND = 16, G1 = 1, G2 = 2 };

/* All bytes are a delayed message's. Who takes it back wakes the sender that sleeps for them. */
static void setup_delayed(void) {
    struct rp_queue_options o = scenario_options(8);
    o.overflow = RP_OVERFLOW_BLOCK;
    o.max_bytes = 8;
    witness_create(&o, &(struct witness_expectations){.waits = true, .purges = true});
    struct desk d;
    witness_open(&d);
    witness_send_timed(&d, 1000 * MS, 0);
    witness_close(&d);
}
static void body_cancel(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0)
        witness_cancel(&d, FIRST);
    else
        witness_send(&d, 400 * (int64_t)MS);
    sim_done();
    witness_close(&d);
}
static const struct sim_program byte_cancel = {.name = "byte-cancel",
                                               .about =
                                                   "a sender sleeps for bytes that a delayed message holds, which is cancelled",
                                               PAIR(setup_delayed, body_cancel),
                                               .strict_wakes = true};

/* The time of that message comes instead, and somebody receives it. */
static void body_due(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    sim_linger();
    if (me == 0)
        scenario_receive_and_ack(&d, 1);
    else
        witness_send(&d, 0);
    sim_done();
    witness_close(&d);
}
static const struct sim_program byte_due = {.name = "byte-due",
                                            .about = "a delayed message that holds all bytes is received",
                                            .participants = 2,
                                            .setup = setup_delayed,
                                            .body = body_due,
                                            FINISH,
                                            .budget = {.preemptions = 1, .kills = 1, .freezes = 1, .jumps = 1},
                                            .jumps_ns = {1200 * MS}};

/* Bytes for two messages, which are there: a third makes the oldest go. */
static void setup_bounded(void) {
    struct rp_queue_options o = scenario_options(8);
    o.overflow = RP_OVERFLOW_DROP_OLDEST;
    o.max_bytes = BOUND;
    witness_create(&o, &(struct witness_expectations){.drops = true, .late_bytes = true});
    scenario_preload(2);
}
static void body_drop(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0)
        witness_send(&d, 0);
    else
        scenario_receive_and_ack(&d, 1);
    sim_done();
    witness_close(&d);
}
static void finish_bounded(void) {
    rp_queue *q;
    struct rp_queue_stats s;
    if (rp_queue_open("sim", NULL, &q) != 0 || rp_queue_sweep(q) < 0 || rp_queue_stats(q, &s) != 0)
        sim_fail("the queue cannot be looked at: %s", rp_error_detail());
    if (s.bytes > BOUND)
        sim_fail("%llu bytes are held, the bound is %d", (unsigned long long)s.bytes, (int)BOUND);
    rp_queue_close(q);
    witness_finish();
}
static const struct sim_program byte_drop = {.name = "byte-drop",
                                             .about = "a sender drops the oldest for its bytes, a receiver takes it",
                                             .participants = 2,
                                             .setup = setup_bounded,
                                             .body = body_drop,
                                             .finish = finish_bounded,
                                             .budget = {.preemptions = 2, .kills = 1}};

/* "g1" loses its oldest, and memory is short; "g2", which comes to its place, loses nothing. */
static void setup_lossy(void) {
    struct rp_queue_options o = scenario_options(1);
    o.max_groups = 2;
    o.max_participants = 3;
    witness_create(&o, &(struct witness_expectations){.groups = true, .drops = true, .lossy = G1});
    struct desk d;
    struct rp_group_options group;
    rp_group_options_init(&group, sizeof group);
    group.overflow = RP_GROUP_DROP_OLDEST;
    witness_open(&d);
    witness_group_create_with(&d, G1, &group);
    witness_send(&d, 0);
    scenario_receive_and_ack(&d, 1);
    witness_close(&d);
}
static void body_replace(unsigned me) {
    struct desk d;
    struct lent any;
    witness_open(&d);
    if (me == 1)
        while (scenario_free_cells(&d) > 0)
            witness_loan(&d, &any);
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
    } else {
        witness_group_remove(&d, G1);
        witness_group_create(&d, G2);
        witness_send(&d, 0);
        scenario_receive_and_ack(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program drop_replace = {.name = "drop-replace",
                                                .about = "a sender drops for a group whose place another gets",
                                                .participants = 2,
                                                .setup = setup_lossy,
                                                .body = body_replace,
                                                FINISH,
                                                .budget = {.preemptions = 2, .kills = 1}};

const struct sim_program *const scenarios_drops[] = {&byte_cancel, &byte_due, &byte_drop, &drop_replace, NULL};
