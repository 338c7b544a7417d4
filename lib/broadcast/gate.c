/* SPDX-License-Identifier: MIT */
#include "gate.h"
#include "barrier.h"
#include "clock.h"
#include "error.h"
#include "futex.h"
#include "process.h"
#include <errno.h>
#include <limits.h>

#define MS_NS UINT64_C(1000000)

/* ---- the reader's side ---- */

static void describe(struct gate_seat *seat) {
    union {
        char text[16];
        uint64_t words[2];
    } name;
    process_name(name.text);
    store_relaxed(&seat->name[0], name.words[0], own);
    store_relaxed(&seat->name[1], name.words[1], own);
    store_relaxed(&seat->pid, process_pid(), own);
    store_relaxed(&seat->joined_wall_ns, clock_wall_ns(), own);
}

void gate_move(struct rp_reader *r, uint32_t lane) {
    store_release(&r->seat->position[lane], r->cursors[lane].position, gate_position);
}

void gate_join(struct rp_reader *r) {
    struct gate_seat *seat = r->seat;
    uint64_t word = load_acquire(&seat->word, gate_seat);
    while (seat_state(word) == SEAT_ACTIVE &&
           !cas_acq_rel(&seat->word, &word, seat_make(SEAT_FREE, seat_generation(word)), gate_seat)) {
    } /* of a dead one; who else changes it does the same, or evicts */
    if (r->seat_word == 0)
        describe(seat);
    for (uint32_t lane = 0; lane < r->view.p.max_writers; lane++)
        gate_move(r, lane); /* what was there before is less, so it would hold writers back for nothing */
    word = load_acquire(&seat->word, gate_seat);
    r->seat_word = seat_make(SEAT_ACTIVE, seat_generation(word) + 1);
    store_release(&seat->word, r->seat_word, gate_seat);
    fence_seq_cst();
}

void gate_leave(struct rp_reader *r) {
    uint64_t word = r->seat_word;
    (void)cas_acq_rel(&r->seat->word, &word, seat_make(SEAT_FREE, seat_generation(word)), gate_seat);
    uint64_t tickets = load_relaxed(&r->view.control->room_tickets, hint);
    if (eventcount_waited_for(tickets))
        gate_wake(r, tickets);
}

void gate_wake(struct rp_reader *r, uint64_t tickets) {
    struct eventcount e = ring_waiting_writers(&r->view);
    if (!MUTANT(gate_wakes_nobody))
        eventcount_wake_sleepers(&e, tickets, INT_MAX);
}

/* ---- the writer's side ---- */

/* The least position of active readers in this lane; the writer's own if there are none. */
static uint64_t least_position(const struct rp_writer *w) {
    uint64_t least = w->position;
    fence_seq_cst();
    for (uint32_t i = 0; i < w->view.p.max_readers; i++) {
        struct gate_seat *seat = ring_seat(&w->view, i);
        if (seat_state(load_acquire(&seat->word, gate_seat)) != SEAT_ACTIVE)
            continue;
        uint64_t position = load_acquire(&seat->position[w->index], gate_position);
        least = position < least ? position : least;
    }
    return least;
}

static bool has_room(struct rp_writer *w, uint64_t count) {
    w->limit = least_position(w) + w->view.p.slots;
    return w->position + count <= w->limit;
}

/* Is the owner of this seat, which was ACTIVE before, certainly dead? */
static bool is_dead(struct rp_ring *ring, uint32_t seat) {
    pthread_mutex_lock(&ring->prober_mutex);
    enum liveness l = liveness_probe(&ring->prober, ring->view.p.max_writers + seat);
    if (l == LIVENESS_GONE)
        store_relaxed(&ring->gone, 1, hint);
    pthread_mutex_unlock(&ring->prober_mutex);
    return l == LIVENESS_DEAD;
}

/* Those who hold back this write: the dead lose their seats, and with `evict` the living as well. */
static void clear_the_way(struct rp_writer *w, uint64_t count, bool evict) {
    uint64_t needed = w->position + count - w->view.p.slots;
    for (uint32_t i = 0; i < w->view.p.max_readers; i++) {
        struct gate_seat *seat = ring_seat(&w->view, i);
        uint64_t word = load_acquire(&seat->word, gate_seat);
        if (seat_state(word) != SEAT_ACTIVE || load_acquire(&seat->position[w->index], gate_position) >= needed)
            continue;
        if ((is_dead(w->ring, i) && !MUTANT(gate_keeps_dead)) || MUTANT(gate_frees_living))
            (void)cas_acq_rel(&seat->word, &word, seat_make(SEAT_FREE, seat_generation(word)), gate_seat);
        else if (evict && cas_acq_rel(&seat->word, &word, seat_make(SEAT_EVICTED, seat_generation(word)), gate_seat))
            counter_add_shared(&w->view.control->evictions, 1);
    }
}

/* Sleeps until readers went on, or for a while. */
static void sleep_for_room(struct rp_writer *w, uint64_t count, uint64_t nap_ns) {
    struct eventcount e = ring_waiting_writers(&w->view);
    uint32_t prepared = eventcount_prepare(&e);
    bool sure = barrier_others() && load_relaxed(&w->view.control->no_barrier, hint) == 0;
    if (has_room(w, count) && !MUTANT(gate_sleeps_blindly))
        return;
    uint64_t most_ns =
        sure ? RING_TICK_MS / 5 * MS_NS : RING_NAP_MS * MS_NS; /* a reader wakes us at each quarter of the lane only */
    (void)eventcount_sleep(&e, prepared, nap_ns < most_ns ? nap_ns : most_ns);
}

enum {
    SPINS = 2000,
    SPINS_PER_CLOCK = 32,
#ifdef RP_SIM
    YIELDS = 0 /* each would let the reader finish before anybody sleeps */
#else
    YIELDS = 20
#endif
};

int gate_wait(struct rp_writer *w, uint64_t count) {
    if (has_room(w, count))
        return 0;
    uint64_t now_ns = clock_boot_ns(), end_ns = now_ns + w->view.p.gate_timeout_ns;
    for (int i = 0, spins = spin_budget_ns() == 0 ? 0 : SPINS; i < spins + YIELDS && now_ns < end_ns; i++) {
        i < spins ? spin_pause() : spin_yield();
        if (has_room(w, count))
            return 0;
        if (i >= spins || i % SPINS_PER_CLOCK == 0)
            now_ns = clock_boot_ns();
    }
    for (;;) {
        clear_the_way(w, count, now_ns >= end_ns);
        if (has_room(w, count))
            return 0;
        if (ring_removed(w->ring))
            return fail(RP_GONE, "ring '%.80s' was removed", w->ring->name);
        if (ring_interrupted(w->ring, &w->interrupts_seen))
            return -EINTR;
        sleep_for_room(w, count, now_ns < end_ns ? end_ns - now_ns : 0);
        if (has_room(w, count))
            return 0;
        now_ns = clock_boot_ns();
    }
}
