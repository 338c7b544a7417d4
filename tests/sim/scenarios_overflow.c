/* SPDX-License-Identifier: MIT */
/* A full queue that drops its oldest, or that bounds its bytes. */
#include "scenario.h"

#include "byte_room.h"
#include "handle.h"
#include <ringpost/group.h>

/* Loans, until `rest` cells are free; then messages in those. */
enum { LENT = 40 };
static struct lent lent[LENT];
static unsigned lent_count;

static void fill(struct desk *d, unsigned rest) {
    lent_count = 0;
    while (scenario_free_cells(d) > rest)
        witness_loan(d, &lent[lent_count++]);
    for (unsigned i = 0; i < rest; i++)
        witness_send(d, 0);
}
static void abandon_all(struct desk *d) {
    while (lent_count > 0)
        witness_abandon(d, &lent[--lent_count]);
}

static void setup_dropping(void) {
    struct rp_queue_options o = scenario_options(1);
    o.overflow = RP_OVERFLOW_DROP_OLDEST;
    witness_create(&o, &(struct witness_expectations){.drops = true});
    sim_keep(lent, sizeof lent);
    sim_keep(&lent_count, sizeof lent_count);
}

static void body_drop_claim(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1)
        fill(&d, 2);
    sim_ready();
    if (me == 0)
        witness_send(&d, 0);
    else
        scenario_receive_and_ack(&d, 1);
    sim_done();
    if (me == 1)
        abandon_all(&d);
    witness_close(&d);
}
static const struct sim_program drop_claim = {
    .name = "drop-claim", .about = "a sender drops the oldest, a receiver takes it", PAIR(setup_dropping, body_drop_claim)};

static void body_drop_ack(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1) {
        fill(&d, 2);
        witness_receive(&d, 0);
    }
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
        witness_send(&d, 0);
    } else {
        witness_ack(&d, 0);
    }
    sim_done();
    if (me == 1)
        abandon_all(&d);
    witness_close(&d);
}
static const struct sim_program drop_ack = {
    .name = "drop-ack", .about = "a sender drops, the oldest is held and acked", PAIR(setup_dropping, body_drop_ack)};

static void body_drop_nack(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1) {
        fill(&d, 1);
        witness_receive(&d, 0);
    }
    sim_ready();
    if (me == 0)
        witness_send(&d, 0);
    else
        witness_nack(&d, 0, 0, true);
    sim_done();
    if (me == 1)
        abandon_all(&d);
    witness_close(&d);
}
static const struct sim_program drop_nack = {
    .name = "drop-nack", .about = "a sender drops what is just given back", PAIR(setup_dropping, body_drop_nack)};

static void body_drop_drop(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1)
        fill(&d, 2);
    sim_ready();
    witness_send(&d, 0);
    if (me == 1)
        witness_send(&d, 0);
    sim_done();
    if (me == 1)
        abandon_all(&d);
    witness_close(&d);
}
static const struct sim_program drop_drop = {
    .name = "drop-drop", .about = "two senders drop, also each other's messages", PAIR(setup_dropping, body_drop_drop)};

static void body_drop_last(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1)
        fill(&d, 1);
    sim_ready();
    witness_send(&d, 0);
    sim_done();
    if (me == 1)
        abandon_all(&d);
    witness_close(&d);
}
static const struct sim_program drop_last = {.name = "drop-last",
                                             .about = "two senders, one message to drop: a send under way is not",
                                             PAIR(setup_dropping, body_drop_last)};

static void body_drop_sweep(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1)
        fill(&d, 2);
    sim_ready();
    if (me == 0)
        witness_send(&d, 0);
    else
        witness_sweep(&d);
    sim_done();
    if (me == 1)
        abandon_all(&d);
    witness_close(&d);
}
static const struct sim_program drop_sweep = {
    .name = "drop-sweep", .about = "a sender drops, a sweep finishes what it began", PAIR(setup_dropping, body_drop_sweep)};

/* Early is full, and so is the lane: the next one has no place although there are cells. */
static void setup_no_way(void) {
    struct rp_queue_options o = scenario_options(12);
    o.overflow = RP_OVERFLOW_DROP_OLDEST;
    witness_create(&o, &(struct witness_expectations){.drops = true});
}
static void body_no_way(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1)
        for (unsigned i = 0; i < 24; i++)
            witness_send(&d, 0);
    sim_ready();
    if (me == 0)
        witness_send(&d, 0);
    else
        scenario_receive_and_ack(&d, 1);
    sim_done();
    witness_close(&d);
}
static const struct sim_program no_way = {.name = "no-way",
                                          .about = "a sender whose lane has no place drops what is in the way",
                                          .participants = 2,
                                          .setup = setup_no_way,
                                          .body = body_no_way,
                                          FINISH,
                                          .budget = {.preemptions = 2, .kills = 1},
                                          .lane_slots = 8};

/* ---- two groups: nobody receives for the second, which loses its oldest; the first loses nothing ---- */

