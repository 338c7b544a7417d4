/* SPDX-License-Identifier: MIT */
/* What the processes of a trial share, and what each does in it. */
#ifndef RP_BENCH_PARTY_H
#define RP_BENCH_PARTY_H

#include "trial.h"

#include <stdalign.h>
#include <stdatomic.h>

/* What one consumer got from each producer. */
struct tally {
    uint64_t count[PEER_PARTIES_MAX];
    uint64_t sequence_sum[PEER_PARTIES_MAX];
    uint64_t again;
};

struct party_board {
    alignas(LINE_PAIR) _Atomic uint64_t taken; /* FAN: messages this consumer has done with */
    uint64_t sent;                             /* of a producer */
    uint64_t first_ns, last_ns; /* of producers: begin and end; of consumers: the last ack once the producers were done, or 0 */
    struct tally tally;
};

/* What is verified is not only what is measured. */
enum phase { PHASE_WARM_UP, PHASE_MEASURED, PHASES };

struct trial_shared {
    struct bounce_line line;
    alignas(LINE_PAIR) _Atomic uint32_t arrived; /* at the present gate */
    alignas(LINE_PAIR) _Atomic uint32_t gate;    /* futex: gates that have opened */
    alignas(LINE_PAIR) _Atomic uint32_t producers_left;
    alignas(LINE_PAIR) _Atomic uint32_t stops_taken;
    alignas(LINE_PAIR) _Atomic uint64_t preempted;
    /* By a peer that scatters: sent by producers that are done, less what consumers told to have taken. */
    alignas(LINE_PAIR) _Atomic int64_t scattered;
    struct trial_outcome outcome;
    struct party_board producers[PHASES][PEER_PARTIES_MAX], consumers[PHASES][PEER_PARTIES_MAX];
};

/* One process's own. In round trips the producer asks and the consumer answers. */
struct party {
    const struct machine *machine;
    const struct trial_job *job;
    struct trial_shared *shared;
    void *world;
    uint32_t index; /* among producers or among consumers */
    bool producer;
    bool crowded;
    enum phase phase;
    void *out; /* ends, either may be NULL */
    void *in;
    unsigned char *bodies; /* room for a batch */
};

/* For `duration_ns`; results go into `shared`. */
void party_ask(struct party *p, uint64_t duration_ns);
void party_ask_by_the_clock(struct party *p, uint64_t duration_ns);
void party_answer(struct party *p);
void party_produce(struct party *p, uint64_t duration_ns);
void party_fan_out(struct party *p, uint64_t duration_ns);
void party_consume(struct party *p);

/* Tells the consumers to stop, behind all other messages. One producer does it. */
void party_stop_consumers(struct party *p);

/* In the place of a producer's number: the last message. */
enum { PARTY_STOP = 0xffff };

#endif
