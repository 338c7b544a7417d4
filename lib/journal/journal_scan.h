/* SPDX-License-Identifier: MIT */
/* One file, batch by batch. */
#ifndef RP_JOURNAL_JOURNAL_SCAN_H
#define RP_JOURNAL_JOURNAL_SCAN_H

#include "journal_reader.h"

struct journal_scan {
    struct journal_file file;
    struct journal_point at; /* behind the last batch that was found whole */
    uint64_t limit;          /* unit: nothing counts from here on */
    const char *why;         /* what is wrong at `at` */
    /* what of the file is in memory */
    unsigned char *buffer;
    size_t room, held;
    uint64_t held_at;
    /* records of the batch that are still to come */
    const unsigned char *record;
    uint32_t left;
    uint64_t record_at;
};

enum { JOURNAL_SCAN_BATCH = 0, JOURNAL_SCAN_LIMIT = 1, JOURNAL_SCAN_WRONG = 2 };

/* Begins with a file, which stays the caller's to close; memory stays from file to file, until journal_scan_free. */
void journal_scan_begin(struct journal_scan *s, const struct journal_file *f, uint64_t limit);
void journal_scan_free(struct journal_scan *s);

/* Reads the next batch and checks all of it: JOURNAL_SCAN_...; or errno. */
int journal_scan_batch(struct journal_scan *s);
/* The next record of the batch; false: there is none. */
bool journal_scan_record(struct journal_scan *s, struct journal_record *out);

/*
 * When nothing whole is at `at`, and the file is the last one: what does it mean? Looks for batches behind it.
 * JOURNAL_END: nothing was written there. JOURNAL_TORN. JOURNAL_DAMAGED: a later batch says that what was there was on disk. Or errno.
 */
int journal_scan_tail(struct journal_scan *s);

/*
 * Was nothing ever written to the file? Then it was made by somebody who was stopped before he gave it its name, when others had made, filled and removed it meanwhile: what the next file says is of theirs. 1, 0 or errno
 */
int journal_scan_unwritten(struct journal_scan *s);

/* Counts what heads of batches behind `at` say of themselves. 0 or errno */
int journal_scan_lost(struct journal_scan *s, uint64_t *batches, uint64_t *records);

#endif
