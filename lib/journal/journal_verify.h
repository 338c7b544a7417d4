/* SPDX-License-Identifier: MIT */
/* What is in a journal, and what to do about damage. Neither is for a journal that somebody writes to. */
#ifndef RP_JOURNAL_JOURNAL_VERIFY_H
#define RP_JOURNAL_JOURNAL_VERIFY_H

#include "journal_reader.h"

/* One file. */
struct journal_file_report {
    uint64_t number;
    uint64_t bytes;                         /* 0: there is no such file, or it has no head */
    uint64_t batches, records;              /* that count */
    uint64_t first_sequence, last_sequence; /* of those records, if there are any */
    uint64_t payload_bytes;
    uint64_t end;                        /* byte: what counts ends here */
    bool sealed;                         /* the next file says so */
    bool kept;                           /* nobody needs it: there for those who want to read what was */
    enum journal_outcome outcome;        /* JOURNAL_END: nothing is wrong; JOURNAL_TORN; JOURNAL_DAMAGED, at `end` */
    const char *why;                     /* TORN, DAMAGED */
    uint64_t lost_batches, lost_records; /* behind the damage, as far as heads of batches are left that say so */
};

/*
 * Reads all of it, also what lies behind damage, and calls `each` for each file, in order, until it returns other than 0: `*asked`, and the result says nothing. -> the worst outcome of a file (enum journal_outcome), or a
 * negative result: errno, RP_INCOMPATIBLE.
 */
int journal_verify(const struct journal_dir *d, int (*each)(void *context, const struct journal_file_report *file), void *context,
                   int *asked);

struct journal_repair_report {
    struct journal_stop stop;            /* why and where reading stops before the repair */
    uint64_t files_aside;                /* how many were renamed, or would be */
    uint64_t lost_batches, lost_records; /* what is given up, as far as anybody can tell */
};

/*
 * Makes a damaged journal one that can be read up to the damage, and gives up what follows. Nothing is deleted: files behind the damage get names that end in ".damaged" (".damaged.2", if there is one of that name); the
 * damaged one keeps its name, gets such a name beside it, and a file after it which says that it counts up to there. A journal whose end is torn needs no repair.
 * `dry_run`: only says what it would do. -> JOURNAL_END, JOURNAL_TORN: nothing was to be done. JOURNAL_DAMAGED: it was repaired, or would have been. Negative: errno, RP_INCOMPATIBLE.
 * Crash: the journal is damaged as before, or repaired; call it again.
 */
int journal_repair(const struct journal_dir *d, bool dry_run, struct journal_repair_report *out);

#endif
