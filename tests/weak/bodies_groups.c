/* SPDX-License-Identifier: MIT */
/* A group that goes while a message comes; a sender that waits for bytes. */
#include "queue.h"

#include <ringpost/group.h>
#include <string.h>

/* The message was published for the group too: the remover finds it, or its sender finds that the group is gone. No sweep helps. */
static void setup_removed(void) {
    open_office(&(struct plan){.processes = 2, .free_cells = ALL_CELLS, .warm_up = 2, .max_groups = 2});
    weak_check(rp_group_create(office->queue[HOARDER], "g1", NULL) == 0);
}
static void removed(unsigned me) {
    if (me == 0) {
        (void)send_letter(me, 1);
        work(me, 1);
    } else {
        weak_check(rp_group_remove(office->queue[me], "g1") == 0);
    }
}
/* Who sees a group sees its name and what its makers asked for. */
static void setup_made(void) {
    open_office(&(struct plan){.processes = 2, .free_cells = ALL_CELLS, .warm_up = 2, .max_groups = 2});
}
static void made(unsigned me) {
    if (me == 0) {
        struct rp_group_options o;
        rp_group_options_init(&o, sizeof o);
        o.overflow = RP_GROUP_DEAD;
        weak_check(rp_group_create(office->queue[me], "g1", &o) == 0);
    } else {
        struct rp_group_info info;
        if (rp_group_next(office->queue[me], 1, &info) == 0)
            weak_check(strcmp(info.name, "g1") == 0 && info.overflow == RP_GROUP_DEAD);
    }
}

static void in_order(void) { judge(false, AS_SENT); }

/* B holds all the bytes that there are. A looks, announces itself, looks again, sleeps until B's ack gives them. */
static void setup_bytes(void) {
    open_office(&(struct plan){.processes = 2, .free_cells = ALL_CELLS, .warm_up = 2, .max_bytes = 8});
    weak_as(1);
    (void)send_letter(1, 1);
    if (!receive_letter(1))
        weak_fail("nothing to hold");
}
static void bytes_full(unsigned me) {
    if (me == 1) {
        (void)ack_letter(me);
        return;
    }
    struct pool *pool = &office->producer[me]->actor.pool;
    while (send_letter(me, 2) != 0) {
        uint32_t prepared = eventcount_prepare(&pool->free_event);
        if (send_letter(me, 2) == 0)
            return;
        (void)eventcount_sleep(&pool->free_event, prepared, UINT64_MAX);
    }
}

const struct weak_program group_removed = {.name = "group-removed",
                                           .about = "a group is removed while a message is sent to it",
                                           .threads = 2,
                                           .setup = setup_removed,
                                           .body = removed,
                                           .finish = in_order};
const struct weak_program group_made = {
    .name = "group-made", .about = "a group is made while it is looked up", .threads = 2, .setup = setup_made, .body = made};
const struct weak_program bytes_sleep = {.name = "bytes-full",
                                         .about = "a sender that sleeps until there are bytes",
                                         .threads = 2,
                                         .setup = setup_bytes,
                                         .body = bytes_full,
                                         .finish = in_order};
