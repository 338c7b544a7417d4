/* SPDX-License-Identifier: MIT */
/* Where a queue cannot be, and creators that meet or are killed. */
#include "fixture.h"
#include "scratch.h"

#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/vfs.h>

static struct scratch scratch;

static int setup(void **state) {
    (void)state;
    return scratch_create(&scratch);
}

static int teardown(void **state) {
    (void)state;
    scratch_destroy(&scratch);
    return 0;
}

static int create(const char *name, uint32_t capacity) {
    struct rp_queue_options o = test_options();
    rp_queue *q = NULL;
    o.capacity = capacity;
    int result = rp_queue_create(name, &o, &q);
    return result < 0 ? result : rp_queue_close(q);
}

static bool detail_names(const char *what) {
    if (strstr(rp_error_detail(), what) == NULL)
        fprintf(stderr, "the detail '%s' does not name '%s'\n", rp_error_detail(), what);
    return strstr(rp_error_detail(), what) != NULL;
}

static void a_file_on_a_disk(void **state) {
    (void)state;
    char directory[1024], path[1100];
    struct statfs fs;
    rp_queue *q;
    assert_non_null(getcwd(directory, sizeof directory));
    assert_int_equal(statfs(directory, &fs), 0);
    if ((unsigned long)fs.f_type == TMPFS_MAGIC || (unsigned long)fs.f_type == RAMFS_MAGIC)
        skip();
    snprintf(path, sizeof path, "%s/queue.%d", directory, (int)getpid());
    assert_int_equal(create(path, 16), -ENOTSUP);
    assert_true(detail_names(directory));
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("not a queue\n", f);
    fclose(f);
    int opened = rp_queue_open(path, NULL, &q);
    bool named_it = detail_names(path);
    unlink(path);
    assert_int_equal(opened, -ENOTSUP);
    assert_true(named_it);
    assert_int_equal(create("/no/such/directory/queue", 16), -ENOENT);
    assert_true(detail_names("/no/such/directory"));
}

/* As somebody who may not do everything. */
static int nobody(struct peer *test, void *argument) {
    (void)test, (void)argument;
    struct rp_open_options look = {.size = sizeof look, .read_only = 1};
    rp_queue *q;
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        return PEER_SKIP;
    peer_check(create(scratch.path, 16) == -EACCES && detail_names(scratch.directory));
    peer_check(rp_queue_open(queue_name, NULL, &q) == -EACCES && detail_names(queue_name));
    peer_check(rp_queue_open(queue_name, &look, &q) == -EACCES && detail_names(queue_name));
    peer_check(rp_queue_unlink(queue_name) == -EACCES && detail_names(queue_name));
    return 0;
}

static void without_permission(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    if (geteuid() != 0)
        skip(); /* what is ours is open to us */
    rp_queue *q = make_queue(&o);
    assert_int_equal(chmod(scratch.directory, 0700), 0);
    assert_int_equal(peer_run(nobody, NULL), 0);
    drop_queue(q);
}

