/* SPDX-License-Identifier: MIT */
/* Consumer groups: each gets everything from its beginning on, and leaves nothing behind. */
#include "delivery.h"
#include "fanout.h"
#include "groups.h"
#include "lookup.h"

#include "fixture.h"
#include <errno.h>

static rp_queue *q;
static rp_producer *p;

static void open_queue(struct rp_queue_options o) {
    q = make_queue(&o);
    succeeds(rp_producer_open(q, NULL, &p));
}

static void close_queue(void) {
    rp_producer_close(p);
    audit_is_clean(q);
    drop_queue(q);
}

static rp_consumer *consumer_of(const char *group) {
    struct rp_consumer_options o;
    rp_consumer_options_init(&o, sizeof o);
    o.group = group;
    rp_consumer *c;
    succeeds(rp_consumer_open(q, &o, &c));
    return c;
}

static struct rp_message take(rp_consumer *c, const char *text) {
    struct rp_message m;
    succeeds(rp_receive(c, &m, 0));
    assert_true(says(&m, text));
    return m;
}

static void take_and_ack(rp_consumer *c, const char *text) {
    struct rp_message m = take(c, text);
    succeeds(rp_ack(c, &m));
}

static void nothing_for(rp_consumer *c) {
    struct rp_message m;
    assert_int_equal(rp_receive(c, &m, 0), RP_EMPTY);
}

static struct rp_group_info info_of(const char *group) {
    struct rp_group_info info;
    for (uint32_t i = 0; rp_group_next(q, i, &info) == 0; i = info.index + 1)
        if (strcmp(info.name, group) == 0)
            return info;
    print_error("there is no group %s\n", group);
    assert_true(false);
    return info;
}

static void each_group_gets_everything(void **state) {
    (void)state;
    open_queue(test_options());
    succeeds(rp_group_create(q, "audit", NULL));
    rp_consumer *first = consumer_of(NULL), *second = consumer_of("audit");
    uint64_t free_cells = stats_of(q).free_cells;
    const char *const texts[] = {"one", "two", "three"};
    for (unsigned i = 0; i < 3; i++)
        succeeds(send_text(p, texts[i]));
    for (unsigned i = 0; i < 3; i++)
        take_and_ack(first, texts[i]);
    assert_int_equal(info_of("default").ready, 0);
    assert_int_equal(info_of("audit").ready, 3);
    assert_true(info_of("audit").oldest_ready_ns > 0);
    assert_int_equal(stats_of(q).free_cells, free_cells - 3); /* audit needs them */
    struct rp_message m = take(second, "one");
    assert_int_equal(info_of("audit").leased, 1);
    succeeds(rp_reject(second, &m, "no"));
    take_and_ack(second, "two");
    take_and_ack(second, "three");
    assert_int_equal(info_of("audit").dead, 1); /* its own dead letters */
    assert_int_equal(info_of("default").dead, 0);
    assert_int_equal(rp_dead_purge(q, "audit", NULL), 1);
    assert_int_equal(stats_of(q).free_cells, free_cells);
    nothing_for(first);
    nothing_for(second);
    rp_consumer_close(first);
    rp_consumer_close(second);
    close_queue();
}

static void a_group_begins_with_the_newest(void **state) {
    (void)state;
    open_queue(test_options());
    succeeds(send_text(p, "before"));
    succeeds(rp_group_create(q, "late", NULL));
    succeeds(send_text(p, "after"));
    rp_consumer *late = consumer_of("late"), *first = consumer_of("default");
    take_and_ack(late, "after");
    nothing_for(late);
    take_and_ack(first, "before");
    take_and_ack(first, "after");
    rp_consumer_close(late);
    rp_consumer_close(first);
    close_queue();
}

