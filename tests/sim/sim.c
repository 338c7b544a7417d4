/* SPDX-License-Identifier: MIT */
/* Points, decisions, and who moves next. */
#include "sim.h"
#include "core.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STEPS_MAX = 200000,    /* points in a run */
    CALL_STEPS_MAX = 6000, /* points in one call of the library */
    IDLE_MAX = 64          /* timeouts of sleepers in a row while nobody else can move */
};

struct world world;
struct fiber main_fiber;
const struct sim_program *program;
bool has_threads[SIM_FIBERS];
struct run run;
struct sim_budget budget;
bool cuts;
enum quiet quiet;

/* ---- ends of a run ---- */

static void leave(void) __attribute__((noreturn));
static void leave(void) {
    fiber_switch(&self()->fiber, &main_fiber);
    abort();
}

bool in_fiber;

void sim_fail(const char *format, ...) {
    if (!run.failed) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(run.failure, sizeof run.failure, format, arguments);
        va_end(arguments);
        run.failed = true;
    }
    trace_text("FAILED: %s", run.failure);
    if (in_fiber)
        leave();
}

void run_cut(void) {
    run.cut = true;
    leave();
}

/* ---- scheduling ---- */

static bool saving; /* a fiber waits for its state to be saved */
static size_t saved;

void resume(unsigned who) {
    world.current = who;
    in_fiber = true;
    state_moves(who);
    fiber_switch(&main_fiber, &world.p[who].fiber);
    while (saving) {
        saving = false;
        saved = state_save();
        state_moves(world.current);
        fiber_switch(&main_fiber, &self()->fiber);
    }
    in_fiber = false;
}

size_t world_save(void) {
    saving = true;
    fiber_switch(&self()->fiber, &main_fiber);
    return saved;
}

static void switch_to(unsigned who) {
    struct participant *from = self();
    if (who == world.current)
        return;
    trace_flush();
    world.current = who;
    state_moves(who);
    fiber_switch(&from->fiber, &world.p[who].fiber);
}

static void wake(struct participant *p) {
    unsigned process = process_of((unsigned)(p - world.p));
    p->status = world.stopped >> process & 1 ? FROZEN : READY;
    p->fresh = true;
}

void wake_due(void) {
    for (unsigned i = 0; i < SIM_FIBERS; i++)
        if (world.p[i].status == SLEEPING && world.p[i].wake_ns <= world.now_ns)
            wake(&world.p[i]);
}

/* Time passes until the first sleeper wakes. False: nobody sleeps, or all for ever. */
static bool pass_time(void) {
    uint64_t first = UINT64_MAX;
    for (unsigned i = 0; i < SIM_FIBERS; i++)
        if (world.p[i].status == SLEEPING && world.p[i].wake_ns < first)
            first = world.p[i].wake_ns;
    if (first == UINT64_MAX)
        return false;
    for (unsigned i = 0; i < SIM_FIBERS; i++)
        if (world.p[i].status == SLEEPING && world.p[i].wake_ns == first)
            world.p[i].ticked = true;
    if (first > world.now_ns)
        world.now_ns = first;
    if (tracing)
        trace_text("everybody sleeps: the time is now %.3f ms", (double)world.now_ns / 1e6);
    wake_due();
    return true;
}

static bool anybody(enum status status) {
    for (unsigned i = 0; i < SIM_FIBERS; i++)
        if (world.p[i].status == status)
            return true;
    return false;
}

/* Nobody is ready: somebody's time comes, or -> false, the phase is over. */
static bool let_time_pass(void) {
    if (!anybody(SLEEPING))
        return false;
    if (world.idle++ < IDLE_MAX && pass_time())
        return true;
    if (world.exploring && anybody(FROZEN))
        return false; /* they wait for somebody who is stopped; he goes on in the next phase */
    sim_fail("no progress: everybody sleeps, %s", world.idle > IDLE_MAX ? "again and again" : "for ever");
    return false;
}

void schedule_away(bool yield) {
    unsigned me = world.current;
    struct option options[OPTIONS];
    unsigned count = 0;
    do {
        for (unsigned i = 1; i < SIM_FIBERS; i++) {
            unsigned other = (me + i) % SIM_FIBERS;
            if (world.p[other].status == READY)
                options[count++] = (struct option){SWITCH, (uint8_t)other};
        }
        if (count == 0 && world.p[me].status == READY) {
            if (yield)
                return;
            options[count++] = (struct option){SWITCH, (uint8_t)me};
        }
    } while (count == 0 && let_time_pass());
    if (count == 0) {
        trace_flush();
        fiber_switch(&self()->fiber, &main_fiber); /* the phase is over */
        return;
    }
    unsigned chosen = 0;
    if (world.exploring && count > 1)
        chosen = choose(me, true, options, count);
    if (world.exploring && count > 1)
        trace_decision(me, &options[chosen]);
    if (yield)
        world.p[me].fresh = true;
    switch_to(options[chosen].argument);
}

/* ---- faults ---- */

