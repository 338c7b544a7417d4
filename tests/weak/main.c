/* SPDX-License-Identifier: MIT */
/* weak [--list] [--litmus] [--program NAME] [--all] [--mutants] ...: see README.md. */
#include "figure.h"
#include "mutants.h"
#include "weak.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t schedules, violations;

static void figures(void) {
    figure("weak_schedules", schedules);
    figure("violations", violations);
}

static const struct weak_program *program_named(const char *name) {
    const struct weak_program *p = weak_program_named(name);
    if (p != NULL)
        return p;
    fprintf(stderr, "no program '%s'; see --list\n", name);
    exit(2);
}

static void print_failure(const struct weak_program *p, const struct exploration *e, const char *weaken) {
    printf("FAILED after %llu schedules: %s\n", (unsigned long long)e->runs, e->failure);
    printf("again: weak --program %s%s%s --replay '%s' --trace\n", p->name, weaken != NULL ? " --weaken " : "",
           weaken != NULL ? weaken : "", e->decisions);
}

static bool check(const struct weak_program *p, struct exploration e, double seconds, const char *weaken) {
    e.seconds = seconds;
    explore(p, &e);
    schedules += e.runs;
    char bound[80] = "";
    if (e.preemptions >= 0)
        snprintf(bound, sizeof bound, "all with <= %d preemptions, <= %d old values", e.preemptions, e.stales);
    printf("%-16s %9llu schedules, %4.0f accesses each; %s\n", p->name, (unsigned long long)e.runs,
           (double)e.steps / (double)(e.runs > 0 ? e.runs : 1), bound);
    if (e.failed) {
        violations += weaken == NULL;
        print_failure(p, &e, weaken);
    }
    fflush(stdout);
    return !e.failed;
}

static const char *value(int count, char **words, int *i) {
    if (*i + 1 < count)
        return words[++*i];
    fprintf(stderr, "%s: needs a value\n", words[*i]);
    exit(2);
}

int main(int count, char **words) {
    const struct weak_program *only = NULL;
    const char *weaken = NULL;
    bool all = false, mutants = false, run_litmus = false, sites = false;
    double seconds = 0;
    uint64_t search = 0;
    struct exploration e = {.seed = 1};
    struct weak_weaken w;
    for (int i = 1; i < count; i++) {
        const char *word = words[i];
        if (strcmp(word, "--list") == 0) {
            for (const struct weak_program *const *p = weak_programs; *p != NULL; p++)
                printf("%-16s %s\n", (*p)->name, (*p)->about);
            return 0;
        } else if (strcmp(word, "--litmus") == 0)
            run_litmus = true;
        else if (strcmp(word, "--all") == 0)
            all = true;
        else if (strcmp(word, "--mutants") == 0)
            mutants = true;
        else if (strcmp(word, "--sites") == 0)
            sites = true;
        else if (strcmp(word, "--trace") == 0)
            tracing = true;
        else if (strcmp(word, "--random") == 0)
            e.random_only = true;
        else if (strcmp(word, "--program") == 0)
            only = program_named(value(count, words, &i));
        else if (strcmp(word, "--seconds") == 0)
            seconds = atof(value(count, words, &i));
        else if (strcmp(word, "--minutes") == 0)
            seconds = 60 * atof(value(count, words, &i));
        else if (strcmp(word, "--seed") == 0)
            e.seed = strtoull(value(count, words, &i), NULL, 0);
        else if (strcmp(word, "--runs") == 0)
            e.runs_max = strtoull(value(count, words, &i), NULL, 0);
        else if (strcmp(word, "--replay") == 0)
            e.replay = value(count, words, &i);
        else if (strcmp(word, "--search") == 0)
            search = strtoull(value(count, words, &i), NULL, 0);
        else if (strcmp(word, "--weaken") == 0)
            weaken = value(count, words, &i);
        else {
            fprintf(stderr, "unknown option %s\n", word);
            return 2;
        }
    }
    if (weaken != NULL && !mutants) {
        if (!weaken_parse(weaken, &w)) {
            fprintf(stderr, "--weaken LABEL:release|acquire|sc[@FILE[:LINE]]\n");
            return 2;
        }
        weakened = &w;
    }
    bool good = true;
    if (run_litmus)
        good = litmus() == 0;
    unsigned programs = 0;
    for (const struct weak_program *const *p = weak_programs; *p != NULL; p++)
        programs++;
    if (mutants)
        good = mutants_table(search, weaken, &schedules) && good;
    if (sites)
        sites_table(e.runs_max > 0 ? e.runs_max : 5000, &schedules);
    if (only != NULL)
        good = check(only, e, seconds > 0 ? seconds : 5, weaken) && good;
    else if (all) {
        printf("random runs from seed %llu\n", (unsigned long long)e.seed);
        for (const struct weak_program *const *p = weak_programs; *p != NULL; p++)
            good = check(*p, e, seconds > 0 ? seconds / programs : 1, weaken) && good;
    }
    if (weaken != NULL)
        printf("made weaker: %llu accesses\n", (unsigned long long)weakened_met);
    figures();
    return good ? 0 : 1;
}
