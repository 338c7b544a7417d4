/* SPDX-License-Identifier: MIT */
/* Early and returned when there is more to insert than they have places. */
#include "delivery.h"
#include "lane.h"
#include "requeue.h"

#include "fixture.h"

enum { CAPACITY = 8, CELLS = CAPACITY + CELLS_PER_PARTICIPANT, MANY = 2 * CELLS };

static rp_queue *q;
static rp_producer *p;
static rp_consumer *c;
static const struct segment *s;
static struct rp_message m[CELLS];

static void open_queue(uint32_t priorities) {
    struct rp_queue_options o = test_options();
    o.capacity = CAPACITY;
    o.max_participants = 1;
    o.priorities = priorities;
    o.lease_ns = 0;
    q = make_queue(&o);
    s = &q->segment;
    assert_int_equal(s->layout.cell_count, CELLS);
    assert_int_equal(s->layout.slot_count, CAPACITY);
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_consumer_open(q, NULL, &c));
}

static void close_queue(void) {
    rp_producer_close(p);
    rp_consumer_close(c);
    succeeds(rp_queue_sweep(q));
    audit_is_clean(q);
    drop_queue(q);
}

static void hand_back(struct rp_message *one) {
    struct rp_nack_options o;
    rp_nack_options_init(&o, sizeof o);
    o.delay_ns = 0;
    o.charge = false;
    succeeds(rp_nack(c, one, &o));
}

static void send_number(unsigned n, uint32_t priority) {
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    o.priority = priority;
    succeeds(rp_send(p, &n, sizeof n, &o));
}

static unsigned number(const struct rp_message *one) {
    unsigned n;
    assert_int_equal(one->bytes, sizeof n);
    memcpy(&n, one->data, sizeof n);
    return n;
}

/* No housekeeping comes to the rescue: what a receive finds, it finds by itself. */
static void without_housekeeping(void) {
    store_relaxed(&s->control->tick_until_ms, segment_now_ms(s) + 4000, hint);
    store_relaxed(&s->control->next_due_ms, UINT64_MAX, next_due);
}

/* All cells are given back at once, twice as many as returned has places; a receiver that polls gets each. */
static void given_back(uint32_t priorities) {
    open_queue(priorities);
    for (unsigned i = 0; i < CELLS; i++)
        send_number(i, priorities / 2);
    for (unsigned i = 0; i < CELLS; i++)
        succeeds(rp_receive(c, &m[i], 0));
    for (unsigned round = 0; round < 3; round++) {
        without_housekeeping();
        for (unsigned i = 0; i < CELLS; i++)
            hand_back(&m[i]);
        unsigned seen = 0;
        for (unsigned i = 0; i < CELLS; i++) {
            without_housekeeping();
            succeeds(rp_receive(c, &m[i], 0));
            seen |= 1u << number(&m[i]);
        }
        assert_int_equal(seen, (1u << CELLS) - 1);
        struct rp_message none;
        assert_int_equal(rp_receive(c, &none, 0), RP_EMPTY);
    }
    for (uint32_t lane = 0; lane < priorities; lane++) /* nobody walks the cells for nothing */
        assert_false(requeue_missed(s, 0, lane));
    for (unsigned i = 0; i < CELLS; i++)
        succeeds(rp_ack(c, &m[i]));
    close_queue();
}
static void more_given_back_than_places(void **state) {
    (void)state;
    given_back(1);
}
static void also_of_one_level(void **state) {
    (void)state;
    given_back(3);
}

static uint32_t cell_of(const struct rp_message *one) {
    for (uint32_t i = 0; i < CELLS; i++)
        if (segment_cell(s, i)->id == one->id && cell_state(load_acquire(&segment_cell(s, i)->word, cell_word)) != CELL_FREE)
            return i;
    assert_true(!"the message has a cell");
    return 0;
}

static void drop_unheld(uint32_t cell) {
    struct actor a;
    actor_open(&a, q);
    assert_true(delivery_drop_unheld(&a, 0, cell, load_acquire(delivery_at(s, 0, cell), delivery)));
    actor_close(&a);
}

/* One waits in returned, and others behind it leave before their turn: their places are not free until it is received. */
static void holes_behind_one_that_waits(void **state) {
    (void)state;
    open_queue(1);
    send_number(0, 0);
    succeeds(rp_receive(c, &m[0], 0));
    hand_back(&m[0]);
    for (unsigned i = 1; i < MANY; i++) {
        send_number(i, 0);
        rp_consumer *other; /* new messages first, then redeliveries in turn: whoever takes only one takes a new one */
        succeeds(rp_consumer_open(q, NULL, &other));
        succeeds(rp_receive(other, &m[1], 0));
        assert_int_equal(number(&m[1]), i);
        uint32_t cell = cell_of(&m[1]);
        rp_consumer_close(other); /* gives it back */
        if (i < MANY - 2)
            drop_unheld(cell); /* as expiry does */
    }
    unsigned seen = 0;
    for (unsigned i = 0; i < 3; i++) {
        without_housekeeping();
        succeeds(rp_receive(c, &m[0], 0));
        seen += number(&m[0]);
        succeeds(rp_ack(c, &m[0]));
    }
    assert_int_equal(seen, 0 + (MANY - 2) + (MANY - 1));
    close_queue();
}

