/* SPDX-License-Identifier: MIT */
/* Full queues under real processes: what is dropped is counted, an abandoned group stops nobody, bytes are bounded, who blocks is woken. */
#include "fixture.h"
#include "handle.h"

#include <ringpost/group.h>
#include <stdatomic.h>

enum { PRODUCERS = 3, CONSUMERS = 2, EACH = 20000, LIVES = 40, MAX_BYTES = 1000, BIG = 300 };

/* What the parties write down outside of the queue. */
struct ledger {
    _Atomic bool finished;
    _Atomic uint32_t sent[PRODUCERS + 1];     /* confirmed; the next one may have been sent, too */
    _Atomic uint32_t attempts[PRODUCERS + 1]; /* begun */
    _Atomic uint32_t disorder;
    _Atomic uint8_t acked[PRODUCERS][EACH + 1];
};
static struct ledger *ledger;

struct letter {
    uint32_t producer, number;
};

struct party {
    uint32_t number;
};

static int producer(struct peer *test, void *argument) {
    const struct party *me = argument;
    struct handles h = peer_open(0);
    (void)test;
    for (;;) { /* one that took over from a dead one leaves out what that one may have sent */
        uint32_t n = atomic_fetch_add(&ledger->attempts[me->number], 1) + 1;
        if (n > EACH)
            return 0;
        struct letter l = {me->number, n};
        peer_succeeds(rp_send(h.p, &l, sizeof l, NULL));
        atomic_fetch_add(&ledger->sent[me->number], 1);
    }
}

static int consumer(struct peer *test, void *argument) {
    struct handles h = peer_open(0);
    uint32_t last[PRODUCERS] = {0};
    (void)test, (void)argument;
    for (;;) {
        struct rp_message m;
        bool finished = atomic_load(&ledger->finished);
        int result = rp_receive(h.c, &m, 20 * MS);
        if (result == RP_EMPTY && finished)
            return 0;
        if (result == RP_EMPTY)
            continue;
        peer_succeeds(result);
        struct letter l;
        memcpy(&l, m.data, sizeof l);
        if (m.acquisitions == 1 && l.number <= last[l.producer])
            atomic_fetch_add(&ledger->disorder, 1);
        last[l.producer] = l.number;
        result = rp_ack(h.c, &m);
        if (result == 0)
            atomic_fetch_add(&ledger->acked[l.producer][l.number], 1);
        else if (result != RP_LEASE_LOST)
            peer_succeeds(result);
    }
}

/* -> messages that were acked; none twice. */
static uint64_t acked(void) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < PRODUCERS; i++)
        for (uint32_t n = 1; n <= EACH; n++) {
            assert_true(atomic_load_explicit(&ledger->acked[i][n], memory_order_relaxed) <= 1);
            sum += atomic_load_explicit(&ledger->acked[i][n], memory_order_relaxed);
        }
    return sum;
}

