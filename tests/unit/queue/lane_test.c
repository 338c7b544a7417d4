/* SPDX-License-Identifier: MIT */
/* Lanes, piece by piece: what lies in one, what is in a sender's way and where it goes, and how a committed message comes in. */
#include "delivery.h"
#include "lane.h"

#include "fixture.h"
#include <ringpost/group.h>

enum { CAPACITY = 8, LANES = 3 };

static rp_queue *q;
static rp_producer *p;
static rp_consumer *c;
static const struct segment *s;

static void open_queue(uint32_t priorities, uint32_t keyed) {
    struct rp_queue_options o = test_options();
    o.capacity = CAPACITY;
    o.max_participants = 1;
    o.max_groups = 2;
    o.priorities = priorities;
    o.lanes = keyed;
    o.lane_capacity = keyed ? CAPACITY : 0;
    o.lease_ns = 0;
    q = make_queue(&o);
    s = &q->segment;
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_consumer_open(q, NULL, &c));
}
static void open_plain(void) { open_queue(1, 0); }
static void open_levels(void) { open_queue(LANES, 0); }
static void open_keyed(void) { open_queue(1, LANES); }

static void close_queue(void) {
    rp_producer_close(p);
    rp_consumer_close(c);
    drop_queue(q);
}

static void add_group(void) {
    struct rp_group_options o;
    rp_group_options_init(&o, sizeof o);
    succeeds(rp_group_create(q, "second", &o));
}

/* The position `n` of a lane, counted from where lanes begin. */
static uint64_t at(uint64_t n) { return (s->parameters.first_lap << s->layout.lane_slot_shift) + n; }
static uint64_t slot_at(uint32_t lane, uint64_t n) {
    struct index_ring ring = lane_ring(s, lane);
    return load_acquire(ring_slot(&ring, at(n)), slot);
}
static uint64_t lap_later(uint64_t n) { return at(n) + s->layout.lane_slot_count; }

/* -> its cell. */
static uint32_t send_to(uint32_t lane, const char *text) {
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    if (s->parameters.keyed)
        p->lane_turn = lane; /* where a message without a key goes */
    else
        o.priority = lane;
    succeeds(rp_send(p, text, strlen(text) + 1, &o));
    return slot_cell(load_acquire(ring_slot(&p->lanes[lane].ring, p->lanes[lane].tail - 1), slot));
}

static uint64_t word_of(uint32_t cell) { return load_acquire(&segment_cell(s, cell)->word, cell_word); }
static void set_word(uint32_t cell, uint64_t w) { store_release(&segment_cell(s, cell)->word, w, cell_word); }
static uint64_t place_of(uint32_t cell) { return load_acquire(&segment_cell(s, cell)->position, position); }
static void set_place(uint32_t cell, uint64_t place) { store_release(&segment_cell(s, cell)->position, place, position); }
static uint64_t delivery_of(unsigned group, uint32_t cell) { return load_acquire(delivery_at(s, group, cell), delivery); }
static bool untaken(unsigned group, uint32_t cell) { return !taken(delivery_of(group, cell), word_of(cell)); }

static int clear(uint32_t lane, uint64_t n, uint64_t *head_seen) {
    return lane_clear(s, lane, lap_later(n), slot_at(lane, n), head_seen);
}

static void receives(const char *text) {
    struct rp_message m;
    succeeds(rp_receive(c, &m, 0));
    assert_string_equal((const char *)m.data, text);
    succeeds(rp_ack(c, &m));
}
static void receives_nothing(void) {
    struct rp_message m;
    assert_int_equal(rp_receive(c, &m, 0), RP_EMPTY);
}

/* As if it had just fallen due: the next generation, to be inserted by anybody in the lane that its position names, where it is not. */
static void commit_anew(uint32_t cell, uint32_t lane) {
    uint64_t w = word_of(cell);
    set_place(cell, position_word(cell_generation(w) + 1, lane, at(0) - 1));
    set_word(cell, cell_word(CELL_COMMITTED, NOBODY, cell_pending(w), cell_generation(w) + 1));
}

/* ---- what is in a lane ---- */

