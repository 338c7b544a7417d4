/* SPDX-License-Identifier: MIT */
/* Reports of a run whose figures are known: JSON, the comparison with an earlier run, and the picture. */
#include "report.h"

#include "check.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct peer fast = {.name = "fast", .setting = "as it is"},
                         ours = {.name = "ringpost", .setting = "as it is", .acks = true};
static struct machine machine = {.model = "A<B> & \"C\"", .kernel = "Linux 0", .cpus = {0, 1}, .cpu_count = 2, .ticks_per_ns = 2};

/* One slice of `ratio` times a bare round trip of `bare_ns`, and some samples. */
static void enter(struct measure *m, double bare_ns, double ratio) {
    struct slice s = {.before_ns = bare_ns, .after_ns = bare_ns};
    for (int v = 0; v < m->series.value_count; v++) {
        s.value[v] = bare_ns * ratio * (1 + v);
    }
    assert_true(series_add(&m->series, &s));
    struct histogram **all = &m->ticks[slice_regime(&s)];
    if (*all == NULL) {
        *all = calloc(1, sizeof **all);
    }
    for (int i = 0; i < 2000; i++) {
        histogram_add(*all, (uint64_t)(bare_ns * ratio * machine.ticks_per_ns) + (uint64_t)(i % 100));
    }
}

static void make(struct plan *p, double our_ratio, double bare_ns) {
    plan_begin(p, &machine);
    struct trial_job trip = {.peer = &fast, .kind = TRIAL_TRIP, .bytes = 64, .producers = 1, .consumers = 1, .batch = 1};
    struct trial_job flow = {.peer = &fast, .kind = TRIAL_FLOW, .bytes = 64, .producers = 4, .consumers = 4, .batch = 16};
    plan_add(p, &trip);
    plan_add(p, &flow);
    trip.peer = flow.peer = &ours;
    plan_add(p, &trip);
    plan_add(p, &flow);
    p->rounds = 1;
    enter(&p->measures[0], bare_ns, 1);
    enter(&p->measures[1], bare_ns, 4);
    enter(&p->measures[2], bare_ns, 0.25);
    enter(&p->measures[3], bare_ns, our_ratio);
    enter(&p->measures[4], bare_ns, 100);
}

static double figure(const json_t *results, size_t index, const char *key) {
    return json_number_value(json_object_get(json_array_get(results, index), key));
}

static void json_has_the_figures(void **state) {
    (void)state;
    struct plan p;
    make(&p, 2, 100);
    strcpy(p.measures[2].failed, "it fell over");
    json_t *json = report_json(&p), *results = json_object_get(json, "results");
    assert_string_equal(json_string_value(json_object_get(json_object_get(json, "machine"), "cpu")), machine.model);
    assert_int_equal(json_array_size(results), 6); /* the one that failed has its slice as well */
    assert_true(figure(results, 0, "p50_ns") == 100 && figure(results, 0, "ratio") == 1);
    assert_true(figure(results, 1, "p50_ns") == 400 && figure(results, 1, "p99_ns") == 1200 && figure(results, 1, "ratio") == 4);
    assert_true(figure(results, 2, "message_ns") == 25 && figure(results, 2, "per_second") == 4e7);
    assert_string_equal(json_string_value(json_object_get(json_array_get(results, 3), "failed")), "it fell over");
    assert_string_equal(json_string_value(json_object_get(json_array_get(results, 4), "regime")), "near");
    assert_true(json_is_true(json_object_get(json_array_get(results, 4), "acks")));
    json_decref(json);
    plan_end(&p);
}

