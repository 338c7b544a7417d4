/* SPDX-License-Identifier: MIT */
/*
 * Acked messages per second from producers to consumers, more of them than processors included. See README.md.
 */
#include "arguments.h"
#include "crew.h"
#include "series.h"
#include "stream.h"

#include <stdio.h>

enum { SERIES_MAX = 2 * NUMBERS_MAX * NUMBERS_MAX, WARM_UP_MESSAGES = 20000 };

static const char *const value_names[] = {"ns_per_message"};

struct bench {
    struct machine machine;
    struct stream *stream;
    uint64_t slices, slice_ms, probe_rounds;
    struct series series[SERIES_MAX];
    struct stream_job jobs[SERIES_MAX];
    double expected_ns[SERIES_MAX]; /* per message, from the slice before */
    size_t count;
    uint64_t messages, redelivered;
};

static void add_series(struct bench *b, enum stream_peer peer, uint32_t bytes, uint32_t pairs, uint32_t batch) {
    b->series[b->count] = (struct series){.peer = peer == STREAM_RINGPOST ? "ringpost" : "hand-made Vyukov, no safety",
                                          .test = "throughput",
                                          .bytes = bytes,
                                          .pairs = pairs,
                                          .batch = batch,
                                          .value_names = value_names,
                                          .value_count = 1};
    b->jobs[b->count] = (struct stream_job){.peer = peer, .pairs = pairs, .batch = batch};
    b->count++;
}

/* Series of one peer and batch stand together, in the order of `pairs`. */
static void plan(struct bench *b, uint32_t bytes, const struct numbers *pairs, const struct numbers *batches) {
    for (int i = 0; i < pairs->count; i++) {
        add_series(b, STREAM_VYUKOV, bytes, (uint32_t)pairs->value[i], 1);
    }
    for (int j = 0; j < batches->count; j++) {
        for (int i = 0; i < pairs->count; i++) {
            add_series(b, STREAM_RINGPOST, bytes, (uint32_t)pairs->value[i], (uint32_t)batches->value[j]);
        }
    }
}

static double run(struct bench *b, size_t i, uint64_t messages) {
    struct stream_job *job = &b->jobs[i];
    job->messages = messages / job->pairs + 1;
    b->expected_ns[i] = stream_run(b->stream, job, &b->redelivered);
    b->messages += job->messages * job->pairs;
    return b->expected_ns[i];
}

static void measure(struct bench *b) {
    for (size_t i = 0; i < b->count; i++) {
        run(b, i, WARM_UP_MESSAGES);
    }
    for (uint32_t round = 0; round < b->slices; round++) {
        double before_ns = stream_probe(b->stream, b->probe_rounds).p50_ns;
        for (size_t i = 0; i < b->count; i++) {
            double ns = run(b, i, (uint64_t)((double)b->slice_ms * 1e6 / b->expected_ns[i]));
            double after_ns = stream_probe(b->stream, b->probe_rounds).p50_ns;
            struct slice slice = {.round = round, .before_ns = before_ns, .after_ns = after_ns, .value = {ns}};
            series_add(&b->series[i], &slice);
            before_ns = after_ns;
        }
    }
}

/* The series with one producer and one consumer that is otherwise like series `i`; NULL: not measured. */
static const struct series *single(const struct bench *b, size_t i) {
    for (size_t j = 0; j < b->count; j++) {
        if (b->jobs[j].pairs == 1 && b->jobs[j].peer == b->jobs[i].peer && b->jobs[j].batch == b->jobs[i].batch) {
            return &b->series[j];
        }
    }
    return NULL;
}

static void print_regime(const struct bench *b, enum regime r) {
    bool titled = false;
    for (size_t i = 0; i < b->count; i++) {
        const struct series *s = &b->series[i];
        struct summary sum;
        if (!series_summary(s, r, &sum)) {
            continue;
        }
        if (!titled) {
            printf("\n%s\n  %-28s %8s %6s %7s %8s %8s %8s   %6s %14s %8s\n", regime_name(r), "peer", "parties", "batch", "slices",
                   "bare ns", "M/s", "ns each", "x bare", "(middle 80 %)", "of 1P1C");
            titled = true;
        }
        char parties[32];
        snprintf(parties, sizeof parties, "%uP%uC", s->pairs, s->pairs);
        printf("  %-28s %8s %6u %7zu %8.0f %8.2f %8.1f   %6.2f %6.2f - %5.2f", s->peer, parties, s->batch, sum.slices, sum.bare_ns,
               1e3 / sum.value[0], sum.value[0], sum.ratio[0], sum.ratio_low, sum.ratio_high);
        const struct series *base = single(b, i);
        double relative = base != NULL ? series_speed_relative(s, base, r) : 0;
        if (relative > 0) {
            printf(" %7.0f %%", relative * 100);
        }
        printf("\n");
    }
}

