/* SPDX-License-Identifier: MIT */
#include "weather.h"

#include <time.h>

void weather_pause(struct worker *dice, uint64_t most_us) {
    uint64_t us = worker_random(dice, 8) == 0 ? worker_random(dice, most_us) : worker_random(dice, 1 + most_us / 16);
    nanosleep(&(struct timespec){.tv_nsec = (long)us * 1000}, NULL);
}

unsigned weather_victim(const struct crew *c, struct worker *dice) {
    if (worker_random(dice, 2) == 0)
        for (unsigned i = 0; i < c->count; i++) {
            unsigned k = (unsigned)worker_random(dice, c->count);
            if (atomic_load(&ledger->workers[k].inside) != OUTSIDE && !c->members[k].stopped)
                return k;
        }
    return (unsigned)worker_random(dice, c->count);
}

bool weather_may_stop(const struct crew *c, unsigned i) {
    enum role role = c->members[i].role;
    unsigned running = 0;
    for (unsigned k = 0; k < c->count; k++)
        running += !c->members[k].stopped && c->members[k].role == role;
    return !c->members[i].stopped && (running > 1 || role > ROLE_CONSUMER);
}

void weather_sample(rp_queue *q, struct report *r, uint64_t every_ms) {
    uint64_t now = now_ns();
    if (now - r->sampled_ns < every_ms * 1000000)
        return;
    judge_sample(q, r);
    r->sampled_ns = now;
}

void stall_watch(struct stall *s) {
    uint64_t now = now_ns(), count = crew_sum(s->tally);
    if (count != s->last || s->since_ns == 0) {
        s->last = count;
        s->since_ns = now;
    } else if (now - s->since_ns > s->most_ns) {
        s->most_ns = now - s->since_ns;
    }
}
