/* SPDX-License-Identifier: MIT */
/* How scenarios are looked at: which bounds, how long, in which order. */
#ifndef SIM_CAMPAIGN_H
#define SIM_CAMPAIGN_H

#include "explore.h"

/* What the command line asks for. */
struct command {
    const char *scenario;
    const char *replay;
    const char *mutant;
    bool list, all, ci, random, trace, no_cuts, from_beginning, all_points, outcomes, keep_going, quiet, mutants, hunt, sites;
    int bound, kills, freezes, jumps; /* -2: the scenario's */
    uint64_t seed, runs;
    double seconds;
};
extern struct command command;

const struct sim_program *scenario_find(const char *name);

extern uint64_t looked_at; /* schedules, in all */

/* Each is true when nothing was found. */
bool look_as_given(const struct sim_program *p);
bool look_for_ci(const struct sim_program *p, double seconds);
bool look_in_time(const struct sim_program *p, double seconds);
bool look_in_runs(const struct sim_program *p, uint64_t runs);

/*
 * Schedules until a scenario notices the defect that the code has just now; 0: it does not. In a process of its own: defective code may crash, which is
 * noticed too.
 */
uint64_t schedules_until_noticed(const struct sim_program *p, uint64_t runs);

/* How many of all scenarios fail, each with its share of the time. */
int look_at_all(double seconds);

#endif