static bool listed(unsigned bits, unsigned who) { return who < SIM_PARTICIPANTS && (bits == 0 || bits >> who & 1); }

static bool may_kill(unsigned who) {
    enum status s = world.p[who].status;
    return world.used.kills < budget.kills && listed(program->killable, who) && (s == READY || s == SLEEPING || s == DONE);
}

/* The process of `who` dies, with all its threads. */
static void strike(unsigned who) {
    for (unsigned i = 0; i < program->participants; i++) {
        struct participant *p = &world.p[i];
        if (process_of(i) != process_of(who))
            continue;
        p->status = DEAD;
        p->local = p->said;
        p->ticked = p->fresh = false;
        world.killed |= 1u << i;
    }
    world.used.kills++;
    os_died(process_of(who));
}

/* It is stopped, with all its threads. */
static void stop(unsigned who) {
    for (unsigned i = 0; i < program->participants; i++)
        if (process_of(i) == process_of(who)) {
            if (world.p[i].status == READY)
                world.p[i].status = FROZEN;
            world.frozen |= 1u << i;
        }
    world.stopped |= 1u << process_of(who);
    world.used.freezes++;
}

static unsigned options_here(unsigned sides, struct option *options) {
    unsigned me = world.current;
    unsigned count = 0;
    options[count++] = (struct option){GO_ON, 0};
    if (!(sides & SIM_QUIET) && !self()->fresh && (budget.preemptions < 0 || world.used.preemptions < budget.preemptions))
        for (unsigned i = 1; i < SIM_PARTICIPANTS; i++) {
            unsigned other = (me + i) % SIM_PARTICIPANTS;
            if (world.p[other].status == READY && other != me)
                options[count++] = (struct option){SWITCH, (uint8_t)other};
        }
    if (!(sides & SIM_PURE) && may_kill(me))
        options[count++] = (struct option){KILL, (uint8_t)me};
    if (!(sides & SIM_PASSED) && world.used.freezes < budget.freezes && listed(program->freezable, me))
        options[count++] = (struct option){FREEZE, (uint8_t)me};
    if (sides & SIM_LIVENESS)
        for (unsigned i = 0; i < SIM_PARTICIPANTS; i++)
            if (i != me && may_kill(i))
                options[count++] = (struct option){KILL, (uint8_t)i};
    if ((sides & SIM_CLOCK) && world.used.jumps < budget.jumps)
        for (unsigned i = 0; i < SIM_JUMPS && program->jumps_ns[i]; i++)
            options[count++] = (struct option){JUMP, (uint8_t)i};
    return count;
}

/* Carries out a decision. True: and there may be another one here. */
static bool obey(struct option o) {
    switch (o.action) {
    case GO_ON: return false;
    case SWITCH:
        world.used.preemptions++;
        switch_to(o.argument);
        return false;
    case KILL:
        strike(o.argument);
        if (self()->status == DEAD)
            schedule_away(false);
        return true;
    case FREEZE:
        stop(world.current);
        schedule_away(false);
        return false;
    case JUMP:
        world.used.jumps++;
        world.now_ns += program->jumps_ns[o.argument];
        wake_due();
        return true;
    }
    return false;
}

void decide(unsigned sides) {
    struct option options[OPTIONS];
    for (;;) {
        unsigned count = options_here(sides, options);
        unsigned chosen = count > 1 ? choose(world.current, false, options, count) : 0;
        if (chosen != 0)
            trace_decision(world.current, &options[chosen]);
        /* A switch at the load that was passed over, and then something else here. */
        bool two = self()->skipped && !(sides & SIM_PASSED) && options[chosen].action == SWITCH;
        if (two)
            self()->skipped = false;
        if ((!obey(options[chosen]) && !two) || !world.exploring)
            break;
    }
    self()->fresh = self()->skipped = false;
}

/* ---- points ---- */

static void count_step(void) {
    struct participant *me = self();
    if (++world.steps > STEPS_MAX)
        sim_fail("more than %d steps in one run", STEPS_MAX);
    if (++me->call_steps > CALL_STEPS_MAX && me->call)
        sim_fail("%s took more than %d steps", me->call, CALL_STEPS_MAX);
}

/* Statistics are read by people only: no decisions about them. The literals are few, so their addresses find the answer. */
static bool is_statistics(const char *what) {
    static struct {
        const char *what;
        bool answer;
    } known[4096];
    unsigned i = (unsigned)((uintptr_t)what >> 2) % 4096;
    if (known[i].what != what) {
        size_t n = strlen(what);
        known[i].what = what;
        known[i].answer = n > 5 && strcmp(what + n - 5, " stat") == 0;
    }
    return known[i].answer;
}

void (*sim_point_met)(enum sim_op op, const char *what, const char *file, int line);
enum sim_site_defect sim_site_defect;
const char *sim_site_file;
int sim_site_line;

bool sim_site(const char *file, int line) { return in_fiber && line == sim_site_line && strcmp(file, sim_site_file) == 0; }

