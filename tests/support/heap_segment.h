/* SPDX-License-Identifier: MIT */
/* A segment in ordinary memory, for tests of one layer at a time: nobody attaches, no file, no locks. */
#ifndef SUPPORT_HEAP_SEGMENT_H
#define SUPPORT_HEAP_SEGMENT_H

#include "segment.h"

#include <stdlib.h>
#include <string.h>

static inline struct parameters small_parameters(uint32_t capacity) {
    return (struct parameters){
        .capacity = capacity,
        .message_bytes = 32,
        .max_groups = 2,
        .max_participants = 2,
        .lane_count = 1,
        .dead_capacity = capacity,
        .backoff_factor_permille = 2000,
        .lease_ns = 1000000000,
        .first_lap = 1,
    };
}

/* The memory is to be freed. */
static inline void *heap_segment(struct segment *s, const struct parameters *p) {
    struct layout l;
    if (layout_compute(p, &l) != 0)
        abort();
    void *memory = aligned_alloc(4096, l.bytes);
    memset(memory, 0, l.bytes);
    segment_initialise(memory, p, &l, "default");
    if (segment_bind(s, memory, l.bytes, false) != 0)
        abort();
    return memory;
}

#endif
