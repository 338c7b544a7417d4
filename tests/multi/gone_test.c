/* SPDX-License-Identifier: MIT */
/* A queue that is removed while in use: everybody learns it within a tick, whatever he is doing. */
#include "fixture.h"

enum { BOUND_MS = 1000 * PEER_DEADLINE_S };

/* What each peer does until the queue is gone; 'g' when it is, 'x' for any other result. */
static int user(struct peer *test, void *argument) {
    char what = *(char *)argument;
    struct rp_message m;
    struct handles h = peer_open(0);
    struct rp_send_options block;
    rp_send_options_init(&block, sizeof block);
    block.timeout_ns = -1;
    peer_say(test, 'r');
    int result = 0;
    while (result >= 0 || result == RP_EMPTY || result == RP_FULL)
        switch (what) {
        case 'w': result = rp_receive(h.c, &m, -1); break;
        case 'p': result = rp_receive(h.c, &m, 0); break;
        case 't': result = rp_receive(h.c, &m, 5 * MS); break;
        case 'b': result = rp_send(h.p, "x", 1, &block); break;
        case 's': result = rp_send(h.p, "x", 1, NULL); break;
        default: result = rp_queue_sweep(h.q);
        }
    peer_say(test, result == RP_GONE && strstr(rp_error_detail(), queue_name) ? 'g' : result == RP_GONE ? 'd' : 'x');
    peer_hear(test);
    if (what == 'w')
        peer_check(rp_receive(h.c, &m, 0) == RP_GONE && rp_receive(h.c, &m, -1) == RP_GONE);
    if (what == 'b')
        peer_check(rp_send(h.p, "x", 1, &block) == RP_GONE);
    rp_consumer_close(h.c);
    rp_producer_close(h.p);
    return rp_queue_close(h.q);
}

static void everybody_learns_of_the(bool full, const char *who) {
    struct rp_queue_options o = test_options();
    rp_producer *p;
    int64_t worst = 0;
    struct peer peers[8];
    rp_queue *q = make_queue(&o);
    if (full) {
        succeeds(rp_producer_open(q, NULL, &p));
        while (send_text(p, "full") == 0) {
        }
        rp_producer_close(p);
    }
    size_t count = strlen(who);
    for (size_t i = 0; i < count; i++) {
        peers[i] = peer_start(user, (void *)(uintptr_t)&who[i]);
        assert_int_equal(peer_hear(&peers[i]), 'r');
    }
    int64_t start = time_ns();
    succeeds(rp_queue_unlink(queue_name));
    for (size_t i = 0; i < count; i++) {
        char answer = peer_hear(&peers[i]);
        int64_t took = time_ns() - start;
        if (answer != 'g')
            fprintf(stderr, "the one who does '%c' says '%c'\n", who[i], answer);
        assert_int_equal(answer, 'g');
        worst = took > worst ? took : worst;
    }
    print_message("gone after at most %.1f ms (promised are 100)\n", (double)worst / 1e6);
    assert_true(worst < BOUND_MS * MS);

    struct rp_queue_options again = test_options();
    rp_queue *other = NULL;
    succeeds(rp_queue_create(queue_name, &again, &other)); /* the same name, another queue */
    for (size_t i = 0; i < count; i++) {
        peer_say(&peers[i], 'e');
        assert_int_equal(peer_end(&peers[i]), 0);
    }
    assert_int_equal(rp_queue_sweep(q), RP_GONE);
    assert_int_equal(stats_of(other).participants, 1);
    succeeds(rp_queue_close(q));
    drop_queue(other);
}

static void removed_while_receivers_wait(void **state) {
    (void)state;
    everybody_learns_of_the(false, "wptk");
}

static void removed_while_senders_wait(void **state) {
    (void)state;
    everybody_learns_of_the(true, "bsk");
}

/* The first send after a while: what it is told to be kept would be lost. */
static void removed_while_a_sender_is_idle(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    rp_queue *q = make_queue(&o), *other;
    rp_producer *p, *lender;
    struct rp_loan loan;
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_queue_open(queue_name, NULL, &other));
    succeeds(rp_producer_open(other, NULL, &lender));
    succeeds(rp_loan(lender, 1, &loan));
    succeeds(rp_queue_unlink(queue_name));
    assert_int_equal(rp_send(p, "x", 1, NULL), RP_GONE);
    assert_int_equal(rp_commit(lender, &loan, NULL), RP_GONE);
    assert_int_equal(stats_of(q).ready, 0);
    rp_producer_close(p);
    rp_producer_close(lender);
    succeeds(rp_queue_close(other));
    succeeds(rp_queue_close(q));
}

static void a_name_that_is_not_there(void **state) {
    (void)state;
    rp_queue *q = NULL;
    struct rp_queue_options o = test_options();
    drop_queue(make_queue(&o));
    assert_int_equal(rp_queue_unlink(queue_name), -ENOENT);
    assert_non_null(strstr(rp_error_detail(), queue_name));
    assert_int_equal(rp_queue_open(queue_name, NULL, &q), -ENOENT);
    assert_non_null(strstr(rp_error_detail(), queue_name));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(removed_while_receivers_wait),
        TEST(removed_while_senders_wait),
        TEST(removed_while_a_sender_is_idle),
        TEST(a_name_that_is_not_there),
    };
    return cmocka_run_group_tests_name("gone", tests, NULL, NULL);
}
