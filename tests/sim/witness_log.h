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
    GROUP_CREATE,
    GROUP_REMOVE,
    DIED, /* was found among the dead letters by the finisher */
    PAUSE,
    RESUME,
    DRAIN
};

struct event {
    uint8_t kind;
    uint8_t who;
    uint8_t group;     /* of who receives and settles; or that is made, removed, purged or redriven */
    bool at_most_once; /* a receive that settles, too: he who dies in it may take the message with him */
    bool at_once;      /* a nack without delay */
    uint8_t lane;      /* of a send: its key, its priority or its shard; of a pause or resume: the sides */
    uint8_t once;      /* of a send: its id; 0: none */
    uint32_t tag;
    uint32_t past;   /* of a group that was made: it began in the past, with this sequence; 0: it did not */
    uint64_t number; /* of a send: its sequence; 0: none */
    uint64_t id;     /* of a message that is being sent: written by the library */
    uint32_t acquisitions, deliveries;
    int result;     /* UNKNOWN: the call has not returned, and if its caller was killed never will */
    uint64_t begin; /* calls that had ended when it began */
    uint64_t end;   /* its own number in the order of endings; UINT64_MAX: has not */
    uint64_t begin_ns, end_ns;
    uint64_t until_ns;         /* a lease that was granted lasts until then */
    uint64_t delay_ns, ttl_ns; /* of a send; 0: none */
};

struct witness_log {
    unsigned count;
    uint32_t sent_by[SIM_FIBERS];
    uint32_t capacity, message_bytes, participants;
    uint64_t lease_ns;
    bool keyed, levels, headers;
    uint32_t shards;
    unsigned dropped; /* as the queue counted, at the end */
    unsigned forgotten;
    uint64_t window_ns;
    bool forgets; /* there are fewer places for ids than are used */
    const char *call_of[SIM_FIBERS];
    struct witness_expectations expect;
    struct event events[EVENTS];
};
extern struct witness_log witness;

/* A call begins. Its event stays UNKNOWN if the caller dies in it. */
struct event *witness_begin(enum event_kind kind, uint32_t tag, const char *name);
/* It has ended; `success`: with what it was called for. -> result */
int witness_end(struct event *e, int result, bool success);
/* An event that is no call. */
struct event *witness_append(enum event_kind kind, uint32_t tag);
/* All that the judge will look at is part of the state; the order of calls is so already. */
void witness_learn(const struct event *e);
/* Whose payload this is. Fails the run when it is nobody's, or damaged. */
uint32_t witness_tag(const struct rp_message *m);
/* The tag of a message that is held. */
uint32_t witness_tag_of(const struct rp_message *m);
/* The bytes under a view never change, whatever became of the lease. */
void witness_check_view(const struct rp_message *m, uint32_t tag);
void witness_check_headers(const struct rp_message *m, uint32_t tag);
/* Fails the run when the result is an error. */
void witness_must(int result, const char *what);

/* The call that made the group, and the one that removed it; NULL: none. Of calls that failed there is no record here. */
const struct event *witness_group_event(unsigned group, enum event_kind kind);
/* May the group have been removed? A removal has begun. */
bool witness_group_may_be_gone(unsigned group);

/* Does a group that was made like this get what was sent, whenever? Sequences of what is sent in setup are known: there the creator of the queue sends alone, all that it tries, and begins with 1. */
bool witness_past_gets(const struct event *made, const struct event *send);

/* As rp_group_create calls it; NULL: "default". */
const char *witness_group_name(unsigned group);

/* The id of a send. */
void witness_once(struct rp_send_options *o, const uint8_t *once);
/* Was somebody told that this send, whose caller died in it, is a message? */
bool witness_vouched(const struct event *send);
/* An id that a committed send had is not committed again; RP_DUPLICATE is said only of such, and names it. */
void witness_judge_once(void);

/* Writes down that the finisher saw this payload among the dead letters of a group. */
void witness_died(unsigned group, const void *data, size_t bytes);

/* The part of witness_judge that is about pausing and draining. */
void witness_judge_flow(void);

/* Judges the whole log after everything was drained. Fails the run at the first contradiction. */
void witness_judge(void);

#endif
