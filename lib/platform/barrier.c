/* SPDX-License-Identifier: MIT */
#include "barrier.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

bool barrier_force_none;

static bool membarrier(int command) { return !barrier_force_none && syscall(SYS_membarrier, command, 0, 0) == 0; }

bool barrier_register(void) { return membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED); }

bool barrier_others(void) { return membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED); }
