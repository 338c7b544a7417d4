/* SPDX-License-Identifier: MIT */
/*
 * fuzz_segment: everything that a process can do with a queue, done on a damaged copy of a valid segment, damaged before it is opened, between the
 * calls, and between any two accesses of a call. Each call must end within its steps, with a result that its header names, and what
 * it shows must lie where it may. Another queue of the same process must not notice.
 */
#include "bases.h"
#include "error.h"
#include "found.h"
#include "fuzz.h"
#include "handle.h"
#include "mutate.h"
#include "steps.h"
#include "use.h"
#include "world.h"

#include <stdio.h>
#include <string.h>

enum { OPS_MAX = 64, DAMAGE_MAX = 8, TRUNCATE = 8 };

/* ---- an input's head: which segment, what is done to it before it is opened ---- */

static void damage(struct reader *r, const struct base *b) {
    if (mutate(r, &b->segment, world_bytes(), world_size()))
        world_layout_known = false;
}

static void truncate_to(struct reader *r, struct base *b) {
    size_t bytes = take16(r) | (size_t)take8(r) << 16;
    bytes %= b->bytes + 4097;
    static unsigned char longer[64 * 4096 + 4096];
    memcpy(longer, b->image, b->bytes);
    memset(longer + b->bytes, 0, bytes > b->bytes ? bytes - b->bytes : 0);
    world_load(longer, bytes);
    world_layout_known = bytes >= b->bytes;
}

static struct base *load(struct reader *r) {
    struct base *b = &bases[take8(r) % BASES];
    uint8_t others = take8(r), changes = take8(r);
    /* The time of the base, or some ticks later. */
    world_begin(take8(r) * UINT64_C(0x9e3779b97f4a7c15), b->now_ns + (others >> 6) * UINT64_C(3000000));
    base_load(b);
    world_others(others & b->holders);
    world_layout_known = true;
    if (changes == TRUNCATE) {
        truncate_to(r, b);
        return b;
    }
    for (unsigned i = 0; i < changes % DAMAGE_MAX; i++)
        damage(r, b);
    return b;
}

/* ---- damage while a call is under way ---- */

struct trap {
    struct reader reader;
    const struct base *base;
    bool at_the_word; /* the very word that is to be accessed, so that what was checked a moment ago is not so any more */
};

static void spring(void *context, volatile void *word) {
    struct trap *t = context;
    if (!t->at_the_word || (uintptr_t)word % 8 != 0 || !world_is_writable(word)) {
        damage(&t->reader, t->base);
        return;
    }
    a64 *w = (a64 *)(uintptr_t)word;
    uint64_t now = atomic_load_explicit(w, memory_order_relaxed);
    unsigned shift = take8(&t->reader) % 64;
    atomic_store_explicit(w, now ^ mutate_value(&t->reader, 1) << shift, memory_order_relaxed);
}

static void set_trap(struct reader *r, struct trap *t, const struct base *b) {
    unsigned step = 1 + take8(r);
    size_t bytes = 12 < r->end - r->at ? 12 : (size_t)(r->end - r->at);
    *t = (struct trap){.reader = {r->at, r->at + bytes}, .base = b, .at_the_word = step & 1};
    r->at += bytes;
    steps_arm(step, spring, t);
}

/* ---- the calls ---- */

static void operate(struct reader *r, struct user *u, const struct base *b, struct trap *trap) {
    switch (take8(r) % 32) {
    case 0:
    case 1:
    case 2: use_receive(u); return;
    case 3: use_receive_batch(r, u); return;
    case 4:
    case 5: use_ack(r, u); return;
    case 6: use_nack(r, u); return;
    case 7: use_reject(r, u); return;
    case 8: use_extend(r, u); return;
    case 9:
    case 10: use_send(r, u); return;
    case 11: use_send_batch(r, u); return;
    case 12: use_loan(r, u); return;
    case 13: use_commit(r, u); return;
    case 14: use_abandon(r, u); return;
    case 15: use_peek(r, u); return;
    case 16: use_dead_peek(r, u); return;
    case 17: use_dead_change(r, u); return;
    case 18: use_purge(r, u); return;
    case 19: use_look(u); return;
    case 20: use_audit(u); return;
    case 21: use_sweep(u); return;
    case 22: use_receive_waiting(r, u); return;
    case 23: use_forged_receipt(r, u); return;
    case 24: use_reopen(r, u); return;
    case 25: use_observer(r, u); return;
    case 26: world_pass((uint64_t)take8(r) * take8(r) * (uint64_t)world_patience_ns / 10); return;
    case 27: world_others(take8(r) & b->holders); return;
    case 28:
    case 29: damage(r, b); return;
    default: set_trap(r, trap, b); return;
    }
}

static void fuzz_run(const uint8_t *data, size_t size) {
    struct reader r = {data, data + size};
    struct trap trap;
    struct base *b = load(&r);
    struct user u = {.bound = b->bound};
    if (take8(&r) % 4 == 3)
        set_trap(&r, &trap, b); /* for the first call: opening */
    if (use_open(&r, &u)) {
        for (unsigned i = 0; i < OPS_MAX && !reader_over(&r) && (u.q != NULL || u.observer != NULL); i++)
            operate(&r, &u, b, &trap);
    }
    use_close(&u);
    world_layout_known = true;
    use_healthy();
}

/* ---- inputs of their own ---- */

/* One of everything, for inputs whose damage is what counts. */
static const uint8_t tour[] = {
    20, 19,                       /* audit, stats and participants */
    15, 0x2e, 16, 5,              /* peek, dead peek */
    0,  9,    8,  0,  0,    4, 0, /* receive, send, receive twice, ack */
    6,  0,    7,  0,  7,    0,    /* nack, receive, reject */
    1,  8,    0,  3,              /* receive, extend */
    12, 8,    13, 0,  11,   3, 3, /* loan, commit, send a batch */
    3,  3,    4,  0,  4,    1,    /* receive a batch, ack two */
    26, 40,   40, 21,             /* time passes, sweep */
    22, 3,    4,  0,              /* wait for one */
    17, 0,    2,  17, 1,          /* redrive, receive, purge dead */
    25, 1,    19, 15, 0xae,       /* an observer looks */
    24, 4,    0,  4,  0,          /* again as the second group */
    18, 14,   21, 20,             /* purge, sweep, audit */
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

static void fuzz_start(void) {
    bases_make();
    use_healthy_open();
}

static void fuzz_stop(void) {
    use_healthy_close();
    bases_free();
    world_stop();
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
    .start = fuzz_start,
    .run = fuzz_run,
    .stop = fuzz_stop,
    .special_count = fuzz_special_count,
    .special = fuzz_special,
    .summary = fuzz_summary,
};
