/* SPDX-License-Identifier: MIT */
/* rp_seen: the work of an id is done once. */
#include "id_table.h"
#include "seen.h"

#include "fixture.h"

static struct rp_queue *q;
static rp_producer *p;
static rp_consumer *c, *second;

#define HOUR (UINT64_C(3600) * 1000 * MS)

static void open_with(struct rp_queue_options o) {
    o.max_participants = 2;
    q = make_queue(&o);
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_consumer_open(q, NULL, &c));
    succeeds(rp_consumer_open(q, NULL, &second));
}
static void open_queue(void) {
    struct rp_queue_options o = test_options();
    o.dedup_window_ns = HOUR;
    open_with(o);
}
static void close_queue(void) {
    rp_producer_close(p);
    rp_consumer_close(c);
    rp_consumer_close(second);
    succeeds(rp_queue_sweep(q));
    audit_is_clean(q);
    for (uint32_t i = 0; i < q->segment.layout.known_count; i++) {
        enum id_state state = id_state(load_relaxed(&q->segment.known_ids[i].word, own));
        assert_true(state != ID_PENDING && state != ID_TAKEN);
    }
    drop_queue(q);
}
static struct rp_message received(rp_consumer *by, const char *text) {
    struct rp_message m;
    succeeds(rp_receive(by, &m, 0));
    assert_true(says(&m, text));
    return m;
}

static void once(void **state) {
    (void)state;
    open_queue();
    for (int i = 0; i < 3; i++)
        succeeds(send_text(p, "order 1"));
    struct rp_message m = received(c, "order 1"), other = received(second, "order 1");
    assert_int_equal(rp_seen(c, &m, "1", 1), 0);
    assert_int_equal(rp_seen(second, &other, "1", 1), -EBUSY); /* held at once */
    succeeds(rp_ack(c, &m));
    assert_int_equal(rp_seen(second, &other, "1", 1), RP_DUPLICATE);
    succeeds(rp_ack(second, &other));
    m = received(c, "order 1");
    assert_int_equal(rp_seen(c, &m, "1\0", 2), 0); /* another */
    assert_int_equal(rp_seen(c, &m, "2", 1), -EINVAL);
    succeeds(rp_ack(c, &m));
    close_queue();
}

/* What failed is to be done again, by whichever way. */
static void failed(void **state) {
    (void)state;
    struct rp_message m;
    open_queue();
    succeeds(send_text(p, "a"));
    m = received(c, "a");
    assert_int_equal(rp_seen(c, &m, NULL, 0), 0);
    succeeds(rp_nack(c, &m, NULL));
    m = received(c, "a");
    assert_int_equal(rp_seen(c, &m, NULL, 0), 0);
    succeeds(rp_reject(c, &m, NULL));
    assert_int_equal(rp_dead_redrive(q, NULL, NULL), 1);
    m = received(second, "a");
    assert_int_equal(rp_seen(second, &m, NULL, 0), 0);
    rp_consumer_close(second);
    succeeds(rp_consumer_open(q, NULL, &second));
    m = received(c, "a");
    assert_int_equal(rp_seen(c, &m, NULL, 0), 0);
    succeeds(rp_ack(c, &m));
    close_queue();
}

/* A reject that is refused leaves the message, and its id, as they were. */
static void refused(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.dedup_window_ns = HOUR;
    o.dead_capacity = 1;
    o.dead_overflow = RP_DEAD_REFUSE;
    open_with(o);
    succeeds(send_text(p, "a"));
    succeeds(send_text(p, "b"));
    struct rp_message m = received(c, "a"), other;
    succeeds(rp_reject(c, &m, NULL));
    m = received(c, "b");
    assert_int_equal(rp_seen(c, &m, "b", 1), 0);
    assert_int_equal(rp_reject(c, &m, NULL), RP_FULL);
    succeeds(send_text(p, "b"));
    other = received(second, "b");
    assert_int_equal(rp_seen(second, &other, "b", 1), -EBUSY);
    succeeds(rp_ack(c, &m));
    assert_int_equal(rp_seen(second, &other, "b", 1), RP_DUPLICATE);
    succeeds(rp_ack(second, &other));
    close_queue();
}

