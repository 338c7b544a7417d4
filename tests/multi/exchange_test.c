/* SPDX-License-Identifier: MIT */
/* Publishing by topic: what gets where, what is told about it, and what changes of bindings and queues do. */
#include "exchange_fixture.h"

#include <pthread.h>

enum { QUEUES = 4 };

static rp_queue *queues[QUEUES];

static rp_exchange *begin(const struct rp_exchange_options *xo, const struct rp_queue_options *given) {
    struct rp_queue_options o = test_options();
    for (unsigned i = 0; i < QUEUES; i++)
        queues[i] = make_queue_number(i, given == NULL ? &o : given);
    return make_exchange(xo);
}

static void end(rp_exchange *x, rp_publisher *p) {
    rp_publisher_close(p);
    succeeds(rp_exchange_close(x));
    for (unsigned i = 0; i < QUEUES; i++) {
        if (queues[i] == NULL)
            continue;
        drain(queues[i], NULL);
        audit_is_clean(queues[i]);
        succeeds(rp_queue_close(queues[i]));
    }
}

static void each_gets_what_its_pattern_says(void **state) {
    (void)state;
    rp_exchange *x = begin(NULL, NULL);
    rp_publisher *p;
    uint32_t matched = 99;
    struct rp_publish_result results[QUEUES];
    struct rp_publish_options o;
    rp_publish_options_init(&o, sizeof o);
    o.matched_out = &matched;
    o.results = results;
    o.result_room = QUEUES;
    succeeds(rp_publisher_open(x, NULL, &p));
    assert_int_equal(publish_text(p, "orders.eu.new", "a", &o), 0);
    assert_int_equal(matched, 0);
    assert_int_equal(rp_exchange_bind(x, "orders.eu.*", queue_number(0), NULL), 0);
    assert_int_equal(rp_exchange_bind(x, "orders.#", queue_number(1), NULL), 0);
    assert_int_equal(rp_exchange_bind(x, "#", queue_number(2), NULL), 0);
    assert_int_equal(rp_exchange_bind(x, "#.new", queue_number(2), NULL), 0); /* both match: once */
    assert_int_equal(rp_exchange_bind(x, "#.new", queue_number(2), NULL), 1); /* again: nothing changes */
    assert_int_equal(publish_text(p, "orders.eu.new", "b", &o), 3);
    assert_int_equal(matched, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(results[i].result, 0);
        assert_true(results[i].id > 0);
    }
    assert_int_equal(publish_text(p, "orders", "b", NULL), 2);
    assert_int_equal(publish_text(p, "stock.new", "b", NULL), 1);
    assert_int_equal(drain(queues[0], "b"), 1);
    assert_int_equal(drain(queues[1], "b"), 2);
    assert_int_equal(drain(queues[2], "b"), 3);
    assert_int_equal(rp_exchange_unbind(x, "#", queue_number(2), NULL), 0);
    assert_int_equal(rp_exchange_unbind(x, "#", queue_number(2), NULL), -ENOENT);
    assert_int_equal(publish_text(p, "orders", "c", NULL), 1);
    assert_int_equal(drain(queues[1], "c"), 1);

    struct rp_exchange_stats s;
    succeeds(rp_exchange_stats(x, &s));
    assert_int_equal(s.published, 5);
    assert_int_equal(s.routed, 7);
    assert_int_equal(s.unroutable, 1);
    assert_int_equal(s.bindings, 3);
    assert_int_equal(s.attached_queues, 3);
    struct rp_binding b;
    unsigned count = 0;
    for (uint32_t i = 0; rp_exchange_next(x, i, &b) == 0; i = b.index + 1)
        count++;
    assert_int_equal(count, 3);
    assert_int_equal(rp_exchange_close(x), RP_IN_USE);
    end(x, p);
}

