/* SPDX-License-Identifier: MIT */
/*
 * Ids in the journal: those under which messages were sent, and how far producers with an id have come.
 *
 * An id is in the batch of its message, as is the sequence that its producer came to with it: a batch counts or does not, so after a failure of the machine there is no message without its id, and no id without its message. What a
 * message does to these words is what it does in a queue without a journal (dedup.h, identity.h): JOURNALED is committed. But nobody is told of it before it counts:
 *
 *     PENDING       the sender is at it. The writer may have recorded the message and the id already: JOURNALED decides, whoever looks
 *     COMMITTED     the message is JOURNALED, or went on. RP_DUPLICATE is said when it is below the point, as a send returns then; RP_NOT_DURABLE if it cannot be written. So who got that for his send, and sends again under the
 *                   same id, makes one message
 *     last, next    the same: rp_producer_sequence returns when what it says is below the point
 *
 * Ids outlive their messages, and with them the files of those. So in a queue that knows any, files go only by snapshots, which say ids again (durable_files.c): their number stays in proportion to all that is to be said, and
 * each id is written again once for as much else. The snapshot says only what counts: an id whose message is not below the point comes with that message; of a producer it says the last sequence below the point, which
 * is the one before the oldest of his messages that is not.
 *
 * A producer id that was removed is LEAVING until the journal says so: a crash of the remover leaves it to the next writer. Before that all that was sent under it counts, so no batch writes another's name into the record.
 */
#ifndef RP_QUEUE_DURABLE_IDS_H
#define RP_QUEUE_DURABLE_IDS_H

#include "durable_batch.h"

/* Beside the message in cell c, with this word, that was just added. False: there is no room. */
bool ids_add(struct batch *b, const struct segment *s, uint32_t c, uint64_t w);

/* Ids of producers that were removed. False: there is no room for all. */
bool ids_add_left(struct batch *b, const struct segment *s);
/* They are in the journal: their places are free. */
void ids_settle(const struct segment *s, const struct batch *b);
/* A batch with some may never count. */
void ids_mark_left(const struct segment *s);

/* For a snapshot: number n of ids_count(). False: there is no room. */
uint32_t ids_count(const struct segment *s);
bool ids_add_live(struct batch *b, const struct segment *s, uint32_t n);
/* The sequence before the oldest message of this producer that waits (durable_waits) in the journal ring from there on, or was not entered there yet; or `sequence`: none does. */
uint64_t ids_sequence_before(const struct segment *s, uint32_t place, uint64_t from, uint64_t sequence);
/* At most what that would take. */
uint64_t ids_bytes(const struct segment *s);

#endif
