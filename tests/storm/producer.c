/* SPDX-License-Identifier: MIT */
/* A process that sends: copies, batches and loans, each entered in the books before and after. */
#include "again.h"

enum { BATCH = LEDGER_UNSURE, PATIENCE_NS = 5000000 };

struct numbers {
    uint64_t next, end;
};

/* The next message number; false when the ledger is full. */
static bool number_next(struct numbers *n, uint64_t *out) {
    if (n->next == n->end) {
        uint64_t first = ledger_take_numbers();
        if (first == UINT64_MAX)
            return false;
        n->next = first;
        n->end = first + LEDGER_CHUNK;
    }
    *out = n->next++;
    return true;
}

static uint32_t random_bytes(struct worker *w) {
    return LETTER_BYTES_MIN + (uint32_t)worker_random(w, LETTER_BYTES_MAX - LETTER_BYTES_MIN + 1);
}

static void outcome(struct worker *w, uint64_t number, int result, const char *what) {
    ledger_send_ended(number, result == 0);
    if (result == 0)
        atomic_fetch_add_explicit(&w->tallies->sends, 1, memory_order_relaxed);
    else if (result == RP_FULL || was_paused(w, result))
        atomic_fetch_add_explicit(&w->tallies->full, 1, memory_order_relaxed);
    else
        ledger_violation("%s: %s: %s", what, rp_error_name(result), rp_error_detail());
}

/* Who is interrupted there is worth killing: whether it was sent is decided by others. */
static void enters_send(struct worker *w, enum inside what) {
    if (sends_again(w->storm->variant))
        worker_enters(w, what);
}

static void send_copy(struct worker *w, rp_producer *p, uint64_t number, uint32_t me) {
    struct letter l;
    struct rp_send_options o;
    letter_way(w->storm->variant, &me, &o);
    o.timeout_ns = worker_random(w, 4) == 0 ? 0 : PATIENCE_NS;
    letter_write(&l, number, me, random_bytes(w));
    again_mark(w->storm->variant, &number, &o);
    again_note(w, 0, &l);
    ledger_send_begins(number);
    enters_send(w, IN_SEND);
    int result = rp_send(p, &l, l.bytes, &o);
    enters_send(w, OUTSIDE);
    outcome(w, number, result, "send");
    if (result == 0)
        again_at_once(w, p, &l);
    again_forget(w, 0);
}

static void send_loan(struct worker *w, rp_producer *p, uint64_t number, uint32_t me) {
    struct rp_loan loan;
    uint32_t bytes = random_bytes(w);
    int result = rp_loan(p, LETTER_BYTES_MAX, &loan);
    if (result < 0) {
        outcome(w, number, result, "loan");
        return;
    }
    letter_write(loan.data, number, me, bytes);
    loan.bytes = bytes;
    if (worker_random(w, 8) == 0) {
        ledger_send_ended(number, false); /* must never be seen */
        if ((result = rp_abandon(p, &loan)) != 0)
            ledger_violation("abandon: %s: %s", rp_error_name(result), rp_error_detail());
        return;
    }
    struct rp_send_options o;
    letter_way(w->storm->variant, &me, &o);
    again_mark(w->storm->variant, &number, &o);
    again_note(w, 0, loan.data);
    ledger_send_begins(number);
    enters_send(w, IN_SEND);
    result = rp_commit(p, &loan, &o);
    enters_send(w, OUTSIDE);
    outcome(w, number, result, "commit");
    again_forget(w, 0);
    if (result < 0)
        (void)rp_abandon(p, &loan);
}

/* False: no more numbers. */
static bool send_batch(struct worker *w, rp_producer *p, struct numbers *n, uint32_t me) {
    struct letter letters[BATCH];
    struct rp_send_item items[BATCH] = {0};
    uint64_t numbers[BATCH];
    size_t count = 1 + worker_random(w, BATCH);
    struct rp_send_options o[BATCH];
    for (size_t i = 0; i < count; i++) {
        if (!number_next(n, &numbers[i]))
            return false;
        letter_write(&letters[i], numbers[i], me, random_bytes(w));
        items[i].data = &letters[i];
        items[i].bytes = letters[i].bytes;
        letter_way(w->storm->variant, &me, &o[i]);
        again_mark(w->storm->variant, &numbers[i], &o[i]);
        items[i].options = &o[i];
    }
    for (size_t i = 0; i < count; i++) {
        again_note(w, (unsigned)i, &letters[i]);
        ledger_send_begins(numbers[i]);
    }
    enters_send(w, IN_SEND);
    int result = rp_send_batch(p, items, count);
    enters_send(w, OUTSIDE);
    size_t sent = result > 0 ? (size_t)result : 0;
    for (size_t i = count; i-- > 0;) {
        outcome(w, numbers[i], i < sent ? items[i].result : result < 0 ? result : RP_FULL, "batch");
        again_forget(w, (unsigned)i);
    }
    return true;
}

/* Sends until the storm ends, or (false) the ledger is full, or for a while. */
static bool produce_on(struct worker *w, rp_producer *p, struct numbers *n, uint32_t me) {
    for (int i = 0; i < 20000 && !storm_ends(); i++) {
        uint64_t number;
        again_hold_back(w, n->next);
        switch (worker_random(w, w->storm->variant->block ? 6 : 8)) {
        case 6:
        case 7:
            if (!send_batch(w, p, n, me))
                return false;
            break;
        case 0:
        case 1:
            if (!w->storm->variant->block) { /* a loan has no timeout of its own and would wait for ever */
                if (!number_next(n, &number))
                    return false;
                send_loan(w, p, number, me);
                break;
            } /* fall through */
        default:
            if (!number_next(n, &number))
                return false;
            send_copy(w, p, number, me);
        }
    }
    return true;
}

void produce(struct worker *w) {
    struct numbers numbers = {0, 0};
    bool more = true;
    while (more && !storm_ends()) {
        rp_producer *p;
        uint32_t me = atomic_fetch_add(&ledger->next_producer, 1); /* a new handle is a new producer */
        rp_queue *q = worker_attach(w);
        if (q == NULL)
            return;
        worker_enters(w, IN_HANDLE);
        int result = again_open(w, q, &p);
        worker_enters(w, OUTSIDE);
        if (result < 0) {
            ledger_violation("producer: %s: %s", rp_error_name(result), rp_error_detail());
            return;
        }
        more = again_all(w, p) && produce_on(w, p, &numbers, me);
        worker_enters(w, IN_HANDLE);
        rp_producer_close(p);
        worker_detach(w, q);
    }
}
