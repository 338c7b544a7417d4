/* SPDX-License-Identifier: MIT */
/* A full queue: what is dropped, in which order, for whom, and what is not; bounds in bytes. */
#include "overflow.h"

#include "byte_room.h"
#include "fixture.h"
#include "keyed.h"
#include <ringpost/group.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static rp_queue *q;
static rp_producer *p;
static rp_consumer *c;
static uint32_t room; /* messages that fit */

static void open_queue(const struct rp_queue_options *o) {
    q = make_queue(o);
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_consumer_open(q, NULL, &c));
    room = cells_in_play(&q->segment);
}

static struct rp_queue_options dropping(void) {
    struct rp_queue_options o = test_options();
    o.overflow = RP_OVERFLOW_DROP_OLDEST;
    o.lease_ns = 0;
    return o;
}

static void close_queue(void) {
    rp_consumer_close(c);
    rp_producer_close(p);
    audit_is_clean(q);
    drop_queue(q);
}

static int send_number(uint32_t n) { return rp_send(p, &n, sizeof n, NULL); }
static void send_from_to(uint32_t from, uint32_t to) {
    for (uint32_t n = from; n < to; n++) {
        int result = send_number(n);
        if (result < 0)
            print_error("message %u: %s\n", n, rp_error_detail());
        assert_int_equal(result, 0);
    }
}

static uint32_t number(const struct rp_message *m) {
    uint32_t n;
    assert_int_equal(m->bytes, sizeof n);
    memcpy(&n, m->data, sizeof n);
    return n;
}

static struct rp_message take(rp_consumer *from, uint32_t expected) {
    struct rp_message m;
    assert_int_equal(rp_receive(from, &m, 0), 0);
    assert_int_equal(number(&m), expected);
    return m;
}

static void receives(rp_consumer *from, uint32_t first, uint32_t end) {
    for (uint32_t n = first; n < end; n++) {
        struct rp_message m = take(from, n);
        succeeds(rp_ack(from, &m));
    }
}
static void is_empty(rp_consumer *from) {
    struct rp_message m;
    assert_int_equal(rp_receive(from, &m, 0), RP_EMPTY);
}

static uint64_t dropped(unsigned group) { return counter_read(&q->segment.groups[group].dropped); }

/* A second group, made before anything was sent. */
static rp_consumer *second_group(enum rp_group_overflow overflow) {
    struct rp_group_options group;
    struct rp_consumer_options o;
    rp_consumer *consumer;
    rp_group_options_init(&group, sizeof group);
    group.overflow = overflow;
    succeeds(rp_group_create(q, "second", &group));
    rp_consumer_options_init(&o, sizeof o);
    o.group = "second";
    succeeds(rp_consumer_open(q, &o, &consumer));
    return consumer;
}

static void the_oldest_go(void **state) {
    (void)state;
    struct rp_queue_options o = dropping();
    open_queue(&o);
    send_from_to(0, room);
    assert_int_equal(dropped(0), 0);
    send_from_to(room, 10 * room); /* round the lane more than once */
    assert_int_equal(dropped(0), 9 * room);
    assert_int_equal(stats_of(q).dropped, 9 * room);
    assert_int_equal(stats_of(q).full, 0);
    receives(c, 9 * room, 10 * room);
    is_empty(c);
    send_from_to(0, room);
    receives(c, 0, 3);
    send_from_to(room, room + 3); /* three are free: nothing need go */
    assert_int_equal(dropped(0), 9 * room);
    assert_int_equal(send_number(room + 3), 0);
    assert_int_equal(dropped(0), 9 * room + 1);
    receives(c, 4, room + 4);
    close_queue();
}

