/* SPDX-License-Identifier: MIT */
/* What of a queue is paused, for the verbs that show it. */
#ifndef RINGPOST_TOOLS_PAUSED_H
#define RINGPOST_TOOLS_PAUSED_H

#include "cli.h"

/* The sides: "send", "receive", "send, receive"; "" for none. */
const char *paused_sides(rp_queue *q);

/* The same with the groups that are paused one by one, into `out`, cut where it ends: "send, group slow". */
#define PAUSED_TEXT_MAX 256
const char *paused_text(rp_queue *q, char out[PAUSED_TEXT_MAX]);

json_t *paused_json(rp_queue *q); /* an array of the sides */

#endif