static void run_droppers(unsigned kills) {
    struct rp_queue_options o = test_options();
    o.overflow = RP_OVERFLOW_DROP_OLDEST;
    rp_queue *q = make_queue(&o);
    ledger = shared_memory(sizeof *ledger);
    struct party parties[PRODUCERS];
    struct peer producers[PRODUCERS], consumers[CONSUMERS];
    for (unsigned i = 0; i < CONSUMERS; i++)
        consumers[i] = peer_start(consumer, NULL);
    for (unsigned i = 0; i < PRODUCERS; i++) {
        parties[i].number = i;
        producers[i] = peer_start(producer, &parties[i]);
    }
    srand(2026);
    for (unsigned i = 0; i < kills; i++) {
        uint32_t before = atomic_load(&ledger->attempts[0]) + atomic_load(&ledger->attempts[1]), more = (uint32_t)rand() % 400;
        unsigned victim = (unsigned)rand() % (PRODUCERS + CONSUMERS);
        (void)until(atomic_load(&ledger->attempts[0]) + atomic_load(&ledger->attempts[1]) >= before + more ||
                    atomic_load(&ledger->attempts[0]) > EACH);
        struct peer *p = victim < PRODUCERS ? &producers[victim] : &consumers[victim - PRODUCERS];
        peer_kill(p);
        *p = victim < PRODUCERS ? peer_start(producer, &parties[victim]) : peer_start(consumer, NULL);
    }
    for (unsigned i = 0; i < PRODUCERS; i++)
        assert_int_equal(peer_end(&producers[i]), 0);
    assert_true(eventually(rp_queue_sweep(q) >= 0 && stats_of(q).ready + stats_of(q).leased + stats_of(q).delayed == 0));
    atomic_store(&ledger->finished, true);
    for (unsigned i = 0; i < CONSUMERS; i++)
        assert_int_equal(peer_end(&consumers[i]), 0);
    succeeds(rp_queue_sweep(q));

    uint64_t confirmed = 0;
    for (unsigned i = 0; i < PRODUCERS; i++)
        confirmed += atomic_load(&ledger->sent[i]);
    struct rp_queue_stats s = stats_of(q);
    uint64_t seen = acked(), dropped = counter_read(&q->segment.groups[0].dropped);
    print_message("%llu sent, %llu acked, %llu dropped, %u kills\n", (unsigned long long)confirmed, (unsigned long long)seen,
                  (unsigned long long)dropped, kills);
    assert_int_equal(s.full, 0);
    assert_true(dropped > 0 && seen > 0);
    if (kills == 0) {
        assert_int_equal(confirmed, PRODUCERS * EACH);
        assert_int_equal(confirmed, seen + dropped);
        assert_int_equal(dropped, s.dropped);
        assert_int_equal(atomic_load_explicit(&ledger->disorder, memory_order_relaxed), 0);
    }
    /* Each death may hide one send that was not confirmed, one ack that was not written down, or one drop that was not counted. */
    assert_true(confirmed <= seen + dropped + kills && seen + dropped <= confirmed + kills);
    assert_int_equal(s.free_cells, s.cells);
    audit_is_clean(q);
    munmap(ledger, sizeof *ledger);
    drop_queue(q);
}

static void every_drop_is_counted(void **state) {
    (void)state;
    run_droppers(0);
}
static void drops_and_deaths(void **state) {
    (void)state;
    run_droppers(LIVES);
}

/* ---- an abandoned group ---- */

static int patient_receiver(struct peer *test, void *argument) {
    struct handles h = peer_open(0);
    (void)argument;
    peer_say(test, 'o');
    for (uint32_t n = 1; n <= EACH; n++) {
        struct rp_message m;
        struct letter l;
        peer_succeeds(rp_receive(h.c, &m, -1));
        memcpy(&l, m.data, sizeof l);
        peer_check(l.number == n);
        peer_succeeds(rp_ack(h.c, &m));
    }
    return 0;
}

/* The queue blocks its senders, and nobody receives for the second group; yet the first gets everything, and the second's losses are counted. */
static void an_abandoned_group_stops_nobody(void **state) {
    (void)state;
    for (uint32_t policy = RP_GROUP_DROP_OLDEST; policy <= RP_GROUP_DEAD; policy++) {
        struct rp_queue_options o = test_options();
        o.overflow = RP_OVERFLOW_BLOCK;
        rp_queue *q = make_queue(&o);
        struct rp_group_options group;
        rp_group_options_init(&group, sizeof group);
        group.overflow = policy;
        succeeds(rp_group_create(q, "second", &group));
        struct peer receiver = peer_start(patient_receiver, NULL);
        assert_int_equal(peer_hear(&receiver), 'o');
        rp_producer *p;
        succeeds(rp_producer_open(q, NULL, &p));
        for (uint32_t n = 1; n <= EACH; n++) {
            struct letter l = {0, n};
            succeeds(rp_send(p, &l, sizeof l, NULL));
        }
        assert_int_equal(peer_end(&receiver), 0);
        struct rp_queue_stats s = stats_of(q);
        assert_int_equal(counter_read(&q->segment.groups[0].dropped), 0);
        uint64_t kept = (uint64_t)rp_queue_purge(q, "second", RP_STATE_ALL);
        assert_int_equal(kept + s.dropped + s.dead_dropped, EACH);
        assert_true(policy == RP_GROUP_DEAD ? s.dead_dropped > 0 && s.dropped == 0 : s.dropped > 0);
        rp_producer_close(p);
        succeeds(rp_queue_sweep(q));
        audit_is_clean(q);
        drop_queue(q);
    }
}

