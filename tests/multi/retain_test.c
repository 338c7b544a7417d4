/* SPDX-License-Identifier: MIT */
/* Files of settled messages are kept as long as a queue says, and what was sent is read again, also beside those who write and remove. */
#include "durable_fixture.h"
#include <ringpost/journal.h>

enum { PAYLOAD = 400, EACH = 64, HUNDRED_YEARS = 36500 };

static struct rp_queue_options retain_options(uint64_t ns, uint64_t bytes) {
    struct rp_queue_options o = durable_options(RP_SYNC_NONE);
    o.message_bytes = PAYLOAD;
    o.retain_ns = ns;
    o.retain_bytes = bytes;
    return o;
}

static int send_number(rp_producer *p, uint32_t number) {
    unsigned char body[PAYLOAD];
    memset(body, (int)number, sizeof body);
    memcpy(body, &number, sizeof number);
    return rp_send_async(p, body, sizeof body, NULL);
}

static bool is_whole(const void *data, size_t bytes) {
    const unsigned char *body = data;
    bool whole = bytes == PAYLOAD;
    for (size_t i = sizeof(uint32_t); whole && i < bytes; i++)
        whole = body[i] == body[0];
    return whole;
}

/* Numbers in order, each of which is settled before the next ones are sent. */
static void pass(rp_queue *q, uint32_t first, uint32_t count) {
    rp_producer *p = producer_of(q);
    rp_consumer *c = consumer_of(q, NULL);
    struct rp_message m;
    for (uint32_t i = 0; i < count; i++)
        succeeds(send_number(p, first + i));
    succeeds(rp_flush(p));
    for (uint32_t i = 0; i < count; i++) {
        succeeds(rp_receive(c, &m, 10 * SECOND));
        succeeds(rp_ack(c, &m));
    }
    succeeds(rp_flush(p));
    rp_consumer_close(c);
    rp_producer_close(p);
}

struct history {
    uint64_t count, first, last; /* sequences */
};

/* All that is there: ascending, whole. */
static struct history read_history(const char *path) {
    rp_journal_reader *r;
    struct rp_journal_message m;
    struct history h = {0};
    int result;
    peer_succeeds(rp_journal_reader_open(path, 0, &r));
    while ((result = rp_journal_reader_next(r, &m)) == 0 || result == RP_LAPPED) {
        peer_check(m.sequence > h.last);
        if (result == RP_LAPPED)
            continue;
        peer_check(is_whole(m.data, m.bytes));
        h.first = h.first == 0 ? m.sequence : h.first;
        h.last = m.sequence;
        h.count++;
    }
    if (result != RP_EMPTY)
        fprintf(stderr, "%s\n", rp_error_detail());
    peer_check(result == RP_EMPTY);
    rp_journal_reader_close(r);
    return h;
}

static unsigned kept_files(void) {
    struct rp_journal_summary s;
    succeeds(rp_journal_verify(journal_path, NULL, NULL, &s));
    assert_int_equal(s.state, RP_JOURNAL_WHOLE);
    assert_int_equal(s.files, journal_files(NULL));
    return (unsigned)s.kept_files;
}

static void test_so_many_bytes(void **state) {
    enum { FILES = 6, MESSAGES = 200, ROUNDS = 16 };
    (void)state;
    make_journal_in_memory();
    struct rp_queue_options o = retain_options(0, FILES * SMALL_FILE), now = {.size = sizeof now};
    rp_queue *q = make_queue(&o);
    for (uint32_t i = 0; i < ROUNDS; i++)
        pass(q, 1 + i * MESSAGES, MESSAGES);
    assert_in_range(kept_files(), FILES, FILES + 2); /* one more is found when the next file is begun, one is said by that only */
    struct history h = read_history(journal_path);
    assert_int_equal(h.last, ROUNDS * MESSAGES);
    assert_int_equal(h.count, h.last - h.first + 1);
    assert_in_range(h.count, FILES * SMALL_FILE / 600, ROUNDS * MESSAGES / 2);
    q = restart(q);
    assert_int_equal(stats_of(q).ready, 0); /* what is kept is settled */
    succeeds(rp_queue_options_get(q, &now));
    assert_int_equal(now.retain_bytes, FILES * SMALL_FILE);
    for (uint32_t i = 0; i < ROUNDS; i++)
        pass(q, 1 + i * MESSAGES, MESSAGES);
    assert_in_range(kept_files(), FILES, FILES + 2);
    drop_queue(q);
}

/* Times that are over at once, and times that are never. */
static void test_so_long(void **state) {
    enum { MESSAGES = 200, ROUNDS = 8 };
    (void)state;
    make_journal_in_memory();
    struct rp_queue_options o = retain_options((uint64_t)HUNDRED_YEARS * 24 * 3600 * SECOND, 0);
    rp_queue *q = make_queue(&o);
    for (uint32_t i = 0; i < ROUNDS; i++)
        pass(q, 1 + i * MESSAGES, MESSAGES);
    assert_int_equal(read_history(journal_path).count, ROUNDS * MESSAGES);
    unsigned kept = kept_files();
    assert_true(kept >= ROUNDS - 1);
    drop_queue(q);
    o.retain_ns = 1;
    q = come_back_with(&o);
    for (uint32_t i = 0; i < 2; i++)
        pass(q, 1 + i * MESSAGES, MESSAGES);
    assert_in_range(kept_files(), 0, 2);
    assert_true(read_history(journal_path).count < 3 * MESSAGES);
    drop_queue(q);
    o.retain_ns = UINT64_MAX;
    assert_int_equal(rp_queue_create(queue_name, &o, &q), -EINVAL);
}

