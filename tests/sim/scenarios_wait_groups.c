/* SPDX-License-Identifier: MIT */
/* Messages whose time comes, or is over, while a group goes and another one takes its place. */
#include "scenario.h"

#include <ringpost/group.h>

enum { G1 = 1, G2 = 2 };

static void create(uint32_t expired, struct witness_expectations e, uint64_t delay_ns, uint64_t ttl_ns) {
    struct rp_queue_options o = scenario_options(1);
    o.max_groups = 2;
    o.max_participants = 3;
    o.expired = expired;
    e.groups = e.waits = true;
    witness_create(&o, &e);
    struct desk d;
    witness_open(&d);
    witness_group_create(&d, G1);
    witness_send_timed(&d, delay_ns, ttl_ns);
    witness_close(&d);
}
static void setup_delayed(void) { create(RP_EXPIRED_DEAD, (struct witness_expectations){0}, 100 * MS, 0); }
static void setup_dropped(void) { create(RP_EXPIRED_DROP, (struct witness_expectations){.expires = 1}, 0, 100 * MS); }
static void setup_buried(void) { create(RP_EXPIRED_DEAD, (struct witness_expectations){.redrives = true}, 0, 100 * MS); }

#define JUMPS_OVER_THE_TIME .jumps_ns = {300 * MS}

static void replace(struct desk *d) {
    witness_group_remove(d, G1);
    witness_group_create(d, G2);
}

/* Its groups are those that are there when its time has come: "g1", or "g2", or neither; "default" in any case. */
static void body_delay(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    sim_linger();
    if (me == 0)
        scenario_receive_and_ack(&d, 1);
    else
        replace(&d);
    sim_done();
    witness_close(&d);
}
static const struct sim_program delay = {.name = "delay-replace",
                                         .about = "a delayed message is due while a group is replaced",
                                         .participants = 2,
                                         .setup = setup_delayed,
                                         .body = body_delay,
                                         FINISH,
                                         .budget = {.preemptions = 1, .kills = 1, .freezes = 1, .jumps = 1},
                                         JUMPS_OVER_THE_TIME};

/* It is due, and who finds it looked at the groups before "g1" was removed. "g2" must not get what was received before it was made. */
static void body_late(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0)
        sim_advance_ns(200 * MS);
    sim_ready();
    if (me == 0)
        scenario_receive_and_ack(&d, 1);
    else
        replace(&d);
    sim_done();
    witness_close(&d);
}
static const struct sim_program late = {
    .name = "delay-late-replace", .about = "a message is made ready for a group that is gone", PAIR(setup_delayed, body_late)};

/* Who finds it stops before he makes it ready; the memory is another message's by then, which is "g2"'s for certain. */
static void body_delay_reuse(unsigned me) {
    struct desk d;
    struct lent any;
    witness_open(&d);
    if (me == 1)
        while (witness_loan(&d, &any) == 0)
            ;
    sim_ready();
    sim_linger();
    if (me == 0) {
        witness_sweep(&d);
    } else {
        scenario_receive_and_ack(&d, 1);
        replace(&d);
        witness_send(&d, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program delay_reuse = {.name = "delay-replace-reuse",
                                               .about = "a delayed message is received, its group replaced, its memory used again",
                                               .participants = 2,
                                               .setup = setup_delayed,
                                               .body = body_delay_reuse,
                                               FINISH,
                                               .budget = {.preemptions = 1, .kills = 1, .freezes = 1, .jumps = 1},
                                               JUMPS_OVER_THE_TIME};

/* What is over is dropped for each group, or buried in its dead ring. What is sent afterwards is meant for "g2", and lives. */
static void body_expiry(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0)
        sim_advance_ns(200 * MS);
    sim_ready();
    if (me == 0) {
        witness_sweep(&d);
    } else {
        replace(&d);
        witness_send(&d, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program expiry_drop = {.name = "expiry-replace",
                                               .about = "a message expires while a group is replaced",
                                               .participants = 2,
                                               .setup = setup_dropped,
                                               .body = body_expiry,
                                               FINISH,
                                               .budget = {.preemptions = 1, .kills = 1, .freezes = 1}};
static const struct sim_program expiry_bury = {.name = "expiry-bury-replace",
                                               .about = "a message is buried for its age while a group is replaced",
                                               PAIR(setup_buried, body_expiry)};

/* The new group's message has the memory of the one that expired. */
static void body_expiry_reuse(unsigned me) {
    struct desk d;
    struct lent any;
    witness_open(&d);
    if (me == 1) {
        while (witness_loan(&d, &any) == 0)
            ;
        sim_advance_ns(200 * MS);
    }
    sim_ready();
    witness_sweep(&d);
    if (me == 1) {
        replace(&d);
        witness_send(&d, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program expiry_reuse = {.name = "expiry-replace-reuse",
                                                .about = "a message expires, its group is replaced, its memory used again",
                                                .participants = 2,
                                                .setup = setup_dropped,
                                                .body = body_expiry_reuse,
                                                FINISH,
                                                .budget = {.preemptions = 1, .kills = 1, .freezes = 1}};

const struct sim_program *const scenarios_wait_groups[] = {&delay,       &late,         &delay_reuse, &expiry_drop,
                                                           &expiry_bury, &expiry_reuse, NULL};
