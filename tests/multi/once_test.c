/* SPDX-License-Identifier: MIT */
/*
 * Exactly once, as an application does it: producers number their work, keep outside of the queue how far they are, and after a crash send again what they do not
 * know of, under the same id. They are killed all the time, and so are the consumers. Each number becomes one message, and none is lost.
 */
#include "handle.h"
#include "id_table.h"

#include "fixture.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/time.h>

enum { PRODUCERS = 4, CONSUMERS = 2, CREW = PRODUCERS + CONSUMERS };
enum { KILLS = 80, STEPS_PER_KILL = 150, NUMBERS_PER_KILL = 100, LOOK_BACK = 64 };
enum { NUMBERS = (KILLS + 2) * (NUMBERS_PER_KILL + 300) };

struct work {
    uint32_t line, number; /* a line of work belongs to one producer, or to two */
};

static struct shared {
    atomic_uint at[PRODUCERS]; /* how far each producer is: all below are sent, for all that he knows */
    atomic_uint allowed;       /* nobody goes on beyond: what the kept ids and the books have room for */
    atomic_uint steps, duplicates, busy;
    atomic_ullong message[PRODUCERS][NUMBERS]; /* the message that a consumer saw, its id + 1 */
    atomic_uchar acked[PRODUCERS][NUMBERS];
    atomic_uint violations;
    atomic_bool die_inside[PRODUCERS];
} * shared;

struct role {
    unsigned slot, line;
};

/* The numbers go all ways into the queue. */
static int send_as(const struct handles *h, const struct work *w, uint64_t *id) {
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    o.dedup_id = w;
    o.dedup_id_bytes = sizeof *w;
    o.id_out = id;
    o.timeout_ns = w->number % 3 == 0 ? 20 * MS : 0;
    if (w->number % 8 == 7)
        o.delay_ns = 1000;
    if (w->number % 5 != 4)
        return rp_send(h->p, w, sizeof *w, &o);
    struct rp_loan loan;
    int result = rp_loan(h->p, sizeof *w, &loan);
    if (result < 0)
        return result;
    memcpy(loan.data, w, sizeof *w);
    result = rp_commit(h->p, &loan, &o);
    if (result < 0)
        peer_succeeds(rp_abandon(h->p, &loan));
    return result;
}

/* ---- to die with an id undecided, which is a matter of some hundred instructions ---- */

static const rp_queue *my_queue;
static unsigned my_slot;

static void maybe_die(int signal) {
    (void)signal;
    if (!atomic_load(&shared->die_inside[my_slot]))
        return;
    const struct segment *s = &my_queue->segment;
    uint64_t hand = atomic_load(&s->control->known_hand);
    for (uint64_t turn = hand > LOOK_BACK ? hand - LOOK_BACK : 0; turn < hand; turn++) {
        uint64_t w = atomic_load(&s->known_ids[turn % s->layout.known_count].word);
        if (id_state(w) == ID_PENDING && id_owner(w) == my_queue->seat)
            kill(getpid(), SIGKILL);
    }
}

static void die_at_any_instruction(const struct handles *h, unsigned slot) {
    const struct itimerval often = {{0, 61}, {0, 61}};
    my_queue = h->q;
    my_slot = slot;
    signal(SIGALRM, maybe_die);
    peer_check(setitimer(ITIMER_REAL, &often, NULL) == 0);
}

static int produce(struct peer *test, void *argument) {
    (void)test;
    const struct role *r = argument;
    struct handles h = peer_open(0);
    die_at_any_instruction(&h, r->slot);
    for (;;) {
        struct work w = {.line = r->line, .number = atomic_load(&shared->at[r->slot])};
        uint64_t id = 0;
        if (w.number >= atomic_load(&shared->allowed)) {
            sched_yield();
            continue;
        }
        int result = send_as(&h, &w, &id);
        if (result == RP_FULL || result == -EBUSY) {
            atomic_fetch_add(&shared->busy, result == -EBUSY);
            sched_yield();
            continue;
        }
        if (result != RP_DUPLICATE)
            peer_succeeds(result);
        atomic_fetch_add(&shared->duplicates, result == RP_DUPLICATE);
        unsigned long long seen = atomic_load(&shared->message[w.line][w.number]);
        peer_check(seen == 0 || seen == id + 1); /* a duplicate is told which message it is of */
        sched_yield();                           /* to write that down takes its time, and many die before it is done */
        atomic_store(&shared->at[r->slot], w.number + 1);
        atomic_fetch_add(&shared->steps, 1);
    }
}

static void see(const struct rp_message *m, struct work *w) {
    unsigned long long first = 0;
    peer_check(m->bytes == sizeof *w);
    memcpy(w, m->data, sizeof *w);
    peer_check(w->line < PRODUCERS && w->number < NUMBERS);
    if (!atomic_compare_exchange_strong(&shared->message[w->line][w->number], &first, m->id + 1) && first != m->id + 1)
        atomic_fetch_add(&shared->violations, 1); /* another message of the same number */
}

static int consume(struct peer *test, void *argument) {
    (void)test;
    (void)argument;
    struct handles h = peer_open(0);
    for (;;) {
        struct rp_message m;
        struct work w;
        peer_succeeds(rp_receive(h.c, &m, -1));
        see(&m, &w);
        int result = rp_ack(h.c, &m);
        peer_check(result == 0 || result == RP_LEASE_LOST);
        if (result == 0)
            atomic_fetch_add(&shared->acked[w.line][w.number], 1);
        atomic_fetch_add(&shared->steps, 1);
    }
}

