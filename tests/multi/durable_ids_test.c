/* SPDX-License-Identifier: MIT */
/* Ids of durable queues over restarts: a send under an id is the duplicate that it was before, and a producer with an id goes on where it came to, whoever was killed wherever. */
#include "durable_fixture.h"

static const uint32_t syncs[] = {RP_SYNC_ALWAYS, RP_SYNC_INTERVAL, RP_SYNC_NONE};
enum { SYNCS = 3 };

static struct rp_queue_options id_options(uint32_t sync) {
    struct rp_queue_options o = durable_options(sync);
    o.dedup_window_ns = 3600 * (uint64_t)SECOND;
    o.dedup_entries = 4096;
    o.message_bytes = 512;
    return o;
}

static int send_once(rp_producer *p, const char *id, uint64_t *message) {
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    o.dedup_id = id;
    o.dedup_id_bytes = strlen(id);
    o.id_out = message;
    return rp_send(p, id, strlen(id), &o);
}

static int send_number(rp_producer *p, uint64_t number) {
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    o.sequence = number;
    return rp_send(p, &number, sizeof number, &o);
}

static void ack_all(rp_queue *q) {
    struct rp_message m;
    rp_consumer *c = consumer_of(q, NULL);
    while (rp_receive(c, &m, 0) == 0)
        succeeds(rp_ack(c, &m));
    rp_consumer_close(c);
}

/* ---- ids of messages ---- */

static void test_duplicates(void **state) {
    (void)state;
    for (int i = 0; i < SYNCS; i++) {
        uint64_t first, waits, again;
        make_journal_path();
        struct rp_queue_options o = id_options(syncs[i]);
        rp_queue *q = make_queue(&o);
        rp_producer *p = producer_of(q);
        succeeds(send_once(p, "settled", &first));
        ack_all(q);
        succeeds(send_once(p, "waits", &waits));
        for (int life = 0; life < 3; life++) {
            succeeds(rp_flush(p));
            rp_producer_close(p);
            q = restart_and_compare(q, life % 2 ? &o : NULL);
            p = producer_of(q);
            assert_int_equal(send_once(p, "settled", &again), RP_DUPLICATE);
            assert_int_equal(again, first);
            assert_int_equal(send_once(p, "waits", &again), RP_DUPLICATE);
            assert_int_equal(again, waits);
            char other[24];
            snprintf(other, sizeof other, "other %d", life);
            succeeds(send_once(p, other, NULL));
        }
        rp_producer_close(p);
        drop_queue(q);
        remove_journal();
    }
}

/* The files of their messages go; ids stay, and files do not become many. */
static void test_outlives_files(void **state) {
    static const char body[512];
    uint64_t first, again;
    (void)state;
    make_journal_in_memory();
    struct rp_queue_options o = id_options(RP_SYNC_NONE);
    rp_queue *q = make_queue(&o);
    rp_producer *p = producer_of(q);
    succeeds(send_once(p, "first", &first));
    for (int life = 0; life < 2; life++) {
        for (int i = 0; i < 4000; i++) {
            char id[24];
            snprintf(id, sizeof id, "%d", i % 50);
            succeeds(rp_send(p, body, sizeof body, NULL));
            int result = send_once(p, id, NULL);
            assert_true(result == (i < 50 && life == 0 ? 0 : RP_DUPLICATE));
            ack_all(q);
        }
        assert_in_range(journal_files(NULL), 1, 12);
        succeeds(rp_flush(p));
        rp_producer_close(p);
        q = restart_and_compare(q, NULL);
        p = producer_of(q);
        assert_int_equal(send_once(p, "first", &again), RP_DUPLICATE);
        assert_int_equal(again, first);
    }
    rp_producer_close(p);
    drop_queue(q);
    remove_journal();
}

static void test_window_ends(void **state) {
    uint64_t first, again = 0;
    int result;
    (void)state;
    make_journal_in_memory();
    struct rp_queue_options o = id_options(RP_SYNC_ALWAYS);
    o.dedup_window_ns = 200 * MS;
    rp_queue *q = make_queue(&o);
    rp_producer *p = producer_of(q);
    succeeds(send_once(p, "once", &first));
    rp_producer_close(p);
    q = restart_and_compare(q, NULL);
    p = producer_of(q);
    while ((result = send_once(p, "once", &again)) == RP_DUPLICATE)
        assert_int_equal(again, first);
    succeeds(result);
    assert_true(again != first);
    rp_producer_close(p);
    q = restart_and_compare(q, NULL); /* the newer one counts */
    p = producer_of(q);
    result = send_once(p, "once", &first);
    assert_true(result == 0 || first == again);
    rp_producer_close(p);
    drop_queue(q);
    remove_journal();
}

