/* SPDX-License-Identifier: MIT */
/*
 * Producers that are known by an id. One sends, is killed or stopped anywhere, and another opens the same id and sends from where it is told to: every sequence is there once, and nobody gets the
 * id of one who lives.
 */
#include "witness_log.h"

#include "identity.h"
#include "scenario.h"

#include <errno.h>
#include <string.h>

enum { SEQUENCES = 8 };

/* What participants were told about sequence n of the id "a". */
static struct book {
    uint8_t committed[SEQUENCES];  /* a send said 0 */
    uint64_t stored_as[SEQUENCES]; /* the message that was received */
    uint8_t opened[SIM_FIBERS];    /* results of opening: 1 owner, 2 refused; 3: closed again */
    bool keyed;                    /* order is one of lanes */
} book;

/* Participants may be threads: tests/threads. */
#define put(field, value) __atomic_store_n(field, value, __ATOMIC_SEQ_CST)
#define get(field) __atomic_load_n(field, __ATOMIC_SEQ_CST)

static void setup_ids(uint32_t ids) {
    struct rp_queue_options o = scenario_options(4);
    o.max_producer_ids = ids;
    memset(&book, 0, sizeof book);
    sim_keep(&book, sizeof book);
    witness_create(&o, NULL);
}

static int open_id(struct desk *d, const char *id, rp_producer **p) {
    struct rp_producer_options o;
    rp_producer_options_init(&o, sizeof o);
    o.id = id;
    o.id_bytes = strlen(id);
    sim_call("rp_producer_open");
    int result = rp_producer_open(d->queue, &o, p);
    sim_return(true);
    sim_note("rp_producer_open %s -> %s", id, rp_error_name(result));
    if (result < 0 && result != RP_IN_USE && result != -ENOSPC)
        witness_must(result, "rp_producer_open");
    return result;
}

/* Does somebody own the id for certain, who is neither dead nor about to close it? */
static void check_owner(unsigned me, int result) {
    for (unsigned i = 0; i < SIM_PARTICIPANTS; i++)
        if (result == 0 && i != me && get(&book.opened[i]) == 1 && !(sim_killed() >> i & 1))
            sim_fail("%u and %u own one id", me, i);
}

static uint64_t last_of(rp_producer *p) {
    uint64_t last;
    witness_must(rp_producer_sequence(p, &last), "rp_producer_sequence");
    return last;
}

static uint64_t payload(uint64_t n) { return UINT64_C(0x1d00000000000000) | n; }

static int send_numbered(rp_producer *p, uint64_t n, uint64_t delay_ns, bool lent) {
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    o.sequence = n;
    o.delay_ns = delay_ns;
    uint64_t data = payload(n);
    sim_call("rp_send");
    int result;
    if (lent) {
        struct rp_loan loan;
        result = rp_loan(p, sizeof data, &loan);
        if (result == 0) {
            memcpy(loan.data, &data, sizeof data);
            result = rp_commit(p, &loan, &o);
            if (result < 0)
                rp_abandon(p, &loan);
        }
    } else {
        result = rp_send(p, &data, sizeof data, &o);
    }
    sim_return(true);
    sim_note("rp_send %d -> %s", (int)n, rp_error_name(result));
    if (result < 0 && result != RP_FULL && result != RP_DUPLICATE)
        witness_must(result, "rp_send");
    if (result == 0)
        put(&book.committed[n], 1);
    if (result == RP_DUPLICATE && n > last_of(p))
        sim_fail("sequence %d is a duplicate, the last is %d", (int)n, (int)last_of(p));
    return result;
}

/* Opens the id if it can be had, and sends all from 1 to `to`: what was sent before is not sent again. */
static void work(unsigned me, struct desk *d, uint64_t to, uint64_t delay_ns, bool lent) {
    rp_producer *p;
    int result = open_id(d, "a", &p);
    check_owner(me, result);
    put(&book.opened[me], result == 0 ? 1 : 2);
    if (result < 0)
        return;
    for (uint64_t n = 1; n <= to; n++)
        (void)send_numbered(p, n, delay_ns, lent);
    put(&book.opened[me], 3);
    rp_producer_close(p);
}

