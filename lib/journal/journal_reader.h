/* SPDX-License-Identifier: MIT */
/*
 * Reads the records of a journal in the order in which they were added, over all files, each as far as the next one says. What a record is handed out for was read whole and has its checks right.
 * A reader reads what is there, and changes nothing. Beside a writer it may take a batch that is being written for a torn one, and one that is being dropped for damage.
 */
#ifndef RP_JOURNAL_JOURNAL_READER_H
#define RP_JOURNAL_JOURNAL_READER_H

#include "journal_file.h"

struct journal_record {
    uint64_t sequence;
    const void *payload; /* until the next call */
    size_t bytes;
    uint16_t type, flags;
    uint64_t file, at; /* where it is: number of the file, byte of its record head */
};

enum journal_outcome {
    JOURNAL_RECORD = 0,
    JOURNAL_END = 1,    /* of what was written */
    JOURNAL_TORN = 2,   /* the last writes are not whole; nothing says that they were ever on disk, so this, too, is the end */
    JOURNAL_DAMAGED = 3 /* something is missing or wrong before what was on disk; what follows is not read */
};

/* Why reading stopped, and where. The thread's error detail says the same for TORN and DAMAGED. */
struct journal_stop {
    enum journal_outcome outcome;
    uint64_t file, at; /* where: number, and byte in that file; 0: there is no file at all */
    uint64_t needed;   /* number of the first file that is; 0: there is no file */
    uint64_t records;  /* handed out so far */
    uint64_t sequence; /* the highest of theirs, if there were any */
    uint64_t end_file; /* the last file of which anything counts; 0: none */
    struct journal_point
        end; /* the end of what counts there: the next file is to be sealed with it, after a journal_file_sync of this one. (It was read, which does not say that it is on disk.) */
    char why[160]; /* TORN, DAMAGED */
};

struct journal_reader;

/* Begins with file `from`; 0: with the first that is needed by who starts. An empty journal is JOURNAL_END. -ENOENT: there is no file `from`. */
int journal_reader_open(struct journal_reader **r, const struct journal_dir *d, uint64_t from);
void journal_reader_close(struct journal_reader *r);

/* The next record: JOURNAL_RECORD. Or why there is none, again and again: enum journal_outcome, or negative: errno of a read that failed, -ENOMEM; RP_INCOMPATIBLE: a file of a newer version. */
int journal_reader_next(struct journal_reader *r, struct journal_record *out);

/* After the last record. */
const struct journal_stop *journal_reader_stop(const struct journal_reader *r);

#endif