static int worse_than(double ratio_then, double bare_then, double ratio_now, double tolerance) {
    struct plan then, now;
    make(&then, ratio_then, bare_then);
    make(&now, ratio_now, 100);
    json_t *earlier = report_json(&then), *into = json_object();
    char *text;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    int worse = report_against(&now, earlier, tolerance, out, into);
    fclose(out);
    json_t *list = json_object_get(into, "against");
    if (worse >= 0) { /* both say the same, one line a result; not about the bare line */
        assert_int_equal(json_array_size(list), 4);
        const char *verdict = json_string_value(json_object_get(json_array_get(list, 2), "verdict"));
        assert_string_equal(verdict, worse > 0 ? "worse" : ratio_now * (1 + tolerance) < ratio_then ? "better" : "same");
        assert_int_equal(strstr(text, "  worse\n") != NULL, worse > 0);
    } else {
        assert_int_equal(json_array_size(list), 0);
    }
    free(text);
    json_decref(earlier);
    json_decref(into);
    plan_end(&then);
    plan_end(&now);
    return worse;
}

static void a_ratio_beyond_the_tolerance_is_worse(void **state) {
    (void)state;
    assert_int_equal(worse_than(2, 100, 2, 0.1), 0);
    assert_int_equal(worse_than(2, 100, 2.15, 0.1), 0);
    assert_int_equal(worse_than(2, 100, 2.25, 0.1), 1);
    assert_int_equal(worse_than(2, 100, 2.25, 0.2), 0);
    assert_int_equal(worse_than(2, 100, 1, 0.1), 0);
    assert_int_equal(worse_than(2, 120, 2.25, 0.1), 1); /* times are not compared */
    assert_int_equal(worse_than(2, 300, 2, 0.1), -1);   /* the processors were elsewhere */
}

/* A stall in one slice of three is in the percentiles of --rate, and not of round trips one after the other. */
static void a_stall_in_few_slices_shows(void **state) {
    (void)state;
    struct plan p;
    plan_begin(&p, &machine);
    struct trial_job job = {.peer = &ours, .bytes = 64, .producers = 1, .consumers = 1, .batch = 1, .interval_ns = 1000};
    for (int i = 0; i < 2; i++) {
        job.kind = i == 0 ? TRIAL_RATE : TRIAL_TRIP;
        plan_add(&p, &job);
        struct measure *m = &p.measures[p.count - 1];
        for (int slice = 0; slice < 3; slice++) {
            enter(m, 100, 3);
        }
        for (int late = 0; late < 200; late++) {
            histogram_add(m->ticks[REGIME_NEAR], 2000000);
        }
    }
    json_t *json = report_json(&p), *results = json_object_get(json, "results");
    assert_in_range(figure(results, 0, "p99_ns"), 990000, 1010000);
    assert_in_range(figure(results, 0, "p99_ratio"), 9900, 10100);
    assert_in_range(figure(results, 0, "p50_ns"), 290, 350);
    assert_true(figure(results, 1, "p99_ns") == 900);
    json_decref(json);
    plan_end(&p);
}

/* Asking again and again, another capacity or shared processors are something else. */
static void what_was_done_otherwise_is_not_compared(void **state) {
    (void)state;
    struct plan then, now;
    make(&then, 2, 100);
    json_t *earlier = report_json(&then);
    for (int way = 0; way < 4; way++) {
        make(&now, 3, 100);
        for (size_t i = 1; i < now.count; i++) {
            struct trial_job *job = &now.measures[i].job;
            *(way == 0 ? &job->poll : &job->mixed) = way < 2;
            job->capacity = way == 2 ? 64 : 0;
        }
        assert_int_equal(report_against(&now, earlier, 0.1, NULL, NULL), way < 3 ? -1 : 1);
        plan_end(&now);
    }
    json_decref(earlier);
    plan_end(&then);
}

/* What shares its processors with helpers of its own is not disturbed by others. */
static void preemptions_by_ones_own_do_not_count(void **state) {
    (void)state;
    struct plan p;
    make(&p, 2, 100);
    struct peer helped = fast;
    for (int i = 0; i < 2; i++) {
        helped.kind = i == 0 ? PEER_SERVER : PEER_KERNEL;
        helped.scatters = i == 1;
        p.measures[1].job.peer = &helped;
        p.measures[1].job.measure_ns = p.measures[3].job.measure_ns = 1000000000;
        p.measures[1].preempted = 1000;
        p.measures[3].preempted = 7;
        assert_true(plan_preemptions(&p) == 7);
    }
    plan_end(&p);
}

