/* SPDX-License-Identifier: MIT */
#include "overflow.h"
#include "byte_room.h"
#include "drop.h"
#include "error.h"
#include "groups.h"
#include "lane.h"
#include <ringpost/group.h>

enum {
    HEAD_LAG = 16,       /* positions by which a head may lag behind the truth while all is well */
    SKIPS_MAX = 64,      /* entries of a ring that cannot be dropped, before the search goes on elsewhere */
    LANES_AT_ONCE = 8,   /* keyed lanes whose oldest messages are compared */
    PASSED_AT_ONCE = 64, /* entries of a lane that are looked at for that */
    BARREN_MAX = 256,    /* positions that are looked at again where nothing was found in the same millisecond */
    GO_BACK_MAX = 32768  /* positions, once per tick */
};

uint32_t overflow_groups(struct rp_producer *p) {
    const struct segment *s = p->actor.segment;
    p->dropper.active = groups_load(s);
    uint32_t active = groups_active(s, p->dropper.active), lossy = 0;
    for (; active != 0; active &= active - 1) {
        unsigned g = (unsigned)__builtin_ctz(active);
        uint64_t own = load_relaxed(&s->groups[g].overflow, hint);
        bool loses = own == RP_GROUP_DROP_OLDEST || own == RP_GROUP_DEAD ||
                     (own == RP_GROUP_QUEUE && s->parameters.overflow == RP_OVERFLOW_DROP_OLDEST);
        lossy |= (uint32_t)loses << g;
    }
    return lossy;
}

/* ---- where to look ---- */

/* In early (what was never received) or returned (what was) of one group; until the outcome is `enough`. */
static enum drop drop_from_ring(struct rp_producer *p, uint32_t lossy, struct ring_name name, enum drop enough, uint32_t *cell) {
    const struct segment *s = p->actor.segment;
    struct index_ring ring = delivery_ring(s, name);
    a64 *head = delivery_ring_head(s, name);
    uint64_t h = load_acquire(head, hints), first = h, passed = h, slot, d;
    unsigned skips = 0;
    enum drop done = DROP_NOT;
    for (uint64_t steps = 16 * ring_slots(&ring) + 4096; steps > 0 && skips < SKIPS_MAX && done < enough; steps--) {
        enum ring_look_at look = ring_look(&ring, head, &h, &slot);
        if (look == RING_END || look == RING_BROKEN)
            break;
        if (look == RING_PAST)
            continue;
        if (requeue_counts(s, name, h, slot, &d)) {
            struct sight x;
            drop_see(s, lossy, slot_cell(slot), &x);
            if (x.delivery[name.group] == d && drop_possible(s, &x, name.which == RING_RETURNED))
                done = drop(p, &x, cell);
            if (requeue_counts(s, name, h, slot, &d))
                skips++; /* it stays, and the head with it */
        }
        h++;
        if (skips == 0)
            passed = h;
    }
    if (passed != first)
        hint_raise(head, passed);
    return done;
}

/* Positions of the lane in which there may be something to drop: lossy groups have passed those before, others need those behind. */
struct stretch {
    uint64_t heads[MAX_GROUPS]; /* of the lossy groups: all before are taken */
    unsigned lowest;            /* the one that is furthest behind */
    uint64_t first, end;
};

static struct stretch stretch_of(const struct segment *s, uint32_t lossy, uint32_t lane) {
    struct stretch r = {.lowest = MAX_GROUPS, .end = UINT64_MAX};
    uint32_t active = groups_active(s, groups_load(s));
    for (active |= lossy; active != 0; active &= active - 1) {
        unsigned g = (unsigned)__builtin_ctz(active);
        uint64_t head = load_acquire(&segment_lane_start(s, g, lane)->lane_head, hints);
        if (lossy >> g & 1) {
            r.heads[g] = head;
            if (r.lowest == MAX_GROUPS || (int64_t)(head - r.first) < 0) {
                r.first = head;
                r.lowest = g;
            }
        } else if (r.end == UINT64_MAX || (int64_t)(head + HEAD_LAG - r.end) < 0) {
            r.end = head + HEAD_LAG;
        }
    }
    return r;
}

