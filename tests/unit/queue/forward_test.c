/* SPDX-License-Identifier: MIT */
/* rp_forward: one output for each input, whichever of its deliveries comes how far. */
#include "delivery.h"
#include "id_table.h"
#include "policy.h"
#include <pthread.h>

#include "fixture.h"

static struct rp_queue *from, *target;
static rp_consumer *c;
static rp_producer *p, *to;
static rp_consumer *out;
static char far_name[80];

#define HOUR (UINT64_C(3600) * 1000 * MS)

static void open_far(const struct rp_queue_options *o) {
    snprintf(far_name, sizeof far_name, "%s.far", queue_name);
    rp_queue_unlink(far_name);
    succeeds(rp_queue_create(far_name, o, &target));
    succeeds(rp_producer_open(target, NULL, &to));
    succeeds(rp_consumer_open(target, NULL, &out));
}
static void close_far(void) {
    rp_producer_close(to);
    rp_consumer_close(out);
    succeeds(rp_queue_close(target));
    succeeds(rp_queue_unlink(far_name));
}
static void open_near(const struct rp_queue_options *o) {
    from = make_queue(o);
    succeeds(rp_producer_open(from, NULL, &p));
    succeeds(rp_consumer_open(from, NULL, &c));
}
static void close_near(void) {
    rp_producer_close(p);
    rp_consumer_close(c);
    succeeds(rp_queue_sweep(from));
    audit_is_clean(from);
    drop_queue(from);
}
static void open_both(uint64_t window_ns) {
    struct rp_queue_options o = test_options();
    open_near(&o);
    o.dedup_window_ns = window_ns;
    open_far(&o);
}
static void close_both(void) {
    close_far();
    close_near();
}
static int unlink_both(void **state) {
    if (far_name[0])
        rp_queue_unlink(far_name);
    return unlink_queue(state);
}

static int forward(struct rp_message *m, const char *text, const struct rp_send_options *o) {
    return rp_forward(c, m, to, text, strlen(text) + 1, o);
}
static void comes_out(const char *text) {
    struct rp_message m;
    succeeds(rp_receive(out, &m, 0));
    assert_string_equal(m.data, text);
    succeeds(rp_ack(out, &m));
}
static void nothing_comes_out(void) {
    struct rp_message m;
    assert_int_equal(rp_receive(out, &m, 0), RP_EMPTY);
}

static void it_moves(void **state) {
    (void)state;
    struct rp_message m;
    struct rp_send_options o;
    uint64_t id = 0;
    open_both(HOUR);
    succeeds(rp_forward_check(c, to));
    succeeds(send_text(p, "in"));
    succeeds(rp_receive(c, &m, 0));
    rp_send_options_init(&o, sizeof o);
    o.id_out = &id;
    assert_int_equal(forward(&m, "out", &o), 0);
    assert_true(id > 0);
    assert_int_equal(forward(&m, "out", NULL), -EINVAL); /* settled */
    assert_int_equal(rp_receive(c, &m, 0), RP_EMPTY);
    comes_out("out");
    nothing_comes_out();
    close_both();
}

/* As somebody who was killed between the two leaves it: the output was sent, the message comes again. */
static void once_for_all_deliveries(void **state) {
    (void)state;
    struct rp_message m;
    struct rp_send_options o;
    unsigned char id[RP_FORWARD_ID_BYTES];
    uint64_t first, again;
    open_both(HOUR);
    succeeds(send_text(p, "a"));
    succeeds(send_text(p, "b"));
    succeeds(rp_receive(c, &m, 0));
    succeeds(rp_forward_id(c, &m, 0, id));
    rp_send_options_init(&o, sizeof o);
    o.dedup_id = id;
    o.dedup_id_bytes = sizeof id;
    o.id_out = &first;
    succeeds(rp_send(to, "A", 2, &o));
    succeeds(rp_nack(c, &m, NULL));
    rp_send_options_init(&o, sizeof o);
    o.id_out = &again;
    for (int i = 0; i < 2; i++) {
        succeeds(rp_receive(c, &m, 0));
        bool same = says(&m, "a");
        assert_int_equal(forward(&m, same ? "changed" : "B", &o), same);
        assert_true(!same || again == first);
    }
    assert_int_equal(rp_receive(c, &m, 0), RP_EMPTY);
    comes_out("A");
    comes_out("B");
    nothing_comes_out();
    close_both();
}

