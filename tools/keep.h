/* SPDX-License-Identifier: MIT */
/* Keeping house for a queue while one waits for something else: the dead are recovered, leases end, messages become ready in time. */
#ifndef RINGPOST_TOOLS_KEEP_H
#define RINGPOST_TOOLS_KEEP_H

#include <ringpost/ringpost.h>

struct keep {
    rp_queue *queue;
    unsigned signals_seen; /* see cli_signals_seen */
};

/* Keeps house for a while, until a signal of ours comes, or the time is over (-1: no limit). -> how many things were mended, or negative:
   RP_GONE, RP_CORRUPT, ... */
int keep_house(struct keep *k, int64_t timeout_ns);

#endif