/* More than are kept: the newest come back. */
static void test_newest(void **state) {
    enum { IDS = 6000 };
    (void)state;
    make_journal_in_memory();
    struct rp_queue_options o = id_options(RP_SYNC_NONE);
    rp_queue *q = make_queue(&o);
    rp_producer *p = producer_of(q);
    char id[24];
    for (int i = 0; i < IDS; i++) {
        snprintf(id, sizeof id, "%d", i);
        succeeds(send_once(p, id, NULL));
        if (i % 100 == 99)
            ack_all(q);
    }
    succeeds(rp_flush(p));
    rp_producer_close(p);
    q = restart_and_compare(q, NULL);
    p = producer_of(q);
    for (int i = IDS - 1; i >= IDS - 4000; i--) {
        snprintf(id, sizeof id, "%d", i);
        assert_int_equal(send_once(p, id, NULL), RP_DUPLICATE);
    }
    rp_producer_close(p);
    drop_queue(q);
    remove_journal();
}

/* ---- ids of producers ---- */

static void test_sequences(void **state) {
    (void)state;
    for (int i = 0; i < SYNCS; i++) {
        uint64_t last;
        rp_producer *p;
        make_journal_path();
        struct rp_queue_options o = id_options(syncs[i]);
        rp_queue *q = make_queue(&o);
        for (uint64_t life = 0; life < 4; life++) {
            succeeds(producer_with_id(q, "a", 1, &p));
            succeeds(rp_producer_sequence(p, &last));
            assert_int_equal(last, life * 10);
            for (uint64_t n = 1; n <= 10; n++)
                succeeds(send_number(p, last + n));
            assert_int_equal(send_number(p, last + 10), RP_DUPLICATE);
            succeeds(rp_flush(p));
            rp_producer_close(p);
            if (life % 2)
                ack_all(q);
            flush(q);
            q = restart_and_compare(q, NULL);
        }
        succeeds(rp_producer_id_remove(q, "a", 1));
        q = restart_and_compare(q, NULL); /* it is gone for good */
        assert_int_equal(rp_producer_id_remove(q, "a", 1), -ENOENT);
        succeeds(producer_with_id(q, "a", 1, &p));
        succeeds(rp_producer_sequence(p, &last));
        assert_int_equal(last, 0);
        succeeds(send_number(p, 5));
        succeeds(rp_flush(p));
        rp_producer_close(p);
        q = restart_and_compare(q, NULL);
        succeeds(producer_with_id(q, "a", 1, &p));
        succeeds(rp_producer_sequence(p, &last));
        assert_int_equal(last, 5);
        rp_producer_close(p);
        drop_queue(q);
        remove_journal();
    }
}

/* As many ids as there is room for, removed and made again and again. */
static void test_room_for_producers(void **state) {
    (void)state;
    make_journal_in_memory();
    struct rp_queue_options o = id_options(RP_SYNC_ALWAYS);
    o.max_producer_ids = 2;
    rp_queue *q = make_queue(&o);
    for (int i = 0; i < 300; i++) {
        char id[24];
        rp_producer *p;
        int bytes = snprintf(id, sizeof id, "id %d", i);
        succeeds(producer_with_id(q, id, (size_t)bytes, &p));
        succeeds(send_number(p, 7));
        rp_producer_close(p);
        ack_all(q);
        if (i > 0) {
            bytes = snprintf(id, sizeof id, "id %d", i - 1);
            succeeds(rp_producer_id_remove(q, id, (size_t)bytes));
        }
        if (i % 60 == 59) {
            flush(q);
            q = restart_and_compare(q, NULL);
        }
    }
    drop_queue(q);
    remove_journal();
}

/* ---- killed anywhere ---- */

enum { LIVES = 12, PER_LIFE = 120 };

/* Goes on where it came to, under ids and with sequences, until it is killed. */
static int send_on(struct peer *test, void *argument) {
    struct handles h = peer_open(0);
    uint64_t last;
    rp_producer *p;
    (void)argument;
    peer_succeeds(producer_with_id(h.q, "walker", 6, &p));
    peer_succeeds(rp_producer_sequence(p, &last));
    for (uint64_t n = last + 1; n <= last + PER_LIFE; n++) {
        if (n == last + 5)
            peer_say(test, 1);
        peer_succeeds(send_number(p, n));
    }
    return 0;
}

