/* SPDX-License-Identifier: MIT */
/* Those who publish through an exchange, bind and unbind its queues, and receive from them. */
#include "exchange.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { PATIENCE_NS = 5000000, WAIT_NS = 500000, VISIT_MESSAGES = 200 };

struct exchange_book *exchange_book;

const char *exchange_queue(const struct storm *s, unsigned i) {
    static char names[QUEUES][96];
    snprintf(names[i], sizeof names[i], "%s.%u", s->queue, i);
    return names[i];
}

const char *exchange_pattern(unsigned kind) {
    static const char *const patterns[KINDS] = {"m.*.k0", "m.*.k1", "#.k2", "m.#.k3", "*.*.k4", "m.*.k5", "m.#.#.k6", "#.*.k7"};
    return patterns[kind];
}

static enum bound state_of(uint64_t word) { return (enum bound)(word & 3); }

static void wrong(const char *what, int result) { ledger_violation("%s: %s: %s", what, rp_error_name(result), rp_error_detail()); }

static rp_exchange *open_exchange(struct worker *w) {
    rp_exchange *x = NULL;
    worker_enters(w, IN_ATTACH);
    int result = rp_exchange_open(w->storm->queue, NULL, &x);
    worker_enters(w, OUTSIDE);
    if (result != 0)
        wrong("open of the exchange", result);
    return x;
}

static void close_exchange(rp_exchange *x) {
    int result = rp_exchange_close(x);
    if (result != 0)
        wrong("close of the exchange", result);
}

/* ---- publishing ---- */

static bool is_there(int result) { return result == 0 || result == RP_DUPLICATE; }

/* Has every queue it now? What is full, or where a dead one's id is not decided yet, is tried again. */
static bool all_have(const struct rp_publish_result *results, int took) {
    bool all = took >= STEADY_BINDINGS;
    for (int i = 0; i < QUEUES && results[i].queue[0] != 0; i++) {
        int result = results[i].result;
        if (!is_there(result) && result != RP_FULL && result != -EBUSY && result != RP_NO_SEAT)
            ledger_violation("publish to %s: %s", results[i].queue, rp_error_name(result));
        all = all && is_there(result);
        if (result == RP_DUPLICATE)
            atomic_fetch_add_explicit(&exchange_book->duplicates, 1, memory_order_relaxed);
    }
    return all;
}

/* One publish of number `n`. -> is it in all queues that it is for? */
static bool publish_once(struct worker *w, rp_publisher *p, unsigned slot, uint32_t n) {
    struct number *number = &exchange_book->numbers[slot][n];
    struct rp_publish_result results[QUEUES] = {0};
    struct rp_publish_options o;
    struct rp_send_options send;
    struct letter l;
    uint64_t words[BINDERS];
    uint32_t matched = STEADY_BINDINGS;
    char topic[32], id[32];
    unsigned kind = n % KINDS;
    snprintf(topic, sizeof topic, "m.%u.k%u", slot, kind);
    rp_publish_options_init(&o, sizeof o);
    rp_send_options_init(&send, sizeof send);
    send.dedup_id = id;
    send.dedup_id_bytes = (size_t)snprintf(id, sizeof id, "%u.%u", slot, n);
    send.timeout_ns = worker_random(w, 4) == 0 ? 0 : PATIENCE_NS;
    o.send = &send;
    o.results = results;
    o.result_room = QUEUES;
    o.matched_out = &matched;
    letter_write(&l, slot * (uint64_t)NUMBERS + n, slot,
                 (uint32_t)LETTER_BYTES_MIN + n % (LETTER_BYTES_MAX - LETTER_BYTES_MIN + 1));
    for (unsigned b = 0; b < BINDERS; b++)
        words[b] = atomic_load(&exchange_book->bound[b][kind]);
    for (unsigned b = 0; b < BINDERS && atomic_load(&number->tries) == 0; b++)
        atomic_store(&exchange_book->slots[slot].before[b], words[b]);
    atomic_store(&number->must_not, 0); /* what one said who did not live to confirm it */
    atomic_fetch_add(&number->tries, 1);
    worker_enters(w, IN_PUBLISH);
    int took = rp_publish(p, topic, &l, l.bytes, &o);
    worker_enters(w, OUTSIDE);
    if (took < 0 && took != RP_FULL && took != -EBUSY && took != RP_NO_SEAT)
        wrong("publish", took);
    if (matched < STEADY_BINDINGS)
        ledger_violation("number %u of %u was for %u queues: bindings are lost", n, slot, matched);
    if (!all_have(results, took))
        return false;
    for (unsigned b = 0; b < BINDERS; b++) {
        uint64_t now = atomic_load(&exchange_book->bound[b][kind]);
        if (now == words[b] && state_of(now) == BOUND)
            atomic_fetch_or(&number->must, (uint8_t)(1u << b));
        if (now == atomic_load(&exchange_book->slots[slot].before[b]) && state_of(now) == UNBOUND)
            atomic_fetch_or(&number->must_not, (uint8_t)(1u << b));
    }
    atomic_store(&exchange_book->slots[slot].confirmed, n + 1);
    atomic_fetch_add_explicit(&exchange_book->published, 1, memory_order_relaxed);
    return true;
}

