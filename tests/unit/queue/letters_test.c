/* SPDX-License-Identifier: MIT */
/* Dead letters: which are chosen, in what order they go where, and that nothing fills up however often they do. */
#include "delivery.h"

#include "fixture.h"
#include "lookup.h"
#include "notes.h"

static rp_queue *q;
static rp_producer *p;
static rp_consumer *c;
static struct rp_message m;

static void open_queue(uint32_t capacity, uint32_t dead_capacity) {
    struct rp_queue_options o = test_options();
    o.capacity = capacity;
    o.dead_capacity = dead_capacity;
    o.max_participants = 4;
    q = make_queue(&o);
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_consumer_open(q, NULL, &c));
}

static void close_queue(void) {
    rp_producer_close(p);
    rp_consumer_close(c);
    audit_is_clean(q);
    drop_queue(q);
}

/* Sends a message that is rejected for this. -> its id */
static uint64_t letter(const char *text) {
    succeeds(send_text(p, "work"));
    succeeds(rp_receive(c, &m, 0));
    uint64_t id = m.id;
    succeeds(rp_reject(c, &m, text));
    return id;
}

static struct rp_redrive_options options(void) {
    struct rp_redrive_options o;
    rp_redrive_options_init(&o, sizeof o);
    return o;
}

static int count(struct rp_redrive_options o) {
    int listed = 0;
    struct rp_dead_letter d;
    for (uint64_t after = 0; rp_dead_next(q, NULL, &o, after, &d, NULL, 0) == 0; after = d.id)
        listed++;
    o.dry_run = 1;
    int said = rp_dead_redrive(q, NULL, &o);
    assert_int_equal(said == -ENOENT ? 0 : said, listed); /* both choose the same */
    assert_int_equal(rp_dead_purge(q, NULL, &o), said);
    return listed;
}

/* It died so long ago. */
static void age(uint64_t id, uint64_t age_ms) {
    struct found f;
    const struct known_group known = group_known(&q->segment, 0);
    assert_true(lookup_next(q, &known, RP_STATE_DEAD, id - 1, &f) && f.id == id);
    uint64_t died = stamp(delivery_hold(f.delivery), segment_now_ms(&q->segment) - age_ms);
    store_release(&segment_delivery(&q->segment, 0, f.cell)->last_failed, died, note);
}

static void which_are_chosen(void **state) {
    (void)state;
    open_queue(16, 16);
    uint64_t first = letter("no such mailbox"), second = letter("disk full");
    (void)letter("disk on fire");
    struct rp_redrive_options o = options();
    assert_int_equal(count(o), 3);
    o.text = "disk";
    assert_int_equal(count(o), 2);
    o.text = "disk f";
    assert_int_equal(count(o), 1);
    o.text = "";
    assert_int_equal(count(o), 3);
    o.text = "nothing";
    assert_int_equal(count(o), 0);

    o = options();
    o.reasons = RP_DEAD_REJECTED | RP_DEAD_EXPIRED;
    assert_int_equal(count(o), 3);
    o.reasons = RP_DEAD_MAX_DELIVERIES | RP_DEAD_CORRUPT;
    assert_int_equal(count(o), 0);

    o = options();
    o.after_id = first;
    assert_int_equal(count(o), 2);
    o.after_id = second + 1;
    assert_int_equal(count(o), 0);
    o = options();
    o.id = second;
    assert_int_equal(count(o), 1);
    o.text = "disk full";
    assert_int_equal(count(o), 1);
    o.text = "mailbox";
    assert_int_equal(count(o), 0);

    o = options();
    o.key = "k";
    o.key_bytes = 1;
    assert_int_equal(count(o), 0); /* none has a key */
    o.key = NULL;
    assert_int_equal(rp_dead_redrive(q, NULL, &o), -EINVAL);
    o.key = "k";
    o.key_bytes = RP_KEY_MAX + 1;
    assert_int_equal(rp_dead_redrive(q, NULL, &o), -EINVAL);

    o = options();
    q->segment.epoch_boot_ns -= 7200 * UINT64_C(1000000000); /* this handle's idea of now: they all died two hours ago */
    age(first, 3600000);
    o.min_age_ns = 1800 * (uint64_t)SECOND;
    o.max_age_ns = 5400 * (uint64_t)SECOND;
    assert_int_equal(count(o), 1);
    o.max_age_ns = 0;
    assert_int_equal(count(o), 3);
    o.min_age_ns = 0;
    o.max_age_ns = 5400 * (uint64_t)SECOND;
    assert_int_equal(count(o), 1);
    q->segment.epoch_boot_ns += 7200 * UINT64_C(1000000000);
    assert_int_equal(rp_dead_purge(q, NULL, NULL), 3);
    close_queue();
}

