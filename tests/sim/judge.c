/* SPDX-License-Identifier: MIT */
/*
 * The verdict. Everything is derived from what calls returned and in which order they ended; a call whose caller died in it may have happened or not.
 */
#include "sim_journal.h"
#include "witness_log.h"

#include <stdio.h>
#include <string.h>

#define EACH(e) (const struct event *e = witness.events; e < witness.events + witness.count; e++)

/* Which group is judged: what others receive and settle is not seen. */
static unsigned judged;
static const struct event *made, *removed; /* that group: as witness_group_event says */
static bool seen(const struct event *e) {
    switch (e->kind) {
    case EMPTY:
    case RECEIVED:
    case ACK:
    case NACK:
    case REJECT:
    case EXTEND:
    case VIEW_END:
    case DIED: return e->group == judged;
    default: return true;
    }
}

/* The events of one message, in order. */
enum { MESSAGES_EACH = 256 };
static uint16_t first_of[SIM_FIBERS][MESSAGES_EACH], next_of[EVENTS]; /* event + 1 */

static const struct event *first(uint32_t tag) {
    uint16_t i = first_of[(tag >> 16) - 1][tag & 0xffff];
    return i ? &witness.events[i - 1] : NULL;
}
static const struct event *next(const struct event *e) {
    uint16_t i = next_of[e - witness.events];
    return i ? &witness.events[i - 1] : NULL;
}
#define EACH_OF(e, tag) (const struct event *e = first(tag); e; e = next(e))

static void sort_by_message(void) {
    memset(first_of, 0, sizeof first_of);
    for (unsigned i = witness.count; i-- > 0;) {
        uint32_t tag = witness.events[i].tag;
        next_of[i] = 0;
        if (tag == 0 || !seen(&witness.events[i]))
            continue;
        if ((tag & 0xffff) >= MESSAGES_EACH)
            sim_fail("too many messages for the judge");
        uint16_t *head = &first_of[(tag >> 16) - 1][tag & 0xffff];
        next_of[i] = *head;
        *head = (uint16_t)(i + 1);
    }
}

static bool before(const struct event *a, const struct event *b) { return a->end <= b->begin; }
static bool unknown(const struct event *e) { return e->result == UNKNOWN; }

/* ---- one message ---- */

struct account {
    const struct event *send;
    unsigned received, acked, perhaps_acked;
    bool died; /* was a dead letter: its counts began again */
};

/* A group is for what is sent after it was made, and before it is removed. What overlaps may go either way. */
static bool was_for_group(const struct event *send) {
    bool there = judged == 0 || (made && made->result == 0 && (before(made, send) || witness_past_gets(made, send)));
    return there && !removed; /* a group that was removed may have lost anything */
}
/* One that waits is for the groups that are there when its time comes: before somebody receives it, in whichever group. */
static bool was_ready_before(const struct event *send) {
    if (!send->delay_ns)
        return before(send, made);
    for
        EACH(e)
    if (e->kind == RECEIVED && e->tag == send->tag && before(e, made))
        return true;
    return false;
}
static void check_group(const struct event *e, const struct account *a) {
    if (made && !witness_past_gets(made, a->send) && was_ready_before(a->send))
        sim_fail("message %x was received in group g%u, which was made after it was sent", e->tag, judged);
    if (removed && removed->result == 0 && (before(removed, a->send) || before(removed, e)))
        sim_fail("message %x was received in group g%u, which was removed before", e->tag, judged);
}