static void lanes_lie_apart(void **state) {
    (void)state;
    open_levels();
    for (uint32_t lane = 0; lane < LANES; lane++) {
        struct index_ring ring = lane_ring(s, lane), next = lane_ring(s, lane + 1);
        assert_true(lane_exists(s, lane));
        assert_ptr_equal(ring.slots + ring_slots(&ring), next.slots);
        assert_ptr_equal(ring.tail, &s->lane_ends[lane].tail);
        uint32_t cell = send_to(lane, "here");
        assert_int_equal(lane_of(s, cell), lane);
        assert_int_equal(slot_cell(slot_at(lane, 0)), cell);
        assert_true(lane_holds(s, cell, word_of(cell)));
    }
    assert_false(lane_exists(s, LANES));
    close_queue();
}

static void held_by_the_very_slot(void **state) {
    (void)state;
    open_levels();
    uint32_t cell = send_to(1, "one"), other = send_to(1, "two");
    uint64_t w = word_of(cell), place = place_of(cell), generation = cell_generation(w);
    const uint64_t elsewhere[] = {position_word(generation, 1, at(1)),
                                  position_word(generation, 1, lap_later(0)),
                                  position_word(generation, 0, at(0)),
                                  position_word(generation + 1, 1, at(0)),
                                  position_word(generation, LANES, at(0)),
                                  position_word(generation, 1023, at(0)),
                                  place_of(other)};
    for (size_t i = 0; i < sizeof elsewhere / sizeof elsewhere[0]; i++) {
        set_place(cell, elsewhere[i]);
        assert_false(lane_holds(s, cell, w));
    }
    set_place(cell, place);
    assert_true(lane_holds(s, cell, w));
    assert_false(lane_holds(s, cell, cell_word(CELL_PUBLISHED, 0, 1, generation + 1)));
    struct index_ring ring = lane_ring(s, 1);
    store_release(ring_slot(&ring, at(0)), slot_word(ring_lap(&ring, lap_later(0)), generation, cell), slot); /* filled again */
    assert_false(lane_holds(s, cell, w));
    close_queue();
}

/* ---- what is in the way ---- */

static void what_others_took_is_not_in_the_way(void **state) {
    (void)state;
    open_plain();
    uint64_t head_seen = 0;
    assert_int_equal(slot_cell(slot_at(0, 0)), NO_CELL);
    assert_int_equal(clear(0, 0, &head_seen), 0);
    assert_int_equal(head_seen, 0); /* nothing was ever put there: nobody was asked */
    uint32_t cell = send_to(0, "one");
    receives("one");
    rp_consumer_close(c); /* tells how far it came */
    succeeds(rp_consumer_open(q, NULL, &c));
    assert_int_equal(clear(0, 0, &head_seen), 0);
    assert_int_equal(head_seen, at(1));
    uint64_t before = delivery_of(0, cell), slot = slot_at(0, 0);
    assert_int_equal(lane_clear(s, 0, lap_later(0), slot, &(uint64_t){at(1)}), 0); /* known from before */
    assert_true(delivery_of(0, cell) == before);
    close_queue();
}

static void the_untaken_makes_way(void **state) {
    (void)state;
    open_plain();
    add_group();
    uint32_t cell = send_to(0, "one");
    send_to(0, "two");
    struct rp_message m;
    succeeds(rp_receive(c, &m, 0)); /* the first group holds it; the other has not seen it */
    uint64_t held = delivery_of(0, cell), head_seen = 0;
    assert_true(untaken(1, cell));
    assert_int_equal(clear(0, 0, &head_seen), 0);
    assert_int_equal(head_seen, at(0));
    assert_true(delivery_of(0, cell) == held);
    uint64_t d = delivery_of(1, cell);
    assert_int_equal(delivery_state(d), DELIVERY_RETURNED);
    assert_int_equal(delivery_hold(d), hold_make(cell_generation(word_of(cell)), 0));
    assert_int_equal(delivery_ring_of(s, d), RING_EARLY);
    assert_true(requeue_in_place(s, 1, cell, d));
    assert_int_equal(clear(0, 0, &head_seen), 0); /* again: it is out of the way */
    assert_true(delivery_of(1, cell) == d);
    succeeds(rp_ack(c, &m));
    rp_consumer_close(c);
    struct rp_consumer_options o;
    rp_consumer_options_init(&o, sizeof o);
    o.group = "second";
    succeeds(rp_consumer_open(q, &o, &c));
    receives("one");
    receives("two");
    close_queue();
}