static void headers_are_matched(void **state) {
    (void)state;
    rp_publisher *p;
    struct rp_header eu[] = {{"region", "eu"}}, both[] = {{"Region", "eu"}, {"kind", "big"}}, none[] = {{"kind", "small"}};
    struct rp_bind_options b;
    struct rp_publish_options o;
    struct rp_send_options send;
    struct rp_queue_options q = test_options();
    q.header_bytes = 256;
    rp_exchange *x = begin(NULL, &q);
    rp_bind_options_init(&b, sizeof b);
    rp_send_options_init(&send, sizeof send);
    rp_publish_options_init(&o, sizeof o);
    o.send = &send;
    b.headers = both;
    b.header_count = 2;
    succeeds(rp_exchange_bind(x, "#", queue_number(0), &b));
    b.match = RP_MATCH_ANY;
    succeeds(rp_exchange_bind(x, "#", queue_number(1), &b));
    succeeds(rp_publisher_open(x, NULL, &p));
    assert_int_equal(publish_text(p, "t", "no headers", NULL), 0);
    send.headers = eu;
    send.header_count = 1;
    assert_int_equal(publish_text(p, "t", "one", &o), 1);
    send.headers = both;
    send.header_count = 2;
    assert_int_equal(publish_text(p, "t", "both", &o), 2);
    send.headers = none;
    send.header_count = 1;
    assert_int_equal(publish_text(p, "t", "other", &o), 0);
    rp_consumer *c;
    struct rp_message m;
    succeeds(rp_consumer_open(queues[0], NULL, &c));
    succeeds(rp_receive(c, &m, 0));
    assert_true(says(&m, "both"));
    assert_string_equal(rp_headers_get(&m.headers, "region"), "eu"); /* they travel, too */
    send.headers = none;
    send.header_count = 1;
    send.carry = &m.headers; /* what is carried counts, but for what is given anew */
    assert_int_equal(publish_text(p, "t", "carried", &o), 1);
    send.carry = NULL;
    succeeds(rp_ack(c, &m));
    rp_consumer_close(c);
    assert_int_equal(drain(queues[0], "both"), 0);
    assert_int_equal(drain(queues[1], NULL), 3);
    b.match = RP_MATCH_ALL;
    assert_int_equal(rp_exchange_unbind(x, "#", queue_number(1), &b), -ENOENT); /* that one has any */
    assert_int_equal(rp_exchange_unbind(x, "#", queue_number(0), NULL), -ENOENT);
    assert_int_equal(rp_exchange_unbind(x, "#", queue_number(0), &b), 0);
    end(x, p);
}

static void a_full_queue_stops_no_other(void **state) {
    (void)state;
    struct rp_queue_options q = test_options();
    q.capacity = 2;
    q.overflow = RP_OVERFLOW_BLOCK; /* a publish does not wait, unless it is told to */
    rp_exchange *x = begin(NULL, NULL);
    succeeds(rp_queue_close(queues[0]));
    queues[0] = make_queue_number(0, &q);
    rp_publisher *p;
    struct rp_publish_result results[2];
    struct rp_publish_options o;
    struct rp_send_options send;
    rp_publish_options_init(&o, sizeof o);
    o.results = results;
    o.result_room = 2;
    for (unsigned i = 0; i < 2; i++)
        succeeds(rp_exchange_bind(x, "#", queue_number(i), NULL));
    succeeds(rp_publisher_open(x, NULL, &p));
    unsigned sent = 0;
    while (publish_text(p, "t", "x", NULL) == 2)
        assert_true(++sent < 64);
    assert_int_equal(drain(queues[1], "x"), sent + 1);
    assert_int_equal(publish_text(p, "t", "y", &o), 1);
    for (unsigned i = 0; i < 2; i++) {
        bool is_full = strcmp(results[i].queue, queue_number(0)) == 0;
        assert_int_equal(results[i].result, is_full ? RP_FULL : 0);
    }
    rp_send_options_init(&send, sizeof send);
    send.timeout_ns = 3 * MS;
    o.send = &send;
    int64_t start = time_ns();
    assert_int_equal(publish_text(p, "t", "y", &o), 1);
    assert_true(time_ns() - start >= 3 * MS);
    assert_int_equal(drain(queues[1], "y"), 2); /* they did not wait for the full one */
    succeeds(rp_exchange_unbind(x, "#", queue_number(1), NULL));
    o.send = NULL;
    assert_int_equal(publish_text(p, "t", "z", &o), RP_FULL); /* nobody took it */
    struct rp_exchange_stats s;
    struct rp_binding b;
    succeeds(rp_exchange_stats(x, &s));
    assert_int_equal(s.failed, 4);
    succeeds(rp_exchange_next(x, 0, &b));
    assert_int_equal(b.failed, 4);
    end(x, p);
}

