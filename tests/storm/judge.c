/* SPDX-License-Identifier: MIT */
#include "judge.h"
#include "again.h"
#include "sleeper.h"

#include <stdlib.h>
#include <string.h>

enum { PASSES_MAX = 4, DRAIN_DEADLINE_S = 20 };

typedef unsigned long long ull;

void judge_sample(rp_queue *q, struct report *r) {
    struct rp_audit audit;
    int result = rp_queue_audit(q, &audit);
    r->audits++;
    r->unsettled += audit.unsettled;
    if (result != 0)
        ledger_violation("audit: %s: %s", rp_error_name(result), rp_error_detail());
    else if (audit.violations != 0)
        ledger_violation("audit during the storm: %llu violations: %s", (ull)audit.violations, audit.first);
}

void judge_purge(const struct storm *s, rp_queue *q, struct report *r) {
    if (!s->variant->purges)
        return;
    int purged = rp_queue_purge(q, NULL, RP_STATE_READY | RP_STATE_DELAYED);
    if (purged < 0)
        ledger_violation("purge: %s: %s", rp_error_name(purged), rp_error_detail());
    else
        r->purged += (uint64_t)purged;
}

/* Nobody is left but we: what the dead left must be gone after a bounded number of passes. */
static void recover_all(rp_queue *q, struct report *r) {
    struct rp_queue_stats stats;
    for (;;) {
        int mended = rp_queue_sweep(q);
        r->passes++;
        if (mended < 0)
            ledger_violation("sweep: %s: %s", rp_error_name(mended), rp_error_detail());
        rp_queue_stats(q, &stats);
        if (stats.participants_dead == 0 && stats.leased == 0 && stats.owned_cells == 0 && stats.lingering == 0)
            return;
        if (r->passes < PASSES_MAX)
            continue;
        ledger_violation("after %llu passes %u dead are not recovered, %llu messages leased, %llu cells owned, %llu linger",
                         (ull)r->passes, stats.participants_dead, (ull)stats.leased, (ull)stats.owned_cells, (ull)stats.lingering);
        return;
    }
}

static void drain(struct worker *w, rp_queue *q, struct report *r) {
    struct rp_queue_stats stats;
    struct order order;
    rp_consumer *c;
    uint64_t deadline = now_ns() + DRAIN_DEADLINE_S * UINT64_C(1000000000);
    if (rp_consumer_open(q, NULL, &c) != 0)
        abort();
    order_open(&order);
    for (;;) {
        struct rp_message m;
        int result = rp_receive(c, &m, 20000000);
        if (result == 0 && letter_check(m.data, m.bytes, "drained")) {
            const struct letter *l = m.data;
            if (ledger_shown(l->number, m.acquisitions) && !sends_again(w->storm->variant))
                order_check(&order, l);
            ledger_settling(l->number);
            result = rp_ack(c, &m);
            ledger_settle_ended(l->number, result == 0);
            r->drained++;
        }
        if (result != 0 && result != RP_EMPTY)
            ledger_violation("drain: %s: %s", rp_error_name(result), rp_error_detail());
        if (result == RP_EMPTY && w->storm->variant->sync != 0)
            rp_queue_sweep(q); /* what is not in the journal yet is not ready, either */
        rp_queue_stats(q, &stats);
        if (result == RP_EMPTY && stats.ready + stats.leased + stats.delayed == 0)
            break;
        if (now_ns() > deadline) {
            ledger_violation("the queue cannot be drained: %llu ready, %llu leased, %llu delayed", (ull)stats.ready,
                             (ull)stats.leased, (ull)stats.delayed);
            break;
        }
    }
    rp_consumer_close(c);
    order_close(&order);
    undertake(w, q, false);
}

/* What the last ones of all who were killed were sending: then nothing is unknown any more. */
static void send_the_rest(const struct storm *s, rp_queue *q) {
    for (unsigned slot = 0; slot < LEDGER_WORKERS; slot++) {
        struct worker w = {.storm = s, .slot = slot, .random = s->seed | 1, .tallies = &ledger->workers[slot]};
        rp_producer *p;
        if (!again_is_due(&w))
            continue;
        int result = again_open(&w, q, &p);
        if (result != 0) {
            ledger_violation("afterwards: producer: %s: %s", rp_error_name(result), rp_error_detail());
            continue;
        }
        (void)again_all(&w, p);
        rp_producer_close(p);
    }
}

static void check_empty(rp_queue *q) {
    struct rp_queue_stats s;
    struct rp_audit audit;
    rp_queue_sweep(q);
    rp_queue_stats(q, &s);
    if (s.free_cells != s.cells || s.owned_cells != 0 || s.dead != 0 || s.lingering != 0)
        ledger_violation(
            "leak: %llu of %u cells free, %llu owned, %llu ready, %llu leased, %llu delayed, %llu dead, %llu lingering",
            (ull)s.free_cells, s.cells, (ull)s.owned_cells, (ull)s.ready, (ull)s.leased, (ull)s.delayed, (ull)s.dead,
            (ull)s.lingering);
    if (rp_queue_audit(q, &audit) != 0 || audit.violations != 0 || audit.repairable != 0 || audit.unsettled != 0)
        ledger_violation("audit at rest: %llu violations, %llu repairable, %llu unsettled: %s", (ull)audit.violations,
                         (ull)audit.repairable, (ull)audit.unsettled, audit.first);
}

