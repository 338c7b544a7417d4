/* SPDX-License-Identifier: MIT */
/*
 * fuzz_segment: everything that a process can do with a queue, done on a damaged copy of a valid segment, damaged before it is opened, between the
 * calls, and between any two accesses of a call. Each call must end within its steps, with a result that its header names, and what
 * it shows must lie where it may. Another queue of the same process must not notice.
 */
#include "found.h"
#include "mutate.h"
#include "program.h"
#include "steps.h"
#include "use.h"
#include "world.h"

#include <stdio.h>
#include <string.h>

static void fuzz_run(const uint8_t *data, size_t size) {
    struct reader r = {data, data + size};
    struct base *b = program_load(&r);
    program_run(&r, b);
    world_layout_known = true;
    use_healthy();
}

/* ---- inputs of their own ---- */

/* One of everything, for inputs whose damage is what counts. */
static const uint8_t tour[] = {
    20, 19,                         /* audit, stats and participants */
    15, 0x2e, 16, 5,                /* peek, dead peek */
    0,  9,    8,  0,    0,    4, 0, /* receive, send, receive twice, ack */
    6,  0,    7,  0,    7,    0,    /* nack, receive, reject */
    1,  8,    0,  3,                /* receive, extend */
    12, 8,    13, 0,    11,   3, 3, /* loan, commit, send a batch */
    3,  3,    4,  0,    4,    1,    /* receive a batch, ack two */
    26, 40,   40, 21,               /* time passes, sweep */
    22, 3,    4,  0,                /* wait for one */
    17, 0,    2,  17,   1,          /* redrive, receive, purge dead */
    25, 1,    19, 15,   0xae,       /* an observer looks */
    24, 4,    0,  4,    0,          /* again as the second group */
    18, 0xc4, 18, 0xc1,             /* the second group goes, a third comes */
    9,  0,    0,  18,   0xc5,       /* send, receive, and the third goes */
    18, 14,   21, 20,               /* purge, sweep, audit */
};

static size_t with_tour(uint8_t *data, const uint8_t *head, size_t bytes) {
    memcpy(data, head, bytes);
    memcpy(data + bytes, tour, sizeof tour);
    return bytes + sizeof tour;
}

/* Every bit of these, with all others dead, or alive. */
static const uint8_t flipped[] = {BASE_SMALL, BASE_STATES};

static uint64_t flipped_count(void) { return 8 * (bases[BASE_SMALL].bytes + bases[BASE_STATES].bytes); }

static size_t flipped_make(uint64_t n, uint8_t *data) {
    unsigned i = n >= 8 * bases[flipped[0]].bytes;
    n -= i * 8 * bases[flipped[0]].bytes;
    uint8_t others = (uint8_t)(n / 64 % 2 ? 0x3f : 0);
    const uint8_t head[] = {flipped[i], others, 1, 0, MUTATE_BIT, (uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16), 0, 0};
    return with_tour(data, head, sizeof head);
}

/* At every page of every base, and beside it. */
static uint64_t truncated_count(void) {
    uint64_t count = 0;
    for (unsigned i = 0; i < BASES; i++)
        count += bases[i].bytes / 4096 * 4;
    return count;
}

static size_t truncated_make(uint64_t n, uint8_t *data) {
    static const uint32_t beside[] = {0, 1, 100, 4095};
    uint8_t base = 0;
    for (; n >= bases[base].bytes / 4096 * 4; base++)
        n -= bases[base].bytes / 4096 * 4;
    uint32_t bytes = (uint32_t)(n / 4) * 4096 + beside[n % 4];
    const uint8_t head[] = {base, 0, TRUNCATE, 0, (uint8_t)bytes, (uint8_t)(bytes >> 8), (uint8_t)(bytes >> 16), 0, 1};
    return with_tour(data, head, sizeof head);
}

static uint64_t unharmed_count(void) { return 2 * BASES; }

static size_t unharmed_make(uint64_t n, uint8_t *data) {
    const uint8_t head[] = {(uint8_t)(n / 2), n % 2 ? 0x3f : 0, 0, 0, 0, 1};
    return with_tour(data, head, sizeof head);
}

static const struct {
    uint64_t (*count)(void);
    size_t (*make)(uint64_t n, uint8_t *data);
} kinds[] = {
    {found_count, found_make}, {unharmed_count, unharmed_make}, {truncated_count, truncated_make}, {flipped_count, flipped_make}};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

static uint64_t fuzz_special_count(void) {
    uint64_t count = 0;
    for (unsigned k = 0; k < KINDS; k++)
        count += kinds[k].count();
    return count;
}

static size_t fuzz_special(uint64_t n, uint8_t *data) {
    unsigned k = 0;
    for (; n >= kinds[k].count(); k++)
        n -= kinds[k].count();
    return kinds[k].make(n, data);
}

static void fuzz_summary(void) {
    printf("the longest call took %llu steps; nearest to its bound was %s with %llu thousandths\n", (unsigned long long)steps_most,
           steps_most_call, (unsigned long long)steps_most_permille);
    use_summary();
}

const struct fuzz_target fuzz_target = {
    .name = "segment",
    .prepare = world_prepare,
    .clean = world_clean,
    .start = program_start,
    .run = fuzz_run,
    .stop = program_stop,
    .special_count = fuzz_special_count,
    .special = fuzz_special,
    .summary = fuzz_summary,
};
