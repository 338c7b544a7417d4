/* SPDX-License-Identifier: MIT */
/* Deduplication: an id that a committed send had stores nothing twice, for a window of time and of entries. */
#include "dedup.h"
#include "pool.h"

#include "fixture.h"

static struct rp_queue *q;
static rp_producer *p;
static rp_consumer *c;

static void open_queue(uint64_t window_ns, uint32_t entries) {
    struct rp_queue_options o = test_options();
    o.dedup_window_ns = window_ns;
    o.dedup_entries = entries;
    o.capacity = 8;
    o.max_participants = 1;
    o.lease_ns = 0;
    q = make_queue(&o);
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_consumer_open(q, NULL, &c));
}

static void close_queue(void) {
    rp_producer_close(p);
    rp_consumer_close(c);
    succeeds(rp_queue_sweep(q));
    audit_is_clean(q);
    drop_queue(q);
}

static int send_as(const void *id, size_t bytes, const char *text, uint64_t *number) {
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    o.dedup_id = id;
    o.dedup_id_bytes = bytes;
    o.id_out = number;
    return rp_send(p, text, strlen(text) + 1, &o);
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
    uint64_t first = 0, again = 0;
    open_queue(UINT64_C(3600) * 1000 * MS, 0);
    succeeds(send_as("a", 1, "one", &first));
    assert_int_equal(send_as("a", 1, "two", &again), RP_DUPLICATE);
    assert_int_equal(again, first);
    receive_and_ack("one");
    assert_int_equal(send_as("a", 1, "three", NULL), RP_DUPLICATE); /* acked or not */
    succeeds(send_as("b", 1, "four", NULL));
    receive_and_ack("four");
    receives_nothing();
    succeeds(send_text(p, "five")); /* without an id: as ever */
    succeeds(send_text(p, "five"));
    receive_and_ack("five");
    receive_and_ack("five");
    assert_int_equal(stats_of(q).duplicates, 2);
    close_queue();
}

/* Ids are bytes, as long as they are, and compared whole. */
static void ids_are_bytes(void **state) {
    (void)state;
    char longest[RP_DEDUP_ID_MAX], other[RP_DEDUP_ID_MAX];
    open_queue(UINT64_C(3600) * 1000 * MS, 0);
    memset(longest, 'x', sizeof longest);
    memcpy(other, longest, sizeof other);
    other[RP_DEDUP_ID_MAX - 1] = 'y';
    succeeds(send_as("a", 1, "1", NULL));
    succeeds(send_as("a\0", 2, "2", NULL));
    succeeds(send_as(longest, sizeof longest, "3", NULL));
    succeeds(send_as(longest, sizeof longest - 1, "4", NULL));
    succeeds(send_as(other, sizeof other, "5", NULL));
    assert_int_equal(send_as(longest, sizeof longest, "6", NULL), RP_DUPLICATE);
    assert_int_equal(send_as(other, sizeof other, "6", NULL), RP_DUPLICATE);
    assert_int_equal(send_as("a\0", 2, "6", NULL), RP_DUPLICATE);
    for (int i = 1; i <= 5; i++)
        receive_and_ack((char[]){(char)('0' + i), 0});
    receives_nothing();
    close_queue();
}

static void bad_ids(void **state) {
    (void)state;
    char id[RP_DEDUP_ID_MAX + 1] = {0};
    open_queue(1000 * MS, 0);
    assert_int_equal(send_as(id, 0, "x", NULL), -EINVAL);
    assert_int_equal(send_as(id, sizeof id, "x", NULL), -EINVAL);
    assert_int_equal(send_as(NULL, 1, "x", NULL), -EINVAL);
    receives_nothing();
    close_queue();
    open_queue(0, 0);
    assert_int_equal(send_as(id, 1, "x", NULL), -EINVAL);
    assert_non_null(strstr(rp_error_detail(), "no dedup window"));
    close_queue();
}

