/* SPDX-License-Identifier: MIT */
/* Survivors come upon what a dead process left: they mend, receive, ack, and look whether all is in its place. */
#include "step.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 24, SWEEPS = 16 };

struct court {
    struct world *world;
    const struct scenario *scenario;
    struct verdict *verdict;
    struct party survivor;
    unsigned delivered[SERIALS], dead[SERIALS];
    bool extended[SERIALS]; /* by the neighbour, who was told that it is his */
    bool goes_on;           /* with work and forwarding, as the book says */
    bool told;              /* that the letter which was sent again is there */
    uint64_t newest[2];     /* per sender: ids of first deliveries ascend */
};

static void __attribute__((format(printf, 2, 3))) violation(struct verdict *v, const char *format, ...) {
    if (v->violated)
        return;
    va_list arguments;
    v->violated = true;
    va_start(arguments, format);
    vsnprintf(v->text, sizeof v->text, format, arguments);
    va_end(arguments);
}
#define object(court, ...) violation((court)->verdict, __VA_ARGS__)

/* ---- what survivors do ---- */

static void take_one(struct court *k, const struct rp_message *m, bool orders) {
    int serial = letter_read(m->data, m->bytes);
    if (serial < 0 || k->world->book->before[serial] == 0) {
        object(k, "message %llu is no letter, or nobody sent it", (unsigned long long)m->id);
        return;
    }
    k->delivered[serial]++;
    uint64_t *newest = &k->newest[serial >= VICTIM_SERIALS];
    if (k->world->book->redriven[serial]) /* its counts begin anew */
        return;
    if (orders && m->acquisitions == 1 && m->id <= *newest)
        object(k, "letter %d (id %llu) is delivered for the first time after id %llu of the same producer", serial,
               (unsigned long long)m->id, (unsigned long long)*newest);
    if (m->acquisitions == 1)
        *newest = m->id;
}

/* As the one before him would have. */
static int settle(struct court *k, struct rp_message *m) {
    const struct book *b = k->world->book;
    unsigned serial = (unsigned)letter_read(m->data, m->bytes);
    if (k->goes_on && serial == b->forwarded && serial != 0) {
        int result = work_forward(b, &k->survivor, m);
        return result == 1 ? 0 : result;
    }
    if (k->goes_on && serial == b->work && serial != 0) {
        int result = work_ask(&k->survivor, m);
        k->verdict->work = result == RP_DUPLICATE ? WORK_DONE : WORK_UNDONE;
        if (result != 0 && result != RP_DUPLICATE)
            return result;
    }
    return rp_ack(k->survivor.consumer, m);
}

static void receive_all(struct court *k, bool orders) {
    struct rp_message m;
    int result;
    while ((result = rp_receive(k->survivor.consumer, &m, 0)) == 0) {
        take_one(k, &m, orders);
        if (!k->verdict->violated && (result = settle(k, &m)) != 0)
            object(k, "a survivor's ack, or what comes before it: %s: %s", rp_error_name(result), rp_error_detail());
        if (k->verdict->violated)
            return;
    }
    if (result != RP_EMPTY)
        object(k, "a survivor's receive: %s: %s", rp_error_name(result), rp_error_detail());
}

static void sweep(struct court *k) {
    int mended = 1;
    for (unsigned i = 0; i < SWEEPS && mended > 0; i++)
        mended = rp_queue_sweep(k->survivor.queue);
    if (mended != 0)
        object(k, "sweep number %d still mends %d things", (int)SWEEPS, mended);
}

static struct rp_queue_stats stats(struct court *k) {
    struct rp_queue_stats s;
    must(rp_queue_stats(k->survivor.queue, &s) == 0);
    return s;
}

static void let_pass(struct court *k, uint64_t ms) {
    world_let_pass(k->world, ms);
    k->survivor.queue->segment.epoch_boot_ns -= ms * 1000000;
}