static bool is_dead(const struct peer *p) {
    siginfo_t end = {0};
    return waitid(P_PID, (id_t)p->pid, &end, WEXITED | WNOHANG | WNOWAIT) == 0 && end.si_pid == p->pid;
}

/* False: the books have no room for more work. */
static bool has_work(unsigned slot) {
    uint32_t allowed = atomic_load(&shared->allowed);
    if (allowed + KILLS * NUMBERS_PER_KILL >= NUMBERS)
        return false;
    if (atomic_load(&shared->at[slot]) >= allowed)
        atomic_fetch_add(&shared->allowed, 1);
    return true;
}

/* It dies by its own hand; or by ours, where it has not got that far after a while: on a busy machine it hardly runs. */
static void let_die_inside(struct peer *p, unsigned slot) {
    bool has_died = false;
    int64_t end = time_ns() + 2 * SECOND;
    atomic_store(&shared->die_inside[slot], true);
    while (!(has_died = is_dead(p)) && has_work(slot) && time_ns() < end)
        sched_yield();
    if (!has_died)
        kill(p->pid, SIGKILL);
    assert_int_equal(peer_end(p), -SIGKILL);
    atomic_store(&shared->die_inside[slot], false);
}

static struct peer start(struct role *r) { return peer_start(r->slot < PRODUCERS ? produce : consume, r); }

static void drain(rp_queue *q) {
    rp_consumer *c;
    struct rp_message m;
    struct work w;
    succeeds(rp_consumer_open(q, NULL, &c));
    assert_true(eventually(rp_queue_sweep(q) == 0));
    struct rp_queue_stats s = stats_of(q);
    while (s.ready + s.delayed + s.leased > 0) {
        while (rp_receive(c, &m, 10 * MS) == 0) {
            see(&m, &w);
            succeeds(rp_ack(c, &m));
            atomic_fetch_add(&shared->acked[w.line][w.number], 1);
        }
        s = stats_of(q);
    }
    rp_consumer_close(c);
}

/* `twins`: two producers each do the same work, and race for every number. */
static void storm(bool twins) {
    struct rp_queue_options o = test_options();
    o.capacity = 32;
    o.lease_ns = 0; /* until death */
    o.dedup_window_ns = UINT64_C(3600) * SECOND;
    o.dedup_entries = PRODUCERS * NUMBERS;
    o.prefault = 0;
    shared = shared_memory(sizeof *shared);
    atomic_store(&shared->allowed, NUMBERS_PER_KILL);
    rp_queue *q = make_queue(&o);
    struct role roles[CREW];
    struct peer crew[CREW];
    for (unsigned i = 0; i < CREW; i++) {
        roles[i] = (struct role){.slot = i, .line = twins ? i / 2 : i};
        crew[i] = start(&roles[i]);
    }
    uint64_t random = 88172645463325252;
    for (unsigned k = 0; k < KILLS; k++) {
        unsigned until_step = atomic_load(&shared->steps) + STEPS_PER_KILL;
        assert_true(until((int)(atomic_load(&shared->steps) - until_step) >= 0));
        random = random * 6364136223846793005 + 1442695040888963407;
        unsigned i = (unsigned)(random >> 33) % CREW;
        if (i < PRODUCERS && k % 4 != 0)
            let_die_inside(&crew[i], i);
        else
            peer_kill(&crew[i]);
        crew[i] = start(&roles[i]);
        atomic_fetch_add(&shared->allowed, NUMBERS_PER_KILL);
    }
    for (unsigned i = 0; i < CREW; i++)
        peer_kill(&crew[i]);
    /* The last of each: whoever died in it, it is sent again. */
    struct handles h = {.q = q};
    assert_true(eventually(rp_queue_sweep(q) == 0));
    drain(q);
    succeeds(rp_producer_open(q, NULL, &h.p));
    for (unsigned i = 0; i < PRODUCERS; i++) {
        struct work w = {.line = roles[i].line, .number = atomic_load(&shared->at[i])};
        uint64_t id;
        bool there = atomic_load(&shared->message[w.line][w.number]) != 0;
        assert_int_equal(send_as(&h, &w, &id), there ? RP_DUPLICATE : 0);
        atomic_fetch_add(&shared->at[i], 1);
        drain(q);
    }
    rp_producer_close(h.p);
    struct rp_queue_stats s = stats_of(q);
    unsigned numbers = 0, lost = 0, twice = 0;
    for (unsigned i = 0; i < PRODUCERS; i++)
        for (uint32_t n = 0; n < atomic_load(&shared->at[i]); n++, numbers++) {
            lost += atomic_load(&shared->message[roles[i].line][n]) == 0;
            twice += atomic_load(&shared->acked[roles[i].line][n]) > 1;
        }
    print_message("%u numbers, %u kills, %u duplicates, %u busy\n", numbers, (unsigned)KILLS, atomic_load(&shared->duplicates),
                  atomic_load(&shared->busy));
    assert_int_equal(atomic_load(&shared->violations), 0);
    assert_int_equal(lost, 0);
    assert_int_equal(twice, 0);
    assert_int_equal(s.forgotten_ids, 0);
    assert_true(atomic_load(&shared->duplicates) > 0);
    succeeds(rp_queue_sweep(q));
    audit_is_clean(q);
    s = stats_of(q);
    assert_int_equal(s.free_cells, s.cells);
    munmap(shared, sizeof *shared);
    drop_queue(q);
}

static void each_number_once(void **state) {
    (void)state;
    storm(false);
}

static void two_race_for_each(void **state) {
    (void)state;
    storm(true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(each_number_once, unlink_queue),
        cmocka_unit_test_teardown(two_race_for_each, unlink_queue),
    };
    return cmocka_run_group_tests_name("once", tests, NULL, NULL);
}
