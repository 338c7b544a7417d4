/* SPDX-License-Identifier: MIT */
#include "journal_scan.h"

#include "atomic.h"
#include "file.h"
#include "journal_format.h"

#include <errno.h>
#include <stdlib.h>

enum { WINDOW_BYTES = 256 << 10, FILL_MAX_BYTES = JOURNAL_BLOCK_BYTES };

void journal_scan_begin(struct journal_scan *s, const struct journal_file *f, uint64_t limit) {
    *s = (struct journal_scan){.file = *f, .at = journal_file_begin(f), .limit = limit, .buffer = s->buffer, .room = s->room};
}

void journal_scan_free(struct journal_scan *s) {
    free(s->buffer);
    s->buffer = NULL;
}

/* Has `bytes` bytes of the file from `at` in memory, all of them below the limit. -> 0, with where they are; or errno */
static int hold(struct journal_scan *s, uint64_t at, size_t bytes, const unsigned char **data) {
    if (at < s->held_at || at + bytes > s->held_at + s->held) {
        size_t want = bytes > WINDOW_BYTES ? bytes : WINDOW_BYTES;
        uint64_t end = s->limit * JOURNAL_UNIT_BYTES;
        if (s->room < want) {
            unsigned char *more = realloc(s->buffer, want);
            if (more == NULL)
                return -ENOMEM;
            s->buffer = more;
            s->room = want;
        }
        if (want > end - at)
            want = (size_t)(end - at);
        s->held = 0;
        int result = journal_read_all(s->file.fd, s->buffer, want, at);
        if (result < 0)
            return result;
        s->held = want;
        s->held_at = at;
    }
    *data = s->buffer + (at - s->held_at);
    return 0;
}

/* ---- what makes a batch whole ---- */

/* Is it the head of a batch that was written to this place of this file, whatever is behind it? */
static const char *wrong_head(const struct journal_scan *s, const unsigned char *head, uint64_t unit) {
    if (memcmp(head + BATCH_MAGIC, JOURNAL_BATCH_MAGIC, JOURNAL_MAGIC_BYTES) != 0)
        return "no batch begins here";
    if (get64(head + BATCH_CHECK) != journal_check(head, BATCH_CHECK, s->file.nonce) && !MUTANT(journal_batch_head_unchecked))
        return "the checksum of the batch's head is wrong";
    if (get64(head + BATCH_NUMBER) != s->file.number || get64(head + BATCH_UNIT) != unit ||
        get64(head + BATCH_NONCE) != s->file.nonce)
        return "the batch is of another place";
    if (get64(head + BATCH_DURABLE) > unit)
        return "the batch says that it was on disk before it was written";
    return NULL;
}

static const char *wrong_size(const struct journal_scan *s, const unsigned char *head) {
    uint64_t bytes = get64(head + BATCH_BYTES), units = get32(head + BATCH_UNITS);
    if (units > s->limit - s->at.unit)
        return "the batch is longer than the file counts";
    if (bytes < JOURNAL_BATCH_HEAD_BYTES || bytes > INT32_MAX || bytes > units * JOURNAL_UNIT_BYTES ||
        units * JOURNAL_UNIT_BYTES - bytes >= FILL_MAX_BYTES)
        return "the batch's length is none";
    return NULL;
}

static const char *wrong_records(const unsigned char *data, uint32_t count, size_t left) {
    for (; count > 0; count--) {
        if (left < JOURNAL_RECORD_HEAD_BYTES)
            return "the batch has fewer records than it says";
        size_t payload = get32(data + RECORD_BYTES);
        if (payload > JOURNAL_PAYLOAD_MAX_BYTES || journal_record_bytes(payload) > left)
            return "a record is longer than its batch";
        if (get64(data + RECORD_CHECK) != journal_record_check(data, payload) && !MUTANT(journal_record_unchecked))
            return "a record's checksum is wrong";
        data += journal_record_bytes(payload);
        left -= journal_record_bytes(payload);
    }
    return left == 0 ? NULL : "the batch has more bytes than records";
}

static const char *wrong_batch(const struct journal_scan *s, const unsigned char *head) {
    size_t bytes = (size_t)get64(head + BATCH_BYTES) - JOURNAL_BATCH_HEAD_BYTES;
    const unsigned char *body = head + JOURNAL_BATCH_HEAD_BYTES;
    if (get64(head + BATCH_BODY) != journal_check(body, bytes, s->file.nonce) && !MUTANT(journal_body_unchecked))
        return "the checksum of the batch's records is wrong";
    return wrong_records(body, get32(head + BATCH_RECORDS), bytes);
}

