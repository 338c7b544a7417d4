/* SPDX-License-Identifier: MIT */
/* Priorities: strict levels, FIFO in each, redeliveries in their own. */
#include "fixture.h"

enum { LEVELS = 4, CAPACITY = 64 };

struct parties {
    rp_queue *q;
    rp_producer *p;
    rp_consumer *c;
};

static struct rp_queue_options levels(void) {
    struct rp_queue_options o = test_options();
    o.capacity = CAPACITY;
    o.priorities = LEVELS;
    return o;
}

static struct parties open_levels(const struct rp_queue_options *o) {
    struct parties x = {.q = make_queue(o)};
    succeeds(rp_producer_open(x.q, NULL, &x.p));
    succeeds(rp_consumer_open(x.q, NULL, &x.c));
    return x;
}

static void close_levels(struct parties *x) {
    rp_consumer_close(x->c);
    rp_producer_close(x->p);
    audit_is_clean(x->q);
    drop_queue(x->q);
}

static void send_at(struct parties *x, uint32_t level, const char *text) {
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    o.priority = level;
    succeeds(rp_send(x->p, text, strlen(text) + 1, &o));
}

static struct rp_message take(struct parties *x, const char *text, uint32_t level) {
    struct rp_message m;
    succeeds(rp_receive(x->c, &m, 0));
    if (!says(&m, text))
        fprintf(stderr, "'%s' where '%s' was to come\n", (const char *)m.data, text);
    assert_true(says(&m, text));
    assert_int_equal(m.priority, level);
    return m;
}

static void take_and_ack(struct parties *x, const char *text, uint32_t level) {
    struct rp_message m = take(x, text, level);
    succeeds(rp_ack(x->c, &m));
}

static void highest_first_in_order(void **state) {
    (void)state;
    struct rp_queue_options o = levels();
    struct parties x = open_levels(&o);
    send_at(&x, 0, "a");
    send_at(&x, 2, "b");
    send_at(&x, 1, "c");
    send_at(&x, 2, "d");
    send_at(&x, 3, "e");
    take_and_ack(&x, "e", 3);
    take_and_ack(&x, "b", 2);
    send_at(&x, 3, "f");
    take_and_ack(&x, "f", 3);
    take_and_ack(&x, "d", 2);
    take_and_ack(&x, "c", 1);
    take_and_ack(&x, "a", 0);
    close_levels(&x);
}

static void redeliveries_stay_in_their_level(void **state) {
    (void)state;
    struct rp_queue_options o = levels();
    struct parties x = open_levels(&o);
    send_at(&x, 1, "low");
    struct rp_message m = take(&x, "low", 1);
    succeeds(rp_nack(x.c, &m, NULL));
    send_at(&x, 2, "high");
    send_at(&x, 0, "lowest");
    take_and_ack(&x, "high", 2);
    m = take(&x, "low", 1);
    assert_int_equal(m.acquisitions, 2);
    succeeds(rp_reject(x.c, &m, NULL));
    assert_int_equal(rp_dead_redrive(x.q, NULL, NULL), 1);
    take_and_ack(&x, "low", 1);
    take_and_ack(&x, "lowest", 0);
    close_levels(&x);
}

/* In one level neither new messages nor redeliveries starve the other. */
static void they_take_turns(void **state) {
    (void)state;
    struct rp_queue_options o = levels();
    struct parties x = open_levels(&o);
    for (int i = 0; i < 24; i++)
        send_at(&x, 1, "failing");
    struct rp_message m[24];
    for (int i = 0; i < 24; i++)
        m[i] = take(&x, "failing", 1);
    for (int i = 0; i < 24; i++)
        succeeds(rp_nack(x.c, &m[i], NULL));
    unsigned again = 0, fresh = 0;
    for (int i = 0; i < 32; i++) { /* there are always some of both */
        struct rp_message n;
        send_at(&x, 1, "new");
        succeeds(rp_receive(x.c, &n, 0));
        again += says(&n, "failing");
        fresh += says(&n, "new");
        succeeds(rp_ack(x.c, &n));
    }
    assert_true(again >= 2 && fresh >= 16);
    assert_true(rp_queue_purge(x.q, NULL, RP_STATE_ALL) > 0);
    close_levels(&x);
}

