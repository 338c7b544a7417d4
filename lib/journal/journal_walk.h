/* SPDX-License-Identifier: MIT */
/* All files of a journal, batch by batch: what reading, verifying and repairing have in common. */
#ifndef RP_JOURNAL_JOURNAL_WALK_H
#define RP_JOURNAL_JOURNAL_WALK_H

#include "journal_scan.h"

/* A file that is there, or should be. */
struct journal_step {
    uint64_t number; /* 0: there is none */
    bool open;
    bool behind_gap; /* files before it are gone which nobody needs: it says nothing of the one that was read before it */
    struct journal_file file;
    const char *why; /* what is wrong with it, if it is not open */
};

struct journal_walk {
    const struct journal_dir *d;
    uint64_t *numbers;
    size_t count, next_index;
    uint64_t expected; /* the next one's number; 0: whichever there is */
    uint64_t needed;   /* the first file that is; what is missing below is no damage. 0: there is no file */
    struct journal_step here, next;
    struct journal_scan scan; /* of here.file, which it has taken over */
    const char *why;
};

enum { JOURNAL_WALK_FILE_ENDS = 4 };

/* As journal_reader_open, or from JOURNAL_OLDEST: with the first file that there is. On failure there is nothing to close. */
#define JOURNAL_OLDEST UINT64_MAX
int journal_walk_open(struct journal_walk *w, const struct journal_dir *d, uint64_t from);
void journal_walk_close(struct journal_walk *w);

/*
 * The next batch of this file, whose records are in w->scan: JOURNAL_RECORD. JOURNAL_WALK_FILE_ENDS: there is another file, and nothing wrong in this one. JOURNAL_END, TORN, DAMAGED (w->why; at w->scan.at, or at the
 * file's begin if it is not open), or errno.
 */
int journal_walk_batch(struct journal_walk *w);
/* Goes on with the next file, also after damage. 0, or errno, RP_INCOMPATIBLE. */
int journal_walk_next(struct journal_walk *w);

#endif
