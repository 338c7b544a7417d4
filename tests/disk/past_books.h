/* SPDX-License-Identifier: MIT */
/*
 * What the books know of groups that begin in the past. Nobody can peek at what such a group was not fed yet: it is for it if it is in the journal's files, where we look.
 */
#ifndef DISK_PAST_BOOKS_H
#define DISK_PAST_BOOKS_H

#include "books.h"

/* Which messages are in the journal's files, with their sequences. False: it cannot be read, with the disk off. */
bool past_books_look(void);

/* A start for a group that is to be made: options, and what it says in the books of each message that was sent so far. */
void past_books_choose(struct rp_group_options *o);
void past_books_begin(unsigned g, const struct rp_group_options *o);

/* What the group gets that it was not fed yet: found[n]. */
void past_books_list(rp_queue *q, uint32_t index, unsigned g, uint8_t *found);

#endif
