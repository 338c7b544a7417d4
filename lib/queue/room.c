/* SPDX-License-Identifier: MIT */
#include "room.h"
#include "byte_room.h"
#include "durable.h"
#include "error.h"
#include "fanout.h"
#include "overflow.h"
#include "publish.h"
#include "sweep.h"
#include "wait.h"

struct room {
    struct rp_producer *producer;
    uint64_t bytes;
    uint32_t cell;
    bool has_cell;
    bool paused; /* the last look found that */
};

static inline bool fits(const struct room *r) {
    const struct segment *s = r->producer->actor.segment;
    return r->has_cell && (s->parameters.max_bytes == 0 || byte_room_take(s, r->cell, r->bytes));
}

/*
 * Drops until the message fits. Before it drops anything it sees what the dead have left, and looks at the cells themselves; in a large queue only once per tick, for
 * then a look at everything costs more than many sends.
 */
static int drop_for(struct room *r, uint32_t lossy) {
    struct rp_producer *p = r->producer;
    struct actor *a = &p->actor;
    uint64_t now_ms = actor_now_ms(a);
    bool due = now_ms >= a->next_tick_ms;
    if (due)
        housekeeping(a, now_ms);
    if (!r->has_cell && (due || a->segment->layout.bitmap_words <= GLANCE_WORDS))
        r->has_cell = pool_search(&a->pool, now_ms, &r->cell);
    bool worth_it = false; /* else smaller messages would go, and this one not fit all the same */
    while (!fits(r)) {
        uint64_t missing = byte_room_missing(a->segment, r->bytes);
        if (!worth_it && missing > 0 && !overflow_could_free(p, lossy, missing))
            return RP_FULL;
        worth_it = true;
        uint32_t cell;
        int result = overflow_make_room(p, lossy, &cell);
        if (result < 0)
            return result;
        if (r->has_cell) {
            pool_give_back(&a->pool, cell);
        } else {
            r->cell = cell;
            r->has_cell = true;
            pool_glance(&a->pool);
        }
    }
    return 0;
}

static int find_room(struct room *r) {
    struct actor *a = &r->producer->actor;
    if (!r->has_cell)
        r->has_cell = pool_take(&a->pool, &r->cell);
    if (fits(r))
        return 0;
    if (durable(a->segment) && durable_drive(a) == DRIVE_IDLE) { /* what was settled is free when that is recorded */
        r->has_cell = r->has_cell || pool_take(&a->pool, &r->cell);
        if (fits(r))
            return 0;
    }
    uint32_t lossy = overflow_groups(r->producer);
    int result = lossy != 0 ? drop_for(r, lossy) : RP_FULL;
    if (result == RP_FULL && !r->has_cell && pool_search(&a->pool, actor_now_ms(a), &r->cell)) {
        r->has_cell = true;
        return fits(r) ? 0 : RP_FULL;
    }
    return result;
}

/* Whether sending is paused is asked first, so that nobody drops a message for a send that is not admitted; and again when the cell is ours: that decides. */
static int look_for_room(void *context) {
    struct room *r = context;
    struct actor *a = &r->producer->actor;
    r->paused = pause_stops_sends(a->segment);
    int result = r->paused ? RP_FULL : find_room(r);
    if (result == 0 && !MUTANT(pause_before_cell))
        r->paused = pause_stops_sends(a->segment);
    if (!r->paused)
        return result;
    if (r->has_cell)
        pool_give_back(&a->pool, r->cell);
    r->has_cell = false;
    return RP_FULL;
}

/* A few loads that tell whether looking is worth while. */
static bool room_promising(void *context) {
    const struct room *r = context;
    const struct actor *a = &r->producer->actor;
    if (r->paused)
        return !pause_stops_sends(a->segment);
    if (durable(a->segment) && load_relaxed(&a->segment->control->journal_marked, hint) != 0)
        return true;
    return r->has_cell ? byte_room_fits(a->segment, r->bytes) : pool_promising(&a->pool);
}

int64_t room_patience(const struct rp_producer *p, int64_t timeout_ns) {
    if (timeout_ns != RP_TIMEOUT_POLICY)
        return timeout_ns;
    return p->actor.segment->parameters.overflow == RP_OVERFLOW_BLOCK ? -1 : 0;
}

