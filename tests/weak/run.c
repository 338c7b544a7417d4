/* SPDX-License-Identifier: MIT */
/* One run of a program: its threads as fibers, who moves when, sleep and death. */
#include "fiber.h"
#include "weak.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS_MAX = 4000, GRANULES = ARENA_BYTES / 4 };

enum status { READY, SLEEPING, ENDED, KILLED };

struct run run;
bool tracing;
_Alignas(4096) unsigned char arena[ARENA_BYTES];

static const struct weak_program *program;
static struct fiber main_fiber, fibers[WEAK_THREADS];
static struct {
    enum status status;
    bool chosen; /* just now: no need to ask again at its next point */
    const volatile void *word;
    uint32_t ticket;
    uint64_t clock_ms;
} threads[WEAK_THREADS];
static uint32_t tickets;
static bool anybody_killed;
static unsigned dead_processes;
static unsigned char *saved;
static size_t arena_used, saved_used;
static uint64_t setup_clock_ms, saved_clock_ms;

/* Which threads touched 4 bytes in any run, and whether one of them wrote: elsewhere it makes no difference who moves first. */
static struct { uint8_t by, written; } touched[GRANULES];

/* ---- for programs ---- */

void *weak_allocate(size_t bytes) {
    void *p = &arena[arena_used];
    arena_used += (bytes + 63) & ~(size_t)63;
    if (arena_used > ARENA_BYTES)
        abort();
    memset(p, 0, bytes);
    return p;
}

static void leave(void) __attribute__((noreturn));
static void leave(void) {
    fiber_switch(&fibers[run.current], &main_fiber);
    abort();
}

void weak_fail(const char *format, ...) {
    if (!run.failed) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(run.failure, sizeof run.failure, format, arguments);
        va_end(arguments);
        run.failed = true;
        trace("FAILED: %s", run.failure);
    }
    if (run.on)
        leave();
}

void weak_as(unsigned process) { run.process = process; }
void weak_dead(unsigned process) { dead_processes |= 1u << process; }
bool weak_killed(unsigned thread) { return threads[thread].status == KILLED; }

void weak_clock_ms(uint64_t ms) {
    if (run.on)
        threads[run.current].clock_ms = ms;
    else
        setup_clock_ms = ms;
}
uint64_t run_clock_ms(void) { return run.on ? threads[run.current].clock_ms : setup_clock_ms; }

static unsigned process_of(unsigned thread) { return program->process_of[thread] > 0 ? program->process_of[thread] - 1u : thread; }
unsigned run_process(void) { return run.on ? process_of(run.current) : run.process; }

bool run_process_alive(unsigned process) {
    if (dead_processes >> process & 1)
        return false;
    for (unsigned i = 0; i < program->threads; i++)
        if (threads[i].status == KILLED && process_of(i) == process) {
            if (run.on) /* the kernel drops the lock after the last store of the dead; whoever asks for it knows them all */
                machine_join(run.current, i);
            return false;
        }
    return true;
}

void trace(const char *format, ...) {
    if (!tracing)
        return;
    va_list arguments;
    va_start(arguments, format);
    printf("%4u %c  ", run.step, run.on ? 'A' + (int)run.current : '-');
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
}

/* ---- who moves ---- */

static void move_to(unsigned who) {
    unsigned from = run.current;
    if (who == from)
        return;
    run.current = who;
    threads[who].chosen = true;
    fiber_switch(&fibers[from], &fibers[who]);
}

static unsigned others_ready(unsigned *list) {
    unsigned count = 0;
    for (unsigned i = 1; i < program->threads; i++) {
        unsigned other = (run.current + i) % program->threads;
        if (threads[other].status == READY)
            list[count++] = other;
    }
    return count;
}

/* This thread cannot go on: any other does. Back in main, if there is none. */
static void give_way(void) {
    unsigned ready[WEAK_THREADS], count = others_ready(ready);
    if (count == 0) {
        if (threads[run.current].status == READY)
            return;
        leave();
    }
    move_to(ready[count > 1 ? choose(SWITCH_FREE, count) : 0]);
}

static void note_touch(const volatile void *word, bool write) {
    size_t i = ((uintptr_t)word - (uintptr_t)arena) / 4;
    uint8_t by = (uint8_t)(touched[i].by | 1u << run.current), written = touched[i].written | write;
    bool before = touched[i].written && (touched[i].by & (touched[i].by - 1)), after = written && (by & (by - 1));
    run.conflicts_grew = run.conflicts_grew || (after && !before);
    touched[i].by = by;
    touched[i].written = written;
}

