/* SPDX-License-Identifier: MIT */
/* The witness: pausing and draining. */
#include "witness_log.h"

#include <errno.h>

int witness_pause(struct desk *d, unsigned sides) {
    struct event *e = witness_begin(PAUSE, 0, "rp_queue_pause");
    e->lane = (uint8_t)sides;
    witness_must(witness_end(e, rp_queue_pause(d->queue, sides), true), "rp_queue_pause");
    return 0;
}

int witness_resume(struct desk *d, unsigned sides) {
    struct event *e = witness_begin(RESUME, 0, "rp_queue_resume");
    e->lane = (uint8_t)sides;
    witness_must(witness_end(e, rp_queue_resume(d->queue, sides), true), "rp_queue_resume");
    return 0;
}

/* Is not judged by the log: scenarios ask rp_group_next. */
int witness_group_pause(struct desk *d, unsigned group) {
    struct event *e = witness_begin(PAUSE, 0, "rp_group_pause");
    e->group = (uint8_t)group;
    int result = witness_end(e, rp_group_pause(d->queue, witness_group_name(group)), true);
    if (result != -ENOENT)
        witness_must(result, "rp_group_pause");
    return result;
}

int witness_drain(struct desk *d, int64_t timeout_ns) {
    struct rp_drain_options o;
    rp_drain_options_init(&o, sizeof o);
    o.timeout_ns = timeout_ns;
    struct event *e = witness_begin(DRAIN, 0, "rp_queue_drain");
    e->lane = RP_SIDE_SEND;
    int result = witness_end(e, rp_queue_drain(d->queue, &o), true);
    if (result != -ECANCELED)
        witness_must(result, "rp_queue_drain");
    return result;
}
