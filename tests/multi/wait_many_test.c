/* SPDX-License-Identifier: MIT */
/* Waiting for several consumers at once: on futexes, and on descriptors. */
#include "fixture.h"
#include "futex.h"

#include <pthread.h>
#include <ringpost/event.h>
#include <ringpost/flow.h>
#include <ringpost/group.h>

enum { QUEUES = 5, MANY = FUTEX_WAIT_MOST + 6 };

static rp_queue *q[QUEUES];
static rp_producer *p[QUEUES];
static rp_consumer *c[QUEUES];
static char names[QUEUES][80];

static void open_all_with(const struct rp_queue_options *o) {
    for (int i = 0; i < QUEUES; i++) {
        snprintf(names[i], sizeof names[i], "test.%s.%d.%d", program_invocation_short_name, (int)getpid(), i);
        rp_queue_unlink(names[i]);
        succeeds(rp_queue_create(names[i], o, &q[i]));
        succeeds(rp_producer_open(q[i], NULL, &p[i]));
        succeeds(rp_consumer_open(q[i], NULL, &c[i]));
    }
}
static void open_all(void) {
    struct rp_queue_options o = test_options();
    open_all_with(&o);
}

static void close_all(void) {
    for (int i = 0; i < QUEUES; i++) {
        rp_producer_close(p[i]);
        rp_consumer_close(c[i]);
        audit_is_clean(q[i]);
        succeeds(rp_queue_close(q[i]));
        rp_queue_unlink(names[i]);
    }
}

static int unlink_all(void **state) {
    (void)state;
    for (int i = 0; i < QUEUES; i++)
        if (names[i][0])
            rp_queue_unlink(names[i]);
    futex_force_one = false;
    return 0;
}

static void take_one(int i, const char *text) {
    struct rp_message m;
    succeeds(rp_receive(c[i], &m, 0));
    assert_true(says(&m, text));
    succeeds(rp_ack(c[i], &m));
}

/* ---- each of these runs in both ways ---- */

static void it_names_who_has_something(void) {
    open_all();
    assert_int_equal(rp_wait(c, QUEUES, 0), RP_EMPTY);
    int64_t begin = time_ns();
    assert_int_equal(rp_wait(c, QUEUES, 30 * MS), RP_EMPTY);
    assert_true(time_ns() - begin >= 30 * MS);
    for (int i = 0; i < QUEUES; i++) {
        succeeds(send_text(p[i], "hello"));
        assert_int_equal(rp_wait(c, QUEUES, -1), i);
        assert_int_equal(rp_wait(c, QUEUES, 0), i); /* until it is received */
        take_one(i, "hello");
        assert_int_equal(rp_wait(c, QUEUES, 0), RP_EMPTY);
    }
    close_all();
}

static void nobody_is_starved(void) {
    unsigned turns[QUEUES] = {0};
    open_all();
    for (int round = 0; round < 10 * QUEUES; round++) {
        for (int i = 0; i < QUEUES; i++)
            if (i != 2)
                while (send_text(p[i], "again") == 0) {
                }
        int i = rp_wait(c, QUEUES, -1);
        succeeds(i);
        turns[i]++;
        take_one(i, "again");
    }
    for (int i = 0; i < QUEUES; i++)
        assert_int_equal(turns[i], i == 2 ? 0 : 10 * QUEUES / (QUEUES - 1) + (turns[i] > 10 * QUEUES / (QUEUES - 1)));
    close_all();
}

static int sender(struct peer *test, void *argument) {
    (void)argument;
    rp_queue *queue[QUEUES];
    rp_producer *producer[QUEUES];
    for (int i = 0; i < QUEUES; i++) {
        peer_succeeds(rp_queue_open(names[i], NULL, &queue[i]));
        peer_succeeds(rp_producer_open(queue[i], NULL, &producer[i]));
    }
    for (char i; (i = peer_hear(test)) != 'q';) {
        peer_check(i >= '0' && i < '0' + QUEUES);
        peer_succeeds(send_text(producer[i - '0'], "from afar"));
    }
    for (int i = 0; i < QUEUES; i++) {
        rp_producer_close(producer[i]);
        peer_succeeds(rp_queue_close(queue[i]));
    }
    return 0;
}

static void it_sleeps_and_is_woken(void) {
    open_all();
    struct peer peer = peer_start(sender, NULL);
    for (int round = 0; round < 100; round++) {
        peer_say(&peer, (char)('0' + round * 7 % QUEUES));
        assert_int_equal(rp_wait(c, QUEUES, -1), round * 7 % QUEUES);
        take_one(round * 7 % QUEUES, "from afar");
    }
    peer_say(&peer, 'q');
    assert_int_equal(peer_end(&peer), 0);
    close_all();
}

