/* SPDX-License-Identifier: MIT */
/*
 * Counts the library's accesses to shared words (sim_point of lib/platform/atomic.h), so that "every call ends after a number of steps that the
 * segment's size bounds" is checked without a clock; and lets something happen right before one of them.
 */
#ifndef FUZZ_STEPS_H
#define FUZZ_STEPS_H

#include <stddef.h>
#include <stdint.h>

struct layout;
struct parameters;

/* What a single call may need on a segment of this shape, however damaged. */
uint64_t steps_bound(const struct parameters *p, const struct layout *l);

/* A call of at most `bound` steps begins, and ends. */
void steps_begin(const char *call, uint64_t bound);
void steps_end(void);
const char *steps_call(void); /* the call under way, or the last one */

/* Right before access number `step` of the next call `act` is called with the word that is to be accessed. Once. */
void steps_arm(uint64_t step, void (*act)(void *context, volatile void *word), void *context);

/* The most that any call has needed, and its share of what it might, in thousandths. */
extern uint64_t steps_most, steps_most_permille;
extern const char *steps_most_call;

#endif
