/* SPDX-License-Identifier: MIT */
/* What the witness wrote down; for those who judge it. */
#ifndef SIM_WITNESS_LOG_H
#define SIM_WITNESS_LOG_H

#include "witness.h"
#include <limits.h>

enum { EVENTS = 1024, UNKNOWN = INT_MIN };

enum event_kind {
    SEND = 1,
    LOAN,
    ABANDON,
    EMPTY, /* a receive that got nothing, or has not ended */
    RECEIVED,
    ACK,
    NACK,
    REJECT,
    EXTEND,
    VIEW_END,
    CLOSE_CONSUMER,
    SWEEP,
    PURGE,
    REDRIVE,
    ATTACH,
    DETACH,
    DIED /* was found among the dead letters by the finisher */
};

struct event {
    uint8_t kind;
    uint8_t who;
    bool polled;
    uint32_t tag;
    uint64_t id; /* of a message that is being sent: written by the library */
    uint32_t acquisitions, deliveries;
    int result; /* UNKNOWN: the call has not returned, and if its caller was killed never will */
    uint64_t begin; /* calls that had ended when it began */
    uint64_t end;   /* its own number in the order of endings; UINT64_MAX: has not */
    uint64_t until_ns;
};

struct witness_log {
    unsigned count;
    uint32_t sent_by[SIM_FIBERS];
    uint32_t capacity, message_bytes, participants;
    struct witness_expectations expect;
    struct event events[EVENTS]; /* not saved: those written before a run are never changed in it */
};
extern struct witness_log witness;

/* Writes down that the finisher saw this payload among the dead letters. */
void witness_died(const void *data, size_t bytes);

/* Judges the whole log after everything was drained. Fails the run at the first contradiction. */
void witness_judge(void);

#endif
