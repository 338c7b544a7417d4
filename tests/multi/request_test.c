/* SPDX-License-Identifier: MIT */
/* Requests and replies between processes: each gets its own answer, whoever is late, killed or gone; and what goes wrong is said. */
#include "fixture.h"

#include <stdatomic.h>

static rp_queue *q, *answers;
static rp_producer *to;
static rp_consumer *replies;
static char reply_name[80];

static int unlink_both(void **state) {
    static const char *const more[] = {"replies", "0", "1", "2", "1000", "2000"};
    for (size_t i = 0; queue_name[0] && i < sizeof more / sizeof more[0]; i++) {
        char name[96];
        snprintf(name, sizeof name, "%s.%s", queue_name, more[i]);
        rp_queue_unlink(name);
    }
    return unlink_queue(state);
}

static struct rp_queue_options with_room(void) {
    struct rp_queue_options o = test_options();
    o.header_bytes = 256;
    return o;
}

static void open_answers(const struct rp_queue_options *o) {
    snprintf(reply_name, sizeof reply_name, "%s.replies", queue_name);
    rp_queue_unlink(reply_name);
    succeeds(rp_queue_create(reply_name, o, &answers));
    succeeds(rp_consumer_open(answers, NULL, &replies));
}

static void close_answers(void) {
    rp_consumer_close(replies);
    audit_is_clean(answers);
    succeeds(rp_queue_close(answers));
    rp_queue_unlink(reply_name);
}

static void open_both(void) {
    struct rp_queue_options o = with_room();
    q = make_queue(&o);
    succeeds(rp_producer_open(q, NULL, &to));
    open_answers(&o);
}

static void close_both(void) {
    rp_producer_close(to);
    close_answers();
    succeeds(rp_queue_sweep(q));
    audit_is_clean(q);
    drop_queue(q);
}

/* Answers n with 2 n until there is a request of 0, which it answers, too. */
static int doubles(struct peer *test, void *argument) {
    (void)test, (void)argument;
    struct handles h = peer_open(0);
    rp_responder *r;
    struct rp_message m;
    uint64_t n;
    peer_succeeds(rp_responder_open(NULL, &r));
    do {
        peer_succeeds(rp_receive(h.c, &m, PEER_DEADLINE_S * SECOND));
        memcpy(&n, m.data, sizeof n);
        uint64_t twice = 2 * n;
        peer_succeeds(rp_reply(r, h.c, &m, &twice, sizeof twice, NULL));
    } while (n != 0);
    rp_responder_close(r);
    rp_consumer_close(h.c);
    rp_producer_close(h.p);
    peer_succeeds(rp_queue_close(h.q));
    return 0;
}

static uint64_t number(const struct rp_message *m) {
    uint64_t n;
    assert_int_equal(m->bytes, sizeof n);
    memcpy(&n, m->data, sizeof n);
    return n;
}

static void each_gets_its_answer(void **state) {
    (void)state;
    open_both();
    struct peer p = peer_start(doubles, NULL);
    struct rp_message reply;
    for (uint64_t n = 1; n <= 200; n++) {
        uint64_t asked = n % 200;
        succeeds(rp_request(to, replies, &asked, sizeof asked, NULL, &reply, PEER_DEADLINE_S * SECOND));
        assert_int_equal(number(&reply), 2 * asked);
        succeeds(rp_ack(replies, &reply));
    }
    assert_int_equal(peer_end(&p), 0);
    close_both();
}

/* Two requesters in processes of their own, two responders that answer in any order. */
static int requester(struct peer *test, void *argument) {
    struct handles h = peer_open(0);
    uint64_t base = (uint64_t)(uintptr_t)argument;
    char name[96];
    struct rp_queue_options o = with_room();
    rp_queue *own;
    rp_consumer *c;
    struct rp_message reply;
    snprintf(name, sizeof name, "%s.%llu", queue_name, (unsigned long long)base);
    rp_queue_unlink(name);
    peer_succeeds(rp_queue_create(name, &o, &own));
    peer_succeeds(rp_consumer_open(own, NULL, &c));
    for (uint64_t n = base + 1; n <= base + 300; n++) {
        uint64_t twice;
        peer_succeeds(rp_request(h.p, c, &n, sizeof n, NULL, &reply, PEER_DEADLINE_S * SECOND));
        memcpy(&twice, reply.data, sizeof twice);
        peer_check(twice == 2 * n);
        peer_succeeds(rp_ack(c, &reply));
    }
    peer_check(rp_receive(c, &reply, 0) == RP_EMPTY);
    peer_say(test, 'd');
    peer_hear(test);
    rp_queue_unlink(name);
    return 0;
}

