/* SPDX-License-Identifier: MIT */
/* Pause and resume: who is stopped, what he is told, and what goes on. */
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

static rp_consumer *consumer_of(const char *group, uint32_t prefetch, uint32_t ack) {
    struct rp_consumer_options o;
    rp_consumer_options_init(&o, sizeof o);
    o.group = group;
    o.prefetch = prefetch;
    o.ack = ack;
    rp_consumer *consumer;
    succeeds(rp_consumer_open(q, &o, &consumer));
    return consumer;
}

static void take_and_ack(rp_consumer *consumer, const char *text) {
    struct rp_message m;
    succeeds(rp_receive(consumer, &m, 0));
    assert_true(says(&m, text));
    succeeds(rp_ack(consumer, &m));
}

static bool group_is_paused(const char *group) {
    struct rp_group_info info;
    for (uint32_t i = 0; rp_group_next(q, i, &info) == 0; i = info.index + 1)
        if (strcmp(info.name, group) == 0)
            return info.paused;
    print_error("there is no group %s\n", group);
    assert_true(false);
    return false;
}

static void the_send_side(void **state) {
    (void)state;
    struct rp_message m;
    struct rp_send_options patient = {.size = sizeof patient, .timeout_ns = 20 * MS};
    open_queue(test_options());
    uint64_t free_cells = stats_of(q).free_cells;
    succeeds(send_text(p, "before"));
    succeeds(rp_queue_pause(q, RP_SIDE_SEND));
    succeeds(rp_queue_pause(q, RP_SIDE_SEND)); /* it is already */
    assert_int_equal(rp_queue_paused(q), RP_SIDE_SEND);
    assert_int_equal(send_text(p, "during"), RP_PAUSED);
    int64_t start = time_ns();
    assert_int_equal(rp_send(p, "during", 7, &patient), RP_PAUSED);
    assert_true(time_ns() - start >= 20 * MS);
    struct rp_send_item items[2] = {{.data = "a", .bytes = 1}, {.data = "b", .bytes = 1}};
    assert_int_equal(rp_send_batch(p, items, 2), RP_PAUSED);
    struct rp_loan loan;
    assert_int_equal(rp_loan(p, 8, &loan), RP_PAUSED);
    assert_int_equal(stats_of(q).full, 0);
    assert_int_equal(stats_of(q).sent, 1);
    assert_int_equal(stats_of(q).free_cells, free_cells - 1); /* whoever was refused keeps no memory */
    take_and_ack(c, "before");
    assert_int_equal(rp_receive(c, &m, 0), RP_EMPTY);
    succeeds(rp_queue_resume(q, RP_SIDE_SEND));
    assert_int_equal(rp_queue_paused(q), 0);
    succeeds(send_text(p, "after"));
    take_and_ack(c, "after");
    close_queue();
}

static void a_bounded_queue(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.max_bytes = 64;
    o.overflow = RP_OVERFLOW_DROP_OLDEST;
    open_queue(o);
    const char text[64] = "all there is room for";
    succeeds(rp_send(p, text, sizeof text, NULL));
    succeeds(rp_queue_pause(q, RP_SIDE_SEND));
    assert_int_equal(rp_send(p, text, sizeof text, NULL), RP_PAUSED);
    assert_int_equal(stats_of(q).dropped, 0); /* nothing makes way for a send that is not admitted */
    assert_int_equal(stats_of(q).bytes, 64);
    succeeds(rp_queue_resume(q, RP_SIDE_SEND));
    succeeds(rp_send(p, text, sizeof text, NULL));
    assert_int_equal(stats_of(q).dropped, 1);
    close_queue();
}

static void a_loan_from_before(void **state) {
    (void)state;
    struct rp_loan loan;
    open_queue(test_options());
    succeeds(rp_loan(p, 5, &loan));
    succeeds(rp_queue_pause(q, RP_SIDE_SEND));
    memcpy(loan.data, "lent", 5);
    succeeds(rp_commit(p, &loan, NULL));
    take_and_ack(c, "lent");
    close_queue();
}

