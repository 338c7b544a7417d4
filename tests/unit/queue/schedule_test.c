/* SPDX-License-Identifier: MIT */
/* Delayed sends: when they come, in what order, what others see of them meanwhile, and how they are taken back. */
#include "schedule.h"

#include "fixture.h"

/* The library's looks at its clocks come through here (--wrap): every third one at the wall clock is interrupted before and after it. */
enum { INTERRUPTION_NS = 1000000 };
static bool interrupting;
uint64_t __real_clock_wall_ns(void);
uint64_t __wrap_clock_wall_ns(void);
uint64_t __wrap_clock_wall_ns(void) {
    static unsigned looks;
    bool interrupted = interrupting && ++looks % 3 == 0;
    if (interrupted)
        nanosleep(&(struct timespec){.tv_nsec = INTERRUPTION_NS}, NULL);
    uint64_t now_ns = __real_clock_wall_ns();
    if (interrupted)
        nanosleep(&(struct timespec){.tv_nsec = INTERRUPTION_NS}, NULL);
    return now_ns;
}

static struct rp_queue *q;
static rp_producer *p;
static rp_consumer *c;

static void open_with(const struct rp_queue_options *o) {
    q = make_queue(o);
    succeeds(rp_producer_open(q, NULL, &p));
    succeeds(rp_consumer_open(q, NULL, &c));
}

static void open_queue(void) {
    struct rp_queue_options o = test_options();
    open_with(&o);
}

static void close_queue(void) {
    rp_producer_close(p);
    rp_consumer_close(c);
    audit_is_clean(q);
    drop_queue(q);
}

static uint64_t wall_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static struct rp_send_options with_delay(uint64_t delay_ns, uint64_t *id) {
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    o.delay_ns = delay_ns;
    o.id_out = id;
    return o;
}

static uint64_t send_delayed(const char *text, uint64_t delay_ns) {
    uint64_t id = 0;
    struct rp_send_options o = with_delay(delay_ns, &id);
    succeeds(rp_send(p, text, strlen(text) + 1, &o));
    return id;
}

static uint64_t send_at(const char *text, uint64_t at_ns) {
    uint64_t id = 0;
    struct rp_send_options o = with_delay(0, &id);
    o.at_ns = at_ns;
    succeeds(rp_send(p, text, strlen(text) + 1, &o));
    return id;
}

static void receives(const char *text) {
    struct rp_message m;
    succeeds(rp_receive(c, &m, 20 * SECOND));
    assert_string_equal(m.data, text);
    succeeds(rp_ack(c, &m));
}

static void receives_nothing(void) {
    struct rp_message m;
    assert_int_equal(rp_receive(c, &m, 0), RP_EMPTY);
}

static uint32_t cell_of(uint64_t id) {
    for (uint32_t i = 0; i < q->segment.layout.cell_count; i++)
        if (segment_cell(&q->segment, i)->id == id)
            return i;
    return NO_CELL;
}

#define HOUR (3600 * SECOND)

static void never_early(void **state) {
    (void)state;
    static const uint64_t delays[] = {1, 1000, 20000, 300000, 1000000, 7000000, 30000000, 120000000};
    open_queue();
    for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++) {
        int64_t start = time_ns();
        send_delayed("x", delays[i]);
        receives("x");
        assert_true(time_ns() - start >= (int64_t)delays[i]);
    }
    close_queue();
}

/* False: it took so long to send them that some may have been due already, in another order. */
static bool comes_in_order_of_time(uint64_t unit_ns) {
    struct rp_message m;
    int64_t start = time_ns();
    send_delayed("third", 3 * unit_ns);
    send_delayed("first", unit_ns);
    send_delayed("second", 2 * unit_ns);
    succeeds(send_text(p, "now"));
    receives("now");
    int result = rp_receive(c, &m, 0);
    if (time_ns() - start >= (int64_t)unit_ns)
        return false;
    assert_int_equal(result, RP_EMPTY);
    receives("first");
    receives("second");
    receives("third");
    return true;
}

static void in_order_of_time_not_of_sending(void **state) {
    (void)state;
    bool in_time = false;
    for (uint64_t unit_ns = 20 * MS; !in_time; unit_ns *= 2) {
        open_queue();
        in_time = comes_in_order_of_time(unit_ns);
        close_queue();
    }
}

static void receives_in_order_of_ids(int count) {
    uint64_t last = 0;
    for (int i = 0; i < count; i++) {
        struct rp_message m;
        succeeds(rp_receive(c, &m, 20 * SECOND));
        assert_true(m.id > last);
        last = m.id;
        succeeds(rp_ack(c, &m));
    }
}

