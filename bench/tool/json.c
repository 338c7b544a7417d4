/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <ringpost/ringpost.h>
#include <string.h>
#include <unistd.h>

static json_t *machine_json(const struct machine *m) {
    json_t *cpus = json_array();
    for (int i = 0; i < m->cpu_count; i++) {
        json_array_append_new(cpus, json_integer(m->cpus[i]));
    }
    char governor[32];
    machine_governor(m, governor);
    return json_pack("{s:s, s:s, s:I, s:o, s:s, s:b, s:o, s:o, s:s}", "cpu", m->model, "kernel", m->kernel, "cores",
                     (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "cpus", cpus, "governor", governor, "virtual", machine_is_virtual(),
                     "ticks_per_ns", json_real(m->ticks_per_ns), "tick_cost_ns", json_real(m->tick_cost_ns), "version",
                     rp_version());
}

/* What it is that was measured; one for each regime, the same but for that. */
static json_t *shape_json(const struct measure *m) {
    const struct trial_job *j = &m->job;
    json_t *o = json_pack("{s:s, s:s, s:i, s:i, s:i, s:i}", "peer", m->series.peer, "test", m->series.test, "bytes", (int)j->bytes,
                          "producers", (int)j->producers, "consumers", (int)j->consumers, "batch", (int)j->batch);
    if (j->peer != NULL) {
        json_object_set_new(o, "acks", json_boolean(j->peer->acks));
        json_object_set_new(o, "survives_kill", json_boolean(j->peer->survives_kill));
        json_object_set_new(o, "setting", json_string(j->peer->setting));
    }
    if (j->kind == TRIAL_RATE) {
        json_object_set_new(o, "per_second", json_real(1e9 / (double)j->interval_ns));
        json_object_set_new(o, "unsent", json_integer((json_int_t)m->unsent));
    }
    if (j->peer != NULL) {
        json_object_set_new(o, "capacity", json_integer(j->capacity));
    }
    if (j->reply_first) {
        json_object_set_new(o, "reply_first", json_true());
    }
    if (j->poll) {
        json_object_set_new(o, "poll", json_true());
    }
    if (j->mixed) {
        json_object_set_new(o, "mixed", json_true());
    }
    return o;
}

static json_t *result_json(const struct measure *m, enum regime r, const struct summary *s) {
    json_t *o = shape_json(m);
    json_object_set_new(o, "regime", json_string(regime_name(r)));
    json_object_set_new(o, "slices", json_integer((json_int_t)s->slices));
    json_object_set_new(o, "dropped", json_integer((json_int_t)m->series.dropped));
    json_object_set_new(o, "bare_ns", json_real(s->bare_ns));
    json_object_set_new(o, "ratio", json_real(s->ratio[0]));
    json_object_set_new(o, "ratio_p10", json_real(s->ratio_low));
    json_object_set_new(o, "ratio_p90", json_real(s->ratio_high));
    for (int v = 0; v < m->series.value_count; v++) {
        char key[32];
        snprintf(key, sizeof key, "%s_ns", m->series.value_names[v]);
        json_object_set_new(o, key, json_real(s->value[v]));
        snprintf(key, sizeof key, "%s_ratio", m->series.value_names[v]);
        json_object_set_new(o, key, json_real(s->ratio[v]));
    }
    if (m->job.kind == TRIAL_FLOW) {
        json_object_set_new(o, "per_second", json_real(1e9 / s->value[VALUE_EACH]));
    }
    return o;
}

json_t *report_json(const struct plan *p) {
    json_t *results = json_array();
    for (size_t i = 0; i < p->count; i++) {
        const struct measure *m = &p->measures[i];
        for (int r = 0; r < REGIME_COUNT; r++) {
            struct summary s;
            if (report_summary(p, m, (enum regime)r, &s)) {
                json_array_append_new(results, result_json(m, (enum regime)r, &s));
            }
        }
        if (m->failed[0] != 0) {
            json_t *o = shape_json(m);
            json_object_set_new(o, "failed", json_string(m->failed));
            json_array_append_new(results, o);
        }
    }
    const struct trial_job *any = &p->measures[p->count - 1].job;
    return json_pack("{s:o, s:I, s:I, s:I, s:o, s:f}", "machine", machine_json(p->machine), "rounds", (json_int_t)p->rounds,
                     "slice_ns", (json_int_t)any->measure_ns, "warm_up_ns", (json_int_t)any->warm_ns, "results", results,
                     "preemptions_per_s", plan_preemptions(p));
}
