/* SPDX-License-Identifier: MIT */
#include "pages.h"
#include <errno.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    ADVICE_COLLAPSE = 25, /* MADV_COLLAPSE, which the headers of Debian 12 do not have */
    ADVICE_POPULATE_READ = 22,
    ADVICE_POPULATE_WRITE = 23,
    QUERY_PAGES = 1024
};

int pages_bind(void *memory, size_t bytes, uint64_t nodes) {
    /* Preferred, not bound: a bound allocation on a full node calls for the OOM killer; this one goes to the next node, and rp_queue_placement tells. */
    int mode = (nodes & (nodes - 1)) == 0 ? MPOL_PREFERRED : MPOL_INTERLEAVE;
    unsigned long mask[64 / (8 * sizeof(unsigned long)) + 1] = {0};
    memcpy(mask, &nodes, sizeof nodes);
    return syscall(SYS_mbind, memory, bytes, mode, mask, 65, 0) == 0 ? 0 : -errno;
}

int pages_move(void *memory, size_t bytes, uint64_t nodes, size_t page, size_t unit) {
    void *pages[QUERY_PAGES];
    int to[QUERY_PAGES], status[QUERY_PAGES], node = 63, result = 0;
    for (size_t at = 0; at < bytes && result == 0;) {
        unsigned count = 0;
        for (; count < QUERY_PAGES && at < bytes; at += page) {
            if (at % unit == 0)
                do
                    node = (node + 1) % 64;
                while (!(nodes >> node & 1));
            pages[count] = (char *)memory + at;
            to[count++] = node;
        }
        if (syscall(SYS_move_pages, 0, (unsigned long)count, pages, to, status, MPOL_MF_MOVE) < 0)
            result = -errno;
    }
    return result;
}

uint64_t pages_huge_bytes(void) {
    unsigned long long bytes = 0;
    FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", "re");
    if (f == NULL || fscanf(f, "%llu", &bytes) != 1)
        bytes = 0;
    if (f != NULL)
        fclose(f);
    return (bytes & (bytes - 1)) == 0 && bytes <= 1 << 30 ? bytes : 0;
}

void pages_want_huge(void *memory, size_t bytes) { (void)madvise(memory, bytes, MADV_HUGEPAGE); }

void pages_gather(void *memory, size_t bytes) {
    size_t huge = pages_huge_bytes();
    for (size_t at = 0; huge != 0 && at + huge <= bytes; at += huge) /* one by one: the first that cannot be had does not end it */
        (void)madvise((char *)memory + at, huge, ADVICE_COLLAPSE);
}

int pages_touch(void *memory, size_t bytes, bool read_only) {
    return madvise(memory, bytes, read_only ? ADVICE_POPULATE_READ : ADVICE_POPULATE_WRITE) == 0 ? 0 : -errno;
}

int pages_lock(void *memory, size_t bytes, bool now) { return mlock2(memory, bytes, now ? 0 : MLOCK_ONFAULT) == 0 ? 0 : -errno; }

int pages_where(void *memory, size_t bytes, size_t page_bytes, uint64_t *on_node) {
    void *pages[QUERY_PAGES];
    int status[QUERY_PAGES];
    memset(on_node, 0, 64 * sizeof *on_node);
    for (size_t at = 0; at < bytes;) {
        unsigned count = 0;
        for (; count < QUERY_PAGES && at < bytes; at += page_bytes)
            pages[count++] = (char *)memory + at;
        if (syscall(SYS_move_pages, 0, (unsigned long)count, pages, NULL, status, 0) < 0)
            return -errno;
        for (unsigned i = 0; i < count; i++)
            if (status[i] >= 0 && status[i] < 64)
                on_node[status[i]] += page_bytes;
    }
    return 0;
}

int pages_state(const void *memory, size_t bytes, struct pages_state *out) {
    static const struct {
        const char *name;
        size_t field;
    } rows[] = {{"Rss:", offsetof(struct pages_state, mapped)},
                {"ShmemPmdMapped:", offsetof(struct pages_state, huge)},
                {"FilePmdMapped:", offsetof(struct pages_state, huge)},
                {"Shared_Hugetlb:", offsetof(struct pages_state, hugetlb)},
                {"Private_Hugetlb:", offsetof(struct pages_state, hugetlb)}};
    const uintptr_t from = (uintptr_t)memory, to = from + bytes;
    char *line = NULL;
    size_t room = 0;
    bool inside = false; /* a mapping may have been split by what was asked of its parts */
    uint64_t before = 0; /* mapped, of earlier parts */
    *out = (struct pages_state){0};
    FILE *f = fopen("/proc/self/smaps", "re");
    if (f == NULL)
        return -errno;
    while (getline(&line, &room, f) > 0) {
        unsigned long first, last;
        unsigned long long kib;
        char name[32];
        if (sscanf(line, "%lx-%lx ", &first, &last) == 2) {
            inside = first >= from && last <= to;
            before = out->mapped;
        } else if (inside && strncmp(line, "VmFlags:", 8) == 0) { /* "Locked:" is only our share of what others lock, too */
            out->locked += strstr(line, " lo") != NULL ? out->mapped - before : 0;
        } else if (inside && sscanf(line, "KernelPageSize: %llu kB", &kib) == 1) {
            out->page = kib * 1024;
        } else if (inside && sscanf(line, "%31s %llu kB", name, &kib) == 2) {
            for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
                if (strcmp(name, rows[i].name) == 0)
                    *(uint64_t *)(void *)((char *)out + rows[i].field) += kib * 1024;
        }
    }
    free(line);
    fclose(f);
    out->huge += out->hugetlb;
    out->mapped += out->hugetlb; /* which are not in Rss */
    return 0;
}
