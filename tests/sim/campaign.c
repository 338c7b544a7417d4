/* SPDX-License-Identifier: MIT */
#include "campaign.h"
#include "scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct command command = {.bound = -2, .kills = -2, .freezes = -2, .jumps = -2, .seed = 1};
uint64_t looked_at;

static struct sim_budget budget_of(const struct sim_program *p) {
    struct sim_budget b = p->budget;
    if (command.bound != -2)
        b.preemptions = command.bound;
    if (command.kills != -2)
        b.kills = command.kills;
    if (command.freezes != -2)
        b.freezes = command.freezes;
    if (command.jumps != -2)
        b.jumps = command.jumps;
    return b;
}

/* In a random run more may go wrong at once. */
static struct sim_budget random_budget(const struct sim_program *p) {
    struct sim_budget b = p->budget;
    b.preemptions = -1;
    b.kills = 2;
    b.jumps += b.jumps > 0;
    return b;
}

static void describe(const struct sim_program *p, const struct explore_options *o, const struct explore_result *r) {
    if (command.quiet || o->replay)
        return;
    printf("%-20s ", p->name);
    if (o->random)
        printf("random from seed %llu: ", (unsigned long long)o->seed);
    else
        printf("bound %d, %d kills, %d freezes, %d jumps: ", o->budget.preemptions, o->budget.kills, o->budget.freezes,
               o->budget.jumps);
    printf("%llu runs, %llu judged", (unsigned long long)r->runs, (unsigned long long)r->ends);
    if (!o->random)
        printf(", %llu states, %s", (unsigned long long)r->states, r->complete ? "complete" : "TRUNCATED");
    printf(", %.2f s (%.0f/s)", r->seconds, r->seconds > 0 ? (double)r->runs / r->seconds : 0);
    if (o->outcomes)
        printf(", %llu outcomes (%016llx)", (unsigned long long)r->outcomes, (unsigned long long)r->outcomes_sum);
    if (r->again)
        printf(", begun again %llu times", (unsigned long long)r->again);
    if (r->runs_that_needed_ticks)
        printf(", %llu needed a tick", (unsigned long long)r->runs_that_needed_ticks);
    if (r->call_steps_name)
        printf(", at most %llu steps (%s)", (unsigned long long)r->call_steps, r->call_steps_name);
    printf("\n");
}

static void show_failure(const struct sim_program *p, const struct explore_options *o, struct explore_result *r) {
    printf("FAILED %s: %s\n", p->name, r->failure);
    if (o->random)
        printf("  seed %llu\n", (unsigned long long)r->seed);
    printf("  again: sim --scenario %s%s%s --replay '%s' --trace\n", p->name, command.mutant ? " --mutant " : "",
           command.mutant ? command.mutant : "", r->decisions);
    if (command.quiet || o->replay)
        return;
    static struct explore_result again;
    static char decisions[sizeof r->decisions];
    memcpy(decisions, r->decisions, sizeof decisions);
    struct explore_options once = {.replay = decisions, .trace = true};
    explore(p, &once, &again);
}

static struct explore_result result; /* the last */

/* True: nothing was found. */
static bool go(const struct sim_program *p, const struct explore_options *o) {
    struct explore_result *r = &result;
    explore(p, o, r);
    looked_at += r->runs;
    describe(p, o, r);
    if (r->failures && !command.mutants && !command.sites)
        show_failure(p, o, r);
    return r->failures == 0;
}

const struct sim_program *scenario_find(const char *name) {
    for (unsigned l = 0; scenario_lists[l]; l++)
        for (unsigned i = 0; scenario_lists[l][i]; i++)
            if (strcmp(scenario_lists[l][i]->name, name) == 0)
                return scenario_lists[l][i];
    return NULL;
}

static struct explore_options random_options(const struct sim_program *p) {
    return (struct explore_options){.budget = random_budget(p),
                                    .random = true,
                                    .seed = command.seed,
                                    .runs = command.runs,
                                    .seconds = command.seconds,
                                    .kill = 0.5,
                                    .freeze = 0.4,
                                    .jump = 0.6,
                                    .keep_going = command.keep_going};
}

