/* SPDX-License-Identifier: MIT */
/*
 * Atomics on shared memory. All of lib/ reaches shared words only through these macros. Each names a sync point (docs/memory-model.md): the
 * label pairs a release side with its acquire side, tests/tidy refuses a label that has only one. Relaxed accesses name the
 * reason why that is enough: `hint` (never trusted), `own` (only this process writes it), `recheck` (a later CAS decides), `init` (nobody else sees it yet), `stat`.
 *
 * A simulation build (RP_SIM) puts a scheduler point before each access; the label is what its trace prints.
 */
#ifndef RP_PLATFORM_ATOMIC_H
#define RP_PLATFORM_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef _Atomic uint64_t a64;
typedef _Atomic uint32_t a32;

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2, "shared words must be lock-free");
_Static_assert(sizeof(a64) == 8 && sizeof(a32) == 4, "shared words must be plain words");

#ifdef RP_SIM
enum sim_op { SIM_LOAD, SIM_STORE, SIM_RMW };
/* Called before the access. May switch to another participant, never return (killed), or move the clock. */
void sim_point(enum sim_op op, const volatile void *word, const char *what, const char *file, int line);
/* What was read without a point; it is part of what the participant knows. */
uint64_t sim_seen(uint64_t value);
/* Others may notice what comes next, or it notices them, though it is no point. */
void sim_settle(void);
#define SIM_POINT(op, word, label, name) sim_point(op, (const volatile void *)(word), name " " #label, __FILE__, __LINE__),
/* A switch that seeds a defect into the code (tests/sim, ./dev mutants); constant false in every other build. */
bool sim_mutant(const char *name);
#define MUTANT(name) sim_mutant(#name)
extern uint64_t sim_first_lap;  /* where rings begin: near the wrap */
extern uint32_t sim_tag_mask;   /* how much of a generation an entry carries */
extern uint32_t sim_stamp_mask; /* and how much of a hold its position */
extern uint32_t sim_lane_slots; /* of the lane; 0: as many as usual */
extern uint32_t sim_min_slots;  /* how small rings may be, a power of two */
extern uint32_t sim_known_ids;  /* how many are kept; 0: as many as usual */
extern bool sim_one_hash;       /* all ids have the same */
/*
 * Defects of the accesses themselves (sim --sites): at one place in the code a compare-and-swap believes whatever it finds, or an access that should
 * change something does nothing and says that it did.
 */
enum sim_site_defect { SITE_SOUND, SITE_BLIND, SITE_IDLE };
extern enum sim_site_defect sim_site_defect;
bool sim_site(const char *file, int line);
#define SITE(defect) (sim_site_defect == (defect) && sim_site(__FILE__, __LINE__))
#define SITE_EXPECT(word, expected) \
    (SITE(SITE_BLIND) ? (void)(*(expected) = atomic_load_explicit((word), memory_order_relaxed)) : (void)0),
#define SITE_CAS SITE(SITE_IDLE) ||
#define SITE_STORE SITE(SITE_IDLE) ? (void)0:
#define SITE_FETCH(word) SITE(SITE_IDLE) ? atomic_load_explicit((word), memory_order_relaxed):
#else
#define SIM_POINT(op, word, label, name)
#define MUTANT(name) false
#define SITE_EXPECT(word, expected)
#define SITE_CAS
#define SITE_STORE
#define SITE_FETCH(word)
#endif

#ifdef RP_WEAK
#include "atomic_weak.h" /* tests/weak: the same accesses, to a model of C11 memory in which they may see old values */
#else

#define load_relaxed(word, label) \
    (SIM_POINT(SIM_LOAD, word, label, "load_relaxed") atomic_load_explicit((word), memory_order_relaxed))
#define load_acquire(word, label) \
    (SIM_POINT(SIM_LOAD, word, label, "load_acquire") atomic_load_explicit((word), memory_order_acquire))
#define load_seq_cst(word, label) \
    (SIM_POINT(SIM_LOAD, word, label, "load_seq_cst") atomic_load_explicit((word), memory_order_seq_cst))

#define store_relaxed(word, value, label) \
    (SIM_POINT(SIM_STORE, word, label, "store_relaxed") SITE_STORE atomic_store_explicit((word), (value), memory_order_relaxed))
#define store_release(word, value, label) \
    (SIM_POINT(SIM_STORE, word, label, "store_release") SITE_STORE atomic_store_explicit((word), (value), memory_order_release))
#define store_seq_cst(word, value, label) \
    (SIM_POINT(SIM_STORE, word, label, "store_seq_cst") SITE_STORE atomic_store_explicit((word), (value), memory_order_seq_cst))

/* Compare and swap. `expected` is a pointer; on failure it receives what was found, acquired. */
#define cas_acq_rel(word, expected, desired, label)                                                                               \
    (SIM_POINT(SIM_RMW, word, label, "cas_acq_rel") SITE_EXPECT(word, expected) SITE_CAS atomic_compare_exchange_strong_explicit( \
        (word), (expected), (desired), memory_order_acq_rel, memory_order_acquire))
#define cas_seq_cst(word, expected, desired, label)                                                                               \
    (SIM_POINT(SIM_RMW, word, label, "cas_seq_cst") SITE_EXPECT(word, expected) SITE_CAS atomic_compare_exchange_strong_explicit( \
        (word), (expected), (desired), memory_order_seq_cst, memory_order_acquire))
