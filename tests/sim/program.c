/* SPDX-License-Identifier: MIT */
/* What programs say and ask, and how one is run from its saved state to its end. */
#include "core.h"
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { START_NS = 1000000000 };

uint64_t sim_first_lap = 1;
uint32_t sim_min_slots = 8;
uint32_t sim_tag_mask = 0x3fff;
uint32_t sim_stamp_mask = 0xffffff;
extern uint32_t sim_lane_slots;
uint32_t sim_lane_slots;
uint32_t sim_known_ids;
bool sim_one_hash;

/* ---- what programs use ---- */

unsigned sim_me(void) { return world.current; }
uint64_t sim_now_ns(void) { return world.now_ns; }
uint64_t sim_calls(void) { return world.calls; }
unsigned sim_killed(void) { return world.killed; }
unsigned sim_frozen(void) { return world.frozen; }
bool sim_jumped(void) { return world.used.jumps > 0; }
bool sim_tracing(void) { return tracing; }
bool sim_exploring(void) { return world.exploring; }

void sim_linger(void) { sim_platform_point(SIM_PURE | SIM_CLOCK, "lingers"); }

void sim_advance_ns(uint64_t ns) {
    world.now_ns += ns;
    wake_due();
}

uint64_t sim_random(void) {
    struct participant *me = self();
    me->random += UINT64_C(0x9e3779b97f4a7c15);
    return mix(me->random, 0);
}

static void stop_if_seen(void) {
    if (world.exploring && cuts && state_seen(AT_CALL))
        run_cut();
}

void sim_call(const char *name) {
    struct participant *me = self();
    sim_settle();
    sim_learn(world.calls_each);
    me->call = name;
    me->call_steps = 0;
    me->ticked = false;
    world.idle = 0;
    stop_if_seen();
}

void sim_return(bool success) {
    struct participant *me = self();
    sim_settle();
    if (success && me->ticked) {
        world.needed_ticks++;
        if (program->strict_wakes && !world.killed && !world.frozen && !world.used.jumps)
            sim_fail("%s: a wake-up was lost, the sleeper needed its tick", me->call);
    }
    me->ticked = false;
    if (me->call_steps > run.calls_steps_max) {
        run.calls_steps_max = me->call_steps;
        run.calls_steps_name = me->call;
    }
    me->call = NULL;
    world.calls++;
    if (world.current < SIM_PARTICIPANTS)
        world.calls_each += UINT64_C(1) << 8 * world.current;
}

bool sim_others_in_call(void) {
    for (unsigned i = 0; i < SIM_FIBERS; i++)
        if (i != world.current && world.p[i].call && world.p[i].status != DEAD)
            return true;
    return false;
}

void sim_ready(void) {
    self()->fresh = true;
    fiber_switch(&self()->fiber, &main_fiber);
}

void sim_done(void) {
    if (world.exploring) {
        self()->steps++;
        self()->fresh = true; /* nobody is kept waiting by it any more */
        decide(0);
    }
    self()->status = DONE;
    schedule_away(false);
}

/* ---- a run ---- */

static bool process_lives(unsigned process) {
    for (unsigned i = 0; i < SIM_FIBERS; i++)
        if (process_of(i) == process && world.p[i].status != UNUSED && world.p[i].status != ENDED && world.p[i].status != DEAD)
            return true;
    return false;
}

static void entry(void) {
    unsigned me = world.current;
    if (me == SIM_CREATOR)
        program->setup();
    else if (me == SIM_INTERIM)
        program->interim();
    else if (me == SIM_FINISHER)
        program->finish();
    else
        program->body(me);
    self()->status = ENDED;
    if (!process_lives(process_of(me)))
        os_died(process_of(me)); /* what it did not close ends with it */
    schedule_away(false);
    abort();
}

static void begin(unsigned who) {
    struct participant *p = &world.p[who];
    fiber_begin(&p->fiber, entry);
    p->status = READY;
    p->local = p->said = mix(0, who);
}

/* Lets `who` go on until it has no more to do. Others move only while it sleeps. */
static void let(unsigned who) {
    world.p[who].status = READY;
    while (!run.failed && !run.cut && (world.p[who].status == READY || world.p[who].status == SLEEPING)) {
        world.idle = 0;
        resume(who);
    }
}

