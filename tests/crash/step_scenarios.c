/* SPDX-License-Identifier: MIT */
/* The operations that are stepped through. */
#include "step.h"
#include <string.h>

#define HOUR_NS INT64_C(3600000000000)

/* ---- sending ---- */

void will_send(struct victim *v, unsigned count) {
    struct book *b = v->world->book;
    v->serial = b->next_victim_serial;
    for (unsigned i = 0; i < count; i++) {
        book_enter(b, v->serial + i, FATE_GONE, FATE_DELIVERED);
        b->ordered[v->serial + i] = true;
    }
    b->next_victim_serial += count;
}

static void ready_send(struct victim *v) { will_send(v, 1); }
static void ready_send_again(struct victim *v) {
    struct book *b = v->world->book;
    must(party_send(&v->party, b->next_victim_serial) == 0);
    book_enter(b, b->next_victim_serial++, FATE_DELIVERED, FATE_DELIVERED);
    will_send(v, 1);
}
/* What it sent first is held by the neighbour, and its place in the lane was used again since. */
static void that_was_long_ago(struct world *w) {
    int serial = party_receive(&w->neighbour);
    must(serial >= VICTIM_SERIALS);
    w->book->kept[serial] = true;
    wrap(w);
}
static void ready_batch(struct victim *v) { will_send(v, 3); }

int act_send(struct victim *v) { return party_send(&v->party, v->serial); }

static int act_send_if_it_fits(struct victim *v) {
    int result = act_send(v);
    if (result != 0)
        v->world->book->after[v->serial] = FATE_GONE;
    return result;
}

static int act_send_patiently(struct victim *v) {
    unsigned char letter[LETTER_BYTES];
    return rp_send(v->party.producer, letter, letter_write(letter, v->serial), NULL);
}

static int act_open_and_send(struct victim *v) {
    int result = rp_producer_open(v->party.queue, NULL, &v->party.producer);
    return result ? result : party_send(&v->party, v->serial);
}

static int act_batch(struct victim *v) {
    unsigned char letters[3][LETTER_BYTES];
    struct rp_send_item items[3];
    memset(items, 0, sizeof items);
    for (unsigned i = 0; i < 3; i++)
        items[i] = (struct rp_send_item){.data = letters[i], .bytes = letter_write(letters[i], v->serial + i)};
    return rp_send_batch(v->party.producer, items, 3);
}

static int act_loan_and_commit(struct victim *v) {
    int result = rp_loan(v->party.producer, LETTER_BYTES, &v->loan);
    if (result == 0) {
        v->loan.bytes = letter_write(v->loan.data, v->serial);
        result = rp_commit(v->party.producer, &v->loan, NULL);
    }
    return result;
}

static int act_loan_and_abandon(struct victim *v) {
    int result = rp_loan(v->party.producer, LETTER_BYTES, &v->loan);
    return result ? result : rp_abandon(v->party.producer, &v->loan);
}

/* Whenever he is killed, it is sent again. */
static void ready_send_once(struct victim *v) {
    will_send(v, 1);
    v->world->book->before[v->serial] = FATE_DELIVERED;
    v->world->book->once = v->serial;
}
static void ready_sent_once(struct victim *v) {
    ready_send_once(v);
    must(party_send_once(&v->party, v->serial) == 0);
}
static int act_send_once(struct victim *v) { return party_send_once(&v->party, v->serial); }
static int act_loan_and_commit_once(struct victim *v) {
    int result = rp_loan(v->party.producer, LETTER_BYTES, &v->loan);
    if (result == 0) {
        struct rp_send_options o;
        rp_send_options_init(&o, sizeof o);
        o.dedup_id = &v->serial;
        o.dedup_id_bytes = sizeof v->serial;
        v->loan.bytes = letter_write(v->loan.data, v->serial);
        result = rp_commit(v->party.producer, &v->loan, &o);
    }
    return result;
}

/* Into a queue that is full, for as long as it takes to look everywhere and prepare for sleep. */
static int act_send_in_vain(struct victim *v) {
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    o.timeout_ns = 1;
    unsigned char letter[LETTER_BYTES];
    return rp_send(v->party.producer, letter, letter_write(letter, 200), &o);
}

