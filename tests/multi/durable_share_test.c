/* SPDX-License-Identifier: MIT */
/* A durable queue and those who use its journal: one who may not write it, and a Unix group that shares it. */
#include "durable_fixture.h"

/* ---- who may not write ---- */

static int send_as_nobody(struct peer *test, void *argument) {
    enum { SOMEBODY = 65534 };
    rp_queue *q;
    rp_producer *p;
    (void)test, (void)argument;
    if (setgid(SOMEBODY) != 0 || setuid(SOMEBODY) != 0)
        return PEER_SKIP;
    peer_succeeds(rp_queue_open(queue_name, NULL, &q));
    peer_succeeds(rp_producer_open(q, NULL, &p));
    peer_check(send_text(p, "in vain") == RP_NOT_DURABLE);
    peer_check(strstr(rp_error_detail(), journal_path) != NULL && strstr(rp_error_detail(), "ermission denied") != NULL);
    peer_check(send_text(p, "again in vain") == RP_NOT_DURABLE);
    rp_producer_close(p);
    peer_succeeds(rp_queue_close(q));
    return 0;
}

static void test_one_who_may_not_write(void **state) {
    (void)state;
    if (geteuid() != 0)
        skip();
    make_journal_path();
    struct rp_queue_options o = durable_options(RP_SYNC_ALWAYS);
    o.mode = 0666;
    rp_queue *q = make_queue(&o);
    rp_producer *p = producer_of(q);
    succeeds(send_text(p, "before"));
    assert_int_equal(peer_run(send_as_nobody, NULL), 0);
    succeeds(send_text(p, "after"));
    succeeds(rp_flush(p));
    rp_producer_close(p);
    q = restart_and_compare(q, NULL);
    drop_queue(q);
}

static void test_only_queues_have_a_journal(void **state) {
    (void)state;
    struct rp_open_options o;
    rp_open_options_init(&o, sizeof o);
    o.journal = "/tmp";
    rp_ring *ring = NULL;
    rp_exchange *exchange = NULL;
    assert_int_equal(rp_ring_open("test.none", &o, &ring), -EINVAL);
    assert_non_null(strstr(rp_error_detail(), "only queues have a journal"));
    assert_int_equal(rp_exchange_open("test.none", &o, &exchange), -EINVAL);
    assert_non_null(strstr(rp_error_detail(), "only queues have a journal"));
}

/* ---- a queue of a Unix group ---- */

enum { MEMBER = 65534, MANY = 200, PAYLOAD = 512 };

static void send_many(rp_queue *q) {
    static const char body[PAYLOAD];
    rp_producer *p;
    peer_succeeds(rp_producer_open(q, NULL, &p));
    for (int i = 0; i < MANY; i++)
        peer_succeeds(rp_send_async(p, body, sizeof body, NULL));
    peer_succeeds(rp_flush(p));
    rp_producer_close(p);
}

/* Somebody of the group, who is not the owner: sends until there are files of his own, and the second time brings the queue back. */
static int send_as_member(struct peer *test, void *argument) {
    (void)test, (void)argument;
    if (setgid(MEMBER) != 0 || setuid(MEMBER) != 0)
        return PEER_SKIP;
    (void)umask(0077);
    rp_queue *q = come_back();
    send_many(q);
    peer_succeeds(rp_queue_close(q));
    return 0;
}

/* All files are the group's, whoever made them. */
static void check_modes(void) {
    DIR *entries = opendir(journal_path);
    struct stat status;
    unsigned of_member = 0;
    assert_non_null(entries);
    assert_int_equal(fstat(dirfd(entries), &status), 0);
    assert_int_equal(status.st_mode & 07777, 02770);
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        assert_int_equal(fstatat(dirfd(entries), entry->d_name, &status, 0), 0);
        assert_int_equal(status.st_mode & 07777, 0660);
        assert_int_equal(status.st_gid, MEMBER);
        of_member += status.st_uid == MEMBER;
    }
    closedir(entries);
    assert_true(of_member > 0);
}

static void test_a_group_shares_a_queue(void **state) {
    (void)state;
    if (geteuid() != 0)
        skip();
    make_journal_path();
    assert_int_equal(rmdir(journal_path), 0); /* so that it is made for the group */
    struct rp_queue_options o = durable_options(RP_SYNC_NONE);
    char group[16];
    snprintf(group, sizeof group, "%d", MEMBER);
    o.message_bytes = PAYLOAD;
    o.capacity = 1024;
    o.mode = 0660;
    o.group = group;
    rp_queue *q = make_queue(&o);
    assert_int_equal(peer_run(send_as_member, NULL), 0);
    check_modes();
    drop_queue(q);
    assert_int_equal(peer_run(send_as_member, NULL), 0);
    q = come_back();
    send_many(q); /* and the owner goes on in what others made */
    check_modes();
    q = restart(q);
    assert_int_equal(stats_of(q).ready, 3 * MANY);
    drop_queue(q);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DURABLE_TEST(test_one_who_may_not_write),
        DURABLE_TEST(test_only_queues_have_a_journal),
        DURABLE_TEST(test_a_group_shares_a_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
