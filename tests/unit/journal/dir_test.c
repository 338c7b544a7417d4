/* SPDX-License-Identifier: MIT */
/* Whose directory it is, and who may have the files. */
#include "file.h"
#include "journal_fixture.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const char owner[] = JOURNAL_OWNER_NAME;

static void a_directory_belongs_to_one_queue(void **state) {
    (void)state;
    struct journal_fixture x;
    struct journal_dir d;
    fixture_open(&x);
    assert_int_equal(journal_dir_create(x.scratch.path, "letters", &d), -EEXIST);
    assert_non_null(strstr(rp_error_detail(), "that of queue 'orders'"));
    assert_int_equal(journal_dir_open(x.scratch.path, "letters", &d), -EEXIST);
    succeeds(journal_dir_open(x.scratch.path, NULL, &d));
    assert_string_equal(d.queue, "orders");
    assert_memory_equal(d.id, x.d.id, sizeof d.id);
    journal_dir_close(&d);
    succeeds(journal_dir_create(x.scratch.path, "orders", &d));
    assert_memory_equal(d.id, x.d.id, sizeof d.id);
    journal_dir_close(&d);
    fixture_close(&x);
}

static void what_cannot_be_is_refused(void **state) {
    (void)state;
    struct journal_fixture x;
    struct journal_dir d;
    char path[256], name[JOURNAL_PATH_MAX + 1];
    fixture_open(&x);
    snprintf(path, sizeof path, "%s/a/b", x.scratch.path);
    assert_int_equal(journal_dir_create(path, "q", &d), -ENOENT);
    snprintf(path, sizeof path, "%s/%s", x.scratch.path, owner);
    assert_int_equal(journal_dir_create(path, "q", &d), -ENOTDIR);
    snprintf(path, sizeof path, "%s/a", x.scratch.path);
    assert_int_equal(file_make_directory(path), 0);
    assert_int_equal(journal_dir_open(path, NULL, &d), -ENOENT);
    assert_non_null(strstr(rp_error_detail(), "is no journal"));
    assert_int_equal(journal_dir_open("", NULL, &d), -EINVAL);
    memset(name, 'n', JOURNAL_PATH_MAX);
    name[JOURNAL_PATH_MAX] = 0;
    assert_int_equal(journal_dir_create(x.scratch.path, name, &d), -EINVAL);
    assert_int_equal(journal_dir_create(name, "q", &d), -EINVAL);
    assert_int_equal(journal_dir_create(x.scratch.path, "", &d), -EINVAL);
    fixture_close(&x);
}

static void files_that_nobody_owns_are_left_alone(void **state) {
    (void)state;
    struct journal_fixture x;
    struct journal_dir d;
    fixture_open(&x);
    fixture_next_file(&x, JOURNAL_WRITE);
    assert_int_equal(file_remove(x.d.fd, owner), 0);
    assert_int_equal(journal_dir_create(x.scratch.path, "orders", &d), -ENOTEMPTY);
    fixture_close(&x);
}

/* Each byte of `queue`. */
static void a_damaged_owner_is_refused(void **state) {
    (void)state;
    struct journal_fixture x;
    struct journal_dir d;
    fixture_open(&x);
    int fd = file_open(x.d.fd, owner, FILE_WRITE);
    int64_t bytes = file_size(fd);
    assert_int_equal(bytes, OWNER_MIN_BYTES + strlen("orders"));
    for (int64_t i = 0; i < bytes; i++) {
        unsigned char was, is;
        assert_int_equal(journal_read_all(fd, &was, 1, (uint64_t)i), 0);
        is = was ^ 4;
        assert_int_equal(journal_write_all(fd, &is, 1, (uint64_t)i), 0);
        assert_int_equal(journal_dir_open(x.scratch.path, NULL, &d), RP_CORRUPT);
        assert_int_equal(journal_dir_create(x.scratch.path, "orders", &d), RP_CORRUPT);
        assert_int_equal(journal_write_all(fd, &was, 1, (uint64_t)i), 0);
    }
    file_close(fd);
    succeeds(journal_dir_open(x.scratch.path, NULL, &d));
    journal_dir_close(&d);
    fixture_close(&x);
}

