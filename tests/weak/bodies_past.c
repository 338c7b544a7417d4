/* SPDX-License-Identifier: MIT */
/* Those who come late, with old values: a receiver at a position whose message is long gone, a sender that finds an old message in its way, two threads of one process. */
#include "lease.h"
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
 * B claims and is slow: before it has written the end of its lease, C gives the message back, claims it anew and extends. What B writes then must not undo the extension.
 */
static void setup_slow(void) {
    open_office(&(struct plan){.processes = 2, .free_cells = 1, .warm_up = 2});
    weak_as(0);
    (void)send_letter(0, 1);
}
static void slow_claim(unsigned me) {
    if (me == 1) {
        (void)receive_letter(me);
        return;
    }
    for (uint64_t ms = 2 * LEASE_MS; ms <= 5 * LEASE_MS; ms += 3 * LEASE_MS) { /* writes what B has not; finds it over */
        weak_clock_ms(ms);
        (void)rp_queue_sweep(office->queue[me]);
    }
    if (receive_letter(me))
        office->note[me] = rp_extend(office->consumer[me], &office->held[me], 10 * LEASE_MS * UINT64_C(1000000)) == 0;
}
static void slow_finish(void) {
    for (uint64_t ms = 9 * LEASE_MS; office->note[0] && ms <= 12 * LEASE_MS; ms += 3 * LEASE_MS) {
        weak_as(HOARDER);
        weak_clock_ms(ms);
        (void)rp_queue_sweep(office->queue[HOARDER]);
    }
    for (unsigned i = 0; i < 2; i++) {
        weak_as(i);
        int result = office->got[i][1] ? ack_letter(i) : 0;
        weak_check(result == 0 || i == 1 || !office->note[0]);
    }
    judge(true, MAY_COME_AGAIN);
}

/*
 * B gives the message back and is slow to enter it in the returned ring. C enters it, receives it and gives it back again. B must not move the entry of the second time to where it
 * would have been the first.
 */
static void setup_insert(void) {
    setup_slow();
    weak_as(1);
    (void)receive_letter(1);
}
static void give_back(unsigned me) {
    struct rp_nack_options o;
    rp_nack_options_init(&o, sizeof o);
    o.charge = 0;
    weak_check(rp_nack(office->consumer[me], &office->held[me], &o) == 0);
}
static void slow_insert(unsigned me) {
    if (me == 1) {
        give_back(me);
    } else {
        (void)rp_queue_sweep(office->queue[me]);
        if (receive_letter(me))
            give_back(me);
    }
}
static void insert_finish(void) { judge(false, MAY_COME_AGAIN); }

/*
 * B and C are threads of one process. C is about to claim the message when B does; B's lease runs out, which puts the process on record as a viewer; B acks late. Whoever of the two is
 * the last to leave takes the process off the record.
 */
static void setup_threads(void) {
    setup_slow();
    weak_as(1);
    if (rp_consumer_open(office->queue[1], NULL, &office->consumer[2]) != 0)
        weak_fail("no consumer");
    office->consumer[2]->lanes[0].lane_head = office->consumer[1]->lanes[0].lane_head;
    office->consumer[2]->actor.next_tick_ms = office->consumer[1]->actor.next_tick_ms;
}
static void two_threads(unsigned me) {
    if (me == 0) { /* the lease is over: what a sweep does at this cell */
        weak_clock_ms(2 * LEASE_MS);
        struct actor *a = &office->consumer[me]->actor;
        for (uint32_t c = 0; c < a->segment->layout.cell_count; c++) {
            uint64_t d = load_acquire(delivery_at(a->segment, 0, c), delivery), due = UINT64_MAX;
            if (delivery_state(d) == DELIVERY_LEASED)
                (void)lease_sweep(a, 0, c, d, 2 * LEASE_MS + COARSE_CLOCK_MS, &due);
        }
    } else {
        work(me, 1);
    }
}
static void threads_finish(void) { judge(true, MAY_COME_AGAIN); }

const struct weak_program queue_slow_claim = {.name = "queue-slow-claim",
                                              .about = "a claimer that is late with the end of its lease, against an extension",
                                              .threads = 2,
                                              .setup = setup_slow,
                                              .body = slow_claim,
                                              .finish = slow_finish};
const struct weak_program queue_slow_insert = {
    .name = "queue-slow-insert",
    .about = "one who gives back and is late with the entry, which another has made twice meanwhile",
    .threads = 2,
    .setup = setup_insert,
    .body = slow_insert,
    .finish = insert_finish};
const struct weak_program queue_past = {.name = "queue-past",
                                        .about = "two lives of one cell, seen by one who is late",
                                        .threads = 2,
                                        .setup = setup_past,
                                        .body = past,
                                        .finish = once_each};
const struct weak_program queue_way = {.name = "queue-way",
                                       .about = "a sender that finds an old message in its way",
                                       .threads = 2,
                                       .setup = setup_way,
                                       .body = in_the_way,
                                       .finish = once_each,
                                       .lane_slots = 2,
                                       .min_slots = 2};
const struct weak_program queue_threads = {.name = "queue-threads",
                                           .about = "two threads of a process: a late ack against a claim under way",
                                           .threads = 3,
                                           .setup = setup_threads,
                                           .body = two_threads,
                                           .finish = threads_finish,
                                           .process_of = {1, 2, 2}};
