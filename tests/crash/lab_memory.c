/* SPDX-License-Identifier: MIT */
/*
 * Memory runs out: in a /dev/shm of 64 MiB, in one that somebody else fills, in a memory cgroup whose limit comes in the middle of creation, of prefault, or of
 * sending. A clear error, or a kill like any other; never SIGBUS, and what was kept stays.
 */
#include "lab.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/stat.h>

enum { MIB = 1 << 20 };

static int create(const char *name, uint32_t capacity, uint32_t prefault, rp_queue **made) {
    struct rp_queue_options o = test_options();
    o.capacity = capacity;
    o.message_bytes = 1024;
    o.prefault = prefault;
    return rp_queue_create(name, &o, made);
}

/* ---- a small /dev/shm ---- */

static void small_dev_shm(const char *options) {
    enter_own_mounts();
    if (mount("none", "/dev/shm", "tmpfs", 0, options) != 0)
        _exit(PEER_SKIP);
}

/* Until the file system is full; by write, as any other program would. */
static int fill(void) {
    static char block[65536];
    int fd = open("/dev/shm/somebody.else", O_CREAT | O_WRONLY, 0600);
    memset(block, 'x', sizeof block);
    for (size_t bytes = sizeof block; bytes > 0; bytes /= 2)
        while (write(fd, block, bytes) == (ssize_t)bytes) {
        }
    peer_check(errno == ENOSPC);
    return fd;
}

static struct handles attach(rp_queue *q) {
    struct handles h = {.q = q};
    peer_succeeds(rp_producer_open(q, NULL, &h.p));
    peer_succeeds(rp_consumer_open(q, NULL, &h.c));
    return h;
}

/* Every cell is written, held at once, and read. -> how many there are. */
static int fill_the_queue(struct handles *h) {
    static struct rp_message held[100000];
    char payload[1024];
    int n = 0;
    for (;; n++) {
        memset(payload, 'a' + n % 26, sizeof payload);
        int result = rp_send(h->p, payload, sizeof payload, NULL);
        if (result == RP_FULL)
            break;
        peer_succeeds(result);
    }
    for (int i = 0; i < n; i++) {
        peer_succeeds(rp_receive(h->c, &held[i], 0));
        const char *got = held[i].data;
        peer_check(held[i].bytes == sizeof payload && got[0] == 'a' + i % 26 && got[1023] == 'a' + i % 26);
    }
    for (int i = 0; i < n; i++)
        peer_succeeds(rp_ack(h->c, &held[i]));
    return n;
}

static int sixty_four_mib(struct peer *test, void *argument) {
    uint32_t prefault = *(uint32_t *)argument;
    (void)test;
    rp_queue *q, *more;
    struct stat none;
    small_dev_shm("size=64m");
    peer_check(create("big", 65536, prefault, &q) == -ENOSPC && clear_error(create("big", 65536, prefault, &q), "full"));
    peer_check(stat("/dev/shm/ringpost.big", &none) != 0);
    peer_succeeds(create("fits", 32768, prefault, &q));
    peer_check(create("second", 32768, prefault, &more) == -ENOSPC);
    int fd = fill();
    struct handles h = attach(q);
    peer_check(fill_the_queue(&h) >= 32768);
    peer_check(create("third", 1, prefault, &more) == -ENOSPC);
    peer_succeeds(rp_queue_open("fits", NULL, &more)); /* attaching needs no memory of the file system */
    struct handles second = attach(more);
    peer_check(fill_the_queue(&second) >= 32768);
    peer_close(&second);
    peer_close(&h);
    close(fd);
    peer_succeeds(rp_queue_unlink("fits"));
    peer_check(unlink("/dev/shm/somebody.else") == 0);
    peer_succeeds(create("big", 40000, prefault, &q)); /* nothing of what failed was kept */
    peer_succeeds(rp_queue_close(q));
    return 0;
}

static void a_dev_shm_of_64_mib(void **state) {
    (void)state;
    for (uint32_t prefault = 0; prefault <= 1; prefault++)
        lab_ended_well(peer_run(sixty_four_mib, &prefault), "no permission for mounts");
}

/* No inode is left, which is another way of being full. */
static int without_inodes(struct peer *test, void *argument) {
    (void)test, (void)argument;
    rp_queue *q, *more;
    small_dev_shm("size=64m,nr_inodes=2"); /* one is the directory's */
    peer_succeeds(create("one", 16, 1, &q));
    peer_check(create("two", 16, 1, &more) == -ENOSPC && clear_error(-ENOSPC, "/dev/shm"));
    struct handles h = attach(q);
    there_and_back(&h, 100);
    peer_close(&h);
    return 0;
}

static void a_dev_shm_without_inodes(void **state) {
    (void)state;
    lab_ended_well(peer_run(without_inodes, NULL), "no permission for mounts");
}

/* ---- a memory cgroup ---- */

static char group[256];

static bool put(const char *file, const char *text) {
    char path[400];
    snprintf(path, sizeof path, "%s/%s", group, file);
    return write_text(path, text);
}

static int remove_group(void **state) {
    if (group[0])
        (void)eventually(rmdir(group) == 0 || errno == ENOENT);
    group[0] = 0;
    return unlink_queue(state);
}