static void not_there_and_held_are_two_things(void **state) {
    (void)state;
    open_queue(16, 16);
    uint64_t id = letter("no");
    struct rp_redrive_options o = options();
    o.id = id;
    o.reasons = RP_DEAD_MAX_DELIVERIES;
    assert_int_equal(rp_dead_redrive(q, NULL, &o), -ENOENT); /* it died of something else */
    assert_int_equal(rp_dead_purge(q, NULL, &o), -ENOENT);
    o.reasons = 0;
    o.id = id + 1;
    assert_int_equal(rp_dead_redrive(q, NULL, &o), -ENOENT);
    o.id = id;
    struct found f;
    const struct known_group known = group_known(&q->segment, 0);
    assert_true(lookup_next(q, &known, RP_STATE_DEAD, 0, &f));
    struct viewers v = {.seats = {1, 2, 3}, .count = 3};
    store_release(delivery_at(&q->segment, 0, f.cell), delivery_with(DELIVERY_DEAD, &v, delivery_hold(f.delivery)), delivery);
    assert_int_equal(rp_dead_redrive(q, NULL, &o), RP_IN_USE);
    o.dry_run = 1;
    assert_int_equal(rp_dead_redrive(q, NULL, &o), RP_IN_USE);
    assert_int_equal(rp_dead_redrive(q, NULL, NULL), 0); /* passed over */
    v.count = 0;
    store_release(delivery_at(&q->segment, 0, f.cell), delivery_with(DELIVERY_DEAD, &v, delivery_hold(f.delivery)), delivery);
    o.dry_run = 0;
    assert_int_equal(rp_dead_redrive(q, NULL, &o), 1);
    assert_int_equal(rp_dead_redrive(q, NULL, &o), -ENOENT);
    close_queue();
}

/* A crowd that died in any order becomes ready in that of the ids. */
static void redriven_in_order_of_ids(void **state) {
    (void)state;
    enum { CROWD = 1000 };
    static struct rp_message held[CROWD];
    open_queue(CROWD, CROWD);
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < CROWD; i++)
            succeeds(send_text(p, "work"));
        for (unsigned i = 0; i < CROWD; i++)
            succeeds(rp_receive(c, &held[i], 0));
        for (unsigned i = 0; i < CROWD; i++) /* 617 and 1000 have no common factor */
            succeeds(rp_reject(c, &held[i * 617 % CROWD], "no"));
        struct rp_redrive_options o = options();
        o.limit = CROWD / 3;
        uint64_t before = 0;
        for (int left = CROWD; left > 0;) {
            int redriven = rp_dead_redrive(q, NULL, &o);
            assert_true(redriven > 0);
            left -= redriven;
            for (int i = 0; i < redriven; i++) {
                succeeds(rp_receive(c, &m, 0));
                assert_true(m.id > before);
                before = m.id;
                succeeds(rp_ack(c, &m));
            }
            assert_int_equal(rp_receive(c, &m, 0), RP_EMPTY);
        }
    }
    close_queue();
}

