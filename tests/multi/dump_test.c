/* SPDX-License-Identifier: MIT */
/*
 * Dumps of a queue in full traffic, whose producers, consumers and operators are killed all the time, against a ledger that is written beside. Before a dump the ledger says what was sent; after it, which
 * acks had begun. What was sent before and had no ack begun after must be in the dump, for exactly the groups of which that is so, once; nothing may be in it that was acked before; and if a message is in it, so are those that its producer sent
 * before it into the same lane, unless they were acked. What deduplication knows must be of messages that are there, or were acked. At the end the queue is restored, and every message that is not acked is received from it.
 */
#include "dump_fixture.h"

enum { PRODUCERS = 2, CONSUMERS = 3, GROUPS = 2, MOST = 20000, DUMPS = 25, PAYLOAD = 40, WORKERS = PRODUCERS + CONSUMERS + 1 };

static const char *const group_names[GROUPS] = {"default", "second"};

/* Shared by all, outside of the queue. */
static struct ledger {
    volatile uint32_t begun[PRODUCERS], sent[PRODUCERS]; /* sends that began; that ended */
    volatile uint8_t acking[GROUPS][PRODUCERS][MOST];    /* an ack began */
    volatile uint8_t acked[GROUPS][PRODUCERS][MOST];     /* it ended */
    volatile uint64_t redriven, nacked;
    volatile bool stop;
    bool keyed, levels, dedup;
} * ledger;

struct body {
    uint32_t producer, number;
    uint64_t check;
    char filler[PAYLOAD - 16];
};

