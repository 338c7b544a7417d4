/* SPDX-License-Identifier: MIT */
/* One run of a scenario: the phases of tests/sim/sim.h, with threads; and what scenarios and the witness ask of the simulator. */
#include "party.h"
#include "proc.h"
#include "witness_log.h"
#include <ringpost/ringpost.h>

#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_S = 100 };

_Thread_local struct party *me;
struct party parties[SIM_FIBERS];
const struct sim_program *scenario;
struct run_counts *counts;

extern uint64_t sim_first_lap;
extern uint32_t sim_min_slots, sim_tag_mask, sim_stamp_mask, sim_lane_slots, sim_known_ids;
extern bool sim_one_hash;
uint64_t sim_first_lap;
uint32_t sim_min_slots, sim_tag_mask, sim_stamp_mask, sim_lane_slots, sim_known_ids;
bool sim_one_hash;

static uint64_t run_seed;
static _Atomic unsigned turn; /* whose body begins, or ends: number + 1 */
static _Atomic bool go;
static _Atomic unsigned thawed; /* as bits */
static _Atomic unsigned killed, frozen;
static _Atomic uint64_t calls;

/* ---- failing ---- */

static const char *const state_names[] = {"coming", "ready", "running", "frozen", "done", "ended", "dead"};

/* Others may be writing still; whoever reads this wants to see what is there. */
__attribute__((no_sanitize("thread"))) static void show(void) {
    static const char *const kinds[] = {"",       "send", "loan",  "abandon", "empty", "received", "ack",    "nack",   "reject",
                                        "extend", "view", "close", "sweep",   "purge", "redrive",  "attach", "detach", "died"};
    for (unsigned i = 0; i < witness.count && i < EVENTS; i++) {
        const struct event *e = &witness.events[i];
        printf("  %c %-9s message %-6x id %llu acquisition %u -> %s, calls %llu to %lld\n", "ABCDEFcif"[e->who],
               e -> kind < sizeof kinds / sizeof kinds[0] ? kinds[e->kind] : "?", e->tag, (unsigned long long)e->id,
               e->acquisitions, e->result == UNKNOWN ? "?" : rp_error_name(e->result), (unsigned long long)e->begin,
               (long long)e->end);
    }
    for (unsigned i = 0; i < SIM_FIBERS; i++)
        if (parties[i].started)
            printf("  %c is %s, in %s\n", "ABCDEFcif"[i], state_names[state_of_party(&parties[i])],
                   GET(parties[i].call) ? GET(parties[i].call) : "no call");
}

void sim_fail(const char *format, ...) {
    static atomic_flag failed;
    if (atomic_flag_test_and_set_explicit(&failed, RELAXED))
        for (;;)
            pause();
    va_list arguments;
    va_start(arguments, format);
    printf("FAILED %s, seed %llu: ", scenario->name, (unsigned long long)run_seed);
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
    show();
    fflush(stdout);
    ADD(counts->failures, 1);
    _exit(1);
}

/* ---- waiting for each other, without ordering anything ---- */

static double seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