static void names_and_places(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.max_groups = 2;
    open_queue(o);
    char longest[65] = {0};
    memset(longest, 'x', 64);
    const char *const wrong[] = {"", "a b", "a/b", "\xc3\xa4", longest};
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(rp_group_create(q, wrong[i], NULL), -EINVAL);
    assert_int_equal(rp_group_create(q, NULL, NULL), -EINVAL);
    assert_int_equal(rp_group_create(q, "default", NULL), -EEXIST);
    assert_int_equal(rp_group_remove(q, "missing"), -ENOENT);
    longest[63] = '\0';
    struct rp_group_options with;
    rp_group_options_init(&with, sizeof with);
    with.overflow = RP_GROUP_DEAD + 1;
    assert_int_equal(rp_group_create(q, longest, &with), -EINVAL);
    with.overflow = RP_GROUP_DROP_OLDEST;
    succeeds(rp_group_create(q, longest, &with));
    assert_int_equal(info_of(longest).overflow, RP_GROUP_DROP_OLDEST);
    assert_true(info_of(longest).created_ns >= stats_of(q).created_ns);
    assert_int_equal(rp_group_create(q, "third", NULL), -ENOSPC);
    assert_non_null(strstr(rp_error_detail(), "2 places"));
    for (int i = 0; i < 3; i++) { /* a place is another's at once */
        succeeds(rp_group_remove(q, i % 2 ? "third" : longest));
        succeeds(rp_group_create(q, i % 2 ? longest : "third", NULL));
    }
    struct rp_open_options look = {.size = sizeof look, .read_only = 1};
    rp_queue *reader;
    struct rp_group_info info;
    succeeds(rp_queue_open(queue_name, &look, &reader));
    assert_int_equal(rp_group_create(reader, "x", NULL), -EROFS);
    assert_int_equal(rp_group_remove(reader, "default"), -EROFS);
    succeeds(rp_group_next(reader, 0, &info));
    assert_string_equal(info.name, "default");
    succeeds(rp_group_next(reader, 1, &info));
    assert_string_equal(info.name, "third");
    assert_int_equal(rp_group_next(reader, 2, &info), RP_EMPTY);
    succeeds(rp_queue_close(reader));
    close_queue();
}

/* One message in each state there is; "default" has settled all of them. */
static void a_group_goes_with_all_it_had(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.lease_ns = 1000000;
    open_queue(o);
    uint64_t free_cells = stats_of(q).free_cells;
    succeeds(rp_group_create(q, "gone", NULL));
    rp_consumer *c = consumer_of("gone"), *other = consumer_of("gone"), *first = consumer_of(NULL);
    const char *const texts[] = {"limbo", "dead", "delayed", "returned", "leased", "ready"};
    for (unsigned i = 0; i < 6; i++) {
        succeeds(send_text(p, texts[i]));
        take_and_ack(first, texts[i]);
    }
    struct rp_message viewed = take(c, "limbo"), again, m;
    assert_true(eventually(rp_queue_sweep(q) >= 0 && info_of("gone").ready == 6));
    m = take(other, "dead");
    succeeds(rp_reject(other, &m, "no"));
    m = take(other, "delayed");
    succeeds(rp_nack(other, &m, &(struct rp_nack_options){.size = sizeof(struct rp_nack_options), .delay_ns = 3600 * SECOND}));
    again = take(other, "returned");
    succeeds(rp_nack(other, &again, &(struct rp_nack_options){.size = sizeof(struct rp_nack_options)}));
    struct rp_message held = take(other, "leased");
    succeeds(rp_extend(other, &held, 0));
    do { /* settled by another, still viewed: limbo */
        succeeds(rp_receive(other, &m, 0));
        if (!says(&m, "limbo"))
            succeeds(rp_nack(other, &m, &(struct rp_nack_options){.size = sizeof(struct rp_nack_options)}));
    } while (!says(&m, "limbo"));
    succeeds(rp_ack(other, &m));

    uint64_t purged = stats_of(q).purged;
    succeeds(rp_group_remove(q, "gone"));
    assert_int_equal(stats_of(q).purged - purged, 5);
    assert_int_equal(rp_receive(c, &m, 0), RP_GONE);
    assert_non_null(strstr(rp_error_detail(), "group"));
    assert_int_equal(rp_group_remove(q, "gone"), -ENOENT);
    assert_int_equal(stats_of(q).free_cells, free_cells - 2); /* two are still looked at */
    succeeds(rp_group_create(q, "next", NULL));
    rp_consumer *next = consumer_of("next");
    nothing_for(next);
    succeeds(send_text(p, "new"));
    take_and_ack(first, "new");
    assert_int_equal(rp_receive(other, &m, 0), RP_GONE); /* not a message of the next group */
    take_and_ack(next, "new");
    assert_true(says(&viewed, "limbo") && says(&held, "leased"));
    assert_int_equal(rp_extend(other, &held, SECOND), RP_LEASE_LOST);
    assert_int_equal(rp_ack(c, &viewed), RP_LEASE_LOST);
    assert_int_equal(rp_nack(other, &held, NULL), RP_LEASE_LOST);
    assert_int_equal(stats_of(q).free_cells, free_cells);
    nothing_for(next);
    rp_consumer_close(c);
    rp_consumer_close(other);
    rp_consumer_close(first);
    rp_consumer_close(next);
    close_queue();
}

