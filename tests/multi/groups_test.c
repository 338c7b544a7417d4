/* SPDX-License-Identifier: MIT */
/*
 * Groups come and go, and those who make them, remove them and send are killed, while two groups that are there throughout get every message exactly
 * once. A ledger outside of the queue says what was sent.
 */
#include "fixture.h"

enum { SENDERS = 2, KEEPERS = 2, GUESTS = 3, MESSAGES = 200000, WANTED_KILLS = 400, WANTED_VISITS = 400 };

enum sending { NOT_SENT, BEGUN, SENT };

static struct ledger {
    uint8_t sent[SENDERS][MESSAGES];
    uint8_t acked[KEEPERS][SENDERS][MESSAGES];
    volatile uint32_t next[SENDERS]; /* the next number to send */
    volatile uint32_t visits;        /* groups that came, were served and went */
    volatile bool stop;
} * ledger;

struct letter {
    uint32_t sender, number;
};

static int send_for_ever(struct peer *test, void *argument) {
    uint32_t me = *(uint32_t *)argument;
    struct handles h = peer_open(0);
    (void)test;
    while (!ledger->stop && ledger->next[me] < MESSAGES) {
        struct letter letter = {me, ledger->next[me]};
        if (ledger->sent[me][letter.number] != NOT_SENT) { /* who was here before died in it, or right after it */
            ledger->next[me]++;
            continue;
        }
        ledger->sent[me][letter.number] = BEGUN;
        int result;
        struct rp_send_options o;
        rp_send_options_init(&o, sizeof o);
        o.timeout_ns = 10 * MS;
        while ((result = rp_send(h.p, &letter, sizeof letter, &o)) == RP_FULL && !ledger->stop) {
        }
        peer_check(result == 0 || ledger->stop);
        if (result == 0)
            ledger->sent[me][letter.number] = SENT;
        ledger->next[me]++;
    }
    return 0;
}

static rp_consumer *consumer_of(rp_queue *q, const char *group) {
    struct rp_consumer_options o;
    rp_consumer_options_init(&o, sizeof o);
    o.group = group;
    rp_consumer *c;
    peer_succeeds(rp_consumer_open(q, &o, &c));
    return c;
}

/* One of the groups that stay. Told to stop, it goes on until there is nothing more. */
static int keep(struct peer *test, void *argument) {
    uint32_t me = *(uint32_t *)argument;
    rp_queue *q;
    struct rp_message m;
    peer_succeeds(rp_queue_open(queue_name, NULL, &q));
    rp_consumer *c = consumer_of(q, me == 0 ? "default" : "keeper");
    peer_say(test, 'r');
    char said = 0;
    for (;;) {
        int result = rp_receive(c, &m, 20 * MS);
        struct pollfd input = {.fd = test->in, .events = POLLIN};
        if (result == RP_EMPTY && said == 'd')
            break;
        if (said == 0 && poll(&input, 1, 0) == 1)
            said = peer_hear(test);
        if (result == RP_EMPTY)
            continue;
        peer_succeeds(result);
        const struct letter *letter = m.data;
        peer_check(m.bytes == sizeof *letter && letter->sender < SENDERS && letter->number < MESSAGES);
        ledger->acked[me][letter->sender][letter->number]++;
        peer_succeeds(rp_ack(c, &m));
    }
    rp_consumer_close(c);
    peer_succeeds(rp_queue_close(q));
    return 0;
}

/* Follows a sender in a group that it made: from the first message on, none is missing. */
static void follow(const struct letter *letter, const uint32_t begun[SENDERS], uint32_t expected[SENDERS]) {
    uint32_t who = letter->sender,
             from = expected[who] ? expected[who] : begun[who] + 1; /* whose send began after the group was there */
    peer_check(letter->number + 1 > expected[who]);                 /* in order, none twice */
    for (uint32_t n = from; n < letter->number; n++)
        peer_check(ledger->sent[who][n] != SENT);
    expected[who] = letter->number + 1;
}

/* Makes a group, serves it for a while, removes it with what it still has and holds. Again and again, under names of its own. */
static int visit_for_ever(struct peer *test, void *argument) {
    struct handles h = peer_open(0);
    struct rp_message m, held;
    (void)test;
    for (uint32_t visit = 0; !ledger->stop; visit++) {
        char name[32];
        uint32_t begun[SENDERS], expected[SENDERS] = {0};
        snprintf(name, sizeof name, "guest%u.%d.%u", *(uint32_t *)argument, (int)getpid(), visit);
        int result = rp_group_create(h.q, name, NULL);
        if (result == -ENOSPC)
            continue; /* those of the dead are still there */
        peer_succeeds(result);
        for (unsigned i = 0; i < SENDERS; i++)
            begun[i] = ledger->next[i];
        rp_consumer *c = consumer_of(h.q, name);
        bool holds = false;
        for (uint32_t i = 0; i < 5 + visit % 20 && !ledger->stop; i++) {
            if (rp_receive(c, &m, 10 * MS) != 0)
                continue;
            follow(m.data, begun, expected);
            if (!holds && i > 3) {
                held = m;
                holds = true;
            } else {
                peer_succeeds(rp_ack(c, &m));
            }
        }
        struct letter before = {0, 0};
        if (holds)
            before = *(const struct letter *)held.data;
        peer_succeeds(rp_group_remove(h.q, name));
        peer_check(rp_receive(c, &m, 0) == RP_GONE);
        if (holds) {
            peer_check(memcmp(held.data, &before, sizeof before) == 0); /* nobody else's memory yet */
            peer_check(rp_ack(c, &held) == RP_LEASE_LOST);
        }
        rp_consumer_close(c);
        __atomic_fetch_add(&ledger->visits, 1, __ATOMIC_RELAXED);
    }
    return 0;
}

