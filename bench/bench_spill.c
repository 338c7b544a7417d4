/* SPDX-License-Identifier: MIT */
/*
 * What a message costs that goes to the spill file and comes back, relative to one that memory has room for, in one process, one after the other: sent into the file until so many lie there,
 * then received and acked. Rounds of each kind in turns; reported are medians, and of the ratios to the round next to them.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "arguments.h"
#include "crew.h"
#include "series.h"

#include <ringpost/ringpost.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS_MAX = 1000, CAPACITY = 4096 };

struct side {
    rp_queue *q;
    rp_producer *p;
    rp_consumer *c;
    char name[CREW_NAME_MAX];
};

static void open_side(struct side *s, const char *what, const char *directory, uint32_t bytes, uint64_t most) {
    struct rp_queue_options o;
    rp_queue_options_init(&o, sizeof o);
    o.capacity = CAPACITY;
    o.message_bytes = bytes;
    o.max_groups = 1;
    o.max_participants = 4;
    o.overflow = directory ? RP_OVERFLOW_SPILL : RP_OVERFLOW_REJECT;
    o.spill_dir = directory;
    o.spill_max_bytes = directory ? most : 0;
    crew_queue_name(s->name, what);
    crew_check(rp_queue_create(s->name, &o, &s->q), "rp_queue_create");
    crew_check(rp_producer_open(s->q, NULL, &s->p), "rp_producer_open");
    crew_check(rp_consumer_open(s->q, NULL, &s->c), "rp_consumer_open");
}

static void close_side(struct side *s) {
    rp_producer_close(s->p);
    rp_consumer_close(s->c);
    crew_check(rp_queue_close(s->q), "rp_queue_close");
    crew_check(rp_queue_unlink(s->name), "rp_queue_unlink");
}

/* -> ns per message, in and out; the parts in *in and *out. */
static double run(const struct side *s, unsigned char *data, uint32_t bytes, uint64_t count, double *in, double *out) {
    uint64_t begin = clock_ns();
    for (uint64_t i = 0; i < count; i++) {
        memcpy(data, &i, sizeof i);
        crew_check(rp_send(s->p, data, bytes, NULL), "rp_send");
    }
    uint64_t middle = clock_ns();
    crew_progress();
    for (uint64_t i = 0; i < count; i++) {
        struct rp_message m;
        uint64_t number;
        crew_check(rp_receive(s->c, &m, 0), "rp_receive");
        memcpy(&number, m.data, sizeof number);
        if (number != i) {
            fprintf(stderr, "bench_spill: message %llu came as %llu\n", (unsigned long long)i, (unsigned long long)number);
            exit(1);
        }
        crew_check(rp_ack(s->c, &m), "rp_ack");
    }
    crew_progress();
    uint64_t end = clock_ns();
    *in = (double)(middle - begin) / (double)count;
    *out = (double)(end - middle) / (double)count;
    return *in + *out;
}

int main(int argc, char **argv) {
    uint64_t messages = 1000000, bytes = 128, rounds = 10;
    const char *directory = "/var/tmp";
    bool quick = false;
    const struct argument rows[] = {
        {.name = "messages", .help = "that lie in the file at once (1000000)", .number = &messages},
        {.name = "bytes", .help = "of a message (128)", .number = &bytes},
        {.name = "rounds", .help = "how often (10)", .number = &rounds},
        {.name = "directory", .help = "of the file (/var/tmp)", .text = &directory},
        {.name = "quick", .help = "100000 messages, 3 rounds", .flag = &quick},
        {0},
    };
    arguments_read(argc, argv, "messages that go to the spill file and come back, against messages in memory", rows);
    if (quick) {
        messages = 100000;
        rounds = 3;
    }
    if (rounds == 0 || rounds > ROUNDS_MAX || messages < CAPACITY || messages > 100000000 || bytes < 8 || bytes > 65536) {
        fprintf(stderr, "bench_spill: --rounds is 1 .. %d, --messages %d .. 100000000, --bytes 8 .. 65536\n", ROUNDS_MAX, CAPACITY);
        return 2;
    }
    crew_begin("bench_spill");
    struct side memory, file;
    static unsigned char data[65536];
    static double ns[2][ROUNDS_MAX], in[ROUNDS_MAX], out[ROUNDS_MAX], ratio[ROUNDS_MAX];
    open_side(&memory, "memory", NULL, (uint32_t)bytes, 0);
    open_side(&file, "file", directory, (uint32_t)bytes, 2 * messages * (bytes + 256));
    for (uint64_t r = 0; r < rounds; r++) {
        double sum = 0, unused[2];
        uint64_t parts = messages / CAPACITY;
        for (uint64_t i = 0; i < parts; i++)
            sum += run(&memory, data, (uint32_t)bytes, CAPACITY, &unused[0], &unused[1]);
        ns[0][r] = sum / (double)parts;
        ns[1][r] = run(&file, data, (uint32_t)bytes, messages, &in[r], &out[r]);
        ratio[r] = ns[1][r] / ns[0][r];
    }
    struct rp_spill_stats stats;
    crew_check(rp_spill_stats(file.q, &stats), "rp_spill_stats");
    double memory_ns = quantile(ns[0], rounds, 0.5), file_ns = quantile(ns[1], rounds, 0.5);
    printf("%llu messages of %llu bytes through %d places of memory, %llu rounds, file in %s; %llu went through the file\n",
           (unsigned long long)messages, (unsigned long long)bytes, (int)CAPACITY, (unsigned long long)rounds, directory,
           (unsigned long long)stats.spilled);
    printf("  in memory: send, receive, ack   %7.1f ns a message, %.2f million/s\n", memory_ns, 1e3 / memory_ns);
    printf("  spilled: the same               %7.1f ns a message, %.2f million/s (in %.1f ns, out %.1f ns)\n", file_ns,
           1e3 / file_ns, quantile(in, rounds, 0.5), quantile(out, rounds, 0.5));
    printf("  ratio                           %.2f x (%.2f - %.2f)\n", quantile(ratio, rounds, 0.5), quantile(ratio, rounds, 0.1),
           quantile(ratio, rounds, 0.9));
    close_side(&memory);
    close_side(&file);
    return 0;
}
