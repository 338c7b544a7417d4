/* SPDX-License-Identifier: MIT */
/* Dead letters that are moved to another queue by processes that are killed: each is in one of the two, and in both at most once for each death. */
#include "fixture.h"

#include <stdatomic.h>

enum { LETTERS = 4000, KILLS = 1000, EACH_TIME = 50 };

static char far_name[80];

static struct shared {
    uint64_t last_id; /* of the letter that was moved last */
    atomic_uint rounds;
    atomic_uchar acked[LETTERS]; /* by who redrives them here */
} * shared;

static int unlink_both(void **state) {
    if (far_name[0])
        rp_queue_unlink(far_name);
    return unlink_queue(state);
}

struct pair {
    rp_queue *near, *far;
};

/* LETTERS dead letters in one queue, and one that has room for them and all copies. */
static struct pair make_pair(void) {
    struct rp_queue_options o = test_options();
    struct rp_message m;
    rp_producer *p;
    rp_consumer *c;
    struct pair x;
    o.capacity = o.dead_capacity = LETTERS;
    x.near = make_queue(&o);
    snprintf(far_name, sizeof far_name, "%s.far", queue_name);
    rp_queue_unlink(far_name);
    o.capacity = LETTERS + KILLS + 1;
    succeeds(rp_queue_create(far_name, &o, &x.far));
    succeeds(rp_producer_open(x.near, NULL, &p));
    succeeds(rp_consumer_open(x.near, NULL, &c));
    for (uint32_t n = 0; n < LETTERS; n++) {
        succeeds(rp_send(p, &n, sizeof n, NULL));
        succeeds(rp_receive(c, &m, 0));
        succeeds(rp_reject(c, &m, "no"));
    }
    rp_consumer_close(c);
    rp_producer_close(p);
    shared = shared_memory(sizeof *shared);
    return x;
}

/* Whenever the test says so, moves the next letters to the other queue with one call, which writes down how far it has come. */
static int move(struct peer *test, void *argument) {
    (void)argument;
    struct handles h = peer_open(0);
    struct rp_redrive_options o;
    rp_queue *far;
    rp_producer *to;
    rp_redrive_options_init(&o, sizeof o);
    peer_succeeds(rp_queue_open(far_name, NULL, &far));
    peer_succeeds(rp_producer_open(far, NULL, &to));
    o.to = to;
    o.limit = EACH_TIME;
    o.last_id = &shared->last_id;
    while (peer_hear(test) == 'm') {
        peer_succeeds(rp_dead_redrive(h.q, NULL, &o));
        atomic_fetch_add(&shared->rounds, 1);
    }
    return 0;
}
static uint64_t last_moved(void) { return __atomic_load_n(&shared->last_id, __ATOMIC_RELAXED); }

/* Redrives them where they are, and acks them. */
static int consume(struct peer *test, void *argument) {
    (void)test, (void)argument;
    struct handles h = peer_open(0);
    struct rp_redrive_options o;
    struct rp_message m;
    rp_redrive_options_init(&o, sizeof o);
    o.limit = 1;
    for (;;) {
        int done = rp_dead_redrive(h.q, NULL, &o);
        peer_succeeds(done);
        int result = rp_receive(h.c, &m, 0);
        if (done == 0 && result == RP_EMPTY)
            return 0;
        if (result == RP_EMPTY)
            continue;
        peer_succeeds(result);
        uint32_t n;
        memcpy(&n, m.data, sizeof n);
        peer_check(n < LETTERS);
        atomic_store(&shared->acked[n], 1); /* or he who dies in the ack takes it along */
        result = rp_ack(h.c, &m);
        peer_check(result == 0 || result == RP_LEASE_LOST);
    }
}

