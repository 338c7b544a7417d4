/* SPDX-License-Identifier: MIT */
/*
 * Reads a journal from the oldest file that there is, needed or only kept, also beside a queue that writes to it and removes files. Nobody waits for such a reader, and nobody asks whether there is one: what it reads it reads
 * through descriptors, and a file whose name was removed is there as long as one is open. It has the next file open, too, if there is one.
 *
 * What a batch was handed out for is whole, and lies before the seal, if there was one when it was read. Beside a queue the last ones may be such of which nobody was told that they count.
 */
#ifndef RP_JOURNAL_JOURNAL_HISTORY_H
#define RP_JOURNAL_JOURNAL_HISTORY_H

#include "journal_scan.h"

struct journal_history {
    const struct journal_dir *d;
    struct journal_scan scan; /* of the file that is read, if there is one */
    bool open, next_open;
    bool first;                 /* it is the one that was begun with */
    struct journal_point doubt; /* where something was wrong, and the file was read again */
    struct journal_file next;   /* whose head says how far this one counts */
    const char *why;            /* DAMAGED */
    uint64_t file;              /* DAMAGED: which */
};

enum { JOURNAL_HISTORY_FILE = 4, JOURNAL_HISTORY_GAP = 5 };

/* Begins with the last file that cannot begin behind `sequence`; 0: with the oldest. An empty journal is JOURNAL_END. 0 or errno; on failure there is nothing to close. */
int journal_history_open(struct journal_history *h, const struct journal_dir *d, uint64_t sequence);
void journal_history_close(struct journal_history *h);

/*
 * JOURNAL_RECORD: another batch, whose records are in h->scan. JOURNAL_HISTORY_FILE: another file. JOURNAL_HISTORY_GAP: the same, and those between were removed. JOURNAL_END, JOURNAL_TORN: of what there is now.
 * JOURNAL_DAMAGED: in file h->file, at h->scan.at if that is the one that is read. Or errno, RP_INCOMPATIBLE.
 */
int journal_history_batch(struct journal_history *h);

#endif
