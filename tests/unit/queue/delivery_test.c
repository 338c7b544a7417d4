/* SPDX-License-Identifier: MIT */
/* The moves of a delivery word: from which state to which, with whom on record, and what they do to the cell. */
#include "delivery.h"
#include "lane.h"

#include "fixture.h"
#include "lookup.h"

static struct rp_queue *q;
static rp_producer *p;
static rp_consumer *c;
static struct actor *a;
static uint32_t cell; /* of the message that each test begins with */

enum { OTHER = 3, THIRD = 4, FOURTH = 5 }; /* seats of viewers, as words name them */

static void open_queue(uint32_t max_deliveries, uint32_t dead_overflow) {
    struct rp_queue_options o = test_options();
    o.max_deliveries = max_deliveries;
    o.dead_overflow = dead_overflow;
    o.dead_capacity = 1;
    o.lease_ns = 0;
    q = make_queue(&o);
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_consumer_open(q, NULL, &c));
    a = &c->actor;
    succeeds(send_text(p, "work"));
    struct found f;
    const struct known_group known = group_known(&q->segment, 0);
    assert_true(lookup_next(q, &known, RP_STATE_READY, 0, &f));
    cell = f.cell;
}

static void close_queue(void) {
    rp_producer_close(p);
    rp_consumer_close(c);
    drop_queue(q);
}

static uint64_t word(void) { return load_acquire(delivery_at(&q->segment, 0, cell), delivery); }
static enum cell_state memory(void) { return cell_state(load_acquire(&segment_cell(&q->segment, cell)->word, cell_word)); }

/* Leased to us, with these viewers on record. */
static uint64_t lease_it(uint32_t viewer1, uint32_t viewer2) {
    uint64_t d = word();
    uint32_t hold = delivery_seq(d) || delivery_state(d) == DELIVERY_RETURNED
                        ? delivery_hold(d)
                        : hold_make(cell_generation(load_acquire(&segment_cell(&q->segment, cell)->word, cell_word)), 0);
    uint64_t leased = delivery_of_hold(DELIVERY_LEASED, q->seat, viewer1, viewer2, hold);
    store_release(delivery_at(&q->segment, 0, cell), leased, delivery);
    return leased;
}

static struct failure failure_with(struct viewers viewers) {
    return (struct failure){.kind = RP_FAILURE_NACK, .charge = true, .delay_ms = 0, .viewers = viewers, .holder = q->seat};
}

static void sets_of_viewers(void **state) {
    (void)state;
    uint64_t d = delivery_word(DELIVERY_LEASED, 1, 2, 2, 5, 4); /* nobody counts twice */
    struct viewers v = viewers_of(d, false);
    assert_int_equal(v.count, 1);
    v = viewers_of(d, true);
    assert_int_equal(v.count, 2);
    viewers_remove(&v, 2);
    assert_int_equal(v.count, 1);
    assert_int_equal(v.seats[0], 1);
    viewers_remove(&v, 9);
    assert_int_equal(v.count, 1);
    viewers_remove(&v, 1);
    assert_int_equal(v.count, 0);
    assert_int_equal(delivery_state(delivery_with(DELIVERY_LIMBO, &v, 7)), DELIVERY_SETTLED); /* limbo of nobody */
    v = viewers_of(delivery_word(DELIVERY_DEAD, 1, 2, 3, 5, 4), true);
    assert_int_equal(v.count, 3);
    uint64_t limbo = delivery_with(DELIVERY_LIMBO, &v, 7);
    assert_int_equal(delivery_state(limbo), DELIVERY_LIMBO);
    for (uint32_t seat = 1; seat <= 3; seat++) { /* one after the other, in any order */
        assert_true(delivery_views(limbo, seat));
        limbo = without_viewer(limbo, seat);
        assert_false(delivery_views(limbo, seat));
        assert_int_equal(delivery_state(limbo), seat < 3 ? DELIVERY_LIMBO : DELIVERY_SETTLED);
        assert_int_equal(delivery_hold(limbo), 7);
    }
}

