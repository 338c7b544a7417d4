/* SPDX-License-Identifier: MIT */
/*
 * The queues that a process sends to for an exchange. A target is the name of a bound queue: tables name it, and publishers that have a producer for it. An attachment is the queue that
 * was found under that name, opened; another one takes its place when the queue was removed and made anew.
 *
 * `references` of a target may be raised by a reader of a table while it is not 0 (target_hold); all else is under the exchange's mutex, in which nobody waits for readers.
 */
#ifndef RP_ROUTE_TARGETS_H
#define RP_ROUTE_TARGETS_H

#include "atomic.h"
#include <ringpost/ringpost.h>

struct attachment {
    rp_queue *queue;
    uint32_t references; /* its target, and each publisher with a producer on it */
    uint32_t priorities; /* the highest it takes */
    bool keyed, dedup;
    bool waits; /* by its policy a send may wait */
};

struct target {
    a32 references;         /* each table and each publisher that knows it */
    uint32_t number;        /* small, its own while it lives: where publishers keep what they have for it */
    uint32_t binding;       /* the index of a binding to it: where failures are counted */
    uint64_t bound_version; /* of the last table that named it */
    struct attachment *attachment;
    char name[RP_BINDING_QUEUE];
};

/* The numbers that targets have. */
struct target_numbers {
    uint32_t top; /* none is this or higher */
    uint32_t *free;
    uint32_t free_count, free_room;
    uint32_t attached; /* for people */
};

/* One reference is the caller's. NULL: no memory. */
struct target *target_create(struct target_numbers *n, const char *name);
/* Takes one, unless the target is on its way out. Lock-free. */
bool target_hold(struct target *t);
void target_release(struct target_numbers *n, struct target *t);

/* The target's queue, opened if it is not; one reference is the caller's. Errors: those of rp_queue_open. */
int target_attach(struct target_numbers *n, struct target *t, struct attachment **out);
/* Gives the reference back; the last one closes the queue. */
void attachment_release(struct target_numbers *n, struct attachment *a);
/* That queue is no longer what the name leads to. */
void target_forget(struct target_numbers *n, struct target *t, const struct attachment *gone);

#endif
