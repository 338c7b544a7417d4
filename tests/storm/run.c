/* SPDX-License-Identifier: MIT */
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef unsigned long long ull;

struct arguments arguments_parse(int argc, char **argv, double seconds) {
    struct arguments a = {.seconds = seconds, .seed = (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid()};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--variant") == 0 && i + 1 < argc)
            a.variant = argv[++i];
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            a.seed = strtoull(argv[++i], NULL, 0);
        else if ((a.seconds = atof(argv[i])) <= 0) {
            fprintf(stderr, "usage: %s [SECONDS] [--variant NAME] [--seed N]\n", argv[0]);
            exit(2);
        }
    }
    return a;
}

static rp_queue *create(const struct storm *s) {
    const struct variant *v = s->variant;
    struct rp_queue_options o;
    rp_queue *q;
    rp_queue_options_init(&o, sizeof o);
    o.capacity = v->capacity;
    o.message_bytes = LETTER_BYTES_MAX;
    o.lease_ns = v->lease_ms * UINT64_C(1000000);
    o.max_deliveries = v->max_deliveries;
    o.backoff_ns = 1000000;
    o.backoff_max_ns = 8000000;
    o.dead_capacity = v->dead_capacity > 0 ? v->dead_capacity : v->capacity;
    o.dead_overflow = v->dead_refuse ? RP_DEAD_REFUSE : RP_DEAD_DROP_OLDEST;
    o.overflow = v->block ? RP_OVERFLOW_BLOCK : RP_OVERFLOW_REJECT;
    o.max_groups = 1;
    o.max_participants = v->max_participants;
    rp_queue_unlink(s->queue);
    int result = rp_queue_create(s->queue, &o, &q);
    if (result == 0)
        return q;
    fprintf(stderr, "create: %s: %s\n", rp_error_name(result), rp_error_detail());
    exit(1);
}

#define SUM(tally) ((ull)crew_sum(offsetof(struct tallies, tally)))

static void print(const struct variant *v, const struct crew *c, const struct report *r, double seconds) {
    printf("%-8s %5.1f s  kills %llu (", v->name, seconds, (ull)crew_kills(c));
    for (enum role role = 0; role < ROLES; role++)
        if (v->crew[role] > 0)
            printf("%s%s %llu", role == 0 ? "" : ", ", role_name(role), (ull)c->kills[role]);
    printf("), stops %llu (%llu in sweep or open)\n", (ull)c->stops, (ull)c->stops_in_sweep);
    printf("         sends %llu, unknown %llu of which arrived %llu, full %llu, attaches %llu, no seat %llu\n", (ull)r->done,
           (ull)r->unknown, (ull)r->arrived, SUM(full), SUM(opens), SUM(no_seat));
    printf("         receives %llu, redeliveries %llu, acks %llu, acked by the dead %llu, missing %llu, nacks %llu, extends %llu, "
           "lease lost %llu\n",
           SUM(receives), SUM(redeliveries), SUM(acks), (ull)r->silent, (ull)r->missing, SUM(nacks), SUM(extends), SUM(lost));
    printf(
        "         dead letters purged %llu, redriven %llu; purged when ready %llu; drained %llu after %llu passes; audits %llu\n",
        SUM(purges), SUM(redrives), (ull)r->purged, (ull)r->drained, (ull)r->passes, (ull)r->audits);
}

static int run(const struct variant *v, double seconds, uint64_t seed, weather *body) {
    struct storm s = {.variant = v, .seed = seed};
    struct crew crew;
    struct report report = {0};
    struct rp_queue_stats stats;
    snprintf(s.queue, sizeof s.queue, "storm.%s.%d", v->name, (int)getpid());
    ledger_create();
    rp_queue *q = create(&s);
    fflush(NULL);
    uint64_t start = now_ns();
    crew_start(&crew, &s);
    body(&crew, q, &report, start + (uint64_t)(seconds * 1e9));
    double took = (double)(now_ns() - start) / 1e9;
    crew_end(&crew);
    judge(&s, &crew, q, &report);
    print(v, &crew, &report, took);
    if (rp_queue_stats(q, &stats) == 0)
        printf("         queue: sent %llu, acked %llu, expired %llu, recovered %llu, died %llu, deaths %llu\n", (ull)stats.sent,
               (ull)stats.acked, (ull)stats.expired_leases, (ull)stats.recovered, (ull)stats.died, (ull)stats.deaths);
    uint64_t violations = atomic_load(&ledger->violations);
    for (uint64_t i = 0; i < violations && i < VIOLATION_TEXTS; i++)
        printf("   WRONG %s\n", ledger->texts[i]);
    if (violations > 0)
        printf("         %llu violations, seed %llu\n", (ull)violations, (ull)seed);
    fflush(stdout);
    rp_queue_close(q);
    rp_queue_unlink(s.queue);
    return violations == 0 ? 0 : 1;
}

int run_variants(const struct arguments *a, const struct variant *variants, size_t count, weather *body) {
    int status = 0;
    size_t chosen = 0;
    for (size_t i = 0; i < count; i++)
        chosen += a->variant == NULL || strcmp(a->variant, variants[i].name) == 0;
    if (chosen == 0) {
        fprintf(stderr, "no variant '%s'\n", a->variant);
        return 2;
    }
    for (size_t i = 0; i < count; i++)
        if (a->variant == NULL || strcmp(a->variant, variants[i].name) == 0)
            status |= run(&variants[i], a->seconds / (double)chosen, a->seed, body);
    return status;
}