static void a_failure_returns_delays_or_buries(void **state) {
    (void)state;
    open_queue(3, RP_DEAD_DROP_OLDEST);
    struct failure f = failure_with((struct viewers){.count = 0});
    uint64_t d = lease_it(NOBODY, NOBODY), before = d;
    assert_int_equal(delivery_fail(a, 0, cell, d, &f), FAIL_DONE);
    assert_int_equal(delivery_state(word()), DELIVERY_RETURNED);
    assert_int_equal(delivery_seq(word()), 2);
    assert_int_equal(delivery_fail(a, 0, cell, before, &f), FAIL_MOVED); /* the past has no power */

    f.delay_ms = 60000;
    d = lease_it(NOBODY, NOBODY);
    assert_int_equal(delivery_fail(a, 0, cell, d, &f), FAIL_DONE);
    assert_int_equal(delivery_state(word()), DELIVERY_DELAYED);
    assert_int_equal(delivery_seq(word()), 3);
    assert_true(stamp_is_of(load_acquire(time_at(&q->segment, 0, cell), time), delivery_hold(word())));

    store_release(delivery_at(&q->segment, 0, cell), /* due */
                  delivery_of_hold(DELIVERY_RETURNED, NOBODY, NOBODY, NOBODY, hold_returned(delivery_hold(word()))), delivery);
    f.charge = false; /* given back, no harm done */
    f.delay_ms = 0;
    assert_int_equal(delivery_fail(a, 0, cell, lease_it(NOBODY, NOBODY), &f), FAIL_DONE);
    assert_int_equal(delivery_state(word()), DELIVERY_RETURNED);
    f.charge = true; /* the third that counts */
    assert_int_equal(delivery_fail(a, 0, cell, lease_it(NOBODY, NOBODY), &f), FAIL_DONE);
    assert_int_equal(delivery_state(word()), DELIVERY_DEAD);
    assert_int_equal(memory(), CELL_PUBLISHED);
    close_queue();
}

static void who_views_stays_on_record(void **state) {
    (void)state;
    open_queue(0, RP_DEAD_DROP_OLDEST);
    struct failure f = failure_with((struct viewers){.seats = {OTHER, THIRD}, .count = 2});
    assert_int_equal(delivery_fail(a, 0, cell, lease_it(OTHER, THIRD), &f), FAIL_DONE);
    assert_int_equal(delivery_state(word()), DELIVERY_RETURNED);
    assert_true(delivery_views(word(), OTHER) && delivery_views(word(), THIRD));
    f.viewers = (struct viewers){.seats = {OTHER, THIRD, FOURTH}, .count = 3}; /* no word but DEAD has room for three */
    assert_int_equal(delivery_fail(a, 0, cell, lease_it(OTHER, THIRD), &f), FAIL_DONE);
    assert_int_equal(delivery_state(word()), DELIVERY_DEAD);
    assert_true(delivery_views(word(), OTHER) && delivery_views(word(), THIRD) && delivery_views(word(), FOURTH));

    assert_true(delivery_drop(a, 0, cell, word())); /* purged: memory stays until the last has left */
    assert_int_equal(delivery_state(word()), DELIVERY_LIMBO);
    assert_int_equal(memory(), CELL_PUBLISHED);
    assert_false(delivery_drop(a, 0, cell, word()));
    store_release(delivery_at(&q->segment, 0, cell),
                  delivery_of_hold(DELIVERY_SETTLED, NOBODY, NOBODY, NOBODY, delivery_hold(word())), delivery);
    settle(a, 0, cell, delivery_incarnation(word()) + 1); /* another incarnation: nothing */
    assert_int_equal(memory(), CELL_PUBLISHED);
    settle(a, 0, cell, delivery_incarnation(word()));
    assert_int_equal(memory(), CELL_FREE);
    settle(a, 0, cell, delivery_incarnation(word())); /* once is enough */
    assert_int_equal(memory(), CELL_FREE);
    close_queue();
}

