/* SPDX-License-Identifier: MIT */
/*
 * rp_forward, and rp_seen with its ack, killed after so many instructions, by single steps: at places spread over all of it, others in each run. Whoever comes next finishes what
 * was begun, and nothing has happened twice.
 */
#include "fixture.h"

#include <sys/ptrace.h>

enum { PLACES = 60, MOST_STEPS = 1000000 };

static char far_name[80];
static struct handles near;
static rp_queue *far;
static rp_producer *to;
static rp_consumer *out;

static int unlink_both(void **state) {
    if (far_name[0])
        rp_queue_unlink(far_name);
    return unlink_queue(state);
}

static void open_both(void) {
    struct rp_queue_options o = test_options();
    o.dedup_window_ns = UINT64_C(3600) * SECOND;
    near.q = make_queue(&o);
    succeeds(rp_producer_open(near.q, NULL, &near.p));
    succeeds(rp_consumer_open(near.q, NULL, &near.c));
    snprintf(far_name, sizeof far_name, "%s.far", queue_name);
    rp_queue_unlink(far_name);
    succeeds(rp_queue_create(far_name, &o, &far));
    succeeds(rp_producer_open(far, NULL, &to));
    succeeds(rp_consumer_open(far, NULL, &out));
}
static void close_both(void) {
    succeeds(rp_queue_sweep(near.q));
    succeeds(rp_queue_sweep(far));
    audit_is_clean(near.q);
    audit_is_clean(far);
    rp_producer_close(to);
    rp_consumer_close(out);
    rp_producer_close(near.p);
    rp_consumer_close(near.c);
    succeeds(rp_queue_close(far));
    rp_queue_unlink(far_name);
    drop_queue(near.q);
}

/* The steps begin here. */
static void traced(void) {
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        _exit(PEER_SKIP);
    raise(SIGSTOP);
}
static int forwards(struct peer *test, void *argument) {
    (void)test, (void)argument;
    struct handles h = peer_open(0);
    struct rp_message m;
    rp_queue *q;
    rp_producer *p;
    peer_succeeds(rp_queue_open(far_name, NULL, &q));
    peer_succeeds(rp_producer_open(q, NULL, &p));
    peer_succeeds(rp_receive(h.c, &m, 0));
    traced();
    return rp_forward(h.c, &m, p, m.data, m.bytes, NULL) != 0;
}
static int works(struct peer *test, void *argument) {
    (void)test;
    struct handles h = peer_open(0);
    struct rp_message m;
    peer_succeeds(rp_receive(h.c, &m, 0));
    traced();
    return rp_seen(h.c, &m, argument, sizeof(unsigned)) != 0 || rp_ack(h.c, &m) != 0;
}

/* Kills one who runs `body` after so many steps. -> how many it were: fewer if he had ended */
static unsigned killed_after(int (*body)(struct peer *, void *), void *argument, unsigned steps) {
    int status = 0;
    unsigned done = 0;
    struct peer p = peer_start(body, argument);
    assert_true(waitpid(p.pid, &status, WUNTRACED) == p.pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == PEER_SKIP)
        skip();
    assert_true(WIFSTOPPED(status));
    for (; done < steps && WIFSTOPPED(status); done++) {
        assert_int_equal(ptrace(PTRACE_SINGLESTEP, p.pid, NULL, NULL), 0);
        assert_true(waitpid(p.pid, &status, 0) == p.pid);
    }
    if (WIFSTOPPED(status)) {
        kill(p.pid, SIGKILL);
        waitpid(p.pid, &status, 0);
    } else {
        assert_int_equal(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
    }
    close(p.in);
    close(p.out);
    return done;
}

static void each_step_of_forward(void **state) {
    (void)state;
    struct rp_message m;
    unsigned deaths = 0, sent = 0, acked = 0;
    unsigned all = MOST_STEPS;
    open_both();
    for (unsigned i = 0; i <= PLACES; i++) { /* the first one lives, and tells how many steps there are */
        unsigned steps = i == 0 ? all : (unsigned)((i - 1 + getpid() % 100 / 100.0) * all / PLACES);
        succeeds(send_text(near.p, "one"));
        unsigned took = killed_after(forwards, NULL, steps);
        if (i == 0)
            all = took;
        deaths += i > 0 && took == steps;
        succeeds(rp_queue_sweep(near.q));
        succeeds(rp_queue_sweep(far));
        int result = rp_receive(near.c, &m, 0);
        if (result == 0) {
            result = rp_forward(near.c, &m, to, m.data, m.bytes, NULL);
            assert_true(result == 0 || result == 1);
            sent += result == 1;
        } else {
            assert_int_equal(result, RP_EMPTY);
            acked++;
        }
        assert_int_equal(rp_receive(near.c, &m, 0), RP_EMPTY);
        succeeds(rp_receive(out, &m, 0));
        assert_true(says(&m, "one"));
        succeeds(rp_ack(out, &m));
        assert_int_equal(rp_receive(out, &m, 0), RP_EMPTY);
    }
    print_message("%u killed within %u steps; %u had sent, %u had acked, too\n", deaths, all, sent, acked - 1);
    assert_true(all < MOST_STEPS && deaths > PLACES / 2 && sent > 0 && acked > 1);
    close_both();
}

static void each_step_of_work(void **state) {
    (void)state;
    struct rp_message m;
    unsigned deaths = 0, undone = 0, done = 0, acked = 0;
    unsigned all = MOST_STEPS;
    open_both();
    for (unsigned i = 0; i <= PLACES; i++) { /* the first one lives, and tells how many steps there are */
        unsigned steps = i == 0 ? all : (unsigned)((i - 1 + getpid() % 100 / 100.0) * all / PLACES);
        succeeds(send_text(near.p, "one"));
        unsigned took = killed_after(works, &steps, steps);
        if (i == 0)
            all = took;
        deaths += i > 0 && took == steps;
        succeeds(rp_queue_sweep(near.q));
        int result = rp_receive(near.c, &m, 0);
        if (result == 0) {
            result = rp_seen(near.c, &m, &steps, sizeof steps);
            assert_true(result == 0 || result == RP_DUPLICATE);
            undone += result == 0;
            done += result != 0;
            succeeds(rp_ack(near.c, &m));
        } else {
            assert_int_equal(result, RP_EMPTY);
            acked++;
        }
        succeeds(send_text(near.p, "the same again"));
        succeeds(rp_receive(near.c, &m, 0));
        assert_int_equal(rp_seen(near.c, &m, &steps, sizeof steps), RP_DUPLICATE);
        succeeds(rp_ack(near.c, &m));
    }
    print_message("%u killed within %u steps; %u had not done it, %u had done it, %u had acked, too\n", deaths, all, undone, done,
                  acked - 1);
    assert_true(all < MOST_STEPS && deaths > PLACES / 2 && undone > 0 && acked > 1);
    close_both();
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(each_step_of_forward, unlink_both),
                                       cmocka_unit_test_teardown(each_step_of_work, unlink_both)};
    return cmocka_run_group_tests_name("onward_step", tests, NULL, NULL);
}
