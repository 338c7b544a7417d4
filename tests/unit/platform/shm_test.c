/* SPDX-License-Identifier: MIT */
/* Files in shared memory. What publishes is run twice: with unnamed files, and with the private names of machines without them. */
#include "shm.h"

#include "atomic.h"
#include "check.h"
#include "peer.h"
#include "scratch.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/time.h>
#include <sys/vfs.h>

enum { NOBODY_ID = 65534, BYTES = 3 * 4096 };

static struct scratch scratch;
static struct shm_build build; /* 8 KiB, and one test at a time */

static int setup(void **state) {
    (void)state;
    return scratch_create(&scratch);
}

static int setup_private(void **state) {
    shm_force_private_name = true;
    return setup(state);
}

static int teardown(void **state) {
    (void)state;
    shm_force_private_name = false;
    scratch_destroy(&scratch);
    return 0;
}

static int create(void) { return shm_create(scratch.path, BYTES, 0600, NULL, true, &build); }

static int create_and_publish(void) {
    int result = create();
    if (result == 0) {
        result = shm_publish(&build);
        shm_discard(&build);
    }
    return result;
}

static void names(void **state) {
    (void)state;
    char path[SHM_PATH_MAX], text[SHM_PATH_MAX + 1];
    assert_int_equal(shm_path("orders", path), 0);
    assert_string_equal(path, "/dev/shm/ringpost.orders");
    assert_int_equal(shm_path("/run/q.d/a b~/queue", path), 0);
    assert_string_equal(path, "/run/q.d/a b~/queue");
    memset(text, 'a', sizeof text);
    text[200] = 0;
    assert_int_equal(shm_path(text, path), 0);

    text[200] = 'a', text[201] = 0;
    assert_int_equal(shm_path(text, path), -EINVAL);
    text[201] = 'a', text[0] = '/', text[SHM_PATH_MAX] = 0;
    assert_int_equal(shm_path(text, path), -EINVAL);
    static const char *const refused[] = {NULL,       "",    "a/b", "a b",       "~a",
                                          "\xc3\xa4", "a\n", "/",   "/dev/shm/", "/dev/shm/ringpost.~1.2"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_int_equal(shm_path(refused[i], path), -EINVAL);
}

static void nobody_sees_a_segment_before_it_is_published(void **state) {
    (void)state;
    assert_int_equal(create(), 0);
    assert_int_equal(build.bytes, BYTES);
    assert_int_equal(access(scratch.path, F_OK), -1);
    for (size_t i = 0; i < BYTES; i++)
        assert_int_equal(((char *)build.memory)[i], 0);
    memcpy(build.memory, "hello", 6);
    assert_int_equal(shm_publish(&build), 0);
    assert_int_equal(scratch_count(&scratch, 0), 1);
    shm_discard(&build);
    shm_discard(&build);

    struct shm_identity id;
    uint64_t bytes;
    void *memory;
    int fd = shm_open_file(scratch.path, false);
    assert_true(fd >= 0);
    assert_int_equal(shm_stat(fd, &id, &bytes), 1);
    assert_int_equal(bytes, BYTES);
    assert_int_equal(shm_map(fd, bytes, false, &memory), 0);
    shm_prefault(memory, bytes, false);
    assert_string_equal(memory, "hello");
    shm_unmap(memory, bytes);
    close(fd);
}

static void a_discarded_build_leaves_nothing(void **state) {
    (void)state;
    assert_int_equal(create(), 0);
    shm_discard(&build);
    assert_int_equal(scratch_count(&scratch, 0), 0);
}

static void mode_is_exact_whatever_the_umask(void **state) {
    (void)state;
    static const uint32_t modes[] = {0600, 0660, 0666, 0440};
    mode_t before = umask(0177);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        struct stat status;
        assert_int_equal(shm_create(scratch.path, BYTES, modes[i], NULL, false, &build), 0);
        assert_int_equal(shm_publish(&build), 0);
        shm_discard(&build);
        assert_int_equal(stat(scratch.path, &status), 0);
        assert_int_equal(status.st_mode & 07777, modes[i]);
        assert_int_equal(shm_remove(scratch.path), 0);
    }
    umask(before);
    assert_int_equal(shm_create(scratch.path, BYTES, 04600, NULL, false, &build), -EINVAL);
    assert_int_equal(shm_create(scratch.path, 0, 0600, NULL, false, &build), -EINVAL);
}

