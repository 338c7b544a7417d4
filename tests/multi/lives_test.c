/* SPDX-License-Identifier: MIT */
/* Tags are short and repeat: what an earlier life of a cell left in a ring must not be taken for what the present one put there. */
#include "fixture.h"

enum { CELLS = 9, OTHERS = 8, TAG_LIVES = 64 }; /* capacity 1 and one seat; a slot's tag holds 6 bits of the incarnation */

static rp_queue *q;
static rp_producer *p;
static rp_consumer *c;
static struct rp_message others[OTHERS];

/* All cells but one are held by us. */
static void open_all(void) {
    struct rp_queue_options o = test_options();
    o.capacity = 1;
    o.max_participants = 1;
    o.lease_ns = 0;
    q = make_queue(&o);
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_consumer_open(q, NULL, &c));
    for (int i = 0; i < OTHERS; i++) {
        succeeds(send_text(p, "other"));
        succeeds(rp_receive(c, &others[i], 0));
    }
    assert_int_equal(stats_of(q).cells, CELLS);
}

static void close_all(void) {
    for (int i = 0; i < OTHERS; i++)
        succeeds(rp_ack(c, &others[i]));
    rp_consumer_close(c);
    rp_producer_close(p);
    succeeds(rp_queue_sweep(q));
    audit_is_clean(q);
    drop_queue(q);
}

static struct rp_message receive_one(const char *text, uint32_t acquisitions) {
    struct rp_message m;
    if (rp_receive(c, &m, SECOND) != 0)
        assert_string_equal(text, "is ready and never comes");
    assert_true(says(&m, text));
    assert_int_equal(m.acquisitions, acquisitions);
    return m;
}

static void come_back(struct rp_message *m, const char *text) {
    uint32_t acquisitions = m->acquisitions;
    succeeds(rp_nack(c, m, NULL)); /* no backoff: straight into the ring of returns */
    *m = receive_one(text, acquisitions + 1);
}

/* The one free cell's life number n: it comes back once if told to. */
static void live(bool returned) {
    succeeds(send_text(p, "one"));
    struct rp_message m = receive_one("one", 1);
    if (returned)
        come_back(&m, "one");
    succeeds(rp_ack(c, &m));
}

/* `between` others come back before the cell does, 64 lives later: for every place that its old entry can be found in. */
static void an_old_entry_of_the_same_tag(void **state) {
    (void)state;
    for (int between = 0; between <= 2 * 8 + 1; between++) {
        open_all();
        for (int round = 0; round < 3; round++) {
            live(true);
            for (int i = 0; i < between; i++)
                come_back(&others[i % OTHERS], "other");
            for (int i = 1; i < TAG_LIVES; i++)
                live(false);
        }
        live(true);
        close_all();
    }
}

/* The same with dead letters: the ring of deaths has 8 places, too. */
static void an_old_death_of_the_same_tag(void **state) {
    (void)state;
    for (int between = 0; between <= 9; between++) {
        open_all();
        for (int round = 0; round < 2; round++) {
            for (int i = 0; i <= between; i++) { /* capacity 1: one dead letter, the older goes */
                succeeds(send_text(p, "one"));
                struct rp_message m = receive_one("one", 1);
                succeeds(rp_reject(c, &m, NULL));
                assert_int_equal(stats_of(q).dead, 1);
                assert_int_equal(rp_dead_purge(q, NULL, NULL), 1);
            }
            for (int i = between + 1; i < TAG_LIVES; i++)
                live(false);
        }
        close_all();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_old_entry_of_the_same_tag),
        TEST(an_old_death_of_the_same_tag),
    };
    return cmocka_run_group_tests_name("lives", tests, NULL, NULL);
}
