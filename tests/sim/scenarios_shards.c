/* SPDX-License-Identifier: MIT */
/* Shards: A's lane is the first, B's the second, and each takes from the other's when its own is empty. */
#include "scenario.h"

static void create(uint32_t capacity, const struct witness_expectations *e, unsigned first, unsigned second) {
    struct rp_queue_options o = scenario_options(capacity);
    o.numa_shards = 2;
    o.overflow = e != NULL && e->drops ? RP_OVERFLOW_DROP_OLDEST : RP_OVERFLOW_REJECT;
    witness_create(&o, e);
    for (uint8_t shard = 1; shard <= 2; shard++) {
        struct desk d;
        witness_open_at(&d, shard);
        for (unsigned i = 0; i < (shard == 1 ? first : second); i++)
            witness_send(&d, 0);
        witness_close(&d);
    }
}
static void setup_empty(void) { create(4, NULL, 0, 0); }
static void setup_first(void) { create(4, NULL, 1, 0); }
static void setup_both(void) { create(4, NULL, 1, 1); }
static void setup_drop(void) { create(2, &(struct witness_expectations){.drops = true}, 1, 1); }

/* Its own order is kept in its lane, whoever takes from it. */
static void body_steal(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
        witness_send(&d, 0);
    } else {
        scenario_receive_and_ack(&d, 3);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program shard_steal = {
    .name = "shard-steal", .about = "a consumer whose own lane is empty takes from another's", PAIR(setup_empty, body_steal)};

static void body_each(unsigned me) {
    (void)me;
    struct desk d;
    witness_open(&d);
    sim_ready();
    witness_send(&d, 0);
    scenario_receive_and_ack(&d, 2);
    sim_done();
    witness_close(&d);
}
static const struct sim_program shard_each = {
    .name = "shard-each", .about = "each sends into its lane and takes from both", PAIR(setup_empty, body_each)};

static void body_take(unsigned me) {
    (void)me;
    struct desk d;
    witness_open(&d);
    sim_ready();
    scenario_receive_and_ack(&d, 2);
    sim_done();
    witness_close(&d);
}
static const struct sim_program shard_take = {
    .name = "shard-take", .about = "two consumers, a message in each lane", PAIR(setup_both, body_take)};

/* Who took it gives it back: it returns to the lane that it came from, not to his own. */
static void body_nack(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1)
        witness_receive(&d, 0);
    sim_ready();
    if (me == 1)
        witness_nack(&d, 0, 0, true);
    scenario_receive_and_ack(&d, 2);
    sim_done();
    witness_close(&d);
}
static const struct sim_program shard_nack = {
    .name = "shard-nack", .about = "a message of another lane is given back", PAIR(setup_first, body_nack)};

/* Lanes of two slots: a message of each is in the way of the next but one. */
static void body_way(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
        witness_send(&d, 0);
    } else {
        scenario_receive_and_ack(&d, 3);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program shard_way = {.name = "shard-way",
                                             .about = "an old message is moved to the early ring of its lane",
                                             PAIR(setup_both, body_way),
                                             .lane_slots = 2};

static void body_sleep(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0)
        witness_send(&d, 0);
    else if (witness_receive(&d, 500 * (int64_t)MS) == 0)
        witness_ack(&d, 0);
    sim_done();
    witness_close(&d);
}
static const struct sim_program shard_sleep = {.name = "shard-sleep",
                                               .about = "a message in another's lane wakes a receiver",
                                               PAIR(setup_empty, body_sleep),
                                               .strict_wakes = true};

/* A delayed message goes into its sender's lane, whoever finds it due. */
static void setup_delayed(void) { create(4, &(struct witness_expectations){.waits = true}, 0, 0); }
static void body_delayed(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0)
        witness_send_timed(&d, 10 * MS, 0);
    sim_ready();
    if (me == 0)
        witness_send(&d, 0);
    else
        sim_advance_ns(11 * MS);
    scenario_receive_and_ack(&d, 2);
    sim_done();
    witness_close(&d);
}
static const struct sim_program shard_delayed = {
    .name = "shard-delayed", .about = "a delayed message is inserted by whoever finds it due", PAIR(setup_delayed, body_delayed)};

static void setup_redrive(void) { create(4, &(struct witness_expectations){.redrives = true}, 1, 0); }
static void body_redrive(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1 && witness_receive(&d, 0) == 0)
        witness_reject(&d, 0);
    sim_ready();
    if (me == 1)
        witness_redrive(&d);
    else
        witness_send(&d, 0);
    scenario_receive_and_ack(&d, 2);
    sim_done();
    witness_close(&d);
}
static const struct sim_program shard_redrive = {
    .name = "shard-redrive", .about = "a letter comes back into its lane", PAIR(setup_redrive, body_redrive)};

