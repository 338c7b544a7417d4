/* SPDX-License-Identifier: MIT */
#include "sweep.h"
#include "byte_room.h"
#include "catch_up.h"
#include "dead.h"
#include "durable.h"
#include "error.h"
#include "fanout.h"
#include "groups.h"
#include "keyed.h"
#include "lane.h"
#include "lease.h"
#include "notes.h"
#include "recover.h"
#include "role.h"
#include "roster.h"
#include "schedule.h"
#include "spill.h"
#include <errno.h>

enum {
    CELLS_PER_TICK = 32768, /* about half a millisecond */
    MEND_BITS_EVERY = 20,   /* ticks */
    REST_MAX_MS = 2000,     /* between walks because of due times */
    ROLE_MAX_MS = 2 * REST_MAX_MS
};

/* One cell for one group. -> things done. */
static int sweep_delivery(struct actor *a, unsigned group, uint32_t c, uint64_t w, uint64_t now_ms, uint64_t *due_ms,
                          uint64_t *dead) {
    uint64_t d = load_acquire(delivery_at(a->segment, group, c), delivery);
    if (!taken(d, w))
        return 0;
    switch (delivery_state(d)) {
    case DELIVERY_LEASED:
    case DELIVERY_DELAYED: return lease_sweep(a, group, c, d, now_ms, due_ms);
    case DELIVERY_SETTLED:
        if (!MUTANT(sweep_no_settle_help))
            (void)settle(a, group, c, delivery_incarnation(d));
        return 1;
    case DELIVERY_DEAD:
        ++*dead;
        (void)requeue(a->segment, group, c);
        return notes_death_found(a->segment, group, c, delivery_hold(d), now_ms);
    case DELIVERY_RETURNED:
        if (delivery_leaves(d))
            keyed_leave(a->segment, group, c);
        else if (!MUTANT(sweep_no_requeue))
            (void)requeue(a->segment, group, c);
        return 0;
    default: return 0;
    }
}

static int mend_bit(struct actor *a, uint32_t c) {
    uint64_t bit = UINT64_C(1) << (c % 64);
    a64 *bits_word = &a->segment->bitmap[c / 64];
    if (load_relaxed(bits_word, hint) & bit)
        return 0;
    (void)fetch_or_acq_rel(bits_word, bit, free_bits);
    return 1;
}

/* A committed message that is in no lane, because who should have inserted it died, or the lane was full. */
static void mend_place(const struct segment *s, uint32_t c, uint64_t w) {
    uint32_t lane = lane_of(s, c);
    if (lane_exists(s, lane) && !lane_holds(s, c, w) && !MUTANT(sweep_no_insert) && lane_insert(s, c) == REQUEUE_IN)
        lane_announce(s, lane, cell_pending(w), true);
}

/* A shared head that nobody raises, because nobody receives, must not fall so far behind that laps wrap: what was overwritten is past. */
static void raise_head(const struct index_ring *r, a64 *head) {
    uint64_t last = load_acquire(r->tail, hints) - 1;
    if (slot_lap(load_acquire(ring_slot(r, last), slot)) == ring_lap(r, last)) /* else the hint is damaged */
        hint_raise(head, last + 1 - ring_slots(r));
}

static void raise_heads(const struct segment *s) {
    for (unsigned g = 0; g < s->parameters.max_groups; g++) {
        for (uint32_t i = 0; i < s->parameters.lane_count; i++) {
            struct index_ring lane = lane_ring(s, i);
            raise_head(&lane, &segment_lane_start(s, g, i)->lane_head);
        }
        struct ring_name names[RINGS_MAX];
        for (unsigned n = delivery_rings(s, g, names); n > 0; n--) {
            struct index_ring ring = delivery_ring(s, names[n - 1]);
            raise_head(&ring, delivery_ring_head(s, names[n - 1]));
        }
    }
    if (s->parameters.keyed)
        keyed_mend(s);
}

struct walk {
    bool mend_bits;
    uint64_t now_ms;
    uint64_t due_ms; /* the earliest time met that is not over */
    uint32_t active; /* groups, when the walk began */
    uint64_t dead[MAX_GROUPS];
    struct byte_count bytes;
};

