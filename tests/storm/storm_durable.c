/* SPDX-License-Identifier: MIT */
/*
 * storm_durable: who sends into a durable queue, or receives from it, is killed and stopped at any instant, half of the time in the middle of a send or a flush, where one of them writes the journal. Now and then all are
 * killed at once; then the queue's memory stays, or is removed, too, and the queue is brought back from its journal. Each time all that is in it must be what durable.h promises, by the books.
 */
#include "durable.h"
#include "weather.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

typedef unsigned long long ull;

enum {
    PAUSE_MAX_US = 3000,
    AIM_LOOKS = 2000,
    STOP_MAX_MS = 60,
    LONG_STOP_MS = 700,
    RESTART_MAX_MS = 1600,
    CAPACITY = 256,
    SENDERS = 3,
    SETTLERS = 3
};
#define ROUND_MAX_S 4.0

#define CREW .capacity = CAPACITY, .lease_ms = 30, .crew = {[ROLE_SENDER] = SENDERS, [ROLE_SETTLER] = SETTLERS, [ROLE_SWEEPER] = 1}
static const struct variant variants[] = {
    {.name = "always", .sync = RP_SYNC_ALWAYS, CREW},
    {.name = "interval", .sync = RP_SYNC_INTERVAL, CREW},
    {.name = "none", .sync = RP_SYNC_NONE, CREW},
};

static uint64_t restarts, machines, brought_back, lost;

static void must(int result, const char *what) {
    if (result >= 0)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, rp_error_name(result), rp_error_detail());
    exit(1);
}

static void make_queue(const struct storm *s) {
    struct rp_queue_options o;
    rp_queue *q;
    rp_queue_options_init(&o, sizeof o);
    o.capacity = s->variant->capacity;
    o.message_bytes = sizeof(struct body);
    o.lease_ns = s->variant->lease_ms * UINT64_C(1000000);
    o.max_deliveries = 0;
    o.backoff_ns = 1000000;
    o.backoff_max_ns = 4000000;
    o.max_participants = 24;
    o.max_groups = 1;
    o.journal = s->journal;
    o.sync = s->variant->sync;
    o.sync_interval_ns = 5000000;
    o.journal_file_bytes = 64 << 10;
    rp_queue_unlink(s->queue);
    must(rp_queue_create(s->queue, &o, &q), "create");
    must(rp_queue_close(q), "close");
}

