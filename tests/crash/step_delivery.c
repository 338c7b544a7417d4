/* SPDX-License-Identifier: MIT */
/* The operations that are stepped through: sending exactly once, work that is done once, forwarding, and stopping the flow. */
#include "pause.h"
#include "step.h"
#include <errno.h>
#include <string.h>

/* ---- producers with an identity ---- */

static void as_numbered(struct victim *v) {
    rp_producer_close(v->party.producer);
    must(numbered_open(v->party.queue, &v->party.producer) == 0);
}

/* Whenever it is killed, its letter is sent again. */
static void will_send_numbered(struct victim *v) {
    struct book *b = v->world->book;
    will_send(v, 1);
    b->before[v->serial] = FATE_DELIVERED;
    b->numbered = v->serial;
}
static void ready_numbered(struct victim *v) {
    as_numbered(v);
    will_send_numbered(v);
}
static void ready_numbered_again(struct victim *v) {
    struct book *b = v->world->book;
    ready_numbered(v);
    must(send_as_booked(b, v->party.producer, v->serial) == 0);
    b->sequence = v->serial;
    will_send_numbered(v);
}
static void ready_numbered_sent(struct victim *v) {
    ready_numbered(v);
    must(send_as_booked(v->world->book, v->party.producer, v->serial) == 0);
}
static void ready_numbered_once(struct victim *v) {
    ready_numbered_again(v);
    v->world->book->once = v->serial;
}
static void ready_removable(struct victim *v) {
    ready_numbered_sent(v);
    rp_producer_close(v->party.producer);
    v->party.producer = NULL;
    v->world->book->sequence = v->serial;
    v->world->book->id_removed = true;
}

static int act_send_as_booked(struct victim *v) { return send_as_booked(v->world->book, v->party.producer, v->serial); }
static int act_commit_numbered(struct victim *v) {
    int result = rp_loan(v->party.producer, LETTER_BYTES, &v->loan);
    if (result == 0) {
        struct rp_send_options o;
        rp_send_options_init(&o, sizeof o);
        o.sequence = v->serial;
        v->loan.bytes = letter_write(v->loan.data, v->serial);
        result = rp_commit(v->party.producer, &v->loan, &o);
    }
    return result;
}
static int act_open_numbered(struct victim *v) {
    int result = numbered_open(v->party.queue, &v->party.producer);
    return result ? result : act_send_as_booked(v);
}
static int act_close_producer(struct victim *v) {
    rp_producer_close(v->party.producer);
    return 0;
}
static int act_remove_id(struct victim *v) { return numbered_remove(v->party.queue); }

/* Somebody had that id, sent under it, and died. */
static void prepare_predecessor(struct world *w) {
    struct book *b = w->book;
    rp_producer *plain;
    unsigned serial = b->next_victim_serial++;
    party_open(&w->ghost, w->name, RP_ACK_EXPLICIT, 0);
    plain = w->ghost.producer;
    must(numbered_open(w->ghost.queue, &w->ghost.producer) == 0);
    b->numbered = b->sequence = serial;
    book_enter(b, serial, FATE_DELIVERED, FATE_DELIVERED);
    must(send_as_booked(b, w->ghost.producer, serial) == 0);
    rp_producer_close(plain);
    party_die(&w->ghost);
}

/* ---- work that is to be done once ---- */

static void ready_work(struct victim *v) {
    struct book *b = v->world->book;
    b->work = receive_to(v, FATE_DELIVERED);
    b->work_before = b->work_after = WORK_UNDONE;
}
static void ready_at_work(struct victim *v) {
    ready_work(v);
    must(work_ask(&v->party, v->party.held) == 0);
}
static void ready_done(struct victim *v) {
    ready_at_work(v);
    v->world->book->after[v->world->book->work] = FATE_GONE;
    v->world->book->work_after = WORK_DONE;
}
static void ready_hopeless(struct victim *v) {
    ready_at_work(v);
    v->world->book->after[v->world->book->work] = FATE_DEAD;
}
/* Another message of it came first. */
static void ready_done_before(struct victim *v) {
    ready_at_work(v);
    v->world->book->before[v->world->book->work] = v->world->book->after[v->world->book->work] = FATE_GONE;
    must(rp_ack(v->party.consumer, v->party.held) == 0);
    v->party.held_count = 0;
    ready_work(v);
    v->world->book->work_before = v->world->book->work_after = WORK_DONE;
}
static int act_ask(struct victim *v) { return work_ask(&v->party, v->party.held); }

