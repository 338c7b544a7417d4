/* SPDX-License-Identifier: MIT */
/*
 * Exhaustive search runs the program for each way through its decisions, depth first, from the state in which it first decides otherwise, which was saved. A run is cut where its state was seen
 * before with at least as many preemptions left: every continuation has been looked at then, or will be. The state is a number
 * (state_key), so two different ones may be taken for the same once in 10^12 or so.
 */
#include "explore.h"
#include "tokens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DEPTH_MAX = 65536 };

const char *explore_mutant;
bool explore_mutant_met;

bool sim_mutant(const char *name) {
    if (!explore_mutant || strcmp(name, explore_mutant) != 0)
        return false;
    return explore_mutant_met = true;
}

static const struct explore_options *options;
static enum { DEPTH_FIRST, RANDOM, REPLAY } mode;

/* ---- states that were seen ---- */

struct set {
    uint64_t *key;
    uint64_t room; /* a power of two */
    uint64_t count;
};
static struct set seen, outcomes;
static uint64_t outcomes_sum;
enum { SEEN_SHIFT_MIN = 16, SEEN_SHIFT_MAX = 26 };

static void set_clear(struct set *s) {
    s->room = UINT64_C(1) << SEEN_SHIFT_MIN;
    free(s->key);
    s->key = calloc(s->room, sizeof *s->key);
    s->count = 0;
    if (!s->key)
        abort();
}

static uint64_t *set_place(struct set *s, uint64_t key) {
    uint64_t i = key & (s->room - 1);
    while (s->key[i] && s->key[i] != key)
        i = (i + 1) & (s->room - 1);
    return &s->key[i];
}

static void set_add(struct set *s, uint64_t key) {
    if (s->count * 2 > s->room) {
        if (s->room == UINT64_C(1) << SEEN_SHIFT_MAX)
            return; /* forgetting costs time, nothing else */
        uint64_t *before = s->key;
        uint64_t room = s->room;
        s->room = room * 4;
        s->key = calloc(s->room, sizeof *s->key);
        if (!s->key)
            abort();
        for (uint64_t i = 0; i < room; i++)
            if (before[i])
                *set_place(s, before[i]) = before[i];
        free(before);
    }
    *set_place(s, key) = key;
    s->count++;
}

static uint64_t key_with(uint64_t key, int preemptions) {
    uint64_t k = mix(key, (uint64_t)preemptions);
    return k ? k : 1;
}

/* ---- depth first ---- */

static struct {
    uint16_t taken, count;
    uint32_t tokens; /* taken before */
    size_t saved;    /* the state in which this is decided */
} path[DEPTH_MAX];
static unsigned path_length; /* decided before the run */
static unsigned depth;       /* decided so far in the run */

bool state_seen(enum place place) {
    if (mode != DEPTH_FIRST || options->no_cuts || depth < path_length)
        return false;
    uint64_t key = mix(state_key(), place);
    int used = budget.preemptions < 0 ? 0 : world.used.preemptions;
    for (int i = 0; i <= used; i++)
        if (*set_place(&seen, key_with(key, i)))
            return true;
    set_add(&seen, key_with(key, used));
    return false;
}

void outcome_met(void) {
    if (mode != DEPTH_FIRST || !options->outcomes)
        return;
    uint64_t key = key_with(state_outcome(), 0);
    if (*set_place(&outcomes, key))
        return;
    set_add(&outcomes, key);
    outcomes_sum += key;
}

static unsigned choose_next(bool forced, unsigned count) {
    if (depth == DEPTH_MAX) {
        sim_fail("more than %d decisions in one run", DEPTH_MAX);
        return 0;
    }
    if (depth == path_length) {
        if (depth > 0 && state_seen(forced ? AT_FORCED : AT_POINT))
            run_cut();
        path[depth].taken = 0;
        path[depth].count = (uint16_t)count;
        path[depth].tokens = taken_count;
        path[depth].saved = FROM_BEGINNING;
        path_length++;
        if (depth > 0 && !options->from_beginning && !tracing) {
            size_t saved = world_save();
            if (path[depth].saved == FROM_BEGINNING) /* otherwise a run goes on from here again */
                path[depth].saved = saved;
        }
    } else if (path[depth].count != count) {
        fprintf(stderr, "sim: the program is not a function of the decisions (%u options, were %u, at decision %u)\n", count,
                path[depth].count, depth);
        abort();
    }
    return path[depth++].taken;
}

static bool next_path(void) {
    path_length = depth < path_length ? depth : path_length;
    while (path_length > 0 && path[path_length - 1].taken + 1 == path[path_length - 1].count)
        path_length--;
    if (path_length == 0)
        return false;
    path[path_length - 1].taken++;
    return true;
}

/* ---- random ---- */

static uint64_t random_state;
static uint64_t draw(uint64_t below) {
    random_state += UINT64_C(0x9e3779b97f4a7c15);
    return mix(random_state, 7) % below;
}
static bool draw_chance(double p) { return (double)draw(1u << 30) < p * (double)(1u << 30); }

