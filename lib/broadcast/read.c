/* SPDX-License-Identifier: MIT */
/* Reading: the lanes take turns. */
#include "clock.h"
#include "error.h"
#include "gate.h"
#include <errno.h>

static __attribute__((cold)) int refuse(const rp_reader *r, const char *what) {
    if (r == NULL)
        return fail(-EINVAL, "no reader");
    if (ring_is_inherited(r->canary))
        return fail(RP_FORKED, "ring '%.80s' was opened by the parent process", r->ring->name);
    return fail(-EINVAL, "%s", what);
}

/* What one read was asked for. */
struct wanted {
    rp_reader *reader;
    void *buffer;
    size_t capacity, bytes;
};

enum { READS_PER_ASKING = 64 };

static ALWAYS_INLINE uint32_t lane_after(const rp_reader *r, uint32_t lane) { return lane + 1 < r->lanes ? lane + 1 : 0; }

static ALWAYS_INLINE void took(rp_reader *r, uint32_t lane) {
    r->status.sequence = r->cursors[lane].number - 1;
    r->status.lane = lane;
    r->status.read++;
    r->turn = lane_after(r, lane);
}

/* What most reads find: the next message of the lane whose turn it is, in one slot. If not, nothing has happened. */
static ALWAYS_INLINE bool look_ahead(rp_reader *r, void *buffer, size_t capacity, size_t *bytes) {
    uint32_t lane = r->turn;
    struct cursor *c = &r->cursors[lane];
    if (r->status.read % READS_PER_ASKING == 0 || !cursor_try(&r->view, c, buffer, capacity, bytes))
        return false;
    if (r->seat != NULL)
        gate_passed(r, lane, c->position - 1);
    took(r, lane);
    return true;
}

/* A lane, if there is anything in it. */
static int look_at_lane(struct wanted *m, uint32_t lane) {
    rp_reader *r = m->reader;
    struct cursor *c = &r->cursors[lane];
    uint64_t before = c->position, lost = 0;
    int result = cursor_try(&r->view, c, m->buffer, m->capacity, &m->bytes)
                     ? 0
                     : cursor_read(&r->view, c, m->buffer, m->capacity, &m->bytes, &lost);
    if (result == RP_CORRUPT)
        cursor_close(c);
    if (r->seat != NULL && c->position != before)
        gate_passed(r, lane, before);
    if (result == 0) {
        took(r, lane);
    } else if (result == RP_LAPPED) {
        r->turn = r->status.lane = lane;
        r->status.lost = lost;
        r->status.lost_all += lost;
    } else if (result == RP_CORRUPT) {
        r->status.lane = lane;
        r->turn = lane_after(r, lane);
    } else if (result == RP_TOO_BIG) {
        r->turn = lane;
    }
    return result;
}

/* All lanes, from the one whose turn it is. */
static int look(struct wanted *m) {
    const rp_reader *r = m->reader;
    uint32_t lane = r->turn;
    for (uint32_t i = 0; i < r->lanes; i++, lane = lane_after(r, lane)) {
        int result = cursor_waits(&r->view, &r->cursors[lane]) ? RP_EMPTY : look_at_lane(m, lane);
        if (result != RP_EMPTY)
            return result;
    }
    return RP_EMPTY;
}

/* Lanes that were first used since it looked last. */
static bool more_lanes(rp_reader *r) {
    uint64_t used = load_acquire(&r->view.control->lanes_used, lanes_used);
    if (used <= r->lanes || r->lanes == r->view.p.max_writers)
        return false;
    r->lanes = used < r->view.p.max_writers ? (uint32_t)used : r->view.p.max_writers;
    return true;
}

static int look_everywhere(struct wanted *m) {
    rp_reader *r = m->reader;
    if (r->status.read % READS_PER_ASKING == 0) /* or it would not ask while some lane is never empty */
        (void)more_lanes(r);
    int result = look(m);
    return result == RP_EMPTY && more_lanes(r) ? look(m) : result;
}

static int look_again(void *context) { return look_everywhere(context); }

