/* SPDX-License-Identifier: MIT */
/*
 * The real platform, with a thin layer between it and the library (the linker's --wrap):
 *
 * - ThreadSanitizer knows a byte by its address. Each participant opens the queue for itself, and keeps a mapping that holds its lock; but all of them are
 *   given one address to work at. When a participant is killed its mapping goes, and the kernel gives its lock away.
 * - The kernel orders what the dead did before what those do who find them dead: the lock says so, and here that is told to ThreadSanitizer.
 * - Time stands still until a jump is decided or somebody has slept over his timeout: a machine that is slow must not look like a lease that ran out.
 */
#include "proc.h"
#include "bell.h"
#include "clock.h"
#include "fork.h"
#include "futex.h"
#include "liveness.h"
#include "party.h"
#include "shm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILES = 2, VIEWS = 16, DESCRIPTORS = 32, SEATS = 64, NO_SEAT = SEATS, NAP_NS = 3000000, TICK_NS = 50000000 };

/* A mapping that the library asked for, and the address it was given. */
struct view {
    void *given, *own;
    size_t bytes;
    uint32_t seat; /* whose lock it keeps */
};

/* Before the memory of an allocation. */
struct block {
    struct block *next, *before;
};

struct process {
    atomic_flag lock; /* its threads are few, and mostly one */
    atomic_flag forks;
    unsigned view_count, descriptor_count;
    struct view views[VIEWS];
    int descriptors[DESCRIPTORS];
    struct block blocks;
};
static struct process processes[SIM_FIBERS];

static struct {
    struct shm_identity identity;
    void *memory;
    size_t bytes;
    char path[SHM_PATH_MAX];
} files[FILES];
static unsigned file_count;
static char queue_directory[64];

/* Lock and unlock of a seat, as far as they order memory. */
static _Atomic uint32_t seat_locks[SEATS + 1];
static void seat_acquired(uint32_t seat) { atomic_load_explicit(&seat_locks[seat % SEATS], memory_order_acquire); }
static void seat_released(uint32_t seat) {
    if (seat != NO_SEAT)
        atomic_fetch_add_explicit(&seat_locks[seat % SEATS], 1, memory_order_release);
}

unsigned process_of(unsigned who) {
    return who < SIM_PARTICIPANTS && scenario->thread_of[who] ? scenario->thread_of[who] - 1u : who;
}
unsigned process_mine(void) { return process_of(me->who); }

static void take(atomic_flag *lock) {
    while (atomic_flag_test_and_set_explicit(lock, memory_order_acquire))
        sched_yield();
}
static void give(atomic_flag *lock) { atomic_flag_clear_explicit(lock, memory_order_release); }

static struct process *enter(void) {
    struct process *p = &processes[process_mine()];
    take(&p->lock);
    return p;
}

/* ---- mappings ---- */

int __real_shm_path(const char *name, char path[SHM_PATH_MAX]);
int __wrap_shm_path(const char *name, char path[SHM_PATH_MAX]);
int __wrap_shm_path(const char *name, char path[SHM_PATH_MAX]) {
    char inside[256];
    snprintf(inside, sizeof inside, "%s/%s", queue_directory, name);
    return __real_shm_path(inside, path);
}

void sim_rename(const char *from, const char *to) {
    char path[2][SHM_PATH_MAX];
    if (__wrap_shm_path(from, path[0]) < 0 || __wrap_shm_path(to, path[1]) < 0 || rename(path[0], path[1]) != 0)
        sim_fail("rename %s to %s: %s", from, to, strerror(errno));
}

int __real_shm_map(int fd, size_t bytes, bool read_only, void **memory);
void __real_shm_unmap(void *memory, size_t bytes);
int __real_close(int fd);

