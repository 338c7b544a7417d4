/* SPDX-License-Identifier: MIT */
/*
 * Durable queues: what senders and settlers hand to whoever has the writer's role, and one writer to the next. Nobody who waits is forgotten, nothing that was settled, no write lies over one that counts.
 * That a lease ends is a matter for the simulator: here every thread has a clock of its own that stands still, so a role that was taken anew looks like the one before.
 */
#include "queue.h"

#include <ringpost/group.h>

static void open_durable(unsigned processes, uint32_t free_cells, unsigned held) {
    open_office(
        &(struct plan){.processes = processes, .free_cells = free_cells, .warm_up = processes, .max_groups = 2, .durable = true});
    for (unsigned i = 0; i < held; i++) {
        weak_as(i);
        (void)send_letter(i, 1 + i);
        if (!receive_letter(i))
            weak_fail("nothing to hold");
    }
}

static void finish(void) {
    office->receives[0] = 1;
    judge(false, AS_SENT);
    struct written w = on_disk();
    for (unsigned i = 0; i < WEAK_THREADS; i++)
        if ((office->sent[i] & ~w.letters) != 0)
            weak_fail("of the letters %#x that %u sent some are not in the journal", office->sent[i], i);
    if (w.sent != w.settled)
        weak_fail("the journal has messages %#llx, of which %#llx were settled", (unsigned long long)w.sent,
                  (unsigned long long)w.settled);
}

/* Each writes, or sleeps until the other has. */
static void setup_send(void) { open_durable(2, ALL_CELLS, 0); }
static void setup_three(void) { open_durable(3, ALL_CELLS, 0); }
static void each_sends(unsigned me) { (void)send_letter(me, 1 + me); }

/* A's ack is recorded by B, or by who comes at last. */
static void setup_settle(void) { open_durable(2, ALL_CELLS, 1); }
static void settle_and_write(unsigned me) {
    if (me == 0)
        (void)ack_letter(me);
    else
        (void)send_letter(me, 2);
}

static void setup_settle_both(void) { open_durable(2, ALL_CELLS, 2); }
static void settle_both(unsigned me) {
    (void)ack_letter(me);
    (void)rp_flush(office->producer[me]);
}

/* The note that there are marks is set already, as one is whose bit the writer took before it was set: A leaves it, B takes it back. */
static void setup_noted(void) {
    open_durable(2, ALL_CELLS, 1);
    store_seq_cst(&office->queue[HOARDER]->segment.control->journal_marked, 1, dirty);
}
static void mark_or_write(unsigned me) { (void)(me == 0 ? ack_letter(0) : rp_flush(office->producer[me])); }
static void finish_noted(void) {
    const struct segment *s = &office->queue[HOARDER]->segment;
    weak_as(HOARDER);
    for (uint32_t i = 0; i < s->layout.bitmap_words; i++)
        if (load_relaxed(&s->journal_dirty[i], dirty) != 0 && load_relaxed(&s->control->journal_marked, dirty) == 0)
            weak_fail("cells %#llx are marked and no note says so", (unsigned long long)load_relaxed(&s->journal_dirty[i], dirty));
    finish();
}

/* B sleeps for memory that is free when A's ack is recorded. */
static void setup_room(void) { open_durable(2, 1, 1); }
static void room(unsigned me) {
    if (me == 0) {
        (void)ack_letter(me);
        return;
    }
    struct pool *pool = &office->producer[me]->actor.pool;
    while (send_letter(me, 2) != 0) {
        pool_flush(pool);
        uint32_t prepared = eventcount_prepare(&pool->free_event);
        if (send_letter(me, 2) == 0)
            return;
        (void)eventcount_sleep(&pool->free_event, prepared, UINT64_MAX);
    }
}

/* B waits until the journal knows its group, whoever writes that. */
static void group(unsigned me) {
    if (me == 0)
        (void)send_letter(me, 1);
    else
        weak_check(rp_group_create(office->queue[me], "g1", NULL) == 0);
}
static void finish_group(void) {
    weak_as(HOARDER);
    weak_check(rp_group_remove(office->queue[HOARDER], "g1") == 0);
    finish();
}

/* A is slow: B enters its message for it, receives it, and sends another in the same cell. */
static void setup_slow(void) { open_durable(2, 1, 0); }
static void slow_enter(unsigned me) {
    if (me == 0) {
        (void)send_letter(me, 1);
        return;
    }
    (void)rp_queue_sweep(office->queue[me]);
    work(me, 1);
    (void)rp_flush(office->producer[me]);
    (void)send_letter(me, 3);
}

#define DURABLE .finish = finish
const struct weak_program journal_send = {.name = "durable-send",
                                          .about = "two senders, one of whom writes for both",
                                          .threads = 2,
                                          .setup = setup_send,
                                          .body = each_sends,
                                          DURABLE};
const struct weak_program journal_three = {
    .name = "durable-three", .about = "three senders", .threads = 3, .setup = setup_three, .body = each_sends, DURABLE};
const struct weak_program journal_settle = {.name = "durable-settle",
                                            .about = "an ack, and a writer",
                                            .threads = 2,
                                            .setup = setup_settle,
                                            .body = settle_and_write,
                                            DURABLE};
const struct weak_program journal_settle_both = {.name = "durable-settle-both",
                                                 .about = "two acks, and each wants them recorded",
                                                 .threads = 2,
                                                 .setup = setup_settle_both,
                                                 .body = settle_both,
                                                 DURABLE};
const struct weak_program journal_noted = {.name = "durable-noted",
                                           .about = "an ack is marked while the note of marks is taken back",
                                           .threads = 2,
                                           .setup = setup_noted,
                                           .body = mark_or_write,
                                           .finish = finish_noted};
const struct weak_program journal_room = {.name = "durable-room",
                                          .about = "a sender sleeps for memory that is free when an ack is recorded",
                                          .threads = 2,
                                          .setup = setup_room,
                                          .body = room,
                                          DURABLE};
const struct weak_program journal_group = {.name = "durable-group",
                                           .about = "a group is made while somebody writes",
                                           .threads = 2,
                                           .setup = setup_send,
                                           .body = group,
                                           .finish = finish_group};
const struct weak_program journal_slow = {.name = "durable-slow",
                                          .about = "a slow sender's message goes in, and out again",
                                          .threads = 2,
                                          .setup = setup_slow,
                                          .body = slow_enter,
                                          DURABLE};
