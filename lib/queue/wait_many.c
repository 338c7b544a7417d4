/* SPDX-License-Identifier: MIT */
/*
 * Waiting for several consumers: a ticket of each group, a look at each, and one sleep on all their epochs; or on their descriptors, where the kernel
 * cannot do that, or not with so many. A message that is found is claimed ahead, so that who is told of it has it.
 */
#include "error.h"
#include "futex.h"
#include "receive.h"
#include "sweep.h"
#include "wait.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

enum { LOOKS_PER_YIELD = 16 };

struct many {
    rp_consumer *const *consumers;
    unsigned count;
    unsigned first; /* whose turn it is */
    uint64_t deadline_ns;
};

int receive_ahead(struct rp_consumer *c) {
    if (c->ahead == NULL && (c->ahead = calloc(1, sizeof *c->ahead)) == NULL)
        return fail(-ENOMEM, "no memory for a message of queue '%s'", c->actor.queue->name);
    struct rp_message m;
    int result = receive_next(c, &m);
    if (result < 0)
        return result;
    if (c->ahead_first > 0)
        c->ahead_first--;
    else
        c->ahead_count = 1;
    c->ahead[c->ahead_first] = m;
    return 0;
}

/* Next comes whoever follows the one that was told of last; another one, if that was named twice. */
static unsigned whose_turn(const struct many *w) {
    unsigned last = w->count - 1, next;
    for (unsigned i = 0; i < w->count; i++)
        if (w->consumers[i]->served > w->consumers[last]->served)
            last = i;
    for (next = (last + 1) % w->count; next != last && w->consumers[next] == w->consumers[last];)
        next = (next + 1) % w->count;
    return next;
}

/* The latest of these, whichever threads and whatever calls with some of them came before. */
static int told(const struct many *w, unsigned told_of) {
    uint64_t latest = 0;
    for (unsigned i = 0; i < w->count; i++)
        latest = w->consumers[i]->served > latest ? w->consumers[i]->served : latest;
    w->consumers[told_of]->served = latest + 1;
    return (int)told_of;
}

/* Would a receive say anything but RP_EMPTY? */
static bool ready(struct rp_consumer *c) { return queue_is_gone(c->actor.queue) || !receive_nothing(receive_ahead(c)); }

static int look_at_all(const struct many *w) {
    for (unsigned n = 0; n < w->count; n++) {
        unsigned i = (w->first + n) % w->count;
        if (ready(w->consumers[i]))
            return told(w, i);
    }
    return RP_EMPTY;
}

static bool any_interrupted(const struct many *w) {
    bool any = false;
    for (unsigned i = 0; i < w->count; i++)
        any |= wait_interrupted(&w->consumers[i]->actor);
    return any;
}

/* ---- on futexes ---- */

/*
 * Until it runs, a waiter that was woken still counts as asleep for the other words, and some may have been named several times: each wake-up that it got and does not need is passed on, since whoever
 * sent it believes that a receiver comes. An epoch that did not move woke nobody.
 */
static void pass_on(const struct many *w, const uint32_t *prepared, unsigned told_of) {
    for (unsigned i = 0; i < w->count; i++) {
        const struct rp_consumer *c = w->consumers[i];
        if (i != told_of && load_seq_cst(c->ready.epoch, epoch) != prepared[i])
            group_wake(c->actor.segment, c->group, 1);
    }
}

/* One of the consumers never sleeps: then none does. */
static int spin_once(const struct many *w) {
    const uint64_t now_ns = clock_boot_ns();
    for (unsigned i = 0; i < w->count; i++) {
        struct actor *a = &w->consumers[i]->actor;
        housekeeping(a, (now_ns - a->segment->epoch_boot_ns) / 1000000);
    }
    for (uint32_t i = w->consumers[0]->actor.alone ? LOOKS_PER_YIELD - 1 : 0; i < LOOKS_PER_YIELD; i++) {
        int result = look_at_all(w);
        if (result != RP_EMPTY)
            return result;
        spin_pause();
    }
    for (unsigned i = 0; i < w->count; i++)
        pool_flush(&w->consumers[i]->actor.pool); /* others may need what they keep for themselves */
    spin_yield();
    return any_interrupted(w) ? -EINTR : RP_EMPTY;
}

