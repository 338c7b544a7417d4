/* SPDX-License-Identifier: MIT */
/*
 * Time. Leases, delays and backoff run on CLOCK_BOOTTIME (elapsed time, suspend included); what people read is CLOCK_REALTIME.
 */
#ifndef RP_PLATFORM_CLOCK_H
#define RP_PLATFORM_CLOCK_H

#include <stdint.h>

uint64_t clock_boot_ns(void);        /* fine: about 25 ns a call */
uint64_t clock_wall_ns(void);        /* fine */
uint64_t clock_wall_coarse_ns(void); /* good to a kernel tick (1-10 ms): about 5 ns a call */

/*
 * Boot time good to a kernel tick for 5 ns a call. There is no coarse CLOCK_BOOTTIME, so each value of CLOCK_MONOTONIC_COARSE is
 * translated once, by a fine reading when the coarse value first shows: a suspend in between cannot be missed.
 * One of these per handle, used by one thread at a time; zero-initialised.
 */
enum { COARSE_CLOCK_MS = 10 }; /* how late it may be: a tick of a kernel with 100 of them a second */
struct coarse_clock {
    uint64_t coarse_ns;
    uint64_t boot_ns;
};
uint64_t coarse_clock_boot_ns(struct coarse_clock *c);

#endif
