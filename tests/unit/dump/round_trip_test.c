/* SPDX-License-Identifier: MIT */
/* What was in a queue is in the one that is restored from its dump, in the same order; and dumped again it is the same dump. */
#include "dump_fixture.h"
#include "handle.h"
#include "identity.h"

static void send_as(rp_producer *p, const char *text, struct rp_send_options o) {
    succeeds(rp_send(p, text, strlen(text) + 1, &o));
}
static struct rp_send_options plainly(void) {
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    return o;
}

static rp_producer *producer_of(rp_queue *q) {
    rp_producer *p = NULL;
    succeeds(rp_producer_open(q, NULL, &p));
    return p;
}
static rp_consumer *consumer_of(rp_queue *q, const char *group) {
    struct rp_consumer_options o;
    rp_consumer *c = NULL;
    rp_consumer_options_init(&o, sizeof o);
    o.group = group;
    succeeds(rp_consumer_open(q, &o, &c));
    return c;
}

static struct rp_message take(rp_consumer *c, const char *text) {
    struct rp_message m;
    succeeds(rp_receive(c, &m, 0));
    if (!says(&m, text))
        fprintf(stderr, "received '%.*s', expected '%s'\n", (int)m.bytes, (const char *)m.data, text);
    assert_true(says(&m, text));
    return m;
}
static struct rp_message settle_next(rp_consumer *c, const char *text) {
    struct rp_message m = take(c, text);
    succeeds(rp_ack(c, &m));
    return m;
}
static void is_empty(rp_consumer *c) {
    struct rp_message m;
    assert_int_equal(rp_receive(c, &m, 0), RP_EMPTY);
}

/* ---- two dumps ---- */

static int next_of(struct stored *x, rp_dump **d, struct rp_dump_item *item) {
    if (*d == NULL) {
        x->at = 0;
        succeeds(rp_dump_open(stored_read, x, d));
    }
    return rp_dump_next(*d, item);
}

static void same_letter(const struct rp_dead_letter *a, const struct rp_dead_letter *b, bool was_leased) {
    assert_int_equal(a->deliveries, b->deliveries);
    assert_int_equal(a->acquisitions + was_leased, b->acquisitions);
    assert_int_equal(a->reason, b->reason);
    assert_int_equal(a->last_failure, b->last_failure);
    assert_int_equal(a->pid, b->pid);
    assert_int_equal(a->first_failed_ns / 1000000, b->first_failed_ns / 1000000);
    assert_int_equal(a->last_failed_ns / 1000000, b->last_failed_ns / 1000000);
    assert_string_equal(a->executable, b->executable);
    assert_string_equal(a->text, b->text);
}

static bool near(uint64_t a, uint64_t b) { return a - b + 20 * (uint64_t)MS < 40 * (uint64_t)MS; }

static void same_message(const struct rp_dump_message *a, const struct rp_dump_message *b) {
    assert_int_equal(a->id, b->id);
    assert_int_equal(a->sent_ns, b->sent_ns);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->lane, b->lane);
    if (a->flags & RP_DUMP_SCHEDULED)
        assert_true(a->flags & RP_DUMP_BY_WALL ? a->due_ns == b->due_ns : near(a->due_ns, b->due_ns));
    if (a->flags & RP_DUMP_EXPIRES)
        assert_true(near(a->expires_ns, b->expires_ns));
    assert_int_equal(a->bytes, b->bytes);
    assert_memory_equal(a->data, b->data, a->bytes);
    assert_int_equal(a->key_bytes, b->key_bytes);
    if (a->key_bytes > 0)
        assert_memory_equal(a->key, b->key, a->key_bytes);
    assert_int_equal(a->headers.bytes, b->headers.bytes);
    if (a->headers.bytes > 0)
        assert_memory_equal(a->headers.block, b->headers.block, a->headers.bytes);
    assert_int_equal(a->delivery_count, b->delivery_count);
    for (size_t i = 0; i < a->delivery_count; i++) {
        const struct rp_dump_delivery *x = &a->deliveries[i], *y = &b->deliveries[i];
        bool leased = x->state == RP_STATE_LEASED;
        assert_int_equal(x->group, y->group);
        assert_int_equal(leased ? RP_STATE_READY : x->state, y->state);
        assert_true(near(x->due_ns, y->due_ns));
        same_letter(&x->letter, &y->letter, leased);
    }
}