static void due_times_of_all_count(void) {
    struct rp_message m;
    struct rp_queue_options o = test_options();
    o.lease_ns = 10 * MS;
    open_all_with(&o);
    struct rp_send_options later;
    rp_send_options_init(&later, sizeof later);
    for (int i = 0; i < QUEUES; i++) {
        later.delay_ns = (uint64_t)(3 + 11 * i) * MS;
        succeeds(rp_send(p[i], "later", 6, &later));
    }
    for (int i = 0; i < QUEUES; i++) {
        assert_int_equal(rp_wait(c, QUEUES, -1), i);
        take_one(i, "later");
    }
    rp_consumer *slow;
    succeeds(rp_consumer_open(q[3], NULL, &slow));
    succeeds(send_text(p[3], "leased"));
    succeeds(rp_receive(slow, &m, 0));
    assert_int_equal(rp_wait(c, QUEUES, -1), 3);
    take_one(3, "leased");
    rp_consumer_close(slow);
    close_all();
}

static void *interrupt(void *queue) {
    succeeds(rp_queue_interrupt(queue));
    return NULL;
}

static void any_interrupt_ends_it(void) {
    open_all();
    for (int i = 0; i < QUEUES; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, interrupt, q[i]), 0);
        assert_int_equal(rp_wait(c, QUEUES, -1), -EINTR);
        pthread_join(thread, NULL);
        assert_int_equal(rp_wait(c, QUEUES, 0), RP_EMPTY);
        assert_int_equal(rp_wait(c, QUEUES, 1 * MS), RP_EMPTY); /* once */
    }
    close_all();
}

static void what_is_gone_is_named(void) {
    struct rp_message m;
    struct rp_consumer_options o = {.size = sizeof o, .group = "other"};
    rp_consumer *two[2];
    open_all();
    succeeds(rp_group_create(q[1], "other", NULL));
    two[0] = c[0];
    succeeds(rp_consumer_open(q[1], &o, &two[1]));
    succeeds(rp_group_remove(q[1], "other"));
    assert_int_equal(rp_wait(two, 2, -1), 1);
    assert_int_equal(rp_receive(two[1], &m, 0), RP_GONE);
    rp_consumer_close(two[1]);
    succeeds(rp_queue_unlink(names[4]));
    assert_int_equal(rp_wait(c, QUEUES, -1), 4);
    assert_int_equal(rp_receive(c[4], &m, 0), RP_GONE);
    succeeds(send_text(p[1], "still there"));
    assert_int_equal(rp_wait(c, QUEUES, -1), 1); /* it is not looked at first for ever */
    assert_int_equal(rp_wait(c, QUEUES, -1), 4);
    close_all();
}

static void a_consumer_may_be_named_twice(void) {
    open_all();
    rp_consumer *const some[] = {c[0], c[1], c[0], c[1], c[1]};
    assert_int_equal(rp_wait(some, 5, 5 * MS), RP_EMPTY);
    succeeds(send_text(p[1], "twice"));
    int i = rp_wait(some, 5, -1);
    assert_true(i == 1 || i == 3 || i == 4);
    take_one(1, "twice");
    close_all();
}

/* Of one queue: each message is named once. */
static void consumers_of_one_queue(void) {
    rp_consumer *two[2];
    struct rp_message m;
    struct rp_consumer_options o = {.size = sizeof o, .ack = RP_ACK_NONE};
    open_all();
    succeeds(rp_consumer_open(q[0], NULL, &two[0]));
    succeeds(rp_consumer_open(q[0], &o, &two[1]));
    for (int round = 0; round < 10; round++) {
        succeeds(send_text(p[0], "one"));
        int i = rp_wait(two, 2, -1);
        succeeds(i);
        succeeds(rp_receive(two[i], &m, 0));
        assert_true(says(&m, "one"));
        assert_int_equal(rp_receive(two[1 - i], &m, 0), RP_EMPTY);
        if (i == 0)
            succeeds(rp_ack(two[0], &m));
    }
    rp_consumer_close(two[0]);
    rp_consumer_close(two[1]);
    close_all();
}

/* What was claimed ahead goes back when the consumer closes. */
static void nothing_is_kept(void) {
    rp_consumer *one;
    open_all();
    succeeds(rp_consumer_open(q[0], NULL, &one));
    succeeds(send_text(p[0], "back"));
    assert_int_equal(rp_wait(&one, 1, -1), 0);
    rp_consumer_close(one);
    take_one(0, "back");
    close_all();
}

/* What was settled when it was claimed is told of after a pause. */
static void a_pause_loses_nothing(void) {
    rp_consumer *one;
    struct rp_message m;
    struct rp_consumer_options o = {.size = sizeof o, .ack = RP_ACK_NONE};
    open_all();
    succeeds(rp_consumer_open(q[0], &o, &one));
    succeeds(send_text(p[0], "kept"));
    assert_int_equal(rp_wait(&one, 1, -1), 0);
    succeeds(rp_queue_pause(q[0], RP_SIDE_RECEIVE));
    assert_int_equal(rp_receive(one, &m, 0), RP_PAUSED);
    assert_int_equal(rp_wait(&one, 1, 0), RP_EMPTY);
    succeeds(rp_queue_resume(q[0], RP_SIDE_RECEIVE));
    succeeds(rp_receive(one, &m, 0));
    assert_true(says(&m, "kept"));
    rp_consumer_close(one);
    close_all();
}

