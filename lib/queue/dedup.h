/* SPDX-License-Identifier: MIT */
/*
 * Deduplication: a send under an id that a committed send had within the queue's window stores nothing. The id is kept before the message is published and decided after it:
 *
 *     a cell is OWNED, its payload written;  the id PENDING, with the cell and its generation, and linked;  publish;  the id COMMITTED, or ABORTED and only then the cell
 *     given back
 *
 * So of a sender that died the cell tells what became of the message, for as long as recovery has not freed it: of the generation before, it was never published (or waits
 * for its time, which is as good as sent); PUBLISHED by the dead one, the verdict about any such cell holds (fanout.h); anything else is a later life, which it has only
 * after it was committed. Each recoverer decides all ids of the dead one before it touches a cell of his.
 *
 * Who meets an id that is PENDING cannot know, and waits: for its sender, or for the sender's death to be found.
 */
#ifndef RP_QUEUE_DEDUP_H
#define RP_QUEUE_DEDUP_H

#include "handle.h"
#include "id_table.h"

/* Was `id` sent? 0: not as far as is known. RP_DUPLICATE, *message_id the first one's; -EBUSY: undecided when the timeout was over; -EINTR, RP_GONE, RP_CORRUPT. */
int dedup_look(struct actor *a, const struct sought_id *x, int64_t timeout_ns, uint64_t *message_id);

/* The same, and if it was not: it is PENDING for the message in owned cell `c`, and *entry. */
int dedup_begin(struct actor *a, const struct sought_id *x, uint32_t c, int64_t timeout_ns, struct id_entry *entry,
                uint64_t *message_id);

/* The message was sent, or not: before its cell is given back. */
void dedup_end(struct actor *a, const struct id_entry *entry, bool sent);

/* Decides the ids of a dead sender. -> things done. */
int dedup_recover(struct actor *a, uint32_t dead);

#endif
