/* SPDX-License-Identifier: MIT */
/*
 * Shards: a lane and a range of cells for each node. Any machine may have as many as it likes, and producers and consumers may name theirs, so most of this needs no second node; that pages lie where they should,
 * and that homes are found, is tests/numa's.
 */
#include "fixture.h"

#include "handle.h"
#include "lane.h"
#include "shard_map.h"

#include <stdatomic.h>

enum { SHARDS = 4, SHARE = 64, CAPACITY = SHARDS * SHARE, TURN = 16 };

struct letter {
    uint32_t shard, number;
};

static struct rp_queue_options sharded(void) {
    struct rp_queue_options o = test_options();
    o.capacity = CAPACITY;
    o.numa_shards = SHARDS;
    return o;
}

static rp_producer *producer_at(rp_queue *q, uint32_t shard) {
    struct rp_producer_options o;
    rp_producer *p = NULL;
    rp_producer_options_init(&o, sizeof o);
    o.shard = shard;
    succeeds(rp_producer_open(q, &o, &p));
    return p;
}

static rp_consumer *consumer_at(rp_queue *q, uint32_t shard) {
    struct rp_consumer_options o;
    rp_consumer *c = NULL;
    rp_consumer_options_init(&o, sizeof o);
    o.shard = shard;
    succeeds(rp_consumer_open(q, &o, &c));
    c->lane_turn = 0; /* else it is anybody's guess when it has to begin elsewhere */
    return c;
}

/* One producer for each shard. */
struct crowd {
    rp_queue *q;
    rp_producer *p[SHARDS];
    uint32_t sent[SHARDS];
};

static struct crowd gather(const struct rp_queue_options *o) {
    struct crowd x = {.q = make_queue(o)};
    for (uint32_t i = 0; i < SHARDS; i++)
        x.p[i] = producer_at(x.q, i + 1);
    return x;
}

static void disperse(struct crowd *x) {
    for (uint32_t i = 0; i < SHARDS; i++)
        rp_producer_close(x->p[i]);
    audit_is_clean(x->q);
    drop_queue(x->q);
}

static void send_from(struct crowd *x, uint32_t shard) {
    const struct letter l = {shard, x->sent[shard]++};
    succeeds(rp_send(x->p[shard], &l, sizeof l, NULL));
}

static struct letter letter_in(const struct rp_message *m) {
    struct letter l;
    assert_int_equal(m->bytes, sizeof l);
    memcpy(&l, m->data, sizeof l);
    return l;
}

static struct letter take(rp_consumer *c) {
    struct rp_message m;
    succeeds(rp_receive(c, &m, 0));
    struct letter l = letter_in(&m);
    assert_int_equal(m.priority, 0);
    succeeds(rp_ack(c, &m));
    return l;
}

static void is_empty(rp_consumer *c) {
    struct rp_message m;
    assert_int_equal(rp_receive(c, &m, 0), RP_EMPTY);
}

static void what_does_not_go_together_is_refused(void **state) {
    (void)state;
    struct rp_queue_options o;
    rp_queue *q;
#define REFUSES(change, why)                                            \
    do {                                                                \
        o = sharded();                                                  \
        change;                                                         \
        assert_int_equal(rp_queue_create("test.bad", &o, &q), -EINVAL); \
        assert_non_null(strstr(rp_error_detail(), why));                \
    } while (0)
    REFUSES(o.lanes = 4, "keyed lanes");
    REFUSES(o.priorities = 2, "priorities");
    REFUSES(o.ageing_ns = 1, "ageing");
    REFUSES(o.numa = RP_NUMA_NODE, "node");
    REFUSES(o.numa = RP_NUMA_CONSUMER, "node");
    REFUSES(o.numa_shards = 17, "0 to 16");
    struct rp_producer_options po;
    struct rp_consumer_options co;
    rp_producer *p;
    rp_consumer *c;
    rp_producer_options_init(&po, sizeof po);
    rp_consumer_options_init(&co, sizeof co);
    po.shard = co.shard = SHARDS + 1;
    o = sharded();
    q = make_queue(&o);
    assert_int_equal(rp_producer_open(q, &po, &p), -EINVAL);
    assert_int_equal(rp_consumer_open(q, &co, &c), -EINVAL);
    drop_queue(q);
    o = test_options();
    po.shard = co.shard = 2; /* in a queue that has none */
    q = make_queue(&o);
    assert_int_equal(rp_producer_open(q, &po, &p), -EINVAL);
    assert_int_equal(rp_consumer_open(q, &co, &c), -EINVAL);
    drop_queue(q);
}