/* Until nothing is left but dead letters, and `kept` messages that the neighbour keeps. */
static void drain(struct court *k, unsigned kept, bool orders) {
    struct rp_queue_stats s = {0};
    for (unsigned round = 0; round < ROUNDS && !k->verdict->violated; round++) {
        if (round > 0)
            let_pass(k, MINUTE_MS);
        sweep(k);
        receive_all(k, orders);
        s = stats(k);
        if (s.ready + s.delayed == 0 && s.leased == kept)
            return;
    }
    object(k, "in the end %llu are ready, %llu leased, %llu delayed", (unsigned long long)s.ready, (unsigned long long)s.leased,
           (unsigned long long)s.delayed);
}

static unsigned list_dead(struct court *k) {
    struct rp_dead_letter letter;
    unsigned char data[LETTER_BYTES];
    unsigned count = 0;
    for (uint64_t after = 0; rp_dead_peek(k->survivor.queue, NULL, after, &letter, data, sizeof data) == 0; after = letter.id) {
        int serial = letter_read(data, letter.bytes);
        if (serial < 0 || k->world->book->before[serial] == 0)
            object(k, "dead letter %llu is none, or nobody sent it", (unsigned long long)letter.id);
        else
            k->dead[serial]++;
        count++;
    }
    return count;
}

/* ---- the neighbour ---- */

/* -> how many messages he keeps beyond all time that will pass. */
static unsigned neighbour_begins(struct court *k, enum neighbour neighbour) {
    struct party *n = &k->world->neighbour;
    unsigned extended = 0;
    for (unsigned i = 0; i < n->held_count; i++) {
        int serial = letter_read(n->held[i].data, n->held[i].bytes);
        if (serial < 0) {
            object(k, "what the neighbour sees is no letter any more");
        } else if (neighbour == ACKS_AT_ONCE) {
            int result = rp_ack(n->consumer, &n->held[i]);
            if (result == 0)
                k->verdict->fate[serial] = FATE_GONE;
            else if (result != RP_LEASE_LOST)
                object(k, "the neighbour's ack: %s", rp_error_name(result));
        } else if (neighbour == EXTENDS && rp_extend(n->consumer, &n->held[i], UINT64_C(86400000000000)) == 0) {
            k->verdict->fate[serial] = FATE_GONE; /* for he will ack it */
            k->extended[serial] = true;
            extended++;
        }
    }
    return extended;
}

static void neighbour_ends(struct court *k, enum neighbour neighbour) {
    struct party *n = &k->world->neighbour;
    for (unsigned i = 0; i < n->held_count; i++) {
        int serial = letter_read(n->held[i].data, n->held[i].bytes);
        if (neighbour == ACKS_AT_ONCE)
            break;
        if (serial < 0) {
            object(k, "a view of the neighbour's has other bytes by now");
            break;
        }
        int expected = k->extended[serial] ? 0 : RP_LEASE_LOST;
        int result = rp_ack(n->consumer, &n->held[i]);
        if (result != expected)
            object(k, "the neighbour's late ack of letter %d: %s, not %s", serial, rp_error_name(result), rp_error_name(expected));
    }
    n->held_count = 0;
}

/* ---- who goes on with what the dead one had begun ---- */

static uint64_t sequence_of(rp_producer *p) {
    uint64_t last;
    must(rp_producer_sequence(p, &last) == 0);
    return last;
}

/* The dead one's producer is free at once, and knows what it sent. */
static rp_producer *take_over(struct court *k) {
    const struct book *b = k->world->book;
    rp_producer *p;
    int result = numbered_open(k->survivor.queue, &p);
    if (result != 0) {
        object(k, "the dead one's producer cannot be opened: %s: %s", rp_error_name(result), rp_error_detail());
        return NULL;
    }
    uint64_t last = sequence_of(p), expected = k->delivered[b->numbered] > 0 ? b->numbered : b->sequence;
    if (last != expected && !(b->id_removed && last == 0))
        object(k, "the dead one's producer is at %llu, not %llu", (unsigned long long)last, (unsigned long long)expected);
    return p;
}

