/* SPDX-License-Identifier: MIT */
/* Draining: the send side is paused, and then each seat and each cell is waited for in turn. Why that is exact: pause.h. */
#include "catch_up.h"
#include "delivery.h"
#include "error.h"
#include "options.h"
#include "pause.h"
#include "roster.h"
#include "spill.h"
#include "sweep.h"
#include "wait.h"
#include <errno.h>

RP_API void rp_drain_options_init(struct rp_drain_options *o, size_t size) {
    const struct rp_drain_options defaults = {.size = sizeof defaults, .timeout_ns = -1};
    options_fill(o, size, &defaults, sizeof defaults);
}

struct drain {
    struct actor actor;
    uint64_t word; /* control.paused as it was when we began with the first seat */
    uint32_t seat; /* the next to look at, and after the seats */
    uint32_t cell;
    bool spill; /* it was empty after that */
    bool fed;   /* no group is behind, nor will be: since the cells were done */
    bool dead;  /* letters count */
};

/* Is nothing left that is to come into memory yet? */
static bool files_are_drained(const struct segment *s) {
    uint64_t left = 0;
    for (uint32_t rest = durable(s) ? catch_up_behind(s) : 0; rest != 0; rest &= rest - 1)
        left += catch_up_left(s, (unsigned)__builtin_ctz(rest));
    return left == 0 && spill_is_drained(s);
}

/* Is nobody in the middle of a redrive there? */
static bool seat_is_done(const struct segment *s, uint32_t seat) {
    return load_seq_cst(&s->seats[seat].dead_changes, dead_changes) == 0 ||
           seat_state(load_acquire(&s->seats[seat].word, seat_word)) != SEAT_ATTACHED;
}

/* Does the cell hold no message, nor the beginning of one? What is settled in every group stays so; what is dead, until somebody redrives it. */
static bool cell_is_done(const struct drain *d, uint32_t c) {
    const struct segment *s = d->actor.segment;
    uint64_t w = load_seq_cst(&segment_cell(s, c)->word, cell_word);
    if (!cell_is_published(w))
        return cell_state(w) == CELL_FREE;
    for (uint32_t pending = cell_pending(w) & groups_possible(s); pending != 0; pending &= pending - 1) {
        uint64_t x = load_acquire(delivery_at(s, (unsigned)__builtin_ctz(pending), c), delivery);
        enum delivery_state state = delivery_state(x);
        bool done = state == DELIVERY_SETTLED || state == DELIVERY_LIMBO || (state == DELIVERY_DEAD && !d->dead);
        if (!taken(x, w) || (!done && !MUTANT(drain_taken_is_done)))
            return false;
    }
    return true;
}

/* Goes on as far as it can. RP_EMPTY: not to the end. */
static int look(void *context) {
    struct drain *d = context;
    const struct segment *s = d->actor.segment;
    for (;;) {
        while (d->seat < s->parameters.max_participants && (seat_is_done(s, d->seat) || MUTANT(drain_no_seats)))
            d->seat++;
        if (d->seat == s->parameters.max_participants && !d->spill)
            d->spill = files_are_drained(s);
        while (d->spill && d->cell < s->layout.cell_count && cell_is_done(d, d->cell))
            d->cell++;
        /* What waited for the journal when the files were asked may be for a group that is behind, and come into a cell that was passed: so files and cells are asked once more, now that nothing waits. */
        if (d->cell == s->layout.cell_count && !d->fed && durable(s) && past_groups(s) != 0) {
            d->spill = d->fed = files_are_drained(s);
            d->cell = 0;
            if (d->fed)
                continue;
        }
        uint64_t now = pause_load(s);
        if (!(now & PAUSED_SEND))
            return -ECANCELED;
        if (now == d->word || MUTANT(drain_ignores_changes))
            return d->cell == s->layout.cell_count ? 0 : RP_EMPTY;
        d->word = now;
        d->seat = d->cell = 0;
        d->spill = d->fed = false;
    }
}

/* A few loads that tell whether looking is worth while. */
static bool promising(void *context) {
    const struct drain *d = context;
    const struct segment *s = d->actor.segment;
    return d->seat < s->parameters.max_participants ? seat_is_done(s, d->seat)
           : d->spill                               ? cell_is_done(d, d->cell)
                                                    : files_are_drained(s);
}

static int left(const struct drain *d) {
    const struct segment *s = d->actor.segment;
    uint64_t spilled = 0;
    for (uint32_t rest = groups_active(s, groups_load(s)); (spills(s) || durable(s)) && rest != 0; rest &= rest - 1) {
        unsigned g = (unsigned)__builtin_ctz(rest);
        uint64_t left = spills(s) ? spill_count(s, g) : catch_up_left(s, g);
        spilled = left > spilled ? left : spilled;
    }
    int count = spilled < INT32_MAX / 2 ? (int)spilled : INT32_MAX / 2;
    for (uint32_t c = 0; c < d->actor.segment->layout.cell_count; c++)
        count += !cell_is_done(d, c);
    return count > 0 ? count : 1; /* somebody is in the middle of something */
}

RP_API int rp_queue_drain(rp_queue *q, const struct rp_drain_options *given) {
    struct rp_drain_options o;
    rp_drain_options_init(&o, sizeof o);
    int result = options_take(&o, sizeof o, given, "rp_drain_options");
    if (result < 0)
        return result;
    if (o.reserved != 0)
        return fail(-E2BIG, "rp_drain_options: a reserved field is not 0");
    result = queue_check(q);
    if (result < 0 || o.timeout_ns < -1 || o.dead > 1)
        return fail(result < 0 ? result : -EINVAL, "rp_queue_drain");
    if (q->read_only)
        return fail(-EROFS, "queue '%s' was opened read-only", q->name);
    struct drain d = {.dead = o.dead};
    actor_open(&d.actor, q);
    d.word = pause_sends(&q->segment);
    housekeeping(&d.actor, segment_now_ms(&q->segment));
    result = queue_is_gone(q) ? RP_GONE : look(&d);
    if (result == RP_EMPTY) {
        struct wait w = {&d.actor, keeper_event(&q->segment), promising, look, &d, RP_EMPTY, o.timeout_ns};
        result = wait_for(&w);
    }
    if (result == RP_EMPTY)
        result = left(&d);
    actor_close(&d.actor);
    return result == -ECANCELED ? fail(result, "queue '%s': somebody resumed the send side", q->name) : result;
}
