/* SPDX-License-Identifier: MIT */
/* Who waits is woken: by a message, by room, by an interrupt, by the end of his patience. */
#include "fixture.h"

#include <pthread.h>

enum { BOUND_MS = 1000 * PEER_DEADLINE_S, ROUNDS = 50 };

static rp_queue *q;
static rp_producer *p;
static rp_consumer *c;

static void open_all(uint32_t overflow) {
    struct rp_queue_options o = test_options();
    o.overflow = overflow;
    q = make_queue(&o);
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_consumer_open(q, NULL, &c));
}

static void close_all(void) {
    rp_producer_close(p);
    rp_consumer_close(c);
    drop_queue(q);
}

static uint32_t fill(void) {
    const struct rp_send_options now = {.size = sizeof now, .timeout_ns = 0};
    uint32_t n = 0;
    while (rp_send(p, "full", 5, &now) == 0)
        n++;
    return n;
}

/* Does the process sleep in the kernel? */
static bool sleeps(pid_t pid) {
    char path[64], state = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    if (f != NULL) {
        if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
            state = 0;
        fclose(f);
    }
    return state == 'S';
}

static int blocked_sender(struct peer *test, void *argument) {
    (void)argument;
    struct handles h = peer_open(0);
    for (int i = 0; i < ROUNDS; i++) {
        peer_say(test, 'b');
        peer_succeeds(send_text(h.p, "in the end"));
        peer_say(test, 's');
    }
    return 0;
}

/* Which of `n` measured times is in the middle, in ms. */
static int compare(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}
static void report(const char *what, int64_t *times, size_t n) {
    qsort(times, n, sizeof *times, compare);
    print_message("%s: half within %.3f ms, at worst %.3f ms\n", what, (double)times[n / 2] / 1e6, (double)times[n - 1] / 1e6);
    assert_true(times[n - 1] < BOUND_MS * MS);
}

static void room_wakes_a_sender(void **state) {
    (void)state;
    int64_t times[ROUNDS];
    open_all(RP_OVERFLOW_BLOCK);
    fill();
    struct peer sender = peer_start(blocked_sender, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        struct rp_message m;
        assert_int_equal(peer_hear(&sender), 'b');
        fill(); /* what its own attaching brought */
        assert_true(eventually(sleeps(sender.pid)));
        succeeds(rp_receive(c, &m, 0));
        int64_t start = time_ns();
        succeeds(rp_ack(c, &m));
        assert_int_equal(peer_hear(&sender), 's');
        times[i] = time_ns() - start;
    }
    report("from ack to the blocked sender's return", times, ROUNDS);
    assert_int_equal(peer_end(&sender), 0);
    close_all();
}

static int waiting_receiver(struct peer *test, void *argument) {
    (void)argument;
    struct rp_message m;
    struct handles h = peer_open(0);
    for (int i = 0; i < ROUNDS; i++) {
        peer_say(test, 'b');
        peer_succeeds(rp_receive(h.c, &m, -1));
        peer_say(test, 'r');
        peer_succeeds(rp_ack(h.c, &m));
    }
    return 0;
}

static void a_message_wakes_a_receiver(void **state) {
    (void)state;
    int64_t times[ROUNDS];
    open_all(RP_OVERFLOW_REJECT);
    struct peer receiver = peer_start(waiting_receiver, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        assert_int_equal(peer_hear(&receiver), 'b');
        assert_true(eventually(sleeps(receiver.pid)));
        int64_t start = time_ns();
        succeeds(send_text(p, "work"));
        assert_int_equal(peer_hear(&receiver), 'r');
        times[i] = time_ns() - start;
    }
    report("from send to the waiting receiver's return", times, ROUNDS);
    assert_int_equal(peer_end(&receiver), 0);
    close_all();
}