static void requesters_do_not_mix(void **state) {
    (void)state;
    open_both();
    struct peer responders[2] = {peer_start(doubles, NULL), peer_start(doubles, NULL)};
    struct peer requesters[2] = {peer_start(requester, (void *)1000), peer_start(requester, (void *)2000)};
    for (int i = 0; i < 2; i++)
        assert_int_equal(peer_hear(&requesters[i]), 'd');
    for (int i = 0; i < 2; i++) {
        struct rp_message reply;
        uint64_t end = 0;
        succeeds(rp_request(to, replies, &end, sizeof end, NULL, &reply, PEER_DEADLINE_S * SECOND));
        succeeds(rp_ack(replies, &reply));
    }
    for (int i = 0; i < 2; i++) {
        peer_say(&requesters[i], 'e');
        assert_int_equal(peer_end(&requesters[i]), 0);
        assert_int_equal(peer_end(&responders[i]), 0);
    }
    close_both();
}

/* Receives one request, and says so; is killed then, before or after its reply. */
static int dies(struct peer *test, void *argument) {
    struct handles h = peer_open(0);
    struct rp_message m;
    peer_succeeds(rp_receive(h.c, &m, PEER_DEADLINE_S * SECOND));
    if (argument != NULL) { /* what rp_reply does before its ack */
        rp_queue *back;
        rp_producer *p;
        uint64_t wrong = 77;
        struct rp_header id = {RP_HEADER_CORRELATION_ID, rp_message_header(&m, RP_HEADER_CORRELATION_ID)};
        struct rp_send_options o;
        rp_send_options_init(&o, sizeof o);
        o.headers = &id;
        o.header_count = 1;
        peer_succeeds(rp_queue_open(rp_message_header(&m, RP_HEADER_REPLY_TO), NULL, &back));
        peer_succeeds(rp_producer_open(back, NULL, &p));
        peer_succeeds(rp_send(p, &wrong, sizeof wrong, &o));
    }
    peer_say(test, 'r');
    peer_hear(test);
    return 0;
}

static void ask(uint64_t n, uint64_t expected, uint64_t *late) {
    struct rp_request_options o;
    struct rp_message reply;
    rp_request_options_init(&o, sizeof o);
    o.late = late;
    succeeds(rp_request(to, replies, &n, sizeof n, &o, &reply, PEER_DEADLINE_S * SECOND));
    assert_int_equal(number(&reply), expected);
    succeeds(rp_ack(replies, &reply));
}

/* A thread would do; a process is what we have. It waits for the first to be killed. */
static void killed_before_its_reply(void **state) {
    (void)state;
    open_both();
    uint64_t n = 5, late = 0;
    struct rp_message reply;
    struct rp_request_options o;
    char id[RP_CORRELATION_ID_BYTES];
    rp_request_options_init(&o, sizeof o);
    o.correlation_id = id;
    struct peer first = peer_start(dies, NULL);
    assert_int_equal(rp_request(to, replies, &n, sizeof n, &o, &reply, 0), RP_EMPTY); /* sent; nobody can have answered */
    assert_int_equal(peer_hear(&first), 'r');
    peer_kill(&first);
    struct peer second = peer_start(doubles, NULL);
    succeeds(rp_request_wait(replies, id, &reply, PEER_DEADLINE_S * SECOND, &late));
    assert_int_equal(number(&reply), 10);
    succeeds(rp_ack(replies, &reply));
    assert_int_equal(late, 0);
    ask(0, 0, &late);
    assert_int_equal(peer_end(&second), 0);
    close_both();
}

static void killed_between_reply_and_ack(void **state) {
    (void)state;
    open_both();
    uint64_t n = 5, late = 0;
    struct rp_message reply;
    struct rp_request_options o;
    char id[RP_CORRELATION_ID_BYTES];
    rp_request_options_init(&o, sizeof o);
    o.correlation_id = id;
    assert_int_equal(rp_request(to, replies, &n, sizeof n, &o, &reply, 0), RP_EMPTY); /* nobody is there yet */
    struct peer first = peer_start(dies, q);
    assert_int_equal(peer_hear(&first), 'r');
    succeeds(rp_request_wait(replies, id, &reply, PEER_DEADLINE_S * SECOND, &late));
    assert_int_equal(number(&reply), 77); /* the first that came */
    succeeds(rp_ack(replies, &reply));
    peer_kill(&first);
    struct peer second = peer_start(doubles, NULL); /* gets the request again, and answers it again */
    assert_true(eventually(stats_of(answers).ready == 1));
    ask(7, 14, &late);
    assert_int_equal(late, 1);
    ask(0, 0, &late);
    assert_int_equal(late, 1);
    assert_int_equal(peer_end(&second), 0);
    close_both();
}