static int wrong(struct journal_scan *s, const char *why) {
    s->why = why;
    return JOURNAL_SCAN_WRONG;
}

/* A read that failed; a file that became shorter is one that has nothing there. */
static int no_read(struct journal_scan *s, int result) { return result == -ENODATA ? wrong(s, "the file ends here") : result; }

int journal_scan_batch(struct journal_scan *s) {
    const unsigned char *head;
    uint64_t at = s->at.unit * JOURNAL_UNIT_BYTES;
    s->left = 0;
    if (s->at.unit >= s->limit)
        return JOURNAL_SCAN_LIMIT;
    int result = hold(s, at, JOURNAL_UNIT_BYTES, &head);
    if (result < 0)
        return no_read(s, result);
    const char *why = wrong_head(s, head, s->at.unit);
    if (why == NULL && (get64(head + BATCH_ORDINAL) != s->at.ordinal || get64(head + BATCH_PREVIOUS) != s->at.chain) &&
        !MUTANT(journal_chain_unchecked))
        why = "the batch follows another one than that before it";
    if (why == NULL)
        why = wrong_size(s, head);
    if (why != NULL)
        return wrong(s, why);
    uint64_t units = get32(head + BATCH_UNITS);
    result = hold(s, at, (size_t)units * JOURNAL_UNIT_BYTES, &head);
    if (result < 0)
        return no_read(s, result);
    why = wrong_batch(s, head);
    if (why != NULL)
        return wrong(s, why);
    s->left = get32(head + BATCH_RECORDS);
    s->record = head + JOURNAL_BATCH_HEAD_BYTES;
    s->record_at = at + JOURNAL_BATCH_HEAD_BYTES;
    s->at = (struct journal_point){s->at.unit + units, s->at.ordinal + 1, get64(head + BATCH_CHECK), get64(head + BATCH_DURABLE)};
    return JOURNAL_SCAN_BATCH;
}

bool journal_scan_record(struct journal_scan *s, struct journal_record *out) {
    if (s->left == 0)
        return false;
    const unsigned char *head = s->record;
    size_t bytes = get32(head + RECORD_BYTES);
    *out = (struct journal_record){get64(head + RECORD_SEQUENCE),
                                   head + JOURNAL_RECORD_HEAD_BYTES,
                                   bytes,
                                   get16(head + RECORD_TYPE),
                                   get16(head + RECORD_FLAGS),
                                   s->file.number,
                                   s->record_at};
    s->record += journal_record_bytes(bytes);
    s->record_at += journal_record_bytes(bytes);
    s->left--;
    return true;
}

/* ---- where it ends ---- */

static bool is_zero(const unsigned char *unit) { return unit[0] == 0 && memcmp(unit, unit + 1, JOURNAL_UNIT_BYTES - 1) == 0; }

int journal_scan_tail(struct journal_scan *s) {
    enum journal_outcome outcome = JOURNAL_END;
    for (uint64_t unit = s->at.unit; unit < s->limit; unit++) {
        const unsigned char *head;
        int result = hold(s, unit * JOURNAL_UNIT_BYTES, JOURNAL_UNIT_BYTES, &head);
        if (result == -ENODATA)
            return JOURNAL_DAMAGED; /* files do not become shorter */
        if (result < 0)
            return result;
        if (unit == s->at.unit && !is_zero(head) && !s->file.reused)
            outcome = JOURNAL_TORN;
        if (wrong_head(s, head, unit) != NULL)
            continue;
        outcome = JOURNAL_TORN;
        if (get64(head + BATCH_DURABLE) > s->at.unit && !MUTANT(journal_gap_unnoticed))
            return JOURNAL_DAMAGED;
    }
    return outcome;
}

int journal_scan_unwritten(struct journal_scan *s) {
    int result = s->at.ordinal == 0 ? journal_scan_tail(s) : JOURNAL_TORN;
    return result < 0 ? result : result == JOURNAL_END;
}

int journal_scan_lost(struct journal_scan *s, uint64_t *batches, uint64_t *records) {
    for (uint64_t unit = s->at.unit, units; unit < s->limit; unit += units) {
        const unsigned char *head;
        int result = hold(s, unit * JOURNAL_UNIT_BYTES, JOURNAL_UNIT_BYTES, &head);
        if (result < 0)
            return result == -ENODATA ? 0 : result;
        units = 1;
        if (wrong_head(s, head, unit) != NULL)
            continue;
        *batches += 1;
        *records += get32(head + BATCH_RECORDS);
        if (get32(head + BATCH_UNITS) > 1)
            units = get32(head + BATCH_UNITS);
    }
    return 0;
}