/* Ids of work, of sends and of other groups are not the same. */
static void kinds(void **state) {
    (void)state;
    struct rp_send_options s;
    struct rp_consumer_options o;
    rp_consumer *there;
    open_queue();
    succeeds(rp_group_create(q, "other", NULL));
    rp_consumer_options_init(&o, sizeof o);
    o.group = "other";
    succeeds(rp_consumer_open(q, &o, &there));
    rp_send_options_init(&s, sizeof s);
    uint64_t full[2] = {c->group_generation << 8 | c->group, 7};
    s.dedup_id = full;
    s.dedup_id_bytes = sizeof full;
    succeeds(rp_send(p, "a", 2, &s));
    struct rp_message m = received(c, "a"), other = received(there, "a");
    assert_int_equal(rp_seen(c, &m, &full[1], sizeof full[1]), 0);
    assert_int_equal(rp_seen(there, &other, &full[1], sizeof full[1]), 0);
    succeeds(rp_ack(c, &m));
    assert_int_equal(rp_send(p, "a", 2, &s), RP_DUPLICATE);
    succeeds(rp_ack(there, &other));
    memcpy(&full[1], &m.id, sizeof m.id);
    succeeds(send_text(p, "b"));
    m = received(c, "b"); /* an id that looks like another message's number */
    assert_int_equal(rp_seen(c, &m, &full[1], sizeof full[1]), 0);
    succeeds(rp_ack(c, &m));
    rp_consumer_close(there);
    close_queue();
}

/* Who lost his lease while he worked did the work; who lost it before is told. */
static void lost(void **state) {
    (void)state;
    struct rp_message m, again;
    open_queue();
    succeeds(send_text(p, "a"));
    m = received(c, "a");
    assert_int_equal(rp_seen(c, &m, NULL, 0), 0);
    succeeds(rp_extend(c, &m, 1 * MS));
    assert_true(eventually(rp_queue_sweep(q) >= 0 && rp_receive(second, &again, 0) == 0));
    assert_int_equal(rp_seen(second, &again, NULL, 0), -EBUSY);
    assert_int_equal(rp_ack(c, &m), RP_LEASE_LOST);
    assert_int_equal(rp_seen(second, &again, NULL, 0), RP_DUPLICATE);
    succeeds(rp_ack(second, &again));

    succeeds(send_text(p, "b"));
    m = received(c, "b");
    succeeds(rp_extend(c, &m, 1 * MS));
    assert_true(eventually(rp_queue_sweep(q) >= 0 && rp_receive(second, &again, 0) == 0));
    assert_int_equal(rp_seen(c, &m, NULL, 0), RP_LEASE_LOST);
    assert_int_equal(rp_seen(second, &again, NULL, 0), 0);
    assert_int_equal(rp_nack(c, &m, NULL), RP_LEASE_LOST);
    succeeds(rp_ack(second, &again));
    close_queue();
}

/* Senders always have places: work takes none of those that they need. */
static void crowded(void **state) {
    (void)state;
    struct rp_message m[64];
    struct rp_send_options s;
    unsigned held = 0, busy = 0;
    struct rp_queue_options o = test_options();
    o.dedup_window_ns = HOUR;
    o.dedup_entries = o.capacity + 2 * 8 + 5;
    open_with(o);
    const unsigned places = q->segment.layout.known_count - q->segment.layout.cell_count;
    assert_in_range(places, 5, o.capacity - 1);
    for (unsigned i = 0; i < o.capacity; i++, held++) {
        succeeds(send_text(p, "a"));
        succeeds(rp_receive(c, &m[held], 0));
        int result = rp_seen(c, &m[held], &i, sizeof i);
        assert_true(result == (i < places ? 0 : -EBUSY));
        busy += result == -EBUSY;
    }
    assert_int_equal(busy, o.capacity - places);
    for (unsigned i = 0; i < held; i++)
        succeeds(rp_ack(c, &m[i]));
    rp_send_options_init(&s, sizeof s);
    for (unsigned i = 0; i < 4 * o.capacity; i++) {
        s.dedup_id = &i;
        s.dedup_id_bytes = sizeof i;
        succeeds(rp_send(p, "b", 2, &s));
        m[0] = received(c, "b");
        assert_int_equal(rp_seen(c, &m[0], NULL, 0), 0);
        succeeds(rp_ack(c, &m[0]));
    }
    close_queue();
}

