/* SPDX-License-Identifier: MIT */
/*
 * Timers alone (lib/ring/timers.h): who takes a cell's timer out sees what was done before it was set, even if an old timer lay there that was early enough; and no timer
 * is hidden by one who raises. Words that are not the tree's have the label `toy`.
 */
#include "timers.h"
#include "weak.h"

enum { CELLS = 6, EARLY = 256, NOW = 1024, LATE = 4096, LATER = 8192 };

static struct toy {
    struct timers timers;
    a64 root, words[16];
    a64 waits[CELLS];      /* somebody must look at it */
    uint64_t bytes[CELLS]; /* plain */
    bool looked[CELLS];
} * w;

static void setup(void) {
    w = weak_allocate(sizeof *w);
    timers_open(&w->timers, &w->root, w->words, CELLS);
    timers_initialise(&w->timers);
    (void)timers_set(&w->timers, 0, EARLY); /* from an earlier life */
    (void)timers_set(&w->timers, 1, LATER);
}

static void wait_for(uint32_t c, uint64_t due_ns) {
    w->bytes[c] = 1000 + c;
    store_seq_cst(&w->waits[c], 1, toy);
    (void)timers_set(&w->timers, c, due_ns);
}

static void look(void) {
    struct timer out[CELLS];
    uint32_t count = timers_pop(&w->timers, NOW, out, CELLS);
    for (uint32_t i = 0; i < count; i++)
        if (load_seq_cst(&w->waits[out[i].cell], toy) != 0) {
            w->looked[out[i].cell] = true;
            weak_check(w->bytes[out[i].cell] == 1000 + out[i].cell);
        }
}

/* Each that waits was looked at, or is found from the root. */
static void nothing_hidden(void) {
    for (uint32_t c = 0; c < CELLS; c++) {
        uint64_t due = timers_of(&w->timers, c);
        if (load_relaxed(&w->waits[c], toy) != 0 && !w->looked[c])
            weak_check(due != TIMER_NONE);
        for (unsigned level = 1; level <= w->timers.depth; level++) {
            const a64 *word = level == w->timers.depth ? &w->root : &w->timers.levels[level][c >> (level * TIMER_SHIFT)];
            weak_check(due == TIMER_NONE || (load_relaxed(word, stat) | 0xff) <= (due | 0xff));
        }
    }
}

static void set_and_look(unsigned me) {
    if (me == 0)
        wait_for(0, NOW);
    else
        look();
}

static void two_set(unsigned me) {
    if (me == 2)
        look();
    else
        wait_for(2 + me, LATE + me);
}

const struct weak_program timers_old = {.name = "timers-old",
                                        .about = "a cell is made to wait whose old timer is being taken out",
                                        .threads = 2,
                                        .setup = setup,
                                        .body = set_and_look,
                                        .finish = nothing_hidden};
const struct weak_program timers_raise = {.name = "timers-raise",
                                          .about = "two set timers in a node that is being raised",
                                          .threads = 3,
                                          .setup = setup,
                                          .body = two_set,
                                          .finish = nothing_hidden};
