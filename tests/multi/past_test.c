/* SPDX-License-Identifier: MIT */
/* Groups that begin in the past: each gets what was sent since then, once and in order, whatever happens meanwhile, and then what is sent from now on. */
#include "durable_fixture.h"
#include <ringpost/dump.h>
#include <ringpost/group.h>
#include <ringpost/journal.h>

enum { PAYLOAD = 100, HUNDRED_YEARS = 36500 };

static struct rp_queue_options past_options(uint32_t sync) {
    struct rp_queue_options o = durable_options(sync);
    o.message_bytes = PAYLOAD;
    o.max_groups = 4;
    o.retain_ns = (uint64_t)HUNDRED_YEARS * 24 * 3600 * SECOND;
    return o;
}

static int send_number(rp_producer *p, uint32_t sender, uint32_t number, const struct rp_send_options *o) {
    uint32_t body[PAYLOAD / 4] = {sender, number};
    return rp_send_async(p, body, sizeof body, o);
}
static uint32_t number_in(const struct rp_message *m) { return ((const uint32_t *)m->data)[1]; }
static uint32_t sender_in(const struct rp_message *m) { return ((const uint32_t *)m->data)[0]; }

/* The default group takes what is there. */
static void settle_all(rp_queue *q) {
    rp_consumer *c = consumer_of(q, NULL);
    struct rp_message m;
    while (rp_receive(c, &m, 0) == 0)
        succeeds(rp_ack(c, &m));
    rp_consumer_close(c);
}

static void send_some(rp_queue *q, uint32_t first, uint32_t count) {
    rp_producer *p = producer_of(q);
    for (uint32_t i = 0; i < count; i++) {
        int result = send_number(p, 0, first + i, NULL);
        if (result == RP_FULL) {
            settle_all(q);
            result = send_number(p, 0, first + i, NULL);
        }
        succeeds(result);
    }
    succeeds(rp_flush(p));
    rp_producer_close(p);
    settle_all(q);
    flush(q);
}

static int begin_at(rp_queue *q, const char *group, uint32_t start, uint64_t at) {
    struct rp_group_options o;
    rp_group_options_init(&o, sizeof o);
    o.start = start;
    o.start_at = at;
    return rp_group_create(q, group, &o);
}

static struct rp_group_info group_of(rp_queue *q, const char *name) {
    struct rp_group_info g;
    for (uint32_t i = 0; rp_group_next(q, i, &g) == 0; i = g.index + 1)
        if (strcmp(g.name, name) == 0)
            return g;
    assert_string_equal(name, "of a group");
    return g;
}

/* The group gets exactly these numbers now, and acks them. */
static void gets(rp_queue *q, const char *group, uint32_t first, uint32_t count) {
    rp_consumer *c = consumer_of(q, group);
    struct rp_message m;
    for (uint32_t i = 0; i < count; i++) {
        succeeds(rp_receive(c, &m, 0));
        assert_int_equal(number_in(&m), first + i);
        succeeds(rp_ack(c, &m));
    }
    assert_int_equal(rp_receive(c, &m, 0), RP_EMPTY);
    rp_consumer_close(c);
}

static void test_from_the_beginning(void **state) {
    enum { MESSAGES = 3000, MORE = 50 };
    (void)state;
    make_journal_in_memory();
    struct rp_queue_options o = past_options(RP_SYNC_ALWAYS);
    rp_queue *q = make_queue(&o);
    send_some(q, 1, MESSAGES);
    succeeds(begin_at(q, "late", RP_START_OLDEST, 0));
    assert_int_equal(group_of(q, "late").behind, MESSAGES);
    assert_int_equal(group_of(q, "late").ready, 0); /* it holds no memory */
    gets(q, "late", 1, MESSAGES);
    assert_int_equal(group_of(q, "late").behind, 0);
    send_some(q, MESSAGES + 1, MORE);
    assert_int_equal(group_of(q, "late").ready, MORE); /* now it is one like any other */
    gets(q, "late", MESSAGES + 1, MORE);
    q = restart(q);
    assert_int_equal(stats_of(q).ready, 0);
    send_some(q, 5000, 1);
    gets(q, "late", 5000, 1);
    drop_queue(q);
}

