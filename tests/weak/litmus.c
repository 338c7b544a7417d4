/* SPDX-License-Identifier: MIT */
/*
 * The machine's own test: small programs of which it is known what C11 allows. Each must show all outcomes that are listed, and no other. An outcome is the values that
 * were read, as decimal digits.
 */
#include "barrier.h"
#include "weak.h"

#include <stdio.h>
#include <string.h>

static struct shared {
    a64 x, y, flag;
    uint64_t plain;
    uint64_t r[4];
} * w;

static void setup(void) { w = weak_allocate(sizeof *w); }

static unsigned seen[10000];
static void finish(void) { seen[w->r[0] * 1000 + w->r[1] * 100 + w->r[2] * 10 + w->r[3]]++; }

/* Store buffering. */
#define STORE_BUFFERING(name, store, load)             \
    static void name(unsigned me) {                    \
        store(me == 0 ? &w->x : &w->y, 1, toy);        \
        w->r[me] = load(me == 0 ? &w->y : &w->x, toy); \
    }
STORE_BUFFERING(buffering_relaxed, store_relaxed, load_relaxed)
STORE_BUFFERING(buffering_release, store_release, load_acquire)
STORE_BUFFERING(buffering_sc, store_seq_cst, load_seq_cst)
STORE_BUFFERING(buffering_sc_acquire, store_seq_cst, load_acquire)
static void buffering_rmw(unsigned me) {
    (void)fetch_add_seq_cst(me == 0 ? &w->x : &w->y, 1, toy);
    w->r[me] = load_seq_cst(me == 0 ? &w->y : &w->x, toy);
}
static void buffering_rmw_acq_rel(unsigned me) {
    (void)fetch_or_acq_rel(me == 0 ? &w->x : &w->y, 1, toy);
    w->r[me] = load_seq_cst(me == 0 ? &w->y : &w->x, toy);
}

static void buffering_fences(unsigned me) {
    store_relaxed(me == 0 ? &w->x : &w->y, 1, toy);
    fence_seq_cst();
    w->r[me] = load_relaxed(me == 0 ? &w->y : &w->x, toy);
}
static void buffering_one_fence(unsigned me) {
    store_relaxed(me == 0 ? &w->x : &w->y, 1, toy);
    if (me == 0)
        fence_seq_cst();
    w->r[me] = load_relaxed(me == 0 ? &w->y : &w->x, toy);
}
/* One makes the other have a fence, too. */
static void buffering_barrier(unsigned me) {
    store_relaxed(me == 0 ? &w->x : &w->y, 1, toy);
    if (me == 0)
        (void)barrier_others();
    w->r[me] = load_relaxed(me == 0 ? &w->y : &w->x, toy);
}

/* Message passing: r0 the flag, r1 what came with it. */
#define MESSAGE_PASSING(name, store, load)      \
    static void name(unsigned me) {             \
        if (me == 0) {                          \
            store_relaxed(&w->x, 1, toy);       \
            store(&w->flag, 1, toy);            \
        } else {                                \
            w->r[0] = load(&w->flag, toy);      \
            w->r[1] = load_relaxed(&w->x, toy); \
        }                                       \
    }
MESSAGE_PASSING(passing_relaxed, store_relaxed, load_relaxed)
MESSAGE_PASSING(passing_release_only, store_release, load_relaxed)
MESSAGE_PASSING(passing_acquire_only, store_relaxed, load_acquire)
MESSAGE_PASSING(passing, store_release, load_acquire)
MESSAGE_PASSING(passing_sc, store_seq_cst, load_seq_cst)
static void passing_fence(unsigned me) {
    if (me == 0) {
        store_relaxed(&w->x, 1, toy);
        fence_release();
        store_relaxed(&w->flag, 1, toy);
    } else {
        w->r[0] = load_relaxed(&w->flag, toy);
        fence_acquire();
        w->r[1] = load_relaxed(&w->x, toy);
    }
}
/* A release sequence: somebody's relaxed read-modify-write in between passes the message on; a relaxed store does not. */
static void passing_rmw(unsigned me) {
    if (me == 0) {
        store_relaxed(&w->x, 1, toy);
        store_release(&w->flag, 1, toy);
    } else if (me == 1) {
        (void)fetch_add_relaxed(&w->flag, 2, toy);
    } else {
        w->r[0] = load_acquire(&w->flag, toy);
        w->r[1] = load_relaxed(&w->x, toy);
    }
}
static void passing_overwritten(unsigned me) {
    if (me == 0) {
        store_relaxed(&w->x, 1, toy);
        store_release(&w->flag, 1, toy);
        store_relaxed(&w->flag, 2, toy);
    } else {
        w->r[0] = load_acquire(&w->flag, toy);
        w->r[1] = load_relaxed(&w->x, toy);
    }
}
/* A failed compare-and-swap is a load: it need not meet the newest. */
static void passing_failed_cas(unsigned me) {
    if (me == 0) {
        store_relaxed(&w->x, 1, toy);
        store_release(&w->flag, 1, toy);
    } else {
        uint64_t expected = 7;
        (void)cas_acq_rel(&w->flag, &expected, 8, toy);
        w->r[0] = expected;
        w->r[1] = load_relaxed(&w->x, toy);
    }
}

