/* SPDX-License-Identifier: MIT */
/* What the kernel keeps for a process, for participants that are threads of one: mappings with their locks, descriptors, memory, time. */
#ifndef THREADS_PROC_H
#define THREADS_PROC_H

#include <stdbool.h>
#include <stdint.h>

/* Queues lie in this directory while the program runs. */
void processes_begin(const char *directory);
/* All threads are gone: ends the processes, unmaps and removes the queues. */
void processes_reset(void);
/* Everything that the process has is taken from it, as at a kill. Called by its last thread. */
void process_end(unsigned process);
unsigned process_of(unsigned who);
/* Of the present thread. */
unsigned process_mine(void);

uint64_t clock_now_ns(void);
void clock_jump(uint64_t ns);

#endif