/* The same number in another group, another output, another queue that has the name later: another id. */
static void ids_differ(void **state) {
    (void)state;
    struct rp_message m;
    struct rp_consumer_options o;
    rp_consumer *other;
    unsigned char id[5][RP_FORWARD_ID_BYTES];
    struct rp_queue_options q = test_options();
    open_near(&q);
    succeeds(rp_group_create(from, "other", NULL));
    succeeds(send_text(p, "a"));
    succeeds(rp_receive(c, &m, 0));
    succeeds(rp_forward_id(c, &m, 0, id[0]));
    succeeds(rp_forward_id(c, &m, 1, id[1]));
    assert_int_equal(rp_forward_id(c, &m, 0, NULL), -EINVAL);
    succeeds(rp_ack(c, &m));
    assert_int_equal(rp_forward_id(c, &m, 0, id[0]), -EINVAL);
    rp_consumer_options_init(&o, sizeof o);
    o.group = "other";
    for (int i = 2; i < 4; i++) { /* and in a group of the same name */
        succeeds(rp_consumer_open(from, &o, &other));
        succeeds(rp_receive(other, &m, 0));
        succeeds(rp_forward_id(other, &m, 0, id[i]));
        succeeds(rp_nack(other, &m, NULL));
        succeeds(rp_receive(other, &m, 0));
        unsigned char same[RP_FORWARD_ID_BYTES];
        succeeds(rp_forward_id(other, &m, 0, same));
        assert_memory_equal(same, id[i], sizeof same);
        succeeds(rp_ack(other, &m));
        rp_consumer_close(other);
        succeeds(rp_group_remove(from, "other"));
        succeeds(rp_group_create(from, "other", NULL));
        succeeds(send_text(p, "b"));
    }
    close_near();
    open_near(&q);
    succeeds(send_text(p, "a"));
    succeeds(rp_receive(c, &m, 0));
    succeeds(rp_forward_id(c, &m, 0, id[4]));
    for (int i = 0; i < 5; i++)
        for (int k = 0; k < i; k++)
            assert_memory_not_equal(id[i], id[k], RP_FORWARD_ID_BYTES);
    close_near();
}

/* Several outputs: the last one with rp_forward. */
static void several_outputs(void **state) {
    (void)state;
    struct rp_message m;
    struct rp_send_options o;
    unsigned char id[RP_FORWARD_ID_BYTES];
    open_both(HOUR);
    succeeds(send_text(p, "a"));
    for (int delivery = 0; delivery < 2; delivery++) {
        succeeds(rp_receive(c, &m, 0));
        for (uint32_t i = 1; i <= 2; i++) {
            succeeds(rp_forward_id(c, &m, i, id));
            rp_send_options_init(&o, sizeof o);
            o.dedup_id = id;
            o.dedup_id_bytes = sizeof id;
            assert_int_equal(rp_send(to, i == 1 ? "1" : "2", 2, &o), delivery == 0 ? 0 : RP_DUPLICATE);
        }
        if (delivery == 0)
            succeeds(rp_nack(c, &m, NULL));
    }
    assert_int_equal(forward(&m, "0", NULL), 0);
    comes_out("1");
    comes_out("2");
    comes_out("0");
    nothing_comes_out();
    close_both();
}

