/* SPDX-License-Identifier: MIT */
/*
 * The witness writes down, outside of the segment, what participants were told by the queue, and judges at the end whether all of it can be true together:
 * nothing lost, nothing twice, no late power, no garbage, in order, and everything free again. Scenarios make their calls through it.
 *
 * Each message carries a tag of its own; the rest of its payload follows from the tag.
 */
#ifndef SIM_WITNESS_H
#define SIM_WITNESS_H

#include "sim.h"
#include <ringpost/ringpost.h>

/* What a scenario expects to be different from the usual. */
struct witness_expectations {
    bool redrives;    /* a message may be delivered anew after it was dead: counts begin again */
    bool purges;      /* messages may go by rp_queue_purge or rp_dead_purge, as many as those calls say */
    bool drops;       /* or to make room, as many as the queue counted, and one more for each death */
    bool late_bytes;  /* bytes that were freed may be missed until the next count: FULL is not checked */
    uint32_t evicts;  /* or because the dead ring was full: so many it holds; nobody takes from it */
    uint32_t refuses; /* the dead ring holds so many and refuses more */
    bool purge_dead;  /* the finisher drops the dead letters instead of redriving them */
    bool
        claims_ahead; /* consumers take messages before they are asked for them: order, EMPTY and the length of leases are not checked */
    bool groups;      /* groups come and go: what one of them was not there for all the time, it may get or not */
    uint32_t full_at;   /* FULL is right when so many places are in use; 0: the queue's capacity */
    bool waits;         /* delays and times to live: order and EMPTY are not checked, but when each comes */
    unsigned expires;   /* so many messages may expire and be dropped */
    uint64_t settle_ns; /* how much the finisher lets pass at a time until all leases and backoffs are over; 0: 2 s */
    bool ages;          /* an old message may come before one of a higher level */
    unsigned lossy;     /* the group that `drops` is about; 0: "default" */
    bool queues_up;     /* what is sent may wait for a place in its lane, and come a tick late: EMPTY is not checked */
    bool forwards;      /* letters may go to another queue: what is missing here the scenario looks for itself */
    bool spills;        /* what has no memory goes elsewhere: the interim fills memory, and not what is behind it */
    bool pauses;        /* it may be paused when the finisher comes */
};

extern bool sim_durable;       /* every queue has a journal, whatever its scenario says */
extern bool sim_journal_syncs; /* with RP_SYNC_ALWAYS */

/* For a program's setup: makes the queue, with nobody attached. `o` as for rp_queue_create, sized by witness_options. */
void witness_options(struct rp_queue_options *o);
void witness_create(const struct rp_queue_options *o, const struct witness_expectations *e);

/* The handles of a participant. Failures to open fail the run, but for RP_NO_SEAT of witness_attach. */
struct desk {
    rp_queue *queue;
    rp_producer *producer;
    rp_consumer *consumer;
    struct rp_message held[8];
    unsigned held_count;
    bool at_most_once; /* the consumer acks nothing */
    unsigned group;    /* of the consumer; 0: "default", n: "gn" */
    uint64_t number;   /* the next send's sequence: of a producer with an id; 0: none */
    uint8_t shard;     /* in a queue with shards: whose lane it fills and takes from first, 1, ... */
};
int witness_attach(struct desk *d);
void witness_open(struct desk *d); /* attach, producer, consumer; shards: of the one that is this participant's */
void witness_open_at(struct desk *d, uint8_t shard);
void witness_producer(struct desk *d);
/* Its producer is "a" from now on. RP_IN_USE: somebody else is. */
int witness_producer_id(struct desk *d);
/* How far it came; in a durable queue what it says is in the journal. */
uint64_t witness_sequence(struct desk *d);
void witness_consumer(struct desk *d);
void witness_consumer_with(struct desk *d, uint32_t prefetch, uint32_t ack);
void witness_close_consumer(struct desk *d);
void witness_close(struct desk *d); /* whatever is open */

