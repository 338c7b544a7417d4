/* SPDX-License-Identifier: MIT */
/*
 * What keyed lanes and priorities cost against a plain queue, and how much more gets done with more lanes when work takes time. See README.md.
 */
#include "arguments.h"
#include "crew.h"
#include "payload.h"
#include "series.h"

#include <ringpost/ringpost.h>
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { CONSUMERS_MAX = 16, KEYS_PER_LANE = 64, KEYS_MAX = 1 << 16, ROUNDS_MAX = 64, JOBS_MAX = 24, LEVELS = 4 };

struct job {
    const char *test;
    uint32_t lanes;  /* keyed lanes; 0: a queue without */
    uint32_t levels; /* of priority */
    uint32_t keys;   /* 0: messages carry none and go round the lanes */
    uint32_t consumers;
    uint64_t work_ns;        /* that a consumer waits with each message */
    uint64_t messages;       /* in a slice */
    size_t base;             /* the job that it is compared with */
    double rate[ROUNDS_MAX]; /* messages per second */
};

struct board {
    alignas(LINE_PAIR) _Atomic uint64_t acked;
    uint64_t sum;
    uint32_t last[KEYS_MAX]; /* of each key: the number that came last, + 1 */
};

struct stage {
    struct job job;
    char name[CREW_NAME_MAX];
    alignas(LINE_PAIR) _Atomic uint32_t arrived;
    alignas(LINE_PAIR) _Atomic uint32_t stop;
    uint64_t first_ns, last_ns;
    struct board boards[CONSUMERS_MAX];
};

struct party {
    struct stage *stage;
    uint32_t index;
};

static struct party parties[CONSUMERS_MAX];

static void meet(struct stage *s) {
    atomic_fetch_add_explicit(&s->arrived, 1, memory_order_acq_rel);
    while (atomic_load_explicit(&s->arrived, memory_order_acquire) < s->job.consumers + 1) {
        sched_yield();
    }
}

/* Spreads numbers over keys and levels without a pattern that lanes could follow. */
static uint32_t mix(uint64_t n) { return (uint32_t)((n * PAYLOAD_STEP) >> 32); }

static uint64_t acked_by_all(struct stage *s) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < s->job.consumers; i++) {
        sum += atomic_load_explicit(&s->boards[i].acked, memory_order_acquire);
    }
    return sum;
}

static void produce(void *argument) {
    struct stage *s = argument;
    const struct job *job = &s->job;
    rp_queue *q;
    rp_producer *p;
    crew_check(rp_queue_open(s->name, NULL, &q), "rp_queue_open");
    crew_check(rp_producer_open(q, NULL, &p), "rp_producer_open");
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    meet(s);
    s->first_ns = clock_ns();
    for (uint64_t i = 0; i < job->messages; i++) {
        uint32_t key = job->keys > 0 ? mix(i) % job->keys : 0;
        uint64_t body[8];
        payload_write(body, sizeof body, payload_tag(0, i));
        body[1] = key;
        if (job->keys > 0) {
            o.key = &key;
            o.key_bytes = sizeof key;
        }
        if (job->levels > 1) {
            o.priority = mix(i) % job->levels;
        }
        crew_check(rp_send(p, body, sizeof body, job->keys > 0 || job->levels > 1 ? &o : NULL), "rp_send");
    }
    while (acked_by_all(s) < job->messages) {
        sched_yield();
    }
    s->last_ns = clock_ns();
    atomic_store_explicit(&s->stop, 1, memory_order_release);
    rp_producer_close(p);
    crew_check(rp_queue_close(q), "rp_queue_close");
}

static void verify(struct board *b, const struct job *job, const struct rp_message *m) {
    const uint64_t *body = m->data;
    uint64_t n = payload_sequence(body[0]);
    if (m->bytes != 64 || body[2] != body[0] + 2 * PAYLOAD_STEP || body[7] != body[0] + 7 * PAYLOAD_STEP || n >= job->messages) {
        crew_fail("a message is torn");
    }
    b->sum += n;
    if (job->levels > 1) {
        return; /* levels overtake each other */
    }
    uint32_t *last = &b->last[body[1] % KEYS_MAX];
    if (n < *last && (job->lanes == 0 || job->keys > 0)) {
        crew_fail("message %llu of key %llu came after %u", (unsigned long long)n, (unsigned long long)body[1], *last - 1);
    }
    *last = (uint32_t)n + 1;
}

