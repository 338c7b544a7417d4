/* SPDX-License-Identifier: MIT */
/*
 * rp_forward and rp_seen under kill -9. Forwarders are killed wherever they are: each message comes out exactly once. Workers that are told by rp_seen what is still to do
 * do everything, and nothing a second time but what one of them was killed at.
 */
#include "fixture.h"

#include <stdatomic.h>

enum { MESSAGES = 12000, COPIES = 3, KILLS = 300 };

static char far_name[80];

static struct shared {
    atomic_uint repeated; /* forwards that found their output sent */
    atomic_uchar begun[MESSAGES];
} * shared;

static int unlink_both(void **state) {
    if (far_name[0])
        rp_queue_unlink(far_name);
    return unlink_queue(state);
}

static struct rp_queue_options options(uint32_t capacity) {
    struct rp_queue_options o = test_options();
    o.capacity = capacity;
    o.max_participants = 8;
    o.prefault = 0; /* many come and go */
    o.dedup_window_ns = UINT64_C(3600) * SECOND;
    return o;
}

static void fill(rp_queue *q, uint32_t count, uint32_t copies) {
    rp_producer *p;
    succeeds(rp_producer_open(q, NULL, &p));
    for (uint32_t k = 0; k < copies; k++)
        for (uint32_t n = 0; n < count; n++)
            succeeds(rp_send(p, &n, sizeof n, NULL));
    rp_producer_close(p);
}

static void ends_well(rp_queue *q) {
    succeeds(rp_queue_sweep(q));
    audit_is_clean(q);
    assert_int_equal(stats_of(q).free_cells, stats_of(q).cells);
}

/* So long after it has begun to work one is killed, by the kernel, wherever it is. 0: it is not. */
static void light(const uint64_t *fuse_ns) {
    struct sigevent kill = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
    struct itimerspec when = {.it_value.tv_nsec = (long)*fuse_ns};
    timer_t timer;
    if (*fuse_ns == 0)
        return;
    peer_check(timer_create(CLOCK_MONOTONIC, &kill, &timer) == 0);
    peer_check(timer_settime(timer, 0, &when, NULL) == 0);
}

/* Two of the crew are always there, for some hundred microseconds each; the last one does the rest. -> how many were killed */
static unsigned kill_often(int (*body)(struct peer *, void *)) {
    struct peer crew[2];
    unsigned kills = 0, n = 0;
    uint64_t random = 88172645463325252, fuse_ns = 0;
    for (; n < KILLS; n++) {
        random = random * 6364136223846793005 + 1442695040888963407;
        fuse_ns = 20000 + (random >> 40) % 500000;
        if (n >= 2)
            kills += peer_end(&crew[n % 2]) == -SIGKILL;
        crew[n % 2] = peer_start(body, &fuse_ns);
    }
    for (int i = 0; i < 2; i++)
        kills += peer_end(&crew[i]) == -SIGKILL;
    fuse_ns = 0;
    assert_int_equal(peer_run(body, &fuse_ns), 0);
    return kills;
}

/* Is there nothing left that could come again? */
static bool empty(rp_queue *q) {
    struct rp_queue_stats s;
    peer_succeeds(rp_queue_sweep(q));
    peer_succeeds(rp_queue_stats(q, &s));
    return s.ready + s.leased + s.delayed == 0;
}

static int forward(struct peer *test, void *argument) {
    (void)test;
    struct handles h = peer_open(0);
    struct rp_message m;
    rp_queue *far;
    rp_producer *to;
    peer_succeeds(rp_queue_open(far_name, NULL, &far));
    peer_succeeds(rp_producer_open(far, NULL, &to));
    light(argument);
    for (;;) {
        int result = rp_receive(h.c, &m, 10 * MS);
        if (result == RP_EMPTY && empty(h.q))
            return 0;
        if (result == RP_EMPTY)
            continue;
        peer_succeeds(result);
        result = rp_forward(h.c, &m, to, m.data, m.bytes, NULL);
        peer_succeeds(result);
        atomic_fetch_add(&shared->repeated, result == 1);
    }
}

static void each_comes_out_once(void **state) {
    (void)state;
    static unsigned copies[MESSAGES];
    struct rp_queue_options o = options(MESSAGES);
    rp_queue *near = make_queue(&o), *far;
    rp_consumer *c;
    struct rp_message m;
    snprintf(far_name, sizeof far_name, "%s.far", queue_name);
    rp_queue_unlink(far_name);
    succeeds(rp_queue_create(far_name, &o, &far));
    fill(near, MESSAGES, 1);
    shared = shared_memory(sizeof *shared);
    unsigned kills = kill_often(forward);
    succeeds(rp_consumer_open(far, NULL, &c));
    while (rp_receive(c, &m, 0) == 0) {
        uint32_t n;
        assert_int_equal(m.bytes, sizeof n);
        memcpy(&n, m.data, sizeof n);
        assert_in_range(n, 0, MESSAGES - 1);
        copies[n]++;
        succeeds(rp_ack(c, &m));
    }
    rp_consumer_close(c);
    print_message("%d messages, %u kills, %u found their output sent\n", MESSAGES, kills, atomic_load(&shared->repeated));
    for (uint32_t n = 0; n < MESSAGES; n++)
        assert_int_equal(copies[n], 1);
    ends_well(near);
    ends_well(far);
    munmap(shared, sizeof *shared);
    succeeds(rp_queue_close(far));
    rp_queue_unlink(far_name);
    drop_queue(near);
}

static int work(struct peer *test, void *argument) {
    (void)test;
    struct handles h = peer_open(0);
    struct rp_message m;
    struct rp_nack_options later;
    rp_nack_options_init(&later, sizeof later);
    later.charge = 0;
    later.delay_ns = 2 * MS;
    light(argument);
    for (;;) {
        uint32_t n;
        int result = rp_receive(h.c, &m, 10 * MS);
        if (result == RP_EMPTY && empty(h.q))
            return 0;
        if (result == RP_EMPTY)
            continue;
        peer_succeeds(result);
        memcpy(&n, m.data, sizeof n);
        peer_check(n < MESSAGES);
        result = rp_seen(h.c, &m, &n, sizeof n);
        if (result == -EBUSY) {
            peer_succeeds(rp_nack(h.c, &m, &later));
            continue;
        }
        peer_check(result == 0 || result == RP_DUPLICATE);
        if (result == 0)
            atomic_fetch_add(&shared->begun[n], 1);
        peer_succeeds(rp_ack(h.c, &m));
    }
}

static void work_is_done_once(void **state) {
    (void)state;
    const uint32_t orders = MESSAGES / COPIES;
    struct rp_queue_options o = options(MESSAGES);
    rp_queue *q = make_queue(&o);
    unsigned again = 0;
    fill(q, orders, COPIES);
    shared = shared_memory(sizeof *shared);
    unsigned kills = kill_often(work);
    for (uint32_t n = 0; n < orders; n++) {
        uint32_t begun = atomic_load_explicit(&shared->begun[n], memory_order_relaxed);
        assert_true(begun >= 1);
        again += begun - 1;
    }
    print_message("%u orders, %d times each, %u kills, %u begun again\n", orders, COPIES, kills, again);
    assert_true(again <= kills);
    ends_well(q);
    munmap(shared, sizeof *shared);
    drop_queue(q);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(each_comes_out_once, unlink_both), TEST(work_is_done_once)};
    return cmocka_run_group_tests_name("onward", tests, NULL, NULL);
}
