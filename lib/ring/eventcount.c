/* SPDX-License-Identifier: MIT */
#include "eventcount.h"
#include "futex.h"

uint32_t eventcount_prepare(const struct eventcount *e) {
    uint32_t epoch = load_seq_cst(e->epoch, epoch);
    (void)fetch_add_seq_cst(e->tickets, UINT64_C(1) << 32, tickets);
    return MUTANT(epoch_after_ticket) ? load_seq_cst(e->epoch, epoch) : epoch;
}

int eventcount_sleep(const struct eventcount *e, uint32_t prepared, uint64_t timeout_ns) {
    return futex_wait(e->epoch, prepared, timeout_ns);
}

bool eventcount_rouse(const struct eventcount *e, int count) {
    if (!MUTANT(wake_keeps_epoch))
        (void)fetch_add_seq_cst(e->epoch, 1, epoch);
    return futex_wake(e->epoch, count) >= count;
}

void eventcount_drained(const struct eventcount *e, uint64_t tickets) {
    uint32_t announced = (uint32_t)(tickets >> 32);
    while ((int32_t)(announced - (uint32_t)tickets) > 0) {
        if (cas_seq_cst(e->tickets, &tickets, (tickets & ~(uint64_t)UINT32_MAX) | announced, tickets))
            return;
    }
}

void eventcount_wake_sleepers(const struct eventcount *e, uint64_t tickets, int count) {
    if (!eventcount_rouse(e, count)) /* fewer slept than we would have woken */
        eventcount_drained(e, tickets);
}
