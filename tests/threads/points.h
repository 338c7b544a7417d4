/* SPDX-License-Identifier: MIT */
/*
 * Put before every source of lib/memory, ring and queue: the code that ships, with a call before each atomic access, at which a thread may give way,
 * stop or die. The accesses are those of lib/platform/atomic.h, unless an experiment weakens some of them (--weaken).
 */
#ifndef THREADS_POINTS_H
#define THREADS_POINTS_H

#ifdef RP_SIM
#error "the atomics shall be the real ones"
#endif
#include "atomic.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* From here on: sizes of rings, their laps and tags are the scenario's (layout.c, open.c, words.h). */
#define RP_SIM
extern uint64_t sim_first_lap;
extern uint32_t sim_tag_mask, sim_stamp_mask, sim_lane_slots, sim_min_slots, sim_known_ids;
extern bool sim_one_hash;
bool sim_mutant(const char *name);
#undef MUTANT
#define MUTANT(name) sim_mutant(#name)

void pass_point(const char *what);
#undef SIM_POINT
#define SIM_POINT(op, word, label, name) pass_point(name " " #label),

/* The memory of a simulated process goes with it. */
void *process_malloc(size_t bytes);
void *process_calloc(size_t count, size_t bytes);
void *process_realloc(void *memory, size_t bytes);
void process_free(void *memory);
#define malloc(bytes) process_malloc(bytes)
#define calloc(count, bytes) process_calloc(count, bytes)
#define realloc(memory, bytes) process_realloc(memory, bytes)
#define free(memory) process_free(memory)

/* The orders given in atomic.h, or none at all where the last point says so. */
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
extern _Thread_local bool point_weakened;
#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_compare_exchange_strong_explicit
#undef atomic_fetch_add_explicit
#undef atomic_fetch_or_explicit
#undef atomic_fetch_and_explicit
#undef atomic_exchange_explicit
#define atomic_load_explicit(word, order) \
    (point_weakened ? __atomic_load_n((word), __ATOMIC_RELAXED) : __atomic_load_n((word), (order)))
#define atomic_store_explicit(word, value, order) \
    (point_weakened ? __atomic_store_n((word), (value), __ATOMIC_RELAXED) : __atomic_store_n((word), (value), (order)))
#define atomic_compare_exchange_strong_explicit(word, expected, value, order, failed)                                 \
    (point_weakened ? __atomic_compare_exchange_n((word), (expected), (value), 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED) \
                    : __atomic_compare_exchange_n((word), (expected), (value), 0, (order), (failed)))
#define atomic_fetch_add_explicit(word, value, order) \
    (point_weakened ? __atomic_fetch_add((word), (value), __ATOMIC_RELAXED) : __atomic_fetch_add((word), (value), (order)))
#define atomic_fetch_or_explicit(word, value, order) \
    (point_weakened ? __atomic_fetch_or((word), (value), __ATOMIC_RELAXED) : __atomic_fetch_or((word), (value), (order)))
#define atomic_fetch_and_explicit(word, value, order) \
    (point_weakened ? __atomic_fetch_and((word), (value), __ATOMIC_RELAXED) : __atomic_fetch_and((word), (value), (order)))
#define atomic_exchange_explicit(word, value, order) \
    (point_weakened ? __atomic_exchange_n((word), (value), __ATOMIC_RELAXED) : __atomic_exchange_n((word), (value), (order)))
#endif

#endif
