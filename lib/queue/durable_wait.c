/* SPDX-License-Identifier: MIT */
/* Waiting for the journal: who waits writes, if nobody else is at it. So several share a write, and the next one has what came meanwhile. */
#include "durable_batch.h"
#include "sweep.h"
#include "wait.h"
#include <errno.h>

enum { STILL = 1 };

struct waiting {
    struct actor *actor;
    bool (*done)(const struct waiting *w); /* NULL: when all of the journal is on disk */
    uint64_t position;
};

static bool written(const struct waiting *w) {
    uint64_t point = load_acquire(&w->actor->segment->control->journal_point, journaled);
    return (int64_t)(point_position(point, w->position) - w->position) >= 0;
}

static bool groups_recorded(const struct waiting *w) { return durable_said_groups(w->actor->segment); }

static int look(const struct waiting *w) {
    if (w->done == NULL)
        return durable_sync(w->actor);
    if (w->done(w))
        return 0;
    enum durable_drive drive = durable_drive(w->actor);
    return w->done(w) ? 0 : drive == DRIVE_FAILED ? durable_refuse(w->actor) : STILL;
}

static int wait_until(const struct waiting *w) {
    struct actor *a = w->actor;
    struct eventcount event = durable_event(a->segment);
    int result = look(w);
    while (result == STILL) {
        if (wait_interrupted(a))
            return -EINTR;
        if (queue_is_gone(a->queue))
            return RP_GONE;
        uint32_t prepared = eventcount_prepare(&event);
        housekeeping(a, segment_now_ms(a->segment));
        result = look(w);
        if (result != STILL)
            return result;
        if (!MUTANT(durable_sleeps_on))
            (void)eventcount_sleep(&event, prepared, wait_nap_ns(a, clock_boot_ns(), UINT64_MAX));
        result = look(w);
    }
    return result;
}

int durable_wait(struct rp_producer *p) {
    struct actor *a = &p->actor;
    struct waiting w = {a, written, p->durable_tail};
    int result = a->segment->parameters.sync == RP_SYNC_ALWAYS ? wait_until(&w) : look(&w);
    if (result == STILL) /* whoever has the role looks for more before he leaves it */
        return 0;
    p->durable_owes = result != 0;
    return result;
}

int durable_flush(struct rp_producer *p) {
    struct actor *a = &p->actor;
    struct waiting all = {a, NULL, 0};
    int result = wait_until(&all);
    p->durable_owes = p->durable_owes && result != 0;
    return result;
}

int durable_record_groups(struct actor *a) {
    struct waiting w = {a, groups_recorded, 0};
    if (!durable(a->segment))
        return 0;
    if (a->segment->parameters.sync == RP_SYNC_ALWAYS)
        return wait_until(&w);
    (void)durable_drive(a);
    return 0;
}