static void group_by_number_or_name(void **state) {
    (void)state;
    struct stat status;
    char group[16];
    gid_t gid = geteuid() == 0 ? NOBODY_ID : getegid();
    snprintf(group, sizeof group, "%u", gid);
    assert_int_equal(shm_create(scratch.path, BYTES, 0660, group, false, &build), 0);
    assert_int_equal(shm_publish(&build), 0);
    shm_discard(&build);
    assert_int_equal(stat(scratch.path, &status), 0);
    assert_int_equal(status.st_gid, gid);
    assert_int_equal(status.st_mode & 07777, 0660);

    snprintf(scratch.path, sizeof scratch.path, "%s/other", scratch.directory);
    static const char *const unknown[] = {"", "no such group", "-1", "1x", "99999999999"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        assert_int_equal(shm_create(scratch.path, BYTES, 0660, unknown[i], false, &build), -EINVAL);
    if (geteuid() == 0)
        assert_int_equal(shm_create(scratch.path, BYTES, 0660, "root", false, &build), 0);
    shm_discard(&build);
}

static void the_second_creator_is_refused(void **state) {
    (void)state;
    static struct shm_build second;
    assert_int_equal(create(), 0);
    assert_int_equal(shm_create(scratch.path, BYTES, 0600, NULL, false, &second), 0);
    assert_int_equal(shm_publish(&build), 0);
    assert_int_equal(shm_publish(&second), -EEXIST);
    shm_discard(&second);
    assert_int_equal(scratch_count(&scratch, 0), 1);
    assert_int_equal(shm_create(scratch.path, BYTES, 0600, NULL, false, &second), -EEXIST);
    shm_discard(&build);
    assert_int_equal(access(scratch.path, F_OK), 0);
}

static int create_at_the_signal(struct peer *test, void *argument) {
    (void)argument;
    peer_check(create() == 0);
    peer_say(test, 'b');
    peer_hear(test);
    int result = shm_publish(&build);
    shm_discard(&build);
    return result == -EEXIST ? 10 : result;
}

static void of_many_creators_one_wins(void **state) {
    (void)state;
    struct peer peers[8];
    int results[2] = {0};
    for (int i = 0; i < 8; i++) {
        peers[i] = peer_start(create_at_the_signal, NULL);
        assert_int_equal(peer_hear(&peers[i]), 'b');
    }
    for (int i = 0; i < 8; i++)
        peer_say(&peers[i], 'p');
    for (int i = 0; i < 8; i++) {
        int result = peer_end(&peers[i]);
        assert_true(result == 0 || result == 10);
        results[result == 10]++;
    }
    assert_int_equal(results[0], 1);
    assert_int_equal(results[1], 7);
    assert_int_equal(scratch_count(&scratch, 0), 1);
}

static void a_killed_creator_leaves_nothing(void **state) {
    (void)state;
    struct peer peer = peer_start(create_at_the_signal, NULL);
    assert_int_equal(peer_hear(&peer), 'b');
    peer_kill(&peer);
    assert_int_equal(scratch_count(&scratch, 0), 0);
}

static void leftovers_are_collected_and_work_in_progress_is_not(void **state) {
    (void)state;
    char other[96];
    struct peer at_work = peer_start(create_at_the_signal, NULL), killed = peer_start(create_at_the_signal, NULL);
    assert_int_equal(peer_hear(&at_work), 'b');
    assert_int_equal(peer_hear(&killed), 'b');
    snprintf(other, sizeof other, "%s/ringpost.not-private", scratch.directory);
    close(open(other, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(shm_collect(scratch.directory), 0);
    assert_int_equal(scratch_count(&scratch, 0), 3);

    peer_kill(&killed);
    assert_true(until(shm_collect(scratch.directory) == 1));
    assert_int_equal(scratch_count(&scratch, 0), 2);
    peer_say(&at_work, 'p');
    assert_int_equal(peer_end(&at_work), 0);
    assert_int_equal(access(scratch.path, F_OK), 0);
    assert_int_equal(shm_collect("/nonexistent"), -ENOENT);
}

static void a_path_outside_shared_memory_is_refused(void **state) {
    (void)state;
    char path[4096 + 16] = "";
    struct statfs fs;
    assert_int_equal(shm_create("/proc/queue", BYTES, 0600, NULL, false, &build), -ENOTSUP);
    assert_int_equal(shm_open_file("/proc/self/status", true), -ENOTSUP);
    assert_int_equal(shm_create("/nonexistent/queue", BYTES, 0600, NULL, false, &build), -ENOENT);

    assert_true(readlink("/proc/self/exe", path, 4095) > 0);
    if (statfs(path, &fs) != 0 || fs.f_type == 0x01021994)
        skip(); /* the tests were built on a tmpfs */
    assert_int_equal(shm_open_file(path, true), -ENOTSUP);
    assert_int_equal(shm_remove(path), -ENOTSUP);
    assert_int_equal(access(path, F_OK), 0);
    strcat(path, ".queue");
    assert_int_equal(shm_create(path, BYTES, 0600, NULL, false, &build), -ENOTSUP);
    assert_int_equal(access(path, F_OK), -1);
}

static void only_regular_files_are_opened(void **state) {
    (void)state;
    assert_int_equal(shm_open_file(scratch.path, false), -ENOENT);
    assert_int_equal(shm_open_file(scratch.directory, true), -EINVAL);
    assert_int_equal(shm_open_file(scratch.directory, false), -EINVAL);
    assert_int_equal(mkfifo(scratch.path, 0600), 0);
    assert_int_equal(shm_open_file(scratch.path, true), -EINVAL);
    assert_int_equal(shm_open_file(scratch.path, false), -EINVAL);
    assert_int_equal(unlink(scratch.path), 0);
    assert_int_equal(symlink("target", scratch.path), 0);
    assert_int_equal(shm_open_file(scratch.path, false), -EINVAL);
    assert_int_equal(create(), -EEXIST);
}

static int without_permission(struct peer *test, void *published) {
    (void)test;
    if (geteuid() == 0)
        peer_check(setgid(NOBODY_ID) == 0 && setuid(NOBODY_ID) == 0);
    peer_check(shm_open_file(published, false) == -EACCES);
    peer_check(shm_remove(published) == -EACCES);
    peer_check(create() == -EACCES);
    shm_force_private_name = true;
    peer_check(create() == -EACCES);
    return 0;
}

static void permissions_are_respected(void **state) {
    (void)state;
    char published[sizeof scratch.path];
    strcpy(published, scratch.path);
    assert_int_equal(shm_create(published, BYTES, 0, NULL, false, &build), 0);
    assert_int_equal(shm_publish(&build), 0);
    shm_discard(&build);
    strcat(scratch.path, "2");
    assert_int_equal(chmod(scratch.directory, 0555), 0);
    assert_int_equal(peer_run(without_permission, published), 0);
    assert_int_equal(chmod(scratch.directory, 0755), 0);
}

/* Mounts `type` over the scratch directory, for this process only. */
static void mount_privately(const char *type, const char *options) {
    if (unshare(CLONE_NEWNS | (geteuid() ? CLONE_NEWUSER : 0)) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("test", scratch.directory, type, 0, options) != 0)
        _exit(PEER_SKIP);
}

static int on_a_small_tmpfs(struct peer *test, void *argument) {
    (void)test, (void)argument;
    mount_privately("tmpfs", "size=1m");
    peer_check(shm_create(scratch.path, 2 << 20, 0600, NULL, false, &build) == -ENOSPC);
    peer_check(scratch_count(&scratch, 0) == 0);
    peer_check(shm_create(scratch.path, 1 << 20, 0600, NULL, false, &build) == 0);
    memset(build.memory, 1, 1 << 20);
    peer_check(shm_publish(&build) == 0);
    shm_discard(&build);
    shm_force_private_name = true;
    strcat(scratch.path, "2");
    peer_check(shm_create(scratch.path, 4096, 0600, NULL, false, &build) == -ENOSPC);
    peer_check(scratch_count(&scratch, 0) == 1);
    return 0;
}

static int on_hugetlbfs(struct peer *test, void *argument) {
    (void)test, (void)argument;
    mount_privately("hugetlbfs", "pagesize=2M");
    struct statfs fs;
    peer_check(statfs(scratch.directory, &fs) == 0);
    int result = shm_create(scratch.path, BYTES, 0600, NULL, true, &build);
    if (result == -ENOSPC || result == -ENOMEM)
        return PEER_SKIP; /* no pages set aside on this machine */
    peer_check(result == 0);
    peer_check(build.bytes == (size_t)fs.f_bsize);
    memset(build.memory, 1, build.bytes);
    peer_check(shm_publish(&build) == 0);
    shm_discard(&build);
    peer_check(shm_remove(scratch.path) == 0);
    peer_check(shm_create(scratch.path, SIZE_MAX / 4, 0600, NULL, false, &build) < 0);
    peer_check(scratch_count(&scratch, 0) == 0);
    return 0;
}

static void run_or_skip(int (*body)(struct peer *, void *)) {
    int status = peer_run(body, NULL);
    if (status == PEER_SKIP)
        skip();
    assert_int_equal(status, 0);
}

static void a_full_tmpfs_is_an_error_at_creation(void **state) {
    (void)state;
    run_or_skip(on_a_small_tmpfs);
}

static void huge_pages_work_too(void **state) {
    (void)state;
    run_or_skip(on_hugetlbfs);
}

static void memory_is_reserved_at_creation(void **state) {
    (void)state;
    struct stat status;
    assert_int_equal(shm_create(scratch.path, BYTES, 0600, NULL, false, &build), 0);
    assert_int_equal(fstat(build.fd, &status), 0);
    assert_true(status.st_blocks * 512 >= BYTES);
    shm_discard(&build);
}

static a32 signals;

static void count_signal(int signal) {
    (void)signal;
    fetch_add_relaxed(&signals, 1, stat);
}

static int create_under_fire(struct peer *test, void *argument) {
    (void)test, (void)argument;
    struct sigaction action = {.sa_handler = count_signal}; /* without SA_RESTART */
    struct itimerval every_ms = {{0, 1000}, {0, 1000}};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &every_ms, NULL);
    peer_check(until(load_relaxed(&signals, stat) > 0));
    peer_check(shm_create(scratch.path, 32 << 20, 0600, NULL, true, &build) == 0);
    shm_discard(&build);
    return 0;
}

static void creation_gets_ahead_of_signals(void **state) {
    (void)state;
    assert_int_equal(peer_run(create_under_fire, NULL), 0);
}

static int is_unmapped(struct peer *test, void *memory) {
    (void)test;
    return msync(memory, 4096, MS_ASYNC) == -1 && errno == ENOMEM ? 0 : 1;
}

static void mappings_are_not_inherited(void **state) {
    (void)state;
    void *memory;
    assert_int_equal(create(), 0);
    assert_int_equal(shm_map(build.fd, BYTES, true, &memory), 0);
    assert_int_equal(peer_run(is_unmapped, build.memory), 0);
    assert_int_equal(peer_run(is_unmapped, memory), 0);
    shm_unmap(memory, BYTES);
    shm_discard(&build);
}

static void a_removed_and_remade_name_is_another_file(void **state) {
    (void)state;
    struct shm_identity first, again, second;
    uint64_t bytes;
    assert_int_equal(create_and_publish(), 0);
    int fd = shm_open_file(scratch.path, false);
    assert_int_equal(shm_stat(fd, &first, &bytes), 1);
    assert_int_equal(shm_remove(scratch.path), 0);
    assert_int_equal(shm_remove(scratch.path), -ENOENT);
    assert_int_equal(shm_stat(fd, &again, &bytes), 0);
    assert_memory_equal(&first, &again, sizeof first);

    assert_int_equal(create_and_publish(), 0);
    int fd2 = shm_open_file(scratch.path, false);
    assert_int_equal(shm_stat(fd2, &second, &bytes), 1);
    assert_memory_not_equal(&first, &second, sizeof first);
    close(fd);
    close(fd2);
    assert_int_equal(shm_stat(-1, &first, &bytes), -EBADF);
}

#define TEST(body) cmocka_unit_test_setup_teardown(body, setup, teardown)
#define TEST_PRIVATE(body) \
    { #body " (private name)", body, setup_private, teardown, NULL }
#define TEST_BOTH(body) TEST(body), TEST_PRIVATE(body)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        TEST_BOTH(nobody_sees_a_segment_before_it_is_published),
        TEST_BOTH(a_discarded_build_leaves_nothing),
        TEST_BOTH(mode_is_exact_whatever_the_umask),
        TEST_BOTH(group_by_number_or_name),
        TEST_BOTH(the_second_creator_is_refused),
        TEST_BOTH(of_many_creators_one_wins),
        TEST_BOTH(memory_is_reserved_at_creation),
        TEST_BOTH(creation_gets_ahead_of_signals),
        TEST(a_killed_creator_leaves_nothing),
        TEST_PRIVATE(leftovers_are_collected_and_work_in_progress_is_not),
        TEST(a_path_outside_shared_memory_is_refused),
        TEST(only_regular_files_are_opened),
        TEST(permissions_are_respected),
        TEST(a_full_tmpfs_is_an_error_at_creation),
        TEST_BOTH(huge_pages_work_too),
        TEST(mappings_are_not_inherited),
        TEST(a_removed_and_remade_name_is_another_file),
    };
    return cmocka_run_group_tests_name("shm", tests, NULL, NULL);
}
