/* SPDX-License-Identifier: MIT */
/*
 * The directory of a journal: files named by their numbers, 0000000000000001.journal and on, without gaps; and `queue`, which says whose it is. Names with '~' are somebody's who is, or was, making a file.
 * docs/journal-format.md has the bytes. Nothing here locks: the queue sees to it that a directory has one queue at a time.
 *
 * Errors of this layer: negative errno of the call that failed, RP_CORRUPT, RP_INCOMPATIBLE, with the file and what is wrong as the detail.
 */
#ifndef RP_JOURNAL_JOURNAL_DIR_H
#define RP_JOURNAL_JOURNAL_DIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JOURNAL_PATH_MAX = 4096, JOURNAL_ID_BYTES = 16 };

struct journal_dir {
    int fd; /* of the directory */
    unsigned char id[JOURNAL_ID_BYTES];
    char path[JOURNAL_PATH_MAX];
    char queue[JOURNAL_PATH_MAX]; /* whose it is */
};

/*
 * Opens the journal of queue `queue` at `path`, and makes what is missing: the directory (its parent must be there), and `queue` in it. On success all of that is on disk.
 * -EEXIST: it belongs to another queue. -ENOTEMPTY: it has journal files, and nothing says whose. On failure there is nothing to close.
 * Any number of processes may do this at once. Crash: leaves a directory without `queue`, or a name with '~'.
 */
int journal_dir_create(const char *path, const char *queue, struct journal_dir *d);

/* Opens what is there, for reading or writing. `queue`: NULL: whoever's it is; -EEXIST: it belongs to another. -ENOENT: there is no journal. */
int journal_dir_open(const char *path, const char *queue, struct journal_dir *d);

void journal_dir_close(struct journal_dir *d);

/* The numbers of the files, ascending; `*numbers` is to be freed. Gaps and files that are no journal files are for who reads them to find. */
int journal_dir_list(const struct journal_dir *d, uint64_t **numbers, size_t *count);

/*
 * Removes file `number`, which the last file's head says is needed by nobody: readers take it for damage when another one is missing. After a loss of power it may be there again, which does no harm for the same reason.
 * -ENOENT: it is gone already.
 */
int journal_dir_drop(const struct journal_dir *d, uint64_t number);

/* Removes what creators that died left behind, and the spare file. Only for who knows that nobody else works in the directory. -> how many */
int journal_dir_collect(const struct journal_dir *d);

#endif