/* The same under an id for each number, from 1 on, as who has no memory does. */
static int send_all_again(struct peer *test, void *argument) {
    struct handles h = peer_open(0);
    const uint64_t to = *(const uint64_t *)argument;
    for (uint64_t n = 1; n <= to; n++) {
        struct rp_send_options o;
        rp_send_options_init(&o, sizeof o);
        o.dedup_id = &n;
        o.dedup_id_bytes = sizeof n;
        uint64_t data = n << 32;
        if (n == to / 2)
            peer_say(test, 1);
        int result = rp_send(h.p, &data, sizeof data, &o);
        peer_check(result == 0 || result == RP_DUPLICATE);
    }
    return 0;
}

static void take_all(rp_queue *q, unsigned char *numbers, unsigned char *ids, uint64_t *highest) {
    struct rp_message m;
    rp_consumer *c = consumer_of(q, NULL);
    while (rp_receive(c, &m, 0) == 0) {
        uint64_t n;
        memcpy(&n, m.data, sizeof n);
        unsigned char *seen = n >> 32 ? &ids[n >> 32] : &numbers[n];
        assert_true(m.acquisitions > 1 || *seen == 0); /* each is sent once */
        assert_true(n >> 32 || *seen || n == *highest + 1);
        *highest = n >> 32 || *seen ? *highest : n;
        *seen = 1;
        succeeds(rp_ack(c, &m));
    }
    rp_consumer_close(c);
}

static void test_killed(void **state) {
    static unsigned char numbers[LIVES * PER_LIFE + 1], ids[LIVES * PER_LIFE + 1];
    uint64_t highest = 0;
    (void)state;
    make_journal_in_memory();
    struct rp_queue_options o = id_options(RP_SYNC_ALWAYS);
    o.capacity = 2 * LIVES * PER_LIFE;
    rp_queue *q = make_queue(&o);
    for (uint64_t life = 1; life <= LIVES; life++) {
        uint64_t to = life * PER_LIFE / 2;
        struct peer walker = peer_start(send_on, NULL), repeater = peer_start(send_all_again, &to);
        (void)peer_hear(&walker);
        (void)peer_hear(&repeater);
        peer_kill(&walker);
        peer_kill(&repeater);
        if (life % 3)
            q = restart(q);
        take_all(q, numbers, ids, &highest);
        flush(q);
    }
    uint64_t last, to = LIVES * PER_LIFE / 2;
    rp_producer *p;
    succeeds(producer_with_id(q, "walker", 6, &p));
    succeeds(rp_producer_sequence(p, &last));
    rp_producer_close(p);
    assert_int_equal(peer_run(send_all_again, &to), 0);
    take_all(q, numbers, ids, &highest);
    assert_int_equal(highest, last);
    for (uint64_t n = 1; n <= to; n++)
        assert_int_equal(ids[n], 1);
    succeeds(rp_queue_sweep(q)); /* after the last of the killed */
    succeeds(rp_queue_sweep(q));
    audit_is_clean(q);
    drop_queue(q);
    remove_journal();
}

/* ---- messages that go on ---- */

/* Who receives it again after a failure of the machine asks for the same id. */
static void test_forwarded(void **state) {
    (void)state;
    uint64_t first = 0;
    unsigned char ids[2][RP_FORWARD_ID_BYTES], other[RP_FORWARD_ID_BYTES];
    struct rp_message m;
    make_journal_path();
    struct rp_queue_options o = id_options(RP_SYNC_ALWAYS);
    rp_queue *q = make_queue(&o);
    rp_producer *p = producer_of(q);
    succeeds(send_text(p, "goes on"));
    rp_producer_close(p);
    for (int life = 0; life < 2; life++) {
        rp_consumer *c = consumer_of(q, NULL);
        succeeds(rp_receive(c, &m, 10 * SECOND));
        succeeds(rp_forward_id(c, &m, 0, ids[life]));
        first = m.id;
        rp_consumer_close(c); /* the message is ready again */
        if (life == 0)
            q = restart(q);
    }
    assert_memory_equal(ids[0], ids[1], RP_FORWARD_ID_BYTES);
    p = producer_of(q);
    succeeds(send_text(p, "another"));
    rp_producer_close(p);
    rp_consumer *c = consumer_of(q, NULL);
    do
        succeeds(rp_receive(c, &m, 10 * SECOND));
    while (m.id == first);
    succeeds(rp_forward_id(c, &m, 0, other));
    assert_memory_not_equal(ids[1], other, RP_FORWARD_ID_BYTES);
    rp_consumer_close(c);
    drop_queue(q);
    remove_journal();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DURABLE_TEST(test_duplicates), DURABLE_TEST(test_outlives_files), DURABLE_TEST(test_window_ends),
        DURABLE_TEST(test_newest),     DURABLE_TEST(test_sequences),      DURABLE_TEST(test_room_for_producers),
        DURABLE_TEST(test_killed),     DURABLE_TEST(test_forwarded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
