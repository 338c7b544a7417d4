/* SPDX-License-Identifier: MIT */
/* The pauses between messages that are replayed. */
#ifndef RINGPOST_TOOLS_PACE_H
#define RINGPOST_TOOLS_PACE_H

#include "cli.h"

struct pace {
    double speed;                /* so many times as fast; 0: as fast as can be */
    uint64_t first_ns, begun_ns; /* when the first one was sent, and when it was replayed */
    uint64_t late_ns;            /* at most */
    unsigned seen;               /* signals */
};

void pace_begin(struct pace *p, double speed);
/* Waits until it is the turn of what was sent at `time_ns`. The first sets the clock; each other one has a time of its own after it, so what one is late the next ones are not. 0 or -EINTR. */
int pace_wait(struct pace *p, uint64_t time_ns);

#endif