/* Messages that are in no lane come in the order of their ids, where the first dump knew their place. */
static void has_message(struct stored *x, const struct rp_dump_message *wanted) {
    struct stored again = {.data = x->data, .bytes = x->bytes};
    rp_dump *d = NULL;
    struct rp_dump_item i;
    do {
        succeeds(next_of(&again, &d, &i));
        assert_true(i.kind <= RP_DUMP_MESSAGE);
    } while (i.kind != RP_DUMP_MESSAGE || i.message->id != wanted->id);
    same_message(wanted, i.message);
    rp_dump_close(d);
}

/* `b` is of a queue that was restored from `a`. */
static void same_dumps(struct stored *a, struct stored *b) {
    rp_dump *x = NULL, *y = NULL;
    struct rp_dump_item i, k;
    int result;
    while ((result = next_of(a, &x, &i)) == 0) {
        succeeds(next_of(b, &y, &k));
        assert_int_equal(i.kind, k.kind);
        if (i.kind == RP_DUMP_MESSAGE)
            has_message(b, i.message);
        if (i.kind == RP_DUMP_GROUP) {
            assert_string_equal(i.group->name, k.group->name);
            assert_int_equal(i.group->overflow, k.group->overflow);
            assert_int_equal(i.group->created_ns, k.group->created_ns);
            assert_int_equal(i.group->paused, k.group->paused);
        }
        if (i.kind == RP_DUMP_PRODUCER) {
            assert_int_equal(i.producer->sequence, k.producer->sequence);
            assert_memory_equal(i.producer->id, k.producer->id, sizeof i.producer->id);
        }
        if (i.kind == RP_DUMP_ID) {
            assert_int_equal(i.id->kind, k.id->kind);
            assert_int_equal(i.id->group, k.id->group);
            assert_int_equal(i.id->message_id, k.id->message_id);
            assert_int_equal(i.id->id_bytes, k.id->id_bytes);
            assert_memory_equal(i.id->id, k.id->id, i.id->id_bytes);
            assert_true(near(i.id->until_ns, k.id->until_ns));
        }
    }
    assert_int_equal(result, RP_EMPTY);
    assert_int_equal(next_of(b, &y, &k), RP_EMPTY);
    struct rp_queue_options o, u;
    rp_queue_options_init(&o, sizeof o);
    rp_queue_options_init(&u, sizeof u);
    succeeds(rp_dump_queue_options(x, &o));
    succeeds(rp_dump_queue_options(y, &u));
    assert_memory_equal(&o, &u, sizeof o);
    rp_dump_close(x);
    rp_dump_close(y);
}

/* Dumps, restores, and dumps again. -> the restored queue; the first queue is gone. */
static rp_queue *carried_over(rp_queue *q, struct rp_dump_summary *summary) {
    struct stored a = {0}, b = {0};
    *summary = dump_to(q, &a);
    rp_queue *r = restore_from(&a);
    (void)dump_to(r, &b);
    same_dumps(&a, &b);
    audit_is_clean(r);
    stored_free(&a);
    stored_free(&b);
    return r;
}

/* ---- the kinds of queues ---- */

