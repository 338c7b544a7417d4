/* SPDX-License-Identifier: MIT */
/* For worlds whose journals nobody reads: queue/durable_history.h that has none. */
#include "durable_history.h"
#include "error.h"
#include <errno.h>

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