/* ---- blocking ---- */

static int blocked_sender(struct peer *test, void *argument) {
    const struct party *me = argument;
    struct handles h = peer_open(0);
    peer_say(test, 'o');
    peer_check(read(test->in, &(char){0}, 1) == 1);
    for (uint32_t n = 0; n < me->number; n++) {
        peer_succeeds(rp_send(h.p, "in the end", 11, NULL));
        peer_say(test, 's');
    }
    return 0;
}

static bool sleeps(pid_t pid) {
    char path[64], status = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    if (f != NULL) {
        if (fscanf(f, "%*d (%*[^)]) %c", &status) != 1)
            status = 0;
        fclose(f);
    }
    return status == 'S';
}

static bool says_something(const struct peer *p) {
    struct pollfd input = {.fd = p->in, .events = POLLIN};
    return poll(&input, 1, 0) == 1;
}

/* Of three that wait for cells, or bytes, one goes on for each that comes free; in the end all do. */
static void one_for_each(void **state) {
    (void)state;
    for (int bytes = 0; bytes < 2; bytes++) {
        struct rp_queue_options o = test_options();
        o.overflow = RP_OVERFLOW_BLOCK;
        o.max_bytes = bytes ? 33 : 0; /* three messages of 11 */
        rp_queue *q = make_queue(&o);
        rp_producer *p;
        rp_consumer *c;
        succeeds(rp_producer_open(q, NULL, &p));
        succeeds(rp_consumer_open(q, NULL, &c));
        struct party once = {1};
        struct peer senders[3];
        for (unsigned i = 0; i < 3; i++) {
            senders[i] = peer_start(blocked_sender, &once);
            assert_int_equal(peer_hear(&senders[i]), 'o');
        }
        const struct rp_send_options now = {.size = sizeof now, .timeout_ns = 0, .ttl_ns = RP_TTL_POLICY};
        while (rp_send(p, "full so far", 11, &now) == 0) {
        }
        for (unsigned i = 0; i < 3; i++)
            peer_say(&senders[i], 'g');
        for (unsigned i = 0; i < 3; i++)
            assert_true(eventually(sleeps(senders[i].pid)));
        for (unsigned done = 0; done < 3; done++) {
            struct rp_message m;
            succeeds(rp_receive(c, &m, 0));
            uint64_t sent = stats_of(q).sent;
            succeeds(rp_ack(c, &m));
            assert_true(
                until(says_something(&senders[0]) + says_something(&senders[1]) + says_something(&senders[2]) == (int)done + 1));
            assert_int_equal(stats_of(q).sent, sent + 1);
        }
        for (unsigned i = 0; i < 3; i++)
            assert_int_equal(peer_end(&senders[i]), 0);
        assert_int_equal(rp_queue_purge(q, NULL, RP_STATE_ALL), (int)stats_of(q).sent - 3);
        rp_producer_close(p);
        rp_consumer_close(c);
        drop_queue(q);
    }
}

/* Two that wait all the time for one place both get on: nobody is promised a turn, but nobody is left out for good. */
static void nobody_starves(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.overflow = RP_OVERFLOW_BLOCK;
    o.max_bytes = 11;
    rp_queue *q = make_queue(&o);
    rp_consumer *c;
    succeeds(rp_consumer_open(q, NULL, &c));
    struct party many = {300};
    struct peer senders[2];
    for (unsigned i = 0; i < 2; i++) {
        senders[i] = peer_start(blocked_sender, &many);
        assert_int_equal(peer_hear(&senders[i]), 'o');
        peer_say(&senders[i], 'g');
    }
    for (uint32_t n = 0; n < 2 * many.number; n++) {
        struct rp_message m;
        succeeds(rp_receive(c, &m, 30 * SECOND));
        assert_true(stats_of(q).bytes <= 11);
        succeeds(rp_ack(c, &m));
    }
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(peer_end(&senders[i]), 0);
    rp_consumer_close(c);
    drop_queue(q);
}