/* Version 1 or 2, whatever this machine has. */
static bool make_group(size_t bytes) {
    static const char *const places[] = {"/sys/fs/cgroup/memory", "/sys/fs/cgroup"};
    char text[32];
    snprintf(text, sizeof text, "%zu", bytes);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        snprintf(group, sizeof group, "%s/ringpost-lab-%d", places[i], (int)getpid());
        if (mkdir(group, 0755) != 0)
            continue;
        if (put("memory.limit_in_bytes", text) || put("memory.max", text)) {
            (void)(put("memory.memsw.limit_in_bytes", text) || put("memory.swap.max", "0"));
            return true;
        }
        rmdir(group);
    }
    group[0] = 0;
    return false;
}

static void enter_group(void) {
    if (!put("cgroup.procs", "0"))
        _exit(PEER_SKIP);
}

/* A queue far larger than its creator may use: the kernel kills it while it reserves or touches pages. */
static int creates_too_much(struct peer *test, void *argument) {
    (void)test;
    rp_queue *q;
    enter_group();
    int result = create(queue_name, 60000, *(uint32_t *)argument, &q);
    peer_check(result == -ENOMEM || result == -ENOSPC); /* where the kernel refuses instead */
    return 'e';
}

static void killed_by_memory_while_creating(void **state) {
    (void)state;
    int kills = 0, errors = 0;
    rp_queue *q;
    if (!make_group(16 * MIB))
        lab_skip("no memory cgroup, or no permission");
    for (uint32_t prefault = 0; prefault <= 1; prefault++)
        for (int i = 0; i < 3; i++) {
            snprintf(queue_name, sizeof queue_name, "test.memory.%d", (int)getpid());
            int status = peer_run(creates_too_much, &prefault);
            if (status == PEER_SKIP)
                lab_skip("cannot enter a memory cgroup");
            assert_true(status == -SIGKILL || status == 'e');
            kills += status == -SIGKILL;
            errors += status == 'e';
            assert_int_equal(rp_queue_open(queue_name, NULL, &q), -ENOENT);
        }
    print_message("creation: %d killed by the kernel, %d refused\n", kills, errors);
    rp_collect(NULL);
}

static void *eat(void *argument) {
    for (;;) {
        char *more = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (more != MAP_FAILED)
            memset(more, 'x', MIB);
    }
    return argument;
}

/* Sends and receives while another of its threads eats all memory there is. Tells what was sent, and acked, in shared memory. */
struct books {
    _Atomic uint64_t sent, acked;
};

static int sends_until_killed(struct peer *test, void *argument) {
    struct books *books = argument;
    struct rp_message m;
    pthread_t thread;
    struct handles h = peer_open(8);
    enter_group();
    peer_say(test, 'r');
    pthread_create(&thread, NULL, eat, NULL);
    for (;;) {
        uint64_t number = atomic_load(&books->sent);
        int result = rp_send(h.p, &number, sizeof number, NULL);
        peer_check(result == 0 || result == RP_FULL);
        atomic_fetch_add(&books->sent, result == 0);
        if (number % 3 == 0 && rp_receive(h.c, &m, 0) == 0) {
            peer_succeeds(rp_ack(h.c, &m));
            atomic_fetch_add(&books->acked, 1);
        }
    }
}

static void killed_by_memory_while_sending(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    struct books *books = shared_memory(sizeof *books);
    rp_consumer *c;
    if (!make_group(16 * MIB))
        lab_skip("no memory cgroup, or no permission");
    o.capacity = 1024;
    rp_queue *q = make_queue(&o);
    for (int i = 0; i < 3; i++) {
        struct peer peer = peer_start(sends_until_killed, books);
        if (peer_hear(&peer) != 'r') {
            assert_int_equal(peer_end(&peer), PEER_SKIP);
            lab_skip("cannot enter a memory cgroup");
        }
        assert_int_equal(peer_end(&peer), -SIGKILL);
        assert_true(eventually(rp_queue_sweep(q) >= 0 && stats_of(q).participants == 1));
        /* Whoever died between a call and its books makes a difference of one, either way. */
        uint64_t kept = atomic_load(&books->sent) - atomic_load(&books->acked), ready = stats_of(q).ready;
        assert_true(ready + 1 >= kept && ready <= kept + 1);
        only_ready_is_left(q, ready);
        succeeds(rp_consumer_open(q, NULL, &c));
        struct rp_message m;
        uint64_t received = 0;
        while (rp_receive(c, &m, 0) == 0) {
            succeeds(rp_ack(c, &m));
            received++;
        }
        assert_int_equal(received, ready);
        rp_consumer_close(c);
        atomic_store(&books->acked, atomic_load(&books->sent));
    }
    print_message("sending: killed by the kernel after %llu messages\n", (unsigned long long)atomic_load(&books->sent));
    drop_queue(q);
}

#undef TEST
#define TEST(body) cmocka_unit_test_teardown(body, remove_group)

LAB_MAIN("memory", TEST(a_dev_shm_of_64_mib), TEST(a_dev_shm_without_inodes), TEST(killed_by_memory_while_creating),
         TEST(killed_by_memory_while_sending))