static void messages_for_nobody(void **state) {
    (void)state;
    open_queue(test_options());
    uint64_t free_cells = stats_of(q).free_cells;
    succeeds(send_text(p, "kept"));
    succeeds(rp_group_remove(q, "default"));
    struct rp_loan loan;
    uint64_t id = 0;
    for (int i = 0; i < 40; i++) /* more than there are cells */
        succeeds(rp_send(p, "lost", 5, &(struct rp_send_options){.size = sizeof(struct rp_send_options), .id_out = &id}));
    succeeds(rp_loan(p, 5, &loan));
    succeeds(rp_commit(p, &loan, NULL));
    assert_true(id > 0);
    assert_int_equal(stats_of(q).unroutable, 41);
    assert_int_equal(stats_of(q).sent, 1);
    assert_int_equal(stats_of(q).free_cells, free_cells);
    struct rp_consumer *c;
    assert_int_equal(rp_consumer_open(q, NULL, &c), -ENOENT);
    succeeds(rp_group_create(q, "default", NULL));
    succeeds(send_text(p, "again"));
    c = consumer_of(NULL);
    take_and_ack(c, "again");
    nothing_for(c);
    rp_consumer_close(c);
    close_queue();
}

static void as_many_as_there_can_be(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.max_groups = 20;
    open_queue(o);
    uint64_t free_cells = stats_of(q).free_cells;
    rp_consumer *c[20] = {consumer_of(NULL)};
    for (int i = 1; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof name, "g%d", i);
        succeeds(rp_group_create(q, name, NULL));
        c[i] = consumer_of(name);
    }
    assert_int_equal(rp_group_create(q, "g20", NULL), -ENOSPC);
    for (int round = 0; round < 50; round++) {
        char text[16];
        snprintf(text, sizeof text, "%d", round);
        succeeds(send_text(p, text));
        for (int i = 0; i < 20; i++)
            take_and_ack(c[(round + i) % 20], text);
        assert_int_equal(stats_of(q).free_cells, free_cells);
    }
    for (int i = 0; i < 20; i++)
        rp_consumer_close(c[i]);
    close_queue();
}

/* Whose cell went round 2^23 times while nobody had the place: its delivery word looks as if it had taken the next message. */
static void an_incarnation_of_long_ago(void **state) {
    (void)state;
    open_queue(test_options());
    for (uint32_t cell = 0; cell < q->segment.layout.cell_count; cell++) {
        uint64_t generation = cell_generation(load_acquire(&segment_cell(&q->segment, cell)->word, cell_word));
        store_release(delivery_at(&q->segment, 1, cell),
                      delivery_of_hold(DELIVERY_SETTLED, NOBODY, NOBODY, NOBODY, hold_make(generation + 1, 0)), delivery);
    }
    succeeds(rp_group_create(q, "late", NULL));
    rp_consumer *late = consumer_of("late"), *first = consumer_of(NULL);
    for (int i = 0; i < 30; i++) {
        succeeds(send_text(p, "here"));
        take_and_ack(first, "here");
        take_and_ack(late, "here");
    }
    rp_consumer_close(late);
    rp_consumer_close(first);
    close_queue();
}

