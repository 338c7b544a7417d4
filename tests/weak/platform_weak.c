/* SPDX-License-Identifier: MIT */
/*
 * lib/platform for the threads of a program. One file, which is one piece of the arena, mapped by all at the same address; a seat's lock lives as long as its
 * process. What the kernel orders, it orders here: whoever learns that a process is dead knows all that it did, a mutex passes on what its last holder
 * saw, and futex_wait compares the newest value, in one step with falling asleep. Sleep has no timeout: a wake-up that a tick would mend is a lost one.
 */
#include "barrier.h"
#include "clock.h"
#include "error.h"
#include "fork.h"
#include "futex.h"
#include "grace.h"
#include "liveness.h"
#include "platform_sim.h"
#include "process.h"
#include "weak.h"

#include <errno.h>
#include <stdio.h>

/* The knobs of an RP_SIM build. */
uint64_t sim_first_lap = 1;
uint32_t sim_tag_mask = 0x3fff, sim_stamp_mask = 0xffffff;
uint32_t sim_lane_slots, sim_min_slots = 8, sim_known_ids;
bool sim_one_hash;
bool sim_mutant(const char *name) {
    (void)name;
    return false;
}

/* ---- the C library ---- */

enum { ROOM_FOR_SIZE = 64 };

void *sim_malloc(size_t bytes) {
    unsigned char *memory = weak_allocate(bytes + ROOM_FOR_SIZE);
    *(size_t *)(void *)memory = bytes;
    return memory + ROOM_FOR_SIZE;
}
void *sim_calloc(size_t count, size_t bytes) { return sim_malloc(count * bytes); }
/* To free is to write: whoever still reads there must be done before. */
void sim_free(void *memory) {
    if (memory != NULL)
        machine_plain(memory, *(size_t *)(void *)((unsigned char *)memory - ROOM_FOR_SIZE), true);
}
void *sim_realloc(void *memory, size_t bytes) {
    void *more = sim_malloc(bytes);
    if (memory != NULL) {
        size_t before = *(size_t *)(void *)((unsigned char *)memory - ROOM_FOR_SIZE);
        memcpy(more, memory, before < bytes ? before : bytes);
        sim_free(memory);
    }
    return more;
}
int sim_close(int fd) {
    (void)fd;
    return 0;
}

bool sim_mutex_trylock(uint32_t *mutex) {
    if (*mutex != 0)
        return false;
    *mutex = 1;
    if (run.on)
        machine_lock(mutex);
    return true;
}
void sim_mutex_lock(uint32_t *mutex) {
    while (!sim_mutex_trylock(mutex))
        run_sleep(mutex);
}
void sim_mutex_unlock(uint32_t *mutex) {
    if (run.on)
        machine_unlock(mutex);
    *mutex = 0;
    (void)run_wake(mutex, 1);
}

/* ---- time and sleep ---- */

enum { EPOCH_MS = 1000000 };
uint64_t clock_boot_ns(void) { return (EPOCH_MS + run_clock_ms()) * 1000000; }
uint64_t coarse_clock_boot_ns(struct coarse_clock *c) { return c->boot_ns = c->coarse_ns = clock_boot_ns(); }
uint64_t clock_wall_ns(void) { return clock_boot_ns(); }
uint64_t clock_wall_coarse_ns(void) { return clock_boot_ns(); }

int futex_wait(a32 *word, uint32_t expected, uint64_t timeout_ns) {
    (void)timeout_ns;
    if (!run.on)
        return 0;
    run_point(word, 4, true);
    if (machine_newest(word) == expected)
        run_sleep(word);
    return 0;
}
int futex_wake(a32 *word, int count) {
    if (run.on)
        run_point(word, 4, true);
    return run_wake(word, count);
}
bool barrier_register(void) { return true; }
bool barrier_others(void) {
    if (run.on)
        run_point(arena, 4, true);
    machine_barrier(WEAK_SITE(barrier));
    return true;
}
/* Nobody has a descriptor (tests/support/no_bells.c). */
int sim_polls(struct pollfd *fds, unsigned count, int timeout_ms) {
    (void)fds, (void)count, (void)timeout_ms;
    return -1;
}
void spin_pause(void) { run_yield(); }
void spin_yield(void) { run_yield(); }
uint64_t spin_budget_ns(void) { return 0; }

/* ---- liburcu ---- */

/*
 * Who waits lets all who came before him leave, and then knows what they did; who comes after he began knows what he did before. It promises no more.
 */
static struct grace { uint8_t reads, left, waits; } grace[WEAK_THREADS];

