/* SPDX-License-Identifier: MIT */
/* Producers that are known by an id: what they sent they do not send again, whichever process they are. */
#include "identity.h"

#include "fixture.h"

static struct rp_queue *q;
static rp_consumer *c;

static void open_queue(uint32_t ids) {
    struct rp_queue_options o = test_options();
    o.capacity = 8;
    o.max_participants = 4;
    o.lease_ns = 0;
    o.max_producer_ids = ids;
    q = make_queue(&o);
    succeeds(rp_consumer_open(q, NULL, &c));
}

static void close_queue(void) {
    rp_consumer_close(c);
    succeeds(rp_queue_sweep(q));
    audit_is_clean(q);
    drop_queue(q);
}

static int open_as(rp_queue *queue, const char *id, rp_producer **p) {
    struct rp_producer_options o;
    rp_producer_options_init(&o, sizeof o);
    o.id = id;
    o.id_bytes = id == NULL ? 0 : strlen(id);
    return rp_producer_open(queue, &o, p);
}

static int send_as(rp_producer *p, uint64_t sequence, const char *text, uint64_t *number) {
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    o.sequence = sequence;
    o.id_out = number;
    return rp_send(p, text, strlen(text) + 1, &o);
}

static uint64_t last_of(rp_producer *p) {
    uint64_t last;
    succeeds(rp_producer_sequence(p, &last));
    return last;
}

static void receive_and_ack(const char *expected) {
    struct rp_message m;
    succeeds(rp_receive(c, &m, 0));
    assert_string_equal(m.data, expected);
    succeeds(rp_ack(c, &m));
}

static void receives_nothing(void) {
    struct rp_message m;
    assert_int_equal(rp_receive(c, &m, 0), RP_EMPTY);
}

static void once(void **state) {
    (void)state;
    rp_producer *p;
    uint64_t number = 7;
    open_queue(16);
    succeeds(open_as(q, "meter", &p));
    assert_int_equal(last_of(p), 0);
    succeeds(send_as(p, 1, "one", &number));
    assert_int_equal(send_as(p, 1, "again", &number), RP_DUPLICATE);
    assert_int_equal(number, 0);
    succeeds(send_as(p, 5, "five", NULL)); /* gaps are fine */
    assert_int_equal(send_as(p, 4, "four", NULL), RP_DUPLICATE);
    succeeds(send_text(p, "any")); /* without a sequence: as ever */
    assert_int_equal(last_of(p), 5);
    rp_producer_close(p);
    succeeds(open_as(q, "meter", &p));
    assert_int_equal(last_of(p), 5);
    assert_int_equal(send_as(p, 5, "again", NULL), RP_DUPLICATE);
    succeeds(send_as(p, UINT64_MAX, "last", NULL));
    rp_producer_close(p);
    receive_and_ack("one");
    receive_and_ack("five");
    receive_and_ack("any");
    receive_and_ack("last");
    receives_nothing();
    assert_int_equal(stats_of(q).duplicates, 3);
    close_queue();
}

/* One owner at a time, in this process or any other. */
static void one_owner(void **state) {
    (void)state;
    rp_producer *a, *b, *other;
    rp_queue *second;
    open_queue(16);
    succeeds(rp_queue_open(queue_name, NULL, &second));
    succeeds(open_as(q, "meter", &a));
    assert_int_equal(open_as(q, "meter", &b), RP_IN_USE);
    assert_int_equal(open_as(second, "meter", &b), RP_IN_USE);
    succeeds(open_as(second, "mete", &other));
    succeeds(send_as(other, 9, "x", NULL));
    assert_int_equal(last_of(a), 0);
    rp_producer_close(a);
    succeeds(open_as(second, "meter", &b));
    assert_int_equal(open_as(q, "meter", &a), RP_IN_USE);
    rp_producer_close(b);
    rp_producer_close(other);
    receive_and_ack("x");
    succeeds(rp_queue_close(second));
    close_queue();
}

