/* SPDX-License-Identifier: MIT */
/* Dead letters that go to another queue, `rp_dead_redrive` with `to`: sent there, then dropped here. Nothing is ever in neither. */
#include "witness_log.h"

#include "scenario.h"

enum { LENT_MAX = 32, LETTERS_MAX = 2 * LENT_MAX };

static void setup(unsigned letters) {
    struct rp_queue_options o = scenario_options(4);
    o.dead_capacity = 4;
    witness_create(&o, &(struct witness_expectations){.redrives = true, .forwards = true});
    rp_queue *far;
    witness_must(rp_queue_create("far", &o, &far), "the other queue");
    witness_must(rp_queue_close(far), "the other queue");
    struct desk d;
    witness_open(&d);
    for (unsigned i = 0; i < letters; i++)
        witness_send(&d, 0);
    for (unsigned i = 0; i < letters; i++)
        if (witness_receive(&d, 0) == 0)
            witness_reject(&d, 0);
    witness_close(&d);
}
static void setup_one(void) { setup(1); }
static void setup_two(void) { setup(2); }

/* The handles of who sends to the other queue. */
struct far {
    rp_queue *queue;
    rp_producer *producer;
};
static void far_open(struct far *f) {
    witness_must(rp_queue_open("far", NULL, &f->queue), "the other queue");
    witness_must(rp_producer_open(f->queue, NULL, &f->producer), "a producer of the other queue");
}
static void far_close(struct far *f) {
    rp_producer_close(f->producer);
    witness_must(rp_queue_close(f->queue), "the other queue");
}
static void forward(struct desk *d, struct far *f) {
    struct rp_redrive_options o;
    rp_redrive_options_init(&o, sizeof o);
    o.to = f->producer;
    struct event *e = witness_begin(REDRIVE, 0, "rp_dead_redrive");
    witness_must(witness_end(e, rp_dead_redrive(d->queue, NULL, &o), true), "rp_dead_redrive");
}

/* ---- where every letter has come to ---- */

/* Copies of each message that are in the other queue. */
struct copies {
    unsigned of[SIM_FIBERS][LETTERS_MAX];
};
static void drain_far(struct copies *copies) {
    rp_queue *q;
    rp_consumer *c;
    struct rp_message m;
    struct rp_queue_stats s;
    struct rp_audit audit;
    *copies = (struct copies){0};
    witness_must(rp_queue_open("far", NULL, &q), "the other queue");
    witness_must(rp_consumer_open(q, NULL, &c), "a consumer of the other queue");
    witness_must(rp_queue_sweep(q), "rp_queue_sweep");
    while (rp_receive(c, &m, 0) == 0) {
        uint32_t tag = witness_tag(&m);
        if ((tag & 0xffff) >= LETTERS_MAX)
            sim_fail("message %x is in the other queue", tag);
        copies->of[(tag >> 16) - 1][tag & 0xffff]++;
        witness_must(rp_ack(c, &m), "rp_ack");
    }
    rp_consumer_close(c);
    if (rp_queue_stats(q, &s) != 0 || s.free_cells != s.cells || rp_queue_audit(q, &audit) != 0 || audit.violations)
        sim_fail("the other queue keeps %llu of %u cells", (unsigned long long)(s.cells - s.free_cells), s.cells);
    witness_must(rp_queue_close(q), "rp_queue_close");
}

/* How often was the message acked here? *perhaps: once more, by one who died in it. */
static unsigned acked_here(uint32_t tag, unsigned *perhaps) {
    unsigned acked = 0;
    for (const struct event *e = witness.events; e < witness.events + witness.count; e++)
        if (e->kind == ACK && e->tag == tag) {
            acked += e->result == 0;
            *perhaps += e->result == UNKNOWN;
        }
    return acked;
}

