/* SPDX-License-Identifier: MIT */
#include "cursor.h"
#include "error.h"
#include <errno.h>

enum {
    CATCH_UP_TRIES = 8,
    OVERTAKEN_MOST = 64 /* steps of one read, beyond a lap of messages that are passed over */
};

static int damaged(const struct ring_view *v, const struct cursor *c, uint64_t position) {
    return fail(RP_CORRUPT, "lane %u is damaged at slot %llu", (unsigned)(c->lane - v->lanes),
                (unsigned long long)(position & (v->p.slots - 1)));
}

void cursor_begin(const struct ring_view *v, struct cursor *c, uint32_t index) {
    *c = (struct cursor){.slots = ring_slots(v, index), .lane = &v->lanes[index], .position = v->p.slots};
}

void cursor_close(struct cursor *c) {
    static struct slot never_used;
    c->slots = (unsigned char *)&never_used;
    c->position = STAMP_POSITION + 1; /* its slot is the first, and its stamp never comes */
}

/*
 * The first message from `from` on that is still there; `newest` at the latest. Where it was overwritten already, the search goes on `stride` slots behind. Everything before `newest` was written
 * once, so what is found there is of that position or a later one.
 */
static int find_start(const struct ring_view *v, const struct cursor *c, uint64_t from, uint64_t newest, uint64_t stride,
                      uint64_t *at) {
    uint64_t q = from;
    while (q < newest) {
        uint64_t stamp = load_acquire(&slot_at(v, c->slots, q)->stamp, stamp);
        if (stamp == q)
            break;
        if (stamp_position(stamp) < q || ((stamp_position(stamp) - q) & (v->p.slots - 1)) != 0)
            return damaged(v, c, q);
        q += stamp_position(stamp) == q ? 1 : stride;
    }
    *at = q < newest ? q : newest;
    return 0;
}

/* The number of the message at `position`. RP_EMPTY: it is not, or no longer, there. */
static int number_at(const struct ring_view *v, const struct cursor *c, uint64_t position, uint64_t *number, uint32_t *slots) {
    struct slot *s = slot_at(v, c->slots, position);
    if (load_acquire(&s->stamp, stamp) != position)
        return RP_EMPTY;
    uint64_t near = load_relaxed(&c->lane->number, recheck), info = load_relaxed(&s->info, recheck);
    if (!slot_unmoved(s, position))
        return RP_EMPTY;
    if (info_bytes(info) > v->p.message_bytes)
        return damaged(v, c, position);
    *number = info_sequence(info, near);
    if (*number > STAMP_POSITION) /* each takes a position at least */
        return damaged(v, c, position);
    *slots = slots_for(v, info_bytes(info));
    return 0;
}

static uint64_t newest_of(const struct cursor *c) { return load_acquire(&c->lane->newest, newest); }

/* ---- joining ---- */

/*
 * The writer overtakes each look at a message. The lane's `number` is stored when a message is complete and before `newest`: so it is that of a complete one, and not before the one at `newest`. With
 * what is `ahead` of it the reader begins, and passes over what is before; so all that it does not find from here on is counted.
 */
static int join_by_hint(const struct ring_view *v, struct cursor *c, uint64_t ahead) {
    c->position = newest_of(c);
    c->number = load_relaxed(&c->lane->number, hint) + ahead;
    c->skips = true;
    return c->number > STAMP_POSITION ? damaged(v, c, c->position) : 0;
}

int cursor_join_newest(const struct ring_view *v, struct cursor *c) {
    uint64_t last = newest_of(c), number;
    uint32_t slots;
    c->position = last != 0 ? last : v->p.slots;
    c->number = last != 0 ? NUMBER_UNKNOWN : 0;
    for (uint32_t i = 0; i <= v->p.slots; i++) { /* `newest` lags: behind all that is complete by now */
        uint64_t stamp = load_acquire(&slot_at(v, c->slots, c->position)->stamp, stamp);
        if (stamp_position(stamp) < c->position || (stamp != c->position && stamp_position(stamp) == c->position))
            return c->number != NUMBER_UNKNOWN ? 0 : damaged(v, c, c->position);
        if (stamp != c->position) { /* overtaken. The stamp was acquired, so `newest` is seen to have moved as well */
            last = newest_of(c);
            if (last <= c->position)
                return damaged(v, c, c->position);
            c->position = last;
            c->number = NUMBER_UNKNOWN;
            continue;
        }
        int result = number_at(v, c, c->position, &number, &slots);
        if (result == RP_EMPTY)
            continue; /* overtaken just now, as the stamp will say */
        if (result < 0)
            return result;
        c->position += slots;
        c->number = number + 1;
        if (MUTANT(ring_join_no_walk))
            return 0;
    }
    return c->number == NUMBER_UNKNOWN ? join_by_hint(v, c, 1) : 0; /* it writes as fast as this reader walks: from here on */
}

int cursor_join_oldest(const struct ring_view *v, struct cursor *c) {
    uint64_t first = v->p.slots, newest = newest_of(c), number;
    uint32_t slots;
    c->position = first;
    c->number = 0;
    if (newest < 2 * first) /* nothing was overwritten, up to then */
        return 0;
    for (uint64_t from = newest + 1 - v->p.slots;; from = c->position + 1) {
        int result = find_start(v, c, from, newest, 1, &c->position);
        if (result < 0)
            return result;
        result = number_at(v, c, c->position, &number, &slots);
        if (result == 0)
            c->number = number;
        if (result != RP_EMPTY || c->position >= newest)
            return result == RP_EMPTY ? join_by_hint(v, c, 0) : result;
    }
}

/* ---- reading ---- */

