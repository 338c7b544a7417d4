/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "stream_party.h"

#include <linux/futex.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* -- sleeping -- */

static void sleep_while(_Atomic uint32_t *word, uint32_t value) {
    while (atomic_load_explicit(word, memory_order_acquire) == value) {
        syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0);
    }
}

static void wake(_Atomic uint32_t *word) { syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0); }

/* -- a party -- */

static void open_party(struct party *p) {
    crew_check(rp_queue_open(p->stream->name, NULL, &p->queue), "rp_queue_open");
    if (p->producer) {
        crew_check(rp_producer_open(p->queue, NULL, &p->sender), "rp_producer_open");
    } else {
        crew_check(rp_consumer_open(p->queue, NULL, &p->receiver), "rp_consumer_open");
    }
    p->bodies =
        aligned_alloc(CACHE_LINE, (size_t)STREAM_BATCH_MAX * ((p->stream->setup.bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE));
    if (p->bodies == NULL) {
        crew_fail("out of memory");
    }
}

static void close_party(struct party *p) {
    rp_producer_close(p->sender);
    rp_consumer_close(p->receiver);
    crew_check(rp_queue_close(p->queue), "rp_queue_close");
    free(p->bodies);
}

/* All that take part begin together. */
static void meet(struct stream_shared *shared, uint32_t parties) {
    atomic_fetch_add_explicit(&shared->arrived, 1, memory_order_acq_rel);
    while (atomic_load_explicit(&shared->arrived, memory_order_acquire) < parties) {
        sched_yield();
    }
}

static void probe(struct party *p) {
    struct stream_shared *shared = p->stream->shared;
    uint64_t base = atomic_load_explicit(&shared->line.turn, memory_order_relaxed);
    meet(shared, 2);
    if (p->producer) {
        shared->probe = bounce_measure(&shared->line, base, shared->probe_rounds, p->stream->machine);
    } else {
        bounce_serve(&shared->line, base, shared->probe_rounds);
    }
}

static void take_part(void *argument) {
    struct party *p = argument;
    struct stream_shared *shared = p->stream->shared;
    struct party_board *board = &shared->boards[p->index + (p->producer ? 0 : p->stream->setup.pairs_max)];
    open_party(p);
    bool quit = false;
    for (uint32_t calls = 0; !quit; calls++) {
        if (atomic_fetch_sub_explicit(&shared->busy, 1, memory_order_acq_rel) == 1) {
            wake(&shared->busy);
        }
        sleep_while(&board->called, calls);
        if (shared->act == ACT_PROBE) {
            probe(p);
        } else if (shared->act == ACT_STREAM) {
            meet(shared, 2 * shared->job.pairs);
            if (p->producer) {
                party_produce(p);
            } else {
                party_consume(p);
            }
        } else {
            quit = true;
        }
    }
    close_party(p);
}

/* -- the coordinator -- */

static void await_all(struct stream_shared *shared) {
    uint32_t busy;
    while ((busy = atomic_load_explicit(&shared->busy, memory_order_acquire)) != 0) {
        sleep_while(&shared->busy, busy);
    }
}

/* Wakes the first `pairs` producers and consumers for an act. */
static void call(struct stream *s, enum stream_act act, uint32_t pairs) {
    struct stream_shared *shared = s->shared;
    shared->act = act;
    atomic_store_explicit(&shared->arrived, 0, memory_order_relaxed);
    atomic_store_explicit(&shared->stops_taken, 0, memory_order_relaxed);
    atomic_store_explicit(&shared->producers_left, pairs, memory_order_relaxed);
    atomic_store_explicit(&shared->busy, 2 * pairs, memory_order_relaxed);
    for (uint32_t i = 0; i < 2 * pairs; i++) {
        struct party_board *board = &shared->boards[i / 2 + (i % 2 == 0 ? 0 : s->setup.pairs_max)];
        atomic_fetch_add_explicit(&board->called, 1, memory_order_acq_rel);
        wake(&board->called);
    }
}

/* Where is what did not arrive? */
static void report_loss(const struct stream *s, uint32_t producer, uint64_t sent, uint64_t arrived) {
    struct rp_queue_stats now = {0};
    rp_queue_stats(s->queue, &now);
    crew_fail("producer %u sent %llu messages, %llu arrived; the queue holds %llu ready, %llu leased, %llu delayed, %llu dead, and "
              "counts "
              "%llu sent, %llu received, %llu acked",
              producer, (unsigned long long)sent, (unsigned long long)arrived, (unsigned long long)now.ready,
              (unsigned long long)now.leased, (unsigned long long)now.delayed, (unsigned long long)now.dead,
              (unsigned long long)now.sent, (unsigned long long)now.received, (unsigned long long)now.acked);
}

static void verify(const struct stream *s, const struct stream_job *job) {
    for (uint32_t p = 0; p < job->pairs; p++) {
        uint64_t count = 0, sum = 0;
        for (uint32_t c = 0; c < job->pairs; c++) {
            const struct tally *tally = &s->shared->boards[s->setup.pairs_max + c].tally;
            count += tally->count[p];
            sum += tally->sequence_sum[p];
        }
        if (count != job->messages || sum != job->messages * (job->messages - 1) / 2) {
            report_loss(s, p, job->messages, count);
        }
    }
}

double stream_run(struct stream *s, const struct stream_job *job, uint64_t *redelivered) {
    struct stream_shared *shared = s->shared;
    shared->job = *job;
    call(s, ACT_STREAM, job->pairs);
    await_all(shared);
    verify(s, job);
    uint64_t first_ns = UINT64_MAX, last_ns = 0;
    for (uint32_t i = 0; i < job->pairs; i++) {
        const struct party_board *producer = &shared->boards[i], *consumer = &shared->boards[s->setup.pairs_max + i];
        first_ns = producer->first_ns < first_ns ? producer->first_ns : first_ns;
        last_ns = producer->last_ns > last_ns ? producer->last_ns : last_ns;
        last_ns = consumer->last_ns > last_ns ? consumer->last_ns : last_ns;
        *redelivered += consumer->tally.redelivered;
    }
    crew_progress();
    return (double)(last_ns - first_ns) / (double)(job->pairs * job->messages);
}

struct bounce_result stream_probe(struct stream *s, uint64_t rounds) {
    s->shared->probe_rounds = rounds;
    call(s, ACT_PROBE, 1);
    await_all(s->shared);
    return s->shared->probe;
}

static void create_queue(struct stream *s) {
    struct rp_queue_options o;
    rp_queue_options_init(&o, sizeof o);
    o.capacity = s->setup.capacity;
    o.message_bytes = s->setup.bytes;
    o.overflow = RP_OVERFLOW_BLOCK;
    crew_queue_name(s->name, "stream");
    crew_check(rp_queue_create(s->name, &o, &s->queue), "rp_queue_create");
}

struct stream *stream_start(const struct machine *m, const struct stream_setup *setup) {
    static struct stream s;
    s.machine = m;
    s.setup = *setup;
    s.shared = crew_share(sizeof *s.shared);
    uint64_t slots = 2;
    while (slots < setup->capacity) {
        slots *= 2;
    }
    s.vyukov = crew_share(vyukov_bytes(slots, setup->bytes));
    vyukov_init(s.vyukov, slots, setup->bytes);
    create_queue(&s);
    atomic_store_explicit(&s.shared->busy, 2 * setup->pairs_max, memory_order_relaxed);
    for (uint32_t i = 0; i < 2 * setup->pairs_max; i++) {
        static struct party party; /* each child has its copy */
        uint32_t turned = setup->mixed ? i / 2 % 2 : 0;
        party = (struct party){.stream = &s, .index = i / 2, .producer = i % 2 == 0};
        crew_fork(m->cpus[(i ^ turned) % (uint32_t)m->cpu_count], take_part, &party);
    }
    await_all(s.shared);
    return &s;
}

void stream_stop(struct stream *s) {
    call(s, ACT_QUIT, s->setup.pairs_max);
    crew_join();
    crew_check(rp_queue_close(s->queue), "rp_queue_close");
    crew_check(rp_queue_unlink(s->name), "rp_queue_unlink");
}
