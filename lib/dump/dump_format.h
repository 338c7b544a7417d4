/* SPDX-License-Identifier: MIT */
/*
 * The bytes of a dump, docs/dump-format.md: a head, then records, each with its own checksums. Numbers are 64 bits, little-endian, whatever they count: what a dump is made of are payloads, and one rule is enough to
 * read and write all of it on any machine.
 *
 *     head      magic, version, features, salt, time, check
 *     record    kind, bytes of the body, check of these | body | check of the body
 *     body      how many numbers | the numbers | bytes: names, keys, payloads, as long as the numbers say
 *
 * A later version appends numbers. One that is 0 says nothing new; one that is not is refused by who does not know it.
 */
#ifndef RP_DUMP_DUMP_FORMAT_H
#define RP_DUMP_DUMP_FORMAT_H

#include <endian.h>
#include <ringpost/dump.h>
#include <stdbool.h>
#include <string.h>

#define DUMP_MAGIC "\377rp-dmp\n"

enum {
    DUMP_VERSION = 1,
    DUMP_HEAD_BYTES = 64,
    DUMP_FRAME_BYTES = 24, /* before a body; the body's check is behind it */
    DUMP_CHECK_BYTES = 8,
    DUMP_QUEUE = 1, /* the first record; the others: enum rp_dump_kind */
    DUMP_GROUPS_MAX = 20,
    DUMP_PRODUCERS_MAX = 4000,
    DUMP_SMALL_BYTES = 65536, /* of a body, payload and headers apart */
    DUMP_NUMBERS_MAX = 1024
};

/* ---- numbers ---- */

static inline void dump_put64(unsigned char *to, uint64_t value) {
    value = htole64(value);
    memcpy(to, &value, sizeof value);
}
static inline uint64_t dump_get64(const unsigned char *from) {
    uint64_t value;
    memcpy(&value, from, sizeof value);
    return le64toh(value);
}

uint64_t dump_check(const void *data, size_t bytes, uint64_t seed);

/* ---- a body that is being written ---- */

struct dump_body {
    unsigned char *data;
    size_t bytes, room;
    bool failed; /* no memory: what is put from then on is nowhere */
};

void dump_body_begin(struct dump_body *b);
void dump_body_number(struct dump_body *b, uint64_t value); /* before any bytes */
void dump_body_bytes(struct dump_body *b, const void *data, size_t bytes);

/* ---- a body that is being read ---- */

/* Says what is wrong in a record; RP_CORRUPT, or RP_INCOMPATIBLE for what is newer. */
struct dump_scan {
    const unsigned char *at;
    size_t left;
    uint64_t numbers; /* still to come */
    const char *wrong;
    bool newer;
};

bool dump_scan_begin(struct dump_scan *x, const unsigned char *data, size_t bytes);
/* The next number; it must be at most `most`. What is wrong once stays so, and yields zeros. */
uint64_t dump_scan_number(struct dump_scan *x, uint64_t most, const char *what);
/* No number that says something is left. */
void dump_scan_numbers_end(struct dump_scan *x);
const void *dump_scan_bytes(struct dump_scan *x, size_t bytes);
/* True: all was read, and nothing was wrong. */
bool dump_scan_end(struct dump_scan *x);

/* ---- what the bodies say ---- */

/* Of the record of the queue. */
struct dump_queue {
    struct rp_dump_head head;
    struct rp_queue_options options;
};

/* The counts in the last record. */
struct dump_end {
    struct rp_dump_summary summary;
    uint64_t next_id; /* messages of the dump have lower ids */
};

void dump_write_queue(struct dump_body *b, const struct dump_queue *q);
void dump_write_group(struct dump_body *b, const struct rp_group_info *g);
void dump_write_producer(struct dump_body *b, const struct rp_producer_id *p);
/* False: its headers are damaged. */
bool dump_write_message(struct dump_body *b, const struct rp_dump_message *m);
void dump_write_id(struct dump_body *b, const struct rp_dump_id *i);
void dump_write_counters(struct dump_body *b, const struct rp_queue_stats *c);
void dump_write_end(struct dump_body *b, const struct dump_end *e);

bool dump_read_queue(struct dump_scan *x, struct dump_queue *q);
bool dump_read_group(struct dump_scan *x, struct rp_group_info *g);
bool dump_read_producer(struct dump_scan *x, struct rp_producer_id *p);
/* Pointers lead into the body, but for headers, for which `*headers` is grown. `deliveries`: room for DUMP_GROUPS_MAX. */
struct dump_headers {
    unsigned char *block;
    size_t room;
};
bool dump_read_message(struct dump_scan *x, struct rp_dump_message *m, struct rp_dump_delivery *deliveries,
                       struct dump_headers *headers);
bool dump_read_id(struct dump_scan *x, struct rp_dump_id *i);
bool dump_read_counters(struct dump_scan *x, struct rp_queue_stats *c);
bool dump_read_end(struct dump_scan *x, struct dump_end *e);

/* "message", ... for people. */
const char *dump_kind_name(uint64_t kind);

#endif
