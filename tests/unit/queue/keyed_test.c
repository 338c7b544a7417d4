/* SPDX-License-Identifier: MIT */
/* Keyed lanes, piece by piece: what an entry is to a group, where heads go, which bits say what, and what damage does to it. */
#include "claim.h"
#include "delivery.h"
#include "keyed.h"
#include "lane.h"

#include "fixture.h"

static rp_queue *q;
static rp_producer *p;
static rp_consumer *c;
static const struct segment *s;

static void open_queue(uint32_t capacity, uint32_t lanes) {
    struct rp_queue_options o = test_options();
    o.capacity = capacity;
    o.lanes = lanes;
    o.lane_capacity = 8;
    o.max_groups = 2;
    o.lease_ns = 0;
    q = make_queue(&o);
    s = &q->segment;
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_consumer_open(q, NULL, &c));
}

static void close_queue(void) {
    rp_producer_close(p);
    rp_consumer_close(c);
    drop_queue(q);
}

static void send_to(uint32_t lane, const char *text) {
    p->lane_turn = lane; /* where a message without a key goes */
    succeeds(send_text(p, text));
}

/* The slot of position `n` of a lane, counted from where lanes begin. */
static uint64_t at(const struct index_ring *ring, uint64_t n) { return (s->parameters.first_lap << ring->shift) + n; }
static uint64_t slot_at(uint32_t lane, uint64_t n) {
    struct index_ring ring = lane_ring(s, lane);
    return load_acquire(ring_slot(&ring, at(&ring, n)), slot);
}
static uint64_t head_of(uint32_t lane) {
    struct index_ring ring = lane_ring(s, lane);
    return load_acquire(&segment_lane_start(s, 0, lane)->lane_head, hints) - at(&ring, 0);
}
static a64 *bits_of(uint32_t lane) { return &s->ready_lanes[lane / 64].bits; }
static bool bit_of(uint32_t lane) { return load_acquire(bits_of(lane), ready_lanes) >> (lane % 64) & 1; }

static enum keyed_entry judge(unsigned group, uint32_t lane, uint64_t n) {
    struct index_ring ring = lane_ring(s, lane);
    uint64_t d;
    uint32_t hold;
    return keyed_judge(s, group, lane, at(&ring, n), slot_at(lane, n), &d, &hold);
}

static void what_an_entry_is(void **state) {
    (void)state;
    open_queue(16, 2);
    send_to(1, "one");
    uint32_t cell = slot_cell(slot_at(1, 0));
    a64 *word = delivery_at(s, 0, cell);
    assert_int_equal(judge(0, 1, 0), KEYED_READY); /* untaken */
    assert_int_equal(judge(1, 1, 0), KEYED_PAST);  /* not for that group */
    uint32_t hold = hold_make(cell_generation(load_acquire(&segment_cell(s, cell)->word, cell_word)), 0);
    const struct {
        enum delivery_state state;
        uint32_t owner;
        enum keyed_entry entry;
    } rows[] = {{DELIVERY_LEASED, 0, KEYED_HELD},         {DELIVERY_DELAYED, NOBODY, KEYED_HELD},
                {DELIVERY_RETURNED, NOBODY, KEYED_READY}, {DELIVERY_SETTLED, NOBODY, KEYED_PAST},
                {DELIVERY_DEAD, NOBODY, KEYED_PAST},      {DELIVERY_LIMBO, 0, KEYED_PAST},
                {DELIVERY_RETURNED, LEAVING, KEYED_PAST}, {(enum delivery_state)7, NOBODY, KEYED_PAST}};
    uint64_t before = load_acquire(word, delivery);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        store_release(word, delivery_of_hold(rows[i].state, rows[i].owner, NOBODY, NOBODY, hold), delivery);
        assert_int_equal(judge(0, 1, 0), rows[i].entry);
        assert_int_equal(keyed_holds(s, 1, s->parameters.first_lap << s->layout.lane_slot_shift, slot_at(1, 0)),
                         rows[i].entry != KEYED_PAST);
    }
    store_release(word, before, delivery);
    close_queue();
}

static void heads_and_bits(void **state) {
    (void)state;
    open_queue(16, 2);
    send_to(1, "one");
    send_to(1, "two");
    assert_true(bit_of(1));
    assert_false(bit_of(0));
    keyed_unready(s, 0, 1);
    assert_false(keyed_promising(s, 0));
    struct rp_message m;
    succeeds(rp_receive(c, &m, 0)); /* found without the bit */
    assert_int_equal(head_of(1), 0);
    struct rp_message none;
    assert_int_equal(rp_receive(c, &none, 0), RP_EMPTY); /* held */
    succeeds(rp_ack(c, &m));
    assert_int_equal(head_of(1), 1);
    assert_true(bit_of(1)); /* the next one may come */

    /* Nothing is let go of from behind the head, nor where nothing was ever put, nor in a lane that does not exist. */
    keyed_unready(s, 0, 1);
    struct index_ring ring = lane_ring(s, 1);
    keyed_released(s, 0, 3, 9, position_word(1, 1, at(&ring, 0)));
    assert_int_equal(head_of(1), 1);
    keyed_released(s, 0, 3, 9, position_word(1, 1, at(&ring, 1))); /* another's */
    assert_int_equal(head_of(1), 1);
    keyed_released(s, 0, 3, 9, position_word(1, 1, at(&ring, 2)));
    assert_int_equal(head_of(1), 1);
    keyed_released(s, 0, 3, 9, position_word(1, 1023, at(&ring, 1)));

    /* A lost bit comes back with a sweep, where there is something. */
    store_release(bits_of(0), 0, ready_lanes);
    keyed_mend(s);
    assert_true(bit_of(1));
    assert_false(bit_of(0));
    close_queue();
}

