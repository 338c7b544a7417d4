/* SPDX-License-Identifier: MIT */
/* lib/platform itself, with files in /dev/shm (see world.h). Others are alive if a description of ours holds their locks. */
#include "clock.h"
#include "fuzz.h"
#include "liveness.h"
#include "scratch.h"
#include "world.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>

static struct scratch scratch;
static char healthy_path[96];
const char *world_damaged = scratch.path, *world_healthy = healthy_path;
bool world_layout_known;
const int64_t world_patience_ns = 1000;

/* The damaged queue's file as the harness sees it, and the locks of those who are said to live. */
static unsigned char *bytes;
static size_t size;
static int locks_fd = -1;

static void forget(void) {
    if (bytes != NULL)
        munmap(bytes, (size + 4095) / 4096 * 4096);
    bytes = NULL;
    if (locks_fd >= 0)
        close(locks_fd);
    locks_fd = -1;
}

void world_prepare(void) {
    must(scratch_create(&scratch) == 0);
    snprintf(healthy_path, sizeof healthy_path, "%s/healthy", scratch.directory);
}

void world_clean(void) { scratch_destroy(&scratch); }
void world_stop(void) { forget(); }

/* A file of its own for each run: who had the one before may still have it mapped. */
void world_load(const unsigned char *image, size_t count) {
    forget();
    unlink(scratch.path);
    int fd = open(scratch.path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    must(fd >= 0 && write(fd, image, count) == (ssize_t)count);
    size = count;
    if (count > 0) {
        bytes = mmap(NULL, count, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        must(bytes != MAP_FAILED);
    }
    locks_fd = fd;
}

/* While bases are made the file is the library's, and every time another. */
unsigned char *world_bytes(void) {
    if (locks_fd < 0) {
        forget();
        int fd = open(scratch.path, O_RDWR | O_CLOEXEC);
        must(fd >= 0);
        size = (size_t)lseek(fd, 0, SEEK_END);
        bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        must(bytes != MAP_FAILED);
        close(fd);
    }
    return bytes;
}

size_t world_size(void) {
    (void)world_bytes();
    return size;
}

void world_others(uint64_t alive) {
    static uint64_t before;
    for (uint64_t left = alive | before; left != 0; left &= left - 1) {
        unsigned seat = (unsigned)__builtin_ctzll(left);
        struct flock lock = {.l_type = alive >> seat & 1 ? F_WRLCK : F_UNLCK, .l_start = LIVENESS_LOCK_BASE + seat, .l_len = 1};
        (void)fcntl(locks_fd, F_OFD_SETLK, &lock); /* a seat that one of our handles has taken keeps its owner */
    }
    before = alive;
}

bool world_is_writable(const volatile void *word) {
    (void)word;
    return false; /* a trap changes the harness's own mapping instead */
}

void world_begin(uint64_t random, uint64_t now_ns) { (void)random, (void)now_ns; }
uint64_t world_now_ns(void) { return clock_boot_ns(); }
void world_pass(uint64_t ns) {
    if (ns > UINT64_C(30000000)) /* what leases and backoffs of the bases need; not hours */
        ns = UINT64_C(30000000);
    for (uint64_t end = clock_boot_ns() + ns; clock_boot_ns() < end;)
        sched_yield();
}

void world_access(const volatile void *word, const char *what) { (void)word, (void)what; }