/* Another sender marked it, and died before he entered it in early. */
static void what_another_began(void **state) {
    (void)state;
    open_plain();
    uint32_t cell = send_to(0, "one");
    uint64_t d = delivery_of_hold(DELIVERY_RETURNED, NOBODY, NOBODY, NOBODY, hold_make(cell_generation(word_of(cell)), 0));
    store_release(delivery_at(s, 0, cell), d, delivery);
    assert_false(requeue_in_place(s, 0, cell, d));
    uint64_t head_seen = 0;
    assert_int_equal(clear(0, 0, &head_seen), 0);
    assert_true(delivery_of(0, cell) == d);
    assert_true(requeue_in_place(s, 0, cell, d));
    receives("one");
    receives_nothing();
    close_queue();
}

/* Its tag may be right: the cell carries another message by now, and that one waits elsewhere. */
static void old_entries_move_nobody(void **state) {
    (void)state;
    open_plain();
    uint32_t cell = send_to(0, "one");
    uint64_t place = place_of(cell), slot = slot_at(0, 0), generation = cell_generation(word_of(cell)), head_seen = 0;
    set_place(cell, position_word(generation, 0, at(5)));
    assert_int_equal(clear(0, 0, &head_seen), 0);
    assert_true(untaken(0, cell));
    set_place(cell, place);
    uint64_t other_tag = slot_word(slot_lap(slot), generation + 1, cell);
    assert_int_equal(lane_clear(s, 0, lap_later(0), other_tag, &head_seen), 0);
    assert_true(untaken(0, cell));
    assert_int_equal(clear(0, 0, &head_seen), 0);
    assert_false(untaken(0, cell));
    close_queue();
}

/* A group that is being removed is asked for its head, and its messages are marked, but enter no ring. */
static void a_group_that_is_leaving(void **state) {
    (void)state;
    open_plain();
    add_group();
    uint32_t cell = send_to(0, "one");
    receives("one");
    a64 *active = &s->control->active;
    uint64_t groups = load_acquire(active, active);
    store_release(active, (groups & ~(UINT64_C(1) << 1)) | UINT64_C(1) << (20 + 1), active); /* draining */
    uint64_t head_seen = 0;
    assert_int_equal(clear(0, 0, &head_seen), 0);
    assert_int_equal(head_seen, at(0));
    uint64_t d = delivery_of(1, cell);
    assert_int_equal(delivery_state(d), DELIVERY_RETURNED);
    assert_false(requeue_in_place(s, 1, cell, d));
    close_queue();
}

static void early_is_full(void **state) {
    (void)state;
    open_plain();
    uint32_t cells[CAPACITY + 1];
    for (uint64_t i = 0; i <= CAPACITY; i++)
        cells[i] = send_to(0, "wait");
    uint64_t head_seen = 0;
    for (uint64_t i = 0; i < CAPACITY; i++)
        assert_int_equal(clear(0, i, &head_seen), 0);
    assert_int_equal(clear(0, CAPACITY, &head_seen), RP_FULL); /* marked, and can be claimed where it is */
    assert_false(requeue_in_place(s, 0, cells[CAPACITY], delivery_of(0, cells[CAPACITY])));
    for (uint64_t i = 0; i <= CAPACITY; i++)
        receives("wait");
    receives_nothing();
    close_queue();
}

static void damaged_entries_and_heads(void **state) {
    (void)state;
    open_plain();
    send_to(0, "one");
    uint64_t slot = slot_at(0, 0), head_seen = 0;
    uint64_t bad = slot_word(slot_lap(slot), slot_tag(slot), s->layout.cell_count);
    assert_int_equal(lane_clear(s, 0, lap_later(0), bad, &head_seen), RP_CORRUPT);
    assert_non_null(strstr(rp_error_detail(), "cell 16 of 16"));
    store_release(&segment_lane_start(s, 0, 0)->lane_head, lap_later(100), hints); /* beyond the end: says nothing */
    assert_int_equal(clear(0, 0, &head_seen), 0);
    assert_int_equal(head_seen, 0);
    assert_false(untaken(0, slot_cell(slot)));
    close_queue();
}

/* ---- coming in ---- */

