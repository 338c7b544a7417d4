/* SPDX-License-Identifier: MIT */
/* All processes of a durable queue are killed, and its segment goes, as with the machine; it comes back from its journal with all that is to be there. */
#include "fixture.h"

#include "atomic.h"
#include "scratch.h"

enum { LIVES = 6, SENDERS = 2, RECEIVERS = 2, EACH_LIFE = 100, NUMBERS = LIVES * EACH_LIFE };

/* What happened, written down outside the queue. */
struct ledger {
    a64 begun[SENDERS];         /* numbers below may have been sent */
    a64 kept[SENDERS][NUMBERS]; /* their send returned */
    a64 done[SENDERS][NUMBERS]; /* their ack began */
    a64 returned;
};
static struct ledger *ledger;
static struct scratch scratch;

struct number {
    uint64_t sender, number;
};

static struct rp_queue_options durable(void) {
    struct rp_queue_options o = test_options();
    o.capacity = LIVES * SENDERS * EACH_LIFE;
    o.journal = scratch.path;
    o.journal_file_bytes = 64 << 10;
    return o;
}

static rp_queue *brought_back(void) {
    struct rp_open_options with;
    rp_queue *q = NULL;
    rp_open_options_init(&with, sizeof with);
    with.journal = scratch.path;
    peer_succeeds(rp_queue_open(queue_name, &with, &q));
    return q;
}

static int send_on(struct peer *test, void *argument) {
    const uint64_t me = (uint64_t)(uintptr_t)argument;
    rp_queue *q = brought_back();
    rp_producer *p;
    peer_succeeds(rp_producer_open(q, NULL, &p));
    peer_say(test, 'r');
    for (int i = 0; i < EACH_LIFE; i++) {
        struct number n = {me, load_relaxed(&ledger->begun[me], own)};
        peer_check(n.number < NUMBERS);
        store_seq_cst(&ledger->begun[me], n.number + 1, test);
        peer_succeeds(rp_send(p, &n, sizeof n, NULL));
        store_seq_cst(&ledger->kept[me][n.number], 1, test);
        (void)fetch_add_seq_cst(&ledger->returned, 1, test);
    }
    return peer_hear(test);
}

static int receive_on(struct peer *test, void *argument) {
    (void)argument;
    rp_queue *q = brought_back();
    rp_consumer *c;
    peer_succeeds(rp_consumer_open(q, NULL, &c));
    peer_say(test, 'r');
    for (;;) {
        struct rp_message m;
        struct number n;
        peer_succeeds(rp_receive(c, &m, -1));
        peer_check(m.bytes == sizeof n);
        memcpy(&n, m.data, sizeof n);
        store_seq_cst(&ledger->done[n.sender][n.number], 1, test);
        peer_succeeds(rp_ack(c, &m));
    }
}

/* Until some more have been sent; then all die at once. Without receivers there is more to bring back. */
static void live(int receivers) {
    struct peer peers[SENDERS + RECEIVERS];
    const int all = SENDERS + receivers;
    const uint64_t enough = load_seq_cst(&ledger->returned, test) + EACH_LIFE;
    for (int i = 0; i < all; i++)
        peers[i] = i < SENDERS ? peer_start(send_on, (void *)(uintptr_t)i) : peer_start(receive_on, NULL);
    for (int i = 0; i < all; i++)
        assert_int_equal(peer_hear(&peers[i]), 'r');
    assert_true(eventually(load_seq_cst(&ledger->returned, test) >= enough));
    for (int i = 0; i < all; i++)
        kill(peers[i].pid, SIGKILL);
    for (int i = 0; i < all; i++)
        assert_int_equal(peer_end(&peers[i]), -SIGKILL);
    succeeds(rp_queue_unlink(queue_name));
}

static void everything_is_there(rp_queue *q) {
    static uint64_t there[SENDERS][NUMBERS], last[SENDERS];
    rp_consumer *c;
    struct rp_message m;
    unsigned count = 0, again = 0;
    succeeds(rp_consumer_open(q, NULL, &c));
    while (rp_receive(c, &m, 0) == 0) {
        struct number n;
        assert_int_equal(m.bytes, sizeof n);
        memcpy(&n, m.data, sizeof n);
        assert_true(n.sender < SENDERS && n.number < load_relaxed(&ledger->begun[n.sender], own));
        assert_int_equal(there[n.sender][n.number]++, 0);
        assert_true(m.acquisitions > 1 || n.number >= last[n.sender]); /* first deliveries keep their order */
        last[n.sender] = m.acquisitions > 1 ? last[n.sender] : n.number;
        count++;
        again += load_relaxed(&ledger->done[n.sender][n.number], own) != 0;
        succeeds(rp_ack(c, &m));
    }
    for (uint64_t s = 0; s < SENDERS; s++)
        for (uint64_t i = 0; i < NUMBERS; i++)
            if (load_relaxed(&ledger->kept[s][i], own) != 0 && load_relaxed(&ledger->done[s][i], own) == 0 && there[s][i] == 0)
                assert_int_equal(s * NUMBERS + i, UINT64_MAX); /* it is lost: says which */
    print_message("%llu messages sent, %u there, %u of them again\n", (unsigned long long)load_relaxed(&ledger->returned, own),
                  count, again);
    rp_consumer_close(c);
}

