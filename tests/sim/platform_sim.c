/* SPDX-License-Identifier: MIT */
/*
 * lib/platform for simulated participants, each of which is a process of its own: files that exist in memory only, locks of descriptions that
 * mappings keep alive, a clock that moves when the scheduler says so, a futex on which fibers sleep. What is said in the headers holds; every
 * call that others can notice, or that notices others, is a point.
 */
#include "platform_sim.h"
#include "barrier.h"
#include "bell.h"
#include "clock.h"
#include "core.h"
#include "error.h"
#include "fork.h"
#include "futex.h"
#include "liveness.h"
#include "process.h"
#include "shm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FIRST_DESCRIPTOR = 1000 };
#define WALL_AT_BOOT_NS UINT64_C(1700000000000000000)

static void see(uint64_t value) { self()->local = mix(self()->local, value); }

/* ---- time ---- */

uint64_t clock_boot_ns(void) {
    sim_platform_point(SIM_PURE | SIM_CLOCK, "clock_boot_ns");
    see(world.now_ns);
    return world.now_ns;
}

uint64_t coarse_clock_boot_ns(struct coarse_clock *c) {
    c->boot_ns = c->coarse_ns = clock_boot_ns();
    return c->boot_ns;
}

uint64_t clock_wall_ns(void) {
    sim_settle();
    see(world.now_ns);
    return WALL_AT_BOOT_NS + world.now_ns;
}
uint64_t clock_wall_coarse_ns(void) { return clock_wall_ns(); }

/* ---- sleeping ---- */

int futex_wait(a32 *word, uint32_t expected, uint64_t timeout_ns) {
    sim_platform_point(0, "futex_wait");
    uint32_t value = atomic_load_explicit(word, memory_order_relaxed);
    see(value);
    if (value == expected && timeout_ns > 0)
        sim_sleep(word, timeout_ns);
    return 0;
}

int futex_wake(a32 *word, int count) {
    sim_platform_point(SIM_LIVENESS, "futex_wake");
    return sim_wake(word, count);
}

int futex_wait_any(a32 *const *words, const uint32_t *expected, unsigned count, uint64_t timeout_ns) {
    if (program->one_futex)
        return -ENOSYS;
    sim_platform_point(0, "futex_wait_any");
    const volatile void *keys[SLEEPS_AT_ONCE];
    for (unsigned i = 0; i < count && i < SLEEPS_AT_ONCE; i++) {
        uint32_t value = atomic_load_explicit(words[i], memory_order_relaxed);
        see(value);
        if (value != expected[i])
            return -EAGAIN;
        keys[i] = words[i];
    }
    int woken = timeout_ns > 0 ? sim_sleep_any(keys, count, timeout_ns) : -1;
    return woken < 0 ? -ETIMEDOUT : woken;
}

/* ---- barriers: memory is sequentially consistent here ---- */

bool barrier_register(void) { return true; }
bool barrier_others(void) {
    sim_platform_point(SIM_PURE, "barrier_others");
    return true;
}

/* ---- bells ---- */

enum { FIRST_BELL = 2000 };

static struct os_bell *bell_of(int descriptor) {
    unsigned i = (unsigned)(descriptor - FIRST_BELL);
    if (descriptor < FIRST_BELL || i >= SIM_FIBERS * BELLS || !world.os.bells[i / BELLS][i % BELLS].open)
        sim_fail("descriptor %d is not open", descriptor);
    return &world.os.bells[i / BELLS][i % BELLS];
}

int bell_open(struct bell *b) {
    unsigned me = process_of(world.current);
    for (int i = 0; i < BELLS; i++)
        if (!world.os.bells[me][i].open) {
            world.os.bells[me][i] = (struct os_bell){.open = 1, .due_ns = world.now_ns};
            b->descriptor = b->timer = b->socket = FIRST_BELL + (int)me * BELLS + i;
            return 0;
        }
    return fail(-EMFILE, "a participant has too many bells");
}

void bell_close(struct bell *b) { *bell_of(b->descriptor) = (struct os_bell){0}; }

int bell_bind(struct bell *b, const struct bell_name *name) {
    sim_platform_point(0, "bell_bind");
    struct os_bell *o = bell_of(b->descriptor);
    o->inode = name->inode;
    o->slot = name->slot;
    o->generation = name->generation;
    o->named = 1;
    return 0;
}

