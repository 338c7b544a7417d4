/* SPDX-License-Identifier: MIT */
/* The number of dead letters, when those who change it die or stop in the middle: it errs to the side that does no harm, and is mended when nobody is at it. */
#include "dead.h"
#include "dead_count.h"
#include "groups.h"
#include "roster.h"

#include "fixture.h"

enum { ROOM = 4 };

static rp_queue *q;
static rp_producer *p;
static rp_consumer *c;
static const struct segment *s;
static struct actor a;

static void open_queue(uint32_t capacity, uint32_t dead_overflow) {
    struct rp_queue_options o = test_options();
    o.capacity = capacity;
    o.dead_capacity = ROOM;
    o.dead_overflow = dead_overflow;
    o.max_groups = 2;
    o.lease_ns = 0;
    q = make_queue(&o);
    s = &q->segment;
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_consumer_open(q, NULL, &c));
    actor_open(&a, q);
}

static void close_queue(void) {
    actor_close(&a);
    rp_producer_close(p);
    rp_consumer_close(c);
    succeeds(rp_queue_sweep(q));
    audit_is_clean(q);
    drop_queue(q);
}

static int reject_one(void) {
    struct rp_message m;
    succeeds(send_text(p, "poison"));
    succeeds(rp_receive(c, &m, 0));
    int result = rp_reject(c, &m, "no");
    if (result < 0)
        succeeds(rp_ack(c, &m));
    return result;
}

static uint64_t letters(void) { return stats_of(q).dead; }

/* Who was at it is dead, and its seat was cleaned and taken by another. */
static void bury(void) { store_release(&s->seats[q->seat].dead_changes, 0, dead_changes); }

static void sweep_finds(uint64_t there, uint64_t counted) {
    succeeds(rp_queue_sweep(q));
    assert_int_equal(letters(), there);
    assert_int_equal(dead_count(s, 0), counted);
}

static void one_who_stops_while_a_letter_leaves(uint32_t capacity) {
    open_queue(capacity, RP_DEAD_DROP_OLDEST);
    for (unsigned i = 0; i < ROOM + 3; i++) {
        succeeds(reject_one());
        assert_int_equal(dead_count(s, 0), i < ROOM ? i + 1 : ROOM);
    }
    assert_int_equal(letters(), ROOM);
    struct dead_change stopped, other;
    dead_count_leave(&a, 0, &stopped); /* he means to drop or redrive one, and is stopped before he does */
    assert_int_equal(dead_count(s, 0), ROOM - 1);
    succeeds(reject_one()); /* none goes for it: as far as anybody knows, there was room */
    assert_int_equal(letters(), ROOM + 1);
    assert_false(dead_count_evict(&a, 0, &other));
    sweep_finds(ROOM + 1, ROOM); /* who is counting cannot know what he will do */
    succeeds(reject_one());
    assert_int_equal(letters(), ROOM + 1);
    bury();
    sweep_finds(ROOM, ROOM);
    close_queue();
}
static void a_ring_that_drops(void **state) {
    (void)state;
    one_who_stops_while_a_letter_leaves(16);
}
static void and_a_large_one(void **state) {
    (void)state;
    one_who_stops_while_a_letter_leaves(20000);
}

/* Each right to drop one is given once, whoever sleeps on his. */
static void rights_to_drop(void **state) {
    (void)state;
    open_queue(16, RP_DEAD_DROP_OLDEST);
    for (unsigned i = 0; i < ROOM; i++)
        succeeds(reject_one());
    struct dead_change born, first, second;
    assert_true(dead_count_enter(&a, 0, &born));
    assert_false(dead_count_evict(&a, 0, &first)); /* not yet a letter */
    dead_count_entered(s, &born, true);
    assert_true(dead_count_evict(&a, 0, &first));
    assert_false(dead_count_evict(&a, 0, &second));
    dead_count_left(s, &first, false); /* found none */
    assert_true(dead_count_evict(&a, 0, &second));
    dead_count_left(s, &second, true);
    assert_int_equal(dead_count(s, 0), ROOM);
    assert_true(dead_count_enter(&a, 0, &born));
    dead_count_entered(s, &born, false); /* it was somebody else's by then */
    assert_int_equal(dead_count(s, 0), ROOM);
    assert_int_equal(load_acquire(&s->seats[q->seat].dead_changes, dead_changes), 0);
    close_queue();
}

