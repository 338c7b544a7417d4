/* SPDX-License-Identifier: MIT */
/* Consumers with a descriptor: it is readable whenever a receive has something to say. */
#include "fixture.h"
#include "handle.h"

#include <dirent.h>
#include <fcntl.h>
#include <ringpost/event.h>
#include <ringpost/group.h>
#include <sys/epoll.h>
#include <sys/stat.h>

static rp_queue *q;
static rp_producer *p;
static rp_consumer *c;
static int fd;

static bool readable_for(int descriptor, int ms) {
    struct pollfd one = {.fd = descriptor, .events = POLLIN};
    return poll(&one, 1, ms) == 1;
}
static bool readable(int descriptor) { return readable_for(descriptor, 0); }

/* Receives until there is nothing, and the descriptor says so: not for long, since its tick comes. */
static bool goes_quiet(rp_consumer *one, int descriptor) {
    struct rp_message m;
    int result = rp_receive(one, &m, 0);
    assert_int_equal(result, RP_EMPTY);
    return !readable(descriptor);
}

/* The words that say who is to be rung: the entry of the bell that was taken first, and so on. */
static struct bell_entry *entry(unsigned i) { return &q->segment.bells[i]; }
static bool armed(unsigned i) { return atomic_load(&entry(i)->armed) & 1; }
static bool taken_entry(unsigned i) { return atomic_load(&entry(i)->word) >> 63; }

static uint64_t inode; /* of the queue's file, also when the queue is closed */
static void open_with(const struct rp_queue_options *o) {
    q = make_queue(o);
    inode = q->segment.inode;
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_consumer_open(q, NULL, &c));
    fd = rp_consumer_fd(c);
    succeeds(fd);
}
static void open_all(void) {
    struct rp_queue_options o = test_options();
    open_with(&o);
}

static void close_all(void) {
    rp_producer_close(p);
    rp_consumer_close(c);
    drop_queue(q);
}

/* How many bells lie in `directory` that belong to the queue's file? */
static unsigned names_in(const char *directory, mode_t *mode) {
    char prefix[64];
    unsigned count = 0;
    snprintf(prefix, sizeof prefix, "ringpost.~bell.%llx.", (unsigned long long)inode);
    DIR *entries = opendir(directory);
    assert_non_null(entries);
    for (struct dirent *e; (e = readdir(entries)) != NULL;)
        if (strncmp(e->d_name, prefix, strlen(prefix)) == 0) {
            struct stat status;
            assert_int_equal(fstatat(dirfd(entries), e->d_name, &status, AT_SYMLINK_NOFOLLOW), 0);
            assert_true(S_ISSOCK(status.st_mode));
            if (mode != NULL)
                *mode = status.st_mode & 0777;
            count++;
        }
    closedir(entries);
    return count;
}
static unsigned names(void) { return names_in("/dev/shm", NULL); }

static void it_is_readable_until_nothing_is_there(void **state) {
    (void)state;
    struct rp_message m;
    open_all();
    assert_int_equal(rp_consumer_fd(c), fd);
    assert_true(readable(fd));
    assert_true(eventually(goes_quiet(c, fd)));
    assert_true(armed(0));
    for (int i = 0; i < 3; i++)
        succeeds(send_text(p, "one of three"));
    assert_false(armed(0)); /* rung, and once is enough */
    for (int i = 0; i < 3; i++) {
        assert_true(readable(fd));
        succeeds(rp_receive(c, &m, 0));
        succeeds(rp_ack(c, &m));
    }
    assert_true(readable(fd)); /* nobody has said yet that there is nothing */
    assert_true(eventually(goes_quiet(c, fd)));
    close_all();
}

static void messages_that_were_there_first_are_seen(void **state) {
    (void)state;
    struct rp_message m;
    struct rp_queue_options o = test_options();
    q = make_queue(&o);
    inode = q->segment.inode;
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_consumer_open(q, NULL, &c));
    succeeds(send_text(p, "early"));
    succeeds(fd = rp_consumer_fd(c));
    assert_true(readable(fd));
    succeeds(rp_receive(c, &m, 0));
    close_all();
}

