/* SPDX-License-Identifier: MIT */
/*
 * Readers of a compiled table, and waiting until none of them can see one that was replaced. This is liburcu-bp: of its flavours the one in which threads need not be
 * registered by anybody (each registers itself at its first look), nothing runs in the background and no signal is used. A look costs two stores to memory of the thread;
 * the barriers that pair with them are made by the changer, for all threads (membarrier), and by every reader only where the kernel has no such call.
 */
#ifndef RP_ROUTE_GRACE_H
#define RP_ROUTE_GRACE_H

#include <urcu/urcu-bp.h>

/* Once per process, and before any fork that may come: a child must not wait for readers of its parent. */
void grace_prepare(void);

/* ThreadSanitizer does not see into liburcu: what it guarantees is that what readers did before they left comes before what is done after the wait. */
#if defined(__SANITIZE_THREAD__)
#define GRACE_TSAN
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define GRACE_TSAN
#endif
#endif
#ifdef GRACE_TSAN
#include <sanitizer/tsan_interface.h>
extern char grace_mark;
#define GRACE_LEFT() __tsan_release(&grace_mark)
#define GRACE_OVER() __tsan_acquire(&grace_mark)
#else
#define GRACE_LEFT() ((void)0)
#define GRACE_OVER() ((void)0)
#endif

static inline void grace_read_begin(void) { urcu_bp_read_lock(); }

static inline void grace_read_end(void) {
    GRACE_LEFT();
    urcu_bp_read_unlock();
}

/* Not inside a read, and not under a lock that somebody takes inside one. */
static inline void grace_wait(void) {
    urcu_bp_synchronize_rcu();
    GRACE_OVER();
}

#endif