/* The groups of a guest that was killed would fill the queue. */
static void remove_groups_of(rp_queue *q, pid_t pid) {
    struct rp_group_info info;
    char part[16];
    snprintf(part, sizeof part, ".%d.", (int)pid);
    for (uint32_t i = 0; rp_group_next(q, i, &info) == 0; i = info.index + 1)
        if (strstr(info.name, part) != NULL)
            succeeds(rp_group_remove(q, info.name));
}

static void check_ledger(void) {
    uint64_t sent = 0, perhaps = 0;
    for (unsigned s = 0; s < SENDERS; s++)
        for (uint32_t n = 0; n < MESSAGES; n++) {
            uint8_t state = ledger->sent[s][n];
            sent += state == SENT;
            perhaps += state == BEGUN;
            for (unsigned k = 0; k < KEEPERS; k++) {
                uint8_t acked = ledger->acked[k][s][n];
                if (state == SENT ? acked != 1 : acked > (state == BEGUN)) {
                    print_error("message %u of sender %u: state %u, acked %u times by keeper %u\n", n, s, state, acked, k);
                    assert_true(false);
                }
            }
            assert_int_equal(ledger->acked[0][s][n], ledger->acked[1][s][n]); /* for all or for none */
        }
    print_message("%llu messages to two groups that stayed, %llu more by senders who died in it, %u groups that came and went\n",
                  (unsigned long long)sent, (unsigned long long)perhaps, ledger->visits);
    assert_true(sent > 0);
}

static void guests_come_and_go_and_die(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.capacity = 64;
    o.max_groups = 2 + GUESTS + 1;
    o.lease_ns = 0;
    ledger = shared_memory(sizeof *ledger);
    rp_queue *q = make_queue(&o);
    succeeds(rp_group_create(q, "keeper", NULL));
    uint32_t number[GUESTS] = {0, 1, 2};
    struct peer senders[SENDERS], guests[GUESTS], keepers[KEEPERS];
    for (unsigned i = 0; i < KEEPERS; i++) {
        keepers[i] = peer_start(keep, &number[i]);
        assert_int_equal(peer_hear(&keepers[i]), 'r');
    }
    for (unsigned i = 0; i < SENDERS; i++)
        senders[i] = peer_start(send_for_ever, &number[i]);
    for (unsigned i = 0; i < GUESTS; i++)
        guests[i] = peer_start(visit_for_ever, &number[i]);

    time_t end = time(NULL) + PEER_DEADLINE_S;
    uint64_t random = (uint64_t)getpid();
    for (unsigned kills = 0; (kills < WANTED_KILLS || ledger->visits < WANTED_VISITS) && time(NULL) < end; kills++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        uint32_t seen = ledger->next[0] + ledger->next[1]; /* at a random moment: so many messages later */
        assert_true(until(ledger->next[0] + ledger->next[1] >= seen + (random >> 33) % 200 ||
                          ledger->next[0] + ledger->next[1] >= MESSAGES));
        unsigned victim = (unsigned)(random >> 40) % (SENDERS + GUESTS);
        struct peer *peer = victim < SENDERS ? &senders[victim] : &guests[victim - SENDERS];
        pid_t pid = peer->pid;
        kill(pid, SIGKILL);
        assert_int_equal(peer_end(peer), -SIGKILL); /* else it had found something wrong */
        remove_groups_of(q, pid);
        *peer =
            peer_start(victim < SENDERS ? send_for_ever : visit_for_ever, &number[victim < SENDERS ? victim : victim - SENDERS]);
    }
    assert_true(ledger->visits >= WANTED_VISITS);
    ledger->stop = true;
    for (unsigned i = 0; i < SENDERS; i++)
        assert_int_equal(peer_end(&senders[i]), 0);
    for (unsigned i = 0; i < GUESTS; i++)
        assert_int_equal(peer_end(&guests[i]), 0);
    succeeds(rp_queue_sweep(q));
    for (unsigned i = 0; i < KEEPERS; i++) {
        peer_say(&keepers[i], 'd');
        assert_int_equal(peer_end(&keepers[i]), 0);
    }
    check_ledger();
    struct rp_group_info info;
    succeeds(rp_group_next(q, 0, &info));
    assert_string_equal(info.name, "default");
    succeeds(rp_group_next(q, 1, &info));
    assert_string_equal(info.name, "keeper");
    assert_int_equal(rp_group_next(q, 2, &info), RP_EMPTY);
    assert_true(eventually(rp_queue_sweep(q) == 0));
    audit_is_clean(q);
    assert_int_equal(stats_of(q).free_cells, stats_of(q).cells);
    munmap(ledger, sizeof *ledger);
    drop_queue(q);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(guests_come_and_go_and_die),
    };
    return cmocka_run_group_tests_name("groups", tests, NULL, NULL);
}