static void what_is_no_result_is_not_compared(void **state) {
    (void)state;
    struct plan p;
    make(&p, 2, 100);
    static const char *const texts[] = {"{}", "{\"results\": []}",
                                        "{\"results\": [1, \"x\", {}, {\"peer\": \"ringpost\", \"ratio\": \"2\"}]}",
                                        "{\"results\": {\"peer\": \"ringpost\"}}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_t *earlier = json_loads(texts[i], 0, NULL);
        assert_non_null(earlier);
        assert_int_equal(report_against(&p, earlier, 0.1, NULL, NULL), -1);
        json_decref(earlier);
    }
    plan_end(&p);
}

/* -- the picture -- */

/* Reads an attribute list up to '>' or "/>"; attributes are quoted, and no '<' is in them. */
static const char *attributes(const char *at, bool *closed) {
    while (*at != '>' && *at != '/') {
        assert_true(isspace((unsigned char)*at));
        at += strspn(at, " \n");
        size_t name = strspn(at, "abcdefghijklmnopqrstuvwxyzBT123456789-:");
        assert_true(name > 0);
        at += name;
        assert_memory_equal(at, "=\"", 2);
        size_t value = strcspn(at + 2, "\"<&");
        assert_int_equal(at[2 + value], '"');
        at += 2 + value + 1;
    }
    *closed = *at == '/';
    at += *closed;
    assert_int_equal(*at, '>');
    return at + 1;
}

/* Every element ends where it should, and text has no bare '<' or '&'. */
static void assert_well_formed(const char *at) {
    char open[16][16];
    int depth = 0;
    do {
        if (at[0] == '<' && at[1] == '/') {
            size_t length = strcspn(at + 2, ">");
            assert_true(depth > 0);
            depth--;
            assert_true(length == strlen(open[depth]) && strncmp(at + 2, open[depth], length) == 0);
            at += length + 3;
        } else if (*at == '<') {
            size_t length = strspn(at + 1, "abcdefghijklmnopqrstuvwxyz");
            bool closed;
            assert_true(length > 0 && length < 16 && depth < 16);
            snprintf(open[depth], 16, "%.*s", (int)length, at + 1);
            at = attributes(at + 1 + length, &closed);
            depth += !closed;
        } else if (*at == '&') {
            assert_int_equal(at[strspn(at + 2, "0123456789") + 2], ';');
            at++;
        } else {
            at++;
        }
    } while (depth > 0);
    assert_int_equal(strspn(at, "\n"), strlen(at));
}

static char *drawn(const struct plan *p) {
    char path[] = "/tmp/ringpost-report-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    bool good = report_svg(path, p);
    char *text = calloc(1, 1 << 20);
    ssize_t length = text != NULL ? read(fd, text, (1 << 20) - 1) : -1;
    close(fd);
    unlink(path);
    assert_true(good && length > 0);
    return text;
}

static unsigned count_of(const char *text, const char *part) {
    unsigned count = 0;
    for (; (text = strstr(text, part)) != NULL; text++) {
        count++;
    }
    return count;
}

static void the_picture_is_whole_and_stands_alone(void **state) {
    (void)state;
    struct plan p;
    make(&p, 2, 100);
    char *svg = drawn(&p);
    assert_well_formed(svg);
    assert_non_null(strstr(svg, "A&#60;B&#62; &#38; \"C\""));
    assert_non_null(strstr(svg, "@media (prefers-color-scheme:dark)"));
    assert_int_equal(count_of(svg, "http"), 1); /* the name of the format */
    assert_int_equal(count_of(svg, "<polyline"), 3);
    assert_int_equal(count_of(svg, "height=\"14\" rx=\"2\" class=\"ours\""), 2);
    assert_int_equal(count_of(svg, "height=\"14\" rx=\"2\" class=\"plain\""), 2);
    assert_non_null(strstr(svg, ">2.00 x bare, 200 ns<"));
    assert_non_null(strstr(svg, ">40.00 M/s<"));
    assert_null(strstr(svg, "nan"));
    assert_null(strstr(svg, "inf"));
    free(svg);
    plan_end(&p);
}