static void anybody_inserts_what_is_committed(void **state) {
    (void)state;
    open_levels();
    uint32_t cell = send_to(0, "low"), mine = send_to(0, "mine");
    assert_int_equal(lane_insert(s, mine), REQUEUE_NOT_DUE); /* published: its sender's */
    commit_anew(cell, 2);
    assert_false(lane_holds(s, cell, word_of(cell)));
    assert_int_equal(lane_insert(s, cell), REQUEUE_IN);
    assert_true(lane_holds(s, cell, word_of(cell)));
    assert_int_equal(slot_cell(slot_at(2, 0)), cell);
    assert_int_equal(place_of(cell), position_word(cell_generation(word_of(cell)), 2, at(0)));
    assert_int_equal(load_acquire(&s->lane_ends[2].tail, hints), at(1));
    assert_int_equal(lane_insert(s, cell), REQUEUE_IN); /* once */
    assert_int_equal(slot_cell(slot_at(2, 1)), NO_CELL);
    receives("low");
    receives("mine");
    receives_nothing();
    assert_int_equal(lane_insert(s, cell), REQUEUE_NOT_DUE); /* free */
    close_queue();
}

/* Whoever took it saw it in its lane; but for one that lost it to its dead ring before it came there. So it counts who has not. */
static void what_all_have_taken_owes_no_place(void **state) {
    (void)state;
    open_plain();
    add_group();
    uint32_t cell = send_to(0, "one");
    commit_anew(cell, 0);
    uint64_t place = place_of(cell);
    uint32_t hold = hold_make(cell_generation(word_of(cell)), 0);
    uint64_t leased = delivery_of_hold(DELIVERY_LEASED, 0, NOBODY, NOBODY, hold), before = delivery_of(0, cell);
    store_release(delivery_at(s, 0, cell), leased, delivery);
    store_release(delivery_at(s, 1, cell), leased, delivery);
    assert_int_equal(lane_insert(s, cell), REQUEUE_NOT_DUE);
    assert_true(place_of(cell) == place);
    store_release(delivery_at(s, 0, cell), before, delivery);
    assert_int_equal(lane_insert(s, cell), REQUEUE_IN);
    close_queue();
}

static void lanes_that_are_not(void **state) {
    (void)state;
    open_levels();
    uint32_t cell = send_to(0, "one");
    commit_anew(cell, LANES);
    assert_int_equal(lane_insert(s, cell), REQUEUE_DAMAGED);
    commit_anew(cell, 1);
    struct index_ring ring = lane_ring(s, 1);
    for (uint64_t i = 0; i < ring_slots(&ring); i++) /* laps that cannot be */
        store_release(&ring.slots[i], slot_word(s->parameters.first_lap + 1000, 0, NO_CELL), slot);
    assert_int_equal(lane_insert(s, cell), REQUEUE_DAMAGED);
    close_queue();
}

/* ---- keyed ---- */

static void a_keyed_lane_is_never_reordered(void **state) {
    (void)state;
    open_keyed();
    assert_int_equal(s->layout.lane_slot_count, CAPACITY);
    uint32_t cell = send_to(1, "one");
    uint64_t head_seen = 0;
    assert_int_equal(clear(1, 0, &head_seen), RP_FULL);
    assert_true(untaken(0, cell));
    struct rp_message m;
    succeeds(rp_receive(c, &m, 0));
    assert_int_equal(clear(1, 0, &head_seen), RP_FULL); /* held */
    succeeds(rp_reject(c, &m, "no"));
    assert_int_equal(clear(1, 0, &head_seen), 0); /* dead letters hold no lane */
    close_queue();
}

static void a_full_keyed_lane_takes_it_later(void **state) {
    (void)state;
    open_keyed();
    uint32_t late = send_to(2, "late");
    commit_anew(late, 1);
    for (unsigned i = 0; i < CAPACITY; i++)
        send_to(1, "before");
    uint64_t place = place_of(late);
    assert_int_equal(lane_insert(s, late), REQUEUE_FULL);
    assert_true(place_of(late) == place);
    receives("before");
    assert_int_equal(lane_insert(s, late), REQUEUE_IN);
    assert_int_equal(lane_of(s, late), 1);
    lane_announce(s, 1, cell_pending(word_of(late)), true);
    for (unsigned i = 1; i < CAPACITY; i++)
        receives("before");
    receives("late");
    receives_nothing();
    close_queue();
}

