/* SPDX-License-Identifier: MIT */
/* The pages of a mapping: where they should lie, where they do, how large they are, whether they stay. Libnuma is not needed for that. Lengths are whole pages. */
#ifndef RP_PLATFORM_PAGES_H
#define RP_PLATFORM_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Where pages come from that nobody has touched yet: one node, as long as it has memory, or several in turns. On a tmpfs this is the file's, whoever touches it; on hugetlbfs this mapping's. 0, or -errno: -EINVAL: we may not use such a node; -ENOSYS, -EPERM: no NUMA in this kernel or sandbox. `nodes` is not 0.
 */
int pages_bind(void *memory, size_t bytes, uint64_t nodes);

/*
 * Moves pages of `page` bytes that are there, as far as only this process has mapped them; with several nodes, `unit` bytes to each in turns. (The kernel's own MPOL_MF_MOVE leaves a page that is on any of several nodes where it is.)
 * 0, or -errno.
 */
int pages_move(void *memory, size_t bytes, uint64_t nodes, size_t page, size_t unit);

/* The size of this machine's transparent huge pages; 0: it has none. */
uint64_t pages_huge_bytes(void);

/* Asks for huge pages, before anything is touched. */
void pages_want_huge(void *memory, size_t bytes);

/* Gathers small pages that are there into huge ones (Linux 6.1), as far as there are any. */
void pages_gather(void *memory, size_t bytes);

/* Touches all pages. 0; or -errno, such as -EFAULT or -ENOMEM: there is no memory. */
int pages_touch(void *memory, size_t bytes, bool read_only);

/* Keeps pages from being swapped out, all or none; `now`: fetches them as well. 0; -ENOMEM, -EPERM, -EAGAIN: RLIMIT_MEMLOCK. */
int pages_lock(void *memory, size_t bytes, bool now);

/* Counts pages by node into `on_node[64]`, in bytes, those that are in this process's page table. 0; -errno: the kernel does not say. */
int pages_where(void *memory, size_t bytes, size_t page_bytes, uint64_t *on_node);

/* What the kernel says of a mapping of this process. */
struct pages_state {
    uint64_t mapped, huge, locked; /* bytes */
    uint64_t hugetlb;              /* of those, on a hugetlbfs: never swapped out, and the kernel keeps no lock of them */
    uint64_t page;                 /* the size of its pages, huge ones that the kernel made of them apart */
};
/* 0; -errno: it does not say, and `out` is empty. */
int pages_state(const void *memory, size_t bytes, struct pages_state *out);

#endif
