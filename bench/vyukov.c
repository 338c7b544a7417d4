/* SPDX-License-Identifier: MIT */
#include "vyukov.h"

static size_t payload_offset(size_t payload_bytes) {
    return payload_bytes <= CACHE_LINE - sizeof(uint64_t) ? sizeof(uint64_t) : CACHE_LINE;
}

static size_t slot_bytes(size_t payload_bytes) {
    return (payload_offset(payload_bytes) + payload_bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

size_t vyukov_bytes(uint64_t slot_count, size_t payload_bytes) {
    return sizeof(struct vyukov) + slot_count * slot_bytes(payload_bytes);
}

void vyukov_init(struct vyukov *v, uint64_t slot_count, size_t payload_bytes) {
    v->mask = slot_count - 1;
    v->slot_bytes = slot_bytes(payload_bytes);
    v->payload_offset = payload_offset(payload_bytes);
    atomic_init(&v->tail, 0);
    atomic_init(&v->head, 0);
    for (uint64_t i = 0; i < slot_count; i++) {
        atomic_init(vyukov_slot(v, i), i);
    }
}