static void what_somebody_holds_stays(void **state) {
    (void)state;
    struct rp_queue_options o = dropping();
    struct rp_message held[64];
    const struct rp_send_options patient = {.size = sizeof patient, .timeout_ns = 20 * MS, .ttl_ns = RP_TTL_POLICY};
    open_queue(&o);
    send_from_to(0, room);
    for (uint32_t n = 0; n < 3; n++)
        held[n] = take(c, n);
    send_from_to(room, 2 * room); /* three are leased, the rest goes round */
    assert_int_equal(dropped(0), room);
    for (uint32_t n = 3; n < room; n++)
        held[n] = take(c, room + n);
    int64_t start = time_ns();
    assert_int_equal(send_number(1), RP_FULL); /* all are leased */
    assert_int_equal(rp_send(p, "x", 1, &patient), RP_FULL);
    assert_true(time_ns() - start >= 20 * MS);
    assert_int_equal(dropped(0), room);
    for (uint32_t n = 0; n < room; n++)
        succeeds(rp_ack(c, &held[n]));
    close_queue();
}

/* What was never received goes before redeliveries, those before backoffs. */
static void redeliveries_go_last(void **state) {
    (void)state;
    struct rp_queue_options o = dropping();
    struct rp_message m[4];
    struct rp_nack_options later;
    rp_nack_options_init(&later, sizeof later);
    later.delay_ns = 3600 * SECOND;
    open_queue(&o);
    send_from_to(0, room);
    for (uint32_t n = 0; n < 4; n++)
        m[n] = take(c, n);
    succeeds(rp_nack(c, &m[0], &later));
    succeeds(rp_nack(c, &m[1], NULL));
    succeeds(rp_nack(c, &m[2], NULL));
    send_from_to(room, 2 * room - 4); /* 0: delayed; 1, 2: returned; 3: leased; the others were never received */
    assert_int_equal(dropped(0), room - 4);
    for (uint32_t n = room; n < 2 * room - 4; n++) { /* all that is left in the lane is held now */
        struct rp_message lane;
        do
            assert_int_equal(rp_receive(c, &lane, 0), 0);
        while (number(&lane) < room && rp_nack(c, &lane, NULL) == 0);
        assert_int_equal(number(&lane), n);
    }
    assert_int_equal(stats_of(q).ready, 2);
    assert_int_equal(send_number(1000), 0);
    assert_int_equal(stats_of(q).ready, 2); /* a redelivery went */
    m[0] = take(c, 1000);
    assert_int_equal(send_number(1001), 0);
    m[0] = take(c, 1001);
    is_empty(c);
    assert_int_equal(stats_of(q).delayed, 1);
    assert_int_equal(send_number(1002), 0); /* the backoff goes */
    assert_int_equal(stats_of(q).delayed, 0);
    m[0] = take(c, 1002);
    assert_int_equal(send_number(1003), RP_FULL);
    assert_int_equal(dropped(0), room - 1);
    assert_int_equal(rp_queue_purge(q, NULL, RP_STATE_ALL), room);
    close_queue();
}

/* Memory that somebody looks at would not come free. */
static void a_view_stays(void **state) {
    (void)state;
    struct rp_queue_options o = dropping();
    o.lease_ns = (uint64_t)MS;
    struct rp_message m;
    open_queue(&o);
    send_from_to(0, room);
    m = take(c, 0);
    assert_true(eventually(rp_queue_sweep(q) >= 0 && stats_of(q).leased == 0));
    assert_int_equal(stats_of(q).ready, room); /* returned, with us on record */
    send_from_to(room, 3 * room);
    assert_int_equal(dropped(0), 2 * room);
    assert_int_equal(number(&m), 0); /* still there to be read */
    assert_int_equal(rp_ack(c, &m), RP_LEASE_LOST);
    close_queue();
}

static void an_abandoned_group_stops_nobody(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    open_queue(&o); /* reject; the second group has a policy of its own */
    rp_consumer *second = second_group(RP_GROUP_DROP_OLDEST);
    for (uint32_t n = 0; n < 100; n++) {
        send_from_to(n, n + 1);
        receives(c, n, n + 1);
    }
    assert_int_equal(dropped(0), 0);
    assert_int_equal(dropped(1), 100 - room);
    send_from_to(100, 100 + room); /* the first group is behind now, and loses nothing */
    assert_int_equal(dropped(1), 100);
    assert_int_equal(send_number(7), RP_FULL);
    assert_int_equal(dropped(1), 100);
    receives(c, 100, 105);
    send_from_to(100 + room, 105 + room);
    assert_int_equal(send_number(7), RP_FULL);
    assert_int_equal(dropped(0), 0);
    assert_int_equal(dropped(1), 105);
    receives(second, 105, 105 + room);
    is_empty(second);
    receives(c, 105, 105 + room);
    rp_consumer_close(second);
    close_queue();
}

