/* SPDX-License-Identifier: MIT */
/* Publishing a message: the cell's word says PUBLISHED, its position says where, and one CAS of a lane slot commits it. */
#ifndef RP_QUEUE_PUBLISH_H
#define RP_QUEUE_PUBLISH_H

#include "handle.h"

/*
 * Publishes an owned cell, complete but for its flags, in a lane. 0: the message is committed, and (with `wake`) sleeping receivers were woken. RP_FULL, RP_CORRUPT
 * with the detail set: the cell is OWNED as before.
 * A crash leaves it OWNED or PUBLISHED and not in the lane (freed by recovery), or in the lane (delivered).
 */
int publish(struct rp_producer *p, uint32_t lane, uint32_t c, uint32_t flags, bool wake);

#endif
