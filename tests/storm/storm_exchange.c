/* SPDX-License-Identifier: MIT */
/*
 * storm_exchange: who publishes by topic, binds and unbinds queues, or receives from them is killed and stopped at any instant. Afterwards each queue that was bound all the time must have
 * had each number exactly once, one that was bound and unbound what was published while it was bound, and nothing that was not; the bindings are those that somebody said he made; nothing leaks.
 */
#include "exchange.h"
#include "weather.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

typedef unsigned long long ull;

enum { PAUSE_MAX_US = 2500, AIM_LOOKS = 4000, STOP_MAX_MS = 40, CAPACITY = 1024, DRAIN_DEADLINE_S = 20 };
#define ROUND_MAX_S 2.0

static const struct variant variants[] = {
    {.name = "kill", .crew = {[ROLE_PUBLISHER] = PUBLISHERS, [ROLE_BINDER] = BINDERS, [ROLE_SUBSCRIBER] = SUBSCRIBERS}},
    {.name = "stop",
     .block = true, /* read as: processes are stopped, too */
     .crew = {[ROLE_PUBLISHER] = PUBLISHERS, [ROLE_BINDER] = BINDERS, [ROLE_SUBSCRIBER] = SUBSCRIBERS}},
};

static const struct storm *present;

static void clear_away(void) {
    rp_exchange_unlink(present->queue);
    for (unsigned i = 0; i < QUEUES; i++)
        rp_queue_unlink(exchange_queue(present, i));
}

static void must(int result, const char *what) {
    if (result >= 0)
        return;
    clear_away();
    fprintf(stderr, "%s: %s: %s\n", what, rp_error_name(result), rp_error_detail());
    exit(1);
}

/* ---- before ---- */

static void make_queue(const struct storm *s, unsigned i) {
    struct rp_queue_options o;
    rp_queue *q;
    rp_queue_options_init(&o, sizeof o);
    o.capacity = CAPACITY;
    o.message_bytes = LETTER_BYTES_MAX;
    o.lease_ns = 30000000;
    o.max_deliveries = 0;
    o.max_participants = 64;
    o.max_groups = 1;
    o.prefault = 0;
    if (i != PLAIN_QUEUE) {
        o.dedup_window_ns = 3600 * UINT64_C(1000000000);
        o.dedup_entries = PUBLISHERS * NUMBERS + CAPACITY; /* none is forgotten before the round is over */
    }
    rp_queue_unlink(exchange_queue(s, i));
    must(rp_queue_create(exchange_queue(s, i), &o, &q), "create a queue");
    must(rp_queue_close(q), "close a queue");
}

static rp_exchange *make_exchange(const struct storm *s) {
    struct rp_exchange_options o;
    rp_exchange *x;
    rp_exchange_options_init(&o, sizeof o);
    o.max_bindings = MAX_BINDINGS;
    rp_exchange_unlink(s->queue);
    must(rp_exchange_create(s->queue, &o, &x), "create the exchange");
    for (unsigned i = 0; i < STEADY_BINDINGS; i++)
        must(rp_exchange_bind(x, "#", exchange_queue(s, i), NULL), "bind");
    return x;
}

