/* SPDX-License-Identifier: MIT */
/* Sleeping and waking across processes, and giving way while spinning. */
#ifndef RP_PLATFORM_FUTEX_H
#define RP_PLATFORM_FUTEX_H

#include "atomic.h"

/* Sleeps while *word == expected, at most timeout_ns (>= 0). 0: woken, or timed out, or *word differed; -EINTR: a signal came. */
int futex_wait(a32 *word, uint32_t expected, uint64_t timeout_ns);

/*
 * The same for several words: sleeps while each has the value expected. -> the index of one that was woken; or -EAGAIN: one differed; -ETIMEDOUT; -EINTR;
 * -ENOSYS: the kernel has no futex_waitv (5.16), or a sandbox forbids it: known from the first call on.
 */
enum { FUTEX_WAIT_MOST = 128 };
int futex_wait_any(a32 *const *words, const uint32_t *expected, unsigned count, uint64_t timeout_ns);

/* For tests: as if the kernel had none. */
extern bool futex_force_one;

/* Wakes at most `count` sleepers of any process. -> how many were woken. */
int futex_wake(a32 *word, int count);

/* One step of a spin loop (the processor's pause). */
void spin_pause(void);

/* Gives the processor to somebody else who is runnable. */
void spin_yield(void);

/* How long a waiter should spin before it yields and sleeps: 0 on a machine of one processor. */
uint64_t spin_budget_ns(void);

#endif
