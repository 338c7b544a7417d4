/* SPDX-License-Identifier: MIT */
/* What a queue's creator asked for of its memory: what can be had is there and said, what cannot is said, and a strict create leaves nothing. tests/numa has more than one node. */
#include "fixture.h"

#include "../crash/lab_filter.h"
#include "handle.h"

#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static struct rp_placement placement_of(rp_queue *q) {
    struct rp_placement p;
    memset(&p, 0x5a, sizeof p);
    succeeds(rp_queue_placement(q, &p));
    return p;
}

static uint64_t sum(const uint64_t *on) {
    uint64_t all = 0;
    for (int n = 0; n < RP_NODES_MOST; n++)
        all += on[n];
    return all;
}

/* A message goes through, and nothing is amiss. */
static void works(rp_queue *q) {
    struct rp_message m;
    rp_producer *p;
    rp_consumer *c;
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_consumer_open(q, NULL, &c));
    succeeds(send_text(p, "here"));
    succeeds(rp_receive(c, &m, SECOND));
    assert_true(says(&m, "here"));
    succeeds(rp_ack(c, &m));
    rp_producer_close(p);
    rp_consumer_close(c);
    audit_is_clean(q);
}

static void without_wishes_nothing_is_missing(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    rp_queue *q = make_queue(&o);
    struct rp_placement p = placement_of(q);
    assert_string_equal(p.missing, "");
    assert_int_equal(p.ring_bytes + p.cell_bytes, stats_of(q).segment_bytes);
    assert_int_equal(p.mapped_bytes, p.ring_bytes + p.cell_bytes);
    assert_int_equal(p.locked_bytes, 0);
    assert_int_equal(p.prefault, 1);
    assert_true(p.ring_bytes > 0 && p.cell_bytes > 0);
    assert_true(sum(p.ring_bytes_on) == p.ring_bytes ||
                sum(p.ring_bytes_on) == 0); /* 0: a sandbox in which the kernel does not say */
    assert_true(sum(p.cell_bytes_on) == p.cell_bytes || sum(p.cell_bytes_on) == 0);
    for (size_t i = 0; i < sizeof p.reserved / sizeof p.reserved[0]; i++)
        assert_int_equal(p.reserved[i], 0);
    works(q);
    drop_queue(q);
}

static void bad_wishes_are_refused(void **state) {
    (void)state;
    struct rp_queue_options o;
    rp_queue *q;
#define REFUSES(change, error)                                        \
    do {                                                              \
        o = test_options();                                           \
        change;                                                       \
        assert_int_equal(rp_queue_create("test.bad", &o, &q), error); \
    } while (0)
    REFUSES(o.numa = 4, -EINVAL);
    REFUSES(o.numa_node = 64, -EINVAL);
    REFUSES(o.hugepages = 2, -EINVAL);
    REFUSES(o.lock_memory = 2, -EINVAL);
    REFUSES(o.strict = 2, -EINVAL);
    REFUSES(o.reserved2 = 1, -E2BIG);
    struct rp_placement p;
    assert_int_equal(rp_queue_placement(NULL, &p), -EINVAL);
    o = test_options();
    q = make_queue(&o);
    assert_int_equal(rp_queue_placement(q, NULL), -EINVAL);
    drop_queue(q);
}

/* Node 63, which no machine that runs this has. */
static void a_node_that_is_not_there(void **state) {
    (void)state;
    struct rp_queue_options o = test_options(), kept;
    o.numa = RP_NUMA_NODE;
    o.numa_node = 63;
    rp_queue *q = make_queue(&o);
    struct rp_placement p = placement_of(q);
    assert_non_null(strstr(p.missing, "NUMA"));
    assert_int_equal(p.numa, RP_NUMA_NODE);
    assert_int_equal(p.numa_node, 63);
    assert_int_equal(p.ring_nodes, 0);
    rp_queue_options_init(&kept, sizeof kept);
    succeeds(rp_queue_options_get(q, &kept));
    assert_int_equal(kept.numa, RP_NUMA_NODE);
    assert_int_equal(kept.numa_node, 63);
    works(q);
    drop_queue(q);

    o.strict = 1;
    q = NULL;
    assert_int_equal(rp_queue_create(queue_name, &o, &q), -ENOTSUP);
    assert_null(q);
    assert_non_null(strstr(rp_error_detail(), "NUMA"));
    assert_int_equal(rp_queue_open(queue_name, NULL, &q), -ENOENT);
    o.numa_node = 0;
    o.numa = RP_NUMA_INTERLEAVE; /* which a machine of one node fulfils by itself */
    succeeds(rp_queue_create(queue_name, &o, &q));
    assert_string_equal(placement_of(q).missing, "");
    drop_queue(q);
}