/* Who names the first needs not know whether one node was enough for `auto`. */
static void the_first_is_there_without_shards(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    rp_queue *q = make_queue(&o);
    rp_producer *p = producer_at(q, 1);
    rp_consumer *c = consumer_at(q, 1);
    struct rp_message m;
    succeeds(rp_send(p, "one", 3, NULL));
    succeeds(rp_receive(c, &m, 0));
    succeeds(rp_ack(c, &m));
    rp_producer_close(p);
    rp_consumer_close(c);
    drop_queue(q);
}

static uint32_t shards_of(uint32_t asked, struct rp_placement *p) {
    struct rp_queue_options o = test_options(), got;
    o.numa_shards = asked;
    rp_queue *q = make_queue(&o);
    rp_queue_options_init(&got, sizeof got);
    succeeds(rp_queue_options_get(q, &got));
    succeeds(rp_queue_placement(q, p));
    assert_int_equal(got.priorities, 1);
    assert_int_equal(got.lanes, 0);
    assert_int_equal(p->shards, got.numa_shards);
    drop_queue(q);
    return got.numa_shards;
}

static void as_many_as_asked_for(void **state) {
    (void)state;
    struct rp_placement p;
    assert_int_equal(shards_of(0, &p), 0);
    assert_int_equal(shards_of(1, &p), 0); /* a queue like any other */
    assert_int_equal(shards_of(2, &p), 2);
    assert_int_equal(shards_of(16, &p), 16);
    uint32_t nodes = (uint32_t)__builtin_popcountll(p.shard_nodes);
    assert_true(nodes <= 16 && (nodes > 0) == (p.nodes > 0));
    assert_int_equal(shards_of(RP_NUMA_SHARDS_AUTO, &p), nodes < 2 ? 0 : nodes); /* one for each node */
    if (p.nodes == 1)
        assert_int_equal(p.shard_bytes, 0);
}

/* As 0, whatever else is asked for. */
static void one_is_off(void **state) {
    (void)state;
    struct rp_queue_options o, got;
#define TAKES(change)                                   \
    do {                                                \
        o = test_options();                             \
        o.numa_shards = 1;                              \
        change;                                         \
        rp_queue *q = make_queue(&o);                   \
        rp_queue_options_init(&got, sizeof got);        \
        succeeds(rp_queue_options_get(q, &got));        \
        assert_int_equal(got.numa_shards, 0);           \
        assert_int_equal(got.lanes, o.lanes);           \
        assert_int_equal(got.priorities, o.priorities); \
        drop_queue(q);                                  \
    } while (0)
    TAKES(o.lanes = 4);
    TAKES(o.priorities = 2);
    TAKES((o.priorities = 2, o.ageing_ns = 1));
    TAKES(o.numa = RP_NUMA_CONSUMER);
    TAKES((o.numa = RP_NUMA_NODE, o.numa_node = 0));
}

/* Where all are on one node, by their seats: they spread over its shards. */
static void on_one_node_homes_go_by_seat(void **state) {
    (void)state;
    struct rp_queue_options o = sharded();
    rp_queue *q[SHARDS + 1] = {make_queue(&o)};
    struct rp_placement where;
    succeeds(rp_queue_placement(q[0], &where));
    for (uint32_t i = 0; i <= SHARDS; i++) {
        if (i > 0)
            succeeds(rp_queue_open(queue_name, NULL, &q[i]));
        rp_producer *p = producer_at(q[i], 0);
        rp_consumer *c = consumer_at(q[i], 0);
        assert_true(p->home < SHARDS && c->shard_order[0] < SHARDS);
        if (where.nodes == 1)
            assert_true(p->home == i % SHARDS && c->shard_order[0] == i % SHARDS);
        rp_producer_close(p);
        rp_consumer_close(c);
    }
    for (uint32_t i = SHARDS; i > 0; i--)
        succeeds(rp_queue_close(q[i]));
    drop_queue(q[0]);
}

struct life {
    uint32_t shard, first, last;
    bool dies;
};