/* With ageing, a flood of higher messages does not keep the lowest waiting for ever; without, it does. */
static void the_lowest_may_age(void **state) {
    (void)state;
    for (int ages = 0; ages < 2; ages++) {
        struct rp_queue_options o = levels();
        o.ageing_ns = ages ? 1 * MS : 0;
        struct parties x = open_levels(&o);
        send_at(&x, 0, "old");
        int64_t begin = time_ns();
        while (time_ns() - begin < 20 * MS) { /* its age is told by a coarse clock */
        }
        unsigned lowest = 0;
        for (int i = 0; i < 64; i++) {
            struct rp_message m;
            send_at(&x, 3, "flood");
            succeeds(rp_receive(x.c, &m, 0));
            lowest += says(&m, "old");
            succeeds(rp_ack(x.c, &m));
        }
        assert_int_equal(lowest, ages);
        succeeds(rp_queue_purge(x.q, NULL, RP_STATE_ALL));
        close_levels(&x);
    }
}

/* The oldest was cancelled, and its memory carries young messages of a higher level now: the one behind it ages all the same. */
static void the_lowest_ages_behind_one_that_went(void **state) {
    (void)state;
    struct rp_queue_options o = levels();
    o.ageing_ns = 200 * MS;
    struct parties x = open_levels(&o);
    uint64_t id;
    struct rp_send_options first;
    rp_send_options_init(&first, sizeof first);
    first.id_out = &id;
    succeeds(rp_send(x.p, "gone", 5, &first));
    send_at(&x, 0, "old");
    succeeds(rp_queue_cancel(x.q, id));
    int64_t begin = time_ns();
    while (time_ns() - begin < 250 * MS) {
    }
    rp_queue_sweep(x.q); /* keeps house: not while we count */
    for (unsigned i = 0; i < CAPACITY; i++)
        send_at(&x, 3, "flood");
    unsigned lowest = 0;
    for (unsigned i = 0; i < 32; i++) {
        struct rp_message m;
        succeeds(rp_receive(x.c, &m, 0));
        lowest += says(&m, "old");
        succeeds(rp_ack(x.c, &m));
    }
    assert_int_equal(lowest, 1);
    succeeds(rp_queue_purge(x.q, NULL, RP_STATE_ALL));
    close_levels(&x);
}

static void bad_levels(void **state) {
    (void)state;
    struct rp_queue_options o = levels();
    struct parties x = open_levels(&o);
    struct rp_send_options send;
    rp_send_options_init(&send, sizeof send);
    send.priority = LEVELS;
    assert_int_equal(rp_send(x.p, "x", 1, &send), -EINVAL);
    assert_non_null(strstr(rp_error_detail(), "0 to 3"));
    struct rp_send_item items[2] = {{.data = "x", .bytes = 1}, {.data = "x", .bytes = 1, .options = &send}};
    assert_int_equal(rp_send_batch(x.p, items, 2), 1);
    send.priority = 3;
    assert_int_equal(rp_send_batch(x.p, items, 2), 2);
    struct rp_message m;
    succeeds(rp_receive(x.c, &m, 0));
    assert_int_equal(m.priority, 3);
    succeeds(rp_ack(x.c, &m));
    succeeds(rp_queue_purge(x.q, NULL, RP_STATE_ALL));
    close_levels(&x);
    rp_queue *q;
    o.lanes = 2;
    assert_int_equal(rp_queue_create("never.made", &o, &q), -EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(highest_first_in_order), TEST(redeliveries_stay_in_their_level),     TEST(they_take_turns),
        TEST(the_lowest_may_age),     TEST(the_lowest_ages_behind_one_that_went), TEST(bad_levels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
