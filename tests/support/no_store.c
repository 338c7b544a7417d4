/* SPDX-License-Identifier: MIT */
/* For worlds without files: queue/durable_store.h and durable_history.h that have none. Queues there are not durable. */
#include "durable_history.h"
#include "durable_store.h"
#include "error.h"
#include <errno.h>

int store_open(const struct segment *s, struct durable_store **out) {
    (void)s, (void)out;
    return fail(-ENOTSUP, "there are no files here");
}

void store_close(struct durable_store *st) { (void)st; }

struct batch *store_batch(struct durable_store *st) {
    (void)st;
    return NULL;
}

int store_seek(struct durable_store *st, uint64_t number, uint32_t unit) {
    (void)st, (void)number, (void)unit;
    return -ENOTSUP;
}

int store_write(struct durable_store *st, uint32_t *unit) {
    (void)st, (void)unit;
    return -ENOTSUP;
}

int store_sync(struct durable_store *st) {
    (void)st;
    return -ENOTSUP;
}

uint32_t store_durable_unit(const struct durable_store *st) {
    (void)st;
    return STORE_HEAD_UNITS;
}

int store_next(struct durable_store *st, uint64_t sequence, uint64_t needed) {
    (void)st, (void)sequence, (void)needed;
    return -ENOTSUP;
}

void store_unmake(struct durable_store *st, uint64_t number) { (void)st, (void)number; }

uint64_t store_needed(struct durable_store *st, uint64_t needed, uint64_t number, uint64_t lowest) {
    (void)st, (void)number, (void)lowest;
    return needed;
}

uint64_t store_said(const struct durable_store *st) {
    (void)st;
    return 1;
}

uint64_t store_drop(struct durable_store *st, uint64_t oldest, uint64_t needed) {
    (void)st, (void)needed;
    return oldest;
}

uint64_t store_first(const struct durable_store *st, uint64_t from, uint64_t to, uint64_t sequence) {
    (void)st, (void)to, (void)sequence;
    return from;
}

int history_open(struct durable_history **out, const char *path, const unsigned char *id, uint64_t from, bool follow) {
    (void)out, (void)path, (void)id, (void)from, (void)follow;
    return fail(-ENOTSUP, "there are no files here");
}

void history_close(struct durable_history *h) { (void)h; }

int history_next(struct durable_history *h, struct journal_record *out, struct history_gap *gap) {
    (void)h, (void)out, (void)gap;
    return -ENOTSUP;
}

void history_until(struct durable_history *h, uint64_t file, uint64_t unit) { (void)h, (void)file, (void)unit; }

void history_place(const struct durable_history *h, uint64_t *file, uint64_t *unit) {
    (void)h;
    *file = *unit = 0;
}

uint64_t history_begin_of(const char *path, uint64_t time_ns) {
    (void)path, (void)time_ns;
    return 1;
}
