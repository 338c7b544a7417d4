/* SPDX-License-Identifier: MIT */
/*
 * Publishers that are killed in the middle of their queues, again and again. The next one publishes the message that was not confirmed anew under the same id. The ledger, kept outside: each
 * queue with a dedup window has each message exactly once; one without has it once, or twice where its publisher died.
 */
#include "exchange_fixture.h"

#include <stdatomic.h>

enum { DEDUP_QUEUES = 4, QUEUES = 5, PLAIN = 4, KILLS = 250, CAPACITY = 30000, MESSAGES_MAX = 25000 };

struct ledger {
    char exchange[64];
    _Atomic uint32_t confirmed; /* so many: numbers below are published */
    _Atomic uint32_t duplicates;
};

static int publish_numbers(struct peer *test, void *argument) {
    struct ledger *ledger = argument;
    rp_exchange *x;
    rp_publisher *p;
    struct rp_send_options send;
    struct rp_publish_options o;
    struct rp_publish_result results[QUEUES];
    char id[32];
    rp_send_options_init(&send, sizeof send);
    rp_publish_options_init(&o, sizeof o);
    send.dedup_id = id;
    send.timeout_ns = 60 * SECOND; /* where the dead one's id is not decided yet: long, for a slow machine */
    o.send = &send;
    o.results = results;
    o.result_room = QUEUES;
    peer_succeeds(rp_exchange_open(ledger->exchange, NULL, &x));
    peer_succeeds(rp_publisher_open(x, NULL, &p));
    bool told = false;
    for (uint32_t n; (n = atomic_load(&ledger->confirmed)) < MESSAGES_MAX;) {
        send.dedup_id_bytes = (size_t)snprintf(id, sizeof id, "message %u", n);
        peer_check(named(rp_publish(p, "n", &n, sizeof n, &o), "rp_publish", __FILE__, __LINE__) == QUEUES);
        for (unsigned i = 0; i < QUEUES; i++)
            if (results[i].result == RP_DUPLICATE)
                atomic_fetch_add(&ledger->duplicates, 1);
        atomic_store(&ledger->confirmed, n + 1);
        if (!told) /* the queues are attached */
            peer_say(test, 'r');
        told = true;
    }
    if (!told)
        peer_say(test, 'r');
    for (;;)
        pause();
}

static void each_queue_has_each_message_once(void **state) {
    (void)state;
    struct ledger *ledger = shared_memory(sizeof *ledger);
    struct rp_queue_options o = test_options();
    rp_queue *queues[QUEUES];
    o.capacity = CAPACITY;
    o.message_bytes = 8;
    o.max_participants = 64;
    o.prefault = 0;
    for (unsigned i = 0; i < QUEUES; i++) {
        o.dedup_window_ns = i == PLAIN ? 0 : 3600 * UINT64_C(1000000000);
        queues[i] = make_queue_number(i, &o);
    }
    rp_exchange *x = make_exchange(NULL);
    snprintf(ledger->exchange, sizeof ledger->exchange, "%s", exchange_name);
    for (unsigned i = 0; i < QUEUES; i++)
        succeeds(rp_exchange_bind(x, "#", queue_number(i), NULL));
    uint64_t seed = 99;
    unsigned kills = 0;
    for (; kills < KILLS && atomic_load(&ledger->confirmed) < MESSAGES_MAX; kills++) {
        struct peer publisher = peer_start(publish_numbers, ledger);
        assert_int_equal(peer_hear(&publisher), 'r');
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
        int64_t end = time_ns() + (int64_t)(seed >> 33) % 200000;
        while (time_ns() < end) {
        }
        peer_kill(&publisher);
    }
    uint32_t confirmed = atomic_load(&ledger->confirmed);
    static uint8_t seen[QUEUES][MESSAGES_MAX + 1];
    memset(seen, 0, sizeof seen);
    unsigned twice = 0;
    for (unsigned i = 0; i < QUEUES; i++) {
        rp_consumer *c;
        struct rp_message m;
        uint32_t n;
        succeeds(rp_consumer_open(queues[i], NULL, &c));
        while (rp_receive(c, &m, 0) == 0) {
            memcpy(&n, m.data, sizeof n);
            assert_true(m.bytes == sizeof n && n <= confirmed && n <= MESSAGES_MAX);
            seen[i][n]++;
            succeeds(rp_ack(c, &m));
        }
        rp_consumer_close(c);
    }
    for (uint32_t n = 0; n < confirmed; n++) {
        for (unsigned i = 0; i < DEDUP_QUEUES; i++)
            assert_int_equal(seen[i][n], 1);
        assert_true(seen[PLAIN][n] >= 1 && seen[PLAIN][n] <= 3);
        twice += seen[PLAIN][n] > 1;
    }
    for (unsigned i = 0; i < DEDUP_QUEUES; i++)
        assert_true(seen[i][confirmed] <= 1); /* the last one was not confirmed */
    print_message(
        "%u messages, %u publishers killed; %u copies were there already, the queue without a window has %u messages twice\n",
        confirmed, kills, atomic_load(&ledger->duplicates), twice);
    assert_true(confirmed > 0 && atomic_load(&ledger->duplicates) > 0);
    for (unsigned i = 0; i < QUEUES; i++) {
        succeeds(rp_queue_sweep(queues[i]));
        audit_is_clean(queues[i]);
        succeeds(rp_queue_close(queues[i]));
    }
    succeeds(rp_exchange_close(x));
}

int main(void) {
    const struct CMUnitTest tests[] = {EXCHANGE_TEST(each_queue_has_each_message_once)};
    return cmocka_run_group_tests_name("exchange_resend", tests, NULL, NULL);
}
