/* SPDX-License-Identifier: MIT */
/* Stacks that take turns. A fiber that is not running can be copied away with its stack and put back later, at the same addresses. */
#ifndef SIM_FIBER_H
#define SIM_FIBER_H

#include <stddef.h>

#if defined(__x86_64__) && !defined(FIBER_PORTABLE)
#define FIBER_ASSEMBLY 1
#else
#define FIBER_ASSEMBLY 0 /* swapcontext: right everywhere, ten times as slow */
#endif

#if !FIBER_ASSEMBLY
#include <ucontext.h>
#endif

enum { FIBER_STACK_BYTES = 256 * 1024 };

struct fiber {
#if FIBER_ASSEMBLY
    void *stack_pointer;
#else
    ucontext_t context;
#endif
    unsigned char *stack; /* NULL: the thread's own */
};

/* Gives `f` a stack, with a guard page below. Aborts when there is no memory. */
void fiber_create(struct fiber *f);
/* Makes the next switch to `f` begin `entry`, which must not return. */
void fiber_begin(struct fiber *f, void (*entry)(void));
void fiber_switch(struct fiber *from, struct fiber *to);
/* The part of the stack of a fiber that is not running that holds anything. */
unsigned char *fiber_stack_begin(const struct fiber *f);
static inline unsigned char *fiber_stack_end(const struct fiber *f) { return f->stack + FIBER_STACK_BYTES; }

#endif
