/* SPDX-License-Identifier: MIT */
/* A filter over system calls: what a call is answered with, by number and, if wanted, by bits of one argument. */
#ifndef CRASH_LAB_FILTER_H
#define CRASH_LAB_FILTER_H

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

struct filter_rule {
    uint32_t call;
    uint32_t action;                /* SECCOMP_RET_... */
    uint32_t argument, mask, value; /* only if (argument & mask) == value; mask 0: always */
};

enum { FILTER_RULES = 32 };

/* Answers each call with the first rule that fits, all others with `otherwise`. For the rest of this process's life. */
static inline bool filter_calls(const struct filter_rule *rules, size_t count, uint32_t otherwise) {
    struct sock_filter code[5 * FILTER_RULES + 2];
    unsigned short n = 0;
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < count && i < FILTER_RULES; i++) {
        const struct filter_rule *r = &rules[i];
        uint32_t low_half = (uint32_t)offsetof(struct seccomp_data, args) + 8 * r->argument; /* little endian */
        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, r->call, 0, r->mask ? 5 : 1);
        if (r->mask) {
            code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, low_half);
            code[n++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, r->mask);
            code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, r->value, 0, 1);
        }
        code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, r->action);
        if (r->mask)
            code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, otherwise);
    struct sock_fprog program = {.len = n, .filter = code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

#endif
