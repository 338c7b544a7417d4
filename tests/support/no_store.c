/* SPDX-License-Identifier: MIT */
/* For worlds without files: queue/durable_store.h that has none. Queues there are not durable. */
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