/* One life of a producer that is known by its id. */
static int live(struct peer *test, void *argument) {
    const struct life *me = argument;
    rp_queue *q;
    rp_producer *p;
    struct rp_producer_options o;
    struct rp_send_options numbered;
    rp_producer_options_init(&o, sizeof o);
    rp_send_options_init(&numbered, sizeof numbered);
    o.id = "meter";
    o.id_bytes = 5;
    o.shard = me->shard;
    (void)test;
    peer_succeeds(rp_queue_open(queue_name, NULL, &q));
    peer_succeeds(rp_producer_open(q, &o, &p));
    for (uint32_t n = me->first; n <= me->last; n++) {
        const struct letter l = {p->home, n};
        numbered.sequence = n;
        peer_succeeds(rp_send(p, &l, sizeof l, &numbered));
    }
    if (me->dies)
        raise(SIGKILL);
    rp_producer_close(p);
    return rp_queue_close(q);
}

/* Who has an id fills the same lane of its node in each life, whichever seat it has: as here of one node, or where it names the lane. */
static void an_id_keeps_its_lane(void **state) {
    (void)state;
    enum { LIVES = 5, IN_ONE = 3 };
    struct rp_queue_options o = sharded();
    o.max_producer_ids = 4;
    for (uint32_t pinned = 0; pinned < 2; pinned++) {
        rp_queue *q = make_queue(&o), *guests[LIVES];
        struct rp_placement where;
        succeeds(rp_queue_placement(q, &where));
        if (!pinned && where.nodes != 1) { /* it may run on another in the next life */
            drop_queue(q);
            continue;
        }
        for (uint32_t i = 0; i < LIVES; i++) {
            struct life life = {pinned ? 3 : 0, i * IN_ONE + 1, (i + 1) * IN_ONE, i % 2 == 0};
            (void)peer_run(live, &life);
            succeeds(rp_queue_open(queue_name, NULL, &guests[i])); /* takes a seat, so that the next life has another */
        }
        rp_consumer *c = consumer_at(q, 1);
        uint32_t home = SHARDS;
        for (uint32_t n = 1; n <= LIVES * IN_ONE; n++) {
            struct letter l = take(c);
            assert_int_equal(l.number, n);
            assert_true(home == SHARDS || l.shard == home);
            home = l.shard;
        }
        is_empty(c);
        rp_consumer_close(c);
        for (uint32_t i = 0; i < LIVES; i++)
            succeeds(rp_queue_close(guests[i]));
        audit_is_clean(q);
        drop_queue(q);
    }
}

static void own_lane_first_then_the_others_in_turn(void **state) {
    (void)state;
    struct rp_queue_options o = sharded();
    struct crowd x = gather(&o);
    for (uint32_t n = 0; n < 3; n++)
        for (uint32_t shard = 0; shard < SHARDS; shard++)
            send_from(&x, shard);
    struct rp_peeked seen;
    uint32_t peeked = 0;
    for (uint64_t after = 0; rp_peek(x.q, NULL, RP_STATE_READY, after, &seen, NULL, 0) == 0; after = seen.id, peeked++)
        assert_int_equal(seen.priority, 0);
    assert_int_equal(peeked, 3 * SHARDS);
    uint8_t order[SHARDS_MOST];
    rp_consumer *c = consumer_at(x.q, 3);
    memcpy(order, c->shard_order, sizeof order);
    assert_int_equal(order[0], 2);
    for (uint32_t i = 0; i < SHARDS * 3; i++) {
        struct letter l = take(c);
        assert_int_equal(l.shard, order[i / 3]);
        assert_int_equal(l.number, i % 3);
    }
    is_empty(c);
    rp_consumer_close(c);
    disperse(&x);
}

