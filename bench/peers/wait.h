/* SPDX-License-Identifier: MIT */
/* How a party waits for a peer that returned 0. */
#ifndef RP_BENCH_PEER_WAIT_H
#define RP_BENCH_PEER_WAIT_H

#include "../machine.h"

#include <sched.h>

enum { PEER_SPINS_BEFORE_YIELD = 32 };

/* Spin; with more parties than processors then yield: the other side may be waiting for this very one. `spins` begins at 0 with each wait. */
static inline void peer_wait(bool crowded, uint32_t *spins) {
    if (!crowded || ++*spins < PEER_SPINS_BEFORE_YIELD) {
        cpu_pause();
    } else {
        sched_yield();
    }
}

#endif
