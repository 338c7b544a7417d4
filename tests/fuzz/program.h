/* SPDX-License-Identifier: MIT */
/* An input as a program: which segment, what is done to it before it is opened, which calls are made, and what happens between them. */
#ifndef FUZZ_PROGRAM_H
#define FUZZ_PROGRAM_H

#include "bases.h"
#include "fuzz.h"

enum { TRUNCATE = 8 }; /* as the number of changes: the file is cut, or longer */

void program_start(void);
void program_stop(void);

/* Loads and damages. -> the base. */
struct base *program_load(struct reader *r);

/* Opens, calls, closes. */
void program_run(struct reader *r, struct base *b);

#endif