/* A message of this sequence was received: perhaps again, but it is always the same one. -> the sequence */
static uint64_t note(const struct rp_message *m) {
    uint64_t data;
    memcpy(&data, m->data, sizeof data);
    uint64_t n = data ^ payload(0);
    if (m->bytes != sizeof data || n == 0 || n >= SEQUENCES)
        sim_fail("a message that nobody sent: %llx", (unsigned long long)data);
    if (get(&book.stored_as[n]) != 0 && get(&book.stored_as[n]) != m->id)
        sim_fail("sequence %d was stored as %d, and as %d", (int)n, (int)get(&book.stored_as[n]), (int)m->id);
    put(&book.stored_as[n], m->id);
    return n;
}

/* In order, but for what somebody had received and not acked. */
static void receive_all(struct desk *d) {
    struct rp_message m;
    uint64_t before = 0;
    while (rp_receive(d->consumer, &m, 0) == 0) {
        uint64_t n = note(&m);
        if (m.acquisitions == 1 && n <= before && !book.keyed)
            sim_fail("sequence %d came after %d", (int)n, (int)before);
        before = m.acquisitions == 1 ? n : before;
        int result = rp_ack(d->consumer, &m);
        if (result != RP_LEASE_LOST)
            witness_must(result, "rp_ack");
    }
}

/* A successor who sends everything again, as if he had no memory; then each is there exactly once. */
static void finish_to(uint64_t to) {
    struct desk d;
    rp_producer *p;
    witness_open(&d);
    witness_must(open_id(&d, "a", &p), "the id, with nobody left");
    uint64_t last = last_of(p);
    for (uint64_t n = 1; n <= to; n++) {
        if (get(&book.committed[n]) && n > last)
            sim_fail("sequence %d was committed, and the last is %d", (int)n, (int)last);
        int result = send_numbered(p, n, 0, false);
        if (result != (n <= last ? RP_DUPLICATE : 0))
            sim_fail("sequence %d after %d: %s", (int)n, (int)last, rp_error_name(result));
    }
    rp_producer_close(p);
    sim_advance_ns(UINT64_C(2000000000));
    witness_must(rp_queue_sweep(d.queue), "rp_queue_sweep");
    receive_all(&d);
    for (uint64_t n = 1; n <= to; n++)
        if (get(&book.stored_as[n]) == 0)
            sim_fail("sequence %d is missing", (int)n);
    struct rp_producer_id found;
    if (rp_producer_id_next(d.queue, 0, &found) != 0 || found.pid != 0 || found.sequence != to)
        sim_fail("the id is not listed as it should be");
    if (rp_producer_id_next(d.queue, found.index + 1, &found) == 0)
        sim_fail("the id is there twice, or another one is");
    witness_close(&d);
    witness_finish();
}

/* While somebody is stopped: all that he may rely on is still his, and everything else is used. */
static void interim_refused(void) {
    struct desk d;
    rp_producer *p;
    witness_open(&d);
    for (unsigned round = 0; round < 3; round++) {
        sim_advance_ns(UINT64_C(2000000000));
        witness_must(rp_queue_sweep(d.queue), "rp_queue_sweep");
        receive_all(&d);
    }
    int result = open_id(&d, "a", &p);
    check_owner(SIM_INTERIM, result);
    if (result == 0)
        rp_producer_close(p);
    sim_done();
    witness_close(&d);
}

/* ---- one sends, and another is his successor ---- */

static void setup(void) { setup_ids(2); }
static void setup_known(void) {
    struct desk d;
    setup_ids(2);
    witness_open(&d);
    work(SIM_CREATOR, &d, 1, 0, false);
    receive_all(&d);
    witness_close(&d);
}
static void body_successor(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    work(me, &d, 2, 0, false);
    sim_done();
    witness_close(&d);
}
static void finish_two(void) { finish_to(2); }
static const struct sim_program successor = {.name = "id-successor",
                                             .about = "two have one id that was there before: one at a time sends under it",
                                             .participants = 2,
                                             .setup = setup_known,
                                             .body = body_successor,
                                             .interim = interim_refused,
                                             .finish = finish_two,
                                             .budget = {.preemptions = 2, .kills = 1, .freezes = 1}};