/* All due at once: in the order in which they were sent. */
static void equal_times_in_order_of_ids(void **state) {
    (void)state;
    enum { MESSAGES = 400 }; /* as many as are put in order at a time */
    struct rp_queue_options o = test_options();
    o.capacity = MESSAGES;
    open_with(&o);
    /* So that cells are not in the order of ids. */
    for (int i = 0; i < MESSAGES; i++)
        succeeds(send_text(p, "x"));
    struct rp_message held[MESSAGES];
    for (int i = 0; i < MESSAGES; i++)
        succeeds(rp_receive(c, &held[i], 0));
    for (int i = 0; i < MESSAGES; i++)
        succeeds(rp_ack(c, &held[i * 1237 % MESSAGES]));
    uint64_t at = wall_ns() + 2 * SECOND; /* all are sent before, also on a busy machine */
    for (int i = 0; i < MESSAGES; i++)
        send_at("y", at);
    receives_in_order_of_ids(MESSAGES);
    close_queue();
}

/* The same, where sender and receiver are interrupted between their looks at the two clocks: what was recorded of the clocks counts. */
static void equal_times_of_the_interrupted(void **state) {
    (void)state;
    enum { MESSAGES = 60 };
    struct rp_queue_options o = test_options();
    o.capacity = MESSAGES;
    open_with(&o);
    uint64_t at = wall_ns() + 2 * SECOND, known = load_relaxed(&q->segment.control->wall_ahead_ns, own);
    interrupting = true;
    uint64_t timer = timers_of(&p->actor.timers, cell_of(send_at("y", at)));
    for (int i = 1; i < MESSAGES; i++)
        assert_int_equal(timers_of(&p->actor.timers, cell_of(send_at("y", at))), timer);
    receives_in_order_of_ids(MESSAGES);
    for (int i = 0; i < 10; i++)
        schedule_follow_clock(&c->actor);
    interrupting = false;
    assert_int_equal(load_relaxed(&q->segment.control->wall_ahead_ns, own), known); /* nobody took it for a clock that was set */
    close_queue();
}

static void what_others_see(void **state) {
    (void)state;
    open_queue();
    uint64_t before = wall_ns(), id = send_delayed("later", 90 * 24 * (uint64_t)HOUR);
    receives_nothing();
    struct rp_queue_stats s = stats_of(q);
    assert_int_equal(s.delayed, 1);
    assert_int_equal(s.ready, 0);
    assert_int_equal(s.scheduled, 1);
    assert_int_equal(s.sent, 1);
    struct rp_peeked peeked;
    char buffer[16];
    succeeds(rp_peek(q, NULL, RP_STATE_ALL, 0, &peeked, buffer, sizeof buffer));
    assert_int_equal(peeked.id, id);
    assert_int_equal(peeked.state, RP_STATE_DELAYED);
    assert_int_equal(peeked.deliveries, 0);
    assert_string_equal(buffer, "later");
    assert_true(peeked.due_ns > before + 90 * 24 * (uint64_t)HOUR - (uint64_t)SECOND);
    assert_true(peeked.due_ns < wall_ns() + 90 * 24 * (uint64_t)HOUR + (uint64_t)SECOND);
    succeeds(rp_queue_sweep(q));
    audit_is_clean(q);
    assert_int_equal(rp_queue_purge(q, NULL, RP_STATE_READY | RP_STATE_LEASED | RP_STATE_DEAD), 0);
    assert_int_equal(rp_queue_purge(q, NULL, RP_STATE_DELAYED), 1);
    assert_int_equal(stats_of(q).delayed, 0);
    close_queue();
}

static void as_many_as_the_queue_holds(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.max_participants = 1;
    open_with(&o);
    int sent = 0, result;
    struct rp_send_options s = with_delay(50 * MS, NULL);
    while ((result = rp_send(p, &sent, sizeof sent, &s)) == 0)
        sent++;
    assert_int_equal(result, RP_FULL);
    assert_true(sent >= 16 && sent <= 24);
    for (int i = 0; i < sent; i++) {
        struct rp_message m;
        succeeds(rp_receive(c, &m, 20 * SECOND));
        assert_int_equal(*(const int *)m.data, i);
        succeeds(rp_ack(c, &m));
    }
    close_queue();
}

static void options_that_cannot_be(void **state) {
    (void)state;
    open_queue();
    struct rp_send_options o = with_delay(1, NULL);
    o.at_ns = 1;
    assert_int_equal(rp_send(p, "x", 1, &o), -EINVAL);
    o = with_delay(UINT64_MAX, NULL);
    assert_int_equal(rp_send(p, "x", 1, &o), -EINVAL);
    o = with_delay(0, NULL);
    o.at_ns = UINT64_MAX;
    assert_int_equal(rp_send(p, "x", 1, &o), -EINVAL);
    o = with_delay(0, NULL);
    o.ttl_ns = INT64_MAX;
    assert_int_equal(rp_send(p, "x", 1, &o), -EINVAL);
    o.ttl_ns = -2;
    assert_int_equal(rp_send(p, "x", 1, &o), -EINVAL);
    assert_int_equal(stats_of(q).sent, 0);
    close_queue();
}

