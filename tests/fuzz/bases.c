/* SPDX-License-Identifier: MIT */
#include "bases.h"
#include "fuzz.h"
#include "handle.h"
#include "headers.h"
#include "requeue.h"
#include "roster.h"
#include "steps.h"
#include "world.h"

#include <stdlib.h>
#include <string.h>

#define MS UINT64_C(1000000)
enum { LEASE_MS = 4 };

struct base bases[BASES];

static int good(int result) {
    if (result < 0)
        finding("a valid segment could not be made: %s: %s", rp_error_name(result), rp_error_detail());
    return result;
}

/* One participant. */
struct party {
    rp_queue *q;
    rp_producer *p;
    rp_consumer *c;
};

static struct party join(const char *group) {
    struct party a;
    struct rp_consumer_options o;
    rp_consumer_options_init(&o, sizeof o);
    o.group = group;
    good(rp_queue_open(world_damaged, NULL, &a.q));
    good(rp_producer_open(a.q, NULL, &a.p));
    good(rp_consumer_open(a.q, &o, &a.c));
    return a;
}

static void part(struct party *a) {
    rp_consumer_close(a->c);
    rp_producer_close(a->p);
    good(rp_queue_close(a->q));
}

/* At a level of priority, or with a key now and then, as the queue is. */
static void send(struct party *a, size_t bytes) {
    static const char text[256] = "the quick brown fox";
    const struct parameters *q = &a->q->segment.parameters;
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    if (q->keyed && bytes % 4 == 0) {
        o.key = text;
        o.key_bytes = bytes;
    } else if (!q->keyed) {
        o.priority = (uint32_t)bytes % segment_levels(&a->q->segment);
    }
    const struct rp_header headers[] = {{"kind", "fox"}, {"n", ""}};
    if (bytes % 3 == 0 && content_aligned(bytes) + 40 <= segment_room(&a->q->segment)) {
        o.headers = headers;
        o.header_count = 2;
    }
    uint64_t serial = a->p->next_id;
    if (q->dedup_window_ns > 0) { /* the last ones are those that the fuzzer sends again */
        o.dedup_id = bytes == 5 ? (const void *)&serial : text + bytes % 7;
        o.dedup_id_bytes = bytes == 5 ? sizeof serial : 1 + bytes % 11;
    }
    good(rp_send(a->p, text, bytes, &o));
}

static struct rp_message take(struct party *a) {
    struct rp_message m;
    good(rp_receive(a->c, &m, 0));
    return m;
}

static void nack(struct party *a, uint64_t delay_ns, const char *reason) {
    struct rp_nack_options o;
    struct rp_message m = take(a);
    rp_nack_options_init(&o, sizeof o);
    o.delay_ns = (int64_t)delay_ns;
    o.reason = reason;
    good(rp_nack(a->c, &m, &o));
}

static void reject(struct party *a, const char *reason) {
    struct rp_message m = take(a);
    good(rp_reject(a->c, &m, reason));
}

/* The image of the queue as it is, with everybody still there; who of them lives when it is loaded is for the run to say. */
static void photograph(struct base *b, const char *name, rp_queue *q) {
    *b = (struct base){.name = name, .bytes = world_size(), .now_ns = world_now_ns(), .segment = q->segment};
    b->image = malloc(b->bytes);
    must(b->image != NULL);
    memcpy(b->image, world_bytes(), b->bytes);
    const struct segment *s = &b->segment;
    b->bound = steps_bound(&s->parameters, &s->layout);
    for (uint32_t i = 0; i < s->parameters.max_participants; i++)
        if (seat_state(load_relaxed(&s->seats[i].word, init)) == SEAT_ATTACHED)
            b->holders |= UINT64_C(1) << i;
}

void base_load(struct base *b) {
    world_load(b->image, b->bytes);
    if (segment_bind(&b->segment, world_bytes(), b->bytes, false) != 0)
        finding("base %s is not valid: %s", b->name, rp_error_detail());
}