/* Who died in the walk leaves the note: the next one walks. And one who was turned away during the walk is not forgotten. */
static void the_note_outlives_who_reads_it(void **state) {
    (void)state;
    open_queue(1);
    a64 *missed = &segment_lane_start(s, 0, 0)->missed;
    for (unsigned i = 0; i < CELLS; i++)
        send_number(i, 0);
    for (unsigned i = 0; i < CELLS; i++)
        succeeds(rp_receive(c, &m[i], 0));
    assert_false(requeue_missed(s, 0, 0));
    for (unsigned i = 0; i < CELLS; i++)
        hand_back(&m[i]);
    uint64_t before = load_acquire(missed, missed);
    assert_int_equal(before & 1, 1);
    assert_true(requeue_missed(s, 0, 0)); /* full as before: it stays, and is another */
    assert_int_equal(load_acquire(missed, missed) & 1, 1);
    assert_int_not_equal(load_acquire(missed, missed), before);
    for (unsigned i = 0; i < CELLS; i++) {
        without_housekeeping();
        succeeds(rp_receive(c, &m[i], 0));
        succeeds(rp_ack(c, &m[i]));
    }
    assert_false(requeue_missed(s, 0, 0));
    close_queue();
}

static uint32_t newest_cell(void) {
    uint64_t t = load_acquire(&s->lane_ends[0].tail, hints);
    struct index_ring ring = lane_ring(s, 0);
    while (slot_lap(load_acquire(ring_slot(&ring, t), slot)) == ring_lap(&ring, t))
        t++;
    return slot_cell(load_acquire(ring_slot(&ring, t - 1), slot));
}

static uint32_t cell_sent(unsigned n) {
    send_number(n, 0);
    return newest_cell();
}

/* Leaves its place in the lane to the next, and is not received. */
static void pass_by(unsigned n) { drop_unheld(cell_sent(n)); }

/* As many messages as the queue promises to hold can be in the way of senders, and are received in order all the same. */
static void early_has_room_for_the_capacity(void **state) {
    (void)state;
    open_queue(1);
    for (unsigned i = 0; i < CAPACITY; i++)
        send_number(i, 0);
    for (unsigned i = 0; i < MANY; i++)
        pass_by(1000);
    send_number(CAPACITY, 0);
    for (unsigned i = 0; i <= CAPACITY; i++) {
        succeeds(rp_receive(c, &m[0], 0));
        assert_int_equal(number(&m[0]), i);
        succeeds(rp_ack(c, &m[0]));
    }
    close_queue();
}

/*
 * A known limit (docs/decisions/0005): one that nobody receives stands first in early, and others that came there after it have left; their places are not free until
 * it is received. Then sends say RP_FULL; nothing is lost, and it is over with the receive.
 */
static void holes_behind_one_in_early(void **state) {
    (void)state;
    open_queue(1);
    send_number(0, 0);
    unsigned one = 1, laps = 0;
    int result = 0;
    while (result == 0 && laps++ < MANY) {
        uint32_t cell = cell_sent(1000 + laps);
        for (unsigned i = 1; i < s->layout.lane_slot_count && result == 0; i++)
            if ((result = rp_send(p, &one, sizeof one, NULL)) == 0)
                drop_unheld(newest_cell());
        if (result == 0 && (result = rp_send(p, &one, sizeof one, NULL)) == 0) { /* finds it in its way */
            drop_unheld(newest_cell());
            drop_unheld(cell);
        }
    }
    assert_int_equal(result, RP_FULL);
    assert_int_equal(laps, CAPACITY);
    succeeds(rp_receive(c, &m[0], 0));
    assert_int_equal(number(&m[0]), 0);
    succeeds(rp_ack(c, &m[0]));
    send_number(1, 0);
    succeeds(rp_receive(c, &m[0], 0));
    assert_int_equal(number(&m[0]), 1000 + laps);
    succeeds(rp_ack(c, &m[0]));
    succeeds(rp_receive(c, &m[0], 0));
    succeeds(rp_ack(c, &m[0]));
    close_queue();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(more_given_back_than_places),     TEST(also_of_one_level),
        TEST(holes_behind_one_that_waits),     TEST(the_note_outlives_who_reads_it),
        TEST(early_has_room_for_the_capacity), TEST(holes_behind_one_in_early),
    };
    return cmocka_run_group_tests_name("requeue", tests, NULL, NULL);
}
