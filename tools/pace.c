/* SPDX-License-Identifier: MIT */
#include "pace.h"

#include <errno.h>
#include <sys/prctl.h>

#define SLEEP_LEAST_NS UINT64_C(100000) /* shorter waits are spent looking at the clock */

void pace_begin(struct pace *p, double speed) {
    *p = (struct pace){.speed = speed, .seen = cli_signals_seen()};
    prctl(PR_SET_TIMERSLACK, 1UL); /* sleeps end in time */
}

int pace_wait(struct pace *p, uint64_t time_ns) {
    uint64_t now = cli_clock_ns();
    if (p->speed == 0)
        return 0;
    if (p->begun_ns == 0) {
        p->begun_ns = now;
        p->first_ns = time_ns;
    }
    double after = time_ns > p->first_ns ? (double)(time_ns - p->first_ns) / p->speed : 0;
    uint64_t due = p->begun_ns + (after < 9e18 ? (uint64_t)after : UINT64_C(9000000000000000000));
    for (; now < due; now = cli_clock_ns()) {
        if (cli_stop_count() > 0)
            return -EINTR;
        if (due - now > SLEEP_LEAST_NS)
            cli_signals_wait(&p->seen, (int64_t)(due - now - SLEEP_LEAST_NS / 2));
    }
    p->late_ns = now - due > p->late_ns ? now - due : p->late_ns;
    return 0;
}
