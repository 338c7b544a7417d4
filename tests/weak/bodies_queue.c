/* SPDX-License-Identifier: MIT */
/* The queue through its public calls: the way of a message from send to ack, and of its memory from ack to the next send. Each thread is a process of its own. */
#include "queue.h"

static void once_each(void) { judge(false, AS_SENT); }

/* ---- send, receive, ack ---- */

static void setup_send(void) { open_office(&(struct plan){.processes = 2, .free_cells = 3, .warm_up = 3}); }
static void send_receive(unsigned me) {
    if (me == 0) {
        (void)send_letter(me, 1);
        (void)send_letter(me, 2);
    } else {
        work(me, 2);
    }
}

static void setup_consumers(void) { open_office(&(struct plan){.processes = 3, .free_cells = 2, .warm_up = 3}); }
static void two_consumers(unsigned me) {
    if (me == 0)
        (void)send_letter(me, 1);
    else
        work(me, 1);
}

static void two_senders(unsigned me) {
    if (me < 2)
        (void)send_letter(me, 1 + me);
    else
        work(me, 2);
}

/* One cell for all: what is sent second lies where the first was read. */
static void setup_reuse(void) { open_office(&(struct plan){.processes = 2, .free_cells = 1, .warm_up = 2}); }
static void reuse(unsigned me) {
    if (me == 0) {
        for (unsigned i = 0; i < 3; i++)
            (void)send_letter(me, 1 + i);
    } else {
        work(me, 2);
    }
}

/* ---- settled by somebody else ---- */

/* B holds the message in the only cell. */
static void hold_one(unsigned processes) {
    open_office(&(struct plan){.processes = processes, .free_cells = 1, .warm_up = processes});
    weak_as(0);
    (void)send_letter(0, 1);
    weak_as(1);
    if (!receive_letter(1))
        weak_fail("nothing to hold");
}

static void setup_help(void) { hold_one(3); }
/* B acks and is slow; a sweep finishes the ack; A sends into the memory. */
static void help(unsigned me) {
    if (me == 0)
        (void)send_letter(me, 2);
    else if (me == 1)
        (void)ack_letter(me);
    else
        (void)rp_queue_sweep(office->queue[me]);
}

/* B gives it back, C takes it, A sends into the memory. */
static void nack(unsigned me) {
    if (me == 0) {
        (void)send_letter(me, 2);
    } else if (me == 1) {
        struct rp_nack_options o;
        rp_nack_options_init(&o, sizeof o);
        o.charge = 0;
        (void)read_letter(me);
        weak_check(rp_nack(office->consumer[me], &office->held[me], &o) == 0);
    } else {
        work(me, 2);
    }
}
static void nack_finish(void) { judge(false, MAY_COME_AGAIN); }

/* The lease of B is over. C takes it back and receives it; B reads on, and acks late. A needs the memory. */
static void expire(unsigned me) {
    if (me == 0) {
        (void)send_letter(me, 2);
    } else if (me == 1) {
        (void)ack_letter(me);
    } else {
        weak_clock_ms(2 * LEASE_MS);
        (void)rp_queue_sweep(office->queue[me]);
        work(me, 1);
    }
}
static void expire_finish(void) { judge(true, MAY_COME_AGAIN); }

/* B extends while the sweep thinks that the time is over. */
static void setup_extend(void) { hold_one(2); }
static void extend(unsigned me) {
    if (me == 1) {
        int result = rp_extend(office->consumer[me], &office->held[me], 10 * LEASE_MS * UINT64_C(1000000));
        weak_check(result == 0 || result == RP_LEASE_LOST);
        office->note[me] = result == 0;
    } else {
        weak_clock_ms(2 * LEASE_MS);
        (void)rp_queue_sweep(office->queue[me]);
    }
}
static void extend_finish(void) {
    weak_as(1);
    int result = ack_letter(1);
    weak_check(result == 0 || !office->note[1]); /* promised: no expiry takes it */
    judge(true, MAY_COME_AGAIN);
}

