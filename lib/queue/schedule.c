/* SPDX-License-Identifier: MIT */
#include "schedule.h"
#include "byte_room.h"
#include "durable.h"
#include "error.h"
#include "expiry.h"
#include "groups.h"
#include "lane.h"
#include "lookup.h"
#include "role.h"
#include <errno.h>
#include <stdlib.h>

enum {
#ifdef RP_SIM
    BATCH = 4, /* stacks are copied there */
#else
    BATCH = 512, /* looked at in order of their times */
#endif
    SHARE = 1024,              /* cells that one call looks at, about */
    WINDOW_NS = 1000000,       /* when very many are late, those of so long at a time */
    ROLE_NS = 500000,          /* who looks at the cells that are due is alone for so long */
    CLOCK_SET_NS = 100 * 1000, /* both clocks run at the same rate, so only a step of one of them moves them apart */
    LOOKS = 8,                 /* at both clocks, before it is believed that one was set */
};

/* How far the wall clock is ahead of the segment's boot time; too little by as long as it takes to come from one clock to the other. */
static uint64_t look_at_clocks(const struct segment *s) {
    uint64_t wall_ns = clock_wall_ns();
    return wall_ns - segment_now_ns(s);
}

static bool moved_apart(uint64_t now, uint64_t before) { return now - before + CLOCK_SET_NS > 2 * CLOCK_SET_NS; }

bool schedule_is_over(const struct segment *s, uint32_t flags, uint64_t t) {
    return (flags & CELL_BY_WALL ? clock_wall_ns() : segment_now_ns(s)) >= t;
}

uint64_t schedule_boot_ns(const struct segment *s, uint32_t flags, uint64_t t) {
    if (!(flags & CELL_BY_WALL))
        return t;
    uint64_t ahead = MUTANT(wall_offset_fresh) ? look_at_clocks(s) : load_relaxed(&s->control->wall_ahead_ns, hint);
    return (int64_t)ahead < 0 || t >= ahead ? t - ahead : 0;
}

int schedule_check(const struct rp_send_options *o) {
    uint64_t now_ns = o->at_ns > 0 ? clock_wall_ns() : 0;
    if (o->delay_ns > 0 && o->at_ns > 0)
        return fail(-EINVAL, "a message has a delay or a time, not both");
    if (o->delay_ns > TIMES_MAX_NS || (o->at_ns > now_ns && o->at_ns - now_ns > TIMES_MAX_NS))
        return fail(-EINVAL, "a delay is at most 10 years");
    if (o->ttl_ns != RP_TTL_POLICY && o->ttl_ns != -1 && (o->ttl_ns <= 0 || (uint64_t)o->ttl_ns > TIMES_MAX_NS))
        return fail(-EINVAL, "a time to live is 1 ns to 10 years, or -1 for ever");
    return 0;
}

uint32_t schedule_describe(const struct segment *s, struct extra *extra, const struct rp_send_options *o) {
    uint64_t ttl_ns = o->ttl_ns == RP_TTL_POLICY ? s->parameters.ttl_ns : o->ttl_ns < 0 ? 0 : (uint64_t)o->ttl_ns;
    bool by_wall = o->at_ns > 0 && o->at_ns > clock_wall_ns();
    bool waits = by_wall || o->delay_ns > 0;
    uint64_t ready_ns = by_wall ? o->at_ns : segment_now_ns(s) + o->delay_ns;
    field_write(&extra->due_ns, ready_ns);
    field_write(&extra->expires_ns, ready_ns + ttl_ns);
    return (waits ? CELL_WAITS : 0) | (by_wall ? CELL_BY_WALL : 0) | (ttl_ns > 0 ? CELL_EXPIRES : 0);
}

/* A sleeping receiver or keeper sleeps a tick at most; one that would sleep too long is woken to look again. */
static void announce(const struct segment *s, uint64_t due_ns) {
    if (MUTANT(timer_not_announced) || due_ns > segment_now_ns(s) + (uint64_t)TICK_MS * 1000000)
        return;
    for (unsigned g = 0; g < s->parameters.max_groups; g++)
        group_wake(s, g, 1);
    struct eventcount keepers = keeper_event(s);
    eventcount_wake(&keepers, 1);
}

void schedule_timer(struct actor *a, uint32_t c, uint32_t flags, uint64_t t, bool and_announce) {
    uint64_t due_ns = schedule_boot_ns(a->segment, flags, t);
    if (timers_set(&a->timers, c, due_ns) && and_announce)
        announce(a->segment, due_ns);
}