static void patience_ends(void **state) {
    (void)state;
    struct rp_message m;
    const struct rp_send_options patient = {.size = sizeof patient, .timeout_ns = 30 * MS};
    for (uint32_t overflow = RP_OVERFLOW_REJECT; overflow <= RP_OVERFLOW_BLOCK; overflow++) {
        open_all(overflow);
        int64_t start = time_ns();
        assert_int_equal(rp_receive(c, &m, 30 * MS), RP_EMPTY);
        assert_true(time_ns() - start >= 30 * MS);
        fill();
        start = time_ns();
        assert_int_equal(rp_send(p, "x", 1, &patient), RP_FULL);
        assert_true(time_ns() - start >= 30 * MS && time_ns() - start < BOUND_MS * MS);
        close_all();
    }
}

/* A due time is waited for, not polled for at the next tick. */
static void a_backoff_ends_on_time(void **state) {
    (void)state;
    int64_t times[ROUNDS];
    struct rp_message m;
    struct rp_nack_options later;
    rp_nack_options_init(&later, sizeof later);
    later.delay_ns = 7 * MS;
    open_all(RP_OVERFLOW_REJECT);
    succeeds(send_text(p, "work"));
    for (int i = 0; i < ROUNDS; i++) {
        succeeds(rp_receive(c, &m, -1));
        int64_t start = time_ns();
        succeeds(rp_nack(c, &m, &later));
        succeeds(rp_receive(c, &m, -1));
        times[i] = time_ns() - start;
        assert_true(times[i] >= 6 * MS);
        later.charge = 0;
        succeeds(rp_nack(c, &m, NULL));
    }
    report("from a nack with 7 ms of delay to the next delivery", times, ROUNDS);
    close_all();
}

struct call {
    bool sends;
    int result;
    pthread_t thread;
};

static void *wait_for_ever(void *argument) {
    struct call *call = argument;
    const struct rp_send_options for_ever = {.size = sizeof for_ever, .timeout_ns = -1};
    struct rp_message m;
    call->result = call->sends ? rp_send(p, "x", 1, &for_ever) : rp_receive(c, &m, -1);
    return NULL;
}

static void interrupts(bool sends) {
    struct rp_message m;
    open_all(RP_OVERFLOW_REJECT);
    struct call call = {.sends = sends};
    if (sends)
        fill();
    assert_int_equal(pthread_create(&call.thread, NULL, wait_for_ever, &call), 0);
    succeeds(rp_queue_interrupt(q)); /* the wait under way, or else the next */
    pthread_join(call.thread, NULL);
    assert_int_equal(call.result, -EINTR);
    if (!sends) {
        succeeds(send_text(p, "x"));
        succeeds(rp_queue_interrupt(q));
        succeeds(rp_receive(c, &m, -1)); /* what is there is received all the same: that is not a wait */
        succeeds(rp_ack(c, &m));
        assert_int_equal(rp_receive(c, &m, -1), -EINTR);
        assert_int_equal(rp_receive(c, &m, 0), RP_EMPTY);
    }
    close_all();
}

static void an_interrupt_ends_a_receive(void **state) {
    (void)state;
    interrupts(false);
}

static void an_interrupt_ends_a_send(void **state) {
    (void)state;
    interrupts(true);
}

static void on_alarm(int signal) {
    (void)signal;
    rp_queue_interrupt(q);
}

static void an_interrupt_from_a_signal_handler(void **state) {
    (void)state;
    struct rp_message m;
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART}, before;
    open_all(RP_OVERFLOW_REJECT);
    sigaction(SIGALRM, &action, &before);
    alarm(1);
    assert_int_equal(rp_receive(c, &m, 10 * SECOND), -EINTR);
    sigaction(SIGALRM, &before, NULL);
    close_all();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(room_wakes_a_sender),
        TEST(a_message_wakes_a_receiver),
        TEST(patience_ends),
        TEST(a_backoff_ends_on_time),
        TEST(an_interrupt_ends_a_receive),
        TEST(an_interrupt_ends_a_send),
        TEST(an_interrupt_from_a_signal_handler),
    };
    return cmocka_run_group_tests_name("waiting", tests, NULL, NULL);
}