static void a_ring_that_refuses(void **state) {
    (void)state;
    open_queue(16, RP_DEAD_REFUSE);
    for (unsigned i = 0; i < ROOM - 1; i++)
        succeeds(reject_one());
    struct dead_change stopped;
    assert_true(dead_count_enter(&a, 0, &stopped)); /* he takes the last place, and is stopped before he uses it */
    assert_int_equal(reject_one(), RP_FULL);
    sweep_finds(ROOM - 1, ROOM);
    assert_int_equal(reject_one(), RP_FULL);
    bury();
    sweep_finds(ROOM - 1, ROOM - 1);
    succeeds(reject_one());
    assert_int_equal(reject_one(), RP_FULL);
    dead_count_leave(&a, 0, &stopped); /* one is about to go, but it has not */
    assert_int_equal(reject_one(), RP_FULL);
    dead_count_left(s, &stopped, false);
    assert_int_equal(dead_count(s, 0), ROOM);
    assert_int_equal(rp_dead_purge(q, NULL, NULL), ROOM);
    assert_int_equal(dead_count(s, 0), 0);
    close_queue();
}

/* What the sweep finds wrong it mends, both ways; but not what moved while it counted. */
static void counting_anew(void **state) {
    (void)state;
    open_queue(16, RP_DEAD_DROP_OLDEST);
    succeeds(reject_one());
    a64 *word = &s->groups[0].dead_count;
    const uint64_t wrong[] = {0, 3, 0xffffff /* -1 */};
    for (size_t i = 0; i < 3; i++) {
        store_release(word, (load_acquire(word, dead_count) & ~UINT64_C(0xffffff)) | wrong[i], dead_count);
        sweep_finds(1, 1);
    }
    uint64_t before = load_acquire(word, dead_count);
    struct dead_change change;
    dead_count_leave(&a, 0, &change);
    dead_count_left(s, &change, false);
    assert_int_not_equal(load_acquire(word, dead_count), before); /* the same number, but it moved */
    close_queue();
}

/* Who has no seat yet, and recovers the dead to get one. */
static void without_a_seat(void **state) {
    (void)state;
    struct dead_change change;
    struct actor seatless;
    open_queue(16, RP_DEAD_DROP_OLDEST);
    for (unsigned i = 0; i < ROOM; i++)
        succeeds(reject_one());
    seatless = a;
    seatless.seat = NOBODY;
    uint64_t before = load_acquire(&s->groups[0].dead_count, dead_count);
    assert_true(dead_count_enter(&seatless, 0, &change));
    dead_count_entered(s, &change, true);
    assert_true(load_acquire(&s->groups[0].dead_count, dead_count) == before);
    assert_true(dead_count_enter(&a, 0, &change));
    dead_count_entered(s, &change, true);
    assert_false(dead_count_evict(&seatless, 0, &change));
    assert_true(dead_count_evict(&a, 0, &change));
    dead_count_left(s, &change, true);
    close_queue();
    open_queue(16, RP_DEAD_REFUSE);
    seatless = a;
    seatless.seat = NOBODY;
    assert_false(dead_count_enter(&seatless, 0, &change));
    close_queue();
}

static void the_past_has_no_power(void **state) {
    (void)state;
    open_queue(16, RP_DEAD_DROP_OLDEST);
    struct rp_group_options o;
    rp_group_options_init(&o, sizeof o);
    succeeds(rp_group_create(q, "old", &o));
    struct dead_change of_old;
    assert_true(dead_count_enter(&a, 1, &of_old));
    succeeds(rp_group_remove(q, "old"));
    succeeds(rp_queue_sweep(q));
    succeeds(rp_group_create(q, "new", &o));
    assert_true(groups_has(s, 1)); /* on the old one's place */
    dead_count_entered(s, &of_old, true);
    assert_int_equal(dead_count(s, 1), 0);
    close_queue();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_ring_that_drops), TEST(and_a_large_one), TEST(rights_to_drop),        TEST(a_ring_that_refuses),
        TEST(counting_anew),     TEST(without_a_seat),  TEST(the_past_has_no_power),
    };
    return cmocka_run_group_tests_name("dead_count", tests, NULL, NULL);
}
