/* SPDX-License-Identifier: MIT */
/*
 * A producer with an id, killed at any moment a thousand times and more, and each time another process that has no memory of it goes on: all sequences are there, once each and in order. And who
 * lives keeps his id, stopped or not.
 */
#include "fixture.h"

#include <stdatomic.h>

enum { KILLS = 1000, BATCH = 5, NONE = -1 };

static struct shared {
    atomic_ulong committed;  /* the highest sequence whose send said that it was */
    atomic_uint rounds;      /* sends that have ended in this life */
    atomic_ulong duplicates; /* of what was sent again though it was known to be there */
} * shared;

static rp_producer *open_as(rp_queue *q, const char *id, int expected) {
    struct rp_producer_options o;
    rp_producer *p = NULL;
    rp_producer_options_init(&o, sizeof o);
    o.id = id;
    o.id_bytes = strlen(id);
    int result = rp_producer_open(q, &o, &p);
    if (expected == NONE)
        peer_succeeds(result);
    else
        peer_check(result == expected);
    return p;
}

/* Sends numbers in one of four ways, from a little before where it has to, until it is killed. */
static int send_for_ever(struct peer *test, void *argument) {
    (void)argument;
    rp_queue *q;
    uint64_t last;
    peer_succeeds(rp_queue_open(queue_name, NULL, &q));
    rp_producer *p = open_as(q, "meter", NONE);
    peer_succeeds(rp_producer_sequence(p, &last));
    peer_check(last >= atomic_load(&shared->committed)); /* what was said to be sent is known */
    peer_say(test, 'o');
    for (uint64_t n = last > 3 ? last - 3 : 1;; n++) {
        struct rp_send_options o[BATCH];
        uint64_t numbers[BATCH];
        for (unsigned i = 0; i < BATCH; i++) {
            rp_send_options_init(&o[i], sizeof o[i]);
            o[i].sequence = numbers[i] = n + i;
            o[i].timeout_ns = -1;
        }
        int result;
        bool batch = n % 4 == 1; /* longer than what is sent again, so it ends beyond */
        if (batch) {
            struct rp_send_item items[BATCH] = {0};
            for (unsigned i = 0; i < BATCH; i++)
                items[i] = (struct rp_send_item){.data = &numbers[i], .bytes = sizeof numbers[i], .options = &o[i]};
            result = rp_send_batch(p, items, BATCH);
            peer_check(result > 0);
            for (int i = 0; i < result; i++) {
                peer_check(items[i].result == (numbers[i] <= last ? RP_DUPLICATE : 0));
                atomic_fetch_add(&shared->duplicates, items[i].result == RP_DUPLICATE);
            }
            n += (uint64_t)result - 1;
            result = 0;
        } else if (n % 4 == 2) {
            struct rp_loan loan;
            peer_succeeds(rp_loan(p, sizeof n, &loan));
            memcpy(loan.data, &n, sizeof n);
            result = rp_commit(p, &loan, o);
            if (result == RP_DUPLICATE)
                peer_succeeds(rp_abandon(p, &loan));
        } else {
            result = rp_send(p, &n, sizeof n, o);
        }
        peer_check(batch || result == (n <= last ? RP_DUPLICATE : 0));
        if (result == RP_DUPLICATE)
            atomic_fetch_add(&shared->duplicates, 1);
        else
            atomic_store(&shared->committed, n);
        atomic_fetch_add(&shared->rounds, 1);
    }
}

static void receive_in_order(rp_consumer *c, uint64_t *expected, int64_t timeout_ns) {
    struct rp_message m;
    while (rp_receive(c, &m, timeout_ns) == 0) {
        uint64_t n;
        assert_int_equal(m.bytes, sizeof n);
        memcpy(&n, m.data, sizeof n);
        assert_int_equal(n, *expected); /* nothing is missing, nothing comes twice */
        ++*expected;
        succeeds(rp_ack(c, &m));
        timeout_ns = 0;
    }
}