/* Evicted: it takes part anew, where it stands. What it has lost it finds out by itself. */
static __attribute__((cold)) void join_again(rp_reader *r) {
    r->status.evicted++;
    gate_join(r);
}

static bool was_evicted(const rp_reader *r) { return r->seat != NULL && load_acquire(&r->seat->word, gate_seat) != r->seat_word; }

static __attribute__((noinline)) int read_slowly(rp_reader *r, void *buffer, size_t capacity, size_t *bytes, int64_t timeout_ns) {
    struct wanted m = {r, buffer, capacity, 0};
    if (was_evicted(r))
        join_again(r);
    int result = look_everywhere(&m);
    if (result == RP_EMPTY && r->seat != NULL) { /* all was read: writers that wait for a quarter of a lane need not */
        fence_compiler();
        uint64_t tickets = load_relaxed(&r->view.control->room_tickets, hint);
        if (eventcount_waited_for(tickets))
            gate_wake(r, tickets);
    }
    if (result == RP_EMPTY && timeout_ns == 0 && ring_removed(r->ring))
        result = fail(RP_GONE, "ring '%.80s' was removed", r->ring->name);
    if (result == RP_EMPTY && timeout_ns != 0)
        result = reader_wait(r, timeout_ns, look_again, &m);
    *bytes = m.bytes;
    return result;
}

static ALWAYS_INLINE int read_one(rp_reader *r, void *buffer, size_t capacity, size_t *bytes, int64_t timeout_ns) {
    if (likely(!was_evicted(r) && look_ahead(r, buffer, capacity, bytes)))
        return 0;
    return read_slowly(r, buffer, capacity, bytes, timeout_ns);
}

/* What a batch left for this call. */
static __attribute__((noinline)) int take_pending(rp_reader *r) {
    int pending = r->pending;
    r->pending = 0;
    return pending;
}

RP_API int rp_read(rp_reader *r, void *buffer, size_t capacity, size_t *bytes, int64_t timeout_ns) {
    if (r == NULL || ring_is_inherited(r->canary) || bytes == NULL || (buffer == NULL && capacity > 0))
        return refuse(r, "rp_read: no place for the message, or for its length");
    if (likely(r->pending == 0))
        return read_one(r, buffer, capacity, bytes, timeout_ns);
    *bytes = 0;
    return take_pending(r);
}

RP_API int rp_read_batch(rp_reader *r, struct rp_read_item *items, uint32_t count, int64_t timeout_ns) {
    if (r == NULL || ring_is_inherited(r->canary) || items == NULL || count == 0 || count > INT32_MAX)
        return refuse(r, "rp_read_batch: no items");
    for (uint32_t i = 0; i < count; i++)
        if (items[i].buffer == NULL && items[i].capacity > 0)
            return refuse(r, "rp_read_batch: an item without a buffer");
    if (r->pending != 0)
        return take_pending(r);
    uint32_t done = 0;
    int result = 0;
    for (; done < count; done++) {
        struct rp_read_item *item = &items[done];
        result = read_one(r, item->buffer, item->capacity, &item->bytes, done == 0 ? timeout_ns : 0);
        if (result < 0)
            break;
        item->sequence = r->status.sequence;
        item->lane = r->status.lane;
    }
    if (done == 0)
        return result;
    if (result == RP_LAPPED || result == RP_CORRUPT)
        r->pending = result;
    return (int)done;
}

RP_API int rp_reader_status(const rp_reader *r, struct rp_reader_status *out) {
    if (r == NULL || ring_is_inherited(r->canary) || out == NULL)
        return refuse(r, "rp_reader_status: no place for the result");
    *out = r->status;
    out->lanes = r->lanes;
    return 0;
}

RP_API int rp_reader_next_sequence(const rp_reader *r, uint32_t lane, uint64_t *out) {
    if (r == NULL || ring_is_inherited(r->canary) || out == NULL || lane >= r->view.p.max_writers)
        return refuse(r, "rp_reader_next_sequence: no such lane, or no place for the result");
    if (r->cursors[lane].number == NUMBER_UNKNOWN)
        return RP_EMPTY;
    *out = r->cursors[lane].number;
    return 0;
}
