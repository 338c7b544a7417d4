/* SPDX-License-Identifier: MIT */
/* Percentiles as text, in the format of HdrHistogram's `.hgrm` files, which its plotters read. */
#ifndef RP_BENCH_HGRM_H
#define RP_BENCH_HGRM_H

#include "histogram.h"

#include <stdio.h>

/* Five lines per halving of what remains, as HdrHistogram does by default. Values are divided by `values_per_unit`. */
void hgrm_print(FILE *out, const struct histogram *h, double values_per_unit);

#endif
