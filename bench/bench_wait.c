/* SPDX-License-Identifier: MIT */
/*
 * How long it takes to wake somebody who waits, by each strategy, or for many queues at once, beside the bare wake of a futex that two processes share. In each round everything is measured once, in the
 * same two processes on two processors, so ratios compare neighbours in time. And before that: what waiting costs while nothing comes.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "arguments.h"
#include "crew.h"
#include "machine.h"
#include "series.h"

#include <ringpost/ringpost.h>

#include <linux/futex.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { QUEUES_MAX = 128 };

enum way { WAY_FUTEX, WAY_SLEEP, WAY_ADAPTIVE, WAY_SPIN, WAY_ONE, WAY_MANY, WAY_POLL, WAYS };
static const char *const way_names[] = {"bare futex",         "rp_receive, sleep",   "rp_receive, adaptive", "rp_receive, spin",
                                        "rp_wait, one queue", "rp_wait, all queues", "poll, all descriptors"};
enum { STRATEGIES = 3 };
static const uint32_t strategies[STRATEGIES] = {RP_WAIT_SLEEP, RP_WAIT_ADAPTIVE, RP_WAIT_SPIN}; /* in the order of their ways */

/* What a wait in which nothing comes takes of a processor, and how often it wakes. */
struct idle {
    double share, wakes;
};

struct shared {
    _Atomic uint32_t word; /* raised for each bare wake */
    _Atomic uint32_t job;  /* (round + 1) * WAYS + way */
    _Atomic uint32_t done; /* the job that is over */
    _Atomic int waiter;    /* its process */
    _Atomic uint64_t woken_ns;
    struct idle idle[STRATEGIES]; /* written before the first job */
};

struct bench {
    struct shared *shared;
    uint64_t queues, rounds, idle_ms;
    char names[2 * QUEUES_MAX + STRATEGIES][CREW_NAME_MAX]; /* those with descriptors follow, and one for each strategy */
    double *ns[WAYS];
};

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- the one who waits ---- */

static void wait_bare(struct shared *s) {
    uint32_t seen = atomic_load(&s->word);
    atomic_store(&s->waiter, getpid());
    while (atomic_load(&s->word) == seen) {
        syscall(SYS_futex, &s->word, FUTEX_WAIT, seen, NULL, NULL, 0);
    }
}

static int wait_polled(struct pollfd *fds, rp_consumer *const *c, uint64_t count) {
    struct rp_message m;
    for (;;) {
        int ready = poll(fds, count, -1);
        for (uint64_t i = 0; i < count && ready > 0; i++) {
            if (fds[i].revents != 0) {
                ready--;
                if (rp_receive(c[i], &m, 0) == 0) {
                    crew_check(rp_ack(c[i], &m), "rp_ack");
                    return (int)i;
                }
            }
        }
    }
}

static double cpu_s(const struct rusage *u) {
    return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) + (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1e6;
}

static struct idle idle_of(rp_consumer *c, uint64_t ms) {
    struct rusage before, after;
    struct rp_message m;
    uint64_t begin = now_ns();
    getrusage(RUSAGE_SELF, &before);
    if (rp_receive(c, &m, (int64_t)ms * 1000000) != RP_EMPTY) {
        crew_fail("a message is there too early");
    }
    getrusage(RUSAGE_SELF, &after);
    double s = (double)(now_ns() - begin) / 1e9;
    return (struct idle){(cpu_s(&after) - cpu_s(&before)) / s, (double)(after.ru_nvcsw - before.ru_nvcsw) / s};
}

