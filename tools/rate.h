/* SPDX-License-Identifier: MIT */
/*
 * A token bucket, kept as the time at which it would be full again: one number, no timer. Pure: the caller brings the time.
 * Starts are `interval_ns` apart in the long run; one that came late may be made up for, by at most RATE_SLACK_NS. So no stretch of time T
 * sees more than 1 + (T + RATE_SLACK_NS) / interval_ns of them.
 */
#ifndef RINGPOST_TOOLS_RATE_H
#define RINGPOST_TOOLS_RATE_H

#include <stdbool.h>
#include <stdint.h>

#define RATE_SLACK_NS UINT64_C(100000000)

struct rate {
    uint64_t interval_ns; /* 0: no limit */
    uint64_t next_ns;     /* when the next start is due by the book */
};

/* "N/s", "N/m", "N/h", N from 1 to 1,000,000. False if it is anything else. */
bool rate_parse(const char *text, void *rate);
/* How long to wait before the next start; 0: none. */
uint64_t rate_wait_ns(const struct rate *r, uint64_t now_ns);
/* The bucket after a start. */
struct rate rate_take(struct rate r, uint64_t now_ns);

#endif
