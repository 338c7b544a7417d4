/* SPDX-License-Identifier: MIT */
/*
 * storm_stop [SECONDS] [--variant NAME] [--seed N]: processes are stopped (SIGSTOP) at any instant, sweepers in mid-recovery with preference, and
 * continued later; some are killed, so that there is something to recover. The others must keep going all the while, and the books balance.
 */
#include "run.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    PAUSE_MAX_US = 4000,
    SAMPLE_EVERY_NS = 200000000,
    STOP_MAX_MS = 300,
    STALL_MAX_MS = 1000, /* nobody may keep the others up for longer; a tick is 50 ms, the rest is the machine's */
    KILL_ONE_IN = 6
};

static const struct variant variants[] = {
    {.name = "small", .capacity = 64, .lease_ms = 40, .prefetch = 8, .max_participants = 24, .crew = {4, 4, 3, 1}},
    {.name = "large", .capacity = 2048, .lease_ms = 50, .prefetch = 100, .max_participants = 24, .crew = {4, 4, 3, 1}},
    {.name = "dead",
     .capacity = 256,
     .max_deliveries = 3,
     .lease_ms = 40,
     .max_participants = 24,
     .rejects = true,
     .dead_refuse = true,
     .crew = {4, 4, 2, 1, 2}},
};

/* How long nothing was sent, or acked, by those who were not stopped. */
struct stall {
    size_t tally;
    uint64_t last, since_ns, most_ns;
};

static void watch(struct stall *s, uint64_t now) {
    uint64_t count = crew_sum(s->tally);
    if (count != s->last || s->since_ns == 0) {
        s->last = count;
        s->since_ns = now;
    } else if (now - s->since_ns > s->most_ns) {
        s->most_ns = now - s->since_ns;
    }
}

static bool may_stop(const struct crew *c, unsigned i) {
    unsigned running = 0;
    for (unsigned k = 0; k < c->count; k++)
        running += !c->members[k].stopped && c->members[k].role == c->members[i].role;
    return !c->members[i].stopped &&
           (running > 1 || c->members[i].role > ROLE_CONSUMER); /* one who sends and one who receives go on */
}

/* Somebody who is inside a sweep or an open just now, or anybody. */
static unsigned choose(const struct crew *c, struct worker *dice) {
    if (worker_random(dice, 2) == 0)
        for (unsigned i = 0; i < c->count; i++) {
            unsigned k = (unsigned)worker_random(dice, c->count);
            if (atomic_load(&ledger->workers[k].in_sweep) && may_stop(c, k))
                return k;
        }
    return (unsigned)worker_random(dice, c->count);
}

static void report_stall(const struct stall *s, const char *what) {
    printf("         longest time without %s: %.1f ms\n", what, (double)s->most_ns / 1e6);
    if (s->most_ns > STALL_MAX_MS * UINT64_C(1000000))
        ledger_violation("nobody could %s for %.0f ms while others were stopped", what, (double)s->most_ns / 1e6);
}

static void stop_at_random(struct crew *c, rp_queue *q, struct report *r, uint64_t end_ns) {
    struct worker dice = {.random = c->storm->seed | 1};
    struct stall sends = {.tally = offsetof(struct tallies, sends)}, acks = {.tally = offsetof(struct tallies, acks)};
    uint64_t now, sample_ns = 0;
    while ((now = now_ns()) < end_ns) {
        nanosleep(&(struct timespec){.tv_nsec = (long)worker_random(&dice, PAUSE_MAX_US) * 1000},
                  NULL); /* the instants are random */
        watch(&sends, now_ns());
        watch(&acks, now_ns());
        crew_continue(c, now_ns(), false);
        unsigned victim = choose(c, &dice);
        if (worker_random(&dice, KILL_ONE_IN) == 0)
            crew_kill(c, victim, true); /* stopped ones, too */
        else if (may_stop(c, victim))
            crew_stop(c, victim, now + (1 + worker_random(&dice, STOP_MAX_MS)) * 1000000);
        if (now - sample_ns > SAMPLE_EVERY_NS) {
            judge_sample(q, r);
            sample_ns = now;
        }
    }
    report_stall(&sends, "sends");
    report_stall(&acks, "acks");
}

int main(int argc, char **argv) {
    struct arguments a = arguments_parse(argc, argv, 15);
    return run_variants(&a, variants, sizeof variants / sizeof variants[0], stop_at_random);
}
