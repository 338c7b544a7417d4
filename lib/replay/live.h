/* SPDX-License-Identifier: MIT */
/*
 * The messages of a journal that some group still needs, by sequence. Memory is a small multiple of what they take, however many there were before: they lie in one piece of memory, and when that is full
 * those that are left move into a new one.
 */
#ifndef RP_REPLAY_LIVE_H
#define RP_REPLAY_LIVE_H

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

/* A record about it, as it was read. */
struct live_delivery {
    struct live_delivery *next;
    uint32_t group;
    uint32_t bytes;
    unsigned char record[];
};

struct live_message {
    uint64_t sequence;
    struct live_delivery *deliveries; /* at most one for each group */
    uint32_t pending;                 /* groups that need it; 0: it waits for its time */
    uint32_t bytes;                   /* of its record, which follows */
    uint32_t cell;                    /* once it has one */
    bool past;                        /* it was settled by all that it was sent for: of a queue that may have been another then */
    unsigned char record[];
};

struct live_slot {
    uint64_t sequence;
    uint64_t at; /* in `memory`, + 1; 0: empty */
};

struct live {
    struct live_slot *slots;
    unsigned shift; /* of their number */
    size_t count;
    unsigned char *memory;
    size_t room, used;
    size_t bytes; /* of those that are there */
};

/* 0 or -ENOMEM. */
int live_open(struct live *l);
void live_close(struct live *l);

/* Pointers are good until the next live_put. */

/* A new message, in the place of what is known under the sequence. `record` is copied. NULL: no memory. */
struct live_message *live_put(struct live *l, uint64_t sequence, const void *record, uint32_t bytes);
struct live_message *live_find(const struct live *l, uint64_t sequence);
void live_drop(struct live *l, struct live_message *m);

/* The record of group `group`, instead of an earlier one. 0 or -ENOMEM. */
int live_deliver(struct live_message *m, uint32_t group, const void *record, uint32_t bytes);

/* Forgets those of these groups. */
void live_undeliver(struct live_message *m, uint32_t groups);

/* All, ascending; to be freed. NULL: no memory, or none are there. */
struct live_message **live_all(const struct live *l);

/* One after the other, in no order, from `*at` 0 on; NULL: the end. The one that was got last may be dropped: `*at` then stays. */
struct live_message *live_next(const struct live *l, size_t *at);

#endif
