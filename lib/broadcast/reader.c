/* SPDX-License-Identifier: MIT */
/* Opening and closing readers, and how they wait. */
#include "barrier.h"
#include "clock.h"
#include "error.h"
#include "futex.h"
#include "gate.h"
#include "options.h"
#include <errno.h>
#include <stdlib.h>

#define MS_NS UINT64_C(1000000)

enum {
    SPIN_MIN = 100,
    SPIN_MAX = 2000,
    CHECKS_PER_PAUSE = 2, /* as in lib/queue/wait.c */
    NAP_MIN_NS = 50000,
    NAME_CHECK_MS = 100,
#ifdef RP_SIM
    YIELDS = 0 /* each would let the writer finish before anybody sleeps */
#else
    YIELDS = 20
#endif
};

RP_API void rp_reader_options_init(struct rp_reader_options *o, size_t size) {
    const struct rp_reader_options defaults = {.size = sizeof defaults, .poll_ns = RING_NAP_MS * MS_NS};
    options_fill(o, size, &defaults, sizeof defaults);
}

/* ---- opening ---- */

/* All cursors where they begin. Lanes that nobody has used yet have no messages, so each way is their beginning. */
static void place_cursors(struct rp_reader *r, const struct rp_reader_options *o) {
    const struct ring_view *v = &r->view;
    uint64_t used = load_acquire(&v->control->lanes_used, lanes_used);
    r->lanes = used < v->p.max_writers ? (uint32_t)used : v->p.max_writers;
    for (uint32_t i = 0; i < v->p.max_writers; i++) {
        struct cursor *c = &r->cursors[i];
        int result = 0;
        cursor_begin(v, c, i);
        if (i < r->lanes)
            result = o->from == RP_FROM_NEWEST ? cursor_join_newest(v, c) : cursor_join_oldest(v, c);
        if (result < 0) { /* rp_read says so; the other lanes are read */
            cursor_close(c);
            c->number = NUMBER_UNKNOWN;
            c->damaged = true;
        }
        if (o->from == RP_FROM_SEQUENCE && i < o->sequence_count) {
            c->number = o->sequences[i];
            c->skips = true;
        }
        if (r->seat != NULL && r->seat_word != 0)
            gate_move(r, i);
    }
}

static int take_seat(struct rp_reader *r, const struct rp_reader_options *o) {
    struct rp_ring *ring = r->ring;
    uint32_t seat;
    int result = hold_take(ring, r->view.p.max_writers, r->view.p.max_readers, &r->hold, &seat);
    if (result == RP_NO_SEAT)
        return fail(RP_NO_SEAT, "ring '%.80s': all %u seats have readers", ring->name, r->view.p.max_readers);
    if (result < 0)
        return result;
    place_cursors(r, o);
    hold_register(ring);
    r->seat = ring_seat(&r->view, seat);
    gate_join(r);
    return 0;
}

static int check_options(const struct rp_reader_options *o) {
    if (o->from > RP_FROM_SEQUENCE || o->observe > 1 || o->poll_ns < NAP_MIN_NS || o->poll_ns > 1000 * MS_NS ||
        (o->sequences == NULL && o->sequence_count > 0))
        return fail(-EINVAL, "rp_reader_options: from, observe, poll_ns or sequences are not what is allowed");
    for (uint32_t i = 0; i < o->sequence_count && o->from == RP_FROM_SEQUENCE; i++)
        if (o->sequences[i] == NUMBER_UNKNOWN)
            return fail(-EINVAL, "rp_reader_options: there is no message %llu", (unsigned long long)NUMBER_UNKNOWN);
    return o->reserved != 0 ? fail(-E2BIG, "rp_reader_options: a reserved field is not 0") : 0;
}

RP_API int rp_reader_open(rp_ring *ring, const struct rp_reader_options *given, rp_reader **out) {
    struct rp_reader_options o;
    rp_reader_options_init(&o, sizeof o);
    int result = ring_check(ring);
    if (result < 0 || (result = options_take(&o, sizeof o, given, "rp_reader_options")) < 0 || (result = check_options(&o)) < 0)
        return result;
    if (out == NULL)
        return fail(-EINVAL, "rp_reader_open: no place for the result");
    struct rp_reader *r = calloc(1, sizeof *r + ring->view.p.max_writers * sizeof r->cursors[0]);
    if (r == NULL)
        return fail(-ENOMEM, "no memory for a reader of ring '%.80s'", ring->name);
    r->ring = ring;
    r->canary = ring->canary;
    r->view = ring->view;
    r->interrupts_seen = load_relaxed(&ring->interrupts, own);
    r->poll_ns = o.poll_ns;
    r->alone = spin_budget_ns() == 0;
    if (r->view.p.overflow == RP_RING_GATE && !ring->read_only && !o.observe)
        result = take_seat(r, &o);
    if (result == 0 && (r->seat == NULL || !MUTANT(gate_starts_early)))
        place_cursors(r, &o); /* with a seat once more: what was read before writers could see it does not count */
    (void)fetch_add_relaxed(&ring->handles, 1, own);
    if (result == 0)
        *out = r;
    else
        rp_reader_close(r);
    return result;
}

