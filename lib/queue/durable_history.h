/* SPDX-License-Identifier: MIT */
/*
 * Reads the messages of a journal in the order of their sequences, each once, from the oldest file that is there, also beside a queue that writes to it. Nobody waits for such a reader (journal_history.h).
 *
 * Nearly always that is the order of the files. A file says with its head and its groups from which sequence on its messages are new; one with a lower sequence is said again, because a snapshot was written. Mostly it was
 * given already. Not after a sync that failed: then what the file before lost is said again, in no order. So those that were not given are held, and given in order when the snapshot ends, or something new, or nothing, comes.
 *
 * Beside a queue the last ones may be such of which nobody was told that they count, unless it is said how far they do. The simulator has a reader of its own.
 */
#ifndef RP_QUEUE_DURABLE_HISTORY_H
#define RP_QUEUE_DURABLE_HISTORY_H

#include "journal_reader.h"
#include <stdbool.h>

struct durable_history;

/*
 * Opens the journal at `path`, which must have this id unless that is NULL, and begins with the first message of sequence `from` or higher. `follow`: after RP_EMPTY it goes on, and in order: what a snapshot says again it gives when that has its end. Without, RP_EMPTY is
 * the end of all that there is. 0; -ENOENT, -ESTALE (another id), -ENOMEM, RP_CORRUPT, RP_INCOMPATIBLE or errno with the detail set.
 */
int history_open(struct durable_history **out, const char *path, const unsigned char *id, uint64_t from, bool follow);
void history_close(struct durable_history *h);

struct history_gap {
    uint64_t from, count; /* sequences */
};

/*
 * The next one, which is as it was written until the next call. RP_EMPTY: there is none yet. RP_LAPPED: files were removed since the message before, and so many sequences are not there, of which some
 * may never have been of messages; it goes on with the next. Else as history_open, for good.
 */
int history_next(struct durable_history *h, struct journal_record *out, struct history_gap *gap);

/*
 * From now on nothing is read behind there: what lies behind may not count, and another may write over it, unseen by who has read it.
 */
void history_until(struct durable_history *h, uint64_t file, uint64_t unit);

/* Where it has read up to. */
void history_place(const struct durable_history *h, uint64_t *file, uint64_t *unit);

/* The first sequence of the first file that may have a message sent at that time, or later. */
uint64_t history_begin_of(const char *path, uint64_t time_ns);

#endif
