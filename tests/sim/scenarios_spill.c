/* SPDX-License-Identifier: MIT */
/* A queue without memory, whose messages go to the spill and come back. The file lies in the segment here; an extent holds three messages. */
#include "scenario.h"
#include "witness_log.h"

#include "handle.h"

/* Loans hold the memory that messages could have, but for so many cells. What is in reserve for refills cannot be lent. */
enum { LENT = 48 };
static struct lent lent[LENT];
static unsigned lent_count;

static void take_memory(struct desk *d, unsigned rest) {
    const struct segment *s = &d->queue->segment;
    lent_count = 0;
    while (scenario_free_cells(d) > rest + reserve_cells(&s->parameters, &s->layout))
        witness_loan(d, &lent[lent_count++]);
}
static void give_memory(struct desk *d) {
    while (lent_count > 0)
        witness_abandon(d, &lent[--lent_count]);
}

static struct rp_queue_options options(uint32_t groups) {
    struct rp_queue_options o = scenario_options(1);
    o.overflow = RP_OVERFLOW_SPILL;
    o.spill_max_bytes = 2048;
    o.max_groups = groups;
    o.max_participants = 3;
    return o;
}
static void make(const struct rp_queue_options *o, struct witness_expectations e) {
    e.spills = true;
    witness_create(o, &e);
    sim_keep(lent, sizeof lent);
    sim_keep(&lent_count, sizeof lent_count);
}

static void setup_plain(void) {
    struct rp_queue_options o = options(1);
    make(&o, (struct witness_expectations){0});
}

/* ---- senders and receivers ---- */

static void body_refill(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1)
        take_memory(&d, 0);
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
        witness_send(&d, 0);
    } else {
        scenario_receive_and_ack(&d, 2);
    }
    sim_done();
    if (me == 1)
        give_memory(&d);
    witness_close(&d);
}
static const struct sim_program spill_refill_scenario = {
    .name = "spill-refill", .about = "a sender without memory, and a receiver", PAIR(setup_plain, body_refill)};

/* Memory for one: the first goes there, the second does not, and the third may. */
static void body_direct(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1)
        take_memory(&d, 1);
    sim_ready();
    if (me == 0) {
        for (unsigned i = 0; i < 3; i++)
            witness_send(&d, 0);
    } else {
        scenario_receive_and_ack(&d, 3);
    }
    sim_done();
    if (me == 1)
        give_memory(&d);
    witness_close(&d);
}
static const struct sim_program spill_direct = {
    .name = "spill-direct", .about = "a sender goes direct again when all it spilled is drained", PAIR(setup_plain, body_direct)};

static void body_receivers(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1) {
        take_memory(&d, 0);
        witness_send(&d, 0);
        scenario_receive_and_ack(&d, 1);
        for (unsigned i = 0; i < 2; i++)
            witness_send(&d, 0);
    }
    sim_ready();
    scenario_receive_and_ack(&d, 2);
    sim_done();
    if (me == 1)
        give_memory(&d);
    witness_close(&d);
}
static const struct sim_program spill_receivers = {
    .name = "spill-receivers", .about = "two receivers refill the same messages", PAIR(setup_plain, body_receivers)};

static void body_senders(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1)
        take_memory(&d, 0);
    sim_ready();
    witness_send(&d, 0);
    if (me == 0)
        witness_send(&d, 0);
    sim_done();
    if (me == 1)
        give_memory(&d);
    witness_close(&d);
}
static const struct sim_program spill_senders = {
    .name = "spill-senders", .about = "two senders spill", PAIR(setup_plain, body_senders)};

/* Three messages fill an extent, and there are two; the seventh needs one that was drained. */
static void setup_small(void) {
    struct rp_queue_options o = options(1);
    o.spill_max_bytes = 1024; /* of which the index takes 256: three extents */
    make(&o, (struct witness_expectations){0});
}
static void body_extents(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0) {
        take_memory(&d, 0);
        for (unsigned i = 0; i < 4; i++)
            witness_send(&d, 0);
    }
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
        witness_send(&d, 0);
        witness_send(&d, 0);
    } else {
        scenario_receive_and_ack(&d, 4);
    }
    sim_done();
    if (me == 0)
        give_memory(&d);
    witness_close(&d);
}
static const struct sim_program spill_extents = {.name = "spill-extents",
                                                 .about = "extents are freed and written again while messages in them are read",
                                                 PAIR(setup_small, body_extents)};