/* Moves an untaken message to the early ring, as a sender does that finds it in its way; that takes a whole lap and others who left out of order. */
static void push_aside(rp_queue *q) {
    const struct segment *s = &q->segment;
    for (uint32_t c = 0; c < s->layout.cell_count; c++) {
        uint64_t w = load_relaxed(&segment_cell(s, c)->word, init);
        uint64_t d = load_relaxed(delivery_at(s, 0, c), init);
        if (!cell_pends(w, 0) || taken(d, w))
            continue;
        uint32_t hold = hold_make(cell_generation(w), 0);
        store_relaxed(delivery_at(s, 0, c), delivery_of_hold(DELIVERY_RETURNED, NOBODY, NOBODY, NOBODY, hold), init);
        must(requeue(s, 0, c) == REQUEUE_IN);
        return;
    }
}

/* A sender that died between its last store and the CAS that commits. */
static void die_while_sending(const struct party *a) {
    struct rp_loan loan;
    good(rp_loan(a->p, 8, &loan));
    struct cell *cell = segment_cell(&a->q->segment, (uint32_t)loan.reserved[1]);
    uint64_t generation = cell_generation(load_relaxed(&cell->word, init)) + 1;
    store_relaxed(&cell->position, position_word(generation, 0, load_relaxed(&a->q->segment.lane_ends[0].tail, init)), init);
    store_relaxed(&cell->word, cell_word(CELL_PUBLISHED, a->q->seat, 1, generation), init);
}

/* Of the ids some are with that sender. */
static void leave_undecided(rp_queue *q, uint32_t seat) {
    const struct segment *s = &q->segment;
    for (uint32_t i = 0; i < s->layout.known_count; i++) {
        uint64_t w = load_relaxed(&s->known_ids[i].word, init);
        if (id_state(w) == ID_COMMITTED && i % 3 == 0)
            store_relaxed(&s->known_ids[i].word, id_word(ID_PENDING, seat, id_generation(w)), init);
    }
}

/* A producer with an id that died in the middle of a send, so the cell must be asked. */
static rp_producer *own_an_id(rp_queue *q) {
    struct rp_producer_options o;
    rp_producer *p;
    rp_producer_options_init(&o, sizeof o);
    o.id = "fuzz";
    o.id_bytes = 4;
    good(rp_producer_open(q, &o, &p));
    store_relaxed(&p->identity->message, UINT64_C(1) << GENERATION_BITS, init);
    store_relaxed(&p->identity->next, 7, init);
    return p;
}

static void rounds(struct party *a, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        send(a, 5);
        nack(a, 0, "again");
        struct rp_message m = take(a);
        good(rp_ack(a->c, &m));
    }
}

static void expire(struct party *a) {
    world_pass((LEASE_MS + 20) * MS);
    good(rp_queue_sweep(a->q));
}

/* Messages in every state there is. */
static void every_state(struct base *b, const char *name, const struct rp_queue_options *o, unsigned laps) {
    rp_queue *q;
    struct rp_loan loan;
    good(rp_queue_create(world_damaged, o, &q));
    struct party a = join(NULL), d = join(NULL);
    rounds(&a, laps);
    good(rp_group_create(q, "second", NULL));
    struct party second = join("second");
    for (int i = 0; i < 9; i++)
        send(&a, 8 + (size_t)i);
    reject(&a, "poison");
    nack(&a, 1000000 * MS, "later");
    take(&d);
    expire(&a); /* given back, still viewed */
    struct rp_message m = take(&a);
    good(rp_ack(a.c, &m)); /* limbo */
    take(&a);
    expire(&a);
    nack(&d, 0, NULL); /* in returned, with a viewer */
    take(&a);          /* leased */
    take(&d);
    take(&second);
    reject(&second, "not mine");
    if (o->lanes > 0)
        must(good(rp_dead_redrive(q, NULL, NULL)) > 0); /* leaving; the other group still needs it as it is */
    else
        push_aside(q);
    good(rp_loan(a.p, 8, &loan));
    die_while_sending(&d);
    leave_undecided(q, d.q->seat);
    rp_producer *numbered = own_an_id(q);
    photograph(b, name, q);
    rp_producer_close(numbered);
    part(&second);
    part(&d);
    part(&a);
    good(rp_queue_close(q));
    good(rp_queue_unlink(world_damaged));
}

