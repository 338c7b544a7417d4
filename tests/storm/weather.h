/* SPDX-License-Identifier: MIT */
/* What the storms are made of: whom to hit, and how long nothing moved. */
#ifndef STORM_WEATHER_H
#define STORM_WEATHER_H

#include "run.h"

/* Waits for a random time below `most_us`, mostly short: so that some live long. The instants are random; nothing is waited for. */
void weather_pause(struct worker *dice, uint64_t most_us);

/* Anybody; every second time, somebody who is inside a sweep, or comes or goes just now, if there is one. */
unsigned weather_victim(const struct crew *c, struct worker *dice);

/* Not stopped yet, and not the last who sends or receives. */
bool weather_may_stop(const struct crew *c, unsigned i);

/* An audit, now and then. */
void weather_sample(rp_queue *q, struct report *r, uint64_t every_ms);

/* How long nothing was sent, or acked, by those who were not stopped. */
struct stall {
    size_t tally;
    uint64_t last, since_ns, most_ns;
};
void stall_watch(struct stall *s);

#endif
