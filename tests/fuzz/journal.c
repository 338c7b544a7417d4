/* SPDX-License-Identifier: MIT */
/*
 * fuzz_journal: the files of a journal, on a disk in memory, with bytes and numbers changed, pieces copied, files cut, exchanged and removed; half of the time with checksums that fit, so that what is behind them is reached.
 * Reading, reading what is only kept, verifying and repairing end, and touch nothing outside. Without right checksums nothing is read but what was written, in order; and what was repaired can be read.
 */
#include "disk.h"
#include "error.h"
#include "fuzz.h"
#include "journal_format.h"
#include "journal_history.h"
#include "journal_verify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { FILES = 3, SIZE_BYTES = 3 * JOURNAL_BLOCK_BYTES, ROOM = 2 * JOURNAL_BLOCK_BYTES, BATCHES = 4, PER_BATCH = 5, CHANGES = 5 };

static struct disk_copy *base;
static uint64_t written, refused, torn, damaged, whole, read_records;
static volatile unsigned char touched;

/* ---- the journal to begin with ---- */

static size_t bytes_of(uint64_t sequence) { return (size_t)(sequence * 37 % 150); }

static void add(struct journal_batch *b) {
    uint64_t sequence = ++written;
    unsigned char *payload = journal_batch_add(b, 1, 2, sequence, bytes_of(sequence));
    must(payload != NULL);
    memset(payload, (int)sequence, bytes_of(sequence));
}

static void start(void) {
    struct journal_dir d;
    struct journal_file f = {.number = 0};
    struct journal_point at = {0, 0, 0, 0};
    struct journal_batch b;
    unsigned char *buffer = aligned_alloc(JOURNAL_BLOCK_BYTES, ROOM);
    disk_reset(1);
    must(buffer != NULL && journal_dir_create(DISK_PATH, "orders", &d) == 0);
    for (int i = 0; i < FILES; i++) {
        struct journal_file_options o = {.number = f.number + 1,
                                         .first_sequence = written + 1,
                                         .bytes = SIZE_BYTES,
                                         .previous = f.number ? &at : NULL,
                                         .needed = i == FILES - 1 ? 2 : 0};
        must(journal_file_create(&d, &o, JOURNAL_WRITE, &f) == 0);
        at = journal_file_begin(&f);
        for (int k = 0; k < BATCHES; k++) {
            journal_batch_begin(&b, buffer, ROOM);
            for (int n = 0; n < PER_BATCH; n++)
                add(&b);
            must(journal_file_write(&f, &at, &b) == 0 && journal_file_sync(&f, &at) == 0);
        }
        journal_file_close(&f);
    }
    journal_dir_close(&d);
    free(buffer);
    disk_settle();
    base = disk_save();
}

static void nothing(void) {}
static void stop(void) { disk_free(base); }

/* ---- changes ---- */

static void name_of(struct reader *r, char name[JOURNAL_NAME_MAX]) {
    uint8_t which = take8(r);
    uint64_t number = which % 16 == 15 ? 0 : 1 + which / 16 % FILES;
    if (number == 0)
        strcpy(name, JOURNAL_OWNER_NAME);
    else
        journal_file_name(number, name);
}

/* A number, by a little, to an end of what it can be, or to anything. */
static void change_number(struct reader *r, unsigned char *at, size_t width) {
    uint64_t value = 0;
    uint8_t how = take8(r);
    memcpy(&value, at, width);
    value = le64toh(value);
    switch (how & 3) {
    case 0: value += (uint64_t)(int64_t)(int8_t)take8(r); break;
    case 1: value = UINT64_C(1) << (take8(r) & 63); break;
    case 2: value = (UINT64_C(1) << (take8(r) & 63)) - 1; break;
    default: value = take64(r);
    }
    value = htole64(value);
    memcpy(at, &value, width);
}

/* Where something is: mostly in heads. */
static size_t place(struct reader *r, size_t bytes) {
    uint8_t how = take8(r);
    size_t unit = take8(r) % (bytes / JOURNAL_UNIT_BYTES + 1) * JOURNAL_UNIT_BYTES, at;
    switch (how & 3) {
    case 0: at = unit + take8(r) % 16 * 8; break;                             /* the head of a batch, or of the file */
    case 1: at = unit + JOURNAL_BATCH_HEAD_BYTES + (how >> 2) % 7 * 4; break; /* a first record */
    case 2: at = take8(r) % 16 * 8; break;
    default: at = take16(r);
    }
    return bytes < 16 ? 0 : at % (bytes - 8);
}

