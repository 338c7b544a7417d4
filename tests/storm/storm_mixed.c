/* SPDX-License-Identifier: MIT */
/*
 * storm_mixed: processes are killed and stopped at once, with leases of a few milliseconds, so that living holders lose theirs, with few deliveries allowed,
 * so that messages die, and with undertakers who purge and redrive them; in queues of 1, 2, 4 and 64 messages. Afterwards the books must balance.
 */
#include "weather.h"

enum { PAUSE_MAX_US = 4000, SAMPLE_EVERY_MS = 100, STOP_MAX_MS = 40 };

#define CREW \
    { 2, 3, 1, 1, 2, 2 }
#define HURRIED .max_deliveries = 2, .rejects = true, .max_participants = 14

static const struct variant variants[] = {
    {.name = "one", .capacity = 1, .lease_ms = 2, .block = true, .dead_refuse = true, HURRIED, .crew = CREW},
    {.name = "two", .capacity = 2, .lease_ms = 3, .block = true, .dead_capacity = 1, HURRIED, .crew = CREW},
    {.name = "four", .capacity = 4, .lease_ms = 3, .prefetch = 4, .dead_refuse = true, HURRIED, .crew = CREW},
    {.name = "few", .capacity = 64, .lease_ms = 4, .prefetch = 16, .dead_capacity = 4, HURRIED, .crew = CREW},
    {.name = "sleepers",
     .capacity = 4,
     .lease_ms = 4,
     .dead_refuse = true,
     .block = true,
     HURRIED,
     .crew = {2, 3, 1, 1, 1, 1},
     .sleepers = true,
     .waiters = true},
    {.name = "ids",
     .capacity = 4,
     .lease_ms = 4,
     .block = true,
     .dead_refuse = true,
     HURRIED,
     .ids = true,
     .crew = {3, 3, 1, 1, 1, 1, 1}},
    {.name = "paused", .capacity = 4, .lease_ms = 4, .block = true, .dead_refuse = true, HURRIED, .crew = {2, 3, 1, 1, 1, 1, 1}},
    {.name = "durable",
     .capacity = 16,
     .lease_ms = 4,
     .prefetch = 4,
     .dead_refuse = true,
     HURRIED,
     .sync = RP_SYNC_NONE,
     .lanes = 3,
     .crew = {3, 3, 1, 1, 1, 1}},
    /* Fewer seats than heads: who comes must bury somebody, or wait. */
    {.name = "crowd",
     .capacity = 64,
     .lease_ms = 4,
     .prefetch = 8,
     .max_deliveries = 2,
     .rejects = true,
     .dead_refuse = true,
     .max_participants = 9,
     .crew = {2, 2, 1, 1, 1, 6}},
};

static void kill_and_stop(struct crew *c, rp_queue *q, struct report *r, uint64_t end_ns) {
    struct worker dice = {.random = c->storm->seed | 1};
    while (now_ns() < end_ns) {
        weather_pause(&dice, PAUSE_MAX_US);
        crew_continue(c, now_ns(), false);
        unsigned victim = weather_victim(c, &dice);
        if (worker_random(&dice, 2) == 0)
            crew_kill(c, victim, true); /* stopped ones, too */
        else if (weather_may_stop(c, victim))
            crew_stop(c, victim, now_ns() + (1 + worker_random(&dice, STOP_MAX_MS)) * 1000000);
        weather_sample(q, r, SAMPLE_EVERY_MS);
    }
}

int main(int argc, char **argv) {
    struct arguments a = arguments_parse(argc, argv, 10);
    return run_variants(&a, variants, sizeof variants / sizeof variants[0], kill_and_stop);
}
