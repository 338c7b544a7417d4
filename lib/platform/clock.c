/* SPDX-License-Identifier: MIT */
#include "clock.h"

#include <time.h>

static uint64_t now_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now); /* cannot fail: these clocks exist since Linux 2.6.39 */
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t clock_boot_ns(void) { return now_ns(CLOCK_BOOTTIME); }

uint64_t clock_wall_ns(void) { return now_ns(CLOCK_REALTIME); }

uint64_t clock_wall_coarse_ns(void) { return now_ns(CLOCK_REALTIME_COARSE); }

uint64_t coarse_clock_boot_ns(struct coarse_clock *c) {
    uint64_t coarse_ns = now_ns(CLOCK_MONOTONIC_COARSE);
    if (coarse_ns != c->coarse_ns) {
        c->coarse_ns = coarse_ns;
        c->boot_ns = clock_boot_ns();
    }
    return c->boot_ns;
}
