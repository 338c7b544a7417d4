/* SPDX-License-Identifier: MIT */
/* What a batch records, taken from the words of a durable queue by who has the writer's role: nobody else frees a published cell there, so what is read stays, or the batch will not count. */
#ifndef RP_QUEUE_DURABLE_BATCH_H
#define RP_QUEUE_DURABLE_BATCH_H

#include "durable.h"
#include "journal_batch.h"

#ifdef RP_SIM
enum { SETTLED_MOST = 8, MARKS_MOST = 16, LEFT_MOST = 2 };
#else
enum { SETTLED_MOST = 4096, MARKS_MOST = 8192, LEFT_MOST = 64 };
#endif

/* Deliveries that the batch says are settled, and whose bits may go when it counts; or a message that was taken back while it waited. */
struct settled {
    uint32_t cell;
    uint32_t groups; /* bits */
    uint64_t generation;
    bool cancelled;
};

/* A producer id that the batch says was removed, and whose place is free when it counts. */
struct left {
    uint32_t place;
    uint64_t word;
};

struct batch {
    struct journal_batch records;
    uint64_t end;    /* position in the journal ring up to which its messages are */
    uint64_t groups; /* what it says of the groups: for control.journal_groups */
    bool says_groups, more;
    unsigned char *past_at; /* the groups that it says, if of some it is said how far they came; else NULL */
    uint32_t group_count;
    struct batch_group {
        uint32_t index;
        uint64_t generation;
    } said[MAX_GROUPS];
    unsigned char *producer_at; /* the last record of how far a producer came; NULL: there is none */
    uint32_t producer;
    uint32_t settled_count, mark_count, left_count;
    uint32_t marks[MARKS_MOST]; /* cells whose marks it took */
    struct settled settled[SETTLED_MOST];
    struct left left[LEFT_MOST];
};

/*
 * Fills a batch: groups if they changed or `first` of its file, then what was marked, then messages from `position` on. False: there is nothing to record.
 * What does not fit any more is left for the next one, and `more` says so.
 */
bool batch_fill(struct actor *a, struct batch *b, uint64_t position, bool first);

/*
 * The same of the live messages, then of ids, from number *next on, as far as they fit, whether marked or not: a part of a snapshot, of what is below `position`. True: that was all, and of groups that began in the past it says that
 * what was fed to them before the snapshot began, `fed`, is told.
 */
bool batch_fill_live(struct actor *a, struct batch *b, uint64_t position, bool first, bool begins, const uint64_t *fed, uint32_t *next);

/* It is in the journal: what is settled may go. */
void batch_settle(struct actor *a, const struct batch *b);

/* It does not fit into its file: the marks that it took are set again. */
void batch_mark_again(const struct segment *s, const struct batch *b);

/* A batch that took marks may never count: all that could have been marked is marked again. Also when its writer died. */
void batch_mark_all(const struct segment *s);

#endif
