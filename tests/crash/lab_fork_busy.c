/* SPDX-License-Identifier: MIT */
/* Fork in the middle of everything: other threads attach, send, receive and recover meanwhile. No child may catch a lock that makes its dead parent live. */
#include "lab_children.h"

#include <pthread.h>

static void *attach_and_detach(void *argument) {
    (void)argument;
    for (;;) {
        rp_queue *mine;
        int result = rp_queue_open(queue_name, NULL, &mine);
        if (result == 0)
            peer_succeeds(rp_queue_close(mine));
        else
            peer_check(result == RP_NO_SEAT);
    }
    return NULL;
}

static void *pass_messages(void *argument) {
    struct handles *h = argument;
    struct rp_message m;
    struct rp_loan loan;
    for (unsigned i = 0;; i++) {
        int sent = send_text(h->p, "work");
        peer_check(sent == 0 || sent == RP_FULL);
        if (rp_receive(h->c, &m, 0) == 0 && i % 16 != 0)
            (void)rp_ack(h->c, &m);
        if (rp_loan(h->p, 8, &loan) == 0)
            peer_succeeds(rp_abandon(h->p, &loan));
    }
    return NULL;
}

static void *sweep(void *argument) {
    for (;;)
        peer_check(rp_queue_sweep(argument) >= 0);
    return NULL;
}

enum { CHILDREN = 30, ROUNDS = 2 };

/* Threads that attach, send, receive and recover while the first bears children, some of which attach and die: then it waits to be killed. */
static int busy_parent(struct peer *test, void *argument) {
    (void)argument;
    pthread_t threads[3];
    struct handles h = peer_open(8);
    pthread_create(&threads[0], NULL, attach_and_detach, NULL);
    pthread_create(&threads[1], NULL, pass_messages, &h);
    pthread_create(&threads[2], NULL, sweep, h.q);
    for (int i = 0; i < CHILDREN; i++) {
        static const char kinds[] = "fesvg";
        bear(test, kinds[i % 5]);
        pid_t pid = fork();
        if (pid == 0) {
            rp_queue *own;
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            (void)rp_queue_open(queue_name, NULL, &own);
            kill(getpid(), SIGKILL);
        }
        waitpid(pid, NULL, 0);
    }
    peer_say(test, 'r');
    wait_to_be_killed();
}

static void fork_in_the_middle_of_everything(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.capacity = 64;
    rp_queue *q = make_queue(&o);
    for (int round = 0; round < ROUNDS; round++) {
        struct peer parent = peer_start(busy_parent, NULL);
        assert_int_equal(peer_hear(&parent), 'r');
        kill(parent.pid, SIGKILL);
        waitpid(parent.pid, NULL, 0);
        assert_true(eventually(rp_queue_sweep(q) >= 0 && stats_of(q).participants == 1));
        struct rp_queue_stats s = stats_of(q);
        assert_int_equal(s.leased + s.owned_cells + s.lingering + s.participants_dead, 0);
        rp_queue *seats[16] = {NULL}; /* and no seat is kept by a child that caught a lock */
        for (int i = 0; i < 15; i++)
            succeeds(rp_queue_open(queue_name, NULL, &seats[i]));
        for (int i = 0; i < 15; i++)
            succeeds(rp_queue_close(seats[i]));
        peer_say(&parent, 'x');
        assert_int_equal(peer_hear(&parent), 'x');
        close(parent.out);
        assert_int_equal(peer_hear(&parent), 0);
        close(parent.in);
        succeeds(rp_queue_purge(q, NULL, RP_STATE_ALL));
        only_ready_is_left(q, 0);
    }
    drop_queue(q);
}

LAB_MAIN("busy forks", TEST(fork_in_the_middle_of_everything))