enum { ABANDONED_FIRST = 3 };

static void setup_abandoned(void) {
    struct rp_queue_options o = scenario_options(1);
    o.max_groups = 2;
    witness_create(&o, NULL);
    rp_queue *q;
    rp_queue_open("sim", NULL, &q);
    struct rp_group_options group;
    rp_group_options_init(&group, sizeof group);
    group.overflow = RP_GROUP_DROP_OLDEST;
    if (rp_group_create(q, "second", &group) != 0)
        sim_fail("no second group: %s", rp_error_detail());
    rp_queue_close(q);
    sim_keep(lent, sizeof lent);
    sim_keep(&lent_count, sizeof lent_count);
}

/* Whatever the second group did not lose it can still receive. */
static void finish_abandoned(void) {
    rp_queue *q;
    rp_consumer *c = NULL;
    struct rp_message m;
    struct rp_queue_stats s;
    struct rp_consumer_options o;
    rp_consumer_options_init(&o, sizeof o);
    o.group = "second";
    if (rp_queue_open("sim", NULL, &q) != 0 || rp_consumer_open(q, &o, &c) != 0)
        sim_fail("the second group cannot be opened: %s", rp_error_detail());
    uint64_t received = 0, deaths = (uint64_t)__builtin_popcount(sim_killed());
    rp_queue_sweep(q);
    while (rp_receive(c, &m, 0) == 0 && rp_ack(c, &m) == 0)
        received++;
    rp_queue_stats(q, &s);
    if (received + s.dropped > s.sent + deaths || received + s.dropped + deaths < s.sent)
        sim_fail("the second group received %llu and lost %llu of %llu", (unsigned long long)received,
                 (unsigned long long)s.dropped, (unsigned long long)s.sent);
    if (s.dropped + ABANDONED_FIRST > s.sent + deaths)
        sim_fail("the second group lost %llu to make room for %llu", (unsigned long long)s.dropped,
                 (unsigned long long)s.sent - ABANDONED_FIRST);
    rp_consumer_close(c);
    rp_queue_close(q);
    witness_finish();
}

static void body_abandoned(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1) {
        fill(&d, ABANDONED_FIRST);
        scenario_receive_and_ack(&d, 1);
        witness_receive(&d, 0);
    }
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
        witness_send(&d, 0);
    } else {
        witness_ack(&d, 0);
    }
    sim_done();
    if (me == 1)
        abandon_all(&d);
    witness_close(&d);
}
static const struct sim_program abandoned = {.name = "abandoned-group",
                                             .about = "a group that nobody receives for loses its oldest, the other nothing",
                                             .participants = 2,
                                             .setup = setup_abandoned,
                                             .body = body_abandoned,
                                             .interim = witness_interim,
                                             .finish = finish_abandoned,
                                             .budget = {.preemptions = 2, .kills = 1}};

/* ---- two groups that both lose: the last bit of a message may be cleared by the dropper's first step, or by a receiver of the other group ---- */

static void setup_both_lose(void) {
    struct rp_queue_options o = scenario_options(1);
    o.max_groups = 2;
    o.overflow = RP_OVERFLOW_DROP_OLDEST;
    witness_create(&o, &(struct witness_expectations){.drops = true, .groups = true});
    struct desk d;
    witness_attach(&d);
    if (witness_group_create(&d, 1) != 0)
        sim_fail("no second group: %s", rp_error_detail());
    witness_close(&d);
    sim_keep(lent, sizeof lent);
    sim_keep(&lent_count, sizeof lent_count);
}

static void body_both_lose(unsigned me) {
    struct desk d;
    witness_attach(&d);
    witness_producer(&d);
    if (me == 1) {
        witness_group_consumer(&d, 1);
        fill(&d, 2);
    }
    sim_ready();
    if (me == 0)
        witness_send(&d, 0);
    else
        scenario_receive_and_ack(&d, 1);
    sim_done();
    if (me == 1)
        abandon_all(&d);
    witness_close(&d);
}
/* What was dropped is counted per group, so the witness cannot judge it; but when both groups are drained, every cell is free. */
static void finish_both_lose(void) {
    struct desk d;
    struct rp_queue_stats s;
    witness_attach(&d);
    for (unsigned g = 0; g < 2; g++) {
        witness_group_consumer(&d, g);
        sim_advance_ns(UINT64_C(2000000000));
        rp_queue_sweep(d.queue);
        while (witness_receive(&d, 0) == 0 && witness_ack(&d, 0) == 0)
            ;
        witness_close_consumer(&d);
    }
    rp_queue_stats(d.queue, &s);
    if (s.free_cells != cells_in_play(&d.queue->segment))
        sim_fail("%llu of %u cells are free, nothing is left, and nobody has a loan", (unsigned long long)s.free_cells,
                 cells_in_play(&d.queue->segment));
    witness_close(&d);
}
static const struct sim_program both_lose = {.name = "both-lose",
                                             .about = "a sender drops for two groups, a receiver of the second takes and acks",
                                             .participants = 2,
                                             .setup = setup_both_lose,
                                             .body = body_both_lose,
                                             .finish = finish_both_lose,
                                             .budget = {.preemptions = 2, .kills = 1}};

