/* SPDX-License-Identifier: MIT */
/*
 * The weak-memory checker: programs of two to four threads over the real code of lib/, run under an operational model of C11 memory (machine.c). What is
 * decided in a run: who moves next, which of the values that it may see each load sees, and where a thread is killed. A run is a function of its decisions
 * (explore.c): all are tried up to a bound, then random ones.
 */
#ifndef WEAK_H
#define WEAK_H

#include "atomic.h"

enum {
    WEAK_THREADS = 4,   /* at most, in a program */
    WEAK_PROGRAMS = 96, /* at most */
    WEAK_FAILURE_BYTES = 300,
    ARENA_BYTES = 1 << 19
};

struct weak_program {
    const char *name;
    const char *about;
    unsigned threads;
    void (*setup)(void);              /* once, alone, before all runs; what it leaves in the arena is where each run begins */
    void (*body)(unsigned me);        /* a thread */
    void (*finish)(void);             /* after each run, alone: sees the newest value of everything */
    unsigned killable;                /* threads that may be killed, as bits; at most one in a run */
    uint8_t process_of[WEAK_THREADS]; /* + 1; 0: thread i is process i */
    uint32_t lane_slots;              /* of the lane; 0: as many as usual */
    uint32_t min_slots;               /* of the smallest ring; 0: 8 */
    uint32_t known_ids;               /* how many a queue that keeps any keeps, all with one hash */
};

/* ---- for programs ---- */

/* Memory that all threads share, and that each run finds as setup left it. */
void *weak_allocate(size_t bytes);
/* This run has failed; the first failure counts. Returns only in setup and finish. */
void weak_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define weak_check(condition) ((condition) ? (void)0 : weak_fail("%s:%d: %s", __func__, __LINE__, #condition))
/* Whose process setup and finish act for from now on. */
void weak_as(unsigned process);
/* The process is dead: its locks are gone. Only in setup. */
void weak_dead(unsigned process);
/* What the clock says in this thread from now on. Every thread has its own: what is checked here is never about who reads the time first. */
void weak_clock_ms(uint64_t ms);
bool weak_killed(unsigned thread);
/* From here on there are bells (bells_weak.c). Only in setup. */
void weak_bells(void);
/* Sleeps until the bell with this descriptor is readable, as in somebody's event loop. */
void weak_bell_wait(int descriptor);

/* ---- the machine (machine.c) ---- */

void machine_reset(void);
/* Everything that `from` did is seen by `to`: what a lock of the kernel or a mutex does. */
void machine_join(unsigned to, unsigned from);
/* A mutex passes on what its last holder saw. */
void machine_unlock(const void *mutex);
void machine_lock(const void *mutex);
/* membarrier: a full fence in all threads. */
void machine_barrier(WEAK_SITE_PARAMETERS);
/* The newest value: what the kernel compares. */
uint32_t machine_newest(const volatile void *word);
/* Accesses that are no atomic ones (plain.c): two of them without an order between, one of them a write, are a failure. */
void machine_plain(const volatile void *address, size_t bytes, bool write);

/* Accesses of this label lose a side: WEAK_ACQUIRE, WEAK_RELEASE (what is sequentially consistent loses that, too) or WEAK_SC only. `file`: there only. */
struct weak_weaken {
    const char *label;
    unsigned side;
    const char *file; /* NULL: everywhere */
    int line;         /* 0: all lines */
};
extern const struct weak_weaken *weakened;
extern uint64_t weakened_met; /* accesses that were made weaker */
/* Told of each access that could be made weaker, if set. */
extern void (*machine_site)(unsigned order, WEAK_SITE_PARAMETERS);

/* ---- runs (run.c) ---- */

extern unsigned char arena[ARENA_BYTES];
static inline bool in_arena(const volatile void *p) { return (uintptr_t)p - (uintptr_t)arena < ARENA_BYTES; }

struct run {
    bool on; /* threads are running; else every access is simply done */
    unsigned current;
    unsigned process; /* of whom setup and finish act for */
    uint32_t step;    /* accesses so far */
    bool failed;
    char failure[WEAK_FAILURE_BYTES];
    bool conflicts_grew; /* a word is shared that was not known to be */
    uint32_t readers;    /* threads that are inside a read section of liburcu, as bits */
};
extern struct run run;
extern bool tracing;
void trace(const char *format, ...) __attribute__((format(printf, 1, 2)));

bool run_prepare(const struct weak_program *p);
void run_once(void);
/* Before each access: somebody else may move, or this thread may die. */
void run_point(const volatile void *word, size_t bytes, bool write);
void run_sleep(const volatile void *word); /* returns when woken */
int run_wake(const volatile void *word, int count);
void run_yield(void);
unsigned run_process(void);
bool run_process_alive(unsigned process);
uint64_t run_clock_ms(void);

/* ---- decisions (explore.c) ---- */

enum decision { SWITCH_FREE = ':', SWITCH = '>', STALE = '~' };
/* One of `count` > 1; 0 is what sequentially consistent memory and no preemption give. */
unsigned choose(enum decision kind, unsigned count);
/* May this run hold one more of these? */
bool choice_left(enum decision kind);

struct exploration {
    double seconds;
    uint64_t seed;
    uint64_t runs_max;  /* 0: no limit */
    const char *replay; /* not NULL: this run only */
    bool random_only;
    bool in_order_only;
    uint64_t runs;
    uint64_t steps;
    int preemptions, stales; /* the largest bound that was covered; -1: none */
    bool failed;
    char failure[WEAK_FAILURE_BYTES];
    char decisions[600];
    uint64_t failing_seed; /* 0: found in order */
};
void explore(const struct weak_program *p, struct exploration *e);

extern const struct weak_program *const weak_programs[];         /* NULL at the end */
const struct weak_program *weak_program_named(const char *name); /* NULL: none */
int litmus(void);

#endif
