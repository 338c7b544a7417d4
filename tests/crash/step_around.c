/* SPDX-License-Identifier: MIT */
/* What a queue looks like when the victim comes to it. All of it is the neighbour's work, through the public calls. */
#include "step.h"
#include <stdlib.h>

const char *surroundings_name(enum surroundings around) {
    static const char *const names[] = {"empty", "few", "full", "wrapped", "random"};
    return names[around];
}

struct rp_queue_options scenario_options(const struct scenario *s, enum surroundings around) {
    struct rp_queue_options o;
    rp_queue_options_init(&o, sizeof o);
    o.capacity = around == FULL ? 1 : around == FEW || around == RANDOM ? 8 : 4;
    o.message_bytes = LETTER_BYTES;
    o.max_deliveries = s->limited ? 1 : 0;
    o.dead_capacity = s->dead_ring ? s->dead_ring : o.capacity;
    o.dead_overflow = s->refusing ? RP_DEAD_REFUSE : RP_DEAD_DROP_OLDEST;
    o.overflow = s->blocking ? RP_OVERFLOW_BLOCK : RP_OVERFLOW_REJECT;
    o.lanes = s->keyed ? 16 : 0;
    o.dedup_window_ns = s->once ? UINT64_C(365) * 24 * 3600 * 1000000000 : 0;
    o.journal = s->journal ? journal_path() : NULL;
    o.sync = RP_SYNC_NONE;
    o.journal_file_bytes = 64 << 10;
    o.max_groups = 1;
    o.max_participants = SEATS;
    o.prefault = 0;
    return o;
}

/* ---- the neighbour's doings ---- */

static void settle_last(struct world *w) {
    must(rp_ack(w->neighbour.consumer, &w->neighbour.held[--w->neighbour.held_count]) == 0);
}

static void give_back(struct world *w, int64_t delay_ns) {
    struct rp_nack_options o;
    rp_nack_options_init(&o, sizeof o);
    o.delay_ns = delay_ns;
    must(rp_nack(w->neighbour.consumer, &w->neighbour.held[--w->neighbour.held_count], &o) == 0);
}

static void reject(struct world *w) {
    must(rp_reject(w->neighbour.consumer, &w->neighbour.held[--w->neighbour.held_count], "hopeless") == 0);
}

static void send_nameless(struct world *w) { must(party_send(&w->neighbour, 0) == 0); }

static int take(struct world *w) {
    int serial = party_receive(&w->neighbour);
    must(serial >= 0);
    return serial;
}

static void hold(struct world *w) { w->book->kept[take(w)] = true; }

/* Round all rings, more than once: the lane has 64 slots, the others eight. */
void wrap(struct world *w) {
    for (unsigned i = 0; i < 2 * 64 + 5; i++) {
        send_nameless(w);
        take(w);
        if (i % 4 == 0) {
            give_back(w, 0);
            take(w);
        }
        if (i % 5 == 0 && !w->options.dead_overflow) {
            reject(w);
            must(rp_dead_redrive(w->neighbour.queue, NULL, NULL) == 1);
            take(w);
        }
        settle_last(w);
    }
}

/* One message in each state, and one that the neighbour holds. */
static void a_few(struct world *w, const struct scenario *s) {
    world_send(w);
    hold(w);
    if (s->limited)
        return;
    world_send(w);
    take(w);
    give_back(w, 0);
    if (s->dead_ring == 0) {
        world_send(w);
        take(w);
        int last = take(w); /* of the one that was given back and the new one */
        reject(w);
        book_enter(w->book, (unsigned)last, FATE_DEAD, FATE_DEAD);
        give_back(w, 0);
    }
    world_send(w);
    take(w);
    give_back(w, 5 * INT64_C(60000000000));
}

/* ---- at random ---- */

static void book_last(struct world *w, unsigned fate) {
    const struct rp_message *m = &w->neighbour.held[w->neighbour.held_count - 1];
    int serial = letter_read(m->data, m->bytes);
    must(serial >= 0);
    w->book->kept[serial] = false;
    book_enter(w->book, (unsigned)serial, fate, fate);
}

/* The neighbour drops what he holds: the oldest of his views comes last, so that any may be next. */
static void at_random(struct world *w, uint64_t seed) {
    struct party *n = &w->neighbour;
    for (unsigned i = 0, many = (unsigned)(random_next(&seed) % 60); i < many; i++) {
        unsigned what = (unsigned)(random_next(&seed) % 10);
        if (what < 4 && w->book->next_serial < VICTIM_SERIALS - 16 && n->held_count < 3) {
            struct rp_queue_stats s;
            must(rp_queue_stats(n->queue, &s) == 0);
            if (s.ready + s.leased + s.delayed + s.dead < 6)
                world_send(w);
        } else if (what < 6 && n->held_count < 2) {
            int serial = party_receive(n);
            if (serial >= 0)
                w->book->kept[serial] = true;
        } else if (n->held_count > 0 && what == 6) {
            book_last(w, FATE_GONE);
            settle_last(w);
        } else if (n->held_count > 0 && what == 7) {
            book_last(w, FATE_DELIVERED);
            give_back(w, random_next(&seed) % 2 ? 0 : MINUTE_MS * INT64_C(1000000)); /* not due before time passes */
        } else if (n->held_count > 0 && what == 8) {
            book_last(w, FATE_DEAD);
            reject(w);
        } else if (what == 9) {
            must(rp_queue_sweep(n->queue) >= 0);
        }
    }
}

void surround(struct world *w, const struct scenario *s, enum surroundings around, uint64_t seed) {
    switch (around) {
    case WRAPPED: wrap(w); break;
    case FEW: a_few(w, s); break;
    case RANDOM: at_random(w, seed); break;
    default: break;
    }
    if (s->held && around != FEW) {
        world_send(w);
        hold(w);
    }
    for (unsigned i = 0; i < s->messages; i++)
        world_send(w);
    if (s->prepare != NULL)
        s->prepare(w);
    if (around == FULL) {
        unsigned *next = &w->book->next_serial;
        for (; party_send(&w->neighbour, *next) == 0; ++*next)
            book_enter(w->book, *next, FATE_DELIVERED, FATE_DELIVERED);
    }
    must(rp_queue_sweep(w->neighbour.queue) >= 0); /* opens what a handle opens once only */
    world_let_pass(w, s->time_ms);
}

void fill_up(struct victim *v) {
    struct book *b = v->world->book;
    while (b->next_victim_serial < SERIALS && party_send(&v->party, b->next_victim_serial) == 0) {
        book_enter(b, b->next_victim_serial, FATE_DELIVERED, FATE_DELIVERED);
        b->next_victim_serial++;
    }
}