/* ---- forwarding: to the same queue, so that both halves are in one image ---- */

static void to_forward(struct victim *v) {
    struct book *b = v->world->book;
    b->forwarded = receive_to(v, FATE_GONE);
    will_send(v, 1);
    b->before[v->serial] = FATE_DELIVERED;
    b->output = v->serial;
}
/* An earlier receiver sent the output, and died before he could ack. */
static void prepare_forwarded(struct world *w) {
    struct book *b = w->book;
    struct rp_send_options o;
    unsigned char letter[LETTER_BYTES], id[RP_FORWARD_ID_BYTES];
    rp_send_options_init(&o, sizeof o);
    party_open(&w->ghost, w->name, RP_ACK_EXPLICIT, 0);
    b->forwarded = (unsigned)party_receive(&w->ghost);
    must(b->forwarded > 0 && rp_forward_id(w->ghost.consumer, w->ghost.held, 0, id) == 0);
    b->output = b->next_victim_serial++;
    book_enter(b, b->output, FATE_DELIVERED, FATE_DELIVERED);
    b->after[b->forwarded] = FATE_GONE;
    o.dedup_id = id;
    o.dedup_id_bytes = sizeof id;
    must(rp_send(w->ghost.producer, letter, letter_write(letter, b->output), &o) == 0);
    party_die(&w->ghost);
}
/* His message comes after what he sent. */
static void ready_forwarded(struct victim *v) {
    struct book *b = v->world->book;
    for (unsigned i = 0; i < 2; i++)
        if ((unsigned)party_receive(&v->party) == b->forwarded)
            v->party.held[0] = v->party.held[v->party.held_count - 1];
    must((unsigned)letter_read(v->party.held[0].data, v->party.held[0].bytes) == b->forwarded);
}
/* Nothing comes of it: the neighbour, who got the message, does not forward. */
static void ready_forward_late(struct victim *v) {
    struct book *b = v->world->book;
    ready_hold(v);
    will_send(v, 1);
    b->after[v->serial] = FATE_GONE;
    b->output = v->serial;
}
static int act_forward(struct victim *v) { return work_forward(v->world->book, &v->party, v->party.held); }

/* ---- the flow ---- */

enum { BOTH_SIDES = RP_SIDE_SEND | RP_SIDE_RECEIVE };

static void will_pause(struct victim *v) { v->world->book->paused_after = BOTH_SIDES; }
static void will_pause_group(struct victim *v) { v->world->book->paused_after = PAUSED_GROUP; }
static void will_drain(struct victim *v) { v->world->book->paused_after = RP_SIDE_SEND; }
static void are_paused(struct world *w, unsigned sides) {
    must(rp_queue_pause(w->neighbour.queue, sides) == 0);
    w->book->paused_before = w->book->paused_after = (uint8_t)sides;
}
static void sends_are_paused(struct world *w) { are_paused(w, RP_SIDE_SEND); }
static void receives_are_paused(struct world *w) { are_paused(w, RP_SIDE_RECEIVE); }
static void will_be_resumed(struct world *w) {
    are_paused(w, BOTH_SIDES);
    w->book->paused_after = 0;
}
static void group_will_be_resumed(struct world *w) {
    must(rp_group_pause(w->neighbour.queue, NULL) == 0);
    w->book->paused_before = PAUSED_GROUP;
}
static int act_pause(struct victim *v) { return rp_queue_pause(v->party.queue, BOTH_SIDES); }
static int act_pause_group(struct victim *v) { return rp_group_pause(v->party.queue, NULL); }
static int act_resume(struct victim *v) { return rp_queue_resume(v->party.queue, BOTH_SIDES); }
static int act_resume_group(struct victim *v) { return rp_group_resume(v->party.queue, NULL); }

