/* SPDX-License-Identifier: MIT */
/*
 * A process that pauses, resumes and drains, and is killed in the middle of it. There is one at a time, and nobody else resumes: so when its drain has said that nothing is left, nothing
 * may come until it resumes, though senders and undertakers try all the time.
 */
#include "storm.h"

#include <errno.h>

enum { PAUSED_MAX_US = 2000, RUNNING_MAX_US = 6000, DRAIN_MAX_MS = 80, LOOKS = 8 };

static void must(int result, const char *what) {
    if (result < 0)
        ledger_violation("%s: %s: %s", what, rp_error_name(result), rp_error_detail());
}

/* Also what one who was killed has left. */
static void resume_all(rp_queue *q) {
    must(rp_queue_resume(q, RP_SIDE_SEND | RP_SIDE_RECEIVE), "resume");
    must(rp_group_resume(q, NULL), "resume of a group");
}

/* Nothing is left, and nothing comes. */
static void look_at_nothing(struct worker *w, rp_queue *q) {
    struct rp_peeked m;
    for (int i = 0; i < LOOKS && !storm_ends(); i++) {
        if (rp_peek(q, NULL, RP_STATE_READY | RP_STATE_LEASED | RP_STATE_DELAYED, 0, &m, NULL, 0) != RP_EMPTY)
            ledger_violation("message %llu in state %u after a drain had said that nothing is left", (unsigned long long)m.id,
                             m.state);
        worker_breathe(w, 500);
    }
}

static void drain(struct worker *w, rp_queue *q) {
    struct rp_drain_options o;
    rp_drain_options_init(&o, sizeof o);
    o.timeout_ns = (int64_t)worker_random(w, DRAIN_MAX_MS) * 1000000;
    int left = rp_queue_drain(q, &o);
    must(left, "drain");
    atomic_fetch_add(&w->tallies->drains, 1);
    if (left != 0)
        return;
    atomic_fetch_add(&w->tallies->emptied, 1);
    look_at_nothing(w, q);
}

void operate(struct worker *w) {
    rp_queue *q = worker_attach(w);
    while (q != NULL && !storm_ends()) {
        resume_all(q);
        worker_breathe(w, RUNNING_MAX_US);
        switch (worker_random(w, 4)) {
        case 0: must(rp_queue_pause(q, 1 + (unsigned)worker_random(w, 3)), "pause"); break;
        case 1: must(rp_group_pause(q, NULL), "pause of a group"); break;
        default: drain(w, q);
        }
        atomic_fetch_add(&w->tallies->pauses, 1);
        worker_breathe(w, PAUSED_MAX_US);
    }
    if (q != NULL)
        worker_detach(w, q);
}
