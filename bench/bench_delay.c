/* SPDX-License-Identifier: MIT */
/*
 * Very many delayed messages in one queue: how fast they are scheduled, and delivered when all of them are due. And how late one is while a receiver sleeps.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "arguments.h"
#include "crew.h"
#include "histogram.h"

#include <ringpost/ringpost.h>

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECOND UINT64_C(1000000000)

static uint64_t boot_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static uint64_t random_next(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

static rp_queue *create(const char *name, uint64_t capacity) {
    struct rp_queue_options o;
    rp_queue_options_init(&o, sizeof o);
    o.capacity = (uint32_t)capacity;
    o.message_bytes = 8;
    rp_queue *q;
    crew_check(rp_queue_create(name, &o, &q), "rp_queue_create");
    return q;
}

static void discard(const char *name, rp_queue *q) {
    crew_check(rp_queue_close(q), "rp_queue_close");
    crew_check(rp_queue_unlink(name), "rp_queue_unlink");
}

struct rates {
    double schedule, deliver; /* messages a second */
};

/* Schedules `count` messages, due at random times within a second, from 1 us for each of them on; when the last is due, receives and acks all. */
static struct rates fill_and_drain(const char *name, uint64_t count) {
    rp_queue *q = create(name, count);
    rp_producer *p;
    rp_consumer *c;
    crew_check(rp_producer_open(q, NULL, &p), "rp_producer_open");
    crew_check(rp_consumer_open(q, NULL, &c), "rp_consumer_open");
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    uint64_t random = 88172645463325252, begin = boot_ns(), first_due = begin + 5000 * count, last_due = first_due + SECOND;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t due = first_due + random_next(&random) % SECOND;
        o.delay_ns = due - boot_ns();
        crew_check(rp_send(p, &due, sizeof due, &o), "rp_send");
    }
    double scheduled = (double)(boot_ns() - begin) / 1e9;
    crew_progress();
    while (boot_ns() < last_due) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    uint64_t from = boot_ns();
    for (uint64_t i = 0; i < count; i++) {
        struct rp_message m;
        crew_check(rp_receive(c, &m, 1000000000), "rp_receive");
        uint64_t due;
        memcpy(&due, m.data, sizeof due);
        if (due > boot_ns()) {
            crew_fail("a message came early");
        }
        crew_check(rp_ack(c, &m), "rp_ack");
    }
    double delivered = (double)(boot_ns() - from) / 1e9;
    crew_progress();
    rp_producer_close(p);
    rp_consumer_close(c);
    discard(name, q);
    return (struct rates){(double)count / scheduled, (double)count / delivered};
}

struct lateness {
    const char *name;
    uint64_t samples;
    _Atomic uint64_t received;
    struct histogram late;
};

static void receiver(void *argument) {
    struct lateness *l = argument;
    rp_queue *q;
    rp_consumer *c;
    crew_check(rp_queue_open(l->name, NULL, &q), "rp_queue_open");
    crew_check(rp_consumer_open(q, NULL, &c), "rp_consumer_open");
    for (uint64_t i = 0; i < l->samples; i++) {
        struct rp_message m;
        crew_check(rp_receive(c, &m, -1), "rp_receive");
        uint64_t now = boot_ns(), due;
        memcpy(&due, m.data, sizeof due);
        if (now < due) {
            crew_fail("a message came early");
        }
        histogram_add(&l->late, now - due);
        crew_check(rp_ack(c, &m), "rp_ack");
        atomic_store(&l->received, i + 1);
    }
}

/* One message at a time, 0.2 to 10 ms ahead, to a receiver that sleeps. */
static void measure_lateness(const char *name, struct lateness *l) {
    rp_queue *q = create(name, 1024);
    rp_producer *p;
    crew_check(rp_producer_open(q, NULL, &p), "rp_producer_open");
    crew_fork(0, receiver, l);
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    uint64_t random = 88172645463325252;
    for (uint64_t i = 0; i < l->samples; i++) {
        o.delay_ns = 200000 + random_next(&random) % 9800000;
        uint64_t due = boot_ns() + o.delay_ns;
        crew_check(rp_send(p, &due, sizeof due, &o), "rp_send");
        while (atomic_load(&l->received) <= i) {
            nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
        }
        crew_progress();
    }
    crew_join();
    rp_producer_close(p);
    discard(name, q);
}

int main(int argc, char **argv) {
    uint64_t messages = 1000000, samples = 1000;
    bool quick = false, json = false;
    const struct argument rows[] = {
        {.name = "messages", .help = "delayed at once (1000000)", .number = &messages},
        {.name = "samples", .help = "of lateness (1000)", .number = &samples},
        {.name = "quick", .help = "100000 messages, 200 samples", .flag = &quick},
        {.name = "json", .help = "print JSON", .flag = &json},
        {0},
    };
    arguments_read(argc, argv, "rates of scheduling and delivering delayed messages, and how late they are", rows);
    messages = quick ? 100000 : messages;
    samples = quick ? 200 : samples;
    if (messages == 0 || messages > 4000000 || samples == 0 || samples > 1000000) {
        fprintf(stderr, "bench_delay: --messages is 1 .. 4000000, --samples 1 .. 1000000\n");
        return 2;
    }
    crew_begin("bench_delay");
    char name[CREW_NAME_MAX];
    crew_queue_name(name, "delay");
    struct lateness *l = crew_share(sizeof *l);
    l->name = name;
    l->samples = samples;
    struct rates r = fill_and_drain(name, messages);
    measure_lateness(name, l);
    double p50 = histogram_quantile(&l->late, 0.5, 1) / 1e3, p99 = histogram_quantile(&l->late, 0.99, 1) / 1e3;
    if (json) {
        printf(
            "{\n  \"results\": [\n    {\"peer\": \"ringpost\", \"test\": \"delay\", \"messages\": %llu, \"schedule_per_s\": %.0f, "
            "\"deliver_per_s\": %.0f, \"samples\": %llu, \"late_p50_us\": %.1f, \"late_p99_us\": %.1f}\n  ]\n}\n",
            (unsigned long long)messages, r.schedule, r.deliver, (unsigned long long)samples, p50, p99);
        return 0;
    }
    printf("%llu delayed messages: scheduled %.2f M/s, delivered (received and acked) when all are due %.2f M/s\n",
           (unsigned long long)messages, r.schedule / 1e6, r.deliver / 1e6);
    printf("late while a receiver sleeps, %llu messages: %.0f us in the middle, %.0f us at p99\n", (unsigned long long)samples, p50,
           p99);
    return 0;
}
