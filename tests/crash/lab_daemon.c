/* SPDX-License-Identifier: MIT */
/*
 * Programs that make daemons of themselves: double fork, setsid, all descriptors closed and their numbers used anew, chroot, another /dev/shm, no
 * privileges. A handle does not cross a fork; everything else must not matter to the messages.
 */
#include "lab.h"

#include <grp.h>
#include <sched.h>
#include <sys/stat.h>

static rp_queue *q;
static rp_producer *p;
static rp_consumer *c;

static void setup_queue(void) {
    struct rp_queue_options o = test_options();
    o.mode = 0666;
    q = make_queue(&o);
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_consumer_open(q, NULL, &c));
}

static void drop(void) {
    rp_consumer_close(c);
    rp_producer_close(p);
    drop_queue(q);
}

/* As daemon(3) does, and more thoroughly. Our pipe to the test comes along as descriptors 0 and 1. */
static void close_everything(struct peer *test) {
    peer_check(dup2(test->in, 0) == 0 && dup2(test->out, 1) == 1);
    test->in = 0;
    test->out = 1;
    closefrom(2);
    while (open("/dev/null", O_RDWR) < 20) { /* the library's numbers are somebody else's now */
    }
}

/* ---- the handle was opened before the fork: documented, and nothing is lost ---- */

static int opens_too_early(struct peer *test, void *argument) {
    (void)argument;
    struct rp_message m;
    struct handles h = peer_open(0);
    peer_succeeds(rp_receive(h.c, &m, 0));
    if (fork() != 0)
        _exit(0);
    setsid();
    if (fork() != 0)
        _exit(0);
    close_everything(test);
    peer_check(rp_ack(h.c, &m) == RP_FORKED);
    peer_check(send_text(h.p, "never") == RP_FORKED);
    peer_check(rp_queue_close(h.q) == RP_FORKED);
    rp_queue *own;
    peer_succeeds(rp_queue_open(queue_name, NULL, &own)); /* what it should have done */
    peer_succeeds(rp_producer_open(own, NULL, &h.p));
    peer_succeeds(send_text(h.p, "from the daemon"));
    peer_say(test, 'd');
    peer_hear(test);
    _exit(0);
}

static void opened_before_the_fork(void **state) {
    (void)state;
    struct rp_message m;
    setup_queue();
    succeeds(send_text(p, "work"));
    struct peer daemon = peer_start(opens_too_early, NULL);
    assert_int_equal(peer_hear(&daemon), 'd');
    waitpid(daemon.pid, NULL, 0);
    assert_true(eventually(rp_queue_sweep(q) >= 0 && stats_of(q).participants == 2));
    assert_int_equal(stats_of(q).ready, 2); /* the first process, who held it, is dead */
    for (int i = 0; i < 2; i++) {
        succeeds(rp_receive(c, &m, 0));
        assert_true(says(&m, m.acquisitions == 2 ? "work" : "from the daemon"));
        succeeds(rp_ack(c, &m));
    }
    close(daemon.out);
    assert_int_equal(peer_hear(&daemon), 0);
    close(daemon.in);
    only_ready_is_left(q, 0);
    drop();
}

/* ---- opened after it, and then everything is taken from under it ---- */

enum way { CLOSED = 1, CHROOT = 2, OTHER_SHM = 4, NOBODY_AT_ALL = 8 };

/* Leaves as much of its old world as `way` says. False: not permitted here. */
static bool leave_the_world(struct peer *test, unsigned way) {
    if (way & OTHER_SHM) {
        enter_own_mounts();
        if (mount("none", "/dev/shm", "tmpfs", 0, "size=1m") != 0)
            return false;
    }
    if (way & CLOSED)
        close_everything(test);
    if (way & CHROOT && (chroot("/proc") != 0 || chdir("/") != 0))
        return false;
    return !(way & NOBODY_AT_ALL) || (setgroups(0, NULL) == 0 && setgid(65534) == 0 && setuid(65534) == 0);
}

