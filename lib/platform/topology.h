/* SPDX-License-Identifier: MIT */
/* Which NUMA nodes this machine has, and on which of them this process may run. */
#ifndef RP_PLATFORM_TOPOLOGY_H
#define RP_PLATFORM_TOPOLOGY_H

#include "placement.h"

#define TOPOLOGY_ROOT "/sys/devices/system/node"

/*
 * Reads the nodes from files as in TOPOLOGY_ROOT: numbers from 64 up are passed over, memory where `allowed` has no bit counts as none. -> the nodes on whose processors the
 * calling thread may run. What cannot be read is not there: without the files the machine has no nodes, and nothing can be placed.
 */
uint64_t topology_read(const char *root, uint64_t allowed, struct topology *t);

/* The nodes on which this process may have memory (cpusets): all, where the kernel does not say. */
uint64_t topology_allowed(void);

/* Has the machine more than one node? One small file is read. */
int topology_has_nodes(const char *root);

/* Bits of a list as the kernel writes it ("0-3,8"), those below 64. */
uint64_t topology_list(const char *text);

#endif