static void make_book(void) {
    if (durable_book != NULL)
        munmap(durable_book, sizeof *durable_book);
    durable_book = mmap(NULL, sizeof *durable_book, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (durable_book == MAP_FAILED)
        abort();
}

/* ---- nobody is left ---- */

/* Acks of which nobody can be sure any more: of a machine that died, those that no flush came after. */
static void doubt_acks(void) {
    uint64_t flushed = atomic_load(&durable_book->flushed);
    for (uint32_t n = 1; n <= atomic_load(&durable_book->next) && n < NUMBERS; n++) {
        struct parcel *p = &durable_book->parcels[n];
        if (atomic_load(&p->acked) > flushed) {
            atomic_store(&p->acked, 0);
            atomic_store(&p->open, 1);
            atomic_fetch_add(&durable_book->again, 1);
        }
    }
}

static unsigned char present[NUMBERS];

static void look(rp_queue *q) {
    struct rp_peeked m;
    struct body b;
    memset(present, 0, sizeof present);
    for (uint64_t id = 0; rp_peek(q, NULL, RP_STATE_ALL, id, &m, &b, sizeof b) == 0; id = m.id) {
        uint32_t number = body_check(&b, m.bytes);
        if (present[number] && number != 0)
            ledger_violation("message %u is there twice", number);
        present[number] = 1;
        brought_back++;
    }
}

/* `machine`: memory is gone, what was not on disk may be. */
static void check_parcel(uint32_t n, bool machine, uint32_t *holes) {
    struct parcel *p = &durable_book->parcels[n];
    enum sending sending = (enum sending)atomic_load(&p->sending);
    uint32_t *hole = &holes[atomic_load(&p->life) % LIVES];
    bool sent = sending == SENDING_DONE || sending == SENDING_DURABLE, acked = atomic_load(&p->acked) != 0,
         unsure = atomic_load(&p->open) != 0 || sending == SENDING_BEGUN;
    if (present[n] && (sending == SENDING_NOT || sending == SENDING_REFUSED || sending == SENDING_LOST))
        ledger_violation("message %u is there, which was %s", n, sending == SENDING_LOST ? "lost before" : "never sent");
    if (present[n] && acked)
        ledger_violation("message %u is there again: its ack %llu was flushed up to %llu", n, (ull)atomic_load(&p->acked),
                         (ull)atomic_load(&durable_book->flushed));
    if ((present[n] || acked) && *hole != 0)
        ledger_violation("message %u is there, and %u, which its producer had sent before, is lost", n, *hole);
    if (!present[n] && sent && !acked && !unsure) {
        if (!machine || sending == SENDING_DURABLE)
            ledger_violation("message %u is lost, which was %s%s", n, sending == SENDING_DURABLE ? "durable" : "sent",
                             machine ? "" : " (memory is there)");
        *hole = n;
        lost++;
    }
    if (present[n] && machine)
        atomic_store(&p->sending, SENDING_DURABLE);
    else if (!present[n] && !acked && sending != SENDING_NOT && sending != SENDING_REFUSED)
        atomic_store(&p->sending, SENDING_LOST);
    if (!present[n] && atomic_load(&p->open) != 0)
        atomic_store(&p->acked, 1); /* it was acked */
    atomic_store(&p->open, 0);
}

static void check(rp_queue *q, bool machine) {
    static uint32_t holes[LIVES];
    struct rp_audit audit;
    memset(holes, 0, sizeof holes);
    must(rp_queue_sweep(q), "sweep"); /* also what is not in the journal yet */
    must(rp_queue_audit(q, &audit), "audit");
    if (audit.violations != 0 || audit.repairable != 0)
        ledger_violation("audit: %llu violations, %llu repairable: %s", (ull)audit.violations, (ull)audit.repairable, audit.first);
    look(q);
    for (uint32_t n = 1; n <= atomic_load(&durable_book->next) && n < NUMBERS; n++)
        check_parcel(n, machine, holes);
}

/* Two bring it back at once. */
static void bring_back(const struct storm *s) {
    fflush(NULL);
    pid_t rival = fork();
    int status;
    rp_queue *q = durable_attach(s);
    if (rival == 0)
        _exit(q == NULL);
    if (q == NULL)
        exit(1);
    if (waitpid(rival, &status, 0) != rival || status != 0)
        ledger_violation("the rival who brings it back ended with status %d", status);
    must(rp_queue_close(q), "close");
}

static void restart(const struct storm *s, bool machine) {
    restarts++;
    machines += machine;
    if (machine) {
        must(rp_queue_unlink(s->queue), "unlink");
        doubt_acks();
        bring_back(s);
    }
    rp_queue *q = durable_attach(s);
    if (q == NULL)
        exit(1);
    check(q, machine);
    must(rp_queue_close(q), "close");
}

/* ---- the storm ---- */

/* Every second time who writes at this moment. */
static unsigned aim(const struct crew *c, struct worker *dice) {
    if (worker_random(dice, 2) == 0)
        for (unsigned look = 0; look < AIM_LOOKS; look++) {
            unsigned i = (unsigned)worker_random(dice, c->count);
            if (atomic_load(&ledger->workers[i].inside) == IN_WRITE && !c->members[i].stopped)
                return i;
        }
    return weather_victim(c, dice);
}

/* One of a few is stopped for longer than he may have the writer's role. */
static void hit_somebody(struct crew *c, struct worker *dice) {
    unsigned victim = aim(c, dice);
    uint64_t stop_ms = worker_random(dice, 12) == 0 ? LONG_STOP_MS : 1 + worker_random(dice, STOP_MAX_MS);
    if (worker_random(dice, 2) == 0)
        crew_kill(c, victim, true);
    else if (weather_may_stop(c, victim))
        crew_stop(c, victim, now_ns() + stop_ms * 1000000);
}

static void blow(struct crew *c, uint64_t end_ns) {
    struct worker dice = {.random = c->storm->seed | 1};
    uint64_t restart_ns = now_ns() + (1 + worker_random(&dice, RESTART_MAX_MS)) * 1000000;
    while (now_ns() < end_ns && atomic_load(&ledger->violations) == 0) {
        weather_pause(&dice, PAUSE_MAX_US);
        crew_continue(c, now_ns(), false);
        hit_somebody(c, &dice);
        if (now_ns() < restart_ns)
            continue;
        crew_kill_all(c);
        restart(c->storm, worker_random(&dice, 3) > 0);
        crew_start_all(c);
        restart_ns = now_ns() + (1 + worker_random(&dice, RESTART_MAX_MS)) * 1000000;
    }
}

/* All comes out, and after one more restart nothing is there. */
static void empty_queue(const struct storm *s) {
    struct rp_queue_stats stats;
    struct rp_message m;
    rp_consumer *c;
    rp_producer *p;
    rp_queue *q = durable_attach(s);
    if (q == NULL)
        exit(1);
    must(rp_consumer_open(q, NULL, &c), "consumer");
    must(rp_producer_open(q, NULL, &p), "producer");
    do {
        int result = rp_receive(c, &m, 10000000);
        if (result == 0) {
            uint32_t number = body_check(m.data, m.bytes);
            if (!present[number])
                ledger_violation("message %u comes, which was not there", number);
            atomic_store(&durable_book->parcels[number].acked, 1);
            must(rp_ack(c, &m), "ack");
        } else if (result != RP_EMPTY) {
            must(result, "receive");
        }
        must(rp_queue_sweep(q), "sweep");
        must(rp_queue_stats(q, &stats), "stats");
    } while (stats.ready + stats.leased + stats.delayed > 0);
    must(rp_flush(p), "flush");
    rp_producer_close(p);
    rp_consumer_close(c);
    must(rp_queue_sweep(q), "sweep");
    must(rp_queue_stats(q, &stats), "stats");
    if (stats.free_cells != stats.cells)
        ledger_violation("%llu of %u cells are free in the empty queue", (ull)stats.free_cells, stats.cells);
    must(rp_queue_close(q), "close");
    restart(s, true);
}

static void print(const struct crew *c, double seconds) {
    ull kills = crew_kills(c);
    printf("%-8s %5.1f s  kills %llu, %.0f per second, %llu of them in a send or flush, %llu in a write; stops %llu\n",
           c->storm->variant->name, seconds, kills, (double)kills / seconds, (ull)c->kills_inside[IN_SEND],
           (ull)c->kills_inside[IN_WRITE], (ull)c->stops);
    printf("         restarts %llu, of which the machine's %llu; messages found %llu, lost that were not flushed %llu, acks in "
           "doubt %llu\n",
           (ull)restarts, (ull)machines, (ull)brought_back, (ull)lost, (ull)atomic_load(&durable_book->again));
    printf("         sends %llu, full %llu, receives %llu, acks %llu, flushes %llu, lives %u\n",
           (ull)crew_sum(offsetof(struct tallies, sends)), (ull)crew_sum(offsetof(struct tallies, full)),
           (ull)crew_sum(offsetof(struct tallies, receives)), (ull)crew_sum(offsetof(struct tallies, acks)),
           (ull)atomic_load(&durable_book->flushes), atomic_load(&durable_book->life));
}

static int run(const struct variant *v, double seconds, uint64_t seed, weather *body) {
    (void)body; /* there is one weather */
    struct storm s = {.variant = v, .seed = seed};
    struct crew crew;
    snprintf(s.queue, sizeof s.queue, "storm.durable-%s.%d", v->name, (int)getpid());
    restarts = machines = brought_back = lost = 0;
    ledger_create();
    make_book();
    journal_make(&s);
    make_queue(&s);
    fflush(NULL);
    uint64_t start = now_ns();
    crew_start(&crew, &s);
    blow(&crew, start + (uint64_t)(seconds * 1e9));
    double took = (double)(now_ns() - start) / 1e9;
    crew_end(&crew);
    if (atomic_load(&ledger->violations) == 0) {
        restart(&s, false);
        empty_queue(&s);
    }
    print(&crew, took);
    int status = run_verdict(&crew);
    rp_queue_unlink(s.queue);
    if (status == 0 || getenv("RINGPOST_KEEP") == NULL)
        journal_remove(&s);
    return status;
}

int main(int argc, char **argv) {
    struct arguments a = arguments_parse(argc, argv, 12);
    return run_rounds(&a, variants, sizeof variants / sizeof variants[0], ROUND_MAX_S, run, NULL);
}