static void body_sweep(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1) {
        take_memory(&d, 0);
        for (unsigned i = 0; i < 2; i++)
            witness_send(&d, 0);
    }
    sim_ready();
    if (me == 0)
        scenario_receive_and_ack(&d, 2);
    else
        witness_sweep(&d);
    sim_done();
    if (me == 1)
        give_memory(&d);
    witness_close(&d);
}
static const struct sim_program spill_sweep_scenario = {
    .name = "spill-sweep", .about = "a receiver refills, another sweeps and recovers it", PAIR(setup_plain, body_sweep)};

/* What was refilled by one who was stopped before he inserted it: the sender must not pass it. */
static void body_overtake(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0) {
        take_memory(&d, 1);
        witness_send(&d, 0);
        witness_send(&d, 0);
    } else {
        scenario_receive_and_ack(&d, 1);
        witness_sweep(&d); /* the sender can find the cell */
    }
    sim_ready();
    if (me == 0)
        witness_send(&d, 0);
    else
        witness_receive(&d, 0);
    sim_done();
    if (me == 0) {
        scenario_receive_and_ack(&d, 1);
        give_memory(&d);
    }
    while (d.held_count > 0)
        witness_ack(&d, 0);
    witness_close(&d);
}
static const struct sim_program spill_overtake = {
    .name = "spill-overtake", .about = "a refill under way, and a sender who could go direct", PAIR(setup_plain, body_overtake)};

static void body_sleep(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1)
        take_memory(&d, 0);
    sim_ready();
    if (me == 0)
        witness_send(&d, 0);
    else if (witness_receive(&d, (int64_t)(60 * MS)) == 0)
        witness_ack(&d, 0);
    sim_done();
    if (me == 1)
        give_memory(&d);
    witness_close(&d);
}
static const struct sim_program spill_sleep = {.name = "spill-sleep",
                                               .about = "a receiver sleeps, and what comes is spilled",
                                               PAIR(setup_plain, body_sleep),
                                               .strict_wakes = true};

static void body_commit(unsigned me) {
    struct desk d;
    struct lent mine;
    witness_open(&d);
    if (me == 1)
        take_memory(&d, 1);
    else
        witness_send(&d, 0);
    if (me == 0) {
        witness_send(&d, 0);
        witness_loan(&d, &mine);
    }
    sim_ready();
    if (me == 0) {
        witness_commit(&d, &mine);
        witness_send(&d, 0);
    } else {
        scenario_receive_and_ack(&d, 3);
    }
    sim_done();
    if (me == 1)
        give_memory(&d);
    witness_close(&d);
}
static const struct sim_program spill_commit = {
    .name = "spill-commit", .about = "a loan is committed, and spilled", PAIR(setup_plain, body_commit)};

/* ---- lanes ---- */

/* Levels; and keys of different lanes. */
enum { LOW = 0, HIGH = 1, ANNA = 1, BERT = 4 };

static void setup_levels(void) {
    struct rp_queue_options o = options(1);
    o.priorities = 2;
    make(&o, (struct witness_expectations){0});
}
static void setup_keys(void) {
    struct rp_queue_options o = options(1);
    o.lanes = 2;
    make(&o, (struct witness_expectations){0});
}
static void send_in_lanes(unsigned me, uint8_t one, uint8_t other) {
    struct desk d;
    witness_open(&d);
    if (me == 1)
        take_memory(&d, 0);
    sim_ready();
    if (me == 0) {
        witness_send_in(&d, one, 0);
        witness_send_in(&d, other, 0);
        witness_send_in(&d, one, 0);
    } else {
        scenario_receive_and_ack(&d, 3);
    }
    sim_done();
    if (me == 1)
        give_memory(&d);
    witness_close(&d);
}
static void body_levels(unsigned me) { send_in_lanes(me, LOW, HIGH); }
static void body_keys(unsigned me) { send_in_lanes(me, ANNA, BERT); }
static const struct sim_program spill_levels = {
    .name = "spill-levels", .about = "two levels are spilled and refilled", PAIR(setup_levels, body_levels)};