void publish_numbers(struct worker *w) {
    unsigned slot = w->slot;
    rp_exchange *x = open_exchange(w);
    rp_publisher *p = NULL;
    int result = x == NULL ? RP_GONE : rp_publisher_open(x, NULL, &p);
    if (result < 0) {
        wrong("open of a publisher", result);
        return;
    }
    while (!storm_ends()) {
        uint32_t n = atomic_load(&exchange_book->slots[slot].confirmed);
        if (n < NUMBERS)
            (void)publish_once(w, p, slot, n);
        else
            worker_breathe(w, 1000);
    }
    rp_publisher_close(p);
    close_exchange(x);
}

/* ---- binding ---- */

struct exchange_list exchange_list(rp_exchange *x, const struct storm *s) {
    struct exchange_list list = {0};
    struct rp_binding b;
    int result;
    for (uint32_t at = 0; (result = rp_exchange_next(x, at, &b)) == 0; at = b.index + 1) {
        bool known = false;
        list.count++;
        for (unsigned q = 0; q < QUEUES; q++) {
            if (strcmp(b.queue, exchange_queue(s, q)) != 0)
                continue;
            if (q < MOVING_QUEUES) {
                known = strcmp(b.pattern, "#") == 0;
                list.steady |= 1u << q;
            }
            for (unsigned k = 0; q >= MOVING_QUEUES && k < KINDS; k++)
                if (strcmp(b.pattern, exchange_pattern(k)) == 0) {
                    known = true;
                    list.moving[q - MOVING_QUEUES] |= 1u << k;
                }
        }
        if (!known || b.header_count != 0)
            ledger_violation("a binding that nobody made: '%.60s' to '%.60s'", b.pattern, b.queue);
    }
    if (result != RP_EMPTY)
        wrong("listing of the bindings", result);
    atomic_fetch_add_explicit(&exchange_book->listed, 1, memory_order_relaxed);
    return list;
}

/* Binds it or takes it back, and holds what it is told against what the books know. */
static void change(struct worker *w, rp_exchange *x, unsigned me, unsigned kind, bool bind) {
    _Atomic uint64_t *word = &exchange_book->bound[me][kind];
    uint64_t sequence = atomic_load(word) >> 2;
    enum bound before = state_of(atomic_load(word)), after = bind ? BOUND : UNBOUND;
    const char *pattern = exchange_pattern(kind), *queue = exchange_queue(w->storm, MOVING_QUEUES + me);
    atomic_store(word, (sequence + 1) << 2 | MAYBE_BOUND);
    worker_enters(w, IN_CHANGE);
    int result = bind ? rp_exchange_bind(x, pattern, queue, NULL) : rp_exchange_unbind(x, pattern, queue, NULL);
    worker_enters(w, OUTSIDE);
    if (result == -EBUSY) { /* somebody is stopped, with the lock */
        after = before;
        atomic_fetch_add_explicit(&exchange_book->busy, 1, memory_order_relaxed);
    } else if (result != 0 && result != (bind ? 1 : -ENOENT)) {
        wrong(bind ? "bind" : "unbind", result);
    } else {
        bool was = (result == 0) != bind;
        if (was != (before == BOUND))
            ledger_violation("%s of '%s' says that it was %sbound, but it was %s", bind ? "bind" : "unbind", pattern,
                             was ? "" : "not ", before == BOUND ? "bound" : "not");
        atomic_fetch_add_explicit(&exchange_book->changes, 1, memory_order_relaxed);
    }
    atomic_store(word, (sequence + 2) << 2 | after);
}