/* Sent one by one, with options or without, or in a batch: all in the sender's lane, and in order. */
static void a_batch_goes_home(void **state) {
    (void)state;
    enum { BATCH = 5 };
    struct rp_queue_options o = sharded();
    struct crowd x = gather(&o);
    struct rp_send_options with;
    rp_send_options_init(&with, sizeof with);
    with.timeout_ns = 0;
    for (uint32_t shard = 0; shard < SHARDS; shard++) {
        struct letter l[BATCH];
        struct rp_send_item items[BATCH] = {{.data = NULL}};
        for (uint32_t i = 0; i < BATCH; i++) {
            l[i] = (struct letter){shard, x.sent[shard]++};
            items[i].data = &l[i];
            items[i].bytes = sizeof l[i];
            items[i].options = i == 2 ? &with : NULL;
        }
        assert_int_equal(rp_send_batch(x.p[shard], items, BATCH), BATCH);
        send_from(&x, shard);
        for (uint32_t i = 0; i < BATCH; i++)
            assert_true(items[i].result == 0 && items[i].id != 0 && (i == 0 || items[i].id != items[i - 1].id));
        struct rp_send_item nothing = {.data = NULL, .bytes = 8};
        assert_int_equal(rp_send_batch(x.p[shard], &nothing, 1), -EINVAL);
        assert_int_equal(rp_send(x.p[shard], NULL, 8, NULL), -EINVAL);
    }
    rp_consumer *c = consumer_at(x.q, 3);
    for (uint32_t i = 0; i < SHARDS * (BATCH + 1); i++) {
        c->lane_turn = 0; /* at home first, then by its order */
        struct letter l = take(c);
        assert_int_equal(l.shard, c->shard_order[i / (BATCH + 1)]);
        assert_int_equal(l.number, i % (BATCH + 1));
    }
    is_empty(c);
    rp_consumer_close(c);
    disperse(&x);
}

/* Whatever comes into its own lane, a consumer receives from each of the others; and from those in their order. */
static void no_lane_starves(void **state) {
    (void)state;
    enum { FAR = 5 };
    struct rp_queue_options o = sharded();
    struct crowd x = gather(&o);
    rp_consumer *c = consumer_at(x.q, 1);
    uint32_t met[SHARDS] = {0};
    for (uint32_t n = 0; n < FAR; n++)
        for (uint32_t shard = 1; shard < SHARDS; shard++)
            send_from(&x, shard);
    for (uint32_t i = 0; i < TURN * (SHARDS - 1) * FAR; i++) {
        send_from(&x, 0); /* there is always one at home */
        struct letter l = take(c);
        assert_int_equal(l.number, met[l.shard]);
        met[l.shard]++;
    }
    for (uint32_t shard = 1; shard < SHARDS; shard++)
        assert_int_equal(met[shard], FAR);
    assert_int_equal(met[0], (TURN - 1) * (SHARDS - 1) * FAR); /* and home has all the rest */
    assert_true(rp_queue_purge(x.q, NULL, RP_STATE_ALL) > 0);
    is_empty(c);
    rp_consumer_close(c);
    disperse(&x);
}

/* The turns of empty lanes are those of the others: one that alone has messages gets each 16th receive. */
static void a_lone_lane_gets_all_turns(void **state) {
    (void)state;
    enum { FAR = 9 };
    struct rp_queue_options o = sharded();
    for (uint32_t lone = 1; lone < SHARDS; lone++) {
        struct crowd x = gather(&o);
        rp_consumer *c = consumer_at(x.q, 1);
        for (uint32_t n = 0; n < FAR; n++)
            send_from(&x, lone);
        for (uint32_t i = 1; i <= TURN * FAR; i++) {
            send_from(&x, 0);
            assert_int_equal(take(c).shard, i % TURN == 0 ? lone : 0);
        }
        assert_true(rp_queue_purge(x.q, NULL, RP_STATE_ALL) > 0);
        rp_consumer_close(c);
        disperse(&x);
    }
}

/* Those who come for one message and go leave nothing behind by which the next could count; so it is chance, but it is. */
static void those_who_come_once_reach_all_lanes(void **state) {
    (void)state;
    struct rp_queue_options o = sharded();
    struct crowd x = gather(&o);
    struct rp_consumer_options co;
    rp_consumer_options_init(&co, sizeof co);
    co.shard = 1;
    for (uint32_t shard = 1; shard < SHARDS; shard++)
        send_from(&x, shard);
    for (uint32_t tries = 0, far = 0; far < SHARDS - 1; tries++) {
        rp_consumer *c;
        assert_true(tries < 100000);
        send_from(&x, 0);
        succeeds(rp_consumer_open(x.q, &co, &c));
        far += take(c).shard != 0;
        rp_consumer_close(c);
    }
    disperse(&x);
}