/* The address at which everybody works on this file. Its mapping has a description of its own, so it keeps nobody's lock. */
static void *common_address(int fd, size_t bytes) {
    struct shm_identity id;
    uint64_t size;
    char unnamed[64];
    if (shm_stat(fd, &id, &size) < 0 || size != bytes)
        return NULL; /* a page that keeps a lock */
    for (unsigned i = 0; i < file_count; i++)
        if (files[i].identity.inode == id.inode && files[i].identity.device == id.device)
            return files[i].memory;
    if (me->who != SIM_CREATOR || file_count == FILES)
        sim_fail("queues are made in setup, %d at most", (int)FILES);
    snprintf(unnamed, sizeof unnamed, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(unnamed, files[file_count].path, SHM_PATH_MAX - 1);
    int other = open(unnamed, O_RDWR | O_CLOEXEC);
    if (length < 0 || other < 0 || __real_shm_map(other, bytes, false, &files[file_count].memory) < 0)
        sim_fail("cannot map a queue: %s", strerror(errno));
    __real_close(other);
    files[file_count].path[length] = 0;
    files[file_count].identity = id;
    files[file_count].bytes = bytes;
    return files[file_count++].memory;
}

int __wrap_shm_map(int fd, size_t bytes, bool read_only, void **memory);
int __wrap_shm_map(int fd, size_t bytes, bool read_only, void **memory) {
    void *own;
    int result = __real_shm_map(fd, bytes, read_only, &own);
    if (result < 0)
        return result;
    void *common = common_address(fd, bytes);
    *memory = common ? common : own;
    struct process *p = enter();
    if (p->view_count == VIEWS)
        sim_fail("a process has too many mappings");
    p->views[p->view_count++] = (struct view){.given = *memory, .own = own, .bytes = bytes, .seat = NO_SEAT};
    give(&p->lock);
    return 0;
}

static void drop(struct view *v) {
    seat_released(v->seat);
    __real_shm_unmap(v->own, v->bytes);
}

void __wrap_shm_unmap(void *memory, size_t bytes);
void __wrap_shm_unmap(void *memory, size_t bytes) {
    struct process *p = enter();
    unsigned i = p->view_count;
    while (i > 0 && p->views[i - 1].given != memory)
        i--;
    if (i == 0 || p->views[i - 1].bytes != bytes)
        sim_fail("something was unmapped that was not mapped");
    drop(&p->views[i - 1]);
    p->views[i - 1] = p->views[--p->view_count];
    give(&p->lock);
}

/* ---- locks ---- */

/* The lock belongs to what was mapped last. */
static void last_view_keeps(uint32_t seat) {
    struct process *p = enter();
    p->views[p->view_count - 1].seat = seat;
    give(&p->lock);
    seat_acquired(seat);
}

int __real_attach_lock(struct attach *a, uint32_t seat);
int __wrap_attach_lock(struct attach *a, uint32_t seat);
int __wrap_attach_lock(struct attach *a, uint32_t seat) {
    int result = __real_attach_lock(a, seat);
    if (result == 0)
        last_view_keeps(seat);
    return result;
}

int __real_death_claim(const struct prober *p, uint32_t seat, struct death *d);
int __wrap_death_claim(const struct prober *p, uint32_t seat, struct death *d);
int __wrap_death_claim(const struct prober *p, uint32_t seat, struct death *d) {
    int result = __real_death_claim(p, seat, d);
    if (result == 0)
        last_view_keeps(seat);
    return result;
}

enum liveness __real_liveness_probe(struct prober *p, uint32_t seat);
enum liveness __wrap_liveness_probe(struct prober *p, uint32_t seat);
enum liveness __wrap_liveness_probe(struct prober *p, uint32_t seat) {
    enum liveness l = __real_liveness_probe(p, seat);
    if (l == LIVENESS_DEAD)
        seat_acquired(seat);
    return l;
}

/* ---- descriptors ---- */

/* -> fd, which goes with the process. */
static int opened(int fd) {
    if (fd < 0)
        return fd;
    struct process *p = enter();
    if (p->descriptor_count == DESCRIPTORS)
        sim_fail("a process has too many files open");
    p->descriptors[p->descriptor_count++] = fd;
    give(&p->lock);
    return fd;
}

int __real_shm_open_file(const char *path, bool read_only);
int __wrap_shm_open_file(const char *path, bool read_only);
int __wrap_shm_open_file(const char *path, bool read_only) { return opened(__real_shm_open_file(path, read_only)); }

int __real_bell_open(struct bell *b);
int __wrap_bell_open(struct bell *b);
int __wrap_bell_open(struct bell *b) {
    int result = __real_bell_open(b);
    if (result == 0) {
        opened(b->descriptor);
        opened(b->timer);
    }
    return result;
}

int __real_bell_bind(struct bell *b, const struct bell_name *name);
int __wrap_bell_bind(struct bell *b, const struct bell_name *name);
int __wrap_bell_bind(struct bell *b, const struct bell_name *name) {
    int result = __real_bell_bind(b, name);
    if (result == 0)
        opened(b->socket);
    return result;
}

int __real_bell_ringer_open(void);
int __wrap_bell_ringer_open(void);
int __wrap_bell_ringer_open(void) { return opened(__real_bell_ringer_open()); }

int __wrap_close(int fd);
int __wrap_close(int fd) {
    if (me) {
        struct process *p = enter();
        for (unsigned i = p->descriptor_count; i-- > 0;)
            if (p->descriptors[i] == fd) {
                p->descriptors[i] = p->descriptors[--p->descriptor_count];
                break;
            }
        give(&p->lock);
    }
    return __real_close(fd);
}

/* ---- forks: there are none, but each process has its own mutex against them ---- */

void __wrap_fork_lock(void);
void __wrap_fork_unlock(void);
void __wrap_fork_lock(void) { take(&processes[process_mine()].forks); }
void __wrap_fork_unlock(void) { give(&processes[process_mine()].forks); }

const volatile uint32_t *__wrap_fork_canary_create(void);
void __wrap_fork_canary_destroy(const volatile uint32_t *canary);
const volatile uint32_t *__wrap_fork_canary_create(void) {
    static const volatile uint32_t alive = 1;
    return &alive;
}
void __wrap_fork_canary_destroy(const volatile uint32_t *canary) { (void)canary; }

/* ---- time ---- */

static _Atomic uint64_t now_ns = 1000000000;

uint64_t clock_now_ns(void) { return GET(now_ns); }
void clock_jump(uint64_t ns) { ADD(now_ns, ns); }

uint64_t __wrap_clock_boot_ns(void);
uint64_t __wrap_coarse_clock_boot_ns(struct coarse_clock *c);
uint64_t __wrap_clock_boot_ns(void) { return clock_now_ns(); }
uint64_t __wrap_coarse_clock_boot_ns(struct coarse_clock *c) {
    (void)c;
    return clock_now_ns();
}

/* The wall clock goes with it: a message of a wall-clock time is due when time has jumped that far. */
#define WALL_AT_BOOT_NS UINT64_C(1700000000000000000)
uint64_t __wrap_clock_wall_ns(void);
uint64_t __wrap_clock_wall_coarse_ns(void);
uint64_t __wrap_clock_wall_ns(void) { return WALL_AT_BOOT_NS + clock_now_ns(); }
uint64_t __wrap_clock_wall_coarse_ns(void) { return __wrap_clock_wall_ns(); }

static void sleep_until(uint64_t end_ns) {
    uint64_t now = clock_now_ns();
    while (now < end_ns && !atomic_compare_exchange_weak_explicit(&now_ns, &now, end_ns, RELAXED, RELAXED))
        ;
}

static uint64_t nap_of(uint64_t timeout_ns) { return timeout_ns < NAP_NS ? timeout_ns : NAP_NS; }

/* A sleeper whose word is the same after a short while slept over his whole timeout, and so did all the others. */
int __real_futex_wait(a32 *word, uint32_t expected, uint64_t timeout_ns);
int __wrap_futex_wait(a32 *word, uint32_t expected, uint64_t timeout_ns);
int __wrap_futex_wait(a32 *word, uint32_t expected, uint64_t timeout_ns) {
    uint64_t end = clock_now_ns() + timeout_ns;
    int result = __real_futex_wait(word, expected, nap_of(timeout_ns));
    if (result == 0 && atomic_load_explicit(word, RELAXED) == expected)
        sleep_until(end);
    return result;
}

int __real_futex_wait_any(a32 *const *words, const uint32_t *expected, unsigned count, uint64_t timeout_ns);
int __wrap_futex_wait_any(a32 *const *words, const uint32_t *expected, unsigned count, uint64_t timeout_ns);
int __wrap_futex_wait_any(a32 *const *words, const uint32_t *expected, unsigned count, uint64_t timeout_ns) {
    uint64_t end = clock_now_ns() + timeout_ns;
    int result = scenario->one_futex ? -ENOSYS : __real_futex_wait_any(words, expected, count, nap_of(timeout_ns));
    if (result == -ETIMEDOUT)
        sleep_until(end);
    return result;
}

/* The timers in consumers' descriptors run in the world's time: who polled for a short while has slept for a tick, and comes by. */
int __real_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms) {
    uint64_t timeout_ns = timeout_ms < 0 ? TICK_NS : (uint64_t)timeout_ms * 1000000;
    uint64_t end = clock_now_ns() + (timeout_ns < TICK_NS ? timeout_ns : TICK_NS);
    int ready = __real_poll(fds, count, (int)((nap_of(timeout_ns) + 999999) / 1000000));
    if (ready == 0)
        sleep_until(end);
    return ready;
}