RP_API void rp_reader_close(rp_reader *r) {
    if (r == NULL || ring_is_inherited(r->canary))
        return;
    if (r->seat != NULL)
        gate_leave(r);
    hold_release(&r->hold);
    (void)fetch_add_relaxed(&r->ring->handles, UINT32_MAX, own);
    free(r);
}

/* ---- waiting ---- */

static int look_awake(struct rp_reader *r, int (*look)(void *context), void *context) {
    uint32_t rounds = r->alone ? 0 : r->spin < SPIN_MIN ? SPIN_MIN : r->spin;
    int result;
    for (uint32_t i = 0; i < rounds; i++) {
        if (i % CHECKS_PER_PAUSE == 0)
            spin_pause();
        if ((result = look(context)) != RP_EMPTY) {
            r->spin = rounds * 2 < SPIN_MAX ? rounds * 2 : SPIN_MAX;
            return result;
        }
    }
    r->spin = rounds / 2;
    for (int i = 0; i < YIELDS; i++) {
        spin_yield();
        if ((result = look(context)) != RP_EMPTY)
            return result;
    }
    return RP_EMPTY;
}

static bool is_gone(struct rp_reader *r, uint64_t now_ns) {
    if (now_ns - r->checked_ns < NAME_CHECK_MS * MS_NS)
        return ring_removed(r->ring);
    r->checked_ns = now_ns;
    return ring_removed(r->ring) || ring_notice_removal(r->ring);
}

/*
 * Announces itself, looks once more and sleeps until it is woken, for `most_ns` or a tick. A writer looks at the tickets after it published, and has no fence in between; so the barrier comes
 * from here: after it, either the last look finds the message, or the writer finds the ticket. Where the kernel has none the sleep is a nap.
 */
static int sleep_until_woken(struct rp_reader *r, uint64_t most_ns, int (*look)(void *context), void *context) {
    struct eventcount e = ring_sleepers(&r->view);
    uint32_t prepared = eventcount_prepare(&e);
    bool sure = barrier_others() && load_relaxed(&r->view.control->no_barrier, hint) == 0;
    int result = look(context);
    if (result != RP_EMPTY && !MUTANT(ring_no_last_look))
        return result;
    uint64_t longest_ns = sure ? RING_TICK_MS * MS_NS : r->poll_ns;
    (void)eventcount_sleep(&e, prepared, most_ns < longest_ns ? most_ns : longest_ns);
    return look(context);
}

static void nap(uint64_t ns) {
    a32 nobody = 0;
    (void)futex_wait(&nobody, 0, ns);
}

int reader_wait(struct rp_reader *r, int64_t timeout_ns, int (*look)(void *context), void *context) {
    uint64_t deadline_ns = 0, nap_ns = NAP_MIN_NS; /* the clock is read when spinning did not help */
    for (;;) {
        int result = look_awake(r, look, context);
        if (result != RP_EMPTY)
            return result;
        if (ring_interrupted(r->ring, &r->interrupts_seen))
            return -EINTR;
        uint64_t now_ns = clock_boot_ns();
        if (deadline_ns == 0)
            deadline_ns = timeout_ns < 0 ? UINT64_MAX : now_ns + (uint64_t)timeout_ns;
        if (is_gone(r, now_ns)) /* what was written before is read first */
            return (result = look(context)) == RP_EMPTY ? fail(RP_GONE, "ring '%.80s' was removed", r->ring->name) : result;
        if (now_ns >= deadline_ns)
            return RP_EMPTY;
        uint64_t left_ns = deadline_ns - now_ns;
        if (r->ring->read_only) {
            nap(nap_ns < left_ns ? nap_ns : left_ns);
            result = look(context);
            nap_ns = nap_ns * 2 < r->poll_ns ? nap_ns * 2 : r->poll_ns;
        } else {
            result = sleep_until_woken(r, left_ns, look, context);
        }
        if (result != RP_EMPTY)
            return result;
    }
}
