/* SPDX-License-Identifier: MIT */
/* Those who come late, with old values: a receiver at a position whose message is long gone, a sender that finds an old message in its way, two threads of one process. */
#include "claim.h"
#include "queue.h"

/*
 * The only cell lives twice: A sends letter 1, which B receives and acks, then letter 2, likewise. C looks at the first position all the while: what it sees of
 * the delivery word, the cell word and the position may come from different lives.
 */
static void setup_past(void) { open_office(&(struct plan){.processes = 2, .free_cells = 1, .warm_up = 2}); }
static void past(unsigned me) {
    if (me == 0) {
        for (unsigned i = 0; i < 2; i++) {
            (void)send_letter(me, 1 + i);
            work(me, 1);
        }
    } else {
        work(me, 1);
    }
}
static void once_each(void) { judge(false, AS_SENT); }

/*
 * A lane of two slots. Letter 1 was sent and nobody took it; A sends two more, so it finds it in its way and moves it to early. B receives: first deliveries begin in order.
 */
static void setup_way(void) {
    open_office(&(struct plan){.processes = 3, .free_cells = 4, .warm_up = 4});
    weak_as(0);
    (void)send_letter(0, 1);
    (void)send_letter(0, 2);
    weak_as(2); /* C holds the second, so that the first is out of order */
}
static void in_the_way(unsigned me) {
    if (me == 0) {
        (void)send_letter(me, 3);
    } else {
        for (unsigned i = 0; i < 2; i++) {
            if (!receive_letter(me))
                continue;
            unsigned letter = read_letter(me);
            weak_check(letter > office->note[me]); /* one receiver sees one sender's letters in order */
            office->note[me] = letter;
            (void)ack_letter(me);
        }
    }
}

/*
 * B and C are threads of one process. Letter 1 was leased to B, whose lease ran out, so the process is on record as a viewer; it was given back, and C is about to claim
 * it. B's late ack and C's claim, which a third, D, may win: the last view of the process to leave takes it off the record.
 */
static void setup_threads(void) {
    open_office(&(struct plan){.processes = 2, .free_cells = 1, .warm_up = 2});
    weak_as(0);
    (void)send_letter(0, 1);
    weak_as(1);
    if (!receive_letter(1) || rp_consumer_open(office->queue[1], NULL, &office->consumer[2]) != 0)
        weak_fail("nothing to hold");
    weak_as(0);
    weak_clock_ms(2 * LEASE_MS);
    (void)rp_queue_sweep(office->queue[0]);
}
static void two_threads(unsigned me) {
    weak_clock_ms(2 * LEASE_MS);
    if (me == 0)
        work(me, 1);
    else if (me == 1)
        (void)ack_letter(me);
    else
        work(me, 1);
}
static void threads_finish(void) {
    weak_clock_ms(2 * LEASE_MS);
    judge(false, MAY_COME_AGAIN);
}

const struct weak_program queue_past = {
    .name = "queue-past", .about = "two lives of one cell, seen by one who is late", .threads = 2, .setup = setup_past, .body = past, .finish = once_each};
const struct weak_program queue_way = {
    .name = "queue-way", .about = "a sender that finds an old message in its way", .threads = 2, .setup = setup_way, .body = in_the_way, .finish = once_each, .lane_slots = 2, .min_slots = 2};
const struct weak_program queue_threads = {
    .name = "queue-threads", .about = "two threads of a process: a late ack against a claim that another may win", .threads = 3, .setup = setup_threads, .body = two_threads, .finish = threads_finish, .process_of = {1, 2, 2}};
