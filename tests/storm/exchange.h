/* SPDX-License-Identifier: MIT */
/*
 * The books of storm_exchange, kept outside of exchange and queues like the ledger: which bindings there are as far as those know who make them, which numbers were published, and under which id
 * each queue showed them. A worker that is killed leaves its part to the next one in its slot, who goes on from there.
 */
#ifndef STORM_EXCHANGE_H
#define STORM_EXCHANGE_H

#include "crew.h"

enum {
    PUBLISHERS = 3,
    BINDERS = 3,
    SUBSCRIBERS = 3,
    ONCE_QUEUES = 3,           /* bound all the time, with a dedup window */
    PLAIN_QUEUE = ONCE_QUEUES, /* the same, without one */
    MOVING_QUEUES,             /* the first of those that are bound and unbound: one for each binder, with a window */
    QUEUES = MOVING_QUEUES + BINDERS,
    KINDS = 8, /* bindings of each binder; each number is of a kind */
    STEADY_BINDINGS = MOVING_QUEUES,
    MAX_BINDINGS = STEADY_BINDINGS + BINDERS * KINDS + 2,
    NUMBERS = 1 << 14 /* that each publisher's slot has in one round. Dedup windows hold all of them */
};

enum bound { UNBOUND, BOUND, MAYBE_BOUND }; /* the last: a change is under way, or nobody lived to tell */

struct number {
    _Atomic uint32_t tries;         /* so many publishes of it were begun */
    _Atomic uint8_t must, must_not; /* binders whose queue has it, or has it not, as bits */
    _Atomic uint64_t ids[QUEUES];   /* of the message, once it was shown */
};

struct exchange_book {
    _Atomic uint64_t bound[BINDERS][KINDS]; /* changes << 2 | enum bound */
    struct {
        _Atomic uint32_t confirmed;       /* numbers below are in all queues that were bound all the time */
        _Atomic uint64_t before[BINDERS]; /* `bound` of its kind before its first publish, of the number that is not */
    } slots[PUBLISHERS];
    struct number numbers[PUBLISHERS][NUMBERS];
    _Atomic uint64_t published, duplicates, twice, changes, half_done, busy, listed;
};
extern struct exchange_book *exchange_book;

const char *exchange_queue(const struct storm *s, unsigned i);
/* The pattern of a binder's kind, or of the messages of a kind. */
const char *exchange_pattern(unsigned kind);

/* A message came out of queue `q`: may it, and was it not there before? */
void exchange_shown(unsigned q, const struct rp_message *m);

/* Lists the bindings: each must be one that somebody makes. Those that are found, as bits of a kind for each binder, and the steady ones. */
struct exchange_list {
    uint32_t steady, moving[BINDERS], count;
};
struct exchange_list exchange_list(rp_exchange *x, const struct storm *s);

#endif
