/* SPDX-License-Identifier: MIT */
/*
 * Consumers in event loops. A descriptor is in one of two states, which only its consumer changes:
 *
 *     open     readable: its timer is over, or it was rung and not drained. So it begins, and so it is after each receive that found anything
 *     armed    after a receive that found nothing: readable as soon as it is rung or its timer is over
 *
 * Armed means asleep, in the sense of eventcount.h: drain, arm, draw a ticket, look again. Either that look sees what was sent, or the sender sees the ticket and then the armed bell. Drained after
 * the look, it would lose the ring of a sender in between. The timer is set last, from times that were read after the ticket was drawn: who makes an earlier one wakes those who have tickets. What a
 * ring that was lost (its sender killed, its name removed) leaves undone, the timer finds within a tick.
 */
#include "error.h"
#include "process.h"
#include "receive.h"
#include "sweep.h"
#include "wait.h"
#include <errno.h>
#include <stdlib.h>

enum { NAME_CHECK_MS = 1000 };

struct doorbell {
    struct bell bell;
    struct bell_seat seat;
    uint64_t armed; /* 0: open */
    uint64_t next_check_ms;
};

RP_API int rp_consumer_fd(rp_consumer *c) {
    int result = receive_check(c);
    if (result < 0)
        return result;
    if (c->doorbell != NULL)
        return c->doorbell->bell.descriptor;
    struct doorbell *d = calloc(1, sizeof *d);
    if (d == NULL)
        return fail(-ENOMEM, "no memory for a consumer's descriptor");
    result = bell_open(&d->bell);
    if (result == 0) {
        result = bells_take(c->actor.segment, c->actor.seat, c->group, &d->bell, &d->seat);
        if (result < 0)
            bell_close(&d->bell);
    }
    if (result < 0) {
        free(d);
        return result;
    }
    c->doorbell = d;
    return d->bell.descriptor;
}

/* A collector that took it for dead in the moment in which it was bound may have removed the name. */
static void mend(struct rp_consumer *c, uint64_t now_ms) {
    struct doorbell *d = c->doorbell;
    const struct segment *s = c->actor.segment;
    if (now_ms < d->next_check_ms)
        return;
    d->next_check_ms = now_ms + NAME_CHECK_MS;
    if (bells_hold(s, &d->seat))
        return;
    struct bell_seat next;
    if (bells_take(s, c->actor.seat, c->group, &d->bell, &next) < 0)
        return; /* the timer must do */
    bells_leave(s, &d->seat);
    d->seat = next;
}

static int look_again(struct rp_consumer *c, struct rp_message *m) { return m == NULL ? receive_ahead(c) : receive_next(c, m); }

int doorbell_arm(struct rp_consumer *c, struct rp_message *m) {
    struct doorbell *d = c->doorbell;
    struct actor *a = &c->actor;
    mend(c, segment_now_ms(a->segment));
    if (!MUTANT(bell_drained_late))
        bell_drain(&d->bell);
    d->armed = bells_arm(a->segment, &d->seat);
    if (!MUTANT(bell_without_ticket))
        (void)eventcount_prepare(&c->ready);
    housekeeping(a, segment_now_ms(a->segment));
    int result = MUTANT(bell_no_second_look) ? RP_EMPTY : look_again(c, m);
    if (receive_nothing(result) && wait_interrupted(a))
        result = -EINTR;
    if (receive_nothing(result) && queue_is_gone(a->queue))
        result = fail(RP_GONE, "queue '%s' was removed", a->queue->name);
    if (receive_nothing(result)) {
        if (MUTANT(bell_drained_late))
            bell_drain(&d->bell);
        bell_after(&d->bell, wait_nap_ns(a, clock_boot_ns(), UINT64_MAX));
    } else {
        d->armed = 0;
        bell_after(&d->bell, 0);
    }
    return result;
}

/* Something was found, and there may be more: readable until nothing is. Usually that needs no system call: it was rung, and not drained. */
static void found(struct rp_consumer *c) {
    struct doorbell *d = c->doorbell;
    if (d->armed == 0)
        return;
    if (!bells_rung(c->actor.segment, &d->seat, d->armed) && !MUTANT(bell_found_quiet))
        bell_after(&d->bell, 0);
    d->armed = 0;
}

int doorbell_receive(struct rp_consumer *c, struct rp_message *m, int result) {
    if (receive_nothing(result))
        return doorbell_arm(c, m);
    found(c);
    return result;
}

void doorbell_leave(struct rp_consumer *c) {
    if (c->doorbell != NULL)
        bells_leave(c->actor.segment, &c->doorbell->seat);
}

void doorbell_free(struct rp_consumer *c) {
    if (c->doorbell != NULL)
        bell_close(&c->doorbell->bell);
    free(c->doorbell);
}
