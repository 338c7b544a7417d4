/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <stdlib.h>
#include <string.h>

/* An idle system has a few; at this rate streams stand still for a part of their time. */
#define DISTURBED_PER_S 50.0

const char *report_shape(char text[REPORT_TEXT_MAX], const struct measure *m) {
    const struct trial_job *j = &m->job;
    char batch[32] = "one at a time";
    if (j->batch > 1) {
        snprintf(batch, sizeof batch, "batches of %u", j->batch);
    }
    switch (j->kind) {
    case TRIAL_TRIP:
        snprintf(text, REPORT_TEXT_MAX, "round trips, %u B%s", j->bytes, j->reply_first ? ", reply before ack" : "");
        break;
    case TRIAL_RATE:
        snprintf(text, REPORT_TEXT_MAX, "round trips begun by the clock, %.0f a second, %u B", 1e9 / (double)j->interval_ns,
                 j->bytes);
        break;
    case TRIAL_FLOW: snprintf(text, REPORT_TEXT_MAX, "stream %uP%uC, %u B, %s", j->producers, j->consumers, j->bytes, batch); break;
    case TRIAL_FAN:
        snprintf(text, REPORT_TEXT_MAX, "one writer, %u reader%s, %u B, %s", j->consumers, j->consumers == 1 ? "" : "s", j->bytes,
                 batch);
        break;
    }
    return text;
}

const char *report_rate(char text[REPORT_TEXT_MAX], double ns_each) {
    double rate = 1e9 / ns_each;
    if (rate >= 1e6) {
        snprintf(text, REPORT_TEXT_MAX, "%.*f M/s", rate < 1e8 ? 2 : 0, rate / 1e6);
    } else if (rate >= 1e3) {
        snprintf(text, REPORT_TEXT_MAX, "%.*f k/s", rate < 1e5 ? 1 : 0, rate / 1e3);
    } else {
        snprintf(text, REPORT_TEXT_MAX, "%.0f /s", rate);
    }
    return text;
}

static bool same_shape(const struct measure *a, const struct measure *b) {
    const struct trial_job *x = &a->job, *y = &b->job;
    return x->peer != NULL && y->peer != NULL && x->kind == y->kind && x->bytes == y->bytes && x->producers == y->producers &&
           x->consumers == y->consumers && x->batch == y->batch && x->interval_ns == y->interval_ns;
}

bool report_summary(const struct plan *p, const struct measure *m, enum regime r, struct summary *out) {
    if (!series_summary(&m->series, r, out)) {
        return false;
    }
    if (m->job.kind == TRIAL_RATE && m->ticks[r] != NULL) {
        for (int v = 0; v < m->series.value_count; v++) {
            out->value[v] = machine_quantile_ns(p->machine, m->ticks[r], plan_trip_shares[v]);
            out->ratio[v] = out->value[v] / out->bare_ns;
        }
    }
    return true;
}

bool report_leads(const struct plan *p, const struct measure *m) {
    const struct measure *first = p->measures + 1;
    while (first < m && !same_shape(first, m)) {
        first++;
    }
    return first == m;
}

size_t report_ranked(const struct plan *p, enum regime r, const struct measure *m, const struct measure **out,
                     struct summary *sums) {
    size_t count = 0;
    for (const struct measure *x = p->measures + 1; x < p->measures + p->count; x++) {
        struct summary sum;
        if (!same_shape(x, m) || !report_summary(p, x, r, &sum)) {
            continue;
        }
        size_t at = count++;
        for (; at > 0 && sums[at - 1].ratio[0] > sum.ratio[0]; at--) {
            out[at] = out[at - 1];
            sums[at] = sums[at - 1];
        }
        out[at] = x;
        sums[at] = sum;
    }
    return count;
}

/* The same peer with one producer and one consumer, otherwise like `m`; NULL: not measured. */
static const struct measure *single(const struct plan *p, const struct measure *m) {
    for (const struct measure *x = p->measures + 1; x < p->measures + p->count; x++) {
        struct measure one = *m;
        one.job.producers = one.job.consumers = 1;
        if (x->job.peer == m->job.peer && same_shape(x, &one)) {
            return x;
        }
    }
    return NULL;
}

static void print_titles(FILE *out, const struct plan *p, const struct measure *m) {
    fprintf(out, "  %-18s %-5s %6s ", "peer", "acks", "slices");
    if (m->job.kind == TRIAL_FLOW) {
        fprintf(out, "%10s %10s", "rate", "ns each");
    } else if (m->job.kind == TRIAL_FAN) {
        fprintf(out, "%10s %10s", "put ns", "rate");
    } else {
        fprintf(out, "%9s %9s %9s", "p50 ns", "p90 ns", "p99 ns");
    }
    fprintf(out, " %9s %-19s", "x bare", "(middle 80 %)");
    if (m->job.kind == TRIAL_TRIP || m->job.kind == TRIAL_RATE) {
        fprintf(out, " %9s", "p99 x");
    } else if (single(p, m) != NULL && m->job.consumers > 1) {
        fprintf(out, " %9s", m->job.kind == TRIAL_FLOW ? "of 1P1C" : "x 1 reader");
    }
    fputc('\n', out);
}