/* ---- bytes ---- */

static void create_bounded(bool late) {
    struct rp_queue_options o = scenario_options(8);
    o.overflow = RP_OVERFLOW_BLOCK;
    o.max_bytes = 8;
    witness_create(&o, &(struct witness_expectations){.late_bytes = late});
}
static void setup_bounded(void) { create_bounded(false); }
static void setup_counted(void) { create_bounded(true); }

static void check_bound(void) {
    rp_queue *q;
    struct rp_queue_stats s;
    if (rp_queue_open("sim", NULL, &q) != 0 || rp_queue_sweep(q) < 0 || rp_queue_stats(q, &s) != 0)
        sim_fail("the queue cannot be looked at: %s", rp_error_detail());
    if (s.bytes > 8)
        sim_fail("%llu bytes are held, the bound is 8", (unsigned long long)s.bytes);
    rp_queue_close(q);
}
static void finish_bounded(void) {
    check_bound();
    witness_finish();
}

static void body_byte_sleep(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1)
        witness_send(&d, 0);
    sim_ready();
    if (me == 0)
        witness_send(&d, 500 * (int64_t)MS);
    else
        scenario_receive_and_ack(&d, 1);
    sim_done();
    witness_close(&d);
}
static const struct sim_program byte_sleep = {.name = "byte-sleep",
                                              .about = "a sender sleeps until its bytes fit, beside free cells",
                                              .participants = 2,
                                              .setup = setup_bounded,
                                              .body = body_byte_sleep,
                                              .finish = finish_bounded,
                                              .budget = {.preemptions = 2, .kills = 1},
                                              .strict_wakes = true};

static void body_byte_send(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    witness_send(&d, 0);
    if (me == 1)
        witness_send(&d, 0);
    sim_done();
    witness_close(&d);
}
static const struct sim_program byte_send = {.name = "byte-send",
                                             .about = "two senders, bytes for one message",
                                             .participants = 2,
                                             .setup = setup_bounded,
                                             .body = body_byte_send,
                                             .finish = finish_bounded,
                                             .budget = {.preemptions = 2, .kills = 1}};

static void body_byte_count(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1)
        witness_send(&d, 0);
    sim_ready();
    if (me == 0) {
        witness_sweep(&d);
        witness_send(&d, 0);
    } else {
        scenario_receive_and_ack(&d, 1);
        witness_send(&d, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program byte_count = {.name = "byte-count",
                                              .about = "a sweep counts the bytes while they come and go",
                                              .participants = 2,
                                              .setup = setup_counted,
                                              .body = body_byte_count,
                                              .finish = witness_finish,
                                              .budget = {.preemptions = 2, .kills = 1}};

/* Nothing leaves, so the counters are exact whenever nobody is in a send; a count must not change that. */
static void setup_walked(void) {
    struct rp_queue_options o = scenario_options(8);
    o.max_bytes = 24;
    witness_create(&o, &(struct witness_expectations){.late_bytes = true});
}
static void body_byte_walk(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1)
        witness_send(&d, 0);
    sim_ready();
    if (me == 0) {
        witness_sweep(&d);
    } else {
        witness_send(&d, 0);
        witness_send(&d, 0);
    }
    sim_done();
    witness_close(&d);
}
static void finish_walked(void) {
    rp_queue *q;
    struct rp_queue_stats s;
    if (rp_queue_open("sim", NULL, &q) != 0 || rp_queue_stats(q, &s) != 0)
        sim_fail("the queue cannot be looked at: %s", rp_error_detail());
    if (!sim_killed() && byte_room_held(&q->segment) != (int64_t)s.bytes)
        sim_fail("%llu bytes are held, %lld are counted", (unsigned long long)s.bytes, (long long)byte_room_held(&q->segment));
    if (byte_room_held(&q->segment) < (int64_t)(s.ready * 8))
        sim_fail("%llu messages are held, %lld bytes are counted", (unsigned long long)s.ready,
                 (long long)byte_room_held(&q->segment));
    rp_queue_close(q);
    witness_finish();
}
static const struct sim_program byte_walk = {.name = "byte-walk",
                                             .about = "a sweep counts the bytes while messages come",
                                             .participants = 2,
                                             .setup = setup_walked,
                                             .body = body_byte_walk,
                                             .finish = finish_walked,
                                             .budget = {.preemptions = 2, .kills = 1}};

const struct sim_program *const scenarios_overflow[] = {&drop_claim, &drop_ack,   &drop_nack, &drop_drop, &drop_last,
                                                        &drop_sweep, &no_way,     &abandoned, &both_lose, &byte_sleep,
                                                        &byte_send,  &byte_count, &byte_walk, NULL};
