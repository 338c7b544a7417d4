/* SPDX-License-Identifier: MIT */
/* Delayed messages between processes: who sleeps is woken in time, and whoever dies, nothing is lost. */
#include "fixture.h"

static uint64_t boot_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int send_delayed(rp_producer *p, const void *data, size_t bytes, uint64_t delay_ns) {
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    o.delay_ns = delay_ns;
    return rp_send(p, data, bytes, &o);
}

/* Receives for ever; a message says when it was due, at the earliest. */
struct lateness {
    uint32_t received;
    uint32_t early;
    uint64_t late_ns[1000];
};

static int receive_for_ever(struct peer *test, void *argument) {
    struct lateness *l = argument;
    struct handles h = peer_open(0);
    peer_say(test, 'r');
    for (;;) {
        struct rp_message m;
        uint64_t due;
        peer_succeeds(rp_receive(h.c, &m, -1));
        uint64_t now = boot_ns();
        memcpy(&due, m.data, sizeof due);
        uint32_t i = __atomic_load_n(&l->received, __ATOMIC_RELAXED);
        l->early += now < due;
        l->late_ns[i % 1000] = now - due;
        peer_succeeds(rp_ack(h.c, &m));
        __atomic_store_n(&l->received, i + 1, __ATOMIC_RELEASE);
    }
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Never early; how late is printed (bench_delay measures it), and must only not be forgotten. */
static void a_sleeper_is_woken_in_time(void **state) {
    (void)state;
    enum { MESSAGES = 100 };
    struct lateness *l = shared_memory(sizeof *l);
    struct rp_queue_options o = test_options();
    rp_producer *p;
    rp_queue *q = make_queue(&o);
    succeeds(rp_producer_open(q, NULL, &p));
    struct peer receiver = peer_start(receive_for_ever, l);
    assert_int_equal(peer_hear(&receiver), 'r');
    for (uint32_t i = 0; i < MESSAGES; i++) {
        uint64_t delay = 100000 + i * 173 % 9000000, due = boot_ns() + delay;
        succeeds(send_delayed(p, &due, sizeof due, delay));
        assert_true(until(__atomic_load_n(&l->received, __ATOMIC_ACQUIRE) == i + 1));
    }
    assert_int_equal(l->early, 0);
    qsort(l->late_ns, MESSAGES, sizeof l->late_ns[0], by_value);
    print_message("late: %.0f us in the middle, %.0f us at worst but one\n", (double)l->late_ns[MESSAGES / 2] / 1e3,
                  (double)l->late_ns[MESSAGES - 2] / 1e3);
    peer_kill(&receiver);
    rp_producer_close(p);
    succeeds(rp_queue_sweep(q));
    audit_is_clean(q);
    drop_queue(q);
    munmap(l, sizeof *l);
}

static int send_three_and_wait(struct peer *test, void *argument) {
    (void)argument;
    struct handles h = peer_open(0);
    for (int i = 0; i < 3; i++)
        peer_succeeds(send_delayed(h.p, &i, sizeof i, 30 * MS));
    peer_say(test, 's');
    return peer_hear(test);
}

/* The sender is dead when they are due, and so is everybody who received. */
static void all_die_and_nothing_is_lost(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    rp_queue *q = make_queue(&o);
    struct lateness *l = shared_memory(sizeof *l);
    struct peer receivers[3], sender = peer_start(send_three_and_wait, NULL);
    assert_int_equal(peer_hear(&sender), 's');
    peer_kill(&sender);
    for (int i = 0; i < 3; i++) {
        receivers[i] = peer_start(receive_for_ever, l);
        assert_int_equal(peer_hear(&receivers[i]), 'r');
        peer_kill(&receivers[i]);
    }
    rp_consumer *c;
    succeeds(rp_consumer_open(q, NULL, &c));
    for (uint32_t n = l->received; n < 3; n++) { /* one that is due at once may have been received before the kill */
        struct rp_message m;
        succeeds(rp_receive(c, &m, 20 * SECOND));
        succeeds(rp_ack(c, &m));
    }
    assert_int_equal(stats_of(q).scheduled, 3);
    rp_consumer_close(c);
    succeeds(rp_queue_sweep(q));
    assert_int_equal(stats_of(q).delayed + stats_of(q).ready + stats_of(q).leased, 0);
    audit_is_clean(q);
    drop_queue(q);
    munmap(l, sizeof *l);
}

static int keep_house(struct peer *test, void *argument) {
    (void)argument;
    rp_queue *q;
    peer_succeeds(rp_queue_open(queue_name, NULL, &q));
    peer_say(test, 'k');
    int result = rp_queue_keep(q, -1);
    return result == RP_GONE ? 0 : 1;
}

/* Nobody receives; a keeper makes ready what is due, and learns that the queue was removed. */
static void a_keeper_keeps_house(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    rp_queue *q = make_queue(&o);
    rp_producer *p;
    succeeds(rp_producer_open(q, NULL, &p));
    struct peer keeper = peer_start(keep_house, NULL);
    assert_int_equal(peer_hear(&keeper), 'k');
    uint64_t earliest[10], latest[10]; /* when each is due */
    for (int i = 0; i < 10; i++) {
        uint64_t delay = (uint64_t)(10 - i) * MS;
        earliest[i] = boot_ns() + delay;
        succeeds(send_delayed(p, &i, sizeof i, delay));
        latest[i] = boot_ns() + delay;
    }
    assert_true(eventually(stats_of(q).ready == 10)); /* looking changes nothing */
    rp_consumer *c;
    succeeds(rp_consumer_open(q, NULL, &c));
    uint64_t last = 0;
    for (int i = 0; i < 10; i++) {
        struct rp_message m;
        succeeds(rp_receive(c, &m, 0));
        int n = *(const int *)m.data;
        assert_in_range(n, 0, 9);
        assert_true(latest[n] >= last); /* in the order of times */
        last = earliest[n];
        succeeds(rp_ack(c, &m));
    }
    rp_consumer_close(c);
    rp_producer_close(p);
    assert_int_equal(rp_queue_keep(q, 5 * MS), 0);
    succeeds(rp_queue_interrupt(q));
    assert_int_equal(rp_queue_keep(q, 5 * MS), 0); /* of a wait before: each begins anew */
    drop_queue(q);
    assert_int_equal(peer_end(&keeper), 0);
}

/* ---- kills at random, with a ledger outside of the queue ---- */

enum { CREW = 4, LEDGER = 1 << 23 };
struct ledger {
    uint32_t next;
    uint8_t sent[LEDGER];     /* 1: the call began; 2: it said 0 */
    uint8_t received[LEDGER]; /* hand-outs that were acked; a call that began counts 64 */
    uint8_t early;
};

static int send_and_receive(struct peer *test, void *argument) {
    (void)test;
    struct ledger *l = argument;
    struct handles h = peer_open(0);
    uint64_t random = boot_ns() | 1;
    for (;;) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        uint32_t n = __atomic_fetch_add(&l->next, 1, __ATOMIC_RELAXED);
        struct {
            uint64_t due;
            uint32_t n;
        } x = {boot_ns() + random % 3000000, n};
        if (n >= LEDGER)
            return 0;
        __atomic_store_n(&l->sent[n], 1, __ATOMIC_RELEASE);
        if (send_delayed(h.p, &x, sizeof x, random % 3000000) == 0)
            __atomic_store_n(&l->sent[n], 2, __ATOMIC_RELEASE);
        else
            __atomic_store_n(&l->sent[n], 0, __ATOMIC_RELEASE);
        struct rp_message m;
        while (rp_receive(h.c, &m, 0) == 0) {
            memcpy(&x, m.data, sizeof x);
            if (boot_ns() < x.due || x.n >= LEDGER)
                l->early = 1;
            __atomic_fetch_add(&l->received[x.n % LEDGER], 64, __ATOMIC_RELEASE);
            int result = rp_ack(h.c, &m);
            __atomic_fetch_add(&l->received[x.n % LEDGER], (uint8_t)(result == 0 ? -63 : -64), __ATOMIC_RELEASE);
        }
    }
}