static void waiter(void *argument) {
    struct bench *b = argument;
    struct shared *s = b->shared;
    rp_consumer *c[QUEUES_MAX], *polled[QUEUES_MAX], *by[STRATEGIES];
    struct pollfd fds[QUEUES_MAX];
    struct rp_message m;
    for (uint64_t i = 0; i < b->queues; i++) {
        rp_queue *q;
        crew_check(rp_queue_open(b->names[i], NULL, &q), "rp_queue_open");
        crew_check(rp_consumer_open(q, NULL, &c[i]), "rp_consumer_open");
        crew_check(rp_queue_open(b->names[b->queues + i], NULL, &q), "rp_queue_open");
        crew_check(rp_consumer_open(q, NULL, &polled[i]), "rp_consumer_open");
        fds[i] = (struct pollfd){.fd = crew_check(rp_consumer_fd(polled[i]), "rp_consumer_fd"), .events = POLLIN};
    }
    for (int i = 0; i < STRATEGIES; i++) {
        struct rp_consumer_options o;
        rp_queue *q;
        rp_consumer_options_init(&o, sizeof o);
        o.wait_strategy = strategies[i];
        crew_check(rp_queue_open(b->names[2 * b->queues + (uint64_t)i], NULL, &q), "rp_queue_open");
        crew_check(rp_consumer_open(q, &o, &by[i]), "rp_consumer_open");
        s->idle[i] = idle_of(by[i], b->idle_ms);
    }
    for (uint32_t job = WAYS, end = (uint32_t)(b->rounds + 1) * WAYS; job < end; job++) {
        while (atomic_load(&s->job) != job) {
        }
        int way = (int)(job % WAYS), i = 0;
        if (way == WAY_FUTEX) {
            wait_bare(s);
        } else if (way <= WAY_SPIN) {
            atomic_store(&s->waiter, getpid());
            crew_check(rp_receive(by[way - WAY_SLEEP], &m, -1), "rp_receive");
        } else {
            if (way == WAY_POLL) { /* armed */
                for (uint64_t q = 0; q < b->queues; q++) {
                    if (rp_receive(polled[q], &m, 0) == 0) {
                        crew_fail("a message is there too early");
                    }
                }
            }
            atomic_store(&s->waiter, getpid());
            i = way == WAY_POLL ? wait_polled(fds, polled, b->queues)
                                : crew_check(rp_wait(c, way == WAY_ONE ? 1 : b->queues, -1), "rp_wait");
        }
        atomic_store(&s->woken_ns, now_ns());
        if (way > WAY_FUTEX && way <= WAY_SPIN) {
            crew_check(rp_ack(by[way - WAY_SLEEP], &m), "rp_ack");
        } else if (way == WAY_ONE || way == WAY_MANY) {
            crew_check(rp_receive(c[i], &m, 0), "rp_receive");
            crew_check(rp_ack(c[i], &m), "rp_ack");
        }
        atomic_store(&s->waiter, 0);
        atomic_store(&s->done, job);
    }
}

/* ---- the one who wakes ---- */

/* Until the other sleeps in the kernel; or spins. */
static void until_asleep(const struct shared *s, bool spins) {
    char path[64], line[256];
    int pid;
    while ((pid = atomic_load(&s->waiter)) == 0) {
    }
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    for (bool asleep = spins; !asleep;) {
        FILE *f = fopen(path, "r");
        if (f == NULL || fgets(line, sizeof line, f) == NULL) {
            crew_fail("cannot read %s", path);
        }
        fclose(f);
        const char *state = strrchr(line, ')');
        asleep = state != NULL && state[2] == 'S';
    }
    for (uint64_t end = now_ns() + 100000; now_ns() < end;) {
        /* its processor falls idle */
    }
}

static double wake(struct bench *b, rp_producer *const *p, uint32_t job) {
    struct shared *s = b->shared;
    atomic_store(&s->job, job);
    uint32_t way = job % WAYS;
    until_asleep(s, way == WAY_SPIN);
    uint64_t to = way == WAY_ONE    ? 0
                  : way <= WAY_SPIN ? 2 * b->queues + way - WAY_SLEEP
                                    : job / WAYS * 7 % b->queues + (way == WAY_POLL ? b->queues : 0),
             begin = now_ns();
    if (way == WAY_FUTEX) {
        atomic_fetch_add(&s->word, 1);
        syscall(SYS_futex, &s->word, FUTEX_WAKE, 1, NULL, NULL, 0);
    } else {
        crew_check(rp_send(p[to], &begin, sizeof begin, NULL), "rp_send");
    }
    while (atomic_load(&s->done) != job) {
    }
    return (double)(atomic_load(&s->woken_ns) - begin);
}

static void measure(struct bench *b) {
    rp_queue *q[2 * QUEUES_MAX + STRATEGIES];
    rp_producer *p[2 * QUEUES_MAX + STRATEGIES];
    for (uint64_t i = 0; i < 2 * b->queues + STRATEGIES; i++) {
        crew_check(rp_queue_open(b->names[i], NULL, &q[i]), "rp_queue_open");
        crew_check(rp_producer_open(q[i], NULL, &p[i]), "rp_producer_open");
    }
    for (uint64_t round = 0; round < b->rounds; round++) {
        for (uint32_t way = 0; way < WAYS; way++) {
            b->ns[way][round] = wake(b, p, (uint32_t)(round + 1) * WAYS + way);
        }
        crew_progress();
    }
    crew_join();
    for (uint64_t i = 0; i < 2 * b->queues + STRATEGIES; i++) {
        rp_producer_close(p[i]);
        crew_check(rp_queue_close(q[i]), "rp_queue_close");
    }
}

/* ---- */

struct result {
    double p50, p90, ratio, low, high;
};

static struct result result_of(const struct bench *b, int way, double *scratch) {
    struct result r;
    for (uint64_t i = 0; i < b->rounds; i++) {
        scratch[i] = b->ns[way][i] / b->ns[WAY_FUTEX][i];
    }
    r.ratio = quantile(scratch, b->rounds, 0.5);
    r.low = quantile(scratch, b->rounds, 0.1);
    r.high = quantile(scratch, b->rounds, 0.9);
    memcpy(scratch, b->ns[way], b->rounds * sizeof *scratch);
    r.p50 = quantile(scratch, b->rounds, 0.5);
    r.p90 = quantile(scratch, b->rounds, 0.9);
    return r;
}