static void send_twice(struct court *k, rp_producer *p, unsigned serial) {
    const struct book *b = k->world->book;
    unsigned delivered = k->delivered[serial];
    if (k->told && delivered == 0)
        object(k, "letter %u was sent, a survivor was told, and it is not there", serial);
    int result = send_as_booked(b, p, serial), again = send_as_booked(b, p, serial);
    if (result != (delivered > 0 ? RP_DUPLICATE : 0) || again != RP_DUPLICATE)
        object(k, "letter %u was delivered %u times; it was sent again: %s, and again: %s", serial, delivered,
               rp_error_name(result), rp_error_name(again));
}

/* Nobody has swept: what the dead one had under way is undecided still. */
static void send_at_once(struct court *k) {
    const struct book *b = k->world->book;
    rp_producer *p = k->survivor.producer;
    int result = b->numbered ? numbered_open(k->survivor.queue, &p) : 0;
    if (result == 0) {
        result = send_as_booked(b, p, b->numbered ? b->numbered : b->once);
        if (b->numbered)
            rp_producer_close(p);
    }
    if (result != 0 && result != RP_DUPLICATE)
        object(k, "sent again at once: %s: %s", rp_error_name(result), rp_error_detail());
    k->told = true;
}

/* He who did not hear what became of it sends it again: then it is there, once. */
static void send_again(struct court *k) {
    const struct book *b = k->world->book;
    if (b->numbered == 0) {
        send_twice(k, k->survivor.producer, b->once);
        return;
    }
    rp_producer *p = take_over(k);
    if (p == NULL)
        return;
    if (!b->id_removed)
        send_twice(k, p, b->numbered);
    rp_producer_close(p);
    struct rp_producer_id left;
    int removed = numbered_remove(k->survivor.queue);
    if (removed != 0 || rp_producer_id_next(k->survivor.queue, 0, &left) != RP_EMPTY)
        object(k, "the dead one's producer id cannot be removed: %s", rp_error_name(removed));
}

/* Another message of the same work: it is done, unless it lies in the dead ring. */
static void work_again(struct court *k) {
    const struct book *b = k->world->book;
    struct rp_message m;
    if (b->work == 0 || k->verdict->violated)
        return;
    int expected = k->dead[b->work] > 0 ? 0 : RP_DUPLICATE, result = party_send(&k->survivor, 0);
    if (result == 0 && (result = rp_receive(k->survivor.consumer, &m, 0)) == 0)
        result = work_ask(&k->survivor, &m);
    if (result != expected || rp_ack(k->survivor.consumer, &m) != 0)
        object(k, "the same work once more: %s, not %s", rp_error_name(result), rp_error_name(expected));
}

/* What is paused stays so, and means it, until a survivor resumes. */
static void resume(struct court *k) {
    struct party *p = &k->survivor;
    struct rp_message m;
    struct rp_group_info group;
    int sides = rp_queue_paused(p->queue), result;
    must(sides >= 0 && rp_group_next(p->queue, 0, &group) == 0);
    k->verdict->paused = (uint8_t)((unsigned)sides | (group.paused ? PAUSED_GROUP : 0));
    if (k->verdict->paused == 0)
        return;
    if ((sides & RP_SIDE_SEND) && (result = party_send(p, 0)) != RP_PAUSED)
        object(k, "senders are paused, and a send gets %s", rp_error_name(result));
    if (((sides & RP_SIDE_RECEIVE) || group.paused) && (result = rp_receive(p->consumer, &m, 0)) != RP_PAUSED)
        object(k, "receivers are paused, and a receive gets %s", rp_error_name(result));
    must(rp_queue_resume(p->queue, RP_SIDE_SEND | RP_SIDE_RECEIVE) == 0 && rp_group_resume(p->queue, NULL) == 0);
}

/* All is settled: nobody who died is waited for. */
static void drained_at_once(struct court *k) {
    struct rp_drain_options o;
    rp_drain_options_init(&o, sizeof o);
    o.timeout_ns = 0;
    o.dead = 1;
    int left = rp_queue_drain(k->survivor.queue, &o);
    if (left != 0)
        object(k, "a drain of the empty queue waits for %d", left);
    must(rp_queue_resume(k->survivor.queue, RP_SIDE_SEND) == 0);
}

/* ---- what must be true ---- */