/* A sender that looked at the groups before one was made on a place that its message names. */
static void a_message_for_who_had_the_place_before(void **state) {
    (void)state;
    open_queue(test_options());
    succeeds(rp_group_create(q, "young", NULL));
    rp_consumer *young = consumer_of("young"), *first = consumer_of(NULL);
    succeeds(send_text(p, "stale"));
    struct found f;
    const struct known_group known = group_known(&q->segment, 1);
    assert_true(lookup_next(q, &known, RP_STATE_READY, 0, &f));
    uint32_t version = fanout_version(&q->segment, f.cell);
    assert_int_equal(version, groups_version(groups_load(&q->segment)));
    fanout_drop_stale(&p->actor, f.cell, cell_generation(f.word), version);
    assert_int_equal(info_of("young").ready, 1); /* the same groups as then */
    fanout_drop_stale(&p->actor, f.cell, cell_generation(f.word) - 1, version - 1);
    assert_int_equal(info_of("young").ready, 1); /* another message by now */
    fanout_drop_stale(&p->actor, f.cell, cell_generation(f.word), version - 1);
    assert_int_equal(info_of("young").ready, 0);
    nothing_for(young);
    take_and_ack(first, "stale");
    rp_consumer_close(young);
    rp_consumer_close(first);
    close_queue();
}

/* Who looked a group up finds nothing in the next one that has its place, of that name or another. */
static void a_group_known_from_before(void **state) {
    (void)state;
    open_queue(test_options());
    succeeds(rp_group_create(q, "same", NULL));
    const struct known_group before = group_known(&q->segment, 1);
    rp_consumer *first = consumer_of(NULL);
    struct found f;
    succeeds(send_text(p, "old"));
    take_and_ack(first, "old");
    assert_true(lookup_next(q, &before, RP_STATE_ALL, 0, &f));
    succeeds(rp_group_remove(q, "same"));
    succeeds(rp_group_create(q, "same", NULL));
    const struct known_group now = group_known(&q->segment, 1);
    assert_true(now.generation != before.generation);
    succeeds(send_text(p, "new"));
    assert_false(lookup_next(q, &before, RP_STATE_ALL, 0, &f));
    assert_true(lookup_next(q, &now, RP_STATE_ALL, 0, &f));
    take_and_ack(first, "new");
    rp_consumer *same = consumer_of("same");
    take_and_ack(same, "new");
    rp_consumer_close(same);
    rp_consumer_close(first);
    close_queue();
}

/* The default group need not have the first place. */
static void reasons_of_the_default_group(void **state) {
    (void)state;
    open_queue(test_options());
    succeeds(rp_group_remove(q, "default"));
    succeeds(rp_group_create(q, "first", NULL));
    succeeds(rp_group_create(q, "default", NULL));
    rp_consumer *first = consumer_of("first"), *second = consumer_of(NULL);
    assert_int_equal(info_of("default").index, 1);
    succeeds(send_text(p, "bad"));
    take_and_ack(first, "bad");
    struct rp_message m = take(second, "bad");
    succeeds(rp_reject(second, &m, "no"));
    assert_int_equal(stats_of(q).dead, 1);
    assert_int_equal(stats_of(q).dead_by_reason[__builtin_ctz(RP_DEAD_REJECTED)], 1);
    assert_int_equal(rp_dead_purge(q, NULL, NULL), 1);
    rp_consumer_close(first);
    rp_consumer_close(second);
    close_queue();
}

static void full_names_who_is_behind(void **state) {
    (void)state;
    open_queue(test_options());
    succeeds(rp_group_create(q, "slow", NULL));
    rp_consumer *first = consumer_of(NULL);
    int result, sent = 0;
    while ((result = send_text(p, "more")) == 0) {
        take_and_ack(first, "more");
        sent++;
    }
    assert_int_equal(result, RP_FULL);
    assert_true(sent >= 16);
    assert_non_null(strstr(rp_error_detail(), "group 'slow' is behind by"));
    rp_consumer_close(first);
    succeeds(rp_group_remove(q, "slow")); /* and with it all that filled the queue */
    succeeds(send_text(p, "room"));
    close_queue();
}

