/* SPDX-License-Identifier: MIT */
#include "fiber.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { GUARD_BYTES = 4096 };

void fiber_create(struct fiber *f) {
    unsigned char *memory = mmap(NULL, GUARD_BYTES + FIBER_STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, GUARD_BYTES, PROT_NONE) != 0) {
        perror("sim: no memory for a stack");
        abort();
    }
    f->stack = memory + GUARD_BYTES;
}

#if FIBER_ASSEMBLY

/* What a call must preserve (System V ABI) but the floating-point control words, which nobody changes. */
void fiber_switch_raw(void **save, void *load);
__asm__(".text\n"
        ".p2align 4\n"
        ".type fiber_switch_raw, @function\n"
        "fiber_switch_raw:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size fiber_switch_raw, .-fiber_switch_raw\n");

void fiber_begin(struct fiber *f, void (*entry)(void)) {
    /* As if `entry` had been called: at its first instruction the stack pointer is 8 below a multiple of 16. */
    uintptr_t *top = (uintptr_t *)(void *)(f->stack + FIBER_STACK_BYTES);
    for (int i = 1; i <= 10; i++)
        top[-i] = 0; /* registers, and no return address for entry */
    top[-4] = (uintptr_t)entry;
    f->stack_pointer = &top[-10];
}

void fiber_switch(struct fiber *from, struct fiber *to) { fiber_switch_raw(&from->stack_pointer, to->stack_pointer); }

unsigned char *fiber_stack_begin(const struct fiber *f) { return f->stack_pointer; }

#else

void fiber_begin(struct fiber *f, void (*entry)(void)) {
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = f->stack;
    f->context.uc_stack.ss_size = FIBER_STACK_BYTES;
    f->context.uc_link = NULL;
    makecontext(&f->context, entry, 0);
}

void fiber_switch(struct fiber *from, struct fiber *to) { swapcontext(&from->context, &to->context); }

unsigned char *fiber_stack_begin(const struct fiber *f) { return f->stack; }

#endif