static void audit(struct court *k, const char *when, bool mended) {
    struct rp_audit a;
    must(rp_queue_audit(k->survivor.queue, &a) == 0);
    if (a.violations || a.unsettled || (mended && a.repairable))
        object(k, "audit %s: %llu violations, %llu unsettled, %llu repairable: %s", when, (unsigned long long)a.violations,
               (unsigned long long)a.unsettled, (unsigned long long)a.repairable, a.first);
}

/* Each message is in one place, and only one. */
static void settle_fates(struct court *k) {
    for (unsigned i = 0; i < SERIALS; i++) {
        if (k->world->book->before[i] == 0)
            continue;
        if (k->delivered[i] + k->dead[i] > 1)
            object(k, "letter %u: delivered %u times, %u times in the dead ring", i, k->delivered[i], k->dead[i]);
        uint8_t fate = k->dead[i] ? FATE_DEAD : k->delivered[i] ? FATE_DELIVERED : FATE_GONE;
        if (k->verdict->fate[i] != 0 && k->verdict->fate[i] != fate)
            object(k, "letter %u was acked or kept by the neighbour, yet is there again", i);
        if (k->world->book->kept[i] && k->verdict->fate[i] == 0 && fate == FATE_GONE && k->world->book->after[i] != FATE_GONE)
            object(k, "letter %u, which the neighbour held and did not ack, is lost", i);
        k->verdict->fate[i] = fate;
    }
}

static void everything_is_free(struct court *k, const char *when) {
    sweep(k);
    audit(k, when, true);
    struct rp_queue_stats s = stats(k);
    unsigned here = 1 + !k->world->neighbour_died;
    if (s.free_cells != s.cells || s.lingering || s.participants != here || s.participants_dead)
        object(k, "%s: %llu of %u cells are free, %llu lingering, %u participants, %u dead", when, (unsigned long long)s.free_cells,
               s.cells, (unsigned long long)s.lingering, s.participants, s.participants_dead);
}

/* Exactly so many messages fit as there are free cells; they come out in order, or, without keys in keyed lanes, in any. */
static void fill(struct court *k) {
    struct party *p = &k->survivor;
    unsigned room = (unsigned)stats(k).free_cells, sent = 0;
    struct rp_message m;
    while (party_send(p, sent) == 0)
        sent++;
    if (sent != room)
        object(k, "%u messages fit into %u free cells", sent, room);
    for (unsigned i = 0; i < sent && !k->verdict->violated; i++) {
        int result = rp_receive(p->consumer, &m, 0);
        int letter = result == 0 ? letter_read(m.data, m.bytes) : -1;
        bool right = k->world->options.lanes > 0 ? letter >= 0 && letter < (int)sent : letter == (int)i;
        if (!right || rp_ack(p->consumer, &m) != 0)
            object(k, "message %u of %u that were sent afterwards: %s", i, sent, rp_error_name(result));
    }
}

/* He attached before, and believes what was true then. */
static void neighbour_works_on(struct court *k) {
    struct party *n = &k->world->neighbour, *p = &k->survivor;
    struct rp_message m;
    if (party_send(n, 1) != 0 || rp_receive(p->consumer, &m, 0) != 0 || rp_ack(p->consumer, &m) != 0)
        object(k, "the neighbour cannot send to a survivor");
    if (party_send(p, 2) != 0 || rp_receive(n->consumer, &m, 0) != 0 || rp_ack(n->consumer, &m) != 0)
        object(k, "a survivor cannot send to the neighbour");
}

static void every_seat_can_be_taken(struct court *k) {
    rp_queue *q[SEATS];
    unsigned got = 0, expected = SEATS - 1 - !k->world->neighbour_died;
    while (got < SEATS && rp_queue_open(k->world->name, NULL, &q[got]) == 0)
        got++;
    if (got != expected)
        object(k, "%u seats can be taken, not %u", got, expected);
    while (got > 0)
        must(rp_queue_close(q[--got]) == 0);
}