static struct os_bell *bell_find(const struct bell_name *name) {
    for (unsigned who = 0; who < SIM_FIBERS; who++)
        for (unsigned i = 0; i < BELLS; i++) {
            struct os_bell *o = &world.os.bells[who][i];
            if (o->named && o->inode == name->inode && o->slot == name->slot && o->generation == name->generation)
                return o;
        }
    return NULL;
}

bool bell_has_name(const struct bell_name *name) {
    sim_settle();
    return bell_find(name) != NULL;
}

void bell_remove(const struct bell_name *name) {
    sim_platform_point(0, "bell_remove");
    struct os_bell *o = bell_find(name);
    if (o)
        o->named = 0;
}

void bell_drain(const struct bell *b) {
    sim_platform_point(0, "bell_drain");
    struct os_bell *o = bell_of(b->socket);
    see(o->rung);
    o->rung = 0;
}

void bell_after(const struct bell *b, uint64_t ns) { bell_of(b->timer)->due_ns = world.now_ns + ns; }

int bell_ringer_open(void) { return 1; }
void bell_ringer_close(int ringer) { (void)ringer; }

bool bell_ring(int ringer, const struct bell_name *name) {
    (void)ringer;
    sim_platform_point(SIM_LIVENESS, "bell_ring");
    struct os_bell *o = bell_find(name);
    see(o != NULL);
    if (o) {
        o->rung = 1;
        sim_wake(&o->rung, INT32_MAX);
    }
    return true;
}

static bool bell_ready(const struct os_bell *o) { return o->rung || o->due_ns <= world.now_ns; }

int sim_polls(struct pollfd *fds, unsigned count, int timeout_ms) {
    const volatile void *words[SLEEPS_AT_ONCE];
    uint64_t end_ns = timeout_ms < 0 ? UINT64_MAX : world.now_ns + (uint64_t)timeout_ms * 1000000;
    for (;;) {
        sim_platform_point(SIM_PURE | SIM_CLOCK, "poll");
        uint64_t due_ns = end_ns;
        int ready = 0;
        for (unsigned i = 0; i < count && i < SLEEPS_AT_ONCE; i++) {
            struct os_bell *o = bell_of(fds[i].fd);
            fds[i].revents = bell_ready(o) ? POLLIN : 0;
            ready += bell_ready(o);
            due_ns = o->due_ns < due_ns ? o->due_ns : due_ns;
            words[i] = &o->rung;
        }
        see((uint64_t)ready);
        if (ready > 0 || world.now_ns >= end_ns)
            return ready;
        (void)sim_sleep_any(words, count, due_ns - world.now_ns);
    }
}

void sim_poll(int descriptor) {
    struct pollfd one = {.fd = descriptor, .events = POLLIN};
    (void)sim_polls(&one, 1, -1);
}

void spin_pause(void) { sim_yield(); }
void spin_yield(void) { sim_yield(); }
uint64_t spin_budget_ns(void) { return 0; }

/* ---- files ---- */

int shm_path(const char *name, char path[SHM_PATH_MAX]) {
    if (!name || !*name || strlen(name) > 40)
        return fail(-EINVAL, "not the name of a queue");
    snprintf(path, SHM_PATH_MAX, name[0] == '/' ? "%s" : "/dev/shm/ringpost.%s", name);
    return 0;
}

static int file_find(const char *path) {
    for (int f = 0; f < FILES; f++)
        if (world.os.files[f].linked && strcmp(world.os.files[f].path, path) == 0)
            return f;
    return -1;
}

static struct os_description *description(int fd) {
    unsigned i = (unsigned)(fd - FIRST_DESCRIPTOR);
    if (fd < FIRST_DESCRIPTOR || i >= SIM_FIBERS * DESCRIPTIONS)
        return NULL;
    struct os_description *d = &world.os.descriptions[i / DESCRIPTIONS][i % DESCRIPTIONS];
    return d->inode && d->open ? d : NULL;
}

static int description_open(int file) {
    unsigned me = process_of(world.current);
    for (int i = 0; i < DESCRIPTIONS; i++) {
        struct os_description *d = &world.os.descriptions[me][i];
        if (d->inode)
            continue;
        *d = (struct os_description){.file = (uint8_t)file, .open = 1, .inode = world.os.files[file].inode};
        return FIRST_DESCRIPTOR + (int)me * DESCRIPTIONS + i;
    }
    sim_fail("a participant has too many files open");
    return -EMFILE;
}

static void description_end_if_unused(struct os_description *d) {
    if (!d->open && !d->mapped)
        *d = (struct os_description){0};
}