/* It was armed and not rung, because another receiver was woken; what comes out all the same may not be all. */
static void what_was_found_without_a_ring_leaves_it_readable(void **state) {
    (void)state;
    struct rp_message m;
    open_all();
    assert_true(eventually(goes_quiet(c, fd)));
    atomic_store(&q->segment.control->tickets[0], 0); /* as if somebody else had drained them */
    succeeds(send_text(p, "1"));
    succeeds(send_text(p, "2"));
    assert_true(armed(0));
    succeeds(rp_receive(c, &m, 0));
    assert_true(readable_for(fd, 10000));
    succeeds(rp_receive(c, &m, 0));
    close_all();
}

static void all_consumers_of_the_group_are_told(void **state) {
    (void)state;
    struct rp_message m;
    rp_consumer *other;
    open_all();
    succeeds(rp_consumer_open(q, NULL, &other));
    int fd2 = rp_consumer_fd(other);
    succeeds(fd2);
    assert_true(fd2 != fd && taken_entry(1));
    for (int i = 0; i < 20; i++) {
        assert_true(eventually(goes_quiet(c, fd)));
        assert_true(eventually(goes_quiet(other, fd2)));
        succeeds(send_text(p, "for one of you"));
        assert_true(readable(fd) && readable(fd2));
        succeeds(rp_receive(i % 2 ? c : other, &m, 0));
        succeeds(rp_ack(i % 2 ? c : other, &m));
    }
    assert_true(eventually(goes_quiet(c, fd)));
    assert_true(eventually(goes_quiet(other, fd2)));
    rp_consumer_close(other);
    assert_false(taken_entry(1));
    close_all();
}

/* Other groups' messages are no reason to wake. */
static void a_group_has_bells_of_its_own(void **state) {
    (void)state;
    struct rp_message m;
    struct rp_consumer_options o = {.size = sizeof o, .group = "other"};
    rp_consumer *other;
    open_all();
    succeeds(rp_group_create(q, "other", NULL));
    succeeds(rp_consumer_open(q, &o, &other));
    int fd2 = rp_consumer_fd(other);
    succeeds(fd2);
    assert_true(eventually(goes_quiet(c, fd)));
    assert_true(eventually(goes_quiet(other, fd2)));
    succeeds(send_text(p, "for both"));
    assert_true(!armed(0) && !armed(1));
    succeeds(rp_receive(c, &m, 0));
    succeeds(rp_receive(other, &m, 0));
    assert_true(eventually(goes_quiet(other, fd2)));
    assert_true(armed(1));
    succeeds(rp_group_remove(q, "other"));
    assert_true(readable(fd2));
    assert_int_equal(rp_receive(other, &m, 0), RP_GONE);
    assert_true(readable(fd2));
    rp_consumer_close(other);
    close_all();
}

/* Waits on the descriptor, and receives when it is readable, until there is a message. */
static void wait_and_receive(rp_consumer *one, int descriptor, struct rp_message *m) {
    for (;;) {
        assert_true(readable_for(descriptor, PEER_DEADLINE_S * 1000));
        int result = rp_receive(one, m, 0);
        if (result == 0)
            return;
        assert_int_equal(result, RP_EMPTY);
    }
}

static void due_times_are_reasons(void **state) {
    (void)state;
    struct rp_message m;
    struct rp_send_options later;
    rp_send_options_init(&later, sizeof later);
    struct rp_queue_options o = test_options();
    o.lease_ns = 20 * MS;
    open_with(&o);
    for (uint64_t ms = 1; ms <= 120; ms = 3 * ms + 1) {
        later.delay_ns = ms * MS;
        int64_t begin = time_ns();
        succeeds(rp_send(p, "later", 5, &later));
        wait_and_receive(c, fd, &m);
        assert_true(time_ns() - begin >= (int64_t)later.delay_ns - 1 * MS);
        succeeds(rp_ack(c, &m));
    }
    rp_consumer *slow; /* whose lease ends */
    succeeds(rp_consumer_open(q, NULL, &slow));
    succeeds(send_text(p, "leased"));
    succeeds(rp_receive(slow, &m, 0));
    wait_and_receive(c, fd, &m);
    assert_int_equal(m.deliveries, 2);
    rp_consumer_close(slow);
    close_all();
}

