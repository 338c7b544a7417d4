/* SPDX-License-Identifier: MIT */
/* Receiving up to so many messages, or until so much time has passed since the first. */
#include "error.h"
#include "receive.h"
#include "wait.h"
#include <errno.h>

/* Waits for one more for a batch that has some already. */
static int one_more(struct rp_consumer *c, struct rp_message *m, uint64_t until_ns) {
    uint64_t now_ns = clock_boot_ns();
    if (now_ns >= until_ns)
        return RP_EMPTY;
    int result = receive_wait(c, m, until_ns == UINT64_MAX ? -1 : (int64_t)(until_ns - now_ns));
    if (result == -EINTR)
        c->actor.interrupts_seen--; /* what we have is worth more; the next wait says it */
    return result;
}

RP_API int rp_receive_batch(rp_consumer *c, struct rp_message *m, size_t max, int64_t timeout_ns) {
    if (c != NULL && c->ack_mode == RP_ACK_NONE && max > 1)
        max = 1; /* one buffer for the copy */
    if (m == NULL || max == 0 || max > INT32_MAX)
        return fail(-EINVAL, "rp_receive_batch: room for %zu messages", max);
    int result = rp_receive(c, m, timeout_ns);
    if (result < 0)
        return result;
    size_t count = 1;
    uint64_t until_ns = 0;
    if (c->batch_wait_ns > 0)
        until_ns = wait_deadline_ns(clock_boot_ns(), c->batch_wait_ns < INT64_MAX ? (int64_t)c->batch_wait_ns : -1);
    while (count < max) {
        count += receive_more(c, &m[count], max - count, &result);
        if (count == max || result != RP_EMPTY || c->batch_wait_ns == 0 || one_more(c, &m[count], until_ns) != 0)
            break;
        count++;
    }
    return (int)count;
}