static void a_name_and_its_path_are_one_queue(void **state) {
    (void)state;
    char path[128];
    struct rp_exchange_options xo;
    struct rp_binding b;
    struct rp_exchange_stats s;
    snprintf(path, sizeof path, "/dev/shm/ringpost.%s", queue_number(0));
    rp_exchange_options_init(&xo, sizeof xo);
    xo.alternate = path;
    rp_exchange *x = begin(&xo, NULL);
    rp_publisher *p;
    succeeds(rp_exchange_stats(x, &s));
    assert_string_equal(s.alternate_queue, queue_number(0));
    succeeds(rp_publisher_open(x, NULL, &p));
    assert_int_equal(rp_exchange_bind(x, "#", queue_number(0), NULL), 0);
    assert_int_equal(rp_exchange_bind(x, "#", path, NULL), 1);
    assert_int_equal(rp_exchange_bind(x, "t", path, NULL), 0);
    assert_int_equal(publish_text(p, "t", "x", NULL), 1);
    assert_int_equal(drain(queues[0], "x"), 1);
    succeeds(rp_exchange_next(x, 0, &b));
    assert_string_equal(b.queue, queue_number(0));
    assert_int_equal(rp_exchange_unbind(x, "#", path, NULL), 0);
    assert_int_equal(rp_exchange_bind(x, "t", "/dev/shm/ringpost.no name", NULL), 0); /* that one has no name */
    assert_int_equal(rp_exchange_bind(x, "t", "/dev/shm/ringpost.a/b", NULL), 0);
    assert_int_equal(rp_exchange_unbind(x, "t", "/dev/shm/ringpost.no name", NULL), 0);
    end(x, p);
}

static void *resume_second(void *argument) {
    struct rp_queue_stats s = {0};
    (void)argument;
    while (rp_queue_stats(queues[0], &s) == 0 && s.ready == 0) { /* the other has it before anybody waits */
    }
    (void)rp_queue_resume(queues[1], RP_SIDE_SEND);
    return NULL;
}

static void a_paused_queue_is_waited_for(void **state) {
    (void)state;
    rp_exchange *x = begin(NULL, NULL);
    rp_publisher *p;
    struct rp_publish_options o;
    struct rp_send_options send;
    pthread_t resumer;
    for (unsigned i = 0; i < 2; i++)
        succeeds(rp_exchange_bind(x, "#", queue_number(i), NULL));
    succeeds(rp_publisher_open(x, NULL, &p));
    succeeds(rp_queue_pause(queues[1], RP_SIDE_SEND));
    assert_int_equal(publish_text(p, "t", "q", NULL), 1); /* not without a timeout */
    assert_int_equal(drain(queues[0], "q"), 1);
    rp_send_options_init(&send, sizeof send);
    rp_publish_options_init(&o, sizeof o);
    send.timeout_ns = -1;
    o.send = &send;
    assert_int_equal(pthread_create(&resumer, NULL, resume_second, NULL), 0);
    assert_int_equal(publish_text(p, "t", "p", &o), 2);
    assert_int_equal(pthread_join(resumer, NULL), 0);
    assert_int_equal(drain(queues[0], "p"), 1);
    assert_int_equal(drain(queues[1], "p"), 1);
    end(x, p);
}

static void unroutable_is_returned_or_goes_elsewhere(void **state) {
    (void)state;
    struct rp_exchange_options xo;
    rp_exchange_options_init(&xo, sizeof xo);
    xo.unroutable = RP_UNROUTABLE_RETURN;
    rp_exchange *x = begin(&xo, NULL);
    rp_publisher *p;
    struct rp_exchange_stats s;
    succeeds(rp_publisher_open(x, NULL, &p));
    assert_int_equal(publish_text(p, "t", "x", NULL), RP_UNROUTABLE);
    assert_string_equal(rp_error_name(RP_UNROUTABLE), "RP_UNROUTABLE");
    rp_publisher_close(p);
    succeeds(rp_exchange_close(x));

    xo.alternate = queue_number(3);
    x = make_exchange(&xo);
    succeeds(rp_publisher_open(x, NULL, &p));
    assert_int_equal(publish_text(p, "t", "x", NULL), 1);
    succeeds(rp_exchange_bind(x, "t", queue_number(0), NULL));
    assert_int_equal(publish_text(p, "t", "y", NULL), 1);
    assert_int_equal(drain(queues[3], "x"), 1);
    assert_int_equal(drain(queues[0], "y"), 1);
    succeeds(rp_exchange_stats(x, &s));
    assert_int_equal(s.unroutable, 1);
    assert_int_equal(s.alternate, 1);
    assert_string_equal(s.alternate_queue, queue_number(3));
    end(x, p);
}