/* ---- sleeping ---- */

/* The only cell is held by B. A looks, announces itself, looks again a millisecond later or in the same one, sleeps until B's ack frees the cell. */
static void send_or_sleep(unsigned me, unsigned letter, uint64_t later_ms) {
    struct pool *pool = &office->producer[me]->actor.pool;
    for (uint64_t ms = 1;; ms += 3) {
        weak_clock_ms(ms);
        if (send_letter(me, letter) == 0)
            return;
        pool_flush(pool);
        uint32_t prepared = eventcount_prepare(&pool->free_event);
        weak_clock_ms(ms + later_ms);
        if (send_letter(me, letter) == 0)
            return;
        (void)eventcount_sleep(&pool->free_event, prepared, UINT64_MAX);
    }
}
static void full(unsigned me) {
    if (me == 0)
        send_or_sleep(me, 2, 1);
    else
        (void)ack_letter(me);
}
static void full_same_ms(unsigned me) {
    if (me == 0)
        send_or_sleep(me, 2, 0);
    else
        (void)ack_letter(me);
}

static void sleeper(unsigned me) {
    if (me == 0)
        (void)send_letter(me, 1);
    else
        receive_or_sleep(me);
}

const struct weak_program queue_send = {.name = "queue-send",
                                        .about = "two messages sent, received, acked",
                                        .threads = 2,
                                        .setup = setup_send,
                                        .body = send_receive,
                                        .finish = once_each};
const struct weak_program queue_consumers = {.name = "queue-1-2",
                                             .about = "one message, two receivers",
                                             .threads = 3,
                                             .setup = setup_consumers,
                                             .body = two_consumers,
                                             .finish = once_each};
const struct weak_program queue_senders = {.name = "queue-2-1",
                                           .about = "two senders, one receiver",
                                           .threads = 3,
                                           .setup = setup_consumers,
                                           .body = two_senders,
                                           .finish = once_each,
                                           .lane_slots = 2};
const struct weak_program queue_reuse = {.name = "queue-reuse",
                                         .about = "messages in turn through one cell",
                                         .threads = 2,
                                         .setup = setup_reuse,
                                         .body = reuse,
                                         .finish = once_each};
const struct weak_program queue_help = {.name = "queue-help",
                                        .about = "an ack that a sweep finishes, and the next message in that memory",
                                        .threads = 3,
                                        .setup = setup_help,
                                        .body = help,
                                        .finish = once_each};
const struct weak_program queue_nack = {.name = "queue-nack",
                                        .about = "given back, received by another, and the next message in that memory",
                                        .threads = 3,
                                        .setup = setup_help,
                                        .body = nack,
                                        .finish = nack_finish};
const struct weak_program queue_expire = {.name = "queue-expire",
                                          .about = "a lease that runs out under a reader",
                                          .threads = 3,
                                          .setup = setup_help,
                                          .body = expire,
                                          .finish = expire_finish};
const struct weak_program queue_extend = {.name = "queue-extend",
                                          .about = "extend against expiry",
                                          .threads = 2,
                                          .setup = setup_extend,
                                          .body = extend,
                                          .finish = extend_finish};
const struct weak_program queue_sleep = {.name = "queue-sleep",
                                         .about = "a receiver that falls asleep while a message is sent",
                                         .threads = 2,
                                         .setup = setup_send,
                                         .body = sleeper,
                                         .finish = once_each};
const struct weak_program queue_full = {.name = "queue-full",
                                        .about = "a sender that falls asleep while the only cell is freed",
                                        .threads = 2,
                                        .setup = setup_extend,
                                        .body = full,
                                        .finish = once_each};
const struct weak_program queue_full_same_ms = {.name = "queue-full-same",
                                                .about = "the same, with both looks in one millisecond",
                                                .threads = 2,
                                                .setup = setup_extend,
                                                .body = full_same_ms,
                                                .finish = once_each};