static void both_groups_lose(void **state) {
    (void)state;
    struct rp_queue_options o = dropping();
    open_queue(&o);
    rp_consumer *second = second_group(RP_GROUP_QUEUE);
    send_from_to(0, 3 * room);
    receives(second, 2 * room, 2 * room + 4);
    send_from_to(3 * room, 3 * room + 4);
    assert_int_equal(dropped(0), 2 * room + 4);
    assert_int_equal(dropped(1), 2 * room);
    receives(c, 2 * room + 4, 3 * room + 4);
    receives(second, 2 * room + 4, 3 * room + 4);
    rp_consumer_close(second);
    close_queue();
}

/* A group that blocks holds the memory, whatever the others would do. */
static void a_group_that_holds(void **state) {
    (void)state;
    struct rp_queue_options o = dropping();
    open_queue(&o);
    rp_consumer *second = second_group(RP_GROUP_BLOCK);
    send_from_to(0, room);
    assert_int_equal(send_number(1), RP_FULL);
    assert_int_equal(dropped(0), 0);
    receives(second, 0, 2);
    send_from_to(room, room + 2);
    assert_int_equal(send_number(1), RP_FULL);
    assert_int_equal(dropped(0), 2);
    assert_int_equal(dropped(1), 0);
    receives(c, 2, room + 2);
    receives(second, 2, room + 2);
    rp_consumer_close(second);
    close_queue();
}

static void to_the_dead_ring(void **state) {
    (void)state;
    for (uint32_t refuse = 0; refuse < 2; refuse++) {
        struct rp_queue_options o = test_options();
        o.dead_capacity = 3;
        o.dead_overflow = refuse ? RP_DEAD_REFUSE : RP_DEAD_DROP_OLDEST;
        open_queue(&o);
        rp_consumer *second = second_group(RP_GROUP_DEAD);
        for (uint32_t n = 0; n < room; n++) {
            send_from_to(n, n + 1);
            receives(c, n, n + 1);
        }
        send_from_to(room, room + 1);
        receives(c, room, room + 1);
        /* Dead letters take memory, too: three go to the dead ring, the next frees some, its own or the oldest letter's. */
        assert_int_equal(dropped(1), refuse ? 1 : 0);
        assert_int_equal(stats_of(q).dead_dropped, refuse ? 0 : 1);
        assert_int_equal(stats_of(q).died, refuse ? 3 : 4);
        struct rp_dead_letter letter;
        uint32_t n;
        assert_int_equal(rp_dead_peek(q, "second", 0, &letter, &n, sizeof n), 0);
        assert_int_equal(n, refuse ? 0 : 1);
        assert_int_equal(letter.reason, RP_DEAD_OVERFLOW);
        send_from_to(room + 1, 2 * room - 2);
        assert_int_equal(send_number(7), RP_FULL); /* the dead have three cells, the first group needs the others */
        assert_int_equal(stats_of(q).dead_dropped, refuse ? 0 : room - 2);
        assert_int_equal(dropped(1), refuse ? room - 2 : 0);
        assert_int_equal(rp_dead_redrive(q, "second", NULL), 3);
        rp_consumer_close(second);
        receives(c, room + 1, 2 * room - 2);
        assert_int_equal(rp_queue_purge(q, "second", RP_STATE_ALL), room);
        close_queue();
    }
}

