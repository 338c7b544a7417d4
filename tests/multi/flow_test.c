/* SPDX-License-Identifier: MIT */
/* Pausing, resuming and draining between processes: who sleeps is woken, who died leaves it paused, and what was drained stays empty under load. */
#include "pause.h"

#include "fixture.h"
#include <ringpost/group.h>

enum { ROUNDS = 20, SENDERS = 2, RECEIVERS = 2, DRAINS = 30, BOUND_MS = 1000 * PEER_DEADLINE_S };

static rp_queue *q;

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

static int paused_sender(struct peer *test, void *argument) {
    (void)argument;
    struct handles h = peer_open(0);
    const struct rp_send_options for_ever = {.size = sizeof for_ever, .timeout_ns = -1};
    for (int i = 0; i < ROUNDS; i++) {
        peer_check(peer_hear(test) == 'g');
        peer_succeeds(rp_send(h.p, "x", 2, &for_ever));
        peer_say(test, 's');
    }
    return 0;
}

static int paused_receiver(struct peer *test, void *argument) {
    (void)argument;
    struct rp_message m;
    struct handles h = peer_open(0);
    for (int i = 0; i < ROUNDS; i++) {
        peer_check(peer_hear(test) == 'g');
        peer_succeeds(rp_receive(h.c, &m, -1));
        peer_succeeds(rp_ack(h.c, &m));
        peer_say(test, 'r');
    }
    return 0;
}

/* The median of how long it takes from the resume until the sleeper is back: a tick would be 50 ms, and a lost wake just that. */
static int compare(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}
static void report(const char *what, int64_t times[ROUNDS]) {
    qsort(times, ROUNDS, sizeof *times, compare);
    print_message("%s: half within %.3f ms, at worst %.3f ms\n", what, (double)times[ROUNDS / 2] / 1e6,
                  (double)times[ROUNDS - 1] / 1e6);
    assert_true(times[ROUNDS - 1] < BOUND_MS * MS);
}

static void a_resume_wakes(bool sender) {
    int64_t times[ROUNDS];
    rp_producer *p;
    rp_consumer *c;
    struct rp_message m;
    struct rp_queue_options o = test_options();
    q = make_queue(&o);
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_consumer_open(q, NULL, &c));
    struct peer peer = peer_start(sender ? paused_sender : paused_receiver, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        bool group = !sender && i % 2 == 0;
        if (!sender)
            succeeds(send_text(p, "work"));
        succeeds(group ? rp_group_pause(q, NULL) : rp_queue_pause(q, sender ? RP_SIDE_SEND : RP_SIDE_RECEIVE));
        peer_say(&peer, 'g');
        assert_true(eventually(sleeps(peer.pid)));
        int64_t start = time_ns();
        succeeds(group ? rp_group_resume(q, NULL) : rp_queue_resume(q, sender ? RP_SIDE_SEND : RP_SIDE_RECEIVE));
        assert_int_equal(peer_hear(&peer), sender ? 's' : 'r');
        times[i] = time_ns() - start;
        if (sender) {
            succeeds(rp_receive(c, &m, 0));
            succeeds(rp_ack(c, &m));
        }
    }
    report(sender ? "from resume to the sender's return" : "from resume to the receiver's return", times);
    assert_int_equal(peer_end(&peer), 0);
    rp_producer_close(p);
    rp_consumer_close(c);
    succeeds(rp_queue_sweep(q)); /* the peer is gone */
    audit_is_clean(q);
    drop_queue(q);
}

static void a_resume_wakes_a_sender(void **state) {
    (void)state;
    a_resume_wakes(true);
}

static void a_resume_wakes_a_receiver(void **state) {
    (void)state;
    a_resume_wakes(false);
}

static int pauser(struct peer *test, void *argument) {
    (void)argument;
    struct handles h = peer_open(0);
    peer_succeeds(rp_queue_pause(h.q, RP_SIDE_SEND | RP_SIDE_RECEIVE));
    peer_succeeds(rp_group_pause(h.q, NULL));
    peer_say(test, 'p');
    for (;;)
        pause();
}

static void a_pauser_dies(void **state) {
    (void)state;
    struct rp_group_info info;
    struct rp_queue_options o = test_options();
    q = make_queue(&o);
    struct peer peer = peer_start(pauser, NULL);
    assert_int_equal(peer_hear(&peer), 'p');
    peer_kill(&peer);
    succeeds(rp_queue_sweep(q));
    assert_int_equal(rp_queue_paused(q), RP_SIDE_SEND | RP_SIDE_RECEIVE); /* it stays as it was left */
    succeeds(rp_group_next(q, 0, &info));
    assert_int_equal(info.paused, 1);
    succeeds(rp_queue_resume(q, RP_SIDE_SEND | RP_SIDE_RECEIVE));
    succeeds(rp_group_resume(q, NULL));
    assert_int_equal(rp_queue_paused(q), 0);
    drop_queue(q);
}

/* ---- drain under load ---- */

