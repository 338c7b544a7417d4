/* SPDX-License-Identifier: MIT */
/* What the processes of a stream share, and the two halves of their work: the stage (stream.c) and the loops (stream_party.c). */
#ifndef RP_BENCH_STREAM_PARTY_H
#define RP_BENCH_STREAM_PARTY_H

#include "crew.h"
#include "stream.h"
#include "vyukov.h"

#include <ringpost/ringpost.h>

enum stream_act { ACT_STREAM, ACT_PROBE, ACT_QUIT };

/* What one consumer got from each producer. */
struct tally {
    uint64_t count[STREAM_PAIRS_MAX];
    uint64_t sequence_sum[STREAM_PAIRS_MAX];
    uint64_t redelivered;
};

struct party_board {
    alignas(LINE_PAIR) _Atomic uint32_t called; /* futex: the party sleeps on it */
    uint64_t first_ns, last_ns; /* of producers: begin and end; of consumers: the last ack once the producers are done, or 0 */
    struct tally tally;
};

struct stream_shared {
    struct bounce_line line;
    alignas(LINE_PAIR) struct stream_job job; /* written while all parties sleep */
    enum stream_act act;
    uint64_t probe_rounds;
    struct bounce_result probe;
    alignas(LINE_PAIR) _Atomic uint32_t busy; /* futex: the coordinator sleeps on it until it is 0 */
    alignas(LINE_PAIR) _Atomic uint32_t arrived;
    alignas(LINE_PAIR) _Atomic uint32_t producers_left;
    alignas(LINE_PAIR) _Atomic uint32_t stops_taken;
    struct party_board boards[2 * STREAM_PAIRS_MAX]; /* producers, then (from pairs_max) consumers */
};

struct stream {
    const struct machine *machine;
    struct stream_setup setup;
    struct stream_shared *shared;
    struct vyukov *vyukov;
    char name[CREW_NAME_MAX];
    rp_queue *queue; /* the coordinator's */
};

/* One process's own. */
struct party {
    struct stream *stream;
    uint32_t index; /* among producers or among consumers */
    bool producer;
    rp_queue *queue;
    rp_producer *sender; /* one of the two */
    rp_consumer *receiver;
    unsigned char *bodies; /* STREAM_BATCH_MAX messages */
};

void party_produce(struct party *p);
void party_consume(struct party *p);

#endif
