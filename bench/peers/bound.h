/* SPDX-License-Identifier: MIT */
/* How many messages a queue may hold, for servers that know no such bound or lose messages at theirs. In shared memory; costs nothing beside them. */
#ifndef RP_BENCH_PEER_BOUND_H
#define RP_BENCH_PEER_BOUND_H

#include "../machine.h"

#include <stdalign.h>
#include <stdatomic.h>

struct bound {
    alignas(LINE_PAIR) _Atomic uint64_t put;
    alignas(LINE_PAIR) _Atomic uint64_t taken;
};

/* -> how many of `count` may be put now. */
static inline size_t bound_claim(struct bound *b, uint64_t capacity, size_t count) {
    uint64_t put = atomic_load_explicit(&b->put, memory_order_relaxed);
    for (;;) {
        uint64_t held = put - atomic_load_explicit(&b->taken, memory_order_relaxed);
        uint64_t room = (int64_t)held < 0 ? 0 : held < capacity ? capacity - held : 0; /* below 0: `put` is old */
        uint64_t n = room < count ? room : count;
        if (atomic_compare_exchange_weak_explicit(&b->put, &put, put + n, memory_order_relaxed, memory_order_relaxed)) {
            return (size_t)n;
        }
    }
}

static inline void bound_return(struct bound *b, size_t count) {
    atomic_fetch_add_explicit(&b->taken, count, memory_order_relaxed);
}

#endif