static void what_comes_back_stays_in_its_lane(void **state) {
    (void)state;
    struct rp_queue_options o = sharded();
    struct crowd x = gather(&o);
    rp_consumer *here = consumer_at(x.q, 1), *there = consumer_at(x.q, 2);
    struct rp_message m;
    send_from(&x, 1);
    succeeds(rp_receive(here, &m, 0)); /* taken from the other lane */
    assert_int_equal(letter_in(&m).shard, 1);
    succeeds(rp_nack(here, &m, NULL));
    send_from(&x, 0);
    assert_int_equal(take(here).shard, 0); /* its own is first */
    succeeds(rp_receive(there, &m, 0));
    assert_int_equal(letter_in(&m).shard, 1);
    assert_int_equal(m.acquisitions, 2);
    succeeds(rp_reject(there, &m, "no"));
    send_from(&x, 2);
    assert_int_equal(rp_dead_redrive(x.q, NULL, NULL), 1);
    assert_int_equal(take(there).shard, 1);
    assert_int_equal(take(there).shard, 2);

    struct rp_send_options later;
    rp_send_options_init(&later, sizeof later);
    later.delay_ns = 1;
    const struct letter l = {3, 0};
    succeeds(rp_send(x.p[3], &l, sizeof l, &later));
    send_from(&x, 0);
    assert_true(eventually(rp_queue_sweep(x.q) >= 0 && stats_of(x.q).ready == 2));
    rp_consumer *last = consumer_at(x.q, 4);
    assert_int_equal(take(last).shard, 3); /* in its sender's lane, not in that of whoever found it due */
    assert_int_equal(take(last).shard, 0);
    is_empty(last);
    rp_consumer_close(here);
    rp_consumer_close(there);
    rp_consumer_close(last);
    disperse(&x);
}

static void drained_paused_and_purged_as_any_queue(void **state) {
    (void)state;
    struct rp_queue_options o = sharded();
    struct crowd x = gather(&o);
    struct rp_drain_options once;
    rp_drain_options_init(&once, sizeof once);
    once.timeout_ns = 0;
    rp_consumer *c = consumer_at(x.q, 2);
    for (uint32_t shard = 0; shard < SHARDS; shard++)
        send_from(&x, shard);
    assert_int_equal(rp_queue_drain(x.q, &once), SHARDS);
    for (uint32_t left = SHARDS; left-- > 0; assert_int_equal(rp_queue_drain(x.q, &once), left))
        (void)take(c);
    assert_int_equal(rp_send(x.p[1], "no", 2, NULL), RP_PAUSED);
    succeeds(rp_queue_resume(x.q, RP_SIDE_SEND));
    /* A second group has all lanes from now on, each from its end. */
    send_from(&x, 3);
    succeeds(rp_group_create(x.q, "second", NULL));
    for (uint32_t shard = 0; shard < SHARDS; shard++)
        send_from(&x, shard);
    struct rp_consumer_options co;
    rp_consumer *second;
    rp_consumer_options_init(&co, sizeof co);
    co.group = "second";
    co.shard = 4;
    succeeds(rp_consumer_open(x.q, &co, &second));
    second->lane_turn = 0;
    for (uint32_t i = 0; i < SHARDS; i++)
        assert_int_equal(take(second).number, i == 0 ? 2 : 1); /* not what was sent before it was made */
    is_empty(second);
    assert_int_equal(rp_queue_purge(x.q, NULL, RP_STATE_READY), SHARDS + 1);
    is_empty(c);
    for (uint32_t shard = 0; shard < SHARDS; shard++)
        send_from(&x, shard);
    rp_consumer_close(second);
    succeeds(rp_group_remove(x.q, "second"));
    succeeds(rp_queue_sweep(x.q));
    for (uint32_t i = 0; i < SHARDS; i++)
        (void)take(c);
    is_empty(c);
    struct rp_queue_stats st = stats_of(x.q);
    assert_int_equal(st.free_cells, st.cells);
    rp_consumer_close(c);
    disperse(&x);
}

/* How many messages lie in cells of each shard. */
static void count_cells(rp_queue *q, uint32_t in[SHARDS]) {
    const struct segment *s = &q->segment;
    for (uint32_t shard = 0; shard < SHARDS; shard++) {
        struct cell_range r = shard_cells(&s->parameters, &s->layout, shard);
        in[shard] = 0;
        for (uint32_t c = r.first; c < r.end; c++)
            in[shard] += cell_is_published(load_acquire(&segment_cell(s, c)->word, cell_word));
    }
}