/* With both, either is enough. */
static void test_either(void **state) {
    enum { MESSAGES = 200, ROUNDS = 12, FILES = 3 };
    (void)state;
    make_journal_in_memory();
    struct rp_queue_options o = retain_options((uint64_t)HUNDRED_YEARS * 24 * 3600 * SECOND, FILES * SMALL_FILE);
    rp_queue *q = make_queue(&o);
    for (uint32_t i = 0; i < ROUNDS; i++)
        pass(q, 1 + i * MESSAGES, MESSAGES);
    assert_in_range(kept_files(), FILES, FILES + 2);
    drop_queue(q);
}

/* One that stays keeps its file, and what is needed is written again when files pile up: but those that are only kept do not count. */
static void test_what_is_kept_is_not_written_again(void **state) {
    enum { MESSAGES = 100, ROUNDS = 60 };
    (void)state;
    make_journal_in_memory();
    struct rp_queue_options o = retain_options((uint64_t)HUNDRED_YEARS * 24 * 3600 * SECOND, 0);
    rp_queue *q = make_queue(&o);
    rp_consumer *holder = consumer_of(q, NULL);
    rp_producer *p = producer_of(q);
    struct rp_message stays;
    succeeds(send_number(p, 1));
    succeeds(rp_flush(p));
    rp_producer_close(p);
    succeeds(rp_receive(holder, &stays, 10 * SECOND));
    for (uint32_t i = 0; i < ROUNDS; i++)
        pass(q, 2 + i * MESSAGES, MESSAGES);
    rp_consumer_close(holder);
    struct history h = read_history(journal_path);
    assert_int_equal(h.count, ROUNDS * MESSAGES + 1); /* each once, whatever was written again */
    assert_int_equal(h.first, 1);
    unsigned kept = kept_files(), files = journal_files(NULL);
    assert_in_range(files - kept, 1, 12);
    assert_true(kept > ROUNDS / 4);
    q = restart(q);
    assert_int_equal(stats_of(q).ready, 1);
    drop_queue(q);
}

/* ---- beside each other ---- */

static int keep_passing(struct peer *test, void *argument) {
    struct handles h = peer_open(0);
    struct rp_message m;
    (void)argument;
    peer_say(test, 'o');
    for (uint32_t number = 0;;) {
        for (int i = 0; i < EACH; i++)
            if (send_number(h.p, ++number) != 0)
                break;
        while (rp_receive(h.c, &m, 0) == 0) {
            peer_check(is_whole(m.data, m.bytes));
            (void)rp_ack(h.c, &m);
        }
    }
    return 0;
}

static int keep_reading(struct peer *test, void *argument) {
    (void)argument;
    for (uint64_t last = 0;;) {
        struct history h = read_history(journal_path);
        peer_check(h.last >= last);
        last = h.last;
        peer_say(test, h.count > 0 ? 'r' : 'e');
    }
    return 0;
}

static struct peer start_passing(void) {
    struct peer p = peer_start(keep_passing, NULL);
    assert_int_equal(peer_hear(&p), 'o');
    return p;
}

/* So many complete readings of a journal in which something was removed meanwhile. */
static void hear_readings(struct peer *reader, int count) {
    while (count > 0) {
        char said = peer_hear(reader);
        assert_true(said == 'r' || said == 'e');
        count -= said == 'r';
    }
}

static void test_beside_each_other(void **state) {
    enum { FILES = 4, READINGS = 30, KILLS = 6 };
    (void)state;
    make_journal_in_memory();
    struct rp_queue_options o = retain_options(0, FILES * SMALL_FILE);
    rp_queue *q = make_queue(&o);
    struct peer one = start_passing(), other = start_passing(), reader = peer_start(keep_reading, NULL);
    for (int i = 0; i < KILLS; i++) {
        hear_readings(&reader, READINGS);
        struct peer *victim = i % 2 == 0 ? &one : &other;
        peer_kill(victim);
        *victim = start_passing();
        if (i % 3 == 2) {
            peer_kill(&reader);
            reader = peer_start(keep_reading, NULL);
        }
    }
    peer_kill(&one);
    peer_kill(&other);
    peer_kill(&reader);
    (void)rp_queue_sweep(q); /* what the dead held is ready */
    flush(q);
    struct history h = read_history(journal_path);
    assert_true(h.count > 0 && h.first > 1); /* something went */
    (void)kept_files();
    q = restart_and_compare(q, NULL);
    drop_queue(q);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DURABLE_TEST(test_so_many_bytes),
        DURABLE_TEST(test_so_long),
        DURABLE_TEST(test_either),
        DURABLE_TEST(test_what_is_kept_is_not_written_again),
        DURABLE_TEST(test_beside_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
