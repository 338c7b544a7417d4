/* SPDX-License-Identifier: MIT */
/*
 * The accesses of lib/platform/atomic.h, to a model of C11 memory (machine.c). Put in by an RP_WEAK build. Each names its label, so that a run can
 * make all accesses of one label weaker than they are written.
 */
#ifndef ATOMIC_WEAK_H
#define ATOMIC_WEAK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Memory orders as bits. */
enum weak_order { WEAK_RELAXED = 0, WEAK_ACQUIRE = 1, WEAK_RELEASE = 2, WEAK_ACQ_REL = 3, WEAK_SC = 4, WEAK_SEQ_CST = 7 };
enum weak_rmw { WEAK_ADD, WEAK_OR, WEAK_AND, WEAK_EXCHANGE };

/* Where an access stands in the source. */
#define WEAK_SITE(label) #label, __FILE__, __LINE__
#define WEAK_SITE_PARAMETERS const char *label, const char *file, int line

uint64_t weak_load(const volatile void *word, size_t bytes, unsigned order, WEAK_SITE_PARAMETERS);
void weak_store(volatile void *word, size_t bytes, uint64_t value, unsigned order, WEAK_SITE_PARAMETERS);
/* `expected` points to a word of the same size. */
bool weak_cas(volatile void *word, size_t bytes, void *expected, uint64_t desired, unsigned order, unsigned failure_order,
              WEAK_SITE_PARAMETERS);
uint64_t weak_rmw(volatile void *word, size_t bytes, enum weak_rmw what, uint64_t operand, unsigned order, WEAK_SITE_PARAMETERS);
void weak_fence(unsigned order, WEAK_SITE_PARAMETERS);

#define WEAK_LOAD(word, order, label) weak_load((word), sizeof *(word), (order), WEAK_SITE(label))
#define WEAK_STORE(word, value, order, label) weak_store((word), sizeof *(word), (value), (order), WEAK_SITE(label))
#define WEAK_CAS(word, expected, desired, order, label) \
    weak_cas((word), sizeof *(word), (expected), (desired), (order), (order)&WEAK_ACQUIRE, WEAK_SITE(label))
#define WEAK_RMW(word, what, value, order, label) weak_rmw((word), sizeof *(word), (what), (value), (order), WEAK_SITE(label))

#define load_relaxed(word, label) WEAK_LOAD(word, WEAK_RELAXED, label)
#define load_acquire(word, label) WEAK_LOAD(word, WEAK_ACQUIRE, label)
#define load_seq_cst(word, label) WEAK_LOAD(word, WEAK_SC | WEAK_ACQUIRE, label)
#define store_relaxed(word, value, label) WEAK_STORE(word, value, WEAK_RELAXED, label)
#define store_release(word, value, label) WEAK_STORE(word, value, WEAK_RELEASE, label)
#define store_seq_cst(word, value, label) WEAK_STORE(word, value, WEAK_SC | WEAK_RELEASE, label)
#define cas_relaxed(word, expected, desired, label) WEAK_CAS(word, expected, desired, WEAK_RELAXED, label)
#define cas_acq_rel(word, expected, desired, label) WEAK_CAS(word, expected, desired, WEAK_ACQ_REL, label)
#define cas_seq_cst(word, expected, desired, label) WEAK_CAS(word, expected, desired, WEAK_SEQ_CST, label)
#define fetch_add_relaxed(word, value, label) WEAK_RMW(word, WEAK_ADD, value, WEAK_RELAXED, label)
#define fetch_add_seq_cst(word, value, label) WEAK_RMW(word, WEAK_ADD, value, WEAK_SEQ_CST, label)
#define fetch_or_acq_rel(word, value, label) WEAK_RMW(word, WEAK_OR, value, WEAK_ACQ_REL, label)
#define fetch_or_seq_cst(word, value, label) WEAK_RMW(word, WEAK_OR, value, WEAK_SEQ_CST, label)
#define fetch_and_acq_rel(word, value, label) WEAK_RMW(word, WEAK_AND, value, WEAK_ACQ_REL, label)
#define fetch_and_seq_cst(word, value, label) WEAK_RMW(word, WEAK_AND, value, WEAK_SEQ_CST, label)
#define exchange_relaxed(word, value, label) WEAK_RMW(word, WEAK_EXCHANGE, value, WEAK_RELAXED, label)
#define fence_acquire() weak_fence(WEAK_ACQUIRE, WEAK_SITE(fence))
#define fence_release() weak_fence(WEAK_RELEASE, WEAK_SITE(fence))
#define fence_seq_cst() weak_fence(WEAK_SEQ_CST, WEAK_SITE(fence))
#define fence_compiler() ((void)0)

#endif