static void sent_to_another_queue(void **state) {
    (void)state;
    open_queue(64, 64); /* as many texts are kept as dead letters: room enough that none is lost */
    char name[80];
    snprintf(name, sizeof name, "%s.to", queue_name);
    struct rp_queue_options small = test_options();
    small.capacity = 2;
    small.max_participants = 1;
    rp_queue *to;
    rp_producer *tp, *self;
    rp_consumer *tc;
    rp_queue_unlink(name);
    succeeds(rp_queue_create(name, &small, &to));
    succeeds(rp_producer_open(to, NULL, &tp));
    succeeds(rp_consumer_open(to, NULL, &tc));
    for (int i = 0; i < 12; i++)
        (void)letter(i % 2 ? "odd" : "even");
    struct rp_redrive_options o = options();
    succeeds(rp_producer_open(q, NULL, &self));
    o.to = self;
    assert_int_equal(rp_dead_redrive(q, NULL, &o), -EINVAL); /* would never end */
    rp_producer_close(self);
    o.to = tp;
    assert_int_equal(rp_dead_purge(q, NULL, &o), -EINVAL);
    o.text = "odd";
    o.dry_run = 1;
    assert_int_equal(rp_dead_redrive(q, NULL, &o), 6);
    assert_int_equal(rp_receive(tc, &m, 0), RP_EMPTY);
    o.dry_run = 0;
    assert_int_equal(rp_dead_redrive(q, NULL, &o), 6);
    assert_int_equal(stats_of(q).dead, 6);
    o.text = NULL;
    assert_int_equal(rp_dead_redrive(q, NULL, &o), 4); /* ten fit */
    assert_int_equal(rp_dead_redrive(q, NULL, &o), RP_FULL);
    assert_int_equal(stats_of(q).dead, 2);
    uint64_t before = 0;
    for (int i = 0; i < 10; i++) {
        succeeds(rp_receive(tc, &m, 0));
        assert_true(says(&m, "work"));
        assert_int_equal(m.acquisitions, 1);
        assert_true(m.id > before);
        before = m.id;
        succeeds(rp_ack(tc, &m));
    }
    assert_int_equal(rp_dead_redrive(q, NULL, &o), 2);
    assert_int_equal(rp_dead_redrive(q, NULL, &o), 0);
    assert_int_equal(stats_of(q).redriven, 12);
    rp_producer_close(tp);
    rp_consumer_close(tc);
    audit_is_clean(to);
    succeeds(rp_queue_close(to));
    succeeds(rp_queue_unlink(name));
    close_queue();
}

static void too_long_for_another_queue(void **state) {
    (void)state;
    open_queue(16, 16);
    char name[80];
    snprintf(name, sizeof name, "%s.to", queue_name);
    struct rp_queue_options small = test_options();
    small.message_bytes = 3;
    rp_queue *to;
    rp_producer *tp;
    rp_queue_unlink(name);
    succeeds(rp_queue_create(name, &small, &to));
    succeeds(rp_producer_open(to, NULL, &tp));
    (void)letter("long");
    struct rp_redrive_options o = options();
    o.to = tp;
    assert_int_equal(rp_dead_redrive(q, NULL, &o), RP_TOO_BIG);
    assert_int_equal(stats_of(q).dead, 1);
    rp_producer_close(tp);
    succeeds(rp_queue_close(to));
    succeeds(rp_queue_unlink(name));
    close_queue();
}

/* A queue without a group takes messages and forgets them: letters are not for that. */
static void nobody_there_to_read_them(void **state) {
    (void)state;
    open_queue(16, 16);
    char name[80];
    snprintf(name, sizeof name, "%s.to", queue_name);
    struct rp_queue_options empty = test_options();
    rp_queue *to;
    rp_producer *tp;
    rp_queue_unlink(name);
    succeeds(rp_queue_create(name, &empty, &to));
    succeeds(rp_producer_open(to, NULL, &tp));
    succeeds(rp_group_remove(to, "default"));
    (void)letter("unread");
    struct rp_redrive_options o = options();
    o.to = tp;
    assert_int_equal(rp_dead_redrive(q, NULL, &o), -EINVAL);
    assert_int_equal(stats_of(q).dead, 1);
    assert_int_equal(stats_of(q).redriven, 0);
    succeeds(rp_group_create(to, "somebody", NULL));
    assert_int_equal(rp_dead_redrive(q, NULL, &o), 1);
    rp_producer_close(tp);
    succeeds(rp_queue_close(to));
    succeeds(rp_queue_unlink(name));
    close_queue();
}