static void killed_at_any_moment(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.capacity = 64;
    o.overflow = RP_OVERFLOW_BLOCK;
    rp_queue *q = make_queue(&o);
    rp_consumer *c;
    uint64_t expected = 1, random = 88172645463325252u;
    shared = shared_memory(sizeof *shared);
    succeeds(rp_consumer_open(q, NULL, &c));
    for (unsigned kills = 0; kills < KILLS; kills++) {
        atomic_store(&shared->rounds, 0);
        struct peer p = peer_start(send_for_ever, NULL);
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        unsigned rounds = (unsigned)(random % 24);
        if (rounds != 0)
            assert_int_equal(peer_hear(&p), 'o');
        time_t end = time(NULL) + PEER_DEADLINE_S;
        while (atomic_load(&shared->rounds) < rounds) {
            assert_true(time(NULL) < end);
            receive_in_order(c, &expected, 0);
        }
        for (unsigned i = 0; i < (random >> 32) % 4096; i++)
            __asm__ volatile("");
        peer_kill(&p);
        receive_in_order(c, &expected, 0);
    }
    struct rp_producer_id found;
    succeeds(rp_queue_sweep(q));
    receive_in_order(c, &expected, 0);
    assert_true(expected > atomic_load(&shared->committed)); /* what was said to be sent has come */
    assert_true(atomic_load(&shared->duplicates) > KILLS / 2);
    succeeds(rp_producer_id_next(q, 0, &found));
    assert_int_equal(found.sequence, expected - 1); /* and the table knows exactly what has */
    assert_int_equal(found.pid, 0);
    rp_consumer_close(c);
    audit_is_clean(q);
    drop_queue(q);
}

/* ---- who lives keeps his id ---- */

static int hold_the_id(struct peer *test, void *argument) {
    (void)argument;
    rp_queue *q;
    uint64_t n = 1;
    struct rp_send_options o;
    peer_succeeds(rp_queue_open(queue_name, NULL, &q));
    rp_producer *p = open_as(q, "meter", NONE);
    rp_send_options_init(&o, sizeof o);
    o.sequence = n;
    peer_succeeds(rp_send(p, &n, sizeof n, &o));
    peer_say(test, 'o');
    peer_check(peer_hear(test) == 'g');
    o.sequence = ++n;
    peer_succeeds(rp_send(p, &n, sizeof n, &o));
    peer_say(test, 's');
    (void)peer_hear(test);
    return 1;
}

static int ask_in_a_child(struct peer *test, void *argument) {
    (void)test;
    rp_producer *p = *(rp_producer **)argument;
    uint64_t last;
    peer_check(rp_producer_sequence(p, &last) == RP_FORKED);
    rp_producer_close(p); /* the parent's stays open */
    return 0;
}

static void the_living_keep_it(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    rp_queue *q = make_queue(&o);
    rp_producer *p;
    rp_consumer *c;
    uint64_t last, expected = 1;
    succeeds(rp_consumer_open(q, NULL, &c));
    struct peer peer = peer_start(hold_the_id, NULL);
    assert_int_equal(peer_hear(&peer), 'o');
    open_as(q, "meter", RP_IN_USE);
    peer_stop(&peer);
    for (int i = 0; i < 3; i++) {
        succeeds(rp_queue_sweep(q));
        open_as(q, "meter", RP_IN_USE);
        assert_int_equal(rp_producer_id_remove(q, "meter", 5), RP_IN_USE);
    }
    kill(peer.pid, SIGCONT);
    peer_say(&peer, 'g');
    assert_int_equal(peer_hear(&peer), 's');
    peer_kill(&peer);
    p = open_as(q, "meter", 0);
    succeeds(rp_producer_sequence(p, &last));
    assert_int_equal(last, 2);
    assert_int_equal(peer_run(ask_in_a_child, &p), 0);
    open_as(q, "meter", RP_IN_USE);
    rp_producer_close(p);
    receive_in_order(c, &expected, 0);
    assert_int_equal(expected, 3);
    rp_consumer_close(c);
    succeeds(rp_queue_sweep(q));
    audit_is_clean(q);
    drop_queue(q);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(killed_at_any_moment),
        TEST(the_living_keep_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
