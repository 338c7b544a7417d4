/* SPDX-License-Identifier: MIT */
/*
 * The simulator: participants are fibers over one segment in memory. Before each atomic access (lib/platform/atomic.h in an RP_SIM build) and each call of
 * the platform, sim_point() lets a scheduler decide who moves next, who dies, who is stopped, and whether time passes. Every run is a function
 * of its decisions, so it can be repeated, searched (explore.c) and made smaller.
 *
 * A program is run like this:
 *
 *     setup()                         by a creator of its own, once, nothing is decided
 *     body(i) up to sim_ready()       each participant, once, nothing is decided; here the state is saved
 *     body(i) up to sim_done()        every schedule begins here, with the saved state: the explored part
 *     interim()                       only if somebody is frozen: what the world does while he is away
 *     the frozen go on, to sim_done() nothing is decided
 *     body(i) after sim_done()        one after the other
 *     finish()                        by a participant of its own: mends, drains, judges
 *
 * Nothing of a participant may be kept in static memory, unless it was told to sim_keep().
 */
#ifndef SIM_H
#define SIM_H

#include "atomic.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SIM_PARTICIPANTS = 6,           /* at most, in a program */
    SIM_CREATOR = SIM_PARTICIPANTS, /* runs setup */
    SIM_INTERIM,
    SIM_FINISHER,
    SIM_FIBERS,
    SIM_JUMPS = 4,
    FAILURE_BYTES = 400
};

/* How many decisions of each kind a run may hold. */
struct sim_budget {
    int preemptions; /* switches away from somebody who could go on; -1: any number */
    int kills;
    int freezes;
    int jumps;
};

struct sim_program {
    const char *name;
    const char *about;
    unsigned participants;
    void (*setup)(void);
    void (*body)(unsigned me);
    void (*interim)(void);
    void (*finish)(void);
    uint8_t thread_of[SIM_PARTICIPANTS]; /* p + 1: another thread of participant p's process; 0: a process of its own */
    struct sim_budget budget;
    unsigned killable;            /* participants that may be killed, as bits; 0: all */
    unsigned freezable;           /* likewise */
    uint64_t jumps_ns[SIM_JUMPS]; /* by how much time may jump; 0: end of the list */
    bool strict_wakes;            /* a sleeper that needed its tick although nobody was killed is a failure, not only counted */
    uint64_t first_lap;           /* where the laps of new rings begin; 0: 1. Near the wrap: (1 << 28) - 2 and the like */
    uint32_t min_slots;           /* slots of the smallest ring; 0: 8 */
    uint32_t lane_slots;          /* of the lane, also fewer than there are cells; 0: as many as usual */
    uint32_t tag_bits;            /* of a generation in an entry; 0: all 14 */
    uint32_t stamp_mask;          /* of a hold in the position of an entry; 0: all 24 bits */
    uint32_t known_ids;           /* ids that are kept; 0: as many as usual */
    bool one_hash;                /* all ids have the same hash */
    bool large;                   /* random schedules only */
    bool bare;                    /* about one part, without a queue: not for tests/threads */
    bool one_futex;               /* nobody can sleep on several futexes at once */
    bool long_runs;               /* so long that in CI nothing of it is explored to the end */
    bool renames;                 /* names of files come and go in the explored part */
    double share;                 /* of the time of --all; 0: 1 */
};

/* ---- for the participants of a program ---- */

void sim_ready(void);
void sim_done(void);
unsigned sim_me(void);
uint64_t sim_now_ns(void);
void sim_advance_ns(uint64_t ns); /* not in the explored part */
/* Here time may pass between two calls. */
void sim_linger(void);
/* Waits until the descriptor, of rp_consumer_fd, is readable. */
void sim_poll(int descriptor);
/* Memory of the program that is saved and restored with the rest. Only in setup. */
void sim_keep(void *memory, size_t bytes);
/* The same, but the contents take no part in telling one state from another (logs). */
void sim_keep_aside(void *memory, size_t bytes);
/* The same for a log that has *count entries; the count is kept, too. */
void sim_keep_log(void *entries, size_t entry_bytes, const unsigned *count);
/* Shared memory that keeps its contents, whoever writes there: no decisions about accesses to it. Only in setup; the program sees to it that it is so. */
void sim_keep_constant(const volatile void *memory, size_t bytes);
/* This run has failed. Does not return in a run; the first failure counts. */
void sim_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* For the trace. */
void sim_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool sim_tracing(void);
bool sim_exploring(void);
/* A call of the library begins, or ends (with what it was called for). The number of points in between is bounded; the order of calls becomes part of
   the state. One that slept over a timeout and then got something after all is counted. */
void sim_call(const char *name);
void sim_return(bool success);
/* Something that this participant learned without an atomic access: it may act on it, so it is part of its state. */
void sim_learn(uint64_t value);
/* Who was killed or frozen in this run, as bits. */
unsigned sim_killed(void);
unsigned sim_frozen(void);
/* Did time jump by decision in this run? */
bool sim_jumped(void);
/* Calls that have ended so far in this run, by anybody: a clock for the order of calls. */
uint64_t sim_calls(void);
/* Is anybody but me inside a call? */
bool sim_others_in_call(void);

/* ---- for the platform ---- */

enum sim_side {
    SIM_PURE = 1,     /* changes nothing that anybody else can see: no need to be killed before it */
    SIM_LIVENESS = 2, /* can see who is dead: others may die right before it */
    SIM_CLOCK = 4,    /* can see the time: it may jump before it */
    SIM_PASSED = 8,   /* no access of its own: only switches that were put off at quiet loads */
    SIM_QUIET = 16    /* such a load: switches are put off */
};
/* A point before a call of the platform. */
void sim_platform_point(unsigned sides, const char *what);
/* Sleeps until sim_wake on the same word, or until the (virtual) time. */
void sim_sleep(const volatile void *word, uint64_t timeout_ns);
int sim_wake(const volatile void *word, int count);
/* The same on several words. -> which of them was woken; -1: none, time passed. */
int sim_sleep_any(const volatile void *const *words, unsigned count, uint64_t timeout_ns);
/* Lets others go first, if there are any. */
void sim_yield(void);
uint64_t sim_random(void);

/* A mutex between threads of one process; 0 when free. */
void sim_mutex_lock(uint32_t *mutex);
bool sim_mutex_trylock(uint32_t *mutex);
void sim_mutex_unlock(uint32_t *mutex);

/* Another queue's file takes this name. For programs that say they rename. */
void sim_rename(const char *from, const char *to);

void *sim_malloc(size_t bytes);
void *sim_calloc(size_t count, size_t bytes);
void *sim_realloc(void *memory, size_t bytes);
void sim_free(void *memory);

#endif
