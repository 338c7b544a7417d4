/* SPDX-License-Identifier: MIT */
/* What the parts of the guest's program share: init.c has the machine and where queues lie, shards.c those with shards. */
#ifndef NUMA_GUEST_H
#define NUMA_GUEST_H

#include <ringpost/ringpost.h>
#include <stdbool.h>

enum { NODES = 3, FAR = 2, EVERYWHERE = -1 };

void check(bool holds, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Runs on the processors of a node from now on. */
void run_on(int node);

struct rp_queue_options wishes(uint32_t numa, uint32_t node);
rp_queue *make(const char *name, const struct rp_queue_options *o);

/* Messages go through; then it is removed. */
void end(rp_queue *q, const char *name);

void shards(void);

#endif
