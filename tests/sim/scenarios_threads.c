/* SPDX-License-Identifier: MIT */
/* Threads of one process, which share a seat and a queue handle. */
#include "scenario.h"

#include <string.h>

/* The process's handle. */
static struct { rp_queue *queue; } shared;

static void setup(void) {
    memset(&shared, 0, sizeof shared);
    sim_keep(&shared, sizeof shared);
    scenario_create(2, 1);
}

/*
 * A and B are threads of one process that has received the same message twice, since the first lease ran out: the process is holder and viewer. Both
 * views end at once; C sweeps, and receives.
 */
static void body_two_views(unsigned me) {
    struct desk d;
    if (me == 0) {
        witness_open(&d);
        shared.queue = d.queue;
        witness_receive(&d, 0);
        sim_advance_ns(PAST_LEASE_NS);
        witness_sweep(&d);
    } else if (me == 1) {
        memset(&d, 0, sizeof d);
        d.queue = shared.queue;
        witness_consumer(&d);
        witness_receive(&d, 0);
    } else {
        witness_open(&d);
    }
    sim_ready();
    if (me < 2) {
        if (d.held_count)
            witness_ack(&d, 0);
    } else {
        witness_sweep(&d);
        scenario_receive_and_ack(&d, 1);
    }
    sim_done();
    if (me == 0) { /* the handle is closed by the thread that ends last */
        witness_close_consumer(&d);
        rp_producer_close(d.producer);
    } else if (me == 1) {
        witness_close(&d);
    } else {
        witness_close(&d);
    }
}
static const struct sim_program two_views = {.name = "two-views",
                                             .about = "two threads of a process end their views of one message",
                                             .participants = 3,
                                             .setup = setup,
                                             .body = body_two_views,
                                             FINISH,
                                             .thread_of = {0, 1, 0},
                                             .budget = {.preemptions = 2, .kills = 1, .jumps = 1},
                                             .jumps_ns = {PAST_LEASE_NS},
                                             .share = 2};

/* All three holders are threads of one process, each got the message when the lease of the one before had run out; all end at once. */
static void body_three_views(unsigned me) {
    struct desk d;
    if (me == 0) {
        witness_open(&d);
        shared.queue = d.queue;
    } else {
        memset(&d, 0, sizeof d);
        d.queue = shared.queue;
        witness_consumer(&d);
        sim_advance_ns(PAST_LEASE_NS);
        witness_sweep(&d);
    }
    witness_receive(&d, 0);
    sim_ready();
    if (d.held_count) {
        if (me == 1)
            witness_nack(&d, 0, 0, true);
        else
            witness_ack(&d, 0);
    }
    sim_done();
    if (me == 0) { /* the handle is closed by the thread that ends last */
        witness_close_consumer(&d);
        rp_producer_close(d.producer);
    } else if (me == 1) {
        witness_close_consumer(&d);
    } else {
        witness_close(&d);
    }
}
static const struct sim_program three_views = {.name = "three-views",
                                               .about = "three threads of a process end their views of one message",
                                               .participants = 3,
                                               .setup = setup,
                                               .body = body_three_views,
                                               FINISH,
                                               .thread_of = {0, 1, 1},
                                               .budget = {.preemptions = 2, .kills = 1},
                                               .share = 2};

/* Two threads of one process look at a message that C holds, and C will use its memory for another as soon as it may. */
static void body_views_reuse(unsigned me) {
    struct desk d;
    struct lent l;
    if (me == 0) {
        witness_open(&d);
        shared.queue = d.queue;
        witness_receive(&d, 0);
    } else if (me == 1) {
        memset(&d, 0, sizeof d);
        d.queue = shared.queue;
        witness_consumer(&d);
        sim_advance_ns(PAST_LEASE_NS);
        witness_sweep(&d);
        witness_receive(&d, 0);
    } else {
        witness_open(&d);
        sim_advance_ns(PAST_LEASE_NS);
        witness_sweep(&d);
        witness_receive(&d, 0);
        while (witness_loan(&d, &l) == 0)
            ;
    }
    sim_ready();
    if (me == 2) {
        witness_ack(&d, 0);
        witness_send(&d, 0);
    } else {
        sim_linger();
        witness_ack(&d, 0);
    }
    sim_done();
    if (me == 0) {
        witness_close_consumer(&d);
        rp_producer_close(d.producer);
    } else {
        witness_close(&d);
    }
}
static const struct sim_program views_reuse = {.name = "views-reuse",
                                               .about = "two threads of a process look at a message whose memory is wanted",
                                               .participants = 3,
                                               .setup = setup,
                                               .body = body_views_reuse,
                                               FINISH,
                                               .thread_of = {0, 1, 0},
                                               .budget = {.preemptions = 2, .kills = 1, .jumps = 1},
                                               .jumps_ns = {MS},
                                               .share = 2};

/* A has acked a message. Another one is in the same cell, B of the same process looks at it, and C holds it: A's view, which has ended, must not stand for B's. */
static void body_old_view(unsigned me) {
    struct desk d;
    struct lent l;
    if (me == 0) {
        witness_open(&d);
        shared.queue = d.queue;
        witness_receive(&d, 0);
        while (witness_loan(&d, &l) == 0)
            ;
        witness_ack(&d, 0);
        witness_send(&d, 0);
    } else if (me == 1) {
        memset(&d, 0, sizeof d);
        d.queue = shared.queue;
        witness_consumer(&d);
        witness_receive(&d, 0);
    } else {
        witness_open(&d);
        sim_advance_ns(PAST_LEASE_NS);
        witness_sweep(&d);
        witness_receive(&d, 0);
    }
    sim_ready();
    if (me > 0)
        witness_ack(&d, 0);
    sim_done();
    if (me == 0) {
        witness_close_consumer(&d);
        rp_producer_close(d.producer);
    } else {
        witness_close(&d);
    }
}
static const struct sim_program old_view = {.name = "old-view",
                                            .about = "a view that ended, and one of another thread, in the same cell",
                                            .participants = 3,
                                            .setup = setup,
                                            .body = body_old_view,
                                            FINISH,
                                            .thread_of = {0, 1, 0},
                                            .budget = {.preemptions = 2, .kills = 1}};

const struct sim_program *const scenarios_threads[] = {&two_views, &three_views, &views_reuse, &old_view, NULL};
