/* SPDX-License-Identifier: MIT */
/* What is left when somebody dies, seen by those who did not synchronise with it: senders and holders that are killed before any of their stores, and recovery. */
#include "claim.h"
#include "queue.h"
#include "recover.h"

/* A is killed anywhere in its send, or not; B recovers it, C receives, the judge does both again. */
static void setup_sender(void) { open_office(&(struct plan){.processes = 3, .free_cells = 1, .warm_up = 3}); }
static void dead_sender(unsigned me) {
    if (me == 0)
        (void)send_letter(me, 1);
    else if (me == 1)
        (void)rp_queue_sweep(office->queue[me]);
    else
        work(me, 1);
}
static void death_finish(void) { judge(true, MAY_COME_AGAIN); }

/* B is killed while it receives, reads or acks; C recovers it and receives, A sends into the memory. */
static void setup_holder(void) {
    open_office(&(struct plan){.processes = 3, .free_cells = 1, .warm_up = 3});
    weak_as(0);
    (void)send_letter(0, 1);
}
static void dead_holder(unsigned me) {
    if (me == 0) {
        (void)send_letter(me, 2);
    } else if (me == 1) {
        work(me, 1);
    } else {
        (void)rp_queue_sweep(office->queue[me]);
        work(me, 1);
    }
}

/*
 * A sent a message and died. B takes it and tells the others by the head that it is past; C goes by the head and overwrites the entry, in a lane of two slots, without a look at the
 * message. D recovers A: it finds the entry gone, and must then find the message taken.
 */
static void setup_overwritten(void) {
    open_office(&(struct plan){.processes = 4, .free_cells = 3, .warm_up = 4});
    weak_as(0);
    (void)send_letter(0, 1);
    weak_dead(0);
    struct pool *pool = &office->producer[2]->actor.pool; /* C has drawn the others: it need not search */
    for (uint32_t c = 0; c < pool->segment->layout.cell_count; c++)
        if (cell_state(load_relaxed(word_of_cell(c), hint)) == CELL_FREE)
            pool->candidates[pool->candidate_count++] = c;
}
static void overwritten(unsigned me) {
    if (me == 1) {
        if (receive_letter(me))
            claim_refresh(office->consumer[me]); /* as after each tick: the shared head is told */
    } else if (me == 2) {
        (void)send_letter(me, 2);
        (void)send_letter(me, 3);
    } else if (me == 3) {
        struct actor *a = &office->consumer[me]->actor;
        (void)recover(a, office->queue[0]->seat);
    }
}
static void overwritten_finish(void) {
    weak_as(1);
    if (office->got[1][1]) { /* held by the living, whatever became of its sender */
        const unsigned char *payload = office->held[1].data;
        const struct cell *cell = (const struct cell *)(const void *)(payload - offsetof(struct cell, payload));
        weak_check(cell_is_published(load_relaxed(&cell->word, hint)));
        weak_check(ack_letter(1) == 0);
    }
    judge(true, MAY_COME_AGAIN);
}

const struct weak_program queue_dead_sender = {.name = "dead-sender",
                                               .about = "a sender killed at any store, its recovery, a receiver",
                                               .threads = 3,
                                               .setup = setup_sender,
                                               .body = dead_sender,
                                               .finish = death_finish,
                                               .killable = 1};
const struct weak_program queue_dead_holder = {.name = "dead-holder",
                                               .about = "a receiver killed at any store, its recovery, the next receiver",
                                               .threads = 3,
                                               .setup = setup_holder,
                                               .body = dead_holder,
                                               .finish = death_finish,
                                               .killable = 2};
const struct weak_program queue_overwritten = {.name = "dead-overwritten",
                                               .about = "a dead sender's message that was taken, and whose entry was overwritten",
                                               .threads = 4,
                                               .setup = setup_overwritten,
                                               .body = overwritten,
                                               .finish = overwritten_finish,
                                               .lane_slots = 2};
