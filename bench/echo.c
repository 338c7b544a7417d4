/* SPDX-License-Identifier: MIT */
#include "echo.h"

#include "crew.h"
#include "payload.h"
#include "vyukov.h"

#include <ringpost/ringpost.h>

#include <stdio.h>
#include <stdlib.h>

enum { WARM_UP_ROUNDS = 500 };

/* What the two processes share, besides the queues. */
struct echo_shared {
    struct bounce_line line;
    alignas(LINE_PAIR) _Atomic uint64_t jobs_posted; /* by the asking side, after `job` */
    struct echo_job job;
    alignas(LINE_PAIR) _Atomic uint64_t jobs_done;
};

/* One process's ends of the two ringpost queues of one size. */
struct ends {
    rp_queue *queues[2];
    rp_producer *producer;
    rp_consumer *consumer;
};

struct echo {
    const struct machine *machine;
    struct echo_setup setup;
    struct echo_shared *shared;
    char names[ECHO_SIZES_MAX][2][CREW_NAME_MAX];
    struct vyukov *vyukov[ECHO_SIZES_MAX][2]; /* 0: questions, 1: answers */
    struct ends ends[ECHO_SIZES_MAX];         /* each process has its own */
    uint64_t job_count;
    uint64_t bounce_base;
    uint64_t *buffer; /* of the largest size */
};

/* -- one message -- */

static inline void receive(struct echo *e, rp_consumer *c, struct rp_message *m) {
    int result;
    if (e->setup.poll) {
        while ((result = rp_receive(c, m, 0)) == RP_EMPTY) {
            cpu_pause();
        }
    } else {
        result = rp_receive(c, m, -1);
    }
    if (result < 0) {
        crew_check(result, "rp_receive");
    }
}

static void verify(const void *data, size_t bytes, size_t bytes_wanted, uint64_t sequence) {
    uint64_t tag;
    if (bytes != bytes_wanted || !payload_read(data, bytes, &tag) || tag != payload_tag(0, sequence)) {
        crew_fail("message %llu: wrong length, number or content", (unsigned long long)sequence);
    }
}

static inline void send(rp_producer *p, const void *data, size_t bytes) {
    int result = rp_send(p, data, bytes, NULL);
    if (result < 0) {
        crew_check(result, "rp_send");
    }
}

static inline void ack(rp_consumer *c, struct rp_message *m) {
    int result = rp_ack(c, m);
    if (result < 0) {
        crew_check(result, "rp_ack");
    }
}

static inline void vyukov_send(struct vyukov *v, const void *data, size_t bytes) {
    if (!vyukov_push(v, data, bytes)) {
        crew_fail("hand-made queue full");
    }
}

static inline void vyukov_receive(struct vyukov *v, void *data, size_t bytes) {
    while (!vyukov_pop(v, data, bytes)) {
        cpu_pause();
    }
}

/* -- the answering side -- */

static void serve_ringpost(struct echo *e, const struct echo_job *job, bool reply_first) {
    struct ends *ends = &e->ends[job->size_index];
    size_t bytes = e->setup.bytes[job->size_index];
    for (uint64_t i = 0; i < WARM_UP_ROUNDS + job->rounds; i++) {
        struct rp_message m;
        receive(e, ends->consumer, &m);
        verify(m.data, m.bytes, bytes, i);
        payload_write(e->buffer, bytes, payload_tag(0, i));
        if (reply_first) {
            send(ends->producer, e->buffer, bytes);
            ack(ends->consumer, &m);
        } else {
            ack(ends->consumer, &m);
            send(ends->producer, e->buffer, bytes);
        }
    }
}

static void serve_vyukov(struct echo *e, const struct echo_job *job) {
    struct vyukov **queues = e->vyukov[job->size_index];
    size_t bytes = e->setup.bytes[job->size_index];
    for (uint64_t i = 0; i < WARM_UP_ROUNDS + job->rounds; i++) {
        vyukov_receive(queues[0], e->buffer, bytes);
        verify(e->buffer, bytes, bytes, i);
        payload_write(e->buffer, bytes, payload_tag(0, i));
        vyukov_send(queues[1], e->buffer, bytes);
    }
}

static void open_ends(struct echo *e, bool answering, bool create);
static void close_ends(struct echo *e);

static void answer(void *argument) {
    struct echo *e = argument;
    open_ends(e, true, false);
    for (uint64_t next = 1;; next++) {
        atomic_store_explicit(&e->shared->jobs_done, next - 1, memory_order_release);
        while (atomic_load_explicit(&e->shared->jobs_posted, memory_order_acquire) < next) {
            cpu_pause();
        }
        struct echo_job job = e->shared->job;
        switch (job.kind) {
        case ECHO_BARE:
            bounce_serve(&e->shared->line, atomic_load_explicit(&e->shared->line.turn, memory_order_relaxed) & ~1ull, job.rounds);
            break;
        case ECHO_VYUKOV: serve_vyukov(e, &job); break;
        case ECHO_RINGPOST:
        case ECHO_RINGPOST_REPLY_FIRST: serve_ringpost(e, &job, job.kind == ECHO_RINGPOST_REPLY_FIRST); break;
        case ECHO_QUIT: close_ends(e); return;
        }
    }
}

/* -- the asking side -- */