static void refusals(void **state) {
    (void)state;
    struct rp_message m;
    struct rp_send_options o;
    struct rp_consumer_options once;
    rp_consumer *careless;
    open_both(HOUR);
    succeeds(send_text(p, "a"));
    succeeds(rp_receive(c, &m, 0));
    rp_send_options_init(&o, sizeof o);
    o.dedup_id = "mine";
    o.dedup_id_bytes = 4;
    assert_int_equal(forward(&m, "x", &o), -EINVAL);
    o.dedup_id = NULL;
    o.dedup_id_bytes = 0;
    o.sequence = 1;
    assert_int_equal(forward(&m, "x", &o), -EINVAL);
    assert_int_equal(rp_forward(c, &m, NULL, "x", 2, NULL), -EINVAL);
    assert_int_equal(rp_forward(NULL, &m, to, "x", 2, NULL), -EINVAL);
    assert_int_equal(rp_forward(c, NULL, to, "x", 2, NULL), -EINVAL);
    assert_int_equal(rp_forward(c, &m, to, NULL, 2, NULL), -EINVAL);
    assert_int_equal(rp_forward(out, &m, to, "x", 2, NULL), -EINVAL);
    char large[100] = {0};
    assert_int_equal(rp_forward(c, &m, to, large, sizeof large, NULL), RP_TOO_BIG);
    int filled = 0;
    while (send_text(to, "fill") == 0)
        filled++;
    assert_int_equal(forward(&m, "x", NULL), RP_FULL);
    while (filled-- > 0)
        comes_out("fill");
    assert_int_equal(forward(&m, "x", NULL), 0); /* it was leased all the time */
    comes_out("x");
    rp_consumer_options_init(&once, sizeof once);
    once.ack = RP_ACK_NONE;
    succeeds(rp_consumer_open(from, &once, &careless));
    succeeds(send_text(p, "a"));
    succeeds(rp_receive(careless, &m, 0));
    assert_int_equal(rp_forward(careless, &m, to, "x", 2, NULL), -EINVAL);
    assert_int_equal(rp_forward_check(careless, to), -EINVAL);
    rp_consumer_close(careless);
    nothing_comes_out();
    close_both();
}

/* The window against what the source may take. */
static void windows(void **state) {
    (void)state;
    struct rp_message m;
    struct rp_queue_options o = test_options();
    o.lease_ns = 10 * SECOND;
    o.backoff_ns = o.backoff_max_ns = 10 * SECOND;
    o.jitter = 0.5;
    o.max_deliveries = 4;
    open_near(&o);
    succeeds(send_text(p, "a"));
    succeeds(rp_receive(c, &m, 0));
    const uint64_t needed = 3 * UINT64_C(27) * SECOND;
    o.dedup_window_ns = 0;
    open_far(&o);
    assert_int_equal(rp_forward_check(c, to), -EINVAL);
    assert_int_equal(forward(&m, "x", NULL), -EINVAL);
    close_far();
    o.dedup_window_ns = needed;
    open_far(&o);
    assert_int_equal(rp_forward_check(c, to), -EINVAL);
    assert_int_equal(forward(&m, "x", NULL), -EINVAL);
    assert_non_null(strstr(rp_error_detail(), "81.000 s"));
    close_far();
    o.dedup_window_ns = needed + 2 * SECOND;
    open_far(&o);
    succeeds(rp_forward_check(c, to));
    succeeds(rp_extend(c, &m, 15 * SECOND)); /* longer than the queue's by more than that */
    assert_int_equal(forward(&m, "x", NULL), -EINVAL);
    succeeds(rp_extend(c, &m, 0)); /* for ever: until death */
    assert_int_equal(forward(&m, "x", NULL), 0);
    comes_out("x");
    close_both();

    struct parameters q = {.lease_ns = 3, .backoff_max_ns = 1000, .jitter_permille = 100};
    const uint64_t round = 3 + 1100 + UINT64_C(2000000000);
    const uint32_t deliveries[] = {0, 1, 2, 3, 5}, rounds[] = {1, 1, 1, 2, 4};
    for (int i = 0; i < 5; i++) {
        q.max_deliveries = deliveries[i];
        assert_int_equal(repeat_ns(&q), rounds[i] * round);
    }
    q.max_deliveries = UINT32_MAX;
    q.lease_ns = TIMES_MAX_NS;
    assert_true(repeat_ns(&q) == UINT64_MAX);
}