static int holder(struct peer *test, void *argument) {
    (void)argument;
    struct rp_message m;
    struct handles h = peer_open(0);
    peer_succeeds(rp_consumer_fd(h.c));
    peer_succeeds(rp_receive(h.c, &m, -1));
    peer_say(test, 'h');
    pause();
    return 0;
}

static void a_killed_holder_is_a_reason(void **state) {
    (void)state;
    struct rp_message m;
    open_all();
    struct peer peer = peer_start(holder, NULL);
    assert_true(eventually(taken_entry(1)));
    succeeds(send_text(p, "held"));
    assert_int_equal(peer_hear(&peer), 'h');
    assert_true(eventually(goes_quiet(c, fd)));
    assert_int_equal(names(), 2);
    peer_kill(&peer);
    wait_and_receive(c, fd, &m);
    assert_true(says(&m, "held"));
    assert_false(taken_entry(1)); /* and his bell is gone, with its name */
    assert_int_equal(names(), 1);
    close_all();
    assert_int_equal(names(), 0);
}

static int sleeper(struct peer *test, void *argument) {
    (void)argument;
    struct rp_message m;
    struct handles h = peer_open(0);
    peer_succeeds(rp_consumer_fd(h.c));
    peer_check(rp_receive(h.c, &m, 0) == RP_EMPTY);
    peer_say(test, 'a');
    pause();
    return 0;
}

/* Nobody is left to recover him: what lies beside the segment goes with gc, or with rm. */
static void names_of_the_dead_are_collected(void **state) {
    (void)state;
    for (int by_removal = 0; by_removal < 2; by_removal++) {
        open_all();
        struct peer peer = peer_start(sleeper, NULL);
        assert_int_equal(peer_hear(&peer), 'a');
        rp_producer_close(p);
        rp_consumer_close(c);
        assert_int_equal(names(), 1);
        succeeds(rp_collect(NULL));
        assert_int_equal(names(), 1); /* he lives */
        peer_kill(&peer);
        succeeds(by_removal ? rp_queue_unlink(queue_name) : rp_collect(NULL));
        assert_int_equal(names(), 0);
        drop_queue(q);
    }
}

/* A sender rings the dead until somebody notices that they are: nothing comes of it, and the living are rung. */
static void the_dead_are_rung_in_vain(void **state) {
    (void)state;
    struct rp_message m;
    open_all();
    for (int i = 0; i < 5; i++) {
        struct peer peer = peer_start(sleeper, NULL);
        assert_int_equal(peer_hear(&peer), 'a');
        peer_kill(&peer);
        assert_true(eventually(goes_quiet(c, fd)));
        succeeds(send_text(p, "to the living"));
        assert_true(readable(fd));
        succeeds(rp_receive(c, &m, 0));
        succeeds(rp_ack(c, &m));
    }
    close_all();
}

static void an_interrupt_is_a_reason(void **state) {
    (void)state;
    struct rp_message m;
    open_all();
    assert_true(eventually(goes_quiet(c, fd)));
    succeeds(rp_queue_interrupt(q));
    assert_true(readable(fd));
    assert_int_equal(rp_receive(c, &m, 0), -EINTR);
    assert_true(readable(fd));
    assert_true(eventually(goes_quiet(c, fd)));
    close_all();
}

