/* SPDX-License-Identifier: MIT */
/* The last step of a batch: its checks, and the head that says where it is to be. */
#include "journal_format.h"

size_t journal_batch_end(struct journal_batch *b, const struct journal_file *f, const struct journal_point *at, size_t multiple) {
    unsigned char *head = b->data;
    for (size_t i = JOURNAL_BATCH_HEAD_BYTES; i < b->bytes;) {
        unsigned char *record = b->data + i;
        size_t payload = get32(record + RECORD_BYTES), bytes = journal_record_bytes(payload);
        memset(record + JOURNAL_RECORD_HEAD_BYTES + payload, 0, bytes - JOURNAL_RECORD_HEAD_BYTES - payload);
        put64(record + RECORD_CHECK, journal_record_check(record, payload));
        i += bytes;
    }
    size_t whole = (b->bytes + multiple - 1) / multiple * multiple;
    memset(b->data + b->bytes, 0, whole - b->bytes);
    memset(head, 0, JOURNAL_BATCH_HEAD_BYTES);
    memcpy(head + BATCH_MAGIC, JOURNAL_BATCH_MAGIC, JOURNAL_MAGIC_BYTES);
    put32(head + BATCH_UNITS, (uint32_t)journal_units(whole));
    put32(head + BATCH_RECORDS, b->records);
    put64(head + BATCH_NUMBER, f->number);
    put64(head + BATCH_UNIT, at->unit);
    put64(head + BATCH_ORDINAL, at->ordinal);
    put64(head + BATCH_DURABLE, at->durable);
    put64(head + BATCH_NONCE, f->nonce);
    put64(head + BATCH_PREVIOUS, at->chain);
    put64(head + BATCH_BYTES, b->bytes);
    put64(head + BATCH_BODY, journal_check(head + JOURNAL_BATCH_HEAD_BYTES, b->bytes - JOURNAL_BATCH_HEAD_BYTES, f->nonce));
    put64(head + BATCH_CHECK, journal_check(head, BATCH_CHECK, f->nonce));
    return whole;
}