static void check_receipt(const struct event *e, const struct account *a) {
    check_group(e, a);
    if (a->send->result != 0 && !unknown(a->send))
        sim_fail("message %x was received although its send said %s", e->tag, rp_error_name(a->send->result));
    if (a->send->id != e->id && !(unknown(a->send) && a->send->id == 0))
        sim_fail("message %x was sent as %llu and received as %llu", e->tag, (unsigned long long)a->send->id,
                 (unsigned long long)e->id);
    if (e->end <= a->send->begin)
        sim_fail("message %x was received before it was sent", e->tag);
    if (a->send->delay_ns && e->end_ns < a->send->begin_ns + a->send->delay_ns)
        sim_fail("message %x was received %.3f ms early", e->tag,
                 (double)(a->send->begin_ns + a->send->delay_ns - e->end_ns) / 1e6);
    if (a->send->ttl_ns && !a->died && e->begin_ns > a->send->end_ns + a->send->delay_ns + a->send->ttl_ns && !unknown(a->send))
        sim_fail("message %x was received after its time was over", e->tag);
    if (e->acquisitions < 1 || e->deliveries < 1 || e->deliveries > e->acquisitions)
        sim_fail("message %x: acquisition %u, delivery %u", e->tag, e->acquisitions, e->deliveries);
}

static void check_pair(const struct event *a, const struct event *b, bool anew) {
    if (a->kind == ACK && a->result == 0 && b->kind == RECEIVED && before(a, b))
        sim_fail("message %x was handed out as acquisition %u by a call that began after it was acked", a->tag, b->acquisitions);
    if (a->kind == PURGE && a->result == 1 && b->kind == RECEIVED && before(a, b))
        sim_fail("message %x was received by a call that began after it was cancelled", a->tag);
    if (a->kind == PURGE && a->result == 1 && b->kind == ACK && b->result == 0 && !witness.expect.groups)
        sim_fail("message %x was cancelled, and acked", a->tag);
    if (a->kind == PURGE && a->result == 1 && b->kind == PURGE && b->result == 1)
        sim_fail("message %x was cancelled twice", a->tag);
    if (anew)
        return;
    if (a->kind == RECEIVED && b->kind == RECEIVED && a < b && a->acquisitions == b->acquisitions)
        sim_fail("message %x was handed out twice as acquisition %u", a->tag, a->acquisitions);
    if (a->kind == ACK && a->result == 0 && b->kind == RECEIVED && b->acquisitions > a->acquisitions)
        sim_fail("message %x was acked as acquisition %u and handed out again as %u", a->tag, a->acquisitions, b->acquisitions);
    if (a->kind == RECEIVED && b->kind == ACK && b->result == 0 && a->acquisitions > b->acquisitions && before(a, b))
        sim_fail("message %x was acked as acquisition %u after it had been handed out as %u", a->tag, b->acquisitions,
                 a->acquisitions);
    if (a->kind == NACK && a->result == 0 && b->kind == ACK && b->result == 0 && b->acquisitions <= a->acquisitions)
        sim_fail("message %x was nacked as acquisition %u and acked as %u", a->tag, a->acquisitions, b->acquisitions);
}

static void gather(uint32_t tag, struct account *a) {
    *a = (struct account){0};
    for
        EACH_OF(e, tag) {
            switch (e->kind) {
            case SEND:
                a->send = e; /* the last attempt: a commit may be tried again */
                break;
            case RECEIVED: a->received++; break;
            case ACK:
                a->acked += e->result == 0;
                a->perhaps_acked += unknown(e);
                break;
            case DIED: a->died = true; break;
            default: break;
            }
        }
}

/* A lease that was granted: nobody else got the message before it was over, unless its holder died or gave it back. */
static void check_lease(const struct event *e, bool anew) {
    if (anew || witness.expect.purges || witness.expect.claims_ahead || (sim_killed() >> e->who & 1) || e->who == SIM_CREATOR)
        return;
    if (!(e->kind == RECEIVED || (e->kind == EXTEND && e->result == 0)))
        return;
    for
        EACH_OF(f, e->tag)
    if (f->who == e->who && f > e && (f->kind == NACK || f->kind == REJECT || f->kind == VIEW_END || f->kind == EXTEND))
        return; /* given back, or its time was changed */
    for
        EACH_OF(f, e->tag)
    if (f->kind == RECEIVED && f->acquisitions > e->acquisitions && f->end_ns + 2000000 < e->until_ns)
        sim_fail("message %x, acquisition %u, was delivered again %.3f ms before its lease was over", e->tag, e->acquisitions,
                 (double)(e->until_ns - f->end_ns) / 1e6);
}

