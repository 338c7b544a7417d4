/* SPDX-License-Identifier: MIT */
/* Put before every source: the code that ships, in which defects can be seeded. */
#ifndef DISK_SEEDED_H
#define DISK_SEEDED_H

#ifdef RP_SIM
#error "the library shall be the real one"
#endif
#include "atomic.h"

bool sim_mutant(const char *name);
#undef MUTANT
#define MUTANT(name) sim_mutant(#name)

#endif
