/* SPDX-License-Identifier: MIT */
/*
 * What a send costs in a queue that is full and drops its oldest, relative to one with room, in one process: no other load, and no receiver that would move cache lines.
 * Slices of each kind in turns; reported are medians of the ratios to the slice with room next to them.
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

enum { ROUNDS_MAX = 1000, KINDS = 3 };

struct kind {
    const char *what;
    uint32_t overflow;
    uint64_t max_bytes;
    rp_queue *q;
    rp_producer *p;
    char name[CREW_NAME_MAX];
};

static void open_kind(struct kind *k, uint32_t capacity, uint32_t bytes) {
    struct rp_queue_options o;
    rp_queue_options_init(&o, sizeof o);
    o.capacity = capacity;
    o.message_bytes = bytes;
    o.max_groups = 1;
    o.max_participants = 4;
    o.overflow = k->overflow;
    o.max_bytes = k->max_bytes;
    crew_queue_name(k->name, k->what);
    crew_check(rp_queue_create(k->name, &o, &k->q), "rp_queue_create");
    crew_check(rp_producer_open(k->q, NULL, &k->p), "rp_producer_open");
}

/* -> ns per send */
static double send_many(const struct kind *k, const void *data, uint32_t bytes, uint64_t count) {
    uint64_t from = clock_ns();
    for (uint64_t i = 0; i < count; i++)
        crew_check(rp_send(k->p, data, bytes, NULL), k->what);
    crew_progress();
    return (double)(clock_ns() - from) / (double)count;
}

int main(int argc, char **argv) {
    uint64_t capacity = 65536, bytes = 64, rounds = 40;
    bool quick = false;
    const struct argument rows[] = {
        {.name = "capacity", .help = "messages (65536)", .number = &capacity},
        {.name = "bytes", .help = "of a message (64)", .number = &bytes},
        {.name = "rounds", .help = "how often (40)", .number = &rounds},
        {.name = "quick", .help = "5 rounds", .flag = &quick},
        {0},
    };
    arguments_read(argc, argv, "sends that drop the oldest, against sends with room", rows);
    rounds = quick ? 5 : rounds;
    if (rounds == 0 || rounds > ROUNDS_MAX || capacity < 2 || capacity > 4000000 || bytes == 0 || bytes > 65536) {
        fprintf(stderr, "bench_overflow: --rounds is 1 .. %d, --capacity 2 .. 4000000, --bytes 1 .. 65536\n", ROUNDS_MAX);
        return 2;
    }
    crew_begin("bench_overflow");
    struct kind kinds[KINDS] = {
        {.what = "room", .overflow = RP_OVERFLOW_REJECT},
        {.what = "drop", .overflow = RP_OVERFLOW_DROP_OLDEST},
        {.what = "drop-bytes", .overflow = RP_OVERFLOW_DROP_OLDEST, .max_bytes = capacity * bytes / 2},
    };
    static unsigned char data[65536];
    static double ns[KINDS][ROUNDS_MAX], ratio[KINDS][ROUNDS_MAX];
    uint64_t count = capacity / 2;
    for (int k = 0; k < KINDS; k++) {
        open_kind(&kinds[k], (uint32_t)capacity, (uint32_t)bytes);
        for (int i = 0; i < (k == 0 ? 1 : 4); i++)
            send_many(&kinds[k], data, (uint32_t)bytes, count);
    }
    for (uint64_t r = 0; r < rounds; r++)
        for (int k = 0; k < KINDS; k++) {
            if (k == 0)
                crew_check(rp_queue_purge(kinds[k].q, NULL, RP_STATE_ALL), "rp_queue_purge");
            ns[k][r] = send_many(&kinds[k], data, (uint32_t)bytes, count);
            ratio[k][r] = ns[k][r] / ns[0][r];
        }
    printf("%llu messages of %llu bytes, %llu rounds of %llu sends\n", (unsigned long long)capacity, (unsigned long long)bytes,
           (unsigned long long)rounds, (unsigned long long)count);
    const char *const texts[KINDS] = {"with room", "full, drop-oldest", "max_bytes reached, drop-oldest"};
    for (int k = 0; k < KINDS; k++) {
        double middle = quantile(ratio[k], rounds, 0.5), low = quantile(ratio[k], rounds, 0.1),
               high = quantile(ratio[k], rounds, 0.9);
        printf("  %-32s %7.1f ns a send, %.2f x (%.2f - %.2f)\n", texts[k], quantile(ns[k], rounds, 0.5), middle, low, high);
        rp_producer_close(kinds[k].p);
        crew_check(rp_queue_close(kinds[k].q), "rp_queue_close");
        crew_check(rp_queue_unlink(kinds[k].name), "rp_queue_unlink");
    }
    return 0;
}