/* Who lost his lease sends nothing: who has the message now will, or has, perhaps longer ago than ids are kept. */
static void a_lost_lease(void **state) {
    (void)state;
    struct rp_message m, again;
    struct rp_consumer *second;
    open_both(HOUR);
    succeeds(rp_consumer_open(from, NULL, &second));
    succeeds(send_text(p, "a"));
    succeeds(rp_receive(c, &m, 0));
    succeeds(rp_extend(c, &m, 1 * MS));
    assert_true(eventually(rp_queue_sweep(from) >= 0 && rp_receive(second, &again, 0) == 0));
    assert_int_equal(forward(&m, "late", NULL), RP_LEASE_LOST);
    nothing_comes_out();
    assert_int_equal(forward(&m, "late", NULL), -EINVAL); /* the view ended */
    assert_int_equal(rp_forward(second, &again, to, "x", 2, NULL), 0);
    comes_out("x");
    rp_consumer_close(second);
    close_both();
}

/* What was not sent was not done: whoever has the message now is told to do it. */
static void a_lost_lease_with_an_id(void **state) {
    (void)state;
    struct rp_message m, again;
    struct rp_consumer *second;
    struct rp_queue_options o = test_options();
    o.dedup_window_ns = HOUR;
    open_near(&o);
    open_far(&o);
    succeeds(rp_consumer_open(from, NULL, &second));
    succeeds(send_text(p, "a"));
    succeeds(rp_receive(c, &m, 0));
    assert_int_equal(rp_seen(c, &m, NULL, 0), 0);
    succeeds(rp_extend(c, &m, 1 * MS));
    assert_true(eventually(rp_queue_sweep(from) >= 0 && rp_receive(second, &again, 0) == 0));
    assert_int_equal(rp_seen(second, &again, NULL, 0), -EBUSY);
    assert_int_equal(forward(&m, "late", NULL), RP_LEASE_LOST);
    nothing_comes_out();
    assert_int_equal(rp_seen(second, &again, NULL, 0), 0);
    assert_int_equal(rp_forward(second, &again, to, "x", 2, NULL), 0);
    comes_out("x");
    rp_consumer_close(second);
    close_both();
}