/* Who buried it was killed before he could say so: the sweep writes down that it is dead, so that it has an age. */
static void a_death_that_was_not_written_down(void **state) {
    (void)state;
    open_queue(16, 16);
    (void)letter("no");
    struct found f;
    const struct known_group known = group_known(&q->segment, 0);
    assert_true(lookup_next(q, &known, RP_STATE_DEAD, 0, &f));
    struct delivery *note = segment_delivery(&q->segment, 0, f.cell);
    store_release(&note->holder, 0, note);
    store_release(&note->last_failed, 0, note);
    struct rp_redrive_options o = options();
    o.max_age_ns = (uint64_t)(3600 * SECOND);
    assert_int_equal(count(o), 0);
    assert_int_equal(rp_queue_sweep(q), 1);
    assert_int_equal(rp_queue_sweep(q), 0);
    assert_int_equal(count(o), 1);
    o.reasons = RP_DEAD_UNKNOWN;
    assert_int_equal(count(o), 1);
    close_queue();
}

/* A list that is gone through while it changes: each once, in order, and what is not there any more is passed over. */
static void a_list_that_changes(void **state) {
    (void)state;
    enum { LETTERS = 200 };
    open_queue(LETTERS, LETTERS);
    uint64_t ids[LETTERS];
    for (int i = 0; i < LETTERS; i++)
        ids[i] = letter("no");
    struct rp_dead_letter d = {.id = 0};
    struct rp_peeked peeked;
    struct rp_redrive_options o = options();
    int seen = 0;
    while (rp_dead_peek(q, NULL, d.id, &d, NULL, 0) == 0) {
        assert_int_equal(d.id, ids[seen]);
        if (seen % 10 == 9) { /* something else in between */
            succeeds(rp_peek(q, NULL, RP_STATE_DEAD, 0, &peeked, NULL, 0));
            assert_int_equal(peeked.id, ids[seen % 20 == 19 ? 1 : 0]);
        }
        if (seen == 15) {
            o.id = ids[0];
            assert_int_equal(rp_dead_purge(q, NULL, &o), 1);
            o.id = ids[17]; /* ahead: its cell is used again by one that is not dead */
            assert_int_equal(rp_dead_purge(q, NULL, &o), 1);
            succeeds(send_text(p, "other"));
            ids[17] = ids[18];
            memmove(&ids[18], &ids[19], (LETTERS - 19) * sizeof ids[0]);
            ids[0] = ids[1];
        }
        seen++;
    }
    assert_int_equal(seen, LETTERS - 1);
    (void)letter("last"); /* "other" */
    assert_int_equal(rp_dead_peek(q, NULL, d.id, &d, NULL, 0), 0);
    assert_int_equal(rp_dead_peek(q, NULL, d.id, &d, NULL, 0), RP_EMPTY);
    close_queue();
}

