/* SPDX-License-Identifier: MIT */
/* What callers do wrong: the result, and a detail that says what and where. */
#include "fixture.h"

#include <math.h>

static rp_queue *q;
static rp_producer *p;
static rp_consumer *c;

/* The call fails like this, and the detail names that. */
#define refuses(call, result, detail)                                                                            \
    do {                                                                                                         \
        int refuses_result = (call);                                                                             \
        if (refuses_result != (result) || strstr(rp_error_detail(), (detail)) == NULL)                           \
            fprintf(stderr, "%s:%d: %s -> %s: '%s'\n", __FILE__, __LINE__, #call, rp_error_name(refuses_result), \
                    rp_error_detail());                                                                          \
        assert_int_equal(refuses_result, (result));                                                              \
        assert_non_null(strstr(rp_error_detail(), (detail)));                                                    \
    } while (0)

static int open_all(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    q = make_queue(&o);
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_consumer_open(q, NULL, &c));
    return 0;
}

static int close_all(void **state) {
    (void)state;
    rp_producer_close(p);
    rp_consumer_close(c);
    drop_queue(q);
    return 0;
}

static void names(void **state) {
    (void)state;
    char long_name[260];
    rp_queue *other;
    memset(long_name, 'n', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    const char *const bad[] = {"",   "a b",     "a/b", "naïve",     "~mine",         "new\nline",
                               "a*", long_name, "/",   "/dev/shm/", "/dev/shm/~mine"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        refuses(rp_queue_create(bad[i], NULL, &other), -EINVAL, strlen(bad[i]) < 100 ? bad[i] : "nnnnn");
        refuses(rp_queue_open(bad[i], NULL, &other), -EINVAL, "queue");
        refuses(rp_queue_unlink(bad[i]), -EINVAL, "queue");
    }
    refuses(rp_queue_create(NULL, NULL, &other), -EINVAL, "name");
    refuses(rp_queue_open("no.such.queue.of.ours", NULL, &other), -ENOENT, "no.such.queue.of.ours");
    refuses(rp_queue_unlink("no.such.queue.of.ours"), -ENOENT, "no.such.queue.of.ours");
    refuses(rp_queue_open("/dev/shm", NULL, &other), -EINVAL, "/dev/shm");
    refuses(rp_queue_open(queue_name, NULL, NULL), -EINVAL, "result");
    refuses(rp_queue_create(queue_name, NULL, &other), -EEXIST, queue_name);
    long_name[200] = 0;
    rp_queue_unlink(long_name);
    succeeds(rp_queue_create(long_name, NULL, &other)); /* 200 are allowed */
    assert_string_equal(rp_queue_name(other), long_name);
    succeeds(rp_queue_close(other));
    succeeds(rp_queue_unlink(long_name));
    assert_string_equal(rp_queue_name(NULL), "");
}

#define OPTION(field, value, detail) refuse_option(#field, (o = test_options(), o.field = (value), &o), detail)

static void refuse_option(const char *field, const struct rp_queue_options *o, const char *detail) {
    rp_queue *other = NULL;
    int result = rp_queue_create("never.made", o, &other);
    if (result != -EINVAL || !strstr(rp_error_detail(), detail))
        fprintf(stderr, "%s: %s: '%s', which does not say '%s'\n", field, rp_error_name(result), rp_error_detail(), detail);
    assert_int_equal(result, -EINVAL);
    assert_non_null(strstr(rp_error_detail(), detail));
    assert_null(other);
}

static void options_out_of_bounds(void **state) {
    (void)state;
    struct rp_queue_options o;
    rp_queue *other;
    OPTION(capacity, 0, "capacity is 0");
    OPTION(capacity, 4000001, "4000001");
    OPTION(message_bytes, 0, "message_bytes is 0");
    OPTION(message_bytes, (1u << 30) + 1, "message_bytes");
    OPTION(max_groups, 0, "max_groups");
    OPTION(max_groups, 21, "max_groups is 21");
    OPTION(max_participants, 0, "max_participants");
    OPTION(max_participants, 1001, "max_participants is 1001");
    OPTION(dead_capacity, 17, "dead_capacity is 17");
    OPTION(dead_overflow, 2, "dead_overflow");
    OPTION(overflow, 4, "overflow");
    OPTION(prefault, 2, "prefault");
    OPTION(mode, 01000, "mode");
    OPTION(group, "no such group", "no such group");
    OPTION(backoff_factor, 0.5, "backoff_factor is 0.5");
    OPTION(backoff_factor, NAN, "backoff_factor");
    OPTION(backoff_factor, 101, "backoff_factor");
    OPTION(jitter, -0.1, "jitter");
    OPTION(jitter, 1.5, "jitter is 1.5");
    OPTION(jitter, NAN, "jitter");
    OPTION(backoff_ns, 1, "backoff_max_ns");
    OPTION(lease_ns, UINT64_MAX, "lease");
    OPTION(backoff_max_ns, UINT64_MAX, "backoff");
    OPTION(size, 3, "size is 3");
    refuses(rp_queue_create("never.made", NULL, NULL), -EINVAL, "result");
    struct {
        struct rp_queue_options known;
        uint64_t later;
    } newer = {.known = test_options(), .later = 1};
    newer.known.size = sizeof newer;
    refuses(rp_queue_create("never.made", &newer.known, &other), -E2BIG, "rp_queue_options");
    refuses(rp_queue_open("never.made", NULL, &other), -ENOENT, "never.made");
    struct rp_open_options look = {.size = sizeof look, .read_only = 7};
    refuses(rp_queue_open(queue_name, &look, &other), -EINVAL, "read_only");
}

static void messages(void **state) {
    (void)state;
    char big[65] = {0};
    struct rp_loan loan;
    struct rp_message m;
    struct rp_send_item item = {.data = NULL, .bytes = 1};
    struct rp_send_options o = {.size = sizeof o, .timeout_ns = -2};
    refuses(rp_send(p, big, 65, NULL), RP_TOO_BIG, "65 bytes, the limit is 64");
    refuses(rp_send(p, big, SIZE_MAX, NULL), RP_TOO_BIG, queue_name);
    refuses(rp_loan(p, 65, &loan), RP_TOO_BIG, "65");
    refuses(rp_send(p, NULL, 1, NULL), -EINVAL, "1 bytes of nothing");
    refuses(rp_send(p, big, 1, &o), -EINVAL, "timeout");
    refuses(rp_send(NULL, big, 1, NULL), -EINVAL, "producer");
    refuses(rp_send_batch(p, &item, 1), -EINVAL, "item 0");
    refuses(rp_send_batch(p, &item, 0), -EINVAL, "0 items");
    refuses(rp_send_batch(p, NULL, 1), -EINVAL, "items");
    refuses(rp_loan(p, 1, NULL), -EINVAL, "rp_loan");
    refuses(rp_receive(c, NULL, 0), -EINVAL, "message");
    refuses(rp_receive(c, &m, -2), -EINVAL, "timeout");
    refuses(rp_receive(NULL, &m, 0), -EINVAL, "consumer");
    refuses(rp_receive_batch(c, &m, 0, 0), -EINVAL, "0 messages");
    succeeds(rp_loan(p, 8, &loan));
    struct rp_loan copy = loan;
    loan.bytes = 65;
    refuses(rp_commit(p, &loan, NULL), RP_TOO_BIG, "65");
    loan.bytes = 8;
    succeeds(rp_commit(p, &loan, NULL));
    refuses(rp_commit(p, &copy, NULL), -EINVAL, "loan");
    refuses(rp_abandon(p, &copy), -EINVAL, "loan");
    refuses(rp_abandon(p, NULL), -EINVAL, "loan");
    succeeds(rp_send(p, NULL, 0, NULL)); /* nothing is a message, too */
    succeeds(rp_receive(c, &m, 0));
    succeeds(rp_ack(c, &m));
    succeeds(rp_receive(c, &m, 0));
    assert_int_equal(m.bytes, 0);
    succeeds(rp_ack(c, &m));
    while (send_text(p, "full") == 0) {
    }
    refuses(send_text(p, "x"), RP_FULL, queue_name);
    refuses(rp_loan(p, 1, &loan), RP_FULL, queue_name);
}

static void receipts(void **state) {
    (void)state;
    char reason[RP_REASON_MAX + 2];
    struct rp_message m, copy;
    struct rp_queue_options o = test_options();
    rp_consumer *second, *stranger;
    rp_queue *other;
    char name[80];
    memset(reason, 'r', sizeof reason - 1);
    reason[sizeof reason - 1] = 0;
    snprintf(name, sizeof name, "%s.other", queue_name);
    succeeds(rp_queue_create(name, &o, &other));
    succeeds(rp_consumer_open(other, NULL, &stranger));
    succeeds(rp_consumer_open(q, NULL, &second));
    succeeds(send_text(p, "one"));
    succeeds(send_text(p, "two"));
    succeeds(rp_receive(c, &m, 0));
    copy = m;
    refuses(rp_ack(second, &copy), -EINVAL, "another consumer");
    refuses(rp_ack(stranger, &copy), -EINVAL, "another consumer");
    refuses(rp_nack(stranger, &copy, NULL), -EINVAL, "another consumer");
    refuses(rp_extend(stranger, &copy, 1), -EINVAL, "another consumer");
    refuses(rp_reject(c, &m, reason), -EINVAL, "79 bytes");
    struct rp_nack_options nack;
    rp_nack_options_init(&nack, sizeof nack);
    nack.reason = reason;
    refuses(rp_nack(c, &m, &nack), -EINVAL, "79 bytes");
    nack.reason = NULL;
    nack.charge = 2;
    refuses(rp_nack(c, &m, &nack), -EINVAL, "charge is 2");
    nack.charge = 1;
    nack.delay_ns = -5;
    refuses(rp_nack(c, &m, &nack), -EINVAL, "delay_ns is -5");
    assert_int_equal(stats_of(q).leased, 1); /* none of that has settled it */
    succeeds(rp_ack(c, &m));
    refuses(rp_ack(c, &m), -EINVAL, "settled before");
    refuses(rp_ack(c, &copy), -EINVAL, "settled before");
    succeeds(rp_receive(c, &m, 0)); /* in the same place of the table */
    refuses(rp_ack(c, &copy), -EINVAL, "settled before");
    for (int i = 0; i < 3; i++) {
        copy = m;
        copy.receipt[i] ^= 1;
        refuses(rp_ack(c, &copy), -EINVAL, "settled before");
    }
    memset(&copy, 0xff, sizeof copy);
    refuses(rp_ack(c, &copy), -EINVAL, "settled before");
    refuses(rp_ack(c, NULL), -EINVAL, "settled before");
    reason[RP_REASON_MAX] = 0;
    succeeds(rp_reject(c, &m, reason));
    struct rp_dead_letter dead;
    succeeds(rp_dead_peek(q, NULL, 0, &dead, NULL, 0));
    assert_string_equal(dead.text, reason);
    rp_consumer_close(second);
    rp_consumer_close(stranger);
    succeeds(rp_queue_close(other));
    succeeds(rp_queue_unlink(name));
}

static void handles_and_groups(void **state) {
    (void)state;
    rp_consumer *other_c;
    rp_producer *other_p;
    rp_queue *look;
    struct rp_queue_stats stats;
    struct rp_peeked peeked;
    struct rp_consumer_options o;
    struct rp_open_options read_only = {.size = sizeof read_only, .read_only = 1};
    refuses(rp_queue_close(q), RP_IN_USE, queue_name);
    rp_consumer_options_init(&o, sizeof o);
    o.group = "nobody";
    refuses(rp_consumer_open(q, &o, &other_c), -ENOENT, "nobody");
    o.group = NULL;
    o.ack = 9;
    refuses(rp_consumer_open(q, &o, &other_c), -EINVAL, "ack mode");
    o.ack = RP_ACK_EXPLICIT;
    o.prefetch = 1000000;
    refuses(rp_consumer_open(q, &o, &other_c), -EINVAL, "prefetch");
    refuses(rp_consumer_open(q, NULL, NULL), -EINVAL, "rp_consumer_open");
    refuses(rp_producer_open(q, NULL, NULL), -EINVAL, "rp_producer_open");
    assert_int_equal(rp_producer_open(NULL, NULL, &other_p), -EINVAL);
    assert_int_equal(rp_queue_stats(NULL, &stats), -EINVAL);
    refuses(rp_queue_stats(q, NULL), -EINVAL, "rp_queue_stats");
    refuses(rp_queue_audit(q, NULL), -EINVAL, "rp_queue_audit");
    refuses(rp_peek(q, NULL, 0, 0, &peeked, NULL, 0), -EINVAL, "states 0");
    refuses(rp_peek(q, NULL, 32, 0, &peeked, NULL, 0), -EINVAL, "0x20");
    refuses(rp_peek(q, "nobody", 1, 0, &peeked, NULL, 0), -ENOENT, "nobody");
    refuses(rp_peek(q, NULL, 1, 0, &peeked, NULL, 8), -EINVAL, "rp_peek");
    refuses(rp_queue_purge(q, NULL, 0), -EINVAL, "states 0");
    refuses(rp_queue_purge(q, "nobody", 1), -ENOENT, "nobody");
    struct rp_redrive_options one = {.size = sizeof one, .id = 123456};
    refuses(rp_dead_redrive(q, NULL, &one), -ENOENT, "123456");
    refuses(rp_dead_purge(q, NULL, &one), -ENOENT, "123456");
    refuses(rp_collect("/no/such/directory"), -ENOENT, "/no/such/directory");

    succeeds(rp_queue_open(queue_name, &read_only, &look));
    refuses(rp_producer_open(look, NULL, &other_p), -EROFS, queue_name);
    refuses(rp_consumer_open(look, NULL, &other_c), -EROFS, queue_name);
    refuses(rp_queue_sweep(look), -EROFS, queue_name);
    refuses(rp_queue_purge(look, NULL, 1), -EROFS, queue_name);
    refuses(rp_dead_purge(look, NULL, NULL), -EROFS, queue_name);
    refuses(rp_dead_redrive(look, NULL, NULL), -EROFS, queue_name);
    succeeds(rp_queue_stats(look, &stats));
    succeeds(rp_queue_close(look));
    succeeds(rp_queue_close(NULL));
    rp_producer_close(NULL);
    rp_consumer_close(NULL);
}

#undef TEST
#define TEST(body) cmocka_unit_test_setup_teardown(body, open_all, close_all)

/* Callers built when the struct was shorter, and those built when it will be longer. */
static void a_copy_of_options_keeps_to_its_size(void **state) {
    (void)state;
    struct {
        struct rp_queue_options known;
        uint64_t later[2];
    } o;
    memset(&o, 0x5a, sizeof o);
    const size_t older = offsetof(struct rp_queue_options, priorities);
    o.known.size = older;
    succeeds(rp_queue_options_get(q, &o.known));
    assert_int_equal(o.known.size, older);
    assert_int_equal(o.known.message_bytes, 64);
    for (size_t i = older; i < sizeof o; i++)
        assert_int_equal(((unsigned char *)&o)[i], 0x5a);
    o.known.size = offsetof(__typeof__(o), later[1]);
    succeeds(rp_queue_options_get(q, &o.known));
    assert_int_equal(o.known.size, offsetof(__typeof__(o), later[1]));
    assert_int_equal(o.known.priorities, 1);
    assert_int_equal(o.later[0], 0);
    assert_int_equal(o.later[1], 0x5a5a5a5a5a5a5a5a);
    const size_t absurd[] = {0, 7, 65537, SIZE_MAX};
    for (size_t i = 0; i < sizeof absurd / sizeof absurd[0]; i++) {
        o.known.size = absurd[i];
        refuses(rp_queue_options_get(q, &o.known), -EINVAL, "size");
    }
}

/* A later library may give it a meaning: refused as what is beyond the struct. */
static void reserved_fields(void **state) {
    (void)state;
    struct rp_group_options g = {.size = sizeof g, .reserved = 1};
    struct rp_drain_options d = {.size = sizeof d, .reserved = 1};
    struct rp_request_options r = {.size = sizeof r, .reserved = 1};
    struct rp_responder_options a = {.size = sizeof a, .queues = 1, .reserved = 1};
    struct rp_message reply;
    rp_responder *responder;
    refuses(rp_group_create(q, "g", &g), -E2BIG, "reserved");
    refuses(rp_queue_drain(q, &d), -E2BIG, "reserved");
    refuses(rp_request(p, c, "x", 1, &r, &reply, 0), -E2BIG, "reserved");
    refuses(rp_responder_open(&a, &responder), -E2BIG, "reserved");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(names),           TEST(options_out_of_bounds), TEST(messages),
        TEST(receipts),        TEST(handles_and_groups),    TEST(a_copy_of_options_keeps_to_its_size),
        TEST(reserved_fields),
    };
    return cmocka_run_group_tests_name("bad input", tests, NULL, unlink_queue);
}