static void a_dead_ring_that_refuses(void **state) {
    (void)state;
    open_queue(1, RP_DEAD_REFUSE);
    struct failure f = failure_with((struct viewers){.count = 0});
    store_relaxed(&q->segment.groups[0].dead_count, 1, hint); /* it is full */
    f.reason = RP_DEAD_REJECTED;
    uint64_t d = lease_it(NOBODY, NOBODY);
    assert_int_equal(delivery_fail(a, 0, cell, d, &f), FAIL_REFUSED);
    assert_true(word() == d);
    f.reason = 0; /* past its deliveries: goes on */
    assert_int_equal(delivery_fail(a, 0, cell, d, &f), FAIL_DONE);
    assert_true(delivery_state(word()) == DELIVERY_RETURNED || delivery_state(word()) == DELIVERY_DELAYED);
    close_queue();
}

static void dropping_what_nobody_took(void **state) {
    (void)state;
    open_queue(0, RP_DEAD_DROP_OLDEST);
    a64 *w = &segment_cell(&q->segment, cell)->word, *position = &segment_cell(&q->segment, cell)->position;
    uint64_t published = load_acquire(w, cell_word), where = load_acquire(position, position);
    assert_true(lane_holds(&q->segment, cell, published));
    store_release(position, where + 1, position); /* not in its lane: its sender may still take it back */
    assert_false(lane_holds(&q->segment, cell, published));
    assert_false(delivery_drop_unheld(a, 0, cell, word()));
    store_release(w, cell_word(CELL_COMMITTED, q->seat, cell_pending(published), cell_generation(published)), cell_word);
    assert_true(delivery_drop_unheld(a, 0, cell, word())); /* committed, wherever it is */
    assert_int_equal(memory(), CELL_FREE);
    assert_false(delivery_drop_unheld(a, 0, cell, word()));
    store_release(position, where, position);
    close_queue();
}

static uint64_t make(enum delivery_state state, uint32_t v1, uint32_t v2, uint32_t hold) {
    uint64_t d = delivery_of_hold(state, NOBODY, v1, v2, hold);
    store_release(delivery_at(&q->segment, 0, cell), d, delivery);
    return d;
}

static struct rp_dead_letter letter(void) {
    struct rp_dead_letter dead;
    succeeds(rp_dead_peek(q, NULL, 0, &dead, NULL, 0));
    return dead;
}

static void burying_what_nobody_took(void **state) {
    (void)state;
    open_queue(0, RP_DEAD_DROP_OLDEST);
    a64 *position = &segment_cell(&q->segment, cell)->position;
    uint64_t where = load_acquire(position, position);
    store_release(position, where + 1, position); /* not in its lane: its sender may still take it back */
    assert_int_equal(delivery_bury(a, 0, cell, word(), RP_DEAD_EXPIRED), FAIL_MOVED);
    store_release(position, where, position);
    uint64_t before = word();
    assert_int_equal(delivery_bury(a, 0, cell, before, RP_DEAD_EXPIRED), FAIL_DONE);
    assert_int_equal(delivery_bury(a, 0, cell, before, RP_DEAD_EXPIRED), FAIL_MOVED); /* the past has no power */
    assert_int_equal(delivery_bury(a, 0, cell, word(), RP_DEAD_EXPIRED), FAIL_MOVED); /* dead is dead */
    struct rp_dead_letter dead = letter();
    assert_int_equal(dead.reason, RP_DEAD_EXPIRED);
    assert_int_equal(dead.last_failure, RP_FAILURE_NONE);
    assert_int_equal(dead.deliveries, 0);
    assert_int_equal(dead.acquisitions, 0);
    assert_int_equal(dead.pid, 0);
    assert_int_equal(dead.first_failed_ns, 0);
    assert_int_not_equal(dead.last_failed_ns, 0);
    assert_true(requeue_in_place(&q->segment, 0, cell, word()));
    struct rp_message m;
    assert_int_equal(rp_receive(c, &m, 0), RP_EMPTY);
    assert_int_equal(rp_dead_redrive(q, NULL, NULL), 1); /* from there it lives as any other */
    succeeds(rp_receive(c, &m, 0));
    assert_int_equal(m.acquisitions, 1);
    assert_int_equal(delivery_bury(a, 0, cell, word(), RP_DEAD_EXPIRED), FAIL_MOVED); /* somebody holds it */
    succeeds(rp_ack(c, &m));
    assert_int_equal(memory(), CELL_FREE);
    assert_int_equal(delivery_bury(a, 0, cell, word(), RP_DEAD_EXPIRED), FAIL_MOVED);
    close_queue();
}

