/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "stream_party.h"

#include "payload.h"

#include <sched.h>

/* The last producer to finish sends a stop to each consumer, one at a time, behind all other messages. */
enum { STOP = 0xffff, SPINS_BEFORE_YIELD = 32 };

/* Spin, then yield: with more parties than processors the other side may be waiting for this very one. */
static inline void wait_a_little(uint32_t *spins) {
    if (++*spins < SPINS_BEFORE_YIELD) {
        cpu_pause();
    } else {
        sched_yield();
    }
}

/* -- producers -- */

static inline void send_one(struct party *p, const void *body, size_t bytes) {
    if (p->stream->shared->job.peer == STREAM_RINGPOST) {
        int result = rp_send(p->sender, body, bytes, NULL);
        if (result < 0) {
            crew_check(result, "rp_send");
        }
    } else {
        uint32_t spins = 0;
        while (!vyukov_push(p->stream->vyukov, body, bytes)) {
            wait_a_little(&spins);
        }
    }
}

static void send_batches(struct party *p, size_t bytes, uint64_t messages, uint32_t batch) {
    struct rp_send_item items[STREAM_BATCH_MAX] = {0};
    for (uint64_t next = 0; next < messages;) {
        size_t count = messages - next < batch ? (size_t)(messages - next) : batch;
        for (size_t i = 0; i < count; i++) {
            items[i].data = p->bodies + i * bytes;
            items[i].bytes = bytes;
            payload_write(p->bodies + i * bytes, bytes, payload_tag(p->index, next + i));
        }
        for (size_t sent = 0; sent < count;) {
            sent += (size_t)crew_check(rp_send_batch(p->sender, items + sent, count - sent), "rp_send_batch");
        }
        next += count;
    }
}

static void send_stops(struct party *p, size_t bytes, uint32_t consumers) {
    struct stream_shared *shared = p->stream->shared;
    for (uint32_t i = 0; i < consumers; i++) {
        uint32_t spins = 0;
        payload_write(p->bodies, bytes, payload_tag(STOP, i));
        send_one(p, p->bodies, bytes);
        while (atomic_load_explicit(&shared->stops_taken, memory_order_acquire) <= i) {
            wait_a_little(&spins);
        }
    }
}

void party_produce(struct party *p) {
    struct stream_shared *shared = p->stream->shared;
    struct stream_job job = shared->job;
    struct party_board *board = &shared->boards[p->index];
    size_t bytes = p->stream->setup.bytes;
    board->first_ns = clock_ns();
    if (job.batch > 1) {
        send_batches(p, bytes, job.messages, job.batch);
    } else {
        for (uint64_t i = 0; i < job.messages; i++) {
            payload_write(p->bodies, bytes, payload_tag(p->index, i));
            send_one(p, p->bodies, bytes);
        }
    }
    board->last_ns = clock_ns();
    if (atomic_fetch_sub_explicit(&shared->producers_left, 1, memory_order_acq_rel) == 1) {
        send_stops(p, bytes, job.pairs);
    }
}

/* -- consumers -- */

struct intake {
    struct tally tally;
    uint64_t next[STREAM_PAIRS_MAX]; /* smallest number that may come from each producer */
    uint64_t last_ns;
    bool stopped;
};

/* Verifies one message and enters it. `redelivered`: it may come late, but is entered all the same. */
static inline void take_in(struct intake *in, const void *data, size_t bytes, size_t bytes_wanted, bool redelivered) {
    uint64_t tag;
    if (bytes != bytes_wanted || !payload_read(data, bytes, &tag)) {
        crew_fail("a message is torn: wrong length or content");
    }
    uint32_t producer = payload_producer(tag);
    uint64_t sequence = payload_sequence(tag);
    if (producer == STOP) {
        in->stopped = true;
        return;
    }
    if (producer >= STREAM_PAIRS_MAX) {
        crew_fail("a message from nobody");
    }
    if (redelivered) {
        in->tally.redelivered++;
    } else if (sequence < in->next[producer]) {
        crew_fail("message %llu of producer %u came after %llu", (unsigned long long)sequence, producer,
                  (unsigned long long)in->next[producer] - 1);
    } else {
        in->next[producer] = sequence + 1;
    }
    in->tally.count[producer]++;
    in->tally.sequence_sum[producer] += sequence;
}

/* The clock is read only when the producers are done: which message is the last is not known before. */
static inline void note_time(struct intake *in, struct stream_shared *shared) {
    if (atomic_load_explicit(&shared->producers_left, memory_order_relaxed) == 0 && !in->stopped) {
        in->last_ns = clock_ns();
    }
}

static void consume_ringpost(struct party *p, struct intake *in, uint32_t batch) {
    struct stream_shared *shared = p->stream->shared;
    size_t bytes = p->stream->setup.bytes;
    static struct rp_message messages[STREAM_BATCH_MAX];
    while (!in->stopped) {
        int count = batch > 1 ? rp_receive_batch(p->receiver, messages, batch, -1) : rp_receive(p->receiver, messages, -1);
        if (count < 0) {
            crew_check(count, "rp_receive");
        }
        for (int i = 0; i < (batch > 1 ? count : 1); i++) {
            take_in(in, messages[i].data, messages[i].bytes, bytes, messages[i].acquisitions != 1);
            int result = rp_ack(p->receiver, &messages[i]);
            if (result < 0) {
                crew_check(result, "rp_ack");
            }
        }
        note_time(in, shared);
    }
}

static void consume_vyukov(struct party *p, struct intake *in) {
    struct stream_shared *shared = p->stream->shared;
    size_t bytes = p->stream->setup.bytes;
    while (!in->stopped) {
        uint32_t spins = 0;
        while (!vyukov_pop(p->stream->vyukov, p->bodies, bytes)) {
            wait_a_little(&spins);
        }
        take_in(in, p->bodies, bytes, bytes, false);
        note_time(in, shared);
    }
}

void party_consume(struct party *p) {
    struct stream_shared *shared = p->stream->shared;
    struct intake in = {0};
    if (shared->job.peer == STREAM_RINGPOST) {
        consume_ringpost(p, &in, shared->job.batch);
    } else {
        consume_vyukov(p, &in);
    }
    struct party_board *board = &shared->boards[p->stream->setup.pairs_max + p->index];
    board->last_ns = in.last_ns;
    board->tally = in.tally;
    atomic_fetch_add_explicit(&shared->stops_taken, 1, memory_order_acq_rel);
}