/* From each lane round to each other one, at the edges of words. A lane that was found by its bit is remembered, one that was found without is not. */
static void lanes_go_round(void **state) {
    (void)state;
    const uint32_t counts[] = {1, 63, 64, 65, 1024};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        uint32_t count = counts[i];
        open_queue(8, count);
        const uint32_t edges[] = {0, 1, 62, 63, 64, 127, 128, count - 2, count - 1};
        for (size_t k = 0; k < sizeof edges / sizeof edges[0]; k++)
            for (size_t from = 0; from < sizeof edges / sizeof edges[0]; from++) {
                if (edges[k] >= count || edges[from] >= count)
                    continue;
                send_to(edges[k], "here");
                c->lane_turn = edges[from];
                struct rp_message m;
                succeeds(rp_receive(c, &m, 0));
                assert_int_equal(c->lane_turn, edges[k]);
                succeeds(rp_ack(c, &m));
                assert_int_equal(rp_receive(c, &m, 0), RP_EMPTY);
                assert_false(bit_of(edges[k]));
            }
        close_queue();
    }
}

/* Several lanes take turns. */
static void lanes_take_turns(void **state) {
    (void)state;
    open_queue(16, 3);
    for (int i = 0; i < 2; i++)
        for (uint32_t lane = 0; lane < 3; lane++)
            send_to(lane, (const char *[]){"a", "b", "c"}[lane]);
    char seen[7] = "";
    for (int i = 0; i < 6; i++) {
        struct rp_message m;
        succeeds(rp_receive(c, &m, 0));
        seen[i] = *(const char *)m.data;
        succeeds(rp_ack(c, &m));
    }
    assert_string_equal(seen, "bcabca");
    close_queue();
}

/* Bits of lanes that do not exist, a head from nowhere, a cell that names a lane from nowhere: nothing crashes, nothing loops. */
static void damage(void **state) {
    (void)state;
    open_queue(16, 65);
    store_release(bits_of(0), ~UINT64_C(0), ready_lanes);
    store_release(bits_of(64), ~UINT64_C(0), ready_lanes);
    struct rp_message m;
    assert_int_equal(rp_receive(c, &m, 0), RP_EMPTY);
    assert_int_equal(rp_receive(c, &m, 2 * MS), RP_EMPTY);
    send_to(64, "there");
    succeeds(rp_receive(c, &m, 0));
    uint32_t cell = slot_cell(slot_at(64, 0));
    a64 *position = &segment_cell(s, cell)->position;
    uint64_t before = load_acquire(position, position);
    store_release(position, position_word(1, 1000, 0), position);
    succeeds(rp_ack(c, &m));
    store_release(position, before, position);

    send_to(3, "next");
    struct index_ring ring = lane_ring(s, 3);
    a64 *slot = ring_slot(&ring, at(&ring, 0));
    store_release(slot, slot_word(ring_lap(&ring, at(&ring, 0)), 1, NO_CELL - 1), slot);
    assert_int_equal(rp_receive(c, &m, 0), RP_CORRUPT);
    close_queue();
}

/* Both groups found a letter dead, and both redrive it. It is one new message for both: nobody waits for the other one. */
static void leaves_in_two_groups(void **state) {
    (void)state;
    open_queue(16, 2);
    a64 *active = &s->control->active;
    store_release(active, load_acquire(active, init) | 2, init);
    send_to(1, "one");
    uint32_t cell = slot_cell(slot_at(1, 0));
    uint64_t w = load_acquire(&segment_cell(s, cell)->word, cell_word);
    assert_int_equal(cell_pending(w), 3);
    uint32_t hold = hold_make(cell_generation(w), 2);
    uint64_t leaving = delivery_of_hold(DELIVERY_RETURNED, LEAVING, NOBODY, NOBODY, hold);

    store_release(delivery_at(s, 0, cell), leaving, delivery);
    keyed_leave(s, 0, cell); /* not yet: the other group needs it as it is */
    assert_true(load_acquire(&segment_cell(s, cell)->word, cell_word) == w);
    store_release(delivery_at(s, 1, cell), delivery_of_hold(DELIVERY_RETURNED, LEAVING, 0, NOBODY, hold), delivery);
    keyed_leave(s, 1, cell); /* nor yet: somebody looks at it */
    assert_true(load_acquire(&segment_cell(s, cell)->word, cell_word) == w);
    store_release(delivery_at(s, 1, cell), leaving, delivery);
    keyed_leave(s, 1, cell);
    uint64_t anew = load_acquire(&segment_cell(s, cell)->word, cell_word);
    assert_int_equal(cell_state(anew), CELL_COMMITTED);
    assert_int_equal(cell_pending(anew), 3);
    assert_int_equal(cell_generation(anew), cell_generation(w) + 1);
    for (unsigned g = 0; g < 2; g++) {
        assert_int_equal(judge(g, 1, 0), KEYED_PAST);
        assert_int_equal(judge(g, 1, 1), KEYED_READY);
    }
    close_queue();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_an_entry_is), TEST(heads_and_bits), TEST(lanes_go_round),
        TEST(lanes_take_turns), TEST(damage),         TEST(leaves_in_two_groups),
    };
    return cmocka_run_group_tests_name("keyed", tests, NULL, NULL);
}
