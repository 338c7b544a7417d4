/* SPDX-License-Identifier: MIT */
/*
 * storm_kill [SECONDS] [--variant NAME] [--seed N]: processes are killed (SIGKILL) at any instant while others work; afterwards the books must balance,
 * message by message.
 */
#include "run.h"

#include <time.h>

enum { PAUSE_MAX_US = 3000, SAMPLE_EVERY_NS = 100000000 };

static const struct variant variants[] = {
    {.name = "small", .capacity = 64, .lease_ms = 30, .prefetch = 8, .max_participants = 16, .crew = {3, 3, 1, 1}},
    {.name = "large", .capacity = 4096, .lease_ms = 40, .prefetch = 100, .max_participants = 32, .crew = {2, 4, 1, 1}},
    {.name = "dead",
     .capacity = 256,
     .max_deliveries = 3,
     .lease_ms = 30,
     .prefetch = 4,
     .max_participants = 16,
     .rejects = true,
     .dead_refuse = true,
     .crew = {3, 3, 1, 1, 1}},
    {.name = "drop",
     .capacity = 256,
     .max_deliveries = 3,
     .lease_ms = 30,
     .prefetch = 4,
     .max_participants = 16,
     .rejects = true,
     .dead_capacity = 12,
     .crew = {3, 3, 1, 1, 1}},
    {.name = "purge", .capacity = 64, .lease_ms = 30, .prefetch = 8, .max_participants = 16, .purges = true, .crew = {3, 3, 1, 1}},
    /* No more seats than there are heads: who comes must bury his predecessor. */
    {.name = "once", .capacity = 64, .lease_ms = 30, .max_participants = 9, .at_most_once = true, .crew = {3, 3, 1, 1}},
    {.name = "tiny", .capacity = 1, .lease_ms = 20, .max_participants = 8, .block = true, .crew = {3, 3, 1}},
};

static void kill_at_random(struct crew *c, rp_queue *q, struct report *r, uint64_t end_ns) {
    struct worker dice = {.random = c->storm->seed | 1};
    uint64_t now, sample_ns = 0;
    while ((now = now_ns()) < end_ns) {
        uint64_t pause_us = worker_random(&dice, PAUSE_MAX_US);
        nanosleep(&(struct timespec){.tv_nsec = (long)pause_us * 1000}, NULL); /* the instants are random */
        crew_kill(c, (unsigned)worker_random(&dice, c->count), true);
        if (worker_random(&dice, 4) == 0)
            judge_purge(c->storm, q, r);
        if (now - sample_ns > SAMPLE_EVERY_NS) {
            judge_sample(q, r);
            sample_ns = now;
        }
    }
}

int main(int argc, char **argv) {
    struct arguments a = arguments_parse(argc, argv, 30);
    return run_variants(&a, variants, sizeof variants / sizeof variants[0], kill_at_random);
}