static void ready_loan(struct victim *v) {
    will_send(v, 1);
    must(rp_loan(v->party.producer, LETTER_BYTES, &v->loan) == 0);
}
static int act_commit(struct victim *v) {
    v->loan.bytes = letter_write(v->loan.data, v->serial);
    return rp_commit(v->party.producer, &v->loan, NULL);
}
static void ready_send_in_vain(struct victim *v) {
    will_send(v, 1);
    v->world->book->after[v->serial] = FATE_GONE;
}
static int act_receive_paused(struct victim *v) {
    struct rp_message m;
    return rp_receive(v->party.consumer, &m, 0);
}

/* -> RP_EMPTY: something is left. */
static int drain(struct victim *v, int64_t timeout_ns) {
    struct rp_drain_options o;
    rp_drain_options_init(&o, sizeof o);
    o.timeout_ns = timeout_ns;
    int left = rp_queue_drain(v->party.queue, &o);
    return left > 0 ? RP_EMPTY : left;
}
static int act_drain(struct victim *v) { return drain(v, 0); }
static int act_drain_to_the_end(struct victim *v) { return drain(v, -1); }

/* Somebody holds the last message, and acks it when he who drains is about to sleep. */
static void prepare_last_ack(struct world *w) {
    party_open(&w->helper, w->name, RP_ACK_EXPLICIT, 0);
    world_send(w);
    int serial = party_receive(&w->helper);
    must(serial >= 0);
    book_enter(w->book, (unsigned)serial, FATE_DELIVERED, FATE_GONE);
}
static void ack_last(struct world *w) {
    if (w->helper.held_count > 0 && counter_read(&w->helper.queue->segment.control->keeper_tickets) != 0) {
        must(rp_ack(w->helper.consumer, w->helper.held) == 0);
        w->helper.held_count = 0;
    }
}

