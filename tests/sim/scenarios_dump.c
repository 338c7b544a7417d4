/* SPDX-License-Identifier: MIT */
/* A dump, as it looks at the cells, while what is in them is claimed, given back, redriven, becomes due, or is being sent. Nobody acks: what was there before must be found, once. */
#include "dump_cut.h"
#include "dump_producers.h"
#include "scenario.h"
#include "witness_log.h"

enum { CELLS = 64, LANES = 4, ANNA = 1 };

struct finding {
    uint64_t id;
    uint64_t payload;
    size_t bytes;
    uint32_t tag;
    bool waiting;
    size_t deliveries;
    struct rp_dump_delivery first;
};

static void begin(const struct desk *d, struct dump_cut *k, uint64_t lane_ends[LANES]) {
    const struct segment *s = &d->queue->segment;
    *k =
        (struct dump_cut){.queue = d->queue, .segment = s, .lane_ends = lane_ends, .group_count = 1, .groups = {group_known(s, 0)}};
}

static void find_ends(struct dump_cut *k) {
    if (dump_cut_lanes(k) < 0)
        sim_fail("a lane without an end");
}

/* -> how many messages a dump would have whose moment is over, and which. `backwards`: in the other order of cells, which is as good. */
static unsigned walk(const struct dump_cut *k, bool backwards, struct finding found[CELLS]) {
    struct dump_place places[CELLS];
    unsigned count = 0, messages = 0;
    for (uint32_t i = 0, cells = k->segment->layout.cell_count; i < cells && count < CELLS; i++)
        count += dump_place_of(k, backwards ? cells - 1 - i : i, &places[count]);
    for (unsigned i = 0; i < count; i++) {
        unsigned char content[64];
        struct dump_copy copy = {.content = content};
        struct rp_dump_message m;
        enum dump_found how = dump_look(k, places[i].cell, places[i].id, &copy, &m);
        if (how == DUMP_DAMAGED)
            sim_fail("a message that is damaged");
        if (how != DUMP_MESSAGE)
            continue;
        struct finding *f = &found[messages];
        *f = (struct finding){.id = m.id, .bytes = m.bytes, .waiting = m.flags & RP_DUMP_WAITING, .deliveries = m.delivery_count};
        memcpy(&f->payload, m.data, m.bytes < sizeof f->payload ? m.bytes : sizeof f->payload);
        if (m.delivery_count > 0)
            f->first = copy.deliveries[0];
        for (unsigned other = 0; other < messages; other++)
            if (found[other].id == m.id)
                sim_fail("a message is in the dump twice");
        messages++;
    }
    return messages;
}

/* A whole dump of messages that witnesses sent. */
static unsigned dump(struct desk *d, bool backwards, struct finding found[CELLS]) {
    struct dump_cut k;
    uint64_t lane_ends[LANES];
    begin(d, &k, lane_ends);
    find_ends(&k);
    unsigned count = walk(&k, backwards, found);
    for (unsigned i = 0; i < count; i++) {
        struct rp_message m = {.data = &found[i].payload, .bytes = found[i].bytes, .id = found[i].id};
        found[i].tag = witness_tag(&m);
        for (unsigned other = 0; other < i; other++)
            if (found[other].tag == found[i].tag)
                sim_fail("a message is in the dump twice");
    }
    return count;
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

/* ---- numbered: what a dump has of a producer with an id, and what it says of him ---- */

static void setup_numbered(void) {
    struct rp_queue_options o = scenario_options(4);
    o.max_producer_ids = 1;
    witness_create(&o, NULL);
}

static rp_producer *send_numbered(struct desk *d) {
    struct rp_producer_options o;
    rp_producer *p;
    rp_producer_options_init(&o, sizeof o);
    o.id = "a";
    o.id_bytes = 1;
    witness_must(rp_producer_open(d->queue, &o, &p), "rp_producer_open");
    for (uint64_t n = 1; n <= 2; n++) {
        struct rp_send_options one;
        rp_send_options_init(&one, sizeof one);
        one.sequence = n;
        witness_must(rp_send(p, &n, sizeof n, &one), "rp_send");
    }
    return p;
}

/* -> the sequence of a message that was settled before the dump; 0: none was there. */
static uint64_t settle_one(struct desk *d) {
    struct rp_message m;
    uint64_t n = 0;
    if (rp_receive(d->consumer, &m, 0) != 0)
        return 0;
    memcpy(&n, m.data, sizeof n);
    witness_must(rp_ack(d->consumer, &m), "rp_ack");
    return n;
}

/* Of the one producer: the sequence that a dump says of him. */
static uint64_t said_of(const struct dump_producers *x, const struct finding *found, unsigned count) {
    uint64_t said = x->count > 0 ? x->all[0].id.sequence : 0;
    for (unsigned i = 0; i < count && x->count > 0; i++)
        said = found[i].id == x->all[0].message_id ? x->all[0].next : said;
    return said;
}

static void numbered_body(unsigned me, bool settles) {
    struct desk d;
    rp_producer *numbered = NULL;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        numbered = send_numbered(&d);
    } else {
        uint64_t last = settles ? settle_one(&d) : 0;
        struct dump_producer room[2][2];
        struct dump_producers before = {.all = room[0]}, after = {.all = room[1]};
        struct finding found[CELLS];
        struct dump_cut k;
        uint64_t lane_ends[LANES];
        begin(&d, &k, lane_ends);
        do {
            dump_producers_read(&before, &d.queue->segment);
            find_ends(&k);
            dump_producers_read(&after, &d.queue->segment);
        } while (!dump_producers_same(&before, &after));
        unsigned count = walk(&k, false, found);
        for (unsigned i = 0; i < count; i++)
            last = found[i].payload > last ? found[i].payload : last;
        uint64_t said = said_of(&after, found, count);
        if (said != last && !was_away())
            sim_fail("a dump has messages of a producer up to %d, or they were acked before it, and says %d", (int)last, (int)said);
    }
    sim_done();
    rp_producer_close(numbered);
    witness_close(&d);
}
static void body_numbered(unsigned me) { numbered_body(me, false); }
static const struct sim_program dump_numbered = {
    .name = "dump-numbered",
    .about = "a dump beside a producer with an id: his sequence is that of his last message in it",
    .participants = 2,
    .setup = setup_numbered,
    .body = body_numbered,
    .budget = {.preemptions = 2, .kills = 1, .freezes = 1}};

static void body_settled(unsigned me) { numbered_body(me, true); }
static const struct sim_program dump_acked = {
    .name = "dump-acked",
    .about = "the same where his message was acked before he could write down that it was sent",
    .participants = 2,
    .setup = setup_numbered,
    .body = body_settled,
    .budget = {.preemptions = 2, .kills = 1, .freezes = 1}};

const struct sim_program *const scenarios_dump[] = {&dump_nack,    &dump_due,      &dump_redrive, &dump_sends,
                                                    &dump_refused, &dump_numbered, &dump_acked,   NULL};
