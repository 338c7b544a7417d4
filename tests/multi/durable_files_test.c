/* SPDX-License-Identifier: MIT */
/* A durable queue and its directory: files come and go, one queue at a time, and a disk that is full. */
#include "durable_fixture.h"
#include <sched.h>
#include <sys/mount.h>

enum { PAYLOAD = 512 };

static struct rp_queue_options large_options(uint32_t sync) {
    struct rp_queue_options o = durable_options(sync);
    o.message_bytes = PAYLOAD;
    return o;
}

/* Numbers in messages that are large, against small files. */
static int send_large(rp_producer *p, uint32_t number, bool wait) {
    unsigned char body[PAYLOAD];
    memset(body, (int)number, sizeof body);
    memcpy(body, &number, sizeof number);
    return wait ? rp_send(p, body, sizeof body, NULL) : rp_send_async(p, body, sizeof body, NULL);
}

static uint32_t number_of(const struct rp_message *m) {
    uint32_t number;
    const unsigned char *byte = m->data;
    assert_int_equal(m->bytes, PAYLOAD);
    memcpy(&number, m->data, sizeof number);
    for (size_t i = sizeof number; i < PAYLOAD; i++)
        assert_int_equal(byte[i], (unsigned char)number);
    return number;
}

static void ack_numbers(rp_consumer *c, uint32_t first, uint32_t count) {
    struct rp_message m;
    for (uint32_t i = 0; i < count; i++) {
        succeeds(rp_receive(c, &m, 10 * SECOND));
        assert_int_equal(number_of(&m), first + i);
        succeeds(rp_ack(c, &m));
    }
}

/* What is left comes out, from `first` on, and nothing else. */
static void finish(rp_queue *q, uint32_t first, uint32_t count) {
    struct rp_message m;
    rp_consumer *c = consumer_of(q, NULL);
    ack_numbers(c, first, count);
    assert_int_equal(rp_receive(c, &m, 0), RP_EMPTY);
    rp_consumer_close(c);
    audit_is_clean(q);
    drop_queue(q);
}

static void test_more_than_a_file_at_once(void **state) {
    (void)state;
    make_journal_in_memory();
    struct rp_queue_options o = large_options(RP_SYNC_ALWAYS);
    rp_queue *q = make_queue(&o);
    rp_producer *p = producer_of(q);
    for (uint32_t i = 0; i < o.capacity; i++)
        succeeds(send_large(p, i, false));
    succeeds(rp_flush(p));
    rp_producer_close(p);
    assert_true(journal_files(NULL) >= 3);
    finish(restart(q), 0, o.capacity);
}

/* The lowest, as if somebody had been killed before he said that they are gone. */
static void remove_lowest_files(unsigned count) {
    for (unsigned number = 1; count > 0 && number < 64; number++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%016x.journal", journal_path, number);
        count -= unlink(path) == 0;
    }
    assert_int_equal(count, 0);
}

/* One stays, which keeps its file and all after it, until it is written again. */
static void let_files_go(bool some_died) {
    enum { ROUNDS = 40, EACH = 100 };
    make_journal_in_memory();
    struct rp_queue_options o = large_options(RP_SYNC_NONE);
    rp_queue *q = make_queue(&o);
    rp_producer *p = producer_of(q);
    struct rp_message stays;
    unsigned most = 0;
    succeeds(send_large(p, 0, true));
    rp_consumer *holder = consumer_of(q, NULL), *c = consumer_of(q, NULL);
    succeeds(rp_receive(holder, &stays, 10 * SECOND));
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t i = 0; i < EACH; i++)
            succeeds(send_large(p, 1 + round * EACH + i, false));
        succeeds(rp_flush(p));
        ack_numbers(c, 1 + round * EACH, EACH);
        unsigned files = journal_files(NULL);
        most = files > most ? files : most;
        if (round == 2 && some_died)
            remove_lowest_files(2); /* of what is in them all but one is settled, and that one is in memory */
    }
    assert_true(most >= 4 && most <= 16); /* of the 40 or so that were written */
    succeeds(rp_flush(p));
    rp_producer_close(p);
    rp_consumer_close(c);
    rp_consumer_close(holder);
    finish(restart(q), 0, 1);
}

static void test_files_go(void **state) {
    (void)state;
    let_files_go(false);
}

static void test_who_removes_files_dies(void **state) {
    (void)state;
    let_files_go(true);
}