static uint64_t check_of(uint32_t producer, uint32_t number) {
    return (producer + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ number * UINT64_C(0xbf58476d1ce4e5b9);
}

static bool is_delayed(uint32_t number) { return number % 16 == 7; }
static uint32_t level_of(uint32_t number) { return number % 3; }

/* ---- the workers ---- */

/* With ids a producer knows after a kill what it has sent, and goes on there. */
static rp_producer *open_known(rp_queue *q, uint32_t me) {
    struct rp_producer_options o;
    rp_producer *p;
    uint64_t last;
    rp_producer_options_init(&o, sizeof o);
    o.id = &me;
    o.id_bytes = sizeof me;
    peer_succeeds(rp_producer_open(q, &o, &p));
    peer_succeeds(rp_producer_sequence(p, &last));
    peer_check(last == ledger->sent[me] || last == ledger->begun[me]);
    ledger->begun[me] = ledger->sent[me] = (uint32_t)last;
    return p;
}

static int produce(struct peer *test, void *argument) {
    uint32_t me = (uint32_t)(uintptr_t)argument;
    struct handles h = peer_open(0);
    rp_producer *p = ledger->dedup ? open_known(h.q, me) : h.p;
    (void)test;
    while (!ledger->stop) {
        if (ledger->begun[me] + 1 >= MOST) { /* it has sent enough */
            nanosleep(&(struct timespec){.tv_nsec = MS}, NULL);
            continue;
        }
        struct body b = {.producer = me, .number = ledger->begun[me] + 1}; /* one that died in the middle may have been sent */
        struct rp_send_options s;
        b.check = check_of(me, b.number);
        char id[32];
        rp_send_options_init(&s, sizeof s);
        s.key = &me;
        s.key_bytes = ledger->keyed ? sizeof me : 0;
        s.key = ledger->keyed ? s.key : NULL;
        s.priority = ledger->levels ? level_of(b.number) : 0;
        s.delay_ns = is_delayed(b.number) ? (uint64_t)MS : 0;
        s.timeout_ns = 100 * MS;
        if (ledger->dedup) {
            s.sequence = b.number;
            s.dedup_id = id;
            s.dedup_id_bytes = (size_t)snprintf(id, sizeof id, "%u.%u", me, b.number);
        }
        ledger->begun[me] = b.number;
        int result;
        do
            result = rp_send(p, &b, sizeof b, &s);
        while (result == RP_FULL && !ledger->stop);
        if (result == RP_FULL || result == RP_GONE)
            break;
        peer_succeeds(result);
        ledger->sent[me] = b.number;
    }
    return 0;
}

static void settle_one(rp_consumer *c, unsigned group, struct rp_message *m, uint64_t *random) {
    struct body b;
    memcpy(&b, m->data, sizeof b);
    peer_check(m->bytes == sizeof b && b.check == check_of(b.producer, b.number));
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    unsigned how = (unsigned)(*random >> 33) % 16;
    struct rp_nack_options n;
    rp_nack_options_init(&n, sizeof n);
    n.delay_ns = how == 1 ? MS : 0;
    if (how < 3) {
        (void)rp_nack(c, m, &n);
        ledger->nacked += 1;
    } else if (how == 3) {
        (void)rp_reject(c, m, "test");
    } else {
        ledger->acking[group][b.producer][b.number] = 1;
        if (rp_ack(c, m) == 0)
            ledger->acked[group][b.producer][b.number] = 1;
    }
}

static int consume(struct peer *test, void *argument) {
    unsigned group = (unsigned)(uintptr_t)argument % GROUPS;
    struct handles h = peer_open(0);
    struct rp_consumer_options o;
    rp_consumer *c;
    uint64_t random = (uint64_t)getpid();
    (void)test;
    rp_consumer_options_init(&o, sizeof o);
    o.group = group_names[group];
    peer_succeeds(rp_consumer_open(h.q, &o, &c));
    while (!ledger->stop) {
        struct rp_message m;
        int result = rp_receive(c, &m, 10 * MS);
        if (result == 0)
            settle_one(c, group, &m, &random);
        else
            peer_check(result == RP_EMPTY || result == RP_GONE); /* the test failed, and removed it */
    }
    return 0;
}

static int operate(struct peer *test, void *argument) {
    struct handles h = peer_open(0);
    (void)test, (void)argument;
    while (!ledger->stop) {
        for (unsigned g = 0; g < GROUPS; g++) {
            int result = rp_dead_redrive(h.q, group_names[g], NULL);
            peer_check(result >= 0);
            ledger->redriven += (uint64_t)result;
        }
        rp_queue_sweep(h.q);
    }
    return 0;
}

static struct peer workers[WORKERS];

static void start_worker(unsigned i) {
    workers[i] = i < PRODUCERS               ? peer_start(produce, (void *)(uintptr_t)i)
                 : i < PRODUCERS + CONSUMERS ? peer_start(consume, (void *)(uintptr_t)i)
                                             : peer_start(operate, NULL);
}

static void end_worker(unsigned i, bool must_be_well) {
    int status;
    if (!must_be_well)
        kill(workers[i].pid, SIGKILL);
    assert_int_equal(waitpid(workers[i].pid, &status, 0), workers[i].pid);
    assert_true(must_be_well ? WIFEXITED(status) && WEXITSTATUS(status) == 0 : WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    close(workers[i].in);
    close(workers[i].out);
}

/* ---- a dump against the ledger ---- */

/* What was true at some time. */
static struct picture {
    uint32_t sent[PRODUCERS];
    uint8_t acks[GROUPS][PRODUCERS][MOST];
} before, after;

static void take_picture(struct picture *p, bool begun) {
    memset(p, 0, sizeof *p);
    for (unsigned i = 0; i < PRODUCERS; i++)
        p->sent[i] = begun ? ledger->begun[i] : ledger->sent[i];
    for (unsigned g = 0; g < GROUPS; g++)
        for (unsigned i = 0; i < PRODUCERS; i++)
            for (uint32_t n = 1; n <= ledger->begun[i]; n++)
                p->acks[g][i][n] = begun ? ledger->acking[g][i][n] : ledger->acked[g][i][n];
}

static uint8_t found[PRODUCERS][MOST]; /* bit: a group; 128: in the dump */
static uint8_t known[PRODUCERS][MOST];
static uint64_t sequences[PRODUCERS];   /* those of the dump */
static uint8_t unsure[PRODUCERS][MOST]; /* its producer was killed in the send */

static void note_message(const struct rp_dump_message *m, uint64_t *last) {
    struct body b;
    assert_int_equal(m->bytes, sizeof b);
    memcpy(&b, m->data, sizeof b);
    assert_true(b.producer < PRODUCERS && b.check == check_of(b.producer, b.number));
    assert_true(b.number <= after.sent[b.producer]);
    assert_int_equal(found[b.producer][b.number], 0); /* once */
    found[b.producer][b.number] = 128;
    if (m->flags & RP_DUMP_WAITING)
        found[b.producer][b.number] |= (1 << GROUPS) - 1;
    for (size_t i = 0; i < m->delivery_count; i++) {
        unsigned g = m->deliveries[i].group;
        assert_false(before.acks[g][b.producer][b.number]); /* it was acked before the dump began */
        found[b.producer][b.number] |= (uint8_t)(1 << g);
    }
    /* In the order in which they were sent; but for delayed ones, and letters that came to the end of a keyed lane. */
    uint64_t *newest = &last[b.producer * 4 + (ledger->levels ? m->lane : 0)];
    if (!(m->flags & RP_DUMP_SCHEDULED) && !ledger->keyed) {
        assert_true(b.number > *newest);
        *newest = b.number;
    }
}

static void note_id(const struct rp_dump_id *id) {
    unsigned producer, number;
    char text[RP_DEDUP_ID_MAX + 1] = "";
    memcpy(text, id->id, id->id_bytes);
    assert_int_equal(sscanf(text, "%u.%u", &producer, &number), 2);
    known[producer][number] = 1;
}

static bool is_past(unsigned producer, uint32_t number) { /* all groups may have settled it */
    for (unsigned g = 0; g < GROUPS; g++)
        if (!after.acks[g][producer][number])
            return false;
    return true;
}

static void check_dump(struct stored *x) {
    uint64_t last[PRODUCERS * 4] = {0};
    rp_dump *d = NULL;
    struct rp_dump_item item;
    int result;
    memset(found, 0, sizeof found);
    memset(known, 0, sizeof known);
    memset(sequences, 0, sizeof sequences);
    x->at = 0;
    succeeds(rp_dump_open(stored_read, x, &d));
    while ((result = rp_dump_next(d, &item)) == 0) {
        if (item.message != NULL)
            note_message(item.message, last);
        if (item.id != NULL)
            note_id(item.id);
        if (item.producer != NULL) {
            uint32_t who;
            memcpy(&who, item.producer->id, sizeof who);
            assert_true(who < PRODUCERS && item.producer->id_bytes == sizeof who);
            sequences[who] = item.producer->sequence;
        }
    }
    assert_int_equal(result, RP_EMPTY);
    rp_dump_close(d);
    for (unsigned i = 0; i < PRODUCERS; i++) {
        bool later[4] = {false}; /* in this lane there is a younger one in the dump */
        for (uint32_t n = after.sent[i]; n >= 1; n--) {
            uint32_t lane = ledger->levels ? level_of(n) : 0;
            for (unsigned g = 0; g < GROUPS; g++)
                if (n <= before.sent[i] && !unsure[i][n] && !after.acks[g][i][n] && !(found[i][n] >> g & 1)) {
                    fprintf(stderr, "message %u of producer %u is missing for group %u\n", n, i, g);
                    assert_true(false);
                }
            if (later[lane] && !unsure[i][n] && !is_past(i, n) && !is_delayed(n))
                assert_true(found[i][n] & 128);
            if (found[i][n] & 128 && !is_delayed(n) && !ledger->keyed)
                later[lane] = true;
            if (ledger->dedup && found[i][n] & 128)
                assert_true(known[i][n] && (n <= sequences[i] || is_delayed(n))); /* sent again, it is refused */
            if (ledger->dedup && n <= sequences[i])
                assert_true(found[i][n] & 128 || is_past(i, n));
            if (ledger->dedup && known[i][n])
                assert_true(found[i][n] & 128 || is_past(i, n)); /* what is refused is there, or is done */
        }
    }
}

/* ---- restored ---- */

static void receive_all(rp_queue *q, unsigned g) {
    struct rp_consumer_options o;
    rp_consumer *c;
    struct rp_message m;
    rp_consumer_options_init(&o, sizeof o);
    o.group = group_names[g];
    succeeds(rp_consumer_open(q, &o, &c));
    while (rp_receive(c, &m, 0) == 0) {
        struct body b;
        memcpy(&b, m.data, sizeof b);
        assert_false(ledger->acked[g][b.producer][b.number]);
        ledger->acking[g][b.producer][b.number] = ledger->acked[g][b.producer][b.number] = 1;
        succeeds(rp_ack(c, &m));
    }
    rp_consumer_close(c);
}

/* Letters of keyed queues come when all groups are done with them, in the next sweep. */
static bool receive_round(rp_queue *q) {
    for (unsigned g = 0; g < GROUPS; g++)
        succeeds(rp_dead_redrive(q, group_names[g], NULL));
    rp_queue_sweep(q);
    for (unsigned g = 0; g < GROUPS; g++)
        receive_all(q, g);
    struct rp_queue_stats n = stats_of(q);
    return n.free_cells == n.cells;
}

static void run(const struct rp_queue_options *o, bool keyed, bool levels, bool dedup) {
    ledger = shared_memory(sizeof *ledger);
    memset(unsure, 0, sizeof unsure);
    ledger->keyed = keyed;
    ledger->levels = levels;
    ledger->dedup = dedup;
    rp_queue *q = make_queue(o), *look;
    struct rp_open_options only_look = {.size = sizeof only_look, .read_only = 1};
    struct stored x = {0};
    uint64_t random = (uint64_t)getpid(), in_dumps = 0;
    succeeds(rp_group_create(q, group_names[1], NULL));
    succeeds(rp_queue_open(queue_name, &only_look, &look));
    for (unsigned i = 0; i < WORKERS; i++)
        start_worker(i);
    for (unsigned n = 0; n < DUMPS; n++) {
        uint32_t goal = ledger->sent[0] + ledger->sent[1] + 200;
        assert_true(eventually(ledger->sent[0] + ledger->sent[1] >= goal || ledger->sent[0] + ledger->sent[1] >= 2 * MOST - 4));
        take_picture(&before, false);
        in_dumps += dump_to(look, &x).messages;
        take_picture(&after, true);
        check_dump(&x);
        random = random * 6364136223846793005u + 1442695040888963407u;
        unsigned victim = (unsigned)(random >> 33) % WORKERS;
        end_worker(victim, false);
        if (!dedup && victim < PRODUCERS && ledger->begun[victim] != ledger->sent[victim])
            unsure[victim][ledger->begun[victim]] = 1;
        start_worker(victim);
    }
    ledger->stop = true;
    for (unsigned i = 0; i < WORKERS; i++)
        end_worker(i, true);
    assert_true(in_dumps > DUMPS); /* it was about something */
    assert_true(ledger->nacked > 0 && ledger->redriven > 0);
    succeeds(rp_queue_close(look));
    rp_queue_sweep(q);
    take_picture(&before, false);
    (void)dump_to(q, &x);
    take_picture(&after, true);
    check_dump(&x);
    rp_queue *r = NULL;
    succeeds(try_restore(&x, NULL, &r));
    assert_true(eventually(receive_round(r)));
    for (unsigned g = 0; g < GROUPS; g++)
        for (unsigned i = 0; i < PRODUCERS; i++)
            for (uint32_t n = 1; n <= ledger->sent[i]; n++)
                assert_true(ledger->acking[g][i][n] || unsure[i][n]);
    audit_is_clean(r);
    drop_restored(r);
    stored_free(&x);
    drop_queue(q);
    munmap(ledger, sizeof *ledger);
}

static struct rp_queue_options busy(void) {
    struct rp_queue_options o = test_options();
    o.capacity = 512;
    o.dead_capacity = 512;
    return o;
}

static void plain(void **state) {
    (void)state;
    struct rp_queue_options o = busy();
    run(&o, false, false, false);
}

static void with_ids(void **state) {
    (void)state;
    struct rp_queue_options o = busy();
    o.dedup_window_ns = (uint64_t)(600 * SECOND);
    o.dedup_entries = 60000;
    run(&o, false, false, true);
}

static void with_levels(void **state) {
    (void)state;
    struct rp_queue_options o = busy();
    o.priorities = 3;
    run(&o, false, true, false);
}

static void keyed(void **state) {
    (void)state;
    struct rp_queue_options o = busy();
    o.lanes = 4;
    o.lane_capacity = 512;
    run(&o, true, false, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {DUMP_TEST(plain), DUMP_TEST(with_ids), DUMP_TEST(with_levels), DUMP_TEST(keyed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
