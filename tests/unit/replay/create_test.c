/* SPDX-License-Identifier: MIT */
/* Making durable queues, coming back, and what is refused: then nothing is changed. */
#include "journal_lock.h"
#include "replay_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { A = 1, B = 2 };

static struct rp_queue_options got_options(rp_queue *q) {
    struct rp_queue_options o;
    rp_queue_options_init(&o, sizeof o);
    succeeds(rp_queue_options_get(q, &o));
    return o;
}

static size_t file_count(const struct journal *x) {
    uint64_t *numbers;
    size_t count;
    succeeds(journal_dir_list(&x->dir, &numbers, &count));
    free(numbers);
    return count;
}

/* What of the point a writer goes on with. */
static void begins_in_file(rp_queue *q, uint64_t number) {
    struct control *k = q->segment.control;
    assert_int_equal(load_relaxed(&k->journal_file, recheck), number);
    assert_int_equal(load_relaxed(&k->journal_point, recheck) >> 32, number << 22 | 8);
}

/* What is in the file before is not younger than that: so it ages from then on, and not from when the queue was made. */
static void a_lifes_first_file_is_of_its_time(void **state) {
    (void)state;
    struct journal x;
    struct journal_file made;
    journal_begin(&x);
    next_file(&x, 1);
    add_places(&x, 1);
    add_message(&x, 1, A, "1");
    const uint64_t before = wall_ns();
    rp_queue *q = bring_back_queue(&x);
    succeeds(journal_file_open(&x.dir, 2, JOURNAL_READ, &made));
    assert_true(made.made_ns >= before && made.made_ns <= wall_ns());
    journal_file_close(&made);
    drop_queue(q);
    journal_end(&x);
}

static void a_new_queue_says_what_it_is(void **state) {
    (void)state;
    struct journal x;
    journal_begin(&x);
    struct rp_queue_options o = durable_options(&x);
    o.sync = RP_SYNC_INTERVAL;
    o.sync_interval_ns = 5000000;
    rp_queue *q;
    succeeds(rp_queue_create(queue_name, &o, &q));
    struct rp_queue_options got = got_options(q);
    assert_string_equal(got.journal, x.scratch.path);
    assert_int_equal(got.sync, RP_SYNC_INTERVAL);
    assert_int_equal(got.sync_interval_ns, 5000000);
    assert_int_equal(got.journal_file_bytes, JOURNAL_FILE);
    assert_int_equal(file_count(&x), 1);
    begins_in_file(q, 1);
    audit_is_clean(q);
    assert_int_equal(rp_queue_create(queue_name, &o, &q), -EEXIST);
    succeeds(rp_queue_close(q));
    succeeds(rp_queue_open(queue_name, NULL, &q));
    assert_string_equal(got_options(q).journal, x.scratch.path);
    drop_queue(q);
    assert_int_equal(file_count(&x), 1); /* removing the queue leaves its journal */
    succeeds(rp_queue_create(queue_name, &o, &q));
    begins_in_file(q, 1); /* nothing was written to it */
    drop_queue(q);
    o.journal_file_bytes *= 2;
    succeeds(rp_queue_create(queue_name, &o, &q));
    begins_in_file(q, 2);
    drop_queue(q);
    o.journal = NULL;
    succeeds(rp_queue_create(queue_name, &o, &q));
    assert_null(got_options(q).journal);
    drop_queue(q);
    journal_end(&x);
}

static void an_open_brings_it_back(void **state) {
    (void)state;
    struct journal x;
    journal_begin(&x);
    struct rp_queue_options o = durable_options(&x);
    struct rp_open_options with;
    rp_open_options_init(&with, sizeof with);
    with.journal = x.scratch.path;
    rp_queue *q;
    assert_int_equal(rp_queue_open(queue_name, &with, &q), -ENOENT); /* there never was one */
    o.capacity = 33;
    o.sync = RP_SYNC_INTERVAL;
    o.sync_interval_ns = 7000000;
    o.mode = 0640;
    char group[16];
    snprintf(group, sizeof group, "%u", (unsigned)getgid());
    o.group = group;
    succeeds(rp_queue_create(queue_name, &o, &q));
    drop_queue(q);
    assert_int_equal(rp_queue_open(queue_name, NULL, &q), -ENOENT);
    x.file.number = 1;
    succeeds(journal_file_open(&x.dir, 1, JOURNAL_WRITE, &x.file));
    x.at = journal_file_begin(&x.file);
    add_places(&x, 1, 1);
    add_message(&x, 1, A | B, "1");
    commit(&x);
    succeeds(rp_queue_open(queue_name, &with, &q));
    begins_in_file(q, 2);
    struct rp_queue_options got = got_options(q);
    assert_int_equal(got.capacity, 33);
    assert_int_equal(got.sync, RP_SYNC_INTERVAL);
    assert_int_equal(got.sync_interval_ns, 7000000);
    assert_int_equal(got.mode, 0640);
    rp_queue *again;
    succeeds(rp_queue_open(queue_name, &with, &again)); /* it is there */
    rp_queue_close(again);
    has(q, "a", "1 ");
    drop_queue(q);

    o = durable_options(&x); /* other options are those from then on */
    o.capacity = 44;
    succeeds(rp_queue_create(queue_name, &o, &q));
    drop_queue(q);
    succeeds(rp_queue_open(queue_name, &with, &q));
    assert_int_equal(got_options(q).capacity, 44);
    begins_in_file(q, 3);
    has(q, "b", "1 ");
    drop_queue(q);
    with.read_only = 1;
    assert_int_equal(rp_queue_open(queue_name, &with, &q), -EINVAL);
    journal_end(&x);
}