static void a_redrive_is_a_send(void **state) {
    (void)state;
    struct rp_message m;
    struct rp_dead_letter letter;
    open_queue(test_options());
    succeeds(send_text(p, "poison"));
    succeeds(rp_receive(c, &m, 0));
    succeeds(rp_reject(c, &m, "no"));
    succeeds(rp_queue_pause(q, RP_SIDE_SEND));
    assert_int_equal(rp_dead_redrive(q, NULL, NULL), RP_PAUSED);
    succeeds(rp_dead_peek(q, NULL, 0, &letter, NULL, 0));
    assert_int_equal(letter.deliveries, 1); /* its counts are as they were */
    assert_int_equal(counter_read(&q->segment.seats[q->seat].dead_changes), 0);
    succeeds(rp_queue_resume(q, RP_SIDE_SEND));
    assert_int_equal(rp_dead_redrive(q, NULL, NULL), 1);
    take_and_ack(c, "poison");
    close_queue();
}

static void the_receive_side(void **state) {
    (void)state;
    struct rp_message m, held;
    struct rp_queue_options o = test_options();
    o.lease_ns = 50 * MS;
    open_queue(o);
    succeeds(send_text(p, "held"));
    succeeds(send_text(p, "waits"));
    succeeds(rp_receive(c, &held, 0));
    succeeds(rp_queue_pause(q, RP_SIDE_RECEIVE));
    assert_int_equal(rp_queue_paused(q), RP_SIDE_RECEIVE);
    assert_int_equal(rp_receive(c, &m, 0), RP_PAUSED);
    assert_int_equal(rp_receive_batch(c, &m, 1, 0), RP_PAUSED);
    succeeds(send_text(p, "sent")); /* the other side goes on, */
    succeeds(rp_extend(c, &held, 50 * MS));
    int64_t start = time_ns(); /* and so does time: this lease runs out while we wait */
    assert_int_equal(rp_receive(c, &m, 200 * MS), RP_PAUSED);
    assert_true(time_ns() - start >= 200 * MS);
    assert_int_equal(rp_ack(c, &held), RP_LEASE_LOST);
    assert_int_equal(stats_of(q).expired_leases, 1);
    assert_int_equal(rp_queue_purge(q, NULL, RP_STATE_READY), 3);
    succeeds(rp_queue_resume(q, RP_SIDE_RECEIVE));
    assert_int_equal(rp_receive(c, &m, 0), RP_EMPTY);
    succeeds(send_text(p, "after"));
    take_and_ack(c, "after");
    close_queue();
}

static void what_is_held_can_be_settled(void **state) {
    (void)state;
    struct rp_message m[3];
    open_queue(test_options());
    for (int i = 0; i < 3; i++)
        succeeds(send_text(p, "work"));
    assert_int_equal(rp_receive_batch(c, m, 3, 0), 3);
    succeeds(rp_queue_pause(q, RP_SIDE_SEND | RP_SIDE_RECEIVE));
    succeeds(rp_ack(c, &m[0]));
    succeeds(rp_nack(c, &m[1], NULL));
    succeeds(rp_reject(c, &m[2], "no"));
    struct rp_queue_stats s = stats_of(q);
    assert_int_equal(s.ready, 1);
    assert_int_equal(s.dead, 1);
    close_queue();
}

static void what_was_claimed_ahead_goes_back(void **state) {
    (void)state;
    struct rp_message m;
    open_queue(test_options());
    rp_consumer *ahead = consumer_of(NULL, 4, RP_ACK_EXPLICIT);
    for (int i = 0; i < 4; i++)
        succeeds(send_text(p, "work"));
    succeeds(rp_receive(ahead, &m, 0));
    assert_int_equal(stats_of(q).leased, 4);
    succeeds(rp_queue_pause(q, RP_SIDE_RECEIVE));
    assert_int_equal(rp_receive(ahead, &m, 0), RP_PAUSED);
    assert_int_equal(stats_of(q).leased, 1); /* the one that we hold */
    assert_int_equal(stats_of(q).ready, 3);
    succeeds(rp_queue_resume(q, RP_SIDE_RECEIVE));
    for (int i = 0; i < 3; i++) {
        succeeds(rp_receive(c, &m, 0));
        assert_int_equal(m.deliveries, 1); /* no harm done */
        succeeds(rp_ack(c, &m));
    }
    rp_consumer_close(ahead);
    close_queue();
}

static void at_most_once(void **state) {
    (void)state;
    struct rp_message m;
    open_queue(test_options());
    rp_consumer *once = consumer_of(NULL, 4, RP_ACK_NONE);
    succeeds(send_text(p, "work"));
    succeeds(rp_queue_pause(q, RP_SIDE_RECEIVE));
    assert_int_equal(rp_receive(once, &m, 0), RP_PAUSED);
    succeeds(rp_queue_resume(q, RP_SIDE_RECEIVE));
    succeeds(rp_receive(once, &m, 0));
    assert_true(says(&m, "work"));
    rp_consumer_close(once);
    close_queue();
}

