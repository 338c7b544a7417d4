/* SPDX-License-Identifier: MIT */
/*
 * The tree of timers alone (lib/ring/timers.h), six cells under two levels: whoever sets, takes out and raises at once, no timer is hidden under a node that is
 * later, and none that was set is gone without having been taken out. A popper may die or stop anywhere.
 */
#include "scenario.h"
#include "timers.h"

enum { CELLS = 6, EARLY = 256, NOW = 1024, LATE = 4096, LATER = 8192 };

static struct toy {
    struct timers timers;
    a64 root, words[16];
    uint8_t set[CELLS];    /* so often */
    uint8_t popped[CELLS]; /* so often */
} toy;

static void setup_empty(void) {
    sim_keep(&toy, sizeof toy);
    toy = (struct toy){0};
    timers_open(&toy.timers, &toy.root, toy.words, CELLS);
    timers_initialise(&toy.timers);
}

static void set(uint32_t c, uint64_t due_ns) {
    sim_call("timers_set");
    (void)timers_set(&toy.timers, c, due_ns);
    sim_return(true);
    toy.set[c]++;
}

static void pop(uint64_t now_ns) {
    struct timer out[CELLS];
    sim_call("timers_pop");
    uint32_t count = timers_pop(&toy.timers, now_ns, out, CELLS);
    sim_return(true);
    for (uint32_t i = 0; i < count; i++) {
        sim_learn(out[i].cell);
        toy.popped[out[i].cell]++;
        if (out[i].due_ns > now_ns)
            sim_fail("cell %u came out early", out[i].cell);
    }
}

static void setup_one_due(void) {
    setup_empty();
    (void)timers_set(&toy.timers, 0, EARLY);
    toy.set[0] = 1;
}

static void setup_due_and_late(void) {
    setup_one_due();
    (void)timers_set(&toy.timers, 1, LATER);
    toy.set[1] = 1;
}

/* Every time that lies at a cell is seen from the root, and every cell that was set has one, or was taken out. */
static void finish(void) {
    for (uint32_t c = 0; c < CELLS; c++) {
        uint64_t due = timers_of(&toy.timers, c);
        bool killed = sim_killed() != 0; /* a popper that died had them in its hands */
        if (due == TIMER_NONE && toy.popped[c] < (toy.set[c] > 0) && !killed)
            sim_fail("the timer of cell %u is gone", c);
        if (toy.popped[c] > toy.set[c])
            sim_fail("the timer of cell %u was taken out %u times", c, toy.popped[c]);
        for (unsigned level = 1; level <= toy.timers.depth; level++) {
            const a64 *word = level == toy.timers.depth ? &toy.root : &toy.timers.levels[level][c >> (level * TIMER_SHIFT)];
            if (due != TIMER_NONE && (load_relaxed(word, stat) | 0xff) > (due | 0xff))
                sim_fail("cell %u is due at %llu, but level %u says %llu", c, (unsigned long long)due, level,
                         (unsigned long long)load_relaxed(word, stat));
        }
    }
}

static void interim(void) {}

static void body_set_pop(unsigned me) {
    sim_ready();
    if (me == 0) {
        set(1, EARLY);
        set(4, LATE);
        set(5, NOW);
    } else {
        pop(NOW);
    }
    sim_done();
}
static const struct sim_program set_pop = {.name = "timers-set-pop",
                                           .about = "timers are set while those that are due are taken out",
                                           .participants = 2,
                                           .bare = true,
                                           .setup = setup_one_due,
                                           .body = body_set_pop,
                                           .interim = interim,
                                           .finish = finish,
                                           .budget = {.preemptions = 5, .kills = 1, .freezes = 1},
                                           .killable = 2};

static void body_pop_set(unsigned me) {
    sim_ready();
    if (me == 1)
        set(2, LATE);
    pop(NOW);
    sim_done();
}
static const struct sim_program pop_set = {.name = "timers-pop-set",
                                           .about = "two take out, one of them sets a time before",
                                           .participants = 2,
                                           .bare = true,
                                           .setup = setup_due_and_late,
                                           .body = body_pop_set,
                                           .interim = interim,
                                           .finish = finish,
                                           .budget = {.preemptions = 5, .kills = 1, .freezes = 1},
                                           .killable = 1};

/* What was taken out is set again: the same cell, the same time. */
static void body_again(unsigned me) {
    sim_ready();
    if (me == 0) {
        pop(NOW);
    } else {
        pop(NOW);
        set(0, EARLY);
        set(3, LATE);
        pop(EARLY - 1);
    }
    sim_done();
}
static const struct sim_program again = {.name = "timers-again",
                                         .about = "a timer is taken out and set again, for the same time",
                                         .participants = 2,
                                         .bare = true,
                                         .setup = setup_due_and_late,
                                         .body = body_again,
                                         .interim = interim,
                                         .finish = finish,
                                         .budget = {.preemptions = 5, .kills = 1, .freezes = 1},
                                         .killable = 1};

static void body_setters(unsigned me) {
    sim_ready();
    if (me == 2)
        pop(NOW);
    else
        set(1, me == 0 ? LATE : LATER);
    sim_done();
}
static const struct sim_program setters = {.name = "timers-setters",
                                           .about = "two set the same cell's time while a third takes out",
                                           .participants = 3,
                                           .bare = true,
                                           .setup = setup_one_due,
                                           .body = body_setters,
                                           .interim = interim,
                                           .finish = finish,
                                           .budget = {.preemptions = 3, .kills = 1, .freezes = 0},
                                           .killable = 4};

const struct sim_program *const scenarios_timers[] = {&set_pop, &pop_set, &again, &setters, NULL};