static void its_directory_is_for_whom_the_queue_is(void **state) {
    (void)state;
    struct journal x;
    struct stat status;
    journal_begin(&x);
    char path[128];
    snprintf(path, sizeof path, "%s/queue.new", x.scratch.directory);
    struct rp_queue_options o = durable_options(&x);
    o.journal = path;
    o.mode = 0640;
    rp_queue *q;
    succeeds(rp_queue_create(queue_name, &o, &q));
    drop_queue(q);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0750);
    char file[160];
    snprintf(file, sizeof file, "%s/options", path);
    assert_int_equal(stat(file, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640);
    struct scratch made;
    snprintf(made.directory, sizeof made.directory, "%.63s", path);
    scratch_destroy(&made);
    journal_end(&x);
}

/* Late writes to an earlier file do not count. */
static void an_earlier_life_has_no_power(void **state) {
    (void)state;
    struct journal x;
    journal_begin(&x);
    next_file(&x, 1);
    add_places(&x, 1);
    add_message(&x, 1, A, "1");
    rp_queue *q = bring_back_queue(&x);
    drop_queue(q);
    add_message(&x, 2, A, "late");
    q = bring_back_queue(&x);
    has(q, "a", "1 ");
    drop_queue(q);
    journal_end(&x);
}

static void a_torn_tail_is_left_out(void **state) {
    (void)state;
    struct journal x;
    journal_begin(&x);
    next_file(&x, 1);
    add_places(&x, 1);
    add_message(&x, 1, A, "1");
    commit(&x);
    const off_t torn = (off_t)(x.at.unit * JOURNAL_UNIT_BYTES);
    add_message(&x, 2, A, "2");
    commit(&x);
    assert_int_equal(pwrite(x.file.fd, "?", 1, torn + 130), 1);
    rp_queue *q = bring_back_queue(&x);
    has(q, "a", "1 ");
    drop_queue(q);
    q = bring_back_queue(&x);
    has(q, "a", ""); /* that it was acked is in the next file */
    drop_queue(q);
    journal_end(&x);
}

/* ---- what is refused ---- */

static void refused(struct journal *x, struct rp_queue_options o, int result, const char *why) {
    rp_queue *q = NULL;
    size_t files = file_count(x);
    int got = rp_queue_create(queue_name, &o, &q);
    if (got != result || strstr(rp_error_detail(), why) == NULL)
        fprintf(stderr, "%s, expected %s: '%s' does not say '%s'\n", rp_error_name(got), rp_error_name(result), rp_error_detail(),
                why);
    assert_int_equal(got, result);
    assert_non_null(strstr(rp_error_detail(), why));
    assert_int_equal(file_count(x), files);
    assert_int_equal(rp_queue_open(queue_name, NULL, &q), -ENOENT);
}
static void is_damaged(struct journal *x, int result, const char *why) {
    commit(x);
    refused(x, durable_options(x), result, why);
    journal_end(x);
}

