/* SPDX-License-Identifier: MIT */
/* Keyed lanes: one key, one order, one message at a time; retries included. */
#include "fixture.h"
#include <stdatomic.h>

enum { CAPACITY = 64, LANES = 4, KEYS = 12 };

static struct rp_queue_options keyed_options(void) {
    struct rp_queue_options o = test_options();
    o.capacity = CAPACITY;
    o.lanes = LANES;
    o.lane_capacity = CAPACITY;
    return o;
}

struct parties {
    rp_queue *q;
    rp_producer *p;
    rp_consumer *c;
};

static struct parties open_keyed(const struct rp_queue_options *o) {
    struct parties x = {.q = make_queue(o)};
    succeeds(rp_producer_open(x.q, NULL, &x.p));
    succeeds(rp_consumer_open(x.q, NULL, &x.c));
    return x;
}

static void close_keyed(struct parties *x) {
    rp_consumer_close(x->c);
    rp_producer_close(x->p);
    succeeds(rp_queue_sweep(x->q));
    audit_is_clean(x->q);
    drop_queue(x->q);
}

static int send_keyed(rp_producer *p, const char *key, const char *text) {
    struct rp_send_options o;
    rp_send_options_init(&o, sizeof o);
    o.key = key;
    o.key_bytes = strlen(key);
    return rp_send(p, text, strlen(text) + 1, &o);
}

static bool has_key(const struct rp_message *m, const char *key) {
    return m->key != NULL && m->key_bytes == strlen(key) && memcmp(m->key, key, m->key_bytes) == 0;
}

/* A key of another lane than `key`. */
static const char *key_elsewhere(struct parties *x, const char *key) {
    static char other[32];
    struct rp_message first, m;
    for (int i = 0; i < 1000; i++) {
        snprintf(other, sizeof other, "other%d", i);
        succeeds(send_keyed(x->p, key, "one"));
        succeeds(send_keyed(x->p, other, "two"));
        succeeds(rp_receive(x->c, &first, 0));
        bool apart = rp_receive(x->c, &m, 0) == 0;
        succeeds(rp_ack(x->c, &first));
        if (!apart)
            succeeds(rp_receive(x->c, &m, 0));
        succeeds(rp_ack(x->c, &m));
        if (apart)
            return other;
    }
    assert_string_equal("all keys share a lane", "");
    return NULL;
}

static void one_at_a_time(void **state) {
    (void)state;
    struct rp_queue_options o = keyed_options();
    struct parties x = open_keyed(&o);
    struct rp_message m, n;
    succeeds(send_keyed(x.p, "anna", "1"));
    succeeds(send_keyed(x.p, "anna", "2"));
    succeeds(rp_receive(x.c, &m, 0));
    assert_true(says(&m, "1") && has_key(&m, "anna"));
    assert_int_equal(rp_receive(x.c, &n, 0), RP_EMPTY);
    succeeds(rp_ack(x.c, &m));
    succeeds(rp_receive(x.c, &n, 0));
    assert_true(says(&n, "2"));
    succeeds(rp_ack(x.c, &n));
    close_keyed(&x);
}

static void a_failed_message_keeps_its_place(void **state) {
    (void)state;
    struct rp_queue_options o = keyed_options();
    struct parties x = open_keyed(&o);
    const char *other = key_elsewhere(&x, "anna");
    struct rp_message m;
    struct rp_nack_options later;
    rp_nack_options_init(&later, sizeof later);
    succeeds(send_keyed(x.p, "anna", "1"));
    succeeds(send_keyed(x.p, "anna", "2"));
    succeeds(send_keyed(x.p, other, "3"));
    for (int i = 0; i < 5; i++) { /* at once, again and again: never the second */
        do {
            succeeds(rp_receive(x.c, &m, 0));
            if (says(&m, "3"))
                succeeds(rp_ack(x.c, &m));
        } while (!says(&m, "1"));
        assert_int_equal(m.acquisitions, i + 1);
        succeeds(rp_nack(x.c, &m, NULL));
    }
    succeeds(rp_receive(x.c, &m, 0));
    assert_true(says(&m, "1"));
    later.delay_ns = 20 * MS; /* the wait holds the lane, too */
    int64_t begin = time_ns();
    succeeds(rp_nack(x.c, &m, &later));
    succeeds(rp_receive(x.c, &m, -1));
    assert_true(says(&m, "1"));
    assert_true(time_ns() - begin > 15 * MS);
    succeeds(rp_ack(x.c, &m));
    succeeds(rp_receive(x.c, &m, 0));
    assert_true(says(&m, "2"));
    succeeds(rp_ack(x.c, &m));
    close_keyed(&x);
}

