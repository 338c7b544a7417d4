/* SPDX-License-Identifier: MIT */
/* Processes of different pid namespaces, all with the same pid, share a queue. Who is dead is asked of the kernel's locks, never of a pid. */
#include "lab.h"

#include <sched.h>
#include <stdatomic.h>

enum { INHABITANTS = 3 };

/* What came of the one who lives in the namespace: its pid out here, and whether it is there. */
struct inhabitant {
    pid_t outside;
    _Atomic bool settled;
};

static int hold(struct peer *test, void *argument) {
    struct inhabitant *me = argument;
    struct rp_message m;
    struct rp_loan loan;
    peer_check(getpid() == 1);
    struct handles h = peer_open(0);
    peer_succeeds(rp_receive(h.c, &m, -1));
    peer_succeeds(rp_loan(h.p, 8, &loan));
    peer_say(test, 'h');
    if (peer_hear(test) != 'a')
        return 0;
    peer_succeeds(rp_ack(h.c, &m));
    peer_succeeds(rp_abandon(h.p, &loan));
    atomic_store(&me->settled, true);
    peer_close(&h);
    return 0;
}

/* Founds a namespace; its first process has pid 1. */
static int found(struct peer *test, void *argument) {
    struct inhabitant *one = argument;
    if (unshare(CLONE_NEWPID | (geteuid() ? CLONE_NEWUSER : 0)) != 0)
        return PEER_SKIP;
    struct peer inhabitant = peer_start(hold, argument);
    one->outside = inhabitant.pid;
    peer_say(test, peer_hear(&inhabitant));
    char byte = peer_hear(test);
    if (byte != 0)
        peer_say(&inhabitant, byte);
    return peer_end(&inhabitant) == 0 ? 0 : 1;
}

/* How many seats have an owner with this pid, and live. */
static int owners_with_pid(rp_queue *q, uint32_t pid) {
    struct rp_participant who;
    int count = 0;
    for (uint32_t seat = 0; rp_participant_next(q, seat, &who) == 0; seat = who.seat + 1)
        count += who.pid == pid && who.alive;
    return count;
}

static void equal_pids(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    struct inhabitant *them = shared_memory(INHABITANTS * sizeof *them);
    struct peer founders[INHABITANTS];
    rp_producer *p;
    rp_queue *q = make_queue(&o);
    succeeds(rp_producer_open(q, NULL, &p));
    for (int i = 0; i < INHABITANTS; i++) {
        succeeds(send_text(p, "work"));
        founders[i] = peer_start(found, &them[i]);
        char byte = peer_hear(&founders[i]);
        if (byte == 0 && peer_end(&founders[i]) == PEER_SKIP) {
            rp_producer_close(p);
            drop_queue(q);
            lab_skip("no permission for a pid namespace");
        }
        assert_int_equal(byte, 'h');
    }
    assert_int_equal(owners_with_pid(q, 1), INHABITANTS);

    assert_int_equal(kill(them[0].outside, SIGKILL), 0);
    assert_true(eventually(rp_queue_sweep(q) >= 0 && stats_of(q).participants == INHABITANTS));
    assert_int_equal(owners_with_pid(q, 1), INHABITANTS - 1);
    assert_int_equal(stats_of(q).leased, INHABITANTS - 1);
    assert_int_equal(stats_of(q).owned_cells, INHABITANTS - 1);
    assert_int_equal(stats_of(q).ready, 1);
    assert_int_equal(stats_of(q).recovered, 1);
    peer_say(&founders[0], 'x'); /* to nobody */
    assert_int_equal(peer_end(&founders[0]), 1);

    founders[0] = peer_start(found, &them[0]); /* the next process 1 takes the message, and the dead one's seat */
    assert_int_equal(peer_hear(&founders[0]), 'h');
    assert_int_equal(owners_with_pid(q, 1), INHABITANTS);
    for (int i = 0; i < INHABITANTS; i++) {
        peer_say(&founders[i], 'a');
        assert_int_equal(peer_end(&founders[i]), 0);
        assert_true(atomic_load(&them[i].settled));
    }
    only_ready_is_left(q, 0);
    assert_int_equal(stats_of(q).recovered, 1);
    rp_producer_close(p);
    drop_queue(q);
}

static int hold_quietly(struct peer *test, void *argument) {
    (void)argument;
    struct rp_message m;
    struct handles h = peer_open(0);
    peer_succeeds(rp_receive(h.c, &m, -1));
    peer_say(test, 'h');
    return peer_hear(test);
}

/* A namespace dies with its first process, all at once. */
static int first_process(struct peer *test, void *argument) {
    (void)argument;
    struct peer others[4];
    for (int i = 0; i < 4; i++) {
        others[i] = peer_start(hold_quietly, NULL);
        peer_check(peer_hear(&others[i]) == 'h');
    }
    peer_say(test, 'h');
    return peer_hear(test);
}

static int found_a_town(struct peer *test, void *argument) {
    struct inhabitant *one = argument;
    if (unshare(CLONE_NEWPID | (geteuid() ? CLONE_NEWUSER : 0)) != 0)
        return PEER_SKIP;
    struct peer first = peer_start(first_process, NULL);
    one->outside = first.pid;
    peer_say(test, peer_hear(&first));
    (void)peer_end(&first);
    return 0;
}

static void a_namespace_that_dies(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    struct inhabitant *first = shared_memory(sizeof *first);
    rp_producer *p;
    rp_queue *q = make_queue(&o);
    succeeds(rp_producer_open(q, NULL, &p));
    for (int i = 0; i < 4; i++)
        succeeds(send_text(p, "work"));
    struct peer founder = peer_start(found_a_town, first);
    char byte = peer_hear(&founder);
    if (byte == 0 && peer_end(&founder) == PEER_SKIP) {
        rp_producer_close(p);
        drop_queue(q);
        lab_skip("no permission for a pid namespace");
    }
    assert_int_equal(byte, 'h');
    assert_int_equal(stats_of(q).leased, 4);
    assert_int_equal(kill(first->outside, SIGKILL), 0);
    assert_int_equal(peer_end(&founder), 0);
    only_ready_is_left(q, 4);
    assert_int_equal(stats_of(q).recovered, 4);
    rp_producer_close(p);
    drop_queue(q);
}

LAB_MAIN("namespaces", TEST(equal_pids), TEST(a_namespace_that_dies))