static bool is_shared(const volatile void *word) {
    size_t i = ((uintptr_t)word - (uintptr_t)arena) / 4;
    return touched[i].written && (touched[i].by & (touched[i].by - 1));
}

void run_point(const volatile void *word, size_t bytes, bool write) {
    (void)bytes;
    if (++run.step > STEPS_MAX)
        weak_fail("no end: more than %d accesses in one run", STEPS_MAX);
    if (!in_arena(word))
        return;
    note_touch(word, write);
    bool fresh = threads[run.current].chosen;
    threads[run.current].chosen = false;
    unsigned ready[WEAK_THREADS], count = 0;
    if (!fresh && is_shared(word) && choice_left(SWITCH))
        count = others_ready(ready);
    bool kill = write && (program->killable >> run.current & 1) && !anybody_killed && choice_left(SWITCH);
    if (count + kill == 0)
        return;
    unsigned chosen = choose(SWITCH, 1 + count + kill);
    if (chosen == 0)
        return;
    if (chosen <= count) {
        move_to(ready[chosen - 1]);
        return;
    }
    trace("killed");
    threads[run.current].status = KILLED;
    anybody_killed = true;
    give_way();
}

void run_yield(void) {
    if (!run.on)
        return;
    if (++run.step > STEPS_MAX)
        weak_fail("no end: more than %d accesses in one run", STEPS_MAX);
    give_way();
}

void run_sleep(const volatile void *word) {
    threads[run.current].status = SLEEPING;
    threads[run.current].word = word;
    threads[run.current].ticket = tickets++;
    trace("sleeps");
    give_way();
}

int run_wake(const volatile void *word, int count) {
    int woken = 0;
    while (run.on && woken < count) {
        unsigned first = WEAK_THREADS;
        for (unsigned i = 0; i < program->threads; i++)
            if (threads[i].status == SLEEPING && threads[i].word == word &&
                (first == WEAK_THREADS || threads[i].ticket < threads[first].ticket))
                first = i;
        if (first == WEAK_THREADS)
            break;
        threads[first].status = READY;
        trace("wakes %c", 'A' + (int)first);
        woken++;
    }
    return woken;
}

/* ---- a run ---- */

static void thread_entry(void) {
    program->body(run.current);
    trace("done");
    threads[run.current].status = ENDED;
    give_way();
    abort();
}

bool run_prepare(const struct weak_program *p) {
    static bool stacks;
    for (unsigned i = 0; !stacks && i < WEAK_THREADS; i++)
        fiber_create(&fibers[i]);
    stacks = true;
    program = p;
    run = (struct run){0};
    arena_used = dead_processes = 0;
    setup_clock_ms = 0;
    memset(threads, 0, sizeof threads);
    memset(touched, 0, sizeof touched);
    memset(arena, 0, sizeof arena);
    sim_lane_slots = p->lane_slots;
    sim_min_slots = p->min_slots > 0 ? p->min_slots : 8;
    sim_known_ids = p->known_ids;
    sim_one_hash = p->known_ids > 0;
    p->setup();
    saved = saved == NULL ? malloc(ARENA_BYTES) : saved;
    if (saved == NULL)
        abort();
    saved_used = arena_used;
    saved_clock_ms = setup_clock_ms;
    memcpy(saved, arena, saved_used);
    return !run.failed;
}

static void check_sleepers(void) {
    for (unsigned i = 0; i < program->threads; i++)
        if (threads[i].status == SLEEPING && !run.failed)
            weak_fail("thread %c sleeps for ever", 'A' + (int)i);
}

void run_once(void) {
    memcpy(arena, saved, saved_used);
    arena_used = saved_used;
    setup_clock_ms = saved_clock_ms;
    bool grew = run.conflicts_grew;
    run = (struct run){.on = true, .conflicts_grew = grew};
    tickets = 0;
    anybody_killed = false;
    machine_reset();
    for (unsigned i = 0; i < program->threads; i++) {
        threads[i].status = READY;
        threads[i].chosen = false;
        threads[i].clock_ms = setup_clock_ms;
        fiber_begin(&fibers[i], thread_entry);
    }
    unsigned first = choose(SWITCH_FREE, program->threads);
    run.current = first;
    threads[first].chosen = true;
    fiber_switch(&main_fiber, &fibers[first]);
    run.on = false;
    check_sleepers();
    if (!run.failed && program->finish != NULL)
        program->finish();
}
