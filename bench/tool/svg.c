/* SPDX-License-Identifier: MIT */
/* A picture of a run that stands for itself: percentile curves, then bars for each shape, best first. No script, no font, no reference to anything outside. */
#include "picture.h"
#include "report.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { VALUE_WIDTH = 210, ROW = 20 };

static const char style[] =
    "<style>\n"
    "text{font:13px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1f2328}\n"
    ".page{fill:#ffffff}.head{font-size:16px;font-weight:600}.note{font-size:12px;fill:#59636e}.end{text-"
    "anchor:end}.middle{text-anchor:middle}.us{font-weight:600}\n"
    ".grid{stroke:#d8dee4;stroke-width:1}.spread{stroke:#1f2328;stroke-width:1.5}.ours{fill:#0969da}.safe{"
    "fill:#57606a}.plain{fill:#b6bec8}\n"
    ".curve{fill:none;stroke-width:1.6}.thick{stroke-width:3}.bare{stroke-dasharray:5 4}\n"
    ".s0{stroke:#0969da}.s1{stroke:#bc4c00}.s2{stroke:#1a7f37}.s3{stroke:#8250df}.s4{stroke:#bf3989}.s5{"
    "stroke:#9a6700}.s6{stroke:#1b7c83}.s7{stroke:#cf222e}\n"
    ".f0{fill:#0969da}.f1{fill:#bc4c00}.f2{fill:#1a7f37}.f3{fill:#8250df}.f4{fill:#bf3989}.f5{fill:#9a6700}"
    ".f6{fill:#1b7c83}.f7{fill:#cf222e}\n"
    ".sbare{stroke:#59636e}.fbare{fill:#59636e}.d1{stroke-dasharray:9 3}.d2{stroke-dasharray:2 2}.d3{stroke-"
    "dasharray:9 3 2 3}.leader{stroke-width:1;opacity:.4}\n"
    "@media (prefers-color-scheme:dark){\n"
    "text{fill:#e6edf3}.page{fill:#0d1117}.note{fill:#9198a1}.grid{stroke:#30363d}.spread{stroke:#e6edf3}\n"
    ".ours{fill:#4493f8}.safe{fill:#9198a1}.plain{fill:#484f58}\n"
    ".s0{stroke:#4493f8}.s1{stroke:#f0883e}.s2{stroke:#3fb950}.s3{stroke:#ab7df8}.s4{stroke:#db61a2}.s5{"
    "stroke:#d29922}.s6{stroke:#39c5cf}.s7{stroke:#ff7b72}\n"
    ".f0{fill:#4493f8}.f1{fill:#f0883e}.f2{fill:#3fb950}.f3{fill:#ab7df8}.f4{fill:#db61a2}.f5{fill:#d29922}"
    ".f6{fill:#39c5cf}.f7{fill:#ff7b72}\n"
    ".sbare{stroke:#9198a1}.fbare{fill:#9198a1}\n"
    "}\n"
    "</style>\n";