static void messages_keep_order_ids_and_headers(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.max_bytes = 4096;
    rp_queue *q = make_queue(&o);
    rp_producer *p = producer_of(q);
    rp_consumer *c = consumer_of(q, NULL);
    const struct rp_header headers[] = {{"Content-Type", "text/plain"}, {"x", ""}};
    struct rp_send_options with = plainly();
    uint64_t id = 0, ids[3];
    with.headers = headers;
    with.header_count = 2;
    for (int i = 0; i < 3; i++) {
        char text[16];
        snprintf(text, sizeof text, "m%d", i);
        with.id_out = &ids[i];
        send_as(p, text, with);
    }
    succeeds(rp_send(p, NULL, 0, NULL));
    settle_next(c, "m0");
    struct rp_dump_summary n;
    rp_queue *r = carried_over(q, &n);
    assert_int_equal(n.messages, 3);
    assert_int_equal(n.ready, 3);
    assert_int_equal(stats_of(r).bytes, stats_of(q).bytes);
    rp_consumer *d = consumer_of(r, NULL);
    struct rp_message m = take(d, "m1");
    assert_int_equal(m.id, ids[1]);
    assert_string_equal(rp_message_header(&m, "content-type"), "text/plain");
    assert_string_equal(rp_message_header(&m, "x"), "");
    assert_int_equal(m.deliveries, 1);
    assert_int_equal(m.acquisitions, 1);
    succeeds(rp_ack(d, &m));
    settle_next(d, "m2");
    succeeds(rp_receive(d, &m, 0));
    assert_int_equal(m.bytes, 0);
    succeeds(rp_ack(d, &m));
    is_empty(d);
    /* Ids go on above all that the old queue gave. */
    rp_producer *s = producer_of(r);
    struct rp_send_options again = plainly();
    again.id_out = &id;
    send_as(s, "new", again);
    send_as(p, "old", with);
    assert_true(id > ids[2]);
    settle_next(d, "new");
    assert_int_equal(stats_of(r).bytes, 0);
    rp_producer_close(p);
    rp_producer_close(s);
    rp_consumer_close(c);
    rp_consumer_close(d);
    audit_is_clean(r);
    drop_restored(r);
    drop_queue(q);
}

static void priorities_stay(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.priorities = 3;
    rp_queue *q = make_queue(&o);
    rp_producer *p = producer_of(q);
    static const char *const texts[] = {"a1", "b0", "c2", "d2", "e0"};
    for (int i = 0; i < 5; i++) {
        struct rp_send_options s = plainly();
        s.priority = (uint32_t)(texts[i][1] - '0');
        send_as(p, texts[i], s);
    }
    struct rp_dump_summary n;
    rp_queue *r = carried_over(q, &n);
    rp_consumer *d = consumer_of(r, NULL);
    static const char *const order[] = {"c2", "d2", "a1", "b0", "e0"};
    for (int i = 0; i < 5; i++)
        settle_next(d, order[i]);
    rp_consumer_close(d);
    drop_restored(r);
    rp_producer_close(p);
    drop_queue(q);
}

static void send_keyed(rp_producer *p, const char *key, const char *text) {
    struct rp_send_options s = plainly();
    s.key = key;
    s.key_bytes = strlen(key);
    send_as(p, text, s);
}

static void keys_keep_their_order(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.lanes = 4;
    o.lane_capacity = 16;
    rp_queue *q = make_queue(&o);
    rp_producer *p = producer_of(q);
    rp_consumer *c = consumer_of(q, NULL);
    send_keyed(p, "k", "k1");
    struct rp_message m = take(c, "k1"), held;
    struct rp_nack_options nack;
    rp_nack_options_init(&nack, sizeof nack);
    nack.delay_ns = 0;
    succeeds(rp_nack(c, &m, &nack)); /* RETURNED in its place */
    m = take(c, "k1");
    succeeds(rp_reject(c, &m, "no"));
    send_keyed(p, "k", "k2"); /* k1 is dead; k2 is held */
    held = take(c, "k2");
    send_keyed(p, "k", "k3");
    send_keyed(p, "", "nobody's");
    send_as(p, "plain", plainly());
    struct rp_dump_summary n;
    rp_queue *r = carried_over(q, &n);
    assert_int_equal(n.messages, 5);
    assert_int_equal(n.leased, 1);
    assert_int_equal(n.dead, 1);
    rp_consumer *d = consumer_of(r, NULL);
    char got[128] = "";
    while (rp_receive(d, &m, 0) == 0) {
        strcat(strcat(got, m.data), " ");
        succeeds(rp_ack(d, &m));
    }
    const char *k2 = strstr(got, "k2 "), *k3 = strstr(got, "k3 ");
    assert_true(k2 != NULL && k3 > k2);
    assert_non_null(strstr(got, "plain"));
    assert_non_null(strstr(got, "nobody's"));
    assert_null(strstr(got, "k1"));
    succeeds(rp_dead_redrive(r, NULL, NULL));
    settle_next(d, "k1");
    succeeds(rp_ack(c, &held));
    rp_consumer_close(d);
    audit_is_clean(r);
    drop_restored(r);
    rp_consumer_close(c);
    rp_producer_close(p);
    drop_queue(q);
}

