/* SPDX-License-Identifier: MIT */
/* A dump, as it looks at the cells, while what is in them is claimed, given back, redriven, becomes due, or is being sent. Nobody acks: what was there before must be found, once. */
#include "dump_cut.h"
#include "scenario.h"
#include "witness_log.h"

enum { CELLS = 64, LANES = 4, ANNA = 1 };

struct finding {
    uint32_t tag;
    bool waiting;
    size_t deliveries;
    struct rp_dump_delivery first;
};

/* -> how many messages a dump would have, and which. `backwards`: in the other order of cells, which is as good. */
static unsigned dump(struct desk *d, bool backwards, struct finding found[CELLS]) {
    const struct segment *s = &d->queue->segment;
    uint64_t lane_ends[LANES];
    struct dump_place places[CELLS];
    struct dump_cut k = {.queue = d->queue, .segment = s, .lane_ends = lane_ends, .group_count = 1, .groups = {group_known(s, 0)}};
    unsigned count = 0, messages = 0;
    if (dump_cut_lanes(&k) < 0)
        sim_fail("a lane without an end");
    for (uint32_t i = 0, cells = s->layout.cell_count; i < cells && count < CELLS; i++)
        count += dump_place_of(&k, backwards ? cells - 1 - i : i, &places[count]);
    for (unsigned i = 0; i < count; i++) {
        unsigned char content[64];
        struct dump_copy copy = {.content = content};
        struct rp_dump_message m;
        enum dump_found how = dump_look(&k, places[i].cell, places[i].id, &copy, &m);
        if (how == DUMP_DAMAGED)
            sim_fail("a message that is damaged");
        if (how != DUMP_MESSAGE)
            continue;
        found[messages] = (struct finding){.tag = witness_tag(&(struct rp_message){.data = m.data, .bytes = m.bytes, .id = m.id}),
                                           .waiting = m.flags & RP_DUMP_WAITING,
                                           .deliveries = m.delivery_count};
        if (m.delivery_count > 0)
            found[messages].first = copy.deliveries[0];
        for (unsigned other = 0; other < messages; other++)
            if (found[other].tag == found[messages].tag)
                sim_fail("a message is in the dump twice");
        messages++;
    }
    return messages;
}

/* Was the dump stopped, while all that was there went, and other messages came? Then it has whatever it has, whole and once. */
static bool was_away(void) { return sim_frozen() >> sim_me() & 1; }

/* The one message that is there all the time. */
static struct finding dump_the_one(struct desk *d) {
    struct finding found[CELLS];
    unsigned count = dump(d, false, found);
    if (was_away())
        return (struct finding){.first.state = RP_STATE_READY};
    if (count != 1)
        sim_fail("a dump with %u messages, one was there all the time", count);
    if (found[0].waiting ? found[0].deliveries != 0 : found[0].deliveries != 1)
        sim_fail("a message that is needed by %zu groups, and waits: %d", found[0].deliveries, found[0].waiting);
    return found[0];
}

/* ---- claimed and given back ---- */

static void setup_one(void) { scenario_create(2, 1); }

static void body_nack(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        if (witness_receive(&d, 0) == 0)
            witness_nack(&d, 0, 0, true);
        if (witness_receive(&d, 0) == 0)
            witness_nack(&d, 0, 0, true);
    } else {
        struct finding f = dump_the_one(&d);
        if (f.first.state != RP_STATE_READY && f.first.state != RP_STATE_LEASED && f.first.state != RP_STATE_DELAYED)
            sim_fail("state %u", f.first.state);
        if (f.first.letter.deliveries > 2 || f.first.letter.acquisitions > 2)
            sim_fail("it has failed %u times, two were possible", f.first.letter.deliveries);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program dump_nack = {
    .name = "dump-nack", .about = "a dump of a message that is claimed and given back", PAIR(setup_one, body_nack)};

/* ---- due ---- */

static void setup_delayed(void) {
    struct rp_queue_options o = scenario_options(2);
    witness_create(&o, &(struct witness_expectations){.waits = true});
    struct desk d;
    witness_open(&d);
    witness_send_timed(&d, 100 * MS, 0);
    witness_close(&d);
}

static void body_due(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    sim_linger();
    if (me == 0)
        witness_sweep(&d);
    else
        (void)dump_the_one(&d);
    sim_done();
    witness_close(&d);
}
static const struct sim_program dump_due = {.name = "dump-due",
                                            .about = "a dump of a message whose time comes",
                                            .participants = 2,
                                            .setup = setup_delayed,
                                            .body = body_due,
                                            FINISH,
                                            .budget = {.preemptions = 2, .kills = 1, .freezes = 1, .jumps = 1},
                                            .jumps_ns = {300 * MS}};

/* ---- redriven, in a keyed queue: the cell becomes the next publication ---- */

static void setup_letter(void) {
    struct rp_queue_options o = scenario_options(4);
    o.lanes = 2;
    witness_create(&o, &(struct witness_expectations){.redrives = true});
    struct desk d;
    witness_open(&d);
    witness_send_in(&d, ANNA, 0);
    if (witness_receive(&d, 0) == 0)
        witness_reject(&d, 0);
    witness_close(&d);
}

static void body_redrive(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0)
        witness_redrive(&d);
    else
        (void)dump_the_one(&d);
    sim_done();
    witness_close(&d);
}
static const struct sim_program dump_redrive = {
    .name = "dump-redrive", .about = "a dump of a letter that goes to its lane's end", PAIR(setup_letter, body_redrive)};

/* ---- sent beside it ---- */

static void setup_none(void) { scenario_create(4, 0); }

static void body_sends(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_send(&d, 0);
        witness_send(&d, 0);
    } else {
        struct finding found[CELLS];
        unsigned count = dump(&d, true, found);
        if (!was_away() && (count > 2 || (count == 1 && (found[0].tag & 0xffff) != 1)))
            sim_fail("%u messages, and one without its elder", count);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program dump_sends = {
    .name = "dump-sends", .about = "a dump beside a sender: no message without those before it", PAIR(setup_none, body_sends)};

/* ---- refused: a send that comes to nothing has been published for a moment ---- */

static void setup_full(void) {
    struct rp_queue_options o = scenario_options(4);
    o.lanes = 2;
    o.lane_capacity = 2;
    witness_create(&o, &(struct witness_expectations){.full_at = 2});
    struct desk d;
    witness_open(&d);
    witness_send_in(&d, ANNA, 0);
    witness_send_in(&d, ANNA, 0);
    witness_close(&d);
}

static void body_refused(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        witness_send_in(&d, ANNA, 0);
    } else {
        struct finding found[CELLS];
        unsigned count = dump(&d, false, found);
        if (count != 2 && !was_away())
            sim_fail("%u messages, two were sent, and a third was refused", count);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program dump_refused = {
    .name = "dump-refused", .about = "a dump beside a send that is refused", PAIR(setup_full, body_refused), .lane_slots = 2};

const struct sim_program *const scenarios_dump[] = {&dump_nack, &dump_due, &dump_redrive, &dump_sends, &dump_refused, NULL};