/* What is oldest may lie in another's lane. */
static void body_drop(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
        witness_send(&d, 0);
    } else {
        scenario_receive_and_ack(&d, 2);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program shard_drop = {
    .name = "shard-drop", .about = "a sender makes room in both lanes", PAIR(setup_drop, body_drop)};

/* Both lanes have messages of a group that is removed, and two slots each: its end must be seen in all of them. */
static void setup_group(void) {
    struct rp_queue_options o = scenario_options(2);
    o.numa_shards = 2;
    o.max_groups = 2;
    o.max_participants = 3;
    witness_create(&o, &(struct witness_expectations){.groups = true});
    struct desk d;
    witness_open_at(&d, 2);
    witness_group_create(&d, 1);
    witness_send(&d, 0);
    witness_close(&d);
}
static void body_remove(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
        scenario_receive_and_ack(&d, 2);
    } else {
        witness_group_remove(&d, 1);
        witness_send(&d, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program shard_remove = {.name = "shard-remove",
                                                .about = "a group is removed that has messages in both lanes",
                                                PAIR(setup_group, body_remove),
                                                .lane_slots = 2};

/* As many messages in its own lane as it receives, and more come: the one in the other has its turn all the same. */
enum { TURN = 16, THE_FAR_ONE = (SIM_CREATOR + 1) << 16 | (TURN + 1) };

static void setup_far(void) { create(TURN + 4, NULL, TURN, 1); }
static void body_far(unsigned me) {
    struct desk d;
    bool met = false;
    if (me == 1)
        witness_open_at(&d, 1);
    else
        witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
    } else {
        for (unsigned i = 0; i < TURN; i++) {
            if (witness_receive(&d, 0) != 0)
                continue;
            met = met || d.held[0].reserved[3] == THE_FAR_ONE;
            witness_ack(&d, 0);
        }
        if (!met && !sim_frozen())
            sim_fail("the message of the other lane was not among %d", (int)TURN);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program shard_far = {.name = "shard-far",
                                             .about = "a lane where nobody is at home has its turn",
                                             .participants = 2,
                                             .setup = setup_far,
                                             .body = body_far,
                                             FINISH,
                                             .budget = {.preemptions = 1, .kills = 1, .freezes = 1}};

/* Of two lanes where nobody is at home one is empty: its turns are the other's. */
enum { LONE = 3, LONE_ONES = 2, AT_HOME = LONE_ONES * TURN, THE_FIRST_LONE = (SIM_CREATOR + 1) << 16 | (AT_HOME + 1) };

static void setup_lone(void) {
    struct rp_queue_options o = scenario_options(AT_HOME + LONE_ONES + 2);
    o.numa_shards = LONE;
    witness_create(&o, NULL);
    for (uint8_t shard = 1; shard <= LONE; shard += LONE - 1) {
        struct desk d;
        witness_open_at(&d, shard);
        for (unsigned i = 0; i < (shard == 1 ? AT_HOME : LONE_ONES); i++)
            witness_send(&d, 0);
        witness_close(&d);
    }
}
static void body_lone(unsigned me) {
    struct desk d;
    unsigned met = 0;
    if (me == 1)
        witness_open_at(&d, 1);
    else
        witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
    } else {
        for (unsigned i = 0; i < AT_HOME; i++) {
            if (witness_receive(&d, 0) != 0)
                continue;
            met += d.held[0].reserved[3] >= THE_FIRST_LONE && d.held[0].reserved[3] < THE_FIRST_LONE + LONE_ONES;
            witness_ack(&d, 0);
        }
        if (met < LONE_ONES && !sim_frozen())
            sim_fail("%u messages of the one far lane that has some were among %d", met, (int)AT_HOME);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program shard_lone = {.name = "shard-lone",
                                              .about = "of the lanes where nobody is at home one has messages",
                                              .participants = 2,
                                              .setup = setup_lone,
                                              .body = body_lone,
                                              FINISH,
                                              .budget = {.preemptions = 1, .kills = 1}};

const struct sim_program *const scenarios_shards[] = {
    &shard_steal,   &shard_each, &shard_take,   &shard_nack, &shard_way,  &shard_sleep, &shard_delayed,
    &shard_redrive, &shard_drop, &shard_remove, &shard_far,  &shard_lone, NULL};
