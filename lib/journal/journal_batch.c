/* SPDX-License-Identifier: MIT */
#include "journal_batch.h"

#include "journal_format.h"

void journal_batch_begin(struct journal_batch *b, void *buffer, size_t room) {
    enum { MAX_ROOM = 0x7ffff000 };
    *b = (struct journal_batch){buffer, room < MAX_ROOM ? room : MAX_ROOM, JOURNAL_BATCH_HEAD_BYTES, 0};
}

void *journal_batch_add(struct journal_batch *b, uint16_t type, uint16_t flags, uint64_t sequence, size_t bytes) {
    if (bytes > JOURNAL_PAYLOAD_MAX_BYTES || journal_record_bytes(bytes) > b->room - b->bytes)
        return NULL;
    unsigned char *head = b->data + b->bytes;
    put32(head + RECORD_BYTES, (uint32_t)bytes);
    put16(head + RECORD_TYPE, type);
    put16(head + RECORD_FLAGS, flags);
    put64(head + RECORD_SEQUENCE, sequence);
    b->bytes += journal_record_bytes(bytes);
    b->records++;
    return head + JOURNAL_RECORD_HEAD_BYTES;
}