static void begin(void) {
    assert_int_equal(scratch_create(&scratch), 0);
    struct rp_queue_options o = durable();
    succeeds(rp_queue_close(make_queue(&o)));
}

static int end(void **state) {
    struct scratch inner;
    snprintf(inner.directory, sizeof inner.directory, "%.63s", scratch.path);
    scratch_destroy(&inner);
    scratch_destroy(&scratch);
    return unlink_queue(state);
}

static void nothing_is_lost(void **state) {
    (void)state;
    ledger = shared_memory(sizeof *ledger);
    begin();
    for (int i = 0; i < LIVES; i++)
        live(i % 2 == 0 ? RECEIVERS : 0);
    rp_queue *q = brought_back();
    audit_is_clean(q);
    everything_is_there(q);
    drop_queue(q);
}

static int open_once(struct peer *test, void *argument) {
    (void)argument;
    peer_say(test, 'r');
    peer_hear(test);
    rp_queue *q = brought_back();
    rp_producer *p;
    peer_succeeds(rp_producer_open(q, NULL, &p));
    peer_succeeds(rp_send(p, "hello", 6, NULL));
    rp_producer_close(p);
    peer_succeeds(rp_queue_close(q));
    return 0;
}

static void several_at_once_get_one_queue(void **state) {
    (void)state;
    enum { OPENERS = 6, ROUNDS = 5 };
    begin();
    for (int round = 1; round <= ROUNDS; round++) {
        struct peer peers[OPENERS];
        succeeds(rp_queue_unlink(queue_name));
        for (int i = 0; i < OPENERS; i++)
            peers[i] = peer_start(open_once, NULL);
        for (int i = 0; i < OPENERS; i++)
            assert_int_equal(peer_hear(&peers[i]), 'r');
        for (int i = 0; i < OPENERS; i++)
            peer_say(&peers[i], 'g');
        for (int i = 0; i < OPENERS; i++)
            assert_int_equal(peer_end(&peers[i]), 0);
        rp_queue *q = brought_back();
        assert_int_equal(stats_of(q).ready, (uint64_t)round * OPENERS);
        succeeds(rp_queue_close(q));
    }
    succeeds(rp_queue_unlink(queue_name));
}

/* Those who still have a queue open that was removed: `early` wrote to its journal before, the other one tries afterwards. */
static int send_when_told(struct peer *test, void *early) {
    rp_queue *q = brought_back();
    rp_producer *p;
    peer_succeeds(rp_producer_open(q, NULL, &p));
    if (early)
        peer_succeeds(rp_send(p, "early", 6, NULL));
    peer_say(test, 'r');
    peer_hear(test);
    peer_say(test, rp_send(p, "late", 5, NULL) < 0 ? 'n' : 'y');
    return 0;
}

static void who_writes_keeps_the_journal_from_others(void **state) {
    (void)state;
    struct rp_open_options with;
    rp_queue *q = NULL;
    begin();
    struct peer old = peer_start(send_when_told, &old);
    assert_int_equal(peer_hear(&old), 'r');
    succeeds(rp_queue_unlink(queue_name));
    rp_open_options_init(&with, sizeof with);
    with.journal = scratch.path;
    assert_int_equal(rp_queue_open(queue_name, &with, &q), RP_IN_USE);
    assert_non_null(strstr(rp_error_detail(), scratch.path));
    peer_kill(&old);
    q = brought_back();
    assert_int_equal(stats_of(q).ready, 1);
    drop_queue(q);
}

/* The same name in two /dev/shm, as of containers: what is in one is not seen in the other. */
static void swap_memory(const char *from, const char *to) {
    char a[128], b[128];
    snprintf(a, sizeof a, "/dev/shm/ringpost.%s%s", queue_name, from);
    snprintf(b, sizeof b, "/dev/shm/ringpost.%s%s", queue_name, to);
    assert_int_equal(rename(a, b), 0);
}

static void who_writes_elsewhere_keeps_the_journal(void **state) {
    (void)state;
    struct rp_open_options with;
    rp_queue *q = NULL;
    begin();
    struct peer there = peer_start(send_when_told, &there);
    assert_int_equal(peer_hear(&there), 'r');
    swap_memory("", ".there");
    rp_open_options_init(&with, sizeof with);
    with.journal = scratch.path;
    assert_int_equal(rp_queue_open(queue_name, &with, &q), RP_IN_USE);
    swap_memory(".there", "");
    peer_say(&there, 'g');
    assert_int_equal(peer_hear(&there), 'y'); /* nothing happened to it */
    assert_int_equal(peer_end(&there), 0);
    q = brought_back();
    assert_int_equal(stats_of(q).ready, 2);
    drop_queue(q);
}

