/* SPDX-License-Identifier: MIT */
/* Those who neither send nor receive: sweepers, visitors who come and go, and undertakers of the dead ring. */
#include "storm.h"

#include <errno.h>

void sweep(struct worker *w) {
    rp_queue *q = worker_attach(w);
    while (q != NULL && !storm_ends()) {
        worker_enters(w, IN_SWEEP);
        int result = rp_queue_sweep(q);
        worker_enters(w, OUTSIDE);
        if (result < 0)
            ledger_violation("sweep: %s: %s", rp_error_name(result), rp_error_detail());
        worker_breathe(w, 2000);
    }
    if (q != NULL)
        worker_detach(w, q);
}

static void look_around(struct worker *w, rp_queue *q) {
    struct rp_queue_stats stats;
    struct rp_peeked peeked;
    struct rp_participant who;
    struct letter l;
    uint64_t after = 0;
    if (rp_queue_stats(q, &stats) != 0 || stats.free_cells > stats.cells || stats.capacity != w->storm->variant->capacity)
        ledger_violation("stats: %llu free cells of %u", (unsigned long long)stats.free_cells, stats.cells);
    for (int i = 0; i < 4 && rp_peek(q, NULL, RP_STATE_ALL, after, &peeked, &l, sizeof l) == 0; i++) {
        if (peeked.id <= after)
            ledger_violation("peek: id %llu after %llu", (unsigned long long)peeked.id, (unsigned long long)after);
        (void)letter_check(&l, peeked.bytes, "peeked");
        after = peeked.id;
    }
    for (uint32_t seat = 0; rp_participant_next(q, seat, &who) == 0; seat = who.seat + 1)
        if (who.seat < seat)
            ledger_violation("participants: seat %u after %u", who.seat, seat);
}

void visit(struct worker *w) {
    struct rp_open_options read_only;
    rp_open_options_init(&read_only, sizeof read_only);
    read_only.read_only = 1;
    while (!storm_ends()) {
        rp_queue *q = NULL;
        if (worker_random(w, 4) == 0) {
            int result = rp_queue_open(w->storm->queue, &read_only, &q);
            if (result < 0) {
                ledger_violation("open read-only: %s: %s", rp_error_name(result), rp_error_detail());
                return;
            }
        } else if ((q = worker_attach(w)) == NULL) {
            return;
        }
        look_around(w, q);
        worker_detach(w, q);
        worker_breathe(w, 2000);
    }
}

void undertake(struct worker *w, rp_queue *q, bool redrive) {
    struct rp_dead_letter dead = {0};
    struct letter l;
    uint64_t after = 0;
    int result;
    while ((result = rp_dead_peek(q, NULL, after, &dead, &l, sizeof l)) == 0) {
        after = dead.id;
        if (!letter_check(&l, dead.bytes, "in the dead ring"))
            continue;
        struct rp_redrive_options o;
        rp_redrive_options_init(&o, sizeof o);
        o.id = dead.id;
        if (redrive && worker_random(w, 4) == 0) {
            ledger_redriving(l.number);
            result = rp_dead_redrive(q, NULL, &o);
            if (result == 1)
                atomic_fetch_add(&w->tallies->redrives, 1);
        } else {
            ledger_settling(l.number);
            result = rp_dead_purge(q, NULL, &o);
            ledger_settle_ended(l.number, result == 1);
            if (result == 1)
                atomic_fetch_add(&w->tallies->purges, 1);
        }
        if (result != 1 && result != -ENOENT && result != RP_IN_USE &&
            !was_paused(w, result)) /* another undertaker was here, or three who look at it still are */
            ledger_violation("dead letter %llu: %s: %s", (unsigned long long)dead.id, rp_error_name(result), rp_error_detail());
    }
    if (result != RP_EMPTY)
        ledger_violation("dead peek: %s: %s", rp_error_name(result), rp_error_detail());
}

void bury(struct worker *w) {
    rp_queue *q = worker_attach(w);
    while (q != NULL && !storm_ends()) {
        undertake(w, q, true);
        worker_breathe(w, 2000);
    }
    if (q != NULL)
        worker_detach(w, q);
}
