/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <string.h>

/* What must be equal for two results to be about the same thing. */
static const char *const identity[] = {"peer",  "test",       "regime",      "bytes",    "producers", "consumers",
                                       "batch", "per_second", "reply_first", "capacity", "poll",      "mixed"};

static bool same(const json_t *a, const json_t *b) {
    bool stream =
        json_is_string(json_object_get(a, "test")) && strcmp(json_string_value(json_object_get(a, "test")), "stream") == 0;
    for (size_t i = 0; i < sizeof identity / sizeof *identity; i++) {
        const json_t *x = json_object_get(a, identity[i]), *y = json_object_get(b, identity[i]);
        if (stream && strcmp(identity[i], "per_second") == 0) {
            continue; /* there it is what came out */
        }
        if (x != y && !json_equal(x, y)) {
            return false;
        }
    }
    return true;
}

static const json_t *counterpart(const json_t *results, const json_t *wanted) {
    size_t i;
    const json_t *r;
    json_array_foreach(results, i, r) {
        if (json_is_number(json_object_get(r, "ratio")) && json_number_value(json_object_get(r, "ratio")) > 0 && same(r, wanted)) {
            return r;
        }
    }
    return NULL;
}

static const char *text(const json_t *o, const char *key) { return json_string_value(json_object_get(o, key)); }

static void print(FILE *out, const json_t *now, double then_ratio, double now_ratio, const char *verdict) {
    char shape[REPORT_TEXT_MAX];
    snprintf(shape, sizeof shape, "%lluP%lluC, batch %llu, %llu B",
             (unsigned long long)json_integer_value(json_object_get(now, "producers")),
             (unsigned long long)json_integer_value(json_object_get(now, "consumers")),
             (unsigned long long)json_integer_value(json_object_get(now, "batch")),
             (unsigned long long)json_integer_value(json_object_get(now, "bytes")));
    fprintf(out, "  %-18s %-7s %-28s %-9s %9.2f %9.2f %+7.1f %%  %s\n", text(now, "peer"), text(now, "test"), shape,
            text(now, "regime"), then_ratio, now_ratio, 100 * (now_ratio / then_ratio - 1), verdict);
}

static const char *processor(const json_t *run) {
    const char *name = json_string_value(json_object_get(json_object_get(run, "machine"), "cpu"));
    return name != NULL ? name : "unknown";
}

int report_against(const struct plan *p, const json_t *earlier, double tolerance, FILE *out, json_t *into) {
    const json_t *before = json_object_get(earlier, "results");
    json_t *present = report_json(p), *list = json_array();
    const json_t *now;
    size_t i;
    int worse = 0;
    json_array_foreach(json_object_get(present, "results"), i, now) {
        const json_t *then = strcmp(text(now, "peer"), p->measures[0].series.peer) != 0 && json_object_get(now, "ratio") != NULL
                                 ? counterpart(before, now)
                                 : NULL;
        if (then == NULL) {
            continue;
        }
        double then_ratio = json_number_value(json_object_get(then, "ratio")),
               now_ratio = json_number_value(json_object_get(now, "ratio"));
        bool is_worse = now_ratio > then_ratio * (1 + tolerance), is_better = now_ratio < then_ratio / (1 + tolerance);
        worse += is_worse;
        if (out != NULL && json_array_size(list) == 0) {
            if (strcmp(processor(earlier), processor(present)) != 0) {
                fprintf(out, "\nThe earlier run was on another processor, %s: what differs may be the machine.\n",
                        processor(earlier));
            }
            fprintf(out,
                    "\nRatios to the bare cache line, then and now; more than %.0f %% is a difference.\n  %-18s %-7s %-28s %-9s "
                    "%9s %9s %9s\n",
                    100 * tolerance, "peer", "test", "", "regime", "then", "now", "change");
        }
        if (out != NULL) {
            print(out, now, then_ratio, now_ratio, is_worse ? "worse" : is_better ? "better" : "");
        }
        json_t *entry = json_copy((json_t *)now);
        json_object_set_new(entry, "ratio_then", json_real(then_ratio));
        json_object_set_new(entry, "verdict", json_string(is_worse ? "worse" : is_better ? "better" : "same"));
        json_array_append_new(list, entry);
    }
    if (json_array_size(list) == 0) {
        worse = -1;
    }
    if (into != NULL) {
        json_object_set(into, "against", list);
    }
    json_decref(list);
    json_decref(present);
    return worse;
}
