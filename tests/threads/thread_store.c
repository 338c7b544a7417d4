/* SPDX-License-Identifier: MIT */
/*
 * durable_store.h for threads: a journal that takes everything, and of which nothing is kept. So all that orders one writer before another is what lib/queue has in shared memory, which is what ThreadSanitizer is to look at; a real
 * file orders nothing for it, either.
 */
#include "durable_store.h"
#include "sim_journal.h"
#include <errno.h>
#include <stdlib.h>

enum { BATCH_BYTES = 4096, WRITES = 6 }; /* per file */

const bool sim_journal_is_kept = false;

/*
 * A writer who has lost the role, and does not know it yet, reads messages for a batch that will not count, and others may free their cells meanwhile: what he reads is thrown away, however it was mixed. Lengths are read once, and checked.
 */
__attribute__((visibility("default"))) const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void) { return "race:add_message\nrace:record_message_write\n"; }

/* So that it knows where an access was made long ago, and can tell those. */
__attribute__((visibility("default"))) const char *__tsan_default_options(void);
const char *__tsan_default_options(void) { return "history_size=7"; }

struct durable_store {
    uint64_t number;
    uint32_t unit;
    struct batch batch;
    unsigned char buffer[BATCH_BYTES];
};

int store_open(const struct segment *s, struct durable_store **out) {
    (void)s;
    *out = calloc(1, sizeof **out);
    return *out != NULL ? 0 : -ENOMEM;
}

void store_close(struct durable_store *st) { free(st); }

struct batch *store_batch(struct durable_store *st) {
    journal_batch_begin(&st->batch.records, st->buffer, sizeof st->buffer);
    return &st->batch;
}

int store_seek(struct durable_store *st, uint64_t number, uint32_t unit) {
    st->number = number;
    st->unit = unit;
    return 0;
}

int store_write(struct durable_store *st, uint32_t *unit) {
    if (st->unit - STORE_HEAD_UNITS >= WRITES)
        return RP_FULL;
    *unit = ++st->unit;
    return 0;
}

int store_sync(struct durable_store *st) {
    (void)st;
    return 0;
}

uint32_t store_durable_unit(const struct durable_store *st) { return st->unit; }

int store_next(struct durable_store *st, uint64_t sequence, uint64_t needed) {
    (void)sequence, (void)needed;
    st->number++;
    st->unit = STORE_HEAD_UNITS;
    return 0;
}

void store_unmake(struct durable_store *st, uint64_t number) { (void)st, (void)number; }

uint64_t store_first(const struct durable_store *st, uint64_t from, uint64_t to, uint64_t sequence) {
    (void)st, (void)to, (void)sequence;
    return from;
}

/* Nobody knows what is in which file: only snapshots let them go. */
uint64_t store_needed(struct durable_store *st, uint64_t needed, uint64_t number, uint64_t lowest) {
    (void)st, (void)number, (void)lowest;
    return needed;
}

uint64_t store_said(const struct durable_store *st) {
    (void)st;
    return 1;
}

uint64_t store_drop(struct durable_store *st, uint64_t oldest, uint64_t needed) {
    (void)st;
    return oldest > needed ? oldest : needed;
}