/* Much is said of each message: what is live is more than twice what messages alone are. */
static void test_much_to_say(void **state) {
    (void)state;
    static const char *const groups[] = {"a", "b", "c"};
    enum { GROUPS = 3, ROUNDS = 12, MESSAGES = 120 };
    make_journal_in_memory();
    struct rp_queue_options o = durable_options(RP_SYNC_ALWAYS);
    char reason[RP_REASON_MAX + 1] = "";
    memset(reason, 'r', RP_REASON_MAX);
    rp_queue *q = make_queue(&o);
    for (int g = 0; g < GROUPS; g++)
        succeeds(rp_group_create(q, groups[g], NULL));
    succeeds(rp_group_remove(q, "default"));
    rp_producer *p = producer_of(q);
    for (uint32_t i = 0; i < MESSAGES; i++)
        succeeds(rp_send_async(p, &i, sizeof i, NULL));
    for (int round = 0; round < ROUNDS; round++)
        for (int g = 0; g < GROUPS; g++) {
            rp_consumer *c = consumer_of(q, groups[g]);
            struct rp_nack_options n;
            struct rp_message m[MESSAGES];
            rp_nack_options_init(&n, sizeof n);
            n.reason = reason;
            n.delay_ns = 0;
            for (int i = 0; i < MESSAGES; i++)
                succeeds(rp_receive(c, &m[i], 10 * SECOND));
            for (int i = 0; i < MESSAGES; i++)
                succeeds(rp_nack(c, &m[i], &n));
            succeeds(rp_flush(p));
            rp_consumer_close(c);
        }
    rp_producer_close(p);
    assert_true(journal_files(NULL) <= 16);
    q = restart_and_compare(q, NULL);
    drop_queue(q);
}

/* ---- one queue at a time ---- */

static void expect_refusal(int result, int expected, const char *part) {
    assert_int_equal(result, expected);
    if (strstr(rp_error_detail(), part) == NULL)
        fprintf(stderr, "'%s' is not in: %s\n", part, rp_error_detail());
    assert_non_null(strstr(rp_error_detail(), part));
}

static int hold_open(struct peer *test, void *argument) {
    struct handles h = peer_open(0);
    (void)argument;
    peer_succeeds(send_text(h.p, "held"));
    peer_say(test, 'o');
    return peer_hear(test);
}

static void test_one_queue_at_a_time(void **state) {
    (void)state;
    make_journal_path();
    struct rp_queue_options o = durable_options(RP_SYNC_ALWAYS);
    rp_queue *q = make_queue(&o), *other = NULL;
    struct peer p = peer_start(hold_open, NULL);
    assert_int_equal(peer_hear(&p), 'o');
    char name[80];
    snprintf(name, sizeof name, "%.60s.other", queue_name);
    expect_refusal(rp_queue_create(name, &o, &other), RP_IN_USE, journal_path);
    expect_refusal(rp_queue_create(queue_name, &o, &other), -EEXIST, queue_name);
    drop_queue(q); /* of one who writes to it there is still another left, of a queue that has no name any more */
    expect_refusal(rp_queue_create(queue_name, &o, &other), RP_IN_USE, journal_path);
    peer_kill(&p);
    q = come_back();
    assert_int_equal(stats_of(q).ready, 1);
    drop_queue(q);
    expect_refusal(rp_queue_create(name, &o, &other), RP_IN_USE, journal_path); /* still another's */
}

static void test_no_journal_and_no_queue(void **state) {
    (void)state;
    make_journal_path();
    struct rp_queue_options o = durable_options(RP_SYNC_ALWAYS);
    struct rp_open_options open;
    rp_queue *q = make_queue(&o);
    drop_queue(q);
    remove_journal();
    rp_open_options_init(&open, sizeof open);
    open.journal = journal_path;
    expect_refusal(rp_queue_open(queue_name, &open, &q), -ENOENT, journal_path);
}

/* ---- a disk that is full ---- */

static void resize(const char *options, unsigned long flags) {
    int result = mount("tmpfs", journal_path, "tmpfs", flags, options);
    peer_check(result == 0);
}