/* Two reads of one word by one thread never go back. */
static void coherence(unsigned me) {
    if (me == 0) {
        store_relaxed(&w->x, 1, toy);
        store_relaxed(&w->x, 2, toy);
    } else {
        w->r[0] = load_relaxed(&w->x, toy);
        w->r[1] = load_relaxed(&w->x, toy);
    }
}
/* ... also when the first read is another thread's, and is known. */
static void coherence_passed_on(unsigned me) {
    if (me == 0) {
        store_relaxed(&w->x, 1, toy);
    } else if (me == 1) {
        w->r[0] = load_relaxed(&w->x, toy);
        store_release(&w->flag, 1, toy);
    } else {
        w->r[1] = load_acquire(&w->flag, toy);
        w->r[2] = load_relaxed(&w->x, toy);
    }
}
/* Independent reads of independent writes. */
#define INDEPENDENT(name, store, load)                                   \
    static void name(unsigned me) {                                      \
        if (me < 2) {                                                    \
            store(me == 0 ? &w->x : &w->y, 1, toy);                      \
        } else {                                                         \
            w->r[2 * (me - 2)] = load(me == 2 ? &w->x : &w->y, toy);     \
            w->r[2 * (me - 2) + 1] = load(me == 2 ? &w->y : &w->x, toy); \
        }                                                                \
    }
INDEPENDENT(independent_acquire, store_release, load_acquire)
INDEPENDENT(independent_sc, store_seq_cst, load_seq_cst)

static void counting(unsigned me) {
    (void)me;
    (void)fetch_add_relaxed(&w->x, 1, toy);
    w->r[0] = load_relaxed(&w->x, toy); /* the later of the two writes it last, mostly */
    w->r[0] = 0;
}
static void counting_finish(void) { seen[load_relaxed(&w->x, toy)]++; }

/* Plain data: 1 if the checker must object. */
#define PLAIN(name, store, load)                \
    static void name(unsigned me) {             \
        if (me == 0) {                          \
            machine_plain(&w->plain, 8, true);  \
            store(&w->flag, 1, toy);            \
        } else if (load(&w->flag, toy) == 1) {  \
            machine_plain(&w->plain, 8, false); \
        }                                       \
    }
PLAIN(plain_relaxed, store_relaxed, load_acquire)
PLAIN(plain_relaxed_too, store_release, load_relaxed)
PLAIN(plain_passing, store_release, load_acquire)
static void plain_reuse(unsigned me) { /* the reader lets go, and the writer writes anew */
    if (me == 0) {
        machine_plain(&w->plain, 8, false);
        store_relaxed(&w->flag, 1, toy);
    } else if (load_acquire(&w->flag, toy) == 1) {
        machine_plain(&w->plain, 8, true);
    }
}
/* A mutex passes things on. */
static void plain_mutex(unsigned me) {
    (void)me;
    machine_lock(&w->y);
    machine_plain(&w->plain, 8, true);
    machine_unlock(&w->y);
}