static void shards_stay(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.numa_shards = 2;
    o.capacity = 200;
    rp_queue *q = make_queue(&o);
    for (uint32_t shard = 1; shard <= 2; shard++) {
        struct rp_producer_options po;
        rp_producer_options_init(&po, sizeof po);
        po.shard = shard;
        rp_producer *p;
        succeeds(rp_producer_open(q, &po, &p));
        for (int i = 0; i < 3; i++) {
            char text[32];
            snprintf(text, sizeof text, "%u.%d", shard, i);
            send_as(p, text, plainly());
        }
        rp_producer_close(p);
    }
    struct rp_dump_summary n;
    rp_queue *r = carried_over(q, &n);
    struct rp_consumer_options co;
    rp_consumer_options_init(&co, sizeof co);
    co.shard = 2;
    rp_consumer *d;
    succeeds(rp_consumer_open(r, &co, &d));
    int next[3] = {0};
    for (int i = 0; i < 6; i++) {
        struct rp_message m;
        succeeds(rp_receive(d, &m, 0));
        const char *text = m.data;
        assert_int_equal(text[2] - '0', next[text[0] - '0']++);
        succeeds(rp_ack(d, &m));
    }
    rp_consumer_close(d);
    audit_is_clean(r);
    drop_restored(r);
    drop_queue(q);
}

static void each_group_has_what_it_had(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.max_groups = 5;
    rp_queue *q = make_queue(&o);
    struct rp_group_options go;
    rp_group_options_init(&go, sizeof go);
    succeeds(rp_group_create(q, "gone", NULL));
    go.overflow = RP_GROUP_DEAD;
    succeeds(rp_group_create(q, "b", &go));
    rp_producer *p = producer_of(q);
    send_as(p, "1", plainly());
    succeeds(rp_group_create(q, "late", NULL));
    send_as(p, "2", plainly());
    send_as(p, "3", plainly());
    rp_consumer *a = consumer_of(q, NULL), *b = consumer_of(q, "b"), *late = consumer_of(q, "late");
    settle_next(a, "1");
    struct rp_message held = take(b, "1"), hopeless;
    settle_next(b, "2");
    hopeless = take(late, "2");
    succeeds(rp_reject(late, &hopeless, "cannot be"));
    succeeds(rp_group_remove(q, "gone"));
    succeeds(rp_group_pause(q, "late"));
    succeeds(rp_queue_pause(q, RP_SIDE_SEND));
    struct rp_dump_summary n;
    rp_queue *r = carried_over(q, &n);
    assert_int_equal(n.groups, 3);
    assert_int_equal(n.messages, 3);
    assert_int_equal(rp_queue_paused(r), RP_SIDE_SEND);
    rp_producer *s = producer_of(r);
    assert_int_equal(rp_send(s, "x", 2, NULL), RP_PAUSED);
    rp_consumer *ra = consumer_of(r, NULL), *rb = consumer_of(r, "b"), *rlate = consumer_of(r, "late");
    settle_next(ra, "2");
    settle_next(ra, "3");
    is_empty(ra);
    struct rp_message m;
    assert_int_equal(rp_receive(rlate, &m, 0), RP_PAUSED);
    succeeds(rp_group_resume(r, "late"));
    settle_next(rlate, "3");
    is_empty(rlate);
    bool first = false, third = false;
    for (int i = 0; i < 2; i++) { /* what was held is a redelivery; these and new ones take turns */
        succeeds(rp_receive(rb, &m, 0));
        first = first || says(&m, "1");
        third = third || says(&m, "3");
        assert_int_equal(m.acquisitions, says(&m, "1") ? 2 : 1);
        assert_int_equal(m.deliveries, 1);
        succeeds(rp_ack(rb, &m));
    }
    assert_true(first && third);
    is_empty(rb);
    struct rp_dead_letter letter;
    char buffer[8];
    succeeds(rp_dead_peek(r, "late", 0, &letter, buffer, sizeof buffer));
    assert_string_equal(buffer, "2");
    assert_string_equal(letter.text, "cannot be");
    assert_int_equal(letter.reason, RP_DEAD_REJECTED);
    assert_int_equal(letter.pid, getpid());
    assert_int_equal(rp_dead_purge(r, "late", NULL), 1);
    rp_producer_close(s);
    rp_consumer_close(ra);
    rp_consumer_close(rb);
    rp_consumer_close(rlate);
    audit_is_clean(r);
    drop_restored(r);
    succeeds(rp_ack(b, &held));
    rp_producer_close(p);
    rp_consumer_close(a);
    rp_consumer_close(b);
    rp_consumer_close(late);
    drop_queue(q);
}