enum { CHANGES = 8 };
static struct {
    bool priorities;      /* PCT: the one with the highest priority moves; at some steps that one falls behind all others */
    unsigned one_in;      /* else: how often to switch */
    uint64_t usual_steps; /* of a run, learnt from those before */
    uint64_t fault[SIM_JUMPS + 3]; /* at which steps */
    enum action fault_action[SIM_JUMPS + 3];
    unsigned fault_count;
    uint64_t change[CHANGES];
    unsigned change_count;
    int priority[SIM_FIBERS];
    int lowest;
} plan;

static void plan_fault(enum action a, double p, int most) {
    for (int i = 0; i < most && draw_chance(p) && plan.fault_count < SIM_JUMPS + 3; i++) {
        plan.fault[plan.fault_count] = draw(plan.usual_steps);
        plan.fault_action[plan.fault_count++] = a;
    }
}

static void plan_run(uint64_t seed) {
    random_state = mix(seed, 3);
    if (plan.usual_steps < 32)
        plan.usual_steps = 32;
    plan.priorities = draw(2);
    plan.one_in = 1u << (1 + draw(6));
    plan.fault_count = plan.change_count = 0;
    plan_fault(KILL, options->kill, budget.kills);
    plan_fault(FREEZE, options->freeze, budget.freezes);
    plan_fault(JUMP, options->jump, budget.jumps);
    for (unsigned i = 0; i < SIM_FIBERS; i++)
        plan.priority[i] = (int)draw(1000);
    plan.lowest = 0;
    plan.change_count = (unsigned)draw(4);
    for (unsigned i = 0; i < plan.change_count; i++)
        plan.change[i] = draw(plan.usual_steps);
}

static unsigned pick(enum action a, const struct option *o, unsigned count) {
    unsigned found = 0, chosen = 0;
    for (unsigned i = 0; i < count; i++)
        if (o[i].action == a && draw(++found) == 0)
            chosen = i;
    return chosen;
}

static unsigned pick_highest(unsigned who, bool forced, const struct option *o, unsigned count) {
    unsigned best = 0;
    int priority = forced || who == NO_ONE ? -1000000 : plan.priority[who];
    for (unsigned i = 0; i < count; i++)
        if (o[i].action == SWITCH && plan.priority[o[i].argument] > priority) {
            best = i;
            priority = plan.priority[o[i].argument];
        }
    return best;
}

static unsigned choose_random(unsigned who, bool forced, const struct option *o, unsigned count) {
    for (unsigned i = 0; i < plan.fault_count; i++)
        if (!forced && world.steps >= plan.fault[i]) {
            unsigned chosen = pick(plan.fault_action[i], o, count);
            if (chosen) {
                plan.fault[i] = UINT64_MAX;
                return chosen;
            }
        }
    if (!plan.priorities) {
        if (forced)
            return (unsigned)draw(count);
        return draw(plan.one_in) ? 0 : pick(SWITCH, o, count);
    }
    for (unsigned i = 0; i < plan.change_count; i++)
        if (who != NO_ONE && world.steps >= plan.change[i]) {
            plan.change[i] = UINT64_MAX;
            plan.priority[who] = --plan.lowest;
        }
    return pick_highest(who, forced, o, count);
}

/* ---- */

unsigned choose(unsigned who, bool forced, const struct option *o, unsigned count) {
    uint32_t step = who == NO_ONE ? 0 : world.p[who].steps;
    unsigned chosen = mode == DEPTH_FIRST ? choose_next(forced, count)
                      : mode == RANDOM    ? choose_random(who, forced, o, count)
                                          : choose_given(who, step, o, count);
    if (chosen > 0)
        token_take(who, step, o[chosen]);
    return chosen;
}

static bool run_given(void) {
    mode = REPLAY;
    quiet = ALL_POINTS;
    cuts = false;
    taken_count = 0;
    for (unsigned i = 0; i < given_count; i++)
        given[i].used = false;
    struct sim_budget before = budget;
    budget = (struct sim_budget){-1, SIM_PARTICIPANTS, SIM_PARTICIPANTS, 1000};
    bool good = world_run(FROM_BEGINNING);
    budget = before;
    return good;
}

