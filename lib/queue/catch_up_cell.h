/* SPDX-License-Identifier: MIT */
/* A message of the journal's files, as a cell has it. */
#ifndef RP_QUEUE_CATCH_UP_CELL_H
#define RP_QUEUE_CATCH_UP_CELL_H

#include "durable_record.h"

/* Does a group that begins in the past get it? Not what waited for its time, and not what expired. */
bool past_message_counts(const struct record_message *m, uint64_t now_wall_ns);

/* Headers in the machine's order. */
struct past_headers {
    unsigned char *bytes;
    size_t room;
};

/*
 * Into an owned cell: all but its words. *lane: where it belongs; a queue whose lanes are others than when it was sent has it in one of those it has. 0; RP_FULL: max_bytes; RP_TOO_BIG, RP_CORRUPT, -ENOMEM: it never can be.
 */
int past_fill(const struct segment *s, const char *queue, uint32_t c, const struct record_message *m, struct past_headers *h,
              uint32_t *lane);

#endif
