/* SPDX-License-Identifier: MIT */
/* The verdict on pauses and drains: nobody passes a side that is paused, and once a drain said that nothing is left, nothing comes. */
#include "witness_log.h"

#define EACH(e) (const struct event *e = witness.events; e < witness.events + witness.count; e++)

static bool before(const struct event *a, const struct event *b) { return a->end <= b->begin; }

static bool ever_paused; /* by anybody */

/* Had nobody begun to resume the sides before `until` ended, since `from` began? */
static bool stays_paused(const struct event *from, const struct event *until, uint8_t sides) {
    for
        EACH(r)
    if (r->kind == RESUME && (r->lane & sides) != 0 && !before(r, from) && r->begin < until->end)
        return false;
    return true;
}

/* A side was paused before the call, and nobody resumed it until the call was over. */
static bool was_paused(const struct event *e, uint8_t side) {
    if (!ever_paused)
        return false;
    for
        EACH(p)
    if ((p->kind == PAUSE || p->kind == DRAIN) && (p->lane & side) && p->result != UNKNOWN && before(p, e) &&
        stays_paused(p, e, side))
        return true;
    return false;
}

/* Was there any pause that the call may have met? */
static bool may_be_paused(const struct event *e) {
    for
        EACH(p)
    if ((p->kind == PAUSE || p->kind == DRAIN) && p->begin < e->end)
        return true;
    return false;
}

static bool has_loan(uint32_t tag) {
    for
        EACH(e)
    if (e->kind == LOAN && e->tag == tag && e->result == 0)
        return true;
    return false;
}

static const struct event *send_of(uint32_t tag) {
    for
        EACH(e)
    if (e->kind == SEND && e->tag == tag)
        return e;
    return NULL;
}

/* A message that was there before the drain began was acked by a call that began after `sent` had ended: so at the moment that the drain speaks of, `sent` was there. */
static bool held_meanwhile(const struct event *d, const struct event *sent) {
    for
        EACH(a) {
            const struct event *s = a->kind == ACK && a->result == 0 && a->tag != sent->tag ? send_of(a->tag) : NULL;
            if (s && s->result == 0 && before(s, d) && before(sent, a))
                return true;
        }
    return false;
}

static void judge_drain(const struct event *d) {
    for
        EACH(e) {
            if (e->kind == SEND && e->result == 0 && !before(e, d) && e->end > d->end && stays_paused(d, e, RP_SIDE_SEND))
                sim_fail("message %x was sent after a drain had said that nothing is left", e->tag);
            if (e->kind != RECEIVED || !before(d, e))
                continue;
            const struct event *s = send_of(e->tag);
            if (s && s->result == 0 && !witness.expect.redrives && held_meanwhile(d, s))
                sim_fail("message %x was there when a drain said that nothing is left", e->tag);
            if (stays_paused(d, e, RP_SIDE_SEND) ||
                (s && stays_paused(d, s, RP_SIDE_SEND) && s->begin < d->end && !witness.expect.redrives))
                sim_fail("message %x was received after a drain had said that nothing is left", e->tag);
        }
}

void witness_judge_flow(void) {
    ever_paused = false;
    for
        EACH(e) ever_paused |= e->kind == PAUSE || e->kind == DRAIN;
    for
        EACH(e) {
            if (e->kind == DRAIN && e->result == 0)
                judge_drain(e);
            if (e->kind == SEND && e->result == 0 && !has_loan(e->tag) && was_paused(e, RP_SIDE_SEND))
                sim_fail("message %x was sent while sending was paused", e->tag);
            if (e->kind == LOAN && e->result == 0 && was_paused(e, RP_SIDE_SEND))
                sim_fail("memory for message %x was lent while sending was paused", e->tag);
            if (e->kind == REDRIVE && e->result > 0 && was_paused(e, RP_SIDE_SEND))
                sim_fail("letters were redriven while sending was paused");
            if (e->kind == RECEIVED && was_paused(e, RP_SIDE_RECEIVE))
                sim_fail("message %x was received while receiving was paused", e->tag);
            if (e->result == RP_PAUSED && !may_be_paused(e))
                sim_fail("a call said PAUSED, and nobody had paused");
        }
}