/* However often one is named, and whichever thread waited before. */
static void *wait_here(void *count) {
    for (int i = 0; i < *(int *)count; i++) {
        int which = rp_wait(c, 3, -1);
        succeeds(which);
        take_one(which, "again");
        succeeds(send_text(p[which], "again"));
    }
    return NULL;
}
static void nobody_is_starved_in_another_thread(void) {
    unsigned turns[3] = {0};
    int count = 999; /* more often than this thread has */
    pthread_t thread;
    open_all();
    for (int i = 0; i < 3; i++)
        succeeds(send_text(p[i], "again"));
    assert_int_equal(pthread_create(&thread, NULL, wait_here, &count), 0);
    pthread_join(thread, NULL);
    for (int i = 0; i < 9; i++) {
        int which = rp_wait(c, 3, -1);
        succeeds(which);
        turns[which]++;
        take_one(which, "again");
        succeeds(send_text(p[which], "again"));
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(turns[i], 3);
    close_all();
}
static void nobody_is_starved_by_one_named_twice(void) {
    open_all();
    rp_consumer *const some[][3] = {{c[0], c[0], c[1]}, {c[0], c[1], c[0]}, {c[1], c[0], c[0]}};
    for (int set = 0; set < 3; set++) {
        unsigned turns[2] = {0};
        for (int round = 0; round < 10; round++) {
            for (int i = 0; i < 2; i++)
                while (send_text(p[i], "again") == 0) {
                }
            int i = rp_wait(some[set], 3, -1);
            succeeds(i);
            int which = some[set][i] == c[1];
            turns[which]++;
            take_one(which, "again");
        }
        assert_true(turns[0] >= 3 && turns[1] >= 3);
    }
    close_all();
}

#define BOTH_WAYS(body)                      \
    static void body##_futex(void **state) { \
        (void)state;                         \
        body();                              \
    }                                        \
    static void body##_poll(void **state) {  \
        (void)state;                         \
        futex_force_one = true;              \
        body();                              \
        futex_force_one = false;             \
    }
BOTH_WAYS(it_names_who_has_something)
BOTH_WAYS(nobody_is_starved)
BOTH_WAYS(nobody_is_starved_by_one_named_twice)
BOTH_WAYS(nobody_is_starved_in_another_thread)
BOTH_WAYS(a_pause_loses_nothing)
BOTH_WAYS(it_sleeps_and_is_woken)
BOTH_WAYS(due_times_of_all_count)
BOTH_WAYS(any_interrupt_ends_it)
BOTH_WAYS(what_is_gone_is_named)
BOTH_WAYS(a_consumer_may_be_named_twice)
BOTH_WAYS(consumers_of_one_queue)
BOTH_WAYS(nothing_is_kept)

static void more_than_the_kernel_takes(void **state) {
    (void)state;
    static rp_consumer *many[MANY];
    struct rp_message m;
    struct rp_queue_options o = test_options();
    o.max_participants = 64;
    open_all_with(&o);
    for (unsigned i = 0; i < MANY; i++)
        succeeds(rp_consumer_open(q[i % QUEUES], NULL, &many[i]));
    assert_int_equal(rp_wait(many, MANY, 1 * MS), RP_EMPTY);
    for (unsigned round = 0; round < QUEUES; round++) {
        succeeds(send_text(p[round], "one of many"));
        int i = rp_wait(many, MANY, -1);
        succeeds(i);
        assert_int_equal(i % QUEUES, round);
        succeeds(rp_receive(many[i], &m, 0));
        succeeds(rp_ack(many[i], &m));
    }
    for (unsigned i = 0; i < MANY; i++)
        rp_consumer_close(many[i]);
    close_all();
}

static void what_it_refuses(void **state) {
    (void)state;
    open_all();
    rp_consumer *const hole[] = {c[0], NULL};
    assert_int_equal(rp_wait(c, 0, 0), -EINVAL);
    assert_int_equal(rp_wait(NULL, 1, 0), -EINVAL);
    assert_int_equal(rp_wait(hole, 2, 0), -EINVAL);
    assert_int_equal(rp_wait(c, 1, -2), -EINVAL);
    close_all();
}

#define BOTH(body) cmocka_unit_test_teardown(body##_futex, unlink_all), cmocka_unit_test_teardown(body##_poll, unlink_all)

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(it_names_who_has_something),
        BOTH(nobody_is_starved),
        BOTH(nobody_is_starved_by_one_named_twice),
        BOTH(nobody_is_starved_in_another_thread),
        BOTH(a_pause_loses_nothing),
        BOTH(it_sleeps_and_is_woken),
        BOTH(due_times_of_all_count),
        BOTH(any_interrupt_ends_it),
        BOTH(what_is_gone_is_named),
        BOTH(a_consumer_may_be_named_twice),
        BOTH(consumers_of_one_queue),
        BOTH(nothing_is_kept),
        cmocka_unit_test_teardown(more_than_the_kernel_takes, unlink_all),
        cmocka_unit_test_teardown(what_it_refuses, unlink_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
