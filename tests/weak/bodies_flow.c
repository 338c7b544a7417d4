/* SPDX-License-Identifier: MIT */
/* Pause, resume, drain: a sender that takes a cell while another drains; sleepers that wait for a resume; a group that is paused while it is replaced. */
#include "pause.h"
#include "queue.h"

#include <errno.h>
#include <ringpost/dead.h>
#include <ringpost/group.h>
#include <string.h>

static void drained(void) {
    weak_as(HOARDER);
    weak_check(rp_queue_resume(office->queue[HOARDER], RP_SIDE_SEND | RP_SIDE_RECEIVE) == 0);
    judge(true, AS_SENT);
}

/* Nobody receives: so what was sent is there when the drain says that nothing is. */
static void setup_drain(void) { open_office(&(struct plan){.processes = 2, .free_cells = ALL_CELLS, .warm_up = 2}); }
static void drain(unsigned me) {
    const struct rp_drain_options look = {.size = sizeof look, .timeout_ns = 0};
    if (me == 0)
        (void)send_letter(me, 1);
    else
        office->note[me] = rp_queue_drain(office->queue[me], &look) == 0;
}
static void drain_finish(void) {
    weak_check(!(office->note[1] && office->sent[0] != 0));
    drained();
}

static void setup_sender(void) {
    setup_drain();
    weak_check(rp_queue_pause(office->queue[HOARDER], RP_SIDE_SEND) == 0);
}
/* As room.c and wait.c do it. */
static void resume_sender(unsigned me) {
    if (me == 1) {
        weak_check(rp_queue_resume(office->queue[me], RP_SIDE_SEND) == 0);
        return;
    }
    struct pool *pool = &office->producer[me]->actor.pool;
    while (send_letter(me, 1) != 0) {
        uint32_t prepared = eventcount_prepare(&pool->free_event);
        if (send_letter(me, 1) == 0)
            return;
        (void)eventcount_sleep(&pool->free_event, prepared, UINT64_MAX);
    }
}

/* The same of a receiver, who finds the message that was sent meanwhile. */
static void setup_receiver(void) {
    setup_drain();
    weak_check(rp_queue_pause(office->queue[HOARDER], RP_SIDE_RECEIVE) == 0);
    weak_as(1);
    (void)send_letter(1, 1);
}
static bool received(unsigned me) {
    int result = rp_receive(office->consumer[me], &office->held[me], 0);
    weak_check(result == 0 || result == RP_PAUSED);
    if (result == 0)
        office->got[me][read_letter(me)]++;
    return result == 0;
}
static void resume_receiver(unsigned me) {
    if (me == 1) {
        weak_check(rp_queue_resume(office->queue[me], RP_SIDE_RECEIVE) == 0);
        return;
    }
    struct eventcount *event = &office->consumer[me]->ready;
    while (!received(me)) {
        uint32_t prepared = eventcount_prepare(event);
        if (received(me))
            break;
        (void)eventcount_sleep(event, prepared, UINT64_MAX);
    }
    (void)ack_letter(me);
}

/* A makes a message of a dead letter while B drains. */
static void setup_letter(void) {
    setup_drain();
    weak_as(0);
    (void)send_letter(0, 1);
    weak_check(receive_letter(0) && rp_reject(office->consumer[0], &office->held[0], NULL) == 0);
}
static void redrive(unsigned me) {
    const struct rp_drain_options look = {.size = sizeof look, .timeout_ns = 0};
    if (me == 0) {
        int result = rp_dead_redrive(office->queue[me], NULL, NULL);
        weak_check(result == 1 || result == RP_PAUSED);
        office->note[me] = result == 1;
    } else {
        office->note[me] = rp_queue_drain(office->queue[me], &look) == 0;
    }
}
static void redrive_finish(void) {
    weak_check(!(office->note[0] && office->note[1]));
    weak_as(HOARDER);
    weak_check(rp_queue_resume(office->queue[HOARDER], RP_SIDE_SEND) == 0);
    if (!office->note[0])
        weak_check(rp_dead_redrive(office->queue[HOARDER], NULL, NULL) == 1);
    judge(true, MAY_COME_AGAIN);
}

static void setup_group(void) {
    open_office(&(struct plan){.processes = 2, .free_cells = ALL_CELLS, .warm_up = 2, .max_groups = 2});
    weak_check(rp_group_create(office->queue[HOARDER], "g1", NULL) == 0);
}
static void pause_group(unsigned me) {
    if (me == 0) {
        int result = rp_group_pause(office->queue[me], "g1");
        weak_check(result == 0 || result == -ENOENT);
    } else {
        weak_check(rp_group_remove(office->queue[me], "g1") == 0);
        weak_check(rp_group_create(office->queue[me], "g2", NULL) == 0);
    }
}
static void group_finish(void) {
    struct rp_group_info info;
    weak_as(HOARDER);
    weak_check(rp_group_next(office->queue[HOARDER], 1, &info) == 0 && strcmp(info.name, "g2") == 0);
    weak_check(!info.paused);
}

const struct weak_program flow_drain = {.name = "flow-drain",
                                        .about = "a sender takes a cell while another drains",
                                        .threads = 2,
                                        .setup = setup_drain,
                                        .body = drain,
                                        .finish = drain_finish};
const struct weak_program flow_resume = {.name = "flow-resume",
                                         .about = "a sender that falls asleep while sending is resumed",
                                         .threads = 2,
                                         .setup = setup_sender,
                                         .body = resume_sender,
                                         .finish = drained};
const struct weak_program flow_receive = {.name = "flow-receive",
                                          .about = "a receiver that falls asleep while receiving is resumed",
                                          .threads = 2,
                                          .setup = setup_receiver,
                                          .body = resume_receiver,
                                          .finish = drained};
const struct weak_program flow_redrive = {.name = "flow-redrive",
                                          .about = "a dead letter is redriven while another drains",
                                          .threads = 2,
                                          .setup = setup_letter,
                                          .body = redrive,
                                          .finish = redrive_finish};
const struct weak_program flow_group = {.name = "flow-group",
                                        .about = "a group is paused while another takes its place",
                                        .threads = 2,
                                        .setup = setup_group,
                                        .body = pause_group,
                                        .finish = group_finish};
