/* SPDX-License-Identifier: MIT */
/**
 * @file journal.h
 * Journals on disk, looked at and repaired without their queue: docs/journal-format.md. A journal is a directory; of what its records say to a queue nothing is known here.
 */
#ifndef RINGPOST_JOURNAL_H
#define RINGPOST_JOURNAL_H

#include <ringpost/export.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum rp_journal_state {
    RP_JOURNAL_WHOLE = 1,
    RP_JOURNAL_TORN = 2,   /**< its end is not whole: writes of which nobody was told that they are on disk. No harm was done */
    RP_JOURNAL_DAMAGED = 3 /**< something is missing, or wrong, that was on disk */
};

/** One file of a journal. */
struct rp_journal_file {
    uint64_t number;         /**< as in its name, in hexadecimal digits */
    uint64_t bytes;          /**< its size; 0: it is missing, or has no head */
    uint64_t batches;        /**< that count */
    uint64_t records;        /**< that count */
    uint64_t first_sequence; /**< of those records, if there are any */
    uint64_t last_sequence;
    uint64_t payload_bytes;
    uint64_t end;          /**< byte: what counts ends here. Torn or damaged: what is wrong is here */
    uint64_t lost_records; /**< behind damage, as far as anybody can tell */
    uint32_t state;        /**< enum rp_journal_state */
    uint32_t sealed;       /**< 1: there is another file, and this one is not written to any more */
    char why[128];         /**< torn, damaged: what is wrong */
    uint32_t
        kept; /**< 1: nobody needs it to bring the queue back. It is there because of the queue's retain_ns and retain_bytes, or not removed yet */
    uint32_t reserved32;
    uint64_t reserved[5];
};

/** What is in a journal. */
struct rp_journal_summary {
    char queue[256]; /**< whose it is, cut if need be */
    uint64_t files;
    uint64_t bytes; /**< of the files */
    uint64_t records;
    uint64_t payload_bytes;
    uint64_t lost_records;
    uint32_t state; /**< the worst of its files, also of those that are only kept: damage in them harms nobody but who reads them */
    uint32_t reserved32;
    uint64_t kept_files; /**< of the files, those that nobody needs to bring the queue back */
    uint64_t kept_bytes;
    uint64_t reserved[4];
};

/** Called for each file; other than 0 ends the call, which returns it. */
typedef int (*rp_journal_each)(void *context, const struct rp_journal_file *file);

/**
 * Reads all files of the journal at `path`, also those behind damage, and checks every byte that counts. `each` and `out` may be NULL. Changes nothing. While a queue writes to the journal, what is being written may seem torn, and
 * what is being dropped damaged.
 * -> 0, whatever the state; or -ENOENT: no journal is there; RP_CORRUPT: the file that says whose it is is damaged; RP_INCOMPATIBLE: of a newer version; errno of a read that failed. Any thread.
 */
RP_API int rp_journal_verify(const char *path, rp_journal_each each, void *context, struct rp_journal_summary *out);

struct rp_journal_repair {
    uint32_t state;         /**< before the repair: enum rp_journal_state. Only RP_JOURNAL_DAMAGED is repaired */
    uint32_t files_aside;   /**< how many files were put aside, or would be */
    uint64_t file;          /**< where the damage is: number of the file */
    uint64_t at;            /**< and byte */
    uint64_t records;       /**< that are before it, and stay */
    uint64_t last_sequence; /**< of them, if there are any */
    uint64_t lost_records;  /**< that are given up, as far as anybody can tell */
    char why[128];
    uint64_t reserved[6];
};

/**
 * Makes a damaged journal one that ends where the damage is. Everything behind it is given up, and nothing deleted: those files get names that end in ".damaged". `dry_run`, not 0: only says what it would do.
 * Not while there is a queue in memory that has the journal. Errors: those of rp_journal_verify; RP_IN_USE: somebody writes to it, or brings its queue back; errno of a write. Crash: the journal is damaged as before, or repaired; call it again.
 */
RP_API int rp_journal_repair(const char *path, int dry_run, struct rp_journal_repair *out);

#ifdef __cplusplus
}
#endif
#endif
