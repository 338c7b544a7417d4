/* SPDX-License-Identifier: MIT */
/* Producers that are known by an id: made by two at once, handed on, listed, and left by the dead. */
#include "identity.h"
#include "queue.h"

#include <errno.h>
#include <string.h>

static const char first_id[] = "aaaaaaaabbbbbbbb", other_id[] = "ccccccccdddddddd", mixed_id[] = "ccccccccbbbbbbbb";
enum { ID_BYTES = 16 };

static int open_as(unsigned me, const char *id, rp_producer **out) {
    struct rp_producer_options o;
    rp_producer_options_init(&o, sizeof o);
    o.id = id;
    o.id_bytes = ID_BYTES;
    *out = NULL;
    return rp_producer_open(office->queue[me], &o, out);
}

/* In place of the producer that a process has. */
static int open_id(unsigned me, const char *id) {
    rp_producer *p;
    int result = open_as(me, id, &p);
    if (result == 0) {
        p->next_check_wall_ns = office->producer[me]->next_check_wall_ns;
        p->next_id = office->producer[me]->next_id;
        p->id_end = office->producer[me]->id_end;
        office->producer[me] = p;
    }
    return result;
}

static uint64_t sequence(unsigned me) {
    uint64_t last = UINT64_MAX;
    weak_check(rp_producer_sequence(office->producer[me], &last) == 0);
    return last;
}

static int send_numbered(unsigned me, unsigned letter, uint64_t number) {
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    const uint64_t bytes = letter;
    o.sequence = number;
    o.timeout_ns = 0;
    office->tried[me] |= 1u << letter;
    int result = rp_send(office->producer[me], &bytes, sizeof bytes, &o);
    weak_check(result == 0 || result == RP_DUPLICATE);
    if (result == 0)
        office->sent[me] |= 1u << letter;
    return result;
}

static void setup_two(void) {
    open_office(&(struct plan){.processes = 2, .free_cells = ALL_CELLS, .warm_up = 2, .producer_ids = 2});
}
static void setup_three(void) {
    open_office(&(struct plan){.processes = 3, .free_cells = ALL_CELLS, .warm_up = 3, .producer_ids = 2});
}

/* Both want the same new id: one is its owner. */
static void make(unsigned me) {
    int result = open_id(me, first_id);
    weak_check(result == 0 || result == RP_IN_USE);
    office->note[me] = result == 0;
}
static void make_finish(void) { weak_check(office->note[0] + office->note[1] == 1); }

/* A has sent its first, and closes; B goes on after it. */
static void setup_handed(void) {
    setup_two();
    weak_as(0);
    weak_check(open_id(0, first_id) == 0);
}
static void handed(unsigned me) {
    if (me == 0) {
        (void)send_numbered(me, 1, 1);
        rp_producer_close(office->producer[me]);
    } else {
        int result = open_id(me, first_id);
        weak_check(result == 0 || result == RP_IN_USE);
        if (result == 0)
            weak_check(sequence(me) == 1 && send_numbered(me, 2, 1) == RP_DUPLICATE && send_numbered(me, 3, 2) == 0);
    }
}
static void handed_finish(void) {
    office->producer[0] = NULL;
    judge(true, AS_SENT);
}

/* A removes an id and makes another in its place; B sees the one, the other, or none: never some of each. */
static void setup_changed(void) {
    open_office(&(struct plan){.processes = 2, .free_cells = ALL_CELLS, .warm_up = 2, .producer_ids = 1});
    rp_producer *p;
    weak_as(HOARDER);
    weak_check(open_as(HOARDER, first_id, &p) == 0);
    rp_producer_close(p);
}
static void changed(unsigned me) {
    rp_producer *p;
    if (me == 0) {
        weak_check(rp_producer_id_remove(office->queue[me], first_id, ID_BYTES) == 0);
        weak_check(open_as(me, other_id, &p) == 0);
    } else {
        struct rp_producer_id id;
        if (rp_producer_id_next(office->queue[me], 0, &id) == 0)
            weak_check(id.id_bytes == ID_BYTES &&
                       (memcmp(id.id, first_id, ID_BYTES) == 0 || memcmp(id.id, other_id, ID_BYTES) == 0));
        weak_check(rp_producer_id_remove(office->queue[me], mixed_id, ID_BYTES) == -ENOENT);
    }
}

/* A is killed anywhere in its second send, or not; B recovers it, takes the id over and sends what was not sent; C receives. */
static void setup_dead(void) {
    setup_three();
    weak_as(0);
    weak_check(open_id(0, first_id) == 0);
    (void)send_numbered(0, 1, 1);
}
static void dead_owner(unsigned me) {
    if (me == 0) {
        (void)send_numbered(me, 2, 2);
    } else if (me == 1) {
        if (open_id(me, first_id) == 0) {
            office->note[me] = sequence(me);
            weak_check(office->note[me] == 1 || office->note[me] == 2);
            (void)send_numbered(me, 3, 2);
        }
    } else {
        work(me, 2);
    }
}
static void dead_finish(void) {
    if (weak_killed(0) && office->note[1] == 0) {
        weak_as(1);
        weak_check(open_id(1, first_id) == 0);
        (void)send_numbered(1, 3, 2);
    }
    judge(true, AS_SENT);
    unsigned came = 0;
    for (unsigned i = 0; i < PROCESSES; i++)
        came += office->got[i][2] + office->got[i][3];
    weak_check(came == 1); /* the second message, from whom of the two ever */
}

const struct weak_program identity_make = {.name = "producer-make",
                                           .about = "two make the same producer id",
                                           .threads = 2,
                                           .setup = setup_two,
                                           .body = make,
                                           .finish = make_finish};
const struct weak_program identity_handed = {.name = "producer-handed",
                                             .about = "a producer id is closed by one and opened by the next",
                                             .threads = 2,
                                             .setup = setup_handed,
                                             .body = handed,
                                             .finish = handed_finish};
const struct weak_program identity_changed = {.name = "producer-changed",
                                              .about = "a producer id is looked for while its place becomes another's",
                                              .threads = 2,
                                              .setup = setup_changed,
                                              .body = changed};
const struct weak_program identity_dead = {.name = "producer-dead",
                                           .about = "the owner of a producer id killed at any store, and the next owner",
                                           .threads = 3,
                                           .setup = setup_dead,
                                           .body = dead_owner,
                                           .finish = dead_finish,
                                           .killable = 1};