static void consume(void *argument) {
    struct party *me = argument;
    struct stage *s = me->stage;
    const struct job *job = &s->job;
    struct board *b = &s->boards[me->index];
    rp_queue *q;
    rp_consumer *c;
    crew_check(rp_queue_open(s->name, NULL, &q), "rp_queue_open");
    crew_check(rp_consumer_open(q, NULL, &c), "rp_consumer_open");
    meet(s);
    while (!atomic_load_explicit(&s->stop, memory_order_acquire)) {
        struct rp_message m;
        int result = rp_receive(c, &m, 10000000);
        if (result == RP_EMPTY) {
            continue;
        }
        crew_check(result, "rp_receive");
        verify(b, job, &m);
        if (job->work_ns > 0) {
            nanosleep(&(struct timespec){.tv_nsec = (long)job->work_ns}, NULL);
        }
        crew_check(rp_ack(c, &m), "rp_ack");
        atomic_store_explicit(&b->acked, atomic_load_explicit(&b->acked, memory_order_relaxed) + 1, memory_order_release);
    }
    rp_consumer_close(c);
    crew_check(rp_queue_close(q), "rp_queue_close");
}

/* -> messages per second, from the first send to the last ack. */
static double run(struct stage *s, const struct job *job, const struct machine *m) {
    struct rp_queue_options o;
    rp_queue_options_init(&o, sizeof o);
    o.capacity = 1024;
    o.message_bytes = 64;
    o.overflow = RP_OVERFLOW_BLOCK;
    o.lanes = job->lanes;
    o.priorities = job->levels > 1 ? job->levels : 1;
    rp_queue *q;
    crew_check(rp_queue_create(s->name, &o, &q), "rp_queue_create");
    memset(s->boards, 0, sizeof s->boards);
    s->job = *job;
    atomic_store(&s->arrived, 0);
    atomic_store(&s->stop, 0);
    crew_fork(m->cpus[0], produce, s);
    for (uint32_t i = 0; i < job->consumers; i++) {
        parties[i] = (struct party){s, i};
        crew_fork(m->cpus[1], consume, &parties[i]);
    }
    crew_join();
    uint64_t sum = 0;
    for (uint32_t i = 0; i < job->consumers; i++) {
        sum += s->boards[i].sum;
    }
    if (acked_by_all(s) != job->messages || sum != job->messages * (job->messages - 1) / 2) {
        crew_fail("%llu of %llu messages were acked", (unsigned long long)acked_by_all(s), (unsigned long long)job->messages);
    }
    crew_check(rp_queue_close(q), "rp_queue_close");
    crew_check(rp_queue_unlink(s->name), "rp_queue_unlink");
    crew_progress();
    return (double)job->messages * 1e9 / (double)(s->last_ns - s->first_ns);
}

static size_t plan(struct job *jobs, const struct numbers *lanes, const struct numbers *crowds, uint64_t messages,
                   uint64_t work_ms) {
    size_t count = 0;
    jobs[count++] = (struct job){.test = "plain", .consumers = 2, .messages = messages};
    for (int i = 0; i < lanes->count; i++) {
        uint32_t n = (uint32_t)lanes->value[i];
        jobs[count++] = (struct job){.test = "keyed", .lanes = n, .keys = n * KEYS_PER_LANE, .consumers = 2, .messages = messages};
    }
    jobs[count++] = (struct job){.test = "priorities", .levels = LEVELS, .consumers = 2, .messages = messages};
    size_t base = count;
    for (int i = 0; i < crowds->count; i++) {
        uint32_t n = (uint32_t)crowds->value[i];
        jobs[count++] = (struct job){.test = "1 ms of work each",
                                     .lanes = n,
                                     .consumers = CONSUMERS_MAX,
                                     .work_ns = 999999,
                                     .messages = (n < CONSUMERS_MAX ? n : CONSUMERS_MAX) * work_ms,
                                     .base = base};
    }
    return count;
}