/* Somebody holds a message, and acks it when the sender is about to sleep. */
static void prepare_room_to_come(struct world *w) {
    party_open(&w->helper, w->name, RP_ACK_EXPLICIT, 0);
    world_send(w);
    int serial = party_receive(&w->helper);
    must(serial >= 0);
    book_enter(w->book, (unsigned)serial, FATE_DELIVERED, FATE_GONE);
}
static void ready_full_and_send(struct victim *v) {
    fill_up(v);
    will_send(v, 1);
}
static void make_room(struct world *w) {
    struct control *control = w->helper.queue->segment.control;
    if (w->helper.held_count > 0 && counter_read(&control->free_tickets) != 0) {
        must(rp_ack(w->helper.consumer, w->helper.held) == 0);
        w->helper.held_count = 0;
    }
}

/* ---- receiving and settling ---- */

int act_receive(struct victim *v) { return party_receive(&v->party) < 0 ? RP_EMPTY : 0; }

static int act_receive_batch(struct victim *v) {
    int got = rp_receive_batch(v->party.consumer, v->party.held, 3, 0);
    return got < 0 ? got : 0;
}

static int act_receive_in_vain(struct victim *v) { return rp_receive(v->party.consumer, v->party.held, 1); }

/* At most once: whichever he receives. */
static int act_receive_once(struct victim *v) {
    int serial = party_receive(&v->party);
    if (serial >= 0)
        v->world->book->after[serial] = FATE_GONE;
    return serial < 0 ? RP_EMPTY : 0;
}

unsigned receive_to(struct victim *v, unsigned after) {
    int serial = party_receive(&v->party);
    must(serial >= 0);
    v->world->book->after[serial] = (uint8_t)after;
    return (unsigned)serial;
}

void ready_hold(struct victim *v) { (void)receive_to(v, FATE_DELIVERED); }
static void ready_ack(struct victim *v) { (void)receive_to(v, FATE_GONE); }
static void ready_reject(struct victim *v) { (void)receive_to(v, FATE_DEAD); }
static void ready_last(struct victim *v) { v->world->book->before[receive_to(v, FATE_DEAD)] = FATE_DEAD; }

int act_ack(struct victim *v) { return rp_ack(v->party.consumer, v->party.held); }

static int nack(struct victim *v, int64_t delay_ns, uint32_t charge, const char *reason) {
    struct rp_nack_options o;
    rp_nack_options_init(&o, sizeof o);
    o.delay_ns = delay_ns;
    o.charge = charge;
    o.reason = reason;
    return rp_nack(v->party.consumer, v->party.held, &o);
}
static int act_nack(struct victim *v) { return nack(v, -1, 1, "the other side is down"); }
int act_nack_now(struct victim *v) { return nack(v, 0, 1, NULL); }
static int act_nack_uncharged(struct victim *v) { return nack(v, -1, 0, NULL); }
int act_reject(struct victim *v) { return rp_reject(v->party.consumer, v->party.held, "no such address"); }
static int act_extend(struct victim *v) { return rp_extend(v->party.consumer, v->party.held, HOUR_NS); }

static void leases_run_out(struct world *w) {
    for (int i = 0; i < 3; i++) {
        world_let_pass(w, MINUTE_MS);
        must(rp_queue_sweep(w->neighbour.queue) >= 0);
    }
}

/* The neighbour's lease runs out while he lives: he may read on, and somebody else receives the message. */
static void prepare_viewed(struct world *w) {
    leases_run_out(w);
    memset(w->book->kept, 0, sizeof w->book->kept);
}

/* The victim receives a message again that it held before, and acks what it received first. */
static int act_ack_old(struct victim *v) {
    return party_receive(&v->party) < 0 ? RP_EMPTY : rp_ack(v->party.consumer, v->party.held);
}

void the_lease_is_lost(struct world *w) {
    leases_run_out(w);
    int serial = party_receive(&w->neighbour);
    must(serial >= 0);
    w->book->kept[serial] = true;
}