static void a_dead_letter_lets_go_and_comes_back_at_the_end(void **state) {
    (void)state;
    struct rp_queue_options o = keyed_options();
    struct parties x = open_keyed(&o);
    struct rp_message m;
    const char *texts[] = {"1", "2", "3"};
    for (int i = 0; i < 3; i++)
        succeeds(send_keyed(x.p, "anna", texts[i]));
    succeeds(rp_receive(x.c, &m, 0));
    assert_true(says(&m, "1"));
    uint64_t id = m.id;
    succeeds(rp_reject(x.c, &m, "bad"));
    succeeds(rp_receive(x.c, &m, 0));
    assert_true(says(&m, "2"));
    assert_int_equal(rp_dead_redrive(x.q, NULL, NULL), 1);
    succeeds(rp_ack(x.c, &m));
    succeeds(rp_receive(x.c, &m, 0));
    assert_true(says(&m, "3"));
    succeeds(rp_ack(x.c, &m));
    succeeds(rp_receive(x.c, &m, 0));
    assert_true(says(&m, "1") && has_key(&m, "anna"));
    assert_int_equal(m.id, id);
    assert_int_equal(m.deliveries, 1);
    succeeds(rp_ack(x.c, &m));
    assert_int_equal(rp_receive(x.c, &m, 0), RP_EMPTY);
    close_keyed(&x);
}

static void a_full_lane_stops_no_other(void **state) {
    (void)state;
    struct rp_queue_options o = keyed_options();
    o.lane_capacity = 8;
    struct parties x = open_keyed(&o);
    const char *other = key_elsewhere(&x, "anna");
    struct rp_message m;
    int sent = 0, result;
    while ((result = send_keyed(x.p, "anna", "more")) == 0)
        sent++;
    assert_int_equal(result, RP_FULL);
    assert_int_equal(sent, 8);
    assert_non_null(strstr(rp_error_detail(), "lane"));
    succeeds(send_keyed(x.p, other, "else"));
    succeeds(rp_receive(x.c, &m, 0)); /* of the full one, say: it stays held */
    if (says(&m, "else"))
        succeeds(rp_receive(x.c, &m, 0));
    for (int i = 0; i < 100; i++) {
        struct rp_message n;
        succeeds(send_keyed(x.p, other, "else"));
        succeeds(rp_receive(x.c, &n, 0));
        assert_true(says(&n, "else"));
        succeeds(rp_ack(x.c, &n));
    }
    succeeds(rp_ack(x.c, &m));
    succeeds(send_keyed(x.p, "anna", "more"));
    succeeds(rp_queue_purge(x.q, NULL, RP_STATE_ALL));
    close_keyed(&x);
}

static void without_a_key(void **state) {
    (void)state;
    struct rp_queue_options o = keyed_options();
    struct parties x = open_keyed(&o);
    struct rp_message m[LANES];
    for (int i = 0; i < LANES; i++)
        succeeds(send_text(x.p, "any"));
    for (int i = 0; i < LANES; i++) { /* spread over the lanes, so none waits for another */
        succeeds(rp_receive(x.c, &m[i], 0));
        assert_null(m[i].key);
    }
    for (int i = 0; i < LANES; i++)
        succeeds(rp_ack(x.c, &m[i]));
    close_keyed(&x);
}

static void bad_keys(void **state) {
    (void)state;
    struct rp_queue_options o = keyed_options();
    struct parties x = open_keyed(&o);
    char long_key[200];
    memset(long_key, 'k', sizeof long_key);
    struct rp_send_options send;
    rp_send_options_init(&send, sizeof send);
    send.key = long_key;
    send.key_bytes = RP_KEY_MAX + 1;
    assert_int_equal(rp_send(x.p, "x", 1, &send), -EINVAL);
    send.key_bytes = RP_KEY_MAX;
    succeeds(rp_send(x.p, "x", 1, &send));
    send.key = NULL;
    assert_int_equal(rp_send(x.p, "x", 1, &send), -EINVAL);
    send.key_bytes = 0;
    send.priority = 1;
    assert_int_equal(rp_send(x.p, "x", 1, &send), -EINVAL);
    struct rp_message m;
    succeeds(rp_receive(x.c, &m, 0));
    assert_int_equal(m.key_bytes, RP_KEY_MAX);
    assert_memory_equal(m.key, long_key, RP_KEY_MAX);
    succeeds(rp_ack(x.c, &m));
    close_keyed(&x);
    struct rp_queue_options plain = test_options();
    x = open_keyed(&plain);
    assert_int_equal(send_keyed(x.p, "anna", "1"), -EINVAL);
    close_keyed(&x);
}

/* ---- with processes ---- */

struct ledger {
    _Atomic uint32_t last[KEYS];   /* number of the key's message that was acked last */
    _Atomic uint32_t inside[KEYS]; /* the process that holds one of the key, or 0 */
    _Atomic uint32_t errors, acked, deaths;
};