static void cells_of_its_own_node_first(void **state) {
    (void)state;
    struct rp_queue_options o = sharded();
    struct crowd x = gather(&o);
    rp_consumer *c = consumer_at(x.q, 1);
    uint32_t in[SHARDS];
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 3 * SHARE; i++) { /* who was away comes home after some */
            send_from(&x, 1);
            (void)take(c);
        }
        rp_consumer_close(c); /* and gives back what it keeps */
        c = consumer_at(x.q, 1);
        for (uint32_t i = 0; i < SHARE; i++)
            send_from(&x, 1);
        count_cells(x.q, in);
        assert_int_equal(in[1], SHARE);
        for (uint32_t i = 0; i < SHARE / 2; i++)
            send_from(&x, 3);
        count_cells(x.q, in);
        assert_int_equal(in[1], SHARE);
        assert_int_equal(in[3], SHARE / 2);
        for (uint32_t i = 0; i < 10; i++) /* more than it has */
            send_from(&x, 1);
        count_cells(x.q, in);
        assert_int_equal(in[1], SHARE);
        assert_int_equal(in[0] + in[2] + in[3], SHARE / 2 + 10);
        for (uint32_t i = 0; i < SHARE + SHARE / 2 + 10; i++)
            (void)take(c); /* freed by somebody whose home is another: they go back to their own */
    }
    rp_consumer_close(c);
    disperse(&x);
}

/* All cells serve whoever sends, and what is oldest goes, whose lane it ever is in. */
static void one_sender_may_fill_the_queue(void **state) {
    (void)state;
    struct rp_queue_options o = sharded();
    struct crowd x = gather(&o);
    rp_consumer *c = consumer_at(x.q, 2);
    const struct letter l = {0, 0};
    int result;
    for (uint32_t i = 0; i < CAPACITY; i++)
        send_from(&x, 0);
    while ((result = rp_send(x.p[0], &l, sizeof l, NULL)) == 0) {
    }
    assert_int_equal(result, RP_FULL);
    assert_true(stats_of(x.q).ready >= CAPACITY);
    while (rp_receive(c, &(struct rp_message){.bytes = 0}, 0) == 0) {
    }
    rp_consumer_close(c);
    assert_true(rp_queue_purge(x.q, NULL, RP_STATE_ALL) >= CAPACITY);
    disperse(&x);

    o.overflow = RP_OVERFLOW_DROP_OLDEST;
    x = gather(&o);
    for (uint32_t i = 0; i < 3 * CAPACITY; i++)
        send_from(&x, i % SHARDS);
    uint64_t dropped = counter_read(&x.q->segment.groups[0].dropped);
    assert_int_equal(dropped + stats_of(x.q).ready, 3 * CAPACITY);
    c = consumer_at(x.q, 1);
    for (uint32_t i = 0; stats_of(x.q).ready > 0; i++) /* what is left of each lane is its end */
        assert_true(take(c).number >= 3 * SHARE - 2 * SHARE - 32);
    rp_consumer_close(c);
    disperse(&x);
}

/* Receives and acks a few, fewer than it tells of, and is gone or stopped: what shared heads say then is as old as they are. */
static int take_some(struct peer *test, void *argument) {
    rp_queue *q;
    struct rp_message m;
    peer_succeeds(rp_queue_open(queue_name, NULL, &q));
    rp_consumer *c = consumer_at(q, 1);
    for (uint32_t i = 0; i < *(const uint32_t *)argument; i++) {
        peer_succeeds(rp_receive(c, &m, 0));
        peer_succeeds(rp_ack(c, &m));
    }
    peer_say(test, 't');
    for (;;)
        pause();
}

/* A lane is as old as what can be dropped from it, whatever lies at the heads by now: here younger messages, of another lane. */
static void the_oldest_go_also_behind_old_heads(void **state) {
    (void)state;
    enum { OLD = 12, TAKEN = 5 };
    uint32_t taken = TAKEN;
    struct rp_queue_options o = sharded();
    o.capacity = SHARE;
    o.overflow = RP_OVERFLOW_DROP_OLDEST;
    for (int stopped = 0; stopped < 2; stopped++) {
        struct crowd x = gather(&o);
        for (uint32_t i = 0; i < OLD; i++)
            send_from(&x, 0);
        struct peer peer = peer_start(take_some, &taken);
        assert_int_equal(peer_hear(&peer), 't');
        if (stopped)
            peer_stop(&peer);
        else
            peer_kill(&peer);
        const uint64_t later = clock_wall_coarse_ns();
        assert_true(until(clock_wall_coarse_ns() > later));
        const uint32_t room = cells_in_play(&x.q->segment);
        for (uint32_t i = 0; i < 3 * room; i++)
            send_from(&x, 1);
        rp_consumer *c = consumer_at(x.q, 1);
        while (stats_of(x.q).ready > 0)
            assert_int_equal(take(c).shard, 1);
        rp_consumer_close(c);
        if (stopped)
            peer_kill(&peer);
        disperse(&x);
    }
}