/* The lowest level that has anything loses first. */
static void levels_lose_from_below(void **state) {
    (void)state;
    struct rp_queue_options o = dropping();
    struct rp_send_options level;
    rp_send_options_init(&level, sizeof level);
    o.priorities = 3;
    open_queue(&o);
    for (uint32_t n = 0; n < room; n++) {
        level.priority = n % 3;
        assert_int_equal(rp_send(p, &n, sizeof n, &level), 0);
    }
    level.priority = 2;
    for (uint32_t n = room; n < room + room / 3 + 2; n++)
        assert_int_equal(rp_send(p, &n, sizeof n, &level), 0);
    assert_int_equal(dropped(0), room / 3 + 2);
    for (uint32_t n = 2; n < room; n += 3) { /* all of level 2 is there */
        struct rp_message m = take(c, n);
        succeeds(rp_ack(c, &m));
    }
    receives(c, room, room + room / 3 + 2);
    for (uint32_t n = 7; n < room; n += 3) { /* level 1 without its two oldest, level 0 is gone */
        struct rp_message m = take(c, n);
        succeeds(rp_ack(c, &m));
    }
    is_empty(c);
    close_queue();
}

/* Keyed lanes lose their oldest, and what remains of a key comes in order. A message that is held keeps its slot, and no more than a lap is sent behind it. */
static void keyed(uint32_t lanes, bool together) {
    struct rp_queue_options o = dropping();
    struct rp_send_options with_key;
    struct rp_message first, m;
    rp_send_options_init(&with_key, sizeof with_key);
    o.lanes = lanes;
    o.lane_capacity = 16;
    open_queue(&o);
    assert_true((keyed_lane(&q->segment, "odd", 3) == keyed_lane(&q->segment, "eve", 3)) == together);
    for (uint32_t n = 0; n < 5 * room; n++) {
        with_key.key = n % 2 ? "odd" : "even";
        with_key.key_bytes = 3;
        if (n == 3)
            first = take(c, 0);
        int result = rp_send(p, &n, sizeof n, &with_key);
        if (result == RP_FULL) {
            assert_int_equal(n, (together ? 1 : 2) * o.lane_capacity); /* of the 16 that were sent for its key the first is held */
            succeeds(rp_ack(c, &first));
            result = rp_send(p, &n, sizeof n, &with_key);
        }
        assert_int_equal(result, 0);
    }
    struct rp_queue_stats s = stats_of(q);
    assert_int_equal(s.dropped + s.ready + 1, 5 * room);
    assert_int_equal(s.full, 1);
    uint32_t last[2] = {0, 0}, received = 0;
    while (rp_receive(c, &m, 0) == 0) {
        uint32_t n = number(&m);
        assert_true(n > last[n % 2]);
        last[n % 2] = n;
        succeeds(rp_ack(c, &m));
        received++;
    }
    assert_int_equal(received, s.ready);
    assert_int_equal(last[1], 5 * room - 1);
    assert_int_equal(last[0], 5 * room - 2);
    close_queue();
}

static void keyed_lanes(void **state) {
    (void)state;
    keyed(1, true);
    uint32_t lanes = 2;
    while (XXH3_64bits("odd", 3) % lanes == XXH3_64bits("eve", 3) % lanes)
        lanes++;
    keyed(lanes, false);
}

/* A queue so large that the bitmap is not looked at as a whole: at least `capacity` messages are kept, and what comes free is found. */
static void a_large_queue(void **state) {
    (void)state;
    struct rp_queue_options o = dropping();
    o.capacity = 8192;
    o.message_bytes = 8;
    open_queue(&o);
    send_from_to(0, 3 * room);
    assert_int_equal(dropped(0), 2 * room);
    receives(c, 2 * room, 2 * room + 1000);
    uint32_t sent = 3 * room;
    send_from_to(sent, sent + 1000);
    assert_true(dropped(0) <= 2 * room + q->segment.layout.bitmap_words);
    assert_true(stats_of(q).ready >= o.capacity);
    uint32_t rest = (uint32_t)stats_of(q).ready;
    receives(c, sent + 1000 - rest, sent + 1000);
    close_queue();
}