/* ---- wall-clock times ---- */

static void at_a_time(void **state) {
    (void)state;
    open_queue();
    uint64_t at = wall_ns() + 30000000;
    send_at("then", at);
    send_at("long ago", at - (uint64_t)HOUR);
    receives("long ago");
    receives("then");
    assert_true(wall_ns() >= at);
    close_queue();
}

/* The clock cannot be set here; so the message's time is, and what the queue believes of the clock, which is the same. */
static void set_clock_forward(uint64_t id, int64_t by_ns) {
    struct extra *extra = segment_extra(&q->segment, cell_of(id));
    store_relaxed(&extra->due_ns, load_relaxed(&extra->due_ns, own) - (uint64_t)by_ns, own);
    a64 *known = &q->segment.control->wall_ahead_ns;
    store_relaxed(known, load_relaxed(known, own) - (uint64_t)by_ns, own);
}

static void follows_the_clock_forward(void **state) {
    (void)state;
    open_queue();
    uint64_t id = send_at("lunch", wall_ns() + 2 * (uint64_t)HOUR);
    receives_nothing();
    set_clock_forward(id, 2 * HOUR);
    receives("lunch");
    close_queue();
}

static void follows_the_clock_back(void **state) {
    (void)state;
    open_queue();
    uint64_t id = send_at("lunch", wall_ns() + 20000000);
    set_clock_forward(id, -2 * HOUR);
    struct rp_message m;
    assert_int_equal(rp_receive(c, &m, 100 * MS), RP_EMPTY);
    assert_true(timers_of(&c->actor.timers, cell_of(id)) > segment_now_ns(&q->segment) + (uint64_t)HOUR);
    assert_int_equal(timers_of(&c->actor.timers, cell_of(id)) & ~UINT64_C(0xfff), timers_next(&c->actor.timers) & ~UINT64_C(0xfff));
    assert_int_equal(rp_queue_cancel(q, id), 0);
    close_queue();
}

/* ---- taking back ---- */

static void cancel_what_waits(void **state) {
    (void)state;
    open_queue();
    uint64_t id = send_delayed("never", 20 * MS), other = send_delayed("still", 20 * MS);
    assert_int_equal(rp_queue_cancel(q, id), 0);
    assert_int_equal(rp_queue_cancel(q, id), -ENOENT);
    receives("still");
    assert_int_equal(rp_queue_cancel(q, other), -ENOENT);
    receives_nothing();
    assert_int_equal(stats_of(q).cancelled, 1);
    close_queue();
}

static void cancel_what_is_ready(void **state) {
    (void)state;
    open_queue();
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    uint64_t ids[3];
    for (int i = 0; i < 3; i++) {
        o.id_out = &ids[i];
        succeeds(rp_send(p, &"abc"[i], 1, &o));
    }
    struct rp_message m;
    succeeds(rp_receive(c, &m, 0));
    assert_int_equal(rp_queue_cancel(q, ids[0]), RP_IN_USE);
    assert_int_equal(rp_queue_cancel(q, ids[1]), 0);
    struct rp_nack_options later;
    rp_nack_options_init(&later, sizeof later);
    later.delay_ns = 10 * SECOND;
    succeeds(rp_nack(c, &m, &later));
    assert_int_equal(rp_queue_cancel(q, ids[0]), 0); /* failed once, waits: nobody holds it */
    succeeds(rp_receive(c, &m, 0));
    assert_int_equal(m.id, ids[2]);
    succeeds(rp_reject(c, &m, "no"));
    assert_int_equal(rp_queue_cancel(q, ids[2]), -ENOENT); /* a dead letter is not ready */
    assert_int_equal(stats_of(q).cancelled, 2);
    assert_int_equal(stats_of(q).dead, 1);
    close_queue();
}

/* So many lives of a cell without a place in the lane that all tags come round: what an old one left there is not taken for the message's. */
static void cancelled_until_tags_repeat(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.capacity = o.max_participants = 1;
    open_with(&o);
    succeeds(send_text(p, "before"));
    receives("before");
    for (int i = 0; i < 9 * 16384; i++) {
        uint64_t id = send_delayed("x", (uint64_t)HOUR);
        assert_int_equal(rp_queue_cancel(q, id), 0);
        if (i % 16383 == 0 || i % 16384 < 2) { /* at each number of lives near the repetition */
            send_delayed("after", 1);
            receives("after");
        }
    }
    close_queue();
}