void grace_prepare(void) {}
void urcu_bp_read_lock(void) {
    if (!run.on)
        return;
    run.readers |= 1u << run.current;
    for (unsigned i = 0; i < WEAK_THREADS; i++)
        machine_lock(&grace[i].waits);
}
void urcu_bp_read_unlock(void) {
    if (!run.on)
        return;
    machine_unlock(&grace[run.current].left);
    run.readers &= ~(1u << run.current);
}
void urcu_bp_synchronize_rcu(void) {
    if (!run.on)
        return;
    machine_unlock(&grace[run.current].waits);
    for (uint32_t before = run.readers & ~(1u << run.current); before != 0; before &= run.readers)
        run_yield();
    for (unsigned i = 0; i < WEAK_THREADS; i++)
        machine_lock(&grace[i].left);
}

/* ---- the file ---- */

static unsigned char *file;
static size_t file_bytes;
enum { SEATS = 16 };
static uint32_t *seat_of; /* process + 1; in the arena, so that each run finds it as setup left it */

static void *segment_memory(size_t bytes) {
    file = weak_allocate(bytes + 4096);
    file += -(uintptr_t)file & 4095;
    file_bytes = bytes;
    seat_of = weak_allocate(SEATS * sizeof *seat_of);
    memset(seat_of, 0, SEATS * sizeof *seat_of);
    return file;
}

int shm_path(const char *name, char path[SHM_PATH_MAX]) {
    snprintf(path, SHM_PATH_MAX, "/dev/shm/ringpost.%s", name);
    return 0;
}
int shm_create(const char *path, size_t bytes, uint32_t mode, const char *group, bool prefault, struct shm_build *b) {
    (void)path, (void)mode, (void)group, (void)prefault;
    b->memory = segment_memory(bytes);
    b->bytes = bytes;
    return 0;
}
int shm_stat(int fd, struct shm_identity *id, uint64_t *bytes) { /* the only file there is */
    (void)fd;
    *id = (struct shm_identity){0};
    *bytes = file_bytes;
    return 1;
}
int shm_publish(struct shm_build *b) {
    (void)b;
    return 0;
}
void shm_discard(struct shm_build *b) { (void)b; }
int shm_map(int fd, size_t bytes, bool read_only, void **memory) {
    (void)fd, (void)bytes, (void)read_only;
    *memory = file;
    return 0;
}
void shm_unmap(void *memory, size_t bytes) { (void)memory, (void)bytes; }
void shm_prefault(void *memory, size_t bytes, bool read_only) { (void)memory, (void)bytes, (void)read_only; }
int shm_remove(const char *path) {
    (void)path;
    return 0;
}
int shm_collect(const char *directory) {
    (void)directory;
    return 0;
}

int sim_fstat(int fd, struct stat *status) {
    (void)fd;
    *status = (struct stat){.st_blksize = 4096};
    return 0;
}

/* ---- who is alive ---- */

int attach_begin(const char *path, bool read_only, struct attach *a) {
    (void)path, (void)read_only;
    *a = (struct attach){.fd = 3, .bytes = file_bytes};
    return 0;
}
static bool locked(uint32_t seat) { return seat_of[seat] != 0 && run_process_alive(seat_of[seat] - 1); }
int attach_lock(struct attach *a, uint32_t seat) {
    (void)a;
    if (locked(seat))
        return -EAGAIN;
    seat_of[seat] = run_process() + 1;
    return 0;
}
void attach_unlock(struct attach *a, uint32_t seat) {
    (void)a;
    seat_of[seat] = 0;
}
void attach_end(struct attach *a) { (void)a; }
void prober_init(struct prober *p, const char *path, const struct shm_identity *identity) {
    (void)identity;
    snprintf(p->path, sizeof p->path, "%s", path);
}
void prober_close(struct prober *p) { (void)p; }
enum liveness liveness_file(struct prober *p) {
    (void)p;
    return LIVENESS_ALIVE;
}
enum liveness liveness_probe(struct prober *p, uint32_t seat) {
    (void)p;
    return locked(seat) ? LIVENESS_ALIVE : LIVENESS_DEAD;
}
int death_claim(const struct prober *p, uint32_t seat, struct death *death) {
    (void)p;
    *death = (struct death){0};
    return locked(seat) ? -EAGAIN : 0;
}
void death_release(struct death *death) { (void)death; }

/* ---- processes ---- */

static const volatile uint32_t canary = 1;
const volatile uint32_t *fork_canary_create(void) { return &canary; }
void fork_canary_destroy(const volatile uint32_t *c) { (void)c; }
void fork_lock(void) {}
void fork_unlock(void) {}
uint32_t process_pid(void) { return 100 + run_process(); }
void process_name(char name[16]) { snprintf(name, 16, "weak-%c", 'A' + (int)run_process()); }
uint64_t process_boot_id(void) { return 1; }
uint64_t process_time_namespace(void) { return 1; }
uint64_t process_random(void) { return 7; }