/* What `who` sent is in one of the queues, and in both, or twice there, no more often than `twice` times. */
static void judge(const struct copies *copies, unsigned who, unsigned twice) {
    unsigned too_many = 0;
    for (const struct event *e = witness.events; e < witness.events + witness.count; e++) {
        if (e->kind != SEND || e->tag >> 16 != who + 1 || e->result != 0)
            continue;
        unsigned perhaps = 0, here = acked_here(e->tag, &perhaps);
        unsigned there = (e->tag & 0xffff) < LETTERS_MAX ? copies->of[who][e->tag & 0xffff] : 0;
        if (here + there + perhaps == 0)
            sim_fail("letter %x is in neither queue", e->tag);
        too_many += here + there > 1 ? here + there - 1 : 0;
    }
    if (too_many > twice)
        sim_fail("%u letters more than participant %u sent", too_many, who);
}

/* A death may leave one letter in both. */
static void finish_alone(void) {
    struct copies copies;
    witness_finish();
    drain_far(&copies);
    judge(&copies, SIM_CREATOR, sim_killed() != 0);
}

static void body_forward(unsigned me) {
    struct desk d;
    struct far f;
    witness_open(&d);
    far_open(&f);
    sim_ready();
    if (me == 0) {
        forward(&d, &f);
    } else {
        witness_sweep(&d);
        sim_call("rp_queue_sweep");
        sim_return(rp_queue_sweep(f.queue) >= 0);
    }
    sim_done();
    far_close(&f);
    witness_close(&d);
}
static const struct sim_program forward_sweep = {.name = "forward-sweep",
                                                 .about = "two letters go to another queue while sweeps walk over both",
                                                 .participants = 2,
                                                 .setup = setup_two,
                                                 .body = body_forward,
                                                 .interim = witness_interim,
                                                 .finish = finish_alone,
                                                 .budget = {.preemptions = 2, .kills = 1, .freezes = 1}};

/*
 * The letter is redriven while it is sent, received and acked, and its memory carries another message, which dies, too: neither its bytes nor
 * itself may go instead of the letter.
 */
static void body_redrive(unsigned me) {
    struct desk d;
    struct far f;
    struct lent lent[LENT_MAX];
    unsigned count = 0;
    witness_open(&d);
    far_open(&f);
    if (me == 1)
        while (count < LENT_MAX && witness_loan(&d, &lent[count]) == 0)
            count++;
    sim_ready();
    if (me == 0) {
        forward(&d, &f);
    } else {
        witness_redrive(&d);
        scenario_receive_and_ack(&d, 1);
        witness_send(&d, 0);
        if (witness_receive(&d, 0) == 0)
            witness_reject(&d, 0);
    }
    sim_done();
    while (count > 0)
        witness_abandon(&d, &lent[--count]);
    far_close(&f);
    witness_close(&d);
}
static void finish_redrive(void) {
    struct copies copies;
    witness_finish();
    drain_far(&copies);
    judge(&copies, SIM_CREATOR, 1); /* two moved it */
    judge(&copies, 1, sim_killed() != 0);
}
static const struct sim_program forward_redrive = {.name = "forward-redrive",
                                                   .about =
                                                       "a letter goes to another queue, is redriven, and its memory used again",
                                                   .participants = 2,
                                                   .setup = setup_one,
                                                   .body = body_redrive,
                                                   .interim = witness_interim,
                                                   .finish = finish_redrive,
                                                   .budget = {.preemptions = 2, .kills = 1, .freezes = 1}};

static void body_both(unsigned me) {
    struct desk d;
    struct far f;
    (void)me;
    witness_open(&d);
    far_open(&f);
    sim_ready();
    forward(&d, &f);
    sim_done();
    far_close(&f);
    witness_close(&d);
}
/* Each may have been sent by both; and where both die, one is still here. */
static void finish_both(void) {
    struct copies copies;
    witness_finish();
    drain_far(&copies);
    judge(&copies, SIM_CREATOR, 2 + (__builtin_popcount(sim_killed()) == 2));
}
static const struct sim_program forward_both = {.name = "forward-both",
                                                .about = "two send the same two letters to another queue",
                                                .participants = 2,
                                                .setup = setup_two,
                                                .body = body_both,
                                                .interim = witness_interim,
                                                .finish = finish_both,
                                                .budget = {.preemptions = 1, .kills = 1, .freezes = 1}};

const struct sim_program *const scenarios_forward[] = {&forward_sweep, &forward_redrive, &forward_both, NULL};