static void the_first_consumer_places(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.numa = RP_NUMA_CONSUMER;
    rp_queue *q = make_queue(&o);
    assert_int_equal(placement_of(q).ring_nodes, 0);
    works(q);
    struct rp_placement p = placement_of(q);
    assert_int_equal(p.ring_nodes != 0, p.nodes > 1);
    drop_queue(q);
}

static void huge_pages(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.hugepages = 1;
    rp_queue *q = make_queue(&o);
    struct rp_placement p = placement_of(q);
    uint64_t bytes = p.ring_bytes + p.cell_bytes;
    print_message("%llu of %llu bytes; %s\n", (unsigned long long)p.huge_bytes, (unsigned long long)bytes, p.missing);
    assert_true(p.huge_bytes <= bytes);
    assert_int_equal(p.huge_bytes < bytes, strstr(p.missing, "huge pages") != NULL);
    works(q);
    /* An observer is told the same as the creator, and strict is true to its word. */
    rp_queue *observer;
    struct rp_open_options read_only = {.size = sizeof read_only, .read_only = 1};
    succeeds(rp_queue_open(queue_name, &read_only, &observer));
    assert_int_equal(placement_of(observer).huge_bytes, p.huge_bytes);
    succeeds(rp_queue_close(observer));
    drop_queue(q);
    o.strict = 1;
    int result = rp_queue_create(queue_name, &o, &q);
    assert_true(result == 0 || result == -ENOTSUP);
    if (result == 0) {
        p = placement_of(q);
        assert_int_equal(p.huge_bytes, bytes);
        assert_string_equal(p.missing, "");
        drop_queue(q);
    }
}

static void memory_is_locked_by_each_process(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    struct rlimit limit;
    o.lock_memory = 1;
    rp_queue *q = make_queue(&o);
    struct rp_placement p = placement_of(q);
    struct rp_participant me;
    uint64_t bytes = p.ring_bytes + p.cell_bytes;
    assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
    succeeds(rp_participant_next(q, 0, &me));
    assert_int_equal(me.locked_bytes, p.locked_bytes);
    if (limit.rlim_cur >= bytes)
        assert_int_equal(p.locked_bytes, bytes);
    assert_int_equal(p.locked_bytes < bytes, p.missing[0] != 0);
    works(q);
    rp_queue *observer; /* locks nothing, and so misses nothing */
    struct rp_open_options read_only = {.size = sizeof read_only, .read_only = 1};
    succeeds(rp_queue_open(queue_name, &read_only, &observer));
    p = placement_of(observer);
    assert_int_equal(p.locked_bytes, 0);
    assert_string_equal(p.missing, "");
    succeeds(rp_queue_close(observer));
    drop_queue(q);
}

/* Without CAP_IPC_LOCK, which root has and which is above the limit. */
static int locks_little(struct peer *test, void *argument) {
    (void)argument;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};
    struct rlimit little = {4096, 4096};
    peer_check(syscall(SYS_capset, &header, none) == 0);
    peer_check(setrlimit(RLIMIT_MEMLOCK, &little) == 0);
    struct handles h = peer_open(0);
    struct rp_placement p;
    struct rp_participant me;
    peer_succeeds(rp_queue_placement(h.q, &p));
    peer_check(p.locked_bytes == 0 && strstr(p.missing, "RLIMIT_MEMLOCK") != NULL);
    peer_succeeds(rp_participant_next(h.q, 1, &me));
    peer_check(me.locked_bytes == 0);
    struct rp_queue_options o = test_options();
    rp_queue *q;
    char other[80];
    snprintf(other, sizeof other, "%s.strict", queue_name);
    o.lock_memory = 1;
    o.strict = 1;
    int result = rp_queue_create(other, &o, &q);
    bool says_why = strstr(rp_error_detail(), "RLIMIT_MEMLOCK") != NULL;
    int left = rp_queue_unlink(other); /* before anything is checked, so that nothing stays if it fails */
    peer_check(result == -ENOTSUP && says_why && left == -ENOENT);
    peer_say(test, 'd');
    return 0;
}