/* A message of several slots. */
static void load_all(const struct ring_view *v, const struct cursor *c, void *buffer, size_t bytes) {
    unsigned char *to = buffer;
    for (uint64_t p = c->position; bytes > 0; p++) {
        size_t part = bytes < v->room ? bytes : v->room;
        payload_load(to, slot_at(v, c->slots, p)->payload, part);
        to += part;
        bytes -= part;
    }
}

/*
 * Overtaken: goes where the messages will be there for a while. The number that is wanted stays, so the next one found tells how many were lost. `newest` lags behind the writer by less than a
 * lap, so it is beyond a position that was overwritten; `seen` is what it was overwritten with.
 */
static int catch_up(const struct ring_view *v, struct cursor *c, uint64_t seen) {
    uint64_t slots = v->p.slots, quarter = slots / LANE_SHARE;
    c->sure = false;
    for (unsigned tries = 1; tries <= CATCH_UP_TRIES; tries++) {
        uint64_t newest = newest_of(c), keep = slots - quarter * (tries < LANE_SHARE ? tries : LANE_SHARE), at;
        if (newest <= c->position || newest > STAMP_POSITION - slots || (newest < seen && seen - newest >= slots))
            return damaged(v, c, c->position);
        int result = find_start(v, c, newest - c->position > keep ? newest - keep : c->position, newest, quarter, &at);
        if (result < 0)
            return result;
        c->position = at;
        uint64_t there = stamp_position(load_acquire(&slot_at(v, c->slots, at)->stamp, stamp));
        if (there == at)
            return -EAGAIN;
        if (there < at || (at == newest && newest_of(c) == newest))
            return damaged(v, c, at);
    }
    return -EAGAIN;
}

/* What to do where there is no message at the position. As that which follow, -EAGAIN: look again. */
static int miss(const struct ring_view *v, struct cursor *c, uint64_t stamp) {
    if (c->damaged) {
        c->damaged = false;
        return fail(RP_CORRUPT, "lane %u is damaged", (unsigned)(c->lane - v->lanes));
    }
    if (stamp_position(stamp) <= c->position)
        return RP_EMPTY; /* it is being written, or is what a dead writer began */
    return catch_up(v, c, stamp_position(stamp));
}

/*
 * The message, of `count` slots, was overtaken while it was copied. The slots behind the first are overwritten before it. So a writer that was stopped there, or died, leaves a first slot that looks as if the message were complete: it is lost all the same.
 */
static int torn(const struct ring_view *v, struct cursor *c, uint32_t count) {
    for (uint32_t i = 1; i < count && !MUTANT(ring_torn_tail_waits); i++) {
        uint64_t at = c->position + i, stamp = load_acquire(&slot_at(v, c->slots, at)->stamp, stamp);
        if (stamp == (STAMP_CONTINUES | at))
            continue;
        if (stamp_position(stamp) <= at || ((stamp_position(stamp) - at) & (v->p.slots - 1)) != 0)
            return damaged(v, c, at);
        c->position++; /* nothing of this message is looked for any more */
        return catch_up(v, c, stamp_position(stamp));
    }
    return -EAGAIN; /* the first slot's stamp says that it was overtaken */
}

/* The message is not known to be the one that is wanted. */
static int renumber(const struct ring_view *v, struct cursor *c, uint64_t *lost) {
    uint64_t number;
    uint32_t slots;
    int result = number_at(v, c, c->position, &number, &slots);
    if (result < 0)
        return result == RP_EMPTY ? -EAGAIN : result;
    if (number < c->number && c->number != NUMBER_UNKNOWN) {
        if (!c->skips)
            return damaged(v, c, c->position);
        c->position += slots;
        return -EAGAIN;
    }
    *lost = c->number == NUMBER_UNKNOWN ? 0 : number - c->number;
    c->number = number;
    c->sure = true;
    c->skips = false;
    return *lost == 0 ? -EAGAIN : RP_LAPPED;
}

/* Too long, as it stands there. */
static int bad_size(const struct ring_view *v, struct cursor *c, size_t bytes) {
    if (!slot_unmoved(slot_at(v, c->slots, c->position), c->position))
        return -EAGAIN;
    return bytes > v->p.message_bytes ? damaged(v, c, c->position) : RP_TOO_BIG;
}

int cursor_read(const struct ring_view *v, struct cursor *c, void *buffer, size_t capacity, size_t *bytes, uint64_t *lost) {
    for (uint32_t steps = 0; steps < v->p.slots + OVERTAKEN_MOST; steps++) { /* or passing over what is not wanted */
        struct slot *s = slot_at(v, c->slots, c->position);
        uint64_t stamp = load_acquire(&s->stamp, stamp);
        int result;
        if (stamp != c->position) {
            if ((result = miss(v, c, stamp)) != -EAGAIN)
                return result;
            continue;
        }
        uint64_t info = load_relaxed(&s->info, recheck);
        if (!cursor_wants(c, info)) {
            if ((result = renumber(v, c, lost)) != -EAGAIN)
                return result;
            continue;
        }
        *bytes = info_bytes(info);
        if (*bytes > capacity || *bytes > v->p.message_bytes) {
            if ((result = bad_size(v, c, *bytes)) != -EAGAIN)
                return result;
            continue;
        }
        uint32_t count = slots_for(v, *bytes);
        load_all(v, c, buffer, *bytes);
        if (!slots_unmoved(v, c->slots, c->position, count) && !MUTANT(ring_copy_unchecked)) {
            if ((result = torn(v, c, count)) != -EAGAIN)
                return result;
            continue;
        }
        c->position += count;
        c->number++;
        return 0;
    }
    return RP_EMPTY; /* writers are faster than this reader's steps: he looks again */
}