/* Does the entry of the message still wait in its slot for the group's receivers? In keyed lanes messages keep their slots until they are settled or dead. */
static bool waits(const struct segment *s, const struct sight *x, unsigned g) {
    uint64_t d = x->delivery[g];
    if (!(x->pending >> g & 1))
        return false;
    if (!taken(d, x->word))
        return true;
    if (!s->parameters.keyed)
        return delivery_state(d) == DELIVERY_RETURNED && delivery_seq(d) == 0;
    return delivery_state(d) == DELIVERY_LEASED || delivery_state(d) == DELIVERY_DELAYED ||
           (delivery_state(d) == DELIVERY_RETURNED && !delivery_leaves(d));
}

/* Position h does not matter any more to groups for which nothing waits there: their heads go past it. */
static void pass(const struct segment *s, struct stretch *r, uint32_t lossy, const struct sight *x, bool present, uint64_t h) {
    for (uint32_t groups = lossy; groups != 0; groups &= groups - 1) {
        unsigned g = (unsigned)__builtin_ctz(groups);
        if (r->heads[g] == h && (!present || !waits(s, x, g) || MUTANT(drop_passes_all)))
            r->heads[g] = h + 1;
    }
}

static void pass_to(struct stretch *r, uint32_t lossy, uint64_t h) {
    for (uint32_t groups = lossy; groups != 0; groups &= groups - 1) {
        uint64_t *head = &r->heads[__builtin_ctz(groups)];
        if ((int64_t)(h - *head) > 0)
            *head = h;
    }
}

/* Does the slot of lane position h name the message that was seen in its cell, and that message the slot? Else the cell may carry another, a younger one. */
static bool is_present(const struct segment *s, const struct sight *x, uint32_t lane, uint64_t h, uint64_t slot) {
    uint64_t generation = cell_generation(x->word);
    return x->pending != 0 && slot_tag(slot) == slot_tag_of(generation) &&
           load_acquire(&segment_cell(s, x->cell)->position, position) == position_word(generation, lane, h);
}

static void tell_heads(const struct segment *s, const struct stretch *r, uint32_t lossy, uint32_t lane) {
    for (uint32_t groups = lossy; groups != 0; groups &= groups - 1) {
        unsigned g = (unsigned)__builtin_ctz(groups);
        hint_raise(&segment_lane_start(s, g, lane)->lane_head, r->heads[g]);
    }
}

/* The entry of lane position h. -> RP_FULL: it is not ours to drop. */
static int drop_entry(struct rp_producer *p, uint32_t lossy, uint32_t lane, struct stretch *r, uint64_t h, uint64_t slot,
                      uint32_t *cell) {
    const struct segment *s = p->actor.segment;
    uint32_t c = slot_cell(slot);
    if (!segment_has_cell(s, c))
        return fail(RP_CORRUPT, "queue '%s': lane %u position %llu names cell %u", p->actor.queue->name, lane,
                    (unsigned long long)h, c);
    struct sight x;
    drop_see(s, lossy, c, &x);
    uint64_t generation = cell_generation(x.word);
    bool present = is_present(s, &x, lane, h, slot);
    bool ours = present && drop_possible(s, &x, false) && drop(p, &x, cell) == DROP_ROOM;
    if (present && !ours)
        drop_see(s, lossy, c, &x); /* as it is now */
    pass(s, r, lossy, &x, present && !ours && cell_generation(x.word) == generation, h);
    return ours ? 0 : RP_FULL;
}

static int drop_from_lane(struct rp_producer *p, uint32_t lossy, uint32_t lane, uint64_t now_ms, uint32_t *cell) {
    const struct segment *s = p->actor.segment;
    struct sender_lane *l = &p->lanes[lane];
    struct stretch r = stretch_of(s, lossy, lane);
    uint64_t h = l->drop_at, slot;
    if ((int64_t)(h - r.first) < 0 || (now_ms >= l->back_ms && h - r.first < GO_BACK_MAX)) {
        h = r.first;
        l->back_ms = now_ms + TICK_MS;
    }
    bool from_first = h == r.first || (now_ms < p->dropper.barren_until_ms && h - r.first >= BARREN_MAX);
    int result = RP_FULL;
    for (uint64_t steps = 16 * ring_slots(&l->ring) + 4096; result == RP_FULL; steps--) {
        enum ring_look_at look = RING_END;
        if (r.end == UINT64_MAX || (int64_t)(r.end - h) > 0)
            look = ring_look(&l->ring, &segment_lane_start(s, r.lowest, lane)->lane_head, &h, &slot);
        if (look == RING_END) {
            if (from_first)
                break;
            from_first = true;
            h = r.first;
        } else if (look == RING_BROKEN || steps == 0) {
            result = fail(RP_CORRUPT, "queue '%s': lane %u is damaged near position %llu", p->actor.queue->name, lane,
                          (unsigned long long)h);
        } else if (look == RING_PAST) { /* overwritten: all have taken it, or find it in early */
            pass_to(&r, lossy, h);
        } else {
            result = drop_entry(p, lossy, lane, &r, h, slot, cell);
            h++;
        }
    }
    l->drop_at = h;
    tell_heads(s, &r, lossy, lane);
    return result;
}