/* Who is told that the lease is lost, while it is not over, has been robbed. */
static void check_extend(const struct event *x, bool anew) {
    if (x->kind != EXTEND || x->result != RP_LEASE_LOST || anew || witness.expect.purges || witness.expect.claims_ahead)
        return;
    for
        EACH_OF(e, x->tag)
    if (e->kind == RECEIVED && e->who == x->who && e->acquisitions == x->acquisitions && x->end_ns < e->until_ns)
        sim_fail("message %x, acquisition %u, could not be extended %.3f ms before its lease was over", x->tag, x->acquisitions,
                 (double)(e->until_ns - x->end_ns) / 1e6);
}

static unsigned lost, perhaps_lost;

static void judge_message(uint32_t tag) {
    struct account a;
    gather(tag, &a);
    if (!a.send) {
        if (a.received)
            sim_fail("message %x was received and never sent", tag);
        return;
    }
    for
        EACH_OF(e, tag) {
            if (e->kind == RECEIVED)
                check_receipt(e, &a);
            if (e->kind == PURGE && e->result == 1 && a.send->result != 0 && !unknown(a.send))
                sim_fail("message %x was cancelled although its send said %s", tag, rp_error_name(a.send->result));
            check_lease(e, a.died || witness.expect.redrives);
            check_extend(e, a.died || witness.expect.redrives);
        for
            EACH_OF(f, tag)
        if (f != e)
            check_pair(e, f, a.died || witness.expect.redrives);
        }
    if (a.acked > 1)
        sim_fail("message %x was acked %u times", tag, a.acked);
    if (a.acked > 0 || (a.send->result != 0 && !unknown(a.send)) || !was_for_group(a.send))
        return;
    if (a.perhaps_acked > 0 || (unknown(a.send) && !witness_vouched(a.send)))
        perhaps_lost++;
    else
        lost++;
}

/* ---- order ---- */

/* Was this the first time that the message was handed out? After it was dead, counts begin again: nobody knows. */
static bool first_time(const struct event *e) {
    if (e->kind != RECEIVED || e->acquisitions != 1 || witness.expect.redrives || !seen(e))
        return false;
    struct account a;
    gather(e->tag, &a);
    return !a.died;
}

/* Is there an order between the two at all? */
static bool lanes_agree(const struct event *e, const struct event *f) {
    struct account a, b;
    gather(e->tag, &a);
    gather(f->tag, &b);
    return !a.send || !b.send || a.send->lane == b.send->lane;
}

/* Of one producer, one that was sent later was handed out for the first time before one that was sent earlier was even asked for. */
static void judge_order(void) {
    const struct event *firsts[EVENTS];
    unsigned count = 0;
    for
        EACH(e)
    if (first_time(e))
        firsts[count++] = e;
    for (unsigned i = 0; i < count; i++)
        for (unsigned k = 0; k < count; k++) {
            const struct event *e = firsts[i], *f = firsts[k];
            if (f->tag >> 16 == e->tag >> 16 && f->tag < e->tag && lanes_agree(e, f) &&
                (before(e, f) || (e < f && e->who == f->who)))
                sim_fail("message %x was first delivered before message %x of the same producer", e->tag, f->tag);
        }
}

static void judge_ids(void) {
    const struct event *sends[EVENTS];
    unsigned count = 0;
    for
        EACH(e)
    if (e->kind == SEND && e->result == 0)
        sends[count++] = e;
    for (unsigned i = 0; i < count; i++)
        for (unsigned k = i + 1; k < count; k++) {
            if (sends[i]->id == sends[k]->id)
                sim_fail("messages %x and %x have the same id", sends[i]->tag, sends[k]->tag);
            if (sends[i]->who == sends[k]->who && sends[i]->id > sends[k]->id)
                sim_fail("ids of one producer: %llu, then %llu", (unsigned long long)sends[i]->id,
                         (unsigned long long)sends[k]->id);
        }
}