static void ask_ringpost(struct echo *e, const struct echo_job *job, struct histogram *h) {
    struct ends *ends = &e->ends[job->size_index];
    size_t bytes = e->setup.bytes[job->size_index];
    uint64_t from = ticks_now();
    for (uint64_t i = 0; i < WARM_UP_ROUNDS + job->rounds; i++) {
        struct rp_message m;
        payload_write(e->buffer, bytes, payload_tag(0, i));
        send(ends->producer, e->buffer, bytes);
        receive(e, ends->consumer, &m);
        verify(m.data, m.bytes, bytes, i);
        ack(ends->consumer, &m);
        uint64_t now = ticks_now();
        if (i >= WARM_UP_ROUNDS) {
            histogram_add(h, now - from);
        }
        from = now;
    }
}

static void ask_vyukov(struct echo *e, const struct echo_job *job, struct histogram *h) {
    struct vyukov **queues = e->vyukov[job->size_index];
    size_t bytes = e->setup.bytes[job->size_index];
    uint64_t from = ticks_now();
    for (uint64_t i = 0; i < WARM_UP_ROUNDS + job->rounds; i++) {
        payload_write(e->buffer, bytes, payload_tag(0, i));
        vyukov_send(queues[0], e->buffer, bytes);
        vyukov_receive(queues[1], e->buffer, bytes);
        verify(e->buffer, bytes, bytes, i);
        uint64_t now = ticks_now();
        if (i >= WARM_UP_ROUNDS) {
            histogram_add(h, now - from);
        }
        from = now;
    }
}

static void await_done(struct echo *e) {
    while (atomic_load_explicit(&e->shared->jobs_done, memory_order_acquire) < e->job_count) {
        cpu_pause();
    }
}

static void post(struct echo *e, const struct echo_job *job) {
    await_done(e);
    e->shared->job = *job;
    atomic_store_explicit(&e->shared->jobs_posted, ++e->job_count, memory_order_release);
}

void echo_run(struct echo *e, const struct echo_job *job, struct histogram *h) {
    histogram_clear(h);
    post(e, job);
    if (job->kind == ECHO_VYUKOV) {
        ask_vyukov(e, job, h);
    } else {
        ask_ringpost(e, job, h);
    }
    await_done(e);
    crew_progress();
}

struct bounce_result echo_probe(struct echo *e, uint64_t rounds) {
    struct echo_job job = {.kind = ECHO_BARE, .rounds = rounds};
    uint64_t base = atomic_load_explicit(&e->shared->line.turn, memory_order_relaxed);
    post(e, &job);
    struct bounce_result result = bounce_measure(&e->shared->line, base, rounds, e->machine);
    await_done(e);
    return result;
}

/* -- setup -- */

static void create_queue(const struct echo *e, const char *name, uint32_t bytes, rp_queue **out) {
    struct rp_queue_options o;
    rp_queue_options_init(&o, sizeof o);
    o.capacity = e->setup.capacity;
    o.message_bytes = bytes;
    o.overflow = RP_OVERFLOW_BLOCK;
    crew_check(rp_queue_create(name, &o, out), "rp_queue_create");
}

static void open_ends(struct echo *e, bool answering, bool create) {
    for (uint32_t i = 0; i < e->setup.size_count; i++) {
        struct ends *ends = &e->ends[i];
        for (int q = 0; q < 2; q++) {
            if (create) {
                create_queue(e, e->names[i][q], e->setup.bytes[i], &ends->queues[q]);
            } else {
                crew_check(rp_queue_open(e->names[i][q], NULL, &ends->queues[q]), "rp_queue_open");
            }
        }
        crew_check(rp_producer_open(ends->queues[answering ? 1 : 0], NULL, &ends->producer), "rp_producer_open");
        crew_check(rp_consumer_open(ends->queues[answering ? 0 : 1], NULL, &ends->consumer), "rp_consumer_open");
    }
}

static void close_ends(struct echo *e) {
    for (uint32_t i = 0; i < e->setup.size_count; i++) {
        rp_producer_close(e->ends[i].producer);
        rp_consumer_close(e->ends[i].consumer);
        crew_check(rp_queue_close(e->ends[i].queues[0]), "rp_queue_close");
        crew_check(rp_queue_close(e->ends[i].queues[1]), "rp_queue_close");
    }
}

struct echo *echo_start(const struct machine *m, const struct echo_setup *setup) {
    static struct echo e;
    e.machine = m;
    e.setup = *setup;
    e.shared = crew_share(sizeof *e.shared);
    uint64_t slots = 2;
    while (slots < setup->capacity) {
        slots *= 2;
    }
    size_t largest = 8;
    for (uint32_t i = 0; i < setup->size_count; i++) {
        size_t bytes = setup->bytes[i];
        largest = bytes > largest ? bytes : largest;
        for (int q = 0; q < 2; q++) {
            char suffix[32];
            snprintf(suffix, sizeof suffix, "%u-%d", setup->bytes[i], q);
            crew_queue_name(e.names[i][q], suffix);
            e.vyukov[i][q] = crew_share(vyukov_bytes(slots, bytes));
            vyukov_init(e.vyukov[i][q], slots, bytes);
        }
    }
    e.buffer = aligned_alloc(CACHE_LINE, (largest + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
    if (e.buffer == NULL) {
        crew_fail("out of memory");
    }
    open_ends(&e, false, true);
    crew_fork(m->cpus[1], answer, &e); /* before we are pinned: under a real-time policy the child could not leave our processor */
    if (!machine_pin(m->cpus[0])) {
        crew_fail("cannot be pinned");
    }
    return &e;
}

void echo_stop(struct echo *e) {
    post(e, &(struct echo_job){.kind = ECHO_QUIT});
    crew_join();
    close_ends(e);
    for (uint32_t i = 0; i < e->setup.size_count; i++) {
        crew_check(rp_queue_unlink(e->names[i][0]), "rp_queue_unlink");
        crew_check(rp_queue_unlink(e->names[i][1]), "rp_queue_unlink");
    }
}