/* As many dead letters as the dead ring holds. */
static void prepare_full_dead_ring(struct world *w) {
    unsigned serial = world_send(w);
    while (w->neighbour.held_count == 0 || letter_read(w->neighbour.held[w->neighbour.held_count - 1].data,
                                                       w->neighbour.held[w->neighbour.held_count - 1].bytes) != (int)serial)
        w->book->kept[party_receive(&w->neighbour)] = true;
    w->book->kept[serial] = false;
    must(rp_reject(w->neighbour.consumer, &w->neighbour.held[--w->neighbour.held_count], NULL) == 0);
    book_enter(w->book, serial, FATE_DEAD, w->options.dead_overflow == RP_DEAD_REFUSE ? FATE_DEAD : FATE_GONE);
    world_send(w);
}

/* ---- housekeeping ---- */

int act_sweep(struct victim *v) {
    int done = rp_queue_sweep(v->party.queue);
    return done < 0 ? done : 0;
}

static void prepare_delayed(struct world *w) {
    struct rp_nack_options o;
    rp_nack_options_init(&o, sizeof o);
    world_send(w);
    must(party_receive(&w->neighbour) >= 0);
    must(rp_nack(w->neighbour.consumer, &w->neighbour.held[--w->neighbour.held_count], &o) == 0);
}

/* The neighbour views what the helper holds, for too long. */
static void prepare_viewed_and_held(struct world *w) {
    prepare_viewed(w);
    party_open(&w->helper, w->name, RP_ACK_EXPLICIT, 0);
    must(party_receive(&w->helper) >= 0);
}

void prepare_ghost(struct world *w) {
    struct rp_loan loan;
    party_open(&w->ghost, w->name, RP_ACK_EXPLICIT, 0);
    must(party_receive(&w->ghost) >= 0);
    must(rp_loan(w->ghost.producer, 8, &loan) == 0);
    party_die(&w->ghost);
}

/* More than the returned ring has places. */
enum { MANY = 12 };
static void prepare_many_held(struct world *w) {
    party_open(&w->ghost, w->name, RP_ACK_EXPLICIT, 0);
    for (unsigned i = 0; i < MANY; i++)
        must(party_receive(&w->ghost) >= 0);
    party_die(&w->ghost);
}
static void prepare_many_delayed(struct world *w) {
    prepare_many_held(w);
    must(rp_queue_sweep(w->neighbour.queue) > 0);
}
static void ready_hold_many(struct victim *v) {
    for (unsigned i = 0; i < MANY; i++)
        ready_hold(v);
}

/* All seats but the neighbour's are of the dead. */
static void prepare_no_seat(struct world *w) {
    struct party dead[SEATS - 1];
    for (unsigned i = 0; i < SEATS - 1; i++)
        party_open(&dead[i], w->name, RP_ACK_EXPLICIT, 0);
    (void)party_receive(&dead[0]);
    for (unsigned i = 0; i < SEATS - 1; i++)
        party_die(&dead[i]);
}

static void all_that_are(struct world *w, unsigned from, unsigned to) {
    for (unsigned i = 1; i < w->book->next_serial; i++)
        if (w->book->before[i] == from && !w->book->kept[i])
            w->book->after[i] = (uint8_t)to;
}

void prepare_dead(struct world *w) {
    for (unsigned i = 0; i < 2; i++) {
        world_send(w);
        int serial = party_receive(&w->neighbour);
        must(serial >= 0);
        book_enter(w->book, (unsigned)serial, FATE_DEAD, FATE_DEAD);
        must(rp_reject(w->neighbour.consumer, &w->neighbour.held[--w->neighbour.held_count], "dead") == 0);
    }
}
static void prepare_redrive(struct world *w) {
    prepare_dead(w);
    all_that_are(w, FATE_DEAD, FATE_DELIVERED);
    for (unsigned i = 1; i < w->book->next_serial; i++)
        w->book->redriven[i] = w->book->before[i] == FATE_DEAD;
}
static void prepare_dead_purge(struct world *w) {
    prepare_dead(w);
    all_that_are(w, FATE_DEAD, FATE_GONE);
}
static void prepare_purge(struct world *w) {
    all_that_are(w, FATE_DELIVERED, FATE_GONE);
    all_that_are(w, FATE_DEAD, FATE_GONE);
    for (unsigned i = 1; i < w->book->next_serial; i++)
        if (w->book->kept[i])
            w->book->after[i] = FATE_GONE;
}
static int positive(int result) { return result < 0 ? result : 0; }
int act_redrive(struct victim *v) { return positive(rp_dead_redrive(v->party.queue, NULL, NULL)); }
static int act_dead_purge(struct victim *v) { return positive(rp_dead_purge(v->party.queue, NULL, NULL)); }
static int act_purge(struct victim *v) { return positive(rp_queue_purge(v->party.queue, NULL, RP_STATE_ALL)); }