static void test_from_the_middle(void **state) {
    enum { MESSAGES = 500 };
    (void)state;
    make_journal_in_memory();
    struct rp_queue_options o = past_options(RP_SYNC_NONE);
    rp_queue *q = make_queue(&o);
    send_some(q, 1, MESSAGES);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t between = (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec + 1;
    do
        clock_gettime(CLOCK_REALTIME, &now);
    while ((uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec <= between + 20 * MS); /* a clock may be coarse */
    send_some(q, MESSAGES + 1, MESSAGES);
    succeeds(begin_at(q, "by-sequence", RP_START_SEQUENCE, 300));
    succeeds(begin_at(q, "by-time", RP_START_TIME, between + 10 * MS));
    succeeds(begin_at(q, "next", RP_START_SEQUENCE, 2 * MESSAGES + 1));
    send_some(q, 2 * MESSAGES + 1, 10);
    gets(q, "by-sequence", 300, 2 * MESSAGES + 10 - 299);
    gets(q, "by-time", MESSAGES + 1, MESSAGES + 10);
    gets(q, "next", 2 * MESSAGES + 1, 10);
    drop_queue(q);
}

/* What was settled, in whatever order, is not there any more, and all else is: in memory, and beyond. */
static void test_a_restart_in_the_middle(void **state) {
    enum { MESSAGES = 2000, HELD = 100, RESTARTS = 8 };
    (void)state;
    make_journal_in_memory();
    struct rp_queue_options o = past_options(RP_SYNC_ALWAYS);
    rp_queue *q = make_queue(&o);
    unsigned char *times = calloc(MESSAGES + 1, 1);
    send_some(q, 1, MESSAGES);
    succeeds(begin_at(q, "late", RP_START_OLDEST, 0));
    for (int i = 0; i < RESTARTS; i++) {
        rp_consumer *c = consumer_of(q, "late");
        struct rp_message m[HELD];
        for (int k = 0; k < HELD; k++)
            succeeds(rp_receive(c, &m[k], 0));
        for (int k = 0; k < HELD; k++)
            if (k % 3 != i % 3) {
                succeeds(rp_ack(c, &m[k]));
                assert_int_equal(times[number_in(&m[k])]++, 0);
            } else if (k % 2 == 0) {
                succeeds(rp_reject(c, &m[k], "poison"));
                times[number_in(&m[k])]++;
            }
        flush(q);
        rp_consumer_close(c);
        q = restart(q);
        assert_true(group_of(q, "late").behind > 0);
    }
    unsigned dead = (unsigned)group_of(q, "late").dead;
    assert_true(dead > 0);
    rp_consumer *c = consumer_of(q, "late");
    struct rp_message m;
    while (rp_receive(c, &m, 0) == 0) {
        times[number_in(&m)]++;
        succeeds(rp_ack(c, &m));
    }
    for (int i = 1; i <= MESSAGES; i++)
        assert_int_equal(times[i], 1);
    assert_int_equal(group_of(q, "late").dead, dead);
    free(times);
    rp_consumer_close(c);
    drop_queue(q);
}

static void test_files_stay(void **state) {
    enum { MESSAGES = 2000, ROUNDS = 6 };
    (void)state;
    make_journal_in_memory();
    struct rp_queue_options o = past_options(RP_SYNC_NONE);
    o.retain_ns = 0;
    o.retain_bytes = 2 * SMALL_FILE;
    rp_queue *q = make_queue(&o);
    send_some(q, 1, 200);
    succeeds(begin_at(q, "late", RP_START_OLDEST, 0));
    for (uint32_t i = 0; i < ROUNDS; i++)
        send_some(q, 201 + i * MESSAGES, MESSAGES);
    unsigned held = journal_files(NULL);
    assert_true(held > 20);
    q = restart(q);
    gets(q, "late", 1, 200 + ROUNDS * MESSAGES);
    succeeds(rp_group_remove(q, "late"));
    send_some(q, 30000, MESSAGES);
    assert_true(journal_files(NULL) < held / 2);
    drop_queue(q);
}

/* Nobody else wants what is sent: it is kept in the journal for who comes. */
static void test_alone(void **state) {
    (void)state;
    make_journal_in_memory();
    struct rp_queue_options o = past_options(RP_SYNC_ALWAYS);
    rp_queue *q = make_queue(&o);
    send_some(q, 1, 10);
    succeeds(begin_at(q, "late", RP_START_OLDEST, 0));
    succeeds(rp_group_remove(q, "default"));
    rp_producer *p = producer_of(q);
    for (uint32_t i = 11; i <= 1000; i++)
        succeeds(send_number(p, 0, i, NULL));
    succeeds(rp_flush(p));
    rp_producer_close(p);
    assert_int_equal(stats_of(q).ready, 0);
    q = restart(q);
    gets(q, "late", 1, 1000);
    drop_queue(q);
}

static void test_lanes(void **state) {
    enum { MESSAGES = 600 };
    (void)state;
    make_journal_in_memory();
    for (int keyed = 0; keyed < 2; keyed++) {
        struct rp_queue_options o = past_options(RP_SYNC_NONE);
        struct rp_send_options with;
        struct rp_message m;
        uint32_t last[4] = {0}, count = 0;
        if (keyed)
            o.lanes = 8;
        else
            o.priorities = 4;
        rp_queue *q = make_queue(&o);
        rp_producer *p = producer_of(q);
        rp_send_options_init(&with, sizeof with);
        for (uint32_t i = 1; i <= MESSAGES; i++) {
            char key = (char)('a' + i % 4);
            with.key = keyed ? &key : NULL;
            with.key_bytes = keyed;
            with.priority = keyed ? 0 : i % 4;
            succeeds(send_number(p, i % 4, i, &with));
            if (i % 100 == 0)
                settle_all(q);
        }
        rp_producer_close(p);
        succeeds(begin_at(q, "late", RP_START_OLDEST, 0));
        rp_consumer *c = consumer_of(q, "late");
        for (; rp_receive(c, &m, 0) == 0; count++) {
            assert_true(number_in(&m) > last[sender_in(&m)]);
            assert_int_equal(keyed ? ((const char *)m.key)[0] - 'a' : (int)m.priority, sender_in(&m));
            last[sender_in(&m)] = number_in(&m);
            succeeds(rp_ack(c, &m));
        }
        assert_int_equal(count, MESSAGES);
        rp_consumer_close(c);
        drop_queue(q);
        remove_journal();
        make_journal_in_memory();
    }
}

static void test_removed_and_made_again(void **state) {
    enum { MESSAGES = 400 };
    (void)state;
    make_journal_in_memory();
    struct rp_queue_options o = past_options(RP_SYNC_ALWAYS);
    o.max_groups = 2;
    rp_queue *q = make_queue(&o);
    send_some(q, 1, MESSAGES);
    for (uint32_t i = 0; i < 5; i++) {
        struct rp_message m;
        succeeds(begin_at(q, "late", i % 2 ? RP_START_OLDEST : RP_START_SEQUENCE, 10 * i));
        rp_consumer *c = consumer_of(q, "late");
        succeeds(rp_receive(c, &m, 0));
        assert_int_equal(number_in(&m), i % 2 || i == 0 ? 1 : 10 * i);
        succeeds(rp_group_remove(q, "late"));
        assert_int_equal(rp_receive(c, &m, 0), RP_GONE);
        rp_consumer_close(c);
    }
    succeeds(begin_at(q, "late", RP_START_NEWEST, 0));
    gets(q, "late", 0, 0);
    send_some(q, 1000, 1);
    gets(q, "late", 1000, 1);
    drop_queue(q);
}

/* What a group has still to come is left in the queue; nobody has to send anything for it. */
static void test_drained(void **state) {
    (void)state;
    make_journal_in_memory();
    struct rp_queue_options o = past_options(RP_SYNC_ALWAYS);
    struct rp_drain_options drain;
    rp_queue *q = make_queue(&o);
    rp_drain_options_init(&drain, sizeof drain);
    drain.timeout_ns = 0;
    send_some(q, 1, 40);
    succeeds(begin_at(q, "late", RP_START_OLDEST, 0));
    assert_int_equal(rp_queue_drain(q, &drain), 40);
    gets(q, "late", 1, 40);
    drain.timeout_ns = 10 * SECOND;
    assert_int_equal(rp_queue_drain(q, &drain), 0);
    drop_queue(q);
}

static int write_nowhere(void *context, const void *data, size_t bytes) {
    (void)context, (void)data, (void)bytes;
    return 0;
}

static void test_refused(void **state) {
    (void)state;
    make_journal_in_memory();
    struct rp_queue_options o = past_options(RP_SYNC_NONE), plain = test_options();
    rp_queue *q = make_queue(&plain);
    assert_int_equal(begin_at(q, "late", RP_START_OLDEST, 0), -ENOTSUP);
    drop_queue(q);
    q = make_queue(&o);
    send_some(q, 1, 5);
    assert_int_equal(begin_at(q, "late", RP_START_SEQUENCE, 7), -ERANGE);
    assert_non_null(strstr(rp_error_detail(), "the next is 6"));
    assert_int_equal(begin_at(q, "late", 4, 7), -EINVAL);
    succeeds(begin_at(q, "late", RP_START_OLDEST, 0));
    assert_int_equal(rp_queue_dump(q, write_nowhere, NULL, NULL, NULL), -EBUSY);
    assert_int_equal(rp_queue_purge(q, "late", RP_STATE_READY), 0); /* nothing of it has come into memory */
    gets(q, "late", 1, 5);
    drop_queue(q);
}

/* ---- beside traffic ---- */

enum { SENDERS = 3, HELD = 20, AHEAD = 5000, NEAR = 50 };

static int keep_sending(struct peer *test, void *argument) {
    uint32_t sender = (uint32_t)(uintptr_t)argument;
    rp_queue *q;
    peer_succeeds(rp_queue_open(queue_name, NULL, &q));
    rp_producer *p = producer_of(q);
    peer_say(test, 'o');
    for (uint32_t number = 1;;) {
        struct rp_group_info late;
        if (number % 64 == 0 && rp_group_next(q, 1, &late) == 0 && late.behind > AHEAD)
            while (rp_group_next(q, 1, &late) == 0 && late.behind > NEAR) /* who receives may have less of a processor than we */
                sched_yield();
        int result = send_number(p, sender, number, NULL);
        peer_check(result == 0 || result == RP_FULL);
        if (result == 0)
            number++;
        else
            sched_yield();
    }
    return 0;
}

static int keep_settling(struct peer *test, void *argument) {
    rp_queue *q;
    struct rp_message m;
    (void)argument;
    peer_succeeds(rp_queue_open(queue_name, NULL, &q));
    rp_consumer *c = consumer_of(q, NULL);
    peer_say(test, 'o');
    for (;;)
        if (rp_receive(c, &m, 10 * SECOND) == 0)
            (void)rp_ack(c, &m);
    return 0;
}

static int keep_catching_up(struct peer *test, void *argument) {
    rp_queue *q;
    struct rp_message m;
    (void)argument;
    peer_succeeds(rp_queue_open(queue_name, NULL, &q));
    rp_consumer *c = consumer_of(q, "late");
    for (int held = 0; held < HELD;)
        held += rp_receive(c, &m, SECOND) == 0;
    peer_say(test, 'h'); /* what it was given comes again when it is dead */
    for (;;)
        pause();
    return 0;
}

/* It comes to the present while three send as fast as they can; of each sender all numbers come, and none that was acked comes again. */
static void test_beside_traffic(void **state) {
    enum { PASSED = 3000, KILLS = 5 };
    (void)state;
    make_journal_in_memory();
    struct rp_queue_options o = past_options(RP_SYNC_NONE);
    o.backoff_ns = 0;
    o.max_deliveries = 0;
    rp_queue *q = make_queue(&o);
    struct peer settler = peer_start(keep_settling, NULL), senders[SENDERS];
    assert_int_equal(peer_hear(&settler), 'o');
    for (uintptr_t i = 0; i < SENDERS; i++) {
        senders[i] = peer_start(keep_sending, (void *)i);
        assert_int_equal(peer_hear(&senders[i]), 'o');
    }
    while (stats_of(q).sent < PASSED)
        sched_yield();
    succeeds(begin_at(q, "late", RP_START_OLDEST, 0));
    enum { MOST = 4 << 20 };
    unsigned char *seen = calloc(SENDERS, MOST);
    struct peer other = peer_start(keep_catching_up, NULL);
    rp_consumer *c = consumer_of(q, "late");
    uint32_t most[SENDERS] = {0}, count = 0, kills = 0;
    bool stopped = false;
    for (;;) {
        struct rp_message m;
        int result = rp_receive(c, &m, 200 * MS);
        if (result == 0) {
            uint32_t s = sender_in(&m), n = number_in(&m);
            assert_true(s < SENDERS && n > 0 && n < MOST);
            assert_int_equal(seen[s * MOST + n]++, 0);
            most[s] = n > most[s] ? n : most[s];
            succeeds(rp_ack(c, &m));
            count++;
        }
        if (count / 1000 > kills && kills < KILLS) {
            assert_int_equal(peer_hear(&other), 'h');
            peer_kill(&other);
            other = peer_start(keep_catching_up, NULL);
            kills++;
        }
        if (result == 0 && count % 256 != 0) /* counting looks at all cells */
            continue;
        struct rp_group_info g = group_of(q, "late");
        if (kills == KILLS && !stopped && g.behind == 0) {
            for (int i = 0; i < SENDERS; i++)
                peer_kill(&senders[i]);
            peer_kill(&other);
            (void)rp_queue_sweep(q);
            stopped = true;
        }
        if (stopped && result == RP_EMPTY && g.ready + g.leased + g.delayed + g.behind == 0)
            break;
    }
    for (uint32_t s = 0; s < SENDERS; s++)
        for (uint32_t n = 1; n <= most[s]; n++)
            assert_int_equal(seen[s * MOST + n], 1);
    peer_kill(&settler);
    rp_consumer_close(c);
    free(seen);
    drop_queue(q);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DURABLE_TEST(test_from_the_beginning),
        DURABLE_TEST(test_from_the_middle),
        DURABLE_TEST(test_a_restart_in_the_middle),
        DURABLE_TEST(test_files_stay),
        DURABLE_TEST(test_alone),
        DURABLE_TEST(test_lanes),
        DURABLE_TEST(test_removed_and_made_again),
        DURABLE_TEST(test_refused),
        DURABLE_TEST(test_drained),
        DURABLE_TEST(test_beside_traffic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