/* A send that failed leaves no id behind. */
static void a_failed_send_may_be_repeated(void **state) {
    (void)state;
    open_queue(UINT64_C(3600) * 1000 * MS, 0);
    int sent = 0;
    while (rp_send(p, "fill", 5, NULL) == 0)
        sent++;
    assert_int_equal(send_as("a", 1, "late", NULL), RP_FULL);
    for (int i = 0; i < sent; i++)
        receive_and_ack("fill");
    succeeds(send_as("a", 1, "late", NULL));
    assert_int_equal(send_as("a", 1, "late", NULL), RP_DUPLICATE);
    receive_and_ack("late");
    receives_nothing();
    close_queue();
}

/* A full queue knows a duplicate all the same. */
static void a_full_queue_knows_duplicates(void **state) {
    (void)state;
    open_queue(UINT64_C(3600) * 1000 * MS, 0);
    succeeds(send_as("a", 1, "one", NULL));
    while (rp_send(p, "fill", 5, NULL) == 0) {
    }
    assert_int_equal(send_as("a", 1, "one", NULL), RP_DUPLICATE);
    while (rp_queue_purge(q, NULL, RP_STATE_ALL) > 0) {
    }
    close_queue();
}

static void a_window_of_time(void **state) {
    (void)state;
    open_queue(20 * MS, 0);
    succeeds(send_as("a", 1, "one", NULL));
    int64_t end = time_ns() + 60 * MS;
    assert_true(eventually(time_ns() > end));
    succeeds(send_as("a", 1, "two", NULL));
    receive_and_ack("one");
    receive_and_ack("two");
    close_queue();
}

/* The window begins when the message is sent, however long its sender had to wait before. */
static void a_window_from_the_commit(void **state) {
    (void)state;
    struct once once;
    uint32_t cell;
    open_queue(3600 * SECOND, 0);
    assert_int_equal(dedup_ask(&once, &p->actor, "a", 1, 0, NULL), 0);
    assert_true(pool_take(&p->actor.pool, &cell));
    assert_int_equal(dedup_begin(&once, cell, NULL), 0);
    int64_t end = time_ns() + 200 * MS;
    assert_true(eventually(time_ns() > end));
    uint64_t commit_ns = segment_now_ns(&q->segment);
    dedup_end(&once, true);
    pool_give_back(&p->actor.pool, cell);
    struct id_entry entry;
    uint64_t head;
    assert_int_equal(id_table_look(&q->segment, &once.id, &entry, &head), ID_KNOWN);
    assert_true(entry.until_ns >= commit_ns + 3600 * SECOND - 100 * MS); /* by a coarse clock */
    close_queue();
}

/* Sends that come to nothing do not use up the places of ids that are kept. */
static void failed_sends_forget_nothing(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    struct rp_send_options to_lane;
    o.dedup_window_ns = UINT64_C(3600) * 1000 * MS;
    o.capacity = 8;
    o.lanes = 2;
    o.lane_capacity = 1;
    o.max_participants = 1;
    q = make_queue(&o);
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_consumer_open(q, NULL, &c));
    rp_send_options_init(&to_lane, sizeof to_lane);
    to_lane.key = "k";
    to_lane.key_bytes = 1;
    to_lane.dedup_id_bytes = sizeof(int);
    int id = 0, result;
    for (to_lane.dedup_id = &id; (result = rp_send(p, "x", 1, &to_lane)) == 0; id++) {
    }
    assert_int_equal(result, RP_FULL);
    rp_producer *pollers[4] = {p};
    for (int i = 1; i < 4; i++)
        succeeds(rp_producer_open(q, NULL, &pollers[i]));
    for (int i = 0; i < 1000; i++)
        assert_int_equal(rp_send(pollers[i % 4], "x", 1, &to_lane), RP_FULL);
    for (int i = 1; i < 4; i++)
        rp_producer_close(pollers[i]);
    for (int sent = id; sent-- > 0;) {
        id = sent;
        assert_int_equal(rp_send(p, "x", 1, &to_lane), RP_DUPLICATE);
    }
    assert_int_equal(stats_of(q).forgotten_ids, 0);
    while (rp_queue_purge(q, NULL, RP_STATE_ALL) > 0) {
    }
    close_queue();
}