static void who_may_not_lock_says_so(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.lock_memory = 1;
    o.mode = 0666;
    rp_queue *q = make_queue(&o);
    struct peer peer = peer_start(locks_little, NULL);
    assert_int_equal(peer_hear(&peer), 'd');
    assert_int_equal(peer_end(&peer), 0);
    works(q);
    drop_queue(q);
}

static int locks_too(struct peer *test, void *argument) {
    (void)argument;
    struct handles h = peer_open(0);
    struct rp_placement p;
    peer_succeeds(rp_queue_placement(h.q, &p));
    peer_check(p.locked_bytes == p.ring_bytes + p.cell_bytes && p.missing[0] == 0);
    peer_say(test, 'l');
    return peer_hear(test);
}

/* The kernel gives each of several who lock a page a share of it; each of them has all of it locked. */
static void what_two_have_locked_each_has_locked(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.lock_memory = 1;
    o.mode = 0666;
    rp_queue *q = make_queue(&o);
    struct rp_placement p = placement_of(q);
    if (p.missing[0] == 0) { /* else this process may not */
        struct peer peer = peer_start(locks_too, NULL);
        assert_int_equal(peer_hear(&peer), 'l');
        p = placement_of(q);
        assert_int_equal(p.locked_bytes, p.ring_bytes + p.cell_bytes);
        assert_string_equal(p.missing, "");
        peer_kill(&peer);
    }
    drop_queue(q);
}

/* No descriptor is left to open the kernel's files with. */
static void without_proc_a_lock_that_was_had_is_believed(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    struct rlimit usual, none;
    o.lock_memory = 1;
    rp_queue *q = make_queue(&o);
    struct rp_placement p = placement_of(q);
    bool locked = p.missing[0] == 0;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
    none = usual;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int result = rp_queue_placement(q, &p);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
    succeeds(result);
    assert_int_equal(p.locked_bytes, locked ? p.ring_bytes + p.cell_bytes : 0);
    assert_int_equal(p.missing[0] == 0, locked);
    drop_queue(q);
    o.hugepages = 1;
    q = make_queue(&o);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    result = rp_queue_placement(q, &p);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
    succeeds(result);
    assert_non_null(strstr(p.missing, "huge pages: the kernel does not say"));
    drop_queue(q);
}

/* As in Docker's default sandbox. */
static bool without_numa(void) {
    const struct filter_rule refused[] = {{.call = SYS_move_pages, .action = SECCOMP_RET_ERRNO | EPERM},
                                          {.call = SYS_mbind, .action = SECCOMP_RET_ERRNO | EPERM}};
    return filter_calls(refused, 2, SECCOMP_RET_ALLOW);
}

static int looks_from_a_sandbox(struct peer *test, void *argument) {
    (void)argument;
    struct rp_queue_options o = test_options();
    struct rp_placement p;
    rp_queue *q;
    snprintf(queue_name, sizeof queue_name, "test.sandbox.%d", (int)getpid());
    if (!without_numa())
        return PEER_SKIP;
    o.capacity = 16384;
    o.message_bytes = 1024;
    o.prefault = 0;
    o.lock_memory = 1; /* each page as it comes */
    peer_succeeds(rp_queue_create(queue_name, &o, &q));
    int result = rp_queue_placement(q, &p);
    peer_succeeds(rp_queue_unlink(queue_name));
    peer_succeeds(result);
    peer_check(p.mapped_bytes == p.ring_bytes + p.cell_bytes);
    peer_check(p.locked_bytes == p.mapped_bytes || strstr(p.missing, "RLIMIT_MEMLOCK") != NULL);
    peer_say(test, 'd');
    return 0;
}

static void who_may_not_ask_for_nodes_is_told_of_locks(void **state) {
    (void)state;
    struct peer peer = peer_start(looks_from_a_sandbox, NULL);
    int end = peer_end(&peer);
    if (end == PEER_SKIP)
        skip();
    assert_int_equal(end, 0);
}

/* A look is no reason to fetch gigabytes. */
static void who_wished_for_nothing_is_not_touched(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.capacity = 16384;
    o.message_bytes = 1024;
    o.prefault = 0;
    rp_queue *q = make_queue(&o);
    struct rp_placement p = placement_of(q);
    if (p.ring_nodes == 0)
        assert_true(p.mapped_bytes < p.cell_bytes);
    assert_string_equal(p.missing, "");
    drop_queue(q);
    o.hugepages = 1;
    q = make_queue(&o);
    p = placement_of(q);
    assert_int_equal(p.mapped_bytes, p.ring_bytes + p.cell_bytes);
    drop_queue(q);
}

