/* SPDX-License-Identifier: MIT */
#ifndef RP_QUEUE_CONTENTS_H
#define RP_QUEUE_CONTENTS_H

#include "handle.h"

/* What is put into a queue before anybody can see it: `fill` gets its memory, initialised. A negative result, with the detail set: there will be no such queue. */
struct queue_contents {
    int (*fill)(struct queue_contents *c, void *memory, uint64_t bytes);
};

/* As rp_queue_create. `contents` may be NULL; those of a durable queue see to its journal. */
int queue_create(const char *name, const struct rp_queue_options *given, struct queue_contents *contents, rp_queue **out);

/* A handle of the queue at `path`; `only`: of that very file, NULL: of whatever has the name. */
int queue_attach(const char *name, const char *path, const struct shm_identity *only, bool read_only, rp_queue **out);

/*
 * What is above, in lib/replay, and not in every program that is made of parts of this library: rp_queue_create of a queue with a journal, all options filled in; and rp_queue_open where there
 * is no queue of that name, but perhaps a journal of one.
 */
__attribute__((weak)) int replay_create(const char *name, const struct rp_queue_options *o, rp_queue **out);
__attribute__((weak)) int replay_open(const char *name, const char *journal, rp_queue **out);

#endif
