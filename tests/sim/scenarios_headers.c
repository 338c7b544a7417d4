/* SPDX-License-Identifier: MIT */
/* Headers travel with their message: through redelivery, in cells that are used again, and in the copies of those who ack nothing. */
#include "scenario.h"

static void setup(uint32_t capacity, unsigned messages) {
    struct rp_queue_options o = scenario_options(capacity);
    o.header_bytes = 64;
    witness_create(&o, NULL);
    scenario_preload(messages);
}

static void setup_one(void) { setup(1, 1); }

/* A receives and gives back; B takes what is there. The witness looks at the header of each, and in the end at what is left. */
static void body_again(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        if (witness_receive(&d, 0) == 0)
            witness_nack(&d, 0, 0, true);
    } else {
        scenario_receive_and_ack(&d, 1);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program again = {
    .name = "headers-again", .about = "headers of a message that is redelivered", PAIR(setup_one, body_again)};

/* A acks nothing, and looks at what it got after its memory was used again. */
static void body_copy(unsigned me) {
    struct desk d;
    witness_attach(&d);
    witness_producer(&d);
    witness_consumer_with(&d, 0, me == 0 ? RP_ACK_NONE : RP_ACK_EXPLICIT);
    sim_ready();
    if (me == 0) {
        witness_receive(&d, 0);
    } else {
        scenario_receive_and_ack(&d, 1);
        for (int i = 0; i < 2; i++)
            witness_send(&d, 0);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program copy = {
    .name = "headers-copy", .about = "headers of a message that is copied, settled and written over", PAIR(setup_one, body_copy)};

const struct sim_program *const scenarios_headers[] = {&again, &copy, NULL};