#define cas_relaxed(word, expected, desired, label)                                                                               \
    (SIM_POINT(SIM_RMW, word, label, "cas_relaxed") SITE_EXPECT(word, expected) SITE_CAS atomic_compare_exchange_strong_explicit( \
        (word), (expected), (desired), memory_order_relaxed, memory_order_relaxed))

#define fetch_add_relaxed(word, value, label)                              \
    (SIM_POINT(SIM_RMW, word, label, "fetch_add_relaxed") SITE_FETCH(word) \
         atomic_fetch_add_explicit((word), (value), memory_order_relaxed))
#define fetch_add_seq_cst(word, value, label)                              \
    (SIM_POINT(SIM_RMW, word, label, "fetch_add_seq_cst") SITE_FETCH(word) \
         atomic_fetch_add_explicit((word), (value), memory_order_seq_cst))
#define fetch_or_acq_rel(word, value, label)                              \
    (SIM_POINT(SIM_RMW, word, label, "fetch_or_acq_rel") SITE_FETCH(word) \
         atomic_fetch_or_explicit((word), (value), memory_order_acq_rel))
#define fetch_or_seq_cst(word, value, label)                              \
    (SIM_POINT(SIM_RMW, word, label, "fetch_or_seq_cst") SITE_FETCH(word) \
         atomic_fetch_or_explicit((word), (value), memory_order_seq_cst))
#define fetch_and_acq_rel(word, value, label)                              \
    (SIM_POINT(SIM_RMW, word, label, "fetch_and_acq_rel") SITE_FETCH(word) \
         atomic_fetch_and_explicit((word), (value), memory_order_acq_rel))
#define fetch_and_seq_cst(word, value, label)                              \
    (SIM_POINT(SIM_RMW, word, label, "fetch_and_seq_cst") SITE_FETCH(word) \
         atomic_fetch_and_explicit((word), (value), memory_order_seq_cst))
#define exchange_relaxed(word, value, label)                              \
    (SIM_POINT(SIM_RMW, word, label, "exchange_relaxed") SITE_FETCH(word) \
         atomic_exchange_explicit((word), (value), memory_order_relaxed))

/*
 * Fences. fence_acquire keeps reads before it from moving after it, for readers that check afterwards whether what they read was still theirs to read; fence_release
 * keeps the writes after it from being seen before a mark that was set before it, which such a check finds. fence_seq_cst: of two who each write, fence, and read, one sees the other's write.
 */
#if defined(__SANITIZE_THREAD__)
#define FENCES_UNKNOWN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FENCES_UNKNOWN 1
#endif
#endif
#ifdef FENCES_UNKNOWN /* to TSan. What is read that way is exempt from it anyway; a full barrier is a locked operation to the processor */
#define fence_acquire() ((void)0)
#define fence_release() ((void)0)
#define fence_seq_cst() ((void)atomic_fetch_add_explicit(&(a32){0}, 1, memory_order_seq_cst))
#else
#define fence_acquire() atomic_thread_fence(memory_order_acquire)
#define fence_release() atomic_thread_fence(memory_order_release)
#define fence_seq_cst() atomic_thread_fence(memory_order_seq_cst)
#endif

/* For the compiler alone: the other side makes the processor keep the order (barrier_others of barrier.h). */
#define fence_compiler() atomic_signal_fence(memory_order_seq_cst)

#endif

/*
 * Counters for people. They decide nothing, so the simulator does not schedule at them. An `owned` counter has one writer at a
 * time and needs no read-modify-write.
 */
#define counter_read(word) atomic_load_explicit((word), memory_order_relaxed)
#define counter_add_owned(word, value) \
    (FIELD_SETTLE atomic_store_explicit((word), atomic_load_explicit((word), memory_order_relaxed) + (value), memory_order_relaxed))
#define counter_add_shared(word, value) (FIELD_SETTLE(void) atomic_fetch_add_explicit((word), (value), memory_order_relaxed))
#define counter_take(word) atomic_exchange_explicit((word), 0, memory_order_relaxed)

/*
 * Fields of a cell that others may read while its next owner writes them. What was read counts only if a word that is compared and swapped, or looked at again,
 * did not move; so the simulator does not schedule at them.
 */
#define field_read(word) FIELD_SEEN(atomic_load_explicit((word), memory_order_relaxed))
#if defined(SIM_LIBRARY) && !defined(RP_WEAK)
#define FIELD_SEEN(value) (sim_settle(), sim_seen(value))
#define FIELD_SETTLE sim_settle(),
#else
#define FIELD_SEEN(value) (value)
#define FIELD_SETTLE
#endif
#define field_write(word, value) (FIELD_SETTLE atomic_store_explicit((word), (value), memory_order_relaxed))

/*
 * Bring a line here before it is needed, prefetch_write to have it alone. Hints to the processor, no meaning. Compilers make a plain prefetch of __builtin_prefetch(p, 1) unless they are told that
 * the processor has the other one. All with 64 bits have it, or take it for no operation.
 */
#define prefetch_read(address) __builtin_prefetch((const void *)(address), 0, 3)
#ifdef __x86_64__
#define prefetch_write(address) __asm__ volatile("prefetchw %0" : : "m"(*(const unsigned char *)(const void *)(address)))
#else
#define prefetch_write(address) __builtin_prefetch((const void *)(address), 1, 3)
#endif

/* For the steps of the way of a message, where a call costs as much as what it calls. */
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define likely(x) __builtin_expect(!!(x), 1)
/* And for what is beside the way: nothing on it is made ready for such a call. */
#define COLD __attribute__((cold, noinline))

#endif
