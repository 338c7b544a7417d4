/* SPDX-License-Identifier: MIT */
/* What is said of a mapping's pages, against mappings whose pages are known. */
#include "pages.h"

#include "check.h"
#include "shm.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 2000 }; /* more than are asked about at a time */

static int file_of(size_t bytes) {
    int fd = memfd_create("pages_test", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
    return fd;
}

static void pages_are_counted_where_they_are(void **state) {
    (void)state;
    uint64_t on[64], sum = 0;
    int fd = file_of(PAGES * PAGE);
    void *memory = NULL;
    assert_int_equal(shm_map(fd, PAGES * PAGE, false, &memory), 0);
    struct pages_state before, after;
    assert_int_equal(pages_state(memory, PAGES * PAGE, &before), 0);
    assert_int_equal(before.mapped, 0);
    assert_int_equal(before.page, PAGE);
    assert_int_equal(pages_touch(memory, PAGES * PAGE, true), 0);
    int result = pages_where(memory, PAGES * PAGE, PAGE, on);
    if (result == -EPERM || result == -ENOSYS)
        skip(); /* a sandbox, or a kernel without NUMA */
    assert_int_equal(result, 0);
    for (int n = 0; n < 64; n++)
        sum += on[n];
    assert_int_equal(sum, PAGES * PAGE);
    assert_int_equal(pages_state(memory, PAGES * PAGE, &after), 0);
    assert_int_equal(after.mapped, PAGES * PAGE);
    assert_int_equal(after.huge, 0);
    assert_int_equal(after.locked, 0);
    shm_unmap(memory, PAGES * PAGE);
    close(fd);
}

static void what_is_locked_is_said_also_of_parts(void **state) {
    (void)state;
    struct rlimit limit;
    struct pages_state now;
    void *memory = NULL;
    int fd = file_of(16 * PAGE);
    assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
    if (limit.rlim_cur < 16 * PAGE)
        skip();
    assert_int_equal(shm_map(fd, 16 * PAGE, false, &memory), 0);
    assert_int_equal(pages_lock((char *)memory + 4 * PAGE, 8 * PAGE, true), 0); /* splits the mapping in three */
    assert_int_equal(pages_state(memory, 16 * PAGE, &now), 0);
    assert_int_equal(now.locked, 8 * PAGE);
    assert_int_equal(now.mapped, 8 * PAGE);
    assert_int_equal(pages_state((char *)memory + 12 * PAGE, 4 * PAGE, &now), 0);
    assert_int_equal(now.locked, 0);
    assert_int_equal(pages_lock(memory, 16 * PAGE, false), 0); /* locks what is there */
    assert_int_equal(pages_state(memory, 16 * PAGE, &now), 0);
    assert_int_equal(now.mapped, 8 * PAGE);
    shm_unmap(memory, 16 * PAGE);
    close(fd);
}

static void what_has_whole_huge_pages_begins_at_one(void **state) {
    (void)state;
    const size_t huge = 2 << 20;
    for (int i = 0; i < 8; i++) {
        void *memory[2] = {NULL, NULL};
        int fd = file_of(2 * huge);
        assert_int_equal(shm_map(fd, 2 * huge, false, &memory[0]), 0);
        assert_int_equal(shm_map(fd, 2 * huge, true, &memory[1]), 0);
        for (int k = 0; k < 2; k++)
            assert_int_equal((uintptr_t)memory[k] % huge, 0);
        memset(memory[0], i + 1, 2 * huge); /* all of it is ours */
        assert_memory_equal(memory[0], memory[1], 2 * huge);
        shm_unmap(memory[0], 2 * huge);
        shm_unmap(memory[1], 2 * huge);
        close(fd);
    }
}

static void small_pages_are_gathered(void **state) {
    (void)state;
    const size_t huge = pages_huge_bytes();
    struct pages_state now;
    void *memory = NULL;
    if (huge != 2 << 20)
        skip();
    int fd = file_of(2 * huge);
    assert_int_equal(shm_map(fd, 2 * huge, false, &memory), 0);
    memset(memory, 7, 2 * huge);
    pages_gather(memory, 2 * huge);
    assert_int_equal(pages_touch(memory, 2 * huge, false), 0);
    assert_int_equal(pages_state(memory, 2 * huge, &now), 0);
    assert_int_equal(now.huge % huge, 0); /* all, or what there was; the bytes are the same whatever it did */
    print_message("%llu of %llu bytes in huge pages\n", (unsigned long long)now.huge, (unsigned long long)(2 * huge));
    for (size_t i = 0; i < 2 * huge; i += 511)
        assert_int_equal(((unsigned char *)memory)[i], 7);
    shm_unmap(memory, 2 * huge);
    close(fd);
}

static void nodes_that_are_not_there_are_refused(void **state) {
    (void)state;
    int fd = file_of(PAGE);
    void *memory = NULL;
    assert_int_equal(shm_map(fd, PAGE, false, &memory), 0);
    int result = pages_bind(memory, PAGE, UINT64_C(1) << 63);
    assert_true(result == -EINVAL || result == -EPERM || result == -ENOSYS);
    assert_int_equal(pages_touch(memory, PAGE, false), 0);
    result = pages_move(memory, PAGE, 1, PAGE, PAGE);
    assert_true(result == 0 || result == -EPERM || result == -ENOSYS || access("/sys/devices/system/node/node0", F_OK) != 0);
    result = pages_bind(memory, PAGE, 1);
    assert_true(result == 0 || result == -EPERM || result == -ENOSYS || access("/sys/devices/system/node/node0", F_OK) != 0);
    shm_unmap(memory, PAGE);
    close(fd);
}

/* Locks all that it maps from now on, up to a limit that has room for the mapping and not for twice as much. */
static int maps_under_a_limit(void) {
    const size_t huge = 2 << 20, bytes = huge;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};
    struct rlimit limit;
    void *memory = NULL;
    int fd = memfd_create("pages_test", MFD_CLOEXEC);
    bool ready = fd >= 0 && ftruncate(fd, (off_t)bytes) == 0 && getrlimit(RLIMIT_MEMLOCK, &limit) == 0;
    limit.rlim_cur = 2 * bytes + huge / 2;
    if (!ready || limit.rlim_cur > limit.rlim_max || setrlimit(RLIMIT_MEMLOCK, &limit) != 0 ||
        syscall(SYS_capset, &header, none) != 0 || mlockall(MCL_FUTURE | MCL_ONFAULT) != 0)
        return 77;
    if (shm_map(fd, bytes, false, &memory) != 0)
        return 1;
    memset(memory, 1, bytes);
    return 0;
}

static void a_mapping_needs_no_more_than_its_own_room(void **state) {
    (void)state;
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(maps_under_a_limit());
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(status, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_counted_where_they_are),        cmocka_unit_test(what_is_locked_is_said_also_of_parts),
        cmocka_unit_test(what_has_whole_huge_pages_begins_at_one), cmocka_unit_test(small_pages_are_gathered),
        cmocka_unit_test(nodes_that_are_not_there_are_refused),    cmocka_unit_test(a_mapping_needs_no_more_than_its_own_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
