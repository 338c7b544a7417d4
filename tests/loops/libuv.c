/* SPDX-License-Identifier: MIT */
/*
 * libuv: two consumers of one loop share a queue with a third, in a process that is killed while it holds a message; the sender is killed as well, and another goes on. Everything that was sent is
 * received here.
 */
#include "fixture.h"

#include <ringpost/event.h>
#include <stdatomic.h>
#include <uv.h>

enum { MESSAGES = 4000, KILL_AT = 1000 };

static rp_queue *q;
static struct reader {
    uv_poll_t poll;
    rp_consumer *consumer;
    unsigned got;
} readers[2];

/* Common to all processes. */
static struct common { _Atomic int next; /* the number that is being sent, or comes next */ } * common;

static unsigned char seen[MESSAGES];
static int got, others_get;
static struct peer sender, holder;
static bool killed;
static uv_timer_t patience;

static int send_all(struct peer *test, void *argument) {
    (void)test, (void)argument;
    const struct rp_send_options block = {.size = sizeof block, .timeout_ns = -1};
    rp_queue *mine;
    rp_producer *p;
    peer_succeeds(rp_queue_open(queue_name, NULL, &mine));
    peer_succeeds(rp_producer_open(mine, NULL, &p));
    for (int n; (n = atomic_load(&common->next)) < MESSAGES; atomic_store(&common->next, n + 1))
        peer_succeeds(rp_send(p, &n, sizeof n, &block));
    rp_producer_close(p);
    return rp_queue_close(mine);
}

static int hold_one(struct peer *test, void *argument) {
    (void)argument;
    struct rp_message m;
    struct handles h = peer_open(0);
    int fd = rp_consumer_fd(h.c);
    peer_succeeds(fd);
    peer_check(rp_receive(h.c, &m, 0) == RP_EMPTY);
    peer_say(test, 'a');
    for (int result = RP_EMPTY; result != 0; result = rp_receive(h.c, &m, 0)) {
        struct pollfd one = {.fd = fd, .events = POLLIN};
        peer_check(poll(&one, 1, PEER_DEADLINE_S * 1000) == 1);
    }
    peer_say(test, 'h');
    pause();
    return 0;
}

static void stop_all(void) {
    for (int i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&readers[i].poll, NULL);
    uv_close((uv_handle_t *)&patience, NULL);
}

static void look(uv_poll_t *handle, int status, int events) {
    struct reader *r = handle->data;
    struct rp_message m;
    assert_int_equal(status, 0);
    assert_true(events & UV_READABLE);
    int result = rp_receive(r->consumer, &m, 0);
    if (result == RP_EMPTY)
        return;
    succeeds(result);
    int n = *(const int *)m.data;
    assert_in_range(n, 0, MESSAGES - 1);
    assert_true(seen[n] < 2); /* again only the one that was sent as its sender was killed */
    others_get += seen[n];
    got += seen[n]++ == 0;
    r->got++;
    succeeds(rp_ack(r->consumer, &m));
    if (got == KILL_AT && !killed) {
        killed = true;
        assert_int_equal(peer_hear(&holder), 'h');
        peer_kill(&holder);
        peer_kill(&sender);
        sender = peer_start(send_all, NULL);
    }
    if (got == MESSAGES)
        stop_all();
}

static void out_of_patience(uv_timer_t *timer) {
    (void)timer;
    assert_int_equal(got, MESSAGES);
}

static void two_consumers_in_a_loop(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    q = make_queue(&o);
    common = shared_memory(sizeof *common);
    holder = peer_start(hold_one, NULL);
    assert_int_equal(peer_hear(&holder), 'a');
    uv_loop_t *loop = uv_default_loop();
    for (int i = 0; i < 2; i++) {
        succeeds(rp_consumer_open(q, NULL, &readers[i].consumer));
        int fd = rp_consumer_fd(readers[i].consumer);
        succeeds(fd);
        assert_int_equal(uv_poll_init(loop, &readers[i].poll, fd), 0);
        readers[i].poll.data = &readers[i];
        assert_int_equal(uv_poll_start(&readers[i].poll, UV_READABLE, look), 0);
    }
    uv_timer_init(loop, &patience);
    uv_timer_start(&patience, out_of_patience, PEER_DEADLINE_S * 1000, 0);
    sender = peer_start(send_all, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(loop), 0);
    assert_true(killed && others_get <= 1 && readers[0].got > 0 && readers[1].got > 0);
    assert_int_equal(peer_end(&sender), 0);
    rp_consumer_close(readers[0].consumer);
    rp_consumer_close(readers[1].consumer);
    succeeds(rp_queue_sweep(q));
    audit_is_clean(q);
    drop_queue(q);
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(two_consumers_in_a_loop)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
