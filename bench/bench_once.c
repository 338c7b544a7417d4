/* SPDX-License-Identifier: MIT */
/*
 * What an id, or a producer's sequence, adds to a send: sends with and without, in turns, in one process (each is then received and acked, outside of the time), in queues that remember their ids and have
 * been full of them for long, so that each new one takes an old one's place. Given as ratios to the bare round trip of a cache line measured next to it.
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
#include <string.h>

enum { ROUNDS_MAX = 1000, BURST = 256, BURSTS = 16, BARE_ROUNDS = 20000 };

static struct queue {
    char name[CREW_NAME_MAX];
    rp_queue *q;
    rp_producer *p;
    rp_consumer *c;
    uint64_t sequence;
} queue;

enum how { PLAIN, WITH_ID, WITH_SEQUENCE };

static void open_queue(uint32_t bytes) {
    struct rp_queue_options o;
    rp_queue_options_init(&o, sizeof o);
    o.capacity = 2 * BURST;
    o.message_bytes = bytes;
    o.dedup_window_ns = UINT64_C(3600) * 1000000000;
    o.dedup_entries = 16 * BURST;
    crew_queue_name(queue.name, "ids");
    crew_check(rp_queue_create(queue.name, &o, &queue.q), "rp_queue_create");
    struct rp_producer_options producer;
    rp_producer_options_init(&producer, sizeof producer);
    producer.id = "bench";
    producer.id_bytes = 5;
    crew_check(rp_producer_open(queue.q, &producer, &queue.p), "rp_producer_open");
    crew_check(rp_consumer_open(queue.q, NULL, &queue.c), "rp_consumer_open");
}

/* An id as applications have them: 16 bytes. -> ns per send */
static double send_bursts(uint32_t bytes, enum how how) {
    static unsigned char data[65536];
    static uint64_t id[2];
    struct rp_send_options o;
    uint64_t ns = 0;
    rp_send_options_init(&o, sizeof o);
    o.dedup_id = how == WITH_ID ? id : NULL;
    o.dedup_id_bytes = how == WITH_ID ? sizeof id : 0;
    for (int burst = 0; burst < BURSTS; burst++) {
        uint64_t from = clock_ns();
        for (int i = 0; i < BURST; i++) {
            id[0]++;
            o.sequence = how == WITH_SEQUENCE ? ++queue.sequence : 0;
            crew_check(rp_send(queue.p, data, bytes, &o), "rp_send");
        }
        ns += clock_ns() - from;
        for (int i = 0; i < BURST; i++) {
            struct rp_message m;
            crew_check(rp_receive(queue.c, &m, 0), "rp_receive");
            crew_check(rp_ack(queue.c, &m), "rp_ack");
        }
    }
    crew_progress();
    return (double)ns / (BURST * BURSTS);
}

static void serve(void *line) { bounce_serve(line, 0, BARE_ROUNDS); }

static double bare_ns(const struct machine *m) {
    static struct bounce_line *line;
    if (line == NULL)
        line = crew_share(sizeof *line);
    atomic_store(&line->turn, 0);
    crew_fork(m->cpus[1], serve, line);
    double ns = bounce_measure(line, 0, BARE_ROUNDS, m).p50_ns;
    crew_join();
    return ns;
}

static void show(const char *what, double *values, uint64_t count, const char *unit) {
    printf("  %-34s %8.2f %s (%.2f - %.2f)\n", what, quantile(values, count, 0.5), unit, quantile(values, count, 0.1),
           quantile(values, count, 0.9));
}

int main(int argc, char **argv) {
    uint64_t bytes = 64, rounds = 40;
    bool quick = false;
    const char *cpus = NULL;
    const struct argument rows[] = {
        {.name = "bytes", .help = "of a message (64)", .number = &bytes},
        {.name = "rounds", .help = "how often (40)", .number = &rounds},
        {.name = "cpus", .help = "two processors, such as 0,1 (the first two)", .text = &cpus},
        {.name = "quick", .help = "5 rounds", .flag = &quick},
        {0},
    };
    arguments_read(argc, argv, "what an id for deduplication, or a sequence, adds to a send", rows);
    rounds = quick ? 5 : rounds;
    struct machine m;
    if (rounds == 0 || rounds > ROUNDS_MAX || bytes == 0 || bytes > 65536) {
        fprintf(stderr, "bench_once: --rounds is 1 .. %d, --bytes 1 .. 65536\n", ROUNDS_MAX);
        return 2;
    }
    crew_begin("bench_once");
    if (!machine_read(&m, cpus) || !machine_pin(m.cpus[0]))
        return 1;
    open_queue((uint32_t)bytes);
    static double plain[ROUNDS_MAX], once[ROUNDS_MAX], bare[ROUNDS_MAX], added[ROUNDS_MAX], ratio[ROUNDS_MAX];
    static double numbered[ROUNDS_MAX], numbered_added[ROUNDS_MAX], numbered_ratio[ROUNDS_MAX];
    send_bursts((uint32_t)bytes, WITH_ID); /* 16 times as many as the queue remembers come before the first that counts */
    for (uint64_t r = 0; r < rounds; r++) {
        bare[r] = bare_ns(&m);
        plain[r] = send_bursts((uint32_t)bytes, PLAIN);
        once[r] = send_bursts((uint32_t)bytes, WITH_ID);
        numbered[r] = send_bursts((uint32_t)bytes, WITH_SEQUENCE);
        numbered_added[r] = numbered[r] - plain[r];
        numbered_ratio[r] = numbered[r] / plain[r];
        added[r] = once[r] - plain[r];
        ratio[r] = added[r] / bare[r];
    }
    printf("%llu bytes, ids of 16 bytes, %llu rounds; median (10 %% - 90 %%)\n", (unsigned long long)bytes,
           (unsigned long long)rounds);
    show("bare round trip", bare, rounds, "ns");
    show("send", plain, rounds, "ns");
    show("send with an id", once, rounds, "ns");
    show("what the id adds", added, rounds, "ns");
    show("what the id adds, in round trips", ratio, rounds, "x");
    show("send with a sequence", numbered, rounds, "ns");
    show("what the sequence adds", numbered_added, rounds, "ns");
    show("send with a sequence, in sends", numbered_ratio, rounds, "x");
    rp_producer_close(queue.p);
    rp_consumer_close(queue.c);
    crew_check(rp_queue_close(queue.q), "rp_queue_close");
    crew_check(rp_queue_unlink(queue.name), "rp_queue_unlink");
    return 0;
}