/* Sends until there is no room: messages that were sent for sure lie behind each other; of the one that failed nobody knows. */
static uint32_t fill_disk(rp_producer *p, uint32_t from) {
    for (;; from++) {
        int result = send_large(p, from, true);
        if (result == 0)
            continue;
        peer_check(result == RP_NOT_DURABLE);
        peer_check(strstr(rp_error_detail(), journal_path) != NULL && strstr(rp_error_detail(), "No space left") != NULL);
        return from;
    }
}

/* In a peer with mounts of its own. */
static int live_on_a_small_disk(struct peer *test, void *argument) {
    uint32_t sync = (uint32_t)(uintptr_t)argument;
    struct rp_queue_options o = large_options(sync);
    (void)test;
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return PEER_SKIP;
    resize("size=208k", 0); /* three files, and what lies beside them */
    o.capacity = 1024;
    rp_queue *q = make_queue(&o);
    rp_producer *p = producer_of(q);
    uint32_t full = fill_disk(p, 0), seen = 0;
    peer_check(full > 40 && full < 400);
    resize("size=4m", MS_REMOUNT);
    peer_check(eventually(rp_flush(p) == 0)); /* it is tried again now and then */
    for (uint32_t i = full + 1; i < full + 100; i++)
        peer_succeeds(send_large(p, i, true));
    peer_succeeds(rp_flush(p));
    rp_producer_close(p);
    q = restart_and_compare(q, NULL);
    rp_consumer *c = consumer_of(q, NULL);
    struct rp_message m;
    while (rp_receive(c, &m, 0) == 0) {
        uint32_t number = number_of(&m);
        peer_check(number == seen || (number == full + 1 && seen == full));
        seen = number + 1;
        peer_succeeds(rp_ack(c, &m));
    }
    peer_check(seen == full + 100);
    rp_consumer_close(c);
    drop_queue(q);
    return 0;
}

/* One message waits for the journal, and there is nothing else. */
static int drain_with_a_full_disk(struct peer *test, void *argument) {
    struct rp_queue_options o = large_options(RP_SYNC_ALWAYS);
    struct rp_drain_options d;
    struct rp_message m;
    (void)test, (void)argument;
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return PEER_SKIP;
    resize("size=96k", 0); /* one file */
    rp_queue *q = make_queue(&o);
    rp_producer *p = producer_of(q);
    rp_consumer *c = consumer_of(q, NULL);
    uint32_t sent = fill_disk(p, 0);
    ack_numbers(c, 0, sent);
    struct rp_queue_stats s = stats_of(q);
    peer_check(s.unjournaled == 1 && s.ready == 0 && s.bytes >= PAYLOAD);
    rp_drain_options_init(&d, sizeof d);
    d.timeout_ns = 0;
    peer_check(rp_queue_drain(q, &d) == 1);
    resize("size=4m", MS_REMOUNT);
    peer_succeeds(rp_queue_resume(q, RP_SIDE_SEND));
    peer_check(eventually(rp_flush(p) == 0));
    peer_check(stats_of(q).unjournaled == 0 && stats_of(q).ready == 1);
    peer_check(rp_queue_drain(q, &d) == 1);
    peer_succeeds(rp_receive(c, &m, 10 * SECOND));
    peer_succeeds(rp_ack(c, &m));
    peer_check(rp_queue_drain(q, &d) == 0);
    rp_consumer_close(c);
    rp_producer_close(p);
    drop_queue(q);
    return 0;
}

static void test_drain_with_a_full_disk(void **state) {
    (void)state;
    make_journal_path();
    int result = peer_run(drain_with_a_full_disk, NULL);
    if (result == PEER_SKIP)
        skip();
    assert_int_equal(result, 0);
}

static void test_a_full_disk(void **state) {
    (void)state;
    for (uint32_t sync = RP_SYNC_ALWAYS; sync <= RP_SYNC_NONE; sync++) {
        make_journal_path();
        int result = peer_run(live_on_a_small_disk, (void *)(uintptr_t)sync);
        if (result == PEER_SKIP)
            skip();
        assert_int_equal(result, 0);
        remove_journal();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DURABLE_TEST(test_more_than_a_file_at_once),
        DURABLE_TEST(test_files_go),
        DURABLE_TEST(test_who_removes_files_dies),
        DURABLE_TEST(test_much_to_say),
        DURABLE_TEST(test_one_queue_at_a_time),
        DURABLE_TEST(test_no_journal_and_no_queue),

        DURABLE_TEST(test_a_full_disk),
        DURABLE_TEST(test_drain_with_a_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
