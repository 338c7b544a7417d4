/* SPDX-License-Identifier: MIT */
/* What a process keeps in its own memory: queue, producer, consumer, and the actor in each that moves messages. */
#ifndef RP_QUEUE_HANDLE_H
#define RP_QUEUE_HANDLE_H

#include "bells.h"
#include "clock.h"
#include "counters.h"
#include "groups.h"
#include "id_table.h"
#include "index_ring.h"
#include "liveness.h"
#include "policy.h"
#include "pool.h"
#include "timers.h"
#include <pthread.h>
#include <ringpost/ringpost.h>

enum {
    TICK_MS = 50 /* how often somebody keeps house, and how long anybody sleeps; what is promised is 100 */
};

/* What was listed last, see listing.h; under its lock. */
struct listing {
    pthread_mutex_t lock;
    struct listed *all; /* NULL: no list is made */
    size_t count, next;
    struct known_group group;
    unsigned states;
    uint64_t last_id; /* what the last call found; 0: nothing */
    uint64_t until_ns;
};

struct durable_store;

struct rp_queue {
    struct segment segment;
    void *memory;
    const volatile uint32_t *canary; /* 0 in a forked child */
    uint32_t seat;
    bool read_only;
    a32 gone;             /* the name was removed */
    a32 interrupts;       /* counts rp_queue_interrupt */
    pthread_mutex_t lock; /* the lists, and views that outlive their lease */
    struct rp_producer *producers;
    struct rp_consumer *consumers;
    uint32_t tally_lines; /* bits: lines of the seat that a handle owns */
    pthread_mutex_t prober_lock;
    struct prober prober;
    struct listing listing;
    int lock_result; /* of locking its memory: 0, negative errno */
    pthread_mutex_t store_lock;
    struct durable_store *store; /* durable queues: what this process has open of the journal; under its lock. NULL: nothing yet */
    uint64_t store_tried_ms;     /* under the same lock */
    a32 store_failed;            /* why it cannot open it, as a positive number; 0: it can, as far as is known */
    char name[SHM_PATH_MAX];
    char spill_dir[1024]; /* of the spill file; empty: there is none */
    char journal[JOURNAL_NAME_BYTES]; /* durable: where it is */
};

/* One who moves messages: a producer, a consumer, or somebody who keeps house. Used by one thread at a time. */
struct actor {
    struct rp_queue *queue;
    const struct segment *segment;
    uint32_t seat; /* NOBODY: a newcomer that recovers the dead to get a seat */
    uint32_t interrupts_seen;
    uint32_t tally_line; /* COUNTER_LINES: none of its own */
    struct tally tally;
    struct pool pool;
    struct timers timers;
    struct coarse_clock clock;
    uint64_t random;
    uint64_t next_tick_ms;
    uint64_t mended;  /* by its ticks, for rp_queue_keep to tell */
    uint32_t spin;    /* rounds that waiting has paid off for, adaptive */
    bool alone;       /* on the only processor we may use: spinning never pays */
    uint8_t strategy; /* enum rp_wait_strategy */
    struct id_spare id_spare;
};

void actor_open(struct actor *a, struct rp_queue *q);
void actor_close(struct actor *a);

static inline uint64_t actor_now_ms(struct actor *a) {
    return (coarse_clock_boot_ns(&a->clock) - a->segment->epoch_boot_ns) / 1000000;
}
static inline uint64_t segment_now_ns(const struct segment *s) { return clock_boot_ns() - s->epoch_boot_ns; }
static inline uint64_t segment_now_ms(const struct segment *s) { return (clock_boot_ns() - s->epoch_boot_ns) / 1000000; }

/* What a producer knows of a lane. */
struct sender_lane {
    struct index_ring ring;
    uint64_t tail;      /* where to look for the end of the lane */
    uint64_t slot_seen; /* what lay at position slot_seen_at right after our last send */
    uint64_t slot_seen_at;
    uint64_t tail_told; /* what the shared hint was told */
    uint64_t head_seen; /* lane positions below are taken in every group */
    uint64_t drop_at;   /* where we dropped last (overflow.h) */
    uint64_t back_ms;   /* when to go back to the oldest */
};

/* Where a sender goes on to look for messages to drop, beside the lanes. */
struct dropper {
    uint64_t active;          /* the groups that there were, as the control's word has them */
    uint32_t lane;            /* keyed: the lanes take turns */
    uint32_t cell;            /* when nothing is left in the rings */
    uint64_t barren_until_ms; /* there was nothing at all: not again in that millisecond */
    uint64_t scarce_until_ms; /* and in this one no more than */
    uint64_t scarce_bytes;
};

/* May a send go on now that its id is kept? */
struct leave_to_send {
    bool (*given)(const struct leave_to_send *l);
    const struct rp_consumer *consumer;
    const struct view *view;
};

