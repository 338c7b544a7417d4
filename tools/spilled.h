/* SPDX-License-Identifier: MIT */
/* What is in a queue's spill file, for `stat`. */
#ifndef TOOLS_SPILLED_H
#define TOOLS_SPILLED_H

#include "cli.h"

/* NULL: the queue does not spill. */
json_t *spilled_json(rp_queue *q);
void spilled_print(rp_queue *q);

#endif
