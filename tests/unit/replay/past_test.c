/* SPDX-License-Identifier: MIT */
/* Groups that began in the past: what they were fed when the journal ended, and what they are fed afterwards. */
#include "replay_fixture.h"
#include <fcntl.h>
#include <ringpost/journal.h>

enum { A = 1, B = 2, C = 4 };

static struct record_group group(uint32_t index, uint64_t generation, uint32_t past, uint64_t told, uint64_t fed) {
    return (struct record_group){.index = index,
                                 .generation = generation,
                                 .created_ns = 5,
                                 .past = past,
                                 .told = told,
                                 .fed = fed,
                                 .name = {(char)('a' + index)}};
}

static void add_all(struct journal *x, const struct record_group *all, uint32_t count) {
    struct record_groups g = {.next_id = 1, .next_sequence = 1, .count = count};
    memcpy(g.groups, all, count * sizeof *all);
    add_groups(x, &g);
}
#define add_these(x, ...)                                    \
    add_all((x), (const struct record_group[]){__VA_ARGS__}, \
            sizeof((const struct record_group[]){__VA_ARGS__}) / sizeof(struct record_group))

/* Group a as others are, and b, which is behind. */
static void a_and_b(struct journal *x, uint64_t told, uint64_t fed) {
    add_these(x, group(0, 1, PAST_NONE, 0, 0), group(1, 1, PAST_BEHIND, told, fed));
}

static void add_texts(struct journal *x, uint64_t from, uint64_t to, uint32_t groups) {
    for (char text[24]; from <= to; from++) {
        snprintf(text, sizeof text, "%llu", (unsigned long long)from);
        add_message(x, from, groups, text);
    }
}

static void settle_all(struct journal *x, uint64_t from, uint64_t to, uint32_t groups) {
    for (; from <= to; from++)
        add_settled(x, from, groups, groups);
}

static uint64_t behind(rp_queue *q, uint32_t index) {
    struct rp_group_info g;
    succeeds(rp_group_next(q, index, &g));
    assert_int_equal(g.index, index);
    return g.behind;
}

static struct journal x;
static void begin(void) {
    journal_begin(&x);
    next_file(&x, 1);
}
static void comes_to(const char *a, const char *b) {
    rp_queue *q = bring_back_queue(&x);
    has(q, "a", a);
    has(q, "b", b);
    audit_is_clean(q);
    drop_queue(q);
    journal_end(&x);
}

/* What lies between the two, less what was settled, in whatever order; then what it was not fed. */
static void settled_out_of_order(void **state) {
    (void)state;
    begin();
    add_places(&x, 1);
    add_texts(&x, 1, 8, A);
    settle_all(&x, 1, 8, A);
    a_and_b(&x, 2, 7);
    add_settled(&x, 5, B, B);
    add_settled(&x, 2, B, B);
    add_settled(&x, 7, B, B); /* it was not fed: nobody says so */
    rp_queue *q = bring_back_queue(&x);
    assert_int_equal(behind(q, 1), 3); /* 6 may as well be fed once more */
    has(q, "a", "");
    has(q, "b", "3 4 6 7 8 ");
    assert_int_equal(behind(q, 1), 0);
    audit_is_clean(q);
    drop_queue(q);
    journal_end(&x);
}

/* Others have them, too: one cell, of both. */
static void others_have_it(void **state) {
    (void)state;
    begin();
    add_places(&x, 1);
    add_texts(&x, 1, 4, A);
    a_and_b(&x, 1, 4);
    add_settled(&x, 1, A, A);
    add_settled(&x, 2, B, B);
    comes_to("2 3 4 ", "1 3 4 ");
}

static struct record_delivery delivery(uint32_t state, uint32_t deliveries) {
    struct record_delivery d = {.delivery = {.group = 1, .state = state}, .of = B};
    d.delivery.letter.deliveries = deliveries;
    if (state == RP_STATE_DEAD) {
        d.delivery.letter.reason = RP_DEAD_REJECTED;
        strcpy(d.delivery.letter.text, "because");
    }
    return d;
}