/* Does the empty queue still hold what it promised? */
static void check_capacity(const struct storm *s, rp_queue *q) {
    rp_producer *p;
    rp_consumer *c;
    if (rp_producer_open(q, NULL, &p) != 0 || rp_consumer_open(q, NULL, &c) != 0)
        abort();
    uint32_t room = s->variant->lanes > 0 ? LANE_CAPACITY : s->variant->capacity, nobody = 0;
    struct rp_send_options o;
    letter_way(s->variant, &nobody, &o);
    o.timeout_ns = 0;
    for (uint32_t i = 0; i < room; i++) {
        int result = rp_send(p, &i, sizeof i, &o);
        if (result != 0) {
            ledger_violation("only %u of %u messages fit: %s", i, room, rp_error_detail());
            break;
        }
    }
    struct rp_message m;
    for (uint32_t i = 0; rp_receive(c, &m, 0) == 0; i++)
        if (memcmp(m.data, &i, sizeof i) != 0 || m.acquisitions != 1 || rp_ack(c, &m) != 0)
            ledger_violation("afterwards: message %u came out wrong", i);
    rp_consumer_close(c);
    rp_producer_close(p);
}

/* May the dead ring drop letters? Only where it is smaller than what the queue holds and does not refuse. */
static bool drops(const struct storm *s) { return s->variant->rejects && !s->variant->dead_refuse; }

/* Who is missing was dropped, and counted, or received by one who died. */
static void check_missing(const struct storm *s, const struct crew *c, rp_queue *q, const struct report *r) {
    struct rp_queue_stats stats;
    rp_queue_stats(q, &stats);
    if (!drops(s) && stats.dead_dropped != 0)
        ledger_violation("%llu dead letters were dropped", (ull)stats.dead_dropped);
    uint64_t excused = drops(s)             ? stats.dead_dropped + crew_kills(c)
                       : s->variant->purges ? r->purged
                                            : c->kills[ROLE_CONSUMER] + c->kills[ROLE_PASSER];
    if (r->missing > excused)
        ledger_violation("%llu messages are missing, but only %llu can be explained", (ull)r->missing, (ull)excused);
    if (r->purged > r->missing + r->unknown + r->silent)
        ledger_violation("%llu messages were purged, but only %llu are missing", (ull)r->purged, (ull)r->missing);
    uint64_t settlers = c->kills[ROLE_CONSUMER] + c->kills[ROLE_PASSER] + c->kills[ROLE_UNDERTAKER];
    if (r->silent > settlers)
        ledger_violation("%llu messages were acked by the dead, of whom there are %llu", (ull)r->silent, (ull)settlers);
}

static void check_mark(const struct storm *s, uint64_t number, union mark m, struct report *r) {
    unsigned settled = m.settled, first = m.first, open = m.open;
    bool seen = m.shown > 0 || settled > 0 || open > 0 || m.rejected > 0 || m.redriven > 0;
    ull n = number;
    r->done += m.sent == SENT_DONE;
    r->unknown += m.sent == SENT_INTENT;
    r->arrived += m.sent == SENT_INTENT && seen;
    r->again += m.shown > 1;
    if ((m.sent == SENT_NEVER || m.sent == SENT_REFUSED) && seen)
        ledger_violation("message %llu was never sent and came all the same", n);
    if (settled > 1)
        ledger_violation("message %llu was settled %u times", n, settled);
    if (m.sent == SENT_INTENT && sends_again(s->variant))
        ledger_violation("message %llu was not sent again", n);
    if (m.sent == SENT_DONE && settled == 0) {
        if (open > 0)
            r->silent++;
        else if (s->variant->at_most_once || s->variant->purges || drops(s))
            r->missing++; /* no more than were killed or dropped, see below; claimed by some who died at once, it was perhaps never shown */
        else
            ledger_violation("message %llu is lost: shown %u times, first %u, acquisitions %u, redriven %u, rejected %u", n,
                             (unsigned)m.shown, first, (unsigned)m.most, (unsigned)m.redriven, (unsigned)m.rejected);
    }
    if (first > 1u + m.redriven)
        ledger_violation("message %llu was shown %u times as a first delivery", n, first);
    if (m.redriven == 0 && m.shown > m.most)
        ledger_violation("message %llu was shown %u times with at most %u acquisitions", n, (unsigned)m.shown, (unsigned)m.most);
    if (s->variant->at_most_once && m.shown > 1)
        ledger_violation("message %llu was shown %u times to receivers that get it at most once", n, (unsigned)m.shown);
}

void judge(const struct storm *s, const struct crew *c, rp_queue *q, struct report *r) {
    struct worker w = {.storm = s, .random = s->seed | 1, .tallies = &ledger->workers[LEDGER_WORKERS - 1]};
    if (rp_queue_resume(q, RP_SIDE_SEND | RP_SIDE_RECEIVE) != 0 ||
        rp_group_resume(q, NULL) != 0) /* what an operator may have left */
        abort();
    recover_all(q, r);
    judge_sample(q, r);
    drain(&w, q, r);
    if (sends_again(s->variant)) {
        send_the_rest(s, q);
        drain(&w, q, r);
    }
    check_empty(q);
    check_capacity(s, q);
    if (s->variant->sleepers)
        sleepers_judge(q, s->variant->max_participants);
    uint64_t numbers = atomic_load(&ledger->next_message);
    for (uint64_t i = 0; i < numbers && i < LEDGER_MESSAGES; i++)
        check_mark(s, i, ledger_mark(i), r);
    check_missing(s, c, q, r);
}