static int names_the_only_node(struct peer *test, void *argument) {
    (void)argument, (void)test;
    struct rp_queue_options o = test_options();
    struct rp_placement p;
    rp_queue *q;
    if (!without_numa())
        return PEER_SKIP;
    o.numa = RP_NUMA_NODE;
    o.strict = 1;
    snprintf(queue_name, sizeof queue_name, "test.sandbox.%d", (int)getpid());
    peer_succeeds(rp_queue_create(queue_name, &o, &q));
    int result = rp_queue_placement(q, &p);
    peer_succeeds(rp_queue_unlink(queue_name));
    peer_succeeds(result);
    peer_check(p.missing[0] == 0);
    return 0;
}

/* All there is is there: nobody needs to be asked. */
static void the_only_node_needs_no_look(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    rp_queue *q = make_queue(&o);
    struct rp_placement p = placement_of(q);
    drop_queue(q);
    if (p.nodes != 1 || access("/sys/devices/system/node/node0", F_OK) != 0)
        skip();
    struct peer peer = peer_start(names_the_only_node, NULL);
    int end = peer_end(&peer);
    if (end == PEER_SKIP)
        skip();
    assert_int_equal(end, 0);
}

/* As if it were left by somebody who held the seat before, and was killed. */
static void a_seat_says_nothing_of_its_last_owners_locks(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    struct rp_participant who;
    rp_queue *q = make_queue(&o), *second;
    store_relaxed(&q->segment.seats[1].locked_bytes, 4711, init);
    succeeds(rp_queue_open(queue_name, NULL, &second));
    succeeds(rp_participant_next(q, 1, &who));
    assert_int_equal(who.locked_bytes, 0);
    succeeds(rp_queue_close(second));
    drop_queue(q);
}

/* Room for one queue and a half: the limit is larger than what is asked for, and still what is in the way. */
static int locks_one_of_two(struct peer *test, void *argument) {
    const uint64_t bytes = *(const uint64_t *)argument;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};
    struct rlimit limit;
    rp_queue *first, *second;
    struct rp_placement p;
    peer_check(getrlimit(RLIMIT_MEMLOCK, &limit) == 0);
    limit.rlim_cur = bytes + bytes / 2;
    if (limit.rlim_cur > limit.rlim_max)
        return PEER_SKIP;
    peer_check(syscall(SYS_capset, &header, none) == 0 && setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
    peer_succeeds(rp_queue_open(queue_name, NULL, &first));
    peer_succeeds(rp_queue_open(queue_name, NULL, &second));
    peer_succeeds(rp_queue_placement(first, &p));
    peer_check(p.locked_bytes == bytes && p.missing[0] == 0);
    peer_succeeds(rp_queue_placement(second, &p));
    peer_check(p.locked_bytes == 0 && strstr(p.missing, "RLIMIT_MEMLOCK") != NULL);
    peer_say(test, 'd');
    return 0;
}

static void a_limit_that_others_use_up_is_named(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.lock_memory = 1;
    o.mode = 0666;
    rp_queue *q = make_queue(&o);
    uint64_t bytes = stats_of(q).segment_bytes;
    struct peer peer = peer_start(locks_one_of_two, &bytes);
    int end = peer_end(&peer);
    drop_queue(q);
    if (end == PEER_SKIP)
        skip();
    assert_int_equal(end, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(without_wishes_nothing_is_missing),
        TEST(bad_wishes_are_refused),
        TEST(a_node_that_is_not_there),
        TEST(the_first_consumer_places),
        TEST(huge_pages),
        TEST(memory_is_locked_by_each_process),
        TEST(who_may_not_lock_says_so),
        TEST(what_two_have_locked_each_has_locked),
        TEST(without_proc_a_lock_that_was_had_is_believed),
        TEST(who_may_not_ask_for_nodes_is_told_of_locks),
        TEST(who_wished_for_nothing_is_not_touched),
        TEST(the_only_node_needs_no_look),
        TEST(a_seat_says_nothing_of_its_last_owners_locks),
        TEST(a_limit_that_others_use_up_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