static void who_is_idle_elsewhere_loses_the_journal(void **state) {
    (void)state;
    rp_queue *q = NULL, *none;
    begin();
    struct peer there = peer_start(send_when_told, NULL);
    assert_int_equal(peer_hear(&there), 'r');
    swap_memory("", ".there");
    q = brought_back();
    swap_memory("", ".here");
    swap_memory(".there", "");
    assert_int_equal(rp_queue_open(queue_name, NULL, &none), -ESTALE);
    assert_non_null(strstr(rp_error_detail(), scratch.path));
    peer_say(&there, 'g');
    assert_int_equal(peer_hear(&there), 'n');
    assert_int_equal(peer_end(&there), 0);
    succeeds(rp_queue_unlink(queue_name));
    swap_memory(".here", "");
    assert_int_equal(stats_of(q).ready, 0);
    drop_queue(q);
}

static void who_comes_late_writes_nothing(void **state) {
    (void)state;
    begin();
    struct peer old = peer_start(send_when_told, NULL);
    assert_int_equal(peer_hear(&old), 'r');
    succeeds(rp_queue_unlink(queue_name));
    rp_queue *q = brought_back();
    peer_say(&old, 'g');
    assert_int_equal(peer_hear(&old), 'n');
    assert_int_equal(peer_end(&old), 0);
    drop_queue(q);
    q = brought_back();
    assert_int_equal(stats_of(q).ready, 0);
    drop_queue(q);
}

/* The seal lies before what it would write next. */
static void who_is_idle_while_it_is_repaired_loses_the_journal(void **state) {
    (void)state;
    struct rp_journal_repair r;
    char path[sizeof scratch.path + 64];
    rp_producer *p;
    begin();
    rp_queue *q = brought_back(), *none;
    succeeds(rp_producer_open(q, NULL, &p));
    for (int i = 0; i < 4; i++)
        succeeds(rp_send(p, "hello", 6, NULL));
    rp_producer_close(p);
    succeeds(rp_queue_close(q));
    succeeds(rp_journal_repair(scratch.path, 0, &r));
    assert_int_equal(r.state, RP_JOURNAL_WHOLE);
    succeeds(rp_queue_open(queue_name, NULL, &q)); /* nothing was changed */
    succeeds(rp_queue_close(q));
    snprintf(path, sizeof path, "%s/0000000000000001.journal", scratch.path);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "rot", 3, 2 * 4096 + 16), 3);
    close(fd);
    succeeds(rp_journal_repair(scratch.path, 0, &r));
    assert_int_equal(r.state, RP_JOURNAL_DAMAGED);
    assert_int_equal(rp_queue_open(queue_name, NULL, &none), -ESTALE);
    succeeds(rp_queue_unlink(queue_name));
    drop_queue(brought_back());
}

static int bring_back_again_and_again(struct peer *test, void *argument) {
    (void)argument;
    for (;;) {
        peer_succeeds(rp_queue_close(brought_back()));
        peer_succeeds(rp_queue_unlink(queue_name));
        peer_say(test, 'd');
    }
}

/* Wherever that was. */
static void who_brings_it_back_dies(void **state) {
    (void)state;
    enum { DEATHS = 40, MESSAGES = 50 };
    rp_producer *p;
    begin();
    rp_queue *q = brought_back();
    succeeds(rp_producer_open(q, NULL, &p));
    for (int i = 0; i < MESSAGES; i++)
        succeeds(rp_send(p, "hello", 6, NULL));
    rp_producer_close(p);
    drop_queue(q);
    for (int i = 0; i < DEATHS; i++) {
        struct peer peer = peer_start(bring_back_again_and_again, NULL);
        assert_int_equal(peer_hear(&peer), 'd');
        for (int k = 0; k < i; k++)
            sched_yield();
        peer_kill(&peer);
        q = brought_back();
        assert_int_equal(stats_of(q).ready, MESSAGES);
        succeeds(rp_queue_sweep(q)); /* it may have died attached to it */
        audit_is_clean(q);
        drop_queue(q);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(nothing_is_lost, end),
        cmocka_unit_test_teardown(several_at_once_get_one_queue, end),
        cmocka_unit_test_teardown(who_writes_keeps_the_journal_from_others, end),
        cmocka_unit_test_teardown(who_writes_elsewhere_keeps_the_journal, end),
        cmocka_unit_test_teardown(who_is_idle_elsewhere_loses_the_journal, end),
        cmocka_unit_test_teardown(who_is_idle_while_it_is_repaired_loses_the_journal, end),
        cmocka_unit_test_teardown(who_comes_late_writes_nothing, end),
        cmocka_unit_test_teardown(who_brings_it_back_dies, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
