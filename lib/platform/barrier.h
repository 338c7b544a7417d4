/* SPDX-License-Identifier: MIT */
/*
 * A memory barrier in all others (membarrier): who is about to sleep pays for the order of two accesses of those who might wake him, who need not pay for it each time. After
 * barrier_others, each thread of a process that registered either has had all of its earlier stores become visible, or sees with its later loads what the caller stored.
 */
#ifndef RP_PLATFORM_BARRIER_H
#define RP_PLATFORM_BARRIER_H

#include <stdbool.h>

/* This process shall take part, from now on. False: the kernel (4.16) or a sandbox does not allow it. Not inherited by a forked child. */
bool barrier_register(void);

/* A full barrier here, and in all threads of all processes that registered. False: there was none. */
bool barrier_others(void);

/* For tests: as if the kernel had none. */
extern bool barrier_force_none;

#endif
