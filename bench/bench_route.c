/* SPDX-License-Identifier: MIT */
/*
 * What publishing by topic costs: a publish to 8 queues against eight sends to them, and the look-up among 10,000 bindings against a round trip of the bare cache line. In slices that take turns;
 * reported are medians of the ratios of slices that are next to each other.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "arguments.h"
#include "bounce.h"
#include "crew.h"
#include "series.h"

#include <ringpost/ringpost.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUEUES = 8, SLICES_MAX = 2000, ROUNDS = 256, LOOKUPS = 4096, PROBE_ROUNDS = 20000, TOPICS = 64 };

static struct {
    rp_queue *queues[QUEUES];
    rp_producer *producers[QUEUES];
    rp_consumer *consumers[QUEUES];
    rp_exchange *few, *many; /* 8 bindings, of which each matches; 10,000, of which none or one does */
    rp_publisher *to_all, *to_none, *to_one;
    char exchanges[2][CREW_NAME_MAX];
} b;

static double sends[SLICES_MAX], publishes[SLICES_MAX], lookups[SLICES_MAX], one_of[SLICES_MAX], bare[SLICES_MAX],
    ratio[SLICES_MAX], lookup_ratio[SLICES_MAX];
static double publish_one_ratio[SLICES_MAX];

static void remove_exchanges(void) {
    for (int i = 0; i < 2; i++)
        if (b.exchanges[i][0])
            (void)rp_exchange_unlink(b.exchanges[i]);
}

static void open_all(uint32_t bytes, uint32_t bindings) {
    struct rp_queue_options o;
    struct rp_exchange_options xo;
    char name[CREW_NAME_MAX], which[16], pattern[64];
    rp_queue_options_init(&o, sizeof o);
    rp_exchange_options_init(&xo, sizeof xo);
    o.capacity = 2 * ROUNDS;
    o.message_bytes = bytes;
    xo.max_bindings = bindings + QUEUES;
    atexit(remove_exchanges);
    for (int i = 0; i < 2; i++) {
        snprintf(which, sizeof which, "x%d", i);
        crew_queue_name(b.exchanges[i], which);
        crew_check(rp_exchange_create(b.exchanges[i], &xo, i == 0 ? &b.few : &b.many), "rp_exchange_create");
    }
    for (int i = 0; i < QUEUES; i++) {
        snprintf(which, sizeof which, "q%d", i);
        crew_queue_name(name, which);
        crew_check(rp_queue_create(name, &o, &b.queues[i]), "rp_queue_create");
        crew_check(rp_producer_open(b.queues[i], NULL, &b.producers[i]), "rp_producer_open");
        crew_check(rp_consumer_open(b.queues[i], NULL, &b.consumers[i]), "rp_consumer_open");
        crew_check(rp_exchange_bind(b.few, i % 2 ? "orders.#" : "orders.eu.*", name, NULL), "rp_exchange_bind");
        for (uint32_t n = (uint32_t)i; n < bindings; n += QUEUES) {
            snprintf(pattern, sizeof pattern,
                     n % 100 == 0  ? "plant%u.#.line%u.%u"
                     : n % 10 == 0 ? "plant%u.*.line%u.%u"
                                   : "plant%u.floor.line%u.%u",
                     n / 1000, n / 10 % 100, n % 10);
            crew_check(rp_exchange_bind(b.many, pattern, name, NULL), "rp_exchange_bind");
        }
        crew_progress();
    }
    crew_check(rp_publisher_open(b.few, NULL, &b.to_all), "rp_publisher_open");
    crew_check(rp_publisher_open(b.many, NULL, &b.to_none), "rp_publisher_open");
    crew_check(rp_publisher_open(b.many, NULL, &b.to_one), "rp_publisher_open");
}

static void drain(void) {
    for (int i = 0; i < QUEUES; i++)
        crew_check(rp_queue_purge(b.queues[i], NULL, RP_STATE_ALL), "rp_queue_purge");
    crew_progress();
}

/* -> ns for all 8 */
static double slice_sends(const void *data, size_t bytes) {
    uint64_t from = clock_ns();
    for (int n = 0; n < ROUNDS; n++)
        for (int i = 0; i < QUEUES; i++)
            crew_check(rp_send(b.producers[i], data, bytes, NULL), "rp_send");
    double ns = (double)(clock_ns() - from) / ROUNDS;
    drain();
    return ns;
}

static double slice_publishes(const void *data, size_t bytes) {
    uint64_t from = clock_ns();
    for (int n = 0; n < ROUNDS; n++)
        if (crew_check(rp_publish(b.to_all, "orders.eu.new", data, bytes, NULL), "rp_publish") != QUEUES)
            crew_fail("not every queue got it");
    double ns = (double)(clock_ns() - from) / ROUNDS;
    drain();
    return ns;
}