/* More sends than there are cells stopped after their commit, threads of one process: the others hear of it, and lose nothing. */
static void no_place_for_an_id(void **state) {
    (void)state;
    open_queue(UINT64_C(3600) * 1000 * MS, 0);
    uint32_t count = q->segment.layout.known_count, cell;
    struct once *once = calloc(count, sizeof *once);
    assert_non_null(once);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(dedup_ask(&once[i], &p->actor, &i, sizeof i, 0, NULL), 0);
        assert_true(pool_take(&p->actor.pool, &cell));
        assert_int_equal(dedup_begin(&once[i], cell, NULL), 0);
        pool_give_back(&p->actor.pool, cell); /* in life, the one who acked the message */
    }
    assert_int_equal(send_as("a", 1, "x", NULL), RP_FULL);
    assert_non_null(strstr(rp_error_detail(), "places for ids"));
    succeeds(send_text(p, "y"));
    for (uint32_t i = 0; i < count; i++)
        dedup_end(&once[i], i % 2 == 0);
    free(once);
    succeeds(send_as("a", 1, "x", NULL));
    receive_and_ack("y");
    receive_and_ack("x");
    close_queue();
}

/* So many ids are kept as there are entries, and the oldest goes first. */
static void a_window_of_entries(void **state) {
    (void)state;
    open_queue(UINT64_C(3600) * 1000 * MS, 64);
    const int kept = (int)q->segment.layout.known_count;
    assert_int_equal(kept, 64);
    for (int i = 0; i < 1000; i++) {
        succeeds(send_as(&i, sizeof i, "x", NULL));
        receive_and_ack("x");
        for (int k = i >= kept ? i - kept + 1 : 0; k <= i; k++)
            assert_int_equal(send_as(&k, sizeof k, "x", NULL), RP_DUPLICATE);
        if (i >= kept) {
            int gone = i - kept;
            struct sought_id x;
            struct id_entry entry;
            uint64_t head;
            sought_id_make(&x, &gone, sizeof gone);
            assert_int_equal(id_table_look(&q->segment, &x, &entry, &head), ID_UNKNOWN);
        }
    }
    assert_int_equal(stats_of(q).forgotten_ids, 1000 - kept);
    close_queue();
}

/* Several senders in turn have used the table for long: the newest ids are known, as many as there are entries. */
static void a_window_of_many_senders(void **state) {
    (void)state;
    enum { SENDERS = 5, ENTRIES = 1024, SENDS = 5 * ENTRIES };
    rp_producer *senders[SENDERS];
    open_queue(UINT64_C(3600) * 1000 * MS, ENTRIES);
    for (int i = 0; i < SENDERS; i++)
        succeeds(rp_producer_open(q, NULL, &senders[i]));
    for (int i = 0; i < SENDS; i++) {
        struct rp_send_options o;
        rp_send_options_init(&o, sizeof o);
        o.dedup_id = &i;
        o.dedup_id_bytes = sizeof i;
        succeeds(rp_send(senders[i % SENDERS], "x", 1, &o));
        receive_and_ack("x");
    }
    for (int i = SENDS - ENTRIES; i < SENDS; i++)
        assert_int_equal(send_as(&i, sizeof i, "x", NULL), RP_DUPLICATE);
    for (int i = 0; i < SENDERS; i++)
        rp_producer_close(senders[i]);
    close_queue();
}

static void audit_says(const char *text) {
    struct rp_audit a;
    succeeds(rp_queue_audit(q, &a));
    assert_true(a.violations > 0);
    if (strstr(a.first, text) == NULL) {
        print_error("the audit says '%s'\n", a.first);
        assert_non_null(strstr(a.first, text));
    }
}

