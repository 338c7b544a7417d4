/* SPDX-License-Identifier: MIT */
/* What each record of a journal does to the queue that comes of it. */
#include "replay_fixture.h"

enum { A = 1, B = 2, C = 4 };

static struct rp_group_info group_of(rp_queue *q, uint32_t index) {
    struct rp_group_info g;
    succeeds(rp_group_next(q, index, &g));
    assert_int_equal(g.index, index);
    return g;
}

static void one_after_the_other(void **state) {
    (void)state;
    struct journal x;
    journal_begin(&x);
    next_file(&x, 1);
    add_places(&x, 1, 1);
    add_message(&x, 1, A | B, "1");
    add_message(&x, 2, A | B, "2");
    add_message(&x, 3, A, "3");
    add_settled(&x, 1, A, A | B);
    commit(&x);
    add_settled(&x, 2, A | B, A | B);
    add_message(&x, 4, B, "4");
    rp_queue *q = bring_back_queue(&x);
    has(q, "a", "3 ");
    has(q, "b", "1 4 ");
    rp_producer *p;
    struct rp_send_options s;
    uint64_t id;
    rp_send_options_init(&s, sizeof s);
    s.id_out = &id;
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_send(p, "5", 2, &s));
    assert_true(id > 5);
    rp_producer_close(p);
    has(q, "a", "5 ");
    drop_queue(q);
    journal_end(&x);
}

static void what_is_there_twice_or_late_does_no_harm(void **state) {
    (void)state;
    struct journal x;
    journal_begin(&x);
    next_file(&x, 50);
    add_places(&x, 1, 1);
    add_settled(&x, 40, A, A); /* its message's file is gone */
    add_delivery(&x, 41, &(struct record_delivery){.delivery = {.group = 1, .state = RP_STATE_DEAD}, .of = B});
    for (int twice = 0; twice < 2; twice++) {
        add_message(&x, 50, A | B, "50");
        add_message(&x, 51, A | B, "51");
    }
    for (int twice = 0; twice < 2; twice++)
        add_settled(&x, 50, A, A | B);
    add_places(&x, 1, 1);
    next_file(&x, 52);
    add_places(&x, 1, 1);
    add_settled(&x, 50, A, B);
    add_settled(&x, 51, B, A | B);
    add_settled(&x, 51, B, A);
    rp_queue *q = bring_back_queue(&x);
    has(q, "a", "51 ");
    has(q, "b", "50 ");
    drop_queue(q);
    journal_end(&x);
}

static void groups_come_and_go(void **state) {
    (void)state;
    struct journal x;
    journal_begin(&x);
    next_file(&x, 1);
    add_places(&x, 1, 7, 1);
    add_message(&x, 1, A | B | C, "1");
    add_message(&x, 2, B, "2");
    add_places(&x, 1, 8, 1); /* another b */
    add_message(&x, 3, A | B, "3");
    add_places(&x, 1, 8); /* c is gone */
    add_message(&x, 4, A | C, "4");
    add_message(&x, 5, C, "nobody's");
    rp_queue *q = bring_back_queue(&x);
    struct rp_group_info g = group_of(q, 0);
    assert_string_equal(g.name, "a");
    assert_int_equal(g.created_ns, 5);
    assert_string_equal(group_of(q, 1).name, "b");
    assert_int_equal(rp_group_next(q, 2, &g), RP_EMPTY);
    assert_int_equal(group_generation(load_relaxed(&q->segment.groups[1].word, recheck)), 8);
    has(q, "a", "1 3 4 ");
    has(q, "b", "3 ");
    succeeds(rp_group_create(q, "new", NULL)); /* in a place that another one had */
    assert_int_equal(group_generation(load_relaxed(&q->segment.groups[2].word, recheck)), 2);
    has(q, "new", "");
    drop_queue(q);
    journal_end(&x);
}

static void a_group_is_as_it_was(void **state) {
    (void)state;
    struct journal x;
    journal_begin(&x);
    next_file(&x, 1);
    struct record_groups g = {.next_id = 1000,
                              .next_sequence = 77,
                              .paused = RP_SIDE_SEND,
                              .count = 1,
                              .groups = {{.index = 3,
                                          .overflow = RP_GROUP_DEAD,
                                          .generation = 3,
                                          .created_ns = 12345,
                                          .dropped = 6,
                                          .expired = 7,
                                          .paused = true,
                                          .name = "third"}}};
    add_groups(&x, &g);
    rp_queue *q = bring_back_queue(&x);
    struct rp_group_info i = group_of(q, 3);
    assert_int_equal(i.overflow, RP_GROUP_DEAD);
    assert_int_equal(i.dropped, 6);
    assert_int_equal(i.expired, 7);
    assert_true(i.paused);
    assert_int_equal(rp_queue_paused(q), RP_SIDE_SEND);
    assert_int_equal(q->segment.control->journal_first + load_relaxed(&q->segment.control->journal_tail, hints), 77);
    assert_true(load_relaxed(&q->segment.control->next_id, hints) >= 1000);
    drop_queue(q);
    journal_end(&x);
}

