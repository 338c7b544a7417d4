/* SPDX-License-Identifier: MIT */
/**
 * @file journal.h
 * Journals on disk, looked at and repaired without their queue: docs/journal-format.md. A journal is a directory; what its messages were can be read again, as far back as its files are kept (retain_ns and
 * retain_bytes of rp_queue_options).
 */
#ifndef RINGPOST_JOURNAL_H
#define RINGPOST_JOURNAL_H

#include <ringpost/export.h>
#include <ringpost/headers.h>
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
    uint64_t last_sequence; /**< the highest of theirs, if there are any */
    uint64_t lost_records;  /**< that are given up, as far as anybody can tell */
    char why[128];
    uint64_t reserved[6];
};

/**
 * Makes a damaged journal one that ends where the damage is. Everything behind it is given up, and nothing deleted: those files get names that end in ".damaged". `dry_run`, not 0: only says what it would do.
 * Not while there is a queue in memory that has the journal. Errors: those of rp_journal_verify; RP_IN_USE: somebody writes to it, or brings its queue back; errno of a write. Crash: the journal is damaged as before, or repaired; call it again.
 */
RP_API int rp_journal_repair(const char *path, int dry_run, struct rp_journal_repair *out);

/** Reads the messages of a journal, settled or not: rp_journal_reader_open. */
typedef struct rp_journal_reader rp_journal_reader;

/** A message as it was sent. What became of it is not said. Pointers are good until the next call with the reader. */
struct rp_journal_message {
    uint64_t
        sequence; /**< its place among all that were sent to the queue, from 1 on, with gaps where something was sent to nobody. RP_LAPPED: the first that is missing */
    uint64_t missing; /**< RP_LAPPED: how many places are, from `sequence` on. Else 0 */
    uint64_t id;
    uint64_t sent_ns;    /**< times are ns of the wall clock since 1970 */
    uint64_t due_ns;     /**< it was sent for this time; 0: for no time */
    uint64_t expires_ns; /**< 0: it does not expire */
    const void *data;
    size_t bytes;
    const void *key; /**< NULL: none */
    size_t key_bytes;
    struct rp_headers headers;
    uint32_t priority;
    uint32_t reserved32;
    uint64_t file; /**< where it was read: number of the file, and */
    uint64_t at;   /**< byte */
    uint64_t reserved[4];
};

/**
 * Opens the journal at `path` for reading what was sent, from the first message whose sequence is at least `from` on; 0: from the oldest that is there. Its queue may be used meanwhile, or not be there at all.
 * -> 0; -ENOENT: no journal is there; RP_CORRUPT: what says whose it is is damaged; RP_INCOMPATIBLE: of a newer version; -ENOMEM; errno. Any thread. It takes no lock and no seat, and nobody
 * waits for it: what is not needed is removed also while it reads. Crash: leaves nothing.
 */
RP_API int rp_journal_reader_open(const char *path, uint64_t from, rp_journal_reader **out);

/**
 * The next message: each once, in the order of their sequences, also where the journal says it again. Beside a queue in use the last ones may be such of which the sender was not yet told that they are durable.
 * -> 0; RP_EMPTY: that was all that is there by now (again and again: who wants what came since opens another reader); RP_LAPPED: files with the next ones were removed, `out` says which, and the next call goes on
 * behind them (not before the first message of a reader from 0: what is not there then is not missing); RP_CORRUPT: damaged, the detail says where, and all before it was given (again and again); RP_INCOMPATIBLE;
 * -ENOMEM; errno of a read. One thread at a time; any. Reads files, and so may block.
 */
RP_API int rp_journal_reader_next(rp_journal_reader *r, struct rp_journal_message *out);

/** NULL is fine. */
RP_API void rp_journal_reader_close(rp_journal_reader *r);

#ifdef __cplusplus
}
#endif
#endif
