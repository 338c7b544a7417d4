/* SPDX-License-Identifier: MIT */
#include "plan.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const double plan_trip_shares[TRIPS_QUANTILES] = {0.50, 0.90, 0.99};

static const char *const trip_values[] = {"p50", "p90", "p99"}, *const flow_values[] = {"message"},
                         *const fan_values[] = {"put", "delivered"};

const char *measure_test(const struct measure *m) {
    static const char *const names[] = {
        [TRIAL_TRIP] = "rtt", [TRIAL_RATE] = "rate", [TRIAL_FLOW] = "stream", [TRIAL_FAN] = "fanout"};
    return names[m->job.kind];
}

const char *measure_peer(const struct measure *m) { return m->job.peer != NULL ? m->job.peer->name : "bare cache line"; }

void plan_add(struct plan *p, const struct trial_job *job) {
    if (p->count == p->room) {
        p->room = 2 * p->room + 16;
        p->measures = realloc(p->measures, p->room * sizeof *p->measures);
        if (p->measures == NULL) {
            crew_fail("out of memory");
        }
    }
    struct measure *m = &p->measures[p->count++];
    memset(m, 0, sizeof *m);
    m->job = *job;
    m->series.peer = measure_peer(m);
    m->series.test = measure_test(m);
    m->series.value_names = job->kind == TRIAL_FLOW ? flow_values : job->kind == TRIAL_FAN ? fan_values : trip_values;
    m->series.value_count = job->kind == TRIAL_FLOW ? 1 : job->kind == TRIAL_FAN ? 2 : TRIPS_QUANTILES;
}

void plan_begin(struct plan *p, const struct machine *m) {
    *p = (struct plan){.machine = m};
    plan_add(p, &(struct trial_job){.kind = TRIAL_TRIP, .bytes = sizeof(uint64_t), .producers = 1, .consumers = 1, .batch = 1});
}

void plan_end(struct plan *p) {
    for (size_t i = 0; i < p->count; i++) {
        free(p->measures[i].series.slices);
        for (int r = 0; r < REGIME_COUNT; r++) {
            free(p->measures[i].ticks[r]);
        }
    }
    free(p->measures);
}

static void read_quantiles(const struct plan *p, const struct histogram *h, double value[SERIES_VALUES_MAX]) {
    for (int i = 0; i < TRIPS_QUANTILES; i++) {
        value[i] = machine_quantile_ns(p->machine, h, plan_trip_shares[i]);
    }
}

static void enter(struct measure *m, const struct slice *s, const struct histogram *ticks) {
    if (!series_add(&m->series, s)) {
        return;
    }
    struct histogram **all = &m->ticks[slice_regime(s)];
    if (*all == NULL && (*all = calloc(1, sizeof **all)) == NULL) {
        crew_fail("out of memory");
    }
    histogram_merge(*all, ticks);
}

/* One slice, and what its probes say about the bare line. */
static void take(struct plan *p, struct measure *m, uint32_t round) {
    const struct trial_outcome *o;
    if (!trial_run(p->machine, &m->job, &o, m->failed)) {
        return;
    }
    struct slice s = {.round = round, .before_ns = o->before_ns, .after_ns = o->after_ns};
    read_quantiles(p, &o->bare, s.value);
    enter(&p->measures[0], &s, &o->bare);
    if (m->job.kind == TRIAL_FLOW) {
        s.value[VALUE_EACH] = o->message_ns;
    } else if (m->job.kind == TRIAL_FAN) {
        s.value[VALUE_PUT] = machine_quantile_ns(p->machine, &o->ticks, 0.5) / (double)o->burst;
        s.value[VALUE_DELIVERED] = o->message_ns;
    } else {
        read_quantiles(p, &o->ticks, s.value);
    }
    enter(m, &s, &o->ticks);
    m->messages += o->messages;
    m->again += o->again;
    m->unsent += o->unsent;
    m->preempted += o->preempted;
}

/* -- what peers need -- */

static bool seen_before(const struct plan *p, size_t at) {
    for (size_t i = 0; i < at; i++) {
        if (p->measures[i].job.peer == p->measures[at].job.peer) {
            return true;
        }
    }
    return false;
}

static void start_peers(struct plan *p) {
    for (size_t i = 1; i < p->count; i++) {
        const struct peer *peer = p->measures[i].job.peer;
        char why[PEER_WHY_MAX] = "it could not be started";
        if (peer->start == NULL || seen_before(p, i) || peer->start(why)) {
            continue;
        }
        for (size_t j = i; j < p->count; j++) {
            if (p->measures[j].job.peer == peer) {
                snprintf(p->measures[j].failed, sizeof p->measures[j].failed, "%s", why);
            }
        }
    }
}

static void stop_peers(const struct plan *p) {
    for (size_t i = 1; i < p->count; i++) {
        const struct peer *peer = p->measures[i].job.peer;
        if (peer->stop != NULL && !seen_before(p, i)) {
            peer->stop();
        }
    }
}

bool plan_run(struct plan *p) {
    bool tell = !p->quiet && isatty(STDERR_FILENO), good = true;
    start_peers(p);
    for (uint32_t round = 0; round < p->rounds; round++) {
        for (size_t i = 1; i < p->count; i++) {
            size_t at = round % 2 == 0 ? i : p->count - i; /* no one is always behind the same other */
            struct measure *m = &p->measures[at];
            if (m->failed[0] == 0) {
                if (tell) {
                    fprintf(stderr, "\rround %u of %u: %s %s\033[K", round + 1, p->rounds, m->series.peer, m->series.test);
                }
                take(p, m, round);
            }
        }
    }
    if (tell) {
        fprintf(stderr, "\r\033[K");
    }
    stop_peers(p);
    for (size_t i = 1; i < p->count; i++) {
        good = good && p->measures[i].failed[0] == 0;
    }
    return good;
}

enum regime plan_regime(const struct plan *p) {
    size_t count[REGIME_COUNT] = {0}, best = 0;
    for (size_t i = 0; i < p->measures[0].series.count; i++) {
        count[slice_regime(&p->measures[0].series.slices[i])]++;
    }
    for (size_t r = 1; r < REGIME_COUNT; r++) {
        best = count[r] > count[best] ? r : best;
    }
    return (enum regime)best;
}

/* Parties for whom threads or processes of the peer's own work have to share with those. */
static bool has_helpers(const struct peer *peer) { return peer->kind == PEER_SERVER || peer->scatters; }

double plan_preemptions(const struct plan *p) {
    double preempted = 0, seconds = 0;
    for (const struct measure *m = p->measures + 1; m < p->measures + p->count; m++) {
        if (!has_helpers(m->job.peer) && m->job.producers + m->job.consumers <= (uint32_t)p->machine->cpu_count) {
            preempted += (double)m->preempted;
            seconds += (double)(m->series.count + m->series.dropped) * (double)m->job.measure_ns / 1e9;
        }
    }
    return seconds > 0 ? preempted / seconds : 0;
}

size_t plan_dropped(const struct plan *p) {
    size_t dropped = 0;
    for (size_t i = 1; i < p->count; i++) {
        dropped += p->measures[i].series.dropped;
    }
    return dropped;
}
