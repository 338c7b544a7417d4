/* SPDX-License-Identifier: MIT */
/* Processes that receive and do everything with a message that can be done, each entered in the books before and after. */
#include "again.h"
#include "sleeper.h"

#include <errno.h>

enum { BATCH = 8, KEPT = 4, PATIENCE_NS = 10000000, ROUNDS = 4000, PASSING_ROUNDS = 3 };

/* Messages held on to until long after their lease. */
struct kept {
    struct rp_message messages[KEPT];
    uint64_t until_ns[KEPT];
    bool used[KEPT];
};

struct receiver {
    struct worker *worker;
    rp_consumer *consumer;
    int rounds;
    int64_t patience_ns;
    struct order order;
    struct kept kept;
    struct sleeper sleeper;
};

static void count(_Atomic uint64_t *counter) { atomic_fetch_add_explicit(counter, 1, memory_order_relaxed); }

/* True: it is as it must be, and known. */
static bool inspect(struct receiver *r, const struct rp_message *m) {
    struct worker *w = r->worker;
    if (!letter_check(m->data, m->bytes, "received"))
        return false;
    struct letter const *l = m->data;
    if (m->acquisitions == 0 || m->deliveries > m->acquisitions)
        ledger_violation("message %llu: deliveries %u, acquisitions %u", (unsigned long long)l->number, m->deliveries,
                         m->acquisitions);
    if (ledger_shown(l->number, m->acquisitions) && !sends_again(w->storm->variant)) /* there another may have sent it later */
        order_check(&r->order, l);
    ledger_key_shown(l->producer, l->number);
    count(&w->tallies->receives);
    if (m->acquisitions > 1)
        count(&w->tallies->redeliveries);
    return true;
}

static void ack(struct receiver *r, struct rp_message *m) {
    struct tallies *t = r->worker->tallies;
    const struct variant *v = r->worker->storm->variant;
    uint64_t number = ((const struct letter *)m->data)->number;
    uint32_t producer = ((const struct letter *)m->data)->producer;
    uint64_t latest = ledger_key_latest(producer);
    ledger_settling(number);
    int result = rp_ack(r->consumer, m);
    ledger_settle_ended(number, result == 0);
    if (result == 0 && v->lanes > 0 && !v->rejects && latest > number + 1) /* a rejected one comes back behind others */
        ledger_violation("keys: producer %u's message %llu was held while %llu was shown", producer, (unsigned long long)number,
                         (unsigned long long)latest - 1);
    if (result == 0)
        count(&t->acks);
    else if (result == RP_LEASE_LOST)
        count(&t->lost);
    else
        ledger_violation("ack: %s: %s", rp_error_name(result), rp_error_detail());
    if (worker_random(r->worker, 64) == 0 && (result = rp_ack(r->consumer, m)) != -EINVAL)
        ledger_violation("a receipt used twice: %s", rp_error_name(result));
}

static void nack(struct receiver *r, struct rp_message *m, bool charge) {
    struct rp_nack_options o;
    rp_nack_options_init(&o, sizeof o);
    o.charge = charge;
    o.reason = charge ? "not today" : NULL;
    int result = rp_nack(r->consumer, m, &o);
    count(result == 0 ? &r->worker->tallies->nacks : &r->worker->tallies->lost);
    if (result != 0 && result != RP_LEASE_LOST)
        ledger_violation("nack: %s: %s", rp_error_name(result), rp_error_detail());
}

static void reject(struct receiver *r, struct rp_message *m) {
    uint64_t number = ((const struct letter *)m->data)->number;
    int result = rp_reject(r->consumer, m, "poison");
    ledger_reject_ended(number, result == 0);
    if (result == RP_LEASE_LOST)
        count(&r->worker->tallies->lost);
    else if (result == RP_FULL && r->worker->storm->variant->dead_refuse)
        ack(r, m); /* it is still ours */
    else if (result != 0)
        ledger_violation("reject: %s: %s", rp_error_name(result), rp_error_detail());
}

static void extend(struct receiver *r, struct rp_message *m) {
    int result = rp_extend(r->consumer, m, (1 + worker_random(r->worker, 50)) * 1000000);
    count(&r->worker->tallies->extends);
    if (result != 0 && result != RP_LEASE_LOST)
        ledger_violation("extend: %s: %s", rp_error_name(result), rp_error_detail());
}

/* Holds on to it until its lease is long over. False: no place. */
static bool keep(struct receiver *r, const struct rp_message *m) {
    for (unsigned i = 0; i < KEPT; i++)
        if (!r->kept.used[i]) {
            r->kept.messages[i] = *m;
            r->kept.until_ns[i] = now_ns() + (r->worker->storm->variant->lease_ms + worker_random(r->worker, 150)) * 1000000;
            r->kept.used[i] = true;
            return true;
        }
    return false;
}

/* The view must be intact still; whoever received it meanwhile may have acked it long ago. */
static void let_go(struct receiver *r, bool all) {
    uint64_t now = now_ns();
    for (unsigned i = 0; i < KEPT; i++) {
        struct rp_message *m = &r->kept.messages[i];
        if (!r->kept.used[i] || (now < r->kept.until_ns[i] && !all))
            continue;
        r->kept.used[i] = false;
        if (letter_check(m->data, m->bytes, "kept beyond its lease"))
            ack(r, m);
    }
}