/* Partial redrive and purge in any order, for ever. */
static void a_million_of_anything(void **state) {
    (void)state;
    enum { OPERATIONS = 1000000, CAPACITY = 32, HELD = 8 };
    open_queue(CAPACITY, 5);
    static struct rp_message held[HELD];
    unsigned held_count = 0;
    uint64_t random = 88172645463325252, sent = 0, acked = 0;
    for (unsigned i = 0; i < OPERATIONS; i++) {
        uint64_t r = random_next(&random) >> 8;
        unsigned pick = held_count > 0 ? (unsigned)(r >> 8) % held_count : 0;
        struct rp_redrive_options o = options();
        struct rp_nack_options n;
        struct rp_dead_letter d;
        int result = 0;
        o.limit = 1 + (r >> 16) % 3;
        if ((r >> 20) % 4 == 0 && rp_dead_peek(q, NULL, 0, &d, NULL, 0) == 0)
            o.id = d.id;
        switch (r % 16) {
        case 0:
        case 1:
        case 2:
        case 3: sent += rp_send(p, &i, sizeof i, NULL) == 0; break;
        case 4:
        case 5:
        case 6:
        case 7:
            if (held_count < HELD && rp_receive(c, &held[held_count], 0) == 0)
                held_count++;
            break;
        case 8: result = rp_dead_redrive(q, NULL, &o); break;
        case 9: result = rp_dead_purge(q, NULL, &o); break;
        case 10:
            if (held_count > 0)
                result = rp_ack(c, &held[pick]), acked++;
            break;
        case 11:
            rp_nack_options_init(&n, sizeof n);
            n.charge = (uint32_t)(r >> 24) & 1;
            if (held_count > 0)
                result = rp_nack(c, &held[pick], &n);
            break;
        default:
            if (held_count > 0)
                result = rp_reject(c, &held[pick], i % 2 ? "no" : NULL);
        }
        assert_true(result >= 0 || (result == -ENOENT && o.id != 0));
        if (r % 16 >= 10 && held_count > 0)
            held[pick] = held[--held_count];
        if (i % 100000 == 0)
            succeeds(rp_queue_sweep(q));
    }
    while (held_count > 0)
        succeeds(rp_ack(c, &held[--held_count])), acked++;
    struct rp_queue_stats s = stats_of(q);
    assert_true(s.dead <= 5);
    assert_int_equal(sent, acked + s.purged + s.dead_dropped + s.ready + s.dead); /* nothing lost, nothing twice */
    assert_true(s.redriven > 10000 && s.purged > 10000 && s.dead_dropped > 10000);
    succeeds(rp_queue_sweep(q));
    succeeds(rp_dead_purge(q, NULL, NULL));
    while (stats_of(q).ready > 0) { /* more may be ready than the ring has room for: the sweep brings the rest */
        while (rp_receive(c, &m, 0) == 0)
            succeeds(rp_ack(c, &m));
        succeeds(rp_queue_sweep(q));
    }
    assert_int_equal(stats_of(q).free_cells, stats_of(q).cells);
    close_queue();
}

static uint64_t keyed_letter(const char *key) {
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    o.key = key;
    o.key_bytes = strlen(key);
    succeeds(rp_send(p, key, strlen(key) + 1, &o));
    succeeds(rp_receive(c, &m, 0));
    succeeds(rp_reject(c, &m, "no"));
    return m.id;
}

/* Chosen by key, and received again when the others of its key have moved on. */
static void keyed_letters(void **state) {
    (void)state;
    struct rp_queue_options qo = test_options();
    qo.lanes = 4;
    qo.dead_capacity = 16;
    q = make_queue(&qo);
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_consumer_open(q, NULL, &c));
    (void)keyed_letter("ann");
    (void)keyed_letter("bob");
    (void)keyed_letter("ann");
    struct rp_redrive_options o = options();
    o.key = "ann";
    o.key_bytes = 3;
    assert_int_equal(count(o), 2);
    o.key = "an";
    o.key_bytes = 2;
    assert_int_equal(count(o), 0);
    o.key = "bob";
    o.key_bytes = 3;
    assert_int_equal(rp_dead_redrive(q, NULL, &o), 1);
    succeeds(rp_receive(c, &m, 0));
    assert_true(says(&m, "bob"));
    succeeds(rp_ack(c, &m));
    assert_int_equal(rp_dead_redrive(q, NULL, NULL), 2);
    for (int i = 0; i < 2; i++) {
        succeeds(rp_receive(c, &m, 0));
        assert_true(says(&m, "ann"));
        succeeds(rp_ack(c, &m));
    }
    close_queue();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(which_are_chosen),
        TEST(not_there_and_held_are_two_things),
        TEST(redriven_in_order_of_ids),
        TEST(sent_to_another_queue),
        TEST(too_long_for_another_queue),
        TEST(nobody_there_to_read_them),
        TEST(a_death_that_was_not_written_down),
        TEST(keyed_letters),
        TEST(a_list_that_changes),
        TEST(a_million_of_anything),
    };
    return cmocka_run_group_tests_name("letters", tests, NULL, NULL);
}
