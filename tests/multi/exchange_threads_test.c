/* SPDX-License-Identifier: MIT */
/*
 * Bindings that change while many publish: threads of one process (for ThreadSanitizer, and for memory freed under a reader), and processes. One binding stays all the time, and its queue must
 * get every message exactly once, whatever else changes.
 */
#include "exchange_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

enum { PUBLISHERS = 3, CHANGES = 300, EACH = 20000, STEADY = 0, COMING = 1, GOING = 2 };

static rp_exchange *x;
static rp_queue *steady;
static atomic_bool over, sent_all; /* nothing more is published; nothing more can come */
static atomic_uint published[PUBLISHERS], failures;

struct parcel {
    uint32_t publisher, number;
};

static int send_parcel(rp_publisher *p, const char *topic, struct parcel m) {
    struct rp_publish_result results[4];
    struct rp_send_options send;
    struct rp_publish_options o;
    uint32_t matched = 0;
    rp_publish_options_init(&o, sizeof o);
    rp_send_options_init(&send, sizeof send);
    send.timeout_ns = -1; /* the steady queue is emptied all the time, the others drop */
    o.send = &send;
    o.results = results;
    o.result_room = 4;
    o.matched_out = &matched;
    int result = rp_publish(p, topic, &m, sizeof m, &o);
    bool got = false;
    for (uint32_t i = 0; i < matched && i < 4; i++)
        got = got || (results[i].result == 0 && strcmp(results[i].queue, rp_queue_name(steady)) == 0);
    if (!got)
        fprintf(stderr, "the steady queue did not get it: %s, %u queues, %s\n", rp_error_name(result), matched, rp_error_detail());
    return got ? result : result < 0 ? result : -1;
}

static void *publish_on(void *argument) {
    uint32_t me = (uint32_t)(uintptr_t)argument;
    rp_publisher *p;
    int opened = rp_publisher_open(x, NULL, &p);
    if (opened < 0) {
        fprintf(stderr, "open: %s: %s\n", rp_error_name(opened), rp_error_detail());
        atomic_fetch_add(&failures, 1);
        return NULL;
    }
    uint32_t n = 0;
    for (; n < EACH && !atomic_load(&over); n++) {
        if (n % 64 == 63) { /* others come and go as well */
            rp_publisher_close(p);
            if (rp_publisher_open(x, NULL, &p) < 0)
                atomic_fetch_add(&failures, 1);
        }
        if (send_parcel(p, "t.a.b", (struct parcel){me, n}) < 1)
            atomic_fetch_add(&failures, 1);
    }
    atomic_store(&published[me], n);
    rp_publisher_close(p);
    return NULL;
}

/* Takes what the steady queue has; each publisher's messages once and in order. */
static void *receive_on(void *argument) {
    uint32_t *next = argument;
    rp_consumer *c;
    struct rp_message m;
    if (rp_consumer_open(steady, NULL, &c) < 0)
        atomic_fetch_add(&failures, 1);
    for (;;) {
        bool last = atomic_load(&sent_all);
        int result = rp_receive(c, &m, 5 * MS);
        if (result == RP_EMPTY && last)
            break;
        if (result != 0)
            continue;
        struct parcel parcel;
        memcpy(&parcel, m.data, sizeof parcel);
        if (parcel.publisher >= PUBLISHERS || parcel.number != next[parcel.publisher]++) {
            fprintf(stderr, "got %u of %u, expected %u\n", parcel.number, parcel.publisher,
                    next[parcel.publisher % PUBLISHERS] - 1);
            atomic_fetch_add(&failures, 1);
        }
        rp_ack(c, &m);
    }
    rp_consumer_close(c);
    return NULL;
}

static void begin(void) {
    struct rp_queue_options o = test_options();
    steady = make_queue_number(STEADY, &o);
    o.overflow = RP_OVERFLOW_DROP_OLDEST;
    o.capacity = 4;
    succeeds(rp_queue_close(make_queue_number(COMING, &o)));
    succeeds(rp_queue_close(make_queue_number(GOING, &o)));
    x = make_exchange(NULL);
    succeeds(rp_exchange_bind(x, "t.#", queue_number(STEADY), NULL));
    atomic_store(&over, false);
    atomic_store(&sent_all, false);
    atomic_store(&failures, 0);
}