static void redeliveries_and_the_dead_keep_their_turn(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.dead_capacity = 3;
    o.max_deliveries = 3;
    rp_queue *q = make_queue(&o);
    rp_producer *p = producer_of(q);
    rp_consumer *c = consumer_of(q, NULL);
    struct rp_message m[6];
    struct rp_nack_options nack;
    rp_nack_options_init(&nack, sizeof nack);
    nack.delay_ns = 0;
    nack.reason = "later";
    for (int i = 0; i < 6; i++) {
        char text[4] = {(char)('a' + i), 0};
        send_as(p, text, plainly());
        m[i] = take(c, text);
    }
    succeeds(rp_nack(c, &m[2], &nack)); /* c, a, b come back in this order */
    succeeds(rp_nack(c, &m[0], &nack));
    succeeds(rp_nack(c, &m[1], &nack));
    succeeds(rp_reject(c, &m[5], "f")); /* f died before d and e */
    succeeds(rp_reject(c, &m[3], "d"));
    succeeds(rp_reject(c, &m[4], "e"));
    struct rp_dump_summary n;
    rp_queue *r = carried_over(q, &n);
    assert_int_equal(n.ready, 3);
    assert_int_equal(n.dead, 3);
    rp_consumer *d = consumer_of(r, NULL);
    struct rp_message back = take(d, "c");
    struct rp_last_failure why;
    assert_int_equal(back.deliveries, 2);
    assert_int_equal(back.acquisitions, 2);
    succeeds(rp_message_failure(d, &back, &why));
    assert_string_equal(why.text, "later");
    assert_int_equal(why.kind, RP_FAILURE_NACK);
    assert_int_equal(why.pid, getpid());
    settle_next(d, "a");
    succeeds(rp_reject(d, &back, NULL)); /* a fourth letter: the oldest goes */
    struct rp_dead_letter letter;
    char text[4];
    succeeds(rp_dead_peek(r, NULL, 0, &letter, text, sizeof text));
    assert_string_equal(text, "c");
    succeeds(rp_dead_peek(r, NULL, letter.id, &letter, text, sizeof text));
    assert_string_equal(text, "d");
    succeeds(rp_dead_peek(r, NULL, letter.id, &letter, text, sizeof text));
    assert_string_equal(text, "e");
    assert_int_equal(rp_dead_peek(r, NULL, letter.id, &letter, text, sizeof text), RP_EMPTY);
    assert_int_equal(rp_dead_redrive(r, NULL, NULL), 3);
    settle_next(d, "b");
    for (int i = 0; i < 3; i++) {
        struct rp_message again;
        succeeds(rp_receive(d, &again, 0));
        succeeds(rp_ack(d, &again));
    }
    is_empty(d);
    rp_consumer_close(d);
    audit_is_clean(r);
    drop_restored(r);
    rp_consumer_close(c);
    rp_producer_close(p);
    drop_queue(q);
}

