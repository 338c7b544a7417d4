/* SPDX-License-Identifier: MIT */
/*
 * The index ring alone (lib/ring/index_ring.h), with the smallest protocol around it: a cell is put in, taken by one CAS of its own word, and its bytes, which are plain
 * data, are read by whoever took it. Words that are not the ring's have the label `toy`.
 */
#include "index_ring.h"
#include "weak.h"

enum { CELLS = 8, IN = 1, TAKEN = 2 };

static struct toy {
    struct index_ring ring;
    a64 slots[4], tail, head;
    a64 state[CELLS];
    uint64_t bytes[CELLS];
    uint64_t sent[WEAK_THREADS], taken[WEAK_THREADS]; /* cells, as bits */
    uint64_t heads[WEAK_THREADS];
} * w;

/* A ring of two slots, one lap old, in which `filled` entries were put and taken. */
static void ring_of_two(uint64_t filled) {
    w = weak_allocate(sizeof *w);
    w->ring = ring_make(w->slots, &w->tail, 1);
    uint64_t first = LAP_MASK - 1;
    for (int i = 0; i < 2; i++)
        store_relaxed(&w->slots[i], slot_word(first, 0, NO_CELL), init);
    store_relaxed(&w->tail, (first + 1) << 1, init);
    store_relaxed(&w->head, (first + 1) << 1, init);
    for (unsigned i = 0; i < WEAK_THREADS; i++)
        w->heads[i] = (first + 1) << 1;
    for (uint64_t i = 0; i < filled; i++) {
        store_relaxed(&w->slots[i & 1], slot_word(first + 1 + i / 2, 0, (uint32_t)(CELLS - 1 - i)), init);
        store_relaxed(&w->state[CELLS - 1 - i], TAKEN, init);
    }
}

static bool counts(const void *context, uint64_t old_position, uint64_t s) {
    (void)context, (void)old_position;
    return load_acquire(&w->state[slot_cell(s)], toy) == IN;
}

static bool put(uint32_t cell) {
    uint64_t t = load_acquire(&w->tail, hints), s = 0;
    w->bytes[cell] = 1000 + cell;
    store_relaxed(&w->state[cell], IN, toy); /* the slot carries it */
    for (;;) {
        enum ring_find found = ring_find(&w->ring, &t, &s, counts, NULL);
        weak_check(found != RING_DAMAGED);
        if (found == RING_LIVE)
            return false;
        if (ring_fill(&w->ring, t, s, 0, cell))
            break;
    }
    hint_raise(&w->tail, t + 1);
    return true;
}

/* -> a cell, or CELLS: the ring ended. */
static uint32_t take(uint64_t *h) {
    uint64_t s;
    for (int looks = 0; looks < 20; looks++) {
        enum ring_look_at look = ring_look(&w->ring, &w->head, h, &s);
        weak_check(look != RING_BROKEN);
        if (look == RING_END)
            return CELLS;
        if (look == RING_PAST)
            continue;
        uint64_t in = IN;
        ++*h;
        if (slot_cell(s) != NO_CELL && cas_acq_rel(&w->state[slot_cell(s)], &in, TAKEN, toy)) {
            hint_raise(&w->head, *h);
            weak_check(w->bytes[slot_cell(s)] == 1000 + slot_cell(s));
            return slot_cell(s);
        }
        weak_check(in == TAKEN); /* who sees the entry sees that it was put in */
    }
    return CELLS;
}

static void produce(unsigned me, uint32_t first, unsigned count) {
    for (uint32_t c = first; c < first + count; c++)
        if (put(c))
            w->sent[me] |= 1u << c;
        else
            break;
}

static void consume(unsigned me, unsigned tries) {
    for (unsigned i = 0; i < tries; i++) {
        uint32_t c = take(&w->heads[me]);
        if (c < CELLS)
            w->taken[me] |= 1u << c;
    }
}

/* Nothing was lost, nothing came twice. */
static void balance(void) {
    uint64_t sent = 0, taken = 0;
    for (unsigned i = 0; i < WEAK_THREADS; i++) {
        weak_check((taken & w->taken[i]) == 0);
        sent |= w->sent[i];
        taken |= w->taken[i];
    }
    uint64_t h = load_relaxed(&w->head, hint);
    for (uint32_t c; (c = take(&h)) < CELLS;) {
        weak_check(!(taken >> c & 1));
        taken |= 1u << c;
    }
    weak_check(sent == taken);
}

static void setup_fresh(void) { ring_of_two(1); }

static void two_and_one(unsigned me) {
    if (me == 2)
        consume(me, 3);
    else
        produce(me, me * 2, 2);
}

static void one_and_two(unsigned me) {
    if (me == 0)
        produce(me, 0, 3);
    else
        consume(me, 2);
}

/* A reader who slept: its position was overwritten, by now perhaps twice. */
static void setup_lapped(void) {
    ring_of_two(2);
    store_relaxed(&w->tail, w->heads[0] + 2, init);
    store_relaxed(&w->head, w->heads[0] + 2, init);
    w->heads[1] = w->heads[0] + 2;
}
static void lapped(unsigned me) {
    if (me == 0)
        produce(me, 0, 3);
    else
        consume(me, 2);
}

const struct weak_program ring_two_senders = {.name = "ring-2-1",
                                              .about = "index ring of two slots: two producers, one consumer, over the wrap",
                                              .threads = 3,
                                              .setup = setup_fresh,
                                              .body = two_and_one,
                                              .finish = balance};
const struct weak_program ring_two_readers = {.name = "ring-1-2",
                                              .about = "index ring of two slots: one producer, two consumers, over the wrap",
                                              .threads = 3,
                                              .setup = setup_fresh,
                                              .body = one_and_two,
                                              .finish = balance};
const struct weak_program ring_lapped = {.name = "ring-lapped",
                                         .about = "a consumer whose position was overwritten",
                                         .threads = 3,
                                         .setup = setup_lapped,
                                         .body = lapped,
                                         .finish = balance};
