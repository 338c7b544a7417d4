/* SPDX-License-Identifier: MIT */
/*
 * One file of a journal: of fixed size; where each write is synced, written with zeros before it has its name, so that a write changes no metadata. A head of 4096 bytes, then batches, each beginning at a unit of 512 bytes
 * and naming the one before by its checksum.
 *
 * The head says how far the file before counts (`previous_end`, the seal). That is what keeps a writer out that was stopped: whoever goes on in its place creates the next file, sealed where all is known to be on disk;
 * what the stopped one writes later lies behind the seal, and is never read. Several may try to create the same number. One does, and its seal counts: the others open the file and look.
 */
#ifndef RP_JOURNAL_JOURNAL_FILE_H
#define RP_JOURNAL_JOURNAL_FILE_H

#include "journal_batch.h"
#include "journal_dir.h"

enum {
    JOURNAL_UNIT_BYTES = 512,
    JOURNAL_BLOCK_BYTES = 4096, /* of memory and places that O_DIRECT wants */
    JOURNAL_HEAD_BYTES = 4096
};

/*
 * Where in a file the next batch goes, in plain words that may lie anywhere, also in shared memory: who has the turn to write hands it on.
 * What was read from shared memory may be wrong: then writes go to a wrong place inside the file, or are refused, and readers stop there.
 */
struct journal_point {
    uint64_t unit;    /* of 512 bytes from the file's begin */
    uint64_t ordinal; /* how many batches are before it in the file */
    uint64_t chain;   /* check of the batch before, or of the head */
    uint64_t
        durable; /* what is below this unit is on disk. Each batch says it of those before: a reader then knows that these may not be missing */
};

enum journal_mode {
    JOURNAL_READ,
    JOURNAL_WRITE, /* batches are on disk after journal_file_sync */
    JOURNAL_DIRECT /* batches are on disk when written; JOURNAL_WRITE on file systems without O_DIRECT */
};

struct journal_file {
    int fd;
    bool direct; /* each write is on disk when it returns; places and buffers are multiples of JOURNAL_BLOCK_BYTES */
    uint64_t number;
    uint64_t bytes;          /* its size */
    uint64_t first_sequence; /* as its creator said */
    uint64_t previous_end;   /* unit: the file before counts up to here. 0: there is none before */
    uint64_t previous_chain; /* check of the last batch there that counts */
    uint64_t nonce;
    uint64_t check;        /* of the head */
    uint64_t needed;       /* files of lower numbers were needed by nobody when it was made; 0: that was not said */
    uint64_t made_ns;      /* when, and so no record of the file before is younger; 0: not said */
    uint64_t bytes_before; /* of all files before, also of those that are gone */
    bool reused;           /* behind the last batch there may be what it was before */
};

struct journal_file_options {
    uint64_t number;                      /* 1 and up; one more than the last file's */
    uint64_t first_sequence;              /* of its first record; said again to who asks */
    uint64_t bytes;                       /* multiple of 4096, 8192 to 1 TiB; with room for the largest batch beside the head */
    const struct journal_point *previous; /* where the file before ends; NULL: this is the journal's first */
    const struct journal_file *after;     /* that file, for the sum of bytes; NULL: there is none, or it is not known */
    uint64_t needed; /* files of lower numbers may be gone, or stay: nobody who starts reads them. 0: none may */
    uint64_t now_ns; /* since 1970. The file says this, or what the one before says if that is later */
    bool replaces;   /* there is a file of this number, whose name it gets */
};

/*
 * Creates a file and opens it. On success it is on disk with its name. What is before `previous` must be on disk, and whole: readers take anything else for damage.
 * -EEXIST: another was faster; open that one (which makes sure that its name is on disk) and look at previous_end. -ENOSPC, -EDQUOT, -EFBIG: the file was not made.
 * Takes the spare file if there is one of this size; else it writes all of it. Crash: leaves a name with '~'.
 */
int journal_file_create(const struct journal_dir *d, const struct journal_file_options *o, enum journal_mode mode,
                        struct journal_file *f);

/*
 * Opens a file and checks its head: RP_CORRUPT, RP_INCOMPATIBLE (another journal's, too). For writing, its name is on disk on return: its creator may have stopped before it made sure.
 */
int journal_file_open(const struct journal_dir *d, uint64_t number, enum journal_mode mode, struct journal_file *f);
void journal_file_close(struct journal_file *f);

/* Where the first batch goes. */
struct journal_point journal_file_begin(const struct journal_file *f);

/* How many bytes a batch may have that goes there. 0: the file is full. */
uint64_t journal_file_room(const struct journal_file *f, const struct journal_point *at);

/*
 * Ends the batch and writes it at `at`, which is then behind it. RP_FULL: it does not fit, make the next file; -EINVAL: not a place of this file, or of no whole block where that is needed (direct).
 * Other errors are those of the disk: nothing is tried again, `at` is as before, and what is there nobody knows; so never write to that place again, but go on in a next file, sealed at `at`
 * (if that is durable; after a failed sync, at the last point that was).
 * Two that write to one file at the same time destroy each other's batches, and nobody else's. A batch may be written again, to another place.
 */
int journal_file_write(struct journal_file *f, struct journal_point *at, struct journal_batch *b);

/* On disk is what was written before the call. On success at->durable says so; at: the point after the last write, or a copy of it from before the call. In files that are direct there is nothing to do. */
int journal_file_sync(struct journal_file *f, struct journal_point *at);

/* As journal_dir_drop; and if there is no spare file, it becomes one, unless its size is another or somebody has it open: what was written once need not be written with zeros again. */
int journal_file_drop(const struct journal_dir *d, uint64_t number, uint64_t bytes);

/* Prepares a file of this size, so that the next journal_file_create has nothing to write but the head. 0 also when there is one. Any process, at any time. */
int journal_file_prepare(const struct journal_dir *d, uint64_t bytes, enum journal_mode mode);

#endif
