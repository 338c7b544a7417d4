/* SPDX-License-Identifier: MIT */
/* Lanes: what is committed and has no place yet gets one, whatever became of it in some of its groups. */
#include "delivery.h"
#include "lane.h"

#include "fixture.h"
#include <ringpost/group.h>

static rp_consumer *consumer_of(rp_queue *q, const char *group) {
    struct rp_consumer_options o;
    rp_consumer_options_init(&o, sizeof o);
    o.group = group;
    rp_consumer *c;
    succeeds(rp_consumer_open(q, &o, &c));
    return c;
}

static void receives(rp_consumer *c, const char *text) {
    struct rp_message m;
    succeeds(rp_receive(c, &m, 0));
    assert_true(says(&m, text));
    succeeds(rp_ack(c, &m));
}

/* A delayed message is due, but its lane is full. One of its groups loses it to its dead ring; who did that dies before he comes to the other group. */
static void dead_in_one_group_and_placed_for_the_other(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.lanes = 1;
    o.lane_capacity = 4;
    o.max_groups = 2;
    rp_queue *q = make_queue(&o);
    const struct segment *s = &q->segment;
    succeeds(rp_group_create(q, "second", NULL));
    rp_producer *p;
    succeeds(rp_producer_open(q, NULL, &p));
    rp_consumer *first = consumer_of(q, NULL), *second = consumer_of(q, "second");
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
        receives(first, "before");
        receives(second, "before");
    }
    succeeds(rp_queue_sweep(q));
    receives(second, "late");
    rp_consumer_close(first);
    rp_consumer_close(second);
    rp_producer_close(p);
    audit_is_clean(q);
    drop_queue(q);
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(dead_in_one_group_and_placed_for_the_other)};
    return cmocka_run_group_tests_name("lane", tests, NULL, NULL);
}
