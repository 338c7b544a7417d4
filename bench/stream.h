/* SPDX-License-Identifier: MIT */
/*
 * Streams from producers to consumers, each a process of its own, pinned. All parties of all sizes of stream are started once; between slices they sleep in the
 * kernel, and the first producer and the first consumer probe the bare cache line.
 */
#ifndef RP_BENCH_STREAM_H
#define RP_BENCH_STREAM_H

#include "bounce.h"
#include "machine.h"

#include <stdbool.h>
#include <stdint.h>

enum { STREAM_PAIRS_MAX = 16, STREAM_BATCH_MAX = 256 };

enum stream_peer { STREAM_RINGPOST, STREAM_VYUKOV };

struct stream_setup {
    uint32_t bytes;
    uint32_t capacity; /* of the queue; for the hand-made one rounded up to a power of two */
    uint32_t pairs_max;
    bool mixed; /* every second pair the other way round, so that producers and consumers share processors */
};

struct stream_job {
    enum stream_peer peer;
    uint32_t pairs;    /* so many producers and so many consumers */
    uint32_t batch;    /* messages per rp_send_batch and at most per rp_receive_batch; 1: rp_send and rp_receive */
    uint64_t messages; /* of each producer */
};

struct stream;

struct stream *stream_start(const struct machine *m, const struct stream_setup *setup);

/*
 * Runs a job and verifies it: every message arrived once, whole, and in the order of its producer. -> ns per message, from the first send
 * to the last ack. Messages that were delivered more than once are counted in *redelivered; they are no error.
 */
double stream_run(struct stream *s, const struct stream_job *job, uint64_t *redelivered);

struct bounce_result stream_probe(struct stream *s, uint64_t rounds);

void stream_stop(struct stream *s);

#endif
