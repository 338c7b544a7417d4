/* SPDX-License-Identifier: MIT */
#include "stream.h"
#include "crew.h"
#include "payload.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_NS = 20000000 };

struct shared {
    _Atomic uint32_t there, sending;
    _Atomic bool go;
    _Atomic uint64_t sent;
    _Atomic uint64_t sent_ns, acked_ns;
};

static struct shared *shared;
static const struct stream *job;

static void await_all(void) {
    atomic_fetch_add(&shared->there, 1);
    while (!atomic_load(&shared->go))
        sched_yield();
}

static void raise_to(_Atomic uint64_t *to, uint64_t value) {
    for (uint64_t old = atomic_load(to); old < value && !atomic_compare_exchange_weak(to, &old, value);)
        ;
}

/* ---- sending ---- */

void source_open(struct source *x, const char *queue, uint32_t bytes) {
    *x = (struct source){.name = queue, .bytes = bytes, .bodies = malloc((size_t)STREAM_BATCH * bytes)};
    if (x->bodies == NULL)
        crew_fail("out of memory");
    crew_check(rp_queue_open(queue, NULL, &x->queue), "rp_queue_open");
    crew_check(rp_producer_open(x->queue, NULL, &x->producer), "rp_producer_open");
}

void source_close(struct source *x) {
    rp_producer_close(x->producer);
    crew_check(rp_queue_close(x->queue), "rp_queue_close");
    free(x->bodies);
}

static uint64_t send_one(struct source *x) {
    payload_write(x->bodies, x->bytes, x->tag++);
    crew_check(rp_send(x->producer, x->bodies, x->bytes, NULL), "rp_send");
    return 1;
}

uint64_t source_send(struct source *x) {
    uint64_t begin = clock_ns();
    send_one(x);
    return clock_ns() - begin;
}

static uint64_t send_batch(struct source *x) {
    for (uint32_t i = 0; i < STREAM_BATCH; i++) {
        unsigned char *body = x->bodies + (size_t)i * x->bytes;
        payload_write(body, x->bytes, x->tag++);
        x->items[i] = (struct rp_send_item){.data = body, .bytes = x->bytes};
    }
    for (size_t done = 0; done < STREAM_BATCH;)
        done += (size_t)crew_check(rp_send_batch(x->producer, x->items + done, STREAM_BATCH - done), "rp_send_batch");
    return STREAM_BATCH;
}

static uint64_t send_pipelined(struct source *x) {
    for (uint64_t i = 0; i < STREAM_FLUSH; i++) {
        payload_write(x->bodies, x->bytes, x->tag++);
        crew_check(rp_send_async(x->producer, x->bodies, x->bytes, NULL), "rp_send_async");
    }
    crew_check(rp_flush(x->producer), "rp_flush");
    return STREAM_FLUSH;
}

static void send(void *argument) {
    static uint64_t (*const steps[])(struct source *) = {send_one, send_batch, send_pipelined};
    struct source x;
    source_open(&x, job->queue, job->bytes);
    x.tag = payload_tag((uint32_t)(uintptr_t)argument, 0);
    await_all();
    uint64_t sent = 0;
    for (uint64_t begin = clock_ns(); clock_ns() - begin < job->ns && (job->most == 0 || sent < job->most);)
        sent += steps[job->how](&x);
    raise_to(&shared->sent_ns, clock_ns());
    atomic_fetch_add(&shared->sent, sent);
    atomic_fetch_sub(&shared->sending, 1);
    source_close(&x);
}

/* ---- receiving ---- */

static void verify(const struct rp_message *m, uint64_t next[STREAM_SENDERS_MAX]) {
    uint64_t tag;
    if (m->bytes != job->bytes || !payload_read(m->data, m->bytes, &tag) || payload_producer(tag) >= STREAM_SENDERS_MAX)
        crew_fail("a message is torn: wrong length or content");
    uint64_t *due = &next[payload_producer(tag)];
    if (payload_sequence(tag) != *due)
        crew_fail("message %llu of sender %u came when %llu was due", (unsigned long long)payload_sequence(tag),
                  payload_producer(tag), (unsigned long long)*due);
    ++*due;
}

/* How many more to ask for; 0: it is over. */
static size_t left(uint64_t taken) {
    if (atomic_load(&shared->sending) > 0)
        return STREAM_BATCH;
    uint64_t rest = atomic_load(&shared->sent) - taken;
    rest -= rest < job->keep ? rest : job->keep;
    return rest < STREAM_BATCH ? (size_t)rest : STREAM_BATCH;
}

static void receive(void *argument) {
    uint64_t next[STREAM_SENDERS_MAX] = {0}, taken = 0;
    struct rp_message got[STREAM_BATCH];
    rp_queue *q;
    rp_consumer *c;
    (void)argument;
    crew_check(rp_queue_open(job->queue, NULL, &q), "rp_queue_open");
    crew_check(rp_consumer_open(q, NULL, &c), "rp_consumer_open");
    if (job->together)
        await_all();
    for (size_t most; (most = left(taken)) > 0;) {
        int count = rp_receive_batch(c, got, most, WAIT_NS);
        if (count == RP_EMPTY)
            continue;
        crew_check(count, "rp_receive_batch");
        for (int i = 0; i < count; i++) {
            verify(&got[i], next);
            crew_check(rp_ack(c, &got[i]), "rp_ack");
        }
        taken += (uint64_t)count;
    }
    atomic_store(&shared->acked_ns, clock_ns());
    rp_consumer_close(c);
    crew_check(rp_queue_close(q), "rp_queue_close");
}

/* ---- both ---- */

static void begin(const struct stream *s) {
    if (shared == NULL)
        shared = crew_share(sizeof *shared);
    memset(shared, 0, sizeof *shared);
    job = s;
    atomic_store(&shared->sending, s->senders);
}

static void drain(const struct machine *m) {
    crew_fork(m->cpus[1], receive, NULL);
    crew_join();
    crew_progress();
}

void stream_drain(const struct source *x, const struct machine *m) {
    const struct stream all = {.queue = x->name, .bytes = x->bytes};
    begin(&all);
    atomic_store(&shared->sent, payload_sequence(x->tag));
    drain(m);
}

double stream_run(const struct stream *s, const struct machine *m) {
    begin(s);
    if (s->together)
        crew_fork(m->cpus[1], receive, NULL);
    for (uint32_t i = 0; i < s->senders; i++)
        crew_fork(m->cpus[i % (uint32_t)m->cpu_count], send, (void *)(uintptr_t)i);
    while (atomic_load(&shared->there) < s->senders + s->together)
        sched_yield();
    uint64_t from = clock_ns();
    atomic_store(&shared->go, true);
    crew_join();
    if (!s->together)
        drain(m);
    crew_progress();
    uint64_t until = atomic_load(s->together ? &shared->acked_ns : &shared->sent_ns);
    return (double)atomic_load(&shared->sent) / ((double)(until - from) * 1e-9);
}