/* Their counts began anew, as if nobody had ever received them. */
static void letters_that_were_redriven_keep_their_turn(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    rp_queue *q = make_queue(&o);
    rp_producer *p = producer_of(q);
    rp_consumer *c = consumer_of(q, NULL);
    struct rp_message a, b;
    struct rp_redrive_options which;
    struct rp_dump_summary n;
    rp_redrive_options_init(&which, sizeof which);
    send_as(p, "a", plainly());
    send_as(p, "b", plainly());
    a = take(c, "a");
    b = take(c, "b");
    which.id = b.id;
    succeeds(rp_reject(c, &a, NULL));
    succeeds(rp_reject(c, &b, NULL));
    assert_int_equal(rp_dead_redrive(q, NULL, &which), 1);
    assert_int_equal(rp_dead_redrive(q, NULL, NULL), 1);
    rp_queue *r = carried_over(q, &n);
    rp_consumer *d = consumer_of(r, NULL);
    for (int i = 0; i < 2; i++) { /* here as there */
        rp_consumer *who = i == 0 ? c : d;
        settle_next(who, "b");
        settle_next(who, "a");
        is_empty(who);
    }
    rp_consumer_close(d);
    audit_is_clean(r);
    drop_restored(r);
    rp_consumer_close(c);
    rp_producer_close(p);
    drop_queue(q);
}

static void times_go_on(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.backoff_ns = 60 * SECOND;
    o.backoff_max_ns = 60 * SECOND;
    o.jitter = 0;
    rp_queue *q = make_queue(&o);
    rp_producer *p = producer_of(q);
    rp_consumer *c = consumer_of(q, NULL);
    struct rp_send_options s = plainly();
    s.delay_ns = (uint64_t)(200 * MS);
    send_as(p, "soon", s);
    s.delay_ns = (uint64_t)(3600 * SECOND);
    send_as(p, "late", s);
    s.delay_ns = 0;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    s.at_ns = ((uint64_t)now.tv_sec + 1000) * (uint64_t)SECOND;
    send_as(p, "at", s);
    s.at_ns = 0;
    s.ttl_ns = 1000 * SECOND;
    send_as(p, "expires", s);
    s.ttl_ns = 50 * MS;
    send_as(p, "expired", s);
    send_as(p, "backoff", plainly());
    settle_next(c, "expires");
    send_as(p, "expires", (s.ttl_ns = 1000 * SECOND, s));
    struct rp_message m;
    do {
        succeeds(rp_receive(c, &m, 0));
    } while (!says(&m, "backoff") && rp_reject(c, &m, NULL) == 0);
    succeeds(rp_nack(c, &m, NULL));
    struct rp_dump_summary n;
    rp_queue *r = carried_over(q, &n);
    assert_int_equal(n.delayed, 4);
    rp_consumer *d = consumer_of(r, NULL);
    settle_next(d, "expires");
    struct rp_peeked peeked;
    char text[16];
    succeeds(rp_peek(r, NULL, RP_STATE_DELAYED, 0, &peeked, text, sizeof text));
    assert_string_equal(text, "soon");
    succeeds(rp_peek(r, NULL, RP_STATE_DELAYED, peeked.id, &peeked, text, sizeof text));
    assert_string_equal(text, "late");
    uint64_t wall_ns = (uint64_t)now.tv_sec * (uint64_t)SECOND;
    assert_in_range(peeked.due_ns, wall_ns + (uint64_t)(3590 * SECOND), wall_ns + (uint64_t)(3610 * SECOND));
    succeeds(rp_peek(r, NULL, RP_STATE_DELAYED, peeked.id, &peeked, text, sizeof text));
    assert_string_equal(text, "at");
    assert_in_range(peeked.due_ns, wall_ns + (uint64_t)(999 * SECOND), wall_ns + (uint64_t)(1001 * SECOND));
    assert_int_equal(rp_queue_cancel(r, peeked.id), 0);
    succeeds(rp_peek(r, NULL, RP_STATE_DELAYED, peeked.id, &peeked, text, sizeof text));
    assert_string_equal(text, "backoff");
    assert_in_range(peeked.due_ns, wall_ns + (uint64_t)(50 * SECOND), wall_ns + (uint64_t)(70 * SECOND));
    assert_int_equal(peeked.deliveries, 1);
    succeeds(rp_receive(d, &m, 10 * SECOND));
    assert_true(says(&m, "soon"));
    succeeds(rp_ack(d, &m));
    rp_consumer_close(d);
    audit_is_clean(r);
    drop_restored(r);
    rp_consumer_close(c);
    rp_producer_close(p);
    drop_queue(q);
}