static int wait_at(struct peer *test, void *argument) {
    rp_queue *q;
    struct rp_message m;
    peer_succeeds(rp_queue_open(queue_name, NULL, &q));
    rp_consumer *c = consumer_at(q, *(const uint32_t *)argument);
    peer_say(test, 'w');
    peer_succeeds(rp_receive(c, &m, -1));
    peer_succeeds(rp_ack(c, &m));
    return 0;
}

static void a_sleeper_wakes_for_any_lane(void **state) {
    (void)state;
    struct rp_queue_options o = sharded();
    struct crowd x = gather(&o);
    for (uint32_t shard = 0; shard < SHARDS; shard++) {
        uint32_t home = 1;
        struct peer sleeper = peer_start(wait_at, &home);
        assert_int_equal(peer_hear(&sleeper), 'w');
        assert_true(until(eventcount_waited_for(load_seq_cst(&x.q->segment.control->tickets[0], tickets))));
        send_from(&x, shard);
        assert_int_equal(peer_end(&sleeper), 0);
    }
    succeeds(rp_queue_sweep(x.q));
    disperse(&x);
}

/* ---- deaths ---- */

enum { EACH = 6000, CONSUMERS = 3, KILLS = 40 };

struct ledger {
    _Atomic bool finished;
    _Atomic uint32_t disorder;
    _Atomic uint32_t begun[SHARDS], sent[SHARDS]; /* the one that was begun last may have been sent, too */
    _Atomic uint8_t acked[SHARDS][EACH + 1];
};
static struct ledger *ledger;

static int produce(struct peer *test, void *argument) {
    const uint32_t shard = *(const uint32_t *)argument;
    rp_queue *q;
    (void)test;
    peer_succeeds(rp_queue_open(queue_name, NULL, &q));
    rp_producer *p = producer_at(q, shard + 1);
    for (;;) {
        uint32_t n = atomic_fetch_add(&ledger->begun[shard], 1) + 1;
        if (n > EACH)
            return 0;
        const struct letter l = {shard, n};
        peer_succeeds(rp_send(p, &l, sizeof l, NULL));
        atomic_fetch_add(&ledger->sent[shard], 1);
    }
}

/* Nobody is at home in the last lane. */
static int consume(struct peer *test, void *argument) {
    rp_queue *q;
    uint32_t last[SHARDS] = {0};
    (void)test;
    peer_succeeds(rp_queue_open(queue_name, NULL, &q));
    rp_consumer *c = consumer_at(q, *(const uint32_t *)argument + 1);
    for (;;) {
        struct rp_message m;
        bool finished = atomic_load(&ledger->finished);
        int result = rp_receive(c, &m, 20 * MS);
        if (result == RP_EMPTY && finished)
            return 0;
        if (result == RP_EMPTY)
            continue;
        peer_succeeds(result);
        struct letter l;
        memcpy(&l, m.data, sizeof l);
        peer_check(l.shard < SHARDS && l.number >= 1 && l.number <= EACH);
        if (m.acquisitions == 1 && l.number <= last[l.shard])
            atomic_fetch_add(&ledger->disorder, 1);
        if (m.acquisitions == 1)
            last[l.shard] = l.number;
        peer_succeeds(rp_ack(c, &m));
        atomic_fetch_add(&ledger->acked[l.shard][l.number], 1);
    }
}

