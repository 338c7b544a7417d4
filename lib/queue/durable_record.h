/* SPDX-License-Identifier: MIT */
/*
 * What a durable queue's records say: docs/journal-records.md. Little-endian; times are ns of the wall clock since 1970. A record's sequence is that of the message it is about, or 0.
 *
 * Replaying is: of each message the last MESSAGE counts, with what later records say of it. Everything may be there twice.
 */
#ifndef RP_QUEUE_DURABLE_RECORD_H
#define RP_QUEUE_DURABLE_RECORD_H

#include "handle.h"
#include <ringpost/dump.h>

enum durable_record {
    RECORD_GROUPS = 1,   /* the groups that there are from here on; the first record of each file */
    RECORD_MESSAGE = 2,  /* a message */
    RECORD_SETTLED = 3,  /* groups have no more use for messages */
    RECORD_DELIVERY = 4, /* where a message stands in one group, after a failure */
    RECORD_SNAPSHOT = 5, /* flags 0: from here on all that is live comes again; flags 1: that was all of it */
    RECORD_ID = 6,       /* an id under which a message was sent */
    RECORD_PRODUCER = 7  /* flags 0: how far a producer with an id has come; flags 1: its id was removed */
};

enum {
    RECORD_MESSAGE_BYTES = 56,  /* before key, payload and headers */
    RECORD_SETTLED_BYTES = 16,  /* each */
    RECORD_DELIVERY_BYTES = 96, /* before the text */
    RECORD_ID_BYTES = 16        /* before the id */
};

/* ---- groups: counts, then 112 bytes each ---- */

/* The record's flags: of each group is also said how far it came in the past, 24 bytes more. */
enum { RECORD_GROUPS_PAST = 1 };

enum record_past { PAST_NONE, PAST_BEHIND, PAST_ENDED };

struct record_group {
    uint32_t index;
    uint32_t overflow;
    uint64_t generation; /* another than before: another group, which has none of the messages of the one before */
    uint64_t created_ns;
    uint64_t dropped, expired;
    bool paused;
    uint32_t past; /* enum record_past: it began in the past (catch_up.h), and needs of what was sent before it was made */
    uint64_t told; /* from this sequence on what is not said to be settled, up to */
    uint64_t fed;  /* this one; and what comes then, unless that has ENDED: those say themselves that they are for it */
    char name[GROUP_NAME_BYTES];
};
struct record_groups {
    uint64_t next_id;       /* ids of messages are lower */
    uint64_t next_sequence; /* sequences of messages are lower until here */
    uint32_t paused;        /* enum rp_side, of the queue */
    uint32_t count;
    struct record_group groups[MAX_GROUPS];
};
size_t record_groups_bytes(uint32_t count, uint16_t flags);
void record_groups_write(unsigned char *to, uint16_t flags, const struct record_groups *g);
bool record_groups_read(const unsigned char *from, size_t bytes, uint16_t flags, struct record_groups *g);
/* In a record with RECORD_GROUPS_PAST that was written: what it says of that of group number i. */
void record_groups_past(unsigned char *to, uint32_t i, const struct record_group *g);

/* ---- messages ---- */

/* The record's flags: it was for no group but such as are behind, and get it from the journal. */
enum { RECORD_MESSAGE_FOR_NOBODY = 1 };

/* `flags`, `lane` as in rp_dump_message; WAITING: of no group yet. One without groups else is for nobody. The headers' frames are as in a dump. */
struct record_message {
    uint64_t id, sent_ns, due_ns, expires_ns;
    uint32_t flags, groups, lane;
    uint32_t key_bytes, bytes, header_bytes;
    const unsigned char *key, *data, *headers; /* read: into the record */
};
static inline size_t record_message_bytes(const struct record_message *m) {
    return RECORD_MESSAGE_BYTES + (size_t)m->key_bytes + m->bytes + m->header_bytes;
}
/* `headers` in the machine's order. */
void record_message_write(unsigned char *to, const struct record_message *m);
/* The headers are left little-endian: */
bool record_message_read(const unsigned char *from, size_t bytes, struct record_message *m);
void record_headers_read(unsigned char *frames, size_t bytes);

/* ---- settled ---- */

struct record_settled {
    uint64_t sequence;
    uint32_t groups; /* that are done with it; RECORD_ALL_GROUPS: it was cancelled */
    uint32_t of;     /* all that still pended then: of one that waited for its time, which groups it went to. 0: it waits */
};
enum { RECORD_ALL_GROUPS = (1 << MAX_GROUPS) - 1 };
void record_settled_write(unsigned char *to, const struct record_settled *r);
/* Any number of them; `bytes` must be a multiple. */
void record_settled_read(const unsigned char *from, struct record_settled *r);

/* ---- deliveries ---- */

/* Its group, state, due and turn, and the letter beside them; `of` as above. */
struct record_delivery {
    struct rp_dump_delivery delivery;
    uint32_t of;
};
size_t record_delivery_bytes(const struct record_delivery *d);
void record_delivery_write(unsigned char *to, const struct record_delivery *d);
bool record_delivery_read(const unsigned char *from, size_t bytes, struct record_delivery *d);

/* ---- ids ---- */

/* Of a message, or of a producer. */
struct record_id {
    uint64_t number;  /* of the message; or its sequence, as far as it counts */
    uint64_t time_ns; /* until when it is kept; or when it was made */
    const unsigned char *id;
    size_t bytes;
};
static inline size_t record_id_bytes(const struct record_id *r) { return RECORD_ID_BYTES + r->bytes; }
void record_id_write(unsigned char *to, const struct record_id *r);
/* In a record that was written. */
void record_id_number(unsigned char *to, uint64_t number);
/* `most`: KNOWN_ID_BYTES or PRODUCER_ID_BYTES. The id stays in the record. */
bool record_id_read(const unsigned char *from, size_t bytes, size_t most, struct record_id *r);

#endif