/* -> 0, or what went wrong. */
static int change_bindings(rp_exchange *of, const char *coming, const char *going, unsigned i) {
    char topic[32];
    int result = rp_exchange_bind(of, "t.*.b", coming, NULL);
    snprintf(topic, sizeof topic, "other.%u.#", i);
    result = result < 0 ? result : rp_exchange_bind(of, topic, going, NULL);
    result = result < 0 ? result : rp_exchange_bind(of, "#.b", going, NULL);
    result = result < 0 ? result : rp_exchange_unbind(of, "t.*.b", coming, NULL);
    result = result < 0 ? result : rp_exchange_unbind(of, "#.b", going, NULL);
    result = result < 0 ? result : rp_exchange_unbind(of, topic, going, NULL);
    return result;
}

static void changed_by_a_thread(void **state) {
    (void)state;
    begin();
    uint32_t next[PUBLISHERS] = {0};
    pthread_t publishers[PUBLISHERS], receiver;
    char coming[96], going[96];
    snprintf(coming, sizeof coming, "%s", queue_number(COMING));
    snprintf(going, sizeof going, "%s", queue_number(GOING));
    assert_int_equal(pthread_create(&receiver, NULL, receive_on, next), 0);
    for (uintptr_t i = 0; i < PUBLISHERS; i++)
        assert_int_equal(pthread_create(&publishers[i], NULL, publish_on, (void *)i), 0);
    for (unsigned i = 0; i < CHANGES; i++)
        succeeds(change_bindings(x, coming, going, i));
    atomic_store(&over, true);
    for (unsigned i = 0; i < PUBLISHERS; i++)
        pthread_join(publishers[i], NULL);
    atomic_store(&sent_all, true);
    pthread_join(receiver, NULL);
    unsigned total = 0;
    assert_int_equal(atomic_load(&failures), 0);
    for (unsigned i = 0; i < PUBLISHERS; i++) {
        assert_int_equal(next[i], atomic_load(&published[i]));
        total += next[i];
    }
    struct rp_exchange_stats s;
    succeeds(rp_exchange_stats(x, &s));
    print_message("%u messages over %u changes of bindings\n", total, 6 * CHANGES);
    assert_int_equal(s.published, total);
    rp_publisher *p; /* what is no longer bound is detached */
    succeeds(rp_publisher_open(x, NULL, &p));
    rp_publisher_close(p);
    succeeds(rp_exchange_stats(x, &s));
    assert_int_equal(s.attached_queues, 1);
    assert_int_equal(s.bindings, 1);
    succeeds(rp_exchange_close(x));
    succeeds(rp_queue_close(steady));
}

/* ---- the same by processes, some of which are killed while they change bindings ---- */

struct names {
    char exchange[64], queues[3][96];
};

static int publish_for_ever(struct peer *test, void *argument) {
    const struct names *names = argument;
    rp_publisher *p;
    peer_succeeds(rp_exchange_open(names->exchange, NULL, &x));
    peer_succeeds(rp_queue_open(names->queues[STEADY], NULL, &steady));
    peer_succeeds(rp_publisher_open(x, NULL, &p));
    peer_say(test, 'r');
    uint32_t n = 0;
    for (bool end = false; !end; n++) {
        struct pollfd input = {.fd = test->in, .events = POLLIN};
        peer_check(send_parcel(p, "t.a.b", (struct parcel){0, n}) >= 1);
        end = poll(&input, 1, 0) == 1;
    }
    peer_check(write(test->out, &n, sizeof n) == sizeof n);
    rp_publisher_close(p);
    peer_succeeds(rp_queue_close(steady));
    return rp_exchange_close(x);
}

static int change_for_ever(struct peer *test, void *argument) {
    const struct names *names = argument;
    peer_succeeds(rp_exchange_open(names->exchange, NULL, &x));
    peer_say(test, 'r');
    for (unsigned i = 0;; i++) {
        int result = change_bindings(x, names->queues[COMING], names->queues[GOING], i % 8);
        peer_check(result >= 0 || result == -ENOENT); /* what the one before us left half done */
    }
}

