/* SPDX-License-Identifier: MIT */
/* Messages without memory: into the spill, out of it, and where they lay written again. An extent holds three. */
#include "queue.h"

static void setup_send(void) { open_office(&(struct plan){.processes = 2, .free_cells = 0, .spill_bytes = 2048, .warm_up = 2}); }
static void send_two(unsigned me) {
    if (me == 0) {
        (void)send_letter(me, 1);
        (void)send_letter(me, 2);
    } else {
        work(me, 2);
    }
}
static void finish(void) { judge(false, AS_SENT); }

/* There are two extents, and both are full: who sends needs one that is received. */
static void setup_reuse(void) {
    open_office(&(struct plan){.processes = 2, .free_cells = 0, .spill_bytes = 1024, .warm_up = 2});
    weak_as(0);
    for (unsigned i = 1; i <= 6; i++)
        (void)send_letter(0, i);
    weak_as(1);
    work(1, 2);
}
static void reuse(unsigned me) {
    if (me == 0) {
        (void)send_letter(me, 7);
        (void)send_letter(me, 8);
    } else {
        work(me, 3);
    }
}

static void setup_receivers(void) {
    setup_send();
    weak_as(0);
    (void)send_letter(0, 1);
    (void)send_letter(0, 2);
}
static void receive(unsigned me) { work(me, 1); }

/* The lane has a place for one: who finds it taken spills. Nobody receives what comes then; so it is there when the drain says that nothing is. */
static void setup_drain(void) {
    open_office(&(struct plan){
        .processes = 2, .free_cells = ALL_CELLS, .spill_bytes = 2048, .keyed = true, .lane_capacity = 1, .warm_up = 2});
    weak_as(0);
    (void)send_letter(0, 1);
    (void)send_letter(0, 2);
    weak_as(1);
    weak_check(receive_letter(1) && ack_letter(1) == 0);
    weak_check(receive_letter(1));
}
static void drain(unsigned me) {
    const struct rp_drain_options look = {.size = sizeof look, .timeout_ns = 0};
    if (me == 0) {
        (void)send_letter(me, 3);
    } else {
        (void)ack_letter(me);
        office->note[me] = rp_queue_drain(office->queue[me], &look) == 0;
    }
}
static void drain_finish(void) {
    weak_check(!(office->note[1] && office->sent[0] >> 3 & 1));
    weak_as(HOARDER);
    weak_check(rp_queue_resume(office->queue[HOARDER], RP_SIDE_SEND) == 0);
    judge(true, AS_SENT);
}

const struct weak_program spilled_send = {.name = "spilled-send",
                                          .about = "a sender spills, a receiver refills",
                                          .threads = 2,
                                          .setup = setup_send,
                                          .body = send_two,
                                          .finish = finish};
const struct weak_program spilled_reuse = {.name = "spilled-reuse",
                                           .about = "an extent is freed, and written again",
                                           .threads = 2,
                                           .setup = setup_reuse,
                                           .body = reuse,
                                           .finish = finish};
const struct weak_program spilled_receivers = {.name = "spilled-receivers",
                                               .about = "two receivers refill",
                                               .threads = 2,
                                               .setup = setup_receivers,
                                               .body = receive,
                                               .finish = finish};
const struct weak_program spilled_drain = {.name = "spilled-drain",
                                           .about = "a sender spills while another drains",
                                           .threads = 2,
                                           .min_slots = 1,
                                           .setup = setup_drain,
                                           .body = drain,
                                           .finish = drain_finish};
