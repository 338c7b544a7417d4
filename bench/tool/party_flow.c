/* SPDX-License-Identifier: MIT */
/* Streams, to one consumer each or to all. */
#include "party.h"

#include "../payload.h"
#include "../peers/wait.h"

#include <string.h>

/* The clock is read between steps, which grow unless the peer is slow: some collapse to a few messages a second when crowded, and the slice should still end. */
enum { STEP_MAX = 64, SLOW_STEP_NS = 20000, FAN_BURST_MAX = 256 };

/* -- producers -- */

/* The fields are read once: the compiler must take every call of a peer for one that changes them. */
static void put_all(const struct party *p, size_t count) {
    size_t (*const put)(void *, const unsigned char *, size_t) = p->job->peer->put;
    void *const out = p->out;
    const size_t bytes = p->job->bytes;
    uint32_t spins = 0;
    for (size_t done = 0; done < count;) {
        size_t n = put(out, p->bodies + done * bytes, count - done);
        done += n;
        if (n == 0) {
            peer_wait(p->crowded, &spins);
        }
    }
}

static void send_singly(const struct party *p, uint64_t next, uint64_t count) {
    size_t (*const put)(void *, const unsigned char *, size_t) = p->job->peer->put;
    void *const out = p->out;
    unsigned char *const body = p->bodies;
    const size_t bytes = p->job->bytes;
    uint64_t tag = payload_tag(p->index, next);
    for (uint64_t i = 0; i < count; i++) {
        uint32_t spins = 0;
        payload_write(body, bytes, tag + i);
        while (put(out, body, 1) == 0) {
            peer_wait(p->crowded, &spins);
        }
    }
}

/* Numbers and sends `count` messages. */
static void send(const struct party *p, uint64_t next, uint64_t count) {
    const uint32_t bytes = p->job->bytes, batch = p->job->batch;
    if (batch == 1) {
        send_singly(p, next, count);
        return;
    }
    while (count > 0) {
        uint32_t n = count < batch ? (uint32_t)count : batch;
        for (uint32_t i = 0; i < n; i++) {
            payload_write(p->bodies + (size_t)i * bytes, bytes, payload_tag(p->index, next + i));
        }
        put_all(p, n);
        next += n;
        count -= n;
    }
}

void party_stop_consumers(struct party *p) {
    uint32_t consumers = p->job->consumers, stops = p->job->kind == TRIAL_FAN ? 1 : consumers;
    for (uint32_t i = 0; i < stops; i++) {
        uint32_t spins = 0, wanted = stops == 1 ? consumers : i + 1;
        payload_write(p->bodies, p->job->bytes, payload_tag(PARTY_STOP, i));
        put_all(p, 1);
        while (atomic_load_explicit(&p->shared->stops_taken, memory_order_acquire) < wanted) {
            peer_wait(true, &spins);
        }
    }
}

static void end_of_producer(struct party *p, struct party_board *board, uint64_t sent) {
    board->last_ns = clock_ns();
    board->sent = sent;
    if (p->job->peer->scatters) {
        atomic_fetch_add_explicit(&p->shared->scattered, (int64_t)sent, memory_order_relaxed);
        atomic_fetch_sub_explicit(&p->shared->producers_left, 1, memory_order_release);
        return;
    }
    if (atomic_fetch_sub_explicit(&p->shared->producers_left, 1, memory_order_acq_rel) == 1) {
        party_stop_consumers(p);
    }
}

void party_produce(struct party *p, uint64_t duration_ns) {
    struct party_board *board = &p->shared->producers[p->phase][p->index];
    uint64_t sent = 0, step = p->job->batch, now = ticks_now(), from;
    const uint64_t end = now + (uint64_t)((double)duration_ns * p->machine->ticks_per_ns);
    const uint64_t slow = (uint64_t)(SLOW_STEP_NS * p->machine->ticks_per_ns);
    board->first_ns = clock_ns();
    do {
        from = now;
        send(p, sent, step);
        sent += step;
        now = ticks_now();
        if (step < STEP_MAX && now - from < slow) {
            step *= 2;
        }
    } while (now < end);
    end_of_producer(p, board, sent);
}