struct books {
    _Atomic uint32_t stop;
    _Atomic uint64_t sent[SENDERS], acked[RECEIVERS];
};
static struct books *books;
static int numbers[] = {0, 1};

static int sender(struct peer *test, void *argument) {
    (void)test;
    struct handles h = peer_open(0);
    const struct rp_send_options patient = {.size = sizeof patient, .timeout_ns = 2 * MS};
    while (!atomic_load(&books->stop)) {
        int result = rp_send(h.p, "x", 2, &patient);
        peer_check(result == 0 || result == RP_PAUSED || result == RP_FULL);
        if (result == 0)
            atomic_fetch_add(&books->sent[*(int *)argument], 1);
    }
    return 0;
}

static int receiver(struct peer *test, void *argument) {
    (void)test;
    struct rp_message m;
    struct handles h = peer_open(*(int *)argument == 0 ? 4 : 0);
    while (!atomic_load(&books->stop)) {
        int result = rp_receive(h.c, &m, 2 * MS);
        peer_check(result == 0 || result == RP_EMPTY);
        if (result == 0) {
            peer_succeeds(rp_ack(h.c, &m));
            atomic_fetch_add(&books->acked[*(int *)argument], 1);
        }
    }
    return 0;
}

static uint64_t sum(_Atomic uint64_t *counts, int n) {
    uint64_t total = 0;
    while (n-- > 0)
        total += atomic_load(&counts[n]);
    return total;
}

/* Everybody is at it; each time that the drain has said that nothing is left, nothing is there, and nothing comes. */
static void drained_under_load(void **state) {
    (void)state;
    struct peer peers[SENDERS + RECEIVERS];
    struct rp_queue_options o = test_options();
    books = shared_memory(sizeof *books);
    q = make_queue(&o);
    for (int i = 0; i < SENDERS; i++)
        peers[i] = peer_start(sender, &numbers[i]);
    for (int i = 0; i < RECEIVERS; i++)
        peers[SENDERS + i] = peer_start(receiver, &numbers[i]);
    for (int i = 0; i < DRAINS; i++) {
        uint64_t before = stats_of(q).sent;
        assert_true(eventually(stats_of(q).sent > before)); /* they are at it */
        assert_int_equal(rp_queue_drain(q, NULL), 0);
        uint64_t sent = stats_of(q).sent;
        for (int look = 0; look < 20; look++) {
            struct rp_queue_stats s = stats_of(q);
            assert_int_equal(s.ready + s.leased + s.delayed, 0);
            assert_int_equal(s.sent, sent);
        }
        succeeds(rp_queue_resume(q, RP_SIDE_SEND));
    }
    assert_int_equal(rp_queue_drain(q, NULL), 0);
    atomic_store(&books->stop, 1);
    for (int i = 0; i < SENDERS + RECEIVERS; i++)
        assert_int_equal(peer_end(&peers[i]), 0);
    print_message("%d drains among %llu messages\n", DRAINS, (unsigned long long)sum(books->sent, SENDERS));
    assert_int_equal(sum(books->sent, SENDERS), sum(books->acked, RECEIVERS));
    succeeds(rp_queue_sweep(q));
    audit_is_clean(q);
    drop_queue(q);
}

/* What a dead sender and a dead receiver have left is mended by the drain itself. */
static int holder(struct peer *test, void *argument) {
    (void)argument;
    struct rp_message m;
    struct rp_loan loan;
    struct handles h = peer_open(0);
    peer_succeeds(rp_loan(h.p, 8, &loan));
    peer_succeeds(rp_receive(h.c, &m, -1));
    peer_say(test, 'h');
    for (;;)
        pause();
}

static void the_dead_do_not_hold_it_up(void **state) {
    (void)state;
    rp_producer *p;
    rp_consumer *c;
    struct rp_message m;
    struct rp_drain_options look = {.size = sizeof look, .timeout_ns = 0};
    struct rp_queue_options o = test_options();
    q = make_queue(&o);
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_consumer_open(q, NULL, &c));
    succeeds(send_text(p, "work"));
    struct peer peer = peer_start(holder, NULL);
    assert_int_equal(peer_hear(&peer), 'h');
    assert_int_equal(rp_queue_drain(q, &look), 2);
    peer_kill(&peer);
    assert_true(eventually(rp_queue_drain(q, &look) == 1)); /* the loan is gone, the message is here again */
    succeeds(rp_receive(c, &m, -1));
    succeeds(rp_ack(c, &m));
    assert_int_equal(rp_queue_drain(q, NULL), 0);
    rp_producer_close(p);
    rp_consumer_close(c);
    succeeds(rp_queue_sweep(q)); /* the peer is gone */
    audit_is_clean(q);
    drop_queue(q);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_resume_wakes_a_sender), TEST(a_resume_wakes_a_receiver),  TEST(a_pauser_dies),
        TEST(drained_under_load),      TEST(the_dead_do_not_hold_it_up),
    };
    return cmocka_run_group_tests_name("flow", tests, NULL, NULL);
}