/* ---- bytes ---- */

static char payload[64];
static int send_bytes(size_t bytes) { return rp_send(p, payload, bytes, NULL); }
static uint64_t held(void) { return (uint64_t)byte_room_held(&q->segment); }

static void a_bound_in_bytes(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    struct rp_message m;
    o.max_bytes = 100;
    open_queue(&o);
    assert_int_equal(send_bytes(60), 0);
    assert_int_equal(send_bytes(40), 0);
    assert_int_equal(stats_of(q).bytes, 100);
    assert_int_equal(send_bytes(0), 0);
    assert_int_equal(send_bytes(1), RP_FULL);
    assert_non_null(strstr(rp_error_detail(), "it holds 100 of 100 bytes"));
    assert_int_equal(stats_of(q).full, 1);
    succeeds(rp_receive(c, &m, 0));
    assert_int_equal(send_bytes(1), RP_FULL); /* held, not gone */
    succeeds(rp_ack(c, &m));
    assert_int_equal(held(), 40);
    assert_int_equal(send_bytes(61), RP_FULL);
    assert_int_equal(send_bytes(60), 0);
    assert_int_equal(rp_queue_purge(q, NULL, RP_STATE_READY), 3);
    assert_int_equal(held(), 0);
    close_queue();
    o.max_bytes = 32;
    open_queue(&o);
    assert_int_equal(send_bytes(33), RP_TOO_BIG);
    assert_int_equal(send_bytes(32), 0);
    succeeds(rp_receive(c, &m, 0));
    succeeds(rp_ack(c, &m));
    close_queue();
    o.max_bytes = 1234567;
    o.message_bytes = 1 << 20;
    open_queue(&o);
    char *big = calloc(1, 1 << 20);
    succeeds(rp_send(p, big, 1 << 20, NULL));
    assert_int_equal(rp_send(p, big, 1 << 20, NULL), RP_FULL);
    assert_non_null(strstr(rp_error_detail(), "1,048,576 of 1,234,567 bytes"));
    free(big);
    close_queue();
}

static void loans_count(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    struct rp_loan l, k;
    o.max_bytes = 100;
    open_queue(&o);
    succeeds(rp_loan(p, 60, &l));
    assert_int_equal(stats_of(q).bytes, 60);
    assert_int_equal(rp_loan(p, 50, &k), RP_FULL);
    assert_int_equal(stats_of(q).owned_cells, 1); /* the cell was given back */
    l.bytes = 10;                                 /* less was written */
    succeeds(rp_commit(p, &l, NULL));
    assert_int_equal(held(), 10);
    succeeds(rp_loan(p, 50, &k));
    succeeds(rp_abandon(p, &k));
    assert_int_equal(held(), 10);
    succeeds(rp_loan(p, 50, &k));
    rp_producer_close(p);
    assert_int_equal(held(), 10);
    succeeds(rp_producer_open(q, NULL, &p));
    assert_int_equal(rp_queue_purge(q, NULL, RP_STATE_READY), 1);
    close_queue();
}

static void bytes_are_dropped_for(void **state) {
    (void)state;
    struct rp_queue_options o = dropping();
    struct rp_message m;
    o.max_bytes = 100;
    open_queue(&o);
    for (int i = 0; i < 10; i++)
        assert_int_equal(send_bytes(10), 0);
    assert_int_equal(send_bytes(25), 0); /* three go */
    assert_int_equal(dropped(0), 3);
    assert_int_equal(held(), 95);
    assert_int_equal(send_bytes(5), 0);
    assert_int_equal(dropped(0), 3);
    succeeds(rp_receive(c, &m, 0));
    assert_int_equal(send_bytes(64), 0);
    assert_true(held() <= 100 && stats_of(q).bytes == held());
    succeeds(rp_receive(c, &m, 0));
    close_queue();
}

static int send_delayed(size_t bytes, uint64_t delay_ns, uint64_t *id) {
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    o.delay_ns = delay_ns;
    o.id_out = id;
    return rp_send(p, payload, bytes, &o);
}