/* ---- EMPTY and FULL ---- */

/* ---- lanes ---- */

static bool same_lane(const struct event *a, const struct event *b) { return a->lane == b->lane; }

/* Was the message rejected, or dead: does it come back at its lane's end? */
static bool left_its_place(uint32_t tag, const struct account *a) {
    bool left = a->died;
    for
        EACH_OF(e, tag)
    left = left || e->kind == REJECT;
    return left;
}

/* Is there another message of the same key that was perhaps not done with at some moment of the call? */
static bool key_is_held(const struct account *a, const struct event *during) {
    for
        EACH(x) {
            if (x->kind != SEND || !same_lane(x, a->send) || x->tag == a->send->tag || (x->result != 0 && !unknown(x)) ||
                x->begin >= during->end)
                continue;
            bool done = false;
        for
            EACH_OF(e, x->tag)
        done = done || (e->kind == ACK && e->result == 0 && before(e, during));
        if (!done)
            return true;
        }
    return false;
}

/* How the holder of `e` settled it; NULL: not, or nobody knows. */
static const struct event *settlement(const struct event *e) {
    for
        EACH_OF(f, e->tag)
    if (f > e && f->who == e->who && (f->kind == ACK || f->kind == NACK || f->kind == REJECT))
        return f->result == 0 ? f : NULL;
    return NULL;
}

/* One key: strictly in order, retries included, and one at a time. */
static void judge_keys(void) {
    for
        EACH(e) {
            if (e->kind != RECEIVED || !seen(e))
                continue;
            struct account a, b;
            gather(e->tag, &a);
            if (!a.send)
                continue;
            const struct event *s = settlement(e);
        for
            EACH(f) {
                if (f->kind != RECEIVED || !seen(f) || f->tag == e->tag || !before(e, f))
                    continue;
                gather(f->tag, &b);
                if (!b.send || !same_lane(a.send, b.send))
                    continue;
                if (s && before(f, s))
                    sim_fail("message %x was received while message %x of the same key was held", f->tag, e->tag);
                bool earlier = before(b.send, a.send) || (b.send < a.send && b.send->who == a.send->who);
                if (earlier && !left_its_place(f->tag, &b) && !left_its_place(e->tag, &a))
                    sim_fail("message %x was received before message %x of the same key was done with", e->tag, f->tag);
            }
        }
}

/* Was the message, which `received` got later, ready all the time from before `empty` began? Sent and never taken, or given back at once. */
static bool was_there(const struct event *received, const struct event *empty) {
    struct account a;
    gather(received->tag, &a);
    if (!a.send || a.send->result != 0 || a.died || witness.expect.redrives)
        return false;
    if (witness.keyed && key_is_held(&a, empty))
        return false;
    if (received->acquisitions == 1) {
        bool waited = empty->end_ns > empty->begin_ns && !sim_jumped() && a.send->end_ns + 101000000 < empty->end_ns;
        return before(a.send, empty) || waited;
    }
    for
        EACH_OF(e, received->tag)
    if (e->kind == NACK && e->result == 0 && e->at_once && e->acquisitions + 1 == received->acquisitions)
        return before(e, empty);
    return false;
}

/* EMPTY is exact: a message that was there before the call, and was taken by a call after it, was there all the time. */
static void judge_empty(void) {
    if (witness.expect.queues_up)
        return;
    for
        EACH(e) {
            if (e->kind != EMPTY || e->result != RP_EMPTY || !seen(e) ||
                (sim_journal.there && !sim_journal_syncs)) /* else sends may return before */
                continue;
        for
            EACH(f)
        if (f->kind == RECEIVED && seen(f) && before(e, f) && was_there(f, e))
            sim_fail("a receive said EMPTY while message %x was there", f->tag);
        }
}

