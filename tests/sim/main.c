/* SPDX-License-Identifier: MIT */
/* The command: runs scenarios on the simulator. */
#include "campaign.h"
#include "core.h"
#include "figure.h"
#include "mutants.h"
#include "names.h"
#include "scenario.h"
#include "sites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void usage(void) {
    fputs(
        "usage: sim --list\n"
        "       sim --scenario NAME [--bound N] [--kills N] [--freezes N] [--jumps N] [--seconds S] [--runs N] [--no-cuts] "
        "[--all-points] "
        "[--from-beginning] [--outcomes]\n"
        "       sim --scenario NAME --random [--seed N] [--runs N] [--seconds S]\n"
        "       sim --scenario NAME --seed N           one random run\n"
        "       sim --scenario NAME --replay DECISIONS [--trace]\n"
        "       sim --all [--seconds S]                every scenario in S seconds: exhaustive as far as they go, then random\n"
        "       sim --scenario NAME --ci [--seconds S] the same for one\n"
        "       sim --mutants [--runs N] [--hunt]      is each seeded defect found, in N schedules, by its scenario (or by any)?\n"
        "       sim --sites [--runs N] [--mutant FILE:LINE]  the same for each access that changes something: a CAS made blind, a "
        "change "
        "not made\n"
        "       ... [--mutant NAME] [--keep-going]\n",
        stderr);
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
    } const flags[] = {{"--list", &command.list},
                       {"--all", &command.all},
                       {"--ci", &command.ci},
                       {"--random", &command.random},
                       {"--trace", &command.trace},
                       {"--no-cuts", &command.no_cuts},
                       {"--quiet", &command.quiet},
                       {"--keep-going", &command.keep_going},
                       {"--mutants", &command.mutants},
                       {"--sites", &command.sites},
                       {"--hunt", &command.hunt},
                       {"--from-beginning", &command.from_beginning},
                       {"--all-points", &command.all_points},
                       {"--durable", &sim_durable},
                       {"--outcomes", &command.outcomes}};
    for (unsigned i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (strcmp(name, flags[i].name) == 0) {
            *flags[i].flag = true;
            return 1;
        }
    if (!value)
        return 0;
    if (number(name, "--bound", value, &command.bound) || number(name, "--kills", value, &command.kills) ||
        number(name, "--freezes", value, &command.freezes) || number(name, "--jumps", value, &command.jumps))
        return 2;
    if (strcmp(name, "--scenario") == 0)
        command.scenario = value;
    else if (strcmp(name, "--replay") == 0)
        command.replay = value;
    else if (strcmp(name, "--mutant") == 0)
        command.mutant = value;
    else if (strcmp(name, "--seconds") == 0)
        command.seconds = atof(value);
    else if (strcmp(name, "--runs") == 0)
        command.runs = strtoull(value, NULL, 10);
    else if (strcmp(name, "--seed") == 0) {
        command.seed = strtoull(value, NULL, 10);
        command.random = true;
        if (command.runs == 0)
            command.runs = 1;
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
    explore_mutant = command.mutant;
    if (command.list) {
        for (unsigned l = 0; scenario_lists[l]; l++)
            for (unsigned i = 0; scenario_lists[l][i]; i++)
                printf("%-20s %s\n", scenario_lists[l][i]->name, scenario_lists[l][i]->about);
        return 0;
    }
    if ((command.mutants || command.sites) && command.runs == 0)
        command.runs = command.mutants ? 400000 : 20000;
    if ((command.all || command.ci) && command.seconds <= 0)
        command.seconds = command.all ? 180 : 6;
    if (command.mutants)
        return mutants_run() != 0;
    if (command.sites)
        return sites_run(), 0;
    int failed;
    if (command.all) {
        failed = look_at_all(command.seconds);
    } else if (command.scenario) {
        const struct sim_program *p = scenario_find(command.scenario);
        if (!p) {
            fprintf(stderr, "sim: no scenario '%s'; see --list\n", command.scenario);
            return 2;
        }
        failed = !(command.ci ? look_for_ci(p, command.seconds) : look_as_given(p));
    } else {
        usage();
        return 2;
    }
    if (command.mutant && !explore_mutant_met)
        printf("the code was never asked for mutant '%s'\n", command.mutant);
    if (!command.mutant) {
        figure("schedules", looked_at);
        figure("violations", (uint64_t)failed);
    }
    printf(failed ? "%d failed\n" : "nothing found\n", failed);
    return failed != 0;
}
