/* SPDX-License-Identifier: MIT */
/* One storm: a queue, a crew of processes that use it in every way, and somebody who kills or stops them at any instant. */
#ifndef STORM_STORM_H
#define STORM_STORM_H

#include "ledger.h"

#include <ringpost/ringpost.h>
#include <stddef.h>

enum role {
    ROLE_PRODUCER,
    ROLE_CONSUMER,
    ROLE_SWEEPER,
    ROLE_VISITOR,
    ROLE_UNDERTAKER,
    ROLE_PASSER,
    ROLE_OPERATOR,
    ROLE_PUBLISHER,
    ROLE_BINDER,
    ROLE_SUBSCRIBER,
    ROLE_SENDER,
    ROLE_SETTLER,
    ROLES
};

struct variant {
    const char *name;
    uint32_t capacity;
    uint32_t max_deliveries; /* 0: nothing dies by itself */
    uint32_t lease_ms;
    uint32_t prefetch;
    uint32_t max_participants;
    uint32_t dead_capacity; /* 0: everything may be dead */
    bool dead_refuse;       /* else the oldest dead letter is dropped, and so may be missing */
    bool rejects;           /* consumers reject; undertakers purge and redrive */
    bool purges;            /* the parent, who is never killed, purges what is ready now and then */
    bool at_most_once;      /* all consumers are RP_ACK_NONE */
    bool block;             /* senders wait for room */
    uint32_t lanes;         /* keyed: each producer's letters have a key of their own */
    uint32_t priorities;    /* each producer's letters have a level */
    unsigned crew[ROLES];
    bool sleepers;   /* consumers sleep on their descriptors */
    bool waiters;    /* sleepers, and some of them in rp_wait, on futexes */
    bool ids;        /* each letter has an id for deduplication, and is sent again when its sender was killed */
    bool numbered;   /* the same, by a sequence of a producer with an identity */
    uint32_t sync;   /* enum rp_sync: the queue is durable */
    uint32_t shards; /* each producer's letters have a lane, by its slot; of one that is numbered any, in each life another */
};

struct storm {
    const struct variant *variant;
    char queue[64];   /* storm_exchange: what its queues and its exchange are named by */
    char journal[64]; /* of a durable queue: its directory */
    uint64_t seed;
};

/* ---- what is sent (letter.c) ---- */

struct letter {
    uint64_t number;
    uint32_t producer;
    uint32_t bytes;
    unsigned char pattern[176];
};
enum { LETTER_BYTES_MIN = offsetof(struct letter, pattern), LETTER_BYTES_MAX = sizeof(struct letter) };

/* A lane's places, where there are keys. */
enum { LANE_CAPACITY = 16 };
/* Options under which a producer's letters go one way, in order: a key or a level, as the queue is. *producer is pointed to. */
void letter_way(const struct variant *v, const uint32_t *producer, struct rp_send_options *o);
void letter_write(struct letter *to, uint64_t number, uint32_t producer, uint32_t bytes);
/* Is this a whole letter, every byte right? Else a violation that says `when`. */
bool letter_check(const void *data, size_t bytes, const char *when);

/* ---- who does it; each is the body of a process and returns when ledger->stop is set ---- */

struct worker {
    const struct storm *storm;
    unsigned slot;
    uint64_t random;
    struct tallies *tallies;
};

uint64_t worker_random(struct worker *w, uint64_t below);
uint64_t now_ns(void);
/* A pace, not a wait. */
void worker_breathe(struct worker *w, uint64_t most_us);
/* Attaches, however long seats are short; NULL when the storm ends before. */
rp_queue *worker_attach(struct worker *w);
void worker_detach(struct worker *w, rp_queue *q);
static inline void worker_enters(struct worker *w, enum inside what) { atomic_store(&w->tallies->inside, what); }
static inline bool storm_ends(void) { return atomic_load_explicit(&ledger->stop, memory_order_relaxed) != 0; }

void produce(struct worker *w);
void consume(struct worker *w);
void pass(struct worker *w);
void sweep(struct worker *w);
void visit(struct worker *w);
void bury(struct worker *w);
void operate(struct worker *w);
/* Of storm_exchange (exchange_crew.c). */
void publish_numbers(struct worker *w);
void bind_about(struct worker *w);
void subscribe(struct worker *w);
/* Of storm_durable (durable_crew.c). */
void send_parcels(struct worker *w);
void settle_parcels(struct worker *w);

/* A call was not let through, and somebody pauses in this storm. */
static inline bool was_paused(const struct worker *w, int result) {
    return result == RP_PAUSED && w->storm->variant->crew[ROLE_OPERATOR] > 0;
}

/* Settles whatever the dead ring holds: some purged, some (`redrive`) sent round again. */
void undertake(struct worker *w, rp_queue *q, bool redrive);

/* One explicit consumer's memory of what it saw first, per producer. */
struct order {
    uint64_t *last; /* message number + 1 */
};
void order_open(struct order *o);
void order_close(struct order *o);
void order_check(struct order *o, const struct letter *l);

#endif