static void what_was_sent_once_is_known(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.dedup_window_ns = (uint64_t)(300 * SECOND);
    o.lease_ns = (uint64_t)SECOND;
    rp_queue *q = make_queue(&o);
    struct rp_producer_options po;
    rp_producer_options_init(&po, sizeof po);
    po.id = "alice";
    po.id_bytes = 5;
    rp_producer *p;
    succeeds(rp_producer_open(q, &po, &p));
    rp_consumer *c = consumer_of(q, NULL);
    struct rp_send_options s = plainly();
    uint64_t first = 0, again = 0;
    s.dedup_id = "one";
    s.dedup_id_bytes = 3;
    s.id_out = &first;
    s.sequence = 7;
    send_as(p, "1", s);
    s.dedup_id = "two";
    s.id_out = NULL;
    s.sequence = 9;
    send_as(p, "2", s);
    struct rp_message m = take(c, "1");
    succeeds(rp_seen(c, &m, NULL, 0)); /* the work on message 1 is done; the ack is lost with the holder */
    succeeds(rp_ack(c, &m));
    m = take(c, "2");
    succeeds(rp_seen(c, &m, "job", 3));
    succeeds(rp_ack(c, &m));
    send_as(p, "3", plainly());
    struct rp_dump_summary n;
    rp_queue *r = carried_over(q, &n);
    assert_int_equal(n.ids, 4);
    assert_int_equal(n.producers, 1);
    rp_producer *t;
    uint64_t last = 0;
    succeeds(rp_producer_open(r, &po, &t));
    succeeds(rp_producer_sequence(t, &last));
    assert_int_equal(last, 9);
    s.sequence = 0;
    s.dedup_id = "one";
    s.id_out = &again;
    assert_int_equal(rp_send(t, "1", 2, &s), RP_DUPLICATE);
    assert_int_equal(again, first);
    rp_consumer *d = consumer_of(r, NULL);
    m = take(d, "3");
    assert_int_equal(rp_seen(d, &m, "job", 3), RP_DUPLICATE);
    assert_int_equal(rp_seen(d, &m, "another", 7), 0);
    succeeds(rp_ack(d, &m));
    s.dedup_id = "three";
    s.dedup_id_bytes = 5;
    send_as(t, "4", s);
    settle_next(d, "4");
    rp_producer_close(t);
    rp_consumer_close(d);
    audit_is_clean(r);
    drop_restored(r);
    rp_consumer_close(c);
    rp_producer_close(p);
    drop_queue(q);
}

/* -> the sequence and how many ids a dump has */
static uint64_t known_now(rp_queue *q, uint64_t *ids) {
    struct stored x = {0};
    struct rp_dump_item item;
    rp_dump *d = NULL;
    uint64_t sequence = 0;
    *ids = dump_to(q, &x).ids;
    while (next_of(&x, &d, &item) == 0)
        sequence = item.producer != NULL ? item.producer->sequence : sequence;
    rp_dump_close(d);
    stored_free(&x);
    return sequence;
}

