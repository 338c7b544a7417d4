/* SPDX-License-Identifier: MIT */
/*
 * Round trips between two processes: the asking side measures, the answering side, a child pinned to another core, serves one job after the
 * other. Each message carries its number and a body that is verified on both sides.
 */
#ifndef RP_BENCH_ECHO_H
#define RP_BENCH_ECHO_H

#include "bounce.h"
#include "histogram.h"
#include "machine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ECHO_SIZES_MAX = 16 };

enum echo_kind {
    ECHO_BARE,                 /* the cache line */
    ECHO_VYUKOV,               /* two hand-made queues without safety */
    ECHO_RINGPOST,             /* two queues; each side receives, verifies, acks, then answers */
    ECHO_RINGPOST_REPLY_FIRST, /* the same, but answers before it acks, as a service would that acks work it has done */
    ECHO_QUIT
};

struct echo_job {
    enum echo_kind kind;
    uint32_t size_index; /* into echo_setup.bytes */
    uint64_t rounds;
};

struct echo_setup {
    uint32_t bytes[ECHO_SIZES_MAX]; /* a pair of queues is made for each */
    uint32_t size_count;
    uint32_t capacity; /* messages per queue; for the hand-made one rounded up to a power of two */
    bool poll;         /* rp_receive with timeout 0 in a pause loop instead of its own waiting */
};

struct echo;

/* Makes the queues and starts the answering child. Call once. */
struct echo *echo_start(const struct machine *m, const struct echo_setup *setup);

/* Runs a job (not ECHO_BARE); round trips in ticks go into `h`, warm-up apart. */
void echo_run(struct echo *e, const struct echo_job *job, struct histogram *h);

struct bounce_result echo_probe(struct echo *e, uint64_t rounds);

/* Ends the child, removes the queues. */
void echo_stop(struct echo *e);

#endif
