/* SPDX-License-Identifier: MIT */
/* The defects that can be seeded into the code, MUTANT(name) in lib/, and which scenario meets each soonest. */
#ifndef SIM_MUTANTS_H
#define SIM_MUTANTS_H

struct mutant {
    const char *name;
    const char *scenario;
    const char *about;
};

/* Ends with a name of NULL. */
extern const struct mutant mutants[];

#endif
