/* SPDX-License-Identifier: MIT */
/* What a process may be denied: descriptors, address space, file sizes, locked memory, /dev/shm, /proc. An error that says so, or no difference. */
#include "lab.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>

static rp_queue *q;

static void setup_queue(void) {
    struct rp_queue_options o = test_options();
    q = make_queue(&o);
}

static void limit(int resource, rlim_t value) {
    struct rlimit l = {.rlim_cur = value, .rlim_max = value};
    peer_check(setrlimit(resource, &l) == 0);
}

/* Another queue of the peer's own, of this capacity; removed at once. */
static int create(uint32_t capacity) {
    struct rp_queue_options o = test_options();
    char name[80];
    rp_queue *made;
    snprintf(name, sizeof name, "%s.other", queue_name);
    o.capacity = capacity;
    int result = rp_queue_create(name, &o, &made);
    if (result < 0)
        return result;
    rp_queue_unlink(name);
    return rp_queue_close(made);
}

static void in_a_peer(int (*body)(struct peer *test, void *argument)) {
    setup_queue();
    lab_ended_well(peer_run(body, NULL), "not permitted");
    only_ready_is_left(q, 0);
    drop_queue(q);
}

static int hold(struct peer *test, void *argument) {
    (void)argument;
    struct rp_message m;
    struct handles h = peer_open(0);
    peer_succeeds(rp_receive(h.c, &m, -1));
    peer_say(test, 'h');
    return peer_hear(test);
}

/* Not one descriptor is left: who is attached works on; the dead can wait for somebody who may ask, nobody is taken for dead. */
static int without_descriptors(struct peer *test, void *argument) {
    (void)test, (void)argument;
    struct rlimit before;
    struct rp_message m;
    rp_queue *more;
    struct handles h = peer_open(0);
    peer_succeeds(send_text(h.p, "held"));
    struct peer holder = peer_start(hold, NULL);
    peer_check(peer_hear(&holder) == 'h');
    getrlimit(RLIMIT_NOFILE, &before);
    struct rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    there_and_back(&h, 1000);
    peer_check(clear_error(rp_queue_open(queue_name, NULL, &more), queue_name) &&
               rp_queue_open(queue_name, NULL, &more) == -EMFILE);
    peer_check(create(16) == -EMFILE);
    peer_succeeds(rp_queue_sweep(h.q));
    kill(holder.pid, SIGKILL);
    waitpid(holder.pid, NULL, 0);
    peer_succeeds(rp_queue_sweep(h.q));
    peer_check(stats_of(h.q).leased == 1); /* not to be known now */
    there_and_back(&h, 1000);
    setrlimit(RLIMIT_NOFILE, &before);
    peer_check(until(rp_queue_sweep(h.q) >= 0 && stats_of(h.q).leased == 0));
    peer_succeeds(rp_receive(h.c, &m, 0));
    peer_check(says(&m, "held") && m.acquisitions == 2);
    peer_succeeds(rp_ack(h.c, &m));
    close(holder.in);
    close(holder.out);
    peer_close(&h);
    return 0;
}

static void no_descriptors(void **state) {
    (void)state;
    in_a_peer(without_descriptors);
}

static int with_small_files(struct peer *test, void *argument) {
    (void)test, (void)argument;
    limit(RLIMIT_FSIZE, 256 * 1024);
    peer_check(create(100000) == -EFBIG && clear_error(create(100000), "RLIMIT_FSIZE"));
    peer_check(create(1) == 0);
    limit(RLIMIT_FSIZE, 0); /* what exists is not written by write(2) */
    struct handles h = peer_open(0);
    there_and_back(&h, 1000);
    peer_close(&h);
    return 0;
}

static void small_files(void **state) {
    (void)state;
    in_a_peer(with_small_files);
}

static rlim_t address_space(void) {
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f == NULL || fscanf(f, "%lu", &pages) != 1)
        _exit(PEER_SKIP);
    fclose(f);
    return (rlim_t)pages * 4096;
}

