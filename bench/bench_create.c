/* SPDX-License-Identifier: MIT */
/*
 * How long it takes to create a queue with all its pages, against the bare price of that many pages, and what a message costs in memory.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "arguments.h"
#include "crew.h"
#include "series.h"

#include <ringpost/ringpost.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { RUNS_MAX = 1000 };

struct sizes {
    uint64_t segment_bytes, cells, overhead_bytes_per_message;
};

static struct rp_queue_options options(uint64_t capacity, uint64_t bytes, bool prefault) {
    struct rp_queue_options o;
    rp_queue_options_init(&o, sizeof o);
    if (capacity != 0) {
        o.capacity = (uint32_t)capacity;
        o.message_bytes = (uint32_t)bytes;
    }
    o.prefault = prefault;
    return o;
}

/* Creates the queue, reads its sizes, removes it. -> ms of rp_queue_create. */
static double create_once(const char *name, const struct rp_queue_options *o, struct sizes *sizes) {
    rp_queue *q;
    uint64_t from = clock_ns();
    crew_check(rp_queue_create(name, o, &q), "rp_queue_create");
    double ms = (double)(clock_ns() - from) / 1e6;
    struct rp_queue_stats stats;
    crew_check(rp_queue_stats(q, &stats), "rp_queue_stats");
    *sizes = (struct sizes){stats.segment_bytes, stats.cells, stats.overhead_bytes_per_message};
    crew_check(rp_queue_close(q), "rp_queue_close");
    crew_check(rp_queue_unlink(name), "rp_queue_unlink");
    crew_progress();
    return ms;
}

/* The floor: as many bytes of tmpfs, reserved, mapped and with every page present. -> ms */
static double pages_once(uint64_t bytes) {
    uint64_t from = clock_ns();
    int fd = memfd_create("ringpost-bench", MFD_CLOEXEC);
    if (fd < 0 || fallocate(fd, 0, 0, (off_t)bytes) != 0) {
        crew_fail("no %llu bytes of shared memory: %s", (unsigned long long)bytes, strerror(errno));
    }
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    double ms = (double)(clock_ns() - from) / 1e6;
    if (p == MAP_FAILED) {
        crew_fail("mmap: %s", strerror(errno));
    }
    munmap(p, bytes);
    close(fd);
    return ms;
}

static void print_memory(const struct rp_queue_options *o, const struct sizes *sizes, const char *which) {
    printf("  %-10s %8u x %u bytes: segment %.2f MiB, %llu bytes of overhead per message\n", which, o->capacity, o->message_bytes,
           (double)sizes->segment_bytes / (1 << 20), (unsigned long long)sizes->overhead_bytes_per_message);
}

int main(int argc, char **argv) {
    uint64_t capacity = 65536, bytes = 256, runs = 20;
    bool no_prefault = false, quick = false, json = false;
    const struct argument rows[] = {
        {.name = "capacity", .help = "messages (65536)", .number = &capacity},
        {.name = "bytes", .help = "of a message (256)", .number = &bytes},
        {.name = "runs", .help = "how often (20)", .number = &runs},
        {.name = "no-prefault", .help = "without touching the pages", .flag = &no_prefault},
        {.name = "quick", .help = "5 runs", .flag = &quick},
        {.name = "json", .help = "print JSON", .flag = &json},
        {0},
    };
    arguments_read(argc, argv, "time to create a queue, and its memory per message", rows);
    runs = quick ? 5 : runs;
    if (runs == 0 || runs > RUNS_MAX || capacity == 0 || capacity > UINT32_MAX || bytes == 0 || bytes > UINT32_MAX) {
        fprintf(stderr, "bench_create: --runs is 1 .. %d, --capacity and --bytes begin at 1\n", RUNS_MAX);
        return 2;
    }
    crew_begin("bench_create");
    char name[CREW_NAME_MAX];
    crew_queue_name(name, "create");

    static double create_ms[RUNS_MAX], pages_ms[RUNS_MAX], ratios[RUNS_MAX];
    struct rp_queue_options o = options(capacity, bytes, !no_prefault), usual = options(0, 0, true);
    struct sizes sizes, usual_sizes;
    create_once(name, &usual, &usual_sizes);
    create_once(name, &o, &sizes);
    for (uint64_t i = 0; i < runs; i++) {
        pages_ms[i] = pages_once(sizes.segment_bytes);
        create_ms[i] = create_once(name, &o, &sizes);
        ratios[i] = create_ms[i] / pages_ms[i];
    }
    double create = quantile(create_ms, runs, 0.5), pages = quantile(pages_ms, runs, 0.5), ratio = quantile(ratios, runs, 0.5);
    if (json) {
        printf("{\n  \"results\": [\n    {\"peer\": \"ringpost\", \"test\": \"create\", \"capacity\": %llu, \"bytes\": %llu, "
               "\"prefault\": %s, "
               "\"runs\": %llu, \"ms\": %.3f, \"ms_low\": %.3f, \"ms_high\": %.3f, \"pages_ms\": %.3f, \"ratio\": %.2f, "
               "\"segment_bytes\": %llu, \"overhead_bytes_per_message\": %llu}\n  ]\n}\n",
               (unsigned long long)capacity, (unsigned long long)bytes, no_prefault ? "false" : "true", (unsigned long long)runs,
               create, create_ms[0], create_ms[runs - 1], pages, ratio, (unsigned long long)sizes.segment_bytes,
               (unsigned long long)sizes.overhead_bytes_per_message);
        return 0;
    }
    printf("creating a queue of %llu messages of %llu bytes%s: %.1f ms (%.1f - %.1f, %llu runs), %.2f x the bare pages (%.1f ms)\n",
           (unsigned long long)capacity, (unsigned long long)bytes, no_prefault ? ", no prefault" : ", every page touched", create,
           create_ms[0], create_ms[runs - 1], (unsigned long long)runs, ratio, pages);
    print_memory(&usual, &usual_sizes, "defaults");
    print_memory(&o, &sizes, "this one");
    return 0;
}
