/* SPDX-License-Identifier: MIT */
/*
 * storm_kill: processes are killed (SIGKILL) at any instant while others work; afterwards the books must balance,
 * message by message.
 */
#include "weather.h"

enum { PAUSE_MAX_US = 3000, SAMPLE_EVERY_MS = 100 };

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
    /* Who comes and goes all the time, and fewer seats than heads. */
    {.name = "crowd", .capacity = 64, .lease_ms = 30, .prefetch = 8, .max_participants = 10, .crew = {2, 2, 1, 1, 0, 6}},
    {.name = "keyed", .capacity = 64, .lease_ms = 30, .prefetch = 4, .max_participants = 16, .lanes = 5, .crew = {3, 3, 1, 1}},
    {.name = "leave",
     .capacity = 64,
     .max_deliveries = 3,
     .lease_ms = 30,
     .max_participants = 16,
     .rejects = true,
     .dead_refuse = true,
     .lanes = 5,
     .crew = {3, 3, 1, 1, 1}},
    {.name = "levels",
     .capacity = 64,
     .lease_ms = 30,
     .prefetch = 8,
     .max_participants = 16,
     .priorities = 3,
     .crew = {3, 3, 1, 1}},
    {.name = "shards", .capacity = 256, .lease_ms = 30, .prefetch = 8, .max_participants = 16, .shards = 3, .crew = {3, 3, 1, 1}},
    {.name = "paused",
     .capacity = 64,
     .max_deliveries = 3,
     .lease_ms = 30,
     .prefetch = 4,
     .max_participants = 18,
     .rejects = true,
     .dead_refuse = true,
     .crew = {3, 3, 1, 1, 1, 1, 1}},
    {.name = "sleepers",
     .capacity = 64,
     .lease_ms = 30,
     .prefetch = 4,
     .max_participants = 16,
     .sleepers = true,
     .crew = {3, 3, 1, 1}},
    /* Room enough that who is inside a send is seldom asleep there. */
    {.name = "ids", .capacity = 1024, .lease_ms = 30, .prefetch = 4, .max_participants = 16, .ids = true, .crew = {4, 3, 1}},
    {.name = "numbered",
     .capacity = 64,
     .lease_ms = 30,
     .prefetch = 4,
     .max_participants = 16,
     .numbered = true,
     .crew = {4, 3, 1, 1}},
    {.name = "moved",
     .capacity = 128,
     .lease_ms = 30,
     .prefetch = 4,
     .max_participants = 16,
     .numbered = true,
     .shards = 3,
     .crew = {4, 3, 1, 1}},
    {.name = "durable",
     .capacity = 64,
     .max_deliveries = 3,
     .lease_ms = 30,
     .prefetch = 4,
     .max_participants = 16,
     .rejects = true,
     .dead_refuse = true,
     .sync = RP_SYNC_NONE,
     .crew = {3, 3, 1, 1, 1}},
    {.name = "synced",
     .capacity = 256,
     .lease_ms = 60,
     .prefetch = 8,
     .max_participants = 16,
     .sync = RP_SYNC_ALWAYS,
     .crew = {4, 3, 1, 1}},
    {.name = "tiny", .capacity = 1, .lease_ms = 20, .max_participants = 8, .block = true, .crew = {3, 3, 1}},
};

static void kill_at_random(struct crew *c, rp_queue *q, struct report *r, uint64_t end_ns) {
    struct worker dice = {.random = c->storm->seed | 1};
    while (now_ns() < end_ns) {
        weather_pause(&dice, PAUSE_MAX_US);
        crew_kill(c, weather_victim(c, &dice), true);
        if (worker_random(&dice, 4) == 0)
            judge_purge(c->storm, q, r);
        weather_sample(q, r, SAMPLE_EVERY_MS);
    }
}

int main(int argc, char **argv) {
    struct arguments a = arguments_parse(argc, argv, 16);
    return run_variants(&a, variants, sizeof variants / sizeof variants[0], kill_at_random);
}