static void print(const struct bench *b, bool json) {
    double *scratch = calloc(b->rounds, sizeof *scratch);
    if (scratch == NULL) {
        crew_fail("no memory");
    }
    for (int i = 0; i < STRATEGIES && !json; i++) {
        printf("%-22s nothing comes: %6.3f %% of a processor, %5.1f wake-ups a second\n", way_names[WAY_SLEEP + i],
               100 * b->shared->idle[i].share, b->shared->idle[i].wakes);
    }
    printf(json ? "{\n  \"results\": [\n" : "from the wake to the waiter's return, %llu queues, %llu rounds\n",
           (unsigned long long)b->queues, (unsigned long long)b->rounds);
    for (int i = 0; i < STRATEGIES && json; i++) {
        printf("    {\"peer\": \"%s\", \"test\": \"idle\", \"cpu_share\": %.6f, \"wakes_per_s\": %.1f},\n",
               way_names[WAY_SLEEP + i], b->shared->idle[i].share, b->shared->idle[i].wakes);
    }
    for (int way = 0; way < WAYS; way++) {
        struct result r = result_of(b, way, scratch);
        if (json) {
            printf("    {\"peer\": \"%s\", \"test\": \"wake\", \"queues\": %llu, \"p50_ns\": %.0f, \"p90_ns\": %.0f, \"ratio\": "
                   "%.2f}%s\n",
                   way_names[way], (unsigned long long)b->queues, r.p50, r.p90, r.ratio, way + 1 < WAYS ? "," : "\n  ]\n}");
        } else {
            printf("  %-24s p50 %7.1f us  p90 %7.1f us   x bare %5.2f (middle 80 %% %5.2f - %5.2f)\n", way_names[way], r.p50 / 1e3,
                   r.p90 / 1e3, r.ratio, r.low, r.high);
        }
    }
    free(scratch);
}

int main(int argc, char **argv) {
    static struct bench b = {.queues = 64, .rounds = 2000, .idle_ms = 3000};
    bool quick = false, json = false;
    const char *cpus = NULL;
    const struct argument rows[] = {
        {.name = "queues", .help = "that are waited for (64)", .number = &b.queues},
        {.name = "rounds", .help = "how often everything is measured (2000)", .number = &b.rounds},
        {.name = "idle-ms", .help = "how long each strategy waits for nothing (3000)", .number = &b.idle_ms},
        {.name = "cpus", .help = "the two processors, as in 0,1 (the first two allowed)", .text = &cpus},
        {.name = "quick", .help = "300 rounds, 500 ms for nothing", .flag = &quick},
        {.name = "json", .help = "print JSON", .flag = &json},
        {0},
    };
    arguments_read(argc, argv,
                   "wake-ups of somebody who waits, by each strategy and for many queues, as ratios to the bare wake of a futex",
                   rows);
    b.rounds = quick ? 300 : b.rounds;
    b.idle_ms = quick ? 500 : b.idle_ms;
    if (b.queues == 0 || b.queues > QUEUES_MAX || b.rounds == 0 || b.rounds > 1000000 || b.idle_ms > 50000 / STRATEGIES) {
        fprintf(stderr, "bench_wait: --queues is 1 .. %d, --rounds 1 .. 1000000, --idle-ms at most %d\n", QUEUES_MAX,
                50000 / STRATEGIES);
        return 2;
    }
    struct machine machine;
    if (!machine_read(&machine, cpus)) {
        return 1;
    }
    crew_begin("bench_wait");
    if (!machine_pin(machine.cpus[0])) {
        return 1;
    }
    b.shared = crew_share(sizeof *b.shared);
    for (int way = 0; way < WAYS; way++) {
        b.ns[way] = crew_share(b.rounds * sizeof *b.ns[way]);
    }
    for (uint64_t i = 0; i < 2 * b.queues + STRATEGIES; i++) {
        char suffix[16];
        snprintf(suffix, sizeof suffix, "%d", (int)i);
        crew_queue_name(b.names[i], suffix);
        struct rp_queue_options o;
        rp_queue *q;
        rp_queue_options_init(&o, sizeof o);
        o.capacity = 64;
        o.max_participants = 4;
        crew_check(rp_queue_create(b.names[i], &o, &q), "rp_queue_create");
        crew_check(rp_queue_close(q), "rp_queue_close");
    }
    crew_fork(machine.cpus[1], waiter, &b);
    measure(&b);
    for (uint64_t i = 0; i < 2 * b.queues + STRATEGIES; i++) {
        crew_check(rp_queue_unlink(b.names[i]), "rp_queue_unlink");
    }
    print(&b, json);
    return 0;
}