/* From RETURNED and DELAYED: who looks stays on record, and its last failure is told of the letter too. */
static void burying_what_was_given_back(void **state) {
    (void)state;
    for (int delayed = 0; delayed < 2; delayed++) {
        open_queue(0, RP_DEAD_DROP_OLDEST);
        struct rp_message m;
        struct rp_nack_options n;
        rp_nack_options_init(&n, sizeof n);
        succeeds(rp_receive(c, &m, 0));
        n.delay_ns = delayed ? 3600 * INT64_C(1000000000) : 0;
        n.reason = "try later";
        succeeds(rp_nack(c, &m, &n));
        uint32_t hold = delivery_hold(word());
        uint64_t d = make(delayed ? DELIVERY_DELAYED : DELIVERY_RETURNED, OTHER, THIRD, hold);
        assert_int_equal(delivery_bury(a, 0, cell, d, RP_DEAD_OVERFLOW), FAIL_DONE);
        assert_int_equal(delivery_state(word()), DELIVERY_DEAD);
        assert_int_not_equal(delivery_hold(word()), hold); /* an entry or a time of before is void */
        assert_true(delivery_views(word(), OTHER) && delivery_views(word(), THIRD));
        struct rp_dead_letter dead = letter();
        assert_int_equal(dead.reason, RP_DEAD_OVERFLOW);
        assert_int_equal(dead.last_failure, RP_FAILURE_NACK);
        assert_string_equal(dead.text, "try later");
        assert_int_equal(dead.pid, getpid());
        assert_int_equal(dead.deliveries, 1);
        assert_int_equal(dead.acquisitions, 1);
        make(DELIVERY_DEAD, NOBODY, NOBODY, delivery_hold(word()));
        assert_int_equal(rp_dead_purge(q, NULL, NULL), 1);
        assert_int_equal(memory(), CELL_FREE);
        close_queue();
    }
}

static void burying_where_the_dead_ring_refuses(void **state) {
    (void)state;
    open_queue(0, RP_DEAD_REFUSE);
    store_relaxed(&q->segment.groups[0].dead_count, 1, hint); /* it is full */
    uint64_t d = word();
    assert_int_equal(delivery_bury(a, 0, cell, d, RP_DEAD_OVERFLOW), FAIL_REFUSED);
    assert_true(word() == d);
    store_relaxed(&q->segment.groups[0].dead_count, 0, hint);
    assert_int_equal(delivery_bury(a, 0, cell, d, RP_DEAD_OVERFLOW), FAIL_DONE);
    close_queue();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(sets_of_viewers),
        TEST(a_failure_returns_delays_or_buries),
        TEST(who_views_stays_on_record),
        TEST(a_dead_ring_that_refuses),
        TEST(dropping_what_nobody_took),
        TEST(burying_what_nobody_took),
        TEST(burying_what_was_given_back),
        TEST(burying_where_the_dead_ring_refuses),
    };
    return cmocka_run_group_tests_name("delivery", tests, NULL, NULL);
}
