/* SPDX-License-Identifier: MIT */
/*
 * Deduplication: a send under an id that a committed send had within the queue's window stores nothing. The id is kept before the message is published and decided after it:
 *
 *     a cell is OWNED, its payload written;  the id PENDING, with the cell and its generation, and linked;  publish;  the id COMMITTED, or ABORTED and only then the cell
 *     given back
 *
 * Of a sender that died the cell tells what became of the message (verdict.h). Each recoverer decides all ids of the dead one before it touches a cell of his.
 *
 * Who meets an id that is PENDING cannot know, and waits: for its sender, or for the sender's death to be found.
 */
#ifndef RP_QUEUE_DEDUP_H
#define RP_QUEUE_DEDUP_H

#include "handle.h"
#include "id_table.h"

/* A send under an id, from the question whether it was sent to the end of the send. */
struct once {
    struct actor *actor;
    struct sought_id id;
    struct id_entry entry; /* the one that was found, or ours */
    uint64_t head;         /* of the chain, as it was when the id was not in it */
    int64_t timeout_ns;    /* of the whole send: 0, -1, or until */
    uint64_t deadline_ns;
};

/* What is left of the send's timeout. */
int64_t once_patience(const struct once *x);

/* Was it sent? 0: not as far as is known. RP_DUPLICATE, *first the id of that message unless it is NULL; -EBUSY: undecided when the timeout was over; -EINTR, RP_GONE, RP_CORRUPT. */
int dedup_ask(struct once *x, struct actor *a, const void *id, size_t bytes, int64_t timeout_ns, uint64_t *first);

/* It was not: it is PENDING now, for the message in owned cell `c`, unless somebody else was quicker; as dedup_ask. */
int dedup_begin(struct once *x, uint32_t c, uint64_t *first);

/* The message was sent, or not: before its cell is given back. */
void dedup_end(struct once *x, bool sent);

/* Until when an id that is decided now is kept. */
uint64_t dedup_until_ns(struct actor *a);

/* Decides the ids of a dead sender. -> things done. */
int dedup_recover(struct actor *a, uint32_t dead);

#endif
