/* SPDX-License-Identifier: MIT */
/*
 * A batch: records that are written together, and count together or not at all. It is built in memory of the caller's: no allocation, no system call.
 *
 *     journal_batch_begin(&b, buffer, room);
 *     void *payload = journal_batch_add(&b, type, flags, sequence, bytes);    NULL: no room; else encode `bytes` bytes there
 *     journal_file_write(&file, &point, &b);
 */
#ifndef RP_JOURNAL_JOURNAL_BATCH_H
#define RP_JOURNAL_JOURNAL_BATCH_H

#include <stddef.h>
#include <stdint.h>

enum {
    JOURNAL_BATCH_HEAD_BYTES = 96,
    JOURNAL_RECORD_HEAD_BYTES = 24,
    JOURNAL_PAYLOAD_MAX_BYTES = 0x7ff00000 /* of one record; and so a batch has less than 2 GiB */
};

struct journal_batch {
    unsigned char *data;
    size_t room;
    size_t bytes; /* so far */
    uint32_t records;
};

/* Memory that one record of `bytes` bytes takes in a batch. */
static inline size_t journal_record_bytes(size_t bytes) { return JOURNAL_RECORD_HEAD_BYTES + ((bytes + 7) & ~(size_t)7); }

/* `buffer` and `room` are multiples of JOURNAL_BLOCK_BYTES, room at least one. */
void journal_batch_begin(struct journal_batch *b, void *buffer, size_t room);

/*
 * Adds a record, whose bytes are to be written where the result points (8-aligned) before the batch is. NULL: there is no room for it, and the batch is as it was.
 * `type`, `flags` and `sequence` are the caller's; a reader gets them back.
 */
void *journal_batch_add(struct journal_batch *b, uint16_t type, uint16_t flags, uint64_t sequence, size_t bytes);

#endif