static void damage(void **state) {
    (void)state;
    struct rp_audit audit;
    open_queue(test_options());
    struct control *control = q->segment.control;
    uint64_t groups = load_acquire(&control->active, active);
    store_release(&control->active, groups | 0xfffff, active); /* groups that nobody made, and some that cannot be */
    succeeds(send_text(p, "text"));
    succeeds(rp_queue_sweep(q));
    succeeds(rp_queue_audit(q, &audit));
    assert_true(audit.violations > 0);
    store_release(&control->active, groups, active);
    succeeds(rp_queue_sweep(q)); /* what was sent to those goes */
    audit_is_clean(q);
    store_release(&q->segment.groups[0].name[0], UINT64_C(0x1b5b41414141), active);
    struct rp_group_info info;
    succeeds(rp_group_next(q, 0, &info));
    assert_string_equal(info.name, "AAAA??");
    succeeds(rp_queue_audit(q, &audit));
    assert_true(audit.violations > 0);
    group_set_name(&q->segment, 0, "default");
    close_queue();
}

/* Versions of the groups are numbers of 24 bits. However often groups came and went: one that was always there is no younger than any message. */
static void a_group_grows_old(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.max_groups = 2;
    open_queue(o);
    const struct segment *s = &q->segment;
    rp_consumer *c = consumer_of("default");
    a64 *active = &s->control->active;
    for (unsigned i = 0; i < 64; i++) { /* each time a quarter of a million that we need not wait for, and a real one */
        uint64_t w = load_acquire(active, init);
        store_release(active, groups_word(groups_version(w) + (1 << 18), 0, groups_active(s, w)), init);
        succeeds(rp_group_create(q, "brief", NULL));
        succeeds(send_text(p, "for all"));
        uint64_t sent = load_acquire(active, init);
        succeeds(rp_group_remove(q, "brief"));
        for (uint32_t cell = 0; cell < s->layout.cell_count; cell++) /* as recovery would, if its sender had died */
            if (cell_is_published(load_acquire(&segment_cell(s, cell)->word, cell_word))) {
                struct actor a;
                actor_open(&a, q);
                fanout_drop_stale(&a, cell, cell_generation(load_acquire(&segment_cell(s, cell)->word, cell_word)),
                                  groups_version(sent));
                actor_close(&a);
            }
        take_and_ack(c, "for all");
    }
    rp_consumer_close(c);
    close_queue();
}

/* "default" need not have the first place: what is said of its dead letters is of its own. */
static void reasons_of_the_right_group(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.max_groups = 2;
    open_queue(o);
    succeeds(rp_group_remove(q, "default"));
    succeeds(rp_group_create(q, "first", NULL));
    succeeds(rp_group_create(q, "default", NULL));
    assert_int_equal(info_of("default").index, 1);
    rp_consumer *c = consumer_of("default");
    succeeds(send_text(p, "no"));
    struct rp_message m = take(c, "no");
    succeeds(rp_reject(c, &m, "no"));
    struct rp_queue_stats s = stats_of(q);
    assert_int_equal(s.dead, 1);
    assert_int_equal(s.dead_by_reason[__builtin_ctz(RP_DEAD_REJECTED)], 1);
    rp_consumer_close(c);
    close_queue();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_group_grows_old),
        TEST(each_group_gets_everything),
        TEST(a_group_begins_with_the_newest),
        TEST(names_and_places),
        TEST(a_group_goes_with_all_it_had),
        TEST(messages_for_nobody),
        TEST(as_many_as_there_can_be),
        TEST(an_incarnation_of_long_ago),
        TEST(a_message_for_who_had_the_place_before),
        TEST(a_group_known_from_before),
        TEST(reasons_of_the_default_group),
        TEST(full_names_who_is_behind),
        TEST(damage),
        TEST(reasons_of_the_right_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
