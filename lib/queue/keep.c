/* SPDX-License-Identifier: MIT */
/* Keeping house for a while, for queues in which nobody receives all the time. */
#include "error.h"
#include "sweep.h"
#include "wait.h"
#include <errno.h>

static bool nothing_promising(void *context) {
    (void)context;
    return false;
}

static int nothing_to_see(void *context) {
    (void)context;
    return RP_EMPTY;
}

RP_API int rp_queue_keep(rp_queue *q, int64_t timeout_ns) {
    int result = queue_check(q);
    if (result < 0 || timeout_ns < -1)
        return fail(result < 0 ? result : -EINVAL, "rp_queue_keep");
    if (q->read_only)
        return fail(-EROFS, "queue '%s' was opened read-only", q->name);
    struct actor a;
    actor_open(&a, q);
    a.strategy = RP_WAIT_SLEEP; /* there is nothing to look for */
    housekeeping(&a, segment_now_ms(a.segment));
    struct wait w = {&a, keeper_event(a.segment), nothing_promising, nothing_to_see, NULL, RP_EMPTY, timeout_ns};
    result = queue_is_gone(q) ? RP_GONE : wait_for(&w);
    actor_close(&a);
    return result != RP_EMPTY ? result : a.mended < INT32_MAX ? (int)a.mended : INT32_MAX;
}