struct rp_producer {
    struct actor actor;
    struct rp_producer *next;
    uint64_t next_id, id_end; /* a block of ids of our own */
    struct sender_lane *lanes;
    size_t most_bytes;           /* of a message */
    bool straight;               /* plain, and its messages go into lane 0 */
    bool plain;                  /* no keys, no time to live: without options a message has nothing beside its payload */
    uint32_t lane_turn;          /* keyed: where the next message without a key goes */
    uint64_t next_check_wall_ns; /* when to look whether the name is still there */
    uint32_t loan_count;
    uint32_t loan_room;
    uint32_t *loans; /* cells on loan */
    struct dropper dropper;
    bool durable_ready;                /* its process has the journal open */
    bool durable_owes;                 /* something was sent that durable_wait has not seen in the journal */
    uint64_t durable_tail;             /* durable queues: behind its last message in the journal ring */
    struct identity *identity;         /* NULL: it is known by no id */
    uint64_t sequence;                 /* of its last send that was committed */
    uint64_t numbered;                 /* of the one under way */
    const struct leave_to_send *leave; /* of the one under way, if its id is kept and it still needs that */
    uint32_t home;                     /* shards: the lane that it fills; else 0 */
    struct pool_ranges *ranges;        /* shards: where it looks for free cells */
    struct spill_sender *spill;        /* NULL: the queue does not spill */
};

/* A message this consumer can see. `cell` is read by other threads of the process when a view outlives its lease. */
struct view {
    a32 cell; /* cell + 1; 0: unused */
    uint32_t hold;
    uint64_t serial; /* odd numbers never repeat: tells a used-up receipt */
    struct view *next_free;
    uint32_t seen;  /* the entry of its id, rp_seen, + 1; 0: none */
    uint32_t index; /* among the consumer's */
};

/* What a consumer knows of a lane. */
struct receiver_lane {
    struct index_ring lane, early, returned;
    struct lane_start *start; /* the heads that all receivers of the group share */
    uint64_t lane_head, early_head, returned_head;
    uint64_t lane_head_told;
    uint32_t turn;
    uint32_t number;
};

struct rp_consumer {
    struct actor actor;
    struct rp_consumer *next;
    unsigned group;
    uint64_t group_generation; /* of the group that it was opened for; another may come to the same place */
    uint64_t groups_seen;      /* control.active when the group was last seen to be there */
    uint64_t pause_mask;       /* of control.paused: what stops us */
    uint32_t ack_mode;
    struct eventcount ready;
    uint32_t lane_count;
    bool plain;         /* one lane, no keys, the first group */
    uint32_t lane_turn; /* keyed: the lane that was received from last; with ageing or shards: counts receives */
    struct receiver_lane *lanes;
    uint64_t lease_ms; /* TIME_NEVER: until death */
    struct view *views;
    a32 views_used; /* entries ever used; others look at these */
    uint32_t view_room;
    struct view *view_free; /* the first of those that were used before and are not now */
    uint64_t serial;
    struct rp_message *ahead; /* prefetched, in order */
    uint32_t prefetch, ahead_count, ahead_first;
    unsigned char *copy;   /* at most once: the message's bytes */
    uint64_t requester[2]; /* requests: names this consumer for ever */
    uint64_t requests;
    uint64_t batch_wait_ns;
    struct doorbell *doorbell;           /* NULL: it has no descriptor */
    uint64_t served;                     /* when rp_wait told of it last: the highest of those in a call was the last */
    uint8_t shard_order[MAX_PRIORITIES]; /* shards: in which order it asks the lanes; home is first */
    struct spill_reader *spill;          /* one for each lane; NULL: the queue does not spill */
    struct past *past;                   /* NULL: its group did not begin in the past */
};

/* Every public call begins here. `q` may be NULL. */
static inline int queue_check(const struct rp_queue *q) {
    if (q == NULL)
        return -22; /* EINVAL */
    if (*q->canary == 0)
        return RP_FORKED;
    return 0;
}

static inline bool queue_is_gone(struct rp_queue *q) { return load_relaxed(&q->gone, hint) != 0; }

static inline struct eventcount group_event(const struct segment *s, unsigned group) {
    return (struct eventcount){.epoch = &s->control->sleepers[group].epoch, .tickets = &s->control->tickets[group]};
}

/* What those sleep on who keep house, rp_queue_keep. */
static inline struct eventcount keeper_event(const struct segment *s) {
    return (struct eventcount){.epoch = &s->control->keeper_sleepers.epoch, .tickets = &s->control->keeper_tickets};
}

/* Wakes up to `count` receivers of the group, after a sequentially consistent operation made something ready. */
static inline void group_wake(const struct segment *s, unsigned group, int count) {
    uint64_t tickets = load_seq_cst(&s->control->tickets[group], tickets);
    if (eventcount_waited_for(tickets))
        bells_wake(s, group, tickets, count);
}

#endif