static void proceed(struct court *k, enum neighbour neighbour) {
    struct world *w = k->world;
    audit(k, "of the crash itself", false);
    resume(k);
    k->goes_on = true;
    if (w->hasty)
        send_at_once(k);
    unsigned kept = w->neighbour_died ? 0 : neighbour_begins(k, neighbour);
    drain(k, kept, !k->world->options.lanes);
    if (w->book->once != 0 || w->book->numbered != 0) {
        send_again(k);
        drain(k, kept, false);
    }
    unsigned dead = list_dead(k);
    if (k->scenario->dead_letters && dead != (unsigned)k->scenario->dead_letters)
        object(k, "%u dead letters, not %d", dead, k->scenario->dead_letters);
    settle_fates(k);
    k->goes_on = false;
    work_again(k);
    sweep(k);
    audit(k, "after recovery", true);
    if (!w->neighbour_died && w->neighbour.held_count > 0) {
        fill(k); /* all memory is used again, but for what he sees */
        neighbour_ends(k, neighbour);
    }

    memset(k->delivered, 0, sizeof k->delivered);
    int redriven = rp_dead_redrive(k->survivor.queue, NULL, NULL);
    drain(k, 0, false);
    for (unsigned i = 0; i < SERIALS; i++)
        if (k->delivered[i] != k->dead[i])
            object(k, "dead letter %u was delivered %u times after it was redriven", i, k->delivered[i]);
    if (redriven != (int)dead || list_dead(k) != 0)
        object(k, "%u dead letters, %d redriven", dead, redriven);
    everything_is_free(k, "when all is received");
    drained_at_once(k);
    fill(k);
    if (!w->neighbour_died)
        neighbour_works_on(k);
    rp_producer_close(k->survivor.producer);
    rp_consumer_close(k->survivor.consumer);
    k->survivor.producer = NULL;
    k->survivor.consumer = NULL;
    everything_is_free(k, "at the end");
    every_seat_can_be_taken(k);
}

void judge(struct world *w, const struct scenario *s, const struct image *image, enum neighbour neighbour, struct verdict *v) {
    *v = (struct verdict){0};
    struct court k = {.world = w, .scenario = s, .verdict = v};
    world_restore(w, image->bytes);
    party_open(&k.survivor, w->name, RP_ACK_EXPLICIT, 0);
    proceed(&k, neighbour);
    party_close(&k.survivor);
}

void judge_fate(const struct book *b, const struct verdict *before, bool first, bool last, struct verdict *v) {
    for (unsigned i = 0, sent_before = 0; i < SERIALS && b != NULL; i++) {
        uint8_t was = b->before[i], is = v->fate[i];
        if (was == 0 || b->kept[i])
            continue;
        bool allowed = (!last && is == was) || (!first && is == b->after[i]);
        if (!allowed)
            violation(v, "letter %u has fate %u (gone 1, delivered 2, dead 4); before it was %u, afterwards %u", i, is, was,
                      b->after[i]);
        if (before != NULL && before->fate[i] != is && before->fate[i] != was)
            violation(v, "letter %u: fate %u, after it was %u one instruction earlier", i, is, before->fate[i]);
        if (b->ordered[i]) {
            if (sent_before && sent_before != i && v->fate[sent_before] == FATE_GONE && is != FATE_GONE)
                violation(v, "letter %u was sent, %u before it was not", i, sent_before);
            sent_before = i;
        }
    }
    if (b == NULL)
        return;
    if (!((!last && v->paused == b->paused_before) || (!first && v->paused == b->paused_after)) ||
        (before != NULL && before->paused != v->paused && before->paused != b->paused_before))
        violation(v, "paused is %u (send 1, receive 2, group 4); before it was %u, afterwards %u", v->paused, b->paused_before,
                  b->paused_after);
    if (v->work != WORK_UNASKED && !((!last && v->work == b->work_before) || (!first && v->work == b->work_after)))
        violation(v, "the work is in state %u (undone 1, done 2); before it was %u, afterwards %u", v->work, b->work_before,
                  b->work_after);
    if (before != NULL && before->work == WORK_DONE && v->work == WORK_UNDONE)
        violation(v, "the work was done, and is undone one instruction later");
}