static void print(struct job *jobs, size_t count, uint64_t rounds, bool json) {
    static double rates[ROUNDS_MAX], ratios[ROUNDS_MAX];
    if (!json) {
        printf("acked messages of 64 bytes, medians of %llu rounds\n  %-18s %6s %5s %10s   %8s %16s\n", (unsigned long long)rounds,
               "test", "lanes", "C", "M/s", "relative", "(middle 80 %)");
    }
    for (size_t i = 0; i < count; i++) {
        const struct job *j = &jobs[i];
        for (uint64_t r = 0; r < rounds; r++) {
            rates[r] = j->rate[r];
            ratios[r] = j->rate[r] / jobs[j->base].rate[r];
        }
        double rate = quantile(rates, rounds, 0.5), ratio = quantile(ratios, rounds, 0.5);
        double low = quantile(ratios, rounds, 0.1), high = quantile(ratios, rounds, 0.9);
        uint32_t lanes = j->levels > 1 ? j->levels : j->lanes;
        if (json) {
            printf("%s    {\"test\": \"%s\", \"lanes\": %u, \"consumers\": %u, \"per_second\": %.0f, \"relative\": %.3f, "
                   "\"relative_p10\": %.3f, \"relative_p90\": %.3f}",
                   i == 0 ? "" : ",\n", j->test, lanes, j->consumers, rate, ratio, low, high);
        } else {
            printf("  %-18s %6u %5u %10.4f   %8.2f %7.2f - %5.2f\n", j->test, lanes, j->consumers, rate / 1e6, ratio, low, high);
        }
    }
}

int main(int argc, char **argv) {
    static struct job jobs[JOBS_MAX];
    struct numbers lanes = {.value = {1, 4, 16, 64}, .count = 4}, crowds = {.value = {1, 2, 4, 8, 16}, .count = 5};
    uint64_t rounds = 12, messages = 400000, work_ms = 200;
    bool quick = false, json = false;
    const char *cpus = NULL;
    const struct argument rows[] = {
        {.name = "lanes", .help = "keyed lanes, against a plain queue (1,4,16,64)", .list = &lanes},
        {.name = "work-lanes",
         .help = "keyed lanes, with 16 consumers that work 1 ms on each message (1,2,4,8,16)",
         .list = &crowds},
        {.name = "messages", .help = "in a slice (400000)", .number = &messages},
        {.name = "work-ms", .help = "how long a slice with work is to take (200)", .number = &work_ms},
        {.name = "rounds", .help = "how often everything is measured (12)", .number = &rounds},
        {.name = "cpus", .help = "the producer's and the consumers' (the first two allowed)", .text = &cpus},
        {.name = "quick", .help = "a few seconds in all", .flag = &quick},
        {.name = "json", .help = "print JSON", .flag = &json},
        {0},
    };
    arguments_read(argc, argv, "keyed lanes and priorities against a plain queue", rows);
    if (quick) {
        rounds = 4;
        messages = 100000;
        work_ms = 50;
    }
    bool right = rounds > 0 && rounds <= ROUNDS_MAX && messages > 0 && messages < UINT32_MAX && work_ms > 0 && work_ms <= 10000;
    for (int i = 0; i < lanes.count; i++) {
        right = right && lanes.value[i] > 0 && lanes.value[i] <= KEYS_MAX / KEYS_PER_LANE;
    }
    for (int i = 0; i < crowds.count; i++) {
        right = right && crowds.value[i] > 0 && crowds.value[i] <= KEYS_MAX / KEYS_PER_LANE;
    }
    if (!right || lanes.count + crowds.count + 2 > JOBS_MAX) {
        fprintf(stderr, "bench_keyed: --lanes and --work-lanes are 1 .. %d, --rounds 1 .. %d, the others begin at 1\n",
                KEYS_MAX / KEYS_PER_LANE, ROUNDS_MAX);
        return 2;
    }
    struct machine machine;
    if (!machine_read(&machine, cpus)) {
        return 1;
    }
    crew_begin("bench_keyed");
    struct stage *stage = crew_share(sizeof *stage);
    crew_queue_name(stage->name, "queue");
    size_t count = plan(jobs, &lanes, &crowds, messages, work_ms);
    for (uint64_t r = 0; r < rounds; r++) {
        for (size_t i = 0; i < count; i++) {
            jobs[i].rate[r] = run(stage, &jobs[i], &machine);
        }
    }
    if (json) {
        printf("{\n  \"machine\": ");
        json_machine(stdout, &machine);
        printf(",\n  \"results\": [\n");
    }
    print(jobs, count, rounds, json);
    if (json) {
        printf("\n  ]\n}\n");
    }
    return 0;
}