static void a_removed_queue_is_a_reason(void **state) {
    (void)state;
    struct rp_message m;
    int result;
    open_all();
    assert_true(eventually(goes_quiet(c, fd)));
    succeeds(rp_queue_unlink(queue_name));
    do {
        assert_true(readable_for(fd, PEER_DEADLINE_S * 1000));
        result = rp_receive(c, &m, 0);
    } while (result == RP_EMPTY);
    assert_int_equal(result, RP_GONE);
    assert_true(readable(fd));
    assert_int_equal(rp_receive(c, &m, 0), RP_GONE);
    assert_true(readable(fd));
    rp_producer_close(p);
    rp_consumer_close(c);
    succeeds(rp_queue_close(q));
}

static int talker(struct peer *test, void *argument) {
    int n = *(int *)argument;
    struct handles h = peer_open(0);
    const struct rp_send_options block = {.size = sizeof block, .timeout_ns = -1};
    for (int i = 0; i < n; i++)
        peer_succeeds(rp_send(h.p, &i, sizeof i, &block));
    peer_say(test, 'd');
    peer_hear(test);
    return 0;
}

/* All messages come, each once, by one epoll descriptor over two consumers, both ways of waiting. */
static void epoll(bool edge) {
    enum { MESSAGES = 3000 };
    int messages = MESSAGES, got = 0;
    static bool seen[MESSAGES];
    memset(seen, 0, sizeof seen);
    struct rp_message m;
    rp_consumer *two[2];
    struct rp_queue_options o = test_options();
    o.overflow = RP_OVERFLOW_BLOCK;
    open_with(&o);
    two[0] = c;
    succeeds(rp_consumer_open(q, NULL, &two[1]));
    int loop = epoll_create1(0);
    for (unsigned i = 0; i < 2; i++) {
        struct epoll_event e = {.events = EPOLLIN | (edge ? EPOLLET : 0), .data.u32 = i};
        int one = rp_consumer_fd(two[i]);
        succeeds(one);
        assert_int_equal(epoll_ctl(loop, EPOLL_CTL_ADD, one, &e), 0);
    }
    struct peer peer = peer_start(talker, &messages);
    while (got < MESSAGES) {
        struct epoll_event e;
        assert_int_equal(epoll_wait(loop, &e, 1, PEER_DEADLINE_S * 1000), 1);
        int result;
        do {
            result = rp_receive(two[e.data.u32], &m, 0);
            if (result == RP_EMPTY)
                break;
            succeeds(result);
            int number = *(const int *)m.data;
            assert_true(number >= 0 && number < MESSAGES && !seen[number]);
            seen[number] = true;
            got++;
            succeeds(rp_ack(two[e.data.u32], &m));
        } while (edge);
    }
    assert_int_equal(peer_hear(&peer), 'd');
    peer_say(&peer, 'q');
    assert_int_equal(peer_end(&peer), 0);
    close(loop);
    rp_consumer_close(two[1]);
    close_all();
}
static void epoll_by_level(void **state) {
    (void)state;
    epoll(false);
}
static void epoll_by_edge(void **state) {
    (void)state;
    epoll(true);
}

static int child(struct peer *test, void *argument) {
    (void)test, (void)argument;
    struct rp_message m;
    peer_check(rp_consumer_fd(c) == RP_FORKED);
    peer_check(rp_receive(c, &m, 0) == RP_FORKED);
    peer_check(rp_wait(&c, 1, 0) == RP_FORKED);
    rp_consumer_close(c);
    return 0;
}

static void children_and_programs_do_not_get_it(void **state) {
    (void)state;
    struct rp_message m;
    open_all();
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_true(eventually(goes_quiet(c, fd)));
    assert_int_equal(peer_run(child, NULL), 0);
    assert_int_equal(names(), 1); /* what the child closed was its own */
    succeeds(send_text(p, "to the parent"));
    assert_true(readable(fd));
    succeeds(rp_receive(c, &m, 0));
    close_all();
}

static void names_have_the_mode_of_the_file(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.mode = 0624;
    mode_t before = umask(077), mode = 0;
    open_with(&o);
    umask(before);
    assert_int_equal(names_in("/dev/shm", &mode), 1);
    assert_int_equal(mode, 0624);
    close_all();
}

