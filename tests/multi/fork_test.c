/* SPDX-License-Identifier: MIT */
/* A forked child has none of its parent's handles, and says so in every call; it may open its own. */
#include "fixture.h"

static rp_queue *q;
static rp_producer *p;
static rp_consumer *c;
static struct rp_message held;
static struct rp_loan loan;

#define peer_forked(call)                                                            \
    do {                                                                             \
        int peer_forked_result = (call);                                             \
        if (peer_forked_result != RP_FORKED)                                         \
            fprintf(stderr, "%s -> %s\n", #call, rp_error_name(peer_forked_result)); \
        peer_check(peer_forked_result == RP_FORKED);                                 \
    } while (0)

static void every_call(void) {
    union {
        struct rp_message message;
        struct rp_queue_stats stats;
        struct rp_peeked peeked;
        struct rp_participant participant;
        struct rp_audit audit;
        struct rp_dead_letter dead;
        struct rp_queue_options options;
        struct rp_loan loan;
    } out;
    rp_producer *new_p;
    rp_consumer *new_c;
    struct rp_send_item item = {.data = "x", .bytes = 1};
    peer_forked(rp_send(p, "x", 1, NULL));
    peer_forked(rp_send_batch(p, &item, 1));
    peer_forked(rp_loan(p, 1, &out.loan));
    peer_forked(rp_commit(p, &loan, NULL));
    peer_forked(rp_abandon(p, &loan));
    peer_forked(rp_receive(c, &out.message, 0));
    peer_forked(rp_receive(c, &out.message, -1));
    peer_forked(rp_receive_batch(c, &out.message, 1, 0));
    peer_forked(rp_ack(c, &held));
    peer_forked(rp_nack(c, &held, NULL));
    peer_forked(rp_reject(c, &held, NULL));
    peer_forked(rp_extend(c, &held, 1));
    peer_forked(rp_producer_open(q, NULL, &new_p));
    peer_forked(rp_consumer_open(q, NULL, &new_c));
    peer_forked(rp_queue_close(q));
    peer_forked(rp_queue_options_get(q, &out.options));
    peer_forked(rp_queue_sweep(q));
    peer_forked(rp_queue_interrupt(q));
    peer_forked(rp_queue_purge(q, NULL, RP_STATE_ALL));
    peer_forked(rp_queue_stats(q, &out.stats));
    peer_forked(rp_peek(q, NULL, RP_STATE_ALL, 0, &out.peeked, NULL, 0));
    peer_forked(rp_participant_next(q, 0, &out.participant));
    peer_forked(rp_queue_audit(q, &out.audit));
    peer_forked(rp_dead_peek(q, NULL, 0, &out.dead, NULL, 0));
    peer_forked(rp_dead_redrive(q, NULL, NULL));
    peer_forked(rp_dead_purge(q, NULL, NULL));
    peer_check(strcmp(rp_queue_name(q), queue_name) == 0);
}

static int child(struct peer *test, void *argument) {
    (void)test, (void)argument;
    struct rp_message m;
    every_call();
    rp_consumer_close(c); /* only what is local */
    rp_producer_close(p);
    struct handles own = peer_open(0);
    peer_succeeds(rp_receive(own.c, &m, 0));
    peer_check(says(&m, "second"));
    peer_succeeds(rp_ack(own.c, &m));
    peer_succeeds(send_text(own.p, "from the child"));
    rp_consumer_close(own.c);
    rp_producer_close(own.p);
    peer_succeeds(rp_queue_close(own.q));
    return 0;
}

static void inherited_handles(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    struct rp_message m;
    q = make_queue(&o);
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_consumer_open(q, NULL, &c));
    succeeds(send_text(p, "first"));
    succeeds(send_text(p, "second"));
    succeeds(rp_receive(c, &held, 0));
    succeeds(rp_loan(p, 8, &loan));
    assert_int_equal(peer_run(child, NULL), 0);

    assert_int_equal(stats_of(q).participants, 1);
    assert_int_equal(stats_of(q).participants_dead, 0);
    assert_true(says(&held, "first")); /* nothing of ours was touched */
    succeeds(rp_ack(c, &held));
    memcpy(loan.data, "loan", 5);
    loan.bytes = 5;
    succeeds(rp_commit(p, &loan, NULL));
    succeeds(rp_receive(c, &m, 0));
    assert_true(says(&m, "from the child"));
    succeeds(rp_ack(c, &m));
    succeeds(rp_receive(c, &m, 0));
    assert_true(says(&m, "loan"));
    succeeds(rp_ack(c, &m));
    rp_consumer_close(c);
    rp_producer_close(p);
    audit_is_clean(q);
    drop_queue(q);
}

/* The parent dies, its child lives on: the seat is dead all the same. */
static int parent_of_one(struct peer *test, void *argument) {
    (void)argument;
    struct rp_message m;
    struct handles h = peer_open(0);
    peer_succeeds(rp_receive(h.c, &m, 0));
    pid_t pid = fork();
    if (pid == 0) {
        char byte;
        while (read(test->in, &byte, 1) == 1) { /* until the test closes */
        }
        _exit(0);
    }
    peer_say(test, 'f');
    for (;;)
        pause();
}

static void a_child_does_not_keep_its_parents_seat(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    q = make_queue(&o);
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(send_text(p, "work"));
    struct peer peer = peer_start(parent_of_one, NULL);
    assert_int_equal(peer_hear(&peer), 'f');
    kill(peer.pid, SIGKILL);
    waitpid(peer.pid, NULL, 0);
    assert_true(rp_queue_sweep(q) >= 2);
    assert_int_equal(stats_of(q).ready, 1);
    assert_int_equal(stats_of(q).participants, 1);
    close(peer.in);
    close(peer.out);
    rp_producer_close(p);
    drop_queue(q);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(inherited_handles),
        TEST(a_child_does_not_keep_its_parents_seat),
    };
    return cmocka_run_group_tests_name("fork", tests, NULL, NULL);
}
