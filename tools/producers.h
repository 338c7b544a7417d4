/* SPDX-License-Identifier: MIT */
/* Ids of producers, for the verbs that show them. */
#ifndef RINGPOST_TOOLS_PRODUCERS_H
#define RINGPOST_TOOLS_PRODUCERS_H

#include "cli.h"

json_t *producers_json(rp_queue *q);                       /* an array, one object an id */
uint32_t producers_print(rp_queue *q, const char *before); /* a table, after `before` if there is one at all; how many there are */

#endif
