/* SPDX-License-Identifier: MIT */
/* A durable queue lives several lives, in each of which anything is done to it, in any order; what it shows at the end of one it shows at the begin of the next. */
#include "durable_fixture.h"

static uint64_t dice = 1;
static uint32_t roll(uint32_t below) {
    dice = dice * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(dice >> 33) % below;
}

static const char *const groups[] = {"default", "second", "third"};
enum { GROUPS = 3 };

struct hand {
    rp_queue *q;
    rp_producer *p;
    const struct rp_queue_options *o;
    uint64_t number, last_id, sequence;
};

/* With whatever the queue takes. */
static void send_some(struct hand *h) {
    static const struct rp_header headers[] = {{"x-first", "1"}, {"x-second", "two"}};
    unsigned char body[64];
    uint32_t key = roll(6), bytes = roll(2) ? 8 : 8 + roll(56);
    struct rp_send_options s;
    rp_send_options_init(&s, sizeof s);
    s.timeout_ns = 0;
    s.id_out = &h->last_id;
    s.priority = h->o->priorities > 1 ? roll(h->o->priorities) : 0;
    s.key = h->o->lanes > 0 && roll(4) > 0 ? &key : NULL;
    s.key_bytes = s.key != NULL ? sizeof key : 0;
    s.delay_ns = roll(8) == 0 ? 3600 * (uint64_t)SECOND : 0;
    s.ttl_ns = roll(8) == 0 ? 3600 * SECOND : 0;
    s.headers = roll(4) == 0 ? headers : NULL;
    s.header_count = s.headers != NULL ? 2 : 0;
    struct rp_group_info any; /* what is for nobody does not come to the journal */
    s.sequence = rp_group_next(h->q, 0, &any) == 0 && roll(3) == 0 ? h->sequence + 1 + roll(2) : 0;
    uint32_t once = roll(2000);
    s.dedup_id = roll(3) == 0 ? &once : NULL;
    s.dedup_id_bytes = s.dedup_id != NULL ? sizeof once : 0;
    memset(body, (int)roll(256), sizeof body);
    h->number++;
    memcpy(body, &h->number, sizeof h->number);
    int result;
    struct rp_loan loan;
    switch (roll(3)) {
    case 0: result = rp_send(h->p, body, bytes, &s); break;
    case 1: result = rp_send_async(h->p, body, bytes, &s); break;
    default:
        result = rp_loan(h->p, bytes, &loan);
        if (result == 0) {
            memcpy(loan.data, body, bytes);
            result = rp_commit(h->p, &loan, &s);
            if (result < 0)
                succeeds(rp_abandon(h->p, &loan));
        }
    }
    h->sequence = result == 0 && s.sequence != 0 ? s.sequence : h->sequence;
    assert_true(result == 0 || result == RP_FULL || (s.dedup_id != NULL && result == RP_DUPLICATE));
}

static void settle_some(struct hand *h, const char *group) {
    struct rp_consumer_options co;
    struct rp_nack_options n;
    struct rp_message m;
    rp_consumer *c;
    rp_consumer_options_init(&co, sizeof co);
    rp_nack_options_init(&n, sizeof n);
    co.group = group;
    if (rp_consumer_open(h->q, &co, &c) == -ENOENT)
        return;
    for (uint32_t i = roll(12); i > 0 && rp_receive(c, &m, 0) == 0; i--) {
        n.delay_ns = roll(2) ? 0 : 3600 * SECOND;
        n.charge = roll(4) > 0;
        n.reason = roll(2) ? "some reason" : NULL;
        switch (roll(8)) {
        case 0: succeeds(rp_nack(c, &m, &n)); break;
        case 1: succeeds(rp_reject(c, &m, roll(2) ? "hopeless" : NULL)); break;
        case 2: break; /* closing gives it back */
        default: succeeds(rp_ack(c, &m));
        }
    }
    rp_consumer_close(c);
}

static void operate_some(struct hand *h, const char *group) {
    struct rp_redrive_options r;
    rp_redrive_options_init(&r, sizeof r);
    r.limit = 1 + roll(3);
    int result = 0;
    switch (roll(10)) {
    case 0: result = rp_dead_redrive(h->q, group, &r); break;
    case 1: result = rp_dead_purge(h->q, group, &r); break;
    case 2: result = rp_queue_purge(h->q, group, 1u << roll(4)); break;
    case 3: result = rp_queue_cancel(h->q, h->last_id); break;
    case 4: result = rp_group_create(h->q, group, NULL); break;
    case 5: result = roll(2) ? rp_group_remove(h->q, group) : 0; break;
    case 6: result = roll(3) ? rp_group_resume(h->q, group) : rp_group_pause(h->q, group); break;
    default: rp_queue_sweep(h->q);
    }
    assert_true(result >= 0 || result == -ENOENT || result == -EEXIST || result == RP_IN_USE);
}

static void do_anything(struct hand *h, int steps) {
    uint64_t last;
    const char id = (char)('a' + roll(3));
    if (roll(4) == 0)
        (void)rp_producer_id_remove(h->q, &id, 1);
    succeeds(producer_with_id(h->q, &id, 1, &h->p));
    succeeds(rp_producer_sequence(h->p, &h->sequence));
    for (int i = 0; i < steps; i++) {
        const char *group = groups[roll(GROUPS)];
        uint32_t what = roll(8);
        if (what < 5)
            send_some(h);
        else if (what < 7)
            settle_some(h, group);
        else
            operate_some(h, group);
    }
    succeeds(rp_flush(h->p));
    succeeds(rp_producer_sequence(h->p, &last));
    assert_int_equal(last, h->sequence);
    rp_producer_close(h->p);
}

static void live_some_lives(struct rp_queue_options o, uint64_t seed) {
    struct hand h = {.o = &o};
    dice = seed;
    o.header_bytes = 64;
    o.dead_capacity = 16;
    o.dedup_window_ns = 3600 * (uint64_t)SECOND;
    h.q = make_queue(&o);
    for (int life = 0; life < 6; life++) {
        do_anything(&h, 400);
        h.q = restart_and_compare(h.q, life % 2 ? &o : NULL);
        if (life % 3 == 2)
            h.q = restart_and_compare(h.q, NULL); /* in which nothing happened */
    }
    drop_queue(h.q);
}

static void test_anything(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        make_journal_in_memory();
        struct rp_queue_options o = durable_options(RP_SYNC_ALWAYS + (uint32_t)(seed % 3));
        o.priorities = seed % 2 ? 3 : 1;
        live_some_lives(o, seed);
        remove_journal();
    }
}

static void test_anything_with_keys(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        make_journal_in_memory();
        struct rp_queue_options o = durable_options(RP_SYNC_ALWAYS + (uint32_t)(seed % 3));
        o.lanes = 3;
        o.lane_capacity = 128;
        live_some_lives(o, seed);
        remove_journal();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {DURABLE_TEST(test_anything), DURABLE_TEST(test_anything_with_keys)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