static void deliveries_and_letters(void **state) {
    (void)state;
    struct record_delivery failed = delivery(RP_STATE_READY, 2), dead = delivery(RP_STATE_DEAD, 3);
    begin();
    add_places(&x, 1);
    add_texts(&x, 1, 5, A);
    settle_all(&x, 1, 5, A);
    a_and_b(&x, 1, 5);
    add_delivery(&x, 1, &failed);
    add_delivery(&x, 2, &failed);
    add_delivery(&x, 2, &dead);
    add_delivery(&x, 3, &failed);
    add_settled(&x, 3, B, B);
    add_delivery(&x, 5, &dead); /* it was not fed */
    rp_queue *q = bring_back_queue(&x);
    struct rp_dead_letter letter;
    char text[16];
    succeeds(rp_dead_peek(q, "b", 0, &letter, text, sizeof text));
    assert_string_equal(text, "2");
    assert_int_equal(letter.deliveries, 3);
    assert_string_equal(letter.text, "because");
    assert_int_equal(rp_dead_peek(q, "b", letter.id, &letter, text, sizeof text), RP_EMPTY);
    rp_consumer *c = consumer_of(q, "b");
    struct rp_message m;
    unsigned seen = 0;
    while (rp_receive(c, &m, 0) == 0) {
        const char *got = m.data;
        assert_true(got[0] == '1' || got[0] == '4' || got[0] == '5');
        assert_int_equal(m.deliveries, got[0] == '1' ? 3 : 1);
        seen |= 1u << (got[0] - '0');
        succeeds(rp_ack(c, &m));
    }
    assert_int_equal(seen, 1u << 1 | 1u << 4 | 1u << 5);
    rp_consumer_close(c);
    drop_queue(q);
    journal_end(&x);
}

/* A snapshot says it for its groups and for the one to which it was fed, which are two cells. */
static void said_twice(void **state) {
    (void)state;
    begin();
    add_places(&x, 1);
    add_texts(&x, 1, 4, A);
    a_and_b(&x, 1, 4);
    add_snapshot(&x, false);
    add_texts(&x, 1, 2, A);
    add_texts(&x, 2, 3, B);
    add_settled(&x, 3, B, B);
    add_texts(&x, 3, 4, A);
    a_and_b(&x, 4, 4);
    add_snapshot(&x, true);
    add_settled(&x, 2, A, A);
    comes_to("1 3 4 ", "2 4 ");
}

/* The second is of a group that is gone by then: what it says is about nobody, and not that the message is over. */
static void said_twice_for_one_that_is_gone(void **state) {
    (void)state;
    begin();
    add_places(&x, 1);
    add_texts(&x, 1, 3, A);
    a_and_b(&x, 1, 4);
    add_places(&x, 1);
    add_snapshot(&x, false);
    add_texts(&x, 1, 3, A);
    add_texts(&x, 1, 3, B);
    add_snapshot(&x, true);
    rp_queue *q = bring_back_queue(&x);
    has(q, "a", "1 2 3 ");
    drop_queue(q);
    journal_end(&x);
}

/* With its end a snapshot says all that was fed before it began: what it does not say was settled. Without, nothing has changed. */
static void a_snapshot_moves_told(void **state) {
    for (int ends = 0; ends < 2; ends++) {
        (void)state;
        begin();
        add_places(&x, 1);
        add_texts(&x, 1, 6, A);
        settle_all(&x, 1, 6, A);
        a_and_b(&x, 1, 5);
        add_settled(&x, 1, B, B);
        add_snapshot(&x, false);
        add_texts(&x, 3, 3, B);
        add_settled(&x, 4, B, B); /* before its cell was come to */
        a_and_b(&x, ends ? 5 : 1, 6);
        if (ends)
            add_snapshot(&x, true);
        add_settled(&x, 5, B, B);
        comes_to("", ends ? "3 6 " : "2 3 6 ");
    }
}

