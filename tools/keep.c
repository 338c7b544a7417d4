/* SPDX-License-Identifier: MIT */
#include "keep.h"

#include "cli.h"

#define SWEEP_EVERY_NS (UINT64_C(50) * CLI_NS_PER_MS)
#define REST_PER_WORK 9 /* a queue with millions of cells costs a tenth of a processor at most */

int keep_house(struct keep *k, int64_t timeout_ns) {
    uint64_t now = cli_clock_ns();
    int64_t nap;
    if (now >= k->sweep_ns) {
        int mended = rp_queue_sweep(k->queue);
        uint64_t end = cli_clock_ns(), rest = (end - now) * REST_PER_WORK;
        k->sweep_ns = end + (rest > SWEEP_EVERY_NS ? rest : SWEEP_EVERY_NS);
        if (mended != 0)
            return mended;
        now = end;
    }
    nap = (int64_t)(k->sweep_ns - now);
    cli_signals_wait(&k->signals_seen, timeout_ns >= 0 && timeout_ns < nap ? timeout_ns : nap);
    return 0;
}
