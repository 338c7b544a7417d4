/* SPDX-License-Identifier: MIT */
#include "wait.h"
#include "futex.h"
#include "sweep.h"
#include <errno.h>

enum {
    SPIN_MIN = 100,
    SPIN_MAX = 1000,
    LATE_NAP_NS = 100000,
    CHECKS_PER_PAUSE = 2, /* a pause is 25 to 50 ns, and as much too late on average by half */
#ifdef RP_SIM
    YIELDS = 0 /* each would let the waker finish before anybody sleeps */
#else
    YIELDS = 20
#endif
};

bool wait_interrupted(struct actor *a) {
    uint32_t now = load_acquire(&a->queue->interrupts, interrupts);
    bool yes = now != a->interrupts_seen;
    a->interrupts_seen = now;
    return yes;
}

/* Spins and yields. -> what look said. */
static int wait_awake(struct wait *w) {
    struct actor *a = w->actor;
    uint32_t rounds = a->alone ? 0 : a->spin < SPIN_MIN ? SPIN_MIN : a->spin;
    int result;
    for (uint32_t i = 0; i < rounds; i++) {
        if (i % CHECKS_PER_PAUSE == 0)
            spin_pause();
        if (!w->promising(w->context))
            continue;
        if ((result = w->look(w->context)) != w->not_yet) {
            a->spin = rounds * 2 < SPIN_MAX ? rounds * 2 : SPIN_MAX;
            return result;
        }
    }
    a->spin = rounds / 2;
    for (int i = 0; i < YIELDS; i++) {
        spin_yield();
        if ((result = w->look(w->context)) != w->not_yet)
            return result;
    }
    return w->not_yet;
}

/* A stretch of looking, some 30 us long where nothing is promising; a single look on the only processor. */
static int spin_once(const struct wait *w) {
    int result = w->look(w->context);
    for (uint32_t i = w->actor->alone ? SPIN_MAX : 0; i < SPIN_MAX && result == w->not_yet; i++) {
        if (i % CHECKS_PER_PAUSE == 0)
            spin_pause();
        if (w->promising(w->context))
            result = w->look(w->context);
    }
    return result;
}

/* Between stretches it does what others do before they sleep, once a millisecond, and offers the processor to others. */
static int wait_spinning(const struct wait *w) {
    struct actor *a = w->actor;
    uint64_t now_ns = clock_boot_ns(), house_ns = now_ns;
    bool flushed = false;
    const uint64_t deadline_ns = wait_deadline_ns(now_ns, w->timeout_ns);
    for (;; now_ns = clock_boot_ns()) {
        if (now_ns - house_ns >= 1000000) {
            house_ns = now_ns;
            flushed = false;
            housekeeping(a, (now_ns - a->segment->epoch_boot_ns) / 1000000);
        }
        int result = spin_once(w);
        if (result != w->not_yet || now_ns >= deadline_ns)
            return result;
        if (wait_interrupted(a))
            return -EINTR;
        if (queue_is_gone(a->queue))
            return RP_GONE;
        if (!flushed)
            pool_flush(&a->pool); /* others may need what it keeps for itself */
        flushed = true;
        spin_yield();
    }
}

uint64_t wait_nap_ns(struct actor *a, uint64_t now_ns, uint64_t deadline_ns) {
    uint64_t nap = (uint64_t)TICK_MS * 1000000;
    uint64_t due_ms = load_seq_cst(&a->segment->control->next_due_ms, next_due);
    uint64_t now_ms = (now_ns - a->segment->epoch_boot_ns) / 1000000;
    if (due_ms <= now_ms)
        nap = 1000000;
    else if (due_ms - now_ms < TICK_MS)
        nap = (due_ms - now_ms) * 1000000;
    uint64_t timer_ns = timers_next(&a->timers), since_ns = now_ns - a->segment->epoch_boot_ns;
    if (timer_ns <= since_ns)
        nap = nap < LATE_NAP_NS ? nap : LATE_NAP_NS; /* somebody is at it */
    else if (timer_ns - since_ns < nap)
        nap = timer_ns - since_ns;
    if (deadline_ns - now_ns < nap)
        nap = deadline_ns - now_ns;
    return nap;
}

uint64_t wait_deadline_ns(uint64_t now_ns, int64_t timeout_ns) {
    return timeout_ns < 0 || (uint64_t)timeout_ns > UINT64_MAX - now_ns ? UINT64_MAX : now_ns + (uint64_t)timeout_ns;
}

int wait_for(struct wait *w) {
    struct actor *a = w->actor;
    if (w->timeout_ns == 0)
        return w->not_yet;
    if (a->strategy == RP_WAIT_SPIN)
        return wait_spinning(w);
    uint64_t deadline = 0; /* the clock is read when spinning did not help */
    for (;;) {
        int result = a->strategy == RP_WAIT_SLEEP ? w->not_yet : wait_awake(w);
        if (result != w->not_yet)
            return result;
        if (deadline == 0)
            deadline = wait_deadline_ns(clock_boot_ns(), w->timeout_ns);
        if (wait_interrupted(a))
            return -EINTR;
        if (queue_is_gone(a->queue))
            return RP_GONE;
        pool_flush(&a->pool);
        uint32_t prepared = eventcount_prepare(&w->event);
        housekeeping(a, segment_now_ms(a->segment));
        if (!MUTANT(sleep_no_last_look) && (result = w->look(w->context)) != w->not_yet)
            return result;
        uint64_t now = clock_boot_ns();
        if (now >= deadline)
            return w->not_yet;
        (void)eventcount_sleep(&w->event, prepared, wait_nap_ns(a, now, deadline));
        if (wait_interrupted(a))
            return -EINTR;
        if ((result = w->look(w->context)) != w->not_yet)
            return result;
    }
}