struct letter {
    uint32_t key, number;
};

/* Receives, checks the order, acks; nacks or dies now and then. */
static int worker(struct peer *test, void *argument) {
    (void)test;
    struct ledger *l = argument;
    struct handles h = peer_open(0);
    uint64_t dice = (uint64_t)getpid() * UINT64_C(0x9e3779b97f4a7c15);
    for (;;) {
        struct rp_message m;
        int result = rp_receive(h.c, &m, 5 * SECOND);
        if (result != 0)
            return result != RP_EMPTY;
        struct letter x;
        memcpy(&x, m.data, sizeof x);
        peer_check(x.key < KEYS);
        atomic_store(&l->inside[x.key], (uint32_t)getpid());
        if (x.number != atomic_load(&l->last[x.key]) + 1)
            atomic_fetch_add(&l->errors, 1);
        dice = dice * UINT64_C(6364136223846793005) + 1442695040888963407u;
        if (dice >> 60 == 0) {
            peer_succeeds(rp_nack(h.c, &m, NULL));
            continue;
        }
        if (dice >> 55 == 32) {
            raise(SIGKILL);
        }
        if (atomic_load(&l->inside[x.key]) != (uint32_t)getpid())
            atomic_fetch_add(&l->errors, 1);
        atomic_store(&l->last[x.key], x.number); /* before the ack: nobody has the next one yet */
        peer_succeeds(rp_ack(h.c, &m));
        atomic_fetch_add(&l->acked, 1);
    }
}

static void order_survives_deaths(void **state) {
    (void)state;
    enum { WORKERS = 4, ROUNDS = 400 };
    struct ledger *l = shared_memory(sizeof *l);
    struct rp_queue_options o = keyed_options();
    o.overflow = RP_OVERFLOW_BLOCK;
    struct parties x = open_keyed(&o);
    struct peer workers[WORKERS];
    for (int i = 0; i < WORKERS; i++)
        workers[i] = peer_start(worker, l);
    unsigned deaths = 0;
    for (uint32_t n = 1; n <= ROUNDS; n++) {
        for (uint32_t k = 0; k < (uint32_t)KEYS; k++) {
            struct letter letter = {k, n};
            struct rp_send_options send;
            rp_send_options_init(&send, sizeof send);
            send.key = &letter.key;
            send.key_bytes = sizeof letter.key;
            succeeds(rp_send(x.p, &letter, sizeof letter, &send));
        }
        for (int i = 0; i < WORKERS; i++)
            if (waitpid(workers[i].pid, NULL, WNOHANG) == workers[i].pid) { /* the dead are replaced */
                close(workers[i].in);
                close(workers[i].out);
                workers[i] = peer_start(worker, l);
                deaths++;
            }
    }
    assert_true(eventually(stats_of(x.q).ready + stats_of(x.q).leased + stats_of(x.q).delayed == 0));
    for (int i = 0; i < WORKERS; i++) {
        kill(workers[i].pid, SIGKILL);
        waitpid(workers[i].pid, NULL, 0);
        close(workers[i].in);
        close(workers[i].out);
    }
    print_message("%u messages acked, %u workers died in between\n", atomic_load(&l->acked), deaths);
    assert_int_equal(atomic_load(&l->errors), 0);
    for (unsigned k = 0; k < KEYS; k++)
        assert_int_equal(atomic_load(&l->last[k]), ROUNDS);
    assert_true(deaths > 0);
    close_keyed(&x);
}

/* One lane is a queue in strict order whatever the keys; they still travel. */
static void one_lane(void **state) {
    (void)state;
    struct rp_queue_options o = keyed_options();
    struct rp_message m;
    o.lanes = 1;
    struct parties x = open_keyed(&o);
    succeeds(send_keyed(x.p, "blue", "one"));
    succeeds(send_keyed(x.p, "green", "two"));
    succeeds(rp_receive(x.c, &m, 0));
    assert_true(has_key(&m, "blue"));
    struct rp_message other;
    assert_int_equal(rp_receive(x.c, &other, 0), RP_EMPTY);
    succeeds(rp_ack(x.c, &m));
    succeeds(rp_receive(x.c, &m, 0));
    assert_true(has_key(&m, "green"));
    succeeds(rp_ack(x.c, &m));
    close_keyed(&x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(one_at_a_time),
        TEST(a_failed_message_keeps_its_place),
        TEST(a_dead_letter_lets_go_and_comes_back_at_the_end),
        TEST(a_full_lane_stops_no_other),
        TEST(without_a_key),
        TEST(bad_keys),
        TEST(one_lane),
        TEST(order_survives_deaths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