void sim_point(enum sim_op op, const volatile void *word, const char *what, const char *file, int line) {
    if (!in_fiber || word_is_constant(word))
        return;
    count_step();
    if (sim_point_met)
        sim_point_met(op, what, file, line);
    if (tracing)
        trace_point(op, word, what, file, line);
    if (!world.exploring)
        return;
    struct participant *me = self();
    uint64_t key;
    if (!word_key(word, &key))
        return;
    if (is_statistics(what)) {
        word_ignore(key);
        return;
    }
    me->steps++;
    if (quiet == QUIET && op == SIM_LOAD && me->call && quiet_load(key)) {
        bool put_off = me->skipped || !me->fresh;
        decide(SIM_PURE | SIM_QUIET);
        me->skipped = put_off;
    } else
        decide(op == SIM_LOAD ? SIM_PURE : 0);
    uint64_t value = (uintptr_t)word % 8 ? *(const volatile uint32_t *)word : *(const volatile uint64_t *)word;
    me->local = mix(mix(me->local, key * 4 + op), op == SIM_STORE ? 0 : value);
}

void sim_platform_point(unsigned sides, const char *what) {
    if (!in_fiber)
        return;
    count_step();
    if (tracing)
        trace_platform(what);
    if (!world.exploring)
        return;
    self()->steps++;
    /* The time is a constant unless it may jump, or somebody may be stopped. */
    if ((sides & SIM_CLOCK) && world.used.jumps >= budget.jumps && world.used.freezes >= budget.freezes)
        return;
    decide(sides);
    self()->local = mix(self()->local, (uintptr_t)what); /* it is behind it now, also where nothing is changed or learnt */
}

void sim_settle(void) {
    if (in_fiber && world.exploring && self()->skipped)
        decide(SIM_PURE | SIM_PASSED);
}

uint64_t sim_seen(uint64_t value) {
    sim_learn(value);
    return value;
}

void sim_learn(uint64_t value) {
    struct participant *me = self();
    if (!world.exploring)
        return;
    me->local = mix(me->local, value);
    me->said = mix(me->said, value);
}

/* ---- sleeping ---- */

void sim_sleep(const volatile void *word, uint64_t timeout_ns) { (void)sim_sleep_any(&word, 1, timeout_ns); }

int sim_sleep_any(const volatile void *const *words, unsigned count, uint64_t timeout_ns) {
    struct participant *me = self();
    if (count > SLEEPS_AT_ONCE)
        sim_fail("a participant sleeps on %u words", count);
    for (unsigned i = 0; i < count; i++)
        word_key(words[i], &me->sleep_keys[i]);
    me->sleep_count = count;
    me->woken_by = -1;
    me->wake_ns = timeout_ns > UINT64_MAX - world.now_ns ? UINT64_MAX : world.now_ns + timeout_ns;
    me->ticket = world.next_ticket++;
    me->status = SLEEPING;
    me->ticked = false;
    me->local = mix(me->local, me->wake_ns);
    trace_text("sleeps");
    schedule_away(false);
    if (count > 1)
        me->local = mix(me->local, (uint64_t)(int64_t)me->woken_by);
    return me->woken_by;
}

static int sleeps_on(const struct participant *p, uint64_t key) {
    for (unsigned i = 0; i < p->sleep_count; i++)
        if (p->sleep_keys[i] == key)
            return (int)i;
    return -1;
}

int sim_wake(const volatile void *word, int count) {
    uint64_t key;
    word_key(word, &key);
    int woken = 0;
    while (woken < count) {
        struct participant *first = NULL;
        for (unsigned i = 0; i < SIM_FIBERS; i++) {
            struct participant *p = &world.p[i];
            if (p->status == SLEEPING && sleeps_on(p, key) >= 0 && (!first || p->ticket < first->ticket))
                first = p;
        }
        if (!first)
            break;
        first->woken_by = sleeps_on(first, key);
        wake(first);
        woken++;
    }
    self()->local = mix(self()->local, (uint64_t)woken);
    return woken;
}

void sim_mutex_lock(uint32_t *mutex) {
    if (!in_fiber)
        return;
    if (has_threads[process_of(world.current)])
        sim_platform_point(0, "mutex_lock");
    while (*mutex)
        sim_sleep(mutex, UINT64_MAX);
    *mutex = world.current + 1;
}

bool sim_mutex_trylock(uint32_t *mutex) {
    if (!in_fiber)
        return true;
    if (has_threads[process_of(world.current)])
        sim_platform_point(0, "mutex_trylock");
    if (*mutex) {
        self()->local = mix(self()->local, 1);
        return false;
    }
    *mutex = world.current + 1;
    return true;
}

void sim_mutex_unlock(uint32_t *mutex) {
    if (!in_fiber)
        return;
    if (has_threads[process_of(world.current)])
        sim_platform_point(0, "mutex_unlock");
    *mutex = 0;
    sim_wake(mutex, 1);
}

void sim_yield(void) {
    if (!in_fiber)
        return;
    count_step();
    trace_text("gives way");
    schedule_away(true);
}