bool look_as_given(const struct sim_program *p) {
    struct explore_options o = {.budget = budget_of(p),
                                .runs = command.runs,
                                .seconds = command.seconds,
                                .no_cuts = command.no_cuts,
                                .from_beginning = command.from_beginning,
                                .all_points = command.all_points,
                                .outcomes = command.outcomes,
                                .replay = command.replay,
                                .trace = command.trace,
                                .keep_going = command.keep_going};
    if (command.random) {
        o = random_options(p);
        o.trace = command.trace;
    }
    return go(p, &o);
}

static double share_of(const struct sim_program *p) { return p->share > 0 ? p->share : 1; }

static bool look_random(const struct sim_program *p, double seconds) {
    struct explore_options o = random_options(p);
    o.runs = 0;
    o.seconds = seconds;
    return go(p, &o);
}

/* The scenario's bounds with death alone, with stops alone, and with both. */
enum { DEATH, STOP, BOTH, FAULTS };
static unsigned faults_of(const struct sim_program *p, struct sim_budget faults[FAULTS]) {
    struct sim_budget b = budget_of(p);
    faults[DEATH] = faults[STOP] = faults[BOTH] = b;
    faults[DEATH].freezes = faults[STOP].kills = 0;
    if (b.kills > 0 && b.freezes > 0)
        return FAULTS;
    faults[0] = b;
    return 1;
}

/*
 * What fits into `seconds`: everything within the scenario's bound, with a death, then with somebody stopped, then with both; at last random runs.
 */
bool look_in_time(const struct sim_program *p, double seconds) {
    struct sim_budget faults[FAULTS];
    unsigned count = p->large ? 0 : faults_of(p, faults);
    double spent = 0;
    for (unsigned i = 0; i < count; i++) {
        struct explore_options o = {.budget = faults[i], .seconds = (seconds * 0.85 - spent) * (i + 1 < count ? 0.5 : 1)};
        if (!go(p, &o))
            return false;
        spent += result.seconds;
    }
    double rest = seconds - spent;
    return look_random(p, p->large ? seconds : rest < seconds * 0.15 ? seconds * 0.15 : rest * 0.5);
}

/*
 * For pairs everything within the bound, however long it takes, with a death and with a stop; both at once, three and more participants, and random runs as far as
 * they go in `seconds`.
 */
bool look_for_ci(const struct sim_program *p, double seconds) {
    struct sim_budget faults[FAULTS];
    unsigned count = p->large ? 0 : faults_of(p, faults);
    for (unsigned i = 0; i < count; i++) {
        struct explore_options o = {.budget = faults[i]};
        if (p->participants > 2 || i == BOTH || p->long_runs)
            o.seconds = seconds * share_of(p) / count;
        if (!go(p, &o))
            return false;
    }
    return look_random(p, seconds * (p->large ? 2 : 0.2));
}

/* The same, measured in schedules: what it finds does not depend on the machine. */
bool look_in_runs(const struct sim_program *p, uint64_t runs) {
    struct sim_budget faults[FAULTS];
    unsigned count = p->large ? 0 : faults_of(p, faults);
    for (unsigned i = 0; i < count && i != BOTH; i++) {
        struct explore_options o = {.budget = faults[i], .runs = runs};
        if (!go(p, &o))
            return false;
    }
    struct explore_options random = random_options(p);
    random.runs = runs / 4;
    return go(p, &random);
}

uint64_t schedules_until_noticed(const struct sim_program *p, uint64_t runs) {
    uint64_t *looked = mmap(NULL, sizeof *looked, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    fflush(stdout);
    pid_t child = looked == MAP_FAILED ? -1 : fork();
    if (child < 0)
        abort();
    if (child == 0) {
        looked_at = 0;
        bool passed_by = look_in_runs(p, runs);
        *looked = looked_at;
        _exit(passed_by ? 0 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    uint64_t n = status == 0 ? 0 : *looked > 0 ? *looked : 1;
    munmap(looked, sizeof *looked);
    return n;
}

/* Each scenario gets its share of the time. */
int look_at_all(double seconds) {
    int failed = 0;
    double shares = 0;
    for (unsigned l = 0; scenario_lists[l]; l++)
        for (unsigned i = 0; scenario_lists[l][i]; i++)
            shares += share_of(scenario_lists[l][i]);
    for (unsigned l = 0; scenario_lists[l]; l++)
        for (unsigned i = 0; scenario_lists[l][i]; i++)
            failed += !look_in_time(scenario_lists[l][i], seconds * share_of(scenario_lists[l][i]) / shares);
    return failed;
}
