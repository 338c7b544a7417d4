/* SPDX-License-Identifier: MIT */
/* The command: runs scenarios on the simulator. */
#include "core.h"
#include "explore.h"
#include "mutants.h"
#include "names.h"
#include "scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct sim_program *const *const lists[] = {scenarios_pairs,   scenarios_time,  scenarios_death,
                                                         scenarios_dead,    scenarios_room,  scenarios_wrap,
                                                         scenarios_threads, scenarios_crowd, NULL};

static struct {
    const char *scenario;
    const char *replay;
    const char *mutant;
    bool list, all, ci, random, trace, no_cuts, keep_going, quiet, mutants, hunt;
    int bound, kills, freezes, jumps; /* -2: the scenario's */
    uint64_t seed, runs;
    double seconds;
} given = {.bound = -2, .kills = -2, .freezes = -2, .jumps = -2, .seed = 1};

static int passed, failed;
static uint64_t looked_at; /* schedules, in all */

static void usage(void) {
    fputs(
        "usage: sim --list\n"
        "       sim --scenario NAME [--bound N] [--kills N] [--freezes N] [--jumps N] [--seconds S] [--runs N] [--no-cuts]\n"
        "       sim --scenario NAME --random [--seed N] [--runs N] [--seconds S]\n"
        "       sim --scenario NAME --seed N           one random run\n"
        "       sim --scenario NAME --replay DECISIONS [--trace]\n"
        "       sim --all [--seconds S]                every scenario in S seconds: exhaustive as far as they go, then random\n"
        "       sim --scenario NAME --ci [--seconds S] the same for one\n"
        "       sim --mutants [--runs N] [--hunt]      is each seeded defect found, in N schedules, by its scenario (or by any)?\n"
        "       ... [--mutant NAME] [--keep-going]\n",
        stderr);
}

static struct sim_budget budget_of(const struct sim_program *p) {
    struct sim_budget b = p->budget;
    if (given.bound != -2)
        b.preemptions = given.bound;
    if (given.kills != -2)
        b.kills = given.kills;
    if (given.freezes != -2)
        b.freezes = given.freezes;
    if (given.jumps != -2)
        b.jumps = given.jumps;
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
    if (given.quiet || o->replay)
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
    printf("  again: sim --scenario %s%s%s --replay '%s' --trace\n", p->name, given.mutant ? " --mutant " : "",
           given.mutant ? given.mutant : "", r->decisions);
    if (given.quiet || o->replay)
        return;
    static struct explore_result again;
    static char decisions[sizeof r->decisions];
    memcpy(decisions, r->decisions, sizeof decisions);
    struct explore_options once = {.replay = decisions, .trace = true};
    explore(p, &once, &again);
}

/* True: nothing was found. */
static bool go(const struct sim_program *p, const struct explore_options *o, struct explore_result *r) {
    explore(p, o, r);
    looked_at += r->runs;
    describe(p, o, r);
    if (r->failures && !given.mutants)
        show_failure(p, o, r);
    return r->failures == 0;
}

static const struct sim_program *find(const char *name) {
    for (unsigned l = 0; lists[l]; l++)
        for (unsigned i = 0; lists[l][i]; i++)
            if (strcmp(lists[l][i]->name, name) == 0)
                return lists[l][i];
    return NULL;
}

static struct explore_options random_options(const struct sim_program *p) {
    return (struct explore_options){.budget = random_budget(p),
                                    .random = true,
                                    .seed = given.seed,
                                    .runs = given.runs,
                                    .seconds = given.seconds,
                                    .kill = 0.5,
                                    .freeze = 0.4,
                                    .jump = 0.6,
                                    .keep_going = given.keep_going};
}

static void one(const struct sim_program *p) {
    static struct explore_result r;
    struct explore_options o = {.budget = budget_of(p),
                                .runs = given.runs,
                                .seconds = given.seconds,
                                .no_cuts = given.no_cuts,
                                .replay = given.replay,
                                .trace = given.trace,
                                .keep_going = given.keep_going};
    if (given.random) {
        o = random_options(p);
        o.trace = given.trace;
    }
    *(go(p, &o, &r) ? &passed : &failed) += 1;
}

static double share_of(const struct sim_program *p) { return p->share > 0 ? p->share : 1; }

/*
 * What fits into `seconds`: everything within the scenario's bound, with a death, then with somebody stopped, then with both; at last random runs.
 */
static bool in_time(const struct sim_program *p, double seconds) {
    static struct explore_result r;
    struct sim_budget steps[] = {budget_of(p), budget_of(p), budget_of(p)};
    bool both = steps[2].kills > 0 && steps[2].freezes > 0;
    steps[0].freezes = 0;
    steps[1].kills = 0;
    double spent = 0;
    for (unsigned i = both ? 0 : 2; i < 3 && !p->large; i++) {
        struct explore_options o = {.budget = steps[i], .seconds = (seconds * 0.85 - spent) * (i < 2 ? 0.5 : 1)};
        if (!go(p, &o, &r))
            return false;
        spent += r.seconds;
    }
    struct explore_options o = random_options(p);
    o.runs = 0;
    o.seconds = p->large ? seconds : seconds - spent < seconds * 0.15 ? seconds * 0.15 : (seconds - spent) * 0.5;
    return go(p, &o, &r);
}

/* The same, measured in schedules: what it finds does not depend on the machine. */
static bool in_runs(const struct sim_program *p, uint64_t runs) {
    static struct explore_result r;
    struct sim_budget death = budget_of(p), stop = budget_of(p);
    death.freezes = 0;
    stop.kills = 0;
    struct explore_options deaths = {.budget = death, .runs = runs}, stops = {.budget = stop, .runs = runs};
    struct explore_options random = random_options(p);
    random.runs = runs / 4;
    return (p->large || (go(p, &deaths, &r) && (stop.freezes == 0 || go(p, &stops, &r)))) && go(p, &random, &r);
}