/* Each peer's curve of each size is there, and no two names lie on each other. */
static void many_curves_are_all_drawn(void **state) {
    (void)state;
    enum { PEERS = 20, SIZES = 3 };
    static char names[PEERS][16];
    static struct peer peers[PEERS];
    struct plan p;
    plan_begin(&p, &machine);
    enter(&p.measures[0], 100, 1);
    for (uint32_t i = 0; i < PEERS * SIZES; i++) {
        snprintf(names[i % PEERS], sizeof names[0], "peer-%c", 'a' + (char)(i % PEERS));
        peers[i % PEERS].name = names[i % PEERS];
        struct trial_job trip = {
            .peer = &peers[i % PEERS], .kind = TRIAL_TRIP, .bytes = 8u << i / PEERS, .producers = 1, .consumers = 1};
        plan_add(&p, &trip);
        enter(&p.measures[p.count - 1], 100, 2 + i % 7);
    }
    char *svg = drawn(&p);
    assert_well_formed(svg);
    assert_int_equal(count_of(svg, "<polyline"), SIZES * (PEERS + 1)); /* and the bare line beside each */
    double last = -100;
    unsigned labels = 0;
    for (const char *at = svg; (at = strstr(at, "<text x=\"776.0\" y=\"")) != NULL; at++, labels++) {
        double y = strtod(at + strlen("<text x=\"776.0\" y=\""), NULL);
        assert_true(y >= last + 14);
        last = y;
    }
    assert_int_equal(labels, SIZES * (PEERS + 1));
    free(svg);
    plan_end(&p);
}

/* Best first: for times the smallest, for rates the largest. */
static void the_best_stands_first(void **state) {
    (void)state;
    struct plan p;
    make(&p, 2, 100);
    const struct measure *ranked[5];
    struct summary sums[5];
    assert_true(report_leads(&p, &p.measures[1]) && report_leads(&p, &p.measures[2]));
    assert_false(report_leads(&p, &p.measures[3]));
    assert_int_equal(report_ranked(&p, REGIME_NEAR, &p.measures[1], ranked, sums), 2);
    assert_ptr_equal(ranked[0]->job.peer, &ours);
    assert_int_equal(report_ranked(&p, REGIME_NEAR, &p.measures[4], ranked, sums), 2);
    assert_ptr_equal(ranked[0]->job.peer, &fast);
    assert_int_equal(report_ranked(&p, REGIME_FAR, &p.measures[1], ranked, sums), 0);
    plan_end(&p);
}

static void nothing_measured_is_a_picture_too(void **state) {
    (void)state;
    struct plan p;
    plan_begin(&p, &machine);
    char *svg = drawn(&p);
    assert_well_formed(svg);
    free(svg);
    assert_false(report_svg("/nowhere/at/all.svg", &p));
    plan_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_has_the_figures),
        cmocka_unit_test(a_ratio_beyond_the_tolerance_is_worse),
        cmocka_unit_test(a_stall_in_few_slices_shows),
        cmocka_unit_test(what_is_no_result_is_not_compared),
        cmocka_unit_test(what_was_done_otherwise_is_not_compared),
        cmocka_unit_test(preemptions_by_ones_own_do_not_count),
        cmocka_unit_test(the_picture_is_whole_and_stands_alone),
        cmocka_unit_test(many_curves_are_all_drawn),
        cmocka_unit_test(the_best_stands_first),
        cmocka_unit_test(nothing_measured_is_a_picture_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