static void bad_arguments(void **state) {
    (void)state;
    char long_id[RP_PRODUCER_ID_MAX + 1];
    struct rp_producer_options o;
    rp_producer *p, *none;
    uint64_t last;
    memset(long_id, 'x', sizeof long_id);
    rp_producer_options_init(&o, sizeof o);
    open_queue(1);
    o.id = long_id;
    assert_int_equal(rp_producer_open(q, &o, &none), -EINVAL);
    o.id_bytes = sizeof long_id;
    assert_int_equal(rp_producer_open(q, &o, &none), -EINVAL);
    o.id = NULL;
    o.id_bytes = 1;
    assert_int_equal(rp_producer_open(q, &o, &none), -EINVAL);
    o.id = long_id;
    o.id_bytes = RP_PRODUCER_ID_MAX;
    succeeds(rp_producer_open(q, &o, &p));
    o.id_bytes--;
    assert_int_equal(rp_producer_open(q, &o, &none), -ENOSPC); /* another id, and no place */
    rp_producer_close(p);
    succeeds(rp_producer_open(q, NULL, &p));
    assert_int_equal(send_as(p, 1, "x", NULL), -EINVAL);
    assert_int_equal(rp_producer_sequence(p, &last), -EINVAL);
    assert_int_equal(rp_producer_sequence(NULL, &last), -EINVAL);
    rp_producer_close(p);
    receives_nothing();
    close_queue();
    open_queue(0);
    assert_int_equal(open_as(q, "meter", &p), -EINVAL);
    assert_non_null(strstr(rp_error_detail(), "no places for producer ids"));
    close_queue();
}

/* A send that failed does not use its sequence up. */
static void a_failed_send_may_be_repeated(void **state) {
    (void)state;
    rp_producer *p;
    open_queue(16);
    succeeds(open_as(q, "meter", &p));
    int sent = 0;
    while (rp_send(p, "fill", 5, NULL) == 0)
        sent++;
    assert_int_equal(send_as(p, 3, "late", NULL), RP_FULL);
    assert_int_equal(last_of(p), 0);
    assert_int_equal(load_relaxed(&p->identity->next, own), 0);
    for (int i = 0; i < sent; i++)
        receive_and_ack("fill");
    succeeds(send_as(p, 3, "late", NULL));
    assert_int_equal(last_of(p), 3);
    receive_and_ack("late");
    rp_producer_close(p);
    close_queue();
}

static void loans_and_delays(void **state) {
    (void)state;
    struct rp_send_options o;
    struct rp_loan loan;
    rp_producer *p;
    uint64_t number = 7;
    open_queue(16);
    succeeds(open_as(q, "meter", &p));
    rp_send_options_init(&o, sizeof o);
    o.sequence = 1;
    succeeds(rp_loan(p, 4, &loan));
    memcpy(loan.data, "one", 4);
    succeeds(rp_commit(p, &loan, &o));
    succeeds(rp_loan(p, 4, &loan));
    o.id_out = &number;
    assert_int_equal(rp_commit(p, &loan, &o), RP_DUPLICATE);
    assert_int_equal(number, 0);
    o.sequence = 2;
    o.delay_ns = 2 * MS;
    memcpy(loan.data, "two", 4);
    succeeds(rp_commit(p, &loan, &o)); /* the loan was open as before */
    assert_int_equal(rp_send(p, "two", 4, &o), RP_DUPLICATE);
    receive_and_ack("one");
    struct rp_message m;
    succeeds(rp_receive(c, &m, -1));
    assert_string_equal(m.data, "two");
    succeeds(rp_ack(c, &m));
    receives_nothing();
    rp_producer_close(p);
    close_queue();
}

static void batches(void **state) {
    (void)state;
    struct rp_send_options o[4];
    struct rp_send_item items[4] = {0};
    static const uint64_t sequences[] = {4, 4, 5, 3};
    rp_producer *p;
    open_queue(16);
    succeeds(open_as(q, "meter", &p));
    for (int i = 0; i < 4; i++) {
        rp_send_options_init(&o[i], sizeof o[i]);
        o[i].sequence = sequences[i];
        items[i] = (struct rp_send_item){.data = (const char *[]){"1", "2", "3", "4"}[i], .bytes = 2, .options = &o[i]};
    }
    assert_int_equal(rp_send_batch(p, items, 4), 4); /* what was sent before is as good as sent */
    assert_true(items[0].id != 0 && items[1].id == 0 && items[2].id != 0 && items[3].id == 0);
    assert_int_equal(last_of(p), 5);
    receive_and_ack("1");
    receive_and_ack("3");
    receives_nothing();
    rp_producer_close(p);
    close_queue();
}

