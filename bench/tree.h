/* SPDX-License-Identifier: MIT */
#ifndef RP_BENCH_TREE_H
#define RP_BENCH_TREE_H

/* Removes a directory with all that is in it; nothing happens if there is none. */
void tree_remove(const char *path);

#endif