/* Groups that see no publication do not fall behind until their numbers wrap. */
static void cancelled_lives_do_not_leave_groups_behind(void **state) {
    (void)state;
    open_queue();
    for (int i = 0; i < 100; i++)
        assert_int_equal(rp_queue_cancel(q, send_delayed("x", (uint64_t)HOUR)), 0);
    for (uint32_t i = 0; i < q->segment.layout.cell_count; i++) {
        uint64_t w = load_relaxed(&segment_cell(&q->segment, i)->word, own);
        for (unsigned g = 0; g < q->segment.parameters.max_groups; g++)
            assert_int_equal(delivery_incarnation(load_relaxed(delivery_at(&q->segment, g, i), own)), cell_generation(w));
    }
    close_queue();
}

/* ---- lanes ---- */

static void priorities_and_keys(void **state) {
    (void)state;
    struct rp_queue_options o = test_options();
    o.priorities = 3;
    open_with(&o);
    struct rp_send_options s = with_delay(20 * MS, NULL);
    for (s.priority = 0; s.priority < 3; s.priority++)
        succeeds(rp_send(p, &"low\0mid\0top"[4 * s.priority], 4, &s));
    struct rp_peeked peeked = {.id = 0};
    for (uint32_t level = 0; level < 3; level++) {
        succeeds(rp_peek(q, NULL, RP_STATE_ALL, peeked.id, &peeked, NULL, 0));
        assert_int_equal(peeked.priority, level);
        assert_int_equal(peeked.key_bytes, 0);
    }
    assert_true(eventually(rp_queue_sweep(q) >= 0 && stats_of(q).ready == 3));
    receives("top");
    receives("mid");
    receives("low");
    close_queue();

    o = test_options();
    o.lanes = 4;
    open_with(&o);
    s = with_delay(20 * MS, NULL);
    s.key = "k";
    s.key_bytes = 1;
    int64_t start = time_ns();
    succeeds(rp_send(p, "one", 4, &s));
    s.delay_ns = 10 * MS;
    succeeds(rp_send(p, "two", 4, &s));
    bool in_time = time_ns() - start < 10 * MS;
    succeeds(rp_peek(q, NULL, RP_STATE_ALL, 0, &peeked, NULL, 0));
    assert_int_equal(peeked.key_bytes, 1);
    assert_int_equal(peeked.key[0], 'k');
    assert_int_equal(peeked.priority, 0);
    struct rp_message m;
    succeeds(rp_receive(c, &m, 20 * SECOND));
    bool two_first = strcmp(m.data, "two") == 0;
    assert_true(two_first || !in_time); /* else it may not have been due earlier */
    assert_int_equal(m.key_bytes, 1);
    assert_true(eventually(rp_queue_sweep(q) >= 0 && stats_of(q).ready == 1));
    receives_nothing(); /* the lane is held */
    succeeds(rp_ack(c, &m));
    receives(two_first ? "one" : "two");
    close_queue();
}

/* What a sender or a popper that died leaves half done, the sweep does. */
static void the_sweep_mends(void **state) {
    (void)state;
    open_queue();
    uint64_t id = send_delayed("work", 1);
    struct timer lost;
    assert_true(until(timers_pop(&c->actor.timers, segment_now_ns(&q->segment), &lost, 1) == 1)); /* taken out, and dead */
    assert_true(rp_queue_sweep(q) > 0);
    receives("work");
    id = send_delayed("later", 10 * SECOND); /* no timer was set */
    assert_int_equal(timers_pop(&c->actor.timers, UINT64_MAX / 2, &lost, 1), 1);
    assert_int_equal(timers_next(&c->actor.timers), TIMER_NONE);
    succeeds(rp_queue_sweep(q));
    assert_int_equal(timers_next(&c->actor.timers) >> 8, lost.due_ns >> 8);
    a64 *word = &segment_cell(&q->segment, cell_of(id))->word; /* made ready, and not inserted */
    uint64_t w = load_relaxed(word, own);
    store_relaxed(word, cell_word(CELL_COMMITTED, NOBODY, 1, cell_generation(w) + 1), own);
    assert_int_equal(stats_of(q).ready, 1);
    receives_nothing();
    succeeds(rp_queue_sweep(q));
    receives("later");
    close_queue();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(never_early),
        TEST(in_order_of_time_not_of_sending),
        TEST(equal_times_in_order_of_ids),
        TEST(equal_times_of_the_interrupted),
        TEST(what_others_see),
        TEST(as_many_as_the_queue_holds),
        TEST(options_that_cannot_be),
        TEST(at_a_time),
        TEST(follows_the_clock_forward),
        TEST(follows_the_clock_back),
        TEST(cancel_what_waits),
        TEST(cancel_what_is_ready),
        TEST(cancelled_until_tags_repeat),
        TEST(cancelled_lives_do_not_leave_groups_behind),
        TEST(priorities_and_keys),
        TEST(the_sweep_mends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