static void change(struct reader *r) {
    char name[JOURNAL_NAME_MAX], other[JOURNAL_NAME_MAX];
    size_t bytes, other_bytes;
    uint8_t how = take8(r);
    name_of(r, name);
    unsigned char *data = disk_file(name, &bytes);
    if (data == NULL || bytes < 16)
        return;
    size_t at = place(r, bytes);
    switch (how % 8) {
    case 0: data[at] ^= (unsigned char)(1u << (how >> 3 & 7)); break;
    case 1: change_number(r, data + at, 8); break;
    case 2: change_number(r, data + at, how & 8 ? 4 : 2); break;
    case 3: { /* a piece of this file or another */
        name_of(r, other);
        const unsigned char *from = disk_file(other, &other_bytes);
        size_t units = 1 + take8(r) % 4, to = at / JOURNAL_UNIT_BYTES * JOURNAL_UNIT_BYTES;
        if (from == NULL || other_bytes < 16)
            return;
        size_t source = place(r, other_bytes) / JOURNAL_UNIT_BYTES * JOURNAL_UNIT_BYTES;
        for (size_t i = 0; i < units * JOURNAL_UNIT_BYTES && source + i < other_bytes && to + i < bytes; i++)
            data[to + i] = from[source + i];
        break;
    }
    case 4: disk_cut(name, at); break;
    case 5: memset(data + at, how >> 3 & 1 ? 255 : 0, bytes - at < 64 ? bytes - at : 64); break;
    case 6: disk_put(name, NULL, 0); break;
    default: { /* a file under another's name */ name_of(r, other); disk_rename(name, other);
    }
    }
}

/* Makes the checks of a batch right, as far as it is one. */
static void mend_batch(unsigned char *head, size_t left, uint64_t nonce) {
    uint64_t bytes = get64(head + BATCH_BYTES);
    if (bytes < JOURNAL_BATCH_HEAD_BYTES || bytes > left)
        return;
    size_t body = (size_t)bytes - JOURNAL_BATCH_HEAD_BYTES;
    unsigned char *record = head + JOURNAL_BATCH_HEAD_BYTES;
    for (size_t i = 0; i + JOURNAL_RECORD_HEAD_BYTES <= body;) {
        size_t payload = get32(record + i + RECORD_BYTES);
        if (payload > body - i - JOURNAL_RECORD_HEAD_BYTES)
            break;
        put64(record + i + RECORD_CHECK, journal_record_check(record + i, payload));
        i += journal_record_bytes(payload);
    }
    put64(head + BATCH_BODY, journal_check(record, body, nonce));
}

/* Heads, chains, bodies: as one who forges would. */
static void mend(uint8_t how) {
    size_t bytes;
    unsigned char *data = disk_file(JOURNAL_OWNER_NAME, &bytes);
    if (data != NULL && bytes >= 8)
        put64(data + bytes - 8, journal_check(data, bytes - 8, 0));
    uint64_t chain = 0;
    for (uint64_t number = 1; number <= FILES; number++) {
        char name[JOURNAL_NAME_MAX];
        journal_file_name(number, name);
        data = disk_file(name, &bytes);
        if (data == NULL || bytes < JOURNAL_HEAD_BYTES)
            continue;
        if (how & 1 && number > 1)
            put64(data + FILE_PREVIOUS_CHAIN, chain);
        put64(data + FILE_CHECK, chain = journal_check(data, FILE_CHECK, 0));
        uint64_t nonce = get64(data + FILE_NONCE);
        for (size_t at = JOURNAL_HEAD_BYTES; at + JOURNAL_UNIT_BYTES <= bytes; at += JOURNAL_UNIT_BYTES) {
            unsigned char *head = data + at;
            if (memcmp(head, JOURNAL_BATCH_MAGIC, JOURNAL_MAGIC_BYTES) != 0)
                continue;
            mend_batch(head, bytes - at, nonce);
            if (how & 2)
                put64(head + BATCH_PREVIOUS, chain);
            put64(head + BATCH_CHECK, chain = journal_check(head, BATCH_CHECK, nonce));
        }
    }
    disk_settle();
}

/* ---- use ---- */

static void check_record(const struct journal_record *m, uint64_t last, bool mended) {
    must(m->file >= 1 && m->file <= FILES + 1 && m->at % 8 == 0 && m->at + JOURNAL_RECORD_HEAD_BYTES + m->bytes <= SIZE_BYTES);
    for (size_t i = 0; i < m->bytes; i++)
        touched = ((const unsigned char *)m->payload)[i];
    read_records++;
    if (mended)
        return;
    must(m->sequence == last + 1 && m->sequence <= written && m->type == 1 && m->flags == 2 && m->bytes == bytes_of(m->sequence));
    must(m->bytes == 0 || touched == (unsigned char)m->sequence);
}