/* ---- bytes and deaths ---- */

static int byte_sender(struct peer *test, void *argument) {
    struct handles h = peer_open(0);
    char data[BIG] = {0};
    uint32_t random = (uint32_t)getpid() | 1;
    (void)test, (void)argument;
    for (;;) {
        random = random * 1664525 + 1013904223;
        peer_succeeds(rp_send(h.p, data, 1 + (random >> 8) % BIG, NULL));
        atomic_fetch_add(&ledger->sent[0], 1);
    }
}
/* Takes what there is before it acks any of it, so that the bound is met all the time. */
static int byte_receiver(struct peer *test, void *argument) {
    struct handles h = peer_open(0);
    struct rp_message held[64];
    unsigned count = 0;
    (void)test, (void)argument;
    for (;;) {
        int result = rp_receive(h.c, &held[count], count > 0 ? MS : -1);
        if (result != RP_EMPTY) {
            peer_succeeds(result);
            if (++count < 64)
                continue;
        }
        while (count > 0) {
            result = rp_ack(h.c, &held[--count]);
            if (result != RP_LEASE_LOST)
                peer_succeeds(result);
        }
    }
}

/* Whenever all stand still, no more is held than allowed and one message for each; and deaths cost no room for good. */
static void bytes_and_deaths(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.overflow = RP_OVERFLOW_BLOCK;
    o.message_bytes = BIG;
    o.max_bytes = MAX_BYTES;
    rp_queue *q = make_queue(&o);
    ledger = shared_memory(sizeof *ledger);
    int (*const bodies[4])(struct peer *, void *) = {byte_sender, byte_sender, byte_receiver, byte_receiver};
    struct peer peers[4];
    uint64_t most = 0;
    srand(2027);
    for (unsigned i = 0; i < 4; i++)
        peers[i] = peer_start(bodies[i], NULL);
    for (unsigned i = 0; i < LIVES; i++) {
        uint32_t before = atomic_load(&ledger->sent[0]);
        assert_true(until(atomic_load(&ledger->sent[0]) > before + (uint32_t)rand() % 100)); /* room is there, again and again */
        for (unsigned k = 0; k < 4; k++)
            peer_stop(&peers[k]);
        uint64_t bytes = stats_of(q).bytes;
        most = bytes > most ? bytes : most;
        unsigned victim = (unsigned)rand() % 4;
        peer_kill(&peers[victim]);
        for (unsigned k = 0; k < 4; k++)
            if (k != victim)
                kill(peers[k].pid, SIGCONT);
        peers[victim] = peer_start(bodies[victim], NULL);
    }
    for (unsigned i = 0; i < 4; i++)
        peer_kill(&peers[i]);
    print_message("at most %llu bytes of %d\n", (unsigned long long)most, MAX_BYTES);
    assert_true(most > MAX_BYTES / 2 && most <= MAX_BYTES + 4 * BIG);
    succeeds(rp_queue_sweep(q));
    audit_is_clean(q); /* the counters are exact */
    succeeds(rp_queue_purge(q, NULL, RP_STATE_ALL));
    rp_producer *p;
    char data[BIG] = {0};
    const struct rp_send_options now = {.size = sizeof now, .timeout_ns = 0, .ttl_ns = RP_TTL_POLICY};
    succeeds(rp_producer_open(q, NULL, &p));
    for (unsigned i = 0; i < MAX_BYTES / 250; i++)
        assert_int_equal(rp_send(p, data, 250, &now), 0);
    assert_int_equal(rp_send(p, data, 1, &now), RP_FULL);
    rp_producer_close(p);
    munmap(ledger, sizeof *ledger);
    drop_queue(q);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(every_drop_is_counted), TEST(drops_and_deaths), TEST(an_abandoned_group_stops_nobody),
        TEST(one_for_each),          TEST(nobody_starves),   TEST(bytes_and_deaths),
    };
    return cmocka_run_group_tests_name("overflow", tests, NULL, NULL);
}
