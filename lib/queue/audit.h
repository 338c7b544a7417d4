/* SPDX-License-Identifier: MIT */
/* What the parts of the audit share. */
#ifndef RP_QUEUE_AUDIT_H
#define RP_QUEUE_AUDIT_H

#include "handle.h"

struct check {
    rp_queue *queue;
    const struct segment *segment;
    struct rp_audit *out;
    uint64_t bytes;  /* that the cells hold */
    uint32_t active; /* groups */
};

void audit_violation(struct check *k, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool audit_seat_is_attached(const struct check *k, uint32_t seat);

/* Of a queue with a dedup window. */
void audit_ids(struct check *k);

/* Of a queue that spills. */
void audit_spill(struct check *k);

/* Of the ids of producers. */
void audit_identities(struct check *k);

#endif
