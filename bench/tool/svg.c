/* SPDX-License-Identifier: MIT */
/* A picture of a run that stands for itself: percentile curves, then bars for each shape, best first. No script, no font, no reference to anything outside. */
#include "report.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum {
    WIDTH = 960,
    MARGIN = 24,
    NAME_WIDTH = 150,
    VALUE_WIDTH = 210,
    ROW = 20,
    TITLE = 34,
    CURVES_HEIGHT = 300,
    AXIS_WIDTH = 64,
    COLOURS = 8,
    CURVES_MAX = 32,     /* in one panel; there are fewer peers */
    CURVES_TOGETHER = 9, /* more than these: a panel for each size */
    CURVES_APART = 15,   /* their names */
    POINTS_PER_DECADE = 24
};

struct picture {
    FILE *out;
    const struct plan *plan;
    enum regime regime;
    double y;                      /* where the next panel begins */
    const struct measure **ranked; /* room for all */
    struct summary *sums;
};

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

static void put_text(const struct picture *p, double x, double y, const char *class, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

static void put_text(const struct picture *p, double x, double y, const char *class, const char *format, ...) {
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

static void put_line(const struct picture *p, double x1, double y1, double x2, double y2, const char *class) {
    fprintf(p->out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"%s\"/>\n", x1, y1, x2, y2, class);
}

static bool is_ours(const struct measure *m) {
    return m->job.peer != NULL && (strcmp(m->job.peer->name, "ringpost") == 0 || strcmp(m->job.peer->name, "rp_ring") == 0);
}

static const char *ns_text(char text[32], double ns) {
    if (ns < 999.5) {
        snprintf(text, 32, "%.0f ns", ns);
    } else if (ns < 999500) {
        snprintf(text, 32, "%.3g us", ns / 1e3);
    } else {
        snprintf(text, 32, "%.3g ms", ns / 1e6);
    }
    return text;
}

/* -- curves -- */

struct curve {
    const struct measure *measure;
    const struct histogram *ticks;
    double end_x, end_y, label_y;
    int colour; /* -1: the bare line */
    int dashes; /* tells apart those of one colour */
};

struct frame {
    double left, right, top, bottom, decades, low, high; /* low, high: log10 of ns */
};

static double across(const struct frame *f, double decades) { return f->left + (f->right - f->left) * decades / f->decades; }

static double upward(const struct frame *f, double ns) {
    return f->bottom - (f->bottom - f->top) * (log10(ns) - f->low) / (f->high - f->low);
}

/* How far a curve may go: at least ten samples must lie beyond. */
static double decades_of(const struct histogram *h) {
    double decades = log10((double)h->count / 10);
    return decades < 0 ? 0 : decades > 4 ? 4 : decades;
}

static double at_decade(const struct picture *p, const struct histogram *h, double decades) {
    return machine_quantile_ns(p->plan->machine, h, 1 - pow(10, -decades));
}

static bool has_curve(const struct picture *p, const struct measure *m) {
    const struct histogram *ticks = m->ticks[p->regime];
    return (m->job.kind == TRIAL_TRIP || m->job.kind == TRIAL_RATE) && ticks != NULL && ticks->count >= 100;
}

/* The curves of one size, or of all if `only` is 0; the bare line first. */
static size_t find_curves(const struct picture *p, uint32_t only, struct curve *curves) {
    size_t count = 0;
    uint32_t bytes = only;
    int colour = 1, used[COLOURS] = {0};
    for (const struct measure *m = p->plan->measures; m < p->plan->measures + p->plan->count && count < CURVES_MAX; m++) {
        if (!has_curve(p, m) || (only != 0 && m->job.peer != NULL && m->job.bytes != only)) {
            continue;
        }
        bytes = bytes == 0 && m->job.peer != NULL ? m->job.bytes : bytes;
        struct curve *c = &curves[count++];
        *c = (struct curve){.measure = m, .ticks = m->ticks[p->regime], .colour = -1};
        if (m->job.peer != NULL) {
            c->colour = is_ours(m) && m->job.bytes == bytes ? 0 : colour;
            c->dashes = used[c->colour]++ % 4;
            colour = c->colour > 0 ? colour % (COLOURS - 1) + 1 : colour;
        }
    }
    return count;
}

static struct frame frame_of(const struct picture *p, const struct curve *curves, size_t count) {
    double height = CURVES_APART * (double)count > CURVES_HEIGHT ? CURVES_APART * (double)count : CURVES_HEIGHT;
    struct frame f = {.left = MARGIN + AXIS_WIDTH,
                      .right = WIDTH - MARGIN - NAME_WIDTH - 20,
                      .top = p->y + TITLE,
                      .bottom = p->y + TITLE + height,
                      .decades = 1,
                      .low = 99};
    for (size_t i = 0; i < count; i++) {
        double decades = decades_of(curves[i].ticks);
        double low = log10(at_decade(p, curves[i].ticks, 0.05)), high = log10(at_decade(p, curves[i].ticks, decades));
        f.decades = decades > f.decades ? decades : f.decades;
        f.low = low < f.low ? low : f.low;
        f.high = high > f.high ? high : f.high;
    }
    f.low = floor(f.low * 4) / 4 - 0.05;
    f.high = ceil(f.high * 4) / 4;
    return f;
}

static void put_axes(const struct picture *p, const struct frame *f) {
    static const char *const names[] = {"0", "90 %", "99 %", "99.9 %", "99.99 %"};
    char text[32];
    for (int d = 0; d <= (int)f->decades; d++) {
        put_line(p, across(f, d), f->top, across(f, d), f->bottom, "grid");
        put_text(p, across(f, d), f->bottom + 18, "note middle", "%s", names[d]);
    }
    put_line(p, across(f, log10(2)), f->top, across(f, log10(2)), f->bottom, "grid");
    put_text(p, across(f, log10(2)), f->bottom + 18, "note middle", "50 %%");
    static const double steps[] = {1, 2, 5};
    for (int e = 0; e < 12; e++) {
        for (int s = 0; s < 3; s++) {
            double ns = steps[s] * pow(10, e);
            if (log10(ns) >= f->low && log10(ns) <= f->high) {
                put_line(p, f->left, upward(f, ns), f->right, upward(f, ns), "grid");
                put_text(p, f->left - 8, upward(f, ns) + 4, "note end", "%s", ns_text(text, ns));
            }
        }
    }
}

static void put_curve(const struct picture *p, const struct frame *f, struct curve *c) {
    double decades = decades_of(c->ticks);
    char class[48] = "curve sbare bare";
    if (c->colour >= 0) {
        snprintf(class, sizeof class, "curve s%d d%d%s", c->colour, c->dashes, is_ours(c->measure) ? " thick" : "");
    }
    fprintf(p->out, "<polyline class=\"%s\" points=\"", class);
    for (double d = 0.05; d <= decades; d += 1.0 / POINTS_PER_DECADE) {
        c->end_x = across(f, d);
        c->end_y = upward(f, at_decade(p, c->ticks, d));
        fprintf(p->out, "%.1f,%.1f ", c->end_x, c->end_y);
    }
    fputs("\"/>\n", p->out);
}

static int by_end(const void *a, const void *b) {
    double x = ((const struct curve *)a)->end_y, y = ((const struct curve *)b)->end_y;
    return (x > y) - (x < y);
}

/* Names beside the ends of the curves, moved apart where they would lie on each other; the frame has room for all. */
static void put_names(const struct picture *p, const struct frame *f, struct curve *curves, size_t count, bool with_sizes) {
    qsort(curves, count, sizeof *curves, by_end);
    double last = f->top - CURVES_APART;
    for (size_t i = 0; i < count; i++) {
        curves[i].label_y = last = curves[i].end_y > last + CURVES_APART ? curves[i].end_y : last + CURVES_APART;
    }
    double limit = f->bottom - 4;
    for (size_t i = count; i-- > 0; limit -= CURVES_APART) {
        curves[i].label_y = curves[i].label_y < limit ? curves[i].label_y : limit;
        limit = curves[i].label_y;
    }
    for (size_t i = 0; i < count; i++) {
        const struct curve *c = &curves[i];
        char class[32] = "fbare", leader[32] = "sbare leader", size[24] = "";
        if (c->colour >= 0) {
            snprintf(class, sizeof class, "f%d%s", c->colour, is_ours(c->measure) ? " us" : "");
            snprintf(leader, sizeof leader, "s%d leader", c->colour);
        }
        put_line(p, c->end_x, c->end_y, f->right + 8, c->label_y, leader);
        if (with_sizes && c->colour >= 0) {
            snprintf(size, sizeof size, ", %u B", c->measure->job.bytes);
        }
        put_text(p, f->right + 10, c->label_y + 4, class, "%s%s", c->measure->series.peer, size);
    }
}

static void put_panel_of_curves(struct picture *p, uint32_t only) {
    struct curve curves[CURVES_MAX];
    size_t count = find_curves(p, only, curves);
    if (count < 2) {
        return;
    }
    bool with_sizes = false;
    for (size_t i = 1; i < count; i++) {
        with_sizes = with_sizes ||
                     (curves[i].measure->job.peer != NULL && curves[i].measure->job.bytes != curves[count - 1].measure->job.bytes);
    }
    struct frame f = frame_of(p, curves, count);
    char shape[REPORT_TEXT_MAX];
    report_shape(shape, curves[count - 1].measure);
    put_text(p, MARGIN, p->y + 20, "head", "%s%s", with_sizes ? "round trips" : shape, ": so many took at most so long");
    put_axes(p, &f);
    for (size_t i = 0; i < count; i++) {
        put_curve(p, &f, &curves[i]);
    }
    put_names(p, &f, curves, count, with_sizes);
    p->y = f.bottom + 44;
}

static void put_curves(struct picture *p) {
    const struct measure *const end = p->plan->measures + p->plan->count;
    size_t count = 0;
    for (const struct measure *m = p->plan->measures + 1; m < end; m++) {
        count += has_curve(p, m);
    }
    if (count <= CURVES_TOGETHER) {
        put_panel_of_curves(p, 0);
        return;
    }
    for (const struct measure *m = p->plan->measures + 1; m < end; m++) {
        const struct measure *first = p->plan->measures + 1;
        while (first < m && (!has_curve(p, first) || first->job.bytes != m->job.bytes)) {
            first++;
        }
        if (first == m && has_curve(p, m)) {
            put_panel_of_curves(p, m->job.bytes);
        }
    }
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
    const char *class = is_ours(m) ? "ours" : peer->acks || peer->survives_kill ? "safe" : "plain";
    put_text(p, s->left - 10, p->y + 14, is_ours(m) ? "end us" : "end", "%s", m->series.peer);
    fprintf(p->out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" rx=\"2\" class=\"%s\"/>\n", s->left, p->y + 3,
            length < 1 ? 1 : length, ROW - 6, class);
    double low = m->job.kind == TRIAL_FLOW ? value * sum->ratio[0] / sum->ratio_high : sum->ratio_low;
    double high = m->job.kind == TRIAL_FLOW ? value * sum->ratio[0] / sum->ratio_low : sum->ratio_high;
    put_line(p, s->left + bar_length(s, low), p->y + ROW / 2.0, s->left + bar_length(s, high), p->y + ROW / 2.0, "spread");
    char rate[REPORT_TEXT_MAX], ns[32];
    double beyond = s->left + bar_length(s, high) + 10;
    if (m->job.kind == TRIAL_FLOW) {
        put_text(p, beyond, p->y + 14, is_ours(m) ? "us" : "", "%s", report_rate(rate, sum->value[VALUE_EACH]));
    } else {
        put_text(p, beyond, p->y + 14, is_ours(m) ? "us" : "", sum->ratio[0] < 99.5 ? "%.2f x bare, %s" : "%.0f x bare, %s",
                 sum->ratio[0], ns_text(ns, sum->value[0]));
    }
}

static void put_bars(struct picture *p, const struct measure *first) {
    size_t count = report_ranked(p->plan, p->regime, first, p->ranked, p->sums);
    if (count == 0) {
        return;
    }
    char shape[REPORT_TEXT_MAX];
    struct scale s = scale_of(p, count);
    put_text(p, MARGIN, p->y + 20, "head", "%s", report_shape(shape, first));
    put_text(p, WIDTH - MARGIN, p->y + 20, "note end", "%s%s",
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
    put_text(p, MARGIN, p->y + 8, "note",
             "%s, %s; processors %d and %d, %s: a bare cache line there and back takes %.0f ns. Medians of %u rounds.",
             plan->machine->model, plan->machine->kernel, plan->machine->cpus[0], plan->machine->cpus[1], regime_name(p->regime),
             bare.value[VALUE_P50], plan->rounds);
    p->y += 22;
    put_curves(p);
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
        put_text(p, x + 18, p->y + 11, "note", "%s", meanings[i]);
        x += i == 0 ? 100 : i == 1 ? 280 : 90;
    }
    put_line(p, x, p->y + 6, x + 24, p->y + 6, "spread");
    put_text(p, x + 32, p->y + 11, "note", "the middle 80 %% of the slices");
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