/* What the one before in this slot was at when he died is done or not done by now, for good. */
static void find_out(const struct worker *w, rp_exchange *x, unsigned me) {
    struct exchange_list list = exchange_list(x, w->storm);
    for (unsigned kind = 0; kind < KINDS; kind++) {
        _Atomic uint64_t *word = &exchange_book->bound[me][kind];
        uint64_t before = atomic_load(word);
        if (state_of(before) != MAYBE_BOUND)
            continue;
        atomic_store(word, ((before >> 2) + 1) << 2 | (list.moving[me] >> kind & 1 ? BOUND : UNBOUND));
        atomic_fetch_add_explicit(&exchange_book->half_done, 1, memory_order_relaxed);
    }
}

void bind_about(struct worker *w) {
    unsigned me = w->slot - PUBLISHERS;
    rp_exchange *x = open_exchange(w);
    if (x != NULL)
        find_out(w, x, me);
    while (x != NULL && !storm_ends()) {
        switch (worker_random(w, 16)) {
        case 0: (void)exchange_list(x, w->storm); break;
        case 1: {
            worker_enters(w, IN_CHANGE);
            int result = rp_exchange_sweep(x);
            worker_enters(w, OUTSIDE);
            if (result < 0 && result != -EBUSY)
                wrong("sweep", result);
            break;
        }
        default: change(w, x, me, (unsigned)worker_random(w, KINDS), worker_random(w, 2) == 0);
        }
        worker_breathe(w, 200);
    }
    if (x != NULL)
        close_exchange(x);
}

/* ---- receiving ---- */

void exchange_shown(unsigned q, const struct rp_message *m) {
    if (!letter_check(m->data, m->bytes, "received"))
        return;
    const struct letter *l = m->data;
    uint64_t before = 0;
    if (l->producer >= PUBLISHERS || l->number / NUMBERS != l->producer) {
        ledger_violation("queue %u: number %llu of publisher %u", q, (unsigned long long)l->number, l->producer);
        return;
    }
    struct number *number = &exchange_book->numbers[l->producer][l->number % NUMBERS];
    uint32_t tries = atomic_load(&number->tries);
    if (tries == 0)
        ledger_violation("queue %u: number %llu was never published", q, (unsigned long long)l->number);
    if (atomic_compare_exchange_strong(&number->ids[q], &before, m->id) || before == m->id)
        return; /* delivered again, perhaps: whose receiver died, or was too slow */
    if (q != PLAIN_QUEUE || tries < 2)
        ledger_violation("queue %u: number %llu is there twice, as message %llu and %llu", q, (unsigned long long)l->number,
                         (unsigned long long)before, (unsigned long long)m->id);
    atomic_fetch_add_explicit(&exchange_book->twice, 1, memory_order_relaxed);
}

static void receive_some(unsigned q, rp_queue *queue) {
    rp_consumer *c;
    struct rp_message m;
    int result = rp_consumer_open(queue, NULL, &c);
    if (result < 0) {
        wrong("open of a consumer", result);
        return;
    }
    for (unsigned i = 0; i < VISIT_MESSAGES && (result = rp_receive(c, &m, WAIT_NS)) == 0; i++) {
        exchange_shown(q, &m);
        result = rp_ack(c, &m);
        if (result != 0 && result != RP_LEASE_LOST)
            wrong("ack", result);
    }
    if (result < 0 && result != RP_EMPTY && result != RP_LEASE_LOST)
        wrong("receive", result);
    rp_consumer_close(c);
}

void subscribe(struct worker *w) {
    while (!storm_ends()) {
        unsigned q = (unsigned)worker_random(w, QUEUES);
        rp_queue *queue = NULL;
        worker_enters(w, IN_ATTACH);
        int result = rp_queue_open(exchange_queue(w->storm, q), NULL, &queue);
        worker_enters(w, OUTSIDE);
        if (result == 0) {
            receive_some(q, queue);
            worker_detach(w, queue);
        } else if (result != RP_NO_SEAT) {
            wrong("open of a queue", result);
        }
    }
}