static void many_deaths(struct base *b, const char *name, const struct rp_queue_options *o, unsigned deaths) {
    rp_queue *q;
    good(rp_queue_create(world_damaged, o, &q));
    struct party a = join(NULL);
    for (unsigned i = 0; i < deaths; i++) {
        send(&a, 7);
        reject(&a, "dead");
    }
    while (rp_send(a.p, "more", 4, &(struct rp_send_options){.size = sizeof(struct rp_send_options)}) == 0) {
    }
    take(&a);
    take(&a);
    photograph(b, name, q);
    part(&a);
    good(rp_queue_close(q));
    good(rp_queue_unlink(world_damaged));
}

static void one_message(struct base *b, const char *name, const struct rp_queue_options *o, bool leased) {
    rp_queue *q;
    good(rp_queue_create(world_damaged, o, &q));
    if (!leased) {
        photograph(b, name, q);
    } else {
        rp_producer *p;
        rp_consumer *c;
        struct rp_message m;
        good(rp_producer_open(q, NULL, &p));
        good(rp_consumer_open(q, NULL, &c));
        good(rp_send(p, "8 bytes", 8, NULL));
        good(rp_send(p, "more", 4, NULL));
        good(rp_receive(c, &m, 0));
        photograph(b, name, q);
        rp_consumer_close(c);
        rp_producer_close(p);
    }
    good(rp_queue_close(q));
    good(rp_queue_unlink(world_damaged));
}

static struct rp_queue_options small_options(uint32_t capacity, uint32_t participants, uint32_t groups, uint32_t message_bytes) {
    struct rp_queue_options o;
    rp_queue_options_init(&o, sizeof o);
    o.capacity = capacity;
    o.max_participants = participants;
    o.max_groups = groups;
    o.message_bytes = message_bytes;
    o.lease_ns = LEASE_MS * MS;
    o.backoff_ns = o.backoff_max_ns = MS;
    o.prefault = 0;
    return o;
}

void bases_make(void) {
    struct rp_queue_options o = small_options(1, 2, 1, 8);
    one_message(&bases[0], "empty", &o, false);
    one_message(&bases[BASE_SMALL], "small", &o, true);
    o = small_options(8, 5, 2, 40);
    every_state(&bases[BASE_STATES], "states", &o, 3);
    sim_first_lap = LAP_MASK - 1; /* the laps of the rings wrap */
    every_state(&bases[3], "wrapped", &o, 200);
    sim_first_lap = 1;
    o = small_options(8, 3, 1, 16);
    o.dead_capacity = 2;
    many_deaths(&bases[4], "deaths", &o, 12);
    o = small_options(4, 3, 1, 16);
    o.dead_capacity = 2;
    o.dead_overflow = RP_DEAD_REFUSE;
    o.overflow = RP_OVERFLOW_BLOCK;
    o.backoff_factor = 1;
    o.backoff_max_ns = 1000 * MS;
    o.lease_ns = 0;
    many_deaths(&bases[5], "refusing", &o, 2);
    o = small_options(64, 4, 4, 200);
    every_state(&bases[6], "large", &o, 70);
    o = small_options(2, 2, 1, 16);
    o.overflow = RP_OVERFLOW_DROP_OLDEST;
    o.max_bytes = 100;
    one_message(&bases[7], "dropping", &o, true);
    o = small_options(8, 5, 2, 40);
    o.lanes = 9;
    o.lane_capacity = 4;
    every_state(&bases[BASE_KEYED], "keyed", &o, 100);
    o = small_options(8, 5, 2, 40);
    o.priorities = 3;
    every_state(&bases[BASE_LEVELS], "levels", &o, 3);
    o = small_options(8, 5, 2, 40);
    o.dedup_window_ns = 3600 * 1000 * MS;
    o.dedup_entries = 32;
    every_state(&bases[BASE_IDS], "ids", &o, 60);
    o = small_options(8, 5, 2, 40);
    o.numa_shards = 3;
    every_state(&bases[BASE_SHARDS], "shards", &o, 3);
}

void bases_free(void) {
    for (unsigned i = 0; i < BASES; i++)
        free(bases[i].image);
}