static int in_a_small_address_space(struct peer *test, void *argument) {
    (void)test, (void)argument;
    enum { ROOM = 4 << 20 };
    struct handles h = peer_open(0);
    limit(RLIMIT_AS, address_space() + ROOM);
    peer_check(create(100000) == -ENOMEM && clear_error(create(100000), "map"));
    peer_check(create(1) == 0);
    int opened = 0, result;
    rp_queue *more[64];
    while (opened < 64 && (result = rp_queue_open(queue_name, NULL, &more[opened])) == 0)
        opened++;
    peer_check(result == -ENOMEM || result == RP_NO_SEAT);
    there_and_back(&h, 1000);
    while (opened > 0)
        peer_succeeds(rp_queue_close(more[--opened]));
    peer_close(&h);
    return 0;
}

static void small_address_space(void **state) {
    (void)state;
    if (LAB_SANITIZED)
        lab_skip("sanitizers need all of the address space");
    in_a_peer(in_a_small_address_space);
}

static int without_locked_memory(struct peer *test, void *argument) {
    (void)test, (void)argument;
    limit(RLIMIT_MEMLOCK, 0);
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) /* root is not limited */
        return PEER_SKIP;
    peer_check(create(4096) == 0);
    return 0;
}

static void no_locked_memory(void **state) {
    (void)state;
    in_a_peer(without_locked_memory);
}

/* /dev/shm is missing, not ours, or not writable: which of them, and where, is in the error. Who is attached notices nothing. */
static int without_dev_shm(struct peer *test, void *argument) {
    (void)test, (void)argument;
    rp_queue *more;
    struct handles h = peer_open(0);
    enter_own_mounts();
    if (mount("none", "/dev/shm", "tmpfs", MS_RDONLY, "size=1m") != 0)
        return PEER_SKIP;
    peer_check(create(16) == -EROFS && clear_error(create(16), "/dev/shm"));
    if (mount("/proc", "/dev/shm", NULL, MS_BIND, NULL) != 0)
        return PEER_SKIP;
    peer_check(create(16) == -ENOTSUP && clear_error(create(16), "/dev/shm"));
    if (mount("none", "/dev", "tmpfs", 0, "size=1m") != 0)
        return PEER_SKIP;
    peer_check(create(16) == -ENOENT && clear_error(create(16), "/dev/shm"));
    peer_check(rp_queue_open(queue_name, NULL, &more) == -ENOENT);
    there_and_back(&h, 1000);
    peer_succeeds(rp_queue_sweep(h.q));
    if (mkdir("/dev/shm", 0700) != 0 || chmod("/dev", 0755) != 0 || (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)))
        return PEER_SKIP;
    peer_check(create(16) == -EACCES && clear_error(create(16), "/dev/shm"));
    peer_check(rp_queue_open(queue_name, NULL, &more) == -EACCES);
    there_and_back(&h, 1000);
    peer_succeeds(rp_queue_sweep(h.q));
    peer_close(&h);
    return 0;
}

static void no_dev_shm(void **state) {
    (void)state;
    in_a_peer(without_dev_shm);
}

/* Without /proc nobody has a name, and that is all. */
static int without_proc(struct peer *test, void *argument) {
    (void)test, (void)argument;
    struct rp_message m;
    enter_own_mounts();
    if (mount("none", "/proc", "tmpfs", 0, "size=4k") != 0)
        return PEER_SKIP;
    peer_check(create(16) == 0);
    struct handles h = peer_open(0);
    peer_succeeds(send_text(h.p, "held"));
    struct peer holder = peer_start(hold, NULL);
    peer_check(peer_hear(&holder) == 'h');
    peer_succeeds(rp_queue_sweep(h.q));
    peer_check(stats_of(h.q).leased == 1);
    peer_kill(&holder);
    peer_check(rp_receive(h.c, &m, 10 * SECOND) == 0 && m.acquisitions == 2);
    peer_succeeds(rp_ack(h.c, &m));
    there_and_back(&h, 1000);
    peer_close(&h);
    return 0;
}

static void no_proc(void **state) {
    (void)state;
    in_a_peer(without_proc);
}

LAB_MAIN("limits", TEST(no_descriptors), TEST(small_files), TEST(small_address_space), TEST(no_locked_memory), TEST(no_dev_shm),
         TEST(no_proc))