/* ---- memory ---- */

void *process_malloc(size_t bytes);
void *process_calloc(size_t count, size_t bytes);
void *process_realloc(void *memory, size_t bytes);
void process_free(void *memory);

static void *link_in(struct block *b) {
    if (!b)
        return NULL;
    struct process *p = enter();
    *b = (struct block){.next = p->blocks.next, .before = &p->blocks};
    if (b->next)
        b->next->before = b;
    p->blocks.next = b;
    give(&p->lock);
    return b + 1;
}
static struct block *unlink_of(void *memory) {
    if (!memory)
        return NULL;
    struct block *b = (struct block *)memory - 1;
    struct process *p = enter();
    b->before->next = b->next;
    if (b->next)
        b->next->before = b->before;
    give(&p->lock);
    return b;
}
void *process_malloc(size_t bytes) { return link_in(malloc(sizeof(struct block) + bytes)); }
void *process_calloc(size_t count, size_t bytes) { return link_in(calloc(1, sizeof(struct block) + count * bytes)); }
void *process_realloc(void *memory, size_t bytes) { return link_in(realloc(unlink_of(memory), sizeof(struct block) + bytes)); }
void process_free(void *memory) { free(unlink_of(memory)); }

/* ---- the end ---- */

void process_end(unsigned process) {
    struct process *p = &processes[process];
    while (p->view_count > 0)
        drop(&p->views[--p->view_count]);
    while (p->descriptor_count > 0)
        __real_close(p->descriptors[--p->descriptor_count]);
    for (struct block *b = p->blocks.next, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    p->blocks.next = NULL;
    atomic_flag_clear_explicit(&p->forks, RELAXED); /* it may have died with it */
}

void processes_begin(const char *directory) { snprintf(queue_directory, sizeof queue_directory, "%s", directory); }

void processes_reset(void) {
    for (unsigned i = 0; i < SIM_FIBERS; i++)
        process_end(i);
    while (file_count > 0) {
        file_count--;
        __real_shm_unmap(files[file_count].memory, files[file_count].bytes);
        unlink(files[file_count].path);
    }
}
