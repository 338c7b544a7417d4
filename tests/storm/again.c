/* SPDX-License-Identifier: MIT */
#include "again.h"

#include <stdio.h>
#include <string.h>

/* number + 1:32 | producer:20 | bytes:12 */
static uint64_t note(const struct letter *l) { return (l->number + 1) << 32 | (uint64_t)l->producer % (1 << 20) << 12 | l->bytes; }
static void letter_of(uint64_t noted, struct letter *l) {
    letter_write(l, (noted >> 32) - 1, (uint32_t)(noted >> 12) % (1 << 20), (uint32_t)noted % (1 << 12));
}

void again_note(struct worker *w, unsigned i, const struct letter *l) {
    if (sends_again(w->storm->variant))
        atomic_store(&w->tallies->unsure[i], note(l));
}

void again_forget(struct worker *w, unsigned i) {
    if (sends_again(w->storm->variant))
        atomic_store(&w->tallies->unsure[i], 0);
}

/* The first note is made first, and goes last. */
static bool too_far_ahead(uint64_t number) {
    for (unsigned slot = 0; slot < LEDGER_WORKERS; slot++) {
        uint64_t noted = atomic_load_explicit(&ledger->workers[slot].unsure[0], memory_order_relaxed) >> 32;
        if (noted != 0 && number > noted + AHEAD_MAX)
            return true;
    }
    return false;
}

void again_hold_back(struct worker *w, uint64_t number) {
    while (w->storm->variant->ids && too_far_ahead(number) && !storm_ends())
        worker_breathe(w, 200);
}

void again_mark(const struct variant *v, const uint64_t *number, struct rp_send_options *o) {
    if (v->ids) {
        o->dedup_id = number;
        o->dedup_id_bytes = sizeof *number;
    }
    if (v->numbered)
        o->sequence = *number + 1;
}

int again_open(struct worker *w, rp_queue *q, rp_producer **out) {
    struct rp_producer_options o;
    char name[24];
    rp_producer_options_init(&o, sizeof o);
    const uint32_t shards = w->storm->variant->shards;
    o.shard = shards > 0 ? 1 + w->slot % shards : 0;
    if (w->storm->variant->numbered) {
        o.shard = shards > 0 ? 1 + (uint32_t)worker_random(w, shards) : 0; /* whoever takes over may run elsewhere */
        o.id = name;
        o.id_bytes = (size_t)snprintf(name, sizeof name, "worker %u", w->slot);
    }
    return rp_producer_open(q, &o, out);
}

static int send(struct worker *w, rp_producer *p, const struct letter *l) {
    struct rp_send_options o;
    letter_way(w->storm->variant, &l->producer, &o);
    again_mark(w->storm->variant, &l->number, &o);
    o.timeout_ns = 0;
    int result = rp_send(p, l, l->bytes, &o);
    atomic_fetch_add_explicit(&w->tallies->again, 1, memory_order_relaxed);
    if (result == RP_DUPLICATE)
        atomic_fetch_add_explicit(&w->tallies->duplicates, 1, memory_order_relaxed);
    return result;
}

void again_at_once(struct worker *w, rp_producer *p, const struct letter *l) {
    if (!sends_again(w->storm->variant) || worker_random(w, 4) != 0)
        return;
    int result = send(w, p, l);
    if (result != RP_DUPLICATE)
        ledger_violation("message %llu was sent, and again: %s", (unsigned long long)l->number, rp_error_name(result));
}

static bool one_again(struct worker *w, rp_producer *p, const struct letter *l) {
    unsigned was = ledger_mark(l->number).sent;
    int result;
    if (was != SENT_INTENT && was != SENT_DONE) /* not begun, or refused */
        return true;
    do {
        result = send(w, p, l);
        if (result == RP_FULL || was_paused(w, result))
            worker_breathe(w, 100);
    } while ((result == RP_FULL || was_paused(w, result)) && !storm_ends());
    if (result == RP_FULL || was_paused(w, result))
        return false;
    if (result != RP_DUPLICATE && (result != 0 || was == SENT_DONE))
        ledger_violation("message %llu of one who was killed is sent again: %s: %s", (unsigned long long)l->number,
                         rp_error_name(result), rp_error_detail());
    ledger_send_ended(l->number, true);
    return true;
}

bool again_is_due(const struct worker *w) {
    uint64_t due = 0;
    for (unsigned i = 0; i < LEDGER_UNSURE; i++)
        due |= atomic_load(&w->tallies->unsure[i]);
    return due != 0;
}

bool again_all(struct worker *w, rp_producer *p) {
    for (unsigned i = 0; i < LEDGER_UNSURE; i++) {
        uint64_t noted = atomic_load(&w->tallies->unsure[i]);
        struct letter l;
        if (noted == 0)
            continue;
        letter_of(noted, &l);
        if (!one_again(w, p, &l))
            return false;
    }
    for (unsigned i = LEDGER_UNSURE; i-- > 0;)
        again_forget(w, i);
    return true;
}