/* A message of a lower level is not received while one of a higher was there. */
static void judge_levels(void) {
    struct account a, b;
    for
        EACH(e) {
            if (e->kind != RECEIVED || !seen(e))
                continue;
            gather(e->tag, &a);
        for
            EACH(f) {
                if (f->kind != RECEIVED || !seen(f) || !before(e, f) || !was_there(f, e))
                    continue;
                gather(f->tag, &b);
                if (a.send && b.send->lane > a.send->lane)
                    sim_fail("message %x of level %u was received while message %x of level %u was there", e->tag,
                             (unsigned)a.send->lane, f->tag, (unsigned)b.send->lane);
            }
        }
}

/* Somebody who waits gets what is there within a tick, whoever is stopped. */
static void judge_patience(void) {
    const uint64_t tick_ns = 101000000;
    for
        EACH(e) {
            if (e->kind != RECEIVED || !seen(e) || sim_frozen() >> e->who & 1 || !first_time(e))
                continue;
            struct account a;
            gather(e->tag, &a);
            if (witness.keyed && key_is_held(&a, e))
                continue;
            /* A time that is known is waited for to the point, by a sleeper whom nobody disturbs. */
            uint64_t due_ns = a.send->end_ns + a.send->delay_ns, since_ns = due_ns > e->begin_ns ? due_ns : e->begin_ns;
            if (a.send->delay_ns && a.send->result == 0 && !sim_killed() && !sim_frozen() && e->end_ns > since_ns + 2000000)
                sim_fail("message %x was received %.3f ms late", e->tag, (double)(e->end_ns - since_ns) / 1e6);
            for
                EACH(r)
            if (r->kind == RESUME && r->begin < e->end && since_ns < (unknown(r) ? e->end_ns : r->end_ns))
                since_ns = unknown(r) ? e->end_ns : r->end_ns; /* it was paused, perhaps */
            if (a.send->result == 0 && since_ns + tick_ns < e->end_ns)
                sim_fail("a receiver waited %.0f ms for message %x, which was there", (double)(e->end_ns - a.send->end_ns) / 1e6,
                         e->tag);
        }
}

/* Was memory of the message in use, as far as anybody can tell, at some moment of the call? */
static bool occupies(const struct event *origin, const struct event *during) {
    if (origin->begin >= during->end || (origin->result != 0 && !unknown(origin) && before(origin, during)))
        return false;
    bool settled = false;
    for
        EACH_OF(e, origin->tag) {
            if (e->kind == ACK && e->result == 0 && before(e, during))
                settled = true;
            if (e->kind == ABANDON && e->result == 0 && before(e, during))
                settled = true;
        }
    if (!settled)
        return true;
    for
        EACH_OF(e, origin->tag) { /* a view keeps it */
            if (e->kind != RECEIVED)
                continue;
            bool ended = false;
        for
            EACH_OF(f, origin->tag)
        ended = ended || (f->who == e->who && f > e && before(f, during) &&
                          (f->kind == ACK || f->kind == NACK || f->kind == REJECT || f->kind == VIEW_END));
        if (!ended)
            return true;
        }
    return false;
}

static void judge_full(void) {
    for
        EACH(e) {
            if ((e->kind != SEND && e->kind != LOAN) || e->result != RP_FULL)
                continue;
            unsigned held = 0;
        for
            EACH(f)
        if ((f->kind == LOAN || f->kind == SEND) && f->tag != e->tag) {
            bool counted = false; /* a loan and its commit are one message */
                for
                    EACH_OF(g, f->tag)
                counted = counted || (g < f && (g->kind == LOAN || g->kind == SEND));
                held += !counted && occupies(f, e);
        }
        if (held < (witness.expect.full_at ? witness.expect.full_at : witness.capacity))
            sim_fail("message %x: FULL while %u of %u places were in use", e->tag, held, witness.capacity);
        }
}