/* 300 changers are killed at once after each other; a publisher goes on all the time. */
static void changers_are_killed(void **state) {
    (void)state;
    enum { KILLS = 300 };
    begin();
    struct names names;
    uint32_t next[PUBLISHERS] = {0}, sent = 0;
    pthread_t receiver;
    snprintf(names.exchange, sizeof names.exchange, "%s", exchange_name);
    for (unsigned i = 0; i < 3; i++)
        snprintf(names.queues[i], sizeof names.queues[i], "%s", queue_number(i));
    struct peer publisher = peer_start(publish_for_ever, &names);
    assert_int_equal(peer_hear(&publisher), 'r');
    assert_int_equal(pthread_create(&receiver, NULL, receive_on, next), 0);
    uint64_t seed = 12345;
    for (unsigned i = 0; i < KILLS; i++) {
        struct peer changer = peer_start(change_for_ever, &names);
        assert_int_equal(peer_hear(&changer), 'r');
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
        int64_t end = time_ns() + (int64_t)(seed >> 33) % 700000;
        while (time_ns() < end) {
        }
        peer_kill(&changer);
    }
    peer_say(&publisher, 'e');
    struct pollfd answer = {.fd = publisher.in, .events = POLLIN};
    assert_int_equal(poll(&answer, 1, PEER_DEADLINE_S * 1000), 1);
    assert_int_equal(read(publisher.in, &sent, sizeof sent), sizeof sent);
    assert_int_equal(peer_end(&publisher), 0);
    atomic_store(&sent_all, true);
    pthread_join(receiver, NULL);
    assert_int_equal(atomic_load(&failures), 0);
    assert_int_equal(next[0], sent);

    /* What is left is what was bound and not yet unbound, each once; all of it can be taken back, and every place is free again. */
    struct rp_binding b;
    unsigned left = 0;
    assert_true(rp_exchange_sweep(x) >= 0);
    while (rp_exchange_next(x, 0, &b) == 0 && left < 100) {
        succeeds(rp_exchange_unbind(x, b.pattern, b.queue, NULL));
        left++;
    }
    assert_int_equal(rp_exchange_sweep(x), 0);
    assert_true(left >= 1 && left <= 1 + 2 + 8);
    char topic[32];
    for (unsigned i = 0; i < 1024; i++) {
        snprintf(topic, sizeof topic, "place.%u", i);
        assert_int_equal(rp_exchange_bind(x, topic, "q", NULL), 0);
    }
    assert_int_equal(rp_exchange_bind(x, "one.more", "q", NULL), -ENOSPC);
    print_message("%u messages while %d changers were killed, %u bindings left\n", sent, KILLS, left);
    succeeds(rp_exchange_close(x));
    succeeds(rp_queue_close(steady));
}

/* One who is stopped while he changes bindings keeps others from it, and from nothing else. */
static void a_stopped_changer(void **state) {
    (void)state;
    begin();
    struct names names;
    snprintf(names.exchange, sizeof names.exchange, "%s", exchange_name);
    for (unsigned i = 0; i < 3; i++)
        snprintf(names.queues[i], sizeof names.queues[i], "%s", queue_number(i));
    struct rp_bind_options o;
    rp_bind_options_init(&o, sizeof o);
    o.timeout_ns = 0;
    rp_publisher *p;
    succeeds(rp_publisher_open(x, NULL, &p));
    bool met = false;
    for (unsigned i = 0; i < 2000 && !met; i++) {
        struct peer changer = peer_start(change_for_ever, &names);
        assert_int_equal(peer_hear(&changer), 'r');
        int64_t end = time_ns() + 1000 * (int64_t)(i % 400);
        while (time_ns() < end) {
        }
        peer_stop(&changer);
        int result = rp_exchange_bind(x, "new", queue_number(COMING), &o);
        assert_true(result == -EBUSY || result >= 0);
        met = result == -EBUSY;
        assert_true(publish_text(p, "t.a.b", "12345678", NULL) >= 1);
        drain(steady, NULL);
        peer_kill(&changer);
        assert_true(rp_exchange_bind(x, "new", queue_number(COMING), &o) >= 0); /* dead: at once */
        succeeds(rp_exchange_unbind(x, "new", queue_number(COMING), &o));
    }
    assert_true(met);
    rp_publisher_close(p);
    succeeds(rp_exchange_close(x));
    succeeds(rp_queue_close(steady));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EXCHANGE_TEST(changed_by_a_thread),
        EXCHANGE_TEST(changers_are_killed),
        EXCHANGE_TEST(a_stopped_changer),
    };
    return cmocka_run_group_tests_name("exchange_threads", tests, NULL, NULL);
}
