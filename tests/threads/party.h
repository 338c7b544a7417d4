/* SPDX-License-Identifier: MIT */
/*
 * A participant of a scenario as a thread. What threads tell each other here, outside of the library, is told by relaxed atomics: nothing that this
 * program does may order what ThreadSanitizer shall see unordered.
 */
#ifndef THREADS_PARTY_H
#define THREADS_PARTY_H

#include "sim.h"
#include <pthread.h>
#include <stdatomic.h>

#define RELAXED memory_order_relaxed
#define GET(word) atomic_load_explicit(&(word), RELAXED)
#define SET(word, value) atomic_store_explicit(&(word), (value), RELAXED)
#define ADD(word, value) atomic_fetch_add_explicit(&(word), (value), RELAXED)

enum party_state {
    COMING,
    READY,   /* in sim_ready */
    RUNNING, /* the part in which everything may happen */
    FROZEN,
    DONE, /* in sim_done */
    ENDED,
    DEAD
};

enum { PAUSES = 3 };

struct party {
    unsigned who;
    pthread_t thread;
    bool started;
    _Atomic enum party_state state;
    _Atomic uint32_t progress; /* points it has passed */
    _Atomic(const char *) call;
    bool running; /* for itself */
    uint64_t random, choices;
    uint32_t usual_points; /* how many it passed when it last came to its end */

    /* What is to happen in this run, and at which of its points; 0: nothing. */
    uint32_t kill_at, freeze_at, jump_at;
    uint32_t pause_at[PAUSES], pause_for[PAUSES];
    uint32_t yield_one_in; /* 0: never */
    uint64_t jump_ns;
};

extern _Thread_local struct party *me;
extern struct party parties[SIM_FIBERS];
extern const struct sim_program *scenario;

static inline enum party_state state_of_party(const struct party *p) { return GET(p->state); }

static inline uint64_t random_next(uint64_t *state) {
    uint64_t bits = *state += UINT64_C(0x9e3779b97f4a7c15);
    bits = (bits ^ bits >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    bits = (bits ^ bits >> 27) * UINT64_C(0x94d049bb133111eb);
    return bits ^ bits >> 31;
}

/* ---- points.c ---- */

/* Which accesses are made relaxed: "LABEL" or "OPERATION LABEL", several with commas between; NULL: none. */
extern const char *weakened_accesses;
extern const char *mutant;
/* Decides what will happen to this participant in a run. */
void plan(struct party *p, uint64_t seed);
extern _Atomic uint64_t points_passed;

/* ---- run.c ---- */

void party_die(void) __attribute__((noreturn));
void party_freeze(void);
/* One run of the scenario. Does not return when it fails. */
void run(uint64_t seed);
struct run_counts {
    _Atomic uint64_t runs, kills, freezes, jumps, failures;
};
extern struct run_counts *counts;

#endif
