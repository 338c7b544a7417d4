/* SPDX-License-Identifier: MIT */
/*
 * storm_stop: processes are stopped (SIGSTOP) at any instant, sweepers in mid-recovery with preference, and
 * continued later; some are killed, so that there is something to recover. The others must keep going all the while, and the books balance.
 */
#include "weather.h"

#include <stdio.h>

enum {
    PAUSE_MAX_US = 8000,
    SAMPLE_EVERY_MS = 200,
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
    {.name = "durable",
     .capacity = 256,
     .max_deliveries = 3,
     .lease_ms = 40,
     .max_participants = 24,
     .rejects = true,
     .dead_refuse = true,
     .sync = RP_SYNC_INTERVAL,
     .crew = {4, 4, 2, 1, 2}},
    {.name = "sleepers",
     .capacity = 64,
     .lease_ms = 40,
     .prefetch = 8,
     .max_participants = 24,
     .crew = {4, 4, 2, 1},
     .sleepers = true},
};

static void report_stall(const struct stall *s, const char *what) {
    printf("         longest time without %s: %.1f ms\n", what, (double)s->most_ns / 1e6);
    if (s->most_ns > STALL_MAX_MS * UINT64_C(1000000))
        ledger_violation("nobody could %s for %.0f ms while others were stopped", what, (double)s->most_ns / 1e6);
}

static void stop_at_random(struct crew *c, rp_queue *q, struct report *r, uint64_t end_ns) {
    struct worker dice = {.random = c->storm->seed | 1};
    struct stall sends = {.tally = offsetof(struct tallies, sends)}, acks = {.tally = offsetof(struct tallies, acks)};
    while (now_ns() < end_ns) {
        weather_pause(&dice, PAUSE_MAX_US);
        stall_watch(&sends);
        stall_watch(&acks);
        crew_continue(c, now_ns(), false);
        unsigned victim = weather_victim(c, &dice);
        if (worker_random(&dice, KILL_ONE_IN) == 0)
            crew_kill(c, victim, true); /* stopped ones, too */
        else if (weather_may_stop(c, victim))
            crew_stop(c, victim, now_ns() + (1 + worker_random(&dice, STOP_MAX_MS)) * 1000000);
        weather_sample(q, r, SAMPLE_EVERY_MS);
    }
    report_stall(&sends, "sends");
    report_stall(&acks, "acks");
}

int main(int argc, char **argv) {
    struct arguments a = arguments_parse(argc, argv, 15);
    return run_variants(&a, variants, sizeof variants / sizeof variants[0], stop_at_random);
}
