/* SPDX-License-Identifier: MIT */
/* What a journal came to, put into the memory of a new queue that nobody else sees. */
#ifndef RP_REPLAY_BRING_BACK_H
#define RP_REPLAY_BRING_BACK_H

#include "dump_rebuild.h"
#include "fold.h"

/*
 * All but the journal's own place: groups with their indexes, messages in the order of their sequences, each then with its cell, ids with the oldest first (the table has room for the newest). `all`: the fold's messages. `r` is filled in for messages. 0; or, with the detail
 * set, what the new queue has no room for: as rp_queue_restore.
 */
int bring_back(struct rebuild *r, struct fold *f, struct live_message **all, void *memory, uint64_t bytes, uint64_t created_ns);

#endif