static int read_all(const struct journal_dir *d, bool mended, uint64_t *records, uint64_t *first) {
    enum { MANY = (FILES + 1) * SIZE_BYTES / JOURNAL_RECORD_HEAD_BYTES };
    struct journal_reader *r;
    struct journal_record m;
    int result = journal_reader_open(&r, d, 0);
    uint64_t last = 0;
    *records = *first = 0;
    if (result < 0)
        return result;
    while ((result = journal_reader_next(r, &m)) == JOURNAL_RECORD) {
        if (*records == 0)
            *first = m.sequence;
        check_record(&m, *records ? last : m.sequence - 1, mended);
        last = m.sequence;
        must(++*records <= MANY);
    }
    must(journal_reader_next(r, &m) == result && journal_reader_stop(r)->records == *records);
    must(result < 0 || journal_reader_stop(r)->outcome == (enum journal_outcome)result);
    journal_reader_close(r);
    return result;
}

struct looked {
    uint64_t files, harmed; /* of those that are needed */
};
static int count_file(void *context, const struct journal_file_report *file) {
    struct looked *l = context;
    l->files++;
    l->harmed += file->outcome == JOURNAL_DAMAGED && !file->kept;
    must(file->end <= SIZE_BYTES && (file->outcome == JOURNAL_END) == (file->why == NULL));
    return 0;
}

/* What was sent, from the oldest file on. It ends, whatever it reads again. */
static void read_history(const struct journal_dir *d, bool mended) {
    enum { MANY = 8 * (FILES + 1) * SIZE_BYTES / JOURNAL_UNIT_BYTES };
    struct journal_history h;
    struct journal_record m;
    int result = journal_history_open(&h, d, 0);
    for (unsigned steps = 0; result == 0 || result == JOURNAL_HISTORY_FILE || result == JOURNAL_HISTORY_GAP; steps++) {
        must(steps < MANY);
        result = journal_history_batch(&h);
        while (result == JOURNAL_RECORD && journal_scan_record(&h.scan, &m))
            check_record(&m, m.sequence - 1, mended);
    }
    must(result == JOURNAL_END || result == JOURNAL_TORN || result == JOURNAL_DAMAGED || result == RP_INCOMPATIBLE);
    must((result == JOURNAL_DAMAGED) == (h.why != NULL));
    if (result != RP_INCOMPATIBLE || h.open)
        journal_history_close(&h);
}

static void use(bool mended) {
    struct journal_dir d;
    struct journal_repair_report report;
    uint64_t records, first, again;
    struct looked l = {0};
    int result = journal_dir_open(DISK_PATH, NULL, &d);
    if (result < 0) {
        must(result == RP_CORRUPT || result == RP_INCOMPATIBLE || result == -ENOENT);
        refused++;
        return;
    }
    result = read_all(&d, mended, &records, &first);
    must(result > 0 || result == RP_INCOMPATIBLE);
    torn += result == JOURNAL_TORN;
    damaged += result == JOURNAL_DAMAGED;
    whole += result == JOURNAL_END;
    int asked, verified = journal_verify(&d, count_file, &l, &asked);
    must(verified < 0 || (l.harmed > 0) == (result == JOURNAL_DAMAGED));
    must((verified >= 0 || verified == RP_INCOMPATIBLE) && l.files <= 2 * FILES + 1);
    read_history(&d, mended);
    int repaired = journal_repair(&d, false, &report);
    must(repaired == result || repaired == RP_INCOMPATIBLE);
    if (repaired == JOURNAL_DAMAGED) {
        uint64_t kept = records;
        result = read_all(&d, mended, &records, &again);
        must((result == JOURNAL_END || result == JOURNAL_TORN) && records == kept && again == first);
    }
    journal_dir_close(&d);
}

static void run(const uint8_t *data, size_t size) {
    struct reader r = {data, data + size};
    disk_load(base);
    uint8_t how = take8(&r);
    for (unsigned i = 0; i < 1u + how % CHANGES; i++)
        change(&r);
    disk_settle();
    bool mended = how & 128;
    if (mended)
        mend(how >> 5);
    use(mended);
}

static uint64_t special_count(void) { return 256; }

/* Each bit of the first bytes of each file; right checks. */
static size_t special(uint64_t n, uint8_t *data) {
    data[0] = 128;
    data[1] = (uint8_t)(n % 8 << 3);
    data[2] = n / 8 % 4 == 3 ? 15 : (uint8_t)(n / 8 % 4 * 16);
    data[3] = 2;
    data[4] = 0;
    data[5] = (uint8_t)(n / 32);
    return 6;
}

static void summary(void) {
    printf("%llu journals whole, %llu torn, %llu damaged, %llu refused at once; %llu records read\n", (unsigned long long)whole,
           (unsigned long long)torn, (unsigned long long)damaged, (unsigned long long)refused, (unsigned long long)read_records);
}

const struct fuzz_target fuzz_target = {"journal", nothing, nothing, start, run, stop, special_count, special, summary};
