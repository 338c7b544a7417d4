/* SPDX-License-Identifier: MIT */
#include "series.h"

#include "crew.h"

#include <stdlib.h>

static const double DISAGREE = 0.20, NEAR_NS = 80, FAR_NS = 200; /* from there on near, and far */

static double bare_ns(const struct slice *s) { return (s->before_ns + s->after_ns) / 2; }

bool series_add(struct series *s, const struct slice *slice) {
    double low = slice->before_ns < slice->after_ns ? slice->before_ns : slice->after_ns;
    double high = slice->before_ns + slice->after_ns - low;
    if (high > low * (1 + DISAGREE)) {
        s->dropped++;
        return false;
    }
    if (s->count == s->room) {
        s->room = s->room * 2 + 16;
        s->slices = realloc(s->slices, s->room * sizeof *s->slices);
        if (s->slices == NULL) {
            crew_fail("out of memory");
        }
    }
    s->slices[s->count++] = *slice;
    return true;
}

enum regime slice_regime(const struct slice *s) {
    return bare_ns(s) < NEAR_NS ? REGIME_CLOSE : bare_ns(s) < FAR_NS ? REGIME_NEAR : REGIME_FAR;
}

const char *regime_name(enum regime r) {
    static const char *const names[] = {"close", "near", "far"};
    return names[r];
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double quantile(double *values, size_t count, double share) {
    if (count == 0) {
        return 0;
    }
    qsort(values, count, sizeof *values, ascending);
    double at = share * (double)(count - 1);
    size_t below = (size_t)at;
    if (below + 1 >= count) {
        return values[count - 1];
    }
    return values[below] + (at - (double)below) * (values[below + 1] - values[below]);
}

static double *numbers(size_t count) {
    double *n = malloc((count + 1) * sizeof *n);
    if (n == NULL) {
        crew_fail("out of memory");
    }
    return n;
}

bool series_summary(const struct series *s, enum regime r, struct summary *out) {
    *out = (struct summary){0};
    double *values = numbers(s->count), *ratios = numbers(s->count);
    for (int v = -1; v < s->value_count; v++) { /* -1: the bare line itself */
        size_t n = 0;
        for (size_t i = 0; i < s->count; i++) {
            const struct slice *slice = &s->slices[i];
            if (slice_regime(slice) == r) {
                values[n] = v < 0 ? bare_ns(slice) : slice->value[v];
                ratios[n] = values[n] / bare_ns(slice);
                n++;
            }
        }
        out->slices = n;
        if (v < 0) {
            out->bare_ns = quantile(values, n, 0.5);
            continue;
        }
        out->value[v] = quantile(values, n, 0.5);
        out->ratio[v] = quantile(ratios, n, 0.5);
        if (v == 0) {
            out->ratio_low = quantile(ratios, n, 0.1);
            out->ratio_high = quantile(ratios, n, 0.9);
        }
    }
    free(values);
    free(ratios);
    return out->slices > 0;
}

double series_speed_relative(const struct series *s, const struct series *base, enum regime r) {
    double *speeds = numbers(s->count);
    size_t n = 0;
    for (size_t i = 0, j = 0; i < s->count; i++) {
        while (j < base->count && base->slices[j].round < s->slices[i].round) {
            j++;
        }
        if (j < base->count && base->slices[j].round == s->slices[i].round && slice_regime(&s->slices[i]) == r &&
            slice_regime(&base->slices[j]) == r) {
            speeds[n++] = base->slices[j].value[0] / s->slices[i].value[0];
        }
    }
    double median = quantile(speeds, n, 0.5);
    free(speeds);
    return median;
}

void json_machine(FILE *out, const struct machine *m) {
    fprintf(out, "{\"processor\": \"%s\", \"kernel\": \"%s\", \"cpus\": [", m->model, m->kernel);
    for (int i = 0; i < m->cpu_count; i++) {
        fprintf(out, "%s%d", i == 0 ? "" : ", ", m->cpus[i]);
    }
    fprintf(out, "], \"ticks_per_ns\": %.4f, \"tick_cost_ns\": %.1f}", m->ticks_per_ns, m->tick_cost_ns);
}
