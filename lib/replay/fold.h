/* SPDX-License-Identifier: MIT */
/*
 * What a durable queue's records come to, one after the other in the order of the journal: groups, and the messages that they still need. docs/journal-records.md has what each record says.
 *
 *     GROUPS      first in each file. A group that is not there any more, or is another one in its place, needs no messages
 *     MESSAGE     is live, as it says, whatever was known of its sequence
 *     SETTLED     clears its groups; without any left the message is forgotten at once. A message that waited becomes one of the groups `of` first
 *     DELIVERY    where it stands in a group: the last one counts
 *     SNAPSHOT    what lies between its begin and its end is all that is live: it takes the place of what was known. Without its end it says nothing
 *     ID          was sent, until its time; of two the one that is kept for longer: it was sent when the other's time was over
 *     PRODUCER    has come so far: the last counts. Or was removed, if it was made at that time
 *
 * A group that began in the past is fed out of the files, without a record: what it settled, and where messages stand in it, is noted aside, and taken from what lies between the two sequences that its GROUPS say (past.h).
 *
 * What is about a message that is not known is about one that was settled. So it does no harm if a record is there twice, or if the messages' file is gone.
 */
#ifndef RP_REPLAY_FOLD_H
#define RP_REPLAY_FOLD_H

#include "durable_record.h"
#include "journal_reader.h"
#include "live.h"
#include "named.h"

/* What is live. */
struct told {
    struct live live;
    struct named ids, producers;
};

struct fold {
    const char *path; /* of the journal, for messages */
    struct told told, snapshot;
    struct told *into;                /* one of these two: a snapshot is being told, or not */
    struct live aside;                /* what groups that began in the past settled (`pending`), and deliveries */
    struct record_groups groups;      /* as they were said last */
    uint32_t mask;                    /* which there are */
    uint64_t file;                    /* whose GROUPS were seen last; 0: none */
    uint64_t generations[MAX_GROUPS]; /* the highest of each place */
    uint64_t told_to[MAX_GROUPS];     /* as `aside` goes by */
    uint64_t next_sequence, next_id;  /* those of messages are lower */
    uint64_t oldest;                  /* number of the first file; 0: there is none */
    uint64_t messages;                /* records of them */
    uint64_t now_ns;                  /* wall clock: ids whose time is over are left out */
    struct journal_stop stop;         /* where the journal ends */
};

/* Reads all of a journal. 0; RP_CORRUPT, RP_INCOMPATIBLE with the detail saying where and what; -ENOMEM; errno. Afterwards fold_close, in any case. */
int fold_journal(struct fold *f, const struct journal_dir *d);
void fold_close(struct fold *f);

/* The groups that began in the past to which the message may have been fed, and of which it is not said otherwise. */
uint32_t fold_fed_to(const struct fold *f, uint64_t sequence);

/* One record. */
int fold_record(struct fold *f, const struct journal_record *r);

#endif
