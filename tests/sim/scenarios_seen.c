/* SPDX-License-Identifier: MIT */
/*
 * rp_seen: the work of an id is done by one at a time, not again once it was acked, and again if nobody lived to. Two messages are about the same work. The book says who was
 * told to do it. Each entry is one atomic step (tests/threads): made before the call that lets others go on, and read before what is entered after it.
 */
#include "witness_log.h"

#include "scenario.h"

#include <errno.h>

static struct book {
    unsigned at_work;                    /* as bits: who was told to do it and has not settled */
    unsigned in_ack;                     /* who says that he did it: done, though he may die in this */
    unsigned done;                       /* how often that was acknowledged to somebody */
    unsigned later[SIM_FIBERS];          /* how often somebody was told to do it after this one began to ack */
    uint32_t acking[SIM_FIBERS];         /* the message */
    unsigned received_later[SIM_FIBERS]; /* was it received again since? */
} book;

#define get(field) __atomic_load_n(field, __ATOMIC_RELAXED)
#define put(field, value) __atomic_store_n(field, value, __ATOMIC_RELAXED)
#define add(field, value) __atomic_fetch_add(field, value, __ATOMIC_RELAXED)
#define set_bit(field, bit) __atomic_fetch_or(field, 1u << (bit), __ATOMIC_RELAXED)
#define clear_bit(field, bit) __atomic_fetch_and(field, ~(1u << (bit)), __ATOMIC_RELAXED)

static void setup(void) {
    struct rp_queue_options o = scenario_options(4);
    o.dedup_window_ns = 3600 * 1000 * MS;
    o.dedup_entries = 64;
    book = (struct book){0};
    sim_keep(&book, sizeof book);
    witness_create(&o, NULL);
    scenario_preload(2);
}

static void check_told(int result) {
    unsigned me = sim_me();
    if (result == 0) {
        unsigned at_work = get(&book.at_work);
        if (at_work & ~sim_killed() & ~(1u << me))
            sim_fail("told to do what a living one is at");
        if (get(&book.done) > 0)
            sim_fail("told to do what was done");
        for (unsigned i = 0; i < SIM_FIBERS; i++)
            add(&book.later[i], get(&book.in_ack) >> i & 1);
        set_bit(&book.at_work, me);
    } else if (result == RP_DUPLICATE) {
        unsigned in_ack = get(&book.in_ack); /* first: it goes when the other is there */
        if (in_ack == 0 && get(&book.done) == 0)
            sim_fail("told that it is done, and nobody says so");
    } else if (result != -EBUSY && result != RP_LEASE_LOST) {
        witness_must(result, "rp_seen");
    }
}

/* Takes the next message and does what is to be done about it. `fails`: or does not get it done. -> false: there is none, or somebody is at it */
static bool work(struct desk *d, bool fails) {
    unsigned me = sim_me();
    if (witness_receive(d, 0) != 0)
        return false;
    for (unsigned i = 0; i < SIM_FIBERS; i++)
        add(&book.received_later[i], get(&book.acking[i]) == witness_tag_of(&d->held[0]));
    sim_call("rp_seen");
    int result = rp_seen(d->consumer, &d->held[0], "work", 4);
    sim_return(result == 0);
    sim_note("  rp_seen -> %s", rp_error_name(result));
    check_told(result);
    if (result == -EBUSY || result == RP_LEASE_LOST || (result == 0 && fails)) {
        clear_bit(&book.at_work, me);
        witness_nack(d, 0, 0, false);
        return false;
    }
    clear_bit(&book.at_work, me);
    if (result == 0) {
        set_bit(&book.in_ack, me);
        put(&book.acking[me], witness_tag_of(&d->held[0]));
    }
    witness_ack(d, 0);
    add(&book.done, result == 0);
    clear_bit(&book.in_ack, me);
    put(&book.acking[me], 0);
    return true;
}

static void body_both(unsigned me) {
    struct desk d;
    (void)me;
    witness_open(&d);
    sim_ready();
    work(&d, false);
    sim_done();
    witness_close(&d);
}
static void body_fails(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    work(&d, me == 0);
    sim_done();
    witness_close(&d);
}

/* A lease ends while somebody is at work: the other one receives the message, and is told to wait. */
static void body_late(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 1)
        sim_linger();
    work(&d, false);
    sim_done();
    witness_close(&d);
}

static void work_on_all(struct desk *d) {
    for (int round = 0; round < 4; round++) {
        sim_advance_ns(PAST_LEASE_NS);
        witness_sweep(d);
        while (work(d, false))
            continue;
    }
}
static void interim(void) {
    struct desk d;
    witness_open(&d);
    work_on_all(&d);
    sim_done();
    witness_close(&d);
}
static void finish(void) {
    struct desk d;
    witness_open(&d);
    work_on_all(&d);
    if (book.done == 0 && book.in_ack == 0)
        sim_fail("it was never done");
    for (unsigned i = 0; i < SIM_FIBERS; i++) /* who died in it may have acked the message: it did not come again */
        if ((book.in_ack >> i & 1) && !book.received_later[i] && book.later[i] > 0)
            sim_fail("done again, although the message of who did it was acked");
    witness_close(&d);
    witness_finish();
}

#define SEEN(does)                                                                         \
    .participants = 2, .setup = setup, .body = does, .interim = interim, .finish = finish, \
    .budget = {.preemptions = 2, .kills = 1, .freezes = 1}
static const struct sim_program seen_both = {
    .name = "seen-both", .about = "two receive a message each about the same work, and do it, or are told", SEEN(body_both)};
static const struct sim_program seen_fails = {.name = "seen-fails",
                                              .about =
                                                  "one does not get the work done and gives its message back, the other does it",
                                              SEEN(body_fails)};
static const struct sim_program seen_late = {.name = "seen-late",
                                             .about = "a lease ends while somebody is at the work",
                                             .participants = 2,
                                             .setup = setup,
                                             .body = body_late,
                                             .interim = interim,
                                             .finish = finish,
                                             .budget = {.preemptions = 1, .kills = 1, .freezes = 1, .jumps = 1},
                                             .jumps_ns = {PAST_LEASE_NS}};

const struct sim_program *const scenarios_seen[] = {&seen_both, &seen_fails, &seen_late, NULL};