static void listed_and_removed(void **state) {
    (void)state;
    struct rp_producer_id found;
    rp_producer *a, *b, *none;
    open_queue(2);
    succeeds(open_as(q, "a", &a));
    succeeds(open_as(q, "b", &b));
    assert_int_equal(open_as(q, "c", &none), -ENOSPC);
    succeeds(send_as(b, 42, "x", NULL));
    succeeds(rp_producer_id_next(q, 0, &found));
    assert_true(found.id_bytes == 1 && found.id[0] == 'a' && found.sequence == 0);
    assert_true(found.pid == (uint32_t)getpid() && found.alive == 1 && found.made_ns > 0);
    succeeds(rp_producer_id_next(q, found.index + 1, &found));
    assert_true(found.id_bytes == 1 && found.id[0] == 'b' && found.sequence == 42);
    assert_int_equal(rp_producer_id_next(q, found.index + 1, &found), RP_EMPTY);
    assert_int_equal(rp_producer_id_remove(q, "a", 1), RP_IN_USE);
    rp_producer_close(a);
    rp_producer_close(b);
    succeeds(rp_producer_id_next(q, 1, &found));
    assert_true(found.pid == 0 && found.sequence == 42);
    assert_int_equal(rp_producer_id_remove(q, "c", 1), -ENOENT);
    assert_int_equal(rp_producer_id_remove(q, "", 0), -EINVAL);
    succeeds(rp_producer_id_remove(q, "b", 1));
    assert_int_equal(rp_producer_id_remove(q, "b", 1), -ENOENT);
    succeeds(open_as(q, "c", &a));
    assert_int_equal(last_of(a), 0); /* nothing of the one before */
    rp_producer_close(a);
    receive_and_ack("x");
    close_queue();
}

/* With both, each says for itself what was sent. */
static void with_a_dedup_id(void **state) {
    (void)state;
    struct rp_queue_options qo = test_options();
    struct rp_send_options o;
    rp_producer *p;
    qo.lease_ns = 0;
    qo.dedup_window_ns = UINT64_C(3600) * 1000 * MS;
    q = make_queue(&qo);
    succeeds(rp_consumer_open(q, NULL, &c));
    succeeds(open_as(q, "meter", &p));
    rp_send_options_init(&o, sizeof o);
    o.dedup_id = "x";
    o.dedup_id_bytes = 1;
    o.sequence = 1;
    succeeds(rp_send(p, "one", 4, &o));
    o.sequence = 2;
    assert_int_equal(rp_send(p, "two", 4, &o), RP_DUPLICATE);
    assert_int_equal(last_of(p), 1);
    o.sequence = 1;
    o.dedup_id = "y";
    assert_int_equal(rp_send(p, "two", 4, &o), RP_DUPLICATE);
    o.sequence = 2;
    succeeds(rp_send(p, "two", 4, &o));
    receive_and_ack("one");
    receive_and_ack("two");
    receives_nothing();
    rp_producer_close(p);
    close_queue();
}

/* Damage is said, and nothing waits for it. */
static void damage(void **state) {
    (void)state;
    struct rp_audit audit;
    rp_producer *p;
    open_queue(2);
    succeeds(open_as(q, "a", &p));
    rp_producer_close(p);
    a64 *word = &q->segment.identities[0].word;
    uint64_t good = load_relaxed(word, own);
    static const uint32_t nobodies[] = {3, 500, NOBODY};
    for (int i = 0; i < 3; i++) {
        store_relaxed(word, identity_word(IDENTITY_OWNED, nobodies[i], false, 1), init);
        assert_int_equal(open_as(q, "a", &p), RP_CORRUPT);
        assert_int_equal(rp_producer_id_remove(q, "a", 1), RP_IN_USE);
        succeeds(rp_queue_audit(q, &audit));
        assert_int_equal(audit.violations, 1);
    }
    store_relaxed(word, identity_word((enum identity_state)9, 0, false, 1), init);
    succeeds(rp_queue_audit(q, &audit));
    assert_int_equal(audit.violations, 1);
    store_relaxed(word, good, init);
    store_relaxed(&q->segment.identities[0].bytes, 65, init);
    succeeds(rp_queue_audit(q, &audit));
    assert_int_equal(audit.violations, 1);
    store_relaxed(&q->segment.identities[0].bytes, 1, init);
    memcpy((void *)&q->segment.identities[1], (void *)&q->segment.identities[0], sizeof(struct identity));
    succeeds(rp_queue_audit(q, &audit));
    assert_int_equal(audit.violations, 1); /* twice */
    store_relaxed(&q->segment.identities[1].word, 0, init);
    close_queue();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(once),
        TEST(one_owner),
        TEST(bad_arguments),
        TEST(a_failed_send_may_be_repeated),
        TEST(loans_and_delays),
        TEST(batches),
        TEST(listed_and_removed),
        TEST(with_a_dedup_id),
        TEST(damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