/* One sleep at most. -> as rp_wait; RP_EMPTY also when the timeout is not over; -ENOSYS. */
static int sleep_once(const struct many *w) {
    a32 *epochs[FUTEX_WAIT_MOST];
    uint32_t prepared[FUTEX_WAIT_MOST];
    for (unsigned i = 0; i < w->count; i++) {
        struct rp_consumer *c = w->consumers[i];
        pool_flush(&c->actor.pool);
        epochs[i] = c->ready.epoch;
        prepared[i] = eventcount_prepare(&c->ready);
    }
    uint64_t now_ns = clock_boot_ns();
    for (unsigned i = 0; i < w->count; i++) {
        struct actor *a = &w->consumers[i]->actor;
        housekeeping(a, (now_ns - a->segment->epoch_boot_ns) / 1000000);
    }
    int result = MUTANT(wait_many_no_look) ? RP_EMPTY : look_at_all(w);
    if (result != RP_EMPTY)
        return result;
    now_ns = clock_boot_ns();
    if (now_ns >= w->deadline_ns)
        return RP_EMPTY;
    uint64_t nap_ns = UINT64_MAX;
    for (unsigned i = 0; i < w->count; i++) {
        uint64_t nap = wait_nap_ns(&w->consumers[i]->actor, now_ns, w->deadline_ns);
        nap_ns = nap < nap_ns ? nap : nap_ns;
    }
    int woken = futex_wait_any(epochs, prepared, MUTANT(wait_many_one) ? 1 : w->count, nap_ns);
    if (woken >= 0 && ready(w->consumers[woken])) { /* most often it is the one whose epoch was raised: the others need no look */
        pass_on(w, prepared, (unsigned)woken);
        return told(w, (unsigned)woken);
    }
    if (any_interrupted(w))
        return -EINTR;
    return woken == -ENOSYS ? -ENOSYS : look_at_all(w);
}

/* ---- on descriptors ---- */

static int arm_all(const struct many *w) {
    for (unsigned n = 0; n < w->count; n++) {
        unsigned i = (w->first + n) % w->count;
        int result = queue_is_gone(w->consumers[i]->actor.queue) ? RP_GONE : doorbell_arm(w->consumers[i], NULL);
        if (result == -EINTR) {
            (void)any_interrupted(w);
            return -EINTR;
        }
        if (!receive_nothing(result))
            return told(w, i);
    }
    return RP_EMPTY;
}

static int wait_on_descriptors(const struct many *w) {
    struct pollfd *fds = calloc(w->count, sizeof *fds);
    if (fds == NULL)
        return fail(-ENOMEM, "no memory to wait for %u consumers", w->count);
    int result = 0;
    for (unsigned i = 0; i < w->count && result >= 0; i++) {
        result = rp_consumer_fd(w->consumers[i]);
        fds[i] = (struct pollfd){.fd = result, .events = POLLIN};
    }
    while (result >= 0 && (result = arm_all(w)) == RP_EMPTY) {
        uint64_t now_ns = clock_boot_ns();
        if (now_ns >= w->deadline_ns)
            break;
        uint64_t left_ms = (w->deadline_ns - now_ns + 999999) / 1000000;
        if (poll(fds, w->count, left_ms < INT32_MAX ? (int)left_ms : INT32_MAX) < 0 && errno != EINTR)
            result = fail(-errno, "poll: %s", rp_error_text(-errno));
        else
            result = 0;
    }
    free(fds);
    return result;
}

/* ---- */

static int check(rp_consumer *const *consumers, size_t count, int64_t timeout_ns) {
    if (consumers == NULL || count == 0 || count > INT32_MAX || timeout_ns < -1)
        return fail(-EINVAL, "rp_wait: %s", timeout_ns < -1 ? "negative timeout" : "no consumers");
    for (size_t i = 0; i < count; i++) {
        int result = receive_check(consumers[i]);
        if (result < 0)
            return result;
    }
    return 0;
}

RP_API int rp_wait(rp_consumer *const *consumers, size_t count, int64_t timeout_ns) {
    int result = check(consumers, count, timeout_ns);
    if (result < 0)
        return result;
    struct many w = {.consumers = consumers, .count = (unsigned)count};
    w.first = whose_turn(&w);
    result = look_at_all(&w);
    if (result != RP_EMPTY || timeout_ns == 0)
        return result;
    if (any_interrupted(&w))
        return -EINTR;
    w.deadline_ns = wait_deadline_ns(clock_boot_ns(), timeout_ns);
    bool spins = false;
    for (unsigned i = 0; i < w.count; i++)
        spins |= consumers[i]->actor.strategy == RP_WAIT_SPIN;
    while (result == RP_EMPTY && (spins || w.count <= FUTEX_WAIT_MOST)) {
        result = spins ? spin_once(&w) : sleep_once(&w);
        if (result == RP_EMPTY && clock_boot_ns() >= w.deadline_ns)
            return RP_EMPTY;
    }
    return result == -ENOSYS || (w.count > FUTEX_WAIT_MOST && !spins) ? wait_on_descriptors(&w) : result;
}
