/* SPDX-License-Identifier: MIT */
/*
 * One slice of one peer: processes made for it, the bare cache line probed between two of them before and after, and in between messages for a given time. What the
 * peer does wrong (an error, a message lost, torn or out of order, a stall, a crash) fails the slice and nothing else.
 */
#ifndef RP_BENCH_TRIAL_H
#define RP_BENCH_TRIAL_H

#include "../bounce.h"
#include "../crew.h"
#include "../histogram.h"
#include "../machine.h"
#include "../peers/peer.h"

enum trial_kind {
    TRIAL_TRIP, /* round trips over two channels, one after the other */
    TRIAL_RATE, /* round trips begun by the clock, whatever became of those before; times run from when each should have begun */
    TRIAL_FLOW, /* a stream from producers to consumers */
    TRIAL_FAN   /* one producer, and every consumer gets everything: what the producer's part costs it */
};

struct trial_job {
    const struct peer *peer;
    enum trial_kind kind;
    uint32_t bytes, producers, consumers, batch, capacity;
    bool reply_first;     /* TRIAL_TRIP: the answer is sent before the question is acked */
    bool poll;            /* no waiting of the peer's own */
    bool mixed;           /* TRIAL_FLOW: producers and consumers share processors */
    uint64_t interval_ns; /* TRIAL_RATE: between two questions */
    uint64_t warm_ns, measure_ns;
    uint64_t probe_rounds;
    unsigned stall_s; /* beyond what it should take: then it has failed */
};

struct trial_outcome {
    double before_ns, after_ns; /* median bare round trips */
    double message_ns;          /* FLOW, FAN: from the first put to the last ack, by the messages */
    uint64_t messages;          /* delivered, of those that were measured */
    uint64_t again;             /* that were delivered again */
    uint64_t preempted;         /* how often a party lost its processor against its will while it was measured */
    uint64_t unsent;       /* RATE: were due and could not be sent; they are in the histogram as if answered when the slice ended */
    struct histogram bare; /* of both probes, in ticks */
    struct histogram ticks; /* TRIP, RATE: round trips. FAN: bursts of puts */
    uint64_t burst;         /* FAN: so many each */
};

/* The memory that trials share with us. Call before the first trial. */
void trial_prepare(void);

/* False: failed, and `reason` says why. The outcome is valid until the next trial. */
bool trial_run(const struct machine *m, const struct trial_job *job, const struct trial_outcome **outcome,
               char reason[CREW_REASON_MAX]);

#endif