static void one_group(void **state) {
    (void)state;
    struct rp_message m;
    open_queue(test_options());
    succeeds(rp_group_create(q, "slow", NULL));
    rp_consumer *slow = consumer_of("slow", 0, RP_ACK_EXPLICIT);
    succeeds(rp_group_pause(q, "slow"));
    assert_int_equal(rp_queue_paused(q), 0);
    assert_true(group_is_paused("slow"));
    assert_false(group_is_paused("default"));
    succeeds(send_text(p, "for both"));
    take_and_ack(c, "for both");
    assert_int_equal(rp_receive(slow, &m, 0), RP_PAUSED);
    succeeds(rp_queue_pause(q, RP_SIDE_RECEIVE));
    succeeds(rp_queue_resume(q, RP_SIDE_RECEIVE)); /* says nothing about the group */
    assert_int_equal(rp_receive(slow, &m, 0), RP_PAUSED);
    succeeds(rp_group_resume(q, "slow"));
    take_and_ack(slow, "for both");
    assert_int_equal(rp_group_pause(q, "none"), -ENOENT);
    assert_int_equal(rp_group_resume(q, "none"), -ENOENT);
    succeeds(rp_group_pause(q, NULL)); /* "default" */
    assert_int_equal(rp_receive(c, &m, 0), RP_PAUSED);
    succeeds(rp_group_resume(q, NULL));
    rp_consumer_close(slow);
    close_queue();
}

static void a_pause_ends_with_its_group(void **state) {
    (void)state;
    struct rp_message m;
    open_queue(test_options());
    succeeds(rp_group_create(q, "g", NULL));
    rp_consumer *old = consumer_of("g", 0, RP_ACK_EXPLICIT);
    succeeds(rp_group_pause(q, "g"));
    assert_int_equal(rp_receive(old, &m, 0), RP_PAUSED);
    succeeds(rp_group_remove(q, "g"));
    assert_int_equal(rp_receive(old, &m, 0), RP_GONE);
    succeeds(rp_group_create(q, "g", NULL));
    assert_false(group_is_paused("g"));
    succeeds(rp_group_pause(q, "g"));
    assert_int_equal(rp_receive(old, &m, 0), RP_GONE); /* also while the next one is paused */
    assert_int_equal(rp_receive(old, &m, 10 * MS), RP_GONE);
    rp_consumer_close(old);
    close_queue();
}

/* Who looked at the word before the group was made changes nothing of it, though the bit was and is clear. */
static void a_late_pauser(void **state) {
    (void)state;
    open_queue(test_options());
    uint64_t before = pause_load(&q->segment);
    succeeds(rp_group_create(q, "g", NULL));
    assert_int_not_equal(pause_load(&q->segment), before);
    close_queue();
}

static void who_may(void **state) {
    (void)state;
    open_queue(test_options());
    assert_int_equal(rp_queue_pause(q, 0), -EINVAL);
    assert_int_equal(rp_queue_pause(q, 4), -EINVAL);
    assert_int_equal(rp_queue_resume(q, 0), -EINVAL);
    assert_int_equal(rp_queue_pause(NULL, 1), -EINVAL);
    assert_int_equal(rp_queue_paused(NULL), -EINVAL);
    rp_queue *observer;
    struct rp_open_options o;
    rp_open_options_init(&o, sizeof o);
    o.read_only = 1;
    succeeds(rp_queue_open(queue_name, &o, &observer));
    assert_int_equal(rp_queue_pause(observer, RP_SIDE_SEND), -EROFS);
    assert_int_equal(rp_queue_resume(observer, RP_SIDE_SEND), -EROFS);
    assert_int_equal(rp_group_pause(observer, NULL), -EROFS);
    succeeds(rp_queue_pause(q, RP_SIDE_SEND));
    assert_int_equal(rp_queue_paused(observer), RP_SIDE_SEND);
    succeeds(rp_queue_close(observer));
    close_queue();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_send_side),
        TEST(a_bounded_queue),
        TEST(a_loan_from_before),
        TEST(a_redrive_is_a_send),
        TEST(the_receive_side),
        TEST(what_is_held_can_be_settled),
        TEST(what_was_claimed_ahead_goes_back),
        TEST(at_most_once),
        TEST(one_group),
        TEST(a_pause_ends_with_its_group),
        TEST(a_late_pauser),
        TEST(who_may),
    };
    return cmocka_run_group_tests_name("pause", tests, NULL, NULL);
}
