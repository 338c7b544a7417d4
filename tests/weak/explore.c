/* SPDX-License-Identifier: MIT */
/*
 * Ways through the decisions. In order: every run with at most P preemptions and S old values, depth first, for growing P and S; what is left of the time goes to random runs.
 * Switches are free where a thread ends or sleeps. A death counts as a preemption. A decision is written STEP KIND CHOICE: `57>1` at the 57th
 * access another thread goes on, `60~2` the load sees the value two before the newest.
 */
#include "weak.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DEPTH_MAX = 8192, CHECK_TIME_EVERY = 64 };

static const struct {
    int preemptions, stales;
} bounds[] = {{0, 0}, {1, 0}, {0, 1}, {1, 1}, {0, 2}, {2, 0}, {2, 1}, {1, 2}, {2, 2}, {3, 1}, {3, 2}, {2, 3}, {3, 3}};

static struct { uint16_t chosen, count; } path[DEPTH_MAX];
static unsigned path_length, depth;
static enum { IN_ORDER, RANDOM, REPLAY } mode;
static int preemptions_left, stales_left;
static const char *replay;

static struct {
    uint32_t step;
    char kind;
    uint16_t chosen;
} taken[DEPTH_MAX];
static unsigned taken_count;

static uint64_t dice;
static unsigned switch_odds, stale_odds; /* of 256 */

static uint64_t roll(void) {
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return dice * UINT64_C(0x2545f4914f6cdd1d) >> 16;
}

bool choice_left(enum decision kind) { return kind == STALE ? stales_left > 0 : preemptions_left > 0; }

static unsigned choose_random(enum decision kind, unsigned count) {
    if (kind == SWITCH_FREE)
        return (unsigned)(roll() % count);
    unsigned odds = kind == SWITCH ? switch_odds : stale_odds;
    return roll() % 256 < odds ? 1 + (unsigned)(roll() % (count - 1)) : 0;
}

static unsigned choose_given(enum decision kind) {
    for (const char *p = replay; p != NULL && *p != '\0'; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
        unsigned step, chosen;
        char what;
        if (sscanf(p, "%u%c%u", &step, &what, &chosen) == 3 && step == run.step && what == (char)kind)
            return chosen;
    }
    return 0;
}

unsigned choose(enum decision kind, unsigned count) {
    unsigned chosen;
    if (mode == RANDOM)
        chosen = choose_random(kind, count);
    else if (mode == REPLAY)
        chosen = choose_given(kind);
    else if (depth < path_length)
        chosen = path[depth++].chosen;
    else {
        if (depth == DEPTH_MAX)
            abort();
        path[depth].chosen = 0;
        path[depth].count = (uint16_t)count;
        path_length = ++depth;
        chosen = 0;
    }
    if (chosen >= count) /* not the run that was written down */
        chosen = 0;
    if (chosen > 0) {
        preemptions_left -= kind == SWITCH;
        stales_left -= kind == STALE;
        if (taken_count < DEPTH_MAX) {
            taken[taken_count].step = run.step;
            taken[taken_count].kind = (char)kind;
            taken[taken_count++].chosen = (uint16_t)chosen;
        }
    }
    return chosen;
}

static bool next_path(void) {
    while (path_length > 0 && path[path_length - 1].chosen + 1u >= path[path_length - 1].count)
        path_length--;
    if (path_length == 0)
        return false;
    path[path_length - 1].chosen++;
    return true;
}

/* Of this process: how much is covered must not depend on who else uses the processor. */
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void write_decisions(char *out, size_t room) {
    size_t used = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < taken_count && used + 16 < room; i++)
        used +=
            (size_t)snprintf(out + used, room - used, "%s%u%c%u", i > 0 ? "," : "", taken[i].step, taken[i].kind, taken[i].chosen);
}

/* -> false: it failed. */
static bool one(struct exploration *e, int preemptions, int stales) {
    depth = taken_count = 0;
    preemptions_left = preemptions;
    stales_left = stales;
    run_once();
    e->runs++;
    e->steps += run.step;
    if (!run.failed)
        return true;
    e->failed = true;
    memcpy(e->failure, run.failure, sizeof e->failure);
    write_decisions(e->decisions, sizeof e->decisions);
    return false;
}

/* A limit on runs or, without one, on time. */
static bool over(const struct exploration *e, uint64_t runs_end, double end) {
    return runs_end > 0 ? e->runs >= runs_end : e->runs % CHECK_TIME_EVERY == 0 && now() > end;
}

/* All runs within the bounds. A word that turns out to be shared gets points where it had none: from the beginning. -> false: it failed. */
static bool all_within(struct exploration *e, int preemptions, int stales, uint64_t runs_end, double end, bool *complete) {
    mode = IN_ORDER;
    *complete = false;
    do {
        run.conflicts_grew = false;
        path_length = 0;
        do {
            if (!one(e, preemptions, stales))
                return false;
            if (over(e, runs_end, end))
                return true;
        } while (!run.conflicts_grew && next_path());
    } while (run.conflicts_grew);
    *complete = true;
    return true;
}

static bool one_random(struct exploration *e, uint64_t seed) {
    mode = RANDOM;
    dice = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
    for (int i = 0; i < 4; i++)
        (void)roll();
    switch_odds = 256u >> (2 + roll() % 5);
    stale_odds = 256u >> (1 + roll() % 6);
    int stales = 1 + (int)(roll() % 8);
    if (one(e, 1000, stales))
        return true;
    e->failing_seed = seed;
    return false;
}

void explore(const struct weak_program *p, struct exploration *e) {
    e->runs = e->steps = 0;
    e->preemptions = e->stales = -1;
    e->failed = false;
    e->failing_seed = 0;
    if (!run_prepare(p)) {
        e->failed = true;
        snprintf(e->failure, sizeof e->failure, "in setup: %.200s", run.failure);
        return;
    }
    if (e->replay != NULL) {
        mode = REPLAY;
        replay = e->replay;
        do /* until it is known which words are shared: only there is anything decided */
            run.conflicts_grew = false;
        while (one(e, 1000, 1000) && run.conflicts_grew);
        return;
    }
    const double in_order = e->in_order_only ? 1 : 0.7; /* the share of what is tried in order */
    double begin = now(), end = begin + e->seconds, middle = begin + e->seconds * in_order;
    uint64_t runs_middle = (uint64_t)((double)e->runs_max * in_order);
    for (size_t i = 0; !e->random_only && i < sizeof bounds / sizeof bounds[0]; i++) {
        bool complete;
        if (!all_within(e, bounds[i].preemptions, bounds[i].stales, runs_middle, middle, &complete))
            return;
        if (!complete)
            break;
        e->preemptions = bounds[i].preemptions;
        e->stales = bounds[i].stales;
    }
    for (uint64_t seed = e->seed; !e->in_order_only && !over(e, e->runs_max, end); seed++)
        if (!one_random(e, seed))
            return;
}