void schedule_send(struct actor *a, uint32_t c, uint32_t lane) {
    const struct segment *s = a->segment;
    struct cell *cell = segment_cell(s, c);
    struct extra *extra = segment_extra(s, c);
    uint64_t generation = cell_generation(load_relaxed(&cell->word, own));
    store_release(&cell->position, position_word(generation + 1 + 2048, lane, 0), position);
    uint64_t id = cell->id, due_ns = field_read(&extra->due_ns);
    uint32_t flags = field_read(&cell->flags);
    store_seq_cst(&cell->word, cell_word(CELL_DELAYED, NOBODY, 0, generation), cell_word);
    /* From here on the message is everybody's; the rest is hints. */
    field_write(&s->ids[id & (s->layout.id_count - 1)], c + 1);
    tally_add(&a->tally, COUNT_SENT, 1);
    tally_add(&a->tally, COUNT_SCHEDULED, 1);
    schedule_timer(a, c, flags, due_ns, true);
}

/*
 * DELAYED ends without a publication of that generation. Groups take no part in it, and must not lag behind until numbers wrap: their words follow. They are SETTLED, and
 * change only if the cell is published, then with a younger generation.
 */
bool schedule_end_unpublished(struct actor *a, uint32_t c, uint64_t w, uint64_t generation) {
    const struct segment *s = a->segment;
    uint64_t bytes = byte_room_of(s, c);
    if (!cas_seq_cst(&segment_cell(s, c)->word, &w, cell_word(CELL_FREE, NOBODY, 0, generation), cell_word))
        return false;
    if (!MUTANT(unpublished_keeps_bytes))
        byte_room_give(s, bytes);
    pool_freed(&a->pool, c);
    for (unsigned g = 0; g < s->parameters.max_groups; g++) {
        uint64_t d = load_acquire(delivery_at(s, g, c), delivery);
        uint32_t behind = ((uint32_t)generation - delivery_incarnation(d)) & 0x7fffff;
        if ((delivery_state(d) == DELIVERY_SETTLED || delivery_leaves(d)) && behind > 0 && behind < 0x400000)
            (void)cas_acq_rel(delivery_at(s, g, c), &d,
                              delivery_of_hold(DELIVERY_SETTLED, NOBODY, NOBODY, NOBODY, hold_make(generation, 0)), delivery);
    }
    return true;
}

/* In a durable queue it must be in the journal before its cell is another's: until then the word names LEAVING. */
static bool leave(struct actor *a, uint32_t c, uint64_t w) {
    uint64_t left = cell_word(CELL_DELAYED, LEAVING, 0, cell_generation(w));
    if (cell_owner(w) == LEAVING || !cas_seq_cst(&segment_cell(a->segment, c)->word, &w, left, cell_word))
        return false;
    durable_mark(a->segment, c);
    return true;
}

void schedule_end_cancelled(struct actor *a, uint32_t c, uint64_t generation) {
    (void)schedule_end_unpublished(a, c, cell_word(CELL_DELAYED, LEAVING, 0, generation), generation + 1);
}

bool schedule_cancel(struct actor *a, uint32_t c, uint64_t w) {
    if (durable(a->segment))
        return leave(a, c, w);
    return schedule_end_unpublished(a, c, w, cell_generation(w) + !MUTANT(cancel_keeps_generation));
}

/* DELAYED, and its time has come. */
static int make_ready(struct actor *a, uint32_t c, uint64_t w) {
    const struct segment *s = a->segment;
    uint64_t generation = cell_generation(w) + !MUTANT(due_keeps_generation);
    uint32_t mask = groups_active(s, groups_load(s)); /* one that is removed just now is dropped by the next sweep */
    if (mask == 0) {
        if (durable(s))
            return leave(a, c, w);
        bool ended = schedule_end_unpublished(a, c, w, generation);
        tally_add(&a->tally, COUNT_UNROUTABLE, ended);
        return ended;
    }
    uint64_t next = MUTANT(due_published) ? cell_word(CELL_PUBLISHED, a->seat, mask, generation)
                                          : cell_word(CELL_COMMITTED, NOBODY, mask, generation);
    if (!cas_seq_cst(&segment_cell(s, c)->word, &w, next, cell_word))
        return 0;
    /* Who dies before it is in its lane leaves it to the sweep. */
    durable_note(s, c);
    uint32_t lane = lane_of(s, c), flags = field_read(&segment_cell(s, c)->flags);
    if (flags & CELL_EXPIRES)
        schedule_timer(a, c, flags, field_read(&segment_extra(s, c)->expires_ns), false);
    if (lane_exists(s, lane) && lane_insert(s, c) == REQUEUE_IN)
        lane_announce(s, lane, mask, true);
    return 1;
}