/* Echoes messages. Between two of them a tick passes, so that it looks for its queue's name, and for the dead. */
static int serve(struct peer *test, void *argument) {
    struct rp_message m;
    struct handles h = peer_open(0);
    if (!leave_the_world(test, *(unsigned *)argument))
        return PEER_SKIP;
    peer_say(test, 'r');
    for (;;) {
        int result = rp_receive(h.c, &m, -1);
        if (result == RP_GONE)
            return 'g';
        peer_succeeds(result);
        if (says(&m, "hold"))
            peer_say(test, 'h');
        if (says(&m, "hold"))
            return peer_hear(test);
        if (!says(&m, "echo")) {
            peer_succeeds(rp_nack(h.c, &m, NULL)); /* its own answer */
            continue;
        }
        peer_succeeds(send_text(h.p, "answer"));
        peer_succeeds(rp_ack(h.c, &m));
        peer_say(test, 'a');
    }
}

static void serves_and_dies(unsigned way) {
    enum { MESSAGES = 3, TICK = 60 };
    struct rp_message m;
    setup_queue();
    struct peer daemon = peer_start(serve, &way);
    char byte = peer_hear(&daemon);
    if (byte == 0 && peer_end(&daemon) == PEER_SKIP) {
        drop();
        lab_skip("not permitted");
    }
    assert_int_equal(byte, 'r');
    for (int i = 0; i < MESSAGES; i++) {
        int64_t start = time_ns();
        succeeds(send_text(p, "echo"));
        assert_int_equal(peer_hear(&daemon), 'a');
        assert_true(until(rp_receive(c, &m, 10 * MS) == 0));
        assert_true(says(&m, "answer"));
        succeeds(rp_ack(c, &m));
        assert_true(until(time_ns() - start > TICK * MS)); /* so that there is a tick in between */
    }
    assert_int_equal(stats_of(q).participants, 2);
    assert_int_equal(stats_of(q).participants_dead, 0);
    succeeds(send_text(p, "hold"));
    assert_int_equal(peer_hear(&daemon), 'h');
    assert_int_equal(stats_of(q).leased, 1);
    peer_kill(&daemon);
    only_ready_is_left(q, 1);
    drop();
}

static void all_descriptors_closed(void **state) {
    (void)state;
    serves_and_dies(CLOSED);
}

static void another_root(void **state) {
    (void)state;
    serves_and_dies(CHROOT);
}

static void another_root_and_no_descriptors_and_no_privileges(void **state) {
    (void)state;
    serves_and_dies(CHROOT | CLOSED | NOBODY_AT_ALL);
}

static void another_dev_shm(void **state) {
    (void)state;
    serves_and_dies(OTHER_SHM | CLOSED);
}

/* With all descriptors closed it still finds the dead, and learns that its queue was removed. */
static void it_still_sees_the_others(void **state) {
    (void)state;
    static unsigned way = CLOSED, none = 0;
    setup_queue();
    struct peer holder = peer_start(serve, &none);
    assert_int_equal(peer_hear(&holder), 'r');
    succeeds(send_text(p, "hold"));
    assert_int_equal(peer_hear(&holder), 'h');
    struct peer daemon = peer_start(serve, &way);
    assert_int_equal(peer_hear(&daemon), 'r');
    peer_kill(&holder);
    assert_int_equal(peer_hear(&daemon), 'h'); /* nobody else keeps house */
    assert_int_equal(stats_of(q).recovered, 1);
    peer_kill(&daemon);
    only_ready_is_left(q, 1);

    struct rp_message m;
    succeeds(rp_receive(c, &m, 0));
    succeeds(rp_ack(c, &m));
    daemon = peer_start(serve, &way);
    assert_int_equal(peer_hear(&daemon), 'r');
    succeeds(rp_queue_unlink(queue_name));
    assert_int_equal(peer_end(&daemon), 'g');
    drop();
}

LAB_MAIN("daemons", TEST(opened_before_the_fork), TEST(all_descriptors_closed), TEST(another_root),
         TEST(another_root_and_no_descriptors_and_no_privileges), TEST(another_dev_shm), TEST(it_still_sees_the_others))