static int walk_cells(struct actor *a, uint32_t from, uint32_t to, struct walk *walk) {
    const struct segment *s = a->segment;
    int done = 0;
    for (uint32_t c = from; c < to; c++) {
        uint64_t w = load_acquire(&segment_cell(s, c)->word, cell_word);
        if (cell_state(w) == CELL_FREE && walk->mend_bits && c >= reserve_cells(&s->parameters, &s->layout))
            done += mend_bit(a, c);
        if (s->parameters.max_bytes > 0 && cell_state(w) != CELL_FREE)
            byte_count_cell(s, c, &walk->bytes);
        if (cell_state(w) == CELL_JOURNALED && durable(s))
            (void)(MUTANT(durable_sweep_no_entry) || durable_enter(s, c, &(uint64_t){0}));
        if (cell_state(w) == CELL_DELAYED || cell_is_published(w))
            done += schedule_look(a, c, w, true);
        if (!cell_is_published(w))
            continue;
        if (cell_state(w) == CELL_COMMITTED) {
            if (durable(s) && !(field_read(&segment_cell(s, c)->flags) & CELL_WAITS)) /* who moved it may have died before he did this */
                fanout_drop_stale(a, c, cell_generation(w), fanout_version(s, c));
            mend_place(s, c, w);
        }
        for (uint32_t pending = cell_pending(w); pending != 0; pending &= pending - 1) {
            unsigned group = (unsigned)__builtin_ctz(pending);
            if (group >= s->parameters.max_groups)
                continue;
            if (!(walk->active >> group & 1))
                done += fanout_purge(a, group, c) == PURGE_DONE;
            else
                done += sweep_delivery(a, group, c, w, walk->now_ms, &walk->due_ms, &walk->dead[group]);
        }
    }
    if (walk->due_ms != UINT64_MAX)
        (void)due_lower(s, walk->due_ms);
    return done;
}

int sweep_walk(struct actor *a, uint64_t now_ms, bool mend_bits) {
    const struct segment *s = a->segment;
    uint32_t groups = s->parameters.max_groups;
    struct walk walk = {.mend_bits = mend_bits, .now_ms = now_ms, .due_ms = UINT64_MAX, .active = groups_active(s, groups_load(s))};
    /* Cleared before the walk: a time that is set during it lowers it again. In a queue that is walked in slices not for good: if we stop, somebody must. */
    store_seq_cst(&s->control->next_due_ms, cells_in_play(s) > CELLS_PER_TICK ? now_ms + REST_MAX_MS : UINT64_MAX, next_due);
    int done = fanout_sweep(a);
    byte_count_begin(s, &walk.bytes);
    done += walk_cells(a, 0, cells_in_play(s), &walk);
    if (s->parameters.max_bytes > 0)
        done += byte_count_end(s, &walk.bytes);
    raise_heads(s);
    if (spills(s))
        done += spill_sweep(a);
    if (durable(s))
        catch_up_sweep(a);
    for (unsigned g = 0; g < groups; g++) {
        if (dead_count(s, g) != walk.dead[g])
            dead_count_anew(s, g);
        if (s->parameters.dead_overflow == RP_DEAD_DROP_OLDEST)
            done += dead_evict(a, g);
    }
    return done;
}

/* A tick's share of a queue so large that walking all of it would cost somebody milliseconds. */
static int walk_slice(struct actor *a, uint64_t now_ms) {
    a64 *cursor = &a->segment->control->slice_cursor;
    uint32_t count = cells_in_play(a->segment);
    uint64_t from = load_relaxed(cursor, hint) < count ? load_relaxed(cursor, hint) : 0;
    uint64_t to = from + CELLS_PER_TICK < count ? from + CELLS_PER_TICK : count;
    store_relaxed(cursor, to, hint);
    const struct segment *s = a->segment;
    struct walk walk = {.mend_bits = true, .now_ms = now_ms, .due_ms = UINT64_MAX, .active = groups_active(s, groups_load(s))};
    int done = walk_cells(a, (uint32_t)from, (uint32_t)to, &walk);
    if (spills(s))
        done += spill_sweep(a);
    if (durable(s))
        catch_up_sweep(a);
    raise_heads(a->segment);
    return done;
}