int sim_close(int fd) {
    struct os_description *d = description(fd);
    if (!d)
        return -1;
    if (!d->mapped)
        sim_platform_point(0, "close");
    d->open = 0;
    description_end_if_unused(d);
    return 0;
}

static void *map(struct os_description *d, bool read_only) {
    unsigned me = process_of(world.current);
    unsigned first = read_only ? ALIASES - READ_ONLY_ALIASES : 0;
    unsigned end = read_only ? ALIASES : ALIASES - READ_ONLY_ALIASES;
    for (unsigned a = first; a < end; a++)
        if (!(world.os.aliases[me][d->file] >> a & 1)) {
            world.os.aliases[me][d->file] |= (uint8_t)(1u << a);
            d->mapped = (uint8_t)(a + 1);
            return file_alias(d->file, me, a);
        }
    sim_fail("a participant has mapped a file too often");
    return NULL;
}

int shm_create(const char *path, size_t bytes, uint32_t mode, const char *group, bool prefault, struct shm_build *b) {
    (void)mode, (void)group, (void)prefault;
    sim_settle();
    memset(b, 0, offsetof(struct shm_build, path));
    b->private_path[0] = 0;
    b->fd = -1;
    if (file_find(path) >= 0)
        return fail(-EEXIST, "%s exists", path);
    if (bytes > FILE_BYTES_MAX)
        return fail(-ENOSPC, "simulated files are small");
    for (int f = 0; f < FILES; f++) {
        struct os_file *file = &world.os.files[f];
        if (file->inode)
            continue;
        *file = (struct os_file){.bytes = bytes, .inode = world.os.next_inode++};
        memset(file_master((unsigned)f), 0, bytes);
        b->fd = description_open(f);
        b->bytes = bytes;
        b->memory = map(description(b->fd), false);
        snprintf(b->path, sizeof b->path, "%s", path);
        return 0;
    }
    return fail(-ENOSPC, "too many simulated files");
}

int shm_publish(struct shm_build *b) {
    sim_platform_point(0, "shm_publish");
    if (file_find(b->path) >= 0)
        return fail(-EEXIST, "%s exists", b->path);
    struct os_file *file = &world.os.files[description(b->fd)->file];
    snprintf(file->path, sizeof file->path, "%.60s", b->path);
    file->linked = 1;
    return 0;
}

void shm_discard(struct shm_build *b) {
    if (b->memory)
        shm_unmap(b->memory, b->bytes);
    if (b->fd >= 0)
        sim_close(b->fd);
    b->memory = NULL;
    b->fd = -1;
}

/* Looking at names. As long as names stay, nobody can notice when it happens. */
static void look_at_names(const char *what) {
    if (program->renames)
        sim_platform_point(SIM_PURE, what);
    sim_settle();
}

int shm_open_file(const char *path, bool read_only) {
    (void)read_only;
    look_at_names("shm_open_file");
    int f = file_find(path);
    return f < 0 ? fail(-ENOENT, "%s: no such file", path) : description_open(f);
}

/* Nobody changes his root here. */
bool shm_leads_to(const char *path, uint64_t device) {
    (void)path, (void)device;
    return true;
}

int shm_stat(int fd, struct shm_identity *id, uint64_t *bytes) {
    look_at_names("shm_stat");
    struct os_description *d = description(fd);
    if (!d)
        return -EBADF;
    *id = (struct shm_identity){1, d->inode};
    *bytes = world.os.files[d->file].bytes;
    see(world.os.files[d->file].linked);
    return (int)world.os.files[d->file].linked;
}

int shm_map(int fd, size_t bytes, bool read_only, void **memory) {
    struct os_description *d = description(fd);
    if (!d)
        return -EBADF;
    if (bytes > world.os.files[d->file].bytes || d->mapped)
        sim_fail("shm_map: %zu bytes of %llu%s", bytes, (unsigned long long)world.os.files[d->file].bytes,
                 d->mapped ? ", twice" : "");
    *memory = map(d, read_only);
    return 0;
}

void shm_unmap(void *memory, size_t bytes) {
    (void)bytes;
    unsigned me = process_of(world.current);
    for (unsigned i = 0; i < DESCRIPTIONS; i++) {
        struct os_description *d = &world.os.descriptions[me][i];
        if (!d->mapped || file_alias(d->file, me, d->mapped - 1u) != memory)
            continue;
        sim_platform_point(0, "shm_unmap");
        world.os.aliases[me][d->file] &= (uint8_t) ~(1u << (d->mapped - 1u));
        d->mapped = 0;
        description_end_if_unused(d);
        return;
    }
    sim_fail("shm_unmap: nothing is mapped there");
}