static const struct sim_program spill_keys = {
    .name = "spill-keys", .about = "two keyed lanes are spilled and refilled", PAIR(setup_keys, body_keys)};

/* ---- groups ---- */

static void setup_groups(void) {
    struct rp_queue_options o = options(2);
    make(&o, (struct witness_expectations){.groups = true});
    struct desk d;
    witness_open(&d);
    witness_group_create(&d, 1);
    witness_close(&d);
}
static void setup_one_group(void) {
    struct rp_queue_options o = options(2);
    make(&o, (struct witness_expectations){.groups = true});
}
static void of_group(struct desk *d, unsigned group) {
    witness_close_consumer(d);
    witness_group_consumer(d, group);
}

static void body_groups(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0) {
        take_memory(&d, 0);
        witness_send(&d, 0);
        witness_send(&d, 0);
        of_group(&d, 1);
    }
    sim_ready();
    scenario_receive_and_ack(&d, 2);
    sim_done();
    if (me == 0)
        give_memory(&d);
    witness_close(&d);
}
static const struct sim_program spill_groups = {
    .name = "spill-groups", .about = "two groups refill the same messages", PAIR(setup_groups, body_groups)};

static void body_group_create(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1) {
        take_memory(&d, 0);
        witness_send(&d, 0);
    }
    sim_ready();
    if (me == 0) {
        witness_group_create(&d, 1);
        witness_send(&d, 0);
    } else {
        witness_send(&d, 0);
        scenario_receive_and_ack(&d, 2);
    }
    sim_done();
    if (me == 1)
        give_memory(&d);
    witness_close(&d);
}
static const struct sim_program spill_group_create = {.name = "spill-group-create",
                                                      .about = "a group is made while messages are spilled and refilled",
                                                      PAIR(setup_one_group, body_group_create)};

/* The new group's place in the spill is known before it begins. */
static void body_group_space(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1) {
        take_memory(&d, 0);
        witness_send(&d, 0);
        witness_send(&d, 0);
    }
    sim_ready();
    if (me == 0) {
        witness_group_create(&d, 1);
    } else {
        witness_send(&d, 0);
        scenario_receive_and_ack(&d, 3);
        for (unsigned i = 0; i < 3; i++) /* the last of these where the first one was */
            witness_send(&d, 0);
    }
    sim_done();
    if (me == 1)
        give_memory(&d);
    witness_close(&d);
}
static const struct sim_program spill_group_space = {.name = "spill-group-space",
                                                     .about = "a group is made while an extent is freed and written again",
                                                     PAIR(setup_one_group, body_group_space)};

static void body_group_replace(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1) {
        take_memory(&d, 0);
        witness_send(&d, 0);
    } else {
        of_group(&d, 1);
    }
    sim_ready();
    if (me == 0) {
        if (witness_receive(&d, 0) == 0)
            witness_ack(&d, 0);
    } else {
        witness_group_remove(&d, 1);
        witness_group_create(&d, 2);
        witness_send(&d, 0);
        witness_group_consumer(&d, 2);
        if (d.consumer != NULL)
            scenario_receive_and_ack(&d, 2);
    }
    sim_done();
    if (me == 1)
        give_memory(&d);
    witness_close(&d);
}
static const struct sim_program spill_group_replace = {
    .name = "spill-group-replace",
    .about = "a group's consumer refills, the group goes, and another takes its place",
    PAIR(setup_groups, body_group_replace)};

/* ---- operators ---- */