static void another_group_in_its_place(void **state) {
    (void)state;
    struct record_delivery dead = delivery(RP_STATE_DEAD, 3);
    begin();
    add_places(&x, 1);
    add_texts(&x, 1, 4, A);
    a_and_b(&x, 1, 5);
    add_settled(&x, 1, B, B);
    add_delivery(&x, 2, &dead);
    add_texts(&x, 5, 5, A | B);
    add_delivery(&x, 5, &dead);
    add_these(&x, group(0, 1, PAST_NONE, 0, 0), group(1, 2, PAST_BEHIND, 1, 6));
    add_settled(&x, 3, B, B);
    comes_to("1 2 3 4 5 ", "1 2 4 5 ");
}

static void gone_and_nobody_in_its_place(void **state) {
    (void)state;
    begin();
    add_places(&x, 1);
    add_texts(&x, 1, 4, A);
    settle_all(&x, 1, 4, A);
    a_and_b(&x, 1, 3);
    add_settled(&x, 1, B, B);
    add_places(&x, 1);
    rp_queue *q = bring_back_queue(&x);
    struct rp_group_info g;
    has(q, "a", "");
    assert_int_equal(rp_group_next(q, 1, &g), RP_EMPTY);
    succeeds(rp_group_create(q, "b", NULL));
    has(q, "b", "");
    drop_queue(q);
    journal_end(&x);
}

/* It has caught up: later ones say themselves that they are for it. */
static void ended(void **state) {
    (void)state;
    begin();
    add_places(&x, 1);
    add_texts(&x, 1, 3, A);
    add_these(&x, group(0, 1, PAST_NONE, 0, 0), group(1, 1, PAST_ENDED, 2, 4));
    add_texts(&x, 4, 6, A | B);
    add_settled(&x, 2, B, B);
    add_settled(&x, 5, B, A | B);
    add_texts(&x, 7, 7, A);
    rp_queue *q = bring_back_queue(&x);
    assert_int_equal(behind(q, 1), 0);
    has(q, "b", "3 4 6 ");
    rp_producer *p;
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_send(p, "8", 2, NULL));
    rp_producer_close(p);
    has(q, "b", "8 ");
    has(q, "a", "1 2 3 4 5 6 7 8 ");
    audit_is_clean(q);
    drop_queue(q);
    journal_end(&x);
}

/* Nobody but it gets them. */
static void for_nobody_else(void **state) {
    (void)state;
    const struct record_message m = {.id = 3, .sent_ns = 1, .data = (const unsigned char *)"2", .bytes = 2},
                                n = {.id = 5, .sent_ns = 1, .data = (const unsigned char *)"4", .bytes = 2};
    begin();
    add_places(&x, 1);
    add_texts(&x, 1, 1, A);
    a_and_b(&x, 1, 3);
    record_message_write(add(&x, RECORD_MESSAGE, RECORD_MESSAGE_FOR_NOBODY, 2, record_message_bytes(&m)), &m);
    add_texts(&x, 3, 3, A);
    record_message_write(add(&x, RECORD_MESSAGE, RECORD_MESSAGE_FOR_NOBODY, 4, record_message_bytes(&n)), &n);
    comes_to("1 3 ", "1 2 3 4 ");
}

static void late_and_over(void **state) {
    (void)state;
    const struct record_message over = {.id = 2,
                                        .sent_ns = 1,
                                        .expires_ns = 1,
                                        .flags = RP_DUMP_EXPIRES | RP_DUMP_BY_WALL,
                                        .groups = A,
                                        .data = (const unsigned char *)"1",
                                        .bytes = 2},
                                late = {.id = 3,
                                        .sent_ns = 1,
                                        .due_ns = 2,
                                        .flags = RP_DUMP_SCHEDULED | RP_DUMP_BY_WALL,
                                        .groups = A,
                                        .data = (const unsigned char *)"2",
                                        .bytes = 2};
    begin();
    add_places(&x, 1);
    for (uint64_t sequence = 1; sequence < 9; sequence += 4) {
        add_full_message(&x, sequence, &over);
        add_full_message(&x, sequence + 1, &late);
        add_waiting(&x, sequence + 2, UINT64_MAX - 1, "3");
        add_texts(&x, sequence + 3, sequence + 3, A);
        settle_all(&x, sequence, sequence + 1, A);
    }
    a_and_b(&x, 1, 5);
    comes_to("4 8 ", "4 8 ");
}

