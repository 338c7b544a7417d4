/* SPDX-License-Identifier: MIT */
/*
 * A baseline without safety: Dmitry Vyukov's bounded MPMC queue, by value, in shared memory. It has order and content, and nothing else: no acks, no leases, no
 * redelivery, and a process that dies or stops between claim and publish blocks everybody at its slot for ever. What ringpost costs
 * beyond this is the price of those.
 */
#ifndef RP_BENCH_VYUKOV_H
#define RP_BENCH_VYUKOV_H

#include "machine.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct vyukov {
    alignas(LINE_PAIR) uint64_t mask;
    size_t slot_bytes;     /* sequence and payload, in whole lines */
    size_t payload_offset; /* in the slot: the first line if it fits, else the lines after it */
    alignas(LINE_PAIR) _Atomic uint64_t tail;
    alignas(LINE_PAIR) _Atomic uint64_t head;
    alignas(LINE_PAIR) unsigned char slots[];
};

/* Memory for `slot_count` (a power of two) payloads. */
size_t vyukov_bytes(uint64_t slot_count, size_t payload_bytes);
void vyukov_init(struct vyukov *v, uint64_t slot_count, size_t payload_bytes);

static inline _Atomic uint64_t *vyukov_slot(struct vyukov *v, uint64_t position) {
    return (_Atomic uint64_t *)(void *)(v->slots + (position & v->mask) * v->slot_bytes);
}

/*
 * Short bodies go word by word. A wide load of what was just stored in smaller pieces cannot be forwarded from the store buffer; it waits until the stores
 * before it, to lines that another core holds, are through, and that halves the rate of a stream.
 */
static inline void vyukov_copy(void *to, const void *from, size_t bytes) {
    if (bytes > 256) {
        memcpy(to, from, bytes);
        return;
    }
    uint64_t *target = to;
    const uint64_t *source = from;
    for (size_t i = 0; i < bytes / 8; i++) {
        uint64_t word = source[i];
        __asm__("" : "+r"(word)); /* keeps the compiler from making it a memcpy again */
        target[i] = word;
    }
}

/* False: full. `bytes` is a multiple of 8. */
static inline bool vyukov_push(struct vyukov *v, const void *data, size_t bytes) {
    uint64_t t = atomic_load_explicit(&v->tail, memory_order_relaxed);
    for (;;) {
        _Atomic uint64_t *slot = vyukov_slot(v, t);
        int64_t ahead = (int64_t)(atomic_load_explicit(slot, memory_order_acquire) - t);
        if (ahead < 0) {
            return false;
        }
        if (ahead > 0) {
            t = atomic_load_explicit(&v->tail, memory_order_relaxed);
        } else if (atomic_compare_exchange_weak_explicit(&v->tail, &t, t + 1, memory_order_relaxed, memory_order_relaxed)) {
            vyukov_copy((unsigned char *)slot + v->payload_offset, data, bytes);
            atomic_store_explicit(slot, t + 1, memory_order_release);
            return true;
        }
    }
}

/* False: empty. */
static inline bool vyukov_pop(struct vyukov *v, void *data, size_t bytes) {
    uint64_t h = atomic_load_explicit(&v->head, memory_order_relaxed);
    for (;;) {
        _Atomic uint64_t *slot = vyukov_slot(v, h);
        int64_t ahead = (int64_t)(atomic_load_explicit(slot, memory_order_acquire) - (h + 1));
        if (ahead < 0) {
            return false;
        }
        if (ahead > 0) {
            h = atomic_load_explicit(&v->head, memory_order_relaxed);
        } else if (atomic_compare_exchange_weak_explicit(&v->head, &h, h + 1, memory_order_relaxed, memory_order_relaxed)) {
            vyukov_copy(data, (const unsigned char *)slot + v->payload_offset, bytes);
            atomic_store_explicit(slot, h + v->mask + 1, memory_order_release);
            return true;
        }
    }
}

#endif
