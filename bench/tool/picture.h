/* SPDX-License-Identifier: MIT */
/* What the parts of a picture share: svg.c puts it together and draws the bars, svg_curves.c the curves. */
#ifndef RP_BENCH_PICTURE_H
#define RP_BENCH_PICTURE_H

#include "plan.h"

#include <stdio.h>

enum { WIDTH = 960, MARGIN = 24, NAME_WIDTH = 150, TITLE = 34 };

struct picture {
    FILE *out;
    const struct plan *plan;
    enum regime regime;
    double y;                      /* where the next panel begins */
    const struct measure **ranked; /* room for all */
    struct summary *sums;
};

void picture_text(const struct picture *p, double x, double y, const char *class, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
void picture_line(const struct picture *p, double x1, double y1, double x2, double y2, const char *class);
bool picture_is_ours(const struct measure *m);
const char *picture_ns(char text[32], double ns);

/* The percentile curves, one panel or several. */
void picture_curves(struct picture *p);

#endif
