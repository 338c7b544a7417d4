/* SPDX-License-Identifier: MIT */
#include "brokers.h"
#include "trial.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum { CAPACITY = 65536, PROBES = 1000, STALL_S = 30 };

/* NULL where it was not built. */
extern const struct peer peer_redis_durable __attribute__((weak));
extern const struct peer peer_rabbitmq_durable __attribute__((weak));

static const struct {
    const struct peer *peer;
    const char *name;
} brokers[BROKERS] = {
    [BROKER_REDIS] = {&peer_redis_durable, "Redis"},
    [BROKER_RABBITMQ] = {&peer_rabbitmq_durable, "RabbitMQ"},
};
static bool runs[BROKERS];

void brokers_start(const char *directory) {
    char path[PATH_MAX], why[PEER_WHY_MAX];
    if (realpath(directory, path) == NULL || setenv("RINGPOST_BENCH_DATA", path, 1) != 0)
        crew_fail("no directory %s", directory);
    trial_prepare();
    for (int i = 0; i < BROKERS; i++) {
        const struct peer *peer = brokers[i].peer;
        snprintf(why, sizeof why, "its library was missing when this was built");
        runs[i] = peer != NULL && peer->available(why) && peer->start(why);
        if (!runs[i])
            fprintf(stderr, "without %s: %s\n", brokers[i].name, why);
    }
}

void brokers_stop(void) {
    for (int i = 0; i < BROKERS; i++)
        if (runs[i])
            brokers[i].peer->stop();
}

double broker_rate(enum broker which, uint32_t bytes, uint32_t batch, uint64_t ns, const struct machine *m) {
    if (!runs[which])
        return 0;
    struct trial_job job = {.peer = brokers[which].peer,
                            .kind = TRIAL_FLOW,
                            .bytes = bytes,
                            .producers = 1,
                            .consumers = 1,
                            .batch = batch,
                            .capacity = CAPACITY,
                            .warm_ns = ns / 4,
                            .measure_ns = ns,
                            .probe_rounds = PROBES,
                            .stall_s = STALL_S};
    const struct trial_outcome *outcome;
    char reason[CREW_REASON_MAX];
    if (trial_run(m, &job, &outcome, reason))
        return 1e9 / outcome->message_ns;
    fprintf(stderr, "%s: %s\n", brokers[which].name, reason);
    return 0;
}