/* A mount namespace of its own; PEER_SKIP where that is not allowed. */
static void enter_own_mounts(void) {
    if (unshare(CLONE_NEWNS | (geteuid() ? CLONE_NEWUSER : 0)) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        _exit(PEER_SKIP);
}

static int on_a_full_tmpfs(struct peer *test, void *argument) {
    (void)test, (void)argument;
    enter_own_mounts();
    if (mount("none", scratch.directory, "tmpfs", 0, "size=1m") != 0)
        return PEER_SKIP;
    peer_check(create(scratch.path, 100000) == -ENOSPC && detail_names(scratch.path));
    peer_check(scratch_count(&scratch, 0) == 0);
    peer_check(create(scratch.path, 16) == 0); /* nothing was kept */
    return 0;
}

static void a_full_tmpfs(void **state) {
    (void)state;
    int status = peer_run(on_a_full_tmpfs, NULL);
    if (status == PEER_SKIP)
        skip();
    assert_int_equal(status, 0);
}

static int killed_holder(struct peer *test, void *argument) {
    (void)argument;
    struct rp_message m;
    rp_consumer *c;
    rp_queue *q;
    peer_succeeds(rp_queue_open(scratch.path, NULL, &q));
    peer_succeeds(rp_consumer_open(q, NULL, &c));
    peer_succeeds(rp_receive(c, &m, 0));
    peer_say(test, 'h');
    return peer_hear(test);
}

static int without_proc(struct peer *test, void *argument) {
    (void)test, (void)argument;
    struct rp_queue_options o = test_options();
    struct rp_message m;
    rp_producer *p;
    rp_consumer *c;
    rp_queue *q;
    enter_own_mounts();
    if (mount("none", "/proc", "tmpfs", 0, NULL) != 0)
        return PEER_SKIP;
    peer_succeeds(rp_queue_create(scratch.path, &o, &q));
    peer_check(scratch_count(&scratch, 0) == 1); /* under its own name only */
    peer_check(rp_queue_create(scratch.path, &o, &q) == -EEXIST);
    peer_succeeds(rp_producer_open(q, NULL, &p));
    peer_succeeds(rp_consumer_open(q, NULL, &c));
    peer_succeeds(send_text(p, "work"));
    struct peer peer = peer_start(killed_holder, NULL);
    peer_check(peer_hear(&peer) == 'h');
    peer_kill(&peer);
    peer_check(rp_queue_sweep(q) >= 2);
    peer_succeeds(rp_receive(c, &m, 0));
    peer_check(m.acquisitions == 2 && says(&m, "work"));
    peer_succeeds(rp_ack(c, &m));
    rp_consumer_close(c);
    rp_producer_close(p);
    peer_succeeds(rp_queue_close(q));
    peer_succeeds(rp_queue_unlink(scratch.path));
    peer_check(rp_collect(scratch.directory) == 0);
    return 0;
}

static void a_missing_proc(void **state) {
    (void)state;
    int status = peer_run(without_proc, NULL);
    if (status == PEER_SKIP)
        skip();
    assert_int_equal(status, 0);
}

static int rival(struct peer *test, void *argument) {
    (void)argument;
    struct rp_queue_options o = test_options();
    rp_queue *q = NULL;
    peer_say(test, 'r');
    peer_hear(test);
    int result = rp_queue_create(scratch.path, &o, &q);
    peer_check(result == 0 || (result == -EEXIST && detail_names(scratch.path)));
    peer_say(test, result == 0 ? '1' : '0');
    peer_hear(test);
    return 0;
}

static void many_creators_at_once(void **state) {
    (void)state;
    enum { RIVALS = 4 };
    for (int round = 0; round < 30; round++) {
        struct peer rivals[RIVALS];
        int winners = 0;
        for (int i = 0; i < RIVALS; i++) {
            rivals[i] = peer_start(rival, NULL);
            assert_int_equal(peer_hear(&rivals[i]), 'r');
        }
        for (int i = 0; i < RIVALS; i++)
            peer_say(&rivals[i], 'g');
        for (int i = 0; i < RIVALS; i++) {
            char answer = peer_hear(&rivals[i]);
            assert_true(answer == '1' || answer == '0');
            winners += answer == '1';
        }
        assert_int_equal(winners, 1);
        assert_int_equal(scratch_count(&scratch, 0), 1);
        for (int i = 0; i < RIVALS; i++) {
            peer_say(&rivals[i], 'e');
            assert_int_equal(peer_end(&rivals[i]), 0);
        }
        succeeds(rp_queue_unlink(scratch.path));
    }
}

static int creator(struct peer *test, void *argument) {
    (void)argument;
    peer_say(test, 'r');
    peer_hear(test);
    return create(scratch.path, 16) == 0 ? 0 : 1;
}

/* Runs the creator to its n-th system call (entry or exit) and kills it there. False: it came to its end before. */
static bool killed_at(int n) {
    struct peer peer = peer_start(creator, NULL);
    int status;
    assert_int_equal(peer_hear(&peer), 'r');
    if (ptrace(PTRACE_SEIZE, peer.pid, NULL, PTRACE_O_TRACESYSGOOD) != 0) {
        peer_kill(&peer);
        skip();
    }
    assert_int_equal(ptrace(PTRACE_INTERRUPT, peer.pid, NULL, NULL), 0);
    assert_int_equal(waitpid(peer.pid, &status, 0), peer.pid);
    peer_say(&peer, 'g');
    for (int i = 0; i < n; i++) {
        assert_int_equal(ptrace(PTRACE_SYSCALL, peer.pid, NULL, 0L), 0);
        assert_int_equal(waitpid(peer.pid, &status, 0), peer.pid);
        if (WIFEXITED(status)) {
            close(peer.in);
            close(peer.out);
            assert_int_equal(WEXITSTATUS(status), 0);
            return false;
        }
    }
    peer_kill(&peer);
    return true;
}

/* Before it has its name there is nothing; from then on it is a whole queue. */
static void a_creator_killed_at_any_system_call(void **state) {
    (void)state;
    int absent = 0, whole = 0;
    for (int n = 1; killed_at(n); n++) {
        rp_queue *q = NULL;
        int result = rp_queue_open(scratch.path, NULL, &q);
        if (result == -ENOENT) {
            absent++;
            assert_int_equal(scratch_count(&scratch, 0), 0);
            continue;
        }
        whole++;
        succeeds(result);
        assert_int_equal(scratch_count(&scratch, 0), 1);
        succeeds(rp_queue_sweep(q));
        assert_int_equal(stats_of(q).free_cells, stats_of(q).cells);
        assert_int_equal(stats_of(q).participants_dead, 0);
        audit_is_clean(q);
        succeeds(rp_queue_close(q));
        succeeds(rp_queue_unlink(scratch.path));
    }
    print_message("killed %d times before its queue was there, %d times after\n", absent, whole);
    assert_true(absent > 10 && whole > 10);
}

#undef TEST
#define TEST(body) cmocka_unit_test_setup_teardown(body, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_file_on_a_disk), TEST(without_permission),    TEST(a_full_tmpfs),
        TEST(a_missing_proc),   TEST(many_creators_at_once), TEST(a_creator_killed_at_any_system_call),
    };
    return cmocka_run_group_tests_name("bad place", tests, NULL, unlink_queue);
}
