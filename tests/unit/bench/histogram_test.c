/* SPDX-License-Identifier: MIT */
/* The histogram of the benchmarks: how exact it is, and what it prints for HdrHistogram's plotters. */
#include "histogram.h"

#include "check.h"
#include "hgrm.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct histogram h;

static int empty(void **state) {
    (void)state;
    histogram_clear(&h);
    return 0;
}

/* Each value lies in its bucket, buckets follow each other without a gap, and the middle of one is off by less than 1 %. */
static void buckets_are_exact_to_a_percent(void **state) {
    (void)state;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t low = histogram_bucket_low(i), high = histogram_bucket_high(i);
        assert_true(low <= high);
        assert_int_equal(histogram_bucket(low), i);
        assert_int_equal(histogram_bucket(high), i);
        if (i > 0) {
            assert_true(low == histogram_bucket_high(i - 1) + 1);
        }
        double middle = ((double)low + (double)high) / 2;
        assert_true(middle - (double)low <= 0.01 * (double)low);
    }
    assert_true(histogram_bucket_high(HISTOGRAM_BUCKETS - 1) >> HISTOGRAM_VALUE_BITS == 0);
    assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

static void quantiles_are_those_of_the_samples(void **state) {
    (void)state;
    for (uint64_t v = 1; v <= 100000; v++) {
        histogram_add(&h, v * 10);
    }
    static const double shares[] = {0.01, 0.25, 0.5, 0.9, 0.99, 0.999};
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        double expected = shares[i] * 1000000;
        assert_true(fabs(histogram_quantile(&h, shares[i], 1) - expected) < 0.01 * expected);
    }
    histogram_clear(&h);
    assert_true(histogram_quantile(&h, 0.5, 1) == 0);
}

static void merging_is_adding(void **state) {
    (void)state;
    static struct histogram a, b;
    histogram_clear(&a);
    histogram_clear(&b);
    for (uint64_t v = 0; v < 5000; v++) {
        histogram_add(v % 3 == 0 ? &a : &b, v * v);
        histogram_add(&h, v * v);
    }
    histogram_merge(&a, &b);
    assert_memory_equal(&a, &h, sizeof h);
}

/* As of some 20 minutes of round trips, whose times the counter's step puts into a few buckets. */
static void billions_are_counted(void **state) {
    (void)state;
    static struct histogram a;
    histogram_clear(&a);
    histogram_add(&a, 100);
    for (int i = 0; i < 33; i++) { /* twice as many each time */
        static struct histogram twice;
        twice = a;
        histogram_merge(&a, &twice);
    }
    histogram_add(&a, 1000);
    assert_true(a.count == (1ull << 33) + 1);
    assert_true(fabs(histogram_quantile(&a, 0.99, 1) - 100) < 1);
}

/* One line as a plotter sees it: four columns, or three in the last. */
struct line {
    double value, percentile, remains;
    unsigned long long count;
    int columns;
};

static char *printed(double values_per_unit) {
    char *text;
    size_t bytes;
    FILE *f = open_memstream(&text, &bytes);
    hgrm_print(f, &h, values_per_unit);
    fclose(f);
    return text;
}

static void percentiles_are_what_plotters_read(void **state) {
    (void)state;
    for (uint64_t v = 1; v <= 1000; v++) {
        histogram_add(&h, v);
    }
    char *text = printed(1), *rest = text;
    const char *title = strsep(&rest, "\n");
    char names[4][20];
    assert_int_equal(sscanf(title, "%19s %19s %19s %19s", names[0], names[1], names[2], names[3]), 4);
    assert_string_equal(names[0], "Value");
    assert_string_equal(names[1], "Percentile");
    assert_string_equal(names[2], "TotalCount");
    assert_string_equal(names[3], "1/(1-Percentile)");
    assert_string_equal(strsep(&rest, "\n"), "");
    struct line before = {.columns = 4}, now = {0};
    int lines = 0;
    for (; *rest != '#'; before = now, lines++) {
        assert_int_equal(before.columns, 4); /* only the last has three */
        now.columns = sscanf(strsep(&rest, "\n"), "%lf %lf %llu %lf", &now.value, &now.percentile, &now.count, &now.remains);
        assert_true(now.columns >= 3);
        assert_true(now.value >= before.value && now.count >= before.count && (lines == 0 || now.percentile > before.percentile));
        assert_true((double)now.count >= now.percentile * 1000);                 /* so many have at most this value */
        assert_true(fabs(now.value - now.percentile * 1000) <= 1 + 0.01 * 1000); /* the values are 1 to 1000 */
        if (now.columns == 4) {
            assert_true(fabs(now.remains - 1 / (1 - now.percentile)) < 0.01 * now.remains);
        }
    }
    assert_int_equal(now.columns, 3);
    assert_true(now.percentile == 1 && now.count == 1000 && now.value == 1000);
    assert_true(lines > 30 && lines < 70);
    double mean, deviation, most;
    unsigned long long total;
    assert_int_equal(sscanf(strsep(&rest, "\n"), "#[Mean    = %lf, StdDeviation   = %lf]", &mean, &deviation), 2);
    assert_int_equal(sscanf(strsep(&rest, "\n"), "#[Max     = %lf, Total count    = %llu]", &most, &total), 2);
    assert_memory_equal(rest, "#[Buckets = ", 12);
    assert_true(fabs(mean - 500.5) < 1 && fabs(deviation - 288.7) < 1 && most == 1000 && total == 1000);
    free(text);
}

static void units_are_the_callers(void **state) {
    (void)state;
    histogram_add(&h, 250);
    char *text = printed(2.5);
    assert_non_null(strstr(text, "     100.000 0.000000000000          1           1.00\n"));
    assert_non_null(strstr(text, "     100.000 1.000000000000          1\n"));
    free(text);
}

static void of_nothing_there_is_only_the_frame(void **state) {
    (void)state;
    char *text = printed(1);
    assert_non_null(
        strstr(text, "\n       0.000 1.000000000000          0\n#[Mean    =        0.000, StdDeviation   =        0.000]\n"));
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(buckets_are_exact_to_a_percent, empty),
        cmocka_unit_test_setup(quantiles_are_those_of_the_samples, empty),
        cmocka_unit_test_setup(merging_is_adding, empty),
        cmocka_unit_test_setup(billions_are_counted, empty),
        cmocka_unit_test_setup(percentiles_are_what_plotters_read, empty),
        cmocka_unit_test_setup(units_are_the_callers, empty),
        cmocka_unit_test_setup(of_nothing_there_is_only_the_frame, empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