static void await_readers(const struct party *p, uint64_t count) {
    for (uint32_t c = 0; c < p->job->consumers; c++) {
        while (atomic_load_explicit(&p->shared->consumers[p->phase][c].taken, memory_order_acquire) < count) {
            cpu_pause();
        }
    }
}

/*
 * Bursts that fit into the peer, each timed by itself; then all readers catch up. So the time is what the writer pays, lines that readers hold included, and not the speed of
 * the slowest reader.
 */
void party_fan_out(struct party *p, uint64_t duration_ns) {
    struct party_board *board = &p->shared->producers[p->phase][p->index];
    struct histogram *h = &p->shared->outcome.ticks;
    histogram_clear(h);
    uint64_t sent = 0;
    const uint64_t burst = p->job->capacity / 2 < FAN_BURST_MAX ? p->job->capacity / 2 : FAN_BURST_MAX;
    p->shared->outcome.burst = burst;
    uint64_t end = ticks_now() + (uint64_t)((double)duration_ns * p->machine->ticks_per_ns);
    board->first_ns = clock_ns();
    uint64_t now;
    do {
        uint64_t from = ticks_now();
        send(p, sent, burst);
        now = ticks_now();
        histogram_add(h, now - from);
        sent += burst;
        await_readers(p, sent);
    } while (now < end);
    end_of_producer(p, board, sent);
}

/* -- consumers -- */

struct intake {
    struct tally tally;
    uint64_t next[PEER_PARTIES_MAX]; /* smallest number that may come from each producer */
    uint64_t last_ns;
    bool stopped;
};

/* Verifies one message and enters it. One that may come late and twice is entered all the same. */
static inline void take_in(struct intake *in, const struct peer_message *m, size_t bytes) {
    uint64_t tag;
    if (m->bytes != bytes || !payload_read(m->data, bytes, &tag)) {
        crew_fail("a message is torn: wrong length or content");
    }
    uint32_t producer = payload_producer(tag);
    uint64_t sequence = payload_sequence(tag);
    if (producer == PARTY_STOP) {
        in->stopped = true;
        return;
    }
    if (producer >= PEER_PARTIES_MAX) {
        crew_fail("a message from nobody");
    }
    if (m->again) {
        in->tally.again++;
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
static inline void note_time(struct intake *in, struct trial_shared *shared) {
    if (atomic_load_explicit(&shared->producers_left, memory_order_relaxed) == 0 && !in->stopped) {
        in->last_ns = clock_ns();
    }
}

/* Everything was sent, and everybody has told what he took: never before, and for good. */
static bool all_scattered_taken(struct party *p, int64_t taken) {
    if (taken > 0) {
        atomic_fetch_sub_explicit(&p->shared->scattered, taken, memory_order_relaxed);
    }
    return atomic_load_explicit(&p->shared->producers_left, memory_order_acquire) == 0 &&
           atomic_load_explicit(&p->shared->scattered, memory_order_relaxed) == 0;
}

void party_consume(struct party *p) {
    const struct peer *peer = p->job->peer;
    size_t (*const get)(void *, struct peer_message *, size_t) = peer->get;
    void (*const ack)(void *) = peer->ack;
    void *const end = p->in;
    const size_t bytes = p->job->bytes, batch = p->job->batch;
    const bool counted = p->job->kind == TRIAL_FAN;
    struct party_board *board = &p->shared->consumers[p->phase][p->index];
    struct peer_message messages[PEER_BATCH_MAX];
    struct intake in = {0};
    uint64_t taken = 0, told = 0;
    uint32_t spins = 0;
    while (!in.stopped) {
        size_t count = get(end, messages, batch);
        if (count == 0) {
            if (peer->scatters) {
                in.stopped = all_scattered_taken(p, (int64_t)(taken - told));
                told = taken;
            }
            peer_wait(p->crowded, &spins);
            continue;
        }
        spins = 0;
        for (size_t i = 0; i < count; i++) {
            take_in(&in, &messages[i], bytes);
        }
        if (ack != NULL) {
            ack(end);
        }
        note_time(&in, p->shared);
        taken += count;
        if (counted) {
            atomic_store_explicit(&board->taken, taken, memory_order_release);
        }
    }
    board->last_ns = in.last_ns;
    board->tally = in.tally;
    atomic_fetch_add_explicit(&p->shared->stops_taken, 1, memory_order_acq_rel);
}