int witness_send(struct desk *d, int64_t timeout_ns);
/* Without waiting for the journal: what became of it nobody was told. */
int witness_send_async(struct desk *d);
/* With a key of one byte, or at a level, as the queue is. */
int witness_send_in(struct desk *d, uint8_t lane, int64_t timeout_ns);
int witness_send_timed(struct desk *d, uint64_t delay_ns, uint64_t ttl_ns);
int witness_send_at(struct desk *d, uint64_t at_ns); /* of the wall clock */
/* Under id `once`, 1 to 255; also RP_DUPLICATE and -EBUSY are answers. */
int witness_send_once(struct desk *d, uint8_t once, int64_t timeout_ns, uint64_t delay_ns);
int witness_send_batch(struct desk *d, unsigned count);
struct lent {
    struct rp_loan loan;
    uint32_t tag;
};
int witness_loan(struct desk *d, struct lent *l); /* fills it in, too */
int witness_commit(struct desk *d, struct lent *l);
int witness_commit_once(struct desk *d, struct lent *l, uint8_t once);
int witness_abandon(struct desk *d, struct lent *l);

/* Groups 1 to WITNESS_GROUPS - 1 are called "g1" and so on, and each is made once in a run at most by each who tries. Results of rp_group_create and _remove. */
enum { WITNESS_GROUPS = 4 };
int witness_group_create(struct desk *d, unsigned group);
struct rp_group_options;
int witness_group_create_with(struct desk *d, unsigned group, const struct rp_group_options *o);
/* It begins with this sequence, or, 0, with the oldest there is, which is then the first that was sent. */
int witness_group_create_past(struct desk *d, unsigned group, uint64_t start);
int witness_group_remove(struct desk *d, unsigned group);
/* The consumer is one of this group from now on. -ENOENT: there is no such group; the desk has no consumer then. */
int witness_group_consumer(struct desk *d, unsigned group);
/* As those without a group, below. -ENOENT: there is no such group. */
int witness_group_purge(struct desk *d, unsigned group, unsigned states);
int witness_group_redrive(struct desk *d, unsigned group);
int witness_group_dead_purge(struct desk *d, unsigned group);

/* Received messages are appended to d->held. RP_GONE: its group was removed. */
int witness_receive(struct desk *d, int64_t timeout_ns);
/* In an event loop of its own: waits on the descriptor until a message was received, or `patience_ns` are over. */
int witness_poll_receive(struct desk *d, uint64_t patience_ns);
/* The same with rp_wait, for one of two desks. */
int witness_wait_receive(struct desk *d, struct desk *other, uint64_t patience_ns);
int witness_receive_batch(struct desk *d, unsigned max, int64_t timeout_ns);
/* These settle d->held[i] and take it out; a message that stays held (RP_FULL) is put back. */
int witness_ack(struct desk *d, unsigned i);
int witness_nack(struct desk *d, unsigned i, int64_t delay_ns, bool charge);
int witness_reject(struct desk *d, unsigned i);
int witness_extend(struct desk *d, unsigned i, uint64_t lease_ns);
int witness_sweep(struct desk *d);
int witness_purge(struct desk *d, unsigned states);
int witness_cancel(struct desk *d, uint32_t tag); /* a message whose send has returned */
int witness_keep(struct desk *d, int64_t timeout_ns);
int witness_redrive(struct desk *d);
int witness_dead_purge(struct desk *d);
int witness_redrive_first(struct desk *d); /* the one with the lowest id */
int witness_dead_purge_first(struct desk *d);

/* rp_queue_pause, _resume, _drain; rp_group_pause: -ENOENT if there is no such group. */
int witness_pause(struct desk *d, unsigned sides);
int witness_resume(struct desk *d, unsigned sides);
int witness_group_pause(struct desk *d, unsigned group);
int witness_drain(struct desk *d, int64_t timeout_ns);

/* For a program's interim and finish. */
void witness_interim(void);
void witness_finish(void);
/* The same, and before it whoever survived sends once more under each id that was used. */
void witness_finish_once(void);

#endif
