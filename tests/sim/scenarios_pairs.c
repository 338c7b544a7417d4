/* SPDX-License-Identifier: MIT */
/* Two participants each, everything that two ordinary calls can do to each other. */
#include "scenario.h"

static void setup_empty(void) { scenario_create(2, 0); }
static void setup_one(void) { scenario_create(2, 1); }
static void setup_two(void) { scenario_create(2, 2); }
static void setup_four(void) { scenario_create(4, 0); }

static void body_send_send(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    witness_send(&d, 0);
    if (me == 0)
        witness_send(&d, 0);
    sim_done();
    witness_close(&d);
}
static const struct sim_program send_send = {.name = "send-send", .about = "two producers", PAIR(setup_empty, body_send_send)};

static void body_send_receive(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
        witness_send(&d, 0);
    } else {
        scenario_receive_and_ack(&d, 2);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program send_receive = {
    .name = "send-receive", .about = "a producer and a consumer that acks", PAIR(setup_empty, body_send_receive)};

static void body_receive_receive(unsigned me) {
    (void)me;
    struct desk d;
    witness_open(&d);
    sim_ready();
    scenario_receive_and_ack(&d, 2);
    sim_done();
    witness_close(&d);
}
static const struct sim_program receive_receive = {
    .name = "receive-receive", .about = "two consumers, two messages", PAIR(setup_two, body_receive_receive)};

static void body_nack_receive(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0)
        witness_receive(&d, 0);
    sim_ready();
    if (me == 0) {
        witness_nack(&d, 0, 0, true);
    } else {
        scenario_receive_and_ack(&d, 2);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program nack_receive = {
    .name = "nack-receive", .about = "a holder gives back, another receives", PAIR(setup_two, body_nack_receive)};

static void body_loan(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        struct lent l, other;
        if (witness_loan(&d, &l) == 0)
            witness_commit(&d, &l);
        if (witness_loan(&d, &other) == 0)
            witness_abandon(&d, &other);
    } else {
        witness_sweep(&d);
        scenario_receive_and_ack(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program loan_sweep = {
    .name = "loan-sweep", .about = "loan, commit, abandon against a sweep", PAIR(setup_empty, body_loan)};

static void body_loan_close(unsigned me) {
    struct desk d;
    struct lent l;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_loan(&d, &l);
        sim_call("rp_producer_close");
        rp_producer_close(d.producer);
        d.producer = NULL;
        sim_return(false);
    } else {
        witness_send(&d, 0);
        scenario_receive_and_ack(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program loan_close = {
    .name = "loan-close", .about = "a producer closes with an open loan", PAIR(setup_empty, body_loan_close)};

static void body_batch(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_send_batch(&d, 3);
    } else {
        witness_receive_batch(&d, 3, 0);
        while (d.held_count > 0)
            witness_ack(&d, d.held_count - 1);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program batch = {.name = "batch", .about = "send and receive in batches", PAIR(setup_four, body_batch)};

static void body_close(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 0) {
        witness_receive(&d, 0);
        witness_receive(&d, 0);
    }
    sim_ready();
    if (me == 0)
        witness_close_consumer(&d);
    else
        scenario_receive_and_ack(&d, 2);
    sim_done();
    witness_close(&d);
}
static const struct sim_program close_receive = {
    .name = "close-receive", .about = "a consumer closes with held messages", PAIR(setup_two, body_close)};

static void body_purge_send(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_purge(&d, RP_STATE_ALL);
    } else {
        witness_send(&d, 0);
        scenario_receive_and_ack(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static void setup_purge(void) {
    struct rp_queue_options o = scenario_options(2);
    witness_create(&o, &(struct witness_expectations){.purges = true});
    scenario_preload(1);
}
static const struct sim_program purge_send = {
    .name = "purge-send", .about = "purge against send, receive and ack", PAIR(setup_purge, body_purge_send)};

/* All cells but one are on loan; B takes the message from that one and sends another in it, A purges, C may get the cell. */
static void body_purge_reuse(unsigned me) {
    struct desk d;
    struct lent other;
    witness_open(&d);
    if (me == 2)
        while (witness_loan(&d, &other) == 0)
            ;
    sim_ready();
    if (me == 0) {
        witness_purge(&d, RP_STATE_READY);
    } else if (me == 1) {
        scenario_receive_and_ack(&d, 1);
        witness_send(&d, 0);
    } else {
        witness_send(&d, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program purge_reuse = {.name = "purge-reuse",
                                               .about = "purge while the cell it looks at is used again, twice",
                                               .participants = 3,
                                               .setup = setup_purge,
                                               .body = body_purge_reuse,
                                               FINISH,
                                               .budget = {.preemptions = 2},
                                               .share = 2};

static void body_purge_ack(unsigned me) {
    struct desk d;
    witness_open(&d);
    if (me == 1)
        witness_receive(&d, 0);
    sim_ready();
    if (me == 0) {
        witness_purge(&d, RP_STATE_ALL);
    } else {
        sim_linger(); /* looks at it for long */
        witness_ack(&d, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program purge_ack = {
    .name = "purge-ack", .about = "a leased message is purged under its holder", PAIR(setup_purge, body_purge_ack)};

static void body_reuse(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        scenario_receive_and_ack(&d, 1);
        witness_send(&d, 0);
    } else {
        scenario_receive_and_ack(&d, 1);
        scenario_receive_and_ack(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program reuse = {
    .name = "reuse", .about = "a cell goes round while another looks at it", PAIR(setup_one, body_reuse)};

static void setup_ahead(void) {
    struct rp_queue_options o = scenario_options(2);
    witness_create(&o, &(struct witness_expectations){.claims_ahead = true});
    scenario_preload(2);
}
static void body_prefetch(unsigned me) {
    struct desk d;
    witness_attach(&d);
    witness_consumer_with(&d, me == 0 ? 2 : 0, RP_ACK_EXPLICIT);
    sim_ready();
    scenario_receive_and_ack(&d, 2);
    sim_done();
    witness_close(&d);
}
static const struct sim_program prefetch = {
    .name = "prefetch", .about = "a consumer that claims ahead, and another", PAIR(setup_ahead, body_prefetch)};

static void body_at_most_once(unsigned me) {
    struct desk d;
    witness_attach(&d);
    witness_consumer_with(&d, 0, me == 0 ? RP_ACK_NONE : RP_ACK_EXPLICIT);
    sim_ready();
    if (me == 0) {
        witness_receive(&d, 0);
        witness_receive(&d, 0);
    } else {
        scenario_receive_and_ack(&d, 2);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program at_most_once = {
    .name = "at-most-once", .about = "a consumer that acks nothing, and another", PAIR(setup_two, body_at_most_once)};

const struct sim_program *const scenarios_pairs[] = {&send_send,   &send_receive, &receive_receive, &nack_receive, &loan_sweep,
                                                     &loan_close,  &batch,        &close_receive,   &purge_send,   &purge_ack,
                                                     &purge_reuse, &reuse,        &prefetch,        &at_most_once, NULL};