void shm_prefault(void *memory, size_t bytes, bool read_only) { (void)memory, (void)bytes, (void)read_only; }

int shm_remove(const char *path) {
    sim_platform_point(0, "shm_remove");
    int f = file_find(path);
    if (f < 0)
        return fail(-ENOENT, "%s: no such file", path);
    world.os.files[f].linked = 0;
    return 0;
}

void sim_rename(const char *from, const char *to) {
    sim_platform_point(0, "rename");
    char path[2][SHM_PATH_MAX];
    if (shm_path(from, path[0]) < 0 || shm_path(to, path[1]) < 0 || file_find(path[0]) < 0 || file_find(path[1]) >= 0)
        sim_fail("rename %s to %s", from, to);
    struct os_file *file = &world.os.files[file_find(path[0])];
    snprintf(file->path, sizeof file->path, "%.60s", path[1]);
}

int shm_collect(const char *directory) {
    (void)directory;
    return 0;
}

/* ---- locks: lib/platform/liveness.c itself runs on these ---- */

static bool locked(uint64_t inode, uint32_t seat, bool exclusively) {
    for (unsigned who = 0; who < SIM_FIBERS; who++)
        for (unsigned i = 0; i < DESCRIPTIONS; i++) {
            const struct os_description *d = &world.os.descriptions[who][i];
            if (d->inode == inode && ((d->exclusive | (exclusively ? 0 : d->shared)) >> seat & 1))
                return true;
        }
    return false;
}

/* A lock of an open file description: others' are in the way, and it goes with the description. */
static int set_lock(struct os_description *d, short type, uint32_t seat) {
    uint32_t bit = 1u << seat;
    struct os_description before = *d;
    d->exclusive &= ~bit;
    d->shared &= ~bit;
    bool refused = type != F_UNLCK && locked(d->inode, seat, type == F_RDLCK);
    if (refused)
        *d = before;
    else if (type == F_WRLCK)
        d->exclusive |= bit;
    else if (type == F_RDLCK)
        d->shared |= bit;
    see(refused);
    return refused ? -1 : 0;
}

int sim_fcntl(int fd, int command, struct flock *lock) {
    sim_platform_point(command == F_OFD_GETLK ? SIM_PURE | SIM_LIVENESS : SIM_LIVENESS,
                       command == F_OFD_GETLK ? "fcntl F_OFD_GETLK" : "fcntl F_OFD_SETLK");
    struct os_description *d = description(fd);
    uint64_t seat = (uint64_t)(lock->l_start - LIVENESS_LOCK_BASE);
    if (!d || seat >= SEATS || lock->l_len != 1)
        sim_fail("fcntl: bad descriptor or seat");
    errno = EAGAIN;
    if (command != F_OFD_GETLK)
        return set_lock(d, lock->l_type, (uint32_t)seat);
    /* Asked through a description that has no lock itself. */
    if (!locked(d->inode, (uint32_t)seat, lock->l_type == F_RDLCK))
        lock->l_type = F_UNLCK;
    see((uint64_t)lock->l_type);
    return 0;
}

int sim_fstat(int fd, struct stat *status) {
    struct os_description *d = description(fd);
    if (!d)
        return -1;
    *status = (struct stat){.st_blksize = 4096};
    return 0;
}

void os_died(unsigned who) {
    memset(world.os.descriptions[who], 0, sizeof world.os.descriptions[who]);
    memset(world.os.aliases[who], 0, sizeof world.os.aliases[who]);
    memset(world.os.bells[who], 0, sizeof world.os.bells[who]);
}

/* ---- processes ---- */

static const volatile uint32_t canary = 1;
const volatile uint32_t *fork_canary_create(void) { return &canary; }
void fork_canary_destroy(const volatile uint32_t *c) { (void)c; }
void fork_lock(void) {}
void fork_unlock(void) {}

uint32_t process_pid(void) { return 100 + process_of(world.current); }
void process_name(char name[16]) {
    memset(name, 0, 16);
    snprintf(name, 16, "sim-%c", 'A' + (int)process_of(world.current));
}
uint64_t process_boot_id(void) { return 1; }
uint64_t process_time_namespace(void) { return 1; }
uint64_t process_random(void) { return sim_random(); }
