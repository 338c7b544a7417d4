/* SPDX-License-Identifier: MIT */
/*
 * What a process has open of a durable queue's journal. Only who has the writer's role writes; the store itself knows nothing of roles, but that two must not write at one place is why there are points: durable.h.
 * The simulator has a store of its own.
 */
#ifndef RP_QUEUE_DURABLE_STORE_H
#define RP_QUEUE_DURABLE_STORE_H

#include "durable_batch.h"

enum { STORE_HEAD_UNITS = 8 }; /* where a file's first batch goes */

/* Opens it for this process. 0 or a negative result with the detail set. */
int store_open(const struct segment *s, struct durable_store **out);
void store_close(struct durable_store *st);

/* An empty batch in the store's own memory, which has room for any message, and as many as are worth one write. */
struct batch *store_batch(struct durable_store *st);

/* Goes to `unit` of file `number`, where the next batch is to be. */
int store_seek(struct durable_store *st, uint64_t number, uint32_t unit);

/* Writes that batch where we are; with RP_SYNC_ALWAYS it is on disk afterwards. *unit: behind it. RP_FULL: it does not fit into the file; other errors: the file must be sealed where we are. */
int store_write(struct durable_store *st, uint32_t *unit);

/* What was written to this file, by whomever, is on disk. An error: what is there since the last success nobody knows. */
int store_sync(struct durable_store *st);

/* Where the last successful sync of this file left us, as far as is known. */
uint32_t store_durable_unit(const struct durable_store *st);

/* Makes the next file, which says that this one ends where we are, and that files below `needed` are needed by nobody, and goes to its begin; or finds that somebody has. What is before must be on disk. `sequence`: of its first
   message. */
int store_next(struct durable_store *st, uint64_t sequence, uint64_t needed);

/* Removes a file that was made too late. */
void store_unmake(struct durable_store *st, uint64_t number);

/* From file `needed` on, files whose messages all have lower sequences than `lowest` are needed by nobody; `number` and later ones are. -> the first that is */
uint64_t store_needed(struct durable_store *st, uint64_t needed, uint64_t number, uint64_t lowest);

/* The same as a question: of the files from `from` up to `to`, the first that may have `sequence` or a later one. */
uint64_t store_first(const struct durable_store *st, uint64_t from, uint64_t to, uint64_t sequence);

/* The first file that is needed, as this file's head says. */
uint64_t store_said(const struct durable_store *st);

/* Removes files from `oldest` on, up to `needed`, that are not to be kept: the queue's retain_ns and retain_bytes. -> the oldest that is left */
uint64_t store_drop(struct durable_store *st, uint64_t oldest, uint64_t needed);

#endif
