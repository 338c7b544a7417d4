/* SPDX-License-Identifier: MIT */
/* The bytes of a journal's files, docs/journal-format.md. Little-endian, at these places. */
#ifndef RP_JOURNAL_JOURNAL_FORMAT_H
#define RP_JOURNAL_JOURNAL_FORMAT_H

#include "journal_file.h"
#include <endian.h>
#include <string.h>

#define JOURNAL_FILE_MAGIC "\377rp-jnl\n"
#define JOURNAL_BATCH_MAGIC "\377rp-jba\n"
#define JOURNAL_OWNER_MAGIC "\377rp-jow\n"
#define JOURNAL_SUFFIX ".journal"
#define JOURNAL_OWNER_NAME "queue"
#define JOURNAL_SPARE_NAME "spare~"
#define JOURNAL_LOCK_NAME "lock"
#define JOURNAL_REUSED_MAGIC "\377rp-old\n" /* of a spare file that was one of the journal; else it begins with zeros */

enum {
    JOURNAL_VERSION = 1,
    JOURNAL_ENDIAN_MARK = 0x01020304,
    JOURNAL_MAGIC_BYTES = 8,
    JOURNAL_NAME_MAX = 64, /* of a file */
    JOURNAL_HEAD_UNITS = JOURNAL_HEAD_BYTES / JOURNAL_UNIT_BYTES,
    JOURNAL_FILE_MIN_BYTES = 2 * JOURNAL_BLOCK_BYTES
};
#define JOURNAL_FILE_MAX_BYTES ((uint64_t)1 << 40)

/* How a head begins, of files and of `queue`. */
enum {
    HEAD_MAGIC = 0,
    HEAD_VERSION = 8,
    HEAD_ENDIAN = 12,
    HEAD_INCOMPATIBLE = 16,
    HEAD_COMPATIBLE = 24,
    HEAD_ID = 32,
    HEAD_REST = 48
};

/* The head of a file, which goes on with: */
enum {
    FILE_NUMBER = HEAD_REST,
    FILE_FIRST_SEQUENCE = 56,
    FILE_PREVIOUS_END = 64,
    FILE_PREVIOUS_CHAIN = 72,
    FILE_BYTES = 80,
    FILE_NONCE = 88,
    FILE_NEEDED = 96,
    FILE_MADE = 104,
    FILE_BYTES_BEFORE = 112,
    FILE_REUSED = 120, /* 1: what is behind its batches is of another life of this file */
    FILE_CHECK = JOURNAL_HEAD_BYTES - 8 /* of all before */
};

/* `queue`: the head goes on with the bytes of the name, the name, and the check of all before. */
enum { OWNER_NAME_BYTES = HEAD_REST, OWNER_NAME = 56, OWNER_MIN_BYTES = OWNER_NAME + 8 };

/* The head of a batch. */
enum {
    BATCH_MAGIC = 0,
    BATCH_UNITS = 8,     /* 32 bits */
    BATCH_RECORDS = 12,  /* 32 bits */
    BATCH_NUMBER = 16,   /* of the file */
    BATCH_UNIT = 24,     /* its place */
    BATCH_ORDINAL = 32,  /* in the file, from 0 */
    BATCH_DURABLE = 40,  /* below this unit all was on disk when it was written */
    BATCH_NONCE = 48,    /* the file's */
    BATCH_PREVIOUS = 56, /* check of the batch before, or of the file's head */
    BATCH_BYTES = 64,    /* with its head, without what fills the last unit */
    BATCH_BODY = 72,     /* check of the records */
    BATCH_RESERVED = 80,
    BATCH_CHECK = 88 /* of all before, seeded with the nonce */
};

/* The head of a record. Its payload follows, then zeros to a multiple of 8. */
enum { RECORD_CHECK = 0 /* of all behind it */, RECORD_BYTES = 8, RECORD_TYPE = 12, RECORD_FLAGS = 14, RECORD_SEQUENCE = 16 };

static inline void put16(unsigned char *to, uint16_t value) {
    value = htole16(value);
    memcpy(to, &value, sizeof value);
}
static inline void put32(unsigned char *to, uint32_t value) {
    value = htole32(value);
    memcpy(to, &value, sizeof value);
}
static inline void put64(unsigned char *to, uint64_t value) {
    value = htole64(value);
    memcpy(to, &value, sizeof value);
}
static inline uint16_t get16(const unsigned char *from) {
    uint16_t value;
    memcpy(&value, from, sizeof value);
    return le16toh(value);
}
static inline uint32_t get32(const unsigned char *from) {
    uint32_t value;
    memcpy(&value, from, sizeof value);
    return le32toh(value);
}
static inline uint64_t get64(const unsigned char *from) {
    uint64_t value;
    memcpy(&value, from, sizeof value);
    return le64toh(value);
}

uint64_t journal_check(const void *data, size_t bytes, uint64_t seed);

static inline uint64_t journal_record_check(const unsigned char *record, size_t payload_bytes) {
    return journal_check(record + RECORD_BYTES, JOURNAL_RECORD_HEAD_BYTES - RECORD_BYTES + payload_bytes, 0);
}

static inline uint64_t journal_units(uint64_t bytes) { return (bytes + JOURNAL_UNIT_BYTES - 1) / JOURNAL_UNIT_BYTES; }

/* How a head of this version begins, in zeroed memory. */
void journal_head_begin(unsigned char *head, const char *magic, const unsigned char id[JOURNAL_ID_BYTES]);
/* What is wrong with `bytes` bytes that end with the check of those before; NULL: nothing. `*newer`: they are right, and of a version that is not ours. */
const char *journal_head_check(const unsigned char *head, size_t bytes, const char *magic, bool *newer);

void journal_file_name(uint64_t number, char name[JOURNAL_NAME_MAX]);
/* -> the number that the name says; 0: it is no name of a journal file. */
uint64_t journal_file_number(const char *name);
/* A name of our own, for a file that is being made. */
void journal_private_name(char name[JOURNAL_NAME_MAX]);
/* A number that nobody else draws. */
uint64_t journal_random(void);

/* Whole reads and writes, whatever the calls do. -ENODATA: the file ends before. */
int journal_read_all(int fd, void *buffer, size_t bytes, uint64_t at);
int journal_write_all(int fd, const void *data, size_t bytes, uint64_t at);

/* Says what failed, with which file. `name` NULL: the directory. -> result */
int journal_failed(const struct journal_dir *d, int result, const char *what, const char *name);

/* Is there a file of this name? 0; -ENOENT; errno of opening it. */
int journal_look_for(const struct journal_dir *d, const char *name);

/* Makes the batch what is written at `at`, filled up to a multiple of `multiple`. -> its bytes */
size_t journal_batch_end(struct journal_batch *b, const struct journal_file *f, const struct journal_point *at, size_t multiple);

/* journal_file_open, with what is wrong in the file by itself: RP_CORRUPT and RP_INCOMPATIBLE have a `*why`, errno has none. */
int journal_file_open_why(const struct journal_dir *d, uint64_t number, enum journal_mode mode, struct journal_file *f,
                          const char **why);

#endif
