/* SPDX-License-Identifier: MIT */
/* Groups that come and go while others send, receive, settle and die. There are two places: "default" has one, the others share the second. */
#include "witness_log.h"

#include "scenario.h"
#include <errno.h>

static void create(uint32_t capacity, unsigned groups) {
    struct rp_queue_options o = scenario_options(capacity);
    o.max_groups = 2;
    o.max_participants = 3;
    witness_create(&o, &(struct witness_expectations){.groups = true});
    if (groups == 0)
        return;
    struct desk d;
    witness_open(&d);
    witness_group_create(&d, 1);
    witness_close(&d);
}
static void setup_default(void) { create(2, 0); }
static void setup_g1(void) { create(2, 1); }
static void setup_small(void) { create(1, 1); }
static void setup_message(void) {
    create(1, 1);
    scenario_preload(1);
}

/* ---- a sender, and a group that comes or goes ---- */

static void body_send_create(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
        witness_send(&d, 0);
    } else {
        witness_group_create(&d, 1);
        witness_send(&d, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program send_create = {
    .name = "send-create", .about = "a sender, and a group that is made", PAIR(setup_default, body_send_create)};

/* The lane has two slots: what was sent to the removed group is overwritten soon. */
static void body_send_remove(unsigned me) {
    struct desk d;
    witness_open(&d);
    witness_receive(&d, 0); /* keeps house, and not again */
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
        scenario_receive_and_ack(&d, 1);
        witness_close_consumer(&d); /* tells others how far it got */
        witness_send(&d, 0);
        witness_send(&d, 0);
    } else {
        witness_group_remove(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program send_remove = {
    .name = "send-remove", .about = "a sender, and a group that is removed", PAIR(setup_small, body_send_remove), .lane_slots = 2};

static void body_send_replace(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
        witness_send(&d, 0);
    } else {
        witness_group_remove(&d, 1);
        witness_group_create(&d, 2);
        witness_send(&d, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program send_replace = {
    .name = "send-replace", .about = "a sender, and a group whose place another gets at once", PAIR(setup_g1, body_send_replace)};

/* ---- a consumer of the removed group ---- */

static void body_receive_replace(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0)
        witness_group_consumer(&d, 1);
    sim_ready();
    if (me == 0) {
        scenario_receive_and_ack(&d, 1);
    } else {
        witness_group_remove(&d, 1);
        witness_group_create(&d, 2);
        witness_send(&d, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program receive_replace = {.name = "receive-replace",
                                                   .about = "a consumer of a group whose place another gets",
                                                   PAIR(setup_message, body_receive_replace)};

/* Has two views of a message, one of them late: gives it back, and leaves its record, just when it is dropped. */
static void body_give_back_replace(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0) {
        witness_group_consumer(&d, 1);
        witness_receive(&d, 0);
        sim_advance_ns(PAST_LEASE_NS);
        witness_sweep(&d);
        witness_receive(&d, 0);
    }
    sim_ready();
    if (me == 0) {
        if (d.held_count == 2)
            witness_nack(&d, 1, 0, false);
        witness_ack(&d, 0);
    } else {
        witness_group_remove(&d, 1);
        witness_group_create(&d, 2);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program give_back_replace = {.name = "give-back-replace",
                                                     .about = "a message is given back while its group is removed",
                                                     .participants = 2,
                                                     .setup = setup_message,
                                                     .body = body_give_back_replace,
                                                     FINISH,
                                                     .budget = {.preemptions = 3, .freezes = 1}};

static void body_ack_remove(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0) {
        witness_group_consumer(&d, 1);
        witness_receive(&d, 0);
    }
    sim_ready();
    if (me == 0) {
        sim_linger();
        witness_ack(&d, 0);
    } else {
        scenario_receive_and_ack(&d, 1);
        witness_group_remove(&d, 1);
        witness_send(&d, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program ack_remove = {
    .name = "ack-remove", .about = "a group is removed under the holder of its message", PAIR(setup_message, body_ack_remove)};

static void body_sleeping_remove(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0)
        witness_group_consumer(&d, 1);
    sim_ready();
    if (me == 0) {
        int result = witness_receive(&d, 500 * (int64_t)MS);
        const struct event *removed = witness_group_event(1, GROUP_REMOVE);
        if (result == RP_EMPTY && removed && removed->result == 0 && removed->end_ns + 101 * MS < sim_now_ns() && sim_frozen() == 0)
            sim_fail("a receiver slept on in a group that was removed");
    } else {
        witness_group_remove(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program sleeping_remove = {.name = "sleeping-remove",
                                                   .about = "a receiver sleeps in a group that is removed",
                                                   .participants = 2,
                                                   .setup = setup_g1,
                                                   .body = body_sleeping_remove,
                                                   FINISH,
                                                   .budget = {.preemptions = 2, .freezes = 1},
                                                   .freezable = 1,
                                                   .strict_wakes = true};

/* ---- several who make and remove ---- */

static void body_create_create(unsigned me) {
    struct desk d;
    (void)me;
    witness_open(&d);
    sim_ready();
    if (witness_group_create(&d, 1) == -ENOENT)
        sim_fail("ENOENT");
    witness_send(&d, 0);
    sim_done();
    witness_close(&d);
}
static void setup_places(void) {
    struct rp_queue_options o = scenario_options(2);
    o.max_groups = 3;
    o.max_participants = 3;
    witness_create(&o, &(struct witness_expectations){.groups = true});
}
static const struct sim_program create_create = {
    .name = "create-create", .about = "two make a group of the same name", PAIR(setup_places, body_create_create)};

/* The place is to be had at once, whoever stopped when he had just made the first group. */
static void body_create_remove(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0)
        witness_group_create(&d, 1);
    else if (witness_group_remove(&d, 1) == 0 && witness_group_create(&d, 2) != 0)
        sim_fail("the place of a removed group cannot be had");
    sim_done();
    witness_close(&d);
}
static const struct sim_program create_remove = {.name = "create-remove",
                                                 .about = "a group is removed under its creator",
                                                 PAIR(setup_default, body_create_remove),
                                                 .freezable = 1};

static void body_remove_create(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_group_remove(&d, 1);
    } else {
        witness_group_create(&d, 2);
        witness_send(&d, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program remove_create = {
    .name = "remove-create", .about = "one removes, another wants the place", PAIR(setup_message, body_remove_create)};

/* A walk for the removed group, and at the place another one that is removed while the walk is under way. What that one left is not the walk's to end. */
static void body_remove_younger(unsigned me) {
    struct desk d;
    witness_open(&d);
    witness_receive(&d, 0); /* keeps house, and not again */
    sim_ready();
    if (me == 0) {
        witness_group_remove(&d, 1);
    } else {
        witness_group_create(&d, 2);
        witness_send(&d, 0);
        witness_group_remove(&d, 2);
        scenario_receive_and_ack(&d, 1);
        witness_close_consumer(&d); /* tells others how far it got */
        witness_send(&d, 0);
        witness_send(&d, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program remove_younger = {.name = "remove-younger",
                                                  .about = "two groups are removed from one place, one after the other",
                                                  .participants = 2,
                                                  .setup = setup_small,
                                                  .body = body_remove_younger,
                                                  FINISH,
                                                  .budget = {.preemptions = 4},
                                                  .lane_slots = 2};

static void body_remove_remove(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    int result = witness_group_remove(&d, 1);
    if (me == 1 && result == 0)
        scenario_receive_and_ack(&d, 1);
    sim_done();
    witness_close(&d);
}
static const struct sim_program remove_remove = {
    .name = "remove-remove", .about = "two remove the same group", PAIR(setup_message, body_remove_remove)};

/* A sweep meets what is left of a removed group; then its place, and the cell, are another's. */
static void body_sweep_replace(unsigned me) {
    struct desk d;
    struct lent other;
    witness_open(&d);
    if (me == 1)
        while (witness_loan(&d, &other) == 0)
            ;
    sim_ready();
    if (me == 0) {
        witness_group_remove(&d, 1);
        scenario_receive_and_ack(&d, 1);
        witness_group_create(&d, 2);
        witness_send(&d, 0);
    } else {
        witness_sweep(&d);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program sweep_replace = {.name = "sweep-replace",
                                                 .about = "a sweep sleeps over what is left of a removed group",
                                                 PAIR(setup_message, body_sweep_replace)};

/*
 * "g1" has the first place here, "default" the second. A sender that looked before "g1" was removed dies; "default" has taken the message,
 * its slot is another's; it is not to be freed.
 */
static void setup_exchanged(void) {
    create(2, 0);
    struct desk d;
    rp_queue *q;
    witness_must(rp_queue_open("sim", NULL, &q), "rp_queue_open");
    witness_must(rp_group_remove(q, "default"), "rp_group_remove");
    witness_must(witness_attach(&d), "attach");
    witness_group_create(&d, 1);
    witness_must(rp_group_create(q, "default", NULL), "rp_group_create");
    witness_close(&d);
    witness_must(rp_queue_close(q), "rp_queue_close");
}
static void body_dead_sender(unsigned me) {
    struct desk d;
    witness_open(&d);
    witness_receive(&d, 0); /* keeps house, and not again */
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
    } else {
        witness_group_remove(&d, 1);
        if (witness_receive(&d, 0) == 0) {
            struct desk other = {.queue = d.queue}; /* tells others how far the group got */
            witness_consumer(&other);
            witness_receive(&other, 0);
            witness_close_consumer(&other);
            for (unsigned i = 0; i < 2; i++)
                witness_send(&d, 0);
            witness_sweep(&d);
            struct lent any; /* and uses all memory that is free */
            while (witness_loan(&d, &any) == 0)
                ;
            witness_ack(&d, 0);
        }
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program dead_sender_remove = {.name = "dead-sender-remove",
                                                      .about = "a sender dies whose message was also for a removed group",
                                                      .participants = 2,
                                                      .setup = setup_exchanged,
                                                      .body = body_dead_sender,
                                                      FINISH,
                                                      .budget = {.preemptions = 2, .kills = 1},
                                                      .killable = 1,
                                                      .lane_slots = 2};

/* A group that nobody serves fills the queue. */
static void body_slow(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1)
        witness_group_consumer(&d, 1);
    sim_ready();
    if (me == 0) {
        for (unsigned i = 0; i < 3; i++) {
            witness_send(&d, 0);
            scenario_receive_and_ack(&d, 1);
        }
    } else {
        scenario_receive_and_ack(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program slow_group = {
    .name = "slow-group", .about = "one group is ahead, the other behind", PAIR(setup_small, body_slow), .lane_slots = 2};

const struct sim_program *const scenarios_groups[] = {&send_create,        &send_remove,   &send_replace,    &receive_replace,
                                                      &give_back_replace,  &ack_remove,    &sleeping_remove, &create_create,
                                                      &create_remove,      &remove_create, &remove_younger,  &remove_remove,
                                                      &dead_sender_remove, &sweep_replace, &slow_group,      NULL};