/* Whatever nobody holds, in no order: backoffs, and what the rings do not know. */
static bool drop_anywhere(struct rp_producer *p, uint32_t lossy, uint64_t now_ms, uint32_t *cell) {
    struct dropper *at = &p->dropper;
    uint32_t count = cells_in_play(p->actor.segment);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t c = at->cell < count ? at->cell : 0;
        at->cell = c + 1;
        struct sight x;
        drop_see(p->actor.segment, lossy, c, &x);
        if (drop_possible(p->actor.segment, &x, true) && drop(p, &x, cell) == DROP_ROOM)
            return true;
    }
    at->barren_until_ms = now_ms + 1;
    return false;
}

bool overflow_could_free(struct rp_producer *p, uint32_t lossy, uint64_t bytes) {
    const struct segment *s = p->actor.segment;
    uint64_t now_ms = actor_now_ms(&p->actor), found = 0;
    if (now_ms < p->dropper.scarce_until_ms && bytes > p->dropper.scarce_bytes)
        return false;
    for (uint32_t c = 0, count = cells_in_play(s); c < count && found < bytes; c++) {
        struct sight x;
        drop_see(s, lossy, c, &x);
        if (drop_possible(s, &x, true))
            found += byte_room_in(s, c);
    }
    if (found >= bytes)
        return true;
    p->dropper.scarce_until_ms = now_ms + 1;
    p->dropper.scarce_bytes = found;
    return false;
}

static bool drop_from_rings(struct rp_producer *p, uint32_t lossy, uint32_t lane, enum delivery_ring which, uint32_t *cell) {
    for (uint32_t groups = p->actor.segment->parameters.keyed ? 0 : lossy; groups != 0; groups &= groups - 1) {
        struct ring_name name = {(unsigned)__builtin_ctz(groups), lane, which};
        if (drop_from_ring(p, lossy, name, DROP_ROOM, cell) == DROP_ROOM)
            return true;
    }
    return false;
}

/* When the message in a cell was sent, roughly: it may go while we look. */
__attribute__((no_sanitize("thread"))) static uint64_t sent_of(const struct segment *s, uint32_t c) {
    return *(const volatile uint64_t *)&segment_cell(s, c)->sent_wall_ns;
}

/*
 * When the first message of the lane was sent that can be dropped. UINT64_MAX: there is none. *length: how much follows it; it tells lanes apart whose messages are of one tick of the clock. Shared heads lag,
 * also for ever when those died who had gone on: entries that count no more are passed, for their cells carry younger messages. Where so many cannot be dropped, the last of them speaks for the lane.
 */
static uint64_t age_of(const struct rp_producer *p, uint32_t lossy, uint32_t lane, uint64_t *length) {
    const struct segment *s = p->actor.segment;
    const struct index_ring ring = p->lanes[lane].ring;
    struct stretch r = stretch_of(s, lossy, lane);
    uint64_t h = r.first, age = UINT64_MAX, slot;
    for (unsigned steps = 0; steps < PASSED_AT_ONCE; steps++) {
        enum ring_look_at look = RING_END;
        if (r.end == UINT64_MAX || (int64_t)(r.end - h) > 0)
            look = ring_look(&ring, &segment_lane_start(s, r.lowest, lane)->lane_head, &h, &slot);
        if (look == RING_PAST) {
            pass_to(&r, lossy, h);
            continue;
        }
        if (look != RING_ENTRY || !segment_has_cell(s, slot_cell(slot))) {
            age = UINT64_MAX;
            break;
        }
        struct sight x;
        drop_see(s, lossy, slot_cell(slot), &x);
        bool present = is_present(s, &x, lane, h, slot);
        if (present)
            age = sent_of(s, x.cell);
        if (present && drop_possible(s, &x, false))
            break;
        pass(s, &r, lossy, &x, present, h);
        h++;
    }
    tell_heads(s, &r, lossy, lane);
    *length = load_acquire(ring.tail, hints) - h;
    return age;
}

