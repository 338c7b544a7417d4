/* SPDX-License-Identifier: MIT */
#include "run.h"
#include "again.h"
#include "figure.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef unsigned long long ull;

enum { ROUND_MAX_S = 10 };

static double positive(const char *text) {
    double value = text == NULL ? 0 : atof(text);
    return value > 0 ? value : -1;
}

struct arguments arguments_parse(int argc, char **argv, double seconds) {
    struct arguments a = {.seconds = seconds, .seed = (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid()};
    for (int i = 1; i < argc && a.seconds > 0; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (value != NULL && strcmp(argv[i], "--variant") == 0)
            a.variant = value;
        else if (value != NULL && strcmp(argv[i], "--seed") == 0)
            a.seed = strtoull(value, NULL, 0);
        else if (strcmp(argv[i], "--seconds") == 0)
            a.seconds = positive(value);
        else if (strcmp(argv[i], "--minutes") == 0)
            a.seconds = 60 * positive(value);
        else
            a.seconds = -1;
    }
    if (a.seconds > 0)
        return a;
    fprintf(stderr, "usage: %s [--seconds N | --minutes N] [--variant NAME] [--seed N]\n", argv[0]);
    exit(2);
}

int run_verdict(const struct crew *c) {
    uint64_t violations = atomic_load(&ledger->violations);
    for (uint64_t i = 0; i < violations && i < VIOLATION_TEXTS; i++)
        printf("   WRONG %s\n", ledger->texts[i]);
    if (violations > 0)
        printf("         %llu violations: --variant %s --seed %llu\n", (ull)violations, c->storm->variant->name,
               (ull)c->storm->seed);
    figure("kills", crew_kills(c));
    figure("stops", c->stops);
    figure("violations", violations);
    fflush(stdout);
    return violations == 0 ? 0 : 1;
}

void journal_make(struct storm *s) {
    const char *temporary = getenv("TMPDIR");
    snprintf(s->journal, sizeof s->journal, "%.40s/ringpost-storm-XXXXXX", temporary != NULL ? temporary : "/tmp");
    if (mkdtemp(s->journal) == NULL) {
        perror(s->journal);
        exit(1);
    }
}

void journal_remove(const struct storm *s) {
    DIR *entries = opendir(s->journal);
    for (struct dirent *entry; entries != NULL && (entry = readdir(entries)) != NULL;)
        (void)unlinkat(dirfd(entries), entry->d_name, 0);
    if (entries != NULL)
        closedir(entries);
    rmdir(s->journal);
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
    if (v->lanes > 0) {
        o.lanes = v->lanes;
        o.lane_capacity = LANE_CAPACITY;
    } else if (v->priorities > 0) {
        o.priorities = v->priorities;
    }
    o.numa_shards = v->shards;
    if (v->ids) {
        o.dedup_window_ns = UINT64_C(3600) * 1000000000;
        o.dedup_entries = KEPT_IDS;
    }
    o.max_participants = v->max_participants;
    if (v->sync != 0) {
        o.journal = s->journal;
        o.sync = v->sync;
        o.sync_interval_ns = 5000000;
        o.journal_file_bytes = 64 << 10;
    }
    rp_queue_unlink(s->queue);
    int result = rp_queue_create(s->queue, &o, &q);
    if (result == 0)
        return q;
    fprintf(stderr, "create: %s: %s\n", rp_error_name(result), rp_error_detail());
    exit(1);
}

#define SUM(tally) ((ull)crew_sum(offsetof(struct tallies, tally)))

static void print(const struct variant *v, const struct crew *c, const struct report *r, double seconds) {
    printf("%-8s %5.1f s  kills %llu, %.0f per second (", v->name, seconds, (ull)crew_kills(c), (double)crew_kills(c) / seconds);
    for (enum role role = 0; role < ROLES; role++)
        if (v->crew[role] > 0)
            printf("%s%s %llu", role == 0 ? "" : ", ", role_name(role), (ull)c->kills[role]);
    printf("), stops %llu (%llu in sweep, attach or handle)\n", (ull)c->stops, (ull)c->stops_inside);
    printf("         killed in sweep %llu, in open or close of the queue %llu, of a producer or consumer %llu\n",
           (ull)c->kills_inside[IN_SWEEP], (ull)c->kills_inside[IN_ATTACH], (ull)c->kills_inside[IN_HANDLE]);
    printf("         sends %llu, unknown %llu of which arrived %llu, full %llu, attaches %llu, no seat %llu\n", (ull)r->done,
           (ull)r->unknown, (ull)r->arrived, SUM(full), SUM(opens), SUM(no_seat));
    printf("         receives %llu, redeliveries %llu, acks %llu, acked by the dead %llu, missing %llu, nacks %llu, extends %llu, "
           "lease lost %llu\n",
           SUM(receives), SUM(redeliveries), SUM(acks), (ull)r->silent, (ull)r->missing, SUM(nacks), SUM(extends), SUM(lost));
    printf(
        "         dead letters purged %llu, redriven %llu; purged when ready %llu; drained %llu after %llu passes; audits %llu\n",
        SUM(purges), SUM(redrives), (ull)r->purged, (ull)r->drained, (ull)r->passes, (ull)r->audits);
    if (v->sleepers)
        printf("         sleeps on descriptors %llu; without a timer: rung %llu times, not rung %llu\n", SUM(sleeps), SUM(rung),
               SUM(unrung));
    if (sends_again(v))
        printf("         killed in send %llu; sent again %llu, of which duplicates %llu\n", (ull)c->kills_inside[IN_SEND],
               SUM(again), SUM(duplicates));
    if (v->crew[ROLE_OPERATOR] > 0)
        printf("         paused %llu times, of which drains %llu, %llu to the end\n", SUM(pauses), SUM(drains), SUM(emptied));
}

static int run(const struct variant *v, double seconds, uint64_t seed, weather *body) {
    struct storm s = {.variant = v, .seed = seed};
    struct crew crew;
    struct report report = {0};
    struct rp_queue_stats stats;
    snprintf(s.queue, sizeof s.queue, "storm.%s.%d", v->name, (int)getpid());
    ledger_create();
    if (v->sync != 0)
        journal_make(&s);
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
    int status = run_verdict(&crew);
    rp_queue_close(q);
    rp_queue_unlink(s.queue);
    if (v->sync != 0)
        journal_remove(&s);
    return status;
}

int run_rounds(const struct arguments *a, const struct variant *variants, size_t count, double round_max_s, storm_round *one,
               weather *body) {
    int status = 0;
    size_t chosen = 0;
    printf("seed %llu\n", (ull)a->seed);
    for (size_t i = 0; i < count; i++)
        chosen += a->variant == NULL || strcmp(a->variant, variants[i].name) == 0;
    if (chosen == 0) {
        fprintf(stderr, "no variant '%s'\n", a->variant);
        return 2;
    }
    double each = a->seconds / (double)chosen;
    unsigned rounds = (unsigned)(each / round_max_s) + 1;
    for (unsigned round = 0; round < rounds; round++)
        for (size_t i = 0; i < count; i++)
            if (a->variant == NULL || strcmp(a->variant, variants[i].name) == 0)
                status |= one(&variants[i], each / rounds, a->seed + round, body);
    return status;
}

int run_variants(const struct arguments *a, const struct variant *variants, size_t count, weather *body) {
    return run_rounds(a, variants, count, ROUND_MAX_S, run, body);
}
