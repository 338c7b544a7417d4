/* SPDX-License-Identifier: MIT */
/* Consumers that sleep in an event loop, and are woken by a bell. */
#include "bells.h"
#include "queue.h"

static void open_bell(unsigned me) {
    int descriptor = rp_consumer_fd(office->consumer[me]);
    weak_check(descriptor >= 0);
    office->note[me] = (uint64_t)descriptor;
}

static void receive_by_bell(unsigned me) {
    while (!receive_letter(me))
        weak_bell_wait((int)office->note[me]);
    (void)ack_letter(me);
}

static void setup_bell(void) {
    open_office(&(struct plan){.processes = 3, .free_cells = 2, .warm_up = 3});
    weak_bells();
    weak_as(2);
    open_bell(2);
}
static void rung_by_two(unsigned me) {
    if (me < 2) {
        (void)send_letter(me, 1 + me);
    } else {
        receive_by_bell(me);
        receive_by_bell(me);
    }
}
static void in_order(void) { judge(false, AS_SENT); }

/* One who is rung, beside one who sleeps on the futex. Each sender wakes one of them, and there is something for both. */
static void setup_both(void) {
    open_office(&(struct plan){.processes = 3, .free_cells = 2, .warm_up = 3});
    weak_bells();
    weak_as(1);
    open_bell(1);
}
static void both(unsigned me) {
    if (me == 0) {
        (void)send_letter(me, 1);
        (void)send_letter(me, 2);
    } else if (me == 1) {
        receive_by_bell(me);
    } else {
        receive_or_sleep(me);
    }
}

/* B is killed anywhere while he takes a bell, or not; C recovers him, takes one too, and sleeps; A sends. */
static void setup_dead(void) {
    open_office(&(struct plan){.processes = 3, .free_cells = 2, .warm_up = 3});
    weak_bells();
}
static void dead_bell(unsigned me) {
    if (me == 0) {
        (void)send_letter(me, 1);
    } else if (me == 1) {
        open_bell(me);
    } else {
        (void)rp_queue_sweep(office->queue[me]);
        open_bell(me);
        receive_by_bell(me);
    }
}
static void dead_finish(void) {
    judge(true, AS_SENT);
    const struct segment *s = &office->queue[HOARDER]->segment;
    uint32_t taken = 0;
    for (uint32_t i = 0; i < s->layout.bell_count; i++)
        taken += load_relaxed(&s->bells[i].word, hint) >> 63 != 0;
    weak_check(taken == (weak_killed(1) ? 1 : 2));
}

const struct weak_program bell_two = {.name = "bell-2-1",
                                      .about = "one who is rung for two messages of two senders",
                                      .threads = 3,
                                      .setup = setup_bell,
                                      .body = rung_by_two,
                                      .finish = in_order};
const struct weak_program bell_both = {.name = "bell-both",
                                       .about = "one who is rung and one who sleeps, a message for each",
                                       .threads = 3,
                                       .setup = setup_both,
                                       .body = both,
                                       .finish = in_order};
const struct weak_program bell_dead = {.name = "bell-dead",
                                       .about = "one who is killed while he takes a bell, and the next to take it",
                                       .threads = 3,
                                       .setup = setup_dead,
                                       .body = dead_bell,
                                       .finish = dead_finish,
                                       .killable = 2};