static const struct sim_program first = {.name = "id-first",
                                         .about = "two open an id that nobody has used before",
                                         .participants = 2,
                                         .setup = setup,
                                         .body = body_successor,
                                         .interim = interim_refused,
                                         .finish = finish_two,
                                         .budget = {.preemptions = 2, .kills = 1, .freezes = 1}};

/* ---- one sends, the other mends, receives and uses the memory ---- */

static void use_memory(struct desk *d) {
    witness_sweep(d);
    receive_all(d);
}
static void body_sweeper(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        work(me, &d, 2, 0, false);
    } else {
        use_memory(&d);
        use_memory(&d);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program sweeper = {.name = "id-sweep",
                                           .about = "one sends under an id, another receives at once and mends",
                                           .participants = 2,
                                           .setup = setup_known,
                                           .body = body_sweeper,
                                           .interim = interim_refused,
                                           .finish = finish_two,
                                           .budget = {.preemptions = 2, .kills = 1, .freezes = 1}};

static void body_loan(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0)
        work(me, &d, 2, 0, true);
    else
        use_memory(&d);
    sim_done();
    witness_close(&d);
}
static const struct sim_program loan = {.name = "id-loan",
                                        .about = "one commits loans under an id, another receives at once and mends",
                                        .participants = 2,
                                        .setup = setup_known,
                                        .body = body_loan,
                                        .interim = interim_refused,
                                        .finish = finish_two,
                                        .budget = {.preemptions = 2, .kills = 1, .freezes = 1}};

static void body_delayed(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        work(me, &d, 2, 20 * MS, false);
    } else {
        use_memory(&d);
        sim_linger();
        use_memory(&d);
    }
    sim_done();
    witness_close(&d);
}
static const struct sim_program delayed = {.name = "id-delayed",
                                           .about = "one sends with a delay under an id, another mends when it is due",
                                           .participants = 2,
                                           .setup = setup_known,
                                           .body = body_delayed,
                                           .interim = interim_refused,
                                           .finish = finish_two,
                                           .budget = {.preemptions = 1, .kills = 1, .freezes = 1, .jumps = 1},
                                           .jumps_ns = {100 * MS}};

/* ---- a send that failed ---- */

enum { ANNA = 1, BERT = 4, OTHER = SEQUENCES - 1, LENT_MAX = 40 }; /* keys of different lanes; a message without a sequence */

static void setup_keyed(void) {
    struct rp_queue_options o = scenario_options(4);
    o.max_producer_ids = 2;
    o.lanes = 2;
    o.lane_capacity = 4;
    book = (struct book){.keyed = true};
    sim_keep(&book, sizeof book);
    witness_create(&o, &(struct witness_expectations){.full_at = 2});
}
static int send_to(rp_producer *p, uint8_t key, uint64_t n, uint64_t sequence) {
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    o.key = &key;
    o.key_bytes = 1;
    o.sequence = sequence;
    uint64_t data = payload(n);
    sim_call("rp_send");
    int result = rp_send(p, &data, sizeof data, &o);
    sim_return(true);
    return result;
}
static void body_failing(unsigned me) {
    struct desk d;
    rp_producer *p;
    struct lent lent[LENT_MAX];
    unsigned count = 0;
    witness_open(&d);
    if (me == 1) { /* three cells are left */
        while (count < LENT_MAX && witness_loan(&d, &lent[count]) == 0)
            count++;
        for (unsigned i = 0; i < 3; i++)
            witness_abandon(&d, &lent[--count]);
    }
    sim_ready();
    if (me == 0) {
        witness_must(open_id(&d, "a", &p), "the id");
        put(&book.opened[me], 1);
        for (uint64_t n = 1; n <= 3; n++) {
            int result = send_to(p, ANNA, n, n);
            put(&book.committed[n], result == 0);
            if (result != 0 && (result != RP_FULL || last_of(p) >= n))
                sim_fail("sequence %d: %s", (int)n, rp_error_name(result));
        }
        send_to(p, BERT, OTHER, 0); /* in the memory that the last one had, if that failed */
        put(&book.opened[me], 3);
        rp_producer_close(p);
    } else {
        use_memory(&d);
    }
    sim_done();
    while (count > 0)
        witness_abandon(&d, &lent[--count]);
    witness_close(&d);
}
static void finish_failing(void) {
    struct desk d;
    witness_open(&d);
    sim_advance_ns(UINT64_C(2000000000));
    for (unsigned round = 0; round < 4; round++)
        use_memory(&d);
    witness_close(&d);
    finish_to(3);
}
static const struct sim_program failing = {.name = "id-full",
                                           .about = "a send under an id fails for want of a place in its lane",
                                           .participants = 2,
                                           .setup = setup_keyed,
                                           .body = body_failing,
                                           .interim = interim_refused,
                                           .finish = finish_failing,
                                           .budget = {.preemptions = 1, .kills = 1, .freezes = 1},
                                           .lane_slots = 2};

