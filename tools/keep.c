/* SPDX-License-Identifier: MIT */
#include "keep.h"

#include "cli.h"

#include <errno.h>

#define WHILE_NS ((int64_t)(250 * CLI_NS_PER_MS))

int keep_house(struct keep *k, int64_t timeout_ns) {
    int result = 0;
    if (k->signals_seen == cli_signals_seen()) { /* one that comes right now is seen when the while is over */
        result = rp_queue_keep(k->queue, timeout_ns >= 0 && timeout_ns < WHILE_NS ? timeout_ns : WHILE_NS);
        if (result == -EINTR)
            result = 0;
    }
    k->signals_seen = cli_signals_seen();
    return result;
}
