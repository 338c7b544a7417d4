/* SPDX-License-Identifier: MIT */
/*
 * Recordings of broadcast rings: a header, then one record after the other, byte by byte in docs/record-format.md. Written from front to back and never changed, so whatever a killed recorder
 * leaves is a good recording and, at most, the beginning of one more record. Knows nothing of the library.
 */
#ifndef RINGPOST_TOOLS_RECORDING_H
#define RINGPOST_TOOLS_RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORDING_MAGIC UINT64_C(0x0a6365722d7072ff) /* "\xff" "rp-rec\n" */

enum {
    RECORDING_VERSION = 1,
    RECORDING_BYTE_ORDER = 0x01020304,
    RECORDING_LANES_MAX = 1000,
    RECORDING_MESSAGE_MAX = 1 << 30,
    RECORDING_NAME = 176
};

/* As it lies in the file, in the byte order of who wrote it. */
struct recording_header {
    uint64_t magic;
    uint32_t byte_order;
    uint32_t version;
    uint64_t features_incompatible; /* whoever does not know them must not read on */
    uint64_t started_ns;            /* wall clock */
    uint32_t slots;                 /* the ring's parameters */
    uint32_t slot_bytes;
    uint32_t message_bytes;
    uint32_t max_writers;
    uint32_t max_readers;
    uint32_t overflow;
    uint64_t gate_timeout_ns;
    uint64_t ring_created_ns;
    char ring[RECORDING_NAME]; /* its name, cut; ends with NUL */
    uint64_t check;            /* XXH3-64 of all before it */
};

enum record_kind {
    RECORD_MESSAGE = 1,
    RECORD_LOSS = 2, /* `size` messages from `sequence` on were overwritten before they were read */
    RECORD_END = 3   /* the last record: `sequence` messages were recorded and `size` lost */
};

/* Of each record; a message's payload follows, and zeros up to a multiple of 8. */
struct record_head {
    uint64_t
        check; /* XXH3-64 of the rest of the head, seeded with the header's check and the record's offset: no record passes in another place */
    uint32_t kind;
    uint32_t lane;
    uint64_t sequence;
    uint64_t time_ns; /* when it was read: wall clock at the start, and what a clock that is never set has counted since */
    uint64_t size;
    uint64_t payload_check; /* XXH3-64 of payload and zeros, seeded alike */
};

_Static_assert(sizeof(struct recording_header) == 256 && sizeof(struct record_head) == 48, "as documented");

/* Writing --------------------------------------------------------------------------------------------------------- */

/* Fills in what is the same in all headers, and the check. */
void recording_seal(struct recording_header *h);
/* All of a record: its head, payload and zeros. */
size_t record_bytes(const struct record_head *head);
/* A record that will lie at `offset` of the file: the head is filled in but for the checks, the payload is behind it, and there is room for the zeros. -> record_bytes. */
size_t record_seal(const struct recording_header *h, uint64_t offset, void *record);

/* Reading --------------------------------------------------------------------------------------------------------- */

enum recording_result {
    RECORDING_RECORD, /* here is one */
    RECORDING_ENDED,  /* there was the last one */
    RECORDING_TORN, /* the file ends without one, `left` bytes behind the last whole record: the recorder was killed, or the file cut */
    RECORDING_DAMAGED,      /* at `offset` */
    RECORDING_FOREIGN,      /* no recording */
    RECORDING_INCOMPATIBLE, /* of another byte order or version */
};

struct recording {
    int fd;
    struct recording_header header;
    unsigned char *bytes;
    size_t room, begin, end;
    bool at_end;
    uint64_t offset; /* in the file, of the record given out last, or of what is wrong */
    uint64_t next;   /* ... of the one behind it */
    uint64_t left;
    uint64_t messages, lost; /* so far */
};

/* Reads the header. RECORDING_RECORD: go on; another result, or negative errno. To be closed in any case. */
int recording_open(struct recording *r, int fd);
/* The next message or loss; head and payload are valid until the next call. A result, or negative errno, -EINTR included: call again. */
int recording_next(struct recording *r, const struct record_head **head, const void **payload);
/* Does not close the descriptor. */
void recording_close(struct recording *r);

#endif
