/* SPDX-License-Identifier: MIT */
/* What failed: a message for which the ring of redeliveries has no place, and dead letters that are counted. */
#include "dead_count.h"
#include "lookup.h"
#include "queue.h"

#include <ringpost/dead.h>

/* ---- a full ring of redeliveries ---- */

static void give_back(unsigned me) {
    struct rp_nack_options o;
    rp_nack_options_init(&o, sizeof o);
    o.charge = 0;
    weak_check(rp_nack(office->consumer[me], &office->held[me], &o) == 0);
}

/* Two were given back, and fill the ring; A gives back a third, which has no place there; B wants all three, and sleeps where he finds none. */
static void setup_missed(void) {
    open_office(&(struct plan){.processes = 2, .free_cells = 3, .warm_up = 2});
    weak_as(0);
    struct rp_message first[2];
    for (unsigned i = 1; i <= 3; i++)
        (void)send_letter(0, i);
    for (unsigned i = 0; i < 3; i++) {
        if (!receive_letter(0))
            weak_fail("nothing to give back");
        if (i < 2)
            first[i] = office->held[0];
    }
    struct rp_message third = office->held[0];
    for (unsigned i = 0; i < 2; i++) {
        office->held[0] = first[i];
        give_back(0);
    }
    office->held[0] = third;
    office->receives[0] = 0;
}
static void missed(unsigned me) {
    if (me == 0)
        give_back(me);
    for (unsigned i = 0; me == 1 && i < 3; i++)
        receive_or_sleep(me);
}
static void all_three(void) { judge(false, MAY_COME_AGAIN); }

/* ---- counting the dead letters ---- */

static void one_letter_held(void) {
    open_office(&(struct plan){.processes = 2, .free_cells = 2, .warm_up = 2, .max_deliveries = 1});
    weak_as(0);
    (void)send_letter(0, 1);
    if (!receive_letter(0))
        weak_fail("nothing to hold");
}
static void setup_coming(void) { one_letter_held(); }
static void setup_going(void) {
    one_letter_held();
    weak_check(rp_reject(office->consumer[0], &office->held[0], NULL) == 0);
}
static void coming(unsigned me) {
    if (me == 0)
        weak_check(rp_reject(office->consumer[me], &office->held[me], NULL) == 0);
    else
        dead_count_anew(&office->queue[me]->segment, 0);
}
static void going(unsigned me) {
    if (me == 0)
        weak_check(rp_dead_purge(office->queue[me], NULL, NULL) == 1);
    else
        dead_count_anew(&office->queue[me]->segment, 0);
}
/* Nobody died, so the count is right, whenever somebody counted anew. */
static void counted(uint64_t letters) {
    const struct segment *s = &office->queue[HOARDER]->segment;
    weak_check(dead_count(s, 0) == letters);
    dead_count_anew(s, 0);
    weak_check(dead_count(s, 0) == letters);
}
static void came(void) { counted(1); }
static void went(void) { counted(0); }

const struct weak_program failed_missed = {.name = "returned-missed",
                                           .about = "given back where there is no place, for one who sleeps",
                                           .threads = 2,
                                           .setup = setup_missed,
                                           .body = missed,
                                           .finish = all_three,
                                           .min_slots = 2};
const struct weak_program failed_coming = {.name = "letter-comes",
                                           .about = "the dead letters are counted while one comes",
                                           .threads = 2,
                                           .setup = setup_coming,
                                           .body = coming,
                                           .finish = came};
const struct weak_program failed_going = {.name = "letter-goes",
                                          .about = "the dead letters are counted while one goes",
                                          .threads = 2,
                                          .setup = setup_going,
                                          .body = going,
                                          .finish = went};