/* Each scenario gets its share of the time. */
static void all(void) {
    double shares = 0;
    for (unsigned l = 0; lists[l]; l++)
        for (unsigned i = 0; lists[l][i]; i++)
            shares += share_of(lists[l][i]);
    for (unsigned l = 0; lists[l]; l++)
        for (unsigned i = 0; lists[l][i]; i++)
            *(in_time(lists[l][i], given.seconds * share_of(lists[l][i]) / shares) ? &passed : &failed) += 1;
}

/* Schedules until a scenario notices the mutant; 0: it does not. In a process of its own: defective code may crash, which is noticed too. */
static uint64_t schedules_until_caught(const struct mutant *m, const struct sim_program *p) {
    uint64_t *looked = mmap(NULL, sizeof *looked, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t child = looked == MAP_FAILED ? -1 : fork();
    if (child < 0)
        abort();
    if (child == 0) {
        explore_mutant = m->name;
        looked_at = 0;
        bool passed_by = in_runs(p, given.runs);
        *looked = looked_at;
        _exit(passed_by ? 0 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    uint64_t n = status == 0 ? 0 : *looked > 0 ? *looked : 1;
    munmap(looked, sizeof *looked);
    return n;
}

/* Every mutant, on the scenario named for it and, when hunting, on all others. */
static void all_mutants(void) {
    given.quiet = true;
    printf("%-27s %-18s %10s  %s\n", "MUTANT", "CAUGHT BY", "SCHEDULES", "");
    for (const struct mutant *m = mutants; m->name; m++) {
        if (given.mutant && strcmp(given.mutant, m->name) != 0)
            continue;
        const struct sim_program *p = find(m->scenario);
        uint64_t n = p ? schedules_until_caught(m, p) : 0;
        for (unsigned l = 0; given.hunt && n == 0 && lists[l]; l++)
            for (unsigned i = 0; n == 0 && lists[l][i]; i++)
                n = schedules_until_caught(m, p = lists[l][i]);
        if (n > 0)
            printf("%-27s %-18s %10llu  %s\n", m->name, p->name, (unsigned long long)n, m->about);
        else
            printf("%-27s %-18s %10s  %s\n", m->name, "NOBODY", "", m->about);
        *(n > 0 ? &passed : &failed) += 1;
    }
    printf("%d mutants, %d caught\n", passed + failed, passed);
}

static bool number(const char *name, const char *flag, const char *value, int *into) {
    if (strcmp(name, flag) != 0 || !value)
        return false;
    *into = atoi(value);
    return true;
}

/* -> how many words were used; 0: not understood. */
static int option(const char *name, const char *value) {
    struct {
        const char *name;
        bool *flag;
    } const flags[] = {{"--list", &given.list},       {"--all", &given.all},
                       {"--ci", &given.ci},           {"--random", &given.random},
                       {"--trace", &given.trace},     {"--no-cuts", &given.no_cuts},
                       {"--quiet", &given.quiet},     {"--keep-going", &given.keep_going},
                       {"--mutants", &given.mutants}, {"--hunt", &given.hunt}};
    for (unsigned i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (strcmp(name, flags[i].name) == 0) {
            *flags[i].flag = true;
            return 1;
        }
    if (!value)
        return 0;
    if (number(name, "--bound", value, &given.bound) || number(name, "--kills", value, &given.kills) ||
        number(name, "--freezes", value, &given.freezes) || number(name, "--jumps", value, &given.jumps))
        return 2;
    if (strcmp(name, "--scenario") == 0)
        given.scenario = value;
    else if (strcmp(name, "--replay") == 0)
        given.replay = value;
    else if (strcmp(name, "--mutant") == 0)
        given.mutant = value;
    else if (strcmp(name, "--seconds") == 0)
        given.seconds = atof(value);
    else if (strcmp(name, "--runs") == 0)
        given.runs = strtoull(value, NULL, 10);
    else if (strcmp(name, "--seed") == 0) {
        given.seed = strtoull(value, NULL, 10);
        given.random = true;
        if (given.runs == 0)
            given.runs = 1;
    } else
        return 0;
    return 2;
}

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    trace_word_name = segment_word_name;
    for (int i = 1; i < argc;) {
        int used = option(argv[i], i + 1 < argc ? argv[i + 1] : NULL);
        if (used == 0) {
            usage();
            return 2;
        }
        i += used;
    }
    explore_mutant = given.mutant;
    if (given.list) {
        for (unsigned l = 0; lists[l]; l++)
            for (unsigned i = 0; lists[l][i]; i++)
                printf("%-20s %s\n", lists[l][i]->name, lists[l][i]->about);
        return 0;
    }
    if (given.mutants && given.runs == 0)
        given.runs = 400000;
    if ((given.all || given.ci) && given.seconds <= 0)
        given.seconds = given.all ? 180 : 6;
    if (given.mutants) {
        all_mutants();
    } else if (given.all) {
        all();
    } else if (given.scenario) {
        const struct sim_program *p = find(given.scenario);
        if (!p) {
            fprintf(stderr, "sim: no scenario '%s'; see --list\n", given.scenario);
            return 2;
        }
        if (given.ci)
            *(in_time(p, given.seconds) ? &passed : &failed) += 1;
        else
            one(p);
    } else {
        usage();
        return 2;
    }
    if (given.mutant && !explore_mutant_met)
        printf("the code was never asked for mutant '%s'\n", given.mutant);
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