/* With a comma after every three digits. */
static const char *grouped(char text[32], uint64_t n) {
    char *at = text + 31;
    *at = '\0';
    for (unsigned digits = 0; n > 0 || digits == 0; n /= 10, digits++) {
        if (digits > 0 && digits % 3 == 0)
            *--at = ',';
        *--at = (char)('0' + n % 10);
    }
    return at;
}

static int full(struct rp_producer *p) {
    tally_add(&p->actor.tally, COUNT_FULL, 1);
    char behind[GROUP_NAME_BYTES + 64];
    fanout_behind(p->actor.segment, behind, sizeof behind);
    return fail(RP_FULL, "queue '%s': all %u cells hold messages%s", p->actor.queue->name, cells_in_play(p->actor.segment), behind);
}

/* There are cells, but the bytes do not fit. */
static int full_of_bytes(struct rp_producer *p, uint64_t bytes) {
    const struct segment *s = p->actor.segment;
    int64_t now = byte_room_held(s);
    char held[32], most[32];
    tally_add(&p->actor.tally, COUNT_FULL, 1);
    return fail(RP_FULL, "queue '%s': no room for %llu bytes, it holds %s of %s bytes", p->actor.queue->name,
                (unsigned long long)bytes, grouped(held, now > 0 ? (uint64_t)now : 0), grouped(most, s->parameters.max_bytes));
}

int room_seek(struct rp_producer *p, uint64_t bytes, int64_t timeout_ns, uint32_t *cell) {
    struct actor *a = &p->actor;
    struct room room = {.producer = p, .bytes = bytes};
    int result = look_for_room(&room);
    if (result == RP_FULL) { /* memory is short: see what the dead and the late have left */
        housekeeping(a, segment_now_ms(a->segment));
        struct wait w = {a, a->pool.free_event, room_promising, look_for_room, &room, RP_FULL, room_patience(p, timeout_ns)};
        result = look_for_room(&room);
        if (result == RP_FULL)
            result = wait_for(&w);
    }
    if (result == 0) {
        *cell = room.cell;
        return 0;
    }
    if (room.has_cell)
        pool_give_back(&a->pool, room.cell);
    if (result == RP_FULL && room.paused)
        return fail(RP_PAUSED, "queue '%s': sending is paused", p->actor.queue->name);
    if (result == RP_FULL)
        return room.has_cell ? full_of_bytes(p, bytes) : full(p);
    return result;
}

struct publishing {
    struct rp_producer *producer;
    uint32_t lane, cell, flags;
    bool wake;
};

static int look_for_place(void *context) {
    struct publishing *x = context;
    struct rp_producer *p = x->producer;
    int result = publish(p, x->lane, x->cell, x->flags, x->wake);
    uint32_t lossy = result == RP_FULL ? overflow_groups(p) : 0;
    while (result == RP_FULL && lossy != 0 && overflow_make_way(p, lossy, x->lane))
        result = publish(p, x->lane, x->cell, x->flags, x->wake);
    return result;
}

static bool always(void *context) {
    (void)context;
    return true;
}

int room_seek_place(struct rp_producer *p, uint32_t lane, uint32_t c, uint32_t flags, int64_t timeout_ns, bool wake) {
    struct publishing x = {p, lane, c, flags, wake};
    int result = look_for_place(&x);
    if (result != RP_FULL)
        return result;
    struct wait w = {&p->actor, p->actor.pool.free_event, always, look_for_place, &x, RP_FULL, room_patience(p, timeout_ns)};
    result = wait_for(&w);
    if (result != RP_FULL)
        return result;
    tally_add(&p->actor.tally, COUNT_FULL, 1);
    if (p->actor.segment->parameters.keyed)
        return fail(RP_FULL, "queue '%s': lane %u holds its %u messages", p->actor.queue->name, lane,
                    p->actor.segment->layout.lane_slot_count);
    return fail(RP_FULL, "queue '%s': too many messages are left from the last lap of the lane", p->actor.queue->name);
}

int room_change(struct rp_producer *p, uint32_t c, uint64_t bytes) {
    const struct segment *s = p->actor.segment;
    return byte_room_change(s, c, byte_room_of(s, c), bytes) ? 0 : full_of_bytes(p, bytes);
}