static void nothing_is_lost_or_doubled_when_they_are_killed(void **state) {
    (void)state;
    struct rp_queue_options o = sharded();
    o.overflow = RP_OVERFLOW_BLOCK;
    rp_queue *q = make_queue(&o);
    ledger = shared_memory(sizeof *ledger);
    uint32_t numbers[SHARDS] = {0, 1, 2, 3};
    struct peer producers[SHARDS], consumers[CONSUMERS];
    for (unsigned i = 0; i < SHARDS; i++)
        producers[i] = peer_start(produce, &numbers[i]);
    for (unsigned i = 0; i < CONSUMERS; i++)
        consumers[i] = peer_start(consume, &numbers[i]);
    srand(2026);
    uint32_t killed_producers = 0, killed_consumers = 0;
    for (unsigned i = 0; i < KILLS; i++) {
        const uint32_t shard = (uint32_t)rand() % SHARDS, before = atomic_load(&ledger->begun[shard]),
                       more = (uint32_t)rand() % 300;
        (void)until(atomic_load(&ledger->begun[shard]) >= before + more || atomic_load(&ledger->begun[shard]) > EACH);
        const unsigned victim = (unsigned)rand() % (SHARDS + CONSUMERS);
        struct peer *p = victim < SHARDS ? &producers[victim] : &consumers[victim - SHARDS];
        peer_kill(p);
        *p = victim < SHARDS ? peer_start(produce, &numbers[victim]) : peer_start(consume, &numbers[victim - SHARDS]);
        *(victim < SHARDS ? &killed_producers : &killed_consumers) += 1;
    }
    for (unsigned i = 0; i < SHARDS; i++)
        assert_int_equal(peer_end(&producers[i]), 0);
    assert_true(eventually(rp_queue_sweep(q) >= 0 && stats_of(q).ready + stats_of(q).leased + stats_of(q).delayed == 0));
    atomic_store(&ledger->finished, true);
    for (unsigned i = 0; i < CONSUMERS; i++)
        assert_int_equal(peer_end(&consumers[i]), 0);
    succeeds(rp_queue_sweep(q));

    uint32_t confirmed = 0, acked = 0;
    for (unsigned i = 0; i < SHARDS; i++) {
        confirmed += atomic_load(&ledger->sent[i]);
        for (uint32_t n = 1; n <= EACH; n++) {
            assert_true(atomic_load(&ledger->acked[i][n]) <= 1);
            acked += atomic_load(&ledger->acked[i][n]);
        }
    }
    print_message("%u confirmed, %u acked, %u producers and %u consumers killed\n", confirmed, acked, killed_producers,
                  killed_consumers);
    /* Each death of a producer may hide one send, each of a consumer one ack that was not written down. */
    assert_true(acked <= confirmed + killed_producers && confirmed <= acked + killed_consumers);
    assert_int_equal(atomic_load(&ledger->disorder), 0);
    assert_int_equal(stats_of(q).free_cells, stats_of(q).cells);
    audit_is_clean(q);
    munmap(ledger, sizeof *ledger);
    drop_queue(q);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_does_not_go_together_is_refused, unlink_queue),
        cmocka_unit_test_teardown(as_many_as_asked_for, unlink_queue),
        cmocka_unit_test_teardown(one_is_off, unlink_queue),
        cmocka_unit_test_teardown(the_first_is_there_without_shards, unlink_queue),
        cmocka_unit_test_teardown(on_one_node_homes_go_by_seat, unlink_queue),
        cmocka_unit_test_teardown(an_id_keeps_its_lane, unlink_queue),
        cmocka_unit_test_teardown(own_lane_first_then_the_others_in_turn, unlink_queue),
        cmocka_unit_test_teardown(a_batch_goes_home, unlink_queue),
        cmocka_unit_test_teardown(no_lane_starves, unlink_queue),
        cmocka_unit_test_teardown(a_lone_lane_gets_all_turns, unlink_queue),
        cmocka_unit_test_teardown(those_who_come_once_reach_all_lanes, unlink_queue),
        cmocka_unit_test_teardown(what_comes_back_stays_in_its_lane, unlink_queue),
        cmocka_unit_test_teardown(drained_paused_and_purged_as_any_queue, unlink_queue),
        cmocka_unit_test_teardown(cells_of_its_own_node_first, unlink_queue),
        cmocka_unit_test_teardown(one_sender_may_fill_the_queue, unlink_queue),
        cmocka_unit_test_teardown(the_oldest_go_also_behind_old_heads, unlink_queue),
        cmocka_unit_test_teardown(a_sleeper_wakes_for_any_lane, unlink_queue),
        cmocka_unit_test_teardown(nothing_is_lost_or_doubled_when_they_are_killed, unlink_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
