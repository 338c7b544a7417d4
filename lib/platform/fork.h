/* SPDX-License-Identifier: MIT */
/* Knowing without a system call that this is a forked child. */
#ifndef RP_PLATFORM_FORK_H
#define RP_PLATFORM_FORK_H

#include <stdint.h>

/* A page of its own whose first word is 1 here and 0 in every forked child (MADV_WIPEONFORK). NULL on failure. */
const volatile uint32_t *fork_canary_create(void);
void fork_canary_destroy(const volatile uint32_t *canary);

/* A mutex that a fork in any thread takes first and that is free again in parent and child. Its holder takes no signals. */
void fork_lock(void);
void fork_unlock(void);

#endif