/* Messages that were sent and never acked: as many as were purged, evicted, or taken along by somebody who acked before he looked. */
static void judge_losses(void) {
    unsigned purged = 0, dead_letters = 0, taken_along = 0;
    bool purge_unknown = false; /* a removal takes all with it, and nothing is missed */
    for
        EACH(e) {
            if (e->kind == PURGE && e->group == judged && removed == NULL) {
                purge_unknown = purge_unknown || unknown(e);
                purged += e->result > 0 ? (unsigned)e->result : 0;
            }
            dead_letters += e->kind == DIED;
            taken_along += e->kind == EMPTY && seen(e) && e->at_most_once && unknown(e);
        }
    uint32_t room = witness.expect.evicts | witness.expect.refuses;
    if (room > 0 && dead_letters > room)
        sim_fail("a dead ring for %u letters holds %u", room, dead_letters);
    if (witness.expect.forwards)
        return;
    if (witness.expect.evicts) {
        if (lost > 0 && dead_letters < witness.expect.evicts)
            sim_fail("%u messages were dropped from the dead ring, which holds %u of %u", lost, dead_letters,
                     witness.expect.evicts);
        return;
    }
    unsigned dropped = witness.expect.drops && judged == witness.expect.lossy ? witness.dropped : 0;
    unsigned uncounted = witness.expect.drops ? (unsigned)__builtin_popcount(sim_killed()) : 0;
    if (lost > purged + taken_along + dropped + uncounted + witness.expect.expires && !purge_unknown) {
        for
            EACH(e) {
                struct account a = {0};
                if (e->kind == SEND && (e->result == 0 || (unknown(e) && witness_vouched(e))))
                    gather(e->tag, &a);
                if (a.send && !a.acked && !a.perhaps_acked)
                    sim_fail("message %x was sent and never acked (%u such, %u purged)", e->tag, lost, purged);
            }
    }
    if (lost + perhaps_lost < dropped && removed == NULL) /* what that one lost is not looked for */
        sim_fail("%u messages were counted as dropped, %u to %u are missing", dropped, lost, lost + perhaps_lost);
    if (lost + perhaps_lost < purged)
        sim_fail("%u messages were purged, %u to %u are missing", purged, lost, lost + perhaps_lost);
}

static void judge_group(unsigned group) {
    judged = group;
    made = witness_group_event(group, GROUP_CREATE);
    removed = witness_group_event(group, GROUP_REMOVE);
    lost = perhaps_lost = 0;
    sort_by_message();
    for (unsigned who = 0; who < SIM_FIBERS; who++)
        for (uint32_t n = 1; n <= witness.sent_by[who]; n++)
            judge_message((who + 1) << 16 | n);
    judge_losses();
    if (!witness.expect.claims_ahead && !witness.expect.waits)
        judge_order();
    if (witness.keyed && !witness.expect.purges)
        judge_keys();
    if (witness.levels && !witness.expect.ages && !witness.expect.purges && !witness.expect.claims_ahead)
        judge_levels();
    if (!witness.expect.purges && !witness.expect.claims_ahead && !witness.expect.waits)
        judge_empty();
    if (!sim_jumped())
        judge_patience();
}

/* Of two who make a group of one name, which nobody removes, one does. */
static void judge_names(void) {
    for
        EACH(e)
    for
        EACH(f)
    if (e->kind == GROUP_CREATE && f->kind == GROUP_CREATE && e != f && e->group == f->group && e->result == 0 && f->result == 0 &&
        !witness_group_event(e->group, GROUP_REMOVE))
        sim_fail("group g%u was made twice", e->group);
}

void witness_judge(void) {
    unsigned met = 1; /* groups that anything is known of, as bits */
    for
        EACH(e) met |= 1u << e->group;
    witness_judge_flow();
    for (unsigned g = 0; g < WITNESS_GROUPS; g++)
        if (met >> g & 1)
            judge_group(g);
    if (met > 1)
        judge_names();
    judge_ids();
    witness_judge_once();
    if (!witness.expect.purges && !witness.expect.evicts && !witness.expect.groups && !witness.expect.late_bytes)
        judge_full();
}
