/* SPDX-License-Identifier: MIT */
/*
 * Message bodies that can be verified: word i of a message is tag + i * step. The reader sums every word, so it touches all bytes, and a
 * body that is torn, stale or somebody else's does not add up. Bodies are a multiple of 8 bytes.
 */
#ifndef RP_BENCH_PAYLOAD_H
#define RP_BENCH_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAYLOAD_STEP 0x9e3779b97f4a7c15ull

/* A tag names the producer and its message. */
static inline uint64_t payload_tag(uint32_t producer, uint64_t sequence) { return (uint64_t)producer << 48 | sequence; }

static inline uint32_t payload_producer(uint64_t tag) { return (uint32_t)(tag >> 48); }

static inline uint64_t payload_sequence(uint64_t tag) { return tag & 0xffffffffffffull; }

static inline void payload_write(void *to, size_t bytes, uint64_t tag) {
    uint64_t *words = to;
    for (size_t i = 0; i < bytes / 8; i++) {
        words[i] = tag + i * PAYLOAD_STEP;
    }
}

/* True if the body is whole; *tag is what it is tagged with. */
static inline bool payload_read(const void *from, size_t bytes, uint64_t *tag) {
    const uint64_t *words = from;
    uint64_t n = bytes / 8, sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += words[i];
    }
    *tag = words[0];
    return sum == n * words[0] + n * (n - 1) / 2 * PAYLOAD_STEP;
}

#endif
