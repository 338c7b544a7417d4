/* SPDX-License-Identifier: MIT */
/* Waiting for the journal: who waits writes, if nobody else is at it. So several share a write, and the next one has what came meanwhile. */
#include "durable_batch.h"
#include "sweep.h"
#include "verdict.h"
#include "wait.h"
#include <errno.h>

enum { STILL = 1 };

struct waiting {
    struct actor *actor;
    bool (*done)(const struct waiting *w); /* NULL: when all of the journal is on disk */
    uint64_t position;
    const a64 *word; /* of a producer id that is LEAVING, and what it says so long */
    uint64_t leaving;
};

static bool written(const struct waiting *w) {
    uint64_t point = load_acquire(&w->actor->segment->control->journal_point, journaled);
    return (int64_t)(point_position(point, w->position) - w->position) >= 0;
}

/* Who took the mark may be stopped before he says so: each look sets it again, so whoever comes takes the role when its lease is over. */
static bool left_recorded(const struct waiting *w) {
    bool recorded = load_acquire(w->word, identity_word) != w->leaving;
    if (!recorded && !MUTANT(durable_left_marked_once))
        store_seq_cst(&w->actor->segment->control->journal_leaving, 1, dirty);
    return recorded;
}

static bool groups_recorded(const struct waiting *w) { return durable_said_groups(w->actor->segment); }

static int look(const struct waiting *w) {
    if (w->done == NULL)
        return durable_sync(w->actor);
    enum durable_drive drive = w->done(w) ? DRIVE_BUSY : durable_drive(w->actor);
    if (!w->done(w))
        return drive == DRIVE_FAILED ? durable_refuse(w->actor) : STILL;
    if (drive == DRIVE_BUSY)
        durable_move(w->actor); /* who wrote it may not have come to that: who sent it finds it in its lane */
    return 0;
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

/* -> whether the message waits for the journal, and where: behind *end. */
static bool find(const struct segment *s, uint64_t message, uint64_t *end) {
    uint32_t c;
    uint64_t w;
    if (!message_cell(s, message, &c, &w) || cell_state(w) != CELL_JOURNALED || !message_is(message, w) || !durable_enter(s, c, end))
        return false; /* it went on: it counts */
    ++*end;
    return true;
}

static uint64_t ring_end(const struct segment *s) {
    struct index_ring ring = durable_ring(s);
    uint64_t end = load_acquire(ring.tail, hints);
    while (!ring_ends_at(&ring, end))
        end++;
    return end;
}

static void owe(struct rp_producer *p, uint64_t end) {
    if (!p->durable_owes || (int64_t)(end - p->durable_tail) > 0)
        p->durable_tail = end;
    p->durable_owes = !MUTANT(durable_told_early);
}

void durable_owe(struct rp_producer *p, uint64_t message) {
    uint64_t end;
    if (find(p->actor.segment, message, &end))
        owe(p, end);
}

void durable_owe_all(struct rp_producer *p, uint64_t message) {
    uint64_t end;
    (void)find(p->actor.segment, message, &end);
    owe(p, ring_end(p->actor.segment));
}

int durable_write_all(struct actor *a, uint64_t message) {
    uint64_t end;
    (void)find(a->segment, message, &end);
    struct waiting w = {.actor = a, .done = written, .position = ring_end(a->segment)};
    return wait_until(&w);
}

int durable_record_left(struct actor *a, const a64 *word, uint64_t leaving) {
    struct waiting w = {.actor = a, .done = left_recorded, .word = word, .leaving = leaving};
    return wait_until(&w);
}

int durable_wait(struct rp_producer *p) {
    struct actor *a = &p->actor;
    struct waiting w = {.actor = a, .done = written, .position = p->durable_tail};
    int result = a->segment->parameters.sync == RP_SYNC_ALWAYS ? wait_until(&w) : look(&w);
    if (result == STILL) /* whoever has the role looks for more before he leaves it */
        return 0;
    p->durable_owes = result != 0;
    return result;
}

int durable_flush(struct rp_producer *p) {
    struct actor *a = &p->actor;
    struct waiting all = {.actor = a};
    int result = wait_until(&all);
    p->durable_owes = p->durable_owes && result != 0;
    return result;
}

int durable_record_groups(struct actor *a) {
    struct waiting w = {.actor = a, .done = groups_recorded};
    if (!durable(a->segment))
        return 0;
    if (a->segment->parameters.sync == RP_SYNC_ALWAYS)
        return wait_until(&w);
    (void)durable_drive(a);
    return 0;
}