/* What cannot be is told, and a send that meets it says so. */
static void damage(void **state) {
    (void)state;
    open_queue(UINT64_C(3600) * 1000 * MS, 64);
    for (int i = 0; i < 5; i++)
        succeeds(send_as(&i, sizeof i, "x", NULL));
    struct rp_audit audit;
    succeeds(rp_queue_audit(q, &audit));
    assert_int_equal(audit.violations, 0);
    struct known_id *e = &q->segment.known_ids[2];
    uint64_t word = load_relaxed(&e->word, own), next = load_relaxed(&e->next, own), until = load_relaxed(&e->until_ns, own);
    store_relaxed(&e->word, id_word(7, NOBODY, id_generation(word)), init);
    audit_says("unknown state 7");
    store_relaxed(&e->word, id_word(ID_COMMITTED, 0, id_generation(word)), init);
    audit_says("seat 0's");
    store_relaxed(&e->word, id_word(ID_PENDING, 7, id_generation(word)), init);
    audit_says("which nobody has");
    store_relaxed(&e->word, id_word(ID_COMMITTED, NOBODY, id_generation(word) + 1), init);
    audit_says("another's");
    store_relaxed(&e->word, word, init);
    store_relaxed(&e->until_ns, id_undecided(word), init);
    audit_says("how long");
    store_relaxed(&e->until_ns, until, init);
    store_relaxed(&e->next, id_link_make(id_generation(word), id_generation(word), 2 + 1), init); /* a circle */
    audit_says("already");
    int id = 2;
    uint64_t hash = load_relaxed(&e->hash, own);
    store_relaxed(&e->hash, hash ^ UINT64_C(1) << 63, init); /* the same bucket, another id: the walk does not end at it */
    assert_int_equal(send_as(&id, sizeof id, "x", NULL), RP_CORRUPT);
    store_relaxed(&e->hash, hash, init);
    store_relaxed(&e->next, id_link_make(id_generation(word), 0, 9999), init);
    audit_says("which is none");
    store_relaxed(&e->next, next, init);
    a64 *head = &q->segment.known_heads[id_bucket(&q->segment, hash)];
    uint64_t first = load_relaxed(head, own);
    store_relaxed(head, 0, init);
    audit_says("in no chain");
    store_relaxed(head, first, init);
    for (int i = 0; i < 5; i++)
        receive_and_ack("x");
    close_queue();
}

static void loans_and_delays(void **state) {
    (void)state;
    struct rp_send_options o;
    struct rp_loan loan;
    open_queue(UINT64_C(3600) * 1000 * MS, 0);
    rp_send_options_init(&o, sizeof o);
    o.dedup_id = "a";
    o.dedup_id_bytes = 1;
    succeeds(rp_loan(p, 4, &loan));
    memcpy(loan.data, "one", 4);
    succeeds(rp_commit(p, &loan, &o));
    succeeds(rp_loan(p, 4, &loan));
    assert_int_equal(rp_commit(p, &loan, &o), RP_DUPLICATE);
    succeeds(rp_abandon(p, &loan)); /* it is open as before */
    o.dedup_id = "b";
    o.delay_ns = 2 * MS;
    succeeds(rp_send(p, "two", 4, &o));
    assert_int_equal(rp_send(p, "two", 4, &o), RP_DUPLICATE);
    receive_and_ack("one");
    struct rp_message m;
    succeeds(rp_receive(c, &m, -1));
    assert_string_equal(m.data, "two");
    succeeds(rp_ack(c, &m));
    receives_nothing();
    close_queue();
}

static void batches(void **state) {
    (void)state;
    open_queue(UINT64_C(3600) * 1000 * MS, 0);
    struct rp_send_options o[3];
    struct rp_send_item items[3] = {0};
    for (int i = 0; i < 3; i++) {
        rp_send_options_init(&o[i], sizeof o[i]);
        o[i].dedup_id = i == 1 ? "same" : i == 0 ? "same" : "other";
        o[i].dedup_id_bytes = strlen(o[i].dedup_id);
        items[i] = (struct rp_send_item){.data = (const char *[]){"1", "2", "3"}[i], .bytes = 2, .options = &o[i]};
    }
    assert_int_equal(rp_send_batch(p, items, 3), 3); /* what was sent before is as good as sent */
    assert_int_equal(items[1].id, items[0].id);
    receive_and_ack("1");
    receive_and_ack("3");
    receives_nothing();
    close_queue();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(once),
        TEST(ids_are_bytes),
        TEST(bad_ids),
        TEST(a_failed_send_may_be_repeated),
        TEST(a_full_queue_knows_duplicates),
        TEST(a_window_of_time),
        TEST(a_window_from_the_commit),
        TEST(failed_sends_forget_nothing),
        TEST(no_place_for_an_id),
        TEST(a_window_of_entries),
        TEST(a_window_of_many_senders),
        TEST(damage),
        TEST(loans_and_delays),
        TEST(batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
