/* SPDX-License-Identifier: MIT */
/* Cells for messages that come back into memory from files: everybody's, or of those that are kept for the group, so that senders who take each cell as it becomes free leave it some. */
#ifndef RP_QUEUE_RESERVE_H
#define RP_QUEUE_RESERVE_H

#include "handle.h"

/* Takes a cell for the group. As with senders, bits may lag: the words are asked before it is believed that there is none. */
bool reserve_take(struct actor *a, unsigned group, uint32_t *cell);

#endif