static void messages_that_wait(void **state) {
    (void)state;
    struct journal x;
    journal_begin(&x);
    next_file(&x, 1);
    const uint64_t never = wall_ns() + 3600 * (uint64_t)SECOND, past = wall_ns() - (uint64_t)SECOND;
    add_places(&x, 1, 1);
    add_waiting(&x, 1, never, "later");
    add_waiting(&x, 2, never, "cancelled");
    add_waiting(&x, 3, past, "due");
    add_waiting(&x, 4, past, "of b");
    add_waiting(&x, 5, past, "of a, failed");
    add_waiting(&x, 6, past, "done");
    add_settled(&x, 1, 0, 0); /* says nothing */
    add_settled(&x, 2, RECORD_ALL_GROUPS, 0);
    add_settled(&x, 4, A, A | B);
    add_delivery(
        &x, 5,
        &(struct record_delivery){.delivery = {.group = 0, .state = RP_STATE_READY, .turn = 1, .letter.acquisitions = 1}, .of = A});
    add_settled(&x, 6, B, A | B);
    add_settled(&x, 6, A, A);
    rp_queue *q = bring_back_queue(&x);
    succeeds(rp_queue_sweep(q)); /* what is due and went nowhere goes to all that there are now */
    struct rp_message m;
    rp_consumer *c = consumer_of(q, "a");
    for (int i = 0; i < 2; i++) { /* a redelivery and a first one take turns */
        succeeds(rp_receive(c, &m, 0));
        assert_true(says(&m, m.acquisitions == 2 ? "of a, failed" : "due"));
        succeeds(rp_ack(c, &m));
    }
    rp_consumer_close(c);
    has(q, "a", "");
    has(q, "b", "of b due ");
    assert_int_equal(rp_queue_cancel(q, 3), -ENOENT);
    succeeds(rp_queue_cancel(q, 2));
    drop_queue(q);
    journal_end(&x);
}

static void where_messages_stand(void **state) {
    (void)state;
    struct journal x;
    journal_begin(&x);
    next_file(&x, 1);
    add_places(&x, 1);
    for (uint64_t i = 1; i <= 5; i++)
        add_message(&x, i, A, (const char *[]){"dead", "second", "first", "backoff", "new"}[i - 1]);
    struct record_delivery d = {.delivery = {.group = 0, .state = RP_STATE_READY, .turn = 9}, .of = A};
    d.delivery.letter.deliveries = 1;
    d.delivery.letter.acquisitions = 1;
    add_delivery(&x, 1, &d); /* it failed first, and died then */
    add_delivery(&x, 2, &d);
    d.delivery.turn = 8;
    add_delivery(&x, 3, &d);
    d.delivery.turn = 0;
    d.delivery.state = RP_STATE_DELAYED;
    d.delivery.due_ns = wall_ns() + 3600 * (uint64_t)SECOND;
    add_delivery(&x, 4, &d);
    d.delivery = (struct rp_dump_delivery){.group = 0, .state = RP_STATE_DEAD, .turn = 3};
    d.delivery.letter = (struct rp_dead_letter){.deliveries = 4,
                                                .acquisitions = 6,
                                                .first_failed_ns = wall_ns() - 2 * (uint64_t)SECOND,
                                                .last_failed_ns = wall_ns() - (uint64_t)SECOND,
                                                .reason = RP_DEAD_REJECTED,
                                                .last_failure = RP_FAILURE_REJECT,
                                                .pid = 42,
                                                .executable = "worker",
                                                .text = "no such thing"};
    add_delivery(&x, 1, &d);
    rp_queue *q = bring_back_queue(&x);
    struct rp_dead_letter l;
    char buffer[16];
    succeeds(rp_dead_peek(q, "a", 0, &l, buffer, sizeof buffer));
    assert_string_equal(buffer, "dead");
    assert_int_equal(l.id, 2);
    assert_int_equal(l.deliveries, 4);
    assert_int_equal(l.acquisitions, 6);
    assert_int_equal(l.reason, RP_DEAD_REJECTED);
    assert_int_equal(l.pid, 42);
    const uint64_t failed = d.delivery.letter.last_failed_ns; /* two clocks were read one after the other */
    assert_in_range(l.last_failed_ns, failed - (uint64_t)SECOND, failed + (uint64_t)SECOND);
    assert_string_equal(l.executable, "worker");
    assert_string_equal(l.text, "no such thing");
    assert_int_equal(group_of(q, 0).delayed, 1);
    assert_int_equal(group_of(q, 0).dead, 1);
    rp_consumer *c = consumer_of(q, "a");
    struct rp_message m;
    char got[64] = "";
    for (int i = 0; i < 3; i++) {
        succeeds(rp_receive(c, &m, 0));
        assert_int_equal(m.acquisitions, says(&m, "new") ? 1 : 2);
        strcat(strcat(got, m.data), " ");
        succeeds(rp_ack(c, &m));
    }
    assert_true(strstr(got, "first") < strstr(got, "second"));
    rp_consumer_close(c);
    drop_queue(q);
    journal_end(&x);
}