/* The journal says nothing of files that went before the group was made; and it needs such as nobody else does. */
static void files_that_went(void **state) {
    (void)state;
    journal_begin(&x);
    for (uint64_t first = 1; first <= 7; first += 3) {
        next_file(&x, first);
        add_places(&x, 1);
        add_texts(&x, first, first + 2, A);
        settle_all(&x, first, first + 2, A);
        x.needed = x.file.number;
    }
    next_file(&x, 10);
    a_and_b(&x, 1, 6);
    add_settled(&x, 5, B, B);
    add_texts(&x, 10, 10, A);
    commit(&x);
    succeeds(journal_dir_drop(&x.dir, 1));
    comes_to("10 ", "4 6 7 8 9 10 ");
}

/* Three files, of which but the last nobody needs who has no such group; the second is harmed. */
static void harmed(uint32_t past, uint64_t told, uint64_t fed) {
    journal_begin(&x);
    for (uint64_t first = 1; first <= 7; first += 3) {
        next_file(&x, first);
        add_places(&x, 1);
        add_texts(&x, first, first + 2, A);
        settle_all(&x, first, first + 2, A);
        x.needed = x.file.number;
    }
    next_file(&x, 10);
    add_these(&x, group(0, 1, PAST_NONE, 0, 0), group(1, 1, past, told, fed));
    add_texts(&x, 10, 10, past == PAST_ENDED ? A | B : A);
    commit(&x);
    char name[128];
    snprintf(name, sizeof name, "%s/%016llx.journal", x.scratch.path, 2ull);
    int fd = open(name, O_WRONLY);
    assert_true(fd >= 0 && pwrite(fd, "?", 1, 4300) == 1);
    close(fd);
}

/* The queue starts, and the group gets what there is; then those who receive from it are told. What it was fed before comes again, when it is past that. */
static void damage_where_it_is_read(void **state) {
    (void)state;
    struct rp_journal_summary summary;
    struct rp_message m;
    harmed(PAST_BEHIND, 1, 6);
    succeeds(rp_journal_verify(x.scratch.path, NULL, NULL, &summary));
    assert_int_equal(summary.state, RP_JOURNAL_DAMAGED);
    assert_int_equal(summary.kept_files, 2);
    rp_queue *q = bring_back_queue(&x);
    has(q, "a", "10 ");
    rp_consumer *c = consumer_of(q, "b");
    for (int i = 1; i <= 3; i++) {
        succeeds(rp_receive(c, &m, 0));
        assert_int_equal(strtol(m.data, NULL, 10), i);
        succeeds(rp_ack(c, &m));
    }
    assert_int_equal(rp_receive(c, &m, 0), RP_CORRUPT);
    assert_non_null(strstr(rp_error_detail(), "0000000000000002 is damaged"));
    assert_int_equal(rp_receive(c, &m, 0), RP_CORRUPT);
    rp_consumer_close(c);
    succeeds(rp_group_remove(q, "b"));
    audit_is_clean(q);
    drop_queue(q);
    journal_end(&x);
}

/* Nobody else asks what is in such a file. */
static void damage_before_it(void **state) {
    (void)state;
    harmed(PAST_BEHIND, 7, 8);
    comes_to("10 ", "7 8 9 10 ");
}

/* It reads no more: what it was fed behind the damage is lost, and counted. */
static void damage_and_it_has_ended(void **state) {
    (void)state;
    struct rp_group_info g;
    harmed(PAST_ENDED, 2, 10);
    rp_queue *q = bring_back_queue(&x);
    succeeds(rp_group_next(q, 1, &g));
    assert_int_equal(g.dropped, 6);
    has(q, "b", "2 3 10 ");
    drop_queue(q);
    journal_end(&x);
}