/* A queue gets what it has; the others do without. */
static void options_go_where_they_fit(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    rp_exchange *x = begin(NULL, NULL);
    rp_publisher *p;
    for (unsigned i = 0; i < 3; i++)
        succeeds(rp_queue_close(queues[i]));
    o.lanes = 4;
    queues[0] = make_queue_number(0, &o);
    o.lanes = 0;
    o.priorities = 3;
    queues[1] = make_queue_number(1, &o);
    o.priorities = 1;
    o.dedup_window_ns = 3600 * UINT64_C(1000000000);
    queues[2] = make_queue_number(2, &o);
    for (unsigned i = 0; i < QUEUES; i++)
        succeeds(rp_exchange_bind(x, "#", queue_number(i), NULL));
    succeeds(rp_publisher_open(x, NULL, &p));
    struct rp_send_options send;
    struct rp_publish_options po;
    struct rp_publish_result results[QUEUES];
    rp_send_options_init(&send, sizeof send);
    rp_publish_options_init(&po, sizeof po);
    send.key = "k";
    send.key_bytes = 1;
    send.priority = 7;
    send.dedup_id = "id";
    send.dedup_id_bytes = 2;
    po.send = &send;
    po.results = results;
    po.result_room = QUEUES;
    assert_int_equal(publish_text(p, "t", "x", &po), 4);
    struct rp_peeked peeked;
    char buffer[8];
    succeeds(rp_peek(queues[0], NULL, RP_STATE_READY, 0, &peeked, buffer, sizeof buffer));
    assert_int_equal(peeked.key_bytes, 1);
    succeeds(rp_peek(queues[1], NULL, RP_STATE_READY, 0, &peeked, buffer, sizeof buffer));
    assert_int_equal(peeked.priority, 2);
    assert_int_equal(publish_text(p, "t", "x", &po), 4); /* the third has it already */
    unsigned duplicates = 0;
    for (unsigned i = 0; i < QUEUES; i++)
        duplicates += results[i].result == RP_DUPLICATE && strcmp(results[i].queue, queue_number(2)) == 0 && results[i].id > 0;
    assert_int_equal(duplicates, 1);
    assert_int_equal(drain(queues[2], "x"), 1);
    assert_int_equal(drain(queues[3], "x"), 2);
    end(x, p);
}

/* Missing, made, removed, made anew: who publishes finds what is there, and the other queues get theirs all the time. */
static void queues_come_and_go(void **state) {
    (void)state;
    rp_exchange *x = begin(NULL, NULL);
    struct rp_queue_options o = test_options();
    rp_publisher *p, *other;
    for (unsigned i = 0; i < 2; i++)
        succeeds(rp_exchange_bind(x, "#", queue_number(i), NULL));
    succeeds(rp_queue_close(queues[0]));
    rp_queue_unlink(queue_number(0));
    succeeds(rp_publisher_open(x, NULL, &p));
    succeeds(rp_publisher_open(x, NULL, &other));
    assert_int_equal(publish_text(p, "t", "x", NULL), 1);
    queues[0] = make_queue_number(0, &o);
    assert_int_equal(publish_text(p, "t", "x", NULL), 2);
    assert_int_equal(publish_text(other, "t", "x", NULL), 2);
    assert_int_equal(drain(queues[0], "x"), 2);
    assert_int_equal(drain(queues[1], "x"), 3);
    succeeds(rp_queue_close(queues[0]));
    queues[0] = make_queue_number(0, &o); /* another one of that name */
    assert_true(eventually(publish_text(p, "t", "new", NULL) == 2 && drain(queues[1], "new") == 1 && drain(queues[0], "new") == 1));
    assert_true(
        eventually(publish_text(other, "t", "new", NULL) == 2 && drain(queues[1], "new") == 1 && drain(queues[0], "new") == 1));
    assert_int_equal(stats_of(queues[0]).participants, 2);

    succeeds(rp_exchange_unbind(x, "#", queue_number(0), NULL)); /* detached when both have published again */
    assert_int_equal(publish_text(p, "t", "x", NULL), 1);
    assert_int_equal(stats_of(queues[0]).participants, 2);
    assert_int_equal(publish_text(other, "t", "x", NULL), 1);
    assert_int_equal(stats_of(queues[0]).participants, 1);
    rp_publisher_close(other);
    end(x, p);
}

