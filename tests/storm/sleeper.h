/* SPDX-License-Identifier: MIT */
/* Receivers in event loops: they sleep on their descriptor, or in rp_wait. */
#ifndef STORM_SLEEPER_H
#define STORM_SLEEPER_H

#include "storm.h"

enum sleep_way {
    SLEEP_NOT,
    SLEEP_LEVEL, /* poll, one receive, poll again */
    SLEEP_EDGE,  /* an epoll that is edge-triggered: receive until nothing is there */
    SLEEP_RINGS, /* the descriptor's timer is taken out of it: nothing but a ring can wake it */
    SLEEP_WAIT   /* rp_wait */
};

struct sleeper {
    struct worker *worker;
    rp_consumer *consumer;
    enum sleep_way way;
    int descriptor, loop;
    bool asleep; /* the last receive found nothing */
};

/* Ways are chosen at random. False: it has no descriptor. */
bool sleeper_open(struct sleeper *s, struct worker *w, rp_consumer *c);
/* Sleeps until the descriptor is readable, and receives as rp_receive_batch does, without waiting. */
int sleeper_receive(struct sleeper *s, struct rp_message *m, size_t max);
void sleeper_close(struct sleeper *s); /* before its consumer */

/* After the storm: the dead hold no descriptor's place, and all who sleep are rung. */
void sleepers_judge(rp_queue *q, uint32_t max_participants);

#endif