int schedule_look(struct actor *a, uint32_t c, uint64_t w, bool mend) {
    const struct segment *s = a->segment;
    uint32_t flags = field_read(&segment_cell(s, c)->flags);
    if (cell_state(w) == CELL_DELAYED && cell_owner(w) == LEAVING) {
        durable_note(s, c);
        return 0;
    }
    if (cell_state(w) == CELL_DELAYED) {
        uint64_t due_ns = field_read(&segment_extra(s, c)->due_ns);
        if (!mend && (MUTANT(due_early) || schedule_is_over(s, flags, due_ns)))
            return make_ready(a, c, w);
        schedule_timer(a, c, flags, due_ns, false);
        return 0;
    }
    return cell_is_published(w) && (flags & CELL_EXPIRES) ? expiry_look(a, c, w) : 0;
}

/* ---- timers that are over ---- */

struct late {
    uint64_t due_ns;
    uint64_t id;
    uint32_t cell;
};

static int by_due(const void *x, const void *y) {
    const struct late *a = x, *b = y;
    if (a->due_ns != b->due_ns)
        return a->due_ns < b->due_ns ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

/* -> how many timers were over at `now_ns`, and looked after; a batch at most. */
static uint32_t pop_batch(struct actor *a, uint64_t now_ns, int *done) {
    const struct segment *s = a->segment;
    struct timer over[BATCH];
    struct late late[BATCH];
    uint32_t count = timers_pop(&a->timers, now_ns, over, BATCH);
    for (uint32_t i = 0; i < count; i++) {
        prefetch_write(segment_cell(s, over[i].cell));
        prefetch_read(segment_extra(s, over[i].cell));
    }
    bool followed = false;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t c = over[i].cell, flags = field_read(&segment_cell(s, c)->flags);
        if (flags & CELL_BY_WALL && !followed)
            schedule_follow_clock(a); /* was it set back? What is early now would be found early again and again */
        followed = followed || (flags & CELL_BY_WALL);
        late[i] = (struct late){
            .due_ns = schedule_boot_ns(s, flags, field_read(&segment_extra(s, c)->due_ns)), .id = lookup_id(s, c), .cell = c};
    }
    qsort(late, count, sizeof *late, by_due);
    for (uint32_t i = 0; i < count; i++) /* sequentially consistent: see timers_set */
        *done += schedule_look(a, late[i].cell, load_seq_cst(&segment_cell(s, late[i].cell)->word, cell_word), false);
    return count;
}

int schedule_pop(struct actor *a, uint32_t share) {
    uint64_t now_ns = segment_now_ns(a->segment), first = timers_next(&a->timers), window_ns = WINDOW_NS;
    int done = 0;
    for (uint32_t all = 0, rounds = 0; all < share && rounds < 32 + share / BATCH && first <= now_ns; rounds++) {
        uint32_t count = pop_batch(a, now_ns - first > window_ns ? first + window_ns : now_ns, &done);
        all += count;
        window_ns = count < BATCH / 2 ? 4 * window_ns : window_ns;
        first = timers_next(&a->timers);
    }
    return done;
}

void schedule_pop_alone(struct actor *a) {
    a64 *role = &a->segment->control->pop_until_ns;
    uint64_t now_ns = segment_now_ns(a->segment);
    if (timers_next(&a->timers) > now_ns || !role_take(role, now_ns, now_ns + ROLE_NS, ROLE_NS))
        return;
    (void)schedule_pop(a, SHARE);
    store_relaxed(role, 0, hint);
}

void schedule_follow_clock(struct actor *a) {
    const struct segment *s = a->segment;
    a64 *known = &s->control->wall_ahead_ns;
    uint64_t before = load_relaxed(known, recheck), now = look_at_clocks(s);
    for (unsigned i = 1; i < LOOKS && moved_apart(now, before); i++) { /* the most is the truth, if nobody interrupted that look */
        uint64_t look = look_at_clocks(s);
        now = (int64_t)(look - now) > 0 ? look : now;
    }
    if (!moved_apart(now, before) || !cas_relaxed(known, &before, now, hint))
        return;
    for (uint32_t c = 0, n = cells_in_play(s); c < n; c++) {
        uint64_t w = load_acquire(&segment_cell(s, c)->word, cell_word);
        bool waits = cell_state(w) == CELL_DELAYED || cell_is_published(w);
        uint32_t flags = waits ? field_read(&segment_cell(s, c)->flags) : 0;
        if (flags & CELL_BY_WALL)
            (void)schedule_look(a, c, w, true);
    }
}
