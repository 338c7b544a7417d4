/* SPDX-License-Identifier: MIT */
/* Consumer groups, for the verbs that show them. */
#ifndef RINGPOST_TOOLS_GROUPS_H
#define RINGPOST_TOOLS_GROUPS_H

#include "cli.h"

json_t *groups_json(rp_queue *q);   /* an array, one object a group */
uint32_t groups_print(rp_queue *q); /* a table; how many there are */

/* "queue", "block", "drop-oldest", "dead". */
const char *group_overflow_name(uint32_t overflow);
bool group_parse_overflow(const char *text, void *overflow); /* uint32_t */
#define EXPECTS_GROUP_OVERFLOW "queue, block, drop-oldest or dead"

#endif
