/* SPDX-License-Identifier: MIT */
/* Streams through a queue that may be durable, by processes of their own: each opens the queue, all begin at once, and what is received is verified. */
#ifndef RP_BENCH_STREAM_H
#define RP_BENCH_STREAM_H

#include "machine.h"

#include <ringpost/ringpost.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum stream_how {
    STREAM_SINGLY,   /* rp_send */
    STREAM_BATCHES,  /* rp_send_batch of 100 */
    STREAM_PIPELINED /* rp_send_async, and rp_flush every 1000 */
};

enum { STREAM_BATCH = 100, STREAM_FLUSH = 1000, STREAM_SENDERS_MAX = 16 };

struct stream {
    const char *queue; /* its name; it is empty */
    uint32_t bytes;    /* of a message, a multiple of 8 */
    uint32_t senders;
    enum stream_how how;
    bool
        together; /* a consumer receives and acks meanwhile, and time is until its last ack; else afterwards, and time is the senders' alone */
    uint64_t ns;   /* senders begin nothing new after that */
    uint64_t most; /* messages of one sender; 0: no bound */
    uint64_t keep; /* what the consumer leaves in the queue */
};

/* -> messages per second. */
double stream_run(const struct stream *s, const struct machine *m);

/* A sender, which may be in this very process. */
struct source {
    const char *name;
    uint32_t bytes; /* of a message */
    rp_queue *queue;
    rp_producer *producer;
    unsigned char *bodies; /* room for STREAM_BATCH */
    uint64_t tag;          /* of its next message */
    struct rp_send_item items[STREAM_BATCH];
};
void source_open(struct source *x, const char *queue, uint32_t bytes);
void source_close(struct source *x);

/* One rp_send; -> what it took in ns. */
uint64_t source_send(struct source *x);

/* Receives and acks all that it sent; the queue was empty before. It is closed, but keeps its name. */
void stream_drain(const struct source *x, const struct machine *m);

#endif
