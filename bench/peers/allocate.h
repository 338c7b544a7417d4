/* SPDX-License-Identifier: MIT */
#ifndef RP_BENCH_PEER_ALLOCATE_H
#define RP_BENCH_PEER_ALLOCATE_H

#include "../machine.h"
#include "peer.h"

#include <stdlib.h>
#include <string.h>

/* Zeroed private memory in whole cache lines; freed by free(). Never returns NULL. */
static inline void *peer_allocate(size_t bytes) {
    size_t whole = (bytes + CACHE_LINE) / CACHE_LINE * CACHE_LINE;
    void *p = aligned_alloc(CACHE_LINE, whole);
    if (p == NULL) {
        crew_fail("out of memory");
    }
    return memset(p, 0, whole);
}

#endif
