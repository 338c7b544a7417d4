/* SPDX-License-Identifier: MIT */
/*
 * Where a target's queues live. Two worlds behind one interface:
 *
 *     world_memory.c   a platform of our own: "files" between guard pages, time that stands still until it is told to pass, seats whose owners live or
 *                      are dead as we like. No system call, every run the same.
 *     world_file.c     lib/platform itself, with files in /dev/shm.
 */
#ifndef FUZZ_WORLD_H
#define FUZZ_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Names of queues. */
extern const char *world_damaged; /* its bytes are ours to change */
extern const char *world_healthy; /* another one in the same process, which must not suffer */

/* Before the process that fuzzes begins, and after it has ended in whatever way. */
void world_prepare(void);
void world_clean(void);
void world_stop(void);

/* The unit in which waits are told to end. */
extern const int64_t world_patience_ns;

/* From now on the damaged queue's file consists of these bytes. Nobody has it open. */
void world_load(const unsigned char *bytes, size_t count);

/* The damaged queue's bytes as all see them, writable: for whoever damages it while it is open. */
unsigned char *world_bytes(void);
size_t world_size(void);

/* May the harness change this word, which the library is about to access? Only those of the damaged queue that are mapped writable. */
bool world_is_writable(const volatile void *word);

/* Seats, as bits, of the damaged queue whose owners live although they are no handles of ours. */
void world_others(uint64_t alive);

/* Seeds what the library takes for random; sets the time (nothing happens where it is real). */
void world_begin(uint64_t random, uint64_t now_ns);
uint64_t world_now_ns(void);
void world_pass(uint64_t ns);

/* The library is about to access this word: may it? `what` ends with the label of the sync point; with `layout_known` its place is checked, too. */
void world_access(const volatile void *word, const char *what);
extern bool world_layout_known;

#endif