const struct scenario delivery_scenarios[] = {
    {"numbered-send", "identity", BUT_FULL, .ready = ready_numbered, .act = act_send_as_booked},
    {"numbered-again", "identity", BUT_FULL, .ready = ready_numbered_again, .act = act_send_as_booked},
    {"numbered-twice", "identity", IN_EMPTY | IN_WRAPPED, .ready = ready_numbered_sent, .act = act_send_as_booked,
     .result = RP_DUPLICATE},
    {"numbered-commit", "identity", BUT_FULL, .ready = ready_numbered, .act = act_commit_numbered},
    {"numbered-once", "identity", BUT_FULL, .once = true, .ready = ready_numbered_once, .act = act_send_as_booked},
    {"numbered-open", "identity", IN_EMPTY | IN_WRAPPED, .bare = true, .ready = will_send_numbered, .act = act_open_numbered},
    {"numbered-inherit", "identity", IN_EMPTY | IN_WRAPPED, .bare = true, .prepare = prepare_predecessor,
     .ready = will_send_numbered, .act = act_open_numbered},
    {"numbered-close", "identity", IN_EMPTY | IN_WRAPPED, .ready = ready_numbered_sent, .act = act_close_producer},
    {"numbered-remove", "identity", IN_EMPTY | IN_WRAPPED, .ready = ready_removable, .act = act_remove_id},

    {"seen", "work", EVERYWHERE, .once = true, .messages = 1, .ready = ready_work, .act = act_ask},
    {"seen-again", "work", EVERYWHERE, .once = true, .messages = 2, .ready = ready_done_before, .act = act_ask,
     .result = RP_DUPLICATE},
    {"seen-ack", "work", EVERYWHERE, .once = true, .messages = 1, .ready = ready_done, .act = act_ack},
    {"seen-nack", "work", IN_EMPTY | IN_FULL | IN_WRAPPED, .once = true, .messages = 1, .ready = ready_at_work,
     .act = act_nack_now},
    {"seen-reject", "work", IN_EMPTY | IN_FULL | IN_WRAPPED, .once = true, .messages = 1, .ready = ready_hopeless,
     .act = act_reject},
    {"seen-close", "work", IN_EMPTY | IN_WRAPPED, .once = true, .messages = 1, .ready = ready_at_work, .act = act_close_all},

    {"forward", "forward", BUT_FULL, .once = true, .messages = 1, .ready = to_forward, .act = act_forward},
    {"forward-again", "forward", IN_EMPTY | IN_WRAPPED, .once = true, .messages = 1, .prepare = prepare_forwarded,
     .time_ms = MINUTE_MS, .ready = ready_forwarded, .act = act_forward, .result = 1},
    {"forward-late", "forward", IN_EMPTY | IN_WRAPPED, .once = true, .messages = 1, .ready = ready_forward_late,
     .between = the_lease_is_lost, .act = act_forward, .result = RP_LEASE_LOST},

    {"pause", "flow", EVERYWHERE, .messages = 1, .bare = true, .ready = will_pause, .act = act_pause},
    {"pause-group", "flow", IN_EMPTY | IN_FEW, .messages = 1, .bare = true, .ready = will_pause_group, .act = act_pause_group},
    {"resume", "flow", EVERYWHERE, .messages = 1, .bare = true, .between = will_be_resumed, .act = act_resume},
    {"resume-group", "flow", IN_EMPTY | IN_FEW, .messages = 1, .bare = true, .between = group_will_be_resumed,
     .act = act_resume_group},
    {"send-paused", "flow", EVERYWHERE & ~IN_FULL, .ready = ready_send_in_vain, .between = sends_are_paused, .act = act_send,
     .result = RP_PAUSED},
    {"commit-paused", "flow", BUT_FULL, .ready = ready_loan, .between = sends_are_paused, .act = act_commit},
    {"redrive-paused", "flow", IN_EMPTY | IN_WRAPPED, .bare = true, .prepare = prepare_dead, .between = sends_are_paused,
     .act = act_redrive, .result = RP_PAUSED},
    /* What was claimed ahead goes back. */
    {"receive-paused", "flow", EVERYWHERE, .messages = 3, .prefetch = 3, .ready = ready_hold, .between = receives_are_paused,
     .act = act_receive_paused, .result = RP_PAUSED},
    {"drain", "flow", IN_EMPTY | IN_WRAPPED, .bare = true, .ready = will_drain, .act = act_drain},
    {"drain-left", "flow", EVERYWHERE, .messages = 1, .bare = true, .prepare = prepare_ghost, .ready = will_drain, .act = act_drain,
     .result = RP_EMPTY},
    {"drain-last", "flow", IN_EMPTY | IN_WRAPPED, .bare = true, .prepare = prepare_last_ack, .ready = will_drain,
     .act = act_drain_to_the_end, .during = ack_last},
};
const size_t delivery_scenario_count = sizeof delivery_scenarios / sizeof delivery_scenarios[0];

/* ---- who comes after ---- */

bool has_successor(const struct book *b) { return b->once || b->numbered || b->work || b->forwarded; }

static void succeed_sender(struct victim *v) {
    const struct book *b = v->world->book;
    rp_producer *p = v->party.producer;
    if (b->numbered != 0)
        must(numbered_open(v->party.queue, &p) == 0);
    if (!b->id_removed)
        (void)send_as_booked(b, p, b->numbered ? b->numbered : b->once);
}

static void succeed_receiver(struct victim *v) {
    struct book *b = v->world->book;
    unsigned mine = b->work ? b->work : b->forwarded;
    for (int serial; v->party.held_count < PARTY_HOLDS && (serial = party_receive(&v->party)) >= 0;) {
        struct rp_message *m = &v->party.held[v->party.held_count - 1];
        if ((unsigned)serial != mine)
            continue;
        b->after[mine] = FATE_GONE;
        b->work_after = WORK_DONE;
        if (b->forwarded)
            must(work_forward(b, &v->party, m) >= 0);
        else
            must(work_ask(&v->party, m) != -EBUSY && rp_ack(v->party.consumer, m) == 0);
    }
}

static int act_succeed(struct victim *v) {
    const struct book *b = v->world->book;
    if (b->once || b->numbered)
        succeed_sender(v);
    if (b->work || b->forwarded)
        succeed_receiver(v);
    return 0;
}
const struct scenario succession = {"succeed", "recovery", EVERYWHERE, .act = act_succeed};
