/* SPDX-License-Identifier: MIT */
#ifndef RP_QUEUE_CONTENTS_H
#define RP_QUEUE_CONTENTS_H

#include "handle.h"

/* What is put into a queue before anybody can see it: `fill` gets its memory, initialised. A negative result, with the detail set: there will be no such queue. */
struct queue_contents {
    int (*fill)(struct queue_contents *c, void *memory, uint64_t bytes);
};

/* As rp_queue_create. `contents` may be NULL. */
int queue_create(const char *name, const struct rp_queue_options *given, struct queue_contents *contents, rp_queue **out);

#endif
