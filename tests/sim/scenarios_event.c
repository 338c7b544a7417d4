/* SPDX-License-Identifier: MIT */
/* Consumers in event loops, and those that wait for several queues. */
#include "handle.h"
#include "scenario.h"

#include <errno.h>
#include <ringpost/event.h>

enum { PATIENCE_MS = 500 };

static void setup_empty(void) { scenario_create(2, 0); }

/* Nobody is left who has a bell. */
static void finish(void) {
    struct desk d = {0};
    witness_finish();
    if (witness_attach(&d) < 0)
        sim_fail("the finisher finds no seat");
    const struct segment *s = &d.queue->segment;
    for (uint32_t i = 0; i < s->layout.bell_count; i++)
        if (load_relaxed(&s->bells[i].word, hint) >> 63)
            sim_fail("bell %u is of the dead", i);
    witness_close(&d);
}

#define EVENT_PAIR(make, does)                                                                    \
    .participants = 2, .setup = make, .body = does, .interim = witness_interim, .finish = finish, \
    .budget = {.preemptions = 2, .kills = 1, .freezes = 1}

/* The descriptor is made, and armed, before the explored part: or its first receive is, within it. */
static void has_descriptor(struct desk *d, bool armed) {
    if (rp_consumer_fd(d->consumer) < 0)
        sim_fail("no descriptor");
    if (armed && witness_receive(d, 0) != RP_EMPTY)
        sim_fail("not empty");
}

static void poll_and_ack(struct desk *d) {
    if (witness_poll_receive(d, PATIENCE_MS * MS) == 0)
        witness_ack(d, 0);
}

static void body_poll(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1)
        has_descriptor(&d, false);
    sim_ready();
    if (me == 0)
        witness_send(&d, 0);
    else
        poll_and_ack(&d);
    sim_done();
    witness_close(&d);
}
static const struct sim_program poll_receive = {.name = "poll-receive",
                                                .about = "a consumer whose event loop sleeps until there is a message",
                                                EVENT_PAIR(setup_empty, body_poll),
                                                .strict_wakes = true};

/* Both are rung by the first message; who finds nothing arms again while the second is sent. */
static void body_two(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me != 0)
        has_descriptor(&d, true);
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
        witness_send(&d, 0);
    } else {
        poll_and_ack(&d);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program poll_two = {.name = "poll-two",
                                            .about = "two consumers with descriptors share two messages",
                                            .participants = 3,
                                            .setup = setup_empty,
                                            .body = body_two,
                                            .interim = witness_interim,
                                            .finish = finish,
                                            .budget = {.preemptions = 2, .kills = 1, .freezes = 1},
                                            .strict_wakes = true,
                                            .share = 2};

/* Two senders: the ring of one may come late, when the bell is armed for the other. */
static void body_senders(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 2)
        has_descriptor(&d, true);
    sim_ready();
    if (me != 2) {
        witness_send(&d, 0);
    } else {
        poll_and_ack(&d);
        poll_and_ack(&d);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program poll_senders = {.name = "poll-senders",
                                                .about = "two senders ring one consumer",
                                                .participants = 3,
                                                .setup = setup_empty,
                                                .body = body_senders,
                                                .interim = witness_interim,
                                                .finish = finish,
                                                .budget = {.preemptions = 2, .kills = 1, .freezes = 1},
                                                .strict_wakes = true,
                                                .share = 2};

/* A descriptor is made while there is something to receive. */
static void body_open(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
    } else {
        has_descriptor(&d, false);
        poll_and_ack(&d);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program poll_open = {.name = "poll-open",
                                             .about = "a consumer gets a descriptor while a message comes",
                                             EVENT_PAIR(setup_empty, body_open),
                                             .strict_wakes = true};

/* Others were woken for both messages; who has the descriptor comes by all the same, and must not be left with one of them. */
static void body_more(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0) {
        has_descriptor(&d, true);
    } else {
        store_relaxed(&d.queue->segment.control->tickets[0], 0, init);
        witness_send(&d, 0);
        witness_send(&d, 0);
    }
    sim_ready();
    if (me == 0) {
        scenario_receive_and_ack(&d, 1);
        poll_and_ack(&d);
    } else {
        witness_sweep(&d);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program poll_more = {
    .name = "poll-more", .about = "messages that were not rung for", EVENT_PAIR(setup_empty, body_more), .strict_wakes = true};

/*
 * Another receiver sleeps on the futex and takes the wake-up, but not the message: the one with the descriptor comes by, by himself, and takes both.
 */
static void body_sleeper(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1)
        has_descriptor(&d, true);
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
        witness_send(&d, 0);
    } else if (me == 1) {
        if (witness_receive(&d, 0) == 0) {
            witness_ack(&d, 0);
            poll_and_ack(&d);
        }
    } else if (witness_receive(&d, PATIENCE_MS * (int64_t)MS) == 0) {
        witness_ack(&d, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program poll_sleeper = {.name = "poll-sleeper",
                                                .about = "a descriptor beside a receiver that sleeps",
                                                .participants = 3,
                                                .setup = setup_empty,
                                                .body = body_sleeper,
                                                .interim = witness_interim,
                                                .finish = finish,
                                                .budget = {.preemptions = 2, .kills = 1, .freezes = 1},
                                                .share = 2};

/* A consumer closes while it is rung; its place in the table is taken by the next. */
static void body_close(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1)
        has_descriptor(&d, true);
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
    } else {
        witness_close_consumer(&d);
        witness_consumer(&d);
        has_descriptor(&d, false);
        poll_and_ack(&d);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program poll_close = {.name = "poll-close",
                                              .about = "a bell that is rung goes, and another takes its place",
                                              EVENT_PAIR(setup_empty, body_close),
                                              .strict_wakes = true};

/* ---- several queues ---- */

static void setup_idle(void) {
    struct rp_queue_options o = scenario_options(1);
    rp_queue *idle;
    setup_empty();
    if (rp_queue_create("idle", &o, &idle) < 0 || rp_queue_close(idle) < 0)
        sim_fail("no second queue");
}

static void body_wait(unsigned me) {
    struct desk d, idle = {0};
    witness_open(&d);
    if (me == 1 && (rp_queue_open("idle", NULL, &idle.queue) < 0 || rp_consumer_open(idle.queue, NULL, &idle.consumer) < 0))
        sim_fail("no second queue");
    sim_ready();
    if (me == 0)
        witness_send(&d, 0);
    else if (witness_wait_receive(&idle, &d, PATIENCE_MS * MS) == 0)
        witness_ack(&d, 0);
    sim_done();
    if (me == 1) {
        rp_consumer_close(idle.consumer);
        rp_queue_close(idle.queue);
    }
    witness_close(&d);
}
static const struct sim_program wait_two = {.name = "wait-two",
                                            .about = "a consumer that waits for two queues at once",
                                            EVENT_PAIR(setup_idle, body_wait),
                                            .strict_wakes = true};
static const struct sim_program wait_bells = {.name = "wait-bells",
                                              .about = "the same without futexes for several queues",
                                              EVENT_PAIR(setup_idle, body_wait),
                                              .one_futex = true,
                                              .strict_wakes = true};

const struct sim_program *const scenarios_event[] = {&poll_receive, &poll_open,  &poll_more, &poll_two,   &poll_senders,
                                                     &poll_sleeper, &poll_close, &wait_two,  &wait_bells, NULL};
