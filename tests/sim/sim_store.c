/* SPDX-License-Identifier: MIT */
/* durable_store.h over sim_journal.h. */
#include "durable_store.h"
#include "error.h"
#include "sim_journal.h"
#include <errno.h>

const bool sim_journal_is_kept = true;

struct durable_store {
    const struct segment *segment;
    uint64_t number;
    uint32_t unit, synced;
    struct batch batch;
    unsigned char buffer[JOURNAL_BATCH];
};

/* What a call told its caller, who may go on differently: part of the state (sim.h). */
static int told(const struct durable_store *st, int result) {
    sim_learn((uint64_t)(uint32_t)result << 32 | st->unit << 8 | st->synced);
    sim_learn(st->number);
    return result;
}

static struct sim_journal_file *file(uint64_t number) {
    for (unsigned i = 0; i < JOURNAL_FILES; i++)
        if (sim_journal.files[i].number == number)
            return &sim_journal.files[i];
    return NULL;
}

int store_open(const struct segment *s, struct durable_store **out) {
    struct durable_store *st = calloc(1, sizeof *st);
    if (st == NULL)
        return fail(-ENOMEM, "no memory");
    st->segment = s;
    *out = st;
    return 0;
}

void store_close(struct durable_store *st) { free(st); }

struct batch *store_batch(struct durable_store *st) {
    journal_batch_begin(&st->batch.records, st->buffer, sizeof st->buffer);
    return &st->batch;
}

int store_seek(struct durable_store *st, uint64_t number, uint32_t unit) {
    if (st->number != number)
        st->synced = STORE_HEAD_UNITS;
    st->number = number;
    st->unit = unit;
    return told(st, 0);
}

/* Is what lies there in the journal, whoever is started anew? */
static void check_place(const struct durable_store *st) {
    const struct sim_journal_file *next = file(st->number + 1);
    struct durable_point p = point_of(atomic_load(&st->segment->control->journal_point));
    uint32_t low = (uint32_t)bits(st->number, 0, POINT_FILE_BITS);
    uint32_t end = next != NULL ? next->previous_end : p.file == low ? p.unit : 0;
    if (st->unit < end)
        sim_fail("a batch is written to unit %u of file %u, which counts up to %u", st->unit, (unsigned)st->number, end);
}

int store_write(struct durable_store *st, uint32_t *unit) {
    if (st->unit - STORE_HEAD_UNITS >= JOURNAL_WRITES)
        return told(st, RP_FULL);
    sim_note("  write %u bytes, %u records at %u", (unsigned)st->batch.records.bytes, st->batch.records.records, st->unit);
    sim_platform_point(0, "write");
    if (sim_journal.fail_writes > 0) {
        sim_journal.fail_writes--;
        return told(st, fail(-EIO, "the disk is broken"));
    }
    struct sim_journal_file *f = file(st->number);
    if (f != NULL) { /* else it was dropped meanwhile: the description is still open, the bytes are nobody's */
        check_place(st);
        uint32_t i = st->unit - STORE_HEAD_UNITS;
        f->written[i] = (uint32_t)st->batch.records.bytes;
        memcpy(f->data[i], st->buffer, st->batch.records.bytes);
        sim_journal_check_ids();
    }
    *unit = ++st->unit;
    if (st->segment->parameters.sync == RP_SYNC_ALWAYS)
        st->synced = st->unit;
    return told(st, 0);
}

int store_sync(struct durable_store *st) {
    sim_platform_point(0, "sync");
    if (sim_journal.fail_syncs > 0) {
        sim_journal.fail_syncs--;
        file(st->number)->sync_failed = true;
        return told(st, fail(-EIO, "the disk is broken"));
    }
    st->synced = st->unit;
    return told(st, 0);
}

uint32_t store_durable_unit(const struct durable_store *st) { return st->synced; }

int store_next(struct durable_store *st, uint64_t sequence, uint64_t needed) {
    const uint64_t number = st->number;
    const uint32_t unit = st->unit;
    sim_platform_point(0, "make the next file");
    if (sim_journal.fail_files > 0) {
        sim_journal.fail_files--;
        return told(st, fail(-ENOSPC, "the disk is full"));
    }
    struct sim_journal_file *f = file(number + 1);
    if (f == NULL) {
        f = file(0);
        sim_note("  file %u after unit %u", (unsigned)number + 1, unit);
        if (f == NULL)
            return told(st, fail(-ENOSPC, "the disk is full"));
        memset(f, 0, sizeof *f);
        f->number = number + 1;
        f->previous_end = unit;
        f->first = sequence;
        f->needed = needed;
        if (needed > number)
            sim_fail("file %u says that file %u is the first that is needed", (unsigned)number + 1, (unsigned)needed);
    } else if (f->previous_end != unit && file(number)->sync_failed) {
        if (f->previous_end < unit)
            return told(st, fail(RP_CORRUPT, "who made the next file knew that the sync had failed"));
    } else if (f->previous_end != unit) {
        sim_fail("file %u ends at unit %u for who made the next one, at %u for another", (unsigned)number, f->previous_end, unit);
    }
    st->number = number + 1;
    st->unit = st->synced = STORE_HEAD_UNITS;
    return told(st, 0);
}

void store_unmake(struct durable_store *st, uint64_t number) {
    (void)st;
    struct sim_journal_file *f = file(number);
    if (f != NULL)
        f->number = 0;
}

/* What is right once stays right: so whoever reads may go by it from now on, whatever a file says. */
uint64_t store_needed(struct durable_store *st, uint64_t needed, uint64_t number, uint64_t lowest) {
    (void)st;
    for (; needed < number; needed++) {
        const struct sim_journal_file *next = file(needed + 1);
        if (next != NULL && (int64_t)(next->first - lowest) > 0)
            break;
    }
    if (sim_journal.needed < needed)
        sim_journal.needed = needed;
    sim_learn(needed);
    return needed;
}

uint64_t store_said(const struct durable_store *st) {
    const struct sim_journal_file *here = file(st->number);
    const uint64_t said = here != NULL ? here->needed : 0;
    sim_learn(said);
    return said;
}

uint64_t store_first(const struct durable_store *st, uint64_t from, uint64_t to, uint64_t sequence) {
    (void)st;
    for (; from < to; from++) {
        const struct sim_journal_file *next = file(from + 1);
        if (next != NULL && (int64_t)(next->first - sequence) > 0)
            break;
    }
    sim_learn(from);
    return from;
}

/* So many files are kept as the queue says bytes. */
uint64_t store_drop(struct durable_store *st, uint64_t oldest, uint64_t needed) {
    const uint64_t keep = st->segment->parameters.retain_bytes;
    for (; oldest + keep < needed; oldest++) {
        sim_platform_point(0, "drop a file");
        struct sim_journal_file *f = file(oldest);
        sim_note("  file %u goes", (unsigned)oldest);
        if (f != NULL)
            f->number = 0;
    }
    return oldest;
}