static void options_that_cannot_be(void **state) {
    (void)state;
    struct journal x;
    journal_begin(&x);
    struct rp_queue_options o = durable_options(&x), p;
#define REFUSED(change, result, why) (p = o, change, refused(&x, p, result, why))
    REFUSED(p.sync = 4, -EINVAL, "sync is 4");
    REFUSED(p.sync = 0, -EINVAL, "sync is 0");
    REFUSED((p.sync = RP_SYNC_INTERVAL, p.sync_interval_ns = 999999), -EINVAL, "sync_interval_ns");
    REFUSED(p.journal_file_bytes = 65536 + 512, -EINVAL, "journal_file_bytes");
    REFUSED(p.journal_file_bytes = 61440, -EINVAL, "journal_file_bytes");
    REFUSED(p.journal_file_bytes = (UINT64_C(1) << 30) + 4096, -EINVAL, "journal_file_bytes");
    REFUSED(p.message_bytes = 16384, -EINVAL, "need 82432");
    REFUSED(p.overflow = RP_OVERFLOW_DROP_OLDEST, -ENOTSUP, "drop");
    REFUSED(p.journal = "", -EINVAL, "empty");
    REFUSED(p.journal = "/nowhere/at/all", -ENOENT, "/nowhere/at/all");
    REFUSED(p.reserved3 = 1, -E2BIG, "reserved");
    char name[256];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = 0;
    char deep[JOURNAL_NAME_BYTES + 512];
    strcpy(deep, x.scratch.path);
    int levels = 0;
    for (; strlen(deep) + sizeof name < sizeof deep; levels++) {
        assert_int_equal(mkdir(deep, 0700) < 0 && levels > 0, false);
        strcat(strcat(deep, "/"), name);
    }
    REFUSED(p.journal = deep, -EINVAL, "path has");
    for (; levels > 1; levels--) {
        *strrchr(deep, '/') = 0;
        assert_int_equal(rmdir(deep), 0);
    }
#undef REFUSED
    journal_end(&x);
}

static void paths_are_made_absolute(void **state) {
    (void)state;
    struct journal x;
    journal_begin(&x);
    char here[256];
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(x.scratch.path), 0);
    struct rp_queue_options o = durable_options(&x);
    rp_queue *q;
    o.journal = "../queue/../queue//";
    succeeds(rp_queue_create(queue_name, &o, &q));
    assert_string_equal(got_options(q).journal, x.scratch.path);
    drop_queue(q);
    o.journal = ".";
    succeeds(rp_queue_create(queue_name, &o, &q));
    assert_string_equal(got_options(q).journal, x.scratch.path);
    drop_queue(q);
    assert_int_equal(chdir(here), 0);
    journal_end(&x);
}

static void another_queues_journal(void **state) {
    (void)state;
    struct journal x;
    char mine[64];
    journal_begin(&x);
    strcpy(mine, queue_name);
    snprintf(queue_name, sizeof queue_name, "%.50s.other", mine);
    refused(&x, durable_options(&x), RP_IN_USE, mine);
    snprintf(queue_name, sizeof queue_name, "/dev/shm/ringpost.%.40s", mine); /* the same one */
    rp_queue *q = bring_back_queue(&x);
    drop_queue(q);
    journal_end(&x);
}

static void one_at_a_time(void **state) {
    (void)state;
    struct journal x;
    struct journal_lock mine, other;
    journal_begin(&x);
    succeeds(journal_lock_writing(&x.dir, &mine)); /* a process of a queue that was removed */
    succeeds(journal_lock_writing(&x.dir, &other));
    journal_unlock(&other);
    assert_int_equal(journal_lock_is_written(&x.dir), 1);
    refused(&x, durable_options(&x), RP_IN_USE, x.scratch.path);
    assert_int_equal(rp_journal_repair(x.scratch.path, 0, NULL), RP_IN_USE);
    assert_int_equal(rp_journal_repair(x.scratch.path, 1, NULL), 0); /* which changes nothing */
    journal_unlock(&mine);
    journal_unlock(&mine);
    assert_int_equal(journal_lock_is_written(&x.dir), 0);
    succeeds(journal_lock_alone(&x.dir, &mine));
    assert_int_equal(journal_lock_alone(&x.dir, &other), -EAGAIN);
    assert_int_equal(rp_journal_repair(x.scratch.path, 0, NULL), RP_IN_USE);
    succeeds(journal_lock_writing(&x.dir, &other)); /* never waits */
    journal_unlock(&other);
    journal_unlock(&mine);
    assert_int_equal(rp_journal_repair(x.scratch.path, 0, NULL), 0);
    rp_queue *q = bring_back_queue(&x);
    succeeds(journal_lock_alone(&x.dir, &mine));
    journal_unlock(&mine);
    drop_queue(q);
    journal_end(&x);
}

static void a_journal_that_does_not_fit(void **state) {
    (void)state;
    struct journal x;
    journal_begin(&x);
    next_file(&x, 1);
    add_places(&x, 1, 1);
    add_message(&x, 1, A, "a message of some bytes");
    add_message(&x, 2, B, "2");
    commit(&x);
    struct rp_queue_options o = durable_options(&x);
    o.message_bytes = 8;
    refused(&x, o, RP_TOO_BIG, "message 2 of the journal");
    o = durable_options(&x);
    o.capacity = 1;
    o.max_participants = 1;
    o.max_groups = 1;
    refused(&x, o, -ENOSPC, "groups");
    rp_queue *q = bring_back_queue(&x);
    has(q, "b", "2 ");
    drop_queue(q);
    journal_end(&x);
}