/* Topics like those that are bound, all of them different, that no pattern matches: the look-up and nothing else. */
static double slice_lookups(char topics[TOPICS][64], rp_publisher *p, int expected, int count) {
    uint64_t from = clock_ns();
    for (int n = 0; n < count; n++)
        if (crew_check(rp_publish(p, topics[n % TOPICS], "12345678", 8, NULL), "rp_publish") != expected)
            crew_fail("topic %s: not for %d queues", topics[n % TOPICS], expected);
    double ns = (double)(clock_ns() - from) / count;
    if (expected > 0)
        drain();
    return ns;
}

static struct bounce_line *line;
static uint64_t probes;

static void serve(void *argument) {
    for (uint64_t i = 0; i < *(uint64_t *)argument; i++)
        bounce_serve(line, 2 * i * PROBE_ROUNDS, PROBE_ROUNDS);
}

int main(int argc, char **argv) {
    uint64_t slices = 200, bytes = 64, bindings = 10000;
    bool quick = false;
    const struct argument rows[] = {
        {.name = "slices", .help = "of 256 publishes each (200)", .number = &slices},
        {.name = "bytes", .help = "of a message (64)", .number = &bytes},
        {.name = "bindings", .help = "how many the look-up goes through (10000)", .number = &bindings},
        {.name = "quick", .help = "20 slices", .flag = &quick},
        {0},
    };
    arguments_read(argc, argv, "publishing by topic, against sends and the bare cache line", rows);
    slices = quick ? 20 : slices;
    if (slices == 0 || slices > SLICES_MAX || bytes == 0 || bytes > 65536 || bindings < 8 || bindings > 100000) {
        fprintf(stderr, "bench_route: --slices is 1 .. %d, --bytes 1 .. 65536, --bindings 8 .. 100000\n", SLICES_MAX);
        return 2;
    }
    crew_begin("bench_route");
    static struct machine machine;
    static unsigned char data[65536];
    static char hits[TOPICS][64], misses[TOPICS][64];
    if (!machine_read(&machine, NULL))
        return 1;
    line = crew_share(sizeof *line);
    crew_fork(machine.cpus[1], serve, &slices);
    machine_pin(machine.cpus[0]);
    open_all((uint32_t)bytes, (uint32_t)bindings);
    for (unsigned i = 0; i < TOPICS; i++) {
        unsigned n = (unsigned)(i * 7919 % bindings);
        snprintf(hits[i], sizeof hits[i], "plant%u.floor.line%u.%u", n / 1000, n / 10 % 100, n % 10);
        snprintf(misses[i], sizeof misses[i], "plant%u.floor.line%u.no%u", n / 1000, n / 10 % 100, n % 10);
    }
    for (uint64_t i = 0; i < slices; i++, probes++) {
        bare[i] = bounce_measure(line, 2 * i * PROBE_ROUNDS, PROBE_ROUNDS, &machine).p50_ns;
        lookups[i] = slice_lookups(misses, b.to_none, 0, LOOKUPS);
        one_of[i] = slice_lookups(hits, b.to_one, 1, ROUNDS);
        sends[i] = slice_sends(data, bytes);
        publishes[i] = slice_publishes(data, bytes);
        ratio[i] = publishes[i] / sends[i];
        lookup_ratio[i] = lookups[i] / bare[i];
        publish_one_ratio[i] = one_of[i] / (sends[i] / QUEUES);
        crew_progress();
    }
    crew_join();
    double low = quantile(ratio, slices, 0.1), high = quantile(ratio, slices, 0.9);
    double lookup_low = quantile(lookup_ratio, slices, 0.1), lookup_high = quantile(lookup_ratio, slices, 0.9);
    printf("%d sends of %llu bytes %.0f ns; a publish to the same %d queues %.0f ns: %.2f x (%.2f - %.2f, %llu slices)\n", QUEUES,
           (unsigned long long)bytes, quantile(sends, slices, 0.5), QUEUES, quantile(publishes, slices, 0.5),
           quantile(ratio, slices, 0.5), low, high, (unsigned long long)slices);
    printf("a topic that none of %llu bindings matches: %.0f ns, bare round trip %.0f ns: %.2f x (%.2f - %.2f)\n",
           (unsigned long long)bindings, quantile(lookups, slices, 0.5), quantile(bare, slices, 0.5),
           quantile(lookup_ratio, slices, 0.5), lookup_low, lookup_high);
    printf("a publish to the one queue that one of them binds, 8 bytes: %.0f ns, %.2f x one send\n", quantile(one_of, slices, 0.5),
           quantile(publish_one_ratio, slices, 0.5));
    rp_publisher_close(b.to_all);
    rp_publisher_close(b.to_none);
    rp_publisher_close(b.to_one);
    crew_check(rp_exchange_close(b.few), "rp_exchange_close");
    crew_check(rp_exchange_close(b.many), "rp_exchange_close");
    for (int i = 0; i < QUEUES; i++) {
        rp_producer_close(b.producers[i]);
        rp_consumer_close(b.consumers[i]);
        char name[CREW_NAME_MAX];
        snprintf(name, sizeof name, "%s", rp_queue_name(b.queues[i]));
        crew_check(rp_queue_close(b.queues[i]), "rp_queue_close");
        crew_check(rp_queue_unlink(name), "rp_queue_unlink");
    }
    return 0;
}