static void print_row(FILE *out, const struct plan *p, enum regime r, const struct measure *m, const struct summary *s) {
    char rate[REPORT_TEXT_MAX], range[REPORT_TEXT_MAX];
    fprintf(out, "  %-18s %-5s %6zu ", m->series.peer, m->job.peer->acks ? "yes" : "-", s->slices);
    if (m->job.kind == TRIAL_FLOW) {
        fprintf(out, "%10s %10.1f", report_rate(rate, s->value[VALUE_EACH]), s->value[VALUE_EACH]);
    } else if (m->job.kind == TRIAL_FAN) {
        fprintf(out, "%10.1f %10s", s->value[VALUE_PUT], report_rate(rate, s->value[VALUE_DELIVERED]));
    } else {
        fprintf(out, "%9.0f %9.0f %9.0f", s->value[VALUE_P50], s->value[VALUE_P90], s->value[VALUE_P99]);
    }
    snprintf(range, sizeof range, "%.2f - %.2f", s->ratio_low, s->ratio_high);
    fprintf(out, " %9.2f %-19s", s->ratio[0], range);
    const struct measure *one = single(p, m);
    if (m->job.kind == TRIAL_TRIP || m->job.kind == TRIAL_RATE) {
        fprintf(out, " %9.2f", s->ratio[VALUE_P99]);
    } else if (one != NULL && m->job.consumers > 1) {
        double faster = series_speed_relative(&m->series, &one->series, r);
        if (faster > 0 && m->job.kind == TRIAL_FLOW) {
            fprintf(out, " %7.0f %%", 100 * faster);
        } else if (faster > 0) {
            fprintf(out, " %9.2f", 1 / faster);
        }
    }
    fputc('\n', out);
}

static void print_regime(FILE *out, const struct plan *p, enum regime r, const struct measure **ranked, struct summary *sums) {
    struct summary bare;
    if (!series_summary(&p->measures[0].series, r, &bare)) {
        return;
    }
    fprintf(out, "\n%s: bare round trip of a cache line %.0f ns (p90 %.0f, p99 %.0f)\n", regime_name(r), bare.value[VALUE_P50],
            bare.value[VALUE_P90], bare.value[VALUE_P99]);
    for (const struct measure *m = p->measures + 1; m < p->measures + p->count; m++) {
        char shape[REPORT_TEXT_MAX];
        size_t count = report_leads(p, m) ? report_ranked(p, r, m, ranked, sums) : 0;
        if (count == 0) {
            continue;
        }
        fprintf(out, "\n  %s\n", report_shape(shape, m));
        print_titles(out, p, m);
        for (size_t i = 0; i < count; i++) {
            print_row(out, p, r, ranked[i], &sums[i]);
        }
    }
}

static void print_end(FILE *out, const struct plan *p) {
    size_t dropped = plan_dropped(p), kept = p->measures[0].series.count;
    uint64_t messages = 0, again = 0, unsent = 0;
    for (size_t i = 1; i < p->count; i++) {
        messages += p->measures[i].messages;
        again += p->measures[i].again;
        unsent += p->measures[i].unsent;
    }
    fprintf(out, "\n%s; %zu of %zu slices dropped because the probes around them differed by more than 20 %%.\n",
            p->measures[p->count - 1].job.kind == TRIAL_RATE ? "Percentiles of all slices together, ranges over slices"
                                                             : "Medians over slices",
            dropped, kept + dropped);
    fprintf(out, "Verified: %llu messages, each whole, none lost, in the order of its producer (%llu delivered again).\n",
            (unsigned long long)messages, (unsigned long long)again);
    if (unsent > 0) {
        fprintf(out,
                "%llu round trips could not begin before their slice ended: the rate is too high, or others had the processors. "
                "They count as if they had ended "
                "with it.\n",
                (unsigned long long)unsent);
    }
    if (plan_preemptions(p) > DISTURBED_PER_S) {
        fprintf(out,
                "DISTURBED: others took the processors away %.0f times a second. 'chrt -f 20 ringpost bench ...' keeps them out.\n",
                plan_preemptions(p));
    }
    for (size_t i = 1; i < p->count; i++) {
        const struct measure *m = &p->measures[i];
        char shape[REPORT_TEXT_MAX];
        if (m->failed[0] != 0) {
            fprintf(out, "FAILED: %s, %s: %s\n", m->series.peer, report_shape(shape, m), m->failed);
        } else if (m->series.count == 0) {
            fprintf(out, "No slice kept: %s, %s\n", m->series.peer, report_shape(shape, m));
        }
    }
}

void report_table(FILE *out, const struct plan *p) {
    const struct measure **ranked = calloc(p->count, sizeof *ranked);
    struct summary *sums = calloc(p->count, sizeof *sums);
    if (ranked == NULL || sums == NULL) {
        crew_fail("out of memory");
    }
    fprintf(out, "%s, %s, processors", p->machine->model, p->machine->kernel);
    for (int i = 0; i < p->machine->cpu_count; i++) {
        fprintf(out, "%s %d", i == 0 ? "" : ",", p->machine->cpus[i]);
    }
    const struct trial_job *job = &p->measures[p->count - 1].job;
    fprintf(out, "; %u rounds, slices of %.0f ms, queues of %u messages%s%s\n", p->rounds, (double)job->measure_ns / 1e6,
            job->capacity, job->poll ? ", asked again and again" : "", job->mixed ? ", producers and consumers mixed" : "");
    for (int r = 0; r < REGIME_COUNT; r++) {
        print_regime(out, p, (enum regime)r, ranked, sums);
    }
    print_end(out, p);
    free(ranked);
    free(sums);
}
