/* SPDX-License-Identifier: MIT */
/*
 * lib/ and the programs are compiled with -fsanitize=thread, for the calls that the compiler then puts before each plain access. The runtime is not TSan's but this:
 * the accesses go to the machine, which knows what happened before what in the model, and not on this processor.
 */
#include "weak.h"

#define HOOKS(bytes)                                                               \
    void __tsan_read##bytes(void *p);                                              \
    void __tsan_write##bytes(void *p);                                             \
    void __tsan_unaligned_read##bytes(void *p);                                    \
    void __tsan_unaligned_write##bytes(void *p);                                   \
    void __tsan_read##bytes(void *p) { machine_plain(p, bytes, false); }           \
    void __tsan_write##bytes(void *p) { machine_plain(p, bytes, true); }           \
    void __tsan_unaligned_read##bytes(void *p) { machine_plain(p, bytes, false); } \
    void __tsan_unaligned_write##bytes(void *p) { machine_plain(p, bytes, true); }
HOOKS(1)
HOOKS(2)
HOOKS(4)
HOOKS(8)
HOOKS(16)

void __tsan_read_range(void *p, size_t bytes);
void __tsan_write_range(void *p, size_t bytes);
void __tsan_read_range(void *p, size_t bytes) { machine_plain(p, bytes, false); }
void __tsan_write_range(void *p, size_t bytes) { machine_plain(p, bytes, true); }

void __tsan_init(void);
void __tsan_func_entry(void *caller);
void __tsan_func_exit(void);
void __tsan_init(void) {}
void __tsan_func_entry(void *caller) { (void)caller; }
void __tsan_func_exit(void) {}

/* Counters for people are the only atomics that do not go through the machine. They decide nothing. */
uint32_t __tsan_atomic32_load(const volatile uint32_t *word, int order);
void __tsan_atomic32_store(volatile uint32_t *word, uint32_t value, int order);
uint64_t __tsan_atomic64_load(const volatile uint64_t *word, int order);
void __tsan_atomic64_store(volatile uint64_t *word, uint64_t value, int order);
uint64_t __tsan_atomic64_fetch_add(volatile uint64_t *word, uint64_t value, int order);
uint64_t __tsan_atomic64_exchange(volatile uint64_t *word, uint64_t value, int order);

uint32_t __tsan_atomic32_load(const volatile uint32_t *word, int order) {
    (void)order;
    return *word;
}
void __tsan_atomic32_store(volatile uint32_t *word, uint32_t value, int order) {
    (void)order;
    *word = value;
}
uint64_t __tsan_atomic64_load(const volatile uint64_t *word, int order) {
    (void)order;
    return *word;
}
void __tsan_atomic64_store(volatile uint64_t *word, uint64_t value, int order) {
    (void)order;
    *word = value;
}
uint64_t __tsan_atomic64_fetch_add(volatile uint64_t *word, uint64_t value, int order) {
    (void)order;
    uint64_t before = *word;
    *word = before + value;
    return before;
}
uint64_t __tsan_atomic64_exchange(volatile uint64_t *word, uint64_t value, int order) {
    (void)order;
    uint64_t before = *word;
    *word = value;
    return before;
}

/* lib/route/grace.h tells ThreadSanitizer what liburcu orders. Here platform_weak.c knows. */
extern char grace_mark;
char grace_mark;
void __tsan_acquire(void *p);
void __tsan_release(void *p);
void __tsan_acquire(void *p) { (void)p; }
void __tsan_release(void *p) { (void)p; }
