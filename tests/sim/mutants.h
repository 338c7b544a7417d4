/* SPDX-License-Identifier: MIT */
/* Seeded defects: is each noticed? */
#ifndef SIM_MUTANTS_H
#define SIM_MUTANTS_H

/* Runs all of them, or the one that was given, and prints the table. -> how many nobody noticed. */
int mutants_run(void);

#endif