/* A message that waits for its time holds its bytes all the while, and gives them back once: when it is taken back, or over. */
static void delayed_bytes(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    struct rp_message m;
    uint64_t first, second;
    o.max_bytes = 100;
    open_queue(&o);
    assert_int_equal(send_delayed(60, 3600 * (uint64_t)SECOND, &first), 0);
    assert_int_equal(send_delayed(30, MS, &second), 0);
    assert_int_equal(held(), 90);
    assert_int_equal(stats_of(q).bytes, 90);
    assert_int_equal(send_delayed(11, MS, NULL), RP_FULL);
    assert_int_equal(send_bytes(11), RP_FULL);
    succeeds(rp_receive(c, &m, 10 * SECOND));
    assert_int_equal(m.id, second);
    assert_int_equal(held(), 90); /* it moved from one state to another */
    succeeds(rp_ack(c, &m));
    assert_int_equal(held(), 60);
    succeeds(rp_queue_cancel(q, first));
    assert_int_equal(held(), 0);
    assert_int_equal(rp_queue_cancel(q, first), -ENOENT);
    assert_int_equal(held(), 0);
    assert_int_equal(send_delayed(20, MS, &first), 0);
    succeeds(rp_group_remove(q, "default"));
    assert_true(eventually(rp_queue_sweep(q) >= 0 && stats_of(q).unroutable == 1)); /* due, and there is no group */
    assert_int_equal(held(), 0);
    close_queue();
}

/* What waits for its time is not dropped, for bytes as little as for memory; a backoff is. */
static void the_delayed_are_not_dropped(void **state) {
    (void)state;
    struct rp_queue_options o = dropping();
    struct rp_message m;
    uint64_t id;
    o.max_bytes = 100;
    open_queue(&o);
    assert_int_equal(send_delayed(60, 3600 * (uint64_t)SECOND, &id), 0);
    assert_int_equal(send_bytes(20), 0);
    assert_int_equal(send_bytes(20), 0);
    assert_int_equal(send_bytes(30), 0); /* both go */
    assert_int_equal(dropped(0), 2);
    assert_int_equal(send_bytes(41), RP_FULL); /* the one that was ready goes, and it does not help */
    assert_true(held() <= 90);
    assert_int_equal(stats_of(q).delayed, 1);
    succeeds(rp_queue_cancel(q, id));
    assert_int_equal(rp_queue_purge(q, NULL, RP_STATE_ALL) >= 0, 1);
    uint64_t before = dropped(0);
    assert_int_equal(send_bytes(64), 0);
    succeeds(rp_receive(c, &m, 0));
    struct rp_nack_options later;
    rp_nack_options_init(&later, sizeof later);
    later.delay_ns = 3600 * SECOND;
    succeeds(rp_nack(c, &m, &later));
    assert_true(eventually(send_bytes(50) == 0)); /* they are not looked for again in the same millisecond */
    assert_int_equal(dropped(0), before + 1);
    assert_int_equal(held(), 50);
    close_queue();

    o.max_bytes = 0;
    open_queue(&o);
    for (uint32_t i = 0; i < room; i++)
        assert_int_equal(send_delayed(4, 3600 * (uint64_t)SECOND, &id), 0);
    assert_int_equal(send_bytes(4), RP_FULL);
    assert_int_equal(dropped(0), 0);
    succeeds(rp_queue_cancel(q, id));
    send_from_to(0, 3); /* one place for all of them */
    assert_int_equal(dropped(0), 2);
    take(c, 2);
    assert_int_equal(stats_of(q).delayed, room - 1);
    close_queue();
}