/* A second reply to one request is not even stored where ids are kept. */
static void two_replies_are_one_where_ids_are_kept(void **state) {
    (void)state;
    struct rp_queue_options o = with_room();
    q = make_queue(&o);
    succeeds(rp_producer_open(q, NULL, &to));
    o.dedup_window_ns = 3600 * SECOND;
    open_answers(&o);
    struct rp_message m, reply;
    rp_consumer *c;
    rp_responder *r;
    succeeds(rp_consumer_open(q, NULL, &c));
    succeeds(rp_responder_open(NULL, &r));
    struct rp_request_options ro;
    char id[RP_CORRELATION_ID_BYTES];
    rp_request_options_init(&ro, sizeof ro);
    ro.correlation_id = id;
    assert_int_equal(rp_request(to, replies, "x", 1, &ro, &reply, 0), RP_EMPTY);
    succeeds(rp_receive(c, &m, 0));
    struct rp_send_options s;
    rp_send_options_init(&s, sizeof s);
    struct rp_header again[] = {{RP_HEADER_REPLY_TO, reply_name}, {RP_HEADER_CORRELATION_ID, id}};
    s.headers = again;
    s.header_count = 2;
    succeeds(rp_send(to, "x", 1, &s)); /* as if it were delivered again */
    succeeds(rp_reply(r, c, &m, "1", 1, NULL));
    succeeds(rp_receive(c, &m, 0));
    succeeds(rp_reply(r, c, &m, "2", 1, NULL));
    assert_int_equal(stats_of(q).acked, 2);
    uint64_t late = 0;
    succeeds(rp_request_wait(replies, id, &reply, 0, &late));
    assert_memory_equal(reply.data, "1", 1);
    succeeds(rp_ack(replies, &reply));
    assert_int_equal(rp_receive(replies, &reply, 0), RP_EMPTY);
    rp_consumer_close(c);
    rp_responder_close(r);
    close_both();
}

static void late_replies_are_skipped_and_counted(void **state) {
    (void)state;
    open_both();
    struct rp_message m, reply;
    rp_consumer *c;
    rp_responder *r;
    succeeds(rp_consumer_open(q, NULL, &c));
    succeeds(rp_responder_open(NULL, &r));
    struct rp_request_options o;
    uint64_t late = 0;
    char id[RP_CORRELATION_ID_BYTES];
    rp_request_options_init(&o, sizeof o);
    o.late = &late;
    o.correlation_id = id;
    for (int i = 0; i < 3; i++) /* gives up each time */
        assert_int_equal(rp_request(to, replies, "x", 1, &o, &reply, 1), RP_EMPTY);
    for (int i = 0; i < 3; i++) {
        succeeds(rp_receive(c, &m, 0));
        succeeds(rp_reply(r, c, &m, "late", 4, NULL));
    }
    assert_int_equal(stats_of(answers).ready, 3);
    assert_int_equal(rp_request(to, replies, "x", 1, &o, &reply, 0), RP_EMPTY);
    assert_int_equal(late, 3); /* also when there is no time */
    assert_int_equal(stats_of(answers).ready + stats_of(answers).leased, 0);
    succeeds(rp_receive(c, &m, 0));
    succeeds(send_text((rp_producer *)to, "stray")); /* of no request */
    succeeds(rp_reply(r, c, &m, "now", 3, NULL));
    succeeds(rp_request_wait(replies, id, &reply, 0, &late));
    assert_memory_equal(reply.data, "now", 3);
    succeeds(rp_ack(replies, &reply));
    assert_int_equal(late, 3);
    succeeds(rp_queue_purge(q, NULL, RP_STATE_ALL));
    rp_consumer_close(c);
    rp_responder_close(r);
    close_both();
}