static struct journal begun(void) {
    struct journal x;
    journal_begin(&x);
    next_file(&x, 1);
    add_places(&x, 1);
    return x;
}

static void damage_is_refused(void **state) {
    (void)state;
    struct journal x;
    journal_begin(&x);
    next_file(&x, 1);
    add_message(&x, 1, A, "1");
    is_damaged(&x, RP_CORRUPT, "groups");

    x = begun();
    next_file(&x, 1); /* which has none of its own */
    add_message(&x, 1, A, "1");
    is_damaged(&x, RP_CORRUPT, "0000000000000002");

    x = begun();
    (void)add(&x, RECORD_PRODUCER + 1, 0, 0, 0);
    is_damaged(&x, RP_INCOMPATIBLE, "type 8");

    x = begun();
    (void)add(&x, RECORD_SNAPSHOT, 2, 0, 0);
    is_damaged(&x, RP_INCOMPATIBLE, "type 5");

    x = begun();
    memset(add(&x, RECORD_MESSAGE, 0, 1, 60), 0, 60);
    is_damaged(&x, RP_CORRUPT, "no message");

    x = begun();
    add_message(&x, 0, A, "sequences begin with 1");
    is_damaged(&x, RP_CORRUPT, "no message");

    x = begun();
    memset(add(&x, RECORD_SETTLED, 0, 1, 24), 0, 24);
    is_damaged(&x, RP_CORRUPT, "middle");

    x = begun();
    memset(add(&x, RECORD_DELIVERY, 0, 1, 96), 0, 96);
    is_damaged(&x, RP_CORRUPT, "no delivery");

    x = begun();
    memset(add(&x, RECORD_GROUPS, 0, 1, 24), 255, 24);
    is_damaged(&x, RP_CORRUPT, "groups");

    x = begun();
    add_message(&x, 1, A, "1");
    next_file(&x, 2);
    add_places(&x, 1);
    commit(&x);
    char path[128];
    snprintf(path, sizeof path, "%s/%016x.journal", x.scratch.path, 1);
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0 && pwrite(fd, "?", 1, JOURNAL_HEAD_BYTES + 200) == 1);
    close(fd);
    is_damaged(&x, RP_CORRUPT, "0000000000000001");
}

static void damaged_options_are_refused(void **state) {
    (void)state;
    struct journal x;
    char path[128];
    struct rp_open_options with;
    rp_open_options_init(&with, sizeof with);
    journal_begin(&x);
    with.journal = x.scratch.path;
    rp_queue *q = bring_back_queue(&x);
    drop_queue(q);
    snprintf(path, sizeof path, "%s/options", x.scratch.path);
    int fd = open(path, O_RDWR);
    struct stat status;
    assert_true(fd >= 0 && fstat(fd, &status) == 0);
    for (off_t at = 0; at < status.st_size; at++) {
        unsigned char was, other;
        assert_int_equal(pread(fd, &was, 1, at), 1);
        other = was ^ 1;
        assert_int_equal(pwrite(fd, &other, 1, at), 1);
        assert_int_equal(rp_queue_open(queue_name, &with, &q), RP_CORRUPT);
        assert_int_equal(pwrite(fd, &was, 1, at), 1);
    }
    assert_int_equal(ftruncate(fd, 5), 0);
    refused(&x, durable_options(&x), RP_CORRUPT, "options");
    close(fd);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rp_queue_open(queue_name, &with, &q), -ENOENT);
    q = bring_back_queue(&x); /* with those that are given */
    drop_queue(q);
    journal_end(&x);
}

static void others_have_no_journal(void **state) {
    (void)state;
    struct rp_open_options with;
    rp_open_options_init(&with, sizeof with);
    with.journal = "/tmp";
    with.reserved = 1;
    rp_queue *q;
    assert_int_equal(rp_queue_open("nothing", &with, &q), -E2BIG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        REPLAY_TEST(a_new_queue_says_what_it_is),  REPLAY_TEST(a_lifes_first_file_is_of_its_time),
        REPLAY_TEST(an_open_brings_it_back),       REPLAY_TEST(its_directory_is_for_whom_the_queue_is),
        REPLAY_TEST(an_earlier_life_has_no_power), REPLAY_TEST(a_torn_tail_is_left_out),
        REPLAY_TEST(options_that_cannot_be),       REPLAY_TEST(paths_are_made_absolute),
        REPLAY_TEST(another_queues_journal),       REPLAY_TEST(one_at_a_time),
        REPLAY_TEST(a_journal_that_does_not_fit),  REPLAY_TEST(damage_is_refused),
        REPLAY_TEST(damaged_options_are_refused),  REPLAY_TEST(others_have_no_journal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