/* What a death leaves in the counters is found by the sweep; they never say less than is there. */
/* What cannot make enough room stays. */
static void nothing_is_dropped_in_vain(void **state) {
    (void)state;
    struct rp_queue_options o = dropping();
    char block[200] = {0};
    o.capacity = 32;
    o.message_bytes = sizeof block;
    o.max_bytes = 1000;
    open_queue(&o);
    struct rp_message held[9], m;
    for (int i = 0; i < 9; i++)
        succeeds(rp_send(p, block, 100, NULL));
    for (int i = 0; i < 9; i++)
        succeeds(rp_receive(c, &held[i], 0));
    for (int i = 0; i < 10; i++)
        succeeds(rp_send(p, block, 10, NULL));
    assert_int_equal(rp_send(p, block, 200, NULL), RP_FULL);
    assert_int_equal(stats_of(q).dropped, 0);
    succeeds(rp_send(p, block, 100, NULL)); /* for this one all of them go */
    assert_int_equal(stats_of(q).dropped, 10);
    for (int i = 0; i < 9; i++)
        succeeds(rp_ack(c, &held[i]));
    succeeds(rp_receive(c, &m, 0));
    assert_int_equal(m.bytes, 100);
    succeeds(rp_ack(c, &m));
    close_queue();
}

static void counters_that_are_wrong(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.max_bytes = 100;
    open_queue(&o);
    assert_int_equal(send_bytes(30), 0);
    struct rp_audit audit;
    succeeds(rp_queue_sweep(q));
    (void)fetch_add_relaxed(&q->segment.control->bytes_in, 65, hint); /* a sender died */
    succeeds(rp_queue_audit(q, &audit));
    assert_int_equal(audit.repairable, 1);
    assert_true(eventually(send_bytes(10) == 0)); /* senders see to it themselves */
    assert_int_equal(held(), 40);
    audit_is_clean(q);
    (void)fetch_add_relaxed(&q->segment.control->bytes_in, 65, hint);
    succeeds(rp_queue_sweep(q));
    assert_int_equal(held(), 40);
    (void)fetch_add_relaxed(&q->segment.control->bytes_out, 30, hint); /* a freer was stopped while somebody counted */
    succeeds(rp_queue_sweep(q));
    assert_int_equal(held(), 40);
    store_relaxed(&q->segment.control->bytes_out, UINT64_MAX / 2 + 77, hint); /* damage */
    succeeds(rp_queue_sweep(q));
    succeeds(rp_queue_sweep(q));
    assert_int_equal(held(), 40);
    assert_int_equal(rp_queue_purge(q, NULL, RP_STATE_READY), 2);
    close_queue();
}

/* What moves while somebody counts cannot be called wrong. */
static void a_count_in_a_storm(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    struct byte_count k;
    o.max_bytes = 100;
    open_queue(&o);
    const struct segment *s = &q->segment;
    assert_int_equal(send_bytes(30), 0);
    byte_count_begin(s, &k);
    k.found = 0; /* it looked at the cell before the message was there */
    assert_int_equal(send_bytes(30), 0);
    k.found += 30;
    assert_int_equal(byte_count_end(s, &k), 0); /* 60 are said, 30 found, 30 moved */
    k.found = 29;
    assert_int_equal(byte_count_end(s, &k), 1); /* one is wrong for certain */
    assert_int_equal(held(), 59);
    succeeds(rp_queue_sweep(q));
    assert_int_equal(held(), 60);
    assert_int_equal(rp_queue_purge(q, NULL, RP_STATE_READY), 2);
    close_queue();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_oldest_go),
        TEST(what_somebody_holds_stays),
        TEST(redeliveries_go_last),
        TEST(a_view_stays),
        TEST(an_abandoned_group_stops_nobody),
        TEST(both_groups_lose),
        TEST(a_group_that_holds),
        TEST(to_the_dead_ring),
        TEST(levels_lose_from_below),
        TEST(keyed_lanes),
        TEST(a_large_queue),
        TEST(a_bound_in_bytes),
        TEST(loans_count),
        TEST(bytes_are_dropped_for),
        TEST(nothing_is_dropped_in_vain),
        TEST(delayed_bytes),
        TEST(the_delayed_are_not_dropped),
        TEST(counters_that_are_wrong),
        TEST(a_count_in_a_storm),
    };
    return cmocka_run_group_tests_name("overflow", tests, NULL, NULL);
}