static void headers_go_along(void **state) {
    (void)state;
    open_both();
    struct rp_message m, reply;
    rp_consumer *c;
    rp_responder *r;
    const char *trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    succeeds(rp_consumer_open(q, NULL, &c));
    succeeds(rp_responder_open(NULL, &r));
    struct rp_header asked[] = {{RP_HEADER_TRACEPARENT, trace}, {"x", "1"}}, told[] = {{"Content-Type", "text/plain"}};
    struct rp_send_options s;
    struct rp_request_options o;
    char id[RP_CORRELATION_ID_BYTES];
    rp_send_options_init(&s, sizeof s);
    s.headers = asked;
    s.header_count = 2;
    rp_request_options_init(&o, sizeof o);
    o.send = &s;
    o.correlation_id = id;
    o.expires = 1;
    assert_int_equal(rp_request(to, replies, "x", 1, &o, &reply, MS / 100), RP_EMPTY);
    assert_true(eventually(rp_queue_sweep(q) >= 0 && stats_of(q).expired == 1)); /* its time was the timeout's */
    succeeds(rp_queue_purge(q, NULL, RP_STATE_ALL));
    o.expires = 0;
    assert_int_equal(rp_request(to, replies, "x", 1, &o, &reply, 0), RP_EMPTY);
    succeeds(rp_receive(c, &m, 0));
    assert_string_equal(rp_message_header(&m, RP_HEADER_CORRELATION_ID), id);
    assert_string_equal(rp_message_header(&m, RP_HEADER_REPLY_TO), reply_name);
    assert_string_equal(rp_message_header(&m, "x"), "1");
    s.headers = told;
    s.header_count = 1;
    succeeds(rp_reply(r, c, &m, "y", 1, &s));
    succeeds(rp_request_wait(replies, id, &reply, 0, NULL));
    assert_string_equal(rp_message_header(&reply, RP_HEADER_TRACEPARENT), trace);
    assert_string_equal(rp_message_header(&reply, RP_HEADER_CONTENT_TYPE), "text/plain");
    assert_null(rp_message_header(&reply, "x"));
    assert_null(rp_message_header(&reply, RP_HEADER_REPLY_TO));
    succeeds(rp_ack(replies, &reply));
    rp_consumer_close(c);
    rp_responder_close(r);
    close_both();
}

/* Request q without waiting, take it. */
static void request(rp_consumer *c, struct rp_message *m) {
    struct rp_message reply;
    assert_int_equal(rp_request(to, replies, "x", 1, NULL, &reply, 0), RP_EMPTY);
    succeeds(rp_receive(c, m, 0));
}

static void missing_queues_are_named(void **state) {
    (void)state;
    open_both();
    struct rp_message m;
    rp_consumer *c;
    rp_responder *r;
    succeeds(rp_consumer_open(q, NULL, &c));
    succeeds(rp_responder_open(NULL, &r));
    succeeds(send_text(to, "no question"));
    succeeds(rp_receive(c, &m, 0));
    assert_int_equal(rp_reply(r, c, &m, "", 0, NULL), -EINVAL);
    succeeds(rp_ack(c, &m)); /* it was still held */
    request(c, &m);
    struct rp_send_options nothing;
    rp_send_options_init(&nothing, sizeof nothing);
    nothing.header_count = 1;
    assert_int_equal(rp_reply(r, c, &m, "", 0, &nothing), -EINVAL);
    succeeds(rp_reply(r, c, &m, "", 0, NULL));                  /* now it is open here */
    assert_int_equal(rp_reply(r, c, &m, "", 0, NULL), -EINVAL); /* settled */
    request(c, &m);
    rp_consumer_close(replies);
    succeeds(rp_queue_close(answers));
    succeeds(rp_queue_unlink(reply_name));
    assert_int_equal(rp_reply(r, c, &m, "", 0, NULL), -ENOENT);
    assert_non_null(strstr(rp_error_detail(), reply_name));
    struct rp_queue_options o = with_room();
    o.capacity = o.max_participants = 2;
    open_answers(&o); /* another of that name: at once this one is meant */
    succeeds(rp_reply(r, c, &m, "new", 3, NULL));
    succeeds(rp_receive(replies, &m, 0));
    assert_memory_equal(m.data, "new", 3);
    succeeds(rp_ack(replies, &m));
    rp_producer *filler;
    request(c, &m);
    succeeds(rp_producer_open(answers, NULL, &filler));
    while (send_text(filler, "") == 0)
        continue;
    rp_producer_close(filler);
    assert_int_equal(rp_reply(r, c, &m, "", 0, NULL), RP_FULL);
    succeeds(rp_ack(c, &m));
    succeeds(rp_queue_purge(answers, NULL, RP_STATE_ALL));
    rp_responder_close(r);
    rp_consumer_close(c);
    close_both();
}

