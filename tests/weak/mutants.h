/* SPDX-License-Identifier: MIT */
/* Does the machine find what is missing? Each sync label loses its release side, its acquire side, its place in the order of seq_cst; somebody must notice. */
#ifndef WEAK_MUTANTS_H
#define WEAK_MUTANTS_H

#include "weak.h"

/* "LABEL:release|acquire|sc[@FILE[:LINE]]". The words must outlive it. */
bool weaken_parse(const char *text, struct weak_weaken *w);

/* Prints the table, of those whose name contains `only`. With `search_runs`: tries so many runs of every program on each. False: one that should be caught was not. */
bool mutants_table(uint64_t search_runs, const char *only, uint64_t *schedules);

/* The same for every single place in the source: which orders are there for good, as far as these programs can tell? For people to read. */
void sites_table(uint64_t runs, uint64_t *schedules);

#endif
