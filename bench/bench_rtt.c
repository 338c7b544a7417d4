/* SPDX-License-Identifier: MIT */
/*
 * Acked round trips between two processes on two cores, as percentiles and as ratios to the bare cache line. See README.md.
 */
#include "arguments.h"
#include "crew.h"
#include "echo.h"
#include "series.h"

#include <stdio.h>

enum { SERIES_MAX = 3 * ECHO_SIZES_MAX + 1, REPLY_FIRST_BYTES = 64 };

static const char *const value_names[] = {"p50", "p90", "p99"};

struct bench {
    struct machine machine;
    struct echo *echo;
    uint64_t rounds, probe_rounds, slices;
    struct series series[SERIES_MAX]; /* the first is the bare line */
    struct echo_job jobs[SERIES_MAX]; /* what each measures */
    size_t count;
};

static struct histogram histogram;

static void add_series(struct bench *b, enum echo_kind kind, const char *peer, const char *test, uint32_t bytes,
                       uint32_t size_index) {
    b->series[b->count] = (struct series){.peer = peer, .test = test, .bytes = bytes, .value_names = value_names, .value_count = 3};
    b->jobs[b->count] = (struct echo_job){.kind = kind, .size_index = size_index, .rounds = b->rounds};
    b->count++;
}

static void plan(struct bench *b, const struct echo_setup *setup) {
    add_series(b, ECHO_BARE, "bare cache line", "rtt", 8, 0);
    for (uint32_t i = 0; i < setup->size_count; i++) {
        add_series(b, ECHO_VYUKOV, "hand-made Vyukov, no safety", "rtt", setup->bytes[i], i);
    }
    for (uint32_t i = 0; i < setup->size_count; i++) {
        add_series(b, ECHO_RINGPOST, setup->poll ? "ringpost, polled" : "ringpost", "rtt", setup->bytes[i], i);
        if (setup->bytes[i] == REPLY_FIRST_BYTES) {
            add_series(b, ECHO_RINGPOST_REPLY_FIRST, setup->poll ? "ringpost, reply first, polled" : "ringpost, reply before ack",
                       "rtt reply first", setup->bytes[i], i);
        }
    }
}

static struct bounce_result probe(struct bench *b, uint32_t round) {
    struct bounce_result r = echo_probe(b->echo, b->probe_rounds);
    struct slice slice = {.round = round, .before_ns = r.p50_ns, .after_ns = r.p50_ns, .value = {r.p50_ns, r.p90_ns, r.p99_ns}};
    series_add(&b->series[0], &slice);
    return r;
}

static void measure(struct bench *b) {
    for (uint32_t round = 0; round < b->slices; round++) {
        struct bounce_result before = probe(b, round);
        for (size_t i = 1; i < b->count; i++) {
            echo_run(b->echo, &b->jobs[i], &histogram);
            struct bounce_result after = probe(b, round);
            struct slice slice = {.round = round, .before_ns = before.p50_ns, .after_ns = after.p50_ns};
            static const double shares[] = {0.50, 0.90, 0.99};
            for (int v = 0; v < 3; v++) {
                slice.value[v] = machine_quantile_ns(&b->machine, &histogram, shares[v]);
            }
            series_add(&b->series[i], &slice);
            before = after;
        }
    }
}

static void print_regime(const struct bench *b, enum regime r) {
    struct summary sum;
    if (!series_summary(&b->series[0], r, &sum)) {
        return;
    }
    printf("\n%s (bare round trip %.0f ns)\n", regime_name(r), sum.bare_ns);
    printf("  %-32s %6s %7s %8s %8s %8s   %6s %13s %7s\n", "peer", "bytes", "slices", "p50 ns", "p90 ns", "p99 ns", "x bare",
           "(middle 80 %)", "p99 x");
    for (size_t i = 0; i < b->count; i++) {
        const struct series *s = &b->series[i];
        if (series_summary(s, r, &sum)) {
            printf("  %-32s %6u %7zu %8.0f %8.0f %8.0f   %6.2f %6.2f -%5.2f %7.2f\n", s->peer, s->bytes, sum.slices, sum.value[0],
                   sum.value[1], sum.value[2], sum.ratio[0], sum.ratio_low, sum.ratio_high, sum.ratio[2]);
        }
    }
}

static void print(const struct bench *b) {
    printf("acked round trips, processors %d and %d of %s, %s; %llu slices of %llu round trips\n", b->machine.cpus[0],
           b->machine.cpus[1], b->machine.model, b->machine.kernel, (unsigned long long)b->slices, (unsigned long long)b->rounds);
    size_t dropped = 0, kept = 0;
    for (size_t i = 1; i < b->count; i++) {
        dropped += b->series[i].dropped;
        kept += b->series[i].count;
    }
    for (int r = 0; r < REGIME_COUNT; r++) {
        print_regime(b, (enum regime)r);
    }
    printf("\nmedians over slices; %zu of %zu slices dropped because the probes around them differed by more than 20 %%\n", dropped,
           dropped + kept);
}

int main(int argc, char **argv) {
    static struct bench b = {.rounds = 20000, .slices = 40};
    struct numbers sizes = {.value = {8, 16, 64, 1024}, .count = 4};
    uint64_t capacity = 1024;
    bool quick = false, json = false, poll = false;
    const char *cpus = NULL;
    const struct argument rows[] = {
        {.name = "bytes", .help = "message sizes, multiples of 8 (8,16,64,1024)", .list = &sizes},
        {.name = "slices", .help = "how often everything is measured (40)", .number = &b.slices},
        {.name = "rounds", .help = "round trips per slice (20000)", .number = &b.rounds},
        {.name = "capacity", .help = "messages per queue (1024)", .number = &capacity},
        {.name = "cpus", .help = "the two processors, as in 0,1 (the first two allowed)", .text = &cpus},
        {.name = "poll", .help = "rp_receive with timeout 0 in a pause loop", .flag = &poll},
        {.name = "quick", .help = "a few seconds in all", .flag = &quick},
        {.name = "json", .help = "print JSON", .flag = &json},
        {0},
    };
    arguments_read(argc, argv, "acked round trips between two processes, as ratios to a bare cache line", rows);
    if (quick) {
        b.slices = 10;
        b.rounds = 10000;
    }
    struct echo_setup setup = {.size_count = (uint32_t)sizes.count, .capacity = (uint32_t)capacity, .poll = poll};
    for (int i = 0; i < sizes.count; i++) {
        if (sizes.value[i] < 8 || sizes.value[i] > 1 << 20 || sizes.value[i] % 8 != 0) {
            fprintf(stderr, "bench_rtt: --bytes takes multiples of 8 from 8 to 1048576\n");
            return 2;
        }
        setup.bytes[i] = (uint32_t)sizes.value[i];
    }
    if (b.slices == 0 || b.rounds == 0 || capacity == 0 || capacity > 1 << 22) {
        fprintf(stderr, "bench_rtt: --slices, --rounds and --capacity begin at 1, --capacity ends at 4194304\n");
        return 2;
    }
    if (!machine_read(&b.machine, cpus)) {
        return 1;
    }
    b.probe_rounds = b.rounds < 10000 ? b.rounds : 10000;
    crew_begin("bench_rtt");
    b.echo = echo_start(&b.machine, &setup);
    plan(&b, &setup);
    measure(&b);
    echo_stop(b.echo);
    if (json) {
        series_json(stdout, &b.machine, b.series, b.count);
    } else {
        print(&b);
    }
    return 0;
}
