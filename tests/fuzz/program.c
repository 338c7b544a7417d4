/* SPDX-License-Identifier: MIT */
#include "program.h"
#include "mutate.h"
#include "steps.h"
#include "use.h"
#include "world.h"

#include <string.h>

enum { OPS_MAX = 64, DAMAGE_MAX = 8 };

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

struct base *program_load(struct reader *r) {
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

void program_run(struct reader *r, struct base *b) {
    struct trap trap;
    struct user u = {.bound = b->bound};
    if (take8(r) % 4 == 3)
        set_trap(r, &trap, b); /* for the first call: opening */
    if (use_open(r, &u)) {
        for (unsigned i = 0; i < OPS_MAX && !reader_over(r) && (u.q != NULL || u.observer != NULL); i++)
            operate(r, &u, b, &trap);
    }
    use_close(&u);
}

void program_start(void) {
    bases_make();
    use_healthy_open();
}

void program_stop(void) {
    use_healthy_close();
    bases_free();
    world_stop();
}