static void setup_purges(void) {
    struct rp_queue_options o = options(1);
    make(&o, (struct witness_expectations){.purges = true});
}
static void body_purge(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1) {
        take_memory(&d, 0);
        witness_send(&d, 0);
        witness_send(&d, 0);
    }
    sim_ready();
    if (me == 0)
        witness_purge(&d, RP_STATE_READY);
    else
        scenario_receive_and_ack(&d, 2);
    sim_done();
    if (me == 1)
        give_memory(&d);
    witness_close(&d);
}
static const struct sim_program spill_purge_scenario = {
    .name = "spill-purge", .about = "what is spilled is purged while it is refilled", PAIR(setup_purges, body_purge)};

static void setup_pauses(void) {
    struct rp_queue_options o = options(1);
    o.lanes = o.lane_capacity = 1;
    make(&o, (struct witness_expectations){.pauses = true});
}
/* The lane has a place for one. Who finds it taken spills; there is memory. */
static void body_drain(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1)
        witness_send(&d, 0);
    sim_ready();
    if (me == 0) {
        scenario_receive_and_ack(&d, 1);
        if (witness_drain(&d, 0) == 0 && witness_receive(&d, 0) == 0)
            sim_fail("the queue was said to be drained");
    } else {
        witness_send(&d, 0);
    }
    sim_done();
    while (d.held_count > 0)
        witness_ack(&d, 0);
    witness_close(&d);
}
static const struct sim_program spill_drain = {.name = "spill-drain",
                                               .about = "an operator drains the queue while a message is spilled",
                                               PAIR(setup_pauses, body_drain),
                                               .min_slots = 1};

/* ---- times ---- */

static void setup_times(void) {
    struct rp_queue_options o = options(1);
    o.expired = RP_EXPIRED_DROP;
    make(&o, (struct witness_expectations){.waits = true, .expires = 2});
}
static void body_times(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1)
        take_memory(&d, 0);
    sim_ready();
    if (me == 0) {
        witness_send_timed(&d, 0, 100 * MS);
        witness_send_timed(&d, 0, 5000 * MS);
    } else {
        scenario_receive_and_ack(&d, 2);
    }
    sim_done();
    if (me == 1)
        give_memory(&d);
    witness_close(&d);
}
static const struct sim_program spill_times = {.name = "spill-times",
                                               .about = "messages expire that are spilled",
                                               .participants = 2,
                                               .setup = setup_times,
                                               .body = body_times,
                                               FINISH,
                                               .budget = {.preemptions = 2, .kills = 1, .freezes = 1, .jumps = 1},
                                               .jumps_ns = {200 * MS}};

/* ---- all at once ---- */

static void setup_crowd(void) {
    struct rp_queue_options o = options(1);
    o.max_participants = 6;
    o.spill_max_bytes = 1024;
    make(&o, (struct witness_expectations){0});
}
static void body_crowd(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0)
        take_memory(&d, 2);
    sim_ready();
    for (unsigned i = 0; i < 6; i++) {
        if (me < 2)
            witness_send(&d, 0);
        else if (sim_random() % 8 == 0)
            witness_sweep(&d);
        else
            witness_receive(&d, 0);
        while (d.held_count > sim_random() % 2)
            (void)(sim_random() % 8 == 0 ? witness_nack(&d, 0, 0, true) : witness_ack(&d, 0));
    }
    sim_done();
    while (d.held_count > 0)
        witness_ack(&d, 0);
    if (me == 0)
        give_memory(&d);
    witness_close(&d);
}
static const struct sim_program spill_crowd = {.name = "spill-crowd",
                                               .about = "two senders and two receivers, random schedules",
                                               .participants = 4,
                                               .setup = setup_crowd,
                                               .body = body_crowd,
                                               FINISH,
                                               .budget = {.preemptions = -1, .kills = 1, .freezes = 1}};

const struct sim_program *const scenarios_spill[] = {
    &spill_refill_scenario, &spill_direct,         &spill_receivers,     &spill_senders,
    &spill_extents,         &spill_sweep_scenario, &spill_overtake,      &spill_sleep,
    &spill_commit,          &spill_levels,         &spill_keys,          &spill_groups,
    &spill_group_create,    &spill_group_space,    &spill_group_replace, &spill_purge_scenario,
    &spill_drain,           &spill_times,          &spill_crowd,         NULL};
