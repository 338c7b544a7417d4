/* SPDX-License-Identifier: MIT */
/*
 * Clocks that jump while messages are held, delayed and waited for. The wall clock is set back and forth by a day: nothing may come of it. Boot time
 * leaps ahead, as it does over a suspend: leases end, and nothing is lost. The machine's clocks stay as they are: the test stands between library and
 * clock_gettime (--wrap), for all its processes at once.
 */
#include "lab.h"

#include <stdatomic.h>

int __real_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_clock_gettime(clockid_t clock, struct timespec *t);

static struct shift { _Atomic int64_t wall_s, boot_s; } * shift; /* shared with the peers */

int __wrap_clock_gettime(clockid_t clock, struct timespec *t) {
    int result = __real_clock_gettime(clock, t);
    if (shift != NULL && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        t->tv_sec += atomic_load(&shift->wall_s);
    if (shift != NULL && clock == CLOCK_BOOTTIME)
        t->tv_sec += atomic_load(&shift->boot_s);
    return result;
}

enum { DAY_S = 24 * 3600 };
static const int64_t wall_jumps[] = {-DAY_S, 0, DAY_S, -2 * DAY_S, 0};

static rp_queue *q;
static rp_producer *p;

static void setup_queue(struct rp_queue_options *o) {
    shift = shared_memory(sizeof *shift);
    q = make_queue(o);
    succeeds(rp_producer_open(q, NULL, &p));
}

static void drop(void) {
    rp_producer_close(p);
    drop_queue(q);
}

/* Receives with a bound, and says what came of it: the first letter of the text, '-' for EMPTY. */
static int receive_on_demand(struct peer *test, void *argument) {
    (void)argument;
    struct rp_message m;
    struct handles h = peer_open(0);
    peer_say(test, 'r');
    for (char order; (order = peer_hear(test)) != 0;) {
        int result = order == 'a' ? rp_ack(h.c, &m) : rp_receive(h.c, &m, order == 'w' ? 10 * SECOND : 150 * MS);
        if (result == RP_EMPTY)
            peer_say(test, '-');
        else if (result == RP_LEASE_LOST)
            peer_say(test, 'l');
        else if (order == 'a')
            peer_say(test, result == 0 ? '+' : '!');
        else
            peer_say(test, result == 0 ? *(const char *)m.data : '!');
    }
    return 0;
}

static char ask(struct peer *peer, char order) {
    peer_say(peer, order);
    return peer_hear(peer);
}

/* Leases of a minute hold, a delay of a minute is not over, a timeout of 150 ms is one, whatever the wall clock says. */
static void the_wall_clock(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    struct rp_consumer *c;
    struct rp_message m, late;
    struct rp_nack_options minute;
    o.lease_ns = 60 * SECOND;
    setup_queue(&o);
    succeeds(rp_consumer_open(q, NULL, &c));
    succeeds(send_text(p, "leased"));
    succeeds(rp_receive(c, &m, 0));
    succeeds(send_text(p, "delayed"));
    succeeds(rp_receive(c, &late, 0));
    rp_nack_options_init(&minute, sizeof minute);
    minute.delay_ns = 60 * SECOND;
    succeeds(rp_nack(c, &late, &minute));
    struct peer peer = peer_start(receive_on_demand, NULL);
    assert_int_equal(peer_hear(&peer), 'r');
    for (size_t i = 0; i < sizeof wall_jumps / sizeof wall_jumps[0]; i++) {
        int64_t start = time_ns();
        peer_say(&peer, 'r');
        assert_true(until(rp_queue_sweep(q) >= 0 && time_ns() - start > 10 * MS)); /* it waits by now, or soon */
        atomic_store(&shift->wall_s, wall_jumps[i]);
        assert_int_equal(peer_hear(&peer), '-');
        assert_true(time_ns() - start >= 150 * MS);
        succeeds(rp_queue_sweep(q));
        assert_int_equal(stats_of(q).leased, 1);
        assert_int_equal(stats_of(q).delayed, 1);
        succeeds(send_text(p, "now")); /* and what is sent, is received */
        assert_int_equal(ask(&peer, 'w'), 'n');
        assert_int_equal(ask(&peer, 'a'), '+');
    }
    assert_int_equal(stats_of(q).expired_leases, 0);
    succeeds(rp_extend(c, &m, SECOND));
    succeeds(rp_ack(c, &m));
    peer_kill(&peer);
    succeeds(rp_queue_purge(q, NULL, RP_STATE_ALL));
    rp_consumer_close(c);
    only_ready_is_left(q, 0);
    drop();
}

/* Short leases end and short delays are over in time although the wall clock was set back by a day. */
static void the_wall_clock_set_back_does_not_hold_anything_up(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.lease_ns = 50 * MS;
    o.backoff_ns = o.backoff_max_ns = 20 * MS;
    setup_queue(&o);
    struct peer holder = peer_start(receive_on_demand, NULL), other = peer_start(receive_on_demand, NULL);
    assert_int_equal(peer_hear(&holder), 'r');
    assert_int_equal(peer_hear(&other), 'r');
    for (size_t i = 0; i < sizeof wall_jumps / sizeof wall_jumps[0]; i++) {
        succeeds(send_text(p, "work"));
        assert_int_equal(ask(&holder, 'w'), 'w');
        peer_say(&other, 'w');
        atomic_store(&shift->wall_s, wall_jumps[i]);
        assert_int_equal(peer_hear(&other), 'w');
        assert_int_equal(ask(&holder, 'a'), 'l');
        char ended = ask(&other, 'a'); /* its own lease is as short */
        assert_true(ended == '+' || ended == 'l');
        if (ended == 'l')
            succeeds(rp_queue_purge(q, NULL, RP_STATE_ALL));
    }
    /* A removed queue is noticed all the same. */
    atomic_store(&shift->wall_s, -DAY_S);
    succeeds(rp_queue_unlink(queue_name));
    assert_true(until(send_text(p, "nobody") == RP_GONE));
    peer_kill(&holder);
    peer_kill(&other);
    drop();
}

/* Suspended for a day, and awake again: every lease is over, every delay, too; who still holds a view may read it, and its ack is refused. */
static void boot_time_leaps(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    struct rp_consumer *c;
    struct rp_message held, m;
    struct rp_nack_options hour;
    o.lease_ns = 3600 * SECOND;
    setup_queue(&o);
    succeeds(rp_consumer_open(q, NULL, &c));
    struct peer other = peer_start(receive_on_demand, NULL);
    assert_int_equal(peer_hear(&other), 'r');
    for (int night = 1; night <= 3; night++) {
        succeeds(send_text(p, "held"));
        succeeds(rp_receive(c, &held, 0));
        succeeds(send_text(p, "delayed"));
        succeeds(rp_receive(c, &m, 0));
        rp_nack_options_init(&hour, sizeof hour);
        hour.delay_ns = 3600 * SECOND;
        succeeds(rp_nack(c, &m, &hour));
        assert_int_equal(stats_of(q).ready, 0);
        peer_say(&other, 'w'); /* waits while the night falls, or begins to right after it */
        atomic_store(&shift->boot_s, (int64_t)night * DAY_S);
        char first = peer_hear(&other);
        assert_true(first == 'h' || first == 'd');
        assert_int_equal(ask(&other, 'a'), '+');
        assert_int_equal(ask(&other, 'w'), first == 'h' ? 'd' : 'h');
        assert_int_equal(ask(&other, 'a'), '+');
        assert_true(says(&held, "held"));
        assert_int_equal(rp_ack(c, &held), RP_LEASE_LOST);
        assert_int_equal(stats_of(q).expired_leases, night);
    }
    peer_kill(&other);
    rp_consumer_close(c);
    only_ready_is_left(q, 0);
    drop();
}

/* A timeout runs on boot time: a waiter whose time came while the machine slept goes home at its next tick, not a night later. */
static void a_timeout_over_night(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    setup_queue(&o);
    struct peer other = peer_start(receive_on_demand, NULL);
    assert_int_equal(peer_hear(&other), 'r');
    int64_t start = time_ns();
    peer_say(&other, 'r');
    atomic_store(&shift->boot_s, DAY_S);
    assert_int_equal(peer_hear(&other), '-');
    print_message("a timeout of 150 ms that a leap fell into ended after %.0f ms\n", (double)(time_ns() - start) / 1e6);
    peer_kill(&other);
    drop();
}

LAB_MAIN("clocks", TEST(the_wall_clock), TEST(the_wall_clock_set_back_does_not_hold_anything_up), TEST(boot_time_leaps),
         TEST(a_timeout_over_night))