static void print(const struct bench *b, const struct stream_setup *setup) {
    printf("acked messages of %u bytes, capacity %u, processors", setup->bytes, setup->capacity);
    for (int i = 0; i < b->machine.cpu_count; i++) {
        printf(" %d", b->machine.cpus[i]);
    }
    printf(" of %s, %s; %llu slices of %llu ms\n", b->machine.model, b->machine.kernel, (unsigned long long)b->slices,
           (unsigned long long)b->slice_ms);
    size_t dropped = 0, kept = 0;
    for (size_t i = 0; i < b->count; i++) {
        dropped += b->series[i].dropped;
        kept += b->series[i].count;
    }
    for (int r = 0; r < REGIME_COUNT; r++) {
        print_regime(b, (enum regime)r);
    }
    printf("\nmedians over slices; %zu of %zu slices dropped because the probes around them differed by more than 20 %%\n", dropped,
           dropped + kept);
    printf("verified: %llu messages, each arrived whole, once and in the order of its producer (%llu redelivered)\n",
           (unsigned long long)b->messages, (unsigned long long)b->redelivered);
}

static bool in_range(const struct numbers *n, uint64_t largest) {
    for (int i = 0; i < n->count; i++) {
        if (n->value[i] < 1 || n->value[i] > largest) {
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv) {
    static struct bench b = {.slices = 12, .slice_ms = 200, .probe_rounds = 10000};
    struct numbers pairs = {.value = {1, 2, 4}, .count = 3}, batches = {.value = {1, 16}, .count = 2};
    uint64_t bytes = 64, capacity = 1024;
    bool quick = false, json = false, mixed = false;
    const char *cpus = NULL;
    const struct argument rows[] = {
        {.name = "pairs", .help = "producers, and as many consumers (1,2,4)", .list = &pairs},
        {.name = "batch", .help = "messages per send and receive (1,16)", .list = &batches},
        {.name = "bytes", .help = "message size, a multiple of 8 (64)", .number = &bytes},
        {.name = "capacity", .help = "messages in the queue (1024)", .number = &capacity},
        {.name = "slices", .help = "how often everything is measured (12)", .number = &b.slices},
        {.name = "slice-ms", .help = "length of a slice (200)", .number = &b.slice_ms},
        {.name = "cpus", .help = "producers and consumers take them in turns (the first two allowed)", .text = &cpus},
        {.name = "mixed", .help = "let producers and consumers share processors", .flag = &mixed},
        {.name = "quick", .help = "a few seconds in all", .flag = &quick},
        {.name = "json", .help = "print JSON", .flag = &json},
        {0},
    };
    arguments_read(argc, argv, "acked messages per second between processes", rows);
    if (quick) {
        b.slices = 4;
        b.slice_ms = 100;
    }
    if (!in_range(&pairs, STREAM_PAIRS_MAX) || !in_range(&batches, STREAM_BATCH_MAX) || bytes < 8 || bytes > 1 << 20 ||
        bytes % 8 != 0 || b.slices == 0 || b.slice_ms == 0 || capacity == 0 || capacity > 1 << 22) {
        fprintf(stderr, "bench_throughput: --pairs is 1 .. %d, --batch 1 .. %d, --bytes a multiple of 8, the others begin at 1\n",
                STREAM_PAIRS_MAX, STREAM_BATCH_MAX);
        return 2;
    }
    struct stream_setup setup = {.bytes = (uint32_t)bytes, .capacity = (uint32_t)capacity, .mixed = mixed};
    for (int i = 0; i < pairs.count; i++) {
        setup.pairs_max = pairs.value[i] > setup.pairs_max ? (uint32_t)pairs.value[i] : setup.pairs_max;
    }
    if (!machine_read(&b.machine, cpus)) {
        return 1;
    }
    crew_begin("bench_throughput");
    b.stream = stream_start(&b.machine, &setup);
    plan(&b, setup.bytes, &pairs, &batches);
    measure(&b);
    stream_stop(b.stream);
    if (json) {
        series_json(stdout, &b.machine, b.series, b.count);
    } else {
        print(&b, &setup);
    }
    return 0;
}
