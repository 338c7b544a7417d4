/* SPDX-License-Identifier: MIT */
/* What people want to know about a ring. */
#include "error.h"
#include "gate.h"
#include <errno.h>
#include <string.h>

/* Messages of a lane. */
static int count_messages(const struct ring_view *v, uint32_t lane, uint64_t *out) {
    struct cursor c;
    cursor_begin(v, &c, lane);
    int result = cursor_join_newest(v, &c);
    *out = c.number == NUMBER_UNKNOWN ? load_relaxed(&c.lane->number, stat) + 1 : c.number;
    return result;
}

static uint32_t lanes_of(const struct ring_view *v) {
    uint64_t used = load_acquire(&v->control->lanes_used, lanes_used);
    return used < v->p.max_writers ? (uint32_t)used : v->p.max_writers;
}

RP_API int rp_ring_info(rp_ring *ring, struct rp_ring_info *out) {
    int result = ring_check(ring);
    if (result < 0 || out == NULL)
        return result < 0 ? result : fail(-EINVAL, "rp_ring_info: no place for the result");
    const struct ring_view *v = &ring->view;
    *out = (struct rp_ring_info){
        .segment_bytes = ring->bytes,
        .created_ns = v->created_wall_ns,
        .gate_timeout_ns = v->p.gate_timeout_ns,
        .evictions = counter_read(&v->control->evictions),
        .slots = v->p.slots,
        .slot_bytes = v->p.slot_bytes,
        .message_bytes = v->p.message_bytes,
        .max_writers = v->p.max_writers,
        .max_readers = v->p.max_readers,
        .overflow = v->p.overflow,
        .lanes = lanes_of(v),
        .no_wakeups = load_relaxed(&v->control->no_barrier, stat) != 0,
    };
    for (uint32_t i = 0; i < out->lanes; i++) {
        uint64_t written;
        if (count_messages(v, i, &written) == 0)
            out->written += written;
    }
    return 0;
}

static uint32_t holder_of(rp_ring *ring, uint32_t seat) {
    pthread_mutex_lock(&ring->prober_mutex);
    enum liveness l = liveness_probe(&ring->prober, seat);
    pthread_mutex_unlock(&ring->prober_mutex);
    return l == LIVENESS_DEAD ? RP_HOLDER_NONE : l == LIVENESS_ALIVE ? RP_HOLDER_ALIVE : RP_HOLDER_UNKNOWN;
}

static void copy_name(char to[16], a64 from[2]) {
    for (unsigned i = 0; i < 2; i++) {
        uint64_t word = load_relaxed(&from[i], stat);
        memcpy(to + 8 * i, &word, 8);
    }
    to[15] = 0;
}

RP_API int rp_ring_lane(rp_ring *ring, uint32_t index, struct rp_ring_lane *out) {
    int result = ring_check(ring);
    if (result < 0 || out == NULL)
        return result < 0 ? result : fail(-EINVAL, "rp_ring_lane: no place for the result");
    if (index >= lanes_of(&ring->view))
        return RP_EMPTY;
    struct ring_lane *lane = &ring->view.lanes[index];
    *out = (struct rp_ring_lane){
        .holder = holder_of(ring, index),
        .pid = (uint32_t)load_relaxed(&lane->pid, stat),
        .opened = load_relaxed(&lane->opened, stat),
        .opened_ns = load_relaxed(&lane->opened_wall_ns, stat),
    };
    copy_name(out->name, lane->name);
    return count_messages(&ring->view, index, &out->written);
}

/* How far behind the lane's newest message. */
static uint64_t slots_behind(const struct ring_view *v, struct gate_seat *seat, uint32_t lane) {
    uint64_t newest = load_acquire(&v->lanes[lane].newest, newest), at = load_acquire(&seat->position[lane], gate_position);
    return newest >= at && newest != 0 ? newest - at + 1 : 0;
}

RP_API int rp_ring_seat(rp_ring *ring, uint32_t index, struct rp_ring_seat *out) {
    int result = ring_check(ring);
    if (result < 0 || out == NULL)
        return result < 0 ? result : fail(-EINVAL, "rp_ring_seat: no place for the result");
    const struct ring_view *v = &ring->view;
    if (v->p.overflow != RP_RING_GATE || index >= v->p.max_readers)
        return RP_EMPTY;
    struct gate_seat *seat = ring_seat(v, index);
    uint64_t word = load_acquire(&seat->word, gate_seat);
    *out = (struct rp_ring_seat){
        .holder = holder_of(ring, v->p.max_writers + index),
        .pid = (uint32_t)load_relaxed(&seat->pid, stat),
        .joined_ns = load_relaxed(&seat->joined_wall_ns, stat),
        .evicted = seat_state(word) == SEAT_EVICTED,
    };
    copy_name(out->name, seat->name);
    for (uint32_t i = 0; i < lanes_of(v) && seat_state(word) != SEAT_FREE; i++) {
        uint64_t behind = slots_behind(v, seat, i);
        if (behind > out->behind) {
            out->behind = behind;
            out->lane = i;
        }
    }
    return 0;
}