/* Keyed lanes, and those of shards, take turns, a few at a time, and of those the one with the oldest message is first. */
static uint32_t oldest_lane(struct rp_producer *p, uint32_t lossy) {
    uint32_t count = p->actor.segment->parameters.lane_count, best = p->dropper.lane % count;
    uint64_t best_age = UINT64_MAX, best_length = 0, length;
    for (uint32_t i = 0; i < LANES_AT_ONCE && i < count; i++) {
        uint32_t lane = p->dropper.lane++ % count;
        uint64_t age = age_of(p, lossy, lane, &length);
        if (age < best_age || (age == best_age && length > best_length && age != UINT64_MAX)) {
            best_age = age;
            best_length = length;
            best = lane;
        }
    }
    return best;
}

int overflow_make_room(struct rp_producer *p, uint32_t lossy, uint32_t *cell) {
    const struct segment *s = p->actor.segment;
    uint64_t now_ms = actor_now_ms(&p->actor);
    uint32_t count = s->parameters.lane_count, first = segment_levels(s) < s->parameters.lane_count ? oldest_lane(p, lossy) : 0;
    bool barren = now_ms < p->dropper.barren_until_ms;
    for (uint32_t i = 0; i < count; i++) { /* the lowest level first */
        uint32_t lane = (first + i) % count;
        if (drop_from_rings(p, lossy, lane, RING_EARLY, cell))
            return 0;
        int result = drop_from_lane(p, lossy, lane, now_ms, cell);
        if (result != RP_FULL)
            return result;
    }
    for (uint32_t lane = 0; lane < count; lane++)
        if (drop_from_rings(p, lossy, lane, RING_RETURNED, cell))
            return 0;
    return !barren && drop_anywhere(p, lossy, now_ms, cell) ? 0 : RP_FULL;
}

/* Does the entry of the lap before still count where the next one would go? */
static bool is_full(const struct segment *s, struct ring_name early) {
    struct index_ring ring = delivery_ring(s, early);
    uint64_t t = load_acquire(ring.tail, hints), slot = load_acquire(ring_slot(&ring, t), slot), d;
    return slot_cell(slot) != NO_CELL && requeue_counts(s, early, t - ring_slots(&ring), slot, &d);
}

/* The message that still has the slot of position t goes, whatever it has been through. */
static enum drop drop_from_slot(struct rp_producer *p, uint32_t lossy, uint32_t lane, uint64_t t, uint32_t *cell) {
    const struct segment *s = p->actor.segment;
    uint64_t slot = load_acquire(ring_slot(&p->lanes[lane].ring, t), slot), old = t - s->layout.lane_slot_count;
    struct sight x;
    if (!segment_has_cell(s, slot_cell(slot)))
        return DROP_NOT;
    drop_see(s, lossy, slot_cell(slot), &x);
    uint64_t generation = cell_generation(x.word);
    if (slot_tag(slot) != slot_tag_of(generation) || !drop_possible(s, &x, true) ||
        load_acquire(&segment_cell(s, x.cell)->position, position) != position_word(generation, lane, old))
        return DROP_NOT;
    return drop(p, &x, cell);
}

bool overflow_make_way(struct rp_producer *p, uint32_t lossy, uint32_t lane) {
    const struct segment *s = p->actor.segment;
    enum drop done = DROP_NOT;
    uint32_t cell;
    if (s->parameters.keyed)
        done = drop_from_slot(p, lossy, lane, p->lanes[lane].tail, &cell);
    for (uint32_t groups = s->parameters.keyed ? 0 : lossy; groups != 0 && done == DROP_NOT; groups &= groups - 1) {
        struct ring_name early = {(unsigned)__builtin_ctz(groups), lane, RING_EARLY};
        if (is_full(s, early))
            done = drop_from_ring(p, lossy, early, DROP_GONE, &cell);
    }
    if (done == DROP_ROOM)
        pool_give_back(&p->actor.pool, cell);
    return done != DROP_NOT;
}