/* With the prober's lock. */
static void look_at_name(struct rp_queue *q) {
    if (liveness_file(&q->prober) == LIVENESS_GONE)
        store_relaxed(&q->gone, 1, hint);
}

bool queue_has_name(struct rp_queue *q) {
    pthread_mutex_lock(&q->prober_lock);
    look_at_name(q);
    pthread_mutex_unlock(&q->prober_lock);
    return !queue_is_gone(q);
}

void notice_removal(struct rp_queue *q) {
    if (pthread_mutex_trylock(&q->prober_lock) != 0)
        return; /* another thread of this process is at it */
    look_at_name(q);
    pthread_mutex_unlock(&q->prober_lock);
}

int recover_the_dead(struct actor *a) {
    struct rp_queue *q = a->queue;
    int done = 0;
    if (pthread_mutex_trylock(&q->prober_lock) != 0)
        return 0; /* another thread of this process is at it */
    look_at_name(q);
    for (uint32_t i = 0; i < q->segment.parameters.max_participants; i++) {
        uint64_t w = load_acquire(&q->segment.seats[i].word, seat_word);
        if (i == a->seat || seat_state(w) != SEAT_ATTACHED || liveness_probe(&q->prober, i) != LIVENESS_DEAD)
            continue;
        done += recover(a, i);
    }
    pthread_mutex_unlock(&q->prober_lock);
    return done;
}

static void tick(struct actor *a, uint64_t now_ms) {
    struct control *control = a->segment->control;
    a->next_tick_ms = now_ms + TICK_MS;
    if (role_take(&control->tick_until_ms, now_ms, now_ms + TICK_MS, ROLE_MAX_MS)) {
        schedule_follow_clock(a);
        int recovered = recover_the_dead(a);
        if (recovered > 0 || cells_in_play(a->segment) <= CELLS_PER_TICK)
            recovered += sweep_walk(a, segment_now_ms(a->segment), recovered > 0 || now_ms / TICK_MS % MEND_BITS_EVERY == 0);
        else
            recovered += walk_slice(a, segment_now_ms(a->segment));
        a->mended += (uint64_t)recovered;
    } else {
        notice_removal(a->queue);
    }
    if (durable(a->segment))
        (void)durable_drive(a);
}

void housekeeping(struct actor *a, uint64_t now_ms) {
    struct control *control = a->segment->control;
    if (now_ms >= a->next_tick_ms)
        tick(a, now_ms);
    if (schedule_near(a->segment, now_ms))
        schedule_pop_alone(a);
    if (now_ms < load_relaxed(&control->next_due_ms, hint))
        return;
    if (role_take(&control->walk_until_ms, now_ms, now_ms + TICK_MS, ROLE_MAX_MS)) {
        uint64_t start = clock_boot_ns();
        a->mended += (uint64_t)sweep_walk(a, segment_now_ms(a->segment), false);
        uint64_t took_ms = (clock_boot_ns() - start) / 1000000;
        uint64_t rest_ms = 1 + 20 * took_ms; /* walk at most a twentieth of the time */
        store_relaxed(&control->walk_until_ms, now_ms + (rest_ms < REST_MAX_MS ? rest_ms : REST_MAX_MS), hint);
    }
}

RP_API int rp_queue_sweep(rp_queue *q) {
    int result = queue_check(q);
    if (result < 0)
        return fail(result, "rp_queue_sweep");
    if (q->read_only)
        return fail(-EROFS, "queue '%s' was opened read-only", q->name);
    struct actor a;
    actor_open(&a, q);
    schedule_follow_clock(&a);
    int done = recover_the_dead(&a);
    done += sweep_walk(&a, segment_now_ms(&q->segment), true);
    done += schedule_pop(&a, q->segment.layout.cell_count);
    if (durable(&q->segment))
        (void)durable_drive(&a);
    actor_close(&a);
    return queue_is_gone(q) ? RP_GONE : done;
}