/* A path that is too long for a socket's address. */
static void long_paths_work(void **state) {
    (void)state;
    char directory[200], nothing[120];
    struct rp_message m;
    memset(nothing, 'x', sizeof nothing);
    nothing[sizeof nothing - 1] = 0;
    snprintf(directory, sizeof directory, "/dev/shm/%s.%d", nothing, (int)getpid());
    char path[256];
    snprintf(path, sizeof path, "%s/queue", directory);
    assert_int_equal(mkdir(directory, 0700), 0);
    struct rp_queue_options o = test_options();
    succeeds(rp_queue_create(path, &o, &q));
    inode = q->segment.inode;
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_consumer_open(q, NULL, &c));
    succeeds(fd = rp_consumer_fd(c));
    assert_int_equal(names_in(directory, NULL), 1);
    assert_true(eventually(goes_quiet(c, fd)));
    succeeds(send_text(p, "far away"));
    assert_true(readable(fd) && !armed(0));
    succeeds(rp_receive(c, &m, 0));
    rp_producer_close(p);
    rp_consumer_close(c);
    assert_int_equal(names_in(directory, NULL), 0);
    succeeds(rp_queue_close(q));
    succeeds(rp_queue_unlink(path));
    assert_int_equal(rmdir(directory), 0);
}

/* Whatever removed it: the consumer notices within a second or so and takes another. */
static void a_name_that_was_removed_comes_back(void **state) {
    (void)state;
    struct rp_message m;
    char name[128];
    open_all();
    uint64_t w = atomic_load(&entry(0)->word);
    snprintf(name, sizeof name, "/dev/shm/ringpost.~bell.%llx.0.%llx", (unsigned long long)q->segment.inode,
             (unsigned long long)(w & ((UINT64_C(1) << 48) - 1)));
    assert_int_equal(unlink(name), 0);
    succeeds(send_text(p, "not lost meanwhile"));
    wait_and_receive(c, fd, &m);
    succeeds(rp_ack(c, &m));
    assert_true(eventually(goes_quiet(c, fd) && names() == 1));
    assert_true(eventually(goes_quiet(c, fd)));
    succeeds(send_text(p, "rung again"));
    assert_true(readable(fd));
    close_all();
}

static void there_are_not_enough_for_everybody(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    rp_consumer *more[8] = {NULL};
    o.max_participants = 1;
    open_with(&o);
    int result = 0;
    unsigned n = 0;
    while (n < 8 && result >= 0) {
        succeeds(rp_consumer_open(q, NULL, &more[n]));
        result = rp_consumer_fd(more[n]);
        n += result >= 0;
    }
    assert_int_equal(result, -ENOSPC);
    assert_int_equal(n, BELLS_PER_PARTICIPANT - 1);
    rp_consumer_close(more[0]);
    succeeds(rp_consumer_fd(more[n]));
    for (unsigned i = 1; i <= n; i++)
        rp_consumer_close(more[i]);
    close_all();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(it_is_readable_until_nothing_is_there),
        TEST(messages_that_were_there_first_are_seen),
        TEST(what_was_found_without_a_ring_leaves_it_readable),
        TEST(all_consumers_of_the_group_are_told),
        TEST(a_group_has_bells_of_its_own),
        TEST(due_times_are_reasons),
        TEST(a_killed_holder_is_a_reason),
        TEST(names_of_the_dead_are_collected),
        TEST(the_dead_are_rung_in_vain),
        TEST(an_interrupt_is_a_reason),
        TEST(a_removed_queue_is_a_reason),
        TEST(epoll_by_level),
        TEST(epoll_by_edge),
        TEST(children_and_programs_do_not_get_it),
        TEST(names_have_the_mode_of_the_file),
        TEST(long_paths_work),
        TEST(a_name_that_was_removed_comes_back),
        TEST(there_are_not_enough_for_everybody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
