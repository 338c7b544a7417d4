/* SPDX-License-Identifier: MIT */
/* Ways through the decisions of a program: all of them up to a bound, random ones, or a given one. */
#ifndef SIM_EXPLORE_H
#define SIM_EXPLORE_H

#include "sim.h"

struct explore_options {
    struct sim_budget budget;
    bool random;
    bool no_cuts;              /* exhaustive: also go on where everything that follows was seen already */
    bool all_points;           /* exhaustive: also decide at quiet loads */
    bool from_beginning;       /* exhaustive: run all of each schedule, not only what differs from the one before */
    uint64_t seed;             /* random: of the first run */
    uint64_t runs;             /* at most; 0: no limit */
    double seconds;            /* at most; 0: no limit */
    double kill, freeze, jump; /* random: how likely each is in a run */
    const char *replay;        /* not NULL: this run only */
    bool trace;
    bool outcomes;
    bool keep_going; /* after a failure, to count (only the first is kept) */
};

struct explore_result {
    uint64_t runs;   /* schedules that were run, cut ones included */
    uint64_t ends;   /* of those, that ran to their end and were judged */
    uint64_t states; /* that were told apart */
    uint64_t again;  /* how often the search began again, as a load was not quiet after all */
    uint64_t points; /* decided or not, in all runs */
    uint64_t failures;
    bool complete;                   /* every schedule within the budget was covered */
    uint64_t outcomes, outcomes_sum; /* if asked for: different ends of the explored part, and a number for all of them */
    double seconds;
    uint64_t depth; /* most decisions in a run */
    uint64_t runs_that_needed_ticks;
    uint64_t call_steps; /* most points in one call */
    const char *call_steps_name;
    uint64_t seed; /* random: of the failing run */
    char failure[FAILURE_BYTES];
    char decisions[32768]; /* of the failing run, made as few as was possible */
};

/* Explores; returns at the first failure, with the decisions that lead to it. */
void explore(const struct sim_program *p, const struct explore_options *o, struct explore_result *result);

/* A defect that the code under test shall have: MUTANT(name). NULL: none. */
extern const char *explore_mutant;
extern bool explore_mutant_met;

#endif
