/* SPDX-License-Identifier: MIT */
/* Purge and redrive of a group that is removed meanwhile; another has its place, and messages of its own, that are none of theirs. */
#include "witness_log.h"

#include "scenario.h"

enum { FORMER = 1, NEXT = 2 };

static void create(unsigned messages) {
    struct rp_queue_options o = scenario_options(2);
    o.max_groups = 2; /* "default" has one place, the others share the second */
    o.max_participants = 3;
    witness_create(&o, &(struct witness_expectations){.groups = true});
    struct desk d;
    witness_open(&d);
    witness_group_create(&d, FORMER);
    for (unsigned i = 0; i < messages; i++)
        witness_send(&d, 0);
    witness_close(&d);
}

/* Receives a message of the group and rejects it. */
static bool make_letter(struct desk *d, unsigned group) {
    bool made = witness_group_consumer(d, group) == 0 && witness_receive(d, 0) == 0 && witness_reject(d, 0) == 0;
    if (d->consumer)
        witness_close_consumer(d);
    return made;
}

/* ---- purge ---- */

static void setup_message(void) { create(1); }

static void body_purge(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_group_purge(&d, FORMER, RP_STATE_ALL);
    } else {
        witness_group_remove(&d, FORMER);
        witness_group_create(&d, NEXT);
        witness_send(&d, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program purge_replace = {.name = "purge-replace",
                                                 .about = "a purge of a group whose place another gets",
                                                 .participants = 2,
                                                 .setup = setup_message,
                                                 .body = body_purge,
                                                 FINISH,
                                                 .budget = {.preemptions = 2, .kills = 1, .freezes = 1}};

/* ---- dead letters ---- */

static void setup_letter(void) {
    create(1);
    struct desk d;
    witness_must(witness_attach(&d), "attach");
    if (!make_letter(&d, FORMER))
        sim_fail("no dead letter");
    witness_close(&d);
}

/* The next group has one dead letter, which nobody else may touch. */
static void replace_and_count(struct desk *d) {
    witness_close_consumer(d);
    witness_group_remove(d, FORMER);
    if (witness_group_create(d, NEXT) != 0 || witness_send(d, 0) != 0 || !make_letter(d, NEXT))
        return;
    int purged = witness_group_dead_purge(d, NEXT);
    if (purged != 1)
        sim_fail("of the one dead letter of another group, %d are there", purged);
}

static void body_redrive(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0)
        witness_group_redrive(&d, FORMER);
    else
        replace_and_count(&d);
    sim_done();
    witness_close(&d);
}
static const struct sim_program redrive_replace = {.name = "redrive-replace",
                                                   .about = "a redrive in a group whose place another gets",
                                                   .participants = 2,
                                                   .setup = setup_letter,
                                                   .body = body_redrive,
                                                   FINISH,
                                                   .budget = {.preemptions = 2, .kills = 1, .freezes = 1},
                                                   .killable = 1,
                                                   .freezable = 1};

static void body_dead_purge(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0)
        witness_group_dead_purge(&d, FORMER);
    else
        replace_and_count(&d);
    sim_done();
    witness_close(&d);
}
static const struct sim_program dead_purge_replace = {.name = "dead-purge-replace",
                                                      .about = "a purge of dead letters in a group whose place another gets",
                                                      .participants = 2,
                                                      .setup = setup_letter,
                                                      .body = body_dead_purge,
                                                      FINISH,
                                                      .budget = {.preemptions = 2, .kills = 1, .freezes = 1},
                                                      .killable = 1,
                                                      .freezable = 1};

const struct sim_program *const scenarios_operators[] = {&purge_replace, &redrive_replace, &dead_purge_replace, NULL};
