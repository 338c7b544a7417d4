/* SPDX-License-Identifier: MIT */
/* Brokers that keep messages on disk, to measure durable queues against. */
#ifndef RP_BENCH_BROKERS_H
#define RP_BENCH_BROKERS_H

#include "../machine.h"

enum broker {
    BROKER_REDIS,    /* Redis Streams, appendfsync always */
    BROKER_RABBITMQ, /* a durable queue, persistent messages, publisher confirms */
    BROKERS
};

/* Starts those that are installed, their data in `directory`; a line on stderr about each that is not there. */
void brokers_start(const char *directory);
void brokers_stop(void);

/* Messages per second from one producer to one consumer, who acks, both in batches. 0: it is not there, or failed. */
double broker_rate(enum broker which, uint32_t bytes, uint32_t batch, uint64_t ns, const struct machine *m);

#endif
