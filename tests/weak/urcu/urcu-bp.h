/* SPDX-License-Identifier: MIT */
/* What lib/route/grace.h takes from liburcu, for the threads of a program (platform_weak.c). */
#ifndef WEAK_URCU_BP_H
#define WEAK_URCU_BP_H

void urcu_bp_read_lock(void);
void urcu_bp_read_unlock(void);
void urcu_bp_synchronize_rcu(void);

#endif