/* Lives: what the second was fed and settled, the third knows. */
static void life_after_life(void **state) {
    (void)state;
    begin();
    add_places(&x, 1);
    add_texts(&x, 1, 9, A);
    a_and_b(&x, 2, 4);
    add_settled(&x, 2, B, B);
    for (int life = 0; life < 3; life++) {
        static const char *const expected[] = {"3", "4", "5"};
        struct rp_message m;
        rp_producer *p;
        rp_queue *q = bring_back_queue(&x);
        rp_consumer *c = consumer_of(q, "b");
        succeeds(rp_receive(c, &m, 0));
        assert_string_equal(m.data, expected[life]);
        succeeds(rp_ack(c, &m));
        rp_consumer_close(c);
        succeeds(rp_producer_open(q, NULL, &p));
        succeeds(rp_flush(p));
        rp_producer_close(p);
        drop_queue(q);
    }
    comes_to("1 2 3 4 5 6 7 8 9 ", "6 7 8 9 ");
}

/* A writer dies after the end of his snapshot, before he says so in memory: the next one says again what was true before. */
static void told_goes_back(void **state) {
    (void)state;
    begin();
    add_places(&x, 1);
    add_texts(&x, 1, 6, A);
    settle_all(&x, 1, 6, A);
    a_and_b(&x, 1, 6);
    settle_all(&x, 1, 5, B);
    a_and_b(&x, 6, 6);
    a_and_b(&x, 1, 6);
    comes_to("", "6 ");
}

/* A purge takes what has come into memory. */
static void purged(void **state) {
    (void)state;
    begin();
    add_places(&x, 1);
    add_texts(&x, 1, 9, A);
    a_and_b(&x, 1, 4);
    add_settled(&x, 3, B, B);
    rp_producer *p;
    rp_queue *q = bring_back_queue(&x);
    assert_int_equal(rp_queue_purge(q, "b", RP_STATE_READY), 2);
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_flush(p));
    succeeds(rp_send(p, "10", 3, NULL));
    succeeds(rp_flush(p));
    rp_producer_close(p);
    drop_queue(q);
    comes_to("1 2 3 4 5 6 7 8 9 10 ", "4 5 6 7 8 9 10 ");
}

static int refused_groups(const struct record_group *g) {
    struct rp_queue_options o;
    rp_queue *q;
    begin();
    add_all(&x, g, 1);
    o = durable_options(&x);
    int result = try_bring_back(&x, &o, &q);
    journal_end(&x);
    return result;
}
static void what_cannot_be(void **state) {
    (void)state;
    struct record_group g = group(0, 1, PAST_BEHIND, 4, 3);
    assert_int_equal(refused_groups(&g), RP_CORRUPT);
    g = group(0, 1, PAST_BEHIND, 4, UINT64_MAX / 2);
    assert_int_equal(refused_groups(&g), RP_CORRUPT);
    g = group(0, 1, PAST_ENDED + 1, 4, 5);
    assert_int_equal(refused_groups(&g), RP_CORRUPT);
}

int main(void) {
    const struct CMUnitTest tests[] = {REPLAY_TEST(settled_out_of_order),
                                       REPLAY_TEST(others_have_it),
                                       REPLAY_TEST(deliveries_and_letters),
                                       REPLAY_TEST(said_twice),
                                       REPLAY_TEST(said_twice_for_one_that_is_gone),
                                       REPLAY_TEST(a_snapshot_moves_told),
                                       REPLAY_TEST(another_group_in_its_place),
                                       REPLAY_TEST(gone_and_nobody_in_its_place),
                                       REPLAY_TEST(ended),
                                       REPLAY_TEST(for_nobody_else),
                                       REPLAY_TEST(late_and_over),
                                       REPLAY_TEST(files_that_went),
                                       REPLAY_TEST(damage_where_it_is_read),
                                       REPLAY_TEST(damage_before_it),
                                       REPLAY_TEST(damage_and_it_has_ended),
                                       REPLAY_TEST(life_after_life),
                                       REPLAY_TEST(told_goes_back),
                                       REPLAY_TEST(purged),
                                       REPLAY_TEST(what_cannot_be)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
