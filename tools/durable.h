/* SPDX-License-Identifier: MIT */
/* A queue's journal, for the verbs that ask for it and show it. */
#ifndef RINGPOST_TOOLS_DURABLE_H
#define RINGPOST_TOOLS_DURABLE_H

#include "cli.h"

bool durable_parse_sync(const char *text, void *sync); /* uint32_t: enum rp_sync */
#define EXPECTS_SYNC "always, interval or none"
bool durable_parse_retain(const char *text, void *options); /* struct rp_queue_options */
#define EXPECTS_RETAIN "a duration, a size, or both: 24h, 10GiB or 24h,10GiB"

json_t *durable_json(const struct rp_queue_options *o); /* null: it has none */
void durable_print(const struct rp_queue_options *o);   /* a line of `info`, if it has one */

#endif