/* Two places for three queues: the one that was used longest ago is closed. */
static void a_responder_keeps_so_many_open(void **state) {
    (void)state;
    open_both();
    struct rp_responder_options o;
    rp_responder_options_init(&o, sizeof o);
    o.queues = 2;
    rp_responder *r;
    rp_consumer *c;
    succeeds(rp_responder_open(&o, &r));
    succeeds(rp_consumer_open(q, NULL, &c));
    struct rp_queue_options qo = with_room();
    char names[3][96];
    rp_queue *each[3];
    for (int i = 0; i < 3; i++) {
        snprintf(names[i], sizeof names[i], "%s.%d", queue_name, i);
        rp_queue_unlink(names[i]);
        succeeds(rp_queue_create(names[i], &qo, &each[i]));
    }
    static const struct {
        int to;
        const char *open;
    } steps[] = {{0, "0"}, {1, "01"}, {0, "01"}, {2, "02"}, {0, "02"}, {1, "01"}};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct rp_header h = {RP_HEADER_REPLY_TO, names[steps[i].to]};
        struct rp_send_options s;
        struct rp_message m;
        rp_send_options_init(&s, sizeof s);
        s.headers = &h;
        s.header_count = 1;
        succeeds(rp_send(to, "x", 1, &s));
        succeeds(rp_receive(c, &m, 0));
        succeeds(rp_reply(r, c, &m, "", 0, NULL));
        for (int k = 0; k < 3; k++)
            assert_int_equal(stats_of(each[k]).participants, 1 + (strchr(steps[i].open, '0' + k) != NULL));
    }
    rp_responder_close(r);
    static const unsigned got[] = {3, 2, 1};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(stats_of(each[i]).ready, got[i]);
        assert_int_equal(stats_of(each[i]).participants, 1);
        succeeds(rp_queue_close(each[i]));
        rp_queue_unlink(names[i]);
    }
    rp_consumer_close(c);
    close_both();
}

static void what_cannot_be_is_refused(void **state) {
    (void)state;
    open_both();
    struct rp_message m;
    rp_consumer *own;
    rp_responder *r;
    succeeds(rp_consumer_open(q, NULL, &own));
    assert_int_equal(rp_request(to, own, "x", 1, NULL, &m, 0), -EINVAL); /* one queue for both */
    assert_int_equal(rp_request(NULL, replies, "x", 1, NULL, &m, 0), -EINVAL);
    assert_int_equal(rp_request(to, NULL, "x", 1, NULL, &m, 0), -EINVAL);
    assert_int_equal(rp_request(to, replies, "x", 1, NULL, NULL, 0), -EINVAL);
    assert_int_equal(rp_request(to, replies, "x", 1, NULL, &m, -2), -EINVAL);
    struct rp_request_options o;
    struct rp_send_options s;
    char id[RP_CORRELATION_ID_BYTES] = "before";
    struct rp_header twice = {"Correlation-Id", "mine"};
    rp_send_options_init(&s, sizeof s);
    s.headers = &twice;
    s.header_count = 1;
    rp_request_options_init(&o, sizeof o);
    o.send = &s;
    o.correlation_id = id;
    assert_int_equal(rp_request(to, replies, "x", 1, &o, &m, 0), -EINVAL);
    assert_string_equal(id, "");
    s.headers = NULL;
    s.header_count = 0;
    static char big[65];
    assert_int_equal(rp_request(to, replies, big, sizeof big, &o, &m, 0), RP_TOO_BIG);
    assert_string_equal(id, "");
    while (rp_send(to, "x", 1, NULL) == 0)
        continue;
    assert_int_equal(rp_request(to, replies, "x", 1, NULL, &m, MS), RP_FULL);
    succeeds(rp_queue_purge(q, NULL, RP_STATE_ALL));
    assert_int_equal(stats_of(q).ready, 0);
    assert_int_equal(rp_request_wait(replies, "nobody", &m, MS, NULL), RP_EMPTY);
    struct rp_responder_options ro;
    rp_responder_options_init(&ro, sizeof ro);
    ro.queues = 0;
    assert_int_equal(rp_responder_open(&ro, &r), -EINVAL);
    rp_responder_close(NULL);
    rp_consumer_close(own);
    close_both();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(each_gets_its_answer, unlink_both),
        cmocka_unit_test_teardown(requesters_do_not_mix, unlink_both),
        cmocka_unit_test_teardown(killed_before_its_reply, unlink_both),
        cmocka_unit_test_teardown(killed_between_reply_and_ack, unlink_both),
        cmocka_unit_test_teardown(two_replies_are_one_where_ids_are_kept, unlink_both),
        cmocka_unit_test_teardown(late_replies_are_skipped_and_counted, unlink_both),
        cmocka_unit_test_teardown(headers_go_along, unlink_both),
        cmocka_unit_test_teardown(missing_queues_are_named, unlink_both),
        cmocka_unit_test_teardown(a_responder_keeps_so_many_open, unlink_both),
        cmocka_unit_test_teardown(what_cannot_be_is_refused, unlink_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
