/* SPDX-License-Identifier: MIT */
#include "futex.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SPIN_BUDGET_NS = 30000 }; /* about what a sleep and a wake cost: spinning that long at most doubles the wait */

_Static_assert(sizeof(struct timespec) == 2 * sizeof(long), "SYS_futex takes the kernel's old timespec");

/* Without FUTEX_PRIVATE_FLAG: the word is found by its page, so that processes meet. The timeout runs on CLOCK_MONOTONIC. */
static long futex(a32 *word, int operation, uint32_t value, const struct timespec *timeout) {
    return syscall(SYS_futex, word, operation, value, timeout, NULL, 0);
}

int futex_wait(a32 *word, uint32_t expected, uint64_t timeout_ns) {
    struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / 1000000000), .tv_nsec = (long)(timeout_ns % 1000000000)};
    if (futex(word, FUTEX_WAIT, expected, &timeout) == 0 || errno == EAGAIN || errno == ETIMEDOUT)
        return 0;
    return -errno;
}

bool futex_force_one;
static a32 any_missing;

int futex_wait_any(a32 *const *words, const uint32_t *expected, unsigned count, uint64_t timeout_ns) {
    if (futex_force_one || atomic_load_explicit(&any_missing, memory_order_relaxed))
        return -ENOSYS;
    struct futex_waitv waiters[FUTEX_WAIT_MOST];
    for (unsigned i = 0; i < count; i++)
        waiters[i] = (struct futex_waitv){.val = expected[i], .uaddr = (uintptr_t)words[i], .flags = FUTEX_32};
    struct timespec until; /* this one takes a point in time */
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t ns = (uint64_t)until.tv_nsec + timeout_ns % 1000000000;
    until.tv_sec += (time_t)(timeout_ns / 1000000000 + ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    long woken = syscall(SYS_futex_waitv, waiters, count, 0, &until, CLOCK_MONOTONIC);
    if (woken >= 0)
        return (int)woken;
    if (errno != ENOSYS && errno != EPERM && errno != EINVAL)
        return -errno;
    atomic_store_explicit(&any_missing, 1, memory_order_relaxed);
    return -ENOSYS;
}

int futex_wake(a32 *word, int count) {
    long woken = futex(word, FUTEX_WAKE, (uint32_t)count, NULL);
    return woken < 0 ? -errno : (int)woken;
}

void spin_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory"); /* `yield` is a no-op on most cores */
#else
    __asm__ volatile("" ::: "memory");
#endif
}

void spin_yield(void) { sched_yield(); }

uint64_t spin_budget_ns(void) {
    /* Not the affinity mask: who is pinned to one processor still waits for somebody on another. */
    return sysconf(_SC_NPROCESSORS_ONLN) == 1 ? 0 : SPIN_BUDGET_NS;
}