void world_prepare(const struct sim_program *p) {
    static bool created;
    if (!created) {
        memory_create();
        created = true;
    }
    program = p;
    run = (struct run){0};
    for (unsigned i = 0; i < SIM_FIBERS; i++)
        has_threads[i] = false;
    for (unsigned i = 0; i < p->participants; i++)
        if (p->thread_of[i])
            has_threads[p->thread_of[i] - 1] = true;
    sim_first_lap = p->first_lap ? p->first_lap : 1;
    sim_min_slots = p->min_slots ? p->min_slots : 8;
    sim_lane_slots = p->lane_slots;
    sim_known_ids = p->known_ids;
    sim_one_hash = p->one_hash;
    sim_tag_mask = p->tag_bits ? (1u << p->tag_bits) - 1 : 0x3fff;
    sim_stamp_mask = p->stamp_mask ? p->stamp_mask : 0xffffff;
    memory_reset();
    struct world fresh = {.now_ns = START_NS, .os = {.next_inode = 1}};
    for (unsigned i = 0; i < SIM_FIBERS; i++) {
        fresh.p[i].fiber = world.p[i].fiber;
        if (!fresh.p[i].fiber.stack)
            fiber_create(&fresh.p[i].fiber);
        fresh.p[i].random = mix(i, 1);
    }
    world = fresh;
    if (p->setup) {
        begin(SIM_CREATOR);
        resume(SIM_CREATOR);
    }
    for (unsigned i = 0; i < p->participants && !run.failed; i++) {
        begin(i);
        resume(i);
        if (!run.failed && world.p[i].status != READY) {
            run.failed = true;
            snprintf(run.failure, sizeof run.failure, "participant %u did not come to sim_ready", i);
        }
    }
    if (run.failed)
        return;
    world.steps = 0;
    world.calls_each = 0;
    state_begin();
}

static unsigned first_to_move(void) {
    struct option options[SIM_PARTICIPANTS];
    for (unsigned i = 0; i < program->participants; i++)
        options[i] = (struct option){SWITCH, (uint8_t)i};
    world.exploring = true;
    unsigned first = program->participants > 1 ? choose(NO_ONE, true, options, program->participants) : 0;
    trace_decision(NO_ONE, &options[first]);
    return first;
}

static void explore_phase(bool from_beginning) {
    resume(from_beginning ? first_to_move() : world.current);
    world.current = SIM_CREATOR; /* who was the last makes no difference any more */
    if (!run.failed && !run.cut && cuts)
        run.cut = state_seen(AT_END);
    if (!run.failed && !run.cut)
        outcome_met();
    world.exploring = false;
    run.explored_steps = world.steps;
}

bool world_run(size_t from) {
    state_restore(from == FROM_BEGINNING ? 0 : from);
    uint64_t steps_max = run.calls_steps_max;
    const char *steps_name = run.calls_steps_name;
    run = (struct run){.calls_steps_max = steps_max, .calls_steps_name = steps_name};
    quiet_watch = quiet != ALL_POINTS;
    explore_phase(from == FROM_BEGINNING);
    if (run.failed || run.cut)
        return false;
    if (world.frozen & ~world.killed) {
        if (program->interim) {
            trace_text("---- meanwhile");
            begin(SIM_INTERIM);
            let(SIM_INTERIM);
        }
        trace_text("---- the frozen go on");
        world.stopped = 0;
        for (unsigned i = 0; i < program->participants && !run.failed; i++)
            if (world.p[i].status == FROZEN)
                let(i);
    }
    quiet_watch = false;
    trace_text("---- the ends");
    if (world.p[SIM_INTERIM].status == DONE)
        let(SIM_INTERIM);
    for (unsigned i = 0; i < program->participants && !run.failed; i++)
        if (world.p[i].status == DONE || world.p[i].status == READY || world.p[i].status == SLEEPING)
            let(i);
    for (unsigned i = 0; i < program->participants && !run.failed; i++)
        if (world.p[i].status == DONE)
            let(i);
    if (program->finish && !run.failed) {
        trace_text("---- the finish");
        begin(SIM_FINISHER);
        let(SIM_FINISHER);
    }
    return !run.failed;
}