/* Leaves out every decision that the failure does not need: many at once while that works, then one by one. */
static void make_smaller(struct explore_result *result) {
    static struct token before[TOKENS_MAX];
    memcpy(given, taken_tokens, sizeof given);
    given_count = taken_count;
    if (run_given())
        return; /* it needs more tokens than there is room for; the seed remains */
    for (unsigned chunk = given_count / 2; chunk > 0; chunk = chunk > 1 ? chunk / 2 : 0)
        for (unsigned i = given_count; i > 0;) {
            unsigned n = i < chunk ? i : chunk;
            unsigned count = given_count;
            i -= n;
            memcpy(before, given, sizeof given);
            memmove(&given[i], &given[i + n], (given_count - i - n) * sizeof given[0]);
            given_count -= n;
            if (!run_given())
                continue;
            memcpy(given, before, sizeof given);
            given_count = count;
        }
    run_given();
    memcpy(result->failure, run.failure, sizeof result->failure);
    tokens_print(given, given_count, result->decisions, sizeof result->decisions);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void failed(struct explore_result *result) {
    if (result->failures++)
        return;
    memcpy(result->failure, run.failure, sizeof result->failure);
    tokens_print(taken_tokens, taken_count, result->decisions, sizeof result->decisions);
    if (!options->keep_going && !options->replay)
        make_smaller(result);
}

static void one_run(struct explore_result *result) {
    depth = taken_count = 0;
    size_t from = FROM_BEGINNING;
    if (mode == DEPTH_FIRST && path_length > 0 && path[path_length - 1].saved != FROM_BEGINNING) {
        depth = path_length - 1;
        from = path[depth].saved;
        taken_count = path[depth].tokens;
    }
    bool good = world_run(from);
    result->runs++;
    result->points += world.steps;
    result->depth = depth > result->depth ? depth : result->depth;
    result->runs_that_needed_ticks += world.needed_ticks > 0;
    if (!run.cut)
        result->ends++;
    if (!good && !run.cut)
        failed(result);
    result->call_steps = run.calls_steps_max;
    result->call_steps_name = run.calls_steps_name;
}

/* Random runs within the bound, which tell which words are changed by whom, before it is relied on. */
static void look_around(void) {
    enum { RUNS = 400 };
    static const struct sim_program *known;
    const struct explore_options *real = options;
    const struct explore_options around = {.kill = 0.7, .freeze = 0.7, .jump = 0.7};
    quiet_begin(known != program);
    known = program;
    options = &around;
    mode = RANDOM;
    quiet = WATCH;
    cuts = false;
    plan.usual_steps = 0;
    for (uint64_t seed = 1; seed <= RUNS; seed++) {
        plan_run(seed);
        taken_count = 0;
        (void)world_run(FROM_BEGINNING);
        if (run.explored_steps > plan.usual_steps)
            plan.usual_steps = run.explored_steps;
    }
    options = real;
    quiet = QUIET;
}

static void search_begin(void) {
    quiet_begin(false);
    set_clear(&seen);
    set_clear(&outcomes);
    outcomes_sum = 0;
    path_length = 0;
}

static void explore_all(struct explore_result *result, double begin) {
    enum { EARLY = 20000 }; /* later, what is wrong is collected to the end of the search */
    uint64_t first = 0;
    unsigned ignored = 0;
    if (!options->no_cuts)
        look_around();
    if (options->no_cuts || options->all_points || options->budget.freezes > 0) /* for stops it does not pay */
        quiet = ALL_POINTS;
    mode = DEPTH_FIRST;
    cuts = !options->no_cuts;
    search_begin();
    ignored = words_ignored;
    for (;;) {
        one_run(result);
        if (result->failures && !options->keep_going)
            return;
        if (options->runs && result->runs >= options->runs)
            return;
        if (options->seconds > 0 && result->runs % 64 == 0 && now() - begin > options->seconds)
            return;
        bool over = !next_path();
        bool named_anew = options->outcomes && over && words_ignored != ignored; /* the same for all that are compared */

        if (named_anew || (quiet_broken && (over || result->runs - first < EARLY))) {
            search_begin();
            first = result->runs;
            ignored = words_ignored;
            result->again++;
        } else if (over)
            break;
    }
    result->complete = true;
}

static void explore_random(struct explore_result *result, double begin) {
    mode = RANDOM;
    cuts = false;
    plan.usual_steps = 0;
    for (uint64_t seed = options->seed; !options->runs || seed - options->seed < options->runs; seed++) {
        plan_run(seed);
        one_run(result);
        if (run.explored_steps > plan.usual_steps)
            plan.usual_steps = run.explored_steps;
        if (result->failures) {
            result->seed = seed;
            if (!options->keep_going)
                return;
        }
        if (options->seconds > 0 && result->runs % 64 == 0 && now() - begin > options->seconds)
            return;
    }
}

void explore(const struct sim_program *p, const struct explore_options *o, struct explore_result *result) {
    *result = (struct explore_result){0};
    options = o;
    budget = o->budget;
    explore_mutant_met = false;
    quiet = ALL_POINTS;
    double begin = now();
    tracing = false;
    world_prepare(p);
    if (run.failed) {
        result->failures = 1;
        snprintf(result->failure, sizeof result->failure, "before the explored part: %.300s", run.failure);
        return;
    }
    tracing = o->trace;
    if (o->replay) {
        if (!tokens_parse(o->replay)) {
            result->failures = 1;
            snprintf(result->failure, sizeof result->failure, "these are no decisions: %s", o->replay);
            return;
        }
        if (!run_given())
            failed(result);
        result->runs = result->ends = 1;
    } else if (o->random)
        explore_random(result, begin);
    else
        explore_all(result, begin);
    result->states = seen.count;
    result->outcomes = outcomes.count;
    result->outcomes_sum = outcomes_sum;
    result->seconds = now() - begin;
}
