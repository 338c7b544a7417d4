/* SPDX-License-Identifier: MIT */
/* Sends under an id: each id is a message once, and who is told of a message that was sent before is told the truth. */
#include "witness_log.h"

#include <errno.h>

#define EACH(e) (const struct event *e = witness.events; e < witness.events + witness.count; e++)

void witness_once(struct rp_send_options *o, const uint8_t *once) {
    if (*once != 0) {
        o->dedup_id = once;
        o->dedup_id_bytes = 1;
    }
}

static bool unknown(const struct event *e) { return e->result == UNKNOWN; }

/* A send that was killed may have been told of another message just before: the id that it left is that one's. */
static bool is_anothers(const struct event *send) {
    for
        EACH(e)
    if (e->kind == SEND && e != send && e->id == send->id && (e->result == 0 || unknown(e)))
        return true; /* of two that were killed it is one's: neither is held to it */
    return false;
}

bool witness_vouched(const struct event *send) {
    for
        EACH(e)
    if (e->kind == SEND && e->result == RP_DUPLICATE && e->once == send->once && e->id == send->id)
        return !is_anothers(send);
    return false;
}

/* Is it a message for sure? */
static bool was_sent(const struct event *send) {
    if (send->result == 0)
        return true;
    for
        EACH(e)
    if (e->kind == RECEIVED && e->tag == send->tag)
        return true;
    return unknown(send) && witness_vouched(send);
}

/* May the window of the one have been over when the other was sent? It begins with the commit, of which only the call's ends are known where somebody was stopped, or time jumped. */
static bool window_over(const struct event *first, const struct event *then) {
    bool sharp = first->result == 0 && !sim_jumped() && !(sim_frozen() >> first->who & 1);
    if (unknown(then)) /* by one who was killed: before time went on, unless it jumped */
        return sim_jumped() || !(sim_killed() >> then->who & 1);
    return then->end_ns > (sharp ? first->end_ns : first->begin_ns) + witness.window_ns;
}

static const char *name(const struct event *e) { return rp_error_name(e->result); }

/* -> messages under one id beyond the first within the window */
static unsigned count_again(const struct event *e) {
    unsigned again = 0;
    if (!was_sent(e))
        return 0;
    for
        EACH(f) {
            if (f <= e || f->kind != SEND || f->once != e->once || !was_sent(f))
                continue;
            if (!window_over(e, f) && !window_over(f, e)) {
                if (witness.forgotten == 0)
                    sim_fail("messages %x and %x were both sent under id %u", e->tag, f->tag, (unsigned)e->once);
                again++;
            }
        }
    return again > 0;
}

static void check_duplicate(const struct event *e) {
    for
        EACH(f)
    if (f->kind == SEND && f != e && f->once == e->once && f->id == e->id && (f->result == 0 || unknown(f)) && f->begin < e->end)
        return;
    sim_fail("message %x was said to be a duplicate of message %llu, which nobody sent under id %u", e->tag,
             (unsigned long long)e->id, (unsigned)e->once);
}

static void check_busy(const struct event *e) {
    for
        EACH(f)
    if (f->kind == SEND && f != e && f->once == e->once && f->begin < e->end && (unknown(f) || f->end > e->begin))
        return;
    sim_fail("message %x: %s, and nobody was sending under id %u", e->tag, name(e), (unsigned)e->once);
}

void witness_judge_once(void) {
    unsigned again = 0;
    for
        EACH(e) {
            if (e->kind != SEND || e->once == 0)
                continue;
            again += count_again(e);
            if (e->result == RP_DUPLICATE)
                check_duplicate(e);
            else if (e->result == -EBUSY)
                check_busy(e);
        }
    if (again > witness.forgotten + (unsigned)__builtin_popcount(sim_killed())) /* who dies while he forgets does not count it */
        sim_fail("%u messages were sent again under their ids, %u ids were forgotten", again, witness.forgotten);
}

/* Whatever became of the participants, nothing is undecided. */
void witness_finish_once(void) {
    bool used[256] = {false};
    struct desk d;
    for
        EACH(e)
    if (e->kind == SEND)
        used[e->once] = true;
    witness_open(&d);
    for (unsigned round = 0; round < 4; round++) {
        sim_advance_ns(UINT64_C(2000000000));
        witness_sweep(&d);
        while (witness_receive(&d, 0) == 0)
            witness_ack(&d, 0);
    }
    for (unsigned id = 1; id < 256; id++)
        if (used[id] && witness_send_once(&d, (uint8_t)id, 0, 0) == -EBUSY)
            sim_fail("id %u is undecided, and nobody is there", id);
    witness_close(&d);
    witness_finish();
}