#define WAIT_UNTIL(condition)                                          \
    for (double give_up = seconds_now() + PATIENCE_S; !(condition);) { \
        sched_yield();                                                 \
        if (seconds_now() > give_up)                                   \
            sim_fail("nobody moves any more (%s)", #condition);        \
    }

/* Threads of one process may hand each other things: they are ordered as a program would order them. */
static bool any_threads(void) {
    for (unsigned i = 0; i < scenario->participants; i++)
        if (scenario->thread_of[i])
            return true;
    return false;
}
static _Atomic unsigned meeting;
static void meet(bool ordered) {
    if (ordered)
        atomic_fetch_add_explicit(&meeting, 1, memory_order_acq_rel);
}

static void become(enum party_state s) { SET(me->state, s); }

/* ---- what happens to participants ---- */

static bool last_of_process(void) {
    for (unsigned i = 0; me->who < SIM_PARTICIPANTS && i < scenario->participants; i++)
        if (i != me->who && process_of(i) == process_mine() && state_of_party(&parties[i]) != ENDED)
            return false;
    return true;
}

void party_die(void) {
    me->running = false;
    atomic_fetch_or_explicit(&killed, 1u << me->who, RELAXED);
    ADD(counts->kills, 1);
    process_end(process_mine());
    become(DEAD);
    pthread_exit(NULL);
}

void party_freeze(void) {
    me->running = false;
    atomic_fetch_or_explicit(&frozen, 1u << me->who, RELAXED);
    ADD(counts->freezes, 1);
    become(FROZEN);
    WAIT_UNTIL(GET(thawed) >> me->who & 1);
}

void sim_ready(void) {
    become(READY);
    meet(true);
    SET(turn, me->who + 2);
    WAIT_UNTIL(GET(go));
    meet(true);
    become(RUNNING);
    me->running = true;
}

void sim_done(void) {
    if (me->who < SIM_PARTICIPANTS && me->running)
        me->usual_points = GET(me->progress);
    me->running = false;
    meet(any_threads());
    become(DONE);
    WAIT_UNTIL(GET(turn) == me->who + 1);
    meet(any_threads());
}

static void *body(void *party) {
    me = party;
    if (me->who == SIM_INTERIM) {
        scenario->interim();
    } else {
        WAIT_UNTIL(GET(turn) == me->who + 1);
        meet(true);
        scenario->body(me->who);
    }
    meet(any_threads());
    if (last_of_process())
        process_end(process_mine());
    become(ENDED);
    return NULL;
}

/* ---- a run ---- */

static void start(unsigned who) {
    struct party *p = &parties[who];
    p->who = who;
    p->running = false;
    p->choices = run_seed ^ who;
    SET(p->state, COMING);
    SET(p->progress, 0);
    SET(p->call, NULL);
    p->started = true;
    if (pthread_create(&p->thread, NULL, body, p) != 0)
        sim_fail("cannot start a thread");
}

static void join(unsigned who) {
    if (parties[who].started)
        pthread_join(parties[who].thread, NULL);
    parties[who].started = false;
}

/* Setup and finish are made by this thread. */
static void act_as(unsigned who, void (*part)(void)) {
    parties[who].who = who;
    me = &parties[who];
    part();
    process_end(who);
}

static void end(unsigned who) {
    if (state_of_party(&parties[who]) == DEAD)
        return;
    SET(turn, who + 1);
    WAIT_UNTIL(state_of_party(&parties[who]) == ENDED);
}

static bool settled(const struct party *p) {
    enum party_state s = state_of_party(p);
    return s == DONE || s == FROZEN || s == DEAD;
}

static uint64_t chance(uint64_t *random) { return random_next(random) % 100; }
static bool listed(unsigned bits, unsigned who) { return bits == 0 || bits >> who & 1; }

static uint32_t somewhere(struct party *p) { return 1 + (uint32_t)(random_next(&p->random) % (p->usual_points + 3)); }

static void plan_faults(uint64_t random) {
    unsigned n = scenario->participants, jumps = 0;
    while (jumps < SIM_JUMPS && scenario->jumps_ns[jumps])
        jumps++;
    for (unsigned i = 0; i < n; i++)
        plan(&parties[i], random);
    for (int k = 0; k < 2; k++) {
        unsigned who = (unsigned)(random_next(&random) % n);
        if (chance(&random) < 30 && listed(scenario->killable, who) && !any_threads())
            parties[who].kill_at = somewhere(&parties[who]);
    }
    unsigned who = (unsigned)(random_next(&random) % n);
    if (scenario->budget.freezes > 0 && chance(&random) < 30 && listed(scenario->freezable, who))
        parties[who].freeze_at = somewhere(&parties[who]);
    for (int j = 0; j < scenario->budget.jumps + 1; j++) {
        who = (unsigned)(random_next(&random) % n);
        if (jumps > 0 && chance(&random) < 60) {
            parties[who].jump_at = somewhere(&parties[who]);
            parties[who].jump_ns = scenario->jumps_ns[random_next(&random) % jumps];
        }
    }
}

static void thaw(void) {
    unsigned who = SIM_INTERIM, bits = GET(frozen) & ~GET(killed);
    if (bits == 0)
        return;
    if (scenario->interim) {
        start(who);
        WAIT_UNTIL(state_of_party(&parties[who]) == DONE || state_of_party(&parties[who]) == ENDED); /* some interims do nothing */
    }
    for (who = 0; who < scenario->participants; who++)
        if (bits >> who & 1) {
            atomic_fetch_or_explicit(&thawed, 1u << who, RELAXED);
            WAIT_UNTIL(state_of_party(&parties[who]) == DONE);
        }
    if (scenario->interim)
        end(SIM_INTERIM);
}

void run(uint64_t seed) {
    unsigned n = scenario->participants;
    run_seed = seed;
    sim_first_lap = scenario->first_lap ? scenario->first_lap : 1;
    sim_min_slots = scenario->min_slots ? scenario->min_slots : 8;
    sim_lane_slots = scenario->lane_slots;
    sim_known_ids = scenario->known_ids;
    sim_one_hash = scenario->one_hash;
    sim_stamp_mask = scenario->stamp_mask ? scenario->stamp_mask : 0xffffff;
    sim_tag_mask = scenario->tag_bits ? (1u << scenario->tag_bits) - 1 : 0x3fff;
    SET(killed, 0);
    SET(frozen, 0);
    SET(thawed, 0);
    SET(go, false);
    SET(turn, 0);
    act_as(SIM_CREATOR, scenario->setup);
    plan_faults(seed * UINT64_C(0x9e3779b97f4a7c15));
    for (unsigned i = 0; i < n; i++)
        start(i);
    SET(turn, 1);
    for (unsigned i = 0; i < n; i++)
        WAIT_UNTIL(state_of_party(&parties[i]) == READY);
    SET(go, true);
    for (unsigned i = 0; i < n; i++)
        WAIT_UNTIL(settled(&parties[i]));
    thaw();
    for (unsigned i = 0; i < n; i++)
        end(i);
    for (unsigned i = 0; i < SIM_FIBERS; i++)
        join(i);
    if (scenario->finish)
        act_as(SIM_FINISHER, scenario->finish);
    for (unsigned i = 0; i < n; i++)
        ADD(points_passed, GET(parties[i].progress));
    me = NULL;
    processes_reset();
    ADD(counts->runs, 1);
}

/* ---- what scenarios and the witness ask for ---- */

unsigned sim_me(void) { return me->who; }
uint64_t sim_now_ns(void) { return clock_now_ns(); }
void sim_advance_ns(uint64_t ns) { clock_jump(ns); }
void sim_linger(void) { sched_yield(); }
void sim_poll(int descriptor) {
    struct pollfd one = {.fd = descriptor, .events = POLLIN};
    (void)poll(&one, 1, -1);
}
uint64_t sim_random(void) { return random_next(&me->choices); }
void sim_keep(void *memory, size_t bytes) { (void)memory, (void)bytes; }
void sim_keep_aside(void *memory, size_t bytes) { (void)memory, (void)bytes; }
void sim_keep_constant(const volatile void *memory, size_t bytes) { (void)memory, (void)bytes; }
void sim_keep_log(void *entries, size_t entry_bytes, const unsigned *count) { (void)entries, (void)entry_bytes, (void)count; }
void sim_note(const char *format, ...) { (void)format; }
bool sim_tracing(void) { return false; }
bool sim_exploring(void) { return me->running; }
void sim_learn(uint64_t value) { (void)value; }
unsigned sim_killed(void) { return GET(killed); }
unsigned sim_frozen(void) { return GET(frozen); }
/* How long anything took says nothing here: sleepers move the clock. */
bool sim_jumped(void) { return true; }
uint64_t sim_calls(void) { return GET(calls); }
void sim_call(const char *name) { SET(me->call, name); }
/* Relaxed, so that it orders nothing; calls are numbered all the same, as each number is drawn once, between the call and what follows it. */
void sim_return(bool success) {
    (void)success;
    ADD(calls, 1);
    SET(me->call, NULL);
}