static void an_exchange_that_is_removed(void **state) {
    (void)state;
    rp_exchange *x = begin(NULL, NULL), *again;
    rp_publisher *p;
    succeeds(rp_exchange_bind(x, "#", queue_number(0), NULL));
    succeeds(rp_publisher_open(x, NULL, &p));
    assert_int_equal(rp_exchange_create(exchange_name, NULL, &again), -EEXIST);
    succeeds(rp_exchange_unlink(exchange_name));
    assert_int_equal(rp_exchange_bind(x, "a", queue_number(0), NULL), RP_GONE);
    assert_true(eventually(publish_text(p, "t", "x", NULL) == RP_GONE || drain(queues[0], "x") > 1000000));
    assert_int_equal(rp_exchange_open(exchange_name, NULL, &again), -ENOENT);
    succeeds(rp_exchange_create(exchange_name, NULL, &again));
    assert_int_equal(rp_exchange_bind(x, "a", queue_number(0), NULL), RP_GONE);
    succeeds(rp_exchange_close(again));
    end(x, p);
}

struct inherited {
    rp_exchange *x;
    rp_publisher *p;
    char second[96]; /* queue_number() would say the child's pid */
};

static int in_a_child(struct peer *test, void *argument) {
    (void)test;
    struct inherited *i = argument;
    struct rp_exchange_stats s;
    struct rp_binding b;
    rp_publisher *p;
    rp_exchange *own;
    peer_check(rp_publish(i->p, "t", "x", 2, NULL) == RP_FORKED);
    peer_check(rp_exchange_bind(i->x, "t", "q", NULL) == RP_FORKED);
    peer_check(rp_exchange_stats(i->x, &s) == RP_FORKED && rp_exchange_next(i->x, 0, &b) == RP_FORKED);
    peer_check(rp_publisher_open(i->x, NULL, &p) == RP_FORKED && rp_exchange_close(i->x) == RP_FORKED);
    rp_publisher_close(i->p);
    peer_succeeds(rp_exchange_open(exchange_name, NULL, &own));
    peer_succeeds(rp_publisher_open(own, NULL, &p));
    peer_check(rp_publish(p, "t", "x", 2, NULL) == 1);
    peer_succeeds(rp_exchange_bind(own, "more", i->second, NULL)); /* waits for no reader of the parent */
    peer_check(rp_publish(p, "more", "x", 2, NULL) == 1);
    rp_publisher_close(p);
    return rp_exchange_close(own);
}

static void handles_are_not_inherited(void **state) {
    (void)state;
    rp_exchange *x = begin(NULL, NULL);
    rp_publisher *p;
    succeeds(rp_exchange_bind(x, "t", "test.none", NULL));
    succeeds(rp_exchange_unbind(x, "t", "test.none", NULL));
    succeeds(rp_exchange_bind(x, "t", queue_number(0), NULL));
    succeeds(rp_publisher_open(x, NULL, &p));
    assert_int_equal(publish_text(p, "t", "x", NULL), 1);
    struct inherited i = {.x = x, .p = p};
    snprintf(i.second, sizeof i.second, "%s", queue_number(1));
    assert_int_equal(peer_run(in_a_child, &i), 0);
    assert_int_equal(drain(queues[0], "x"), 2);
    end(x, p);
}