/* ---- a dead one is recovered by two at once, one of whom goes on as he ---- */

static void body_recoverers(unsigned me) {
    struct desk d;
    witness_open(&d);
    sim_ready();
    if (me == 0)
        work(me, &d, 1, 0, false);
    else if (me == 1)
        witness_sweep(&d);
    else
        work(me, &d, 2, 0, false);
    sim_done();
    witness_close(&d);
}
static const struct sim_program recoverers = {.name = "id-recoverers",
                                              .about = "who sent under an id dies; two recover him, and one goes on as he",
                                              .participants = 3,
                                              .setup = setup,
                                              .body = body_recoverers,
                                              .interim = interim_refused,
                                              .finish = finish_two,
                                              .budget = {.preemptions = 2, .kills = 1, .freezes = 1},
                                              .killable = 1};

/*
 * The dead one's message is received, acked, and its memory used again and again while the other looks at it. One cell is free at the beginning.
 */
static void body_settled(unsigned me) {
    struct desk d;
    rp_producer *p;
    struct lent lent[LENT_MAX];
    unsigned count = 0;
    witness_open(&d);
    if (me == 2) {
        while (count < LENT_MAX && witness_loan(&d, &lent[count]) == 0)
            count++;
        witness_abandon(&d, &lent[--count]);
    }
    sim_ready();
    if (me == 0) {
        if (open_id(&d, "a", &p) == 0) {
            (void)send_numbered(p, 2, 0, false);
            rp_producer_close(p);
        }
    } else if (me == 1) {
        if (open_id(&d, "a", &p) == 0) {
            if (get(&book.stored_as[2]) != 0 && last_of(p) < 2)
                sim_fail("sequence 2 was received, and the last is %d", (int)last_of(p));
            rp_producer_close(p);
        }
    } else {
        receive_all(&d);
        uint64_t other = payload(OTHER);
        if (rp_send(d.producer, &other, sizeof other, NULL) == 0) {
            struct rp_message m;
            if (rp_receive(d.consumer, &m, 0) == 0)
                (void)rp_ack(d.consumer, &m);
        }
    }
    sim_done();
    while (count > 0)
        witness_abandon(&d, &lent[--count]);
    witness_close(&d);
}
static const struct sim_program settled = {.name = "id-settled",
                                           .about =
                                               "who sent under an id dies; his message is settled while another decides about it",
                                           .participants = 3,
                                           .setup = setup_known,
                                           .body = body_settled,
                                           .interim = interim_refused,
                                           .finish = finish_two,
                                           .budget = {.preemptions = 2, .kills = 1, .freezes = 0},
                                           .killable = 1};

