/* SPDX-License-Identifier: MIT */
#include "machine.h"

#include "clock.h"
#include "directory.h"
#include "disk.h"
#include "error.h"
#include "file.h"
#include "futex.h"
#include "process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { LOOK_NS = 200 /* at a clock */, BOOT_NS = 1000000000 };

struct times {
    uint64_t day_ns, booted_ns;
};
static struct times *times;

void *machine_shared(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        abort();
    return memory;
}

/* ---- clock.h ---- */

void machine_pass(uint64_t ns) {
    if (times == NULL) {
        times = machine_shared(sizeof *times);
        times->day_ns = UINT64_C(1700000000000000000);
        machine_boot();
    }
    times->day_ns += ns;
}

void machine_boot(void) {
    machine_pass(BOOT_NS);
    times->booted_ns = times->day_ns - BOOT_NS;
}

uint64_t clock_wall_ns(void) {
    machine_pass(LOOK_NS);
    return times->day_ns;
}
uint64_t clock_boot_ns(void) { return clock_wall_ns() - times->booted_ns; }
uint64_t clock_wall_coarse_ns(void) { return clock_wall_ns(); }
uint64_t coarse_clock_boot_ns(struct coarse_clock *c) {
    (void)c;
    return clock_boot_ns();
}

/* ---- futex.h: nobody else runs, so who sleeps wakes when his time is over ---- */

bool futex_force_one;

int futex_wait(a32 *word, uint32_t expected, uint64_t timeout_ns) {
    if (atomic_load(word) == expected)
        machine_pass(timeout_ns);
    return 0;
}
int futex_wait_any(a32 *const *words, const uint32_t *expected, unsigned count, uint64_t timeout_ns) {
    for (unsigned i = 0; i < count; i++)
        if (atomic_load(words[i]) != expected[i])
            return (int)i;
    machine_pass(timeout_ns);
    return -ETIMEDOUT;
}
int futex_wake(a32 *word, int count) {
    (void)word, (void)count;
    return 0;
}
void spin_pause(void) {}
void spin_yield(void) {}
uint64_t spin_budget_ns(void) { return 0; }

/* ---- process.h ---- */

uint64_t process_random(void) { return disk_random(); }
uint32_t process_pid(void) { return 1; }
void process_name(char name[16]) {
    memset(name, 0, 16);
    memcpy(name, "disk", 4);
}
uint64_t process_boot_id(void) { return 1; }
uint64_t process_time_namespace(void) { return 1; }

/* ---- directory.h ---- */

int directory_path(const char *given, char *path, size_t room) {
    if (strlen(given) >= room)
        return fail(-EINVAL, "the directory's path is too long");
    strcpy(path, given);
    return 0;
}

int directory_make(const char *path, uint32_t mode, const char *group) {
    (void)mode, (void)group;
    int result = file_make_directory(path);
    return result == 0 || result == -EEXIST ? 0 : fail(result, "make directory '%.120s': %s", path, rp_error_text(result));
}