static void all_of_a_message(void **state) {
    (void)state;
    struct journal x;
    journal_begin(&x);
    next_file(&x, 1);
    add_places(&x, 1);
    struct rp_queue_options o = durable_options(&x);
    o.lanes = 3;
    o.lane_capacity = 16;
    o.header_bytes = 64;
    const unsigned char headers[] = {4, 0, 1, 0, 'x', 0, 'v', 'a', 'l', 'u', 0};
    const struct record_message m = {.id = 9,
                                     .sent_ns = 123456789,
                                     .expires_ns = wall_ns() + 3600 * (uint64_t)SECOND,
                                     .flags = RP_DUMP_EXPIRES | RP_DUMP_BY_WALL | RP_DUMP_KEYED,
                                     .groups = A,
                                     .key = (const unsigned char *)"key",
                                     .key_bytes = 3,
                                     .data = (const unsigned char *)"text",
                                     .bytes = 5,
                                     .headers = headers,
                                     .header_bytes = sizeof headers};
    add_full_message(&x, 1, &m);
    rp_queue *q;
    succeeds(try_bring_back(&x, &o, &q));
    rp_consumer *c = consumer_of(q, "a");
    struct rp_message got;
    succeeds(rp_receive(c, &got, 0));
    assert_true(says(&got, "text"));
    assert_int_equal(got.id, 9);
    assert_int_equal(got.sent_ns, 123456789);
    assert_int_equal(got.key_bytes, 3);
    assert_memory_equal(got.key, "key", 3);
    assert_string_equal(rp_message_header(&got, "x"), "valu");
    succeeds(rp_ack(c, &got));
    rp_consumer_close(c);
    audit_is_clean(q);
    drop_queue(q);
    journal_end(&x);
}

static void snapshots(void **state) {
    (void)state;
    struct journal x;
    journal_begin(&x);
    next_file(&x, 1);
    add_places(&x, 1, 1);
    add_message(&x, 1, A | B, "1");
    add_message(&x, 2, A, "2");
    add_settled(&x, 1, A, A | B);
    next_file(&x, 3);
    add_places(&x, 1, 1);
    add_snapshot(&x, false); /* it never ended */
    add_message(&x, 1, B, "1");
    next_file(&x, 3);
    add_places(&x, 1, 1);
    add_snapshot(&x, false);
    add_message(&x, 1, B, "1");
    add_message(&x, 3, A, "3"); /* sent meanwhile */
    add_delivery(&x, 1, &(struct record_delivery){.delivery = {.group = 1, .state = RP_STATE_DEAD}, .of = B});
    add_message(&x, 2, A, "2");
    add_snapshot(&x, true);
    commit(&x);
    succeeds(journal_dir_drop(&x.dir, 1));
    succeeds(journal_dir_drop(&x.dir, 2));
    rp_queue *q = bring_back_queue(&x);
    has(q, "a", "2 3 ");
    has(q, "b", "");
    assert_int_equal(group_of(q, 1).dead, 1);
    drop_queue(q);
    journal_end(&x);
}

/* So many that the first ones' memory is used again, and old ones between them stay. */
static void few_of_many(void **state) {
    (void)state;
    struct journal x;
    char text[40], expected[1024] = "";
    journal_begin(&x);
    uint64_t sequence = 1;
    for (int file = 0; file < 40; file++) {
        next_file(&x, sequence);
        add_places(&x, 1, 1);
        for (int i = 0; i < 400; i++, sequence++) {
            bool stays = sequence % 1500 == 0;
            snprintf(text, sizeof text, "%llu", (unsigned long long)sequence);
            add_message(&x, sequence, A, text);
            if (sequence > 200 && (sequence - 200) % 1500 != 0)
                add_settled(&x, sequence - 200, A, A);
            if (stays)
                strcat(strcat(expected, text), " ");
        }
    }
    for (uint64_t s = sequence - 200; s < sequence; s++)
        add_settled(&x, s, s % 1500 == 0 ? 0 : A, A);
    rp_queue *q = bring_back_queue(&x);
    has(q, "a", expected);
    drop_queue(q);
    journal_end(&x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        REPLAY_TEST(one_after_the_other), REPLAY_TEST(what_is_there_twice_or_late_does_no_harm),
        REPLAY_TEST(groups_come_and_go),  REPLAY_TEST(a_group_is_as_it_was),
        REPLAY_TEST(messages_that_wait),  REPLAY_TEST(where_messages_stand),
        REPLAY_TEST(all_of_a_message),    REPLAY_TEST(snapshots),
        REPLAY_TEST(few_of_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