static void bad_use(void **state) {
    (void)state;
    char id[RP_SEEN_ID_MAX + 1] = {0};
    struct rp_consumer_options o;
    rp_consumer *careless;
    open_queue();
    succeeds(send_text(p, "a"));
    struct rp_message m = received(c, "a");
    assert_int_equal(rp_seen(c, &m, id, sizeof id), -EINVAL);
    assert_int_equal(rp_seen(c, &m, id, 0), -EINVAL);
    assert_int_equal(rp_seen(c, &m, NULL, 1), -EINVAL);
    assert_int_equal(rp_seen(second, &m, NULL, 0), -EINVAL);
    assert_int_equal(rp_seen(NULL, &m, NULL, 0), -EINVAL);
    assert_int_equal(rp_seen(c, NULL, NULL, 0), -EINVAL);
    assert_int_equal(rp_seen(c, &m, id, RP_SEEN_ID_MAX), 0);
    succeeds(rp_ack(c, &m));
    assert_int_equal(rp_seen(c, &m, NULL, 0), -EINVAL);
    rp_consumer_options_init(&o, sizeof o);
    o.ack = RP_ACK_NONE;
    succeeds(rp_consumer_open(q, &o, &careless));
    succeeds(send_text(p, "a"));
    succeeds(rp_receive(careless, &m, 0));
    assert_int_equal(rp_seen(careless, &m, NULL, 0), -EINVAL);
    rp_consumer_close(careless);
    close_queue();

    struct rp_queue_options none = test_options();
    for (int i = 0; i < 2; i++) { /* no window, and one that is shorter than the lease */
        none.dedup_window_ns = i == 0 ? 0 : 30 * SECOND;
        open_with(none);
        succeeds(send_text(p, "a"));
        m = received(c, "a");
        assert_int_equal(rp_seen(c, &m, NULL, 0), -EINVAL);
        succeeds(rp_ack(c, &m));
        close_queue();
    }
}

/* A receiver that dies has not done the work, unless it said so. */
static int die_at_work(struct peer *test, void *argument) {
    struct handles h = peer_open(0);
    struct rp_message m;
    peer_succeeds(rp_receive(h.c, &m, 0));
    peer_check(rp_seen(h.c, &m, NULL, 0) == 0);
    if (argument != NULL) { /* as one who is killed in rp_ack, between the two */
        const struct segment *s = &h.q->segment;
        for (uint32_t i = 0; i < s->layout.known_count; i++) {
            uint64_t w = load_acquire(&s->known_ids[i].word, known_word);
            if (id_state(w) == ID_PENDING)
                peer_check(id_table_commit(s, i, w, 2 * s->parameters.dedup_window_ns));
        }
    }
    peer_say(test, 'r');
    (void)peer_hear(test);
    return 0;
}
static void deaths(void **state) {
    (void)state;
    open_queue();
    for (int done = 0; done < 2; done++) {
        succeeds(send_text(p, "a"));
        struct peer worker = peer_start(die_at_work, done ? "done" : NULL);
        assert_int_equal(peer_hear(&worker), 'r');
        peer_kill(&worker);
        struct rp_message m;
        assert_true(eventually(rp_receive(c, &m, 0) == 0));
        assert_int_equal(m.deliveries, 2);
        assert_int_equal(rp_seen(c, &m, NULL, 0), done ? RP_DUPLICATE : 0);
        succeeds(rp_ack(c, &m));
    }
    close_queue();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(once), TEST(failed), TEST(refused), TEST(kinds), TEST(lost), TEST(crowded), TEST(bad_use), TEST(deaths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
