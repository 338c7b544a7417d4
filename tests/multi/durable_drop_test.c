/* SPDX-License-Identifier: MIT */
/* A durable queue's files that go: what is left always says what groups there are, each life takes its own with it, and what came in their place is left alone. */
#include "durable_fixture.h"
#include <sys/syscall.h>

enum { PAYLOAD = 500, MESSAGES = 2000, LIVES = 12 };

/* In a peer that is to die when as few files are left as ever are: the one that is written to, and the one before, which nothing but memory says is not needed. */
static bool dies_with_last;

static void die_with(int directory, const char *name) {
    char second[64];
    if (!dies_with_last || strstr(name, ".journal") == NULL)
        return;
    snprintf(second, sizeof second, "%016llx.journal", strtoull(name, NULL, 16) + 3);
    if (faccessat(directory, second, F_OK, 0) != 0)
        raise(SIGKILL);
}

int unlinkat(int directory, const char *name, int flags) {
    int result = (int)syscall(SYS_unlinkat, directory, name, flags);
    if (result == 0)
        die_with(directory, name);
    return result;
}

int renameat(int directory, const char *name, int to, const char *new_name) {
    int result = (int)syscall(SYS_renameat2, directory, name, to, new_name, 0);
    if (result == 0)
        die_with(directory, name);
    return result;
}

static void take_one(rp_consumer *c) {
    struct rp_message m;
    peer_succeeds(rp_receive(c, &m, 10 * SECOND));
    peer_succeeds(rp_ack(c, &m));
}

/* All that was sent is settled, and recorded, before the next one. */
static int send_until_files_go(struct peer *test, void *argument) {
    static const char body[PAYLOAD];
    struct handles h = peer_open(0);
    rp_consumer *c = consumer_of(h.q, "audit");
    (void)test, (void)argument;
    dies_with_last = true;
    for (int i = 0; i < MESSAGES; i++) {
        peer_succeeds(rp_send(h.p, body, sizeof body, NULL));
        take_one(h.c);
        take_one(c);
        peer_succeeds(rp_flush(h.p));
    }
    return 0;
}

static void die_with_last_file(uint32_t sync) {
    struct rp_message m;
    make_journal_in_memory();
    struct rp_queue_options o = durable_options(sync);
    o.message_bytes = PAYLOAD;
    rp_queue *q = make_queue(&o);
    succeeds(rp_group_create(q, "audit", NULL));
    assert_int_equal(peer_run(send_until_files_go, NULL), -SIGKILL);
    q = restart(q);
    rp_producer *p = producer_of(q);
    rp_consumer *c = consumer_of(q, "audit"); /* it is still there */
    succeeds(send_text(p, "after"));
    do {
        succeeds(rp_receive(c, &m, 10 * SECOND));
        succeeds(rp_ack(c, &m));
    } while (m.bytes == PAYLOAD);
    assert_true(m.id > 1 << 20); /* and ids go on */
    rp_consumer_close(c);
    rp_producer_close(p);
    drop_queue(q);
    remove_journal();
}

static void test_groups_stay(void **state) {
    (void)state;
    for (uint32_t sync = RP_SYNC_ALWAYS; sync <= RP_SYNC_NONE; sync++)
        die_with_last_file(sync);
}

static void test_many_lives(void **state) {
    (void)state;
    make_journal_in_memory();
    struct rp_queue_options o = durable_options(RP_SYNC_ALWAYS);
    rp_queue *q = make_queue(&o);
    for (int i = 0; i < LIVES; i++) {
        rp_producer *p = producer_of(q);
        rp_consumer *c = consumer_of(q, NULL);
        struct rp_message m;
        succeeds(send_text(p, "one"));
        succeeds(rp_receive(c, &m, 10 * SECOND));
        succeeds(rp_ack(c, &m));
        succeeds(rp_flush(p));
        rp_consumer_close(c);
        rp_producer_close(p);
        q = restart(q);
    }
    assert_true(journal_files(NULL) <= 3);
    drop_queue(q);
}

/* Somebody removed the directory, and another queue has one there. */
static void test_another_journal_there(void **state) {
    (void)state;
    char name[80];
    rp_queue *other = NULL;
    make_journal_in_memory();
    struct rp_queue_options o = durable_options(RP_SYNC_ALWAYS);
    rp_queue *q = make_queue(&o);
    remove_journal();
    snprintf(name, sizeof name, "%.60s.other", queue_name);
    succeeds(rp_queue_create(name, &o, &other));
    rp_producer *p = producer_of(other), *lost = producer_of(q);
    for (int i = 0; i < 5; i++)
        succeeds(send_text(p, "mine"));
    assert_int_equal(send_text(lost, "into another's"), RP_NOT_DURABLE);
    rp_producer_close(lost);
    rp_producer_close(p);
    succeeds(rp_queue_close(other));
    succeeds(rp_queue_unlink(name));
    other = NULL;
    succeeds(rp_queue_create(name, &o, &other));
    assert_int_equal(stats_of(other).ready, 5);
    succeeds(rp_queue_close(other));
    succeeds(rp_queue_unlink(name));
    drop_queue(q);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DURABLE_TEST(test_groups_stay),
        DURABLE_TEST(test_many_lives),
        DURABLE_TEST(test_another_journal_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