/* One who waits for room for longer than ids are kept, while the message is delivered to another, who has a place: there is one output. */
struct waiter {
    struct rp_message m;
    int result;
};
static void *wait_for_room(void *argument) {
    struct waiter *w = argument;
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    o.timeout_ns = -1;
    w->result = forward(&w->m, "late", &o);
    return NULL;
}
static void a_lease_lost_in_the_queue(void **state) {
    (void)state;
    struct waiter w;
    struct rp_message again;
    struct rp_consumer *second;
    rp_producer *other;
    struct rp_loan place;
    struct rp_send_options o;
    unsigned char id[RP_FORWARD_ID_BYTES];
    pthread_t thread;
    unsigned fillers = 0;
    open_both(HOUR);
    const struct segment *s = &from->segment, *t = &target->segment;
    succeeds(rp_consumer_open(from, NULL, &second));
    succeeds(rp_producer_open(target, NULL, &other));
    succeeds(rp_loan(other, 8, &place));
    rp_send_options_init(&o, sizeof o);
    o.timeout_ns = 0;
    while (rp_send(other, "filler", 7, &o) == 0)
        fillers++;
    succeeds(send_text(p, "a"));
    succeeds(rp_receive(c, &w.m, 0));
    uint64_t tickets = load_seq_cst(&t->control->free_tickets, tickets);
    assert_int_equal(pthread_create(&thread, NULL, wait_for_room, &w), 0);
    assert_true(eventually(load_seq_cst(&t->control->free_tickets, tickets) != tickets)); /* it sleeps, or is about to */
    for (uint32_t i = 0; i < s->layout.cell_count; i++) {                                 /* the lease is over */
        uint64_t d = load_acquire(delivery_at(s, 0, i), delivery);
        if (delivery_state(d) == DELIVERY_LEASED)
            store_release(time_at(s, 0, i), stamp(delivery_hold(d), 1), time);
    }
    assert_true(eventually(rp_queue_sweep(from) >= 0 && rp_receive(second, &again, 0) == 0));
    succeeds(rp_forward_id(second, &again, 0, id));
    rp_send_options_init(&o, sizeof o);
    o.dedup_id = id;
    o.dedup_id_bytes = sizeof id;
    memcpy(place.data, "first", 6);
    place.bytes = 6;
    succeeds(rp_commit(other, &place, &o)); /* as rp_forward */
    succeeds(rp_ack(second, &again));
    for (uint32_t i = 0; i < t->layout.known_count; i++) /* the window is over */
        if (id_state(load_acquire(&t->known_ids[i].word, known_word)) == ID_COMMITTED)
            store_release(&t->known_ids[i].until_ns, 0, known_id);
    while (fillers-- > 0)
        comes_out("filler");
    comes_out("first");
    pthread_join(thread, NULL);
    nothing_comes_out();
    assert_int_equal(w.result, RP_LEASE_LOST);
    rp_producer_close(other);
    rp_consumer_close(second);
    close_both();
}

/* To the queue that it came from: another message, which comes again. */
static void to_itself(void **state) {
    (void)state;
    struct rp_message m;
    struct rp_queue_options o = test_options();
    o.dedup_window_ns = HOUR;
    open_near(&o);
    succeeds(send_text(p, "1"));
    succeeds(rp_receive(c, &m, 0));
    assert_int_equal(rp_forward(c, &m, p, "2", 2, NULL), 0);
    succeeds(rp_receive(c, &m, 0));
    assert_true(says(&m, "2"));
    assert_int_equal(rp_forward(c, &m, p, m.data, m.bytes, NULL), 0); /* from its view */
    succeeds(rp_receive(c, &m, 0));
    assert_true(says(&m, "2"));
    succeeds(rp_ack(c, &m));
    assert_int_equal(rp_receive(c, &m, 0), RP_EMPTY);
    close_near();
}

static int in_child(struct peer *test, void *argument) {
    (void)test;
    peer_check(rp_forward(c, argument, to, "x", 2, NULL) == RP_FORKED);
    peer_check(rp_forward_check(c, to) == RP_FORKED);
    peer_check(rp_seen(c, argument, NULL, 0) == RP_FORKED);
    return 0;
}
static void forked(void **state) {
    (void)state;
    struct rp_message m;
    open_both(HOUR);
    succeeds(send_text(p, "a"));
    succeeds(rp_receive(c, &m, 0));
    assert_int_equal(peer_run(in_child, &m), 0);
    assert_int_equal(forward(&m, "x", NULL), 0);
    comes_out("x");
    close_both();
}

#define TEST_BOTH(body) cmocka_unit_test_teardown(body, unlink_both)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_BOTH(it_moves),
        TEST_BOTH(once_for_all_deliveries),
        TEST_BOTH(ids_differ),
        TEST_BOTH(several_outputs),
        TEST_BOTH(refusals),
        TEST_BOTH(windows),
        TEST_BOTH(a_lost_lease),
        TEST_BOTH(a_lost_lease_with_an_id),
        TEST_BOTH(a_lease_lost_in_the_queue),
        TEST_BOTH(to_itself),
        TEST_BOTH(forked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