static void announcing(void **state) {
    (void)state;
    open_keyed();
    add_group();
    a64 *bits[] = {&s->ready_lanes[0].bits, &s->ready_lanes[1].bits};
    lane_announce(s, 2, 2, false); /* to the second group alone; without a wake as well */
    assert_int_equal(load_acquire(bits[0], ready_lanes), 0);
    assert_int_equal(load_acquire(bits[1], ready_lanes), 4);
    lane_announce(s, 0, 3, true);
    assert_int_equal(load_acquire(bits[0], ready_lanes), 1);
    assert_int_equal(load_acquire(bits[1], ready_lanes), 5);
    lane_announce(s, 1, 0, true);
    assert_int_equal(load_acquire(bits[1], ready_lanes), 5);
    close_queue();
}

/* ---- in several groups ---- */

static rp_consumer *consumer_of(const char *group) {
    struct rp_consumer_options o;
    rp_consumer_options_init(&o, sizeof o);
    o.group = group;
    rp_consumer *of;
    succeeds(rp_consumer_open(q, &o, &of));
    return of;
}

static void one_receives(rp_consumer *one, const char *text) {
    struct rp_message m;
    succeeds(rp_receive(one, &m, 0));
    assert_true(says(&m, text));
    succeeds(rp_ack(one, &m));
}

/* A delayed message is due, but its lane is full. One of its groups loses it to its dead ring; who did that dies before he comes to the other group. */
static void dead_in_one_group_and_placed_for_the_other(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.lanes = 1;
    o.lane_capacity = 4;
    o.max_groups = 2;
    q = make_queue(&o);
    s = &q->segment;
    succeeds(rp_group_create(q, "second", NULL));
    succeeds(rp_producer_open(q, NULL, &p));
    rp_consumer *first = consumer_of(NULL), *second = consumer_of("second");
    for (uint32_t i = 0; i < s->layout.lane_slot_count; i++)
        succeeds(send_text(p, "before"));
    struct rp_send_options delayed;
    rp_send_options_init(&delayed, sizeof delayed);
    delayed.delay_ns = 1;
    succeeds(rp_send(p, "late", 5, &delayed));
    uint32_t cell = 0;
    while (cell_state(load_acquire(&segment_cell(s, cell)->word, cell_word)) != CELL_DELAYED)
        cell++;
    assert_true(eventually(rp_queue_sweep(q) >= 0 && stats_of(q).delayed == 0));
    uint64_t w = load_acquire(&segment_cell(s, cell)->word, cell_word);
    assert_int_equal(cell_state(w), CELL_COMMITTED);
    assert_int_equal(cell_pending(w), 3);
    assert_false(lane_holds(s, cell, w));

    struct actor a;
    actor_open(&a, q);
    uint64_t d = load_acquire(delivery_at(s, 0, cell), delivery);
    assert_int_equal(delivery_bury(&a, 0, cell, d, RP_DEAD_OVERFLOW), FAIL_DONE);
    actor_close(&a);

    for (uint32_t i = 0; i < s->layout.lane_slot_count; i++) {
        one_receives(first, "before");
        one_receives(second, "before");
    }
    succeeds(rp_queue_sweep(q));
    one_receives(second, "late");
    rp_consumer_close(first);
    rp_consumer_close(second);
    rp_producer_close(p);
    audit_is_clean(q);
    drop_queue(q);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(lanes_lie_apart),
        TEST(held_by_the_very_slot),
        TEST(what_others_took_is_not_in_the_way),
        TEST(the_untaken_makes_way),
        TEST(what_another_began),
        TEST(old_entries_move_nobody),
        TEST(a_group_that_is_leaving),
        TEST(early_is_full),
        TEST(damaged_entries_and_heads),
        TEST(anybody_inserts_what_is_committed),
        TEST(what_all_have_taken_owes_no_place),
        TEST(lanes_that_are_not),
        TEST(a_keyed_lane_is_never_reordered),
        TEST(a_full_keyed_lane_takes_it_later),
        TEST(announcing),
        TEST(dead_in_one_group_and_placed_for_the_other),
    };
    return cmocka_run_group_tests_name("lane", tests, NULL, NULL);
}