static void what_makes_no_sense_is_refused(void **state) {
    (void)state;
    rp_exchange *x = begin(NULL, NULL), *read_only;
    rp_publisher *p;
    struct rp_open_options oo;
    struct rp_bind_options b;
    struct rp_header nameless[] = {{"", "x"}}, bad[] = {{"n", NULL}};
    succeeds(rp_publisher_open(x, NULL, &p));
    const char *const topics[] = {"", ".", "a..b", "a.", ".a", "a.*", "#", "a*b", "a\nb"}, *const patterns[] = {
                                                                                               "",   ".",  "a..b",  "a*",
                                                                                               "#b", "**", "a.\x7f"};
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++)
        assert_int_equal(publish_text(p, topics[i], "x", NULL), -EINVAL);
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        assert_int_equal(rp_exchange_bind(x, patterns[i], "q", NULL), -EINVAL);
    assert_int_equal(rp_exchange_bind(x, "a", "no name", NULL), -EINVAL);
    assert_int_equal(rp_exchange_bind(x, "a", "", NULL), -EINVAL);
    assert_int_equal(rp_exchange_bind(x, "a", NULL, NULL), -EINVAL);
    assert_int_equal(rp_exchange_bind(x, NULL, "q", NULL), -EINVAL);
    rp_bind_options_init(&b, sizeof b);
    b.match = RP_MATCH_ANY;
    assert_int_equal(rp_exchange_bind(x, "a", "q", &b), -EINVAL);
    b.headers = nameless;
    b.header_count = 1;
    assert_int_equal(rp_exchange_bind(x, "a", "q", &b), -EINVAL);
    b.headers = bad;
    assert_int_equal(rp_exchange_bind(x, "a", "q", &b), -EINVAL);
    b.header_count = 33;
    assert_int_equal(rp_exchange_bind(x, "a", "q", &b), -EINVAL);
    assert_int_equal(rp_publish(p, "t", NULL, 3, NULL), -EINVAL);
    assert_int_equal(rp_publish(NULL, "t", "x", 1, NULL), -EINVAL);
    rp_open_options_init(&oo, sizeof oo);
    oo.read_only = 1;
    succeeds(rp_exchange_open(exchange_name, &oo, &read_only));
    rp_publisher *none;
    assert_int_equal(rp_exchange_bind(read_only, "a", "q", NULL), -EROFS);
    assert_int_equal(rp_publisher_open(read_only, NULL, &none), -EROFS);
    succeeds(rp_exchange_close(read_only));
    struct rp_exchange_options xo;
    rp_exchange_options_init(&xo, sizeof xo);
    xo.max_bindings = 0;
    assert_int_equal(rp_exchange_create("test.none", &xo, &read_only), -EINVAL);
    assert_int_equal(rp_exchange_create("no name", NULL, &read_only), -EINVAL);
    end(x, p);
}

/* 12,000 bindings, each found by its topic, none where it should not be; no place for one more. */
/* Each binding looks at all that there are, so their cost grows with the square, and ThreadSanitizer multiplies it. */
#if defined(__SANITIZE_THREAD__)
enum { MANY = 2000 };
#elif defined(__has_feature)
enum { MANY = __has_feature(thread_sanitizer) ? 2000 : 12000 };
#else
enum { MANY = 12000 };
#endif

static void many_bindings(void **state) {
    (void)state;
    enum { SOME = 400 };
    struct rp_exchange_options xo;
    rp_exchange_options_init(&xo, sizeof xo);
    xo.max_bindings = MANY;
    rp_exchange *x = begin(&xo, NULL);
    rp_publisher *p;
    char topic[64];
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(topic, sizeof topic, "plant.%u.line.%u.*", i / 100, i % 100);
        assert_int_equal(rp_exchange_bind(x, topic, queue_number(i % QUEUES), NULL), 0);
    }
    assert_int_equal(rp_exchange_bind(x, "one.more", queue_number(0), NULL), -ENOSPC);
    succeeds(rp_publisher_open(x, NULL, &p));
    for (unsigned i = 0; i < SOME; i++) {
        unsigned n = i * 7919 % MANY;
        snprintf(topic, sizeof topic, "plant.%u.line.%u.x", n / 100, n % 100);
        assert_int_equal(publish_text(p, topic, topic, NULL), 1);
        assert_int_equal(drain(queues[n % QUEUES], topic), 1);
        snprintf(topic, sizeof topic, "plant.%u.line.%u", n / 100, n % 100);
        assert_int_equal(publish_text(p, topic, topic, NULL), 0);
    }
    succeeds(rp_exchange_unbind(x, "plant.7.line.7.*", queue_number(707 % QUEUES), NULL));
    assert_int_equal(publish_text(p, "plant.7.line.7.x", "x", NULL), 0);
    assert_int_equal(rp_exchange_bind(x, "one.more", queue_number(0), NULL), 0);
    assert_int_equal(publish_text(p, "one.more", "x", NULL), 1);
    end(x, p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EXCHANGE_TEST(each_gets_what_its_pattern_says), EXCHANGE_TEST(headers_are_matched),
        EXCHANGE_TEST(a_full_queue_stops_no_other),     EXCHANGE_TEST(unroutable_is_returned_or_goes_elsewhere),
        EXCHANGE_TEST(options_go_where_they_fit),       EXCHANGE_TEST(queues_come_and_go),
        EXCHANGE_TEST(an_exchange_that_is_removed),     EXCHANGE_TEST(handles_are_not_inherited),
        EXCHANGE_TEST(what_makes_no_sense_is_refused),  EXCHANGE_TEST(many_bindings),
        EXCHANGE_TEST(a_paused_queue_is_waited_for),    EXCHANGE_TEST(a_name_and_its_path_are_one_queue),
    };
    return cmocka_run_group_tests_name("exchange", tests, NULL, NULL);
}