static void handle(struct receiver *r, struct rp_message *m) {
    if (!inspect(r, m))
        return;
    uint64_t dice = worker_random(r->worker, 1000);
    if (dice < 60) {
        nack(r, m, true);
    } else if (dice < 90) {
        nack(r, m, false);
    } else if (dice < 95 && keep(r, m)) {
        return;
    } else if (dice < 110 && r->worker->storm->variant->rejects) {
        reject(r, m);
    } else {
        if (dice < 130)
            extend(r, m);
        ack(r, m);
    }
}

static void consume_on(struct receiver *r) {
    struct rp_message messages[BATCH];
    for (int i = 0; i < r->rounds && !storm_ends(); i++) {
        size_t max = worker_random(r->worker, 3) == 0 ? BATCH : 1;
        int n = r->sleeper.way != SLEEP_NOT ? sleeper_receive(&r->sleeper, messages, max)
                : max > 1                   ? rp_receive_batch(r->consumer, messages, max, r->patience_ns)
                                            : rp_receive(r->consumer, messages, r->patience_ns);
        if (n < 0 && n != RP_EMPTY && !was_paused(r->worker, n))
            ledger_violation("receive: %s: %s", rp_error_name(n), rp_error_detail());
        if (n == 0)
            n = 1;
        for (int k = 0; k < n; k++)
            handle(r, &messages[k]);
        let_go(r, false);
    }
}

static void consume_at_most_once_on(struct receiver *r) {
    struct rp_message m;
    for (int i = 0; i < r->rounds && !storm_ends(); i++) {
        int result = rp_receive(r->consumer, &m, r->patience_ns);
        if (result == RP_EMPTY || was_paused(r->worker, result))
            continue;
        if (result < 0) {
            ledger_violation("receive: %s: %s", rp_error_name(result), rp_error_detail());
            continue;
        }
        if (!letter_check(m.data, m.bytes, "received at most once"))
            continue;
        const struct letter *l = m.data;
        if (m.acquisitions == 1)
            order_check(&r->order, l);
        ledger_consumed(l->number, m.acquisitions);
        count(&r->worker->tallies->receives);
        count(&r->worker->tallies->acks);
    }
}

/* One consumer's life: each handle remembers its own order. False: it could not be opened. */
static bool consume_once(struct worker *w, rp_queue *q, int rounds, int64_t patience_ns) {
    bool at_most_once = w->storm->variant->at_most_once;
    struct receiver r = {.worker = w, .rounds = rounds, .patience_ns = patience_ns};
    struct rp_consumer_options o;
    rp_consumer_options_init(&o, sizeof o);
    o.ack = at_most_once ? RP_ACK_NONE : RP_ACK_EXPLICIT;
    o.prefetch = worker_random(w, 2) == 0 ? w->storm->variant->prefetch : 0;
    worker_enters(w, IN_HANDLE);
    int result = rp_consumer_open(q, &o, &r.consumer);
    worker_enters(w, OUTSIDE);
    if (result < 0) {
        ledger_violation("consumer: %s: %s", rp_error_name(result), rp_error_detail());
        return false;
    }
    if (w->storm->variant->sleepers && patience_ns > 0 && !sleeper_open(&r.sleeper, w, r.consumer))
        return false;
    order_open(&r.order);
    at_most_once ? consume_at_most_once_on(&r) : consume_on(&r);
    if (worker_random(w, 2) == 0)
        let_go(&r, true); /* else closing must do */
    if (r.sleeper.way != SLEEP_NOT)
        sleeper_close(&r.sleeper);
    worker_enters(w, IN_HANDLE);
    rp_consumer_close(r.consumer);
    worker_enters(w, OUTSIDE);
    order_close(&r.order);
    return true;
}

/* Opens the queue and a consumer on it, again and again. */
void consume(struct worker *w) {
    while (!storm_ends()) {
        rp_queue *q = worker_attach(w);
        if (q == NULL || !consume_once(w, q, ROUNDS, PATIENCE_NS))
            return;
        worker_detach(w, q);
    }
}

/* Comes, opens a consumer, and perhaps a producer with a loan, looks at what is there, and goes, leaving all that to be given back. */
void pass(struct worker *w) {
    while (!storm_ends()) {
        rp_queue *q = worker_attach(w);
        if (q == NULL)
            return;
        if (worker_random(w, 2) == 0 && !consume_once(w, q, (int)worker_random(w, PASSING_ROUNDS), 0))
            return;
        if (worker_random(w, 2) == 0) {
            rp_producer *p;
            struct rp_loan loan;
            worker_enters(w, IN_HANDLE);
            if (rp_producer_open(q, NULL, &p) != 0)
                return;
            if (!w->storm->variant->block)
                (void)rp_loan(p, LETTER_BYTES_MAX, &loan);
            rp_producer_close(p);
            worker_enters(w, OUTSIDE);
        }
        worker_detach(w, q);
        worker_breathe(w, 500);
    }
}