/* The successor dies as well, and so on. */
static const struct sim_program heirs = {.name = "id-heirs",
                                         .about = "two successors one after the other, both of whom may die",
                                         .participants = 2,
                                         .setup = setup_known,
                                         .body = body_successor,
                                         .interim = interim_refused,
                                         .finish = finish_two,
                                         .budget = {.preemptions = 1, .kills = 2, .freezes = 0}};

/* ---- an id is removed, and made again ---- */

static void body_remove(unsigned me) {
    struct desk d;
    rp_producer *p;
    witness_open(&d);
    sim_ready();
    if (me == 0) {
        sim_call("rp_producer_id_remove");
        int result = rp_producer_id_remove(d.queue, "b", 1);
        sim_return(true);
        if (result != 0 && result != RP_IN_USE && result != -ENOENT)
            witness_must(result, "rp_producer_id_remove");
        if (open_id(&d, "c", &p) == 0)
            rp_producer_close(p);
    } else if (open_id(&d, "b", &p) == 0) {
        (void)send_numbered(p, 1, 0, false);
        if (last_of(p) < 1)
            sim_fail("a sequence that was sent is not the last");
        rp_producer_close(p);
    }
    sim_done();
    witness_close(&d);
}
static void setup_one_place(void) {
    struct desk d;
    rp_producer *p;
    setup_ids(1);
    witness_open(&d);
    witness_must(open_id(&d, "b", &p), "the only place");
    rp_producer_close(p);
    witness_close(&d);
}
static void interim_remove(void) {
    struct desk d;
    witness_open(&d);
    use_memory(&d);
    int result = rp_producer_id_remove(d.queue, "b", 1);
    if (result != 0 && result != RP_IN_USE && result != -ENOENT)
        witness_must(result, "rp_producer_id_remove");
    sim_done();
    witness_close(&d);
}
static void drain(void) {
    struct desk d;
    struct rp_producer_id found;
    witness_open(&d);
    sim_advance_ns(UINT64_C(2000000000));
    use_memory(&d);
    if (rp_producer_id_next(d.queue, 0, &found) == 0) {
        if (found.id_bytes != 1 || (found.id[0] != 'b' && found.id[0] != 'c') || (found.id[0] == 'c' && found.sequence != 0))
            sim_fail("an id with what is another's");
        witness_must(rp_producer_id_remove(d.queue, found.id, found.id_bytes), "rp_producer_id_remove");
    }
    witness_close(&d);
}
static void finish_remove(void) {
    drain();
    witness_finish();
}
static const struct sim_program removal = {.name = "id-remove",
                                           .about = "an id is removed and another made in its place, while its producer opens it",
                                           .participants = 2,
                                           .setup = setup_one_place,
                                           .body = body_remove,
                                           .interim = interim_remove,
                                           .finish = finish_remove,
                                           .budget = {.preemptions = 2, .kills = 1, .freezes = 1}};

/* The only place is a dead one's, who had not made his id yet: whoever gives it free, there is room. */
static void setup_half_made(void) {
    struct desk d;
    setup_ids(1);
    witness_open(&d);
    atomic_store(&d.queue->segment.identities[0].word, identity_word(IDENTITY_MAKING, d.queue->seat, false, 1));
}
static void body_half_made(unsigned me) {
    struct desk d;
    rp_producer *p;
    witness_open(&d);
    sim_ready();
    if (me == 1)
        witness_sweep(&d);
    else if (open_id(&d, "a", &p) == 0)
        rp_producer_close(p);
    else
        sim_fail("no room for an id, and nobody has one");
    sim_done();
    witness_close(&d);
}
static const struct sim_program half_made = {.name = "id-half-made",
                                             .about = "the place of one who died while he made an id is given free",
                                             .participants = 2,
                                             .setup = setup_half_made,
                                             .body = body_half_made,
                                             .interim = witness_interim,
                                             .finish = witness_finish,
                                             .budget = {.preemptions = 2, .kills = 1, .freezes = 1}};

const struct sim_program *const scenarios_identity[] = {&successor, &first,      &sweeper, &loan,    &delayed,   &failing,
                                                        &settled,   &recoverers, &heirs,   &removal, &half_made, NULL};