/* ---- coming and going ---- */

static int act_open(struct victim *v) { return rp_queue_open(v->world->name, NULL, &v->party.queue); }
static int act_close(struct victim *v) { return rp_queue_close(v->party.queue); }

static void ready_hold_and_loan(struct victim *v) {
    ready_hold(v);
    must(rp_loan(v->party.producer, 8, &v->loan) == 0);
}
int act_close_all(struct victim *v) {
    rp_consumer_close(v->party.consumer);
    rp_producer_close(v->party.producer);
    return rp_queue_close(v->party.queue);
}

/* ---- all of them ---- */

/* ---- with a journal ---- */

static int act_send_and_flush(struct victim *v) {
    unsigned char letter[LETTER_BYTES];
    int result = rp_send_async(v->party.producer, letter, letter_write(letter, v->serial), NULL);
    return result == 0 ? rp_flush(v->party.producer) : result;
}

static int act_ack_and_flush(struct victim *v) {
    int result = act_ack(v);
    return result == 0 ? rp_flush(v->party.producer) : result;
}

static const struct scenario scenarios[] = {
    {"send", "send", EVERYWHERE & ~IN_FULL, .ready = ready_send, .act = act_send},
    {"send-again", "send", BUT_FULL, .ready = ready_send_again, .act = act_send},
    {"send-long-ago", "send", IN_EMPTY | IN_WRAPPED, .ready = ready_send_again, .between = that_was_long_ago, .act = act_send},
    {"send-first", "send", BUT_FULL, .bare = true, .ready = ready_send, .act = act_open_and_send},
    {"send-batch", "send", BUT_FULL, .ready = ready_batch, .act = act_batch, .result = 3},
    {"loan-commit", "send", BUT_FULL, .ready = ready_send, .act = act_loan_and_commit},
    {"loan-abandon", "send", BUT_FULL, .act = act_loan_and_abandon},
    {"send-once", "send", BUT_FULL, .once = true, .ready = ready_send_once, .act = act_send_once},
    {"send-twice", "send", BUT_FULL, .once = true, .ready = ready_sent_once, .act = act_send_once, .result = RP_DUPLICATE},
    {"loan-once", "send", BUT_FULL, .once = true, .ready = ready_send_once, .act = act_loan_and_commit_once},
    {"send-in-vain", "send", IN_FULL, .act = act_send_in_vain, .result = RP_FULL},
    {"send-blocking", "send", IN_EMPTY | IN_WRAPPED, .blocking = true, .prepare = prepare_room_to_come,
     .ready = ready_full_and_send, .act = act_send_patiently, .during = make_room},

    {"durable-send", "durable", IN_EMPTY | IN_FEW, .journal = true, .ready = ready_send, .act = act_send},
    {"durable-flush", "durable", IN_EMPTY | IN_FEW, .journal = true, .ready = ready_send, .act = act_send_and_flush},
    {"durable-ack", "durable", IN_EMPTY | IN_FEW, .journal = true, .messages = 1, .ready = ready_ack, .act = act_ack_and_flush},

    {"receive", "receive", EVERYWHERE, .messages = 2, .ready = ready_hold, .act = act_receive},
    {"receive-first", "receive", EVERYWHERE, .messages = 1, .act = act_receive},
    {"receive-batch", "receive", EVERYWHERE, .messages = 3, .act = act_receive_batch},
    {"receive-prefetch", "receive", EVERYWHERE, .messages = 3, .prefetch = 3, .act = act_receive},
    {"receive-once", "receive", EVERYWHERE, .messages = 1, .ack = RP_ACK_NONE, .act = act_receive_once},
    {"receive-in-vain", "receive", IN_EMPTY | IN_WRAPPED, .act = act_receive_in_vain, .result = RP_EMPTY},

    {"ack", "ack", EVERYWHERE, .messages = 1, .ready = ready_ack, .act = act_ack},
    {"ack-late", "ack", IN_EMPTY | IN_WRAPPED, .messages = 1, .ready = ready_hold, .between = the_lease_is_lost, .act = act_ack,
     .result = RP_LEASE_LOST},
    {"ack-old", "ack", IN_EMPTY | IN_WRAPPED, .messages = 1, .ready = ready_hold, .between = leases_run_out, .act = act_ack_old,
     .result = RP_LEASE_LOST},
    {"ack-viewed", "ack", EVERYWHERE & ~IN_FEW, .held = true, .prepare = prepare_viewed, .ready = ready_ack, .act = act_ack},

    {"nack-viewed", "nack", EVERYWHERE & ~IN_FEW, .held = true, .prepare = prepare_viewed, .ready = ready_hold, .act = act_nack},
    {"nack-backoff", "nack", EVERYWHERE, .messages = 1, .ready = ready_hold, .act = act_nack},
    {"nack-now", "nack", EVERYWHERE, .messages = 1, .ready = ready_hold, .act = act_nack_now},
    {"nack-uncharged", "nack", EVERYWHERE, .messages = 1, .ready = ready_hold, .act = act_nack_uncharged},
    {"nack-last", "nack", IN_EMPTY | IN_FULL, .messages = 1, .limited = true, .ready = ready_last, .act = act_nack},
    {"reject", "reject", EVERYWHERE, .messages = 1, .ready = ready_reject, .act = act_reject},
    {"reject-viewed", "reject", EVERYWHERE & ~IN_FEW, .held = true, .prepare = prepare_viewed, .ready = ready_reject,
     .act = act_reject},
    {"reject-evict", "reject", IN_EMPTY | IN_FEW | IN_FULL | IN_WRAPPED, .dead_ring = 1, .dead_letters = 1,
     .prepare = prepare_full_dead_ring, .ready = ready_reject, .act = act_reject},
    {"reject-refused", "reject", IN_EMPTY | IN_FEW | IN_FULL | IN_WRAPPED, .dead_ring = 1, .refusing = true, .dead_letters = 1,
     .prepare = prepare_full_dead_ring, .ready = ready_hold, .act = act_reject, .result = RP_FULL},

    {"extend", "extend", EVERYWHERE, .messages = 1, .ready = ready_hold, .act = act_extend},
    {"extend-late", "extend", IN_EMPTY | IN_WRAPPED, .messages = 1, .ready = ready_hold, .between = the_lease_is_lost,
     .act = act_extend, .result = RP_LEASE_LOST},

    {"expire", "expiry", EVERYWHERE, .held = true, .bare = true, .time_ms = MINUTE_MS, .act = act_sweep},
    {"expire-last", "expiry", IN_EMPTY | IN_FULL, .held = true, .bare = true, .limited = true, .time_ms = MINUTE_MS,
     .act = act_sweep},
    {"expire-viewed", "expiry", EVERYWHERE, .held = true, .bare = true, .prepare = prepare_viewed_and_held, .time_ms = MINUTE_MS,
     .act = act_sweep},
    {"expire-receive", "expiry", EVERYWHERE, .held = true, .messages = 1, .time_ms = MINUTE_MS, .act = act_receive},

    {"recover", "recovery", EVERYWHERE, .messages = 2, .bare = true, .prepare = prepare_ghost, .act = act_sweep},
    {"recover-many", "recovery", IN_EMPTY | IN_WRAPPED, .messages = MANY, .bare = true, .prepare = prepare_many_held,
     .act = act_sweep},
    {"recover-receive", "recovery", EVERYWHERE, .messages = 3, .prepare = prepare_ghost, .act = act_receive},
    {"recover-open", "recovery", EVERYWHERE & ~IN_FULL, .messages = 1, .newcomer = true, .prepare = prepare_no_seat,
     .act = act_open},

    {"sweep", "sweep", BUT_FULL, .messages = 1, .bare = true, .act = act_sweep},
    {"sweep-due", "sweep", BUT_FULL, .bare = true, .prepare = prepare_delayed, .time_ms = MINUTE_MS, .act = act_sweep},
    {"sweep-many", "sweep", IN_EMPTY | IN_WRAPPED, .messages = MANY, .bare = true, .prepare = prepare_many_delayed,
     .time_ms = MINUTE_MS, .act = act_sweep},

    {"redrive", "redrive", EVERYWHERE & ~IN_FULL, .bare = true, .prepare = prepare_redrive, .act = act_redrive},
    {"dead-purge", "purge", EVERYWHERE & ~IN_FULL, .bare = true, .prepare = prepare_dead_purge, .act = act_dead_purge},
    {"purge", "purge", EVERYWHERE & ~IN_FULL, .messages = 2, .bare = true, .prepare = prepare_purge, .act = act_purge},

    /* Where the neighbour holds nothing, which would hold up his lane: the judge wants to receive all that fits. */
    {"keyed-send", "send", IN_EMPTY | IN_WRAPPED, .keyed = true, .ready = ready_send, .act = act_send},
    {"keyed-receive", "receive", IN_EMPTY | IN_FULL | IN_WRAPPED, .keyed = true, .messages = 2, .ready = ready_hold,
     .act = act_receive},
    {"keyed-ack", "ack", IN_EMPTY | IN_FULL | IN_WRAPPED, .keyed = true, .messages = 1, .ready = ready_ack, .act = act_ack},
    {"keyed-nack", "nack", IN_EMPTY | IN_FULL | IN_WRAPPED, .keyed = true, .messages = 1, .ready = ready_hold, .act = act_nack_now},
    {"keyed-backoff", "nack", IN_EMPTY | IN_FULL | IN_WRAPPED, .keyed = true, .messages = 1, .ready = ready_hold, .act = act_nack},
    {"keyed-reject", "reject", IN_EMPTY | IN_FULL | IN_WRAPPED, .keyed = true, .messages = 1, .ready = ready_reject,
     .act = act_reject},
    {"keyed-recover", "recovery", IN_EMPTY | IN_FULL | IN_WRAPPED, .keyed = true, .messages = 2, .bare = true,
     .prepare = prepare_ghost, .act = act_sweep},
    {"keyed-redrive", "redrive", IN_EMPTY | IN_WRAPPED, .keyed = true, .bare = true, .prepare = prepare_redrive,
     .act = act_redrive},

    {"open", "attach", EVERYWHERE & ~IN_FULL, .newcomer = true, .act = act_open},
    {"close", "detach", EVERYWHERE & ~IN_FULL, .bare = true, .act = act_close},
    {"close-many", "detach", IN_EMPTY | IN_WRAPPED, .messages = MANY, .ready = ready_hold_many, .act = act_close_all},
    {"close-all", "detach", EVERYWHERE & ~IN_FULL, .messages = 1, .ready = ready_hold_and_loan, .act = act_close_all},
};

const struct scenario *scenario_at(size_t i) {
    const size_t count = sizeof scenarios / sizeof scenarios[0];
    return i < count ? &scenarios[i] : i - count < delivery_scenario_count ? &delivery_scenarios[i - count] : NULL;
}

static int act_housekeeping_receive(struct victim *v) {
    (void)party_receive(&v->party);
    return 0;
}

/* Whichever it is. */
static int act_receive_and_ack(struct victim *v) {
    int serial = party_receive(&v->party);
    if (serial < 0)
        return 0;
    v->world->book->after[serial] = FATE_GONE;
    return rp_ack(v->party.consumer, v->party.held);
}

const struct scenario recoveries[] = {
    {"sweep", "recovery", EVERYWHERE, .bare = true, .act = act_sweep},
    {"receive", "recovery", EVERYWHERE, .act = act_housekeeping_receive},
    {"sweep-later", "recovery", EVERYWHERE, .bare = true, .time_ms = MINUTE_MS, .act = act_sweep},
    {"send", "recovery", EVERYWHERE, .ready = ready_send, .act = act_send_if_it_fits},
    {"receive-ack", "recovery", EVERYWHERE, .act = act_receive_and_ack},
};
const size_t recovery_count = sizeof recoveries / sizeof recoveries[0];