static void killed_at_random(void **state) {
    (void)state;
    enum { KILLS = 60 };
    struct rp_queue_options o = test_options();
    o.capacity = 256;
    rp_queue *q = make_queue(&o);
    struct ledger *l = shared_memory(sizeof *l);
    struct peer crew[CREW];
    for (int i = 0; i < CREW; i++)
        crew[i] = peer_start(send_and_receive, l);
    for (int i = 0; i < KILLS; i++) {
        uint32_t then = __atomic_load_n(&l->next, __ATOMIC_RELAXED);
        assert_true(
            until(__atomic_load_n(&l->next, __ATOMIC_RELAXED) > (then + 200 < LEDGER ? then + 200 : LEDGER))); /* or it is full */
        peer_kill(&crew[i % CREW]);
        crew[i % CREW] = peer_start(send_and_receive, l);
    }
    for (int i = 0; i < CREW; i++)
        peer_kill(&crew[i]);
    rp_consumer *c;
    succeeds(rp_consumer_open(q, NULL, &c));
    struct rp_message m;
    while (eventually(rp_receive(c, &m, 0) == 0 || stats_of(q).delayed + stats_of(q).leased + stats_of(q).ready == 0) &&
           stats_of(q).delayed + stats_of(q).leased + stats_of(q).ready > 0) {
        l->received[*(const uint32_t *)(const void *)((const char *)m.data + 8) % LEDGER]++;
        succeeds(rp_ack(c, &m));
    }
    uint32_t sent = 0;
    for (uint32_t n = 0; n < l->next && n < LEDGER; n++) {
        sent += l->sent[n] == 2;
        if (l->sent[n] == 2)
            assert_true(l->received[n] > 0); /* acked, or its receiver died in the ack */
        if (l->sent[n] == 0)
            assert_int_equal(l->received[n], 0);
        assert_true(l->received[n] % 64 <= 1); /* not twice */
    }
    assert_int_equal(l->early, 0);
    print_message("%u delayed messages, %d kills\n", sent, KILLS + CREW);
    rp_consumer_close(c);
    succeeds(rp_queue_sweep(q));
    audit_is_clean(q);
    drop_queue(q);
    munmap(l, sizeof *l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_sleeper_is_woken_in_time),
        TEST(all_die_and_nothing_is_lost),
        TEST(a_keeper_keeps_house),
        TEST(killed_at_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