static const struct test {
    const char *name;
    unsigned threads;
    void (*body)(unsigned me);
    const char *outcomes; /* sorted; "race": a data race must be found */
    void (*finish)(void);
} tests[] = {
    {"store buffering, relaxed", 2, buffering_relaxed, "0000 0100 1000 1100", finish},
    {"store buffering, release and acquire", 2, buffering_release, "0000 0100 1000 1100", finish},
    {"store buffering, seq_cst", 2, buffering_sc, "0100 1000 1100", finish},
    {"store buffering, seq_cst stores, acquire loads", 2, buffering_sc_acquire, "0000 0100 1000 1100", finish},
    {"store buffering, seq_cst RMW", 2, buffering_rmw, "0100 1000 1100", finish},
    {"store buffering, acq_rel RMW, seq_cst loads", 2, buffering_rmw_acq_rel, "0000 0100 1000 1100", finish},
    {"store buffering, seq_cst fences", 2, buffering_fences, "0100 1000 1100", finish},
    {"store buffering, one seq_cst fence", 2, buffering_one_fence, "0000 0100 1000 1100", finish},
    {"store buffering, a barrier for both", 2, buffering_barrier, "0100 1000 1100", finish},
    {"message passing, relaxed", 2, passing_relaxed, "0000 0100 1000 1100", finish},
    {"message passing, release only", 2, passing_release_only, "0000 0100 1000 1100", finish},
    {"message passing, acquire only", 2, passing_acquire_only, "0000 0100 1000 1100", finish},
    {"message passing", 2, passing, "0000 0100 1100", finish},
    {"message passing, seq_cst", 2, passing_sc, "0000 0100 1100", finish},
    {"message passing, fences", 2, passing_fence, "0000 0100 1100", finish},
    {"message passing, through a relaxed RMW", 3, passing_rmw, "0000 0100 1100 2000 2100 3100", finish},
    {"message passing, a relaxed store in between", 2, passing_overwritten, "0000 0100 1100 2000 2100", finish},
    {"message passing, to a failed CAS", 2, passing_failed_cas, "0000 0100 1100", finish},
    {"coherence", 2, coherence, "0000 0100 0200 1100 1200 2200", finish},
    {"coherence, of reads that are known", 3, coherence_passed_on, "0000 0010 0100 0110 1000 1010 1110", finish},
    {"independent reads, release and acquire", 4, independent_acquire,
     "0000 0001 0010 0011 0100 0101 0110 0111 1000 1001 1010 1011 1100 1101 1110 1111", finish},
    {"independent reads, seq_cst", 4, independent_sc, "0000 0001 0010 0011 0100 0101 0110 0111 1000 1001 1011 1100 1101 1110 1111",
     finish},
    {"counting", 3, counting, "0003", counting_finish},
    {"plain data, relaxed store", 2, plain_relaxed, "race", NULL},
    {"plain data, relaxed load", 2, plain_relaxed_too, "race", NULL},
    {"plain data", 2, plain_passing, "", NULL},
    {"plain data, written again", 2, plain_reuse, "race", NULL},
    {"plain data, mutex", 2, plain_mutex, "", NULL},
};

static void outcomes_seen(char *text, size_t room) {
    size_t used = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < 10000; i++)
        if (seen[i] > 0 && used + 8 < room)
            used += (size_t)snprintf(text + used, room - used, "%s%04u", used > 0 ? " " : "", i);
}

static bool same_outcomes(const char *found, const char *expected) {
    char sorted[200] = ""; /* the list may be in any order */
    for (unsigned i = 0; i < 10000; i++) {
        char one[8];
        snprintf(one, sizeof one, "%04u", i);
        if (strstr(expected, one) != NULL)
            snprintf(sorted + strlen(sorted), sizeof sorted - strlen(sorted), "%s%s", sorted[0] != '\0' ? " " : "", one);
    }
    return strcmp(found, sorted) == 0;
}

int litmus(void) {
    int failures = 0;
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        const struct test *t = &tests[i];
        const struct weak_program program = {
            .name = t->name, .threads = t->threads, .setup = setup, .body = t->body, .finish = t->finish};
        struct exploration e = {.seconds = 60, .in_order_only = true};
        memset(seen, 0, sizeof seen);
        explore(&program, &e);
        char found[200];
        outcomes_seen(found, sizeof found);
        bool races = strcmp(t->outcomes, "race") == 0;
        bool good = races ? e.failed && strncmp(e.failure, "data race", 9) == 0
                          : !e.failed && e.preemptions == 3 && same_outcomes(found, t->outcomes);
        printf("%-48s %7llu schedules  %s%s%s\n", t->name, (unsigned long long)e.runs, good ? "as C11 says" : "WRONG: ",
               good       ? ""
               : e.failed ? e.failure
                          : found,
               "");
        failures += !good;
    }
    return failures;
}
