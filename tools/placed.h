/* SPDX-License-Identifier: MIT */
/* Where a queue's memory lies, for the verbs that ask for it and show it. */
#ifndef RINGPOST_TOOLS_PLACED_H
#define RINGPOST_TOOLS_PLACED_H

#include "cli.h"

bool placed_parse_numa(const char *text, void *options); /* struct rp_queue_options: its numa and numa_node */
#define EXPECTS_NUMA "auto, interleave, consumer or node:N, N from 0 to 63"

bool placed_parse_shards(const char *text, void *shards); /* uint32_t */
#define EXPECTS_SHARDS "auto or a number up to 16"

#define PLACED_NUMA_MAX 16
const char *placed_numa(char out[PLACED_NUMA_MAX], uint32_t numa, uint32_t node); /* as it was typed */

json_t *placed_json(const struct rp_placement *p);
void placed_print(rp_queue *q, const struct rp_placement *p); /* lines of `info` */

#endif
