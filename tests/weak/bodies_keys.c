/* SPDX-License-Identifier: MIT */
/* Keyed lanes: who lets go of a lane lets the next message forward, to one who sleeps for it, and makes a place, for one who sleeps for that. */
#include "queue.h"

static void once_each(void) { judge(false, AS_SENT); }

/* `letters` of one key; B holds the first. */
static void hold_first(unsigned processes, unsigned letters) {
    open_office(&(struct plan){.processes = processes, .free_cells = 3, .warm_up = 4, .keyed = true});
    weak_as(0);
    for (unsigned i = 1; i <= letters; i++)
        (void)send_letter(0, i);
    weak_as(1);
    if (!receive_letter(1))
        weak_fail("nothing to hold");
}

/* As wait.c does it: looks, announces itself, looks again, sleeps. */
static void send_or_sleep(unsigned me, unsigned letter) {
    struct pool *pool = &office->producer[me]->actor.pool;
    while (send_letter(me, letter) != 0) {
        pool_flush(pool);
        uint32_t prepared = eventcount_prepare(&pool->free_event);
        if (send_letter(me, letter) == 0)
            return;
        (void)eventcount_sleep(&pool->free_event, prepared, UINT64_MAX);
    }
}

static void setup_two(void) { hold_first(2, 2); }
static void next_forward(unsigned me) {
    if (me == 0)
        receive_or_sleep(me);
    else
        (void)ack_letter(me);
}

/* The lane has two slots. */
static void place_free(unsigned me) {
    if (me == 0)
        send_or_sleep(me, 3);
    else
        (void)ack_letter(me);
}

/* B acks; A and C look, and take what they may. */
static void setup_receivers(void) { hold_first(3, 2); }
static void receivers(unsigned me) {
    if (me == 1)
        (void)ack_letter(me);
    else
        work(me, 1);
}

const struct weak_program key_sleep = {.name = "key-sleep",
                                       .about = "an ack lets the next message of a key forward, to one who sleeps",
                                       .threads = 2,
                                       .setup = setup_two,
                                       .body = next_forward,
                                       .finish = once_each};
const struct weak_program key_full = {.name = "key-full",
                                      .about = "an ack makes a place in a full lane, for one who sleeps",
                                      .threads = 2,
                                      .setup = setup_two,
                                      .body = place_free,
                                      .finish = once_each,
                                      .lane_slots = 2};
const struct weak_program key_receivers = {.name = "key-receivers",
                                           .about = "an ack and two receivers of the next message of a key",
                                           .threads = 3,
                                           .setup = setup_receivers,
                                           .body = receivers,
                                           .finish = once_each};
