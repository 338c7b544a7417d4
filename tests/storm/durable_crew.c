/* SPDX-License-Identifier: MIT */
/* Those who send into a durable queue, and settle what is in it. */
#include "durable.h"

#include <string.h>

enum { PATIENCE_NS = 2000000, WAIT_NS = 5000000, ASYNC_MOST = 40, BATCH_MOST = 12, FLUSH_EVERY = 60, KEPT_ORDER = 1 << 12 };

struct durable_book *durable_book;

static void wrong(const char *what, int result) { ledger_violation("%s: %s: %s", what, rp_error_name(result), rp_error_detail()); }

static uint64_t check_of(uint32_t number, uint32_t life, size_t bytes) {
    return (number + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ life * UINT64_C(0xbf58476d1ce4e5b9) ^ bytes;
}

uint32_t body_check(const void *data, size_t bytes) {
    struct body b;
    if (bytes < BODY_LEAST || bytes > sizeof b) {
        ledger_violation("a message of %zu bytes was never sent", bytes);
        return 0;
    }
    memcpy(&b, data, bytes);
    bool whole = b.check == check_of(b.number, b.life, bytes) && b.number < NUMBERS;
    for (size_t i = 0; i < bytes - BODY_LEAST; i++)
        whole = whole && b.filler[i] == (unsigned char)(b.number + i);
    if (!whole)
        ledger_violation("message %u of life %u is not as it was sent", b.number, b.life);
    return whole ? b.number : 0;
}

rp_queue *durable_attach(const struct storm *s) {
    struct rp_open_options o;
    rp_queue *q = NULL;
    rp_open_options_init(&o, sizeof o);
    o.journal = s->journal;
    int result = rp_queue_open(s->queue, &o, &q);
    if (result == 0)
        return q;
    wrong("open", result);
    return NULL;
}

struct worker *durable_worker;

static rp_queue *attach(struct worker *w) {
    durable_worker = w;
    worker_enters(w, IN_ATTACH);
    rp_queue *q = durable_attach(w->storm);
    worker_enters(w, OUTSIDE);
    return q;
}

/* Long enough to aim at, and where the writing is done. */
static int flush(struct worker *w, rp_producer *p) {
    uint64_t begun = atomic_load(&durable_book->clock), before = atomic_load(&durable_book->flushed);
    worker_enters(w, IN_SEND);
    int result = rp_flush(p);
    worker_enters(w, OUTSIDE);
    if (result != 0) {
        wrong("flush", result);
        return result;
    }
    while (before < begun && !atomic_compare_exchange_weak(&durable_book->flushed, &before, begun)) {
    }
    atomic_fetch_add_explicit(&durable_book->flushes, 1, memory_order_relaxed);
    return 0;
}

/* ---- sending ---- */

struct sender {
    struct worker *worker;
    rp_producer *producer;
    uint32_t life;
    uint32_t owed[4096]; /* sent, and not flushed */
    uint32_t owes;
};

static bool is_synced(const struct worker *w) { return w->storm->variant->sync == RP_SYNC_ALWAYS; }

static struct parcel *write_body(struct sender *s, struct body *b, size_t *bytes, uint32_t number) {
    struct parcel *p = &durable_book->parcels[number];
    *bytes = BODY_LEAST + (size_t)worker_random(s->worker, sizeof b->filler + 1);
    b->number = number;
    b->life = s->life;
    b->check = check_of(number, s->life, *bytes);
    for (size_t i = 0; i < *bytes - BODY_LEAST; i++)
        b->filler[i] = (unsigned char)(number + i);
    atomic_store(&p->life, s->life);
    return p;
}

/* 0: the books are full. */
static uint32_t next_number(void) {
    uint32_t number = atomic_fetch_add(&durable_book->next, 1) + 1;
    return number < NUMBERS ? number : 0;
}

static void outcome(struct sender *s, uint32_t number, int result, bool durable) {
    struct parcel *p = &durable_book->parcels[number];
    if (result == 0) {
        atomic_store(&p->sending, durable ? SENDING_DURABLE : SENDING_DONE);
        atomic_fetch_add_explicit(&s->worker->tallies->sends, 1, memory_order_relaxed);
        if (!durable)
            s->owed[s->owes++ % 4096] = number;
    } else if (result == RP_FULL) {
        atomic_store(&p->sending, SENDING_REFUSED);
        atomic_fetch_add_explicit(&s->worker->tallies->full, 1, memory_order_relaxed);
    } else {
        wrong("send", result);
    }
}

static bool send_one(struct sender *s, bool wait) {
    struct rp_send_options o;
    struct body b;
    size_t bytes;
    uint32_t number = next_number();
    if (number == 0)
        return false;
    struct parcel *p = write_body(s, &b, &bytes, number);
    rp_send_options_init(&o, sizeof o);
    o.timeout_ns = PATIENCE_NS;
    o.delay_ns = worker_random(s->worker, 20) == 0 ? (1 + worker_random(s->worker, 20)) * 1000000 : 0;
    atomic_store(&p->delayed, o.delay_ns != 0);
    atomic_store(&p->sending, SENDING_BEGUN);
    worker_enters(s->worker, IN_SEND);
    int result = wait ? rp_send(s->producer, &b, bytes, &o) : rp_send_async(s->producer, &b, bytes, &o);
    worker_enters(s->worker, OUTSIDE);
    outcome(s, number, result, wait && is_synced(s->worker));
    return true;
}

static bool send_batch(struct sender *s) {
    struct body bodies[BATCH_MOST];
    struct rp_send_item items[BATCH_MOST] = {0};
    uint32_t numbers[BATCH_MOST];
    size_t count = 1 + (size_t)worker_random(s->worker, BATCH_MOST);
    for (size_t i = 0; i < count; i++) {
        if ((numbers[i] = next_number()) == 0)
            return false;
        struct parcel *p = write_body(s, &bodies[i], &items[i].bytes, numbers[i]);
        items[i].data = &bodies[i];
        atomic_store(&p->sending, SENDING_BEGUN);
    }
    worker_enters(s->worker, IN_SEND);
    int result = rp_send_batch(s->producer, items, count);
    worker_enters(s->worker, OUTSIDE);
    size_t sent = result > 0 ? (size_t)result : 0;
    for (size_t i = 0; i < count; i++)
        outcome(s, numbers[i], i < sent ? items[i].result : result < 0 ? result : RP_FULL, is_synced(s->worker));
    return true;
}

static void flush_owed(struct sender *s) {
    uint32_t owes = s->owes < 4096 ? s->owes : 4096;
    if (flush(s->worker, s->producer) != 0)
        return;
    for (uint32_t i = 0; i < owes; i++)
        atomic_store(&durable_book->parcels[s->owed[i]].sending, SENDING_DURABLE);
    s->owes = 0;
}

void send_parcels(struct worker *w) {
    struct sender s = {.worker = w, .life = atomic_fetch_add(&durable_book->life, 1) + 1};
    rp_queue *q = attach(w);
    bool more = q != NULL && rp_producer_open(q, NULL, &s.producer) == 0;
    while (more && !storm_ends()) {
        switch (worker_random(w, 4)) {
        case 0: more = send_batch(&s); break;
        case 1:
            for (uint64_t i = worker_random(w, ASYNC_MOST); i > 0 && more; i--)
                more = send_one(&s, false);
            if (worker_random(w, 4) > 0)
                flush_owed(&s);
            break;
        default: more = send_one(&s, true);
        }
    }
    while (!storm_ends())
        worker_breathe(w, 2000); /* the books are full */
    if (s.producer != NULL)
        rp_producer_close(s.producer);
    if (q != NULL)
        worker_detach(w, q);
}

/* ---- settling ---- */

struct settler {
    struct worker *worker;
    rp_consumer *consumer;
    uint32_t *last; /* of each life: the highest number that came for the first time */
};

static void check_order(struct settler *t, const struct rp_message *m, uint32_t number) {
    const struct parcel *p = &durable_book->parcels[number];
    uint32_t *last = &t->last[atomic_load(&p->life) % LIVES];
    if (m->acquisitions > 1 || atomic_load(&p->delayed))
        return;
    if (number < *last)
        ledger_violation("message %u came for the first time after %u of the same producer", number, *last);
    *last = number;
}

static void settle(struct settler *t, struct rp_message *m) {
    uint32_t number = body_check(m->data, m->bytes);
    struct parcel *p = &durable_book->parcels[number];
    enum sending sending = (enum sending)atomic_load(&p->sending);
    struct rp_nack_options o;
    if (sending == SENDING_NOT || sending == SENDING_REFUSED || sending == SENDING_LOST)
        ledger_violation("message %u came, which %s", number, sending == SENDING_LOST ? "was lost" : "was never sent");
    if (atomic_load(&p->acked) != 0)
        ledger_violation("message %u came again after its ack", number);
    check_order(t, m, number);
    atomic_fetch_add_explicit(&t->worker->tallies->receives, 1, memory_order_relaxed);
    if (worker_random(t->worker, 12) == 0) {
        rp_nack_options_init(&o, sizeof o);
        o.charge = (uint32_t)worker_random(t->worker, 2);
        (void)rp_nack(t->consumer, m, &o);
        return;
    }
    atomic_fetch_add(&p->open, 1);
    int result = rp_ack(t->consumer, m);
    if (result == 0) {
        atomic_store(&p->acked, atomic_fetch_add(&durable_book->clock, 1) + 1);
        atomic_fetch_add_explicit(&t->worker->tallies->acks, 1, memory_order_relaxed);
    } else if (result != RP_LEASE_LOST) {
        wrong("ack", result);
    }
    atomic_fetch_sub(&p->open, 1);
}

void settle_parcels(struct worker *w) {
    static uint32_t last[LIVES];
    struct settler t = {.worker = w, .last = last};
    rp_producer *p = NULL;
    rp_queue *q = attach(w);
    if (q == NULL || rp_consumer_open(q, NULL, &t.consumer) != 0 || rp_producer_open(q, NULL, &p) != 0)
        return;
    while (!storm_ends()) {
        struct rp_message m;
        int result = rp_receive(t.consumer, &m, WAIT_NS);
        if (result == 0)
            settle(&t, &m);
        else if (result != RP_EMPTY)
            wrong("receive", result);
        if (worker_random(w, FLUSH_EVERY) == 0)
            (void)flush(w, p);
    }
    rp_producer_close(p);
    rp_consumer_close(t.consumer);
    worker_detach(w, q);
}