/* Kills `victim` of the crew, of which the first moves letters, until nothing is dead any more. -> how often. */
static unsigned kill_often(rp_queue *near, struct peer crew[], int (*const bodies[])(struct peer *, void *), unsigned count) {
    unsigned kills = 0;
    uint64_t random = 2463534242;
    while (stats_of(near).dead > 0) {
        random = random * 6364136223846793005 + 1442695040888963407;
        uint64_t until_id = last_moved() + 1 + (random >> 33) % EACH_TIME;
        unsigned round = atomic_load(&shared->rounds), victim = (unsigned)(random >> 40) % count;
        peer_say(&crew[0], 'm');
        assert_true(until(last_moved() >= until_id || atomic_load(&shared->rounds) != round));
        peer_kill(&crew[victim]);
        kills++;
        crew[victim] = peer_start(bodies[victim], NULL);
        if (victim != 0)
            assert_true(until(atomic_load(&shared->rounds) != round));
    }
    return kills;
}

/* Receives all of the other queue, and counts. *disorder: copies that came behind a later letter for the first time. */
static void count_copies(rp_queue *far, unsigned copies[LETTERS], unsigned *disorder) {
    rp_consumer *c;
    struct rp_message m;
    int64_t last = -1;
    succeeds(rp_queue_sweep(far));
    succeeds(rp_consumer_open(far, NULL, &c));
    *disorder = 0;
    while (rp_receive(c, &m, 0) == 0) {
        uint32_t n;
        assert_int_equal(m.bytes, sizeof n);
        memcpy(&n, m.data, sizeof n);
        assert_in_range(n, 0, LETTERS - 1);
        *disorder += copies[n] == 0 && n < last;
        last = n > last ? n : last;
        copies[n]++;
        succeeds(rp_ack(c, &m));
    }
    rp_consumer_close(c);
}

static void ends_well(struct pair x) {
    succeeds(rp_queue_sweep(x.near));
    audit_is_clean(x.near);
    audit_is_clean(x.far);
    assert_int_equal(stats_of(x.near).free_cells, stats_of(x.near).cells);
    assert_int_equal(stats_of(x.far).free_cells, stats_of(x.far).cells);
    munmap(shared, sizeof *shared);
    succeeds(rp_queue_close(x.far));
    rp_queue_unlink(far_name);
    drop_queue(x.near);
}

static void the_mover_is_killed(void **state) {
    (void)state;
    static int (*const bodies[])(struct peer *, void *) = {move};
    static unsigned copies[LETTERS];
    struct pair x = make_pair();
    struct peer mover = peer_start(move, NULL);
    unsigned kills = kill_often(x.near, &mover, bodies, 1), too_many = 0, disorder;
    peer_kill(&mover);
    count_copies(x.far, copies, &disorder);
    for (uint32_t n = 0; n < LETTERS; n++) {
        assert_true(copies[n] >= 1);
        too_many += copies[n] - 1;
    }
    print_message("%d letters, %u kills, %u twice\n", LETTERS, kills, too_many);
    assert_true(kills > LETTERS / EACH_TIME / 2);
    assert_true(too_many <= kills);
    assert_int_equal(disorder, 0);
    ends_well(x);
}

/* One moves them, another redrives and acks them where they are. */
static void two_at_the_same_letters(void **state) {
    (void)state;
    static int (*const bodies[])(struct peer *, void *) = {move, consume};
    static unsigned copies[LETTERS];
    struct pair x = make_pair();
    struct peer crew[] = {peer_start(move, NULL), peer_start(consume, NULL)};
    unsigned kills = kill_often(x.near, crew, bodies, 2), moved = 0, acked = 0, disorder;
    peer_kill(&crew[0]);
    assert_int_equal(peer_end(&crew[1]), 0);
    succeeds(peer_run(consume, NULL)); /* what one who was killed had in his hands */
    count_copies(x.far, copies, &disorder);
    for (uint32_t n = 0; n < LETTERS; n++) {
        assert_true(copies[n] + atomic_load(&shared->acked[n]) >= 1);
        moved += copies[n];
        acked += atomic_load(&shared->acked[n]);
    }
    print_message("%d letters, %u kills, %u moved, %u acked\n", LETTERS, kills, moved, acked);
    assert_true(moved > 0 && acked > 0);
    assert_true(moved <= LETTERS + kills);
    ends_well(x);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(the_mover_is_killed, unlink_both),
                                       cmocka_unit_test_teardown(two_at_the_same_letters, unlink_both)};
    return cmocka_run_group_tests_name("forward", tests, NULL, NULL);
}
