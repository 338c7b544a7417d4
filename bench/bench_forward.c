/* SPDX-License-Identifier: MIT */
/*
 * Forwarding against plain traffic, in one process, in turns. Plain: send, receive and ack in one queue. Forward: receive from there, and rp_forward, that is a send under an id into another
 * queue, which has been full of ids for long, and the ack. What fills the one and drains the other queue is outside of the time. Then the same with rp_seen: receive, rp_seen, ack.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "arguments.h"
#include "crew.h"
#include "series.h"

#include <ringpost/ringpost.h>

#include <stdio.h>
#include <string.h>

enum { ROUNDS_MAX = 1000, BURST = 256, BURSTS = 16 };

struct queue {
    char name[CREW_NAME_MAX];
    rp_queue *q;
    rp_producer *p;
    rp_consumer *c;
};
static struct queue from, to;
static unsigned char body[65536];

static void open_queue(struct queue *x, const char *which, uint32_t bytes) {
    struct rp_queue_options o;
    rp_queue_options_init(&o, sizeof o);
    o.capacity = 2 * BURST;
    o.message_bytes = bytes;
    o.dedup_window_ns = UINT64_C(3600) * 1000000000;
    o.dedup_entries = 16 * BURST;
    crew_queue_name(x->name, which);
    crew_check(rp_queue_create(x->name, &o, &x->q), "rp_queue_create");
    crew_check(rp_producer_open(x->q, NULL, &x->p), "rp_producer_open");
    crew_check(rp_consumer_open(x->q, NULL, &x->c), "rp_consumer_open");
}
static void close_queue(struct queue *x) {
    rp_producer_close(x->p);
    rp_consumer_close(x->c);
    crew_check(rp_queue_close(x->q), "rp_queue_close");
    crew_check(rp_queue_unlink(x->name), "rp_queue_unlink");
}

static void fill(struct queue *x, uint32_t bytes) {
    for (int i = 0; i < BURST; i++)
        crew_check(rp_send(x->p, body, bytes, NULL), "rp_send");
}
static void receive(struct queue *x, struct rp_message *m, uint32_t bytes) {
    crew_check(rp_receive(x->c, m, 0), "rp_receive");
    if (m->bytes != bytes || memcmp(m->data, body, bytes) != 0)
        crew_fail("received something else");
}
static void drain(struct queue *x, uint32_t bytes) {
    for (int i = 0; i < BURST; i++) {
        struct rp_message m;
        receive(x, &m, bytes);
        crew_check(rp_ack(x->c, &m), "rp_ack");
    }
}

/* -> ns per message */
static double plain(uint32_t bytes) {
    uint64_t begin = clock_ns();
    for (int burst = 0; burst < BURSTS; burst++) {
        fill(&from, bytes);
        drain(&from, bytes);
    }
    crew_progress();
    return (double)(clock_ns() - begin) / (BURST * BURSTS);
}
static double forward(uint32_t bytes) {
    uint64_t ns = 0;
    for (int burst = 0; burst < BURSTS; burst++) {
        fill(&from, bytes);
        uint64_t begin = clock_ns();
        for (int i = 0; i < BURST; i++) {
            struct rp_message m;
            receive(&from, &m, bytes);
            if (rp_forward(from.c, &m, to.p, m.data, m.bytes, NULL) != 0)
                crew_fail("rp_forward: %s", rp_error_detail());
        }
        ns += clock_ns() - begin;
        drain(&to, bytes);
    }
    crew_progress();
    return (double)ns / (BURST * BURSTS);
}
static double seen(uint32_t bytes, bool with) {
    uint64_t ns = 0;
    for (int burst = 0; burst < BURSTS; burst++) {
        fill(&from, bytes);
        uint64_t begin = clock_ns();
        for (int i = 0; i < BURST; i++) {
            struct rp_message m;
            receive(&from, &m, bytes);
            if (with)
                crew_check(rp_seen(from.c, &m, NULL, 0), "rp_seen");
            crew_check(rp_ack(from.c, &m), "rp_ack");
        }
        ns += clock_ns() - begin;
    }
    crew_progress();
    return (double)ns / (BURST * BURSTS);
}

static void show(const char *what, double *values, uint64_t count, const char *unit) {
    printf("  %-42s %8.2f %s (%.2f - %.2f)\n", what, quantile(values, count, 0.5), unit, quantile(values, count, 0.1),
           quantile(values, count, 0.9));
}

int main(int argc, char **argv) {
    uint64_t bytes = 64, rounds = 100;
    bool quick = false, json = false;
    const struct argument rows[] = {
        {.name = "bytes", .help = "of a message (64)", .number = &bytes},
        {.name = "rounds", .help = "how often (100)", .number = &rounds},
        {.name = "quick", .help = "10 rounds", .flag = &quick},
        {.name = "json", .help = "print JSON", .flag = &json},
        {0},
    };
    arguments_read(argc, argv, "forwarding to another queue exactly once, against plain traffic", rows);
    rounds = quick ? 10 : rounds;
    if (rounds == 0 || rounds > ROUNDS_MAX || bytes == 0 || bytes > sizeof body) {
        fprintf(stderr, "bench_forward: --rounds is 1 .. %d, --bytes 1 .. 65536\n", ROUNDS_MAX);
        return 2;
    }
    crew_begin("bench_forward");
    memset(body, 'x', bytes);
    open_queue(&from, "from", (uint32_t)bytes);
    open_queue(&to, "to", (uint32_t)bytes);
    static double of_plain[ROUNDS_MAX], of_forward[ROUNDS_MAX], share[ROUNDS_MAX], without[ROUNDS_MAX], added[ROUNDS_MAX];
    forward((uint32_t)bytes); /* as many ids as the queues keep */
    seen((uint32_t)bytes, true);
    for (uint64_t r = 0; r < rounds; r++) {
        of_plain[r] = plain((uint32_t)bytes);
        of_forward[r] = forward((uint32_t)bytes);
        share[r] = 100 * of_plain[r] / of_forward[r];
        without[r] = seen((uint32_t)bytes, false);
        added[r] = seen((uint32_t)bytes, true) - without[r];
    }
    close_queue(&from);
    close_queue(&to);
    if (json) {
        printf("{\n  \"results\": [\n    {\"peer\": \"ringpost\", \"test\": \"forward\", \"bytes\": %llu, \"rounds\": %llu, "
               "\"plain_ns\": %.1f, \"forward_ns\": %.1f, \"share_percent\": %.1f, \"seen_adds_ns\": %.1f}\n  ]\n}\n",
               (unsigned long long)bytes, (unsigned long long)rounds, quantile(of_plain, rounds, 0.5),
               quantile(of_forward, rounds, 0.5), quantile(share, rounds, 0.5), quantile(added, rounds, 0.5));
        return 0;
    }
    printf("%llu bytes, %llu rounds; median (10 %% - 90 %%)\n", (unsigned long long)bytes, (unsigned long long)rounds);
    show("send, receive, ack", of_plain, rounds, "ns");
    show("receive, forward", of_forward, rounds, "ns");
    show("forwarded, of what goes plainly", share, rounds, "%");
    show("receive, ack", without, rounds, "ns");
    show("what rp_seen adds", added, rounds, "ns");
    return 0;
}