void picture_text(const struct picture *p, double x, double y, const char *class, const char *format, ...) {
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(p->out, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", x, y, class);
    for (const char *c = text; *c != 0; c++) {
        if (*c == '<' || *c == '>' || *c == '&') {
            fprintf(p->out, "&#%d;", *c);
        } else if ((unsigned char)*c >= ' ') {
            fputc(*c, p->out);
        }
    }
    fputs("</text>\n", p->out);
}

void picture_line(const struct picture *p, double x1, double y1, double x2, double y2, const char *class) {
    fprintf(p->out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"%s\"/>\n", x1, y1, x2, y2, class);
}

bool picture_is_ours(const struct measure *m) {
    return m->job.peer != NULL && (strcmp(m->job.peer->name, "ringpost") == 0 || strcmp(m->job.peer->name, "rp_ring") == 0);
}

const char *picture_ns(char text[32], double ns) {
    if (ns < 999.5) {
        snprintf(text, 32, "%.0f ns", ns);
    } else if (ns < 999500) {
        snprintf(text, 32, "%.3g us", ns / 1e3);
    } else {
        snprintf(text, 32, "%.3g ms", ns / 1e6);
    }
    return text;
}

/* -- bars -- */

/* What a bar shows: more is better for rates, less for times. */
static double bar_value(const struct measure *m, const struct summary *s) {
    return m->job.kind == TRIAL_FLOW ? 1e9 / s->value[VALUE_EACH] : s->ratio[0];
}

struct scale {
    double left, width, low, high;
    bool is_log;
};

static double bar_length(const struct scale *s, double value) {
    double share = s->is_log ? (log10(value) - s->low) / (s->high - s->low) : value / s->high;
    return s->width * (share < 0 ? 0 : share > 1 ? 1 : share);
}

static struct scale scale_of(const struct picture *p, size_t count) {
    struct scale s = {.left = MARGIN + NAME_WIDTH, .width = WIDTH - 2 * MARGIN - NAME_WIDTH - VALUE_WIDTH, .low = 1e30};
    for (size_t i = 0; i < count; i++) {
        double value = bar_value(p->ranked[i], &p->sums[i]);
        s.low = value < s.low ? value : s.low;
        s.high = value > s.high ? value : s.high;
    }
    s.is_log = s.high > 20 * s.low;
    if (s.is_log) {
        s.low = floor(log10(s.low) - 0.2);
        s.high = log10(s.high);
    }
    return s;
}

static void put_bar(const struct picture *p, const struct scale *s, const struct measure *m, const struct summary *sum) {
    double value = bar_value(m, sum), length = bar_length(s, value);
    const struct peer *peer = m->job.peer;
    const char *class = picture_is_ours(m) ? "ours" : peer->acks || peer->survives_kill ? "safe" : "plain";
    picture_text(p, s->left - 10, p->y + 14, picture_is_ours(m) ? "end us" : "end", "%s", m->series.peer);
    fprintf(p->out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" rx=\"2\" class=\"%s\"/>\n", s->left, p->y + 3,
            length < 1 ? 1 : length, ROW - 6, class);
    double low = m->job.kind == TRIAL_FLOW ? value * sum->ratio[0] / sum->ratio_high : sum->ratio_low;
    double high = m->job.kind == TRIAL_FLOW ? value * sum->ratio[0] / sum->ratio_low : sum->ratio_high;
    picture_line(p, s->left + bar_length(s, low), p->y + ROW / 2.0, s->left + bar_length(s, high), p->y + ROW / 2.0, "spread");
    char rate[REPORT_TEXT_MAX], ns[32];
    double beyond = s->left + bar_length(s, high) + 10;
    if (m->job.kind == TRIAL_FLOW) {
        picture_text(p, beyond, p->y + 14, picture_is_ours(m) ? "us" : "", "%s", report_rate(rate, sum->value[VALUE_EACH]));
    } else {
        picture_text(p, beyond, p->y + 14, picture_is_ours(m) ? "us" : "",
                     sum->ratio[0] < 99.5 ? "%.2f x bare, %s" : "%.0f x bare, %s", sum->ratio[0], picture_ns(ns, sum->value[0]));
    }
}

static void put_bars(struct picture *p, const struct measure *first) {
    size_t count = report_ranked(p->plan, p->regime, first, p->ranked, p->sums);
    if (count == 0) {
        return;
    }
    char shape[REPORT_TEXT_MAX];
    struct scale s = scale_of(p, count);
    picture_text(p, MARGIN, p->y + 20, "head", "%s", report_shape(shape, first));
    picture_text(p, WIDTH - MARGIN, p->y + 20, "note end", "%s%s",
                 first->job.kind == TRIAL_FLOW  ? "more is better"
                 : first->job.kind == TRIAL_FAN ? "of a put, less is better"
                                                : "median, less is better",
                 s.is_log ? "; logarithmic" : "");
    p->y += TITLE;
    for (size_t i = 0; i < count; i++) {
        put_bar(p, &s, p->ranked[i], &p->sums[i]);
        p->y += ROW;
    }
    p->y += 16;
}

/* -- the whole -- */

static void put_picture(struct picture *p) {
    const struct plan *plan = p->plan;
    struct summary bare = {0};
    series_summary(&plan->measures[0].series, p->regime, &bare);
    fputs(style, p->out);
    fprintf(p->out, "<rect width=\"100%%\" height=\"100%%\" class=\"page\"/>\n");
    p->y = MARGIN;
    picture_text(p, MARGIN, p->y + 8, "note",
                 "%s, %s; processors %d and %d, %s: a bare cache line there and back takes %.0f ns. Medians of %u rounds.",
                 plan->machine->model, plan->machine->kernel, plan->machine->cpus[0], plan->machine->cpus[1],
                 regime_name(p->regime), bare.value[VALUE_P50], plan->rounds);
    p->y += 22;
    picture_curves(p);
    for (const struct measure *m = plan->measures + 1; m < plan->measures + plan->count; m++) {
        if (report_leads(plan, m)) {
            put_bars(p, m);
        }
    }
    static const char *const classes[] = {"ours", "safe", "plain"}, *const meanings[] = {"ringpost",
                                                                                         "others with acks, or unharmed by kill -9",
                                                                                         "neither"};
    double x = MARGIN;
    for (int i = 0; i < 3; i++) {
        fprintf(p->out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"12\" height=\"12\" rx=\"2\" class=\"%s\"/>\n", x, p->y, classes[i]);
        picture_text(p, x + 18, p->y + 11, "note", "%s", meanings[i]);
        x += i == 0 ? 100 : i == 1 ? 280 : 90;
    }
    picture_line(p, x, p->y + 6, x + 24, p->y + 6, "spread");
    picture_text(p, x + 32, p->y + 11, "note", "the middle 80 %% of the slices");
    p->y += MARGIN + 12;
}

bool report_svg(const char *path, const struct plan *plan) {
    struct picture p = {.plan = plan, .regime = plan_regime(plan)};
    char *body = NULL;
    size_t bytes = 0;
    p.ranked = calloc(plan->count, sizeof *p.ranked);
    p.sums = calloc(plan->count, sizeof *p.sums);
    p.out = open_memstream(&body, &bytes); /* the height is known in the end */
    if (p.ranked == NULL || p.sums == NULL || p.out == NULL) {
        crew_fail("out of memory");
    }
    put_picture(&p);
    bool good = fclose(p.out) == 0;
    FILE *f = good ? fopen(path, "we") : NULL;
    if (f != NULL) {
        fprintf(f,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"%d\" height=\"%.0f\" viewBox=\"0 0 %d %.0f\">\n"
                "<title>ringpost bench: times and rates as multiples of a bare cache line</title>\n%s</svg>\n",
                WIDTH, p.y, WIDTH, p.y, body);
        good = !ferror(f);
    }
    if (f == NULL || fclose(f) != 0 || !good) {
        fprintf(stderr, "ringpost bench: %s: %s\n", path, strerror(errno));
        good = false;
    }
    free(body);
    free(p.ranked);
    free(p.sums);
    return good;
}