static void make_book(void) {
    if (exchange_book != NULL)
        munmap(exchange_book, sizeof *exchange_book);
    exchange_book = mmap(NULL, sizeof *exchange_book, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (exchange_book == MAP_FAILED)
        abort();
}

/* ---- the storm ---- */

/* Every second time somebody who changes bindings at this moment: a change is short, and most time is spent in publishing. */
static unsigned aim(const struct crew *c, struct worker *dice) {
    if (worker_random(dice, 2) == 0)
        for (unsigned look = 0; look < AIM_LOOKS; look++) {
            unsigned i = PUBLISHERS + (unsigned)worker_random(dice, c->storm->variant->crew[ROLE_BINDER]);
            if (atomic_load(&ledger->workers[i].inside) == IN_CHANGE && !c->members[i].stopped)
                return i;
        }
    return weather_victim(c, dice);
}

static void blow(struct crew *c, uint64_t end_ns) {
    struct worker dice = {.random = c->storm->seed | 1};
    while (now_ns() < end_ns) {
        weather_pause(&dice, PAUSE_MAX_US);
        crew_continue(c, now_ns(), false);
        unsigned victim = aim(c, &dice);
        if (!c->storm->variant->block || worker_random(&dice, 2) == 0)
            crew_kill(c, victim, true); /* stopped ones, too */
        else if (weather_may_stop(c, victim))
            crew_stop(c, victim, now_ns() + (1 + worker_random(&dice, STOP_MAX_MS)) * 1000000);
    }
}

/* ---- after ---- */

/* Everything comes out, all memory is free again, and the audit is clean. */
static uint64_t empty_queue(const struct storm *s, unsigned i) {
    struct rp_queue_stats stats;
    struct rp_audit audit;
    struct rp_message m;
    rp_queue *q;
    rp_consumer *c;
    uint64_t drained = 0, deadline = now_ns() + DRAIN_DEADLINE_S * UINT64_C(1000000000);
    must(rp_queue_open(exchange_queue(s, i), NULL, &q), "open a queue");
    must(rp_consumer_open(q, NULL, &c), "open a consumer");
    for (;;) {
        must(rp_queue_sweep(q), "sweep of a queue");
        int result = rp_receive(c, &m, 20000000);
        if (result == 0) {
            exchange_shown(i, &m);
            must(rp_ack(c, &m), "ack");
            drained++;
        } else if (result != RP_EMPTY) {
            must(result, "receive");
        }
        must(rp_queue_stats(q, &stats), "stats");
        if (result == RP_EMPTY && stats.ready + stats.leased + stats.delayed == 0)
            break;
        if (now_ns() > deadline) {
            ledger_violation("queue %u cannot be drained", i);
            break;
        }
    }
    rp_consumer_close(c);
    must(rp_queue_sweep(q), "sweep of a queue");
    must(rp_queue_stats(q, &stats), "stats");
    if (stats.free_cells != stats.cells || stats.owned_cells != 0 || stats.dead != 0 || stats.participants_dead != 0)
        ledger_violation("queue %u: %llu of %u cells free, %llu owned, %llu dead letters, %u dead participants", i,
                         (ull)stats.free_cells, stats.cells, (ull)stats.owned_cells, (ull)stats.dead, stats.participants_dead);
    must(rp_queue_audit(q, &audit), "audit");
    if (audit.violations != 0 || audit.repairable != 0 || audit.unsettled != 0)
        ledger_violation("queue %u: audit at rest: %llu violations, %llu repairable, %llu unsettled: %s", i, (ull)audit.violations,
                         (ull)audit.repairable, (ull)audit.unsettled, audit.first);
    must(rp_queue_close(q), "close a queue");
    return drained;
}

static void judge_number(unsigned slot, uint32_t n) {
    struct number *number = &exchange_book->numbers[slot][n];
    for (unsigned q = 0; q < MOVING_QUEUES; q++)
        if (atomic_load(&number->ids[q]) == 0)
            ledger_violation("queue %u: number %u of publisher %u is lost", q, n, slot);
    for (unsigned b = 0; b < BINDERS; b++) {
        bool there = atomic_load(&number->ids[MOVING_QUEUES + b]) != 0;
        if (!there && (atomic_load(&number->must) >> b & 1))
            ledger_violation("queue %u was bound, and has not got number %u of publisher %u", MOVING_QUEUES + b, n, slot);
        if (there && (atomic_load(&number->must_not) >> b & 1))
            ledger_violation("queue %u was not bound, and got number %u of publisher %u", MOVING_QUEUES + b, n, slot);
    }
}

/* What is bound is what the books say; of a change that nobody lived to tell either is right. */
static void judge_bindings(rp_exchange *x, const struct storm *s) {
    struct rp_exchange_stats stats;
    must(rp_exchange_sweep(x), "sweep of the exchange");
    if (rp_exchange_sweep(x) != 0)
        ledger_violation("the exchange is swept, and there is more to sweep");
    struct exchange_list list = exchange_list(x, s);
    must(rp_exchange_stats(x, &stats), "stats of the exchange");
    uint32_t count = (uint32_t)__builtin_popcount(list.steady);
    for (unsigned b = 0; b < BINDERS; b++) {
        count += (uint32_t)__builtin_popcount(list.moving[b]);
        for (unsigned k = 0; k < KINDS; k++) {
            enum bound known = (enum bound)(atomic_load(&exchange_book->bound[b][k]) & 3);
            if (known != MAYBE_BOUND && (known == BOUND) != (list.moving[b] >> k & 1))
                ledger_violation("binding %u of binder %u should be %s", k, b, known == BOUND ? "there" : "gone");
        }
    }
    if (list.steady != (1u << STEADY_BINDINGS) - 1 || count != list.count || count != stats.bindings)
        ledger_violation("%u bindings are listed, %u of them different, %u counted", list.count, count, stats.bindings);
}

/* All places are found again, those that were used too. */
static void judge_places(rp_exchange *x, const struct storm *s) {
    struct rp_binding b;
    struct rp_exchange_stats stats;
    char pattern[32];
    for (int round = 0; round < 2; round++) {
        must(rp_exchange_stats(x, &stats), "stats of the exchange");
        for (unsigned i = stats.bindings; i < MAX_BINDINGS; i++) {
            snprintf(pattern, sizeof pattern, "more.%u", i);
            int result = rp_exchange_bind(x, pattern, exchange_queue(s, 0), NULL);
            if (result != 0)
                ledger_violation("only %u of %u bindings fit: %s", i, MAX_BINDINGS, rp_error_name(result));
        }
        for (unsigned i = 0; i < MAX_BINDINGS && rp_exchange_next(x, 0, &b) == 0; i++)
            must(rp_exchange_unbind(x, b.pattern, b.queue, NULL), "unbind");
        if (rp_exchange_next(x, 0, &b) != RP_EMPTY)
            ledger_violation("'%.60s' is bound, though all was taken back", b.pattern);
    }
}

static void print(const struct crew *c, double seconds, uint64_t drained) {
    ull kills = crew_kills(c);
    printf("%-8s %5.1f s  kills %llu, %.0f per second (publishers %llu, binders %llu, subscribers %llu), stops %llu\n",
           c->storm->variant->name, seconds, kills, (double)kills / seconds, (ull)c->kills[ROLE_PUBLISHER],
           (ull)c->kills[ROLE_BINDER], (ull)c->kills[ROLE_SUBSCRIBER], (ull)c->stops);
    printf("         killed in a publish %llu, in a change %llu\n", (ull)c->kills_inside[IN_PUBLISH],
           (ull)c->kills_inside[IN_CHANGE]);
    printf("         published %llu, copies that were there already %llu, without a window twice %llu\n",
           (ull)atomic_load(&exchange_book->published), (ull)atomic_load(&exchange_book->duplicates),
           (ull)atomic_load(&exchange_book->twice));
    printf("         changes %llu, not lived to tell %llu, busy %llu; listed %llu times; drained %llu\n",
           (ull)atomic_load(&exchange_book->changes), (ull)atomic_load(&exchange_book->half_done),
           (ull)atomic_load(&exchange_book->busy), (ull)atomic_load(&exchange_book->listed), (ull)drained);
}

static int run(const struct variant *v, double seconds, uint64_t seed, weather *body) {
    (void)body; /* there is one weather */
    struct storm s = {.variant = v, .seed = seed};
    struct crew crew;
    uint64_t drained = 0;
    snprintf(s.queue, sizeof s.queue, "storm.exchange-%s.%d", v->name, (int)getpid());
    present = &s;
    ledger_create();
    make_book();
    for (unsigned i = 0; i < QUEUES; i++)
        make_queue(&s, i);
    rp_exchange *x = make_exchange(&s);
    fflush(NULL);
    uint64_t start = now_ns();
    crew_start(&crew, &s);
    blow(&crew, start + (uint64_t)(seconds * 1e9));
    double took = (double)(now_ns() - start) / 1e9;
    crew_end(&crew);
    for (unsigned i = 0; i < QUEUES; i++)
        drained += empty_queue(&s, i);
    for (unsigned slot = 0; slot < PUBLISHERS; slot++)
        for (uint32_t n = 0; n < atomic_load(&exchange_book->slots[slot].confirmed); n++)
            judge_number(slot, n);
    judge_bindings(x, &s);
    judge_places(x, &s);
    print(&crew, took, drained);
    int status = run_verdict(&crew);
    must(rp_exchange_close(x), "close the exchange");
    clear_away();
    return status;
}

int main(int argc, char **argv) {
    struct arguments a = arguments_parse(argc, argv, 6);
    return run_rounds(&a, variants, sizeof variants / sizeof variants[0], ROUND_MAX_S, run, NULL);
}