/* A sender that is stopped, or was killed, right after its message was committed: the message is in the dump, so it must not be sent again. */
static void what_is_under_way_is_told_by_its_message(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.dedup_window_ns = (uint64_t)(300 * SECOND);
    rp_queue *q = make_queue(&o);
    struct rp_producer_options po;
    rp_producer_options_init(&po, sizeof po);
    po.id = "alice";
    po.id_bytes = 5;
    rp_producer *p;
    succeeds(rp_producer_open(q, &po, &p));
    rp_consumer *c = consumer_of(q, NULL);
    struct rp_send_options s = plainly();
    s.sequence = 1;
    send_as(p, "1", s);
    s.dedup_id = "two";
    s.dedup_id_bytes = 3;
    s.sequence = 2;
    send_as(p, "2", s);
    uint64_t ids;
    assert_int_equal(known_now(q, &ids), 2);
    assert_int_equal(ids, 1);
    /* As before the last steps of the second send. */
    struct known_id *id = &q->segment.known_ids[0];
    uint64_t generation = id_generation(load_acquire(&id->word, known_word)), until = load_acquire(&id->until_ns, known_id);
    store_release(&id->word, id_word(ID_PENDING, q->seat, generation), known_word);
    store_release(&id->until_ns, id_undecided(id_word(ID_PENDING, q->seat, generation)), known_id);
    store_release(&p->identity->last, 1, identity);
    assert_int_equal(known_now(q, &ids), 2);
    assert_int_equal(ids, 1);
    /* And if its message was settled before the dump began: it was sent. */
    settle_next(c, "1");
    settle_next(c, "2");
    assert_int_equal(known_now(q, &ids), 2);
    assert_int_equal(ids, 1);
    store_release(&id->until_ns, until, known_id);
    store_release(&id->word, id_word(ID_COMMITTED, NOBODY, generation), known_word);
    store_release(&p->identity->last, 2, identity);
    assert_int_equal(known_now(q, &ids), 2);
    assert_int_equal(ids, 1); /* settled before the dump began */
    rp_consumer_close(c);
    rp_producer_close(p);
    drop_queue(q);
}

/* A queue may hold more than its capacity, by eight for each process. */
static void a_full_queue_is_restored(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    rp_queue *q = make_queue(&o);
    rp_producer *p = producer_of(q);
    uint64_t sent = 0;
    while (rp_send(p, &sent, sizeof sent, NULL) == 0)
        sent++;
    assert_true(sent > o.capacity);
    struct rp_dump_summary n;
    rp_queue *r = carried_over(q, &n);
    assert_int_equal(n.messages, sent);
    rp_producer *s = producer_of(r);
    rp_consumer *d = consumer_of(r, NULL);
    for (uint64_t i = 0; i < 5 * sent; i++) { /* and its cells are used again */
        struct rp_message m;
        uint64_t number;
        succeeds(rp_receive(d, &m, 0));
        memcpy(&number, m.data, sizeof number);
        assert_int_equal(number, i);
        succeeds(rp_ack(d, &m));
        number = sent + i;
        succeeds(rp_send(s, &number, sizeof number, NULL));
    }
    rp_producer_close(s);
    rp_consumer_close(d);
    audit_is_clean(r);
    drop_restored(r);
    rp_producer_close(p);
    drop_queue(q);
}

static void an_observer_dumps(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    rp_queue *q = make_queue(&o), *look;
    rp_producer *p = producer_of(q);
    send_as(p, "1", plainly());
    struct rp_open_options only_look = {.size = sizeof only_look, .read_only = 1};
    succeeds(rp_queue_open(queue_name, &only_look, &look));
    struct stored x = {0};
    assert_int_equal(dump_to(look, &x).messages, 1);
    stored_free(&x);
    succeeds(rp_queue_close(look));
    rp_producer_close(p);
    drop_queue(q);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DUMP_TEST(messages_keep_order_ids_and_headers),
        DUMP_TEST(priorities_stay),
        DUMP_TEST(keys_keep_their_order),
        DUMP_TEST(shards_stay),
        DUMP_TEST(each_group_has_what_it_had),
        DUMP_TEST(redeliveries_and_the_dead_keep_their_turn),
        DUMP_TEST(letters_that_were_redriven_keep_their_turn),
        DUMP_TEST(times_go_on),
        DUMP_TEST(what_was_sent_once_is_known),
        DUMP_TEST(what_is_under_way_is_told_by_its_message),
        DUMP_TEST(a_full_queue_is_restored),
        DUMP_TEST(an_observer_dumps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