static void files_have_the_permissions_of_the_directory(void **state) {
    (void)state;
    struct journal_fixture x;
    struct stat status;
    fixture_open(&x);
    mode_t mask = umask(077);
    assert_int_equal(chmod(x.scratch.path, 0770), 0);
    fixture_next_file(&x, JOURNAL_WRITE);
    umask(mask);
    assert_int_equal(fstat(x.f.fd, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0660);
    fixture_close(&x);
}

/* In a child: a limit that is lowered stays so. */
static int create_limited(struct journal_fixture *x) {
    const struct rlimit limit = {FIXTURE_FILE_BYTES - 1, FIXTURE_FILE_BYTES - 1};
    const struct journal_file_options o = {.number = 1, .first_sequence = 1, .bytes = FIXTURE_FILE_BYTES, .previous = NULL};
    struct journal_file f;
    return setrlimit(RLIMIT_FSIZE, &limit) == 0 && journal_file_create(&x->d, &o, JOURNAL_WRITE, &f) == -EFBIG ? 0 : 1;
}

static void a_limit_of_file_sizes_kills_nobody(void **state) {
    (void)state;
    struct journal_fixture x;
    int status;
    fixture_open(&x);
    pid_t child = fork();
    if (child == 0)
        _exit(create_limited(&x));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(journal_dir_collect(&x.d), 0);
    fixture_close(&x);
}

static bool there_is(const struct journal_fixture *x, const char *name) {
    int fd = file_open(x->d.fd, name, FILE_READ);
    if (fd >= 0)
        file_close(fd);
    return fd >= 0;
}

static void a_dropped_file_is_used_again(void **state) {
    (void)state;
    struct journal_fixture x;
    struct journal_stop stop;
    fixture_open(&x);
    for (int i = 0; i < 2; i++) {
        fixture_next_file(&x, JOURNAL_WRITE);
        fixture_write(&x, 40);
    }
    const uint64_t second = x.f.first_sequence;
    assert_int_equal(journal_file_drop(&x.d, 1, FIXTURE_FILE_BYTES), 0);
    assert_true(there_is(&x, JOURNAL_SPARE_NAME) && !there_is(&x, "0000000000000001.journal"));
    assert_int_equal(journal_dir_drop(&x.d, 1), -ENOENT);
    fixture_next_file(&x, JOURNAL_WRITE);
    assert_false(there_is(&x, JOURNAL_SPARE_NAME));
    assert_true(x.f.reused);
    fixture_write(&x, 1); /* behind it are batches of its first life */
    assert_int_equal(fixture_read(&x, 0, second, &stop), JOURNAL_END);
    fixture_close(&x);
}

/* A stopped process may write to it at any time. */
static void a_file_that_is_open_is_not(void **state) {
    (void)state;
    for (int inherited = 0; inherited < 2; inherited++) {
        struct journal_fixture x;
        int pipe_fds[2];
        pid_t heir = 0;
        fixture_open(&x);
        fixture_next_file(&x, JOURNAL_DIRECT);
        int writing = file_open(x.d.fd, "0000000000000001.journal", FILE_WRITE);
        assert_true(writing >= 0);
        fixture_next_file(&x, JOURNAL_DIRECT);
        assert_int_equal(pipe(pipe_fds), 0);
        if (inherited) {
            heir = fork();
            if (heir == 0) {
                char byte;
                close(pipe_fds[1]);
                _exit((int)read(pipe_fds[0], &byte, 1));
            }
            file_close(writing);
        }
        assert_int_equal(journal_file_drop(&x.d, 1, FIXTURE_FILE_BYTES), 0);
        assert_true(!there_is(&x, JOURNAL_SPARE_NAME) && !there_is(&x, "0000000000000001.journal"));
        close(pipe_fds[1]);
        close(pipe_fds[0]);
        if (inherited)
            assert_int_equal(waitpid(heir, NULL, 0), heir);
        else
            file_close(writing);
        fixture_close(&x);
    }
}

/* What repair put aside stays as it is, and so does somebody's copy. */
static void one_with_another_name_is_not(void **state) {
    (void)state;
    struct journal_fixture x;
    char before[FIXTURE_FILE_BYTES], after[FIXTURE_FILE_BYTES];
    fixture_open(&x);
    fixture_next_file(&x, JOURNAL_WRITE);
    fixture_next_file(&x, JOURNAL_WRITE);
    assert_int_equal(file_link(x.d.fd, "0000000000000001.journal", "0000000000000001.damaged"), 0);
    int fd = file_open(x.d.fd, "0000000000000001.damaged", FILE_READ);
    assert_int_equal(file_read(fd, before, sizeof before, 0), sizeof before);
    file_close(fd);
    assert_int_equal(journal_file_drop(&x.d, 1, FIXTURE_FILE_BYTES), 0);
    assert_true(!there_is(&x, JOURNAL_SPARE_NAME) && !there_is(&x, "0000000000000001.journal"));
    fd = file_open(x.d.fd, "0000000000000001.damaged", FILE_READ);
    assert_int_equal(file_read(fd, after, sizeof after, 0), sizeof after);
    file_close(fd);
    assert_memory_equal(before, after, sizeof before);
    fixture_close(&x);
}

static void one_of_another_size_is_not(void **state) {
    (void)state;
    struct journal_fixture x;
    fixture_open(&x);
    fixture_next_file(&x, JOURNAL_WRITE);
    fixture_next_file(&x, JOURNAL_WRITE);
    assert_int_equal(journal_file_drop(&x.d, 1, 2 * FIXTURE_FILE_BYTES), 0);
    assert_false(there_is(&x, JOURNAL_SPARE_NAME));
    fixture_close(&x);
}

static void leftovers_are_collected(void **state) {
    (void)state;
    struct journal_fixture x;
    uint64_t *numbers;
    size_t count;
    fixture_open(&x);
    fixture_next_file(&x, JOURNAL_WRITE);
    succeeds(journal_file_prepare(&x.d, FIXTURE_FILE_BYTES, JOURNAL_WRITE));
    succeeds(journal_file_prepare(&x.d, FIXTURE_FILE_BYTES, JOURNAL_WRITE));
    file_close(file_open(x.d.fd, "new~7.0123456789abcdef", FILE_CREATE));
    file_close(file_open(x.d.fd, "0000000000000007.journal.old", FILE_CREATE));
    file_close(file_open(x.d.fd, "000000000000000G.journal", FILE_CREATE));
    assert_int_equal(journal_dir_collect(&x.d), 2);
    succeeds(journal_dir_list(&x.d, &numbers, &count));
    assert_int_equal(count, 1);
    assert_int_equal(numbers[0], 1);
    free(numbers);
    fixture_close(&x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_directory_belongs_to_one_queue),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(files_that_nobody_owns_are_left_alone),
        cmocka_unit_test(a_damaged_owner_is_refused),
        cmocka_unit_test(files_have_the_permissions_of_the_directory),
        cmocka_unit_test(a_limit_of_file_sizes_kills_nobody),
        cmocka_unit_test(a_dropped_file_is_used_again),
        cmocka_unit_test(a_file_that_is_open_is_not),
        cmocka_unit_test(one_with_another_name_is_not),
        cmocka_unit_test(one_of_another_size_is_not),
        cmocka_unit_test(leftovers_are_collected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
