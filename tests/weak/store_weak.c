/* SPDX-License-Identifier: MIT */
/*
 * durable_store.h over a disk that is a table: what each write says. What is on disk passes nothing on between processes, so its accesses are none of the machine's; two that write at one place is
 * what the role is there against, and is looked for at once.
 */
#include "contents.h"
#include "durable_record.h"
#include "durable_store.h"
#include "error.h"
#include "journal_format.h"
#include "platform_sim.h"
#include "queue.h"

enum { FILES = 4, WRITES = 64, BUFFER_BYTES = 2048 };

struct durable_store {
    const struct segment *segment;
    uint64_t number;
    uint32_t unit;
    struct batch batch;
    unsigned char buffer[BUFFER_BYTES];
};

static struct disk {
    uint64_t last;        /* file */
    uint32_t ends[FILES]; /* of all before the last */
    struct written writes[FILES][WRITES];
} * disk;

/* ---- creating ---- */

static int begin(struct queue_contents *c, void *memory, uint64_t bytes) {
    struct segment s;
    (void)c;
    int result = segment_bind(&s, memory, bytes, false);
    if (result == 0)
        durable_begin(&s, "/weak", (const unsigned char[16]){0}, 1, 1, STORE_HEAD_UNITS, 1, 1, false);
    return result;
}

int replay_create(const char *name, const struct rp_queue_options *o, rp_queue **out) {
    struct queue_contents contents = {.fill = begin};
    disk = weak_allocate(sizeof *disk);
    disk->last = 1;
    return queue_create(name, o, &contents, out);
}

/* ---- the store ---- */

int store_open(const struct segment *s, struct durable_store **out) {
    *out = sim_calloc(1, sizeof **out);
    (*out)->segment = s;
    return 0;
}

void store_close(struct durable_store *st) { sim_free(st); }

struct batch *store_batch(struct durable_store *st) {
    journal_batch_begin(&st->batch.records, st->buffer, sizeof st->buffer);
    return &st->batch;
}

int store_seek(struct durable_store *st, uint64_t number, uint32_t unit) {
    st->number = number;
    st->unit = unit;
    return 0;
}

static uint64_t sequence_bit(uint64_t sequence) { return UINT64_C(1) << sequence % 64; }

static struct written read_batch(const unsigned char *data, size_t bytes) {
    struct written w = {0};
    for (size_t at = JOURNAL_BATCH_HEAD_BYTES; at < bytes;) {
        const unsigned char *head = data + at, *body = head + JOURNAL_RECORD_HEAD_BYTES;
        size_t payload = get32(head + RECORD_BYTES);
        struct record_message m;
        struct record_settled r;
        if (get16(head + RECORD_TYPE) == RECORD_MESSAGE && record_message_read(body, payload, &m)) {
            w.sent |= sequence_bit(get64(head + RECORD_SEQUENCE));
            w.letters |= m.data[0] < LETTERS ? UINT32_C(1) << m.data[0] : 0;
        } else if (get16(head + RECORD_TYPE) == RECORD_SETTLED) {
            for (size_t i = 0; i < payload; i += RECORD_SETTLED_BYTES) {
                record_settled_read(body + i, &r);
                w.settled |= r.groups & 1 ? sequence_bit(r.sequence) : 0;
            }
        }
        at += journal_record_bytes(payload);
    }
    return w;
}

/* Up to where all that is in this file counts, whatever a writer believes. */
static uint32_t counts(const struct segment *s, uint64_t number) {
    uint64_t point;
    memcpy(&point, (const void *)&s->control->journal_point, sizeof point);
    return number < disk->last ? disk->ends[number] : point_of(point).file == number ? point_of(point).unit : STORE_HEAD_UNITS;
}

int store_write(struct durable_store *st, uint32_t *unit) {
    if (st->unit < counts(st->segment, st->number))
        weak_fail("a batch is written to unit %u of file %u, which counts up to %u", st->unit, (unsigned)st->number,
                  counts(st->segment, st->number));
    weak_check(st->unit < STORE_HEAD_UNITS + WRITES);
    disk->writes[st->number][st->unit - STORE_HEAD_UNITS] = read_batch(st->buffer, st->batch.records.bytes);
    *unit = ++st->unit;
    return 0;
}

int store_sync(struct durable_store *st) {
    (void)st;
    return 0;
}

uint32_t store_durable_unit(const struct durable_store *st) { return st->unit; }

int store_next(struct durable_store *st, uint64_t sequence, uint64_t needed) {
    const uint64_t number = st->number;
    const uint32_t unit = st->unit;
    (void)sequence, (void)needed;
    weak_check(number + 1 < FILES);
    if (disk->last > number && disk->ends[number] != unit)
        weak_fail("file %u ends at unit %u for who made the next one, at %u for another", (unsigned)number, disk->ends[number],
                  unit);
    if (disk->last == number)
        disk->ends[disk->last++] = unit;
    return store_seek(st, number + 1, STORE_HEAD_UNITS);
}

void store_unmake(struct durable_store *st, uint64_t number) { (void)st, (void)number; }

uint64_t store_needed(struct durable_store *st, uint64_t needed, uint64_t number, uint64_t lowest) {
    (void)st, (void)number, (void)lowest;
    return needed;
}

uint64_t store_first(const struct durable_store *st, uint64_t from, uint64_t to, uint64_t sequence) {
    (void)st, (void)to, (void)sequence;
    return from;
}

uint64_t store_said(const struct durable_store *st) {
    (void)st;
    return 1;
}

uint64_t store_drop(struct durable_store *st, uint64_t oldest, uint64_t needed) {
    (void)st, (void)needed;
    return oldest;
}

struct written on_disk(void) {
    struct written all = {0};
    for (uint64_t f = 1; f <= disk->last; f++)
        for (uint32_t u = STORE_HEAD_UNITS; u < counts(&office->queue[HOARDER]->segment, f); u++) {
            const struct written *w = &disk->writes[f][u - STORE_HEAD_UNITS];
            all.letters |= w->letters;
            all.sent |= w->sent;
            all.settled |= w->settled;
        }
    return all;
}
