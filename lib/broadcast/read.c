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

/* A lane, if there is anything in it. */
static ALWAYS_INLINE int look_at_lane(rp_reader *r, uint32_t lane, struct rp_read_item *item) {
    struct cursor *c = &r->cursors[lane];
    uint64_t before = c->position, lost = 0;
    int result = cursor_read(&r->view, c, item->buffer, item->capacity, &item->bytes, &lost);
    if (result == RP_CORRUPT)
        cursor_close(c);
    if (r->seat != NULL && c->position != before)
        gate_passed(r, lane, before);
    if (result == 0) {
        item->sequence = r->status.sequence = c->number - 1;
        item->lane = r->status.lane = lane;
        r->status.read++;
    } else if (result == RP_LAPPED) {
        r->status.lane = lane;
        r->status.lost = lost;
        r->status.lost_all += lost;
    } else if (result == RP_CORRUPT) {
        r->status.lane = lane;
    }
    return result;
}

/* All lanes, from the one whose turn it is. */
static int look(rp_reader *r, struct rp_read_item *item) {
    uint32_t lane = r->turn;
    for (uint32_t i = 0; i < r->lanes; i++) {
        int result = look_at_lane(r, lane, item);
        uint32_t next = lane + 1 < r->lanes ? lane + 1 : 0;
        if (result != RP_EMPTY) {
            r->turn = result == 0 || result == RP_CORRUPT ? next : lane;
            return result;
        }
        lane = next;
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

enum { READS_PER_ASKING = 64 };

static int look_everywhere(rp_reader *r, struct rp_read_item *item) {
    if (r->status.read % READS_PER_ASKING == 0) /* or it would not ask while some lane is never empty */
        (void)more_lanes(r);
    int result = look(r, item);
    return result == RP_EMPTY && more_lanes(r) ? look(r, item) : result;
}

struct wanted {
    rp_reader *reader;
    struct rp_read_item *item;
};

static int look_again(void *context) {
    const struct wanted *w = context;
    return look_everywhere(w->reader, w->item);
}

/* Evicted: it takes part anew, where it stands. What it has lost it finds out by itself. */
static __attribute__((cold)) void join_again(rp_reader *r) {
    r->status.evicted++;
    gate_join(r);
}

static ALWAYS_INLINE int read_one(rp_reader *r, struct rp_read_item *item, int64_t timeout_ns) {
    if (r->seat != NULL && load_acquire(&r->seat->word, gate_seat) != r->seat_word)
        join_again(r);
    int result = look_everywhere(r, item);
    if (result != RP_EMPTY)
        return result;
    if (r->seat != NULL) { /* all was read: writers that wait for a quarter of a lane need not */
        fence_compiler();
        uint64_t tickets = load_relaxed(&r->view.control->room_tickets, hint);
        if (eventcount_waited_for(tickets))
            gate_wake(r, tickets);
    }
    if (timeout_ns == 0)
        return ring_removed(r->ring) ? fail(RP_GONE, "ring '%.80s' was removed", r->ring->name) : RP_EMPTY;
    struct wanted w = {r, item};
    return reader_wait(r, timeout_ns, look_again, &w);
}

RP_API int rp_read(rp_reader *r, void *buffer, size_t capacity, size_t *bytes, int64_t timeout_ns) {
    if (r == NULL || ring_is_inherited(r->canary) || bytes == NULL || (buffer == NULL && capacity > 0))
        return refuse(r, "rp_read: no place for the message, or for its length");
    struct rp_read_item item = {.buffer = buffer, .capacity = capacity};
    int result = r->pending;
    r->pending = 0;
    if (result == 0)
        result = read_one(r, &item, timeout_ns);
    *bytes = item.bytes;
    return result;
}

RP_API int rp_read_batch(rp_reader *r, struct rp_read_item *items, uint32_t count, int64_t timeout_ns) {
    if (r == NULL || ring_is_inherited(r->canary) || items == NULL || count == 0 || count > INT32_MAX)
        return refuse(r, "rp_read_batch: no items");
    for (uint32_t i = 0; i < count; i++)
        if (items[i].buffer == NULL && items[i].capacity > 0)
            return refuse(r, "rp_read_batch: an item without a buffer");
    int result = r->pending;
    r->pending = 0;
    if (result < 0)
        return result;
    uint32_t done = 0;
    while (done < count && (result = read_one(r, &items[done], done == 0 ? timeout_ns : 0)) == 0)
        done++;
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
