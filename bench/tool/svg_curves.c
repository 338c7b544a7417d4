/* SPDX-License-Identifier: MIT */
#include "picture.h"
#include "report.h"

#include <math.h>
#include <stdlib.h>

enum {
    CURVES_HEIGHT = 300,
    AXIS_WIDTH = 64,
    COLOURS = 8,
    CURVES_MAX = 32,     /* in one panel; there are fewer peers */
    CURVES_TOGETHER = 9, /* more than these: a panel for each size */
    CURVES_APART = 15,   /* their names */
    POINTS_PER_DECADE = 24
};

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
            c->colour = picture_is_ours(m) && m->job.bytes == bytes ? 0 : colour;
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
        picture_line(p, across(f, d), f->top, across(f, d), f->bottom, "grid");
        picture_text(p, across(f, d), f->bottom + 18, "note middle", "%s", names[d]);
    }
    picture_line(p, across(f, log10(2)), f->top, across(f, log10(2)), f->bottom, "grid");
    picture_text(p, across(f, log10(2)), f->bottom + 18, "note middle", "50 %%");
    static const double steps[] = {1, 2, 5};
    for (int e = 0; e < 12; e++) {
        for (int s = 0; s < 3; s++) {
            double ns = steps[s] * pow(10, e);
            if (log10(ns) >= f->low && log10(ns) <= f->high) {
                picture_line(p, f->left, upward(f, ns), f->right, upward(f, ns), "grid");
                picture_text(p, f->left - 8, upward(f, ns) + 4, "note end", "%s", picture_ns(text, ns));
            }
        }
    }
}

static void put_curve(const struct picture *p, const struct frame *f, struct curve *c) {
    double decades = decades_of(c->ticks);
    char class[48] = "curve sbare bare";
    if (c->colour >= 0) {
        snprintf(class, sizeof class, "curve s%d d%d%s", c->colour, c->dashes, picture_is_ours(c->measure) ? " thick" : "");
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
            snprintf(class, sizeof class, "f%d%s", c->colour, picture_is_ours(c->measure) ? " us" : "");
            snprintf(leader, sizeof leader, "s%d leader", c->colour);
        }
        picture_line(p, c->end_x, c->end_y, f->right + 8, c->label_y, leader);
        if (with_sizes && c->colour >= 0) {
            snprintf(size, sizeof size, ", %u B", c->measure->job.bytes);
        }
        picture_text(p, f->right + 10, c->label_y + 4, class, "%s%s", c->measure->series.peer, size);
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
    picture_text(p, MARGIN, p->y + 20, "head", "%s%s", with_sizes ? "round trips" : shape, ": so many took at most so long");
    put_axes(p, &f);
    for (size_t i = 0; i < count; i++) {
        put_curve(p, &f, &curves[i]);
    }
    put_names(p, &f, curves, count, with_sizes);
    p->y = f.bottom + 44;
}

void picture_curves(struct picture *p) {
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
