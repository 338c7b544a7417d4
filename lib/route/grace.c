/* SPDX-License-Identifier: MIT */
#include "grace.h"
#include <pthread.h>

#ifdef GRACE_TSAN
char grace_mark;
#endif

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void hook_fork(void) { pthread_atfork(urcu_bp_before_fork, urcu_bp_after_fork_parent, urcu_bp_after_fork_child); }

void grace_prepare(void) { pthread_once(&once, hook_fork); }
