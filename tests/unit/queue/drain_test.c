/* SPDX-License-Identifier: MIT */
/* Drain: what it waits for, what it does not, and what it says. */
#include "pause.h"

#include "fixture.h"
#include <errno.h>
#include <ringpost/group.h>

static rp_queue *q;
static rp_producer *p;
static rp_consumer *c;

static void open_queue(struct rp_queue_options o) {
    q = make_queue(&o);
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_consumer_open(q, NULL, &c));
}

static void close_queue(void) {
    rp_producer_close(p);
    rp_consumer_close(c);
    audit_is_clean(q);
    drop_queue(q);
}

static int drain(int64_t timeout_ns, uint32_t dead) {
    struct rp_drain_options o;
    rp_drain_options_init(&o, sizeof o);
    o.timeout_ns = timeout_ns;
    o.dead = dead;
    return rp_queue_drain(q, &o);
}

static struct rp_message take(void) {
    struct rp_message m;
    succeeds(rp_receive(c, &m, 0));
    return m;
}

static void an_empty_queue(void **state) {
    (void)state;
    open_queue(test_options());
    assert_int_equal(drain(0, 0), 0);
    assert_int_equal(rp_queue_paused(q), RP_SIDE_SEND);
    assert_int_equal(send_text(p, "late"), RP_PAUSED);
    assert_int_equal(rp_queue_drain(q, NULL), 0);
    succeeds(rp_queue_resume(q, RP_SIDE_SEND));
    succeeds(send_text(p, "anew"));
    assert_int_equal(drain(0, 0), 1);
    close_queue();
}

/* In whichever state a message is. */
static void what_is_left(void **state) {
    (void)state;
    struct rp_message m[3];
    struct rp_loan loan;
    const struct rp_send_options in_a_year = {
        .size = sizeof in_a_year, .timeout_ns = 0, .delay_ns = UINT64_C(365) * 24 * 3600 * (uint64_t)SECOND};
    const struct rp_nack_options later = {.size = sizeof later, .delay_ns = 3600 * SECOND, .charge = 1};
    open_queue(test_options());
    for (int i = 0; i < 4; i++)
        succeeds(send_text(p, "work"));
    assert_int_equal(rp_receive_batch(c, m, 3, 0), 3); /* and one ready */
    succeeds(rp_nack(c, &m[1], &later));
    succeeds(rp_reject(c, &m[2], "no"));
    succeeds(rp_send(p, "x", 1, &in_a_year));
    succeeds(rp_loan(p, 1, &loan));
    assert_int_equal(drain(0, 0), 5);
    assert_int_equal(drain(0, 1), 6);
    succeeds(rp_abandon(p, &loan));
    assert_int_equal(drain(10 * MS, 0), 4);
    assert_int_equal(rp_queue_purge(q, NULL, RP_STATE_READY | RP_STATE_DELAYED), 3);
    assert_int_equal(drain(0, 0), 1);
    succeeds(rp_ack(c, &m[0]));
    assert_int_equal(drain(0, 0), 0);
    assert_int_equal(drain(0, 1), 1);
    assert_int_equal(rp_dead_purge(q, NULL, NULL), 1);
    assert_int_equal(drain(0, 1), 0);
    close_queue();
}

static void every_group(void **state) {
    (void)state;
    open_queue(test_options());
    succeeds(rp_group_create(q, "other", NULL));
    succeeds(send_text(p, "for both"));
    struct rp_message m = take();
    succeeds(rp_ack(c, &m));
    assert_int_equal(drain(0, 0), 1);
    assert_int_equal(rp_queue_purge(q, "other", RP_STATE_READY), 1);
    assert_int_equal(drain(0, 0), 0);
    close_queue();
}

/* Settled, but somebody whose lease ran out still looks at it: no message, though memory. */
static void what_lingers_is_no_message(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.lease_ns = 20 * MS;
    open_queue(o);
    succeeds(send_text(p, "work"));
    struct rp_message late = take();
    assert_true(eventually(rp_queue_sweep(q) >= 0 && stats_of(q).ready == 1));
    assert_int_equal(rp_queue_purge(q, NULL, RP_STATE_READY), 1);
    assert_int_equal(stats_of(q).lingering, 1);
    assert_int_equal(drain(0, 0), 0);
    assert_int_equal(rp_ack(c, &late), RP_LEASE_LOST);
    close_queue();
}

static void a_process_in_the_middle_of_a_redrive(void **state) {
    (void)state;
    open_queue(test_options());
    a64 *changes = &q->segment.seats[q->seat].dead_changes;
    (void)fetch_add_seq_cst(changes, 1, dead_changes);
    assert_int_equal(drain(10 * MS, 0), 1);
    (void)fetch_add_seq_cst(changes, UINT64_MAX, dead_changes);
    assert_int_equal(drain(0, 0), 0);
    close_queue();
}

static int resume_soon(struct peer *test, void *argument) {
    (void)argument;
    struct handles h = peer_open(0);
    peer_check(peer_hear(test) == 'r');
    peer_check(until(rp_queue_paused(h.q) == RP_SIDE_SEND));
    peer_succeeds(rp_queue_resume(h.q, RP_SIDE_SEND));
    return 0;
}

static void somebody_resumes(void **state) {
    (void)state;
    open_queue(test_options());
    succeeds(send_text(p, "never received"));
    struct peer peer = peer_start(resume_soon, NULL);
    peer_say(&peer, 'r');
    assert_int_equal(drain(-1, 0), -ECANCELED);
    assert_int_equal(peer_end(&peer), 0);
    close_queue();
}

static void what_may_be_asked(void **state) {
    (void)state;
    open_queue(test_options());
    assert_int_equal(drain(-2, 0), -EINVAL);
    assert_int_equal(drain(0, 2), -EINVAL);
    assert_int_equal(rp_queue_drain(NULL, NULL), -EINVAL);
    assert_int_equal(rp_queue_paused(q), 0);
    rp_queue *observer;
    const struct rp_open_options o = {.size = sizeof o, .read_only = 1};
    succeeds(rp_queue_open(queue_name, &o, &observer));
    assert_int_equal(rp_queue_drain(observer, NULL), -EROFS);
    succeeds(rp_queue_close(observer));
    close_queue();
}

static void on_alarm(int signal) {
    (void)signal;
    rp_queue_interrupt(q);
}

static void an_interrupt_ends_it(void **state) {
    (void)state;
    const struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct sigaction before;
    open_queue(test_options());
    succeeds(send_text(p, "never received"));
    sigaction(SIGALRM, &action, &before);
    alarm(1);
    assert_int_equal(drain(-1, 0), -EINTR);
    sigaction(SIGALRM, &before, NULL);
    assert_int_equal(rp_queue_paused(q), RP_SIDE_SEND);
    close_queue();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_empty_queue),
        TEST(what_is_left),
        TEST(every_group),
        TEST(what_lingers_is_no_message),
        TEST(a_process_in_the_middle_of_a_redrive),
        TEST(somebody_resumes),
        TEST(an_interrupt_ends_it),
        TEST(what_may_be_asked),
    };
    return cmocka_run_group_tests_name("drain", tests, NULL, NULL);
}
